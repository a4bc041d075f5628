"""What became of rows whose call nobody follows any more: read by their ids, or looked for by their user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from difygen.bulk.hands import Hands
from difygen.bulk.outcome import (
    Verdict,
    failure_of,
    is_about_the_job,
    judge,
    result_of,
    values_of_message,
)
from difygen.bulk.rows import Row, RowResult, StoredRow

MESSAGE_PATIENCE = 30.0
"""Seconds to wait for the text of a stored answer, which nothing else tells of."""

_POLL = 2.0

NO_SUCH_PLACE = 404

LOST = {"status": "lost", "error_kind": "AnswerLostError"}
"""How a row ends whose answer nobody can tell any more."""


class JobEndedError(Exception):
    """Every further row would end like this: a wrong key, app or address, or a server that takes nothing for long.

    The cause is the client's exception. What was done is kept, and nothing was started for the row.
    """


async def keep_end(hands: Hands, begun: StoredRow, values: Mapping[str, Any], *, state: str = "failed") -> RowResult:
    """Keep how a row ended."""
    await hands.write(hands.store.next_of(begun, state, result=json.dumps(values, default=str)))
    return RowResult(begun.key, "done" if state == "done" else "failed", values)


def is_foreseen(error: Exception) -> bool:
    """Check whether an exception is the client's, or is about inputs or files; anything else is a bug."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"DifyError", "ValidationError"}) or isinstance(error, OSError)


def can_be_read(begun: StoredRow, hands: Hands) -> bool:
    """Check whether anything but its stream tells how a row ends; of a text generator's nothing does."""
    return "workflow_run_id" in begun.ids or hasattr(hands.client, "messages")


async def follow(stored: StoredRow, hands: Hands) -> RowResult:
    """Wait for the end of what was started before, and keep it.

    Raises:
        JobEndedError: No row could be read like this.
    """
    if not can_be_read(stored, hands):
        text = "The stream was lost, and nothing else tells the answer of a text generator."
        return await keep_end(hands, stored, {**stored.ids, **LOST, "error": text})
    try:
        ended = await _end_of(stored, hands)
    except Exception as error:
        if not is_foreseen(error):
            raise
        if is_about_the_job(error):
            raise JobEndedError(str(error)) from error
        verdict = judge(error, is_proven=True)
        if verdict is Verdict.FAILED:
            return await keep_end(hands, stored, failure_of(error))
        if type(error).__name__ == "NotFoundError":  # the server has forgotten it, or is another one
            values = {**failure_of(error), **stored.ids, "status": "unknown"}
            await hands.write(hands.store.next_of(stored, "gone", result=json.dumps(values)))
            return RowResult(stored.key, "unknown", values)
        status = "paused" if verdict is Verdict.PAUSED else "running"
        return RowResult(stored.key, "started", {**failure_of(error), **stored.ids, "status": status})
    if ended is None:
        text = "Its answer could not be read: no event and no stored message told it."
        return RowResult(stored.key, "started", {**stored.ids, "status": "running", "error": text})
    state = "done" if ended.get("status") in ("succeeded", "partial-succeeded") else "failed"
    return await keep_end(hands, stored, ended, state=state)


async def _end_of(stored: StoredRow, hands: Hands) -> Mapping[str, Any] | None:
    """Return how a run or a turn ended; None where nothing tells."""
    user = {} if stored.user is None else {"user": stored.user}
    run_id = stored.ids.get("workflow_run_id")
    if run_id and hasattr(hands.client, "wait"):
        return result_of(await hands.call("wait", run_id, **user))
    if run_id:
        stream = await hands.call("resume", run_id, **user)
        try:
            return result_of(await hands.result(stream))
        except Exception as error:
            if getattr(error, "status", None) != NO_SUCH_PLACE:  # before Dify 1.14 there is none for events
                raise
        finally:
            await hands.close(stream)
    conversation, message_id = stored.ids.get("conversation_id"), stored.ids.get("message_id")
    if not (conversation and message_id):
        return None
    waited = 0.0
    while True:
        items = await hands.call("messages", conversation, **user)
        message = await hands.first(items, lambda each: each if each.id == message_id else None)
        if message is not None and (message.answer or message.raw.get("status") == "error"):
            return {**values_of_message(message), "conversation_id": conversation}
        if message is None or waited >= MESSAGE_PATIENCE:
            return None
        await hands.sleep(_POLL)
        waited += _POLL


async def look_for(row: Row, stored: StoredRow, hands: Hands) -> StoredRow:
    """Return a row of which only the claim is known: started, if its user is found to have a run, else unknown.

    Where others were quicker, it is what they have made of it.

    Raises:
        JobEndedError: No row could be looked for like this.
    """
    ids: Mapping[str, str] = {}
    if row.has_own_user and stored.user:
        try:
            ids = await _ids_by_user(stored.user, hands)
        except Exception as error:
            if not is_foreseen(error):
                raise
            if is_about_the_job(error):
                raise JobEndedError(str(error)) from error
            return stored  # the server did not answer: it is looked for the next time
    found = hands.store.next_of(stored, "started" if ids else "unknown", ids=ids)
    if found.state == stored.state or await hands.write(found):
        return found
    return await hands.read(row.key) or found  # somebody else has found out more


async def _ids_by_user(user: str, hands: Hands) -> Mapping[str, str]:
    """Return the ids of what a user has started last, who has started one thing at most."""
    client = hands.client
    if hasattr(client, "logs"):
        entries = await hands.call("logs", created_by_end_user_session_id=user)
        last = await hands.first(entries, lambda entry: [entry.workflow_run_id, entry.created_by_end_user or {}])
        is_of_user = last is not None and last[1].get("session_id") == user  # some servers know no such filter
        return {"workflow_run_id": last[0]} if is_of_user and last[0] else {}
    if not hasattr(client, "conversations"):
        return {}
    conversation = await hands.first(await hands.call("conversations", user=user), lambda each: each.id)
    if conversation is None:
        return {}
    messages = await hands.call("messages", conversation, limit=1, user=user)
    message_id = await hands.first(messages, lambda message: message.id)
    return {"conversation_id": conversation, "message_id": message_id} if message_id else {}
