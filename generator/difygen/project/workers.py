"""Spread work over processes: a map that keeps the order. Knows nothing of what is done.

Processes are forked, so that nothing is imported again; where that cannot be done, the work is done here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from difygen.project.report import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTHWHILE = 12
"""Items for each process below which starting it costs more than it saves."""

_BATCH = 8
"""Items that are sent to a process at once."""


def spread(
    work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int | None = None, progress: Progress | None = None
) -> list[Result]:
    """Return the result of `work` for each item, in order. `jobs` is the number of processes; by default as many as pay.

    What processes cannot do, for whatever reason, is done here, and an exception of the work is met here.
    """
    results: list[Result] = []
    jobs = min(jobs or processors(), max(1, len(items) // _WORTHWHILE))
    if jobs > 1 and _may_fork():
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        with suppress(Exception), ProcessPoolExecutor(jobs, get_context("fork"), _become_worker) as pool:
            for result in pool.map(work, items, chunksize=_BATCH):
                results.append(result)
                if progress:
                    progress(len(results), len(items))
    for item in items[len(results) :]:
        results.append(work(item))
        if progress:
            progress(len(results), len(items))
    return results


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _may_fork() -> bool:
    """A process with threads must not be forked: a lock that one of them holds would never be released."""
    threading = sys.modules.get("threading")
    return hasattr(os, "fork") and (threading is None or threading.active_count() == 1)


def _become_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even if it is killed."""
    import signal
    from multiprocessing import parent_process
    from threading import Thread

    def end_with_parent() -> None:
        if parent := parent_process():
            parent.join()
            os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()
