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
from difygen.project.request import ALONE, app_of, left_out, what_it_holds
from difygen.publish import Destination, PublishError, read_own_lock, signed

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
    locked = {}
    for each in apps:
        about = each.definition.workflow
        source = Source(STDIN if about.source == STDIN else os.path.abspath(about.source), about.source)
        path, origin = source.relative_to(folder), origin_of(source, folder, config.folder)
        locked[each.name] = LockedApp(path, origin, each.source_hash, about.name, about.mode)
    others = {path: digest for path, digest in old.files.items() if not path.endswith(endings)} if old else {}
    if old and not config.prune:
        ours = {app_of(path) for path in old.files.keys() - others.keys()}
        before = {name: one for name, one in old.apps.items() if name.rstrip("_") in ours}
        if problem := left_out(output, "documents of", folder, before, locked):
            raise PublishError(problem)
    theirs = {*map(app_of, others)}
    elsewhere = {name: one for name, one in old.apps.items() if name.rstrip("_") in theirs} if old else {}
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
