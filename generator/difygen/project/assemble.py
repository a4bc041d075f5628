"""Definitions that changed, and the lock's word for those that did not -> all that a package should hold. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from difygen import __version__
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.generate import generate_file, generate_package
from difygen.project.lock import Lock, LockedWorkflow, hash_bytes
from difygen.project.make import Made, Task, make
from difygen.project.names import Named, held_names, name_modules
from difygen.project.package import BuildReport, Prepared, Request, unused_settings
from difygen.project.publish import signed
from difygen.project.sources import STDIN, origin_of
from difygen.project.workers import spread
from difygen.render.printing import TemplateProblem

if TYPE_CHECKING:
    from difygen.diff.workflows import Change


def assemble(request: Request, lock: Lock | None, same: Mapping[str, str]) -> Prepared:
    """Make the modules of all sources but those in `same` (module by path), and put the package together."""
    made = spread(
        partial(make, options=request.options), tasks(request, lock, same), jobs=request.jobs, progress=request.progress
    )
    skipped = tuple(_skipped(one) for one in made if one.is_other_thing)
    made = [one for one in made if not one.is_other_thing]
    locked = {module: lock.workflows[module] for module in same.values()} if lock else {}
    findings = [finding for one in made for finding in one.diagnostics]
    if not made and not locked:
        findings.append(_nothing(request))
    if not has_errors(findings):
        made, locked, naming = _named(request, lock, made, locked)
        modules = [*locked, *(str(one.module.name) for one in made if one.module)]
        names = [*(one.name for one in locked.values()), *(one.wanted for one in made)]
        unused = unused_settings(request, modules, names)
        findings = [*(finding for one in made for finding in one.diagnostics), *naming, *unused]
    report = BuildReport(request.shown, diagnostics=tuple(sorted(set(findings), key=_place)), skipped=skipped)
    if report.failed:
        return Prepared(report)
    try:
        if request.options.single_file:
            return _file(request, made, report)
        return _package(request, lock, made, locked, report)
    except TemplateProblem as problem:
        return Prepared(report._replace(diagnostics=(*report.diagnostics, problem.finding)))


def tasks(request: Request, lock: Lock | None, same: Mapping[str, str]) -> list[Task]:
    """What is to be made. A definition that the package knows is called as before, wherever difygen runs now."""
    origins = {one.source: one.origin for one in lock.workflows.values()} if lock else {}
    found = []
    for source in request.sources:
        if source.path not in same:
            way = source.relative_to(request.folder)
            origin = origins.get(way) or origin_of(source, request.folder, request.base_folder)
            data = request.stdin if source.path == STDIN else None
            found.append(Task(source.path, source.shown, way, origin, source.named, request.names.get(way), data))
    return found


def _file(request: Request, made: Sequence[Made], report: BuildReport) -> Prepared:
    modules = [one.module for one in made if one.module]
    report = report._replace(modules=tuple(sorted(str(module.name) for module in modules)))
    return Prepared(report, {"": signed(generate_file(modules, request.options), __version__)})


def _package(
    request: Request,
    old: Lock | None,
    made: Sequence[Made],
    same: Mapping[str, LockedWorkflow],
    report: BuildReport,
) -> Prepared:
    workflows = dict(same)
    workflows |= {str(one.module.name): one.locked() for one in made if one.module}
    texts = {one.module.path: one.module.text for one in made if one.module}
    texts |= generate_package({module: workflows[module].exports for module in sorted(workflows)}, request.options)
    untouched = {f"{module}.py" for module in same}
    files = {path: hash_bytes(text.encode()) for path, text in texts.items()}
    files |= {path: old.files[path] for path in untouched} if old else {}
    lock = Lock(__version__, request.fingerprint, files, workflows)
    hidden = sum(one.warnings for one in same.values())
    changes = changes_between(old, lock) if old else ()
    report = report._replace(modules=tuple(sorted(workflows)), hidden_warnings=hidden, changes=changes)
    return Prepared(report, texts, untouched, lock)


def _named(
    request: Request, lock: Lock | None, made: Sequence[Made], same: Mapping[str, LockedWorkflow]
) -> tuple[list[Made], dict[str, LockedWorkflow], tuple[Diagnostic, ...]]:
    """Give every workflow its final name, and make those again that were made under another one."""
    wanted = [Named(one.task.source, one.task.origin, one.wanted) for one in made]
    wanted += [Named(one.source, one.origin, one.name) for one in same.values()]
    held = held_names(lock, wanted, same_options=lock is not None and lock.options == request.fingerprint)
    names, problems = name_modules(wanted, request.names, held)
    moved = {one.source for module, one in same.items() if names[one.source] != module}
    again = [task._replace(name=names[task.source]) for task in tasks(request, lock, {}) if task.source in moved]
    again += [
        one.task._replace(name=names[one.task.source])
        for one in made
        if one.module and one.module.name != names[one.task.source]
    ]
    done = {task.source for task in again}
    made = [*(one for one in made if one.task.source not in done), *(make(task, request.options) for task in again)]
    return (
        made,
        {module: one for module, one in same.items() if one.source not in moved},
        _shown(problems, request, wanted),
    )


def _shown(problems: Iterable[Diagnostic], request: Request, wanted: Sequence[Named]) -> tuple[Diagnostic, ...]:
    paths = {source.relative_to(request.folder): source.shown for source in request.sources}
    shown = {one.origin: paths[one.source] for one in wanted if one.source in paths}
    return tuple(one._replace(location=Location(shown.get(one.location.file, one.location.file))) for one in problems)


def changes_between(old: Lock, new: Lock) -> tuple[Change, ...]:
    """What changes for callers from one lock to the other. Workflows of which all is the same are not looked into."""
    from difygen.contract import ContractError
    from difygen.diff.workflows import compare_all
    from difygen.project.surfaces import surfaces

    before, after = dict(old.workflows), dict(new.workflows)
    for module in before.keys() & after.keys():
        if _visible(before[module]) == _visible(after[module]):
            del before[module], after[module]
    try:
        return compare_all(surfaces(before), surfaces(after))
    except ContractError:  # of another version of difygen, or edited
        return ()


def _visible(workflow: LockedWorkflow) -> tuple[object, ...]:
    return workflow.contract, workflow.exports, workflow.renamed


def _skipped(made: Made) -> Diagnostic:
    error = next(finding for finding in made.diagnostics if finding.severity == "error")
    return error._replace(severity="warning", hint="It was found in a folder, and is left out.")


def _nothing(request: Request) -> Diagnostic:
    message = "None of the files that were found defines a workflow."
    return Diagnostic("error", "no-definitions", message, Location(request.sources[0].shown))


def _place(finding: Diagnostic) -> tuple[str, int, int]:
    return finding.location.file, finding.location.line, finding.location.column
