"""Definition files to what the mock serves. Says what is wrong as diagnostics, like every other command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.mock.definition import Definition, JsonObject, define
from difygen.model import App
from difygen.options import Options
from difygen.parser import EXPORT_KEYS, read
from difygen.parser.yaml import Document, load
from difygen.plan.names import key_variable
from difygen.project.files import read_file
from difygen.project.names import assign_names
from difygen.project.sources import STDIN, Source, discover


@dataclass(frozen=True, slots=True)
class Loaded:
    """The definitions that could be read, and what is to be said about the files."""

    definitions: tuple[Definition, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def usable(self) -> bool:
        """Whether there is something to serve and nothing wrong with it."""
        return bool(self.definitions) and not has_errors(self.diagnostics)


def load_definitions(
    sources: Iterable[str | App],
    options: Options = Options(),  # noqa: B008 - immutable
    *,
    base_folder: str = ".",
    output: str | None = None,
) -> Loaded:
    """Read files, folders and patterns; apps are taken as they are. They are called as in the package `output`."""
    given = list(sources)
    found, problems = discover((each for each in given if not isinstance(each, App)), base_folder)
    rows: list[tuple[Source, App, JsonObject | None]] = [
        (Source(os.path.abspath(each.source), each.source), each, None) for each in given if isinstance(each, App)
    ]
    for source in found:
        app, export, diagnostics = _read(source)
        problems += [] if _lies_about(source, diagnostics) else diagnostics
        if app is not None:
            rows.append((source, app, export))
    named = [(source, app.name) for source, app, _ in rows]
    names, naming = assign_names(named, options.names, base_folder=base_folder, output=output)
    definitions = [
        define(app, export, key_name=name, key_variable=key_variable(options, app, name))
        for (_, app, export), name in zip(rows, names, strict=True)
    ]
    return Loaded(tuple(definitions), (*problems, *naming))


def _read(source: Source) -> tuple[App | None, JsonObject | None, Sequence[Diagnostic]]:
    try:
        data = sys.stdin.buffer.read() if source.path == STDIN else read_file(source.path, special=source.named)
    except OSError as error:
        problem = f"It cannot be read: {error.strerror or error}."
        return None, None, [Diagnostic("error", "unreadable", problem, Location(source.shown))]
    reading = read(data, source.shown)
    export = _export(data, source.shown) if reading.workflow is not None else None
    return reading.workflow, export, reading.diagnostics


def _lies_about(source: Source, diagnostics: Sequence[Diagnostic]) -> bool:
    """Whether the file was found in a folder and is no definition of a workflow."""
    errors = {each.code for each in diagnostics if each.severity == "error"}
    if source.named or not errors:
        return False
    from difygen.project.make import OTHER_THINGS  # brings the whole generator along

    return errors <= set(OTHER_THINGS)


def _export(data: bytes, file: str) -> JsonObject | None:
    """The root of an export; an answer of Dify's console holds it as text. None for a spec."""
    document = load(data, file)
    if not isinstance(document, Document):
        return None
    inner = document.root.get("data")
    if isinstance(inner, str) and len(document.root) == 1:
        return _export(inner.encode(errors="replace"), file)
    root = cast("dict[str, Any]", document.root)
    return root if any(key in root for key in EXPORT_KEYS) and "inputs" not in root else None
