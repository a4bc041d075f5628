"""What tasks of one driver share in a process of a Dask worker: a client, a store, a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from threading import Lock, Timer

from distributed import Semaphore

from difygen.bulk.limit import Limit
from difygen.bulk.stores import open_store
from difygen.engines.work import Work

IDLE = 30.0
"""Seconds without a row after which the store is closed, since the driver may have died, and left rows to others."""


class LeasedLimit(Limit):
    """The limit of one process, each call of which needs a lease of the cluster, too."""

    def __init__(self, most: int, semaphore: Semaphore) -> None:
        super().__init__(most)
        self._semaphore = semaphore
        self.is_left = False

    def check(self) -> None:
        """Raise RuntimeError where nobody waits for results any more."""
        if self.is_left:
            raise RuntimeError("the driver has left; nothing more is begun for it")

    @contextmanager
    def slot(self) -> Iterator[float]:
        """Let one call go on, once this process and the cluster let it."""
        with super().slot(), self._semaphore:
            self.check()
            yield self.now()


class Desk:
    """What tasks of one driver share in a process of a worker: a client, a store, a limit."""

    def __init__(self, work: Work) -> None:
        self.client = work.client
        self.store = open_store(work.store)
        name = f"difygen-{work.concurrency}-{sha256(work.store.encode()).hexdigest()[:16]}"
        self.limit = LeasedLimit(work.concurrency, Semaphore(work.concurrency, name))
        self.tasks = 0
        self.clock: Timer | None = None

    def close(self) -> None:
        """Tell others that nobody works here any more."""
        if self.clock is not None:
            self.clock.cancel()
        self.store.close()


_desks: dict[str, Desk] = {}
_guard = Lock()


@contextmanager
def at_desk(driver: str, work: Work) -> Iterator[Desk]:
    """Use what this process has opened for a driver; it is closed when it was not used for a while."""
    with _guard:
        desk = _desks.get(driver)
        if desk is None:
            desk = _desks[driver] = Desk(work)
        desk.tasks += 1
        if desk.clock is not None:
            desk.clock.cancel()
    try:
        yield desk
    finally:
        with _guard:
            desk.tasks -= 1
            if not desk.tasks and desk.limit.is_left:
                desk.close()
            elif not desk.tasks:
                desk.clock = Timer(IDLE, _close_if_idle, (driver, desk))
                desk.clock.daemon = True
                desk.clock.start()


def _close_if_idle(driver: str, desk: Desk) -> None:
    with _guard:
        if not desk.tasks and _desks.get(driver) is desk:
            del _desks[driver]
            desk.close()


def clear_desk(driver: str) -> None:
    """Let tasks of a driver begin nothing more in this process, and close what they use once they have ended."""
    with _guard:
        desk = _desks.pop(driver, None)
        if desk is not None:
            desk.limit.is_left = True
            if not desk.tasks:
                desk.close()
