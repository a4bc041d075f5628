"""What the way of a row needs of a client and of a store: awaited, or, for a blocking client, done at once.

The way is written once, as coroutines (`run`). Those of `BlockingHands` never suspend, so that no event loop is needed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from difygen.bulk.journal import Journal
from difygen.bulk.limit import AsyncLimit, Limit
from difygen.bulk.rows import Row, StoredRow
from difygen.bulk.stores.base import Store, StoreError


class StreamsApp(Protocol):
    """A client that difygen has generated, of any kind of app, blocking or not."""

    @property
    def stream(self) -> Callable[..., Any]:
        """Begins a run or a turn."""
        ...


class Hands(Protocol):
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


class BlockingHands:
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


class AsyncHands:
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


def begin(hands: Hands, row: Row, user: str | None) -> Any:
    """Return the stream of a row's call, which starts with the first event that is asked for."""
    options = hands.options if user is None else {**hands.options, "user": user}
    return hands.client.stream(**row.arguments, **options)
