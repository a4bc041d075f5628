"""Definitions that changed, and the lock's word for those that did not -> all that a package should hold. Writes nothing.

`make` reads, plans and renders one definition, in any process; `assemble` names them and puts the package together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from difygen import __version__
from difygen.code import Identifier
from difygen.contract import dump
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.files import hash_bytes, read_file
from difygen.generate import Module, generate_file, generate_module, generate_package, module_names
from difygen.model import App
from difygen.options import Options
from difygen.parser import read
from difygen.plan.names import Wanted
from difygen.project.definitions import Named, held_names, name_modules
from difygen.project.lock import Lock, LockedWorkflow, format_contract
from difygen.project.publish import signed
from difygen.project.report import BuildReport
from difygen.project.request import Prepared, Request
from difygen.project.sources import OTHER_THINGS, STDIN, origin_of
from difygen.project.workers import spread
from difygen.render.printing import TemplateProblem

if TYPE_CHECKING:
    from difygen.diff.workflows import Change


class Task(NamedTuple):
    """A definition to make a module of. `source` is its way from the package, `origin` how the module calls it, `shown` how messages do."""

    path: str
    shown: str
    source: str
    origin: str
    named: bool
    name: str | None = None
    data: bytes | None = None


class Made(NamedTuple):
    """What came of a definition: a module, or findings that say why there is none. `wanted` is the workflow's own name."""

    task: Task
    source_hash: str
    wanted: str
    module: Module | None
    contract: str
    renamed: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def is_other_thing(self) -> bool:
        """Whether the file was found in a folder and is no definition of a workflow."""
        codes = {finding.code for finding in self.diagnostics if finding.severity == "error"}
        return not self.task.named and bool(codes) and codes <= set(OTHER_THINGS)

    def locked(self) -> LockedWorkflow:
        """What the lock keeps of it."""
        assert self.module is not None, "nothing is locked of a definition with errors"
        return LockedWorkflow(
            self.task.source,
            self.task.origin,
            self.source_hash,
            tuple(self.module.exports),
            self.wanted,
            self.contract,
            self.renamed,
            sum(finding.severity == "warning" for finding in self.diagnostics),
        )


def make(task: Task, options: Options) -> Made:
    """The module of one definition. Without a given name, it is called what it would be if it were alone."""
    try:
        data = task.data if task.data is not None else read_file(task.path, special=task.named)
    except OSError as error:
        finding = Diagnostic("error", "unreadable", f"It cannot be read: {error.strerror}.", Location(task.shown))
        return Made(task, "", "", None, "", {}, (finding,))
    reading = read(data, task.shown)
    if reading.workflow is None or has_errors(reading.diagnostics):
        return Made(task, hash_bytes(data), "", None, "", {}, reading.diagnostics)
    workflow = replace(reading.workflow, source=task.origin)
    name = Identifier(task.name) if task.name else module_names([Wanted(workflow.name, task.origin)])[0][0]
    module = generate_module(workflow, options, name)
    workflow = pinned(workflow, options, name)
    findings = (*reading.diagnostics, *(_placed(finding, task) for finding in module.diagnostics))
    renamed = options.rename.get(name) or options.rename.get(workflow.name) or {}
    return Made(
        task,
        hash_bytes(data),
        workflow.name,
        module,
        format_contract(dump(workflow)),
        renamed,
        findings,
    )


def pinned(workflow: App, options: Options, name: str) -> App:
    """`workflow` with the types that the user pinned for its outputs, which is what callers see."""
    words = options.outputs.get(name) or options.outputs.get(workflow.name)
    if not words:
        return workflow
    from difygen.type_syntax import type_of_word

    types = {output: type_of_word(word) for output, word in words.items()}
    outputs = [replace(output, type=types.get(output.name) or output.type) for output in workflow.outputs]
    return replace(workflow, outputs=tuple(outputs))


def _placed(finding: Diagnostic, task: Task) -> Diagnostic:
    """A finding about the code, with the definition called as in all other messages."""
    if finding.location.file != task.origin:
        return finding  # about a template
    return finding._replace(location=finding.location._replace(file=task.shown))


def assemble(request: Request, lock: Lock | None, same: Mapping[str, str]) -> Prepared:
    """Make the modules of all sources but those in `same` (module by path), and put the package together."""
    made = spread(
        partial(make, options=request.options),
        tasks(request, lock, same),
        jobs=request.processes,
        progress=request.progress,
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
        unused = request.config.unused_settings({*modules, *names})
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
            origin = origins.get(way) or origin_of(source, request.folder, request.config.folder)
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
