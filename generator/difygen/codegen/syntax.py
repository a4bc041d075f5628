"""Python source: what may be printed, as a type of its own, and laid out as formatters leave it.

Trust is a type: text from a definition becomes source only as a literal or as a docstring, and templates print nothing
but `Code` and identifiers, on one line. `lay_out` then breaks lines that are too long as black breaks them: one item
per line, with a trailing comma, wide characters counted as two columns. What it does not understand, such as a comment,
it leaves as it is. Knows Python's brackets, nothing of apps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite

from difygen.naming import Identifier
from difygen.record import Record
from difygen.wording import visible, width

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
    if isinstance(data, str):  # in double quotes, unless single ones take fewer escapes: black's choice
        quote = "'" if data.count('"') > data.count("'") else '"'
        text = visible(data.replace("\\", "\\\\")).replace(quote, "\\" + quote)
        return Code(f"{quote}{text}{quote}")
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


# Laid out


LINE_LENGTH = 88
INDENT = 4

_DECLARATION = re.compile(r"(\w+): (.+)")
_ASSIGNMENT = re.compile(r"(\w+ = )(.+)")
_IMPORT = re.compile(r"(from \S+ import )([^*]+)")
_THIRD_PARTY = frozenset({"httpx", "pydantic", "pydantic_core", "typing_extensions"})
_DIGITS = frozenset("0123456789")


class Group(Record):
    """Items in brackets: `head` ends with the opening bracket, `tail` begins with the closing one.

    `comma` is what may follow the last item: nothing where a comma would change the meaning, as in `list[str]`.
    """

    head: str
    items: list[Expression]
    tail: str
    comma: str


class Alternatives(Record):
    """A union of types: `str | None`."""

    members: list[Expression]


Expression = str | Group | Alternatives
"""A piece of source, taken apart where its lines may be broken."""


def lay_out(source: str, limit: int = LINE_LENGTH) -> str:
    """Return source with the lines broken that are longer than `limit`. Docstrings stay as they are."""
    lines: list[str] = []
    in_docstring = False
    for line in source.split("\n"):
        text = line.strip(" ")
        if in_docstring:
            in_docstring = text != '"""'
        elif text.startswith('"""'):
            in_docstring = not (text.endswith('"""') and len(text) >= 6)
        elif not in_docstring and width(line) > limit:
            line = _broken(line, limit)
        lines.append(line)
    return "\n".join(lines)


def _broken(line: str, limit: int) -> str:
    code = line.strip(" ")
    indent = len(line) - len(code)
    comma = "," if code.endswith(",") else ""
    code = code.removesuffix(",")
    try:
        if match := _IMPORT.fullmatch(code):
            broken = _place(Group(f"{match[1]}(", [*match[2].split(", ")], ")", ","), indent, limit=0)
        elif match := _DECLARATION.fullmatch(code):
            annotation, *default = split(match[2], " = ")
            broken = _declared(
                f"{match[1]}: ", _parsed(annotation), _parsed(default[0]) if default else "", comma, indent, limit
            )
        elif match := _ASSIGNMENT.fullmatch(code):
            broken = _assigned(match[1], _parsed(match[2]), indent, limit)
        else:
            broken = _place(_parsed(code), indent, after=len(comma), limit=limit) + comma
    except ValueError:  # not source that this knows
        return line
    return " " * indent + broken


def _parsed(source: str) -> Expression:
    """Take an expression apart at the bars of a union, else at its last brackets."""
    members = split(source, " | ")
    if len(members) > 1:
        return Alternatives([_parsed(member) for member in members])
    brackets = [token.start() for token in outermost(source) if token[0] in "()[]{}"]
    if not brackets:
        return source
    first, last = brackets[-2:]
    inner, tail = source[first + 1 : last], source[last:]
    if inner.endswith(","):  # a tuple of one
        inner, tail = inner[:-1], f",{tail}"
    items = split(inner, ", ") if inner else []
    is_index = source[first] == "[" and first > 0 and (source[first - 1].isalnum() or source[first - 1] == "_")
    comma = "" if is_index and len(items) == 1 else ","
    return Group(source[: first + 1], [_parsed(item) for item in items], tail, comma)


def _flat(expression: Expression) -> str:
    """Return the source on one line."""
    if isinstance(expression, Group):
        return f"{expression.head}{', '.join(map(_flat, expression.items))}{expression.tail}"
    if isinstance(expression, Alternatives):
        return " | ".join(map(_flat, expression.members))
    return expression


def _place(expression: Expression, indent: int, *, column: int | None = None, after: int = 0, limit: int) -> str:
    """Return the source as it stands from `column` on in a block indented by `indent`.

    `after` columns follow its last line.
    """
    line = _flat(expression)
    start = indent if column is None else column
    fits = start + width(line) + after <= limit
    if fits or isinstance(expression, str) or (isinstance(expression, Group) and not expression.items):
        return line
    margin = "\n" + " " * indent
    if isinstance(expression, Alternatives):
        first, *middle, last = expression.members
        members = [_place(first, indent, limit=limit)]
        members += [_place(member, indent, column=indent + 2, limit=limit) for member in middle]
        members += [_place(last, indent, column=indent + 2, after=after, limit=limit)]
        return f"{margin}| ".join(members)
    inner, comma = indent + INDENT, expression.comma
    items = (
        f"{margin}{' ' * INDENT}{_place(item, inner, after=len(comma), limit=limit)}{comma}"
        for item in expression.items
    )
    return f"{expression.head}{''.join(items)}{margin}{expression.tail.removeprefix(',')}"


def _declared(head: str, annotation: Expression, default: Expression, comma: str, indent: int, limit: int) -> str:
    """Return a field of a class or, with a comma after it, a parameter on a line of its own.

    `head` is its name and the colon.
    """
    hint = _flat(annotation)
    column = indent + len(head)
    if isinstance(default, Group) and default.items:
        return _assigned(f"{head}{hint} = ", default, indent, limit)
    tail = (f" = {_flat(default)}" if default else "") + comma
    if isinstance(annotation, Group) and annotation.comma:
        return f"{head}{_place(annotation, indent, column=column, after=width(tail), limit=limit)}{tail}"
    if default and not comma and column + width(hint) + len(" = (") <= limit:
        return f"{head}{hint} = {_parenthesized(default, indent, limit, always=True)}"
    if isinstance(annotation, Group):
        return f"{head}{_place(annotation, indent, column=column, after=width(tail), limit=limit)}{tail}"
    if comma and default and isinstance(annotation, str):
        return f"{head}{hint}{tail}"
    return f"{head}{_parenthesized(annotation, indent, limit)}{tail}"


def _assigned(head: str, value: Expression, indent: int, limit: int) -> str:
    if isinstance(value, Group):
        return head + _place(value, indent, column=indent + width(head), limit=limit)
    return head + _parenthesized(value, indent, limit)


def _parenthesized(expression: Expression, indent: int, limit: int, *, always: bool = False) -> str:
    """In parentheses of its own; a text without brackets only where that makes it fit, or beside an annotation."""
    inner = indent + INDENT
    if isinstance(expression, str) and inner + width(expression) > limit and not always:
        return expression
    margin = "\n" + " " * indent
    return f"({margin}{' ' * INDENT}{_place(expression, inner, limit=limit)}{margin})"


# Imports and exports, each statement on one line


def import_block(imports: Mapping[str, Iterable[str]], first_party: str | None = None) -> Code:
    """Return the import statements of a module. A module without names is imported as a whole."""
    sections: tuple[list[str], ...] = ([], [], [], [])
    for module in sorted(imports, key=lambda module: (bool(imports[module]), module)):
        section = 3 if module.startswith(".") else 2 if module == first_party else int(is_third_party(module))
        sections[section].extend(_imports(module, imports[module]))
    return Code("\n\n".join("\n".join(section) for section in sections if section))


def is_third_party(module: str) -> bool:
    """Return whether a module is neither ours nor the standard library's."""
    return module.partition(".")[0] in _THIRD_PARTY


def _imports(module: str, names: Iterable[str]) -> list[str]:
    """Return the statements for what is taken from a module: each `as` is one of its own, before the others."""
    ordered = sorted(set(names), key=import_order)
    plain = [name for name in ordered if " as " not in name]
    if not ordered:
        return [f"import {module}"]
    statements = [f"from {module} import {name}" for name in ordered if " as " in name]
    return [*statements, *([f"from {module} import {', '.join(plain)}"] if plain else [])]


def export_order(name: str) -> tuple[int, list[object]]:
    """Return a key for the order of `__all__`: constants, classes, then the rest; numbers in names count as such."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, natural(name)


def import_order(name: str) -> tuple[int, list[object]]:
    """Return the same for an import, where case does not count."""
    return export_order(name)[0], natural(name.lower())


def natural(name: str) -> list[object]:
    """Return a key to sort names by, with the numbers in them by their values."""
    if not _DIGITS.intersection(name):
        return [name]
    parts = re.split(r"([0-9]+)", name)
    parts[1::2] = [(0, digits) if digits[0] == "0" else (1, int(digits)) for digits in parts[1::2]]  # zeros come first
    return parts
