"""Runs that wait for a human, on the mock: recorded exchanges of the commit that became 1.13, and the endpoints that
came after.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from difygen.testing import MockDify, mock_dify
from support import CHAT_LAB, LAB
from support.mock_player import PAUSES, UUID, check, events_of
from support.processes import eventually
from support.replay import Recording, recording

EXPORT = """
app: {mode: workflow, name: human_input}
kind: app
version: 0.5.0
workflow:
  features: {}
  graph:
    nodes:
    - id: start1
      data:
        type: start
        title: Start
        variables: [{variable: topic, label: topic, type: text-input, required: true, max_length: 48}]
    - id: human1
      data:
        type: human-input
        title: Approve
        delivery_methods: [{type: webapp, enabled: true, config: {}}]
        form_content: "Please review **{{#start1.topic#}}**\\n\\n{{#$output.comment#}}"
        inputs:
        - type: paragraph
          output_variable_name: comment
          default: {type: constant, selector: [], value: looks fine}
        user_actions:
        - {id: approve, title: Approve, button_style: primary}
        - {id: reject, title: Reject, button_style: default}
    - id: end_approved
      data:
        type: end
        title: Approved
        outputs:
        - {variable: comment, value_selector: [human1, comment], value_type: string}
        - {variable: action, value_selector: [human1, __action_id], value_type: string}
    - id: end_rejected
      data:
        type: end
        title: Rejected
        outputs: [{variable: rejected, value_selector: [human1, comment], value_type: string}]
    edges:
    - {id: a, source: start1, sourceHandle: source, target: human1, targetHandle: target}
    - {id: b, source: human1, sourceHandle: approve, target: end_approved, targetHandle: target}
    - {id: c, source: human1, sourceHandle: reject, target: end_rejected, targetHandle: target}
"""
RUN = "/v1/workflows/run"
USER = {"user": "lab-user"}


@pytest.fixture(scope="module")
def dify(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockDify]:
    path = tmp_path_factory.mktemp("exports") / "human_input.yml"
    path.write_text(EXPORT, "utf-8")
    with mock_dify(path) as dify:
        yield dify


@pytest.fixture
def client(dify: MockDify) -> Iterator[httpx.Client]:
    with calling(dify) as client:
        yield client


@pytest.fixture
def first_client(tmp_path: Path) -> Iterator[httpx.Client]:
    """One of the first release with human input: what was recorded before it is of a commit that became it."""
    path = tmp_path / "human_input.yml"
    path.write_text(EXPORT, "utf-8")
    with mock_dify(path, dify="1.13") as dify, calling(dify) as client:
        yield client


def calling(dify: MockDify) -> httpx.Client:
    headers = {"Authorization": f"Bearer {dify.api_key}"}
    origin = dify.base_url.removesuffix("/v1")
    return httpx.Client(base_url=origin, headers=headers, timeout=60, trust_env=False)


def start(client: httpx.Client, mode: str = "streaming") -> httpx.Response:
    return client.post(RUN, json={"inputs": {"topic": "T1"}, "response_mode": mode, **USER})


def paused(answer: httpx.Response) -> tuple[str, str]:
    """The run's id and its form's token."""
    last = events_of(answer.content)[-1]
    assert last["event"] == "workflow_paused"
    return last["workflow_run_id"], last["data"]["reasons"][0]["form_token"]


def finished(client: httpx.Client, run_id: str) -> Any:
    """The detail of a run once it is over."""
    while (detail := client.get(f"{RUN}/{run_id}").json())["status"] in ("running", "paused"):
        time.sleep(0.01)
    return detail


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_a_pause_and_its_form_are_as_recorded(action: str, first_client: httpx.Client) -> None:
    case = f"hitl_pause_streaming_{action}"
    answer = start(first_client)
    check(case, answer)
    run_id, token = paused(answer)
    check(f"{case}_detail_paused", first_client.get(f"{RUN}/{run_id}"))
    form = f"/api/form/human_input/{token}"
    check(f"{case}_form_get", first_client.get(form))
    for end in ("bad_action", "missing_input", "", "again"):
        name = f"{case}_form_post{'_' if end else ''}{end}"
        check(name, first_client.post(form, json=recording(name).request["json"]))
    detail = finished(first_client, run_id)
    assert detail["outputs"] == json.loads(recording(f"{case}_detail_resumed").body)["outputs"]
    assert detail["total_steps"] == json.loads(recording(f"{case}_detail_resumed").body)["total_steps"]


def test_a_blocking_call_is_answered_when_the_run_pauses(first_client: httpx.Client) -> None:
    answer = start(first_client, "blocking")
    check("hitl_pause_blocking_approve", answer)
    check("hitl_pause_blocking_approve_detail_paused", first_client.get(f"{RUN}/{answer.json()['workflow_run_id']}"))
    data = answer.json()["data"]
    assert (data["status"], data["outputs"], data["finished_at"]) == ("paused", {}, None)
    assert "reasons" not in data


def test_a_blocking_call_tells_of_the_form_since_1_14(client: httpx.Client) -> None:
    data = start(client, "blocking").json()["data"]
    assert (data["status"], data["outputs"], data["finished_at"]) == ("paused", {}, None)
    assert data["reasons"][0]["node_id"] == data["paused_nodes"][0] == "human1"


def test_all_recordings_of_pauses_are_replayed_here() -> None:
    ends = ["", "_detail_paused", "_detail_resumed", "_form_get", "_form_post", "_form_post_again"]
    ends += ["_form_post_bad_action", "_form_post_missing_input"]
    streaming = {f"hitl_pause_streaming_{action}{end}" for action in ("approve", "reject") for end in ends}
    assert {"hitl_pause_blocking_approve", "hitl_pause_blocking_approve_detail_paused", *streaming} == PAUSES


def test_a_form_is_shown_and_submitted_with_the_apps_key(client: httpx.Client) -> None:
    run_id, token = paused(start(client))
    form = client.get(f"/v1/form/human_input/{token}")
    assert form.json()["form_content"] == "Please review **T1**\n\n{{#$output.comment#}}"
    assert [action["id"] for action in form.json()["user_actions"]] == ["approve", "reject"]
    submission = {"inputs": {"comment": "好"}, "action": "approve"}
    nobody = client.post(f"/v1/form/human_input/{token}", json=submission)
    assert (nobody.status_code, nobody.json()["message"]) == (400, "Arg user must be provided.")
    assert client.post(f"/v1/form/human_input/{token}", json=submission | USER).json() == {}
    assert finished(client, run_id)["outputs"] == {"comment": "好", "action": "approve"}
    again = client.get(f"/v1/form/human_input/{token}")
    assert (again.status_code, again.json()["code"]) == (412, "human_input_form_submitted")
    unknown = client.get("/v1/form/human_input/unknown")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


def test_a_stream_can_be_taken_up_again_after_the_form(client: httpx.Client) -> None:
    run_id, token = paused(start(client))
    follow = {"include_state_snapshot": "true", "continue_on_pause": "true", **USER}
    with client.stream("GET", f"/v1/workflow/{run_id}/events", params=follow) as stream:
        assert stream.headers["cache-control"] == "no-cache"
        read = b""
        for chunk in stream.iter_raw():
            submits = b"workflow_paused" in chunk
            read += chunk
            if submits:
                submission = {"inputs": {"comment": "no"}, "action": "reject", **USER}
                assert client.post(f"/v1/form/human_input/{token}", json=submission).status_code == 200
    events = events_of(read)
    names = [event["event"] for event in events]
    resumed = names.index("workflow_started", 1)
    assert names[resumed - 2 : resumed] == ["human_input_required", "workflow_paused"]
    assert events[resumed]["data"]["reason"] == "resumption"
    assert names[resumed + 1 : resumed + 3] == ["node_started", "human_input_form_filled"]
    assert events[-1]["data"]["outputs"] == {"rejected": "no"}
    assert all(event["data"]["outputs"] is None for event in events[:resumed] if event["event"] == "node_finished")


def test_a_snapshot_has_no_values(client: httpx.Client) -> None:
    run_id, _ = paused(start(client))
    answer = client.get(f"/v1/workflow/{run_id}/events", params={"include_state_snapshot": "true", **USER})
    events = events_of(answer.content)
    assert [event["event"] for event in events][-2:] == ["human_input_required", "workflow_paused"]
    told = [event["data"] for event in events if event["event"] == "node_finished"]
    assert told and all(data["inputs"] is data["outputs"] is None for data in told)


def test_a_run_that_is_over_tells_its_end_alone(client: httpx.Client) -> None:
    run_id, token = paused(start(client))
    client.post(f"/v1/form/human_input/{token}", json={"inputs": {"comment": "漢"}, "action": "approve", **USER})
    finished(client, run_id)
    answer = client.get(f"/v1/workflow/{run_id}/events", params=USER)
    (event,) = events_of(answer.content)
    assert (event["event"], event["task_id"], event["data"]["outputs"]["comment"]) == (
        "workflow_finished",
        run_id,
        "漢",
    )
    assert answer.content.isascii()


@pytest.mark.parametrize(
    ("run_id", "query", "status", "code"),
    [
        ("{run_id}", {}, 400, "invalid_param"),
        ("{run_id}", {"user": "somebody else"}, 404, "not_found"),
        ("bf88925e-2863-4601-9d60-c624ff078bd3", USER, 404, "not_found"),
    ],
)
def test_events_are_for_the_user_of_the_run(
    run_id: str, query: dict[str, str], status: int, code: str, client: httpx.Client
) -> None:
    own_id, _ = paused(start(client))
    answer = client.get(f"/v1/workflow/{run_id.format(run_id=own_id)}/events", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_any_workflow_can_be_made_to_pause() -> None:
    with mock_dify(LAB / "concat.yml") as dify:
        headers = {"Authorization": f"Bearer {dify.api_key}", "X-Mock-Fault": "paused"}
        inputs = {"string": "a", "num": 1, "list": "list_a"}
        with httpx.Client(base_url=dify.base_url, headers=headers, trust_env=False, timeout=60) as client:
            answer = client.post("/workflows/run", json={"inputs": inputs, "response_mode": "blocking", "user": "u"})
            reason = answer.json()["data"]["reasons"][0]
            action = reason["actions"][0]["id"]
            form = client.post(
                f"/form/human_input/{reason['form_token']}", json={"inputs": {}, "action": action, "user": "u"}
            )
            assert form.status_code == 200
            assert eventually(lambda: dify.last_run.status == "succeeded")


# What a form takes, and what it does not look at, as 1.14.2 does

FIELDS = """
        inputs:
        - {type: paragraph, output_variable_name: comment}
        - {type: select, output_variable_name: colour, option_source: {type: constant, value: [red, green]}}
        - {type: file, output_variable_name: proof, allowed_file_types: [image]}
        - {type: file-list, output_variable_name: pictures}
"""
OUTPUTS = "".join(
    f"\n        - {{variable: {name}, value_selector: [human1, {name}], value_type: string}}"
    for name in ("comment", "colour", "proof", "pictures", "extra", "__action_id")
)
ALL_FIELDS = EXPORT.replace(
    """
        inputs:
        - type: paragraph
          output_variable_name: comment
          default: {type: constant, selector: [], value: looks fine}
""",
    FIELDS,
).replace(
    """
        - {variable: comment, value_selector: [human1, comment], value_type: string}
        - {variable: action, value_selector: [human1, __action_id], value_type: string}""",
    OUTPUTS,
)


def with_forms(definition: str | Path, tmp_path: Path) -> Any:
    path = definition if isinstance(definition, Path) else tmp_path / "asks.yml"
    if isinstance(definition, str):
        path.write_text(definition, "utf-8")
    return mock_dify(path)


def talking_to(dify: MockDify, **headers: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {dify.api_key}", **headers}
    return httpx.Client(base_url=dify.base_url.removesuffix("/v1"), headers=headers, timeout=60, trust_env=False)


def said(answer: httpx.Response | Recording, token: str) -> Any:
    """The status and the JSON of an answer about a form; ids, tokens and times have other values each time."""
    status = answer.status_code if isinstance(answer, httpx.Response) else answer.status
    body = answer.content if isinstance(answer, httpx.Response) else answer.body
    return status, json.loads(
        re.sub(
            r'"expiration_time": ?\d+', '"expiration_time": 0', UUID.sub("ID", body.decode()).replace(token, "TOKEN")
        )
    )


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_forms_answer_as_on_1_14(action: str, tmp_path: Path) -> None:
    case = f"v1_14_webapp_{action}_form"
    their_token = recording(f"{case}_get").request["path"].rpartition("/")[2]
    with with_forms(CHAT_LAB / "hitl_webapp.yml", tmp_path) as dify, talking_to(dify) as client:
        start = client.post(RUN, json={"inputs": {"topic": "cats"}, "response_mode": "streaming", **USER})
        run_id, token = paused(start)
        ends = ["get", "post_bad_action", "post_missing_input", "post_missing_user", "post_wrong_type", "post_again"]
        for end in [*ends, "get_after"]:
            request = recording(f"{case}_{end}").request
            answer = client.request(request["method"], f"/v1/form/human_input/{token}", json=request.get("json"))
            assert said(answer, token) == said(recording(f"{case}_{end}"), their_token), end
        ended, theirs = finished(client, run_id), json.loads(recording(f"v1_14_webapp_{action}_detail_resumed").body)
    assert ended["status"] == theirs["status"] == "failed"
    assert ended["error"] == theirs["error"]
    assert ended["total_steps"] == theirs["total_steps"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_token_of_a_form_that_goes_elsewhere_is_known_to_no_endpoint(method: str, tmp_path: Path) -> None:
    case = f"v1_14_pause_approve_form_{method}"
    their_token = recording(case).request["path"].rpartition("/")[2]
    with with_forms(LAB / "human_input.yml", tmp_path) as dify, talking_to(dify) as client:
        start = client.post(RUN, json={"inputs": {}, "response_mode": "streaming", **USER})
        run_id, token = paused(start)
        asked = next(each for each in events_of(start.content) if each["event"] == "human_input_required")["data"]
        assert (asked["display_in_ui"], asked["form_token"]) == (False, token)
        answer = client.request(method, f"/v1/form/human_input/{token}", json=recording(case).request.get("json"))
        assert said(answer, token) == said(recording(case), their_token)
        assert client.get(f"/api/form/human_input/{token}").status_code == 404
        assert client.get(f"{RUN}/{run_id}").json()["status"] == "paused"


def answered(client: httpx.Client, inputs: dict[str, Any], action: str = "approve") -> Any:
    """The detail of a run whose form took this answer."""
    run_id, token = paused(start(client))
    body = {"inputs": inputs, "action": action, **USER}
    assert client.post(f"/v1/form/human_input/{token}", json=body).json() == {}
    return finished(client, run_id)


def test_values_are_not_looked_at_before_the_run_goes_on(tmp_path: Path) -> None:
    with with_forms(ALL_FIELDS, tmp_path) as dify, talking_to(dify) as client:
        upload = client.post("/v1/files/upload", data=USER, files={"file": ("a.txt", b"not an image", "text/plain")})
        local = {"type": "document", "transfer_method": "local_file", "upload_file_id": upload.json()["id"]}
        remote = {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}
        good = {"comment": "c", "colour": "pink", "proof": local, "pictures": [remote], "extra": [1]}
        outputs = answered(client, good)["outputs"]
        assert (outputs["colour"], outputs["extra"], outputs["__action_id"]) == ("pink", [1], "approve")
        assert (outputs["proof"]["filename"], outputs["pictures"][0]["remote_url"]) == ("a.txt", remote["url"])
        for wrong, error in (
            ({"colour": 1}, "HumanInput file list input expects a string, output_variable_name=colour, got=int"),
            (
                {"proof": "a.txt"},
                "HumanInput file input expects a mapping payload, output_variable_name=proof, got=str",
            ),
            (
                {"pictures": remote},
                "HumanInput file list input expects a list payload, output_variable_name=pictures, got=dict",
            ),
            (
                {"pictures": ["a"]},
                "HumanInput file list input expects list items to be mapping payloads, output_variable_name=pictures",
            ),
            ({"proof": {**local, "upload_file_id": str(uuid.uuid4())}}, "Invalid upload file"),
        ):
            failed = answered(client, {**good, **wrong})
            assert (failed["status"], failed["error"]) == ("failed", error)


def test_the_content_says_how_many_files_there_are(tmp_path: Path) -> None:
    fields = "{{#$output.proof#}}{{#$output.pictures#}}{{#$output.comment#}}"
    export = ALL_FIELDS.replace("{{#$output.comment#}}", fields).replace("__action_id", "__rendered_content")
    remote = {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}
    with with_forms(export, tmp_path) as dify, talking_to(dify) as client:
        good = {"comment": "c", "colour": "red", "proof": remote, "pictures": [remote, remote]}
        outputs = answered(client, good)["outputs"]
    assert outputs["__rendered_content"] == "Please review **T1**\n\n[file][2 files]c"


def test_an_action_without_a_way_ends_the_run(tmp_path: Path) -> None:
    export = EXPORT.replace("sourceHandle: reject, ", "sourceHandle: nowhere, ")
    with with_forms(export, tmp_path) as dify, talking_to(dify) as client:
        ended = answered(client, {"comment": "c"}, "reject")
    assert ended["status"] == "succeeded"
    assert ended["outputs"] in (None, "{}", {})  # neither End was reached


def test_a_run_that_waits_is_not_stopped(client: httpx.Client) -> None:
    answer = start(client)
    run_id, token = paused(answer)
    task = events_of(answer.content)[0]["task_id"]
    assert client.post(f"/v1/workflows/tasks/{task}/stop", json=USER).json() == {"result": "success"}
    assert client.get(f"{RUN}/{run_id}").json()["status"] == "paused"
    client.post(f"/v1/form/human_input/{token}", json={"inputs": {"comment": "c"}, "action": "approve", **USER})
    assert finished(client, run_id)["status"] == "succeeded"


# Forms that nobody answers in time

TIMED_OUT = EXPORT.replace("sourceHandle: reject, ", "sourceHandle: __timeout, ")


def test_a_form_that_nobody_answers_in_time_goes_on_by_its_own_way(tmp_path: Path) -> None:
    with with_forms(TIMED_OUT, tmp_path) as dify, talking_to(dify, **{"X-Mock-Fault": "expired=2"}) as client:
        run_id, token = paused(start(client))
        follow = {"include_state_snapshot": "true", "continue_on_pause": "true", **USER}
        answer = client.get(f"/v1/workflow/{run_id}/events", params=follow)
        events = events_of(answer.content)
        late = {"inputs": {"comment": "late"}, "action": "approve", **USER}
        refused = [client.post(f"/v1/form/human_input/{token}", json=late), client.get(f"/v1/form/human_input/{token}")]
    asked = next(each["data"] for each in events if each["event"] == "human_input_required")
    names = [each["event"] for each in events]
    resumed = names[names.index("workflow_paused") + 1 :]
    assert resumed[:3] == ["workflow_started", "node_started", "human_input_form_timeout"]
    timeout = events[names.index("human_input_form_timeout")]["data"]
    assert timeout == {"node_id": "human1", "node_title": "Approve", "expiration_time": asked["expiration_time"]}
    gave = next(
        each["data"]["outputs"]
        for each in events[names.index("human_input_form_timeout") :]
        if each["event"] == "node_finished"
    )
    assert gave == {"__action_id": "", "__action_value": "", "__rendered_content": asked["form_content"]}
    assert (events[-1]["data"]["status"], events[-1]["data"]["outputs"]) == ("succeeded", {"rejected": None})
    message = f"This form has expired, form_id={asked['form_id']}"
    expired = {"code": "human_input_form_expired", "message": message, "status": 412}
    assert [(each.status_code, each.json()) for each in refused] == [(412, expired)] * 2


def test_a_form_can_be_answered_until_then(tmp_path: Path) -> None:
    with with_forms(EXPORT, tmp_path) as dify, talking_to(dify, **{"X-Mock-Fault": "expired=30"}) as client:
        assert answered(client, {"comment": "in time"})["status"] == "succeeded"


@pytest.mark.parametrize(
    ("timeout", "hours"),
    [
        ("", 36),
        ("timeout: 2", 2),
        ("timeout: 3\n        timeout_unit: day", 72),
        ("timeout: soon", 36),
        ("timeout: .inf", 36),
    ],
)
def test_a_form_expires_when_its_node_says(timeout: str, hours: int, tmp_path: Path) -> None:
    export = EXPORT.replace("title: Approve\n", f"title: Approve\n        {timeout}\n", 1)
    with with_forms(export, tmp_path) as dify, talking_to(dify) as client:
        asked = events_of(start(client).content)[-1]["data"]["reasons"][0]
    assert asked["expiration_time"] == pytest.approx(time.time() + hours * 3600, abs=60)


def test_a_chatflow_goes_on_when_nobody_answers(tmp_path: Path) -> None:
    export = (CHAT_LAB / "chat_hitl.yml").read_text("utf-8").replace("sourceHandle: reject", "sourceHandle: __timeout")
    with with_forms(export, tmp_path) as dify, talking_to(dify, **{"X-Mock-Fault": "expired=0.2"}) as client:
        body = {"query": "?", "inputs": {"topic": "cats"}, "response_mode": "streaming", **USER}
        events = events_of(client.post("/v1/chat-messages", json=body).content)
        turn = events[-1]
        params = {"conversation_id": turn["conversation_id"], **USER}
        assert eventually(lambda: client.get("/v1/messages", params=params).json()["data"][0]["status"] == "normal", 30)
    assert turn["event"] == "workflow_paused"


@pytest.mark.parametrize("fault", ["expired=soon", "expired=-1", "expired=5@human1"])
def test_a_time_to_expire_is_a_number(fault: str, client: httpx.Client) -> None:
    answer = client.post(RUN, json={"inputs": {"topic": "T1"}, **USER}, headers={"X-Mock-Fault": fault})
    assert (answer.status_code, "no number of seconds" in answer.text) == (400, True)
