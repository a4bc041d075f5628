"""A store in a folder that many machines share: parts that are only ever added to, each by one process. No locks.

A part is JSON lines. A process writes into its own, reads those of others from where it has stopped, and keeps in an
index of its own where each row stands, so that a million rows need no memory. An index that one has left in the folder
saves the next one the reading of what it knows.

Two who claim a row at the same time see each other, as each writes before it looks; whoever sees another's claim takes
its own back, and tries again a moment later. So one of them starts the row, or none for now, and never both.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import RLock

from difygen.bulk.rows import StoredRow, may_follow
from difygen.bulk.stores.base import RETIRED, Store, StoreError, retire
from difygen.bulk.stores.index import FolderIndex, PartsIndex, line_of
from difygen.bulk.stores.storage import FolderStorage, ObjectStorage, PartStorage

ROUNDS = 6
"""How often a row is tried for that another claims at the same time."""


class PartsStore(Store):
    """Rows in a folder of parts, or below a URL that fsspec knows, such as `s3://bucket/runs`."""

    def __init__(self, place: str | os.PathLike[str]) -> None:
        super().__init__()
        self.place = os.fspath(place)
        self._guard = RLock()
        self._heartbeat_count = 0
        self._index: PartsIndex | None = None
        self._broken = ""
        self._is_closed = False
        try:
            storage: PartStorage = (
                ObjectStorage(self.place, self.owner)
                if "://" in self.place
                else FolderStorage(Path(self.place), self.owner)
            )
        except OSError as error:
            raise StoreError(f"Cannot use {self.place}: {_reason(error)}.") from error
        self._storage = storage

    def __reduce__(self) -> tuple[type[PartsStore], tuple[str]]:
        return PartsStore, (self.place,)

    @contextmanager
    def _looking(self) -> Iterator[PartsIndex]:
        """Use the index, one thread at a time, with all that was added to the parts meanwhile."""
        with self._guard:
            if self._process != os.getpid():
                raise StoreError(f"{self.place} was opened by another process: open it where it is used.")
            if self._is_closed:
                raise StoreError(f"{self.place} was closed: open it again.")
            try:
                if self._index is None:
                    storage = self._storage
                    is_alive = self._watch.is_alive
                    self._index = (
                        FolderIndex(storage, is_alive)
                        if isinstance(storage, FolderStorage)
                        else PartsIndex(storage, is_alive)
                    )
                    self._watch.counts()  # tells the storage who has left
                self._index.catch_up()
                yield self._index
            except (OSError, ValueError, TypeError, sqlite3.Error) as error:
                raise StoreError(f"Cannot read {self.place}: {_reason(error)}.") from error

    def read(self, keys: Sequence[str], *, results: bool = True) -> dict[str, StoredRow]:
        with self._looking() as index:
            found = index.rows(keys)
        return found if results else {key: row._replace(result=None) for key, row in found.items()}

    def apply(self, rows: Sequence[StoredRow]) -> list[bool]:
        """Write what may follow. Claims that others make at the same time are taken back, and tried again."""
        with self._guard:
            accepted = [False] * len(rows)
            left = list(enumerate(rows))
            for round_ in range(ROUNDS):
                left = self._apply(left, accepted)
                if not left:
                    break
                time.sleep(random.uniform(0.0, 0.02 * 2**round_))
        return accepted

    def _apply(self, rows: Sequence[tuple[int, StoredRow]], accepted: list[bool]) -> list[tuple[int, StoredRow]]:
        """Write rows, and return those whose claims met others'."""
        with self._looking() as index:
            known = index.rows([row.key for _, row in rows])
        taken = []
        for number, row in rows:
            accepted[number] = may_follow(known.get(row.key), row)
            if accepted[number]:
                known[row.key] = row
                taken.append((number, row))
        if not taken:
            return []
        self._write([line_of(row) for _, row in taken])
        claims = [(number, row) for number, row in taken if row.state == "claimed"]
        if not claims:
            return []
        with self._looking() as index:
            lost = [(number, row) for number, row in claims if index.is_contested(row)]
        if lost:
            self._write([json.dumps(["withdrawn", row.key, row.attempt, self.owner]) for _, row in lost])
        for number, _ in lost:
            accepted[number] = False
        return lost

    def _write(self, lines: Iterable[str]) -> None:
        """Write lines; never again after that has failed, since all, half or nothing of them may be there."""
        if self._broken:
            raise StoreError(self._broken)
        self._broken = f"Cannot write into {self.place}: an earlier write was broken off."
        try:
            self._storage.append("".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            self._broken = f"Cannot write into {self.place}: {_reason(error)}."
            raise StoreError(self._broken) from error
        self._broken = ""

    def iterate(self) -> Iterator[StoredRow]:
        last: bytes | None = b""
        while last is not None:
            with self._looking() as index:
                page, last = index.page(last)
            yield from page

    def remember(self, topic: str, name: str, text: str) -> None:
        with self._guard:
            self._write([json.dumps(["note", topic, name, text])])

    def remembered(self, topic: str) -> list[tuple[str, str]]:
        with self._looking() as index:
            return index.notes(topic)

    def announce(self, text: str) -> None:
        try:
            self._storage.announce(text)
        except OSError as error:
            raise StoreError(f"Cannot write into {self.place}: {_reason(error)}.") from error

    def announced(self) -> str:
        try:
            return self._storage.announced()
        except OSError as error:
            raise StoreError(f"Cannot read {self.place}: {_reason(error)}.") from error

    def heartbeat(self) -> None:
        self._heartbeat_count += 1
        self._leave_heartbeat(self._heartbeat_count)

    def _leave_heartbeat(self, count: int) -> None:
        try:
            self._storage.heartbeat(count)
        except OSError as error:
            raise StoreError(f"Cannot write into {self.place}: {_reason(error)}.") from error

    def heartbeats(self) -> Mapping[str, int]:
        try:
            return self._storage.heartbeats()
        except OSError as error:
            raise StoreError(f"Cannot read {self.place}: {_reason(error)}.") from error

    def close(self) -> None:
        self._stop_beating()
        with self._guard:
            self._is_closed = True
            self._broken = f"{self.place} was closed: open it again."  # others do not look for what is written now
            index, self._index = self._index, None
            if index is not None:
                index.close()
            self._storage.close()
            if self._heartbeat_count and self._process == os.getpid():
                self._heartbeat_count = 0
                retire(partial(self._leave_heartbeat, RETIRED))


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or "").lower() or str(error)
