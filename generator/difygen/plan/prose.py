"""Texts of a definition as the lines of a docstring: cleaned, made into sentences, wrapped by display width.

What comes out is still plain text: `difygen.code.docstring` is the door through which it becomes source.
"""

from __future__ import annotations

from collections.abc import Iterator

from difygen.layout import width
from difygen.wording import visible

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_LINE_BREAKS = str.maketrans({"\r": "\n", "\u2028": "\n", "\u2029": "\n"})
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "…")


def one_line(text: str) -> str:
    """`text` without line breaks, repeated blanks and invisible characters; others that do not print become escapes."""
    return visible(" ".join(text.translate(_INVISIBLE).split()))


def paragraphs(text: str) -> list[str]:
    """The lines of `text`, each on one line; an empty one stands between paragraphs."""
    lines: list[str] = []
    for line in map(one_line, text.replace("\r\n", "\n").translate(_LINE_BREAKS).split("\n")):
        if line or (lines and lines[-1]):
            lines.append(line)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def sentence(text: str) -> str:
    """`text` as a sentence: a capital first, a full stop at the end. An empty text stays empty."""
    text = one_line(text)
    if not text:
        return ""
    first = text.split(" ", 1)[0]
    if first.isalpha() and first.islower():
        text = text[0].upper() + text[1:]
    return text if text.endswith(_SENTENCE_ENDS) else text + "."


def wrap(text: str, columns: int, *, lead: str = "", hang: str = "") -> list[str]:
    """`text` in lines of at most that many columns: `lead` before the first, `hang` before the others.

    Words that are too long stand alone.
    """
    if width(lead + text) <= columns:
        return [lead + " ".join(text.split())]
    lines: list[str] = []
    line = lead
    for piece in _pieces(text):
        if line.strip() and width(line + piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = hang
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> Iterator[str]:
    """Words with the blank after them. East Asian text may break after any character but before no closing mark."""
    for word in text.split():
        if word.isascii():
            yield f"{word} "
        else:
            yield from _breakable(f"{word} ")


def _breakable(word: str) -> Iterator[str]:
    piece = ""
    for character in word:
        if (
            piece
            and (_breaks(piece[-1]) or _breaks(character))
            and character not in _CLOSING
            and piece[-1] not in _OPENING
        ):
            yield piece
            piece = ""
        piece += character
    yield piece


_CLOSING = frozenset("、。，．：；！？）］｝」』】》〉”’…—ー,.;:!?)]}'\" ")
_OPENING = frozenset("（［｛「『【《〈“‘([{")


def _breaks(character: str) -> bool:
    return not character.isascii() and width(character) == 2
