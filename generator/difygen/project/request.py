"""What is asked of a project, and what came of it: the records that the stages of generating hand on.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from difygen.files import hash_bytes, hash_file
from difygen.options import Options
from difygen.project.lock import NOTHING, Lock
from difygen.project.runtime import runtime_problems
from difygen.project.sources import Source, discover, names_by_source

if TYPE_CHECKING:
    from difygen.config import Config
    from difygen.diagnostics import Diagnostic
    from difygen.diff.workflows import Change
    from difygen.project.workers import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a command line and the settings ask for. Relative paths start at `base_folder`.

    `settings` are those that say what there is to build, if any do, and then all there is. `force` overwrites files that
    difygen did not write, and trusts nothing that an earlier run left; `prune` removes the clients of definitions that are
    there and not among the sources; `strict` brings the warnings of unchanged definitions up again.
    """

    sources: tuple[str, ...]
    output: str
    options: Options
    base_folder: str = "."
    settings: Config | None = None
    force: bool = False
    prune: bool = False
    strict: bool = False
    verbosity: int = 0


class Request(NamedTuple):
    """A job with all paths resolved. `names` are the user's names of workflows, by source relative to `folder`.

    Without `trusting`, nothing that an earlier run left is taken to be right. `stdin` is what was read from standard input.
    """

    job: Job
    folder: str
    shown: str
    sources: tuple[Source, ...]
    options: Options
    names: Mapping[str, str]
    fingerprint: str
    trusting: bool
    stdin: bytes = b""
    processes: int | None = None
    progress: Progress | None = None


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


class Prepared(NamedTuple):
    """What the folder should hold: `texts` to be written if they differ, and `kept`, which are known to be right."""

    report: BuildReport
    texts: Mapping[str, str] = NOTHING
    kept: Collection[str] = ()
    lock: Lock = Lock("", "")


def resolve(
    job: Job,
    *,
    trusting: bool,
    stdin: bytes = b"",
    processes: int | None = None,
    progress: Progress | None = None,
) -> tuple[Request, list[Diagnostic]]:
    """Return the request of a job, and what is wrong with what it names."""
    rooted = os.path.isabs(job.output) or job.base_folder in ("", ".")
    shown = job.output if rooted else os.path.join(job.base_folder, job.output)
    folder = os.path.dirname(os.path.abspath(shown)) if job.options.single_file else os.path.abspath(shown)
    found, problems = discover(job.sources, job.base_folder)
    problems += runtime_problems(job.options.runtime, job.base_folder, folder)
    names = names_by_source(job.options.names, found, folder, job.base_folder)
    request = Request(
        job=job,
        folder=folder,
        shown=os.path.normpath(shown),
        sources=tuple(found),
        options=replace(job.options, names={}),
        names=names,
        fingerprint=_fingerprint(job.options, names),
        trusting=trusting,
        stdin=stdin,
        processes=processes,
        progress=progress,
    )
    return request, problems


def unused_settings(request: Request, modules: Iterable[str], names: Iterable[str]) -> tuple[Diagnostic, ...]:
    """Return what the settings say about apps that there are not. `names` are those of the definitions."""
    return request.job.settings.unused({*modules, *names}) if request.job.settings else ()


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
