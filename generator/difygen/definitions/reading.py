"""Definition files as apps with their Python names: one way to read and one to name, for all commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from difygen.codegen.names import NameRequest, name_apps
from difygen.config import Config
from difygen.console import DefinitionProblem, UsageProblem
from difygen.definitions import Source, discover, names_by_source, origin_of, without_documents
from difygen.definitions.lockfile import Lock, LockError, read_lock
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.files import STDIN, content, is_same_place
from difygen.model import App
from difygen.naming import Identifier, snake_name
from difygen.parser import read
from difygen.record import Record

OTHER_THINGS = {"unknown-format", "unsupported-kind", "unsupported-mode"}
"""What is said of a file that defines no workflow: no mistake if it lies about in a folder.
"""


class DefinitionFile(Record):
    """A definition file that was read: its bytes, its app unless it has errors, and what is to be said."""

    source: Source
    data: bytes
    app: App | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def is_other_thing(self) -> bool:
        """Whether the file was found in a folder and is no definition of a workflow."""
        codes = {finding.code for finding in self.diagnostics if finding.severity == "error"}
        return not self.source.named and bool(codes) and codes <= OTHER_THINGS


class NamedApp(NamedTuple):
    """An app and what it is called in Python, and the bytes of its definition, if it was read from some."""

    app: App
    name: str
    data: bytes | None = None


class Unnamed(Record):
    """An app to be named: its source relative to the package, its origin, and the name of its definition."""

    source: str
    origin: str
    name: str


# Reading


def read_source(source: Source, data: bytes | None = None) -> DefinitionFile:
    """Read a definition, from these bytes if they are known. Whatever is wrong with it is a diagnostic."""
    if data is None:
        try:
            data = content(source.path, special=source.named)
        except OSError as error:
            message = f"It cannot be read: {error.strerror or error}."
            finding = Diagnostic("error", "unreadable", message, Location(source.shown))
            return DefinitionFile(source, b"", None, (finding,))
    reading = read(data, source.shown)
    app = None if has_errors(reading.diagnostics) else reading.workflow
    return DefinitionFile(source, data, app, reading.diagnostics)


class Reader:
    """Reads definitions, each once however often it is asked for. `stdin` is what was read from standard input."""

    def __init__(self, stdin: bytes, progress: Callable[[int, int], None] | None = None) -> None:
        self._stdin = stdin
        self._progress = progress
        self._files: dict[Source, DefinitionFile] = {}

    def read(self, sources: Sequence[Source]) -> list[DefinitionFile]:
        """Read definitions. Whatever is wrong with one is a diagnostic."""
        for number, source in enumerate(sources, 1):
            if source not in self._files:
                self._files[source] = read_source(source, self._stdin if source.path == STDIN else None)
            if self._progress:
                self._progress(number, len(sources))
        return [self._files[source] for source in sources]


def load_definitions(
    config: Config, apps: Iterable[App] = (), *, documents: str | None = None
) -> tuple[list[NamedApp], tuple[Diagnostic, ...]]:
    """Read all sources, and name their apps as in the package, together with those that are given.

    What else lies in a folder is left out, and so is what difygen itself wrote to the folder `documents`. Return all
    that is wrong, too.

    Raises:
        UsageProblem: The file `documents` is one of the definitions.
    """
    found, problems = discover(config.sources)
    if documents is not None:
        found = without_documents(found, documents)
    files = [file for file in map(read_source, found) if not file.is_other_thing]
    output = documents if documents != STDIN else None
    if output and any(file.app and is_same_place(file.source.path, output) for file in files):
        raise UsageProblem(f"-o {output} is a definition to read: give another file to write.")
    problems += [finding for file in files for finding in file.diagnostics]
    rows = [(Source(os.path.abspath(app.source), app.source), app, None) for app in apps]
    named, naming = assign_names([*rows, *((file.source, file.app, file.data) for file in files if file.app)], config)
    return named, (*problems, *naming)


def read_definitions(config: Config) -> list[NamedApp]:
    """Read and name the apps of all sources.

    Raises `UsageProblem` with what is wrong with the first that cannot be used.
    """
    found, problems = discover(config.sources)
    if problems:
        raise DefinitionProblem(*problems)
    named, problems_of_names = assign_names([(source, _read_app(source), None) for source in found], config)
    _refuse(problems_of_names)
    return named


def read_definition(config: Config) -> NamedApp:
    """Read and name the app of the one source, a file or `-`. Raises `UsageProblem` with all that is wrong."""
    (name,) = config.sources
    source = Source(STDIN if name == STDIN else os.path.abspath(name), name.replace(os.sep, "/").removeprefix("./"))
    (named,), problems = assign_names([(source, _read_app(source), None)], config)
    _refuse(problems)
    return named


def _read_app(source: Source) -> App:
    try:
        data = content(source.path)
    except IsADirectoryError as error:
        raise UsageProblem(f"{source.shown} is a folder; give one definition file.") from error
    except OSError as error:
        raise UsageProblem(f"Cannot read {source.shown}: {(error.strerror or str(error)).lower()}.") from error
    reading = read(data, source.shown)
    _refuse(reading.diagnostics)
    if reading.workflow is None:
        raise UsageProblem(f"{source.shown} holds no app.")
    return reading.workflow


def _refuse(diagnostics: tuple[Diagnostic, ...]) -> None:
    if has_errors(diagnostics):
        raise DefinitionProblem(*(each for each in diagnostics if each.severity == "error"))


# Naming


def assign_names(
    rows: Sequence[tuple[Source, App, bytes | None]], config: Config
) -> tuple[list[NamedApp], tuple[Diagnostic, ...]]:
    """Return each app with its Python name, which is the one that generating gives it.

    Where the package is not known, the apps are named as for a new one.
    """
    folder = config.package
    unnamed = [
        Unnamed(source.relative_to(folder), origin_of(source, folder, config.folder), app.name)
        for source, app, _ in rows
    ]
    explicit = names_by_source(config.options.names, [source for source, _, _ in rows], folder)
    try:
        lock = read_lock(folder)[0] if config.output else None
    except (LockError, OSError):
        lock = None
    names, problems = name_modules(unnamed, explicit, locked_names(lock, unnamed, same_options=True))
    named = [NamedApp(app, names[one.source], data) for one, (_, app, data) in zip(unnamed, rows, strict=True)]
    return named, problems


def name_modules(
    unnamed: Sequence[Unnamed], explicit: Mapping[str, str], locked: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """Return the Python name of each app by its source. No two have a public name in common.

    `explicit` are the user's names by source, `locked` those that apps of the same name have in the package already:
    of several that would be called the same, the one that was there first keeps its name, so that adding or
    removing an app renames no other.
    """
    kept = {source: name for source, name in locked.items() if source not in explicit}
    order = sorted(
        unnamed, key=lambda one: (one.source not in explicit, one.source not in kept, one.origin, one.source)
    )

    def decide(chosen: Mapping[str, str]) -> tuple[list[Identifier], tuple[Diagnostic, ...]]:
        return name_apps([NameRequest(one.name, one.origin, chosen.get(one.source)) for one in order])

    found, problems = decide({**kept, **explicit})
    if problems and kept:
        found, problems = decide(explicit)
    return {one.source: str(name) for one, name in zip(order, found, strict=True)}, problems


def locked_names(lock: Lock | None, unnamed: Sequence[Unnamed], *, same_options: bool) -> dict[str, str]:
    """Return the names that apps have in a package and may keep: those they would get by themselves, or nearly."""
    names = {one.source: one.name for one in unnamed}
    return {
        one.source: module
        for module, one in (lock.apps if lock else {}).items()
        if names.get(one.source) == one.name and (same_options or module.startswith(snake_name(one.name, "workflow")))
    }
