"""What Dify 1.14.2 and a later commit answered to anything but a new run or turn: events of runs that are known,
stored runs, forms, stops, uploads, what an app says of itself. Both clients, each the right result or exception.

Together with `test_runtime_recordings.py` (runs) and `test_turn_recordings.py` (turns) every case of
`recordings_new` is told, or is named in `UNASKED` with the reason.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
import runtime
from support.replay import Recording, cases, recording, replay
from support.servers import Server
from test_runtime_recordings import BLOCKING, STREAMING, AsyncClient, Client, check_run, held, version_of
from test_turn_recordings import REFUSED, TURNS

UNASKED = {
    "v1_14_file_output_url_get": "a signed URL outside of the API; test_output_files.py has downloads",
    "v1_14_meta_concat": "no client asks for icons of tools",
    "v1_14_options_run": "no client sends OPTIONS",
    "v1_14_root_v1": "the root of the API is for doctor, which test_doctor.py has",
    "v1_14_root_v1_noslash": "the root of the API is for doctor, which test_doctor.py has",
}
CASES = cases(folder="recordings_new")
ASKED = [case for case in CASES if case not in {*BLOCKING, *STREAMING, *TURNS, *REFUSED, *UNASKED}]
OPTIONS: dict[str, Any] = {"api_key": "app-RECORDED", "timeout": 4, "idle_timeout": 1, "max_retries": 0}
NO_UUID = [case for case in ASKED if case.endswith("_not_uuid")]
ANSWERS = [case for case in ASKED if "_form_post" in case]
"""Answers to forms."""
FORMS = {"dev2606": "dev2606_resume_approve_form_get", "v1_14": "v1_14_webapp_approve_form_get"}
REFUSED_HERE = ("bad_action", "missing_input", "wrong_type")
"""What the server refuses, or takes and fails from: clients read the form first, and send no such thing."""
ENDLESS = {"v1_14_stop_slow_events_after": "v1_14_stop_slow_detail_after"}
ERRORS: dict[tuple[int, str], type[runtime.APIError]] = {
    (400, "invalid_form_data"): runtime.APIError,
    (400, "invalid_param"): runtime.InvalidParamError,
    (404, "not_found"): runtime.NotFoundError,
    (412, "human_input_form_submitted"): runtime.FormClosedError,
}


def test_every_case_is_told_or_named() -> None:
    told = [case for case in CASES if case in {*BLOCKING, *STREAMING, *TURNS, *REFUSED}]
    assert (len(CASES), len(told), len(ASKED), len(UNASKED)) == (197, 72, 120, 5)
    assert set(UNASKED) < set(CASES)


def ask(client: Any, recorded: Recording) -> Any:
    """Make the call that a recorded request comes from; a coroutine or a value."""
    path, _, query = recorded.request["path"].partition("?")
    name, body = path.split("/")[-1], recorded.request.get("json") or {}
    user = "u2" if "user=u2" in query else "u1"
    if path.endswith("/events"):
        return client.resume(path.split("/")[-2], user=user).result()
    if "/workflows/run/" in path:
        return client.get_run(name)
    if path.endswith("/stop"):
        return client.stop(path.split("/")[-2], user=user)
    if path.endswith("/upload"):
        return client.upload(("a.txt", b"hello\n"), user=user)
    if "/form/" in path and recorded.request["method"] == "GET":
        return client.get_form(name)
    if "/form/" in path:
        return client.submit_form(name, action=body["action"], inputs=body["inputs"], user=body.get("user", user))
    if name == "logs":
        filters = {key.replace("__", "_"): text for key, text in parse_qsl(query)}
        return client.logs(**{**filters, "limit": int(filters.get("limit", 20))}).page()
    return getattr(client, name)()


def by_client(url: str, recorded: Recording) -> Any:
    with Client(base_url=url, user="u1", **OPTIONS) as client:
        return ask(client, recorded)


def by_async_client(url: str, recorded: Recording) -> Any:
    async def call() -> Any:
        async with AsyncClient(base_url=url, user="u1", **OPTIONS) as client:
            return await ask(client, recorded)

    return asyncio.run(call())


Way = Callable[[str, Recording], Any]


@pytest.mark.parametrize("way", [by_client, by_async_client])
@pytest.mark.parametrize("case", [case for case in ASKED if case not in {*NO_UUID, *ENDLESS, *ANSWERS}])
def test_what_a_newer_server_answers(case: str, way: Way) -> None:
    recorded = recording(case)
    with Server({f"{recorded.request['method']} *": held(case)}) as server:
        try:
            outcome = way(server.url, recorded)
        except runtime.DifyError as error:
            outcome = error
        (request,) = server.requests
    assert request.path == recorded.request["path"].split("?")[0]
    if recorded.status >= 400:
        check_refusal(outcome, recorded)
    elif recorded.is_stream:
        final = next(event for event in recorded.events if event["event"] in ("workflow_finished", "workflow_paused"))
        check_run(outcome, final, {"id": final["workflow_run_id"], **final["data"]})
    else:
        check_answer(outcome, request.path, json.loads(recorded.body))


@pytest.mark.parametrize("way", [by_client, by_async_client])
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_to_a_form(case: str, way: Way) -> None:
    """A form known by its token is read first; what does not fit is never sent, the rest is sent as recorded."""
    recorded = recording(case)
    form = recording(FORMS[case[: case.index("_", 4)]])
    is_delivered = "_pause_" not in case
    read = replay(form.case if is_delivered else "v1_14_pause_approve_form_get")
    with Server({"GET /v1/form/*": read, "POST /v1/form/*": replay(case)}) as server:
        try:
            outcome = way(server.url, recorded)
        except runtime.DifyError as error:
            outcome = error
        posted = [request for request in server.requests if request.method == "POST"]
    if not is_delivered:
        assert not posted
        check_refusal(outcome, recording("v1_14_pause_approve_form_get"), recorded.request["path"].split("/")[-1])
    elif case.endswith(REFUSED_HERE):
        assert not posted
        assert isinstance(outcome, runtime.FormValuesError)
        assert set(outcome.problems) == ({"action"} if case.endswith("bad_action") else {"comment"})
    else:
        assert [request.json for request in posted] == [{"user": "u1", **recorded.request["json"]}]
        if recorded.status >= 400:
            check_refusal(outcome, recorded)
        else:
            assert outcome is None


def check_refusal(outcome: Any, recorded: Recording, secret: str = "") -> None:
    payload = json.loads(recorded.body)
    assert type(outcome) is ERRORS[recorded.status, payload["code"]]
    assert (outcome.status, outcome.code) == (recorded.status, payload["code"])
    assert outcome.server_version == version_of(recorded)
    if "/form/" in recorded.request["path"] and recorded.status == 404:
        token = secret or recorded.request["path"].split("/")[-1]
        assert token not in str(outcome) and token not in repr(outcome)
        assert "web app" in str(outcome) and "did you mean" not in str(outcome)
    else:
        assert outcome.message == payload["message"].strip()


def check_answer(outcome: Any, path: str, payload: dict[str, Any]) -> None:
    if path.endswith("/stop") or (not payload and "/form/" in path):
        assert outcome is None
    elif "/workflows/run/" in path:
        assert (outcome.workflow_run_id, outcome.status, outcome.error) == (
            payload["id"],
            payload["status"],
            payload["error"],
        )
        assert outcome.raw_outputs == payload["outputs"]
        assert (outcome.total_steps, outcome.elapsed_time) == (payload["total_steps"], payload["elapsed_time"])
    elif "/form/" in path:
        assert outcome.form_content == payload["form_content"]
        assert [field.name for field in outcome.inputs] == ["comment"]
        assert [action.id for action in outcome.actions] == [action["id"] for action in payload["user_actions"]]
    elif path.endswith("/upload"):
        assert (outcome.id, outcome.name, outcome.size) == (payload["id"], payload["name"], payload["size"])
        assert outcome.reference is None and outcome.user == "u1"
    else:
        assert outcome.raw == payload


@pytest.mark.parametrize("way", [by_client, by_async_client])
@pytest.mark.parametrize("case", NO_UUID)
def test_an_id_that_is_none_is_never_sent(case: str, way: Way) -> None:
    with Server({}) as server:
        with pytest.raises(runtime.ConfigurationError, match="UUID, .* not 'abc'"):
            way(server.url, recording(case))
        assert not server.requests


@pytest.mark.parametrize("way", [by_client, by_async_client])
@pytest.mark.parametrize("case", ENDLESS)
def test_events_that_never_end(case: str, way: Way) -> None:
    """A stopped run whose record stays "running": who says how long to wait is taken at their word."""
    routes = {"GET /v1/workflow/*/events": held(case), "GET /v1/workflows/run/*": replay(ENDLESS[case])}
    with Server(routes) as server, pytest.raises(runtime.DeadlineExceededError):
        way(server.url, recording(case))


@pytest.mark.parametrize("way", [by_client, by_async_client])
def test_the_task_of_a_run_that_is_taken_up_again(way: Way) -> None:
    """A snapshot names the run for a task, which no stop would find: the events of now know it."""
    recorded = recording("v1_14_reattach_snapshot_events")
    run_id = recorded.request["path"].split("/")[-2]
    assert recorded.events[0]["task_id"] == run_id
    with Server({"GET *": held(recorded.case)}) as server:
        run = way(server.url, recorded)
    assert run.workflow_run_id == run_id
    assert run.task_id == recording("v1_14_reattach_snapshot_left").events[0]["task_id"] != run_id
