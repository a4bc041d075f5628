"""Writes of many tasks, kept together: what comes while the store is at work is written next, all at once.

So a thousand rows a second cost a few transactions, and the event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from difygen.bulk.rows import RANKS, StoredRow
from difygen.bulk.stores.base import Store

ResultT = TypeVar("ResultT")


class Journal:
    """Writes into a store from the tasks of one event loop, in the order of their calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "difygen-bulk-store")
        self._waiting: list[tuple[StoredRow, asyncio.Future[bool] | None]] = []
        self._noted: dict[str, int] = {}
        self._is_writing = False
        self._error: BaseException | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def write(self, row: StoredRow) -> bool:
        """Write a row for good; False if the store knows better."""
        written: asyncio.Future[bool] = self._loop.create_future()
        self._add(row, written)
        return await written

    def note(self, row: StoredRow) -> None:
        """Write a row soon. One that is overtaken meanwhile by a later state of the same row is left out."""
        self._noted[row.key] = len(self._waiting)
        self._add(row, None)

    async def read(self, keys: Sequence[str]) -> dict[str, StoredRow]:
        """Read rows, with all that was said to be written."""
        return await self.do(self.store.read, keys)

    def look_up(self, keys: Sequence[str]) -> asyncio.Future[dict[str, StoredRow]]:
        """Begin to read the states of rows."""
        return self.do(lambda: self.store.read(keys, results=False))

    def do(self, work: Callable[..., ResultT], *arguments: Any) -> asyncio.Future[ResultT]:
        """Begin something else that the store does, after what was begun before."""
        begun = self._loop.run_in_executor(self._thread, work, *arguments)
        begun.add_done_callback(lambda done: done.cancelled() or done.exception())  # else asyncio prints it
        return begun

    async def close(self) -> None:
        """Write what still waits.

        Raises:
            StoreError: Something could not be written.
        """
        await self._idle.wait()
        await self.do(lambda: None)  # after all else that was begun
        self._thread.shutdown(wait=False)
        if self._error is not None:
            raise self._error

    def _add(self, row: StoredRow, written: asyncio.Future[bool] | None) -> None:
        if self._error is not None:
            raise self._error
        noted = self._noted.pop(row.key, None) if written is not None else None
        if noted is not None and RANKS[row.state] > RANKS["started"]:
            self._waiting[noted] = (row, written)  # in the place of what was noted: one write for two
            return
        self._waiting.append((row, written))
        if not self._is_writing:
            self._is_writing = True
            self._idle.clear()
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        self._noted.clear()
        work = self._loop.run_in_executor(self._thread, self.store.apply, [row for row, _ in batch])
        work.add_done_callback(lambda done: self._settle(batch, done))

    def _settle(
        self, batch: list[tuple[StoredRow, asyncio.Future[bool] | None]], done: asyncio.Future[list[bool]]
    ) -> None:
        error = done.exception()
        if error is not None:
            self._error = self._error or error
            batch, self._waiting = [*batch, *self._waiting], []
        for number, (_, written) in enumerate(batch):
            if written is None or written.done():
                continue
            if error is not None:
                written.set_exception(error)
            else:
                written.set_result(done.result()[number])
        if self._waiting:
            self._loop.call_soon(self._flush)
        else:
            self._is_writing = False
            self._idle.set()
