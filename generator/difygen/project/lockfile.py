"""`difygen.lock`: what was generated, from what, by which version, as sorted JSON without times and absolute paths.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from difygen.files import read_file

LOCK_NAME = "difygen.lock"
FORMAT = 1

NOTHING: Mapping[str, Any] = MappingProxyType({})

_CONTRACT = '\n   "contract": '
"""How a workflow's contract begins."""

_CONTRACT_END = "\n   },"

_HIDDEN = "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"


class LockError(ValueError):
    """A lock that cannot be used; the text says why in one sentence."""


class LockedWorkflow(NamedTuple):
    """One workflow of a package: where it came from, and what callers see of it.

    `contract` stays the JSON text that it is in the file, as nobody needs it until something changes. `source` is
    relative to the lock's folder, with forward slashes, or "-"; `origin` is how the generated code calls it,
    wherever difygen is run from. `renamed` gives the Python names that the user chose for variables, `warnings`
    counts what was said of the definition.
    """

    source: str
    origin: str
    source_hash: str
    exports: tuple[str, ...]
    name: str
    contract: str
    renamed: Mapping[str, str] = NOTHING
    warnings: int = 0

    @property
    def kind(self) -> str:
        """The word for the kind of app, found without reading the whole contract."""
        _, found, rest = self.contract.partition('\n    "mode": "')  # so deep stands no key but the contract's own
        if not found:
            return "workflow"
        from difygen.model import APP_KINDS  # what a run that changes nothing can do without

        kind = APP_KINDS.get(cast(Any, rest.partition('"')[0]))
        return kind.word if kind else "app"


class Lock(NamedTuple):
    """All that is known of a generated package.

    `files` gives the hash of each file, `workflows` is keyed by module name.

    While files are being replaced one by one, a file has two hashes, old and new, with a blank between: whatever a
    crash leaves behind is then still known to be ours.
    """

    generator: str
    options: str
    files: Mapping[str, str] = NOTHING
    workflows: Mapping[str, LockedWorkflow] = NOTHING

    def wrote(self, path: str, digest: str) -> bool:
        """Check whether difygen itself wrote those contents to that file."""
        return digest in self.files.get(path, "").split()


def format_lock(lock: Lock) -> str:
    """Return the text of the file: one fact a line, so that branches merge and a reviewer can read the difference."""
    modules = sorted(lock.workflows)
    record = {
        "files": dict(lock.files),
        "format": FORMAT,
        "generator": lock.generator,
        "options": lock.options,
        "workflows": {module: _record(lock.workflows[module]) for module in modules},
    }
    head, *rest = f"{_json(record)}\n".split(f"{_CONTRACT}null")
    contracts = (lock.workflows[module].contract for module in modules)
    return "".join([head, *(f"{_CONTRACT}{one}{text}" for one, text in zip(contracts, rest, strict=True))])


def format_contract(contract: object) -> str:
    """Return the text of a contract as it stands in the file."""
    return _json(contract).replace("\n", "\n   ")


def parse_lock(text: str) -> Lock:
    """Return the lock of a text that `format_lock` wrote. Raises `LockError` for anything else."""
    short, contracts = _set_contracts_aside(text.replace("\r\n", "\n") if "\r" in text else text)
    try:
        loaded = json.loads(short)
    except ValueError as error:
        conflict = " (it holds the marks of a merge conflict)" if "<<<<<<<" in text else ""
        raise LockError(f"it is not JSON{conflict}") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("format"), int):
        raise LockError("it is not a lock of difygen")
    if loaded["format"] > FORMAT:
        raise LockError(f"it was written by a newer difygen ({loaded.get('generator')})")
    try:
        return _load(loaded, contracts)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise LockError(f"it was damaged: {error}") from error


def read_lock(folder: str) -> tuple[Lock | None, str]:
    """Return the lock of a folder and its text; (None, "") when there is none.

    Raises `LockError` when it cannot be used.
    """
    path = os.path.join(folder, LOCK_NAME)
    try:
        text = read_file(path, follow=False).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        if os.path.islink(path):
            raise LockError("it is a symbolic link") from error
        if isinstance(error, PermissionError):
            raise
        raise LockError(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise LockError("it is not UTF-8") from error
    return parse_lock(text), text


def locked_files(folder: str) -> AbstractSet[str]:
    """Return the files that the lock in a folder names: none if it cannot be used, as one that was being written."""
    try:
        return parse_lock(read_file(os.path.join(folder, LOCK_NAME), follow=False).decode()).files.keys()
    except (OSError, LockError, UnicodeDecodeError):
        return frozenset()


def is_inside(path: str) -> bool:
    """Check whether a path with forward slashes stays inside the folder it is relative to, on any operating system."""
    if not path or path[0] == "/" or "\\" in path or ":" in path or "\0" in path:
        return False
    return "." not in path or not {"", ".", ".."}.intersection(path.split("/"))


def _json(value: object) -> str:
    """Return JSON in its own script, with escapes for what does not show, turns its line around, or is no Unicode."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return re.sub(_HIDDEN, lambda found: f"\\u{ord(found[0]):04x}", text)


def _record(workflow: LockedWorkflow) -> dict[str, object]:
    """Return what the file says of a workflow, with nothing in place of its contract, which is a text already."""
    record: dict[str, object] = {
        "contract": None,
        "exports": list(workflow.exports),
        "name": workflow.name,
        "origin": workflow.origin,
        "source": workflow.source,
        "source_hash": workflow.source_hash,
    }
    if workflow.renamed:
        record["renamed"] = dict(workflow.renamed)
    if workflow.warnings:
        record["warnings"] = workflow.warnings
    return record


def _set_contracts_aside(text: str) -> tuple[str, list[str]]:
    """Return the text with numbers in place of the contracts, and the contracts.

    Parsing them would take most of the time, mostly for nothing.
    """
    contracts: list[str] = []
    pieces: list[str] = []
    done = 0
    while (start := text.find(f"{_CONTRACT}{{\n", done)) >= 0:
        start += len(_CONTRACT)
        end = text.find(_CONTRACT_END, start) + len(_CONTRACT_END)
        if end < start:
            break  # laid out by another tool
        pieces += text[done:start], f"{len(contracts)},"
        contracts.append(text[start : end - 1])
        done = end
    return "".join((*pieces, text[done:])), contracts


def _load(loaded: Mapping[str, Any], contracts: Sequence[str]) -> Lock:
    files = cast("dict[str, str]", loaded["files"])
    for path, digest in files.items():
        if not is_inside(path) or not isinstance(digest, str):
            raise ValueError(f"{path!r} is no file of the package")
    workflows = dict(_load_workflows(loaded["workflows"], contracts))
    return Lock(str(loaded["generator"]), str(loaded["options"]), files, workflows)


def _load_workflows(
    loaded: Mapping[str, Mapping[str, Any]], contracts: Sequence[str]
) -> Iterator[tuple[str, LockedWorkflow]]:
    for module, one in loaded.items():
        contract = one["contract"]
        yield module, LockedWorkflow(
            one["source"],
            one["origin"],
            one["source_hash"],
            tuple(one["exports"]),
            one["name"],
            contracts[contract] if isinstance(contract, int) else format_contract(contract),
            one.get("renamed", {}),
            one.get("warnings", 0),
        )
