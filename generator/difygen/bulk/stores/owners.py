"""Who writes into a store, and whether they still live. No clock of another machine, and no wall clock, is asked.

A claim without a run's id is nobody's, once its owner is dead. Of a process of this machine the system tells; of one
elsewhere its beats: a count that it adds to every few seconds, watched by a clock of one's own that only goes forward,
and stands still while the store does not answer.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread

BEAT = 5.0
"""Seconds between two beats."""

SILENCE = 30.0
"""Seconds without a beat after which an owner elsewhere counts as dead."""

RETIRED = -1
"""What an owner leaves in the place of its beats when it closes its store."""


def new_owner() -> str:
    """Return a name for this process and this use of a store: `place:process:its start:random`."""
    return f"{place()}:{os.getpid()}:{started_at(os.getpid())}:{token_hex(4)}"


@cache
def place() -> str:
    """Tell machines, their boots and their containers apart: within one of them, a process number means one process."""
    facts = [socket.gethostname()]
    with suppress(OSError):  # not Linux
        facts += [Path("/proc/sys/kernel/random/boot_id").read_text("ascii"), os.readlink("/proc/self/ns/pid")]
    return sha256("\n".join(facts).encode()).hexdigest()[:12]


def started_at(process: int) -> str:
    """Return when a process began, as the system counts; empty where it does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    state, *numbers = text.rpartition(")")[2].split()
    return "" if state in "ZX" else numbers[18]


def is_running(owner: str) -> bool | None:
    """Check whether the owner's process runs; None if it is not of this machine, or cannot be told."""
    there, process, began, *_ = f"{owner}:::".split(":")
    if there != place() or os.name == "nt":  # where signal 0 is Ctrl-C
        return None
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError, OverflowError):
        return None
    return None if not began else began == started_at(int(process))


class Watch:
    """Tells whether owners are alive. `beats` reads the count of each, as far as the store knows."""

    def __init__(self, beats: Callable[[], Mapping[str, int]], clock: Callable[[], float] = time.monotonic) -> None:
        self._beats, self._clock = beats, clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._read_at, self._spent = float("-inf"), 0.0
        self._counts: Mapping[str, int] = {}

    def is_alive(self, owner: str) -> bool:
        """Check whether an owner may still be at work. One that was never seen before may be, for a while."""
        count = self.counts().get(owner, 0)
        running = False if count == RETIRED else is_running(owner)
        if running is not None:
            return running
        now = self._read_at - self._spent
        seen = self._seen.get(owner)
        if seen is None or seen[0] != count:
            self._seen[owner] = (count, now)
            return True
        return now - seen[1] < SILENCE

    def counts(self) -> Mapping[str, int]:
        """Return the beats, read anew every second at most."""
        began = self._clock()
        if began - self._read_at >= 1.0:
            self._counts = self._beats()
            now = self._clock()
            self._spent += now - began  # a disk that hangs lets nobody beat: that is no silence
            self._read_at = now
        return self._counts


class Heart:
    """Beats in a thread of its own until it is stopped, and as long as the process lives."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._stopped = Event()
        self._beat = beat
        self._thread = Thread(target=self._run, name="difygen-bulk-beat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(BEAT):
            try:
                self._beat()
            except Exception:  # noqa: BLE001, S112 - a full disk; whoever writes rows says so
                continue

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()
        self._thread.join(1.0)


def retire(leave: Callable[[], None]) -> None:
    """Leave word that an owner has left; where nothing can be written for now, in a thread, as soon as it can be.

    Without that word, rows that an owner has left would be its own until its process ends.
    """

    def is_left() -> bool:
        try:
            leave()
        except Exception as error:  # noqa: BLE001 - a full disk, or no network
            return isinstance(error.__cause__, FileNotFoundError)  # the store is gone
        return True

    def keep_trying() -> None:
        while not is_left():
            time.sleep(BEAT)

    if not is_left():
        Thread(target=keep_trying, name="difygen-bulk-retire", daemon=True).start()
