"""Tolerant access to what a file says: any shape comes in, the expected one goes out. Knows nothing of Dify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from difygen.model import JsonValue
from difygen.parts import shown

MAX_QUOTED = 60

_NO_MAPPING: Mapping[str, JsonValue] = {}


def mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else _NO_MAPPING


def sequence(value: JsonValue) -> Sequence[JsonValue]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: JsonValue) -> str:
    """Text as Dify would read it: ids, selectors and options that a person forgot to quote come as numbers or booleans."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""


def texts(value: JsonValue) -> tuple[str, ...]:
    """The scalars of a list, as text."""
    return tuple([text(each) for each in sequence(value) if isinstance(each, str | int | float)])


def named(value: str) -> str:
    """A name of the file within a sentence, as code."""
    return f"`{shown(value)}`"


def quoted(value: str) -> str:
    """A title of the file within a sentence: on one line, printable, and not endless."""
    plain = " ".join("".join([each if each.isprintable() else " " for each in value[: 4 * MAX_QUOTED]]).split())
    return f"'{plain}'" if len(plain) <= MAX_QUOTED else f"'{plain[: MAX_QUOTED - 1]}…'"
