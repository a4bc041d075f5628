"""Runs that wait for a human, on the mock: recorded exchanges of the commit that became 1.13, and the endpoints that
came after.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from difygen.testing import MockDify, mock_dify
from support import LAB
from support.mock_player import PAUSES, check, events_of
from support.replay import recording

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
    origin = dify.base_url.removesuffix("/v1")
    headers = {"Authorization": f"Bearer {dify.api_key}"}
    with httpx.Client(base_url=origin, headers=headers, timeout=10, trust_env=False) as client:
        yield client


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
def test_a_pause_and_its_form_are_as_recorded(action: str, client: httpx.Client) -> None:
    case = f"hitl_pause_streaming_{action}"
    answer = start(client)
    check(case, answer)
    run_id, token = paused(answer)
    check(f"{case}_detail_paused", client.get(f"{RUN}/{run_id}"))
    form = f"/api/form/human_input/{token}"
    check(f"{case}_form_get", client.get(form))
    for end in ("bad_action", "missing_input", "", "again"):
        name = f"{case}_form_post{'_' if end else ''}{end}"
        check(name, client.post(form, json=recording(name).request["json"]))
    detail = finished(client, run_id)
    assert json.loads(detail["outputs"]) == json.loads(recording(f"{case}_detail_resumed").body)["outputs"]
    assert detail["total_steps"] == json.loads(recording(f"{case}_detail_resumed").body)["total_steps"]


def test_a_blocking_call_is_answered_when_the_run_pauses(client: httpx.Client) -> None:
    answer = start(client, "blocking")
    check("hitl_pause_blocking_approve", answer)
    check("hitl_pause_blocking_approve_detail_paused", client.get(f"{RUN}/{answer.json()['workflow_run_id']}"))
    data = answer.json()["data"]
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
    assert json.loads(finished(client, run_id)["outputs"]) == {"comment": "好", "action": "approve"}
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
        with httpx.Client(base_url=dify.base_url, headers=headers, trust_env=False) as client:
            answer = client.post("/workflows/run", json={"inputs": inputs, "response_mode": "blocking", "user": "u"})
            reason = answer.json()["data"]["reasons"][0]
            action = reason["actions"][0]["id"]
            form = client.post(
                f"/form/human_input/{reason['form_token']}", json={"inputs": {}, "action": action, "user": "u"}
            )
            assert form.status_code == 200
            while dify.last_run.status == "running":
                time.sleep(0.01)
            assert dify.last_run.status == "succeeded"
