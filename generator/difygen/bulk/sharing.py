"""What processes that use one store leave each other of the server, and how long they wait for each other's rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from difygen.bulk.limit import HEARS_EVERY, AsyncLimit
from difygen.bulk.stores.base import Store, StoreError
from difygen.bulk.stores.owners import BEAT

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two looks at a row that somebody else is at work on."""


def pauses() -> Iterator[float]:
    """Give the seconds between looks at a row that somebody else is at work on: more and more, without end."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


async def share(store: Store, limit: AsyncLimit, concurrency: int) -> None:
    """Keep a limit to this process's part of `concurrency`, and to what others hear from the server, without end."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        with suppress(StoreError):  # whoever writes a row says so
            if loop.time() >= due:
                due = loop.time() + BEAT
                drivers = await asyncio.to_thread(store.drivers)
                part, more = divmod(concurrency, len(drivers))
                limit.set_most(part + (drivers.index(store.owner) < more))
            if limit.is_to_hear():  # else a row has heard it just now
                limit.hear(await asyncio.to_thread(store.announced), store.owner)
        await asyncio.sleep(HEARS_EVERY)
