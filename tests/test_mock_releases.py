"""What the mock does other in one release of Dify than in the next, and clients of each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import runtime
from difygen.model import App, Features
from difygen.testing import MockDify, mock_dify
from runtime import TurnFailedError, TurnStoppedError
from support import CHAT_LAB, LAB, TESTS
from support.chat_clients import AnyInputs, Flow
from support.concat_client import ConcatClient
from support.mock_player import events_of

NOTHING = AnyInputs.model_validate({})
USER = {"user": "u1"}
TURN: dict[str, Any] = {"query": "Hello", "inputs": {}, "response_mode": "streaming", **USER}
FLOW = App(name="support", source="-", mode="advanced-chat", features=Features())
ENDS = ("message_end", "workflow_finished", "error")


@contextmanager
def playing(app: App | Path, release: str, **options: Any) -> Iterator[tuple[MockDify, httpx.Client]]:
    """A mock of a release, and what asks it."""
    with mock_dify(app, dify=release, silence=0.1, ping_interval=0.1, **options) as dify:
        headers = {"Authorization": f"Bearer {dify.api_key}"}
        origin = dify.base_url.removesuffix("/v1")
        with httpx.Client(base_url=origin, headers=headers, timeout=20, trust_env=False) as client:
            yield dify, client


def ends(client: httpx.Client, fault: str = "") -> list[str]:
    """What a turn ends with."""
    answer = client.post("/v1/chat-messages", json=TURN, headers={"X-Mock-Fault": fault})
    return [event["event"] for event in events_of(answer.content) if event["event"] in ENDS]


@pytest.mark.parametrize(
    ("release", "well", "failed", "stopped"),
    [
        ("1.12", ["workflow_finished", "message_end"], ["workflow_finished", "error"], None),
        ("1.13.0", ["workflow_finished"], ["workflow_finished"], ["workflow_finished"]),
        ("1.13", ["message_end", "workflow_finished"], ["workflow_finished"], ["workflow_finished"]),
        ("1.16", ["message_end", "workflow_finished"], ["workflow_finished"], ["workflow_finished"]),
    ],
)
def test_how_turns_of_a_chatflow_end(
    release: str, well: list[str], failed: list[str], stopped: list[str] | None
) -> None:
    with playing(FLOW, release) as (dify, client):
        assert (ends(client), ends(client, "failed"), ends(client, "stopped")) == (well, failed, stopped or well)
        with Flow(base_url=dify.base_url, api_key=dify.api_key, user="u1") as flow:
            turn = flow.chat_inputs("Hello", NOTHING)
            assert (turn.answer != "", turn.usage is None) == (True, release == "1.13.0")
        for fault, kind in (("failed", TurnFailedError), ("stopped", TurnStoppedError)):
            options: dict[str, Any] = {"base_url": dify.base_url, "api_key": dify.api_key, "user": "u1"}
            with Flow(**options, headers={"X-Mock-Fault": fault}) as flow, pytest.raises(kind):
                flow.chat_inputs("Hello", NOTHING)


def test_what_a_failed_turn_says_on_1_12() -> None:
    with playing(FLOW, "1.12") as (_, client):
        answer = client.post("/v1/chat-messages", json=TURN, headers={"X-Mock-Fault": "failed"})
        *_, finished, error = events_of(answer.content)
    assert list(error) == ["event", "conversation_id", "message_id", "created_at", "code", "status", "message"]
    said = f"Run failed: {finished['data']['error']}"
    assert (error["code"], error["status"], error["message"]) == ("invalid_param", 400, said)


@pytest.mark.parametrize(("release", "status"), [("1.14", "failed"), ("1.16", "stopped")])
def test_a_chatflow_that_another_user_stops(release: str, status: str) -> None:
    works, goes_on = threading.Event(), threading.Event()

    def answer(inputs: Any) -> str:
        works.set()
        goes_on.wait(30)
        return "All of it."

    with (
        playing(FLOW, release, handler=answer) as (_, client),
        client.stream("POST", "/v1/chat-messages", json=TURN) as stream,
    ):
        read = b""
        for chunk in stream.iter_raw():
            read += chunk
            if works.wait(30) and events_of(read) and not goes_on.is_set():
                task = events_of(read)[0]["task_id"]
                client.post(f"/v1/chat-messages/{task}/stop", json={"user": "a stranger"})
                goes_on.set()
    last = events_of(read)[-1]["data"]
    assert last["status"] == status
    if status == "failed":
        assert (last["error"], last["outputs"]["files"]) == ("Aborted: User requested stop", [])


def test_a_stop_that_ends_as_failed() -> None:
    with playing(LAB / "concat.yml", "1.14") as (_, client):
        body = {"inputs": {"string": "a", "num": 1, "list": "list_a"}, "response_mode": "streaming", **USER}
        headers = {"X-Mock-Fault": "stopped,stop-fails"}
        last = events_of(client.post("/v1/workflows/run", json=body, headers=headers).content)[-1]
        assert (last["data"]["status"], last["data"]["error"]) == ("failed", "Aborted: User requested stop")
        detail = client.get(f"/v1/workflows/run/{last['workflow_run_id']}").json()
        assert (detail["status"], detail["error"]) == ("stopped", "Aborted: User requested stop")


def test_a_stop_that_comes_after_the_end_changes_nothing() -> None:
    with playing(LAB / "concat.yml", "1.14") as (_, client):
        body = {"inputs": {"string": "a", "num": 1, "list": "list_a"}, "response_mode": "blocking", **USER}
        ended = client.post("/v1/workflows/run", json=body, headers={"X-Mock-Fault": "stop-fails"}).json()
        client.post(f"/v1/workflows/tasks/{ended['task_id']}/stop", json=USER)
        assert client.get(f"/v1/workflows/run/{ended['workflow_run_id']}").json()["status"] == "succeeded"


def test_events_that_are_lost() -> None:
    with playing(LAB / "concat.yml", "1.14") as (_, client):
        body = {"inputs": {"string": "a", "num": 1, "list": "list_a"}, "response_mode": "streaming", **USER}
        whole = [event["event"] for event in events_of(client.post("/v1/workflows/run", json=body).content)]
        for fault, lost in (("lost", 1), ("lost=3", 3), ("lost=999", len(whole))):
            answer = client.post("/v1/workflows/run", json=body, headers={"X-Mock-Fault": fault})
            assert answer.content.startswith(b"event: ping\n\n")
            assert [event["event"] for event in events_of(answer.content)] == whole[lost:]
        assert client.post("/v1/workflows/run", json=body, headers={"X-Mock-Fault": "lost=some"}).status_code == 400


def test_a_turn_whose_first_events_are_lost_is_whole() -> None:
    with playing(CHAT_LAB / "chat_plain.yml", "1.14") as (dify, client):
        events = [event["event"] for event in events_of(client.post("/v1/chat-messages", json=TURN).content)]
        options: dict[str, Any] = {"base_url": dify.base_url, "api_key": dify.api_key, "user": "u1"}
        for lost in range(1, len(events)):
            with Flow(**options, headers={"X-Mock-Fault": f"lost={lost}"}) as flow:
                turn = flow.chat_inputs("Hello", NOTHING)
            assert (turn.answer, turn.status) == ("You said: Hello", "succeeded"), lost


def test_a_run_that_hangs_at_a_human_input_node_of_1_12_is_stopped_and_stays_stored_as_paused() -> None:
    with playing(LAB / "human_input.yml", "1.12") as (_, client):
        body = {"inputs": {}, "response_mode": "streaming", **USER}
        read, task = b"", ""
        with client.stream("POST", "/v1/workflows/run", json=body) as stream:
            for chunk in stream.iter_raw():
                read += chunk
                if b"event: ping" in read and not task:
                    task = events_of(read)[0]["task_id"]
                    client.post(f"/v1/workflows/tasks/{task}/stop", json=USER)
        last = events_of(read)[-1]
        assert (last["event"], last["data"]["status"]) == ("workflow_finished", "stopped")
        assert client.get(f"/v1/workflows/run/{last['workflow_run_id']}").json()["status"] == "paused"


@pytest.mark.parametrize(
    ("release", "code", "message"),
    [
        ("1.14", "invalid_param", "Speech to text is not enabled"),
        ("1.16", "speech_to_text_disabled", "Speech to text is disabled."),
    ],
)
def test_speech_that_is_switched_off(release: str, code: str, message: str) -> None:
    with playing(CHAT_LAB / "chat_plain.yml", release) as (_, client):
        answer = client.post("/v1/audio-to-text", files={"file": ("a.mp3", b"", "audio/mp3")}, data=USER)
    assert answer.json() == {"code": code, "message": message, "status": 400}


@pytest.mark.parametrize(("release", "told"), [("1.15", None), ("1.16", {"llm1": "Two and two."})])
def test_what_a_model_thought_is_in_the_metadata(release: str, told: Any) -> None:
    said = {"answer": "4", "reasoning": {"llm1": "Two and two."}}
    with playing(CHAT_LAB / "chat_lab.yml", release, handler=lambda inputs: said) as (_, client):
        asked = TURN | {"inputs": {"name": "Ada"}}
        events = events_of(client.post("/v1/chat-messages", json=asked).content)
        blocking = client.post("/v1/chat-messages", json=asked | {"response_mode": "blocking"}).json()
    metadata = next(event["metadata"] for event in events if event["event"] == "message_end")
    assert metadata.get("reasoning") == blocking["metadata"].get("reasoning") == told


@pytest.mark.parametrize(
    ("release", "methods", "has_token", "channels"),
    [
        ("1.14", ["email"], True, None),
        ("1.16", ["email"], False, ["console", "email"]),
        ("1.16", ["webapp", "email"], True, ["console", "email"]),
        ("1.16", ["webapp"], True, ["console"]),
    ],
)
def test_who_may_answer_a_form(
    release: str, methods: list[str], has_token: bool, channels: list[str] | None, tmp_path: Path
) -> None:
    delivered = ", ".join(f"{{type: {method}, enabled: true}}" for method in methods)
    export = (LAB / "human_input.yml").read_text("utf-8")
    path = tmp_path / "human_input.yml"
    asks = "type: human-input"
    path.write_text(export.replace(asks, f"delivery_methods: [{delivered}]\n        {asks}"), "utf-8")
    with playing(path, release) as (_, client):
        body = {"inputs": {}, "response_mode": "streaming", **USER}
        *_, required, paused = events_of(client.post("/v1/workflows/run", json=body).content)
    for form in (required["data"], paused["data"]["reasons"][0]):
        assert (form["form_token"] is not None, form.get("approval_channels")) == (has_token, channels)


WRONG = [
    ({"budget": 5}, "select input 'budget': expected string"),
    ({"budget": "fun"}, "select input 'budget': fun"),
    ({"budget": ""}, "select input 'budget': "),
    ({"proof": "a"}, "file input 'proof': expected mapping"),
    ({"pictures": ["a"]}, "file list input 'pictures': expected list of mappings"),
    ({"proof": {"type": "image", "transfer_method": "local_file"}}, "file input 'proof': Invalid upload file id"),
]


@pytest.mark.parametrize("release", ["1.14", "1.15"])
def test_answers_that_a_form_does_not_take(release: str) -> None:
    with playing(TESTS / "cases" / "gen" / "forms" / "expenses.yml", release) as (_, client):
        body = {"inputs": {"topic": "cats"}, "response_mode": "streaming", **USER}
        required = events_of(client.post("/v1/workflows/run", json=body).content)[-2]
        url = f"/v1/form/human_input/{required['data']['form_token']}"
        link = {"type": "document", "transfer_method": "remote_url", "url": "https://example.com/a.pdf"}
        good = {"comment": 5, "budget": "office", "month": "May", "proof": link, "pictures": []}
        answer = {"action": "action_1", **USER}
        for wrong, problem in WRONG if release == "1.15" else ():
            said = client.post(url, json=answer | {"inputs": good | wrong}).json()
            assert (said["code"], said["message"]) == ("invalid_form_data", f"Invalid value for {problem}")
        taken = good | (WRONG[1][0] if release == "1.14" else {})
        assert client.post(url, json=answer | {"inputs": taken}).status_code == 200


@pytest.mark.parametrize(
    ("release", "kind", "message"),
    [
        ("1.12", runtime.InvalidParamError, "string in input form must be less than 48 characters"),
        ("1.14", runtime.IdleTimeoutError, "The stream fell silent after its first ping"),
        ("1.15", runtime.InvalidParamError, "string in input form must be less than 48 characters"),
    ],
)
def test_a_client_hears_of_a_refusal_in_seconds(
    release: str, kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server says nothing the client takes 25 seconds in earnest, and the server would take 300."""
    monkeypatch.setattr(runtime._protocol, "REFUSAL_PATIENCE", 0.3)
    with mock_dify(LAB / "concat.yml", dify=release, silence=60) as dify:
        options: dict[str, Any] = {"base_url": dify.base_url, "api_key": dify.api_key, "user": "u1"}
        with ConcatClient(**options) as client, pytest.raises(kind, match=message):
            client.run(string="x" * 49, response_mode="streaming")


@pytest.mark.parametrize(("release", "files", "extra"), [("1.12", None, None), ("1.13", ["fox.png"], [])])
def test_what_a_message_tells(release: str, files: list[str] | None, extra: list[Any] | None) -> None:
    said = {"answer": "Here it is.", "files": ["fox.png"]}
    with playing(CHAT_LAB / "chat_basic.yml", release, handler=lambda inputs: said) as (_, client):
        events = events_of(client.post("/v1/chat-messages", json=TURN | {"inputs": {"name": "Ada"}}).content)
        query = {"conversation_id": events[0]["conversation_id"], **USER}
        message = client.get("/v1/messages", params=query).json()["data"][0]
    told = events[-1]["files"]
    assert (told and [file["filename"] for file in told], message.get("extra_contents")) == (files, extra)
