"""Definition files as workflows, for the commands that work on them one at a time. Turns diagnostics into sentences."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from difygen.console import DefinitionProblem, UsageProblem
from difygen.model import App
from difygen.project.files import MAX_BYTES, read_file


def read_workflow(source: str) -> App:
    """Read the app of a definition file, or of standard input for `-`. Raises `UsageProblem` with all that is wrong."""
    from difygen.diagnostics import has_errors
    from difygen.parser import read

    reading = read(_data(source), "-" if source == "-" else Path(source).as_posix())
    if reading.workflow is None or has_errors(reading.diagnostics):
        errors = [str(diagnostic) for diagnostic in reading.diagnostics if diagnostic.severity == "error"]
        raise DefinitionProblem(*(errors or [f"{source} holds no workflow."]))
    return reading.workflow


def definition_files(sources: Sequence[str]) -> list[str]:
    """List the definition files that sources name: files, folders, patterns and `-`."""
    from difygen.project.sources import discover

    found, problems = discover(sources)
    if problems:
        raise DefinitionProblem(*map(str, problems))
    return [source.shown for source in found]


def content(name: str, limit: int = MAX_BYTES) -> bytes:
    """Return what a file holds, or standard input for `-`. Raises OSError."""
    if name != "-":
        return read_file(name, limit=limit, special=True)
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
