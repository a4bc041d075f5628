"""Why an output may be absent, in the language of a page.

Readers of definitions say it in English, with names of the definition in quotes. For other languages the catalogue has
the sentences that they are made of; one that is put together in a way which it does not know stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from difygen.codegen.describe import sentence
from difygen.documents.pages.page import CodeSpan, ForeignSpan, PlainSpan, Prose, Span
from difygen.documents.pages.words import Words
from difygen.wording import one_line

MAX_LENGTH = 400
"""Characters of a reason that is translated."""

_QUOTED = re.compile(r"`([^`]+)`|'(.+?)'(?=[\s,;:.)]|$)")
_NAME = re.compile("\ue000(\\d+)\ue001")
_OURS = re.compile(r"[A-Za-z]")


def reason_in(words: Words, reason: str) -> Prose:
    """Return a reason as a sentence; nothing for none. Names in it are code, titles stand in quotes."""
    reason = one_line(reason).translate({0xE000: None, 0xE001: None})
    names: list[Span] = []

    def name(found: re.Match[str]) -> str:
        names.append(CodeSpan(found[1]) if found[1] else ForeignSpan(words.text("reasons.quoted", title=found[2])))
        return f"\ue000{len(names) - 1}\ue001"

    if words.language != "en" and len(reason) <= MAX_LENGTH:
        clauses = [_translated(words, each, {}) for each in _QUOTED.sub(name, reason).split("; ")]
        if reason and None not in clauses:
            bare = words.text("reasons.then").join(map(str, clauses))
            return tuple(_spans(f"{bare}{words.text('reasons.stop')}", names))
        names.clear()
    return tuple(_spans(_QUOTED.sub(name, sentence(reason)), names))


def _spans(bare: str, names: list[Span]) -> Iterator[Span]:
    for at, piece in enumerate(_NAME.split(bare)):
        if at % 2:
            yield names[int(piece)]
        elif piece:
            yield PlainSpan(piece) if names else ForeignSpan(piece)


def _translated(words: Words, text: str, known: dict[str, str | None]) -> str | None:
    """Return a clause in the language of the words; None if it is made of something that they lack."""
    if not _OURS.search(text):
        return text.replace(", ", words.comma)
    if text not in known:
        known[text] = None
        for key in words.keys("reasons.clauses"):
            for parts in _taken_apart(words.english(f"reasons.clauses.{key}"), text):
                inner = {hole: _translated(words, part, known) for hole, part in parts.items()}
                if None not in inner.values():
                    known[text] = words.text(
                        f"reasons.clauses.{key}", **{hole: str(each) for hole, each in inner.items()}
                    )
                    return known[text]
    return known[text]


def _taken_apart(pattern: str, text: str) -> Iterator[dict[str, str]]:
    """Yield what may stand in the holes of a pattern: `{a}`, and `{b}` behind it, wherever it can be split."""
    before, *rest = re.split(r"\{\w\}", pattern)
    if not text.startswith(before) or not text.endswith(rest[-1]):
        return
    inner = text[len(before) : len(text) - len(rest[-1])]
    if len(rest) == 1:
        if inner:
            yield {"a": inner}
        return
    at = inner.find(rest[0], 1)
    while at > 0:
        if inner[at + len(rest[0]) :]:
            yield {"a": inner[:at], "b": inner[at + len(rest[0]) :]}
        at = inner.find(rest[0], at + 1)
