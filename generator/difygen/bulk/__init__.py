"""Runs over tables of any size, that lose nothing and start nothing twice.

    with open_store("runs.db") as store, ConcatClient() as client:
        result = run_row(client, Row.of("concat", {"string": "a", "num": 1, "list": "list_a"}), store)

`run_row` and `arun_row` take one row to its end, wherever an earlier call has left it; `AsyncJob` takes a table of
them. A store is a SQLite file on one machine, or a folder of parts that many machines share.

rows      what a row is, what came of it, and which state may follow on which
stores    what a store does, and its two kinds
run       the way of a row; recovery finds what was begun before, outcome says what an exception means
hands     a client and a store, awaited or not; limit is how many calls may go on, journal joins the writes of many
sharing   what processes leave each other of the server; pages are stretches of a table that have ended
job       rows by the million, with a bounded number of them in memory
"""

from __future__ import annotations

from difygen.bulk.job import AsyncJob
from difygen.bulk.limit import AsyncLimit, Limit
from difygen.bulk.recovery import JobEndedError
from difygen.bulk.rows import Row, RowResult, StoredRow
from difygen.bulk.run import arun_row, run_row
from difygen.bulk.stores.base import Store, StoreError
from difygen.bulk.stores.parts import PartsStore
from difygen.bulk.stores.places import open_store
from difygen.bulk.stores.sqlite import SqliteStore
from difygen.bulk.tally import Tally

__all__ = [
    "AsyncJob",
    "AsyncLimit",
    "JobEndedError",
    "Limit",
    "PartsStore",
    "Row",
    "RowResult",
    "SqliteStore",
    "Store",
    "StoreError",
    "StoredRow",
    "Tally",
    "arun_row",
    "open_store",
    "run_row",
]
