"""Streams of a server that is newer than what is known: events, fields, nulls and words that nobody has seen yet.

Streams of both styles (written by the app of 1.12, by a worker since 1.13) and of chat-type apps: a client gives the
same result as without the news, hands on every event that it does not know, and fails with errors of its own alone.
"""

import json
from typing import Any

import pytest
import runtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime._events import EVENT_TYPES
from runtime._protocol import SseDecoder
from runtime._turns import TurnState
from support.both_clients import Using, both_clients, with_sync
from support.replay import recording
from support.servers import RUN, Server, as_json, stream
from test_runtime_recordings import streamed

RUNS = ["seed_streaming", "v1_14_llm_streaming", "v1_14_many_events_streaming", "dev2606_failing_streaming"]
TURNS = ["chat_lab_streaming", "dev2606_chat_lab_streaming"]
FEW = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEYS = st.text(st.characters(categories=["L", "N", "P"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name not in {*EVENT_TYPES, "ping", "error"})
TAKEN = {"event", "workflow_run_id", "task_id", "message_id", "conversation_id", "data", "id"}
FIELDS = st.dictionaries(KEYS.filter(lambda key: key not in TAKEN), JSON, max_size=4)
NEWS = st.builds(
    lambda name, fields, data: {**fields, "event": name, "data": data},
    NAMES,
    FIELDS,
    JSON,
)


def wire(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def with_news(case: str, data: st.DataObject) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of a recording with events among them that nobody knows; and these alone."""
    sent, put = list(recording(case).events), []
    last = next(at for at, event in enumerate(sent) if event["event"] in ("workflow_finished", "message_end"))
    for at in sorted(data.draw(st.lists(st.integers(0, last), max_size=4)), reverse=True):
        event = data.draw(NEWS)
        sent.insert(at, event)
        put.insert(0, event)
    return sent, put


@both_clients
@pytest.mark.parametrize("case", RUNS)
@FEW
@given(st.data())
def test_unknown_events_reach_who_iterates(case: str, using: Using, data: st.DataObject) -> None:
    sent, put = with_news(case, data)
    with Server({RUN: stream([wire(event) for event in recording(case).events])}) as server:
        _, known = streamed(using, server.url)
    with Server({RUN: stream([wire(event) for event in sent])}) as server:
        events, outcome = streamed(using, server.url)
    assert [event.raw for event in events if isinstance(event, runtime.UnknownEvent)] == put
    assert [event.raw for event in events if not isinstance(event, runtime.Ping)] == sent
    assert type(outcome) is type(known)
    assert getattr(outcome, "run", outcome).raw == getattr(known, "run", known).raw


@pytest.mark.parametrize("case", RUNS)
@FEW
@given(extra=FIELDS, inner=FIELDS, word=st.text(max_size=9))
def test_unknown_fields_and_node_types_are_kept(case: str, extra: Any, inner: Any, word: str) -> None:
    sent = recording(case).events
    for event in sent:
        event.update({key: value for key, value in extra.items() if key not in event})
        if isinstance(event.get("data"), dict):
            event["data"].update({key: value for key, value in inner.items() if key not in event["data"]})
            if "node_type" in event["data"]:
                event["data"]["node_type"] = word
    with Server({RUN: stream([wire(event) for event in sent])}) as server:
        events, outcome = streamed(with_sync, server.url)
    assert [event.raw for event in events if not isinstance(event, runtime.Ping)] == sent
    types = {event.node_type for event in events if isinstance(event, runtime.NodeFinished)}
    assert types == {word}
    assert getattr(outcome, "run", outcome).raw["data"] == sent[-1]["data"]


@pytest.mark.parametrize("case", RUNS)
@FEW
@given(st.data())
def test_nulls_where_values_were(case: str, data: st.DataObject) -> None:
    """Any value of any event null: what comes is a run or an error of the client's own, with the events so far."""
    sent = recording(case).events
    for at in data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=6)):
        inside = sent[at].get("data") if data.draw(st.booleans()) else sent[at]
        if isinstance(inside, dict):
            inside[data.draw(st.sampled_from(sorted(inside)))] = None
    stored = as_json({"id": "r", "status": "succeeded", "outputs": {}})
    with Server({RUN: stream([wire(event) for event in sent]), "GET *": stored}) as server:
        events, outcome = streamed(with_sync, server.url)
        assert server.runs == 1
    assert isinstance(outcome, runtime.Run | runtime.DifyError)
    for event in events:
        repr(event)


@pytest.mark.parametrize("word", ["partial-succeeded", "expired", "skipped", "", "SUCCEEDED"])
@pytest.mark.parametrize("case", RUNS[:2])
def test_a_finish_status_that_nobody_knows(case: str, word: str) -> None:
    """Such a run is an error that carries it: no success that nobody has promised, and no outputs lost."""
    sent = recording(case).events
    sent[-1]["data"]["status"] = word
    with Server({RUN: stream([wire(event) for event in sent])}) as server:
        _, outcome = streamed(with_sync, server.url)
    run = getattr(outcome, "run", outcome)
    assert (run.status, run.raw_outputs) == (word, sent[-1]["data"]["outputs"])
    assert type(outcome) is (runtime.Run if word == "partial-succeeded" else runtime.RunError)


@pytest.mark.parametrize("case", TURNS)
@FEW
@given(st.data())
def test_unknown_events_of_turns(case: str, data: st.DataObject) -> None:
    known, state = TurnState("chatflow"), TurnState("chatflow")
    known.take(SseDecoder().feed(b"".join(wire(event) for event in recording(case).events)))
    sent, put = with_news(case, data)
    size = data.draw(st.integers(1, 4000))
    body, decoder = b"".join(map(wire, sent)), SseDecoder()
    for start in range(0, len(body), size):
        if not state.is_over:
            state.take(decoder.feed(body[start : start + size]))
    assert state.answer == known.answer and state.error is None
    assert [event.raw for event in state.pending if isinstance(event, runtime.UnknownEvent)] == put
