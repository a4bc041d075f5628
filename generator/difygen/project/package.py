"""Sources -> a package on disk, doing as little as can be: what every command that generates, checks or watches goes through.

Prints nothing. What has not changed is decided from the lock by hashes; readers, templates and the rest are imported only for what has.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from difygen import __version__
from difygen.files import read_file
from difygen.options import Options
from difygen.project.lock import NOTHING, Lock, LockError, hash_bytes
from difygen.project.publish import PublishError, SupersededError, publish, publish_file, read_lock
from difygen.project.runtime import MARK, runtime_problems
from difygen.project.sources import STDIN, Source, discover, names_by_source

if TYPE_CHECKING:
    from difygen.config import Config
    from difygen.diagnostics import Diagnostic
    from difygen.diff.workflows import Change
    from difygen.project.workers import Progress


_USUAL_SIZE = 1 << 16
"""Bytes that hold nearly every file, so that one call reads it."""

_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class BuildReport(NamedTuple):
    """What a build did. Paths are relative to `output`.

    `modules` are the workflows by their Python names; `hidden_warnings` counts those of definitions that did not change, which were
    shown when they did; `skipped` are files of folders that define no workflow; `problem` says why nothing could be written;
    `runtime` says which runtime was written, where that was what to do.
    """

    output: str
    modules: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    hidden_warnings: int = 0
    skipped: tuple[Diagnostic, ...] = ()
    changes: tuple[Change, ...] = ()
    problem: str = ""
    runtime: str = ""

    @property
    def failed(self) -> bool:
        """Whether a definition has errors, so that nothing was written."""
        return any(finding.severity == "error" for finding in self.diagnostics)

    def exit_code(self, *, strict: bool = False) -> int:
        """0 if all is well, 1 if files stand in the way (or for warnings, if `strict`), 2 if a definition has errors."""
        if self.failed:
            return 2
        return 1 if self.problem or (strict and self.diagnostics) else 0


class Request(NamedTuple):
    """What to build, all paths resolved. `names` are the user's names of workflows, by source relative to `folder`."""

    folder: str
    shown: str
    sources: tuple[Source, ...]
    options: Options
    names: Mapping[str, str]
    fingerprint: str
    settings: Config | None = None
    prune: bool = False
    base_folder: str = "."
    stdin: bytes = b""
    trusting: bool = True
    strict: bool = False
    jobs: int | None = None
    progress: Progress | None = None


class Prepared(NamedTuple):
    """What the folder should hold: `texts` to be written if they differ, and `kept`, which are known to be right."""

    report: BuildReport
    texts: Mapping[str, str] = NOTHING
    kept: Collection[str] = ()
    lock: Lock = Lock("", "")


def build(
    sources: Sequence[str],
    output: str,
    options: Options | None = None,
    *,
    base_folder: str = ".",
    force: bool = False,
    prune: bool = False,
    strict: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    stdin: bytes = b"",
    settings: Config | None = None,
) -> BuildReport:
    """Make `output` the package of the workflows that `sources` define, and nothing else.

    Relative paths start at `base_folder`. `force` overwrites files that difygen did not write, and trusts nothing that an earlier run
    left; `prune` removes the clients of definitions that are there and not among the sources; `strict` brings the warnings of unchanged definitions up again. `settings` are those that say what there is to
    build, if any do, and then all there is: their tables are to be about apps that there are. Nothing is written unless everything can be.
    """
    how = {
        "strict": strict,
        "jobs": jobs,
        "progress": progress,
        "stdin": stdin,
        "trusting": not force,
        "settings": settings,
        "prune": prune,
    }
    with without_collector():
        request, problems = resolve(sources, output, options or Options(), base_folder, how)
        if problems:
            return BuildReport(output, diagnostics=tuple(problems))
        while True:
            try:
                return _build(request, force=force)
            except SupersededError:  # by another run, just now: look again at what it left
                continue
            except PublishError as error:
                return BuildReport(output, problem=str(error))


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


def resolve(
    sources: Sequence[str], output: str, options: Options, base_folder: str, settings: Mapping[str, object]
) -> tuple[Request, list[Diagnostic]]:
    """The request for these arguments, and what is wrong with them."""
    shown = output if os.path.isabs(output) or base_folder in ("", ".") else os.path.join(base_folder, output)
    folder = os.path.dirname(os.path.abspath(shown)) if options.single_file else os.path.abspath(shown)
    found, problems = discover(sources, base_folder)
    problems += runtime_problems(options.runtime, base_folder, folder)
    names = names_by_source(options.names, found, folder, base_folder)
    request = Request(
        folder=folder,
        shown=os.path.normpath(shown),
        sources=tuple(found),
        options=replace(options, names={}),
        names=names,
        fingerprint=_fingerprint(options, names),
        base_folder=base_folder,
        **settings,  # type: ignore[arg-type]
    )
    return request, problems


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


def unused_settings(request: Request, modules: Iterable[str], names: Iterable[str]) -> tuple[Diagnostic, ...]:
    """Return what the settings say about apps that there are not. `names` are those of the definitions."""
    return request.settings.unused({*modules, *names}) if request.settings else ()


def _build(request: Request, *, force: bool) -> BuildReport:
    if request.options.single_file:
        return _build_file(request, force=force)
    lock, seen = _read_lock(request.shown, force)
    if lock and lock.options == MARK:
        raise PublishError(
            f"{request.shown} holds the runtime that packages share\nnothing was written; choose another output"
        )
    prepared = prepare(request, lock)
    if prepared.report.failed:
        return prepared.report
    if lock and not (request.prune or request.settings):
        _refuse_to_drop(request, lock, prepared.lock)
    if prepared.lock is lock and not _has_leftovers(request.folder):
        return prepared.report
    done = publish(request.shown, prepared.texts, prepared.kept, prepared.lock, seen=seen, force=force)
    written = tuple(sorted((*done.missing, *done.changed)))
    unchanged = len(prepared.lock.files) - len(written)
    return prepared.report._replace(written=written, removed=done.stale, unchanged=unchanged)


def _build_file(request: Request, *, force: bool) -> BuildReport:
    prepared = prepare(request, None)
    if prepared.report.failed:
        return prepared.report
    done = publish_file(request.shown, prepared.texts[""], force=force)
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


def hash_file(path: str) -> str:
    """The hash of a file's contents, or nothing if it cannot be read."""
    try:
        handle = os.open(path, _READING)
    except OSError:
        return ""
    try:
        data = os.read(handle, _USUAL_SIZE)
        if len(data) < _USUAL_SIZE:
            return hash_bytes(data)
    except OSError:
        return ""
    finally:
        os.close(handle)
    try:
        return hash_bytes(read_file(path))
    except OSError:
        return ""


def _unchanged(request: Request, lock: Lock, kept: Collection[str]) -> dict[str, str]:
    """The modules that need not be made again, by the path of their source."""
    known = {one.source: (module, one) for module, one in lock.workflows.items()}
    found = {}
    for source in request.sources:
        module, one = known.get(source.relative_to(request.folder), ("", None))
        if one and f"{module}.py" in kept and not (request.strict and one.warnings) and _may_be_read_twice(source):
            digest = hash_bytes(request.stdin) if source.path == STDIN else hash_file(source.path)
            if digest == one.source_hash:
                found[source.path] = module
    return found


def _may_be_read_twice(source: Source) -> bool:
    """Not so a pipe, which the user may have named."""
    return not source.named or source.path == STDIN or os.path.isfile(source.path)


def _fingerprint(options: Options, names: Mapping[str, str]) -> str:
    """A hash of all the wishes that generated code depends on, the text of the user's own templates included."""
    import json

    wishes = {
        "emit": options.emit,
        "env": dict(options.env),
        "line_length": options.line_length,
        "names": dict(names),
        "outputs": {key: dict(words) for key, words in options.outputs.items()},
        "rename": {key: dict(words) for key, words in options.rename.items()},
        "runtime": options.runtime,
        "templates": dict(_template_hashes(options.templates)) if options.templates else {},
    }
    return hash_bytes(json.dumps(wishes, sort_keys=True).encode())[:16]


def _template_hashes(folder: str) -> Iterator[tuple[str, str]]:
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        yield name, hash_file(os.path.join(folder, name))


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
