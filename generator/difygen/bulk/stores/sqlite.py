"""A store in one SQLite file, for any number of processes of one machine.

The journal is SQLite's write-ahead log, synced with every transaction: a process that is killed, a full disk and a
power cut lose nothing that was said to be written. A batch of rows is one statement, since each step of a statement
lets go of Python's lock, and gets it back late where another thread is busy.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any

from difygen.bulk.rows import StoredRow, may_follow
from difygen.bulk.stores.base import RETIRED, Store, StoreError, retire

PATIENCE = 60.0
"""Seconds to wait for another process to finish its transaction."""

_MARK = 0x64696679  # "dify": what SQLite's header says the file is for
_VERSION = 2
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, beats INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL, owner INTEGER NOT NULL, user TEXT, ids TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS results (id INTEGER PRIMARY KEY, result TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (
    topic TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (topic, name)
) WITHOUT ROWID;
PRAGMA application_id = {_MARK};
PRAGMA user_version = {_VERSION};
"""
_TO_ALL = "to all"
_COLUMNS = "r.key, r.digest, r.state, r.attempt, r.owner, r.user, json(r.ids)"
_READ = f"""
SELECT json_group_array(json_array({_COLUMNS}, {{result}}))
FROM rows r {{results}}
WHERE r.key IN (SELECT value FROM json_each(?))
"""
_READ_ALL = _READ.format(result="t.result", results="LEFT JOIN results t ON t.id = r.id")
_READ_STATES = _READ.format(result="NULL", results="")
_WRITE = """
INSERT INTO rows (key, digest, state, attempt, owner, user, ids)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), ?, json_extract(value, '$[5]'), json_extract(value, '$[6]')
FROM json_each(?) WHERE true
ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, state = excluded.state, attempt = excluded.attempt,
    owner = excluded.owner, user = excluded.user, ids = excluded.ids
"""
_WRITE_RESULTS = """
INSERT INTO results (id, result)
SELECT r.id, json_extract(value, '$[1]') FROM json_each(?) JOIN rows r ON r.key = json_extract(value, '$[0]') WHERE true
ON CONFLICT (id) DO UPDATE SET result = excluded.result
"""
_DROP_RESULTS = "DELETE FROM results WHERE id IN (SELECT r.id FROM rows r JOIN json_each(?) ON r.key = value)"
_PAGE = f"""
SELECT r.id, {_COLUMNS}, t.result FROM rows r LEFT JOIN results t ON t.id = r.id
WHERE r.id > ? ORDER BY r.id LIMIT 1000
"""


class SqliteStore(Store):
    """Rows in the SQLite file `path`, which is made where there is none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        self._guard = RLock()
        self._connection: sqlite3.Connection | None = None
        self._owners: dict[int, str] = {}
        self._is_registered = False
        with self._talking() as connection:
            self._set_up(connection)

    def __reduce__(self) -> tuple[type[SqliteStore], tuple[str]]:
        return SqliteStore, (str(self.path),)

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")  # all three of one moment: another process may just make the store
        is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("COMMIT")
        if mark != _MARK and not is_empty:
            raise StoreError(f"{self.path} is a database of something else; choose another place for the store.")
        if version > _VERSION:
            raise StoreError(f"{self.path} was written by a newer difygen; use that one, or another store.")
        if mark != _MARK or version < _VERSION:  # each version has only added tables
            self._write_ahead(connection)
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    @staticmethod
    def _write_ahead(connection: sqlite3.Connection) -> None:
        """Switch to the write-ahead log. SQLite itself does not wait here for others who do so at the same moment."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(random.uniform(0.001, 0.02))

    @contextmanager
    def _talking(self) -> Iterator[sqlite3.Connection]:
        """Use the connection, one thread at a time; a forked process gets one of its own."""
        with self._guard:
            if self._process != os.getpid():
                raise StoreError(f"{self.path} was opened by another process: open it where it is used.")
            try:
                if self._connection is None:
                    self._connection = sqlite3.connect(
                        self.path.absolute(), timeout=PATIENCE, isolation_level=None, check_same_thread=False
                    )
                    self._connection.execute("PRAGMA synchronous = FULL")
                yield self._connection
            except sqlite3.Error as error:
                raise StoreError(f"Cannot use {self.path}: {self._reason(error)}.") from error

    def _reason(self, error: sqlite3.Error) -> str:
        """Say what keeps the store from being used, and what to do, where SQLite says neither."""
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_CANTOPEN if not self.path.parent.is_dir():
                return f"there is no folder {self.path.parent}; make it, or choose another place for the store"
            case sqlite3.SQLITE_CANTOPEN:
                return f"no file can be opened in {self.path.parent}; check its permissions, or choose another place"
            case sqlite3.SQLITE_NOTADB:
                return "it is a file of something else; choose another place for the store"
        return str(error)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._talking() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def read(self, keys: Sequence[str], *, results: bool = True) -> dict[str, StoredRow]:
        with self._talking() as connection:
            (text,) = connection.execute(_READ_ALL if results else _READ_STATES, (json.dumps(keys),)).fetchone()
            return self._rows(connection, json.loads(text))

    def _rows(self, connection: sqlite3.Connection, found: list[list[Any]]) -> dict[str, StoredRow]:
        """Return rows by key, with the names of their owners in the place of numbers."""
        owners = self._owners
        rows = {}
        for key, digest, state, attempt, owner, user, ids, result in found:
            if owner not in owners:
                owners.update(connection.execute("SELECT id, name FROM owners").fetchall())
            rows[key] = StoredRow(key, digest, state, attempt, owners[owner], user, ids, result)
        return rows

    def apply(self, rows: Sequence[StoredRow]) -> list[bool]:
        with self._writing() as connection:
            keys = json.dumps([row.key for row in rows])
            (text,) = connection.execute(_READ_STATES, (keys,)).fetchone()
            known = self._rows(connection, json.loads(text))
            accepted: list[bool] = []
            changed: dict[str, StoredRow] = {}
            for row in rows:
                accepted.append(may_follow(known.get(row.key), row))
                if accepted[-1]:
                    known[row.key] = changed[row.key] = row
            if changed:
                self._write(connection, list(changed.values()))
        return accepted

    def _write(self, connection: sqlite3.Connection, rows: Sequence[StoredRow]) -> None:
        owner = self._own_id(connection)
        members = [[r.key, r.digest, r.state, r.attempt, None, r.user, json.dumps(dict(r.ids))] for r in rows]
        connection.execute(_WRITE, (owner, json.dumps(members)))
        results = [[row.key, row.result] for row in rows if row.result is not None]
        if results:
            connection.execute(_WRITE_RESULTS, (json.dumps(results),))
        again = [row.key for row in rows if row.state == "claimed" and row.attempt > 1]
        if again:
            connection.execute(_DROP_RESULTS, (json.dumps(again),))

    def _own_id(self, connection: sqlite3.Connection) -> int:
        self._is_registered = True
        connection.execute("INSERT OR IGNORE INTO owners (name, beats) VALUES (?, 0)", (self.owner,))
        found: int = connection.execute("SELECT id FROM owners WHERE name = ?", (self.owner,)).fetchone()[0]
        return found

    def iterate(self) -> Iterator[StoredRow]:
        last = -1
        while True:
            with self._talking() as connection:
                page = connection.execute(_PAGE, (last,)).fetchall()
                found = self._rows(connection, [[*row[1:7], json.loads(row[7]), row[8]] for row in page])
            yield from found.values()
            if not page:
                return
            last = page[-1][0]

    def remember(self, topic: str, name: str, text: str) -> None:
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (topic, name, text))

    def remembered(self, topic: str) -> list[tuple[str, str]]:
        with self._talking() as connection:
            return connection.execute("SELECT name, text FROM notes WHERE topic = ?", (topic,)).fetchall()

    def announce(self, text: str) -> None:
        self.remember(_TO_ALL, "", text)

    def announced(self) -> str:
        return dict(self.remembered(_TO_ALL)).get("", "")

    def heartbeat(self) -> None:
        with self._writing() as connection:
            self._own_id(connection)
            connection.execute("UPDATE owners SET beats = beats + 1 WHERE name = ?", (self.owner,))

    def heartbeats(self) -> Mapping[str, int]:
        with self._talking() as connection:
            found: list[tuple[str, int]] = connection.execute("SELECT name, beats FROM owners").fetchall()
        return dict(found)

    def close(self) -> None:
        self._stop_beating()
        with self._guard:
            connection, self._connection = self._connection, None
            if connection is not None and self._process == os.getpid():
                if self._is_registered:
                    retire(self._leave)
                connection.close()

    def _leave(self) -> None:
        """Take oneself out of those that are at work, by a connection of its own: the store may be closed by now."""
        if self.path.exists():
            with closing(sqlite3.connect(self.path.absolute(), timeout=PATIENCE, isolation_level=None)) as connection:
                connection.execute("UPDATE owners SET beats = ? WHERE name = ?", (RETIRED, self.owner))
