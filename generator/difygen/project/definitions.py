"""Definition files as apps with their Python names: one decision about names for every command that says or needs one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from difygen.code import Identifier
from difygen.config import Config
from difygen.console import DefinitionProblem, UsageProblem
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.files import MAX_BYTES, read_file
from difygen.generate import module_names
from difygen.model import App
from difygen.naming import snake_name
from difygen.parser import read
from difygen.plan.names import Wanted
from difygen.project.lock import Lock, LockError
from difygen.project.publish import read_lock
from difygen.project.sources import OTHER_THINGS, STDIN, Source, discover, names_by_source, origin_of


class NamedApp(NamedTuple):
    """A definition that was read: its app, what the app is called in Python, and the bytes it was read from, if it was."""

    app: App
    name: str
    data: bytes | None = None


class Named(NamedTuple):
    """An app to be named: its source relative to the package, its origin, and the name of its definition."""

    source: str
    origin: str
    name: str


# Reading


def load_definitions(config: Config, apps: Iterable[App] = ()) -> tuple[list[NamedApp], tuple[Diagnostic, ...]]:
    """Read all sources, and name their apps as in the package, together with those that are given.

    What else lies in a folder is left out. Return all that is wrong, too.
    """
    found, problems = discover(config.sources)
    rows: list[tuple[Source, App, bytes | None]] = [
        (Source(os.path.abspath(app.source), app.source), app, None) for app in apps
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
    names, naming = assign_names([(source, app.name) for source, app, _ in rows], config)
    named = [NamedApp(app, name, data) for (_, app, data), name in zip(rows, names, strict=True)]
    return named, (*problems, *naming)


def read_definitions(config: Config) -> list[NamedApp]:
    """Read and name the apps of all sources. Raises `UsageProblem` with all that is wrong with the first that cannot be used."""
    found, problems = discover(config.sources)
    if problems:
        raise DefinitionProblem(*map(str, problems))
    return _named([(source, _read_app(source.shown)) for source in found], config)


def read_definition(config: Config) -> NamedApp:
    """Read and name the app of the one source, a file or standard input. Raises `UsageProblem` with all that is wrong."""
    (name,) = config.sources
    source = Source(STDIN if name == STDIN else os.path.abspath(name), name)
    (named,) = _named([(source, _read_app(name))], config)
    return named


def content(name: str, limit: int = MAX_BYTES, *, special: bool = True) -> bytes:
    """Return what a file holds, or standard input for `-`. Raises OSError."""
    if name != STDIN:
        return read_file(name, limit=limit, special=special)
    if sys.stdin is None:  # closed before the start (`<&-`)
        raise OSError("standard input is closed")
    return sys.stdin.buffer.read()


def _read_app(file: str) -> App:
    try:
        data = content(file)
    except IsADirectoryError as error:
        raise UsageProblem(f"{file} is a folder; give one definition file.") from error
    except OSError as error:
        raise UsageProblem(f"Cannot read {file}: {(error.strerror or str(error)).lower()}.") from error
    reading = read(data, file if file == STDIN else Path(file).as_posix())
    _refuse(reading.diagnostics)
    if reading.workflow is None:
        raise DefinitionProblem(f"{file} holds no workflow.")
    return reading.workflow


def _named(found: Sequence[tuple[Source, App]], config: Config) -> list[NamedApp]:
    names, problems = assign_names([(source, app.name) for source, app in found], config)
    _refuse(problems)
    return [NamedApp(app, name) for (_, app), name in zip(found, names, strict=True)]


def _refuse(diagnostics: Iterable[Diagnostic]) -> None:
    if has_errors(diagnostics := tuple(diagnostics)):
        raise DefinitionProblem(*(str(each) for each in diagnostics if each.severity == "error"))


# Naming


def assign_names(found: Sequence[tuple[Source, str]], config: Config) -> tuple[list[str], tuple[Diagnostic, ...]]:
    """Return the Python name of the app of each (source, name of its definition): the one that generating gives it.

    Where the package is not known, the apps are named as for a new one.
    """
    folder = config.package
    wanted = [
        Named(source.relative_to(folder), origin_of(source, folder, config.folder), name) for source, name in found
    ]
    explicit = names_by_source(config.options.names, [source for source, _ in found], folder)
    held = held_names(_lock_of(folder) if config.output else None, wanted, same_options=True)
    names, problems = name_modules(wanted, explicit, held)
    return [names[one.source] for one in wanted], problems


def name_modules(
    wanted: Sequence[Named], explicit: Mapping[str, str], held: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """Return the Python name of each app by its source. No two have a public name in common.

    `explicit` are the user's names by source, `held` those that apps of the same name have in the package already: of
    several that would be called the same, the one that was there first keeps its name, so that adding or removing an app
    renames no other.
    """
    kept = {source: name for source, name in held.items() if source not in explicit}
    order = sorted(wanted, key=lambda one: (one.source not in explicit, one.source not in kept, one.origin, one.source))
    found, problems = _decide(order, {**kept, **explicit})
    if problems and kept:
        found, problems = _decide(order, explicit)
    return {one.source: str(name) for one, name in zip(order, found, strict=True)}, problems


def held_names(lock: Lock | None, wanted: Sequence[Named], *, same_options: bool) -> dict[str, str]:
    """Return the names that apps have in a package and may keep: those they would get by themselves, or nearly."""
    names = {one.source: one.name for one in wanted}
    return {
        one.source: module
        for module, one in (lock.workflows if lock else {}).items()
        if names.get(one.source) == one.name and (same_options or module.startswith(snake_name(one.name, "workflow")))
    }


def _decide(order: Sequence[Named], explicit: Mapping[str, str]) -> tuple[list[Identifier], tuple[Diagnostic, ...]]:
    return module_names([Wanted(one.name, one.origin, explicit.get(one.source)) for one in order])


def _lock_of(folder: str) -> Lock | None:
    try:
        return read_lock(folder)[0]
    except (LockError, OSError):
        return None
