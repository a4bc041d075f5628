"""`difygen.lock`: what was generated, from what, by which version, as JSON without times and absolute paths.

Its keys are sorted, but for the contracts of the apps, which come last: they are most of the file, and read when
something changed. That of a folder of documents has none: it names the package that has.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, NamedTuple, cast

from difygen.files import read_file, unix_lines
from difygen.record import NOTHING, Record

LOCK_NAME = "difygen.lock"
FORMAT = 1

_CONTRACTS = b',\n "contracts": '
"""How the contracts begin, after all else."""

_END = b"\n  }\n }\n}\n"
"""How a file ends that has some."""

_HIDDEN = "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"


class LockError(ValueError):
    """A lock that cannot be used; the text says why in one sentence."""


class LockedApp(NamedTuple):
    """One app of a package, and where it came from.

    `source` is relative to the lock's folder, with forward slashes, or "-"; `origin` is how the generated code calls
    it, wherever difygen is run from. `name` is the definition's own, `warnings` counts what was said of it.
    """

    source: str
    origin: str
    source_hash: str
    name: str
    mode: str = "workflow"
    warnings: int = 0

    @property
    def kind(self) -> str:
        """The word for the kind of app."""
        if self.mode == "workflow":
            return self.mode
        from difygen.model import APP_KINDS  # what a run that changes nothing can do without

        kind = APP_KINDS.get(cast(Any, self.mode))
        return kind.word if kind else "app"


class LockedContract(NamedTuple):
    """What callers see of an app: the text that stands in the lock, and the members that it holds.

    Beside those of `difygen.model_json.dump` they are `exports`, the public names of the module, `renamed`, the Python
    names that the user chose for variables, and `renamed_nodes`, those for nodes, if there are some.
    """

    text: str
    members: Mapping[str, Any]


class Lock(Record):
    """All that is known of a generated package, or of a folder of documents.

    `files` gives the hash of each file, `apps` is keyed by module name. `contracts` is the JSON of what callers see of
    them, unread: `read_contracts` takes it apart. `package` is the path to the package that documents go along with,
    and empty for the package itself.

    While files are being replaced one by one, a file has two hashes, old and new, with a blank between: whatever a
    crash leaves behind is then still known to be ours.
    """

    generator: str
    options: str
    files: Mapping[str, str] = NOTHING
    apps: Mapping[str, LockedApp] = NOTHING
    contracts: bytes | memoryview = b"{}"
    package: str = ""

    def wrote(self, path: str, digest: str) -> bool:
        """Check whether difygen itself wrote those contents to that file."""
        return digest in self.files.get(path, "").split()


def format_lock(lock: Lock) -> bytes:
    """Return the contents of the file: one fact a line, so that branches merge and a reviewer sees the difference."""
    record = {
        "apps": {module: _record(app) for module, app in lock.apps.items()},
        "files": dict(lock.files),
        "format": FORMAT,
        "generator": lock.generator,
        "options": lock.options,
    }
    if lock.package:
        return f"{_json({**record, 'package': lock.package})}\n".encode()
    return b"".join((_json(record).removesuffix("\n}").encode(), _CONTRACTS, lock.contracts, b"\n}\n"))


def locked_contract(members: Mapping[str, Any]) -> LockedContract:
    """Return a contract with its text, as it is to stand in the file."""
    return LockedContract(_json(members).replace("\n", "\n  "), members)


def join_contracts(contracts: Mapping[str, LockedContract]) -> bytes:
    """Return the contracts of a lock, given by module, as they stand in the file."""
    lines = [f"  {_json(module)}: {contracts[module].text}" for module in sorted(contracts)]
    return "{{\n{}\n }}".format(",\n".join(lines)).encode() if lines else b"{}"


def read_contracts(lock: Lock) -> dict[str, LockedContract]:
    """Return the contract of each app by module: of those that can be read, if the lock was damaged."""
    text = bytes(lock.contracts).decode(errors="replace").removeprefix("{").removesuffix("\n }")
    contracts = {}
    for piece in f",{text}".split(',\n  "'):  # so near to the margin stands nothing of a contract
        module, _, contract = piece.partition('": ')
        with suppress(ValueError):
            members = json.loads(contract)
            if module in lock.apps and isinstance(members, dict) and "exports" in members:
                contracts[module] = LockedContract(contract, members)
    return contracts


def parse_lock(data: bytes) -> Lock:
    """Return the lock of what `format_lock` wrote. Raises `LockError` for anything else."""
    if data.startswith(b"{\r"):  # checked out with Windows line ends
        data = unix_lines(data)
    start = data.find(_CONTRACTS) if data.endswith(_END) else -1  # else there are none, or it is another tool's layout
    try:
        loaded = json.loads(data if start < 0 else data[:start] + b"\n}")
    except UnicodeDecodeError as error:
        raise LockError("it is not UTF-8") from error
    except ValueError as error:
        conflict = " (it holds the marks of a merge conflict)" if b"<<<<<<<" in data else ""
        raise LockError(f"it is not JSON{conflict}") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("format"), int):
        raise LockError("it is not a lock of difygen")
    if loaded["format"] > FORMAT:
        raise LockError(f"it was written by a newer difygen ({loaded.get('generator')})")
    try:
        files = loaded["files"]
        if wrong := [path for path, digest in files.items() if not (isinstance(digest, str) and is_inside(path))]:
            raise ValueError(f"{wrong[0]!r} is no file of the package")
        package = str(loaded.get("package", ""))
        contracts: bytes | memoryview = memoryview(data)[start + len(_CONTRACTS) : -len(b"\n}\n")]
        if package:
            contracts = b"{}"
        elif start < 0:
            contracts = join_contracts(
                {module: locked_contract(loaded["contracts"][module]) for module in loaded["apps"]}
            )
        return Lock(
            str(loaded["generator"]),
            str(loaded["options"]),
            files,
            {module: LockedApp(**one) for module, one in loaded["apps"].items()},
            contracts,
            package,
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise LockError(f"it was damaged: {error}") from error


def read_lock(folder: str) -> tuple[Lock | None, bytes]:
    """Return the lock of a folder and what the file holds; (None, b"") when there is none.

    Raises `LockError` when it cannot be used.
    """
    path = os.path.join(folder, LOCK_NAME)
    try:
        data = read_file(path, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None, b""
    except OSError as error:
        if os.path.islink(path):
            raise LockError("it is a symbolic link") from error
        if isinstance(error, PermissionError):
            raise
        raise LockError(error.strerror or str(error)) from error
    return parse_lock(data), data


def locked_files(folder: str) -> AbstractSet[str]:
    """Return the files that the lock in a folder names: none if it cannot be used, as one that was being written."""
    try:
        return parse_lock(read_file(os.path.join(folder, LOCK_NAME), follow=False)).files.keys()
    except (OSError, LockError):
        return frozenset()


def is_inside(path: str) -> bool:
    """Check whether a path with forward slashes stays inside the folder it is relative to, on any operating system."""
    if not path or path[0] == "/" or "\\" in path or ":" in path or "\0" in path:
        return False
    return "." not in path or not {"", ".", ".."}.intersection(path.split("/"))


def _json(value: object) -> str:
    """Return JSON in its own script, with escapes for what does not show, turns its line around, or is no Unicode."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if text.isascii() and "\x7f" not in text:
        return text
    return re.sub(_HIDDEN, lambda found: f"\\u{ord(found[0]):04x}", text)


def _record(app: LockedApp) -> dict[str, object]:
    """Return what the file says of an app beside its contract."""
    record: dict[str, object] = {
        "name": app.name,
        "origin": app.origin,
        "source": app.source,
        "source_hash": app.source_hash,
    }
    if app.mode != "workflow":
        record["mode"] = app.mode
    if app.warnings:
        record["warnings"] = app.warnings
    return record
