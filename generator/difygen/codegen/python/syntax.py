"""Trust as a type: text from a definition becomes Python source only as a literal or as a docstring.

Templates print nothing but `Code` and identifiers. Source stands on one line here; `layout` breaks what is too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from difygen.naming import Identifier
from difygen.wording import visible

_TOKEN = re.compile(r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[][(){}#"']|,\ |\ \|\ |\ =\ """, re.VERBOSE)
"""Strings, brackets and separators."""


class Code(str):
    """Python source that is safe to print.

    Made by the doors below, or from constants of our own. Adding to it gives a plain `str`, which templates refuse.
    """

    __slots__ = ()


Source = Code | Identifier
"""What may be printed."""

NONE = Code("None")


def trusted(value: object) -> str:
    """Return `value` itself if it may be printed into source. Raises TypeError for anything that is not code."""
    if isinstance(value, Code | Identifier):
        return value
    shown = ascii(value)
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    raise TypeError(f"only Code may be printed into generated source, not {type(value).__name__}: {shown}")


def code(pattern: str, *parts: Source) -> Code:
    """Return `pattern`, a constant of ours with `{}` for holes, with trusted code in the holes."""
    return Code(pattern.format(*map(trusted, parts)))


def literal(data: object) -> Code:
    """Return the Python literal for JSON data or a tuple of it, as black would write it on one line.

    Readable scripts stay readable; what does not print (controls, bidi marks, odd blanks, lone surrogates) is escaped.
    """
    if isinstance(data, str):
        return Code(_quoted(data))
    if isinstance(data, float):
        if not isfinite(data):
            raise ValueError(f"{data} has no literal")
        return Code(repr(data).replace("e+", "e"))
    if data is None or isinstance(data, bool | int):
        return Code(repr(data))
    if isinstance(data, Mapping):
        pairs = ", ".join(f"{literal(str(key))}: {literal(value)}" for key, value in data.items())
        return Code(f"{{{pairs}}}")
    if isinstance(data, tuple):
        return Code(f"({', '.join(map(literal, data))}{',' if len(data) == 1 else ''})")
    if isinstance(data, Sequence):
        return Code(f"[{', '.join(map(literal, data))}]")
    raise TypeError(f"not JSON data: {type(data).__name__}")


_ESCAPED_LAST = r'((?<!\\)(?:\\\\)*)\\"\Z'
"""A quote with a backslash at the end of a docstring: black sets a blank after it, ruff takes the blank away."""


def docstring(lines: Sequence[str], indent: int = 0) -> Code:
    """Return a docstring of these lines, whose first line follows the opening quotes.

    `indent` is the depth of the block that it documents. Nothing in a line can end the string or hide in it.
    """
    margin = " " * indent
    shown = (visible(line).replace("\\", "\\\\") for line in lines)
    first, *rest = [line.replace('""', '\\"\\"') if '"""' in line else line for line in shown] or [""]
    if first.startswith('"'):
        first = "\\" + first
    if not rest:
        first = re.sub(_ESCAPED_LAST, r"\1\\x22", first)
        return Code(f'"""{first} """' if first.endswith('"') else f'"""{first}"""')
    body = "".join(f"\n{margin}{line}".rstrip(" ") for line in rest)
    return Code(f'"""{first}{body}\n{margin}"""')


def subscript(name: Source, *items: Source) -> Code:
    """Return `name[items]`."""
    return Code(f"{trusted(name)}[{', '.join(map(trusted, items))}]")


def call(name: Source, *items: Source) -> Code:
    """Return `name(items)`."""
    return Code(f"{trusted(name)}({', '.join(map(trusted, items))})")


def either(*members: Source) -> Code:
    """Return the union of annotations, without repetitions and with None at its end."""
    found = dict.fromkeys(piece for member in members for piece in split(trusted(member), " | "))
    if found.pop("None", False) is None:
        found["None"] = None
    return Code(" | ".join(found))


def split(source: str, separator: str) -> list[str]:
    """Return the pieces of source between separators (`, `, ` | ` or ` = `) that stand in no bracket and no string."""
    if separator not in source:
        return [source]
    pieces: list[str] = []
    start = 0
    for token in outermost(source):
        if token[0] == separator:
            pieces.append(source[start : token.start()])
            start = token.end()
    return [*pieces, source[start:]]


def outermost(source: str) -> Iterator[re.Match[str]]:
    """Yield the separators of source that stand in no string and no bracket, and the brackets around all others.

    Raises ValueError for a bracket or a string without its other half, and for a comment.
    """
    depth = 0
    for match in _TOKEN.finditer(source):
        token = match[0]
        if token in "([{":
            if not depth:
                yield match
            depth += 1
        elif token in ")]}":
            depth -= 1
            if depth < 0:
                raise ValueError("a bracket was never opened")
            if not depth:
                yield match
        elif token in "#'\"":
            raise ValueError("a comment, or a string without an end")
        elif not depth and token[0] not in "'\"":
            yield match
    if depth:
        raise ValueError("a bracket is never closed")


def _quoted(text: str) -> str:
    """Double quotes, unless single ones take fewer escapes: black's choice."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    text = visible(text.replace("\\", "\\\\")).replace(quote, "\\" + quote)
    return f"{quote}{text}{quote}"
