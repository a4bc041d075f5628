"""What the user names as sources -> the definition files they mean, in a stable order. Reads no definition.

A source is a file, a folder (searched through, for YAML and JSON), a glob pattern, or "-" for standard input.
Imported on every run, so it may import next to nothing. For every command, beside it:

reading    apps with their Python names, read from these files
lockfile   what was generated before: who has a name keeps it
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from difygen.definitions.lockfile import locked_files
from difygen.diagnostics import Diagnostic, Location
from difygen.files import STDIN
from difygen.wording import nearest

SUFFIXES = (".yml", ".yaml", ".json")
SCHEMA_SUFFIX = ".schema.json"
"""What the JSON Schema that editors check specs with ends in. It lies among them, and is none."""


class Source(NamedTuple):
    """One definition file: where it is, how messages call it, and whether the user named it."""

    path: str
    shown: str
    named: bool = True

    def relative_to(self, folder: str) -> str:
        """Return the path from `folder` to the file, with forward slashes.

        It is the same whatever the current folder is.
        """
        if self.path == STDIN:
            return STDIN
        home, separator, name = self.path.rpartition(os.sep)
        path = _relative(folder, f"{home}{separator}")
        return name if path in (os.curdir, None) else f"{path}/{name}"


@lru_cache
def _relative(start: str, folder: str) -> str | None:
    """Return the path from one folder to another; None if there is none, as between the drives of a Windows machine."""
    try:
        return os.path.relpath(folder, start).replace(os.sep, "/")
    except ValueError:
        return None


def discover(sources: Iterable[str]) -> tuple[list[Source], list[Diagnostic]]:
    """Return the definition files that `sources` mean, each once, and what is wrong with those that mean none."""
    found: dict[str, Source] = {}
    problems: list[Diagnostic] = []
    for name in sources:
        some = False
        for source in _expand(name):
            some = True
            found.setdefault(source.path, source)
        if not some:
            problems.append(_nothing(name))
    return [found[path] for path in sorted(found)], problems


def without_documents(sources: list[Source], folder: str) -> list[Source]:
    """Return the sources but for documents that difygen wrote to a folder, which may lie among definitions."""
    path = os.path.abspath(folder)
    if not any(source.path.startswith(f"{path}{os.sep}") for source in sources):
        return sources
    ours = {os.path.join(path, *each.split("/")) for each in locked_files(path)}
    return [source for source in sources if source.named or source.path not in ours]


def origin_of(source: Source, folder: str, base_folder: str) -> str:
    """Return how generated code calls a definition: by its path from the project's folder.

    Or else from the innermost folder that it shares with the package.

    Says nothing about where on a machine the project is.
    """
    if source.path == STDIN:
        return STDIN
    try:
        common = os.path.commonpath([source.path, folder])
    except ValueError:  # on two drives of a Windows machine
        common = os.path.dirname(source.path)
    for start in (os.path.abspath(base_folder), common):
        path = source.relative_to(start)
        if not path.startswith("../") and start != os.path.dirname(start):
            return path
    return os.path.basename(source.path)


def names_by_source(names: Mapping[str, str], sources: Sequence[Source], folder: str) -> dict[str, str]:
    """Return the user's names, which are by path, by source relative to the package, as the lock has them."""
    if not names:
        return {}
    by_path = {key if key == STDIN else os.path.abspath(key): name for key, name in names.items()}
    return {source.relative_to(folder): by_path[source.path] for source in sources if source.path in by_path}


def _expand(name: str) -> Iterator[Source]:
    if name == STDIN:
        yield Source(STDIN, STDIN)
    elif os.path.isdir(name):
        yield from _search(name)
    elif os.path.exists(name):
        yield _source(name, named=True)
    elif any(sign in name for sign in "*?["):
        yield from _match(name)


def _match(pattern: str) -> Iterator[Source]:
    from glob import glob  # only for patterns

    for path in sorted(glob(pattern, recursive=True)):
        if os.path.isdir(path):
            yield from _search(path)
        elif not path.endswith(SCHEMA_SUFFIX):
            yield _source(path, named=False)


def _search(folder: str) -> Iterator[Source]:
    """Yield the files of a folder and of those below it, but not of hidden ones."""
    with os.scandir(folder) as found:
        entries = list(found)
    home, shown = os.path.abspath(folder), "" if folder == "." else f"{_shown(folder)}/"
    for entry in entries:
        if entry.name[0] == ".":
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _search(os.path.join(folder, entry.name))
        elif entry.name.endswith(SUFFIXES) and not entry.name.endswith(SCHEMA_SUFFIX):
            yield Source(f"{home}{os.sep}{entry.name}", f"{shown}{entry.name}", False)


def _source(path: str, *, named: bool) -> Source:
    return Source(os.path.abspath(path), _shown(path), named)


def _shown(path: str) -> str:
    return path.removeprefix("./").replace(os.sep, "/").rstrip("/") or "."


def _nothing(name: str) -> Diagnostic:
    if os.path.isdir(name):
        message = f"The folder holds no definitions: no file in it ends in {', '.join(SUFFIXES)}."
        return Diagnostic("error", "empty-folder", message, Location(name))
    if any(sign in name for sign in "*?["):
        return Diagnostic("error", "no-such-source", "No file matches this pattern.", Location(name))
    return Diagnostic("error", "no-such-source", "There is no such file or folder.", Location(name), _similar(name))


def _similar(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        match = nearest(name, sorted(os.listdir(folder or ".")))
    except OSError:
        return ""
    return f"Did you mean {os.path.join(folder, match)}?" if match else ""
