"""The model of a page: frozen records that hold all that is said, in the order in which it is said.

A page is built once and rendered by two doors, Markdown and HTML. Nothing in here is markup: a span holds a plain text,
and each door escapes it in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable

from difygen.record import Record
from difygen.wording import one_line


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
