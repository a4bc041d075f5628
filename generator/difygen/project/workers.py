"""Spread work over processes: a map that keeps the order. Knows nothing of what is done.

Processes are forked, so that nothing is imported or sent to them; where that cannot be done, the work is done here.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import BinaryIO, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""What is told how many of how many are done."""

_WORTHWHILE = 12
"""Items for each process below which starting it costs more than it saves."""

_BATCH = 8
"""Results that are sent back at once."""


def spread(
    work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int | None = None, progress: Progress | None = None
) -> list[Result]:
    """The result of `work` for each item, in order. `jobs` is the number of processes; by default as many as pay."""
    tell = progress or (lambda done, total: None)
    jobs = min(jobs or processors(), max(1, len(items) // _WORTHWHILE))
    if jobs == 1 or not _may_fork():
        return [_tell(work(item), tell, number, len(items)) for number, item in enumerate(items, 1)]
    found = _fork(work, items, jobs, tell)
    return [found[index] if index in found else work(item) for index, item in enumerate(items)]


def processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tell(result: Result, tell: Progress, done: int, total: int) -> Result:
    tell(done, total)
    return result


def _may_fork() -> bool:
    """A process with threads must not be forked: a lock that one of them holds would never be released."""
    threading = sys.modules.get("threading")
    return hasattr(os, "fork") and (threading is None or threading.active_count() == 1)


def _fork(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, tell: Progress) -> dict[int, Result]:
    """The results by index. Those of a process that died are missing."""
    import selectors

    gc.freeze()
    pipes: dict[BinaryIO, int] = {}
    found: dict[int, Result] = {}
    selector = selectors.DefaultSelector()
    try:
        for number in range(jobs):
            pipe, child = _start(work, items, range(number, len(items), jobs))
            pipes[pipe] = child
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                results: dict[int, Result] | None = _receive(cast(BinaryIO, key.fileobj))
                if results is None:
                    selector.unregister(key.fileobj)
                else:
                    found.update(results)
                    tell(len(found), len(items))
    except BaseException:
        for child in pipes.values():
            os.kill(child, 9)
        raise
    finally:
        gc.unfreeze()
        selector.close()
        for pipe, child in pipes.items():
            pipe.close()
            with suppress(ChildProcessError):
                os.waitpid(child, 0)
    return found


def _start(work: Callable[[Item], Result], items: Sequence[Item], indices: range) -> tuple[BinaryIO, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return os.fdopen(reading, "rb", buffering=0), child
    try:
        os.close(reading)
        _work(work, items, indices, writing)
        os._exit(0)
    finally:  # whatever went wrong: the parent does again what is missing, and meets the exception there
        os._exit(1)


def _work(work: Callable[[Item], Result], items: Sequence[Item], indices: range, writing: int) -> None:
    import pickle

    with os.fdopen(writing, "wb") as pipe:
        for start in range(0, len(indices), _BATCH):
            data = pickle.dumps({index: work(items[index]) for index in indices[start : start + _BATCH]}, -1)
            pipe.write(len(data).to_bytes(8, "little") + data)
            pipe.flush()


def _receive(pipe: BinaryIO) -> dict[int, Result] | None:
    """The next results, or None at the end."""
    import pickle

    data = _read(pipe, int.from_bytes(_read(pipe, 8), "little"))
    results: dict[int, Result] | None = pickle.loads(data) if data else None
    return results


def _read(pipe: BinaryIO, size: int) -> bytes:
    """So many bytes, or none if the other side is gone."""
    data = bytearray()
    while len(data) < size:
        piece = pipe.read(size - len(data))
        if not piece:
            return b""
        data += piece
    return bytes(data)
