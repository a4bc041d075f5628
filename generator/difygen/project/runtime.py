"""A runtime that several packages share: found where they import it from, and held against the version that generates.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from difygen import __version__
from difygen.config import SEE_HELP, Config
from difygen.console import UsageProblem
from difygen.files import hash_bytes
from difygen.project.lock import LOCK_NAME, Lock, LockError
from difygen.project.publish import PublishError, publish, read_lock, read_own_lock
from difygen.project.report import BuildReport, show_report

if TYPE_CHECKING:
    from difygen.diagnostics import Diagnostic

MARK = "runtime"
"""What the lock of a runtime has in place of the fingerprint of options."""


def run_runtime(config: Config, folder: str | None) -> int:
    """Write the runtime alone, for packages that share it: to `folder`, or to where the settings say. Return the exit code."""
    package = config.options.runtime
    if folder is None and package:
        found = find_runtime(package, config.folder, config.package)
        folder = os.path.relpath(found or os.path.join(config.folder, *package.split(".")))
    if not folder:
        raise UsageProblem("No folder to write was given: add -o DIR.", note=SEE_HELP)
    if folder.endswith(".py"):
        raise UsageProblem(f"The runtime is a package: -o {folder!r} is to be a folder.", note=SEE_HELP)
    report = build_runtime(os.path.normpath(folder), config)
    show_report(report, config)
    return report.exit_code()


def build_runtime(folder: str, config: Config) -> BuildReport:
    """Make `folder` the runtime of this version, for packages that share it, and nothing else."""
    from difygen.generate import generate_runtime

    report = BuildReport(folder, runtime=f"the runtime of difygen {__version__}")
    texts = generate_runtime(config.options)
    new = Lock(__version__, MARK, {path: hash_bytes(text.encode()) for path, text in texts.items()})
    try:
        old, seen = read_own_lock(folder, force=config.force)
        if old and old.workflows:
            hint = "nothing was written; choose a folder of its own for the runtime"
            raise PublishError(f"{folder} holds clients\n{hint}")
        done = publish(folder, texts, (), new, seen=seen, force=config.force)
    except PublishError as error:
        return report._replace(problem=str(error))
    written = tuple(sorted((*done.missing, *done.changed)))
    return report._replace(written=written, removed=done.stale, unchanged=len(texts) - len(written))


def find_runtime(package: str, base_folder: str, output_folder: str = ".") -> str | None:
    """Return the folder of the package that an import of `package` finds, from the project or from this interpreter.

    Looks for files alone: importing it would run what its parents hold.
    """
    way = package.replace(".", os.sep)
    folders = (os.path.join(root, way) for root in _roots(base_folder, output_folder))
    return next((folder for folder in folders if os.path.isfile(os.path.join(folder, "__init__.py"))), None)


def runtime_problems(package: str | None, base_folder: str, output_folder: str) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the runtime that generated code is to import: not there, or of another version."""
    if package is None:
        return ()
    folder = find_runtime(package, base_folder, output_folder)
    if folder is None:
        target = os.path.normpath(os.path.join(base_folder, *package.split(".")))
        hint = f"Write it with `difygen runtime -o {target}`, or where else your project imports from."
        return (_problem("no-runtime", target, f"There is no package `{package}` to import the runtime from.", hint),)
    shown = os.path.relpath(folder).replace(os.sep, "/")
    hint = f"Write it anew with `difygen runtime -o {shown}`."
    try:
        lock, _ = read_lock(folder)
    except (LockError, OSError) as error:
        return (_problem("no-runtime", shown, f"Its {LOCK_NAME} cannot be used: {error}.", hint),)
    if lock is None or lock.options != MARK:
        message = f"This package is not a runtime that `difygen runtime` wrote, or has lost its {LOCK_NAME}."
        return (_problem("no-runtime", shown, message, hint),)
    if lock.generator != __version__:
        message = f"This runtime was written by difygen {lock.generator}, and the clients would be by {__version__}."
        return (_problem("other-runtime", shown, message, hint),)
    return ()


def _roots(base_folder: str, output_folder: str) -> Iterator[str]:
    """The folders that a project may import from: its own, those around the output, each with its `src`; then Python's."""
    above = ""
    for start in (base_folder, output_folder):
        folder = os.path.abspath(start)
        while folder != above:
            yield folder
            yield os.path.join(folder, "src")
            above, folder = folder, os.path.dirname(folder)
    yield from sys.path


def _problem(code: str, folder: str, message: str, hint: str) -> Diagnostic:
    from difygen.diagnostics import Diagnostic, Location

    return Diagnostic("error", code, message, Location(folder), hint)
