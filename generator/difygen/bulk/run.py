"""The way of a row: look it up, claim it, run it as a stream, keep the run's id once it is known, keep the result.

Dify has no key that makes a request idempotent. So what was begun before is never begun again here, but read by its id,
looked for in the logs, or called unknown.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from difygen.bulk.hands import AsyncHands, BlockingHands, Hands, StreamsApp, begin
from difygen.bulk.journal import Journal
from difygen.bulk.limit import AsyncLimit, Limit
from difygen.bulk.outcome import Verdict, failure_of, ids_of, is_known, judge, result_of
from difygen.bulk.recovery import JobEndedError, can_be_read, follow, is_foreseen, keep_end, look_for
from difygen.bulk.rows import Row, RowResult, StoredRow, changed_row, result_of_stored
from difygen.bulk.stores.base import Store

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Policy:
    """What is to become of rows that were begun before.

    `retry_failed` runs those again that ended badly, `rerun_unknown` those of which nobody can tell.
    """

    retry_failed: bool = False
    rerun_unknown: bool = False


def run_row(
    client: StreamsApp,
    row: Row,
    store: Store,
    *,
    retry_failed: bool = False,
    rerun_unknown: bool = False,
    limit: Limit | None = None,
) -> RowResult:
    """Call an app for a row, unless that was done before; from any thread, process or machine that shares the store.

    Args:
        client: A blocking client of the app, of this process.
        row: What to call it with.
        store: Where rows are kept, opened in this process.
        retry_failed: Run the row again if it ended badly before.
        rerun_unknown: Run it again if nobody can tell whether it was run. It may run twice then.
        limit: What threads share that must not make too many calls at a time. Without it they only wait together
            while the server refuses.

    Returns:
        What came of it. A row that ended badly is a result, too; one that somebody else is at work on is `claimed` or
        `started`, and one whose run could not be followed to its end is `started`.

    Raises:
        JobEndedError: Every row would end like this.
        StoreError: The store cannot be read or written.
    """
    hands = BlockingHands(client, store, limit)
    return _finished(take_row(row, store.get(row.key), hands, Policy(retry_failed, rerun_unknown)))


async def arun_row(
    client: StreamsApp,
    row: Row,
    store: Store,
    *,
    retry_failed: bool = False,
    rerun_unknown: bool = False,
    limit: AsyncLimit | None = None,
) -> RowResult:
    """Do what `run_row` does, with an async client. `AsyncJob` runs many, which share their writes."""
    journal = Journal(store)
    try:
        hands = AsyncHands(client, journal, AsyncLimit(1) if limit is None else limit)
        return await take_row(row, await hands.read(row.key), hands, Policy(retry_failed, rerun_unknown))
    finally:
        await journal.close()


def _finished(way: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine that never suspends."""
    try:
        way.send(None)
    except StopIteration as end:
        found: ResultT = end.value
        return found
    finally:
        way.close()
    raise RuntimeError("a blocking client has waited for an event loop; was an async one given?")


async def take_row(row: Row, stored: StoredRow | None, hands: Hands, policy: Policy) -> RowResult:
    """Take a row to its end, wherever it stands; `stored` is what was known of it a moment ago."""
    while True:
        attempt = 1
        if stored is not None:
            found = await take_up(row, stored, hands, policy)
            if isinstance(found, RowResult):
                return found
            attempt = found.attempt + 1  # what others have begun meanwhile is in the way of that
        result = await start(row, attempt, hands)
        if result is not None:
            return result
        stored = await hands.read(row.key)


async def take_up(row: Row, stored: StoredRow, hands: Hands, policy: Policy) -> RowResult | StoredRow:
    """Return what came of a row that was begun before, or what is stored of it if it is to be run again."""
    if stored.state in ("claimed", "started") and hands.store.is_held(stored):
        return result_of_stored(stored)
    if stored.state in ("claimed", "unknown"):
        stored = await look_for(row, stored, hands)
    if stored.state in ("started", "gone"):
        result = await follow(stored, hands)
        if result.state != "unknown" or not policy.rerun_unknown:
            return result
        await keep_end(hands, stored, {**result.values, "status": "error"})
        return stored
    if row.digest != stored.digest and stored.state in ("done", "failed"):
        return changed_row(row)
    is_free = stored.state == "released"
    is_free |= stored.state == "failed" and policy.retry_failed
    is_free |= stored.state == "unknown" and policy.rerun_unknown
    return stored if is_free else result_of_stored(stored)


async def start(row: Row, attempt: int, hands: Hands) -> RowResult | None:
    """Run a row for the first time, or again; None if somebody else was quicker, or the server takes no more."""
    await hands.listen()
    async with hands.slot() as began:
        if hands.limit.is_hopeless:
            raise JobEndedError("The server has taken nothing for a quarter of an hour.")
        claimed = hands.store.claim_of(row, attempt)
        hands.store.hold(row.key)
        try:
            if not await hands.write(claimed):
                return None
            return await _run(row, claimed, began, hands)
        finally:
            hands.store.let_go(row.key)


async def _run(row: Row, claimed: StoredRow, began: float, hands: Hands) -> RowResult | None:
    begun, stream = claimed, None
    try:
        stream = begin(hands, row, claimed.user)
        while not is_known(ids := ids_of(stream)) and await hands.advance(stream):
            pass
        if is_known(ids):
            begun = hands.store.next_of(claimed, "started", ids=ids)
            await hands.note(begun)
        ended = await hands.result(stream)
        hands.limit.succeeded()
        return await keep_end(hands, begun, result_of(ended), state="done")
    except Exception as error:
        if not is_foreseen(error):
            if stream is None:  # a mistake in the arguments: nothing was sent
                await hands.write(hands.store.next_of(claimed, "released"))
            raise
        return await _judged(error, row, claimed, begun, began, hands)
    finally:
        if stream is not None:
            await hands.close(stream)


async def _judged(
    error: Exception, row: Row, claimed: StoredRow, begun: StoredRow, began: float, hands: Hands
) -> RowResult | None:
    """Return what a row comes to whose call ended in an exception."""
    verdict = judge(error, is_proven=hands.limit.successes > 0)
    if verdict in (Verdict.GOES_ON, Verdict.PAUSED) and begun.state == "claimed":
        begun = hands.store.next_of(claimed, "started", ids=ids_of(error))
        await hands.note(begun)
    match verdict:
        case Verdict.BUSY | Verdict.AWAY | Verdict.HOPELESS:
            await hands.write(hands.store.next_of(claimed, "released"))
            is_over = verdict is Verdict.AWAY and not hands.limit.successes
            if verdict is Verdict.HOPELESS or is_over:
                raise JobEndedError(str(error)) from error
            await _slow_down(hands.limit.refused(began, getattr(error, "retry_after", None), str(error)), hands)
            return None
        case Verdict.FAILED:
            return await keep_end(hands, begun, failure_of(error))
        case Verdict.LOST:
            await _slow_down(hands.limit.lost(began, str(error)), hands)
            found = await look_for(row, claimed, hands)
            if found.state == "started":
                return await follow(found, hands)
            if found.owner != claimed.owner:  # another process has taken this one for dead
                return result_of_stored(found)
            return RowResult(row.key, found.state, {**failure_of(error), "status": found.state})
        case _ if str(getattr(error, "request", "")) == "event: error" or not can_be_read(begun, hands):
            return await follow(begun, hands)  # the stored run knows more than the event
        case _:
            status = "paused" if verdict is Verdict.PAUSED else "running"
            return RowResult(row.key, "started", {**failure_of(error), "status": status})


async def _slow_down(pause: float | None, hands: Hands) -> None:
    """Tell the other processes of a pause, unless they have heard of it."""
    if pause is not None:
        await hands.announce(hands.limit.word(hands.store.owner, pause))
