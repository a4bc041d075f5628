"""Every recorded answer of a real server to a turn of a chat-type app: the right turn, or the right exception.

The events of all streams under all ways of cutting them, without I/O; then everything over HTTP, by both clients.
"""

import asyncio
import json
from typing import Any

import pytest
import runtime
from hypothesis import given
from hypothesis import strategies as st
from runtime._protocol import SseDecoder
from runtime.chat._turns import AppKind, TurnState, blocking_turn
from support.chat_clients import ASYNC_CLIENTS, CLIENTS, AnyInputs
from support.replay import CHUNKINGS, Recording, cases, held, recording
from support.servers import Server
from support.turn_cases import END, told

PATHS = ("/v1/chat-messages", "/v1/completion-messages")
TURNS = [
    case
    for folder in ("recordings", "recordings_chat", "recordings_new")
    for case in cases(folder=folder)
    if (recorded := recording(case)).request["path"] in PATHS and recorded.status == 200
]
STREAMS = [case for case in TURNS if recording(case).is_stream]
REFUSED = [
    case
    for folder in ("recordings", "recordings_chat", "recordings_new")
    for case in cases(folder=folder)
    if (recorded := recording(case)).request["path"] in PATHS
    and recorded.status != 200
    and (recorded.request["app"] or "concat") != "concat"
    and isinstance(recorded.request["json"].get("query", "x"), str)
    and recorded.request["json"].get("query") != ""
]
URL = "http://dify.example/v1"


def kind_of(recorded: Recording) -> AppKind:
    app = recorded.request.get("app") or "chatflow"
    kinds: dict[str, AppKind] = {"chat_basic": "chat", "agent_lab": "agent", "completion_lab": "completion"}
    return kinds.get(app, "chatflow")


def text_of(sent: list[dict[str, Any]]) -> str:
    """The answer, read the slow way."""
    answer = ""
    for event in sent:
        if event["event"] == "message_replace":
            answer = event["answer"]
        elif event["event"] in ("message", "agent_message"):
            answer += event["answer"]
    return answer


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize("case", STREAMS)
def test_what_the_events_of_a_turn_say(case: str, chunking: str) -> None:
    recorded = recording(case)
    state, decoder = TurnState(kind_of(recorded)), SseDecoder()
    for piece in CHUNKINGS[chunking](recorded):
        if state.is_over:
            break
        state.take(decoder.feed(piece))
    sent = recorded.events
    assert state.answer == text_of(sent)
    if state.end_here() and state.error is None:
        check_members(state.members(URL), sent)
    elif state.error is not None:
        assert sent[-1]["event"] == "error"
    else:
        assert not sent or "ended" in recorded.request


SAYINGS = st.sampled_from(["message", "agent_message", "message_file", "message_replace", "ping", "message_dreamed"])


@given(st.lists(st.tuples(SAYINGS, st.text())), st.lists(st.integers(1, 400)), st.data())
def test_any_answer_cut_anywhere(sayings: list[tuple[str, str]], sizes: list[int], data: st.DataObject) -> None:
    """Whatever is said, in whichever pieces it arrives: the answer is what a slow reader makes of it."""
    body = b"".join([*(told(name, answer=text) for name, text in sayings), END])
    state, decoder = TurnState("chat"), SseDecoder()
    while body:
        size = data.draw(st.sampled_from(sizes)) if sizes else len(body)
        state.take(decoder.feed(body[:size]))
        body = body[size:]
    assert state.is_over and state.error is None
    assert state.answer == said_slowly(sayings)
    kinds = [type(event).__name__ for event in state.pending]
    assert kinds.count("MessageEnd") == 1 and len(kinds) == len(sayings) + 1


def said_slowly(sayings: list[tuple[str, str]]) -> str:
    answer, agent_spoke = "", False
    for name, text in sayings:
        if name == "message_replace" or (agent_spoke and name in ("message", "message_file")):
            answer, agent_spoke = text, agent_spoke and name == "message_replace"
        elif name in ("message", "agent_message", "message_file"):
            answer += text
            agent_spoke = agent_spoke or name == "agent_message"
    return answer


def check_members(turn: dict[str, Any], sent: list[dict[str, Any]]) -> None:
    by_name = {event["event"]: event for event in sent}
    finished = by_name.get("workflow_finished", {}).get("data", {})
    ending = by_name.get("message_end", {})
    status = "paused" if "workflow_paused" in by_name else finished.get("status", "succeeded")
    assert turn["status"] == status
    ids = {name: sent[0].get(name) for name in ("conversation_id", "message_id", "task_id")}
    assert {name: turn[name] for name in ids} == ids
    assert turn["workflow_run_id"] == next(filter(None, (event.get("workflow_run_id") for event in sent)), None)
    if status == "succeeded" and "message_replace" not in by_name and finished:
        assert turn["answer"] == finished["outputs"]["answer"]
    assert turn["metadata"] == ending.get("metadata", {})
    assert len(turn["files"]) == len(ending.get("files") or [])
    thoughts = {event["id"]: event for event in sent if event["event"] == "agent_thought"}
    assert [thought.raw for thought in turn["thoughts"]] == list(thoughts.values())


@pytest.mark.parametrize("case", [case for case in TURNS if case not in STREAMS])
def test_what_a_blocking_answer_says(case: str) -> None:
    payload = json.loads(recording(case).body)
    turn = blocking_turn(payload, URL)
    names = ("answer", "message_id", "task_id", "metadata")
    assert {name: turn[name] for name in names} == {name: payload[name] for name in names}
    assert turn["conversation_id"] == payload.get("conversation_id")
    assert turn["status"] == ("paused" if payload["event"] == "workflow_paused" else "succeeded")
    assert (turn["usage"] is None) == (payload["metadata"].get("usage") is None)


KEY = {"api_key": "app-SecretThatMustNotLeak", "user": "u1", "timeout": 60.0, "idle_timeout": 1.5, "max_retries": 0}


def arguments(recorded: Recording) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the call that a recorded request came from."""
    body = recorded.request["json"]
    query = [] if kind_of(recorded) == "completion" else [body.get("query") or "x"]
    options = {"workflow_id": body.get("workflow_id"), "conversation_id": body.get("conversation_id")}
    return [*query, AnyInputs(**body.get("inputs", {}))], {name: value for name, value in options.items() if value}


def call(client: Any, recorded: Recording) -> Any:
    positional, options = arguments(recorded)
    mode = recorded.request["json"].get("response_mode") or "blocking"
    method = client.complete_inputs if kind_of(recorded) == "completion" else client.chat_inputs
    return method(*positional, response_mode=mode, **options)


def outcomes(case: str) -> tuple[list[Any], list[dict[str, Any]]]:
    """What both clients give for a recording, and the requests that they made."""
    recorded, found = recording(case), []
    kind = kind_of(recorded)

    async def ask(url: str) -> Any:
        async with ASYNC_CLIENTS[kind](base_url=url, **KEY) as client:
            return await call(client, recorded)

    with Server({f"POST {path}": held(case) for path in PATHS}) as server:
        with CLIENTS[kind](base_url=server.url, **KEY) as client:
            try:
                found.append(call(client, recorded))
            except runtime.DifyError as error:
                found.append(error)
        try:
            found.append(asyncio.run(ask(server.url)))
        except runtime.DifyError as error:
            found.append(error)
        return found, [request.json for request in server.requests if request.method == "POST"]


@pytest.mark.parametrize("case", TURNS)
def test_a_turn_over_http(case: str) -> None:
    recorded = recording(case)
    found, bodies = outcomes(case)
    if recorded.request["json"].get("conversation_id"):
        assert bodies[0]["conversation_id"] == recorded.request["json"]["conversation_id"]
    assert len(bodies) == 2, "each client posts once"
    assert bodies[0]["inputs"] == recorded.request["json"]["inputs"]
    for outcome in found:
        turn = getattr(outcome, "turn", outcome)
        if isinstance(turn, runtime.TurnBase):
            check_turn(outcome, turn, recorded)
        else:
            check_no_turn(outcome, recorded)


def check_turn(outcome: Any, turn: runtime.TurnBase, recorded: Recording) -> None:
    errors = {
        "failed": runtime.TurnFailedError,
        "stopped": runtime.TurnStoppedError,
        "paused": runtime.TurnPausedError,
    }
    assert type(outcome) in (errors.get(turn.status), runtime.Turn, runtime.AsyncTurn)
    if recorded.is_stream:
        check_members(vars(turn), recorded.events)
        assert turn.answer == text_of(recorded.events)
    else:
        assert turn.answer == json.loads(recorded.body)["answer"]
    if turn.status == "paused":
        assert outcome.forms[0].form_token
        assert outcome.workflow_run_id


def check_no_turn(outcome: Any, recorded: Recording) -> None:
    sent = recorded.events
    if sent and sent[-1]["event"] == "error":
        assert isinstance(outcome, runtime.APIError)
        assert (outcome.code, outcome.message) == (sent[-1].get("code"), sent[-1]["message"])
        return
    if isinstance(outcome, runtime.ConversationMismatchError):
        assert outcome.conversation_id == sent[0]["conversation_id"] != recorded.request["json"]["conversation_id"]
        return
    assert isinstance(outcome, runtime.StreamInterruptedError)
    assert "ended" in recorded.request
    assert outcome.answer == text_of(sent)
    assert outcome.message_id == (sent[0]["message_id"] if sent else None)
    if not sent:
        assert "inputs, the files or the conversation_id" in str(outcome)


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_turn_over_http(case: str) -> None:
    recorded = recording(case)
    error = json.loads(recorded.body)
    found, _ = outcomes(case)
    for outcome in found:
        if kind_of(recorded) == "agent" and recorded.request["json"].get("response_mode") == "blocking":
            assert isinstance(outcome, runtime.ConfigurationError)
        elif error["message"].startswith("Run failed"):
            assert isinstance(outcome, runtime.TurnFailedError)
            assert str(outcome) == error["message"].strip()
        else:
            assert isinstance(outcome, runtime.APIError)
            assert (outcome.status, outcome.code) == (recorded.status, error["code"])
            missing = error["message"].startswith("Conversation Not Exists")
            assert isinstance(outcome, runtime.ConversationNotFoundError) is missing
