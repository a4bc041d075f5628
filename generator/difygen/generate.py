"""Workflows to files: a pure function from definitions and options to `{path: text}`, whole or one workflow at a time.

Touches no file but those that ship with difygen. Knows nothing of readers and of where the files will go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from difygen import _compiled_templates
from difygen.code import Identifier
from difygen.diagnostics import Diagnostic, has_errors
from difygen.plan import Options, plan_workflow
from difygen.plan_names import name_workflows
from difygen.render import render_init, render_workflow, runtime_files
from difygen.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Module:
    """The module of one workflow. `text` is empty if `diagnostics` holds an error."""

    name: Identifier
    path: str
    text: str
    exports: tuple[Identifier, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """The files of a package by path, with forward slashes, relative to its folder; none if `diagnostics` holds an error."""

    files: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...] = ()


def generate(workflows: Sequence[Workflow], options: Options = Options()) -> Generated:  # noqa: B008 - immutable
    """The package of clients for these workflows."""
    names, problems = module_names([(workflow.source, workflow.name) for workflow in workflows], options)
    modules = [generate_module(workflow, options, name) for workflow, name in zip(workflows, names, strict=True)]
    diagnostics = (*problems, *(diagnostic for module in modules for diagnostic in module.diagnostics))
    if has_errors(diagnostics):
        return Generated({}, diagnostics)
    files = {module.path: module.text for module in modules}
    package = generate_package({module.name: module.exports for module in modules}, options)
    return Generated(dict(sorted((files | package).items())), diagnostics)


def module_names(
    wanted: Sequence[tuple[str, str]], options: Options
) -> tuple[list[Identifier], tuple[Diagnostic, ...]]:
    """The Python name of each workflow, from the source and the name of its definition."""
    return name_workflows(wanted, options.names, _compiled_templates.RUNTIME_NAMES)


def generate_module(workflow: Workflow, options: Options, name: Identifier) -> Module:
    """The module of one workflow, which is called `name` in Python."""
    planned = plan_workflow(workflow, options, name)
    if planned.plan is None:
        return Module(name, f"{name}.py", "", (), planned.diagnostics)
    text = render_workflow(planned.plan, limit=options.line_length, overrides=options.templates)
    return Module(name, f"{name}.py", text, planned.plan.exports, planned.diagnostics)


def generate_package(exports: Mapping[str, Sequence[str]], options: Options) -> dict[str, str]:
    """The files beside the workflows' modules: `__init__.py`, the runtime, `py.typed`. `exports` are the public names by module."""
    identifiers = {module: tuple(map(Identifier, names)) for module, names in exports.items()}
    init = render_init(identifiers, limit=options.line_length, overrides=options.templates)
    return {"__init__.py": init, **runtime_files(), "py.typed": ""}
