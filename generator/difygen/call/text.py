"""Texts of foreign origin, made fit for a terminal: no escape sequences, no invisible tricks, no encoding errors."""

from __future__ import annotations

import json
import unicodedata

from difygen.model import JsonValue

_KEPT = "\n\t"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """`text` with every character that could steer a terminal replaced by its escape, and line ends made plain."""
    plain = text.replace("\r\n", "\n")
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(_shown(character) for character in plain)


def one_line(text: str) -> str:
    """`text` as a single printable line: blanks folded, nothing at its ends."""
    return " ".join(printable(text).split())


def shorten(text: str, width: int) -> str:
    """At most `width` characters of `text`, the last one an ellipsis where something was cut."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def compact_json(value: object) -> str:
    """`value` as one line of JSON, in its own script where every character can be encoded."""
    return _encodable(json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str), value, indent=None)


def pretty_json(value: JsonValue) -> str:
    """`value` as indented JSON, in its own script where every character can be encoded."""
    return _encodable(json.dumps(value, ensure_ascii=False, indent=2, default=str), value, indent=2)


def _encodable(text: str, value: object, indent: int | None) -> str:
    """JSON as it is, or escaped when it holds a lone surrogate (seen in outputs of 1.12.1), which UTF-8 cannot say."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, default=str)
    return text


def _shown(character: str) -> str:
    if character in _KEPT:
        return character
    if character in _BIDI or unicodedata.category(character) in ("Cc", "Cs"):
        return character.encode("unicode_escape", "backslashreplace").decode("ascii")
    return character
