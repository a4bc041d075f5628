"""Sources -> a package on disk, doing as little as can be: what every command that generates, checks or watches goes through.

Prints nothing. What has not changed is decided from the lock by hashes; readers, templates and the rest are imported only for what has.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from difygen import __version__
from difygen.files import hash_bytes, hash_file
from difygen.options import Options
from difygen.project.lock import Lock, LockError
from difygen.project.publish import PublishError, SupersededError, publish, publish_file, read_lock
from difygen.project.request import BuildReport, Job, Prepared, Request, resolve, unused_settings
from difygen.project.runtime import MARK
from difygen.project.sources import STDIN, Source

if TYPE_CHECKING:
    from difygen.project.workers import Progress


def build(
    job: Job, *, processes: int | None = None, progress: Progress | None = None, stdin: bytes = b""
) -> BuildReport:
    """Make the output of a job the package of the workflows that its sources define, and nothing else.

    Nothing is written unless everything can be.
    """
    with without_collector():
        request, problems = resolve(job, trusting=not job.force, stdin=stdin, processes=processes, progress=progress)
        if problems:
            return BuildReport(job.output, diagnostics=tuple(problems))
        while True:
            try:
                return _build(request)
            except SupersededError:  # by another run, just now: look again at what it left
                continue
            except PublishError as error:
                return BuildReport(job.output, problem=str(error))


def build_runtime(folder: str, options: Options, *, force: bool = False) -> BuildReport:
    """Make `folder` the runtime of this version, for packages that share it, and nothing else."""
    from difygen.generate import generate_runtime

    report = BuildReport(folder, runtime=f"the runtime of difygen {__version__}")
    texts = generate_runtime(options)
    new = Lock(__version__, MARK, {path: hash_bytes(text.encode()) for path, text in texts.items()})
    try:
        old, seen = _read_lock(folder, force)
        if old and old.workflows:
            hint = "nothing was written; choose a folder of its own for the runtime"
            raise PublishError(f"{folder} holds clients\n{hint}")
        done = publish(folder, texts, (), new, seen=seen, force=force)
    except PublishError as error:
        return report._replace(problem=str(error))
    written = tuple(sorted((*done.missing, *done.changed)))
    return report._replace(written=written, removed=done.stale, unchanged=len(texts) - len(written))


def prepare(request: Request, lock: Lock | None) -> Prepared:
    """Find out what the folder should hold, reading as few definitions as `request` allows."""
    kept = _intact(request.folder, lock) if request.trusting and lock and _same_making(lock, request) else set()
    same = _unchanged(request, lock, kept) if lock and kept else {}
    if lock and len(same) == len(request.sources) == len(lock.workflows) and len(kept) == len(lock.files):
        hidden = sum(one.warnings for one in lock.workflows.values())
        unused = unused_settings(request, lock.workflows, (one.name for one in lock.workflows.values()))
        report = BuildReport(request.shown, tuple(lock.workflows), unchanged=len(kept), hidden_warnings=hidden)
        report = report._replace(diagnostics=unused)
        return Prepared(report, kept=kept, lock=lock)
    from difygen.project.assemble import assemble  # from here on, readers and templates are needed

    return assemble(request, lock, same)


def _build(request: Request) -> BuildReport:
    if request.options.single_file:
        return _build_file(request)
    lock, seen = _read_lock(request.shown, request.job.force)
    if lock and lock.options == MARK:
        raise PublishError(
            f"{request.shown} holds the runtime that packages share\nnothing was written; choose another output"
        )
    prepared = prepare(request, lock)
    if prepared.report.failed:
        return prepared.report
    if lock and not (request.job.prune or request.job.settings):
        _refuse_to_drop(request, lock, prepared.lock)
    if prepared.lock is lock and not _has_leftovers(request.folder):
        return prepared.report
    done = publish(request.shown, prepared.texts, prepared.kept, prepared.lock, seen=seen, force=request.job.force)
    written = tuple(sorted((*done.missing, *done.changed)))
    unchanged = len(prepared.lock.files) - len(written)
    return prepared.report._replace(written=written, removed=done.stale, unchanged=unchanged)


def _build_file(request: Request) -> BuildReport:
    prepared = prepare(request, None)
    if prepared.report.failed:
        return prepared.report
    done = publish_file(request.shown, prepared.texts[""], force=request.job.force)
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


def _read_lock(folder: str, force: bool) -> tuple[Lock | None, str]:
    """The lock of the folder. One that cannot be used stands in the way, unless that is forced."""
    try:
        return read_lock(folder)
    except LockError as error:
        if force:
            return None, ""
        path = os.path.join(folder, "difygen.lock")
        hint = "restore it from version control, or use --force to write it anew"
        raise PublishError(f"{path} cannot be used: {error}\nnothing was written; {hint}") from error
    except OSError as error:
        raise PublishError(f"cannot read {folder}: {error.strerror}") from error


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
        if one and f"{module}.py" in kept and not (request.job.strict and one.warnings) and _may_be_read_twice(source):
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
