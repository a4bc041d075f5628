"""Folders of documents that a command names: what there is to be, what of it is ours, whose definition is gone.

They have a lock like folders that the settings name, so that the documents of apps that are gone go, too. It says that
they stand alone, and go along with no package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from difygen import __version__
from difygen.config import Config
from difygen.definitions.lockfile import Lock, LockedApp
from difygen.definitions.sources import STDIN, Source, origin_of
from difygen.documents.apps import NamedDefinition
from difygen.documents.targets import DOCUMENT_TARGETS
from difygen.files import hash_bytes
from difygen.project.request import ALONE, app_of, what_it_holds
from difygen.project.writer import Destination, PublishError, read_own_lock, signed

_MARK = "documents"
"""What the lock has in place of a fingerprint of options: each run makes all of it anew."""


def folder_of(
    files: Mapping[str, str], apps: Sequence[NamedDefinition], output: str, key: str, config: Config
) -> Destination:
    """Return a folder with the files that a target makes of apps. What other targets wrote there stays.

    Raises `PublishError` where something else was written there by difygen, or where an app would go though its
    definition is still there.
    """
    folder, endings = os.path.abspath(output), DOCUMENT_TARGETS[key].endings
    old, seen = read_own_lock(output, force=config.force)
    if old:
        _refuse_others(output, old)
    texts = {path: signed(text, __version__, path) for path, text in files.items()}
    locked = {each.name: _locked(each, folder, config) for each in apps}
    others = {path: digest for path, digest in old.files.items() if not path.endswith(endings)} if old else {}
    if old and not config.prune:
        ours = {app_of(path) for path in old.files.keys() - others.keys()}
        _refuse_to_drop(output, {name: one for name, one in old.apps.items() if name.rstrip("_") in ours}, locked)
    elsewhere = {name: one for name, one in old.apps.items() if name.rstrip("_") in map(app_of, others)} if old else {}
    hashes = {path: hash_bytes(text.encode()) for path, text in texts.items()}
    new = Lock(__version__, _MARK, others | hashes, elsewhere | locked, package=ALONE)
    return Destination(output, texts, others.keys(), new, old, seen)


def _refuse_others(output: str, old: Lock) -> None:
    """Refuse a folder that holds a package, or documents that the settings of one name."""
    holds = what_it_holds(old)
    if holds != "documents":
        raise PublishError(f"{output} holds {holds}\nnothing was written; choose another output")
    package = os.path.normpath(os.path.join(output, old.package))
    if old.package != ALONE and os.path.lexists(package):
        hint = "leave out SOURCE and -o to write these, or choose another output"
        raise PublishError(f"{output} holds the documents that go along with {package}\nnothing was written; {hint}")


def _locked(app: NamedDefinition, folder: str, config: Config) -> LockedApp:
    """Return what the lock keeps of an app."""
    about = app.definition.workflow
    source = Source(STDIN if about.source == STDIN else os.path.abspath(about.source), about.source)
    path, origin = source.relative_to(folder), origin_of(source, folder, config.folder)
    return LockedApp(path, origin, app.source_hash, about.name, about.mode)


def _refuse_to_drop(output: str, old: Mapping[str, LockedApp], new: Mapping[str, LockedApp]) -> None:
    """Refuse to remove the documents of an app whose definition is still there: it was left out, and is not gone."""
    sources, dropped = {one.source for one in new.values()}, []
    for name, one in old.items():
        path = os.path.join(output, *one.source.split("/"))
        if one.source not in sources and (one.source == STDIN or os.path.exists(path)):
            place = "standard input" if one.source == STDIN else os.path.relpath(path).replace(os.sep, "/")
            dropped.append(f"{output} holds documents of `{name}` of {place}, which is not among the sources")
    if dropped:
        hint = "nothing was written; give all sources, or --prune to remove what is not among them"
        raise PublishError("\n".join([*dropped, hint]))
