"""The fixed words of pages: one catalogue for all languages, `templates/pages.yaml`.

A text there may hold `` `code` ``, `**strong words**`, `[links](#section)` and `{holes}`. It is taken apart before the
holes are filled, so that nothing that comes from a definition is ever read as any of these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from difygen.documents.pages.page import CodeSpan, LinkSpan, PlainSpan, Prose, Span, StrongSpan, joined
from difygen.files import templates_folder

LANGUAGES = ("en", "zh")

_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^]]+)\]\(#([\w-]+)\)|\{(\w+)\}")


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
