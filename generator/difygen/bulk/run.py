"""The way of a row: look it up, claim it, run it as a stream, keep the run's id once it is known, keep the result.

Dify has no key that makes a request idempotent. So what was begun before is never begun again here, but read by its id,
looked for by its user in the logs, or called unknown.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from difygen.bulk.backends import AsyncBackend, Backend, BlockingBackend, Journal, StreamsApp, begin
from difygen.bulk.limit import AsyncLimit, Limit
from difygen.bulk.rows import (
    Row,
    RowResult,
    StoredRow,
    Verdict,
    changed_row,
    failure_of,
    ids_of,
    is_about_the_job,
    is_known,
    judge,
    result_of,
    result_of_stored,
    values_of_message,
)
from difygen.bulk.stores.base import Store

ResultT = TypeVar("ResultT")

MESSAGE_PATIENCE = 30.0
"""Seconds to wait for the text of a stored answer, which nothing else tells of."""

_POLL = 2.0

NO_SUCH_PLACE = 404

LOST = {"status": "lost", "error_kind": "AnswerLostError"}
"""How a row ends whose answer nobody can tell any more."""


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
    backend = BlockingBackend(client, store, limit)
    return _finished(take_row(row, store.get(row.key), backend, Policy(retry_failed, rerun_unknown)))


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
        backend = AsyncBackend(client, journal, AsyncLimit(1) if limit is None else limit)
        return await take_row(row, await backend.read(row.key), backend, Policy(retry_failed, rerun_unknown))
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


async def take_row(row: Row, stored: StoredRow | None, backend: Backend, policy: Policy) -> RowResult:
    """Take a row to its end, wherever it stands; `stored` is what was known of it a moment ago."""
    while True:
        attempt = 1
        if stored is not None:
            found = await take_up(row, stored, backend, policy)
            if isinstance(found, RowResult):
                return found
            attempt = found.attempt + 1  # what others have begun meanwhile is in the way of that
        result = await start(row, attempt, backend)
        if result is not None:
            return result
        stored = await backend.read(row.key)


async def take_up(row: Row, stored: StoredRow, backend: Backend, policy: Policy) -> RowResult | StoredRow:
    """Return what came of a row that was begun before, or what is stored of it if it is to be run again."""
    if stored.state in ("claimed", "started") and backend.store.is_held(stored):
        return result_of_stored(stored)
    if stored.state in ("claimed", "unknown"):
        stored = await look_for(row, stored, backend)
    if stored.state in ("started", "gone"):
        result = await follow(stored, backend)
        if result.state != "unknown" or not policy.rerun_unknown:
            return result
        await keep_end(backend, stored, {**result.values, "status": "error"})
        return stored
    if row.digest != stored.digest and stored.state in ("done", "failed"):
        return changed_row(row)
    is_free = stored.state == "released"
    is_free |= stored.state == "failed" and policy.retry_failed
    is_free |= stored.state == "unknown" and policy.rerun_unknown
    return stored if is_free else result_of_stored(stored)


async def start(row: Row, attempt: int, backend: Backend) -> RowResult | None:
    """Run a row for the first time, or again; None if somebody else was quicker, or the server takes no more."""
    await backend.listen()
    async with backend.slot() as began:
        if backend.limit.is_hopeless:
            raise JobEndedError("The server has taken nothing for a quarter of an hour.")
        claimed = backend.store.claim_of(row, attempt)
        backend.store.hold(row.key)
        try:
            if not await backend.write(claimed):
                return None
            return await _run(row, claimed, began, backend)
        finally:
            backend.store.let_go(row.key)


async def _run(row: Row, claimed: StoredRow, began: float, backend: Backend) -> RowResult | None:
    begun, stream = claimed, None
    try:
        stream = begin(backend, row, claimed.user)
        while not is_known(ids := ids_of(stream)) and await backend.advance(stream):
            pass
        if is_known(ids):
            begun = backend.store.next_of(claimed, "started", ids=ids)
            await backend.note(begun)
        ended = await backend.result(stream)
        backend.limit.succeeded()
        return await keep_end(backend, begun, result_of(ended), state="done")
    except Exception as error:
        if not is_foreseen(error):
            if stream is None:  # a mistake in the arguments: nothing was sent
                await backend.write(backend.store.next_of(claimed, "released"))
            raise
        return await _judged(error, row, claimed, begun, began, backend)
    finally:
        if stream is not None:
            await backend.close(stream)


async def _judged(
    error: Exception, row: Row, claimed: StoredRow, begun: StoredRow, began: float, backend: Backend
) -> RowResult | None:
    """Return what a row comes to whose call ended in an exception."""
    verdict = judge(error, is_proven=backend.limit.successes > 0)
    if verdict in (Verdict.GOES_ON, Verdict.PAUSED) and begun.state == "claimed":
        begun = backend.store.next_of(claimed, "started", ids=ids_of(error))
        await backend.note(begun)
    match verdict:
        case Verdict.BUSY | Verdict.AWAY | Verdict.HOPELESS:
            await backend.write(backend.store.next_of(claimed, "released"))
            is_over = verdict is Verdict.AWAY and not backend.limit.successes
            if verdict is Verdict.HOPELESS or is_over:
                raise JobEndedError(str(error)) from error
            await _slow_down(backend.limit.refused(began, getattr(error, "retry_after", None), str(error)), backend)
            return None
        case Verdict.FAILED:
            return await keep_end(backend, begun, failure_of(error))
        case Verdict.LOST:
            await _slow_down(backend.limit.lost(began, str(error)), backend)
            found = await look_for(row, claimed, backend)
            if found.state == "started":
                return await follow(found, backend)
            if found.owner != claimed.owner:  # another process has taken this one for dead
                return result_of_stored(found)
            return RowResult(row.key, found.state, {**failure_of(error), "status": found.state})
        case _ if str(getattr(error, "request", "")) == "event: error" or not can_be_read(begun, backend):
            return await follow(begun, backend)  # the stored run knows more than the event
        case _:
            status = "paused" if verdict is Verdict.PAUSED else "running"
            return RowResult(row.key, "started", {**failure_of(error), "status": status})


async def _slow_down(pause: float | None, backend: Backend) -> None:
    """Tell the other processes of a pause, unless they have heard of it."""
    if pause is not None:
        await backend.announce(backend.limit.word(backend.store.owner, pause))


# What was begun before


class JobEndedError(Exception):
    """Every further row would end like this: a wrong key, app or address, or a server that takes nothing for long.

    The cause is the client's exception. What was done is kept, and nothing was started for the row.
    """


async def keep_end(
    backend: Backend, begun: StoredRow, values: Mapping[str, Any], *, state: str = "failed"
) -> RowResult:
    """Keep how a row ended."""
    await backend.write(backend.store.next_of(begun, state, result=json.dumps(values, default=str)))
    return RowResult(begun.key, "done" if state == "done" else "failed", values)


def is_foreseen(error: Exception) -> bool:
    """Check whether an exception is the client's, or is about inputs or files; anything else is a bug."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"DifyError", "ValidationError"}) or isinstance(error, OSError)


def can_be_read(begun: StoredRow, backend: Backend) -> bool:
    """Check whether anything but its stream tells how a row ends; of a text generator's nothing does."""
    return "workflow_run_id" in begun.ids or hasattr(backend.client, "messages")


async def follow(stored: StoredRow, backend: Backend) -> RowResult:
    """Wait for the end of what was started before, and keep it.

    Raises:
        JobEndedError: No row could be read like this.
    """
    if not can_be_read(stored, backend):
        text = "The stream was lost, and nothing else tells the answer of a text generator."
        return await keep_end(backend, stored, {**stored.ids, **LOST, "error": text})
    try:
        ended = await _end_of(stored, backend)
    except Exception as error:
        if not is_foreseen(error):
            raise
        if is_about_the_job(error):
            raise JobEndedError(str(error)) from error
        verdict = judge(error, is_proven=True)
        if verdict is Verdict.FAILED:
            return await keep_end(backend, stored, failure_of(error))
        if type(error).__name__ == "NotFoundError":  # the server has forgotten it, or is another one
            values = {**failure_of(error), **stored.ids, "status": "unknown"}
            await backend.write(backend.store.next_of(stored, "gone", result=json.dumps(values)))
            return RowResult(stored.key, "unknown", values)
        status = "paused" if verdict is Verdict.PAUSED else "running"
        return RowResult(stored.key, "started", {**failure_of(error), **stored.ids, "status": status})
    if ended is None:
        text = "Its answer could not be read: no event and no stored message told it."
        return RowResult(stored.key, "started", {**stored.ids, "status": "running", "error": text})
    state = "done" if ended.get("status") in ("succeeded", "partial-succeeded") else "failed"
    return await keep_end(backend, stored, ended, state=state)


async def _end_of(stored: StoredRow, backend: Backend) -> Mapping[str, Any] | None:
    """Return how a run or a turn ended; None where nothing tells."""
    user = {} if stored.user is None else {"user": stored.user}
    run_id = stored.ids.get("workflow_run_id")
    if run_id and hasattr(backend.client, "wait"):
        return result_of(await backend.call("wait", run_id, **user))
    if run_id:
        stream = await backend.call("resume", run_id, **user)
        try:
            return result_of(await backend.result(stream))
        except Exception as error:
            if getattr(error, "status", None) != NO_SUCH_PLACE:  # before Dify 1.14 there is none for events
                raise
        finally:
            await backend.close(stream)
    conversation, message_id = stored.ids.get("conversation_id"), stored.ids.get("message_id")
    if not (conversation and message_id):
        return None
    waited = 0.0
    while True:
        items = await backend.call("messages", conversation, **user)
        message = await backend.first(items, lambda each: each if each.id == message_id else None)
        if message is not None and (message.answer or message.raw.get("status") == "error"):
            return {**values_of_message(message), "conversation_id": conversation}
        if message is None or waited >= MESSAGE_PATIENCE:
            return None
        await backend.sleep(_POLL)
        waited += _POLL


async def look_for(row: Row, stored: StoredRow, backend: Backend) -> StoredRow:
    """Return a row of which only the claim is known: started, if its user is found to have a run, else unknown.

    Where others were quicker, it is what they have made of it.

    Raises:
        JobEndedError: No row could be looked for like this.
    """
    ids: Mapping[str, str] = {}
    if row.has_own_user and stored.user:
        try:
            ids = await _ids_by_user(stored.user, backend)
        except Exception as error:
            if not is_foreseen(error):
                raise
            if is_about_the_job(error):
                raise JobEndedError(str(error)) from error
            return stored  # the server did not answer: it is looked for the next time
    found = backend.store.next_of(stored, "started" if ids else "unknown", ids=ids)
    if found.state == stored.state or await backend.write(found):
        return found
    return await backend.read(row.key) or found  # somebody else has found out more


async def _ids_by_user(user: str, backend: Backend) -> Mapping[str, str]:
    """Return the ids of what a user has started last, who has started one thing at most."""
    client = backend.client
    if hasattr(client, "logs"):
        entries = await backend.call("logs", created_by_end_user_session_id=user)
        last = await backend.first(entries, lambda entry: [entry.workflow_run_id, entry.created_by_end_user or {}])
        is_of_user = last is not None and last[1].get("session_id") == user  # some servers know no such filter
        return {"workflow_run_id": last[0]} if is_of_user and last[0] else {}
    if not hasattr(client, "conversations"):
        return {}
    conversation = await backend.first(await backend.call("conversations", user=user), lambda each: each.id)
    if conversation is None:
        return {}
    messages = await backend.call("messages", conversation, limit=1, user=user)
    message_id = await backend.first(messages, lambda message: message.id)
    return {"conversation_id": conversation, "message_id": message_id} if message_id else {}
