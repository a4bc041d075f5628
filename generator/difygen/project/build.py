"""From sources to files on disk, from top to bottom; each stage hands a record to the next:

    resolve    `Config` to `Request`: the definition files, the outputs, all that these depend on
    prepare    `Request` to `BuildPlan`: all files that are to be there. What did not change is known from the locks,
               by hashes; parser, templates and the rest are imported only for what did, by `assemble`
    publish    `BuildPlan` to files: nothing is written unless everything can be

An output is the package, or a folder of documents: a `Destination`. Everything else that generates goes the same way:
`check` compares in place of publishing, `watch` does it again and again, `documents` leaves the package out, unless a
SOURCE or an output is named. Such a folder belongs to no project: what other targets have there is not of this run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from difygen import __version__
from difygen.config import Config
from difygen.console import SEE_HELP, UsageProblem
from difygen.definitions import Source
from difygen.definitions.lockfile import Lock
from difygen.files import STDIN, hash_bytes, hash_file
from difygen.project.report import BuildPlan, BuildReport, Progress, progress_bar, reported, show_report
from difygen.project.request import (
    RUNTIME_MARK,
    OutputState,
    Request,
    app_of,
    find_runtime,
    left_out,
    resolve,
    what_it_holds,
    wrong_place,
)
from difygen.publish import Destination, PublishError, Survey, publish, read_own_lock, until_settled
from difygen.record import replace


def run_generate(config: Config) -> int:
    """Generate, and print what was done. Return the exit code."""
    with progress_bar(config) as progress:
        report = build(config, progress=progress, stdin=read_stdin(config))
    show_report(report, config)
    return report.exit_code(strict=config.strict)


def read_stdin(config: Config) -> bytes:
    """Return the definition on standard input, if that is a source."""
    return sys.stdin.buffer.read() if STDIN in config.sources else b""


def build(config: Config, *, progress: Progress | None = None, stdin: bytes = b"", only: str = "") -> BuildReport:
    """Make each output what the sources give, and nothing else: with `only`, documents of that target alone.

    Nothing is written unless everything can be.
    """
    request, problems = resolve(config, trusting=not config.force, stdin=stdin, progress=progress, only=only)
    if problems:
        return BuildReport(request.shown, diagnostics=tuple(problems))
    try:
        return until_settled(lambda: _write(request))
    except PublishError as error:
        return BuildReport(request.shown, problem=str(error))


def _write(request: Request) -> BuildReport:
    force = request.config.force
    package, *documents = [
        OutputState(*(read_own_lock(path, force=force) if path else (None, b""))) for path in request.folders
    ]
    if problem := wrong_place(request, [package, *documents]):
        raise PublishError(f"{problem}\nnothing was written; choose another output")
    plan = prepare(request, package, documents)
    if plan.report.failed:
        return plan.report
    for output in plan.outputs[: not request.only_documents]:
        if output.old and output.lock and not (request.config.prune or request.config.settings):
            old, new = output.old.apps, output.lock.apps
            if problem := left_out(request.shown, "the client", request.folder, old, new):
                raise PublishError(problem)
    changing = [each for each in plan.outputs if not each.is_current]
    surveys = dict(zip(map(id, changing), publish(*changing, force=force) if changing else (), strict=True))
    return reported(plan.report, plan.outputs, [surveys.get(id(each), Survey()) for each in plan.outputs])


def prepare(request: Request, package: OutputState, documents: Sequence[OutputState]) -> BuildPlan:
    """Find out what all outputs should hold, reading as few definitions as `request` allows."""
    digests: dict[str, str] = {}
    package = _what_is_unchanged(request, package, request.folder, request.fingerprint, digests)
    documents = [
        _what_is_unchanged(request, state, folder.folder, folder.fingerprint, digests)
        for state, folder in zip(documents, request.documents, strict=True)
    ]
    apps = len(request.sources)
    if package.lock and all(
        each.is_whole(apps) and each.unchanged == package.unchanged for each in (package, *documents)
    ):
        return _nothing_changed(request, package, documents)
    from difygen.project.assemble import assemble

    return assemble(request, package, documents)


def _nothing_changed(request: Request, package: OutputState, documents: Sequence[OutputState]) -> BuildPlan:
    assert package.lock is not None
    apps = package.lock.apps
    report = BuildReport(
        request.shown,
        kinds=tuple(one.kind for one in apps.values()),
        diagnostics=request.config.unused_settings({*apps, *(one.name for one in apps.values())}),
        hidden_warnings=sum(one.warnings for one in apps.values()),
        only_documents=request.only_documents,
    )
    outputs = [
        Destination(path, kept=state.kept, lock=state.lock, old=state.lock, seen=state.seen)
        for path, state in zip(request.folders, (package, *documents), strict=True)
    ]
    return BuildPlan(report, tuple(outputs[request.only_documents :]))


def _what_is_unchanged(
    request: Request, state: OutputState, folder: str, fingerprint: str, digests: dict[str, str]
) -> OutputState:
    """Find out what in a folder need not be made again: files, and all that there is of an app.

    `digests` are the hashes of sources that were read already, by path.
    """
    lock = state.lock
    if lock is None or not request.trusting or (lock.generator, lock.options) != (__version__, fingerprint):
        return state
    kept = {path for path, digest in lock.files.items() if hash_file(f"{folder}{os.sep}{path}") == digest}
    damaged = {app_of(path) for path in lock.files.keys() - kept}
    locked = {one.source: (module, one) for module, one in lock.apps.items()}
    unchanged = {}
    for source in request.sources if kept else ():
        module, one = locked.get(source.relative_to(folder), ("", None))
        if one is None or module.rstrip("_") in damaged or (request.config.strict and one.warnings):
            continue
        if not lock.package and f"{module}.py" not in kept:  # the lock was damaged
            continue
        if source.path not in digests:
            digests[source.path] = _digest(source, request.stdin)
        if digests[source.path] == one.source_hash:
            unchanged[source.path] = module
    return replace(state, kept=kept, unchanged=unchanged)


def _digest(source: Source, stdin: bytes) -> str:
    if source.path == STDIN:
        return hash_bytes(stdin)
    if source.named and not os.path.isfile(source.path):
        return "a pipe, which cannot be read twice"
    return hash_file(source.path)


# A runtime that packages share


def run_runtime(config: Config, folder: str | None) -> int:
    """Write the runtime alone, for packages that share it: to `folder`, or to where the settings say.

    Return the exit code.
    """
    if folder is None and config.options.runtime:
        target = os.path.join(config.folder, *config.options.runtime.split("."))
        folder = os.path.relpath(find_runtime(config) or target)
    if not folder:
        raise UsageProblem("No folder to write was given: add -o DIR.", note=SEE_HELP)
    if folder.endswith(".py"):
        raise UsageProblem(f"The runtime is a package: -o {folder!r} is to be a folder.", note=SEE_HELP)
    report = build_runtime(os.path.normpath(folder), config)
    show_report(report, config)
    return report.exit_code()


def build_runtime(folder: str, config: Config) -> BuildReport:
    """Make `folder` the runtime of this version, for packages that share it, and nothing else."""
    from difygen.codegen.package import generate_runtime
    from difygen.project.assemble import output_warnings

    warnings = tuple(output_warnings(folder))
    report = BuildReport(folder, runtime=f"the runtime of difygen {__version__}", diagnostics=warnings)
    texts = generate_runtime(config.options)
    new = Lock(__version__, RUNTIME_MARK, {path: hash_bytes(text.encode()) for path, text in texts.items()})

    def write() -> BuildReport:
        old, seen = read_own_lock(folder, force=config.force)
        if old and old.options != RUNTIME_MARK:
            hint = "nothing was written; choose a folder of its own for the runtime"
            raise PublishError(f"{folder} holds {what_it_holds(old)}\n{hint}")
        output = Destination(folder, texts, lock=new, old=old, seen=seen)
        return reported(report, [output], publish(output, force=config.force))

    try:
        return until_settled(write)
    except PublishError as error:
        return replace(report, problem=str(error))
