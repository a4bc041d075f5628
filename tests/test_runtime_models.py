"""Inputs refuse what the server refuses and nothing else; runs, events and models keep everything, pickle and copy."""

import copy
import json
import pickle
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
import runtime
from pydantic import Field, ValidationError
from runtime import Checkbox, FileInput, FileRules, Inputs, JsonObject, NodeFinished, Number, Outputs, Run, Text
from runtime._models import make_run
from runtime._payloads import EVENT_TYPES, make_event
from support import TESTS
from support.fault_events import RUN_ID, WORKFLOW_ID
from support.replay import cases, recording

Document = Annotated[FileInput, FileRules(types=("document", "image"), methods=("local_file", "remote_url"))]


class KitchenSink(Inputs):
    """The inputs of the lab's kitchen_sink, as difygen writes them."""

    text_req: Annotated[Text, Field(max_length=10)]
    text_opt: Annotated[Text | None, Field(max_length=48)] = None
    text_default: Annotated[Text | None, Field(max_length=48)] = "dflt"
    para_req: Annotated[Text, Field(max_length=100)]
    para_opt: Text | None = None
    num_req: Number
    num_opt: Number | None = None
    num_default: Number | None = 42
    sel_req: Literal["a", "b", "1"]
    sel_opt: Literal["x", "y"] | None = None
    sel_default: Literal["x", "y"] | None = "y"
    chk_req: Checkbox
    chk_opt: Checkbox | None = True
    json_opt: JsonObject | None = None
    json_schema_opt: JsonObject | None = None
    hidden_opt: Text | None = "hid"
    file_opt: Document | None = None
    files_opt: Annotated[Sequence[Document] | None, Field(max_length=2)] = None


REQUIRED: dict[str, Any] = {"text_req": "t", "para_req": "p", "num_req": 1, "sel_req": "a", "chk_req": False}
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "para": (str,),
    "hidden": (str,),
    "sel": (str,),
    "num": (int, float),
    "chk": (bool,),
    "json": (dict,),
    "file": (dict,),
    "files": (list,),
}
MATRIX: list[dict[str, Any]] = json.loads((TESTS / "recordings" / "inputs-matrix.json").read_text("utf-8"))


def is_of_proper_type(row: dict[str, Any]) -> bool:
    """Whether the value is of the JSON type that the variable is meant to have. True is no number."""
    value, types = row["sent"], JSON_TYPES[row["var"].split("_")[0]]
    if isinstance(value, bool) and bool not in types:
        return False
    return isinstance(value, types) or (value is None and row["status"] == 200)


def accepts(row: dict[str, Any]) -> bool:
    values = {**REQUIRED, row["var"]: row["sent"]}
    if row["sent"] == "(omitted)":
        del values[row["var"]]
    try:
        KitchenSink(**values)
    except ValidationError as error:
        assert {problem["loc"][0] for problem in error.errors()} == {row["var"]}
        return False
    return True


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row['var']}={json.dumps(row['sent'])[:30]}")
def test_inputs_are_refused_where_the_server_refuses_them(row: dict[str, Any]) -> None:
    # The server drops the empty object of [{}] without a word; a caller would have lost a file.
    if row["status"] != 200 or row["sent"] == [{}]:
        assert not accepts(row)
    elif is_of_proper_type(row) or row["sent"] == "(omitted)":
        assert accepts(row)


def test_what_is_sent() -> None:
    inputs = KitchenSink(**REQUIRED, num_opt=2.0, json_opt={"a": [1, None]})
    assert inputs.to_wire() == {
        **REQUIRED,
        "num_opt": 2.0,
        "json_opt": {"a": [1, None]},
        "text_default": "dflt",
        "num_default": 42,
        "sel_default": "y",
        "chk_opt": True,
        "hidden_opt": "hid",
    }
    sent = json.dumps(inputs.to_wire())
    assert '"num_req": 1,' in sent
    assert '"num_opt": 2.0,' in sent


def test_none_leaves_an_optional_input_out() -> None:
    wire = KitchenSink(**REQUIRED, text_default=None, num_default=None, chk_opt=None).to_wire()
    assert not {"text_default", "num_default", "chk_opt"} & wire.keys()


class Renamed(Inputs):
    class_: Annotated[Text, Field(alias="class")]
    n_1: Annotated[Number | None, Field(alias="1 n")] = None


@pytest.mark.parametrize("arguments", [{"class_": "c", "n_1": 1}, {"class": "c", "1 n": 1}])
def test_the_wire_name_is_sent_whichever_name_was_given(arguments: dict[str, Any]) -> None:
    assert Renamed(**arguments).to_wire() == {"class": "c", "1 n": 1}


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb"])
def test_lone_surrogates_are_refused(value: str) -> None:
    for name in ("text_req", "para_req"):
        with pytest.raises(ValidationError, match=name):
            KitchenSink(**{**REQUIRED, name: value})


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": "\ud800"},
        {"\ud800": 1},
        {1: "a"},
        {"a": b"bytes"},
        {"a": datetime(2026, 1, 1, tzinfo=UTC)},
        {"a": {1, 2}},
    ],
)
def test_objects_that_json_cannot_say_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="json_opt"):
        KitchenSink(**REQUIRED, json_opt=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_know_are_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="num_req"):
        KitchenSink(**{**REQUIRED, "num_req": value})


def test_unknown_inputs_are_refused() -> None:
    with pytest.raises(ValidationError, match="unknown_one"):
        KitchenSink(**REQUIRED, unknown_one=1)  # type: ignore[call-arg]


class Answer(Outputs):
    result: str
    score: int | float | None = None


INFO = runtime.WorkflowInfo(name="answers", outputs=Answer)


def run_of(outputs: object, status: str = "succeeded", **data: Any) -> Run[Answer]:
    data = {"id": RUN_ID, "workflow_id": WORKFLOW_ID, "status": status, "outputs": outputs, **data}
    payload = {"task_id": "task", "workflow_run_id": RUN_ID, "data": data}
    return make_run(INFO, data, raw=payload, workflow_run_id=RUN_ID, task_id="task", api_url="http://h/v1")


def test_outputs_are_typed_and_unknown_ones_are_kept() -> None:
    run = run_of({"result": "r", "score": 1, "more": [1]})
    assert (run.outputs.result, run.outputs.score) == ("r", 1)
    assert run.outputs.model_extra == {"more": [1]}


@pytest.mark.parametrize("outputs", [{}, {"result": None}, {"result": 1}, {"result": "r", "score": "x"}, None, "text"])
def test_outputs_that_do_not_fit_raise_with_all_that_came(outputs: Any) -> None:
    run = run_of(outputs)
    with pytest.raises(
        runtime.OutputsError, match=r"Generate the client again\. Or is this the key of another app\?"
    ) as caught:
        _ = run.outputs
    assert caught.value.outputs == (outputs if isinstance(outputs, dict) else {})
    assert caught.value.run is run
    assert run.raw["data"]["outputs"] == outputs


def test_a_run_that_is_not_over_has_no_outputs_to_read() -> None:
    run = run_of({}, "running")
    assert not run.succeeded
    with pytest.raises(runtime.OutputsError, match="is running"):
        _ = run.outputs


def test_a_failed_run_may_have_complete_outputs() -> None:
    assert run_of({"result": "r"}, "failed").outputs.result == "r"


@pytest.mark.parametrize("data", [{}, {"elapsed_time": None, "total_tokens": None, "created_at": None, "files": None}])
def test_fields_that_are_missing_or_null_have_neutral_values(data: dict[str, Any]) -> None:
    run = run_of({"result": "r"}, **data)
    assert (run.elapsed_time, run.total_tokens, run.total_steps) == (0.0, 0, 0)
    assert (run.created_at, run.finished_at, run.created_by, run.error, run.files) == (None, None, None, None, ())


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1795365992, datetime(2026, 11, 22, 16, 46, 32, tzinfo=UTC)),
        ("Sun, 22 Nov 2026 16:46:32 -0000", datetime(2026, 11, 22, 16, 46, 32, tzinfo=UTC)),
        ("2026-11-22T16:46:32+00:00", datetime(2026, 11, 22, 16, 46, 32, tzinfo=UTC)),
        ("soon", None),
        (10**20, None),
        (True, None),
    ],
)
def test_moments_of_all_releases(value: object, moment: datetime | None) -> None:
    assert run_of({"result": "r"}, created_at=value).created_at == moment


def test_a_run_is_read_only_pickles_and_copies() -> None:
    run = run_of({"result": "r", "score": 1.5}, files=[{"filename": "a.txt", "url": "/files/a"}])
    with pytest.raises(AttributeError, match="read-only"):
        run.status = "failed"
    with pytest.raises(AttributeError, match="read-only"):
        del run.status
    for copied in (pickle.loads(pickle.dumps(run)), copy.copy(run), copy.deepcopy(run)):
        assert copied == run
        assert copied.outputs.result == "r"
        assert copied.files[0].download_url == "http://h/files/a"
    assert "result='r'" in repr(run)
    assert run != run_of({"result": "other"})


class Node(runtime.WorkflowNode):
    CODE1 = ("code1", "code", "Join")
    END = ("17000000", "end", "End")


def test_nodes_are_their_ids_and_match_events() -> None:
    event = NodeFinished({"event": "node_finished", "data": {"node_id": "code1", "title": "Join"}})
    match event:
        case NodeFinished(node_id=Node.END):
            found = "end"
        case NodeFinished(node_id=Node.CODE1, title=title):
            found = title
        case _:
            found = ""
    assert found == "Join"
    assert (Node.CODE1.node_type, Node.CODE1.node_title, str(Node.END)) == ("code", "Join", "17000000")
    assert Node("17000000") is Node.END
    assert pickle.loads(pickle.dumps(Node.END)) is Node.END


EVENTS = [event for case in cases() if recording(case).is_stream for event in recording(case).events]


def test_every_recorded_event_of_a_workflow_has_a_type_and_keeps_its_payload() -> None:
    for payload in EVENTS:
        event = make_event(payload)
        assert event.raw is payload
        assert event.event == payload["event"]
        if "conversation_id" not in payload:
            assert type(event) is EVENT_TYPES[payload["event"]]


def test_attributes_of_events_are_the_members_of_the_payload() -> None:
    checked = 0
    for payload in EVENTS:
        event = make_event(payload)
        for name, value in payload.get("data", {}).items() if isinstance(payload.get("data"), dict) else ():
            if hasattr(event, name) and isinstance(value, str | float | dict):
                assert getattr(event, name) == value
                checked += 1
    assert checked > 5_000


@pytest.mark.parametrize("kind", [*EVENT_TYPES.values(), runtime.UnknownEvent])
@pytest.mark.parametrize("data", [None, [], "text", {}, {"title": None, "node_id": 1, "files": "x", "created_at": "x"}])
def test_events_are_read_whatever_a_release_leaves_out(kind: type[runtime.StreamEvent], data: object) -> None:
    event = kind({"event": "x", "data": data})
    for name in dir(kind):
        if not name.startswith("_"):
            getattr(event, name)
    assert repr(event).startswith(f"{kind.__name__}(")
    for copied in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):
        assert copied == event
    with pytest.raises(AttributeError):
        event.event = "y"  # type: ignore[misc]


def test_retries_are_no_finished_nodes() -> None:
    assert not isinstance(make_event({"event": "node_retry", "data": {}}), NodeFinished)
    assert isinstance(make_event({"event": "node_retry", "data": {}}), runtime.NodeEvent)


@pytest.mark.parametrize("payload", [{}, {"event": None}, {"event": ["x"]}, {"event": "of_tomorrow", "data": 1}])
def test_events_that_are_not_known_come_through(payload: dict[str, Any]) -> None:
    event = make_event(payload)
    assert isinstance(event, runtime.UnknownEvent)
    assert event.raw is payload
