"""`pull.lock`, beside the definitions: of which app each file is, which version, from which server, and when.

JSON with sorted keys and one fact a line. It holds no token, no key and no path outside of its folder.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, get_args

from difygen.console import pretty_json
from difygen.definitions.lockfile import LockError, is_inside
from difygen.files import read_file
from difygen.pull.catalogue import State, app_id_of
from difygen.record import NOTHING, Record

LOCK_NAME = "pull.lock"
FORMAT = 1
KEY_PREFIX = "key:"
"""How ids of apps begin that are known by a key alone, before the name of its variable."""


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
