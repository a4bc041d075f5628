"""A store in a folder that many machines share: parts that are only ever added to, each by one process. No locks.

A part is JSON lines. A process writes into its own, reads those of others from where it has stopped, and keeps what it
has read in an index of its own, a database that SQLite deletes with it, so that a million rows need no memory.

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
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

from difygen.bulk.owners import RETIRED
from difygen.bulk.rows import RANKS, StoredRow, may_follow
from difygen.bulk.store import Store, StoreError

ROUNDS = 6
"""How often a row is tried for that another claims at the same time."""

_SCHEMA = """
CREATE TABLE rows (
    key TEXT NOT NULL PRIMARY KEY, attempt INTEGER NOT NULL, rank INTEGER NOT NULL, line TEXT NOT NULL
);
CREATE TABLE claims (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, owner TEXT NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (key, attempt, owner)
) WITHOUT ROWID;
"""


class Shelf(Protocol):
    """Where parts lie. What `append` has written, and `news` of other shelves finds, are whole lines."""

    def append(self, data: bytes) -> None:
        """Add lines to the part of this process, for good."""
        ...

    def news(self) -> Iterator[bytes]:
        """Read what was added since the last time, by anybody, in pieces of whole lines."""
        ...

    def beat(self, count: int) -> None:
        """Leave the count of this process's beats."""
        ...

    def beats(self) -> Mapping[str, int]:
        """Read those of all."""
        ...


class FolderShelf:
    """A folder of this machine, or of a network file system.

    NFS shows what another machine has written once the file is opened anew, which is done for each look.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder, self._name = folder, owner.replace(":", "-")
        self._owner = owner
        self._read: dict[str, int] = {}
        self._has_failed = False
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        if self._has_failed:  # its last line may be half a line
            raise OSError("an earlier write has failed")
        self._has_failed = True
        file = os.open(self._folder / f"{self._name}.jsonl", flags, 0o666)
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        finally:
            os.close(file)
        self._has_failed = False

    def news(self) -> Iterator[bytes]:
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path.name, 0))
                while piece := file.read(1 << 20):
                    whole = piece[: piece.rfind(b"\n") + 1] or _rest_of_line(piece, file)
                    if not whole:
                        break  # a line that is still written, or was cut off for good
                    self._read[path.name] = self._read.get(path.name, 0) + len(whole)
                    file.seek(self._read[path.name])
                    yield whole

    def beat(self, count: int) -> None:
        path = self._folder / f"{self._name}.beat"
        path.write_text(json.dumps([self._owner, count]), "utf-8")

    def beats(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for path in self._folder.glob("*.beat"):
            try:
                owner, count = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError):  # it is written just now
                continue
            found[owner] = count
        return found


def _rest_of_line(piece: bytes, file: Any) -> bytes:
    """Return a line that is longer than a piece; empty where its end is not there."""
    rest: bytes = file.readline()
    return piece + rest if rest.endswith(b"\n") else b""


_WHOLE = b"\n"
"""What ends an object: an empty line."""


class ObjectShelf:
    """A place of fsspec, such as a bucket: what is added is an object of its own, which never changes.

    Each process numbers its objects, in a folder of its own: so the next one of each is asked for, and a place with a
    million objects is never listed.
    """

    def __init__(self, url: str, owner: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise StoreError(f"{url} needs fsspec: pip install 'difygen[shared]'.") from error
        with _reaching(url):
            self._files, root = url_to_fs(url, use_listings_cache=False)
            self._root, self._owner, self._name = root.rstrip("/"), owner, owner.replace(":", "-")
            self._files.makedirs(f"{self._root}/{self._name}", exist_ok=True)
        self._count = 0
        self._read: dict[str, int] = {}

    def append(self, data: bytes) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{self._name}/{self._count:09}.jsonl", data + _WHOLE)
        self._count += 1

    def _writers(self) -> list[str]:
        self._files.invalidate_cache()
        return sorted(str(path).rstrip("/") for path in self._files.ls(self._root, detail=False))

    def news(self) -> Iterator[bytes]:
        with _reaching(self._root):
            writers = self._writers()
        for writer in writers:
            while (piece := self._object(f"{writer}/{self._read.get(writer, 0):09}.jsonl")) is not None:
                if not piece.endswith(b"\n" + _WHOLE):
                    break  # buckets show whole objects alone, but other file systems do not
                self._read[writer] = self._read.get(writer, 0) + 1
                yield piece.removesuffix(_WHOLE)

    def _object(self, path: str) -> bytes | None:
        with _reaching(self._root):
            try:
                found: bytes = self._files.cat_file(path)
            except FileNotFoundError:
                return None
            return found

    def beat(self, count: int) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{self._name}/beat.json", json.dumps([self._owner, count]).encode())

    def beats(self) -> Mapping[str, int]:
        with _reaching(self._root):
            found = [self._object(f"{writer}/beat.json") for writer in self._writers()]
        return dict(json.loads(beat) for beat in found if beat)


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    """Turn what a library of some file system raises into an OSError."""
    try:
        yield
    except (OSError, StoreError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__} at {place}: {error}") from error


class PartsStore(Store):
    """Rows in a folder of parts, or below a URL that fsspec knows, such as `s3://bucket/runs`."""

    def __init__(self, place: str | os.PathLike[str]) -> None:
        super().__init__()
        self.place = os.fspath(place)
        self._guard = RLock()
        self._beat_count = 0
        self._index: sqlite3.Connection | None = None
        try:
            shelf: Shelf = (
                ObjectShelf(self.place, self.owner)
                if "://" in self.place
                else FolderShelf(Path(self.place), self.owner)
            )
        except OSError as error:
            raise StoreError(f"Cannot use {self.place}: {_reason(error)}.") from error
        self._shelf = shelf
        self._open_index()

    def __reduce__(self) -> tuple[type[PartsStore], tuple[str]]:
        return PartsStore, (self.place,)

    def _open_index(self) -> sqlite3.Connection:
        if self._index is None:
            self._index = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._index.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
        return self._index

    def read(self, keys: Sequence[str], *, results: bool = True) -> dict[str, StoredRow]:
        with self._guard:
            self._look()
            found = self._known(keys)
        return found if results else {key: row._replace(result=None) for key, row in found.items()}

    def apply(self, rows: Sequence[StoredRow]) -> list[bool]:
        """Write what may follow. Claims that others make at the same time are taken back, and tried again."""
        with self._guard:
            told = [False] * len(rows)
            left = list(enumerate(rows))
            for round_ in range(ROUNDS):
                left = self._apply(left, told)
                if not left:
                    break
                time.sleep(random.uniform(0.0, 0.02 * 2**round_))
        return told

    def _apply(self, rows: Sequence[tuple[int, StoredRow]], told: list[bool]) -> list[tuple[int, StoredRow]]:
        """Write rows, and return those whose claims met others'."""
        self._look()
        known = self._known([row.key for _, row in rows])
        taken = []
        for number, row in rows:
            told[number] = may_follow(known.get(row.key), row)
            if told[number]:
                known[row.key] = row
                taken.append((number, row))
        if not taken:
            return []
        self._write([_line(row) for _, row in taken])
        claims = [(number, row) for number, row in taken if row.state == "claimed"]
        if not claims:
            return []
        self._look()
        lost = [(number, row) for number, row in claims if self._is_contested(row)]
        if lost:
            self._write([json.dumps(["withdrawn", row.key, row.attempt, self.owner]) for _, row in lost])
            self._look()
        for number, _ in lost:
            told[number] = False
        return lost

    def _is_contested(self, claim: StoredRow) -> bool:
        """Check whether anybody else has a claim on a row, or was quicker."""
        query = "SELECT count(*) FROM claims WHERE key = ? AND attempt = ? AND owner != ?"
        index = self._open_index()
        others: int = index.execute(query, (claim.key, claim.attempt, self.owner)).fetchone()[0]
        found = index.execute("SELECT attempt FROM rows WHERE key = ?", (claim.key,)).fetchone()
        return others > 0 or (found is not None and found[0] >= claim.attempt)

    def _write(self, lines: Iterable[str]) -> None:
        try:
            self._shelf.append("".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            raise StoreError(f"Cannot write into {self.place}: {_reason(error)}.") from error

    def _look(self) -> None:
        """Take what was added to the parts into the index."""
        if self._process != os.getpid():
            raise StoreError(f"{self.place} was opened by another process: open it where it is used.")
        index = self._open_index()
        try:
            for piece in self._shelf.news():
                index.execute("BEGIN")
                for line in piece.splitlines():
                    self._take(index, line)
                index.execute("COMMIT")
        except (OSError, ValueError, TypeError, sqlite3.Error) as error:
            raise StoreError(f"Cannot read {self.place}: {_reason(error)}.") from error

    def _take(self, index: sqlite3.Connection, line: bytes) -> None:
        first, *members = json.loads(line)
        if first == "withdrawn":
            index.execute("DELETE FROM claims WHERE key = ? AND attempt = ? AND owner = ?", members)
            return
        key, _, state, attempt, owner, *_ = members
        text = line.decode()
        if state == "claimed":
            index.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", (key, attempt, owner, text))
            return
        index.execute(
            "INSERT INTO rows (key, attempt, rank, line) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "attempt = excluded.attempt, rank = excluded.rank, line = excluded.line "
            "WHERE (excluded.attempt, excluded.rank) > (attempt, rank)",
            (key, attempt, RANKS[state], text),
        )
        index.execute("DELETE FROM claims WHERE key = ? AND attempt <= ?", (key, attempt))

    def _known(self, keys: Sequence[str]) -> dict[str, StoredRow]:
        index = self._open_index()
        text = json.dumps(keys)
        found = {
            row.key: row
            for (line,) in index.execute(
                "SELECT line FROM rows WHERE key IN (SELECT value FROM json_each(?))", (text,)
            ).fetchall()
            for row in [_row(line)]
        }
        query = "SELECT line FROM claims WHERE key IN (SELECT value FROM json_each(?)) ORDER BY attempt, owner"
        for (line,) in index.execute(query, (text,)).fetchall():
            claim = _row(line)
            earlier = found.get(claim.key)
            if earlier is None or earlier.attempt < claim.attempt:
                found[claim.key] = claim
        return found

    def iterate(self) -> Iterator[StoredRow]:
        with self._guard:
            self._look()
        last = ""
        query = (
            "SELECT DISTINCT key FROM (SELECT key FROM rows UNION SELECT key FROM claims) "
            "WHERE key > ? ORDER BY key LIMIT 1000"
        )
        while True:
            with self._guard:
                keys = [key for (key,) in self._open_index().execute(query, (last,)).fetchall()]
                page = self._known(keys)
            for key in keys:
                last = key
                yield page[key]
            if not keys:
                return

    def beat(self) -> None:
        self._beat_count += 1
        self._leave_beat(self._beat_count)

    def _leave_beat(self, count: int) -> None:
        try:
            self._shelf.beat(count)
        except OSError as error:
            raise StoreError(f"Cannot write into {self.place}: {_reason(error)}.") from error

    def beats(self) -> Mapping[str, int]:
        try:
            return self._shelf.beats()
        except OSError as error:
            raise StoreError(f"Cannot read {self.place}: {_reason(error)}.") from error

    def close(self) -> None:
        self._stop_beating()
        with self._guard:
            index, self._index = self._index, None
            if index is not None:
                index.close()
            if index is not None and self._beat_count and self._process == os.getpid():
                self._leave_beat(RETIRED)


def _line(row: StoredRow) -> str:
    members = [row.key, row.digest, row.state, row.attempt, row.owner, row.user, dict(row.ids), row.result]
    return json.dumps(["row", *members])


def _row(line: str) -> StoredRow:
    _, *members = json.loads(line)
    return StoredRow(*members)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
