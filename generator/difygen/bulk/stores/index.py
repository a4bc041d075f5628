"""What stands in the parts of a store, by row: a database that SQLite deletes with the process.

A million rows need little memory, and are read in seconds: lines are kept as they come, one after the other, and a
small tree of hashes says which line is the last word on a row.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice

from difygen.bulk.rows import RANKS, StoredRow

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -8000;
CREATE TABLE lines (id INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TABLE rows (
    hash BLOB NOT NULL PRIMARY KEY, attempt INTEGER NOT NULL, rank INTEGER NOT NULL, line INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE claims (
    hash BLOB NOT NULL, attempt INTEGER NOT NULL, owner TEXT NOT NULL, line BLOB NOT NULL,
    PRIMARY KEY (hash, attempt, owner)
) WITHOUT ROWID;
CREATE TABLE notes (topic TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (topic, name, text));
"""
_TEXT = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_ROW = re.compile(rb'\["row", %b, %b, "(\w+)", (\d+), %b' % (_TEXT, _TEXT, _TEXT))
"""How the line of a row begins: its key, digest, state, attempt and owner. Reading it as JSON takes thrice as long."""

_UPSERT = """
INSERT INTO rows (hash, attempt, rank, line) VALUES (?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET attempt = excluded.attempt, rank = excluded.rank, line = excluded.line
WHERE (excluded.attempt, excluded.rank) > (attempt, rank)
"""
_AT_ONCE = 500
"""Rows that one statement asks for."""

Claim = tuple[bytes, int, bytes]
"""The hash of a row's key, the attempt, and who claims it."""


def line_of(row: StoredRow) -> str:
    """Return a row as a line of a part."""
    members = [row.key, row.digest, row.state, row.attempt, row.owner, row.user, dict(row.ids), row.result]
    return json.dumps(["row", *members])


def _row_of(line: bytes) -> StoredRow:
    _, *members = json.loads(line)
    return StoredRow(*members)


def _hash(key: bytes) -> bytes:
    """Return the hash of a key as JSON writes it, without its quotes."""
    return blake2b(key, digest_size=12).digest()


def _hash_of(key: str) -> bytes:
    return _hash(json.dumps(key)[1:-1].encode())


class PartsIndex:
    """The last word on each row, who claims rows, and what is kept beside them."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        self._last_line = 0
        self.read: dict[str, int] = {}
        """How far each part was taken in."""

    def close(self) -> None:
        """Delete it."""
        self._database.close()

    def add(self, piece: bytes) -> None:
        """Take in whole lines.

        Raises:
            ValueError: One of them is not of this format.
        """
        last: dict[bytes, tuple[int, int, bytes]] = {}
        claims: dict[Claim, bytes] = {}
        withdrawn: set[Claim] = set()
        notes: list[list[str]] = []
        for line in piece.splitlines():
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
                continue
            key_, _, state, number, owner_ = found.groups()
            hashed, attempt, rank = _hash(key_), int(number), RANKS[state.decode()]  # type: ignore[index]
            if not rank:
                claims[hashed, attempt, owner_] = line
                withdrawn.discard((hashed, attempt, owner_))  # it was claimed anew
            elif hashed not in last or last[hashed][:2] < (attempt, rank):
                last[hashed] = attempt, rank, line
        self._keep(last, claims, withdrawn, notes)

    def _keep(
        self,
        last: dict[bytes, tuple[int, int, bytes]],
        claims: dict[Claim, bytes],
        withdrawn: set[Claim],
        notes: list[list[str]],
    ) -> None:
        """Write what a piece has told. Claims on attempts of which more is known than the claim mean nothing."""
        first = self._last_line + 1
        self._last_line += len(last)
        begun = {claim[0] for claim in claims}
        database = self._database
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO lines VALUES (?, ?)",
            ((number, line) for number, (_, _, line) in enumerate(last.values(), first)),
        )
        rows = sorted((hashed, *each[:2], number) for number, (hashed, each) in enumerate(last.items(), first))
        database.executemany(_UPSERT, rows)
        database.executemany(
            "DELETE FROM claims WHERE hash = ? AND attempt <= ?", [row[:2] for row in rows if row[0] not in begun]
        )
        database.executemany(
            "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)",
            [(*claim, line) for claim, line in claims.items() if last.get(claim[0], (0,))[0] < claim[1]],
        )
        database.executemany("DELETE FROM claims WHERE hash = ? AND attempt = ? AND owner = ?", withdrawn)
        database.executemany("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)", notes)
        database.execute("COMMIT")

    def rows(self, keys: Iterable[str]) -> dict[str, StoredRow]:
        """Return what is known of rows, by key."""
        found: dict[str, StoredRow] = {}
        left = map(_hash_of, keys)
        while hashes := list(islice(left, _AT_ONCE)):
            found |= {row.key: row for row in self._last_words(hashes)}
        return found

    def _last_words(self, hashes: Sequence[bytes]) -> list[StoredRow]:
        """Return what is known of rows by the hashes of their keys: their last line, or a claim on a later attempt."""
        marks = ", ".join("?" * len(hashes))
        query = f"SELECT hash, line FROM claims WHERE hash IN ({marks}) ORDER BY attempt, owner DESC"
        claims = {hashed: _row_of(line) for hashed, line in self._database.execute(query, hashes).fetchall()}
        query = f"SELECT r.hash, l.line FROM rows r JOIN lines l ON l.id = r.line WHERE r.hash IN ({marks})"
        rows = {hashed: _row_of(line) for hashed, line in self._database.execute(query, hashes).fetchall()}
        later = {
            hashed: claim
            for hashed, claim in claims.items()
            if hashed not in rows or rows[hashed].attempt < claim.attempt
        }
        return list({**rows, **later}.values())

    def page(self, after: bytes) -> tuple[list[StoredRow], bytes | None]:
        """Return some of all rows, and after which hash the next ones are; None after the last."""
        query = (
            "SELECT hash FROM rows WHERE hash > ?1 UNION SELECT hash FROM claims WHERE hash > ?1 ORDER BY hash LIMIT ?2"
        )
        hashes = [hashed for (hashed,) in self._database.execute(query, (after, _AT_ONCE)).fetchall()]
        return self._last_words(hashes), hashes[-1] if hashes else None

    def is_contested(self, claim: StoredRow) -> bool:
        """Check whether anybody else has a claim on a row, or was quicker."""
        hashed = _hash_of(claim.key)
        query = "SELECT owner FROM claims WHERE hash = ? AND attempt = ?"
        owners = {owner for (owner,) in self._database.execute(query, (hashed, claim.attempt)).fetchall()}
        found = self._database.execute("SELECT attempt FROM rows WHERE hash = ?", (hashed,)).fetchone()
        return owners != {claim.owner.encode()} or (found is not None and found[0] >= claim.attempt)

    def notes(self, topic: str) -> list[tuple[str, str]]:
        """Return what is kept about a topic: names, each with every text that it was ever given."""
        return self._database.execute("SELECT name, text FROM notes WHERE topic = ?", (topic,)).fetchall()
