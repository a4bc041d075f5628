"""How many calls may go on at a time: what was asked for, a part of it for each process, less while the server refuses.

Dify's limits are of concurrency, not of rate, and are the server's: so one refusal is a word to all, in every process
that shares the store. Everything waits for a moment, half as many go on after it, and with successes there are slowly
more again.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple

from difygen.bulk.stores.base import HEARTBEAT, Store, StoreError

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
LONGEST_ASKED = 120.0
"""Seconds that the server may ask to wait."""

GIVES_UP_AFTER = 900.0
"""Seconds of nothing but refusals after which a job ends."""

LOST_IN_A_ROW = 5
"""Calls without a success between them of which nobody can tell what they came to: the server is in trouble then."""

HEARS_EVERY = 1.0
"""Seconds between two looks at what other processes say of the server."""

FIRST_LOOK, LONGEST_LOOK = 0.5, 15.0
"""Seconds between two looks at a row that somebody else is at work on."""


class BackoffNotice(NamedTuple):
    """What a process says to all others that share the server: it was refused, and waits.

    `number` tells its refusals apart, `pause` is in seconds, `reason` what the server said.
    """

    owner: str
    number: int
    pause: float
    reason: str = ""

    @classmethod
    def read(cls, text: str) -> BackoffNotice | None:
        """Read one that was written as JSON; None for anything else."""
        with suppress(ValueError, TypeError):
            owner, number, pause, reason = json.loads(text)
            return cls(str(owner), int(number), min(float(pause), LONGEST_ASKED), str(reason))
        return None


class Limit:
    """A limit that threads share, and, as an `AsyncLimit`, tasks of one event loop.

    Args:
        most: The most calls that may go on at a time.
        clock: Seconds that only go forward.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        if most < 1:
            raise ValueError("a limit lets at least one call go on")
        self.most = most
        self.running = 0
        self.successes = 0
        self._clock = clock
        self._allowed = float(most)
        self._paused_until, self._cut_at = clock(), float("-inf")
        self._refused_since: float | None = None
        self._backoffs = self._cuts = self._lost = 0
        self._heard, self._heard_at, self._asked_at = "", float("-inf"), float("-inf")
        self.reason = ""
        self._changed = threading.Condition()

    @property
    def allowed(self) -> int:
        """How many may go on at a time, as things are."""
        return max(1, min(self.most, int(self._allowed)))

    @property
    def pause(self) -> float:
        """Seconds until the next call may begin."""
        return max(0.0, self._paused_until - self._clock())

    @property
    def is_hopeless(self) -> bool:
        """Whether the server has refused everything for so long that waiting makes no sense."""
        return self._refused_since is not None and self._clock() - self._refused_since > GIVES_UP_AFTER

    def set_most(self, most: int) -> None:
        """Change how many may go on, where others come or go that share the server."""
        with self._changed:
            grows = self._allowed >= self.most
            self.most = max(1, most)
            self._allowed = float(self.most) if grows else min(self._allowed, float(self.most))
            self._wake()

    def succeeded(self) -> None:
        """Take note of a call that the server took."""
        with self._changed:
            self.successes += 1
            self._refused_since, self._backoffs, self._lost, self.reason = None, 0, 0, ""
            self._allowed = min(float(self.most), self._allowed + 1.0 / max(self._allowed, 1.0))
            self._wake()

    def refused(self, began: float, retry_after: float | None = None, reason: str = "") -> float | None:
        """Take note of a refusal of a call that began at that moment; those of one overload count once.

        Returns:
            For how many seconds nothing begins, which the other processes must hear; None if they have.
        """
        with self._changed:
            now = self._clock()
            self._refused_since = now if self._refused_since is None else self._refused_since
            self.reason = reason or self.reason
            if began <= self._cut_at:
                return None
            wait = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._backoffs) * random.uniform(0.5, 1.0)
            self._backoffs = min(self._backoffs + 1, 10)
            wait = max(wait, min(retry_after or 0.0, LONGEST_ASKED))
            self._cut(now, wait)
            return wait

    def lost(self, began: float, reason: str = "") -> float | None:
        """Take note of a call of which nobody can tell what it came to; too many in a row count as a refusal.

        Else a server that is away for a minute would leave a table of rows that are to be looked for.
        """
        with self._changed:
            self._lost += 1
            is_trouble = self._lost > LOST_IN_A_ROW
        return self.refused(began, None, reason) if is_trouble else None

    def _cut(self, now: float, wait: float) -> None:
        self._cut_at = now
        self._allowed = max(1.0, min(self._allowed, float(self.most)) / 2)
        self._paused_until = max(self._paused_until, now + wait)

    def word(self, owner: str, pause: float) -> str:
        """Return what others are to hear of a refusal."""
        with self._changed:
            self._cuts += 1
            return json.dumps(BackoffNotice(owner, self._cuts, round(pause, 3), self.reason[:500]))

    def is_to_hear(self) -> bool:
        """Check whether it is time to `hear` again, and leave that to whoever asks first."""
        with self._changed:
            is_due = self._clock() - self._asked_at >= HEARS_EVERY
            self._asked_at = self._clock() if is_due else self._asked_at
        return is_due

    def hear(self, said: str, owner: str) -> None:
        """Wait, and let fewer go on, if another process was refused since this was asked for last.

        What was said before the first time may be of any age, and is left alone; so is an overload met here, too.
        """
        with self._changed:
            since, self._heard_at = self._heard_at, self._clock()
            is_news, self._heard = said != self._heard, said
            refusal = BackoffNotice.read(said) if is_news and since > float("-inf") else None
            if refusal is not None and refusal.owner != owner and self._cut_at < since:
                self.reason = refusal.reason
                self._cut(self._heard_at, refusal.pause * random.uniform(0.5, 1.0))

    def now(self) -> float:
        """Return the moment, by the limit's own clock."""
        return self._clock()

    @contextmanager
    def slot(self) -> Iterator[float]:
        """Let one call of a thread go on, once it may; gives the moment."""
        with self._changed:
            while not self._may_go():
                self._changed.wait(self.pause or None)
            self.running += 1
        try:
            yield self._clock()
        finally:
            with self._changed:
                self.running -= 1
                self._wake()

    def _may_go(self) -> bool:
        return self.running < self.allowed and self.pause == 0

    def _wake(self) -> None:
        self._changed.notify_all()


class AsyncLimit(Limit):
    """The same for the tasks of one event loop, in the order in which they ask."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(most, clock)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def aslot(self) -> AsyncIterator[float]:
        """Let one call of a task go on, once it may; gives the moment."""
        if self._waiting or not self._may_go():
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._wake()
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._give_back()
                raise
        else:
            self.running += 1
        try:
            yield self._clock()
        finally:
            self._give_back()

    def _give_back(self) -> None:
        self.running -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._may_go():
            turn = self._waiting.popleft()
            if not turn.done():
                self.running += 1
                turn.set_result(None)
        if self._waiting and self.pause and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.pause, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._wake()


# With other processes


def pauses() -> Iterator[float]:
    """Give the seconds between looks at a row that somebody else is at work on: more and more, without end."""
    pause = FIRST_LOOK
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_LOOK)


async def share(store: Store, limit: AsyncLimit, concurrency: int) -> None:
    """Keep a limit to this process's part of `concurrency`, and to what others hear from the server, without end."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        with suppress(StoreError):  # whoever writes a row says so
            if loop.time() >= due:
                due = loop.time() + HEARTBEAT
                drivers = await asyncio.to_thread(store.drivers)
                part, more = divmod(concurrency, len(drivers))
                limit.set_most(part + (drivers.index(store.owner) < more))
            if limit.is_to_hear():  # else a row has heard it just now
                limit.hear(await asyncio.to_thread(store.announced), store.owner)
        await asyncio.sleep(HEARS_EVERY)
