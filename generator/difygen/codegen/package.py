"""The target "Python package": apps to files, a pure function, whole (`generate`) or one app at a time.

A module of an app depends on nothing but the app, its name and the options, so that `project` makes only those that
changed. Touches no file but templates: those that ship with difygen, and the user's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from difygen.codegen.annotations import RUNTIME
from difygen.codegen.describe import wrap
from difygen.codegen.module import ModulePlan, ModuleText, plan_module
from difygen.codegen.names import NameRequest, name_apps, public_names
from difygen.codegen.runtime import exported_names, parts_for, runtime_files
from difygen.codegen.syntax import (
    INDENT,
    LINE_LENGTH,
    Code,
    code,
    export_order,
    import_block,
    import_order,
    literal,
    natural,
)
from difygen.codegen.templates import TemplateProblem, folder_problems, render
from difygen.config import Options
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.model import App
from difygen.naming import Identifier
from difygen.record import Record, replace

SINGLE_FILE = "client.py"
"""How a package in one file is called here; the user calls it as they like."""


class Generated(Record):
    """The files of a package by path, relative to it, with forward slashes; none if a diagnostic is an error."""

    files: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...] = ()


class ReExports(Record):
    """A module, as its package imports it, with lines of the names that the package re-exports."""

    name: str
    key: Code
    lines: Sequence[Code]


def generate(apps: Sequence[App], options: Options = Options()) -> Generated:  # noqa: B008 - immutable
    """Return the package of clients for these apps; one file, if the options say so."""
    names, problems = name_apps([NameRequest(app.name, app.source, options.names.get(app.source)) for app in apps])
    modules = [generate_module(app, options, name) for app, name in zip(apps, names, strict=True)]
    findings = (*problems, *(finding for module in modules for finding in module.diagnostics))
    diagnostics = tuple(dict.fromkeys(findings))
    if has_errors(diagnostics):
        return Generated({}, diagnostics)
    try:
        if options.single_file:
            return Generated({SINGLE_FILE: generate_file(modules, options)}, diagnostics)
        files = {module.path: module.text for module in modules}
        parts = parts_for(module.app.mode for module in modules)
        files |= generate_package({module.name: module.exports for module in modules}, options, parts)
        return Generated(dict(sorted(files.items())), diagnostics)
    except TemplateProblem as problem:
        return Generated({}, (*diagnostics, problem.finding))


def generate_module(app: App, options: Options, name: Identifier) -> ModuleText:
    """Return the module of an app that is called `name` in Python; its text is empty if a diagnostic is an error."""
    planned = plan_module(app, options, name)
    diagnostics = (*planned.diagnostics, *_setting_problems(options, app.source))
    module = ModuleText(
        name, SINGLE_FILE if options.single_file else f"{name}.py", planned.app, diagnostics=diagnostics
    )
    if planned.plan is None or has_errors(diagnostics):
        return module
    try:
        return _printed(module, planned.plan, options)
    except TemplateProblem as problem:
        return replace(module, diagnostics=(*diagnostics, problem.finding))


def _printed(module: ModuleText, plan: ModulePlan, options: Options) -> ModuleText:
    """Print a module. For a single file, its text is a section of the file, and what belongs to the head is apart."""
    context = {**vars(plan), "is_single_file": options.single_file and not options.runtime}
    if options.single_file:
        return replace(
            module,
            text=_rendered(plan.template, context, options),
            docstring=Code(_rendered("about_module", context, options).rstrip("\n")),
            exports=plan.exports,
            imports=plan.imports,
        )
    runtime = options.runtime or RUNTIME
    imports = {runtime if home == RUNTIME else home: names for home, names in plan.imports.items()}
    context |= {"imports": import_block(imports, options.runtime), "exports": _quoted(plan.exports)}
    return replace(module, text=_formatted(_rendered("module", context, options), options), exports=plan.exports)


def generate_file(modules: Sequence[ModuleText], options: Options) -> str:
    """Return the one file of apps whose modules were made with `single_file`. Raises `TemplateProblem`."""
    from difygen.codegen.single_file import join_modules  # few packages are one file

    ordered = sorted(modules, key=lambda module: module.name)
    parts = parts_for(module.app.mode for module in modules)
    contents = join_modules(ordered, parts, options.runtime)
    context = {
        **vars(contents),
        "docstring": ordered[0].docstring if len(ordered) == 1 else None,
        "modules": ordered,
        "exports": _quoted([*exported_names(parts), *(name for module in ordered for name in module.exports)]),
    }
    return _formatted(_rendered("bundle", context, options), options)


def generate_package(
    exports: Mapping[str, Sequence[str]], options: Options, parts: frozenset[str], made: Collection[str] = ()
) -> dict[str, str]:
    """Return the files beside the apps' modules: `__init__.py`, the runtime if it is not shared, and `py.typed`.

    `exports` are the public names by module, `parts` those of the runtime that its apps need. Files of the runtime
    that are among those `made` are left out.

    Raises:
        TemplateProblem: A template of the user cannot be used.
    """
    ours = without_clashes(exports)
    runtime = options.runtime or RUNTIME
    imports = [_star_import(runtime)]
    if options.runtime and ours:  # what is imported from elsewhere is a section of its own
        imports[0] = Code(f"{imports[0]}\n")
    for module, names in ours.items():
        if len(names) == len(exports[module]):
            imports.append(_star_import(f".{module}"))
        else:
            imports += [code("from .{} import {} as {}", Identifier(module), name, name) for name in names]
    columns = options.line_length - 2 * INDENT
    lines = {module: wrap(" ".join(sorted(names, key=export_order)), columns) for module, names in ours.items()}
    context = {
        "imports": imports,
        "runtime": runtime,
        "modules": [ReExports(each, literal(f".{each}"), list(map(Code, lines[each]))) for each in ours],
    }
    files = {"__init__.py": _rendered("init", context, options)}
    if not options.runtime:
        files |= {path: text for path, text in runtime_files(parts).items() if path not in made}
    return {path: _formatted(text, options) for path, text in files.items()} | {"py.typed": ""}


def generate_runtime(options: Options) -> dict[str, str]:
    """Return the files of a runtime that stands by itself, for packages that share it."""
    files = {path.removeprefix("_runtime/"): _formatted(text, options) for path, text in runtime_files().items()}
    return files | {"py.typed": ""}


def without_clashes(exports: Mapping[str, Sequence[str]]) -> dict[str, list[Identifier]]:
    """Return the names that a package re-exports, by module, each once.

    A nested type stays in its module where another app, or the runtime, has its name.
    """
    homes = {name: module for module in exports for name in public_names(module)[1:]}
    homes |= dict.fromkeys(exported_names(), RUNTIME)
    found: dict[str, list[Identifier]] = {}
    for module, names in sorted(exports.items(), key=lambda item: natural(item[0])):
        kept = [Identifier(name) for name in names if homes.setdefault(name, module) == module]
        found[module] = sorted(kept, key=import_order)
    return found


def _star_import(module: str) -> Code:
    return Code(f"from {module} import *  # noqa: F403, RUF100")  # ruff had F403 on by default, and has it off


def _quoted(names: Iterable[str]) -> Code:
    """Return the items of `__all__`."""
    return Code(", ".join(map(literal, sorted(set(names), key=export_order))))


def _rendered(template: str, context: Mapping[str, object], options: Options) -> str:
    return render(template, context, options.line_length, options.templates)


def _setting_problems(options: Options, source: str) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the settings: no black for another line length, a folder of templates that is none."""
    problems = tuple(folder_problems(options.templates)) if options.templates is not None else ()
    if options.line_length == LINE_LENGTH:
        return problems
    try:
        import black  # noqa: F401 - for those alone who want another line length than its own
    except ImportError:
        message = f"A line length of {options.line_length} needs black, which is not installed."
        problem = Diagnostic("error", "black-missing", message, Location(source), "Run: pip install black")
        return (problem, *problems)
    return problems


def _formatted(text: str, options: Options) -> str:
    """Lay a module out at the line length of the options. At black's own, what we lay out is as black leaves it.

    Texts in several pieces are split anew: ruff's formatter joins those that fit on one line, black alone does not.
    """
    if options.line_length == LINE_LENGTH:
        return text
    import black
    from black.mode import Preview

    split = black.Mode(line_length=options.line_length, preview=True, enabled_features={Preview.string_processing})
    return black.format_str(black.format_str(text, mode=split), mode=black.Mode(line_length=options.line_length))
