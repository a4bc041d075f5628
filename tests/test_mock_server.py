"""The mock server over real HTTP: keys, outputs, faults, pings, cut connections, files and logs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from difygen.mock.engine.values import HandlerError, load_handler
from difygen.mock.errors import FAULTS
from difygen.model import (
    App,
    ArrayOf,
    Example,
    Input,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Type,
    UnionOf,
)
from difygen.testing import MockDify, MockSetupError, mock_dify
from support import LAB, ROOT
from support.mock_player import events_of

HTTP = httpx.Client(timeout=60, trust_env=False, verify=False)
"""One for all tests: loading the certificates anew costs more than most of them."""

INPUTS = {"string": "汉", "num": 3, "list": "list_a"}
CONCAT = App(
    name="concat",
    source="concat.yaml",
    inputs=(
        Input(name="string", kind="text-input", max_length=48),
        Input(name="num", kind="number"),
        Input(name="list", kind="select", options=("list_a", "list_b")),
    ),
    outputs=(Output(name="result", type=Primitive.STRING),),
)


def join(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"result": f"{inputs['string']}{inputs['num']}{inputs['list']}"}


@pytest.fixture(scope="module")
def dify() -> Iterator[MockDify]:
    with mock_dify(CONCAT, handler=join, ping_interval=0.05) as dify:
        yield dify


def post(dify: MockDify, inputs: Mapping[str, Any] = INPUTS, mode: str = "blocking", **headers: str) -> httpx.Response:
    body = {"inputs": inputs, "response_mode": mode, "user": "u"}
    told = {"Authorization": f"Bearer {dify.api_key}"} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    return HTTP.post(f"{dify.base_url}/workflows/run", json=body, headers=told)


def get(dify: MockDify, path: str, key: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or dify.api_key}"}
    return HTTP.get(f"{dify.base_url}{path}", headers=headers)


def outputs(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["outputs"]


def names(answer: httpx.Response) -> list[str]:
    return [event["event"] for event in events_of(answer.content)]


# Keys


def test_one_workflow_takes_any_key(dify: MockDify) -> None:
    assert get(dify, "/info", "whatever").json()["name"] == "concat"


def test_several_workflows_are_told_apart_by_their_keys() -> None:
    with mock_dify(LAB / "concat.yml", LAB / "slow.yml") as dify:
        assert dify.api_keys == {"concat": "app-concat", "slow": "app-slow"}
        for name, key in dify.api_keys.items():
            assert get(dify, "/info", key).json()["name"] == name
        refused = get(dify, "/info", "app-other")
        assert (refused.status_code, refused.json()["message"]) == (401, "Access token is invalid")
        assert refused.headers["www-authenticate"] == 'Bearer realm="api"'


def test_a_given_key_is_the_only_one() -> None:
    with mock_dify(CONCAT, api_key="secret") as dify:
        assert get(dify, "/info", "secret").status_code == 200
        assert get(dify, "/info", "app-concat").status_code == 401


def test_a_run_of_another_app_is_not_found() -> None:
    with mock_dify(LAB / "concat.yml", LAB / "big_output.yml") as dify:
        headers = {"Authorization": "Bearer app-big_output"}
        body = {"inputs": {"size": 1}, "user": "u"}
        run = HTTP.post(f"{dify.base_url}/workflows/run", json=body, headers=headers).json()
        path = f"/workflows/run/{run['workflow_run_id']}"
        assert get(dify, path, "app-big_output").json()["status"] == "succeeded"
        assert get(dify, path, "app-concat").status_code == 404


# Outputs


def test_a_handler_computes_the_outputs(dify: MockDify) -> None:
    assert outputs(post(dify)) == {"result": "汉3list_a"}
    finished = events_of(post(dify, mode="streaming").content)[-1]
    assert finished["data"]["outputs"] == {"result": "汉3list_a"}
    assert dify.last_run.inputs == INPUTS


def test_a_handler_that_raises_makes_the_run_fail() -> None:
    def broken(inputs: Mapping[str, Any]) -> dict[str, Any]:
        raise KeyError("no such customer")

    with mock_dify(CONCAT, handler=broken) as dify:
        data = post(dify).json()["data"]
        assert (data["status"], data["error"], data["outputs"]) == ("failed", "KeyError: 'no such customer'", {})
        assert names(post(dify, mode="streaming"))[-2:] == ["node_finished", "workflow_finished"]


@pytest.mark.parametrize("result", [None, "text", 5, {"result": object()}])
def test_a_handler_that_returns_no_json_object_makes_the_run_fail(result: Any) -> None:
    with mock_dify(CONCAT, handler=lambda inputs: result) as dify:
        data = post(dify).json()["data"]
        assert (data["status"], data["error"].partition(":")[0]) == ("failed", "TypeError")


def test_a_handler_may_be_a_coroutine_and_take_the_name() -> None:
    async def named(inputs: Mapping[str, Any], name: str) -> dict[str, Any]:
        return {"result": name}

    with mock_dify(CONCAT, handler=named) as dify:
        assert outputs(post(dify)) == {"result": "concat"}


def test_a_slow_handler_holds_up_nobody_else() -> None:
    going, release = threading.Event(), threading.Event()

    def slow(inputs: Mapping[str, Any]) -> dict[str, Any]:
        if inputs["num"] == 1:
            going.set()
            release.wait(60)
        return {"result": "done"}

    with mock_dify(CONCAT, handler=slow) as dify:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(post(dify, INPUTS | {"num": 1})))
        thread.start()
        assert going.wait(60)
        assert outputs(post(dify, INPUTS | {"num": 2})) == {"result": "done"}
        assert not answers
        release.set()
        thread.join()
        assert outputs(answers[0]) == {"result": "done"}


def test_examples_come_before_made_up_values() -> None:
    examples = (
        Example(inputs={"string": "a"}, outputs={"result": "first"}),
        Example(inputs={"string": "b", "num": 2}, outputs={"result": "second"}),
    )
    workflow = App(name="x", source="x", inputs=CONCAT.inputs, outputs=CONCAT.outputs, examples=examples)
    with mock_dify(workflow) as dify:
        assert outputs(post(dify, INPUTS | {"string": "b", "num": 2})) == {"result": "second"}
        assert outputs(post(dify, INPUTS | {"string": "b", "num": 3})) == {"result": "first"}


def test_made_up_values_are_of_the_declared_types_and_always_the_same() -> None:
    person = ObjectOf((Property("name", Primitive.STRING), Property("age", Primitive.INTEGER)))
    types: dict[str, Type] = {
        "text": Primitive.STRING,
        "number": Primitive.NUMBER,
        "integer": Primitive.INTEGER,
        "flag": Primitive.BOOLEAN,
        "people": ArrayOf(person),
        "word": OneOf(("yes", "no")),
        "maybe": UnionOf((Primitive.NULL, Primitive.INTEGER)),
        "anything": Primitive.ANY,
        "open": ObjectOf(),
    }
    told = tuple(Output(name=name, type=type_) for name, type_ in types.items())
    with mock_dify(App(name="x", source="x", outputs=told)) as dify:
        first, second = outputs(post(dify, {})), outputs(post(dify, {}))
    assert first == second
    somebody = {"name": "mock name", "age": 1}
    assert first == {
        "text": "mock text",
        "number": 1.5,
        "integer": 1,
        "flag": True,
        "people": [somebody, somebody],
        "word": "yes",
        "maybe": 1,
        "anything": "mock anything",
        "open": {},
    }


def test_a_made_up_file_can_be_downloaded() -> None:
    workflow = App(name="x", source="x", outputs=(Output(name="report", type=Primitive.FILE),))
    with mock_dify(workflow) as dify:
        file = outputs(post(dify, {}))["report"]
        assert file["dify_model_identity"] == "__dify__file__"
        answer = HTTP.get(file["url"])
        assert (answer.text, len(answer.content)) == ("report, written by difygen mock\n", file["size"])


def test_outputs_bound_to_inputs_echo_them() -> None:
    with mock_dify(LAB / "defaults_null.yml") as dify:
        echoed = outputs(post(dify, {"s": "x", "t": "hello", "n": "3.50", "c": "yes", "j": {"a": 1}}))
    assert echoed == {"t": "hello", "p": None, "n": 3.5, "s": "x", "c": True, "f": None, "fl": None, "j": {"a": 1}}


def test_code_of_an_export_is_never_run() -> None:
    with mock_dify(LAB / "failing.yml") as dify:
        assert outputs(post(dify, {"string": "x"})) == {"result": "mock result"}


# Faults


@pytest.mark.parametrize(
    ("fault", "status"),
    [("failed", "failed"), ("stopped", "stopped"), ("partial", "partial-succeeded"), ("paused", "paused")],
)
def test_a_run_ends_as_the_fault_says(fault: str, status: str, dify: MockDify) -> None:
    data = post(dify, X_Mock_Fault=fault).json()["data"]
    assert data["status"] == status
    assert data["outputs"] == ({"result": "汉3list_a"} if status == "partial-succeeded" else {})
    last = events_of(post(dify, mode="streaming", X_Mock_Fault=fault).content)[-1]
    assert last["data"]["status"] == status


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("too-many-requests", 400, "invalid_param"),
        ("429", 429, "too_many_requests"),
        ("401", 401, "unauthorized"),
        ("403", 403, "forbidden"),
        ("500", 500, "internal_server_error"),
    ],
)
@pytest.mark.parametrize("mode", ["blocking", "streaming"])
def test_a_request_is_refused_as_the_fault_says(fault: str, status: int, code: str, mode: str, dify: MockDify) -> None:
    answer = post(dify, mode=mode, X_Mock_Fault=fault)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["x-version"] == "1.14.2"


@pytest.mark.parametrize("fault", [word for word in FAULTS if word.startswith("html-")])
def test_a_web_server_in_front_answers_with_html_and_without_difys_headers(fault: str, dify: MockDify) -> None:
    answer = post(dify, X_Mock_Fault=fault)
    assert answer.status_code == int(fault.removeprefix("html-"))
    assert answer.headers["content-type"].startswith("text/html")
    assert "x-version" not in answer.headers and "access-control-allow-origin" not in answer.headers


def test_an_error_event_ends_a_stream(dify: MockDify) -> None:
    last = events_of(post(dify, mode="streaming", X_Mock_Fault="error-event").content)[-1]
    assert (last["event"], last["code"], last["status"]) == ("error", "completion_request_error", 400)
    answer = post(dify, X_Mock_Fault="error-event")
    assert (answer.status_code, answer.json()["code"]) == (400, "completion_request_error")


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
@pytest.mark.parametrize("fault", ["drop", "cut", "cut=10b"])
def test_a_connection_is_cut(fault: str, mode: str, dify: MockDify) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        post(dify, mode=mode, X_Mock_Fault=fault)


def test_a_dropped_request_is_read_first_so_that_the_connection_is_closed_and_not_reset(dify: MockDify) -> None:
    for _ in range(20):
        with pytest.raises(httpx.RemoteProtocolError):
            post(dify, {**INPUTS, "string": "a" * 1_000_000}, X_Mock_Fault="drop")


@pytest.mark.parametrize(("fault", "events", "length"), [("cut=2", 2, None), ("cut=0", 0, 0), ("cut=100b", 0, 100)])
def test_a_stream_is_cut_where_it_is_said(fault: str, events: int, length: int | None, dify: MockDify) -> None:
    read = b""
    body = {"inputs": INPUTS, "response_mode": "streaming", "user": "u"}
    headers = {"Authorization": "Bearer x", "X-Mock-Fault": fault}
    url = f"{dify.base_url}/workflows/run"
    with (
        HTTP.stream("POST", url, json=body, headers=headers) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        for chunk in answer.iter_raw():
            read += chunk
    assert read.count(b"}\n\n") == events
    assert length is None or len(read) == length


def test_a_silent_server_sends_nothing_and_a_pinging_one_pings(dify: MockDify) -> None:
    for fault, expected in (("ping-forever", b"event: ping\n\n"), ("silent", b"")):
        body = {"inputs": INPUTS, "response_mode": "streaming", "user": "u"}
        headers = {"Authorization": "Bearer x", "X-Mock-Fault": fault}
        url, tail = f"{dify.base_url}/workflows/run", b""
        timeout = httpx.Timeout(30 if expected else 2)
        with HTTP.stream("POST", url, json=body, headers=headers, timeout=timeout) as answer:
            try:
                for chunk in answer.iter_raw():
                    tail += b"" if b"data:" in chunk else chunk
                    if tail.count(b"\n\n") == 3:
                        break
            except httpx.ReadTimeout:
                pass
        assert tail == expected * 3


def test_an_unknown_fault_is_no_success(dify: MockDify) -> None:
    for fault in (
        "faild",
        "cut=many",
        "slow=soon",
        "slow=-1",
        "slow=inf",
        "stopped=now",
        "failed=nobody",
        "slow=1@nobody",
    ):
        answer = post(dify, X_Mock_Fault=fault)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
        assert answer.json()["message"].startswith("X-Mock-Fault: ")


def test_faults_are_for_authenticated_requests_alone() -> None:
    with mock_dify(CONCAT, api_key="secret") as dify:
        headers = {"Authorization": "Bearer wrong", "X-Mock-Fault": "500"}
        assert HTTP.get(f"{dify.base_url}/info", headers=headers).status_code == 401


def test_failures_are_spread_evenly() -> None:
    with mock_dify(CONCAT, fail_rate=0.25) as dify:
        statuses = [post(dify).json()["data"]["status"] for _ in range(8)]
    assert statuses == (["succeeded"] * 3 + ["failed"]) * 2


def test_every_stream_is_cut_when_the_server_is_told_to() -> None:
    with mock_dify(CONCAT, cut_after=4) as dify:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                post(dify, mode="streaming")


# Streams


def test_a_stream_goes_out_event_by_event_in_raw_utf_8(dify: MockDify) -> None:
    body = {"inputs": INPUTS, "response_mode": "streaming", "user": "u"}
    headers = {"Authorization": "Bearer x"}
    url = f"{dify.base_url}/workflows/run"
    with HTTP.stream("POST", url, json=body, headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-length" not in answer.headers
        text = b"".join(answer.iter_raw()).decode()
    assert "汉" in text and '": ' not in text
    assert [event["event"] for event in events_of(text.encode())] == [
        "workflow_started",
        "node_started",
        "node_finished",
        "node_started",
        "text_chunk",
        "node_finished",
        "node_started",
        "node_finished",
        "workflow_finished",
    ]


def test_a_run_can_be_stopped_by_its_task() -> None:
    with mock_dify(CONCAT, latency=30) as dify:
        body = {"inputs": INPUTS, "response_mode": "streaming", "user": "u"}
        headers = {"Authorization": "Bearer x"}
        events: list[dict[str, Any]] = []
        with HTTP.stream("POST", f"{dify.base_url}/workflows/run", json=body, headers=headers) as run:
            for chunk in run.iter_raw():
                events += events_of(chunk)
                if len(events) == 4:
                    stop = f"{dify.base_url}/workflows/tasks/{events[0]['task_id']}/stop"
                    HTTP.post(stop, json={"user": "u"}, headers=headers)
        assert (events[-1]["data"]["status"], events[-1]["data"]["error"]) == ("stopped", "Stopped by user.")
        detail = get(dify, f"/workflows/run/{events[0]['workflow_run_id']}").json()
        assert (detail["status"], detail["finished_at"]) == ("running", None)


@pytest.mark.parametrize("fault", ["ping-forever", "silent", "slow=60"])
@pytest.mark.parametrize("mode", ["blocking", "streaming"])
def test_the_server_ends_while_requests_are_open(fault: str, mode: str) -> None:
    problems: list[Exception] = []
    with mock_dify(CONCAT) as dify:

        def ask() -> None:
            try:
                post(dify, mode=mode, X_Mock_Fault=fault)
            except httpx.HTTPError as error:
                problems.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not dify.runs or not dify.last_run.events:
            time.sleep(0.01)
    thread.join(60)
    assert not thread.is_alive()
    assert [type(problem) for problem in problems] == [httpx.RemoteProtocolError]


# Files and logs


UNREADABLE_FORMS = (
    ("multipart/form-data", b""),
    ("multipart/form-data", b"--a\r\n\r\nhello\r\n--a--\r\n"),
    ("multipart/form-data; boundary=a", b"--a\r\n-1789--a--\r\n"),
    ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data\r\n\r\nhello\r\n--a--\r\n"),
    ("multipart/form-data; boundary=a", b"hello"),
    ("multipart/form-data; boundary=a; charset=nothing", b"\xff"),
    ("application/x-www-form-urlencoded", b"file=hello&user=ada"),
    ("application/json", b'{"file": "hello"}'),
    ("", b""),
)


@pytest.mark.parametrize(
    ("path", "code"), [("files/upload", "no_file_uploaded"), ("audio-to-text", "no_audio_uploaded")]
)
def test_a_form_that_cannot_be_read_has_no_file(path: str, code: str) -> None:
    with mock_dify(LAB / "files.yml") as dify:
        for content_type, body in UNREADABLE_FORMS:
            headers = {"Authorization": f"Bearer {dify.api_key}", "Content-Type": content_type}
            answer = HTTP.post(f"{dify.base_url}/{path}", headers=headers, content=body)
            assert (answer.status_code, answer.json()["code"]) == (400, code), (content_type, body)


def test_a_signed_link_opens_the_file_and_no_other_link_does() -> None:
    with mock_dify(LAB / "files.yml") as dify:
        headers = {"Authorization": f"Bearer {dify.api_key}"}
        file = {"file": ("naïve.txt", "héllo".encode(), "text/plain")}
        link = HTTP.post(f"{dify.base_url}/files/upload", headers=headers, files=file).json()["source_url"]
        answer = HTTP.get(f"{link}&as_attachment=true")
        assert (answer.status_code, answer.text) == (200, "héllo")
        assert "na%C3%AFve.txt" in answer.headers["content-disposition"]
        for wrong in (
            link.replace("sign=", "sign=x"),
            link.partition("?")[0],
            link.replace("timestamp=1", "timestamp=2"),
        ):
            assert HTTP.get(wrong).status_code == 404


def test_a_remote_file_is_not_fetched() -> None:
    with mock_dify(LAB / "files.yml") as dify:
        document = {"type": "document", "transfer_method": "remote_url", "url": "http://127.0.0.1:1/a%20b.pdf"}
        file = outputs(post(dify, {"doc": document}))["doc"]
        assert (file["filename"], file["extension"], file["mime_type"]) == ("a b.pdf", ".pdf", "application/pdf")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["failed", "succeeded", "succeeded"]),
        ({"status": "failed"}, ["failed"]),
        ({"keyword": "FIRST"}, ["succeeded"]),
        ({"keyword": "nothing like it"}, []),
        ({"created_by_end_user_session_id": "anna"}, ["succeeded"]),
        ({"limit": "2"}, ["failed", "succeeded"]),
        ({"limit": "2", "page": "2"}, ["succeeded"]),
        ({"created_at__after": "2020-01-01T00:00:00Z"}, ["failed", "succeeded", "succeeded"]),
        ({"created_at__before": "2020-01-01T00:00:00+02:00"}, []),
    ],
)
def test_logs_are_filtered_and_paged(query: dict[str, str], found: list[str], logged: MockDify) -> None:
    headers = {"Authorization": f"Bearer {logged.api_key}"}
    answer = HTTP.get(f"{logged.base_url}/workflows/logs", params=query, headers=headers).json()
    assert [row["workflow_run"]["status"] for row in answer["data"]] == found
    assert answer["has_more"] == (query.get("limit") == "2" and "page" not in query)


@pytest.fixture(scope="module")
def logged() -> Iterator[MockDify]:
    with mock_dify(CONCAT, handler=join) as dify:
        url, headers = f"{dify.base_url}/workflows/run", {"Authorization": f"Bearer {dify.api_key}"}
        for user, text, fault in (("anna", "first", ""), ("ben", "second", ""), ("ben", "third", "failed")):
            body = {"inputs": INPUTS | {"string": text}, "user": user}
            HTTP.post(url, json=body, headers=headers | {"X-Mock-Fault": fault})
        yield dify


@pytest.mark.parametrize(
    "query", [{"created_at__after": "yesterday"}, {"created_by_account": "a@example.com"}, {"page": "0"}]
)
def test_a_query_that_cannot_be_is_refused(query: dict[str, str], logged: MockDify) -> None:
    headers = {"Authorization": f"Bearer {logged.api_key}"}
    answer = HTTP.get(f"{logged.base_url}/workflows/logs", params=query, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")


def test_a_published_version_is_run_by_its_id(dify: MockDify) -> None:
    workflow_id = post(dify).json()["data"]["workflow_id"]
    body = {"inputs": INPUTS, "user": "u"}
    headers = {"Authorization": "Bearer x"}
    answers = {
        name: HTTP.post(f"{dify.base_url}/workflows/{name}/run", json=body, headers=headers)
        for name in (workflow_id, "abc", "bf88925e-2863-4601-9d60-c624ff078bd3")
    }
    assert [answer.status_code for answer in answers.values()] == [200, 400, 404]
    assert answers["abc"].json()["message"] == "Invalid workflow_id format: 'abc'. "


def test_double_slashes_are_redirected_and_unknown_paths_are_pages(dify: MockDify) -> None:
    origin = dify.base_url.removesuffix("/v1")
    doubled = HTTP.get(f"{origin}//v1//info")
    assert (doubled.status_code, doubled.headers["location"]) == (308, "/v1/info")
    assert HTTP.get(f"{origin}/v1").headers["location"] == "/v1/"
    page = HTTP.get(f"{origin}/")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


# Starting


def test_definitions_that_are_wrong_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("name: x\ninputs: {a: txt}\noutputs: {}\n", "utf-8")
    with pytest.raises(MockSetupError, match="wrong.yaml:2"), mock_dify(tmp_path):
        raise AssertionError("not reached")
    with pytest.raises(MockSetupError, match="nothing to serve"), mock_dify():
        raise AssertionError("not reached")
    with pytest.raises(MockSetupError, match="No app is called other"), mock_dify(CONCAT, api_key={"other": "k"}):
        raise AssertionError("not reached")


def test_a_handler_that_ends_the_process_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text("raise SystemExit(3)", "utf-8")
    with pytest.raises(HandlerError, match="SystemExit: 3"):
        load_handler(f"{tmp_path / 'ending.py'}:f")


def test_a_handler_is_found_in_a_module_and_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def concat(inputs): return {'n': 1}\ndef both(inputs, name): return {'n': name}\nvalue = 5\n"
    (tmp_path / "own_handlers.py").write_text(source, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    path = str(tmp_path / "own_handlers.py")
    for text in ("own_handlers:concat", f"{path}:concat", "own_handlers.py:concat", path, "own_handlers"):
        assert load_handler(text)({}, "concat") == {"n": 1}
    assert load_handler("own_handlers:both")({}, "name") == {"n": "name"}
    for wrong in ("own_handlers:value", "own_handlers:none", "no_such_module:f", "none.py:f"):
        with pytest.raises(HandlerError):
            load_handler(wrong)


def test_the_faults_of_the_documentation_are_those_that_exist() -> None:
    page = (ROOT / "docs" / "mock.md").read_text("utf-8")
    section = page.partition("## Faults on demand\n")[2].partition("\n## ")[0]
    told = {line.split("`")[1]: line.split("|")[2].strip() for line in section.splitlines() if line.startswith("| `")}
    assert told == dict(FAULTS)


def test_json_of_a_blocking_answer_is_ascii(dify: MockDify) -> None:
    answer = post(dify)
    assert answer.content.isascii() and json.loads(answer.content)["data"]["outputs"]["result"] == "汉3list_a"
