"""Definition files as apps, for the commands that use them without writing a package."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from difygen.console import DefinitionProblem, UsageProblem
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.files import MAX_BYTES, read_file
from difygen.model import App
from difygen.options import Options
from difygen.parser import read
from difygen.project.names import assign_names
from difygen.project.sources import OTHER_THINGS, Source, discover


class NamedApp(NamedTuple):
    """A definition that was read: its app, what the app is called in Python, and the bytes it was read from, if it was."""

    app: App
    name: str
    data: bytes | None = None


def load_definitions(
    sources: Iterable[str | App], options: Options, *, base_folder: str = ".", output: str | None = None
) -> tuple[list[NamedApp], tuple[Diagnostic, ...]]:
    """Read files, folders and patterns, and name their apps as in the package `output`; apps are taken as they are.

    What else lies in a folder is left out. Returns all that is wrong, too.
    """
    given = list(sources)
    found, problems = discover((each for each in given if not isinstance(each, App)), base_folder)
    rows: list[tuple[Source, App, bytes | None]] = [
        (Source(os.path.abspath(each.source), each.source), each, None) for each in given if isinstance(each, App)
    ]
    for source in found:
        try:
            data = content(source.path, special=source.named)
        except OSError as error:
            message = f"It cannot be read: {error.strerror or error}."
            problems.append(Diagnostic("error", "unreadable", message, Location(source.shown)))
            continue
        reading = read(data, source.shown)
        errors = {each.code for each in reading.diagnostics if each.severity == "error"}
        if source.named or not errors or not errors <= set(OTHER_THINGS):
            problems += reading.diagnostics
        if reading.workflow is not None:
            rows.append((source, reading.workflow, data))
    wanted = [(source, app.name) for source, app, _ in rows]
    names, naming = assign_names(wanted, options.names, base_folder=base_folder, output=output)
    named = [NamedApp(app, name, data) for (_, app, data), name in zip(rows, names, strict=True)]
    return named, (*problems, *naming)


def read_workflow(source: str) -> App:
    """Read the app of a definition file, or of standard input for `-`. Raises `UsageProblem` with all that is wrong."""
    reading = read(_data(source), "-" if source == "-" else Path(source).as_posix())
    if reading.workflow is None or has_errors(reading.diagnostics):
        errors = [str(diagnostic) for diagnostic in reading.diagnostics if diagnostic.severity == "error"]
        raise DefinitionProblem(*(errors or [f"{source} holds no workflow."]))
    return reading.workflow


def definition_files(sources: Sequence[str]) -> list[str]:
    """List the definition files that sources name: files, folders, patterns and `-`."""
    found, problems = discover(sources)
    if problems:
        raise DefinitionProblem(*map(str, problems))
    return [source.shown for source in found]


def content(name: str, limit: int = MAX_BYTES, *, special: bool = True) -> bytes:
    """Return what a file holds, or standard input for `-`. Raises OSError."""
    if name != "-":
        return read_file(name, limit=limit, special=special)
    if sys.stdin is None:  # closed before the start (`<&-`)
        raise OSError("standard input is closed")
    return sys.stdin.buffer.read()


def _data(source: str) -> bytes:
    try:
        return content(source)
    except IsADirectoryError as error:
        raise UsageProblem(f"{source} is a folder; give one definition file.") from error
    except OSError as error:
        raise UsageProblem(f"Cannot read {source}: {(error.strerror or str(error)).lower()}.") from error
