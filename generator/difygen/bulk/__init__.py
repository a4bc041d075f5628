"""Runs over tables of any size, that lose nothing and start nothing twice.

    with open_store("runs.db") as store, ConcatClient() as client:
        result = run_row(client, Row.of("concat", {"string": "a", "num": 1, "list": "list_a"}), store)

`run_row` and `arun_row` take one row to its end, wherever an earlier call has left it; `AsyncJob` takes a table of
them. A store is a SQLite file on one machine, or a folder of parts that many machines share.

rows      what a row is, what came of it, what an exception means, and which state may follow on which
stores    what a store does, and its two kinds
limit     how many calls may go on, beside those of other processes
backends  a client and a store, awaited or not; a journal joins the writes of many
run       the way of a row, and of what was begun before
pages     stretches of a table that have ended
job       rows by the million, with a bounded number of them in memory, and how they come out
"""

from __future__ import annotations

from difygen.bulk.job import AsyncJob, Tally
from difygen.bulk.limit import AsyncLimit, Limit
from difygen.bulk.rows import Row, RowResult, StoredRow
from difygen.bulk.run import JobEndedError, arun_row, run_row
from difygen.bulk.stores import open_store
from difygen.bulk.stores.base import Store, StoreError
from difygen.bulk.stores.parts import PartsStore
from difygen.bulk.stores.sqlite import SqliteStore

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
