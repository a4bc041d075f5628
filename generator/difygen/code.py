"""Trust as a type: text from a definition becomes source only as a literal or as a docstring.

Templates print nothing but `Code`. Knows nothing of workflows, layout or files.
"""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from math import isfinite
from typing import Self

from difygen.wording import visible


class Code(str):
    """Python source that is safe to print.

    Made by the doors below, or from constants of our own. Adding to it gives a plain `str`, which templates refuse.
    """

    __slots__ = ()


class Identifier(Code):
    """A name that Python accepts as it stands."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"not a Python identifier: {name!a}")
        return super().__new__(cls, name)


NOTHING = Code("")


def trusted(value: object) -> str:
    """`value` itself if it may be printed into source. Templates send everything that they print through here."""
    if isinstance(value, Code):
        return value
    shown = ascii(value)
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    raise TypeError(f"only Code may be printed into generated source, not {type(value).__name__}: {shown}")


def compose(pattern: str, *parts: Code) -> Code:
    """`pattern`, a constant of ours with `{}` for holes, with trusted parts in the holes."""
    return Code(pattern.format(*map(trusted, parts)))


def literal(value: None | bool | float | str) -> Code:
    """The Python literal for a scalar, as black would write it.

    Readable scripts stay readable; whatever does not print (controls, bidi marks, odd blanks, lone surrogates) is escaped.
    """
    if isinstance(value, str):
        return Code(_quoted(value))
    if not isinstance(value, float):
        return Code(repr(value))
    if not isfinite(value):
        raise ValueError(f"{value} has no literal")
    return Code(repr(value).replace("e+", "e"))


def docstring(lines: Sequence[str], indent: int = 0) -> Code:
    """A docstring of these lines, whose first line follows the opening quotes.

    `indent` is the depth of the block that it documents. Nothing in a line can end the string or hide in it.
    """
    margin = " " * indent
    first, *rest = [_inert(line) for line in lines] or [""]
    if first.startswith('"'):
        first = "\\" + first
    if not rest:
        return Code(f'"""{first} """' if first.endswith('"') else f'"""{first}"""')
    body = "".join(f"\n{margin}{line}".rstrip(" ") for line in rest)
    return Code(f'"""{first}{body}\n{margin}"""')


def has_surrogate(text: str) -> bool:
    """Whether a text holds half of a character, which UTF-8 cannot carry."""
    return not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text)


def _inert(line: str) -> str:
    line = visible(line).replace("\\", "\\\\")
    return line.replace('""', '\\"\\"') if '"""' in line else line


def _quoted(text: str) -> str:
    """Double quotes, unless single ones take fewer escapes: black's choice."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    text = visible(text.replace("\\", "\\\\")).replace(quote, "\\" + quote)
    return f"{quote}{text}{quote}"
