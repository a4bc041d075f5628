"""The folder of definitions with its `pull.lock`: how files are called, what in it would change, and the change itself.

A file belongs to an app by its id, as the lock says, and keeps its name however the app is called. What difygen did not
write, or somebody has edited since, is neither overwritten nor removed unless that is forced. Each file is written as a
whole or not at all, between two locks that know its old contents and the new ones.

The lock says of which app each file is, which version, from which server, and when. It is JSON with sorted keys and one
fact a line, and holds no token, no key and no path outside of its folder.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from stat import S_ISREG
from typing import Any, Literal, get_args

from difygen.console import pretty_json
from difygen.definitions.lockfile import LockError, is_inside
from difygen.files import hash_bytes, read_file, unix_lines
from difygen.publish import EDITED, FOREIGN, PublishError
from difygen.publish.other_runs import BusyError, NotOursError, exclusive
from difygen.publish.stages import Delta, install
from difygen.pull.catalogue import State, app_id_of
from difygen.record import NOTHING, Record, replace

LOCK_NAME = "pull.lock"
FORMAT = 1
KEY_PREFIX = "key:"
"""How ids of apps begin that are known by a key alone, before the name of its variable."""

SUFFIX = ".yml"
_LONGEST = 100
"""Bytes of a file's name without its ending: with an id and the name of a draft it fits everywhere."""

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_NO_FILE = "is a folder, a link or a device"

What = Literal["new", "changed", "unchanged", "removed"]


class LockedDefinition(Record, kw_only=True):
    """One file of the folder. `name` and `mode` are the app's on the server, `version` the id of what was published.

    `hash` is that of what was written; two of them, with a blank between, while the file changes. `pulled` is when the
    file got what it holds.
    """

    file: str
    name: str
    mode: str
    state: State
    hash: str
    pulled: str
    version: str = ""

    def wrote(self, digest: str) -> bool:
        """Check whether the file was written with these contents."""
        return digest in self.hash.split()


class PullLock(Record, kw_only=True):
    """All that is known of a folder of definitions. `apps` goes by their ids."""

    server: str = ""
    server_version: str = ""
    workspace: str = ""
    apps: Mapping[str, LockedDefinition] = NOTHING


def read_pull_lock(folder: str) -> PullLock:
    """Return the lock of a folder; an empty one where there is none. Raises `LockError` for one that is no good."""
    path = os.path.join(folder, LOCK_NAME)
    try:
        data = read_file(path, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return PullLock()
    except OSError as error:
        raise LockError("it is a symbolic link" if os.path.islink(path) else error.strerror or str(error)) from error
    try:
        loaded = json.loads(data)
    except (ValueError, RecursionError) as error:
        conflict = " (it holds the marks of a merge conflict)" if b"<<<<<<<" in data else ""
        raise LockError(f"it is not JSON{conflict}") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("format"), int):
        raise LockError("it is not a lock of difygen pull")
    if loaded["format"] > FORMAT:
        raise LockError("it was written by a newer difygen")
    try:
        apps = {app_id: _definition(app_id, row) for app_id, row in loaded["apps"].items()}
        if len({name_key(row.file) for row in apps.values()}) < len(apps):
            raise ValueError("two apps have one file")
        return PullLock(
            server=_text(loaded["server"]),
            server_version=_text(loaded["server_version"]),
            workspace=_text(loaded["workspace"]),
            apps=apps,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LockError(f"it was damaged: {error}") from error


def format_pull_lock(lock: PullLock) -> bytes:
    """Return the contents of the file."""
    apps = {app_id: dict(sorted(vars(row).items())) for app_id, row in sorted(lock.apps.items())}
    record = {"apps": apps, "format": FORMAT, **{key: value for key, value in vars(lock).items() if key != "apps"}}
    return f"{pretty_json(record)}\n".encode()


def _definition(app_id: str, row: Mapping[str, Any]) -> LockedDefinition:
    if not app_id.startswith(KEY_PREFIX) and (not app_id or app_id_of(app_id) != app_id):
        raise ValueError(f"{app_id!r} is no id of an app")
    members: dict[str, Any] = {key: _text(value) for key, value in row.items()}
    found = LockedDefinition(**members)
    if not is_inside(found.file) or "/" in found.file or not re.fullmatch(r"[^.].*\.ya?ml", found.file):
        raise ValueError(f"{found.file!r} is no definition in the folder")
    if found.state not in get_args(State):
        raise ValueError(f"{found.state!r} is no state of a definition")
    return found


def name_key(name: str) -> str:
    """Return what two names have in common that are one file on some file system."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


# Files


class FileChange(Record):
    """What happens to a file, or would: `blocked` is why it must not, unless that is forced."""

    app_id: str
    file: str
    what: What
    blocked: str = ""


def file_name(title: str, app_id: str, taken: Collection[str]) -> str:
    """Return the name of a new file for an app that is called `title`, unlike all that are `taken` (see `name_key`).

    Letters and digits of every script stay; whatever else may lead out of a folder, hide a file, or mean something to
    a shell, an operating system or a pattern becomes a hyphen.
    """
    plain = [
        each if each in "-_" or unicodedata.category(each)[0] in "LNM" else " "
        for each in unicodedata.normalize("NFC", title)
    ]
    words = "-".join("".join(plain).split()).strip("-_")
    cut = words.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore")
    stem = cut.rstrip("-_") or "app"
    if _RESERVED.fullmatch(stem):
        stem = f"app-{stem}"
    number = re.sub(r"[^0-9a-z]", "", app_id.lower()) or "0"
    for ending in ("", f"-{number[:8]}", f"-{number}"):
        name = f"{stem}{ending}{SUFFIX}"
        if name_key(name) not in taken:
            return name
    raise AssertionError("an id is in no other file's name")


def assign_files(lock: PullLock, titles: Mapping[str, str]) -> dict[str, str]:
    """Return the file of each app, given with its title by id: the one that it has, or a new one."""
    files = {app_id: lock.apps[app_id].file for app_id in titles if app_id in lock.apps}
    taken = {name_key(LOCK_NAME), *(name_key(row.file) for row in lock.apps.values())}
    for app_id in sorted(titles.keys() - files.keys()):
        files[app_id] = file_name(titles[app_id], app_id, taken)
        taken.add(name_key(files[app_id]))
    return files


def survey_files(
    folder: str, lock: PullLock, rows: Mapping[str, tuple[str, bytes]], gone: Iterable[str]
) -> Iterator[FileChange]:
    """Yield what would happen to each file. `rows` are file and contents by id, `gone` the ids that have none any more.

    Specs may have been edited by hand, as their new contents keep what was.
    """
    for app_id, (file, data) in rows.items():
        old = lock.apps.get(app_id)
        found = contents(folder, file)
        if found is None:
            yield FileChange(app_id, file, "new")
        elif isinstance(found, str):
            yield FileChange(app_id, file, "changed", found)
        elif unix_lines(found) == unix_lines(data):
            yield FileChange(app_id, file, "unchanged")
        elif old is None:
            yield FileChange(app_id, file, "changed", FOREIGN)
        else:
            is_ours = old.state == "parameters" or old.wrote(hash_bytes(found))
            yield FileChange(app_id, file, "changed", "" if is_ours else EDITED)
    for app_id in gone:
        old = lock.apps[app_id]
        found = contents(folder, old.file)
        is_ours = found is None or (isinstance(found, bytes) and old.wrote(hash_bytes(found)))
        yield FileChange(app_id, old.file, "removed", "" if is_ours else found if isinstance(found, str) else EDITED)


def contents(folder: str, file: str) -> bytes | str | None:
    """Return what a file of the folder holds; why it is none that may be written; None where there is nothing."""
    path = os.path.join(folder, file)
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return read_file(path, follow=False) if S_ISREG(mode) else _NO_FILE


def apply(
    folder: str,
    old: PullLock,
    new: PullLock,
    write: Mapping[str, bytes],
    remove: Collection[str],
    *,
    seen: PullLock | None,
) -> None:
    """Write and remove files of the folder, and the lock last. Raises `PublishError`; what was done by then stays.

    `seen` is the lock that all this was decided from, which no other run may have changed; None takes any.
    A run that is killed in between leaves files that are old or new, and a lock that knows both.
    """
    if not write and not remove and new == old:
        return
    rows = {**old.apps, **new.apps}
    for app_id in old.apps.keys() & new.apps.keys():  # for the time in which files change: old contents and new ones
        hashes = dict.fromkeys([*old.apps[app_id].hash.split(), *new.apps[app_id].hash.split()])
        rows[app_id] = replace(new.apps[app_id], hash=" ".join(hashes))
    try:
        os.makedirs(folder, exist_ok=True)
        with exclusive(folder):
            if seen is not None and read_pull_lock(folder) != seen:
                raise PublishError(f"another run has changed {folder} since it was looked at: run it again")
            if write or remove:
                _install(folder, LOCK_NAME, format_pull_lock(replace(new, apps=rows)))
            for file, data in sorted(write.items()):
                _install(folder, file, data)
            for file in sorted(remove):
                os.unlink(os.path.join(folder, file))
            _install(folder, LOCK_NAME, format_pull_lock(new))
    except (BusyError, NotOursError) as error:
        raise PublishError(str(error)) from error
    except OSError as error:
        raise PublishError(f"cannot write {error.filename or folder}: {error.strerror or error}") from error


def _install(folder: str, file: str, data: bytes) -> None:
    install(Delta(os.path.join(folder, file), {"": data}))
