"""Source as formatters leave it: long lines broken as black breaks them, imports in the order of isort and ruff.

A broken line has one item per line, with a trailing comma. Statements come in on one line each. Black counts wide
characters as two columns, and so does this. What it does not understand, such as a comment, it leaves as it is. Knows
Python's brackets, nothing of apps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from difygen.codegen.python.syntax import Code, outermost, split
from difygen.record import Record
from difygen.wording import width

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
