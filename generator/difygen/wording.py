"""Words, names and lists within a sentence: what every message is put together from. Imports nothing of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

MAX_LISTED = 15
MAX_QUOTED = 60
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_WIDE_SINCE_UNICODE_15 = ((0x2630, 0x2637), (0x268A, 0x268F), (0x4DC0, 0x4DFF), (0x1D300, 0x1D356), (0x1D360, 0x1D376))
"""Wide to black's table, not yet to Python 3.11's."""


def visible(text: str) -> str:
    """Return `text` with every character that does not print replaced by its escape, as Python writes it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def one_line(text: str) -> str:
    """Return `text` without line breaks, repeated blanks and what is invisible; what else does not print is escaped."""
    return visible(" ".join(text.translate(_INVISIBLE).split()))


def has_surrogate(text: str) -> bool:
    """Return whether a text holds half of a character, which UTF-8 cannot carry."""
    return not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text)


def width(text: str) -> int:
    """Return the columns that a text takes, as black counts them: wide characters are two."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def shorten(text: str, width: int) -> str:
    """Return at most `width` characters of `text`, the last one an ellipsis where something was cut."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def shown(text: str, width: int = 60) -> str:
    """Return a text of a file for a message: on one line, printable, not too long."""
    return visible(shorten(text, width))


def named(name: str) -> str:
    """Return a name within a sentence, as code."""
    return f"`{shown(name)}`"


def quoted(title: str) -> str:
    """Return a title within a sentence: on one line, printable, and not endless."""
    plain = " ".join("".join([each if each.isprintable() else " " for each in title[: 4 * MAX_QUOTED]]).split())
    return f"'{shorten(plain, MAX_QUOTED)}'"


def listed(words: Iterable[str], last: str = "and") -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    *most, final = words
    return f"{', '.join(most)} {last} {final}" if most else final


def names_listed(names: Iterable[str]) -> str:
    """Return names as code in a list: of many, the first ones and how many more."""
    names = tuple(names)
    if len(names) <= MAX_LISTED:
        return listed(map(named, names))
    return f"{', '.join(map(named, names[:MAX_LISTED]))} and {len(names) - MAX_LISTED} more"


def count(number: int, noun: str) -> str:
    """Write a number with its noun: 1 token, 12 tokens."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def count_each(nouns: Iterable[str]) -> str:
    """Write how many there are of each noun, the most first: 2 workflows and 1 chatflow. Nothing for none."""
    counted = [count(number, noun) for noun, number in Counter(nouns).most_common()]
    return listed(counted) if counted else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was most likely meant to be, or None if none is near."""
    from difflib import get_close_matches  # only after a mistake

    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


@cache
def _columns(character: str) -> int:
    from unicodedata import east_asian_width  # only for texts that need it

    if east_asian_width(character) in "WF":
        return 2
    return 2 if any(first <= ord(character) <= last for first, last in _WIDE_SINCE_UNICODE_15) else 1
