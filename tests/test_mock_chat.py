"""The mock's chat-type apps beyond what was recorded: what is made up, moderation, faults, speech, people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from difygen.model import (
    AnswerTemplate,
    App,
    ArrayOf,
    Example,
    Features,
    Input,
    ObjectOf,
    Primitive,
    Property,
    TemplatePiece,
    Tool,
    TurnFiles,
    Type,
    Variable,
)
from difygen.testing import MockDify, mock_dify
from support.mock_chat_player import chat_server
from support.mock_player import events_of

MODES = ("advanced-chat", "chat", "agent-chat", "completion")
FEATURES = Features(suggested_questions_after_answer=True, text_to_speech=True, speech_to_text=True)


def app(mode: Any, **more: Any) -> App:
    return App(name="support", source="-", mode=mode, **{"features": FEATURES} | more)


class Caller:
    """Calls one app of a mock server."""

    def __init__(self, dify: MockDify) -> None:
        headers = {"Authorization": f"Bearer {dify.api_key}"}
        self.http = httpx.Client(base_url=dify.base_url, headers=headers, timeout=60, trust_env=False)
        self.dify = dify

    def ask(self, query: str = "hello there", *, fault: str = "", **more: Any) -> httpx.Response:
        body = {"query": query, "inputs": {}, "user": "u1", "response_mode": "streaming"} | more
        path = "/completion-messages" if more.get("completion") else "/chat-messages"
        return self.http.post(path, json=body, headers={"X-Mock-Fault": fault} if fault else {})

    def events(self, query: str = "hello there", **more: Any) -> list[dict[str, Any]]:
        return events_of(self.ask(query, **more).content)


@pytest.fixture
def serve() -> Iterator[Any]:
    opened: list[Any] = []

    def start(served: App, **options: Any) -> Caller:
        manager = mock_dify(served, **options)
        caller = Caller(manager.__enter__())
        opened.append((manager, caller))
        return caller

    yield start
    for manager, caller in opened:
        caller.http.close()
        manager.__exit__(None, None, None)


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["answer"] for event in events if event["event"] in ("message", "agent_message"))


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_app_says_what_the_handler_returns(mode: str, serve: Any) -> None:
    caller = serve(app(mode), handler=lambda inputs: f"You said {inputs.get('sys.query', 'nothing')}.")
    events = caller.events(completion=mode == "completion")
    said = "You said nothing." if mode == "completion" else "You said hello there."
    assert text_of(events) == said == caller.dify.last_turn.answer
    ends = ["message_end", "workflow_finished"] if mode == "advanced-chat" else ["message_end"]
    assert [event["event"] for event in events][-len(ends) :] == ends


@pytest.mark.parametrize("mode", MODES)
def test_without_a_handler_an_answer_is_made_up_the_same_every_time(mode: str, serve: Any) -> None:
    caller = serve(app(mode))
    first, second = (text_of(caller.events(completion=mode == "completion")) for _ in range(2))
    assert first == second != ""


@pytest.mark.parametrize("mode", MODES)
def test_an_example_of_the_spec_is_answered_where_inputs_and_query_are_its_own(mode: str, serve: Any) -> None:
    asks = mode != "completion"
    examples = (
        Example(query="Where?" if asks else "", inputs={"order": "A-17"}, answer="On its way."),
        Example(query="When?" if asks else "", inputs={"order": "B-4"}, answer="On Monday."),
    )
    caller = serve(app(mode, inputs=(Input(name="order", kind="text-input"),), examples=examples))

    def answer(query: str, order: str) -> str:
        return text_of(caller.events(query, inputs={"order": order}, completion=not asks))

    assert answer("When?", "B-4") == "On Monday."
    assert answer("Where?", "A-17") == "On its way."
    assert answer("Who?", "C-9") == "On its way."  # the first of all, as in workflows


def test_a_chatflow_says_its_templates_and_says_of_which_node_a_piece_is(serve: Any) -> None:
    pieces = (TemplatePiece(text="Hi "), TemplatePiece(selector=("body", "name")), TemplatePiece(text="!"))
    caller = serve(
        app("advanced-chat", answers=(AnswerTemplate(node="answer", pieces=pieces),)),
        handler=lambda inputs: {"body.name": "Ada"},
    )
    messages = [event for event in caller.events() if event["event"] == "message"]
    assert [(event["answer"], event["from_variable_selector"]) for event in messages] == [
        ("Hi ", ["answer", "answer"]),
        ("Ada", ["body", "name"]),
        ("!", ["answer", "answer"]),
    ]


def test_an_agent_uses_its_first_tool_unless_a_handler_says_otherwise(serve: Any) -> None:
    events = serve(app("agent-chat", tools=(Tool(name="weather", label="Weather"),))).events()
    thoughts = {event["id"]: event for event in events if event["event"] == "agent_thought"}
    assert [each["tool"] for each in thoughts.values()] == ["weather", ""]
    assert json.loads(next(iter(thoughts.values()))["observation"]) == {"weather": "mock observation"}
    plain = serve(app("agent-chat", tools=(Tool(name="weather"),)), handler=lambda inputs: "No tools.").events()
    assert {event["tool"] for event in plain if event["event"] == "agent_thought"} == {""}


@pytest.mark.parametrize("mode", MODES)
def test_a_handler_that_fails_fails_the_turn(mode: str, serve: Any) -> None:
    def fail(inputs: Any) -> Any:
        raise LookupError("no such order")

    caller = serve(app(mode), handler=fail)
    last = caller.events(completion=mode == "completion")[-1]
    if mode == "advanced-chat":
        assert (last["event"], last["data"]["status"]) == ("workflow_finished", "failed")
    else:
        assert (last["event"], last["code"], last["status"]) == ("error", "completion_request_error", 400)
        assert "task_id" not in last
    assert "no such order" in str(last)
    assert caller.dify.last_turn.status == "error"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("fault", "end"), [("error-event", "error"), ("cut=2", "")])
def test_faults_on_demand_are_those_of_workflows(mode: str, fault: str, end: str, serve: Any) -> None:
    caller = serve(app(mode))
    if end:
        assert caller.events(fault=fault, completion=mode == "completion")[-1]["event"] == end
        return
    with pytest.raises(httpx.RemoteProtocolError):
        caller.ask(fault=fault, completion=mode == "completion")


def test_a_refused_stream_of_a_chatflow_is_a_ping_and_then_nothing(serve: Any) -> None:
    served = app("advanced-chat", inputs=(Input(name="order", kind="text-input"),))
    caller = serve(served, silence=0.05)
    answer = caller.ask()
    assert (answer.status_code, answer.content) == (200, b"event: ping\n\n")
    assert caller.ask(response_mode="blocking").json()["message"] == "order is required in input form"
    assert caller.dify.turns == []


def test_conversations_go_on_with_their_variables_and_one_user(serve: Any) -> None:
    caller = serve(app("advanced-chat", variables=(Variable(name="seen", type=Primitive.BOOLEAN, initial=True),)))
    conversation = caller.events()[0]["conversation_id"]
    assert caller.events(conversation_id=conversation)[0]["conversation_id"] == conversation
    page = caller.http.get(f"/conversations/{conversation}/variables", params={"user": "u1"}).json()
    row = page["data"][0]
    assert (row["name"], row["value_type"], row["value"]) == ("seen", "boolean", "True")
    path = f"/conversations/{conversation}/variables/{row['id']}"
    assert caller.http.put(path, json={"value": False, "user": "u1"}).json()["value"] == "False"
    refused = caller.http.put(path, json={"value": "no", "user": "u1"})
    assert refused.json()["message"] == "Type mismatch: variable 'seen' expects boolean, but got string type"
    query = {"user": "u1", "conversation_id": conversation, "limit": 1}
    last = caller.http.get("/messages", params=query).json()
    assert last["has_more"] is True
    first = caller.http.get("/messages", params=query | {"first_id": last["data"][0]["id"]}).json()
    assert first["has_more"] is False
    assert first["data"][0]["id"] != last["data"][0]["id"]
    assert caller.http.get("/messages", params=query | {"user": "u2"}).status_code == 404


def test_variables_without_an_initial_value_begin_empty(serve: Any) -> None:
    types: dict[str, Type] = {
        "language": Primitive.STRING,
        "turns": Primitive.INTEGER,
        "seen": Primitive.BOOLEAN,
        "orders": ArrayOf(Primitive.STRING),
        "customer": ObjectOf((Property("name", Primitive.STRING), Property("age", Primitive.INTEGER, required=False))),
    }
    variables = tuple(Variable(name=name, type=type_) for name, type_ in types.items())
    caller = serve(app("advanced-chat", variables=variables))
    conversation = caller.events()[0]["conversation_id"]
    page = caller.http.get(f"/conversations/{conversation}/variables", params={"user": "u1"}).json()
    assert {row["name"]: row["value"] for row in page["data"]} == {
        "language": "",
        "turns": "0",
        "seen": "False",
        "orders": "[]",
        "customer": "{'name': ''}",
    }


def test_speech_that_plays_at_once_comes_after_the_answer(serve: Any) -> None:
    spoken = app("chat", features=Features(text_to_speech=True, auto_play=True))
    assert [event["event"] for event in serve(spoken).events()][-3:] == [
        "message_end",
        "tts_message",
        "tts_message_end",
    ]


def test_annotations_can_be_made_changed_and_deleted(serve: Any) -> None:
    http = serve(app("chat")).http
    made = http.post("/apps/annotations", json={"question": "Who?", "answer": "We."})
    assert made.status_code == 201
    path = f"/apps/annotations/{made.json()['id']}"
    assert http.put(path, json={"question": "Who?", "answer": "They."}).json()["answer"] == "They."
    assert [row["answer"] for row in http.get("/apps/annotations").json()["data"]] == ["They."]
    assert (http.delete(path).status_code, http.delete(path).status_code) == (204, 404)
    settings = {"score_threshold": 0.9, "embedding_provider_name": "p", "embedding_model_name": "m"}
    job = http.post("/apps/annotation-reply/enable", json=settings).json()
    status = http.get(f"/apps/annotation-reply/enable/status/{job['job_id']}").json()
    assert (job["job_status"], status["job_status"]) == ("waiting", "completed")


def test_a_paused_chatflow_goes_on_when_its_form_is_submitted(serve: Any) -> None:
    caller = serve(app("advanced-chat"), handler=lambda inputs: "Done.")
    events = caller.events(fault="paused")
    assert [event["event"] for event in events][-2:] == ["human_input_required", "workflow_paused"]
    assert caller.dify.last_turn.status == "paused"
    run, token = events[0]["workflow_run_id"], events[-2]["data"]["form_token"]
    answer = {"user": "u1", "inputs": {}, "action": "continue"}
    assert caller.http.post(f"/form/human_input/{token}", json=answer).status_code == 200
    rest = events_of(caller.http.get(f"/workflow/{run}/events", params={"user": "u1"}).content)
    assert rest[-1]["event"] == "workflow_finished"
    assert caller.dify.last_turn.answer == "Done."


def test_what_moderation_answers_in_a_chatflow_has_no_run() -> None:
    with chat_server("chat_plain", moderation="chat_basic", silence=0.05) as server:
        body = {"query": "a Forbidden word", "inputs": {}, "user": "u1", "response_mode": "streaming"}
        headers = {"Authorization": "Bearer app-chat_plain"}
        answer = httpx.post(
            f"{server.origin}/v1/chat-messages", json=body, headers=headers, trust_env=False, timeout=60
        )
        events = events_of(answer.content)
        assert [event["event"] for event in events] == ["message", "message_end"]
        assert text_of(events) == "I may not hear that."
        blocking = httpx.post(
            f"{server.origin}/v1/chat-messages",
            json=body | {"response_mode": "blocking"},
            headers=headers,
            trust_env=False,
            timeout=60,
        )
        assert blocking.json()["answer"] == "I may not hear that."


def test_files_of_a_turn_are_counted_checked_and_kept_to_their_user(serve: Any) -> None:
    files = TurnFiles(types=("image",), methods=("local_file", "remote_url"), max_count=1)
    caller = serve(app("chat", files=files))
    sent = {"file": ("a.png", b"png", "image/png")}
    uploaded = caller.http.post("/files/upload", files=sent, data={"user": "u1"}).json()["id"]
    member = {"type": "image", "transfer_method": "local_file", "upload_file_id": uploaded}
    assert caller.ask(files=[member]).status_code == 200
    assert caller.http.get(f"/files/{uploaded}/preview", params={"user": "u1"}).content == b"png"
    assert caller.ask(files=[member] * 2).json()["message"] == "Number of files exceeds the maximum limit 1"
    assert caller.ask(files=[member], user="u2").json()["message"] == "Invalid upload file"
    assert caller.ask(files=[member | {"type": "audio"}]).status_code == 400
