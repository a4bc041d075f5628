"""What stands in the parts of a store, by row: a database that SQLite deletes with the process.

A small tree of hashes says where the last word on a row stands, so that a million rows need little memory, and are read
in seconds. That of a folder is kept beside its parts, so that a process need not read what others have read before.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import groupby, islice
from operator import itemgetter

from difygen.bulk.rows import RANKS, StoredRow
from difygen.bulk.stores.storage import INDEX, FolderStorage, PartStorage

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4000;
CREATE TABLE parts (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    read INTEGER NOT NULL DEFAULT 0, is_final INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE rows (
    hash BLOB NOT NULL PRIMARY KEY, attempt INTEGER NOT NULL, rank INTEGER NOT NULL,
    part INTEGER NOT NULL, start INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE claims (
    hash BLOB NOT NULL, attempt INTEGER NOT NULL, owner TEXT NOT NULL, part INTEGER NOT NULL, start INTEGER NOT NULL,
    PRIMARY KEY (hash, attempt, owner)
) WITHOUT ROWID;
CREATE TABLE notes (topic TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (topic, name, text));
"""
_TEXT = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_ROW = re.compile(rb'\["row", %b, %b, "(\w+)", (\d+), %b' % (_TEXT, _TEXT, _TEXT))
"""How the line of a row begins: its key, digest, state, attempt and owner. Reading it as JSON takes thrice as long."""

_UPSERT = """
INSERT INTO rows (hash, attempt, rank, part, start) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE
SET attempt = excluded.attempt, rank = excluded.rank, part = excluded.part, start = excluded.start
WHERE (excluded.attempt, excluded.rank) > (attempt, rank)
"""
_NOT_OURS = (
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
    *(sqlite3.InterfaceError, sqlite3.ProgrammingError),
)
"""What lines come to that are no rows, notes or claims withdrawn."""

_AT_ONCE = 500
"""Rows that one statement asks for."""

Claim = tuple[bytes, int, bytes]
"""The hash of a row's key, the attempt, and who claims it."""

LEAST = 1 << 22
"""Bytes of parts that are read sooner than an index of them is written."""

_TABLES = ("parts", "rows", "claims", "notes")
_PARTS = "INSERT INTO parts VALUES (NULL, ?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET read = ?2, is_final = ?3"


def line_of(row: StoredRow) -> str:
    """Return a row as a line of a part."""
    members = [row.key, row.digest, row.state, row.attempt, row.owner, row.user, dict(row.ids), row.result]
    return json.dumps(["row", *members])


def _hash(key: bytes) -> bytes:
    """Return the hash of a key as JSON writes it, without its quotes."""
    return blake2b(key, digest_size=12).digest()


def _hash_of(key: str) -> bytes:
    return _hash(json.dumps(key)[1:-1].encode())


class PartsIndex:
    """The last word on each row, who claims rows, and what is kept beside them.

    `size` is how many bytes of the parts were taken in.
    """

    def __init__(self, storage: PartStorage, is_alive: Callable[[str], bool]) -> None:
        self._storage, self._is_alive, self.size = storage, is_alive, 0
        self.database = sqlite3.connect("", isolation_level=None, check_same_thread=False, uri=True)
        self.database.executescript(_SCHEMA)

    def close(self) -> None:
        """Delete it."""
        self.database.close()

    def catch_up(self) -> None:
        """Take in what was added to the parts since the last time.

        Raises:
            ValueError: A line is not of this format.
        """
        for part, start, data in self._storage.news():
            try:
                self._add(part, start, data)
            except _NOT_OURS as error:
                raise ValueError(f"{part}.jsonl holds what this difygen does not write ({error})") from error
            self.size += len(data)

    def _add(self, part: str, start: int, data: bytes) -> None:
        last: dict[bytes, tuple[int, int, int]] = {}
        claims: dict[Claim, int] = {}
        withdrawn: set[Claim] = set()
        notes: list[list[str]] = []
        for line in data.split(b"\n")[:-1]:
            found = _ROW.match(line)
            if found is None:
                first, *members = json.loads(line)
                if first == "note":
                    notes.append(members)
                elif first == "withdrawn":
                    key, attempt, owner = members
                    withdrawn.add(claim := (_hash_of(key), attempt, owner.encode()))
                    claims.pop(claim, None)
                else:
                    raise ValueError(f"a line begins with {first!r}")
            else:
                key_, _, state, number, owner_ = found.groups()
                hashed, attempt, rank = _hash(key_), int(number), RANKS[state.decode()]  # type: ignore[index]
                if not rank:
                    claims[hashed, attempt, owner_] = start
                    withdrawn.discard((hashed, attempt, owner_))  # it was claimed anew
                elif hashed not in last or last[hashed][:2] < (attempt, rank):
                    last[hashed] = attempt, rank, start
            start += len(line) + 1
        self._enter(part, last, claims, withdrawn, notes)

    def _enter(
        self,
        part: str,
        last: dict[bytes, tuple[int, int, int]],
        claims: dict[Claim, int],
        withdrawn: set[Claim],
        notes: list[list[str]],
    ) -> None:
        """Write what a piece has told. Claims on attempts of which more is known than the claim mean nothing."""
        begun = {claim[0] for claim in claims}
        database = self.database
        database.execute("BEGIN")
        database.execute("INSERT OR IGNORE INTO parts (name) VALUES (?)", (part,))
        (number,) = database.execute("SELECT id FROM parts WHERE name = ?", (part,)).fetchone()
        rows = sorted((hashed, attempt, rank, number, start) for hashed, (attempt, rank, start) in last.items())
        database.executemany(_UPSERT, rows)
        database.executemany(
            "DELETE FROM claims WHERE hash = ? AND attempt <= ?", [row[:2] for row in rows if row[0] not in begun]
        )
        database.executemany(
            "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)",
            [(*claim, number, start) for claim, start in claims.items() if last.get(claim[0], (0,))[0] < claim[1]],
        )
        database.executemany("DELETE FROM claims WHERE hash = ? AND attempt = ? AND owner = ?", withdrawn)
        database.executemany("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)", notes)
        database.execute("COMMIT")

    def rows(self, keys: Iterable[str]) -> dict[str, StoredRow]:
        """Return what is known of rows, by key.

        Raises:
            ValueError: A part has changed otherwise than by growing.
        """
        found: dict[str, StoredRow] = {}
        hashes = {_hash_of(key): key for key in keys}
        left = iter(hashes)
        while batch := list(islice(left, _AT_ONCE)):
            found |= {row.key: row for row in self._last_words(batch)}
        if not found.keys() <= set(hashes.values()):
            raise ValueError("a part has changed other than by growing")
        return found

    def _last_words(self, hashes: Sequence[bytes]) -> Iterator[StoredRow]:
        """Read what is known of rows by the hashes of their keys: their last line, or a claim on a later attempt."""
        marks = ", ".join("?" * len(hashes))
        query = (
            f"SELECT hash, attempt, part, start, owner FROM claims WHERE hash IN ({marks}) ORDER BY attempt, owner DESC"
        )
        claims = self.database.execute(query, hashes).fetchall()
        if len(claims) > len({claim[0] for claim in claims}):  # who has died may have left one beside that which stands
            claims.sort(key=lambda claim: (claim[1], self._is_alive(claim[4].decode())))
        found = {hashed: word for hashed, *word, _ in claims}
        query = f"SELECT hash, attempt, part, start FROM rows WHERE hash IN ({marks})"
        for hashed, *word in self.database.execute(query, hashes):
            if hashed not in found or found[hashed][0] <= word[0]:
                found[hashed] = word
        places = sorted((part, start) for _, part, start in found.values())
        for number, group in groupby(places, itemgetter(0)):
            (part,) = self.database.execute("SELECT name FROM parts WHERE id = ?", (number,)).fetchone()
            for line in self._storage.lines(part, (start for _, start in group)):
                _, *members = json.loads(line)
                yield StoredRow(*members)

    def page(self, after: bytes) -> tuple[list[StoredRow], bytes | None]:
        """Return some of all rows, and after which hash the next ones are; None after the last."""
        query = (
            "SELECT hash FROM rows WHERE hash > ?1 UNION SELECT hash FROM claims WHERE hash > ?1 ORDER BY hash LIMIT ?2"
        )
        hashes = [hashed for (hashed,) in self.database.execute(query, (after, _AT_ONCE)).fetchall()]
        return list(self._last_words(hashes)), hashes[-1] if hashes else None

    def is_contested(self, claim: StoredRow) -> bool:
        """Check whether anybody else has a claim on a row, or was quicker."""
        hashed = _hash_of(claim.key)
        query = "SELECT owner FROM claims WHERE hash = ? AND attempt = ?"
        owners = {owner for (owner,) in self.database.execute(query, (hashed, claim.attempt)).fetchall()}
        found = self.database.execute("SELECT attempt FROM rows WHERE hash = ?", (hashed,)).fetchone()
        return owners != {claim.owner.encode()} or (found is not None and found[0] >= claim.attempt)

    def notes(self, topic: str) -> list[tuple[str, str]]:
        """Return what is kept about a topic: names, each with every text that it was ever given."""
        return self.database.execute("SELECT name, text FROM notes WHERE topic = ?", (topic,)).fetchall()


# Kept beside a folder's parts


class FolderIndex(PartsIndex):
    """An index that begins with what is kept in the folder, and keeps there what it knows, as a whole or not at all."""

    def __init__(self, storage: FolderStorage, is_alive: Callable[[str], bool]) -> None:
        super().__init__(storage, is_alive)
        self._folder = storage
        self._path = storage.folder.resolve() / INDEX
        self._kept = 0
        try:
            self._load()
        except (sqlite3.Error, OSError, TypeError):
            self.close()  # it may be filled by half
            super().__init__(storage, is_alive)

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
