"""Ray Data: the records of a dataset, called by a pool of actors.

    results = call_rows(dataset, AsyncConcatClient(user="ada"), row_of, "/shared/runs/", concurrency=40)

Ray's own retries are off. With `retries` Ray gives the block of an actor that has died to another one, which looks into
the store first, as a second execution of the dataset does: neither starts what was started before.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow
from ray.data import ActorPoolStrategy, Dataset

from difygen.bulk.backends import AsyncBackend, Journal, StreamsApp
from difygen.bulk.limit import AsyncLimit, pauses, share
from difygen.bulk.rows import ENDED, Row, RowResult
from difygen.bulk.run import Policy, take_row
from difygen.bulk.stores import open_store
from difygen.bulk.stores.base import HEARTBEAT
from difygen.engines import Work, is_elsewhere

_TEXTS = ("key", "state", "status", "outputs", "answer", "error", "error_kind", "workflow_run_id")
_NUMBERS = {"elapsed_time": pyarrow.float64(), "total_tokens": pyarrow.int64()}
COLUMNS = pyarrow.schema({**dict.fromkeys(_TEXTS, pyarrow.string()), **_NUMBERS})
"""What is added to the columns of a dataset; `outputs` is JSON."""


def call_rows(
    dataset: Dataset,
    client: StreamsApp,
    row_of: Callable[[Mapping[str, Any]], Row],
    store: str | os.PathLike[str],
    *,
    concurrency: int,
    actors: int = 2,
    retries: int = 0,
    retry_failed: bool = False,
    rerun_unknown: bool = False,
    num_cpus: float = 0,
) -> Dataset:
    """Return the dataset with what comes of a call for each record, in `COLUMNS`, once it is executed.

    With checkpoints, rows that have not ended are left out, so that the next run takes them up.

    Args:
        dataset: The records. A block of it is the work of one actor.
        client: An async client of the app, of which each actor gets a copy; the key comes from its environment.
        row_of: Makes the row of a record, in the actors.
        store: Where rows are kept: a folder that all machines share, or a URL; a file where there is one machine.
        concurrency: How many calls may go on at a time, of all actors and all drivers that share the store.
        actors: How many actors there are.
        retries: How often Ray may give a block to another actor when one dies; -1 for any number.
        retry_failed: Run those again that ended badly before.
        rerun_unknown: Run those again of which nobody can tell whether they were run. They may run twice then.
        num_cpus: What Ray sets aside for an actor, which waits most of the time; reading and writing need the rest.

    Raises:
        TypeError: The client is not async, or was given a key, or something else that does not travel.
    """
    work = Work.of(client, store, concurrency, Policy(retry_failed, rerun_unknown), is_async=True)
    with warnings.catch_warnings():  # what Ray 2.64 has in the place of options of actors is not said yet
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        return dataset.map_batches(
            Caller,
            batch_size=max(1, concurrency // actors),
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=actors),
            fn_constructor_args=(work, row_of, actors, dataset.context.checkpoint_config is not None),
            num_cpus=num_cpus,
            max_concurrency=4,
            max_restarts=-1 if retries else 0,
            max_task_retries=retries,
        )


# Actors


class Caller:
    """The class for `map_batches`. With `ended_only`, rows that have not ended are left out of what it gives."""

    def __init__(
        self, work: Work, row_of: Callable[[Mapping[str, Any]], Row], actors: int = 1, ended_only: bool = False
    ) -> None:
        self._work, self._row_of, self._actors, self._ended_only = work, row_of, actors, ended_only
        self._backend: AsyncBackend | None = None
        self._batches, self._has_failed = 0, False

    async def __call__(self, batch: pyarrow.Table) -> AsyncIterator[pyarrow.Table]:
        """Call the rows of a batch side by side, and give them with their results.

        Raises:
            JobEndedError: Every row would end like this.
            StoreError: The store cannot be read or written.
            ValueError: The dataset has columns that results have, too.
        """
        if taken := [name for name in COLUMNS.names if name in batch.column_names]:
            raise ValueError(f"the dataset has columns of results: {', '.join(taken)}; rename them before the call")
        rows = [self._row_of(record) for record in batch.to_pylist()]
        self._batches += 1
        try:
            results = await self._results(rows)
        except Exception:
            self._has_failed = True
            raise
        finally:
            self._batches -= 1
            if self._has_failed and not self._batches:
                self._leave()  # Ray may keep this actor, and others are to have what it has begun
        kept = [number for number, each in enumerate(results) if not self._ended_only or each.state in ENDED]
        if len(kept) < len(results):
            logging.getLogger(__name__).warning("%d rows have not ended, and are left out", len(results) - len(kept))
        found = pyarrow.Table.from_pylist([_record(results[number]) for number in kept], schema=COLUMNS)
        batch = batch.take(pyarrow.array(kept, pyarrow.int64()))
        for name in COLUMNS.names:
            batch = batch.append_column(name, found[name])
        yield batch

    async def _results(self, rows: Sequence[Row]) -> list[RowResult]:
        if self._backend is None:  # needs the event loop, which is not there when actors are made
            store = open_store(self._work.store)
            store.hold("")  # no row: others are to see that this actor is there
            limit = AsyncLimit(max(1, self._work.concurrency // self._actors))
            self._backend = AsyncBackend(self._work.client, Journal(store), limit)
            self._sharing = asyncio.create_task(self._share(limit))
        tasks = [asyncio.create_task(self._take(row, self._backend)) for row in rows]
        await asyncio.wait(tasks)  # none is broken off by another
        return [task.result() for task in tasks]

    async def _take(self, row: Row, backend: AsyncBackend) -> RowResult:
        for pause in pauses():
            result = await take_row(row, await backend.read(row.key), backend, self._work.policy)
            if not is_elsewhere(result):
                return result
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def _share(self, limit: AsyncLimit) -> None:
        await asyncio.sleep(HEARTBEAT)  # by then all actors can be seen
        assert self._backend is not None
        await share(self._backend.store, limit, self._work.concurrency)

    def _leave(self) -> None:
        """Close the store, and leave what was begun to others."""
        backend, self._backend, self._has_failed = self._backend, None, False
        if backend is not None:
            self._sharing.cancel()
            backend.store.close()

    def __del__(self) -> None:
        with suppress(Exception):  # Ray calls this when an actor is not needed any more
            self._leave()


def _record(result: RowResult) -> dict[str, Any]:
    """Return what came of a row as a record of `COLUMNS`."""
    tokens = None if result.tokens is None else int(result.tokens)
    record: dict[str, Any] = {"outputs": json.dumps(result.outputs)}
    record |= {"elapsed_time": result.seconds, "total_tokens": tokens}
    for name in _TEXTS:
        text = getattr(result, name) if name not in record else record[name]
        record[name] = None if text is None else str(text).encode(errors="backslashreplace").decode()
    return record
