"""One run at a time: what writes to a folder waits for whoever does so already. Knows nothing of what is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def exclusive(folder: str) -> Iterator[None]:
    """Wait until no other run writes to `folder`. Leaves nothing behind: what is locked is the folder above."""
    above = os.path.dirname(os.path.realpath(folder))
    os.makedirs(above, exist_ok=True)
    handle = _acquire(above)
    try:
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":

    def _acquire(above: str) -> int:
        import msvcrt
        import tempfile
        from hashlib import sha256

        name = f"difygen-{sha256(above.encode()).hexdigest()[:16]}.lock"
        handle = os.open(os.path.join(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT)
        while True:
            with suppress(OSError):  # LK_LOCK gives up after ten seconds
                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
                return handle

else:

    def _acquire(above: str) -> int:
        import fcntl

        handle = os.open(above, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except BaseException:
            os.close(handle)
            raise
        return handle
