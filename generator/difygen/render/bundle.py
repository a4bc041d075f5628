"""Puts a package into one file: the runtime's modules, each after those that it needs, then the workflows.

Takes the runtime apart by its syntax trees and copies the pieces as they are. Knows nothing of what they do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, TypeGuard

from difygen.code import Code, Identifier
from difygen.render.compiled import RUNTIME_NAMES
from difygen.render.printing import (
    RUNTIME,
    export_list,
    import_block,
    is_third_party,
    package_docstring,
    render,
    runtime_files,
)

if TYPE_CHECKING:
    from difygen.generate import Module

_RULE = f"# {'-' * 78}"


@dataclass(slots=True)
class Piece:
    """A module of the runtime without its imports. `needs` names its siblings, `imports` the names that it takes from elsewhere."""

    name: str
    summary: str = ""
    body: str = ""
    needs: set[str] = field(default_factory=set)
    imports: dict[str, tuple[Code, ...]] = field(default_factory=dict)
    for_types: set[str] = field(default_factory=set)


def bundle(modules: Sequence[Module], *, limit: int, overrides: str | None = None, runtime: str | None = None) -> str:
    """Return the text of one file with all workflows, and with the runtime unless that is imported from a package."""
    pieces = () if runtime else runtime_pieces()
    exports = [*map(Identifier, RUNTIME_NAMES), *(name for module in modules for name in module.exports)]
    names = [str(module.name) for module in modules]
    context = {
        "docstring": modules[0].docstring if len(modules) == 1 else package_docstring(names, limit),
        "imports": _imports(pieces, modules, limit, runtime),
        "exports": export_list(exports, limit),
        "sections": [Code(section) for section in (*map(_section, pieces), *map(_workflow_section, modules))],
    }
    return render("bundle", context, overrides)


def _section(piece: Piece) -> str:
    return f"{_RULE}\n# {piece.summary}\n\n\n{piece.body}"


def _workflow_section(module: Module) -> str:
    return f"{_RULE}\n# The workflow `{module.name}`.\n{module.text.rstrip()}"


def _imports(pieces: Sequence[Piece], modules: Sequence[Module], limit: int, runtime: str | None) -> Code:
    """All imports of the file, each once; those for type checkers come last."""
    merged: dict[str, set[Code]] = {}
    if runtime:
        merged[runtime] = set(map(Code, RUNTIME_NAMES))
    else:
        merged["typing"] = {Code("TYPE_CHECKING")}
    everything = [piece.imports for piece in pieces] + [module.imports for module in modules]
    for imports in everything:
        for name, names in imports.items():
            if name != RUNTIME:
                merged.setdefault(name, set()).update(names)
    block = import_block(merged, limit, first_party=runtime)
    if runtime:
        return block
    for_types = sorted(
        {line for piece in pieces for line in piece.for_types}, key=lambda line: (line[:4] == "from", line)
    )
    sections = [[line for line in for_types if is_third_party(line.split()[1]) is other] for other in (False, True)]
    late = "\n\n".join("\n".join(f"    {line}" for line in section) for section in sections if section)
    return Code(f"{block}\n\nif TYPE_CHECKING:\n{late}")


@cache
def runtime_pieces() -> tuple[Piece, ...]:
    """The modules of the runtime, each after those that it needs."""
    pieces: dict[str, Piece] = {}
    for path, text in runtime_files().items():
        name = path.rpartition("/")[2].removesuffix(".py")
        if name != "__init__":
            pieces[name] = _take_apart(name, text)
    order = TopologicalSorter({name: sorted(piece.needs) for name, piece in sorted(pieces.items())})
    return tuple(pieces[name] for name in order.static_order())


def _take_apart(name: str, text: str) -> Piece:
    tree = ast.parse(text)
    summary = (ast.get_docstring(tree) or name).partition("\n")[0]
    piece = Piece(name, summary)
    dropped = set(_lines(tree.body[0]))
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            _note(statement, piece)
            dropped |= set(_lines(statement))
        elif _is_for_types(statement):
            inner = (one for one in statement.body if not (isinstance(one, ast.ImportFrom) and one.level))
            piece.for_types |= {line.strip() for one in inner for line in _source(text, one)}
            dropped |= set(_lines(statement))
    dropped |= {line for inner in _late_sibling_imports(tree) for line in _lines(inner)}
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
        piece.imports[module] = (*piece.imports.get(module, ()), *(Code(ast.unparse(name)) for name in statement.names))


def _is_for_types(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Whether a statement is `if TYPE_CHECKING:` over imports."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"


def _late_sibling_imports(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    """Imports of siblings inside of functions."""
    for statement in tree.body:
        if not isinstance(statement, ast.If):
            yield from (node for node in ast.walk(statement) if isinstance(node, ast.ImportFrom) and node.level)


def _lines(statement: ast.stmt) -> range:
    return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)


def _source(text: str, statement: ast.stmt) -> list[str]:
    lines = text.split("\n")
    return [lines[number - 1] for number in _lines(statement)]


def _without(text: str, dropped: set[int]) -> str:
    """The text without some lines, and without the blank lines that would follow each other then."""
    kept: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if number in dropped or (not line and kept[-2:] == ["", ""]):
            continue
        kept.append(line)
    return "\n".join(kept).strip("\n")
