"""Dask: rows as tasks of a cluster, under one semaphore of all its workers.

    for result in call_rows(cluster, ConcatClient(user="ada"), rows, "/shared/runs/", concurrency=40):
        ...

Tasks are not pure and are not retried. But Dask gives the tasks of a worker that has died to another one, as often as
`distributed.scheduler.allowed-failures` says: that one looks into the store first, and starts nothing again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from secrets import token_hex
from threading import Lock, Timer

from distributed import Client, Future, Semaphore, as_completed, secede

from difygen.bulk.backends import StreamsApp
from difygen.bulk.limit import Limit, pauses
from difygen.bulk.rows import Row, RowResult
from difygen.bulk.run import Policy, run_row
from difygen.bulk.stores import open_store
from difygen.engines import Work, is_elsewhere

IDLE = 30.0
"""Seconds without a row after which the store is closed, since the driver may have died, and left rows to others."""


def call_rows(
    cluster: Client,
    client: StreamsApp,
    rows: Iterable[Row],
    store: str | os.PathLike[str],
    *,
    concurrency: int,
    retries: int = 0,
    retry_failed: bool = False,
    rerun_unknown: bool = False,
) -> Iterator[RowResult]:
    """Iterate over what comes of rows, as they end, with at most twice `concurrency` of them on the cluster.

    Args:
        cluster: The client of the Dask cluster.
        client: A client of the app that is not async, of which each worker gets a copy; the key comes from its
            environment.
        rows: What to call the app with. They are asked for as others end.
        store: Where rows are kept: a folder that all machines share, or a URL; a file where there is one machine.
        concurrency: How many calls may go on at a time, of all on the cluster that use this store and this number.
        retries: How often Dask may repeat a task that has raised an exception.
        retry_failed: Run those again that ended badly before.
        rerun_unknown: Run those again of which nobody can tell whether they were run. They may run twice then.

    Raises:
        JobEndedError: Every row would end like this.
        StoreError: The store cannot be read or written.
        TypeError: The client is async, or was given a key, or something else that does not travel.
    """
    work = Work.of(client, store, concurrency, Policy(retry_failed, rerun_unknown), is_async=False)
    driver = token_hex(8)
    running: set[Future] = set()
    ended = as_completed()
    try:
        for row in rows:
            future = cluster.submit(call_row, driver, work, row, pure=False, retries=retries)
            running.add(future)
            ended.add(future)
            if len(running) >= 2 * concurrency:
                yield _next(ended, running)
        while running:
            yield _next(ended, running)
    finally:
        cluster.cancel(list(running))
        with suppress(Exception):  # a worker that has just died; the others have heard it
            cluster.run(release_resources, driver, on_error="ignore")


def _next(ended: as_completed, running: set[Future]) -> RowResult:
    future = next(ended)
    running.remove(future)
    result: RowResult = future.result()
    return result


def call_row(driver: str, work: Work, row: Row) -> RowResult:
    """Take a row to its end: the task, which leaves the worker's pool of threads, since it only waits."""
    with use_resources(driver, work) as resources:
        secede()
        for pause in pauses():
            result = run_row(
                resources.client,
                row,
                resources.store,
                retry_failed=work.policy.retry_failed,
                rerun_unknown=work.policy.rerun_unknown,
                limit=resources.limit,
            )
            if not is_elsewhere(result):
                return result
            resources.limit.check()
            time.sleep(pause)
    raise AssertionError("pauses never end")


# What tasks share


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


class WorkerResources:
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


_resources: dict[str, WorkerResources] = {}
_guard = Lock()


@contextmanager
def use_resources(driver: str, work: Work) -> Iterator[WorkerResources]:
    """Use what this process has opened for a driver; it is closed when it was not used for a while."""
    with _guard:
        resources = _resources.get(driver)
        if resources is None:
            resources = _resources[driver] = WorkerResources(work)
        resources.tasks += 1
        if resources.clock is not None:
            resources.clock.cancel()
    try:
        yield resources
    finally:
        with _guard:
            resources.tasks -= 1
            if not resources.tasks and resources.limit.is_left:
                resources.close()
            elif not resources.tasks:
                resources.clock = Timer(IDLE, _close_if_idle, (driver, resources))
                resources.clock.daemon = True
                resources.clock.start()


def _close_if_idle(driver: str, resources: WorkerResources) -> None:
    with _guard:
        if not resources.tasks and _resources.get(driver) is resources:
            del _resources[driver]
            resources.close()


def release_resources(driver: str) -> None:
    """Let tasks of a driver begin nothing more in this process, and close what they use once they have ended."""
    with _guard:
        resources = _resources.pop(driver, None)
        if resources is not None:
            resources.limit.is_left = True
            if not resources.tasks:
                resources.close()
