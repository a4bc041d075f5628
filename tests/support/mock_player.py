"""Recorded requests, sent to a mock server instead, and the comparison of the two answers.

What may differ stands in the tables of docs/mock.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import groupby
from threading import Event
from typing import Any

import httpx
from difygen.testing import MockDify

from support import LAB, ROOT, TESTS
from support.replay import Recording, cases, recording

WRITTEN = TESTS / "dsl_written"
"""Workflows whose exports are not there, written by hand: their recordings tell all that there is of them."""
SOURCES = sorted([*LAB.glob("*.yml"), *WRITTEN.glob("*.yml")])
APPS = {path.stem for path in SOURCES}
TABLE = ROOT / "docs" / "mock.md"

KEYS = {"auth_bad_key": "app-wrong", "auth_bad_key_streaming": "app-wrong", "upload_bad_key": "app-wrong"}
KEY_NAMES = {"chatflow": "chatflow_app", "chat_failing": "chat_failing_5fa5"}
OTHER_APP = {"run_detail_other_app_key": "branching"}

UPLOADS = {
    "12b1f860-ba5d-4c3b-95fa-e10557b56e1f": ("hello.txt", b"hello file\nline2\n", "text/plain"),
    "c6c9478f-fad3-46a8-94db-9102e09bc7e8": ("p.png", b"\x89PNG" + bytes(66), "image/png"),
    "e0edda24-73a3-43d3-9dfb-bb465c139a67": ("f.xyz", b"xyz", "application/octet-stream"),
    "56947c1d-cc31-40be-b05e-d74f4e056bed": ("u2.txt", b"from u2", "text/plain"),
}
BIG_UPLOADS = {
    "upload_doc_14mb": ("big14.txt", 14, "text/plain"),
    "upload_doc_16mb": ("big16.txt", 16, "text/plain"),
    "upload_png_11mb": ("big.png", 11, "image/png"),
}

FAULTS = {
    "failing_*": "failed",
    "hitl_failing_streaming": "failed",
    "partial_*": "partial",
    "iteration_fail_*": "failed=child1",
    "llm_error_*": "failed",
    "files_remote_404": "failed=extract1",
    "rate_limited_during_blocking": "too-many-requests",
    "rate_limited_blocking": "too-many-requests",
    "rate_limited_streaming": "too-many-requests",
    "api_disabled": "403",
    "ping_slow_35s": "slow=0.35",
    "hitl_ping_slow_13s": "slow=0.13",
    "slow_blocking_12s": "slow=0.12",
    "stop_slow_single_node": "slow=30",
    "stop_with_other_app_key": "slow=30",
    "stop_other_user": "slow=30",
    "stop_slow2_between_nodes": "slow=30@code2",
    "stop_llm_midstream": "slow=20@llm1",
    "hitl_slow_stopped": "slow=30",
    "hitl_slow2_stopped": "slow=30@code2",
}
"""What code and models did then cannot be known from the request; these words ask the mock for the same."""

STOPPED = {
    "stop_slow_single_node",
    "stop_with_other_app_key",
    "stop_other_user",
    "stop_slow2_between_nodes",
    "stop_llm_midstream",
    "hitl_slow_stopped",
    "hitl_slow2_stopped",
}
CLIENT_LEFT = {"disconnect_midstream", "hitl_disconnect"}
ENDLESS = {"human_input_streaming"}
UNANSWERED = {"human_input_blocking"}
FOLLOW_UPS = ("_detail", "_detail_after", "_detail_later", "_detail_running", "_stop", "_stop_again")

DETAILS = {
    "run_detail_succeeded": "concat_blocking",
    "run_detail_other_app_key": "concat_blocking",
    "run_detail_failing": "failing_blocking",
    "run_detail_iteration": "iteration_blocking",
    "run_detail_llm": "llm_blocking",
    "run_detail_no_io": "v1_14_no_io_blocking",
    "run_detail_partial": "partial_blocking",
    "run_detail_unicode": "unicode_blocking",
}
"""Run details, and the run that they are the detail of."""

LOGGED = {
    "logs_concat*": ["concat_blocking"] * 3,
    "logs_failing": ["failing_blocking"] * 2,
    "logs_llm": ["llm_blocking"] * 2,
    "logs_partial": ["partial_blocking"] * 2,
    "logs_slow_all": ["stop_slow_single_node", "slow_blocking_12s"],
    "logs_slow_stopped": ["stop_slow_single_node"],
    "logs_status_partial": ["partial_blocking"],
}
"""Logs, and the runs that were there already."""

COMPUTED = {
    "big_output",
    "concat",
    "iteration",
    "kitchen_sink",
    "llm",
    "llm_chatflow",
    "llm_two_outputs",
    "many_events",
    "slow",
    "slow2",
}
"""Apps whose outputs come from code or a model: the handler plays these, and gives what was recorded."""


PAUSES = {case for case in cases("hitl_pause_*")}
"""Recordings of a workflow with a form, which tests/test_mock_forms.py replays."""


def app_of(case: str) -> str | None:
    app: str | None = recording(case).request["app"]
    if case.startswith("hitl_pause_"):  # another workflow than the one in dsl_lab
        return None
    if app is None and case.startswith(("auth_", "options_", "root_", "upload_bad_key", "api_disabled")):
        return "concat"
    return {"slow_limited": "slow"}.get(app, app.removeprefix("hitl_")) if app else None


def base_of(case: str) -> str | None:
    """The run that the case looks at, or stops, while or after it goes on."""
    return next((case.removesuffix(end) for end in FOLLOW_UPS if case.removesuffix(end) in FOLLOWED - {case}), None)


FOLLOWED = STOPPED | CLIENT_LEFT | ENDLESS
REPLAYED = [case for case in cases() if app_of(case) in APPS and base_of(case) is None and case not in UNANSWERED]


def table(heading: str) -> dict[str, str]:
    """The patterns of the first column of the table under a heading, and what the second column says of them."""
    section = TABLE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", section, re.MULTILINE)
    return {pattern: told for cell, told in rows for pattern in re.findall(r"`([^`]+)`", cell)}


DEVIATIONS = table("What differs on purpose")
NOT_SERVED = table("What is not mocked")


class Player:
    """The mock server and the user's function behind it, which gives the outputs that were recorded."""

    def __init__(self) -> None:
        self.outputs: Any = NotImplemented
        self.goes_on = Event()
        """Not set while a run is held where its first node works."""
        self.goes_on.set()
        self.dify: MockDify
        self.client: httpx.Client
        self.files: dict[str, str] = {}
        self.answers: dict[str, httpx.Response] = {}

    def handler(self, inputs: Mapping[str, Any]) -> Any:
        self.goes_on.wait(60)
        return self.outputs

    def send(self, case: str) -> httpx.Response:
        """The recorded request, with what is known to have another name here put in its place."""
        return self.client.send(self.request(case), stream=case in FOLLOWED)

    def request(self, case: str, timeout: float = 60.0) -> httpx.Request:
        recorded = recording(case)
        path = recorded.request["path"]
        for pattern, earlier in LOGGED.items():
            for other in earlier if fnmatchcase(case, pattern) else ():
                self.play(other)
        if case in DETAILS:
            run_id = self.play(DETAILS[case]).json()["workflow_run_id"]
            path = f"{path.rpartition('/')[0]}/{run_id}"
        self.outputs = recorded_outputs(recorded) if app_of(case) in COMPUTED else NotImplemented
        return self.client.build_request(
            recorded.request["method"],
            path,
            headers=self.headers(case, recorded),
            content=self.content(case, recorded),
            timeout=timeout,
        )

    def headers(self, case: str, recorded: Recording) -> dict[str, str]:
        app = OTHER_APP.get(case) or app_of(case)
        headers = {k: v for k, v in recorded.request["headers"].items() if k not in ("Host", "Content-Length")}
        if "Authorization" in headers:
            key = KEYS.get(case, f"app-{KEY_NAMES.get(str(app), app)}")
            headers["Authorization"] = headers["Authorization"].replace("app-RECORDED", key).strip()
        fault = next((fault for pattern, fault in FAULTS.items() if fnmatchcase(case, pattern)), None)
        return headers | ({"X-Mock-Fault": fault} if fault and "_detail" not in case else {})

    def content(self, case: str, recorded: Recording) -> bytes | None:
        if case in BIG_UPLOADS:
            return multipart(*BIG_UPLOADS[case], boundary=boundary_of(recorded))
        if "body_preview" in recorded.request:
            text: str = recorded.request["body_preview"]
            if len(text.encode()) < recorded.request["body_length"]:  # the recording has only the beginning
                text = f"{text.rpartition(chr(10))[0]}\n--{boundary_of(recorded)}--\r\n"
            return text.encode()
        if "json" not in recorded.request:
            return None
        text = json.dumps(recorded.request["json"])
        for recorded_id in UPLOADS:
            if recorded_id in text:
                text = text.replace(recorded_id, self.uploaded(recorded_id))
        return text.encode()

    def uploaded(self, recorded_id: str) -> str:
        if recorded_id not in self.files:
            headers = {"Authorization": "Bearer app-files"}
            name, content, mime_type = UPLOADS[recorded_id]
            answer = self.client.post("/v1/files/upload", headers=headers, files={"file": (name, content, mime_type)})
            self.files[recorded_id] = answer.json()["id"]
        return self.files[recorded_id]

    def play(self, case: str) -> httpx.Response:
        """The answer, whole; a run that was stopped or left then is stopped or left at the same place."""
        if case in CLIENT_LEFT:
            self.goes_on.clear()
        response = self.send(case)
        return self.read(response, case) if case in FOLLOWED else response

    def read(self, response: httpx.Response, case: str) -> httpx.Response:
        """Read as far as it was read then, and stop the run or leave."""
        expected = [event for event in recording(case).events if event["event"] != "workflow_finished"]
        read, acted = b"", False
        for chunk in response.iter_raw():
            read += chunk
            if case in ENDLESS:
                if read.count(b"event: ping") > 3:
                    break
            elif not acted and len(merged(events_of(read))) >= len(merged(expected)):
                acted = True
                if case in CLIENT_LEFT:
                    break
                self.follow(case, "running", events_of(read)[0])
        response.close()
        self.goes_on.set()
        return httpx.Response(response.status_code, headers=response.headers, content=read)

    def follow(self, case: str, moment: str, first: Mapping[str, Any]) -> dict[str, httpx.Response]:
        """What is asked about a run while it is going (then it is stopped, by a stranger with another app's key) or
        after it.
        """
        own, other = ({"Authorization": f"Bearer app-{app}"} for app in (app_of(case), "concat"))
        detail = f"/v1/workflows/run/{first['workflow_run_id']}"
        stop = f"/v1/workflows/tasks/{first['task_id']}/stop"
        self.answers = self.answers if moment == "after" else {}
        if moment == "running":
            self.answers["_detail_running"] = self.client.get(detail, headers=own)
            self.answers["_stop"] = self.client.post(stop, json={"user": "a stranger"}, headers=other)
        else:
            self.answers["_stop_again"] = self.client.post(stop, json={"user": "a stranger"}, headers=other)
            for end in ("_detail", "_detail_after", "_detail_later"):
                self.answers[end] = self.client.get(detail, headers=own)
        return self.answers


def multipart(name: str, megabytes: int, mime_type: str, *, boundary: str) -> bytes:
    disposition = f'form-data; name="file"; filename="{name}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {mime_type}\r\n\r\n"
    return head.encode() + bytes(megabytes * 1024 * 1024) + f"\r\n--{boundary}--\r\n".encode()


def boundary_of(recorded: Recording) -> str:
    return str(recorded.request["headers"]["Content-Type"].partition("boundary=")[2])


def recorded_outputs(recorded: Recording) -> Any:
    """The outputs of the recorded run, for the handler to give again."""
    if recorded.is_stream:
        data = next((each["data"] for each in recorded.events if each["event"] == "workflow_finished"), {})
        if recorded.request["app"] == "llm" and data.get("status") == "stopped":  # what its text would have become
            return {**recorded_outputs(recording("llm_blocking")), "text": recorded.request["json"]["inputs"]["prompt"]}
    elif recorded.status == 200 and b'"workflow_run_id"' in recorded.body:
        data = json.loads(recorded.body)["data"]
    else:
        data = {}
    if data.get("status") != "succeeded":
        return NotImplemented
    outputs = data["outputs"]
    return {"llm1.text": outputs["answer"]} if recorded.request["app"] == "llm_chatflow" else outputs


def shape(value: Any) -> Any:
    """What a JSON value looks like: keys and types, all the way down; of a list, the shapes that its elements have."""
    if isinstance(value, Mapping):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        shapes = [shape(each) for each in value]
        return [each for index, each in enumerate(shapes) if each not in shapes[:index]]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__
    return "number"


def event_shapes(events: list[dict[str, Any]]) -> list[Any]:
    """What a stream looks like: the events in order, each with its node, its keys and the types of its values."""
    return [(event["event"], _place(event), shape(event)) for event in events]


def merged(events: list[dict[str, Any]]) -> list[Any]:
    """What a stream looks like that was stopped or left: of a text in pieces, as much as there was until then."""
    return [shape_ for shape_, _ in groupby(event_shapes(events))]


def _place(event: Mapping[str, Any]) -> Any:
    data = event.get("data", {})
    return data.get("node_id"), data.get("index"), data.get("status"), data.get("from_variable_selector")


def events_of(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]


def seen(case: str, status: int, body: bytes, *, stream: bool) -> Any:
    """Everything of an answer that has to be the same."""
    if stream:
        pings = b"event: ping\n\n" in body if case.startswith("ping_") else None
        return status, pings, (merged if case in FOLLOWED else event_shapes)(events_of(body))
    try:
        data = json.loads(body)
    except ValueError:
        return status, body.decode("utf-8", "replace")
    text = body.endswith(b"\n"), body.isascii()
    if status >= 400:
        return status, text, list(data), UUID.sub("<id>", body.decode())
    for row in data.get("user_input_form", ()):  # the apps had `default: ""`, which their exports in dsl_lab lack
        for variable in row.values():
            variable.pop("default", None)
    return status, text, shape(data)


UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def headers_of(head: bytes) -> dict[str, str]:
    """The headers that mean something to a client."""
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:]]
    names = ("content-type", "www-authenticate", "allow", "location", "x-version", "x-env")
    told = ((name.lower(), value) for name, _, value in lines)
    return {name: value for name, value in told if name in names or name.startswith("access-control-")}


def difference(case: str, answer: httpx.Response) -> str:
    """How the mock's answer differs from the recorded one, or nothing."""
    recorded = recording(case)
    if not recorded.head:
        return "recorded: no answer"
    stream = "event-stream" in answer.headers.get("content-type", "")
    theirs = seen(case, recorded.status, recorded.body, stream=recorded.is_stream)
    ours = seen(case, answer.status_code, answer.content, stream=stream)
    if ours == theirs and not case.startswith("hitl_"):  # those are of another release, and say so
        head = b"\r\n".join([b"", *(name + b": " + value for name, value in answer.headers.raw)])
        theirs, ours = headers_of(recorded.head), headers_of(head)
    return "" if ours == theirs else f"recorded:\n{theirs}\n\nmock:\n{ours}"


def told(rows: Mapping[str, str], case: str) -> str:
    """What a table says of a case, or nothing."""
    return next((text for pattern, text in rows.items() if fnmatchcase(case, pattern)), "")


def check(case: str, answer: httpx.Response) -> None:
    """The answer is as recorded, or differs as the table says; a row that is not needed is wrong too."""
    differs, deviation = difference(case, answer), told(DEVIATIONS, case)
    if deviation:
        assert differs, f"{case} answers as recorded: the table need not say {deviation!r}"
    else:
        assert not differs, differs
