"""What a store of rows has to do, what all of them do alike, and who writes into a store and whether they still live.

A claim without a run's id is nobody's, once its owner is dead. Of a process of this machine the system tells; of one
elsewhere its heartbeats: a count that it adds to every few seconds, watched by a clock of one's own that only goes
forward, and stands still while the store does not answer. No clock of another machine, and no wall clock, is asked.
"""

from __future__ import annotations

import os
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from threading import Event, Lock, Thread
from typing import Self

from difygen.bulk.rows import Row, StoredRow

HEARTBEAT = 5.0
"""Seconds between two heartbeats."""

SILENCE = 30.0
"""Seconds without a heartbeat after which an owner elsewhere counts as dead."""

RETIRED = -1
"""What an owner leaves in the place of its heartbeats when it closes its store."""


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
    """Tells whether owners are alive. `heartbeats` reads the count of each, as far as the store knows."""

    def __init__(
        self, heartbeats: Callable[[], Mapping[str, int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._heartbeats, self._clock = heartbeats, clock
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
        """Return the heartbeats, read anew every second at most."""
        began = self._clock()
        if began - self._read_at >= 1.0:
            self._counts = self._heartbeats()
            now = self._clock()
            self._spent += now - began  # a disk that hangs lets nobody beat: that is no silence
            self._read_at = now
        return self._counts


class Heartbeat:
    """Gives heartbeats in a thread of its own until it is stopped, and as long as the process lives."""

    def __init__(self, heartbeat: Callable[[], None]) -> None:
        self._stopped = Event()
        self._heartbeat = heartbeat
        self._thread = Thread(target=self._run, name="difygen-bulk-heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(HEARTBEAT):
            try:
                self._heartbeat()
            except Exception:  # noqa: BLE001, S112 - a full disk; whoever writes rows says so
                continue

    def stop(self) -> None:
        """Give no more heartbeats."""
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
            time.sleep(HEARTBEAT)

    if not is_left():
        Thread(target=keep_trying, name="difygen-bulk-retire", daemon=True).start()


# Stores


class StoreError(Exception):
    """The store cannot be read or written: a full disk, no permission, a file of something else."""


class Store(ABC):
    """Keeps what is known of rows, so that none is started twice, by any number of processes.

    Every method may be called from any thread. What a method has written lasts when it returns. A store pickles as the
    place where it is, and is opened anew where it is unpickled.

    A kind of store brings `read`, `apply`, `iterate`, what processes tell each other, and `close`; the rest is made of
    these.
    """

    def __init__(self) -> None:
        self.owner = new_owner()
        self._process = os.getpid()
        self._working: Counter[str] = Counter()
        self._lock = Lock()
        self._watch = Watch(self.heartbeats)
        self._heartbeat: Heartbeat | None = None

    # What each kind does in its own way

    @abstractmethod
    def read(self, keys: Sequence[str], *, results: bool = True) -> dict[str, StoredRow]:
        """Return what is known of some rows, by key. Without `results`, those are left out, which is quicker."""

    @abstractmethod
    def apply(self, rows: Sequence[StoredRow]) -> list[bool]:
        """Write what `may_follow` allows after what is there, at once and for good; tell of each whether it was."""

    @abstractmethod
    def iterate(self) -> Iterator[StoredRow]:
        """Iterate over all rows."""

    @abstractmethod
    def remember(self, topic: str, name: str, text: str) -> None:
        """Keep a text beside the rows. Others of the same name may stay."""

    @abstractmethod
    def remembered(self, topic: str) -> list[tuple[str, str]]:
        """Return what is kept about a topic: names, each with a text."""

    @abstractmethod
    def announce(self, text: str) -> None:
        """Say something to all who are at work now, in the place of what was said last."""

    @abstractmethod
    def announced(self) -> str:
        """Return what was said last, by anybody; empty where nothing was."""

    @abstractmethod
    def heartbeat(self) -> None:
        """Let others see that this process lives."""

    @abstractmethod
    def heartbeats(self) -> Mapping[str, int]:
        """Return how often each process has beaten."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open. What was written stays."""

    # The protocol of a row

    def get(self, key: str) -> StoredRow | None:
        """Return what is known of a row."""
        return self.read([key]).get(key)

    def claim(self, row: Row, attempt: int = 1) -> bool:
        """Take a row, before anything is sent for it; False if somebody else has it, or has had it."""
        return self.write(self.claim_of(row, attempt))

    def started(self, claimed: StoredRow, ids: Mapping[str, str]) -> bool:
        """Keep the ids of what was started for a row."""
        return self.write(self.next_of(claimed, "started", ids=ids))

    def finish(self, begun: StoredRow, state: str, result: str | None, ids: Mapping[str, str] | None = None) -> bool:
        """Keep how a row ended; False if that is known already."""
        return self.write(self.next_of(begun, state, ids=ids, result=result))

    def write(self, row: StoredRow) -> bool:
        """Write one row."""
        return self.apply([row])[0]

    def claim_of(self, row: Row, attempt: int) -> StoredRow:
        """Return what a claim of a row is to be."""
        return StoredRow(row.key, row.digest, "claimed", attempt, self.owner, row.user_of(attempt))

    def next_of(
        self, row: StoredRow, state: str, *, ids: Mapping[str, str] | None = None, result: str | None = None
    ) -> StoredRow:
        """Return what is to follow on a row within the same attempt."""
        return StoredRow(
            row.key,
            row.digest,
            state,  # type: ignore[arg-type]  # one of those of `State`
            row.attempt,
            self.owner,
            row.user,
            row.ids if ids is None else ids,
            result,
        )

    # Who is at work

    def hold(self, key: str) -> None:
        """Take note that this process is at work on a row, or tries to get it: so often is it let go."""
        with self._lock:
            self._working[key] += 1
            if self._heartbeat is None:
                self.heartbeat()
                self._heartbeat = Heartbeat(self.heartbeat)

    def let_go(self, key: str) -> None:
        """Take note that it is not any more."""
        with self._lock:
            self._working[key] -= 1
            if not self._working[key]:
                del self._working[key]

    def is_held(self, row: StoredRow) -> bool:
        """Check whether somebody is at work on a row that was begun."""
        if row.owner == self.owner:
            return row.key in self._working
        return self._watch.is_alive(row.owner)

    def drivers(self) -> list[str]:
        """Return who is at work in this store, this process included, in an order that all agree on."""
        others = [owner for owner in self.heartbeats() if owner != self.owner and self._watch.is_alive(owner)]
        return sorted([*others, self.owner])

    def _stop_beating(self) -> None:
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None and self._process == os.getpid():
            heartbeat.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()
