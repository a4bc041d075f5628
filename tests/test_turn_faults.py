"""The robustness matrix of turns: every row of `support.turn_cases`, sync and async, streamed, collected, blocking.
Streams of chatflows begin as Dify up to 1.12 begins them, or as newer servers do.
"""

import asyncio
import copy
import pickle
from typing import Any

import pytest
import runtime
from runtime import _protocol
from runtime.chat import _turns
from support.chat_clients import ASYNC_CLIENTS, CLIENTS, AnyInputs
from support.driving import KEY, QUICK, rows
from support.servers import Server, as_json, html, stream
from support.turn_cases import (
    ANSWER,
    CUT,
    CUTS,
    ENDED,
    ENDS,
    MESSAGE_ID,
    MESSAGES,
    METADATA,
    OK,
    TURN_CASES,
    Answers,
    Fails,
    TurnCase,
    turn,
)

STYLED = [case for case in (*ENDS, *CUTS) if case.kind == "chatflow"]
"""Streams of other apps begin with an event on all servers."""
ROWS = rows(TURN_CASES, STYLED, lambda case: ["streamed", "collected", *(["blocking"] if case.blocking else [])])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are seconds long in earnest."""
    for name in ("REFUSAL_PATIENCE", "END_PATIENCE", "SPEECH_PATIENCE"):
        monkeypatch.setattr(_protocol if name == "REFUSAL_PATIENCE" else _turns, name, 0.3)


class Outcome:
    """What the caller saw."""

    def __init__(self) -> None:
        self.events: list[runtime.Event] = []
        self.turn: Any = None
        self.error: Exception | None = None


def arguments(case: TurnCase) -> tuple[list[Any], dict[str, Any]]:
    inputs = AnyInputs(name="Ada")
    if case.kind == "completion":
        return [inputs], {"user": "u1"}
    return ["Who?", inputs], {"user": "u1", "conversation_id": case.conversation_id}


def drive_sync(case: TurnCase, url: str, mode: str) -> Outcome:
    seen = Outcome()
    positional, options = arguments(case)
    with CLIENTS[case.kind](base_url=url, api_key=KEY, **{**QUICK, **case.client}) as client:
        try:
            if mode == "streamed":
                with client.stream_inputs(*positional, **options) as stream:
                    seen.events.extend(stream)
                    seen.turn = stream.result()
                    assert stream.answer == seen.turn.answer
            else:
                ask = client.complete_inputs if case.kind == "completion" else client.chat_inputs
                seen.turn = ask(*positional, **options, response_mode="blocking" if mode == "blocking" else "streaming")
        except runtime.DifyError as error:
            seen.error = error
    return seen


def drive_async(case: TurnCase, url: str, mode: str) -> Outcome:
    async def use() -> Outcome:
        seen = Outcome()
        positional, options = arguments(case)
        async with ASYNC_CLIENTS[case.kind](base_url=url, api_key=KEY, **{**QUICK, **case.client}) as client:
            try:
                if mode == "streamed":
                    async with client.stream_inputs(*positional, **options) as stream:
                        async for event in stream:
                            seen.events.append(event)
                        seen.turn = await stream.result()
                else:
                    ask = client.complete_inputs if case.kind == "completion" else client.chat_inputs
                    seen.turn = await ask(
                        *positional, **options, response_mode="blocking" if mode == "blocking" else "streaming"
                    )
            except runtime.DifyError as error:
                seen.error = error
        return seen

    return asyncio.run(use())


DRIVES = {"sync": drive_sync, "async": drive_async}


@pytest.mark.parametrize(("case", "mode", "kind", "pings_first"), ROWS)
def test_fault_of_a_turn(case: TurnCase, mode: str, kind: str, pings_first: bool | None) -> None:
    expected = case.blocking if mode == "blocking" else case.outcome
    assert expected is not None
    with Server(case.routes, pings_first=pings_first) as server:
        seen = DRIVES[kind](case, server.url, mode)
        assert server.runs == case.posts
    if isinstance(expected, Answers):
        check_answer(expected, seen, mode)
    else:
        check_error(expected, seen)


CITED = {"id": MESSAGE_ID, "answer": ANSWER, "retriever_resources": METADATA["retriever_resources"]}


@pytest.mark.parametrize("kind", DRIVES)
@pytest.mark.parametrize("mode", ["streamed", "collected"])
def test_citations_that_were_lost_with_the_messages_end_are_read_from_the_messages(mode: str, kind: str) -> None:
    case = TurnCase("cut", "chatflow", turn(CUT, events=stream([ENDED]), messages=as_json({"data": [CITED]})), OK)
    with Server(case.routes) as server:
        seen = DRIVES[kind](case, server.url, mode)
        assert (server.runs, server.count(MESSAGES)) == (1, 1)
    assert seen.turn.answer == ANSWER
    assert [each.document_name for each in seen.turn.citations] == ["a.md"]


@pytest.mark.parametrize("kind", DRIVES)
def test_a_whole_answer_stays_whole_where_its_citations_cannot_be_read(kind: str) -> None:
    case = TurnCase("cut", "chatflow", turn(CUT, events=stream([ENDED]), messages=html(502)), OK)
    with Server(case.routes) as server:
        seen = DRIVES[kind](case, server.url, "collected")
    assert (seen.error, seen.turn.answer, seen.turn.citations) == (None, ANSWER, ())


def check_answer(expected: Answers, seen: Outcome, mode: str) -> None:
    if seen.error is not None:
        raise seen.error
    assert (seen.turn.answer, seen.turn.status) == (expected.answer, "succeeded")
    if mode == "streamed" and expected.events is not None:
        assert len([event for event in seen.events if event.event != "ping"]) == expected.events
    again = pickle.loads(pickle.dumps(seen.turn))
    assert again == seen.turn


def check_error(expected: Fails, seen: Outcome) -> None:
    error = seen.error
    assert error is not None, f"returned {seen.turn!r}"
    if not isinstance(error, getattr(runtime, expected.error)):
        raise error
    assert expected.says in str(error)
    assert {name: getattr(error, name) for name in expected.attributes} == dict(expected.attributes)
    assert KEY not in repr(pickle.dumps(error))
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(same), str(same), same.answer) == (type(error), str(error), error.answer)
