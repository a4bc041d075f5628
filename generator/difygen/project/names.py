"""The Python names of the apps of a project: one decision for every command that says or needs a name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from difygen.code import Identifier
from difygen.diagnostics import Diagnostic
from difygen.generate import module_names
from difygen.naming import snake_name
from difygen.plan.names import Wanted
from difygen.project.lock import Lock, LockError
from difygen.project.publish import read_lock
from difygen.project.sources import Source, names_by_source, origin_of


class Named(NamedTuple):
    """An app to be named: its source relative to the package, its origin, and the name of its definition."""

    source: str
    origin: str
    name: str


def name_modules(
    wanted: Sequence[Named], explicit: Mapping[str, str], held: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """Return the Python name of each app by its source. No two have a public name in common.

    `explicit` are the user's names by source, `held` those that apps of the same name have in the package already: of
    several that would be called the same, the one that was there first keeps its name, so that adding or removing an app
    renames no other.
    """
    known = {source: name for source, name in held.items() if source not in explicit}
    order = sorted(
        wanted, key=lambda one: (one.source not in explicit, one.source not in known, one.origin, one.source)
    )
    found, problems = _decide(order, {**known, **explicit})
    if problems and known:
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


def assign_names(
    found: Sequence[tuple[Source, str]],
    explicit: Mapping[str, str],
    *,
    base_folder: str = ".",
    output: str | None = None,
) -> tuple[list[str], tuple[Diagnostic, ...]]:
    """Return the Python name of the app of each (source, name of its definition): the one that generating gives it.

    `explicit` are the user's names by path from `base_folder`, at which `output`, the package, starts as well. Where the
    package is not known, the apps are named as for a new one.
    """
    folder = os.path.abspath(os.path.join(base_folder, output or ""))
    wanted = [Named(source.relative_to(folder), origin_of(source, folder, base_folder), name) for source, name in found]
    chosen = names_by_source(explicit, [source for source, _ in found], folder, base_folder)
    held = held_names(_lock_of(folder) if output else None, wanted, same_options=True)
    names, problems = name_modules(wanted, chosen, held)
    return [names[one.source] for one in wanted], problems


def names_in_package(folder: str, sources: Sequence[Source]) -> dict[str, str]:
    """Return the names that the apps of `sources` have in a package, by how messages call each source."""
    lock = _lock_of(folder)
    held = {one.source: module for module, one in lock.workflows.items()} if lock else {}
    there = os.path.abspath(folder)
    names = {source.shown: held.get(source.relative_to(there)) for source in sources}
    return {shown: name for shown, name in names.items() if name is not None}


def _decide(order: Sequence[Named], explicit: Mapping[str, str]) -> tuple[list[Identifier], tuple[Diagnostic, ...]]:
    return module_names([Wanted(one.name, one.origin, explicit.get(one.source)) for one in order])


def _lock_of(folder: str) -> Lock | None:
    try:
        return read_lock(folder)[0]
    except (LockError, OSError):
        return None
