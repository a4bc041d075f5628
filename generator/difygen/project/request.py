"""What is asked of a project, and what came of it: the records that the stages of generating hand on.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from difygen.config import Config
from difygen.files import hash_bytes, hash_file
from difygen.options import Options
from difygen.project.lock import NOTHING, Lock
from difygen.project.report import BuildReport, Progress
from difygen.project.runtime import runtime_problems
from difygen.project.sources import Source, discover, names_by_source

if TYPE_CHECKING:
    from difygen.diagnostics import Diagnostic


class Request(NamedTuple):
    """What a config asks for, with all paths resolved. `names` are the user's names of workflows, by source relative to `folder`.

    Without `trusting`, nothing that an earlier run left is taken to be right. `stdin` is what was read from standard input.
    """

    config: Config
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


class Prepared(NamedTuple):
    """What the folder should hold: `texts` to be written if they differ, and `kept`, which are known to be right."""

    report: BuildReport
    texts: Mapping[str, str] = NOTHING
    kept: Collection[str] = ()
    lock: Lock = Lock("", "")


def resolve(
    config: Config,
    *,
    trusting: bool,
    stdin: bytes = b"",
    processes: int | None = None,
    progress: Progress | None = None,
) -> tuple[Request, list[Diagnostic]]:
    """Return the request of a config, and what is wrong with what it names."""
    folder, options = config.package, config.options
    found, problems = discover(config.sources)
    problems += runtime_problems(options.runtime, config.folder, folder)
    names = names_by_source(options.names, found, folder)
    request = Request(
        config=config,
        folder=folder,
        shown=os.path.normpath(config.output or ""),
        sources=tuple(found),
        options=replace(options, names={}),
        names=names,
        fingerprint=_fingerprint(options, names),
        trusting=trusting,
        stdin=stdin,
        processes=processes,
        progress=progress,
    )
    return request, problems


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
