"""Lays out source as black would leave it: on one line where it fits, else one item per line with a trailing comma.

Black counts wide characters as two columns, and so does this. Knows Python's brackets, nothing of workflows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from difygen.code import Code, Identifier, compose, literal

LINE_LENGTH = 88
INDENT = 4


class Bracket(NamedTuple):
    """Something in brackets: `head` ends with the opening bracket, `tail` begins with the closing one.

    `comma` is off where a trailing comma would change the meaning, as in `list[str]`.
    """

    head: Code
    items: tuple[Doc, ...]
    tail: Code
    comma: bool = True


class Bar(NamedTuple):
    """A union of types: `str | None`."""

    members: tuple[Doc, ...]


Doc = Code | Bracket | Bar
"""A piece of source whose line breaks are not decided yet."""

NONE = Code("None")


def call(name: Code, *items: Doc) -> Bracket:
    """`name(items)`."""
    return Bracket(compose("{}(", name), items, Code(")"))


def subscript(name: Code, *items: Doc) -> Bracket:
    """`name[items]`."""
    return Bracket(compose("{}[", name), items, Code("]"), comma=len(items) > 1)


def bar(*members: Doc) -> Doc:
    """The union of types, without repetitions and with None at its end."""
    flattened: dict[Doc, None] = {}
    for member in members:
        flattened.update(dict.fromkeys(member.members if isinstance(member, Bar) else (member,)))
    if flattened.pop(NONE, False) is None:
        flattened[NONE] = None
    return Bar(tuple(flattened)) if len(flattened) > 1 else next(iter(flattened))


def strings(texts: Sequence[str]) -> Doc:
    """A tuple of strings."""
    return Bracket(Code("("), tuple(map(literal, texts)), Code(",)" if len(texts) == 1 else ")"))


def value(data: object) -> Doc:
    """The literal for JSON data."""
    if isinstance(data, Mapping):
        pairs = (prefixed(compose("{}: ", literal(str(key))), value(item)) for key, item in data.items())
        return Bracket(Code("{"), tuple(pairs), Code("}"))
    if isinstance(data, Sequence) and not isinstance(data, str):
        return Bracket(Code("["), tuple(map(value, data)), Code("]"))
    if data is None or isinstance(data, bool | int | float | str):
        return literal(data)
    raise TypeError(f"not JSON data: {type(data).__name__}")


def prefixed(head: Code, doc: Doc) -> Doc:
    """`doc` with `head` before it: a key, or a keyword of a call."""
    if isinstance(doc, Bracket):
        return Bracket(compose("{}{}", head, doc.head), doc.items, doc.tail, doc.comma)
    if isinstance(doc, Bar):
        return Bar((prefixed(head, doc.members[0]), *doc.members[1:]))
    return compose("{}{}", head, doc)


def flat(doc: Doc) -> str:
    """The source on one line."""
    if isinstance(doc, Bracket):
        return f"{doc.head}{', '.join(map(flat, doc.items))}{doc.tail}"
    if isinstance(doc, Bar):
        return " | ".join(map(flat, doc.members))
    return doc


def place(doc: Doc, indent: int = 0, *, column: int | None = None, after: int = 0, limit: int = LINE_LENGTH) -> Code:
    """The source as it stands from `column` on, in a block indented by `indent`, with `after` columns to follow on its last line."""
    line = flat(doc)
    start = indent if column is None else column
    fits = start + width(line) + after <= limit
    if fits or isinstance(doc, Code) or (isinstance(doc, Bracket) and not doc.items):
        return Code(line)
    margin = "\n" + " " * indent
    if isinstance(doc, Bar):
        first, *middle, last = doc.members
        members = [place(first, indent, limit=limit)]
        members += [place(member, indent, column=indent + 2, limit=limit) for member in middle]
        members += [place(last, indent, column=indent + 2, after=after, limit=limit)]
        return Code(f"{margin}| ".join(members))
    tail = doc.tail.removeprefix(",")  # which a tuple of one has on one line
    return Code(f"{doc.head}{_inside(doc, indent + INDENT, limit)}{margin}{tail}")


def _inside(bracket: Bracket, indent: int, limit: int) -> str:
    comma = "," if bracket.comma else ""
    margin = "\n" + " " * indent
    return "".join(f"{margin}{place(item, indent, after=len(comma), limit=limit)}{comma}" for item in bracket.items)


def declaration(
    name: Identifier,
    hint: Doc,
    default: Code | None = None,
    *,
    indent: int,
    comma: bool = False,
    limit: int = LINE_LENGTH,
) -> Code:
    """`name: hint = default`, a field of a class or, with a comma after it, a parameter on a line of its own."""
    tail = (f" = {default}" if default is not None else "") + ("," if comma else "")
    column = indent + len(name) + 2
    if column + width(flat(hint)) + width(tail) <= limit:
        return Code(f"{name}: {flat(hint)}{tail}")
    if isinstance(hint, Bracket) and hint.comma:
        return Code(f"{name}: {place(hint, indent, column=column, after=width(tail), limit=limit)}{tail}")
    if default is not None and not comma and column + width(flat(hint)) + len(" = (") <= limit:
        return Code(f"{name}: {flat(hint)} = {_parenthesized(default, indent, limit, always=True)}")
    if isinstance(hint, Bracket):
        return Code(f"{name}: {place(hint, indent, column=column, after=width(tail), limit=limit)}{tail}")
    if comma and default is not None and not isinstance(hint, Bar):
        return Code(f"{name}: {hint}{tail}")
    return Code(f"{name}: {_parenthesized(hint, indent, limit)}{tail}")


def assignment(name: Identifier, data: Doc, *, limit: int = LINE_LENGTH, hint: Code | None = None) -> Code:
    """`name = data` at the top of a module."""
    head = f"{name}: {hint} = " if hint is not None else f"{name} = "
    if isinstance(data, Bracket) or len(head) + width(flat(data)) <= limit:
        return Code(head + place(data, column=len(head), limit=limit))
    return Code(head + _parenthesized(data, 0, limit, always=hint is not None))


def _parenthesized(doc: Doc, indent: int, limit: int, *, always: bool = False) -> str:
    """In parentheses of their own; a text without brackets only where that makes it fit, or beside an annotation."""
    inner = indent + INDENT
    if isinstance(doc, Code) and inner + width(doc) > limit and not always:
        return doc
    margin = "\n" + " " * indent
    return f"({margin}{' ' * INDENT}{place(doc, inner, limit=limit)}{margin})"


def from_import(module: Code, names: Iterable[Code], *, indent: int = 0, limit: int = LINE_LENGTH) -> Code:
    """`from module import names`, sorted as isort sorts them."""
    ordered = tuple(sorted(set(names), key=import_order))
    line = f"from {module} import {', '.join(ordered)}"
    if indent + len(line) <= limit:
        return Code(line)
    return place(Bracket(compose("from {} import (", module), ordered, Code(")")), indent, limit=0)


def export_order(name: str) -> tuple[int, list[object]]:
    """The order of `__all__`: constants, classes, then the rest; numbers in names count as such."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, natural(name)


def import_order(name: str) -> tuple[int, list[object]]:
    """The same for an import, where case does not count."""
    return export_order(name)[0], natural(name.lower())


_DIGITS = frozenset("0123456789")


def natural(name: str) -> list[object]:
    """A key to sort names by, with the numbers in them by their values."""
    if not _DIGITS.intersection(name):
        return [name]
    return [_number(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", name)]


def _number(digits: str) -> tuple[int, str | int]:
    """A number by its value; after those that begin with a zero, which go by their digits."""
    return (0, digits) if digits.startswith("0") else (1, int(digits))


def width(text: str) -> int:
    """The columns that black counts."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@cache
def _columns(character: str) -> int:
    from unicodedata import east_asian_width  # only for texts that need it

    if east_asian_width(character) in "WF":
        return 2
    return 2 if any(first <= ord(character) <= last for first, last in _WIDE_SINCE_UNICODE_15) else 1


_WIDE_SINCE_UNICODE_15 = ((0x2630, 0x2637), (0x268A, 0x268F), (0x4DC0, 0x4DFF), (0x1D300, 0x1D356), (0x1D360, 0x1D376))
"""Wide to black's table, not yet to Python 3.11's."""
