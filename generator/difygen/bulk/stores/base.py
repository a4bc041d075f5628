"""What a store of rows has to do, and what all of them do alike."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Self

from difygen.bulk.rows import Row, StoredRow
from difygen.bulk.stores.owners import Heart, Watch, new_owner


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
        self._watch = Watch(self.beats)
        self._heart: Heart | None = None

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
    def beat(self) -> None:
        """Let others see that this process lives."""

    @abstractmethod
    def beats(self) -> Mapping[str, int]:
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
            if self._heart is None:
                self.beat()
                self._heart = Heart(self.beat)

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
        others = [owner for owner in self.beats() if owner != self.owner and self._watch.is_alive(owner)]
        return sorted([*others, self.owner])

    def _stop_beating(self) -> None:
        heart, self._heart = self._heart, None
        if heart is not None and self._process == os.getpid():
            heart.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()
