"""From sources to a package on disk, from top to bottom; each stage hands a record to the next:

    resolve    `Config` to `Request`: the definition files, the output, all that the code depends on
    prepare    `Request` to `Package`: all files that are to be there. What did not change is known from the lock,
               by hashes; parser, templates and the rest are imported only for what did, by `assemble`
    publish    `Package` to files: nothing is written unless everything can be

Everything else that generates goes the same way: `check` compares in place of publishing, `watch` does it again and
again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

from difygen import __version__
from difygen.config import SEE_HELP, Config
from difygen.console import UsageProblem
from difygen.definitions.lockfile import Lock
from difygen.definitions.sources import STDIN
from difygen.files import hash_bytes, hash_file
from difygen.project.other_runs import has_leftovers
from difygen.project.report import BuildReport, Package, Progress, progress_bar, show_report
from difygen.project.request import RUNTIME_MARK, Request, find_runtime, resolve
from difygen.project.writer import PublishError, SupersededError, publish, publish_file, read_own_lock
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


def build(config: Config, *, progress: Progress | None = None, stdin: bytes = b"") -> BuildReport:
    """Make the output the package of the workflows that the sources define, and nothing else.

    Nothing is written unless everything can be.
    """
    request, problems = resolve(config, trusting=not config.force, stdin=stdin, progress=progress)
    if problems:
        return BuildReport(request.shown, diagnostics=tuple(problems))
    while True:
        try:
            return _write_file(request) if config.options.single_file else _write_package(request)
        except SupersededError:  # by another run, just now: look again at what it left
            continue
        except PublishError as error:
            return BuildReport(request.shown, problem=str(error))


def _write_package(request: Request) -> BuildReport:
    lock, seen = read_own_lock(request.shown, force=request.config.force)
    if lock and lock.options == RUNTIME_MARK:
        raise PublishError(
            f"{request.shown} holds the runtime that packages share\nnothing was written; choose another output"
        )
    package = prepare(request, lock)
    if package.report.failed:
        return package.report
    if package.lock is lock and not has_leftovers(request.folder):
        return package.report
    if lock and not (request.config.prune or request.config.settings):
        _refuse_to_drop(request, lock, package.lock)
    done = publish(request.shown, package.texts, package.kept, package.lock, seen=seen, force=request.config.force)
    written = tuple(sorted((*done.missing, *done.changed)))
    unchanged = len(package.lock.files) - len(written)
    return replace(package.report, written=written, removed=done.stale, unchanged=unchanged, lock=done.lock)


def _write_file(request: Request) -> BuildReport:
    package = prepare(request, None)
    if package.report.failed:
        return package.report
    done = publish_file(request.shown, package.texts[""], force=request.config.force)
    written = (*done.missing, *done.changed)
    return replace(package.report, written=written, unchanged=1 - len(written))


def prepare(request: Request, lock: Lock | None) -> Package:
    """Find out what the folder should hold, reading as few definitions as `request` allows."""
    kept = _intact(request, lock) if lock else set()
    unchanged = _unchanged(request, lock, kept) if lock and kept else {}
    if lock and len(unchanged) == len(request.sources) == len(lock.apps) and len(kept) == len(lock.files):
        hidden = sum(one.warnings for one in lock.apps.values())
        unused = request.config.unused_settings({*lock.apps, *(one.name for one in lock.apps.values())})
        report = BuildReport(
            request.shown,
            kinds=tuple(one.kind for one in lock.apps.values()),
            unchanged=len(lock.files),
            diagnostics=unused,
            hidden_warnings=hidden,
        )
        return Package(report, kept=kept, lock=lock)
    from difygen.project.assemble import assemble

    return assemble(request, lock, unchanged)


def _intact(request: Request, lock: Lock) -> Collection[str]:
    """Return the files that are as the lock says, if this generator with these options would write the same again."""
    if not request.trusting or (lock.generator, lock.options) != (__version__, request.fingerprint):
        return ()
    return {path for path, digest in lock.files.items() if hash_file(f"{request.folder}{os.sep}{path}") == digest}


def _unchanged(request: Request, lock: Lock, kept: Collection[str]) -> dict[str, str]:
    """Return the modules that need not be made again, by the path of their source."""
    locked = {one.source: (module, one) for module, one in lock.apps.items()}
    found = {}
    for source in request.sources:
        module, one = locked.get(source.relative_to(request.folder), ("", None))
        if one is None or f"{module}.py" not in kept or (request.config.strict and one.warnings):
            continue
        if source.path == STDIN:
            digest = hash_bytes(request.stdin)
        elif source.named and not os.path.isfile(source.path):
            continue  # a pipe, which cannot be read twice
        else:
            digest = hash_file(source.path)
        if digest == one.source_hash:
            found[source.path] = module
    return found


def _refuse_to_drop(request: Request, old: Lock, new: Lock) -> None:
    """Refuse to remove a client whose definition is still there: it was left out, and is not gone."""
    listed = {one.source for one in new.apps.values()}
    dropped = []
    for module, one in old.apps.items():
        path = os.path.join(request.folder, one.source)
        if one.source not in listed and (one.source == STDIN or os.path.exists(path)):
            place = "standard input" if one.source == STDIN else os.path.relpath(path).replace(os.sep, "/")
            dropped.append(f"{request.shown} holds the client `{module}` of {place}, which is not among the sources")
    if dropped:
        hint = "nothing was written; give all sources, or --prune to remove what is not among them"
        raise PublishError("\n".join([*dropped, hint]))


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
    from difygen.codegen.python.package import generate_runtime
    from difygen.project.assemble import output_warnings

    warnings = tuple(output_warnings(folder))
    report = BuildReport(folder, runtime=f"the runtime of difygen {__version__}", diagnostics=warnings)
    texts = generate_runtime(config.options)
    new = Lock(__version__, RUNTIME_MARK, {path: hash_bytes(text.encode()) for path, text in texts.items()})
    try:
        old, seen = read_own_lock(folder, force=config.force)
        if old and old.apps:
            hint = "nothing was written; choose a folder of its own for the runtime"
            raise PublishError(f"{folder} holds clients\n{hint}")
        done = publish(folder, texts, (), new, seen=seen, force=config.force)
    except PublishError as error:
        return replace(report, problem=str(error))
    written = tuple(sorted((*done.missing, *done.changed)))
    return replace(report, written=written, removed=done.stale, unchanged=len(texts) - len(written), lock=done.lock)
