"""Prints plans: the templates, compiled ahead, or a user's own through jinja2.

Decides nothing about the code; knows where the templates and the runtime are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from difygen.code import Code, Identifier, compose, docstring, literal
from difygen.diagnostics import Diagnostic
from difygen.layout import INDENT, Bracket, Doc, assignment, export_order, from_import, import_order, natural
from difygen.plan.names import module_names
from difygen.plan.prose import wrap
from difygen.render import compiled
from difygen.wording import listed

if TYPE_CHECKING:
    from difygen.plan.workflow import WorkflowPlan

TEMPLATE_SETTINGS: dict[str, bool] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
"""How jinja2 reads the templates."""

SUFFIX = ".py.jinja"
"""How the name of a template's file ends."""

MAX_LISTED = 5
"""Workflows that the docstring of a package names."""

RUNTIME = "._runtime"
"""The module that a workflow's module takes the runtime from."""

_THIRD_PARTY = frozenset({"httpx", "pydantic", "pydantic_core", "typing_extensions"})


class TemplateProblem(Exception):
    """A template of the user cannot be used; `finding` says why."""

    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(str(finding))
        self.finding = finding


def templates_folder() -> str:
    """The templates beside the code (an installed wheel), or those of the checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = os.path.join(package, "templates")
    return (
        installed if os.path.isdir(installed) else os.path.join(os.path.dirname(os.path.dirname(package)), "templates")
    )


@cache
def runtime_files() -> dict[str, str]:
    """The files of the runtime, by their paths in a generated package."""
    folder = os.path.join(templates_folder(), "runtime")
    files: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                files[f"_runtime/{name}"] = file.read()
    return files


def render(template: str, context: Mapping[str, Any], overrides: str | None = None) -> str:
    """The text that a template gives. `overrides` is a folder whose templates come before ours."""
    if overrides is not None and os.path.isfile(os.path.join(overrides, f"{template}{SUFFIX}")):
        from difygen.render.own_templates import render_own  # only for a user's own templates

        return render_own(overrides, template, context)
    text: str = getattr(compiled, template)(context)
    return text


def render_workflow(plan: WorkflowPlan, *, limit: int, overrides: str | None = None, runtime: str | None = None) -> str:
    """Return the text of a workflow's module. `runtime` is the package of a runtime that several packages share."""
    imports = {runtime if runtime and module == RUNTIME else module: names for module, names in plan.imports.items()}
    context = {
        "docstring": plan.docstring,
        "imports": import_block(imports, limit, first_party=runtime),
        "exports": export_list(plan.exports, limit),
        "body": Code(render_body(plan, overrides).removesuffix("\n")),
    }
    return render("module", context, overrides)


def render_body(plan: WorkflowPlan, overrides: str | None = None) -> str:
    """A workflow's module without its head."""
    return render("workflow", {"workflow": plan}, overrides)


def import_block(imports: Mapping[str, Iterable[Code]], limit: int, first_party: str | None = None) -> Code:
    """The import statements of a module, in isort's order. A module without names is imported as a whole."""
    sections: tuple[list[str], ...] = ([], [], [], [])
    for module in sorted(imports, key=lambda module: (bool(imports[module]), module)):
        section = 3 if module.startswith(".") else 2 if module == first_party else int(is_third_party(module))
        sections[section].append(_import(module, imports[module], limit))
    return Code("\n\n".join("\n".join(section) for section in sections if section))


def is_third_party(module: str) -> bool:
    """Whether a module is neither ours nor the standard library's."""
    return module.partition(".")[0] in _THIRD_PARTY


def _import(module: str, names: Iterable[Code], limit: int) -> Code:
    plain = [name for name in names if " as " not in name]
    renamed = [name for name in names if " as " in name]  # each is a statement of its own, before the others
    if not plain and not renamed:
        return compose("import {}", Code(module))
    statements = [*([name] for name in sorted(renamed)), *([plain] if plain else [])]
    return Code("\n".join(from_import(Code(module), each, limit=limit) for each in statements))


def export_list(names: Iterable[Identifier], limit: int) -> Code:
    """`__all__`."""
    items: tuple[Doc, ...] = tuple(literal(str(name)) for name in sorted(set(names), key=export_order))
    return assignment(Identifier("__all__"), Bracket(Code("["), items, Code("]")), limit=limit)


class Listed(NamedTuple):
    """A module, as its package imports it, with lines of the names that the package re-exports."""

    key: Code
    names: tuple[Code, ...]


def render_init(
    exports: Mapping[str, Sequence[Identifier]],
    *,
    limit: int,
    overrides: str | None = None,
    runtime: str | None = None,
) -> str:
    """Return the text of a package's `__init__.py`. `exports` are the public names by module."""
    ours = without_clashes({"_runtime": tuple(map(Identifier, compiled.RUNTIME_NAMES)), **exports})
    del ours["_runtime"]
    imports = [_star_import(runtime or RUNTIME)]
    if runtime and ours:  # what is imported from elsewhere is a section of its own
        imports[0] = Code(f"{imports[0]}\n")
    for module, names in ours.items():
        if len(names) == len(exports[module]):
            imports.append(_star_import(f".{module}"))
        else:
            ordered = sorted(names, key=import_order)
            imports += [compose("from .{} import {} as {}", Code(module), name, name) for name in ordered]
    context = {
        "docstring": package_docstring(sorted(exports), limit),
        "imports": imports,
        "runtime": assignment(Identifier("_RUNTIME"), literal(runtime or RUNTIME), limit=limit),
        "modules": [
            Listed(literal(f".{module}"), _name_lines(names, limit - 2 * INDENT)) for module, names in ours.items()
        ],
    }
    return render("init", context, overrides)


def _star_import(module: str) -> Code:
    return Code(f"from {module} import *  # noqa: F403")


def _name_lines(names: Iterable[Identifier], columns: int) -> tuple[Code, ...]:
    """Names with blanks between them, in lines of at most that many columns."""
    return tuple(map(Code, wrap(" ".join(sorted(names, key=export_order)), columns)))


def without_clashes(exports: Mapping[str, Sequence[Identifier]]) -> dict[str, list[Identifier]]:
    """The names that a package re-exports: each once. A nested type whose name another workflow has stays in its module."""
    homes = {name: module for module in exports for name in module_names(module)[1:]}
    found: dict[str, list[Identifier]] = {}
    for module, names in sorted(exports.items(), key=lambda item: natural(item[0])):
        found[module] = [name for name in names if homes.setdefault(name, module) == module]
    return found


def package_docstring(modules: Sequence[str], limit: int) -> Code:
    """What a package is."""
    if not modules:
        text = "Typed clients of Dify workflows."
    elif len(modules) > MAX_LISTED:
        text = f"Typed clients of {len(modules):,} Dify workflows."
    else:
        noun = "workflows" if len(modules) > 1 else "workflow"
        text = f"Typed clients of the Dify {noun} {listed(f'`{module}`' for module in modules)}."
    return docstring(
        [
            *wrap(text, limit - 3),
            "",
            *wrap("Written by difygen. A name is imported from its module when it is first asked for.", limit),
        ]
    )
