"""What processes that use one store leave each other of the server."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from difygen.bulk.limit import HEARS_EVERY, AsyncLimit
from difygen.bulk.stores.base import Store, StoreError
from difygen.bulk.stores.owners import BEAT


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
            limit.hear(await asyncio.to_thread(store.announced), store.owner)
        await asyncio.sleep(HEARS_EVERY)
