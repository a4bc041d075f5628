"""The model of a page: frozen records that hold all that is said, in order; and its fixed words.

A page is built once and rendered by two doors, Markdown and HTML. Nothing in here is markup: a span holds a plain text,
and each door escapes it in its own way.

`templates/pages.yaml` is one catalogue of words for all languages. A text there may hold `` `code` ``,
`**strong words**`, `[links](#section)` and `{holes}`. It is taken apart before the holes are filled, so that nothing
that comes from a definition is ever read as any of these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from difygen.files import templates_folder
from difygen.record import Record
from difygen.wording import one_line

_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^]]+)\]\(#([\w-]+)\)|\{(\w+)\}")


class PlainSpan(Record):
    """Words of ours."""

    text: str


class ForeignSpan(Record):
    """Words of a definition, in whatever language and direction."""

    text: str


class CodeSpan(Record):
    """A name or a value as it is written in a request or a program."""

    text: str


class StrongSpan(Record):
    """Words of ours that nobody should miss."""

    text: str


class LinkSpan(Record):
    """Words that lead to the section of that id, or, where `target` names a file of ours, to another page."""

    text: str
    target: str


Span = PlainSpan | ForeignSpan | CodeSpan | StrongSpan | LinkSpan
Prose = tuple[Span, ...]
"""A text on one line."""


class Paragraph(Record):
    """A text of its own. `tone` is `warning` for what goes wrong most, else nothing."""

    id: str
    prose: Prose
    tone: str = ""


class Bullets(Record):
    """Texts under each other, none before another."""

    id: str
    items: tuple[Prose, ...]


class TableRow(Record):
    """A row of a table, which can be linked to."""

    id: str
    cells: tuple[Prose, ...]


class TableBlock(Record):
    """A table. `head` are words of ours."""

    id: str
    head: tuple[str, ...]
    rows: tuple[TableRow, ...]


class Listing(Record):
    """Something to be copied, or as it comes. `language` is what a highlighter calls it, `caption` says what it is."""

    id: str
    language: str
    text: str
    caption: Prose = ()


class Box(Record):
    """A step of a flow in a drawing: where it stands within what holds it, and what is written on it.

    `inside` is the drawing of what goes on within the step, if there is one. `role` is the family of its type.
    """

    id: str
    title: str
    type: str
    role: str
    x: float
    y: float
    width: float
    height: float
    inside: Drawing | None = None


class Line(Record):
    """A connection of two boxes, as the points that it goes through. `label` is the branch that it is."""

    source: str
    target: str
    points: tuple[tuple[float, float], ...]
    label: str = ""
    is_back: bool = False


class Drawing(Record):
    """Steps and their connections, laid out on a plane."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


class Flow(Record):
    """The flow of an app, drawn. `about` says in words what the picture shows."""

    id: str
    about: str
    drawing: Drawing


class Subheading(Record):
    """The heading of a part of a section."""

    id: str
    text: str


Block = Paragraph | Bullets | TableBlock | Listing | Flow | Subheading


class Fact(Record):
    """Something about the whole, said in one line."""

    name: str
    value: Prose


class PageSection(Record):
    """A part of the page with a heading, which is words of ours."""

    id: str
    title: str
    blocks: tuple[Block, ...]


class Page(Record):
    """A page. `path` is its name without an ending; `contents` and `home` are words of ours for its links.

    `home` is empty on the page that lists the others.
    """

    path: str
    language: str
    title: str
    lead: tuple[Prose, ...]
    facts: tuple[Fact, ...]
    sections: tuple[PageSection, ...]
    contents: str
    home: str = ""


def foreign(text: str) -> Prose:
    """Return a text of a definition as it may stand within a line. Nothing for nothing."""
    return (ForeignSpan(one_line(text)),) if text.strip() else ()


def code(text: str) -> Prose:
    """Return a name or a value on one line."""
    return (CodeSpan(one_line(text)),)


def joined(parts: Iterable[Prose], separator: str) -> Prose:
    """Return texts one behind the other, with words of ours between them; empty ones are left out."""
    found: list[Span] = []
    for part in parts:
        if part and found:
            found.append(PlainSpan(separator))
        found += part
    return tuple(found)


# Words


@cache
def catalogue() -> Mapping[str, Any]:
    """Return all texts: tables of tables, at whose ends stands one text for each language."""
    with open(os.path.join(templates_folder(), "pages.yaml"), encoding="utf-8") as file:
        found: Mapping[str, Any] = yaml.safe_load(file)
    return found


class Words:
    """The catalogue in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.comma = {"en": ", ", "zh": "、"}[language]
        """What stands between the members of a list."""

    def keys(self, group: str) -> tuple[str, ...]:
        """Return the keys of a table of the catalogue, in its order."""
        return tuple(_entry(group))

    def has(self, key: str) -> bool:
        """Check whether there is a text of that key."""
        table, _, name = key.rpartition(".")
        return name in _entry(table)

    def text(self, key: str, **values: str) -> str:
        """Return a text without marks, such as a heading. The values are words of ours."""
        text: str = _entry(key)[self.language]
        return text.format(**values) if values else text

    def english(self, key: str) -> str:
        """Return a text as it is in English, which readers of definitions speak."""
        text: str = _entry(key)["en"]
        return text

    def prose(self, key: str, **values: Prose) -> Prose:
        """Return a text with what stands in its holes."""
        return tuple(_spans(_entry(key)[self.language], values))

    def listed(self, items: Iterable[Prose]) -> Prose:
        """Return texts as a list within a sentence."""
        return joined(items, self.comma)


def _entry(key: str) -> Any:
    found: Any = catalogue()
    for name in key.split("."):
        found = found[name]
    return found


def _spans(text: str, values: Mapping[str, Prose]) -> Iterator[Span]:
    end = 0
    for found in _MARKS.finditer(text):
        if found.start() > end:
            yield PlainSpan(text[end : found.start()])
        end = found.end()
        code, strong, link, target, hole = found.groups()
        if code:
            yield CodeSpan(code)
        elif strong:
            yield StrongSpan(strong)
        elif link:
            yield LinkSpan(link, f"#{target}")
        else:
            yield from values[hole]
    if end < len(text):
        yield PlainSpan(text[end:])
