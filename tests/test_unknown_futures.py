"""Streams of a server that is newer than what is known: events, fields, nulls and words that nobody has seen yet.

Streams of both styles (written by the app of 1.12, by a worker since 1.13) and of chat-type apps: a client gives the
same result as without the news, hands on every event that it does not know, and fails with errors of its own alone.
Recorded streams are changed, and others are made up: see `Stream`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import runtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from runtime._http import httpx
from runtime._payloads import EVENT_TYPES
from support.both_clients import Kinds, Using, with_async, with_sync
from support.fault_events import RUN_ID, TASK_ID
from support.in_memory import URL, answered_by, streamed
from support.lab_package import kinds_of
from support.recorded import Came, followed
from support.replay import recording
from support.servers import PING
from support.turn_cases import CONVERSATION_ID, FORM, MESSAGE_ID
from test_runtime_recordings import AnyInputs
from test_turn_recordings import said_slowly

RUNS = ["seed_streaming", "v1_14_llm_streaming", "v1_14_many_events_streaming", "dev2606_failing_streaming"]
TURNS = ["chat_lab_streaming", "dev2606_chat_lab_streaming"]
CLIENTS = st.sampled_from([with_sync, with_async])
FEW = settings(max_examples=30, suppress_health_check=list(HealthCheck))
KEYS = st.text(st.characters(categories=["L", "N", "P"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name not in {*EVENT_TYPES, "ping", "error"})
TAKEN = {"event", "workflow_run_id", "task_id", "message_id", "conversation_id", "data", "id"}
FIELDS = st.dictionaries(KEYS.filter(lambda key: key not in TAKEN), JSON, max_size=3)
NEWS = st.builds(lambda name, fields, data: {**fields, "event": name, "data": data}, NAMES | st.none(), FIELDS, JSON)


def wire(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def read(using: Using, kinds: Kinds, call: Callable[[Any], Any], pieces: Iterable[bytes], **options: Any) -> Came:
    """The events and the outcome of a stream; where it tells no end, the stored run has succeeded."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return streamed(pieces)
        stored = {"id": "r", "status": "succeeded", "outputs": {}}
        return httpx.Response(404) if request.url.path.endswith("/events") else httpx.Response(200, json=stored)

    options["http_client"] = answered_by(handle, using)
    came: Came = using(URL, lambda client: followed(call(client)), kinds, **options)
    return came


@cache
def public_names(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def news_of(came: Came) -> list[dict[str, Any]]:
    """All that was handed on but pings, as it came. Every event can be looked at."""
    for event in came[0]:
        for name in public_names(type(event)):
            getattr(event, name)
    return [event.raw for event in came[0] if not isinstance(event, runtime.Ping)]


# Recorded streams, changed


def changed(case: str, lab: ModuleType, using: Using, events: list[dict[str, Any]]) -> Came:
    """What comes of a recorded stream with other events, by the client that is generated for its app."""
    query = ["hello"] if case in TURNS else []
    kinds = kinds_of(lab, recording(case).request["app"])
    return read(using, kinds, lambda client: client.stream_inputs(*query, AnyInputs()), map(wire, events))


def gist(outcome: Any) -> Any:
    """What an outcome says, whatever else its events held."""
    ended = getattr(outcome, "run", None) or getattr(outcome, "turn", None) or outcome
    return type(outcome), ended.status, getattr(ended, "answer", None) or ended.raw_outputs


def with_news(case: str, data: st.DataObject) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of a recording with events among them that nobody knows; and these alone."""
    sent, put = list(recording(case).events), []
    last = next(at for at, event in enumerate(sent) if event["event"] in ("workflow_finished", "message_end"))
    for at in sorted(data.draw(st.lists(st.integers(0, last), max_size=4)), reverse=True):
        event = data.draw(NEWS)
        sent.insert(at, event)
        put.insert(0, event)
    return sent, put


@pytest.mark.parametrize("case", [*RUNS, *TURNS])
@FEW
@given(st.data())
def test_unknown_events_reach_who_iterates(case: str, lab: ModuleType, data: st.DataObject) -> None:
    (sent, put), using = with_news(case, data), data.draw(CLIENTS)
    came = changed(case, lab, using, sent)
    assert news_of(came) == sent
    assert [event.raw for event in came[0] if isinstance(event, runtime.UnknownEvent)] == put
    assert gist(came[1]) == gist(changed(case, lab, using, recording(case).events)[1])


@pytest.mark.parametrize("case", [*RUNS, *TURNS])
@FEW
@given(extra=FIELDS, inner=FIELDS, word=st.text(max_size=9))
def test_unknown_fields_and_node_types_are_kept(case: str, lab: ModuleType, extra: Any, inner: Any, word: str) -> None:
    sent = recording(case).events
    for event in sent:
        event.update({key: value for key, value in extra.items() if key not in event})
        if isinstance(event.get("data"), dict):
            event["data"].update({key: value for key, value in inner.items() if key not in event["data"]})
            if "node_type" in event["data"]:
                event["data"]["node_type"] = word
    came = changed(case, lab, with_sync, sent)
    assert news_of(came) == sent
    assert {event.node_type for event in came[0] if isinstance(event, runtime.NodeFinished)} == {word}
    assert gist(came[1]) == gist(changed(case, lab, with_sync, recording(case).events)[1])


@pytest.mark.parametrize("case", [*RUNS, *TURNS])
@FEW
@given(st.data())
def test_nulls_where_values_were(case: str, lab: ModuleType, data: st.DataObject) -> None:
    """Any value of any event null: what comes is a result or an error of the client's own, with the events so far."""
    sent = recording(case).events
    for at in data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=6)):
        inside = sent[at].get("data") if data.draw(st.booleans()) else sent[at]
        if isinstance(inside, dict):
            inside[data.draw(st.sampled_from(sorted(inside)))] = None
    came = changed(case, lab, with_sync, sent)
    assert isinstance(came[1], runtime.Run | runtime.Turn | runtime.DifyError)
    assert news_of(came) == sent[: len(news_of(came))]


@pytest.mark.parametrize("word", ["partial-succeeded", "expired", "skipped", "", "SUCCEEDED"])
@pytest.mark.parametrize("case", RUNS[:2])
def test_a_finish_status_that_nobody_knows(case: str, lab: ModuleType, word: str) -> None:
    """Such a run is an error that carries it: no success that nobody has promised, and no outputs lost."""
    sent = recording(case).events
    sent[-1]["data"]["status"] = word
    _, outcome = changed(case, lab, with_sync, sent)
    run = getattr(outcome, "run", outcome)
    assert (run.status, run.raw_outputs) == (word, sent[-1]["data"]["outputs"])
    assert type(outcome) is (runtime.Run if word == "partial-succeeded" else runtime.RunError)


# Made-up streams

NOISE = [
    PING,
    b'data: {"event": "ping"}\n\n',
    b": comment\n\n",
    b"id: 7\n\n",
    b"retry: 10\n\n",
    b"\n",
    b"event: tomorrow\n",
]
MESSAGES = {"chat": "message", "agent": "agent_message", "completion": "message", "chatflow": "message"}
APPS = {"chat": "chat_basic", "agent": "agent_lab", "completion": "completion_lab", "chatflow": "chat_lab"}
WORDS = st.text(max_size=9)
STEP: dict[str, Any] = {
    "title": "A step",
    "index": 1,
    "predecessor_node_id": "start1",
    "inputs": {"a": 1},
    "created_at": 1795365992,
    "iteration_id": "loop1",
}
STEPPED: dict[str, Any] = {
    **STEP,
    "process_data": {},
    "outputs": {"text": "a"},
    "status": "succeeded",
    "error": "none",
    "elapsed_time": 0.1,
    "execution_metadata": {"total_tokens": 3},
    "finished_at": 1795365993,
    "files": [],
}
ENDED: dict[str, Any] = {
    "workflow_id": "w",
    "elapsed_time": 0.2,
    "total_tokens": 3,
    "total_steps": 2,
    "created_by": {"id": "e", "user": "u1"},
    "created_at": 1795365992,
    "finished_at": 1795365993,
    "exceptions_count": 0,
    "files": [],
}
ERROR = {"status": 400, "code": "completion_request_error"}


class Stream(RuleBasedStateMachine):
    """A stream as it is written: events that are known, in an order that is known, and news of all kinds among them.

    What may be null or left out is so at times. It can be read at any point and to any of its ends: what comes is what
    the known events say.
    """

    ids: Mapping[str, Any]
    ends: Sequence[str]

    def __init__(self, lab: ModuleType) -> None:
        super().__init__()
        self.lab = lab
        self.wire: list[bytes] = []
        self.told: list[dict[str, Any]] = []
        """The events that are not pings."""
        self.steps: list[tuple[str, dict[str, str]]] = []
        self.has_workflow = True

    def tell(self, data: st.DataObject, name: str, sure: Mapping[str, Any], maybe: Mapping[str, Any]) -> None:
        """Write an event about the run, whose members are in `data`."""
        self.put(varied(data, {"event": name, **self.ids, "data": varied(data, sure, maybe)}, {}))

    def put(self, event: dict[str, Any]) -> None:
        self.told.append(event)
        self.wire.append(wire(event))

    @rule(event=NEWS)
    def tell_what_nobody_knows(self, event: dict[str, Any]) -> None:
        self.put(event)

    @rule(noise=st.sampled_from(NOISE))
    def make_noise(self, noise: bytes) -> None:
        self.wire.append(noise)

    @precondition(lambda self: self.has_workflow)
    @rule(data=st.data(), name=st.sampled_from(["node", "iteration", "loop"]), kind=WORDS)
    def begin_a_step(self, data: st.DataObject, name: str, kind: str) -> None:
        step = {"id": f"execution-{len(self.told)}", "node_id": "code1", "node_type": kind}
        self.steps.append((name, step))
        self.tell(data, f"{name}_started", step, STEP)

    @precondition(lambda self: self.steps)
    @rule(data=st.data(), is_over=st.booleans())
    def go_on_with_a_step(self, data: st.DataObject, is_over: bool) -> None:
        name, step = self.steps.pop() if is_over else self.steps[-1]
        going, over = ("retry", "finished") if name == "node" else ("next", "completed")
        self.tell(data, f"{name}_{over if is_over else going}", step, STEPPED)

    @precondition(lambda self: self.has_workflow)
    @rule(data=st.data(), piece=WORDS)
    def think_aloud(self, data: st.DataObject, piece: str) -> None:
        self.tell(data, "reasoning_chunk", {"reasoning": piece, "node_id": "llm1"}, {"is_final": False})

    @rule(data=st.data(), end=st.sampled_from(range(9)), using=CLIENTS, size=st.integers(1, 3000))
    def read(self, data: st.DataObject, end: int, using: Using, size: int) -> None:
        """Read what was written so far to one of its ends, in pieces of one size."""
        written, told = list(self.wire), list(self.told)
        name = self.ends[end % len(self.ends)]
        self.end(name, data)
        expected = list(self.told)
        if name != "cut":
            self.make_noise(PING)
            self.put(data.draw(NEWS))  # nobody reads it
        body = b"".join(self.wire)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        came = read(using, self.kinds(), self.call, pieces, max_reconnects=0)
        self.check(name, came[1], expected)
        assert news_of(came) == expected
        self.wire, self.told = written, told

    def finish(self, data: st.DataObject, status: str, outputs: Any, **more: Any) -> None:
        self.tell(data, "workflow_finished", {"id": RUN_ID, "status": status, "outputs": outputs, **more}, ENDED)

    def end_badly(self, name: str, data: st.DataObject) -> None:
        if name == "paused":
            waits = {"status": name, "paused_nodes": ["human1"], "outputs": {}, **ENDED}
            self.tell(data, "workflow_paused", {"workflow_run_id": RUN_ID, "reasons": [FORM]}, waits)
        elif name == "error":
            self.put(varied(data, {"event": "error", "message": "boom"}, {**ERROR, **self.ids}))
        elif name == "failed":
            self.finish(data, name, None, error="boom")
        elif name == "stopped":
            self.finish(data, name, {})


def varied(data: st.DataObject, sure: Mapping[str, Any], maybe: Mapping[str, Any]) -> dict[str, Any]:
    """An object with the sure members; with the others, as they are, null or left out; and with unknown ones."""
    fates = data.draw(st.lists(st.sampled_from(["there", "null", "absent"]), min_size=len(maybe), max_size=len(maybe)))
    others = zip(maybe.items(), fates, strict=True)
    given = {name: value if fate == "there" else None for (name, value), fate in others if fate != "absent"}
    return {**data.draw(FIELDS), **sure, **given}


class RunStream(Stream):
    """The stream of a run, of either style."""

    ends = ("succeeded", "partial-succeeded", "failed", "stopped", "paused", "error", "cut")

    @initialize(data=st.data(), pings_first=st.booleans())
    def begin(self, data: st.DataObject, pings_first: bool) -> None:
        self.ids = {"workflow_run_id": RUN_ID, "task_id": TASK_ID}
        self.wire += [PING] * pings_first
        self.tell(data, "workflow_started", {"id": RUN_ID}, {"workflow_id": "w", "inputs": {}, "reason": "initial"})

    @rule(data=st.data(), piece=WORDS)
    def show_text(self, data: st.DataObject, piece: str) -> None:
        self.tell(data, "text_chunk", {"text": piece}, {"from_variable_selector": ["code1", "result"]})

    def end(self, name: str, data: st.DataObject) -> None:
        if "succeeded" in name:
            self.finish(data, name, {"result": "a", "more": data.draw(JSON)})
        else:
            self.end_badly(name, data)

    def kinds(self) -> Kinds:
        return kinds_of(self.lab, "concat")

    def call(self, client: Any) -> Any:
        return client.stream(string="a", num=1, list="list_a")

    def check(self, name: str, outcome: Any, told: list[dict[str, Any]]) -> None:
        assert (outcome.workflow_run_id, outcome.task_id) == (RUN_ID, TASK_ID)
        if "succeeded" in name:
            assert (outcome.status, outcome.outputs.result) == (name, "a")
            assert outcome.raw_outputs == told[-1]["data"]["outputs"]
        else:
            errors = runtime.RunFailedError, runtime.RunStoppedError, runtime.RunPausedError
            check_error(name, outcome, errors)


class TurnStream(Stream):
    """The stream of a turn: of a chatflow, of either style, or of another app."""

    ends = ("succeeded", "error", "cut")

    @initialize(data=st.data(), kind=st.sampled_from(sorted(APPS)), pings_first=st.booleans())
    def begin(self, data: st.DataObject, kind: str, pings_first: bool) -> None:
        self.kind, self.pings_first = kind, pings_first
        self.has_workflow = kind == "chatflow"
        self.of_message = {"message_id": MESSAGE_ID, "task_id": TASK_ID}
        if kind != "completion":
            self.of_message["conversation_id"] = CONVERSATION_ID
        self.ids = {**self.of_message, "workflow_run_id": RUN_ID}
        if self.has_workflow:
            self.ends = RunStream.ends
            self.wire += [PING] * pings_first
            self.tell(data, "workflow_started", {"id": RUN_ID}, {"workflow_id": "w", "inputs": {}, "reason": "initial"})

    def say(self, data: st.DataObject, name: str, sure: Mapping[str, Any], maybe: Mapping[str, Any]) -> None:
        """Write an event about the message, whose members stand beside its name."""
        self.put(varied(data, {"event": name, **self.of_message, **sure}, {"created_at": 1795638536, **maybe}))

    @rule(data=st.data(), piece=WORDS)
    def answer(self, data: st.DataObject, piece: str) -> None:
        name = "agent_message" if self.kind == "agent" else "message"
        self.say(data, name, {"answer": piece}, {"id": MESSAGE_ID, "from_variable_selector": ["llm1", "text"]})

    @rule(data=st.data(), text=WORDS)
    def take_it_back(self, data: st.DataObject, text: str) -> None:
        self.say(data, "message_replace", {"answer": text}, {"reason": "output_moderation"})

    @rule(data=st.data())
    def bring_a_file(self, data: st.DataObject) -> None:
        url = "/files/tools/x.png"
        self.say(
            data, "message_file", {"id": f"file-{len(self.told)}", "url": url}, {"type": "image", "belongs_to": "user"}
        )

    @precondition(lambda self: self.kind == "agent")
    @rule(data=st.data(), at=st.integers(0, 2), word=WORDS)
    def think(self, data: st.DataObject, at: int, word: str) -> None:
        more = {"observation": word, "tool": "draw;paint", "tool_labels": {}, "tool_input": "{", "message_files": ["f"]}
        self.say(data, "agent_thought", {"id": f"t{at}", "position": at}, {"thought": word, **more})

    def end(self, name: str, data: st.DataObject) -> None:
        if "succeeded" not in name:
            self.end_badly(name, data)
            return
        if self.has_workflow and not self.pings_first:
            self.finish(data, name, {"answer": "as the run has it"})
            self.make_noise(data.draw(st.sampled_from(NOISE)))
        metadata = {
            "usage": {"total_tokens": 3},
            "retriever_resources": [{"document_name": "a"}],
            "annotation_reply": {},
        }
        self.say(data, "message_end", {}, {"id": MESSAGE_ID, "metadata": varied(data, {}, metadata), "files": []})
        if self.has_workflow and self.pings_first:
            self.put(data.draw(NEWS))
            self.finish(data, name, {"answer": "as the run has it"})

    def kinds(self) -> Kinds:
        return kinds_of(self.lab, APPS[self.kind])

    def call(self, client: Any) -> Any:
        return client.stream(*([] if self.kind == "completion" else ["Who?"]), name="Ada")

    def check(self, name: str, outcome: Any, told: list[dict[str, Any]]) -> None:
        said = [(event["event"], event["answer"]) for event in told if event["event"] in SAYINGS and "answer" in event]
        assert outcome.answer == said_slowly(said)
        if "succeeded" in name:
            ids = {"task_id": outcome.task_id, "message_id": outcome.message_id}
            assert {**ids, "conversation_id": outcome.conversation_id} == {"conversation_id": None, **self.of_message}
            assert outcome.workflow_run_id == (RUN_ID if self.has_workflow else None)
            thoughts = {event["id"]: event for event in told if event["event"] == "agent_thought"}
            assert [thought.raw for thought in outcome.thoughts] == list(thoughts.values())
            assert len(outcome.files) == len([event for event in told if event["event"] == "message_file"])
        else:
            errors = runtime.TurnFailedError, runtime.TurnStoppedError, runtime.TurnPausedError
            check_error(name, outcome, errors)


SAYINGS = ("message", "agent_message", "message_replace")


def check_error(name: str, outcome: Any, errors: Sequence[type[Exception]]) -> None:
    kinds = dict(zip(("failed", "stopped", "paused"), errors, strict=True))
    assert isinstance(
        outcome, kinds.get(name) or {"error": runtime.APIError, "cut": runtime.StreamInterruptedError}[name]
    )
    if name in ("failed", "error"):
        assert outcome.args[0].startswith("boom")


@pytest.mark.parametrize("machine", [RunStream, TurnStream])
def test_any_stream_that_may_come(machine: Callable[[ModuleType], Stream], lab: ModuleType) -> None:
    run_state_machine_as_test(lambda: machine(lab), settings=settings(FEW, stateful_step_count=20))
