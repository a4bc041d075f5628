"""Puts a package into one file: the runtime's modules, each after those that it needs, then the workflows.

Takes the runtime apart by its syntax trees and copies the pieces as they are. Knows nothing of what they do.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from typing import TypeGuard

from difygen.codegen.python.layout import import_block, is_third_party
from difygen.codegen.python.module import ModuleText
from difygen.codegen.python.runtime import exported_names, runtime_files
from difygen.codegen.python.syntax import Code
from difygen.codegen.python.types import RUNTIME
from difygen.record import Record


@dataclass(slots=True)
class Piece:
    """A module of the runtime without its imports.

    `needs` names its siblings, `imports` the names that it takes from elsewhere.
    """

    name: str
    summary: str = ""
    body: str = ""
    needs: set[str] = field(default_factory=set)
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    for_types: set[str] = field(default_factory=set)


class FileSection(Record):
    """A section of the file: what it is, and its code."""

    title: Code
    code: Code


class Contents(Record):
    """What stands in one file: the runtime's modules, then the apps'. `late_imports` are those for type checkers."""

    imports: Code
    late_imports: Code | None
    sections: Sequence[FileSection]


def join_modules(modules: Sequence[ModuleText], runtime: str | None = None) -> Contents:
    """Return the contents of one file with all apps, and with the runtime unless that is imported from a package."""
    pieces = () if runtime else runtime_pieces()
    sections = [FileSection(Code(piece.summary), Code(f"\n\n{piece.body}")) for piece in pieces]
    sections += [
        FileSection(Code(f"The {each.app.kind.word} `{each.name}`."), Code(each.text.rstrip())) for each in modules
    ]
    merged: dict[str, set[str]] = {runtime: set(exported_names())} if runtime else {"typing": {"TYPE_CHECKING"}}
    for imports in (*(piece.imports for piece in pieces), *(module.imports for module in modules)):
        for home, names in imports.items():
            if home != RUNTIME:
                merged.setdefault(home, set()).update(names)
    return Contents(import_block(merged, runtime), None if runtime else _late_imports(pieces), sections)


def _late_imports(pieces: Sequence[Piece]) -> Code:
    """Return the imports for type checkers, each once, at the depth of a block."""
    lines = {line for piece in pieces for line in piece.for_types}
    ordered = sorted(lines, key=lambda line: (line[:4] == "from", line))
    sections = [[line for line in ordered if is_third_party(line.split()[1]) is other] for other in (False, True)]
    return Code("\n\n".join("\n".join(f"    {line}" for line in section) for section in sections if section))


@cache
def runtime_pieces() -> tuple[Piece, ...]:
    """Return the modules of the runtime, each after those that it needs."""
    pieces: dict[str, Piece] = {}
    for path, text in runtime_files().items():
        name = path.rpartition("/")[2].removesuffix(".py")
        if name != "__init__":
            pieces[name] = _take_apart(name, text)
    order = TopologicalSorter({name: sorted(piece.needs) for name, piece in sorted(pieces.items())})
    return tuple(pieces[name] for name in order.static_order())


def _take_apart(name: str, text: str) -> Piece:
    tree, lines = ast.parse(text), text.split("\n")
    summary = (ast.get_docstring(tree) or name).partition("\n")[0]
    piece = Piece(name, summary)
    dropped = set(_lines(tree.body[0]))
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            _note(statement, piece)
            dropped |= set(_lines(statement))
        elif _is_for_types(statement):
            inner = (one for one in statement.body if not (isinstance(one, ast.ImportFrom) and one.level))
            piece.for_types |= {lines[number - 1].strip() for one in inner for number in _lines(one)}
            dropped |= set(_lines(statement))
    for statement in tree.body:
        if not isinstance(statement, ast.If):  # siblings imported inside of functions
            inside = (one for one in ast.walk(statement) if isinstance(one, ast.ImportFrom) and one.level)
            dropped |= {line for one in inside for line in _lines(one)}
    piece.body = _without(text, dropped)
    return piece


def _note(statement: ast.Import | ast.ImportFrom, piece: Piece) -> None:
    """Note what an import takes, and from where."""
    if isinstance(statement, ast.Import):
        piece.imports |= {name.name: () for name in statement.names}
    elif statement.level:
        piece.needs.add(statement.module or "")
    else:
        module = statement.module or ""  # it may stand in two statements: one is for `import name as other`
        piece.imports[module] = (*piece.imports.get(module, ()), *map(ast.unparse, statement.names))


def _is_for_types(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Whether a statement is `if TYPE_CHECKING:` over imports."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"


def _lines(statement: ast.stmt) -> range:
    return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)


def _without(text: str, dropped: set[int]) -> str:
    """Return the text without some lines, and without the blank lines that would follow each other then."""
    kept: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if number in dropped or (not line and kept[-2:] == ["", ""]):
            continue
        kept.append(line)
    return "\n".join(kept).strip("\n")
