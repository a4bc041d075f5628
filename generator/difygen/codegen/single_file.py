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

from difygen.codegen.annotations import RUNTIME
from difygen.codegen.module import ModuleText
from difygen.codegen.runtime import exported_names, runtime_files
from difygen.codegen.syntax import Code, import_block, is_third_party
from difygen.record import Record


@dataclass(slots=True)
class RuntimeModule:
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


def join_modules(modules: Sequence[ModuleText], parts: frozenset[str], runtime: str | None = None) -> Contents:
    """Return the contents of one file with all apps, and with these parts of the runtime.

    Of one that is imported from a package, only what these apps need is imported.
    """
    ours = () if runtime else runtime_modules(parts)
    sections = [FileSection(Code(each.summary), Code(f"\n\n{each.body}")) for each in ours]
    sections += [
        FileSection(Code(f"The {each.app.kind.word} `{each.name}`."), Code(each.text.rstrip())) for each in modules
    ]
    merged: dict[str, set[str]] = {runtime: set(exported_names(parts))} if runtime else {"typing": {"TYPE_CHECKING"}}
    for imports in (*(each.imports for each in ours), *(each.imports for each in modules)):
        for home, names in imports.items():
            if home != RUNTIME:
                merged.setdefault(home, set()).update(names)
    return Contents(import_block(merged, runtime), None if runtime else _late_imports(ours), sections)


def _late_imports(modules: Sequence[RuntimeModule]) -> Code:
    """Return the imports for type checkers, each once, at the depth of a block."""
    lines = {line for each in modules for line in each.for_types}
    ordered = sorted(lines, key=lambda line: (line[:4] == "from", line))
    sections = [[line for line in ordered if is_third_party(line.split()[1]) is other] for other in (False, True)]
    return Code("\n\n".join("\n".join(f"    {line}" for line in section) for section in sections if section))


@cache
def runtime_modules(parts: frozenset[str]) -> tuple[RuntimeModule, ...]:
    """Return the modules of the runtime with some parts, each after those that it needs."""
    modules: dict[str, RuntimeModule] = {}
    for path, text in runtime_files(parts).items():
        name = path.removeprefix("_runtime/").removesuffix(".py").replace("/", ".")
        if not name.endswith("__init__"):
            modules[name] = _take_apart(name, text)
    order = TopologicalSorter({name: sorted(each.needs) for name, each in sorted(modules.items())})
    return tuple(modules[name] for name in order.static_order())


def _take_apart(name: str, text: str) -> RuntimeModule:
    tree, lines = ast.parse(text), text.split("\n")
    summary = (ast.get_docstring(tree) or name).partition("\n")[0]
    module = RuntimeModule(name, summary)
    dropped = set(_lines(tree.body[0]))
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            _note(statement, module)
            dropped |= set(_lines(statement))
        elif _is_for_types(statement):
            inner = (one for one in statement.body if not (isinstance(one, ast.ImportFrom) and one.level))
            module.for_types |= {lines[number - 1].strip() for one in inner for number in _lines(one)}
            dropped |= set(_lines(statement))
    for statement in tree.body:
        if not isinstance(statement, ast.If):  # siblings imported inside of functions
            inside = (one for one in ast.walk(statement) if isinstance(one, ast.ImportFrom) and one.level)
            dropped |= {line for one in inside for line in _lines(one)}
    module.body = _without(text, dropped)
    return module


def _note(statement: ast.Import | ast.ImportFrom, module: RuntimeModule) -> None:
    """Note what an import takes, and from where."""
    if isinstance(statement, ast.Import):
        module.imports |= {name.name: () for name in statement.names}
    elif statement.level:
        package = module.name.split(".")[: -statement.level]
        module.needs.add(".".join([*package, statement.module or ""]))
    else:
        home = statement.module or ""  # it may stand in two statements: one is for `import name as other`
        module.imports[home] = (*module.imports.get(home, ()), *map(ast.unparse, statement.names))


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
