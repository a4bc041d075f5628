"""What is to come of a recorded answer: the run that it tells of, typed, or the exception that stands for it."""

import json
from datetime import UTC, datetime
from typing import Any

import runtime

from support.replay import Recording

Came = tuple[list[runtime.Event], Any]
"""The events, where there are any; and the result, or the exception in its place."""
FAILURES = {
    "failed": runtime.RunFailedError,
    "stopped": runtime.RunStoppedError,
    "paused": runtime.RunPausedError,
}
ERRORS: dict[tuple[int, str], type[runtime.APIError]] = {
    (400, "invalid_param"): runtime.InvalidParamError,
    (400, "invalid_form_data"): runtime.BadRequestError,
    (400, "bad_request"): runtime.BadRequestError,
    (400, "not_workflow_app"): runtime.NotWorkflowAppError,
    (401, "unauthorized"): runtime.AuthenticationError,
    (403, "forbidden"): runtime.PermissionDeniedError,
    (404, "not_found"): runtime.NotFoundError,
    (405, "method_not_allowed"): runtime.APIError,
    (412, "human_input_form_submitted"): runtime.FormClosedError,
    (415, "unsupported_media_type"): runtime.UnsupportedFileTypeError,
    (500, "internal_server_error"): runtime.ServerError,
    (500, "unknown"): runtime.ServerError,
}


def followed(stream: Any) -> Any:
    """Read a stream to its end; of one for async code, a coroutine that does."""
    events: list[runtime.Event] = []

    async def read() -> Came:
        async with stream:
            try:
                async for event in stream:
                    events.append(event)
                return events, await stream.result()
            except runtime.DifyError as error:
                return events, error

    if hasattr(stream, "__aiter__"):
        return read()
    with stream:
        try:
            events += stream
            return events, stream.result()
        except runtime.DifyError as error:
            return events, error


def check_stream(recorded: Recording, came: Came) -> None:
    """The events are those on the wire, up to the one that ends the stream; the outcome is what that one says."""
    (events, outcome), sent = came, recorded.events
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


def check_run(outcome: Any, payload: dict[str, Any], data: dict[str, Any]) -> None:
    """The outcome is the run of a terminal event or a blocking answer; typed outputs say no more and no less."""
    status = data["status"]
    if status in FAILURES:
        assert type(outcome) is FAILURES[status]
        run = outcome.run
        if data.get("error"):
            assert str(outcome) == data["error"]
    else:
        assert isinstance(outcome, runtime.Run)
        run = outcome
        assert run.outputs.model_dump(mode="json", by_alias=True, exclude_unset=True) == data["outputs"]
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


def check_refusal(outcome: Any, recorded: Recording) -> None:
    """The outcome is the exception of an answer other than 2xx. That of a form holds no token."""
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
    assert (outcome.code, outcome.server_version) == (payload["code"], version_of(recorded))
    if "/form/" in recorded.request["path"] and recorded.status == 404:
        assert recorded.request["path"].split("/")[-1] not in f"{outcome} {outcome!r}"
        assert "web app" in str(outcome) and "did you mean" not in str(outcome)
    else:
        assert outcome.message == payload["message"].strip()


def version_of(recorded: Recording) -> str:
    """What the header says of the server."""
    lines = recorded.head.decode().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.lower().startswith("x-version:"))
