"""Rows by the million, with a bounded number of them in memory: read, looked up, run, and kept, until none is left.

How a job comes out is a `Tally`: a few numbers that do not grow with it.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from difygen.bulk.backends import AsyncBackend, Journal, StreamsApp
from difygen.bulk.limit import AsyncLimit, pauses, share
from difygen.bulk.pages import EndedPage, OpenPage, PageEnd, Pages
from difygen.bulk.rows import CHANGED, ENDED, Row, RowResult, StoredRow, changed_row, result_of_stored
from difygen.bulk.run import JobEndedError, Policy, take_row
from difygen.bulk.stores.base import Store

HELD_BACK = 10_000
"""Rows that may wait for an earlier row of their conversation."""

GRACE = 10.0
"""Seconds that a call gets to tell the id of what it has started, where the job is to end."""

_STEP = math.log(1.01)
_LEAST = 1e-6


class Spread:
    """Numbers as a histogram of logarithms: any quantile to one percent, in constant memory."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0
        self._buckets: Counter[int] = Counter()

    def add(self, value: float) -> None:
        """Take in a number that is not negative."""
        self.total += value
        self.count += 1
        self._buckets[round(math.log(max(value, _LEAST)) / _STEP)] += 1

    def quantile(self, share: float) -> float:
        """Return the number that this share of all is not above."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                value = math.exp(bucket * _STEP)
                return 0.0 if value < 2 * _LEAST else value
        return 0.0


@dataclass(slots=True)
class Tally:
    """How the rows of a job have come out so far.

    `done` and `failed` (by the kind of error) are of this job, `before` and `failed_before` of earlier ones. `unknown`
    are rows of which nobody can tell whether they were run, `unfinished` those whose run goes on or waits for people,
    `elsewhere` those that somebody else is at work on, `invalid` those that cannot be sent. `error` is what ended the
    job early.
    """

    seen: int = 0
    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    before: int = 0
    failed_before: int = 0
    unknown: int = 0
    unfinished: int = 0
    elsewhere: int = 0
    invalid: int = 0
    error: Exception | None = None
    seconds: Spread = field(default_factory=Spread)
    tokens: Spread = field(default_factory=Spread)

    @property
    def ended(self) -> int:
        """Rows that need nothing more."""
        return self.done + self.failed.total() + self.before + self.failed_before

    @property
    def repeated(self) -> int:
        """Rows that are the same as others of this job, and share their results; right once the job has ended."""
        return max(0, self.seen - self.ended - self.unknown - self.unfinished - self.invalid)

    def begin_pass(self) -> None:
        """Forget what another look at all rows tells anew."""
        self.seen = self.before = self.failed_before = self.unknown = self.unfinished = self.elsewhere = (
            self.invalid
        ) = 0

    def count(self, result: RowResult) -> None:
        """Take in what came of a row."""
        match result.state:
            case "done" if result.is_new:
                self.done += 1
                self._measure(result)
            case "failed" if result.is_new:
                self.failed[result.error_kind or result.status] += 1
                self._measure(result)
            case "failed" if result.error_kind == CHANGED:
                self.invalid += 1
            case "done":
                self.before += 1
            case "failed":
                self.failed_before += 1
            case "started" if result.is_new:
                self.unfinished += 1
            case "unknown":
                self.unknown += 1
            case _:
                self.elsewhere += 1

    def _measure(self, result: RowResult) -> None:
        for spread, number in ((self.seconds, result.seconds), (self.tokens, result.tokens)):
            if number is not None:
                spread.add(number)


READ_AHEAD = 500
"""Rows that are read, and looked up, together."""

Item = Row | PageEnd | EndedPage
"""What a table is read as: rows, and, for one in pages, where these end, or that they have ended before."""

Taken = tuple[Row, StoredRow | None, OpenPage]
"""A row that is to be taken to its end, what was known of it, and where it stands."""

OnResult = Callable[[Row, RowResult], None]
OnChange = Callable[[Tally, AsyncLimit], None]


class AsyncJob:
    """Takes rows to their ends with an async client, and goes on where an earlier job has stopped.

    Processes that share a store share its rows and the `concurrency`, too.

    Args:
        client: An async client. Its `max_retries` should be 0: refusals are a matter for all rows here.
        store: Where rows are kept.
        concurrency: How many calls may go on at a time, of all processes that share the store.
        retry_failed: Run those again that ended badly before.
        rerun_unknown: Run those again of which nobody can tell whether they were run.
        pages: The pages of the table that have ended, where `rows` says where they end.
        stops_on_exit: Stop runs on the server that go on when the job ends, in the place of leaving them for later.
        on_result: Is told what came of each row, once that is kept.
        on_change: Is told the numbers whenever they change.
    """

    def __init__(
        self,
        client: StreamsApp,
        store: Store,
        *,
        concurrency: int,
        retry_failed: bool = False,
        rerun_unknown: bool = False,
        pages: Pages | None = None,
        stops_on_exit: bool = False,
        on_result: OnResult = lambda row, result: None,
        on_change: OnChange = lambda tally, limit: None,
    ) -> None:
        self.tally = Tally()
        self._client, self._store = client, store
        self._concurrency = concurrency
        self._policy = Policy(retry_failed, rerun_unknown)
        self._pages = pages
        self._stops_on_exit = stops_on_exit
        self._on_result, self._on_change = on_result, on_change
        self._conversations: dict[str, str] = {}
        self._busy: dict[str, str] = {}  # digests by key
        self._waiting: dict[str, deque[Row]] = {}
        self._halted: set[str] = set()

    async def run(self, rows: Callable[[], Iterable[Item]]) -> Tally:
        """Take all rows to their ends; `rows` gives them, from the first, each time that it is called.

        Where the job is cancelled, calls that have not told an id yet get a moment to do so; all others are left, and
        the next job reads how they ended.

        Raises:
            StoreError: The store cannot be read or written.
        """
        self._limit = AsyncLimit(self._concurrency)
        journal = Journal(self._store)
        self._backend = AsyncBackend(self._client, journal, self._limit, stops_on_exit=self._stops_on_exit)
        sharing = asyncio.create_task(share(self._store, self._limit, self._concurrency))
        waits = pauses()
        try:
            while True:
                self.tally.begin_pass()
                await self._pass(rows())
                if self.tally.error is not None or not self.tally.elsewhere:
                    return self.tally
                await asyncio.sleep(next(waits))
        finally:
            sharing.cancel()
            await journal.close()

    async def _pass(self, rows: Iterable[Item]) -> None:
        queue: asyncio.Queue[Taken | None] = asyncio.Queue(self._concurrency)
        self._at: dict[asyncio.Task[None], str] = {}
        self._busy.clear()
        self._halted.clear()
        self._backend.is_closing = False
        feeder = asyncio.create_task(self._feed(iter(rows), queue))
        workers = [asyncio.create_task(self._work(queue)) for _ in range(self._concurrency)]
        everybody = [feeder, *workers]
        try:
            await asyncio.wait(everybody, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await self._wind_down(everybody)
        errors = [error for task in everybody if not task.cancelled() and (error := task.exception()) is not None]
        for error in errors:  # all of them were asked for: asyncio prints those that nobody asks for
            if not isinstance(error, JobEndedError):
                raise error
            self.tally.error = self.tally.error or error

    async def _wind_down(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """End what goes on, but let calls tell the ids of what they have started."""
        self._backend.is_closing = True
        until = asyncio.get_running_loop().time() + GRACE
        left = [task for task in tasks if not task.done()]
        cancelled = set[asyncio.Task[None]]()  # once: a second time would break off what stops a run
        while left:
            is_late = asyncio.get_running_loop().time() >= until
            for task in left:
                if task not in cancelled and (is_late or self._at.get(task) not in self._backend.unnamed):
                    cancelled.add(task)
                    task.cancel()
            await asyncio.wait(left, timeout=0.02)
            left = [task for task in left if not task.done()]

    async def _feed(self, items: Iterable[Item], queue: asyncio.Queue[Taken | None]) -> None:
        """Pass on what is left to do, and count what is not."""
        iterator, self._page = iter(items), OpenPage()
        ahead: tuple[list[Item], asyncio.Future[dict[str, StoredRow]]] | None = None
        while True:
            batch = list(islice(iterator, READ_AHEAD))
            keys = [item.key for item in batch if isinstance(item, Row)]
            looked_up = self._backend.journal.look_up(keys) if batch else None
            if ahead is not None:  # its rows were looked up while others were read
                await self._pass_on(ahead[0], await ahead[1], queue)
            if looked_up is None:
                break
            ahead = batch, looked_up
        for _ in range(self._concurrency):
            await queue.put(None)

    async def _pass_on(
        self, items: Sequence[Item], known: Mapping[str, StoredRow], queue: asyncio.Queue[Taken | None]
    ) -> None:
        for item in items:
            if isinstance(item, EndedPage):
                self._count_ended(item)
            elif isinstance(item, PageEnd):
                page, self._page = self._page, OpenPage()
                page.end = item
                self._keep_if_ended(page)
            else:
                await self._pass_on_row(item, known.get(item.key), queue)
        self._on_change(self.tally, self._limit)

    async def _pass_on_row(self, row: Row, stored: StoredRow | None, queue: asyncio.Queue[Taken | None]) -> None:
        self.tally.seen += 1
        self._page.rows += 1
        if row.key in self._busy:  # the same as another row, and shares its result
            if self._busy[row.key] != row.digest:
                self.tally.count(changed_row(row))
            return
        if stored is not None and self._is_settled(row, stored):
            if stored.state in ENDED:
                is_new = stored.owner == self._store.owner
                self._page.count(row, is_done=stored.state == "done", is_new=is_new)
            return
        while self._waiting and sum(map(len, self._waiting.values())) >= HELD_BACK:
            await asyncio.sleep(0.1)
        self._busy[row.key] = row.digest
        await queue.put((row, stored, self._page))

    def _count_ended(self, page: EndedPage) -> None:
        self.tally.seen += page.done + len(page.failed) + page.invalid
        self.tally.before += page.before
        self.tally.failed_before += page.failed_before
        self.tally.invalid += page.invalid

    def _keep_if_ended(self, page: OpenPage) -> None:
        if page.is_ended and self._pages is not None:
            self._backend.journal.do(self._pages.keep, page)

    def _is_settled(self, row: Row, stored: StoredRow) -> bool:
        """Check whether a row has ended before, and count it; also where somebody else is at work on it."""
        is_ended = stored.state == "done" or (stored.state == "failed" and not self._policy.retry_failed)
        if is_ended and stored.digest == row.digest:
            if row.conversation is not None and "conversation_id" in stored.ids:
                self._conversations[row.conversation] = stored.ids["conversation_id"]
            if stored.owner != self._store.owner:
                self.tally.before += stored.state == "done"
                self.tally.failed_before += stored.state == "failed"
            return True
        if stored.state in ("claimed", "started") and self._store.is_held(stored):
            self.tally.count(result_of_stored(stored))
            if row.conversation is not None:
                self._halted.add(row.conversation)
            return True
        return stored.state == "failed" and stored.owner == self._store.owner  # failed again, in this very job

    async def _work(self, queue: asyncio.Queue[Taken | None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        while (taken := await queue.get()) is not None:
            row, stored, page = taken
            if row.conversation is None:
                result = await self._take(task, row, stored)
                if result.state in ENDED and result.error_kind != CHANGED:
                    page.count(row, is_done=result.state == "done", is_new=result.is_new)
                    self._keep_if_ended(page)
            elif row.conversation in self._halted:
                self.tally.unfinished += 1
            elif row.conversation in self._waiting:
                self._waiting[row.conversation].append(row)
            else:
                await self._converse(task, row, row.conversation, stored)

    async def _converse(self, task: asyncio.Task[None], row: Row, conversation: str, stored: StoredRow | None) -> None:
        """Make the turns of a conversation, one after the other, until one does not end: none is made after that."""
        waiting = self._waiting[conversation] = deque([row])
        try:
            while waiting:
                row = waiting.popleft()
                known = self._conversations.get(conversation)
                if known is not None:
                    row = row._replace(arguments={**row.arguments, "conversation_id": known})
                result = await self._take(task, row, stored)
                stored = None
                if result.conversation_id is not None:
                    self._conversations[conversation] = result.conversation_id
                if result.state not in ENDED:
                    self._halted.add(conversation)
                    self.tally.unfinished += len(waiting)
                    return
        finally:
            del self._waiting[conversation]

    async def _take(self, task: asyncio.Task[None], row: Row, stored: StoredRow | None) -> RowResult:
        self._at[task] = row.key
        self._on_change(self.tally, self._limit)
        try:
            result = await take_row(row, stored, self._backend, self._policy)
        finally:
            del self._at[task]
            self._busy.pop(row.key, None)
            self._backend.unnamed.discard(row.key)
        if not result.is_new and result.state in ENDED and result.error_kind != CHANGED:
            known = await self._backend.read(row.key)
            if known is not None and known.owner == self._store.owner:
                return replace(result, is_new=True)  # the same as another row, which is counted
        self.tally.count(result)
        if result.is_new:
            self._on_result(row, result)
        self._on_change(self.tally, self._limit)
        return result
