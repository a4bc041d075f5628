"""From definitions that changed, and the lock's word for those that did not, to a package; then to documents of them.

The stage of a build that needs parser and templates. Writes nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from difygen import __version__
from difygen.codegen.module import ModuleText
from difygen.codegen.package import generate_file, generate_module, generate_package
from difygen.codegen.runtime import FACE, parts_for, runtime_files
from difygen.codegen.templates import TemplateProblem
from difygen.definitions import origin_of
from difygen.definitions.lockfile import (
    Lock,
    LockedApp,
    LockedContract,
    join_contracts,
    locked_contract,
    read_contracts,
)
from difygen.definitions.reading import DefinitionFile, Reader, Unnamed, locked_names, name_modules
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.files import hash_bytes
from difygen.model_json import dump, load
from difygen.naming import MAX_WORKFLOW_NAME, Identifier, file_name_problem, snake_name
from difygen.project.report import BuildPlan, BuildReport
from difygen.project.request import OutputState, Request
from difygen.publish import Destination, signed
from difygen.record import Record, replace
from difygen.wording import quoted, visible

if TYPE_CHECKING:
    from difygen.diff.changes import Change
    from difygen.diff.public import PublicApp


_REQUIRED = ("httpx", "pydantic", "pydantic_core", "anyio", "httpcore", "typing_extensions", "annotated_types")
"""What generated code imports, and what that imports."""


class Entry(Record):
    """An app of the package: its module, what the lock keeps of it, and what was said of the module."""

    module: ModuleText
    locked: LockedApp
    contract: LockedContract
    diagnostics: tuple[Diagnostic, ...]


def assemble(request: Request, package: OutputState, documents: Sequence[OutputState]) -> BuildPlan:
    """Read all sources but those of apps that did not change, name all apps, and make the outputs."""
    lock = package.lock
    contracts = read_contracts(lock) if lock else {}
    unchanged = {path: module for path, module in package.unchanged.items() if module in contracts}  # else damaged
    reader = Reader(request.stdin, request.progress)
    files = reader.read([source for source in request.sources if source.path not in unchanged])
    skipped = tuple(
        next(finding for finding in file.diagnostics if finding.severity == "error")._replace(
            severity="warning", hint="It was found in a folder, and is left out."
        )
        for file in files
        if file.is_other_thing
    )
    files = [file for file in files if not file.is_other_thing]
    kept = {module: lock.apps[module] for module in unchanged.values()} if lock else {}
    origins = _origins(request, lock)
    names, findings = _names(request, lock, files, kept, origins)

    moved = {module for module, one in kept.items() if names[one.source] != module}
    files += reader.read([source for source in request.sources if unchanged.get(source.path) in moved])
    kept = {module: one for module, one in kept.items() if module not in moved}
    findings += [finding for file in files for finding in file.diagnostics]
    defined = {names[file.source.relative_to(request.folder)]: file for file in files if file.app}
    entries = [_entry(request, file, name, origins) for name, file in defined.items() if not request.only_documents]
    findings += [finding for entry in entries for finding in entry.diagnostics]
    findings += output_warnings(request.shown) if not request.only_documents else []
    if not files and not kept:
        message = "None of the files that were found defines an app."
        findings.append(Diagnostic("error", "no-definitions", message, Location(request.sources[0].shown)))
    apps = {**kept, **{name: _locked(request, file, origins) for name, file in defined.items()}}
    if not has_errors(findings):
        findings += request.config.unused_settings(
            {name for module, one in apps.items() for name in (module, one.name)}
        )

    findings = sorted(dict.fromkeys(findings), key=lambda finding: finding.location)
    notes = name_notes(request, [file for file in files if file.app], names)
    report = BuildReport(
        request.shown,
        diagnostics=tuple(findings),
        skipped=skipped,
        notes=tuple(notes),
        only_documents=request.only_documents,
    )
    if report.failed:
        return BuildPlan(report)
    try:
        plan = (
            BuildPlan(report)
            if request.only_documents
            else _package(request, package, contracts, entries, kept, report)
        )
    except TemplateProblem as problem:
        return BuildPlan(replace(report, diagnostics=(*report.diagnostics, problem.finding)))
    if not request.documents:
        return plan
    from difygen.project.document_folders import assemble_documents  # where there are some to be made

    return assemble_documents(request, plan, documents, apps, reader)


def _origins(request: Request, lock: Lock | None) -> dict[str, str]:
    """Return how modules call their definitions, by source: as before, wherever difygen runs now."""
    before = {one.source: one.origin for one in lock.apps.values()} if lock else {}
    return {
        path: before.get(path) or origin_of(source, request.folder, request.config.folder)
        for source in request.sources
        for path in (source.relative_to(request.folder),)
    }


def _names(
    request: Request,
    lock: Lock | None,
    files: Iterable[DefinitionFile],
    kept: Mapping[str, LockedApp],
    origins: Mapping[str, str],
) -> tuple[dict[str, str], list[Diagnostic]]:
    """Return the names of all apps by source, and what is wrong with those that the user chose."""
    paths = [(file.source.relative_to(request.folder), file.app) for file in files]
    unnamed = [Unnamed(path, origins[path], app.name) for path, app in paths if app]
    unnamed += [Unnamed(one.source, one.origin, one.name) for one in kept.values()]
    names_in_lock = locked_names(lock, unnamed, same_options=lock is not None and lock.options == request.fingerprint)
    names, problems = name_modules(unnamed, request.names, names_in_lock)
    shown = {origins[source.relative_to(request.folder)]: source.shown for source in request.sources}
    return names, [problem._replace(location=Location(shown[problem.location.file])) for problem in problems]


def name_notes(request: Request, files: Iterable[DefinitionFile], names: Mapping[str, str]) -> list[Diagnostic]:
    """Return notes on names that somebody may want to choose: those of another script, and those that were cut."""
    notes = []
    for file in files:
        path, name = file.source.relative_to(request.folder), file.app.name if file.app else ""
        if path not in request.names and (not name.isascii() or len(name) > MAX_WORKFLOW_NAME):
            message = f"The app {quoted(name)} is called `{names[path]}` in Python."
            hint = "To choose its name: --name, or a table [workflows.NAME] with its `source` in the settings."
            notes.append(Diagnostic("note", "derived-name", message, Location(file.source.shown), hint))
    return notes


def _locked(request: Request, file: DefinitionFile, origins: Mapping[str, str]) -> LockedApp:
    """Return what locks keep of an app. The warnings are those about its definition alone."""
    assert file.app is not None
    path = file.source.relative_to(request.folder)
    return LockedApp(
        source=path,
        origin=origins[path],
        source_hash=hash_bytes(file.data),
        name=file.app.name,
        mode=file.app.mode,
        warnings=sum(finding.severity == "warning" for finding in file.diagnostics),
    )


def _entry(request: Request, file: DefinitionFile, name: str, origins: Mapping[str, str]) -> Entry:
    """Make the module of an app. What is wrong with it is said of the definition as messages call it."""
    assert file.app is not None
    options, locked = request.config.options, _locked(request, file, origins)
    app = replace(file.app, source=locked.origin)
    module = generate_module(app, options, Identifier(name))
    findings = tuple(
        (
            finding._replace(location=finding.location._replace(file=file.source.shown))
            if finding.location.file == app.source  # else it is about a template
            else finding
        )
        for finding in module.diagnostics
    )
    more_warnings = sum(finding.severity == "warning" for finding in findings)
    renamed = options.rename.get(name) or options.rename.get(app.name)
    nodes = options.nodes.get(name) or options.nodes.get(app.name)
    visible = {**dump(module.app), "exports": list(module.exports)}
    visible |= {key: dict(names) for key, names in (("renamed", renamed), ("renamed_nodes", nodes)) if names}
    return Entry(module, locked._replace(warnings=locked.warnings + more_warnings), locked_contract(visible), findings)


def _package(
    request: Request,
    state: OutputState,
    before: Mapping[str, LockedContract],
    entries: Sequence[Entry],
    kept: Mapping[str, LockedApp],
    report: BuildReport,
) -> BuildPlan:
    old, options, modules = state.lock, request.config.options, [entry.module for entry in entries]
    if options.single_file:
        report = replace(report, kinds=tuple(entry.locked.kind for entry in entries))
        text = signed(generate_file(modules, options), __version__)
        return BuildPlan(report, (Destination(request.shown, {"": text}),))
    apps = {**kept, **{str(entry.module.name): entry.locked for entry in entries}}
    after = {module: before[module] for module in kept}
    after |= {str(entry.module.name): entry.contract for entry in entries}
    texts = {module.path: module.text for module in modules}
    exports = {module: after[module].members["exports"] for module in sorted(apps)}
    parts = parts_for(one.mode for one in apps.values())
    laid_out = runtime_files(parts).keys() & state.kept
    if old and parts != parts_for(one.mode for one in old.apps.values()):
        laid_out -= {FACE}  # it has to do with another choice of parts
    texts |= generate_package(exports, options, parts, made=laid_out)
    untouched = {f"{module}.py" for module in kept} | laid_out
    files = state.files_with(texts, untouched)
    lock = Lock(__version__, request.fingerprint, files, apps, join_contracts(after))
    report = replace(
        report,
        kinds=tuple(one.kind for _, one in sorted(apps.items())),
        hidden_warnings=sum(one.warnings for one in kept.values()),
        changes=changes_between(old, before, lock, after) if old else (),
    )
    return BuildPlan(report, (Destination(request.shown, texts, untouched, lock, old, state.seen),))


def output_warnings(output: str) -> list[Diagnostic]:
    """Return what will go wrong when somebody imports the output by its name."""
    path = os.path.abspath(output)
    name = os.path.basename(path).removesuffix(".py")
    in_package = os.path.exists(os.path.join(os.path.dirname(path), "__init__.py"))
    if not name.isidentifier():
        problem = "is no name that Python can import"
    elif what := file_name_problem(name):
        problem = f"is {what}"
    elif not in_package and (name in sys.stdlib_module_names or name in _REQUIRED):
        problem = "hides the module of that name, which clients or what they need may import"
    else:
        return []
    better = snake_name(name, "client").strip("_")
    if better == name or file_name_problem(better):
        better = f"{better}_client"
    hint = f"Choose another name, such as `{better}`."
    return [Diagnostic("warning", "output-name", f"`{visible(name)}` {problem}.", Location(output), hint)]


# What changed for callers


def changes_between(
    old: Lock, before: Mapping[str, LockedContract], new: Lock, after: Mapping[str, LockedContract]
) -> tuple[Change, ...]:
    """Return what changes for callers from one lock, with its contracts, to the other.

    Apps of which all is the same are not looked into.
    """
    from difygen.diff import compare_all  # where there is something to compare with

    same = {module for module, one in before.items() if module in after and one.text == after[module].text}
    before = {module: one for module, one in before.items() if module not in same}
    after = {module: one for module, one in after.items() if module not in same}
    try:
        return compare_all(public_apps(old, before), public_apps(new, after))
    except ValueError:  # of another version of difygen, or edited
        return ()


def public_apps(lock: Lock, contracts: Mapping[str, LockedContract]) -> dict[str, PublicApp]:
    """Return what callers see of apps of a lock, by module. Raises ValueError for what is no contract."""
    from difygen.diff.public import public_app

    apps = {}
    for module, (_, members) in contracts.items():
        app = load(members, lock.apps[module].source)
        apps[module] = public_app(
            app, module, members.get("renamed", {}), members["exports"], members.get("renamed_nodes", {})
        )
    return apps
