"""Every recorded answer of real servers, 1.12 and newer, to a run request: the right `Run` or exception, over HTTP."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import runtime
from runtime import AsyncWorkflowClient, Inputs, Outputs, Run, WorkflowClient, WorkflowInfo
from support.replay import CHUNKINGS, Recording, cases, held, recording, replay
from support.servers import Server

FOLDERS = ("recordings", "recordings_new")
RUNS = ["POST /v1/workflows/run", "POST /v1/workflows/*/run"]


class AnyInputs(Inputs):
    """No inputs: what was sent does not matter to a recording."""


class AnyOutputs(Outputs):
    """Takes all outputs there are."""


INFO = WorkflowInfo(name="any", outputs=AnyOutputs)


class Client(WorkflowClient[AnyInputs, AnyOutputs]):
    _workflow = INFO

    def run(self, **options: Any) -> Run[AnyOutputs]:
        return self.run_inputs(AnyInputs(), **options)

    def stream(self) -> runtime.RunStream[AnyOutputs]:
        return self.stream_inputs(AnyInputs())


class AsyncClient(AsyncWorkflowClient[AnyInputs, AnyOutputs]):
    _workflow = INFO

    async def run(self, **options: Any) -> Run[AnyOutputs]:
        return await self.run_inputs(AnyInputs(), **options)

    def stream(self) -> runtime.AsyncRunStream[AnyOutputs]:
        return self.stream_inputs(AnyInputs())


Outcome = tuple[list[runtime.Event], Run[AnyOutputs] | Exception]


def blocking(url: str) -> Outcome:
    with Client(base_url=url, api_key="app-RECORDED", user="u", timeout=10, idle_timeout=1, max_retries=0) as client:
        try:
            return [], client.run()
        except runtime.DifyError as error:
            return [], error


def streamed(url: str) -> Outcome:
    events: list[runtime.Event] = []
    with (
        Client(base_url=url, api_key="app-RECORDED", user="u", timeout=10, idle_timeout=1, max_retries=0) as client,
        client.stream() as stream,
    ):
        try:
            events += stream
            return events, stream.result()
        except runtime.DifyError as error:
            return events, error


def async_blocking(url: str) -> Outcome:
    async def call() -> Outcome:
        async with AsyncClient(
            base_url=url, api_key="app-RECORDED", user="u", timeout=10, idle_timeout=1, max_retries=0
        ) as client:
            try:
                return [], await client.run()
            except runtime.DifyError as error:
                return [], error

    return asyncio.run(call())


def async_streamed(url: str) -> Outcome:
    async def call() -> Outcome:
        events: list[runtime.Event] = []
        async with (
            AsyncClient(
                base_url=url, api_key="app-RECORDED", user="u", timeout=10, idle_timeout=1, max_retries=0
            ) as client,
            client.stream() as stream,
        ):
            try:
                async for event in stream:
                    events.append(event)
                return events, await stream.result()
            except runtime.DifyError as error:
                return events, error

    return asyncio.run(call())


def run_cases(*, streams: bool) -> list[str]:
    found = []
    for case in [case for folder in FOLDERS for case in cases(folder=folder)]:
        request = recording(case).request
        asked = isinstance(request.get("json"), dict) and request["json"].get("response_mode") == "streaming"
        is_run = request["method"] == "POST" and request["path"].split("?")[0].endswith("/run")
        if is_run and (asked or recording(case).is_stream) == streams:
            found.append(case)
    return found


BLOCKING = run_cases(streams=False)
STREAMING = run_cases(streams=True)
NEWER_RUNS = 67
CUT = [
    "seed_streaming",
    "unicode_separators_streaming",
    "hitl_pause_streaming_approve",
    "v1_14_unicode_streaming",
    "v1_14_llm_error_mid_streaming",
    "v1_14_webapp_approve",
    "dev2606_stop_slow",
]
FAILURES = {
    "failed": runtime.RunFailedError,
    "stopped": runtime.RunStoppedError,
    "paused": runtime.RunPausedError,
}
ERRORS: dict[tuple[int, str], type[runtime.APIError]] = {
    (400, "invalid_param"): runtime.InvalidParamError,
    (400, "bad_request"): runtime.BadRequestError,
    (400, "not_workflow_app"): runtime.NotWorkflowAppError,
    (401, "unauthorized"): runtime.AuthenticationError,
    (403, "forbidden"): runtime.PermissionDeniedError,
    (404, "not_found"): runtime.NotFoundError,
    (405, "method_not_allowed"): runtime.APIError,
    (415, "unsupported_media_type"): runtime.UnsupportedFileTypeError,
    (500, "internal_server_error"): runtime.ServerError,
    (500, "unknown"): runtime.ServerError,
}


def test_there_are_many_recordings() -> None:
    assert len(BLOCKING) > 100
    assert len(STREAMING) > 30


def test_every_recorded_run_of_newer_servers_is_told() -> None:
    asked = [
        case
        for case in cases(folder="recordings_new")
        if recording(case).request["method"] == "POST" and recording(case).request["path"].endswith("/run")
    ]
    assert len(asked) == NEWER_RUNS
    assert set(asked) <= {*BLOCKING, *STREAMING}


@pytest.mark.parametrize("call", [blocking, async_blocking])
@pytest.mark.parametrize("case", BLOCKING)
def test_a_blocking_answer(case: str, call: Callable[[str], Outcome]) -> None:
    recorded = recording(case)
    with Server({route: held(case) for route in RUNS}) as server:
        _, outcome = call(server.url)
    assert server.runs == 1
    if not recorded.head:  # this server never answers a human-input node in blocking mode; here it hangs up
        assert isinstance(outcome, runtime.ConnectionLostError)
    elif recorded.status == 200:
        payload = json.loads(recorded.body)
        check_run(outcome, payload, payload["data"])
    else:
        check_error(outcome, recorded)


@pytest.mark.parametrize("call", [streamed, async_streamed])
@pytest.mark.parametrize("case", STREAMING)
def test_a_stream(case: str, call: Callable[[str], Outcome]) -> None:
    recorded = recording(case)
    with Server({route: held(case) for route in RUNS}) as server:
        events, outcome = call(server.url)
    assert server.runs == 1
    if recorded.status == 200:
        check_stream(recorded, events, outcome)
    else:
        check_error(outcome, recorded)


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize("case", CUT)
def test_a_stream_cut_in_other_ways(case: str, chunking: str) -> None:
    with Server({RUNS[0]: replay(case, chunking)}) as server:
        events, outcome = streamed(server.url)
    check_stream(recording(case), events, outcome)


def check_stream(recorded: Recording, events: list[runtime.Event], outcome: Run[AnyOutputs] | Exception) -> None:
    """The events are those on the wire, up to the one that ends the stream; the outcome is what that one says."""
    sent = recorded.events
    names = [event["event"] for event in sent]
    ends = [at for at, name in enumerate(names) if name in ("workflow_finished", "workflow_paused")]
    seen = [event.raw for event in events if not isinstance(event, runtime.Ping)]
    if not ends and names[-1:] == ["error"]:
        assert isinstance(outcome, runtime.InvalidParamError)
        assert outcome.message == sent[-1]["message"]
        return
    if not ends:
        assert isinstance(outcome, runtime.StreamInterruptedError)
        assert seen == sent
        assert outcome.task_id == (sent[0]["task_id"] if sent else None)
        return
    assert seen == sent[: ends[0] + 1]
    assert not any(isinstance(event, runtime.UnknownEvent) for event in events)
    final = sent[ends[0]]
    check_run(outcome, final, {"id": final["workflow_run_id"], **final["data"]})


def check_run(outcome: Run[AnyOutputs] | Exception, payload: dict[str, Any], data: dict[str, Any]) -> None:
    status = data["status"]
    if status in FAILURES:
        assert type(outcome) is FAILURES[status]
        assert isinstance(outcome, runtime.RunError)
        run = outcome.run
        if data.get("error"):
            assert str(outcome) == data["error"]
    else:
        assert isinstance(outcome, Run)
        run = outcome
        assert run.outputs.model_dump() == data["outputs"]
    times = {name: data.get(name) for name in ("created_at", "finished_at")}
    assert run.raw["data"] == payload["data"]
    assert run.raw_outputs == data["outputs"]
    assert (run.status, run.error) == (status, data.get("error"))
    assert (run.workflow_run_id, run.task_id) == (data["id"], payload["task_id"])
    assert run.workflow_id == data.get("workflow_id", "")
    assert (run.elapsed_time, run.total_tokens) == (data["elapsed_time"], data["total_tokens"])
    assert run.total_steps == data["total_steps"]
    assert {name: getattr(run, name) for name in times} == {
        name: value and datetime.fromtimestamp(value, UTC) for name, value in times.items()
    }
    assert run.exceptions_count == data.get("exceptions_count")
    assert run.created_by == data.get("created_by")
    assert len(run.files) == len(data.get("files") or [])


def check_error(outcome: Run[AnyOutputs] | Exception, recorded: Recording) -> None:
    assert isinstance(outcome, runtime.APIError)
    assert outcome.status == recorded.status
    if b"text/html" in recorded.head:
        assert outcome.hint
        assert outcome.code is None
        return
    payload = json.loads(recorded.body)
    kind = ERRORS[recorded.status, payload["code"]]
    if payload["message"].startswith("Too many requests"):
        kind = runtime.TooManyRequestsError
    assert type(outcome) is kind
    assert outcome.message == payload["message"].strip()
    assert (outcome.code, outcome.server_version) == (payload["code"], version_of(recorded))


def version_of(recorded: Recording) -> str:
    """What the header says of the server."""
    lines = recorded.head.decode().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.lower().startswith("x-version:"))
