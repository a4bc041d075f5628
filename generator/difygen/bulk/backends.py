"""What the way of a row needs of a client and of a store: awaited, or, for a blocking client, done at once.

The way is written once, as coroutines (`run`). Those of `BlockingBackend` never suspend, so that no event loop is
needed. Those of `AsyncBackend` write through a `Journal`, which keeps the writes of many tasks together: what comes
while the store is at work is written next, all at once. So a thousand rows a second cost a few transactions, and the
event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from difygen.bulk.limit import AsyncLimit, Limit
from difygen.bulk.rows import RANKS, Row, StoredRow
from difygen.bulk.stores.base import Store, StoreError

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


# Backends


class StreamsApp(Protocol):
    """A client that difygen has generated, of any kind of app, blocking or not."""

    @property
    def stream(self) -> Callable[..., Any]:
        """Begins a run or a turn."""
        ...


class Backend(Protocol):
    """What one row needs."""

    store: Store
    limit: Limit
    client: Any
    options: Mapping[str, Any]

    async def read(self, key: str) -> StoredRow | None: ...
    async def write(self, row: StoredRow) -> bool: ...
    async def note(self, row: StoredRow) -> None: ...
    async def advance(self, stream: Any) -> bool: ...
    async def result(self, stream: Any) -> Any: ...
    async def close(self, stream: Any) -> None: ...
    async def call(self, method: str, *arguments: Any, **options: Any) -> Any: ...
    async def first(self, items: Any, wanted: Callable[[Any], Any]) -> Any: ...
    async def sleep(self, seconds: float) -> None: ...
    async def announce(self, text: str) -> None: ...
    async def listen(self) -> None: ...
    def slot(self) -> Any: ...


_LIMITS: WeakKeyDictionary[Any, Limit] = WeakKeyDictionary()
_MANY = 1_000_000


def limit_of(client: Any) -> Limit:
    """Return the limit that all threads share which use a client and were given none: it only slows them down."""
    return _LIMITS.setdefault(client, Limit(_MANY))


class BlockingBackend:
    """A blocking client, and the store itself."""

    def __init__(self, client: Any, store: Store, limit: Limit | None) -> None:
        if not hasattr(client, "close"):
            raise TypeError(f"{type(client).__name__} is no blocking client; one for asyncio is for arun_row()")
        self.client, self.store = client, store
        self.limit = limit_of(client) if limit is None else limit
        self.options: Mapping[str, Any] = {}
        self._sleep = time.sleep

    async def read(self, key: str) -> StoredRow | None:
        return self.store.get(key)

    async def write(self, row: StoredRow) -> bool:
        return self.store.write(row)

    async def note(self, row: StoredRow) -> None:
        self.store.write(row)

    async def advance(self, stream: Any) -> bool:
        return next(stream, None) is not None

    async def result(self, stream: Any) -> Any:
        return stream.result()

    async def close(self, stream: Any) -> None:
        stream.close()

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return getattr(self.client, method)(*arguments, **options)

    async def first(self, items: Any, wanted: Callable[[Any], Any]) -> Any:
        return next(filter(None, map(wanted, items)), None)

    async def sleep(self, seconds: float) -> None:
        self._sleep(seconds)

    async def announce(self, text: str) -> None:
        with suppress(StoreError):  # whoever writes a row says so
            self.store.announce(text)

    async def listen(self) -> None:
        if self.limit.is_to_hear():
            with suppress(StoreError):  # whoever writes a row says so
                self.limit.hear(self.store.announced(), self.store.owner)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        with self.limit.slot() as began:
            yield began


class AsyncBackend:
    """An async client, and a store that many rows write into together.

    `unnamed` are the rows for which something was sent, and no id was told yet.
    """

    def __init__(self, client: Any, journal: Journal, limit: AsyncLimit, *, stops_on_exit: bool = False) -> None:
        if not hasattr(client, "aclose"):
            raise TypeError(f"{type(client).__name__} is no client for asyncio; a blocking one is for run_row()")
        self.client, self.journal, self.store = client, journal, journal.store
        self.limit: Limit = limit
        self.options: Mapping[str, Any] = {"stop_on_exit": True} if stops_on_exit else {}
        self.unnamed: set[str] = set()
        self.is_closing = False
        self._slots = limit

    async def read(self, key: str) -> StoredRow | None:
        return (await self.journal.read([key])).get(key)

    async def write(self, row: StoredRow) -> bool:
        if row.state != "claimed":
            self.unnamed.discard(row.key)
            return await self.journal.write(row)
        self.unnamed.add(row.key)
        is_taken = await self.journal.write(row)
        if not is_taken or self.is_closing:
            self.unnamed.discard(row.key)
        if is_taken and self.is_closing:  # nothing was sent yet
            await self.journal.write(self.store.next_of(row, "released"))
            raise asyncio.CancelledError
        return is_taken

    async def note(self, row: StoredRow) -> None:
        self.unnamed.discard(row.key)
        self.journal.note(row)

    async def advance(self, stream: Any) -> bool:
        return await anext(stream, None) is not None

    async def result(self, stream: Any) -> Any:
        return await stream.result()

    async def close(self, stream: Any) -> None:
        await stream.aclose()

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        found = getattr(self.client, method)(*arguments, **options)
        return await found if hasattr(found, "__await__") else found

    async def first(self, items: Any, wanted: Callable[[Any], Any]) -> Any:
        async for item in items:
            if found := wanted(item):
                return found
        return None

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def announce(self, text: str) -> None:
        with suppress(StoreError):  # whoever writes a row says so
            await self.journal.do(self.store.announce, text)

    async def listen(self) -> None:
        if self.limit.is_to_hear():
            with suppress(StoreError):  # whoever writes a row says so
                self.limit.hear(await self.journal.do(self.store.announced), self.store.owner)

    def slot(self) -> Any:
        return self._slots.aslot()


def begin(backend: Backend, row: Row, user: str | None) -> Any:
    """Return the stream of a row's call, which starts with the first event that is asked for."""
    options = backend.options if user is None else {**backend.options, "user": user}
    return backend.client.stream(**row.arguments, **options)
