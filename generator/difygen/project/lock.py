"""`difygen.lock`: what was generated, from what, by which version, as sorted JSON without times and absolute paths.

Reads and writes the text alone; knows no folder. Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, cast

LOCK_NAME = "difygen.lock"
FORMAT = 1

NOTHING: Mapping[str, Any] = MappingProxyType({})

_CONTRACT = '\n   "contract": '
"""How the line of a workflow's contract begins."""


class LockError(ValueError):
    """A lock that cannot be used; the text says why in one sentence."""


class LockedWorkflow(NamedTuple):
    """One workflow of a package: where it came from, and what callers see of it.

    `contract` stays the JSON text that it is in the file, as nobody needs it until something changes. `source` is relative to the lock's folder, with forward slashes, or "-"; `origin` is how the generated code calls it, wherever
    difygen is run from. `renamed` gives the Python names that the user chose for variables, `warnings` counts what was said of the
    definition.
    """

    source: str
    origin: str
    source_hash: str
    meaning: str
    exports: tuple[str, ...]
    name: str
    contract: str
    renamed: Mapping[str, str] = NOTHING
    warnings: int = 0


class Lock(NamedTuple):
    """All that is known of a generated package. `files` gives the hash of each file, `workflows` is keyed by module name.

    While files are being replaced one by one, a file has two hashes, old and new, with a blank between: whatever a crash leaves
    behind is then still known to be ours.
    """

    generator: str
    options: str
    files: Mapping[str, str] = NOTHING
    workflows: Mapping[str, LockedWorkflow] = NOTHING

    def wrote(self, path: str, digest: str) -> bool:
        """Whether difygen itself wrote those contents to that file."""
        return digest in self.files.get(path, "").split()


def hash_bytes(data: bytes) -> str:
    """The hash that locks use."""
    return hashlib.sha256(data).hexdigest()


def format_lock(lock: Lock) -> str:
    """The text of the file: one fact a line, so that two branches merge and a reviewer can read the difference."""
    files = ",\n".join(f"  {_json(path)}: {_json(digest)}" for path, digest in sorted(lock.files.items()))
    workflows = ",\n".join(
        f"  {_json(module)}: {{\n{_format_workflow(one)}\n  }}" for module, one in sorted(lock.workflows.items())
    )
    members = {
        "files": f"{{\n{files}\n }}" if files else "{}",
        "format": _json(FORMAT),
        "generator": _json(lock.generator),
        "options": _json(lock.options),
        "workflows": f"{{\n{workflows}\n }}" if workflows else "{}",
    }
    return "{\n" + ",\n".join(f' "{name}": {text}' for name, text in members.items()) + "\n}\n"


def parse_lock(text: str) -> Lock:
    """The lock of a text that `format_lock` wrote. Raises `LockError` for anything else."""
    short, contracts = _set_contracts_aside(text)
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


def is_inside(path: str) -> bool:
    """Whether a path with forward slashes stays inside the folder it is relative to, on any operating system."""
    if not path or path[0] == "/" or "\\" in path or ":" in path or "\0" in path:
        return False
    return "." not in path or not {"", ".", ".."}.intersection(path.split("/"))


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _format_workflow(workflow: LockedWorkflow) -> str:
    members: dict[str, object] = {
        "exports": list(workflow.exports),
        "meaning": workflow.meaning,
        "name": workflow.name,
        "origin": workflow.origin,
        "source": workflow.source,
        "source_hash": workflow.source_hash,
    }
    if workflow.renamed:
        members["renamed"] = dict(workflow.renamed)
    if workflow.warnings:
        members["warnings"] = workflow.warnings
    lines = [f'   "{name}": {_json(value)}' for name, value in sorted(members.items())]
    return ",\n".join([f"{_CONTRACT[1:]}{workflow.contract}", *lines])


def _set_contracts_aside(text: str) -> tuple[str, list[str]]:
    """The text with numbers in place of the contracts, and the contracts. Parsing them would take most of the time, mostly for nothing."""
    contracts: list[str] = []
    pieces: list[str] = []
    done = 0
    while (start := text.find(_CONTRACT, done) + len(_CONTRACT)) >= len(_CONTRACT):
        end = text.find("\n", start)
        if not text.endswith("},", start, end):
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
            one["meaning"],
            tuple(one["exports"]),
            one["name"],
            contracts[contract] if isinstance(contract, int) else _json(contract),
            one.get("renamed", {}),
            one.get("warnings", 0),
        )
