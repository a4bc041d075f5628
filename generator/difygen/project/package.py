"""Sources -> a package on disk, doing as little as can be: what every command that generates, checks or watches goes through.

Prints nothing. What has not changed is decided from the lock by hashes; readers, templates and the rest are imported only for what has.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from difygen import __version__
from difygen.config import Config
from difygen.files import hash_bytes, hash_file
from difygen.project.lock import Lock
from difygen.project.publish import PublishError, SupersededError, publish, publish_file, read_own_lock
from difygen.project.report import BuildReport, Progress, progress_bar, show_report
from difygen.project.request import Prepared, Request, resolve
from difygen.project.runtime import MARK
from difygen.project.sources import STDIN, Source


def run_generate(config: Config) -> int:
    """Generate, and print what was done. Return the exit code."""
    with progress_bar(config) as progress:
        report = build(config, progress=progress, stdin=read_stdin(config))
    show_report(report, config)
    return report.exit_code(strict=config.strict)


def read_stdin(config: Config) -> bytes:
    """Return the definition on standard input, if that is a source."""
    return sys.stdin.buffer.read() if STDIN in config.sources else b""


def build(
    config: Config, *, processes: int | None = None, progress: Progress | None = None, stdin: bytes = b""
) -> BuildReport:
    """Make the output the package of the workflows that its sources define, and nothing else.

    Nothing is written unless everything can be.
    """
    with without_collector():
        request, problems = resolve(
            config, trusting=not config.force, stdin=stdin, processes=processes, progress=progress
        )
        if problems:
            return BuildReport(request.shown, diagnostics=tuple(problems))
        while True:
            try:
                return _build(request)
            except SupersededError:  # by another run, just now: look again at what it left
                continue
            except PublishError as error:
                return BuildReport(request.shown, problem=str(error))


def prepare(request: Request, lock: Lock | None) -> Prepared:
    """Find out what the folder should hold, reading as few definitions as `request` allows."""
    kept = _intact(request.folder, lock) if request.trusting and lock and _same_making(lock, request) else set()
    same = _unchanged(request, lock, kept) if lock and kept else {}
    if lock and len(same) == len(request.sources) == len(lock.workflows) and len(kept) == len(lock.files):
        hidden = sum(one.warnings for one in lock.workflows.values())
        unused = request.config.unused_settings({*lock.workflows, *(one.name for one in lock.workflows.values())})
        report = BuildReport(request.shown, tuple(lock.workflows), unchanged=len(kept), hidden_warnings=hidden)
        report = report._replace(diagnostics=unused)
        return Prepared(report, kept=kept, lock=lock)
    from difygen.project.assemble import assemble  # from here on, readers and templates are needed

    return assemble(request, lock, same)


def _build(request: Request) -> BuildReport:
    if request.options.single_file:
        return _build_file(request)
    lock, seen = read_own_lock(request.shown, force=request.config.force)
    if lock and lock.options == MARK:
        raise PublishError(
            f"{request.shown} holds the runtime that packages share\nnothing was written; choose another output"
        )
    prepared = prepare(request, lock)
    if prepared.report.failed:
        return prepared.report
    if lock and not (request.config.prune or request.config.settings):
        _refuse_to_drop(request, lock, prepared.lock)
    if prepared.lock is lock and not _has_leftovers(request.folder):
        return prepared.report
    done = publish(request.shown, prepared.texts, prepared.kept, prepared.lock, seen=seen, force=request.config.force)
    written = tuple(sorted((*done.missing, *done.changed)))
    unchanged = len(prepared.lock.files) - len(written)
    return prepared.report._replace(written=written, removed=done.stale, unchanged=unchanged)


def _build_file(request: Request) -> BuildReport:
    prepared = prepare(request, None)
    if prepared.report.failed:
        return prepared.report
    done = publish_file(request.shown, prepared.texts[""], force=request.config.force)
    written = (*done.missing, *done.changed)
    return prepared.report._replace(written=written, unchanged=1 - len(written))


def _refuse_to_drop(request: Request, old: Lock, new: Lock) -> None:
    """Refuse to remove a client whose definition is still there: it was left out, and is not gone."""
    listed = {one.source for one in new.workflows.values()}
    dropped = [
        f"{request.shown} holds the client `{module}` of {_from_here(request, one.source)}, which is not among the sources"
        for module, one in old.workflows.items()
        if one.source not in listed and _is_there(request, one.source)
    ]
    if dropped:
        hint = "nothing was written; give all sources, or --prune to remove what is not among them"
        raise PublishError("\n".join([*dropped, hint]))


def _is_there(request: Request, source: str) -> bool:
    return source == STDIN or os.path.exists(os.path.join(request.folder, source))


def _from_here(request: Request, source: str) -> str:
    if source == STDIN:
        return "standard input"
    return os.path.relpath(os.path.join(request.folder, source)).replace(os.sep, "/")


def _has_leftovers(folder: str) -> bool:
    from difygen.project.leftovers import has_leftovers

    return has_leftovers(folder)


def _same_making(lock: Lock, request: Request) -> bool:
    """Whether the same generator with the same options would write the same text again."""
    return lock.generator == __version__ and lock.options == request.fingerprint


def _intact(folder: str, lock: Lock) -> set[str]:
    """The files that are as the lock says."""
    return {path for path, digest in lock.files.items() if hash_file(os.path.join(folder, path)) == digest}


def _unchanged(request: Request, lock: Lock, kept: Collection[str]) -> dict[str, str]:
    """The modules that need not be made again, by the path of their source."""
    known = {one.source: (module, one) for module, one in lock.workflows.items()}
    found = {}
    for source in request.sources:
        module, one = known.get(source.relative_to(request.folder), ("", None))
        if (
            one
            and f"{module}.py" in kept
            and not (request.config.strict and one.warnings)
            and _may_be_read_twice(source)
        ):
            digest = hash_bytes(request.stdin) if source.path == STDIN else hash_file(source.path)
            if digest == one.source_hash:
                found[source.path] = module
    return found


def _may_be_read_twice(source: Source) -> bool:
    """Not so a pipe, which the user may have named."""
    return not source.named or source.path == STDIN or os.path.isfile(source.path)


@contextmanager
def without_collector() -> Iterator[None]:
    """Nothing in a build is cyclic garbage worth the quarter of its time that looking for it takes."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
