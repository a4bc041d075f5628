"""The index of a folder's parts, kept beside them, so that a process need not read what others have read before.

It is made of the parts, and goes by them: where one is not as it says, or it cannot be read, it counts for nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from difygen.bulk.rows import StoredRow
from difygen.bulk.stores.index import PartsIndex
from difygen.bulk.stores.shelves import INDEX, FolderShelf

LEAST = 1 << 22
"""Bytes of parts that are read sooner than an index of them is written."""

_TABLES = ("parts", "rows", "claims", "notes")
_PARTS = "INSERT INTO parts VALUES (NULL, ?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET read = ?2, is_final = ?3"


class FolderIndex(PartsIndex):
    """An index that begins with what is kept in the folder, and keeps there what it knows, as a whole or not at all."""

    def __init__(self, shelf: FolderShelf, is_alive: Callable[[str], bool]) -> None:
        super().__init__(shelf, is_alive)
        self._folder = shelf
        self._path = shelf.folder.resolve() / INDEX
        self._kept = 0
        try:
            self._load()
        except (sqlite3.Error, OSError, TypeError):
            self.close()  # it may be filled by half
            super().__init__(shelf, is_alive)

    def _load(self) -> None:
        with self._attached():
            parts = self.database.execute("SELECT name, read, is_final FROM kept.parts").fetchall()
            there = set(self._folder.names(".jsonl"))
            for name, read, _ in parts:
                if name not in there or os.stat(self._folder.path_of(name)).st_size < read:
                    raise sqlite3.DataError("a part is not what it was")
            for table in _TABLES:
                self.database.execute(f"INSERT INTO main.{table} SELECT * FROM kept.{table}")
        self._folder.read = {name: read for name, read, _ in parts}
        self._folder.final = {name for name, _, is_final in parts if is_final}
        self.size = self._kept = sum(self._folder.read.values())

    @contextmanager
    def _attached(self) -> Iterator[None]:
        """Open what is kept as a second database; its schema says whether it is an index of this version."""
        self.database.execute("ATTACH ? AS kept", (f"{self._path.as_uri()}?mode=ro&immutable=1",))
        try:
            query = "SELECT sql FROM {}.sqlite_master WHERE sql IS NOT NULL ORDER BY name"
            ours, theirs = (self.database.execute(query.format(name)).fetchall() for name in ("main", "kept"))
            if ours != theirs:
                raise sqlite3.DataError("something else")
            yield
        finally:
            self.database.execute("DETACH kept")

    def catch_up(self) -> None:
        super().catch_up()
        if self.size - self._kept >= max(LEAST, self._kept // 3):
            with suppress(sqlite3.Error, OSError):  # whoever writes rows says so
                self._save()
            self._kept = self.size

    def rows(self, keys: Iterable[str]) -> dict[str, StoredRow]:
        try:
            return super().rows(keys)
        except ValueError:
            self._path.unlink(missing_ok=True)  # the next process reads the parts, which somebody has edited
            raise

    def _save(self) -> None:
        """Write the index, unless another process has just written one that knows nearly as much."""
        with suppress(sqlite3.Error), self._attached():
            (known,) = self.database.execute("SELECT total(read) FROM kept.parts").fetchone()
            if known > 0.9 * self.size:
                return
        read, final = self._folder.read, self._folder.final
        self.database.execute("BEGIN")
        self.database.executemany(_PARTS, [(name, read.get(name, 0), name in final) for name in read.keys() | final])
        self.database.execute("COMMIT")
        scratch = self._path.with_name(f"{self._folder.name}.{INDEX}")
        try:
            self.database.execute("VACUUM INTO ?", (f"{scratch.as_uri()}?nolock=1",))
            with scratch.open("rb+") as file:
                os.fsync(file.fileno())
            scratch.replace(self._path)
        finally:
            scratch.unlink(missing_ok=True)
