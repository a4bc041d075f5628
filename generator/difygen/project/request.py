"""What there is to build, with everything looked up that it names: definitions, output, templates, a shared runtime.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping

from difygen import __version__
from difygen.config import Config
from difygen.definitions.lockfile import LOCK_NAME, LockError, read_lock
from difygen.definitions.sources import Source, discover, names_by_source
from difygen.diagnostics import Diagnostic, Location
from difygen.files import hash_bytes, hash_file
from difygen.project.report import Progress
from difygen.record import Record

RUNTIME_MARK = "runtime"
"""What the lock of a shared runtime has in place of the fingerprint of options."""


class Request(Record):
    """What a config asks for, with all paths resolved.

    `folder` is that of the package, `shown` how messages call the output. `names` are the user's names of apps, by
    source relative to `folder`; `fingerprint` is a hash of all options that generated code depends on. Without
    `trusting`, nothing that an earlier run left is taken to be right. `stdin` is what was read from standard input.
    """

    config: Config
    folder: str
    shown: str
    sources: tuple[Source, ...]
    names: Mapping[str, str]
    fingerprint: str
    trusting: bool
    stdin: bytes = b""
    progress: Progress | None = None


def resolve(
    config: Config, *, trusting: bool, stdin: bytes = b"", progress: Progress | None = None
) -> tuple[Request, list[Diagnostic]]:
    """Return the request of a config, and what is wrong with what it names."""
    folder = config.package
    found, problems = discover(config.sources)
    problems += _runtime_problems(config)
    names = names_by_source(config.options.names, found, folder)
    shown, fingerprint = os.path.normpath(config.output or ""), _fingerprint(config, names)
    return Request(config, folder, shown, tuple(found), names, fingerprint, trusting, stdin, progress), problems


def _fingerprint(config: Config, names: Mapping[str, str]) -> str:
    """Return a hash of all options that generated code depends on, the text of the user's own templates included."""
    options = {**vars(config.options), "names": dict(names)}
    if folder := config.options.templates:
        files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        options["templates"] = {name: hash_file(os.path.join(folder, name)) for name in files}
    return hash_bytes(json.dumps(options, sort_keys=True, default=dict).encode())[:16]


# A runtime that several packages share


def find_runtime(config: Config) -> str | None:
    """Return the folder of the package that generated code is to import its runtime from; None where there is none.

    Looks for files alone: importing it would run what its parents hold.
    """
    path = (config.options.runtime or "").replace(".", os.sep)
    folders = (os.path.join(root, path) for root in _import_roots(config))
    return next((folder for folder in folders if os.path.isfile(os.path.join(folder, "__init__.py"))), None)


def _import_roots(config: Config) -> Iterator[str]:
    """Yield where a project may import from: folders around it and the output, their `src`; Python's path."""
    above = ""
    for start in (config.folder, config.package):
        folder = os.path.abspath(start)
        while folder != above:
            yield folder
            yield os.path.join(folder, "src")
            above, folder = folder, os.path.dirname(folder)
    yield from sys.path


def _runtime_problems(config: Config) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the runtime that generated code is to import: not there, or of another version."""
    package = config.options.runtime
    if package is None:
        return ()
    folder = find_runtime(config)
    if folder is None:
        target = os.path.normpath(os.path.join(config.folder, *package.split(".")))
        hint = f"Write it with `difygen runtime -o {target}`, or where else your project imports from."
        return (_problem("no-runtime", target, f"There is no package `{package}` to import the runtime from.", hint),)
    shown = os.path.relpath(folder).replace(os.sep, "/")
    hint = f"Write it anew with `difygen runtime -o {shown}`."
    try:
        lock, _ = read_lock(folder)
    except (LockError, OSError) as error:
        return (_problem("no-runtime", shown, f"Its {LOCK_NAME} cannot be used: {error}.", hint),)
    if lock is None or lock.options != RUNTIME_MARK:
        message = f"This package is not a runtime that `difygen runtime` wrote, or has lost its {LOCK_NAME}."
        return (_problem("no-runtime", shown, message, hint),)
    if lock.generator != __version__:
        message = f"This runtime was written by difygen {lock.generator}, and the clients would be by {__version__}."
        return (_problem("other-runtime", shown, message, hint),)
    return ()


def _problem(code: str, folder: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic("error", code, message, Location(folder), hint)
