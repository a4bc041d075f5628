"""One run at a time: what writes to a folder waits for whoever does so already, for a while and not in silence."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from difygen.console import say

NOTICE = 1.0
"""Seconds after which it is said what is waited for."""

PATIENCE = 60.0
"""Seconds after which waiting is given up. A run holds the lock for milliseconds."""


class BusyError(Exception):
    """Somebody else holds the lock and does not let go."""


@contextmanager
def exclusive(folder: str) -> Iterator[None]:
    """Wait until no other run writes to `folder`. Leaves nothing behind: what is locked is the folder above.

    Raises:
        BusyError: Another program has held the lock for `PATIENCE` seconds.
    """
    above = os.path.dirname(os.path.realpath(folder))
    os.makedirs(above, exist_ok=True)
    handle = _open(above)
    try:
        _acquire(handle, folder, above)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, folder: str, above: str) -> None:
    began = time.monotonic()
    noticed = False
    while not _try(handle):
        waited = time.monotonic() - began
        if waited >= PATIENCE:
            raise BusyError(
                f"{folder} is not written: another program has held the lock of the folder {above or os.curdir} for "
                f"{PATIENCE:.0f} s\nnothing was written; end the other difygen, or try again later"
            )
        if waited >= NOTICE and not noticed:
            noticed = True
            say(f"waiting for another program that holds the lock of the folder {above} (at most {PATIENCE:.0f} s)")
        time.sleep(min(0.05, waited / 4 + 0.001))


if sys.platform == "win32":

    def _open(above: str) -> int:
        import tempfile
        from hashlib import sha256

        name = f"difygen-{sha256(above.encode()).hexdigest()[:16]}.lock"
        return os.open(os.path.join(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT)

    def _try(handle: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _open(above: str) -> int:
        return os.open(above, os.O_RDONLY)

    def _try(handle: int) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
