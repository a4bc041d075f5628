"""Workflows to files: a pure function from definitions and options to `{path: text}`, whole or one workflow at a time.

Touches no file but those that ship with difygen. Knows nothing of readers and of where the files will go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from difygen.code import NOTHING, Code, Identifier
from difygen.diagnostics import Diagnostic, has_errors
from difygen.model import App
from difygen.options import Options
from difygen.plan.names import Wanted, name_workflows
from difygen.plan.workflow import WorkflowPlan, plan_workflow
from difygen.render.compiled import RUNTIME_NAMES, TAKEN_NAMES
from difygen.render.formatting import formatted, missing_black
from difygen.render.printing import TemplateProblem, render_body, render_init, render_workflow, runtime_files

SINGLE_FILE = "client.py"
"""How a package in one file is called here; the user calls it as they like."""


class Module(NamedTuple):
    """The module of one workflow. `text` is empty if `diagnostics` holds an error.

    For a single file, `text` is the workflow's section of it, and `docstring` and `imports` tell what belongs to its head.
    """

    name: Identifier
    path: str
    text: str
    exports: tuple[Identifier, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    docstring: Code = NOTHING
    imports: Mapping[str, tuple[Code, ...]] = {}


class Generated(NamedTuple):
    """The files of a package by path, with forward slashes, relative to its folder; none if `diagnostics` holds an error."""

    files: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...] = ()


def generate(workflows: Sequence[App], options: Options = Options()) -> Generated:  # noqa: B008 - immutable
    """The package of clients for these workflows; one file, if the options say so."""
    names, problems = module_names(
        [Wanted(workflow.name, workflow.source, options.names.get(workflow.source)) for workflow in workflows]
    )
    modules = [generate_module(workflow, options, name) for workflow, name in zip(workflows, names, strict=True)]
    findings = (*problems, *(finding for module in modules for finding in module.diagnostics))
    diagnostics = tuple(dict.fromkeys(findings))
    if has_errors(diagnostics):
        return Generated({}, diagnostics)
    try:
        return Generated(_files(modules, options), diagnostics)
    except TemplateProblem as problem:
        return Generated({}, (*diagnostics, problem.finding))


def _files(modules: Sequence[Module], options: Options) -> dict[str, str]:
    if options.single_file:
        return {SINGLE_FILE: generate_file(modules, options)}
    files = {module.path: module.text for module in modules}
    package = generate_package({module.name: module.exports for module in modules}, options)
    return dict(sorted((files | package).items()))


def module_names(wanted: Sequence[Wanted]) -> tuple[list[Identifier], tuple[Diagnostic, ...]]:
    """Return the Python name of each app."""
    return name_workflows(wanted, {*RUNTIME_NAMES, *TAKEN_NAMES})


def generate_module(workflow: App, options: Options, name: Identifier) -> Module:
    """The module of one workflow, which is called `name` in Python."""
    planned = plan_workflow(workflow, options, name)
    diagnostics = (*planned.diagnostics, *_setting_problems(options, workflow.source))
    module = Module(name, SINGLE_FILE if options.single_file else f"{name}.py", "", (), diagnostics)
    if planned.plan is None or has_errors(diagnostics):
        return module
    try:
        return _module(planned.plan, options, module)
    except TemplateProblem as problem:
        return module._replace(diagnostics=(*diagnostics, problem.finding))


def _module(plan: WorkflowPlan, options: Options, module: Module) -> Module:
    if options.single_file:
        text = render_body(plan, options.templates)
        return module._replace(text=text, exports=plan.exports, docstring=plan.docstring, imports=plan.imports)
    text = render_workflow(plan, limit=options.line_length, overrides=options.templates, runtime=options.runtime)
    return module._replace(text=formatted(text, options.line_length), exports=plan.exports)


def _setting_problems(options: Options, source: str) -> tuple[Diagnostic, ...]:
    """What is wrong with the settings themselves."""
    problems = missing_black(options.line_length, source)
    if options.templates is not None:
        from difygen.render.own_templates import folder_problems  # only for a user's own templates

        problems += folder_problems(options.templates)
    return problems


def generate_file(modules: Sequence[Module], options: Options) -> str:
    """The one file of workflows whose modules were made with `single_file`. Raises `TemplateProblem` for a user's template."""
    from difygen.render.bundle import bundle  # only for single files

    ordered = sorted(modules, key=lambda module: module.name)
    text = bundle(ordered, limit=options.line_length, overrides=options.templates, runtime=options.runtime)
    return formatted(text, options.line_length)


def generate_package(exports: Mapping[str, Sequence[str]], options: Options) -> dict[str, str]:
    """The files beside the workflows' modules: `__init__.py`, the runtime if it is not shared, `py.typed`. `exports` are the public names by module.

    Raises:
        TemplateProblem: A template of the user cannot be used.
    """
    identifiers = {module: tuple(map(Identifier, names)) for module, names in exports.items()}
    init = render_init(identifiers, limit=options.line_length, overrides=options.templates, runtime=options.runtime)
    files = {"__init__.py": init, **({} if options.runtime else runtime_files())}
    return {path: formatted(text, options.line_length) for path, text in files.items()} | {"py.typed": ""}


def generate_runtime(options: Options) -> dict[str, str]:
    """Return the files of a runtime that stands by itself, for packages that share it."""
    files = {path.rpartition("/")[2]: formatted(text, options.line_length) for path, text in runtime_files().items()}
    return files | {"py.typed": ""}
