"""Dify's rules, without I/O: which requests there are, what their answers mean, and when
a request may be repeated.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ._answers import json_object, unexpected
from ._errors import (
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    DifyError,
    IdleTimeoutError,
    NotFoundError,
    ServerError,
    TooManyRequestsError,
)
from ._gateways import Answer, parsed
from ._http import Call
from ._responses import to_object, to_text
from ._settings import Settings

JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
STREAM_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream"}
TRACE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
MAX_BACKOFF = 8.0
FIRST_BACKOFF = 0.5
SETTLED = frozenset(("succeeded", "partial-succeeded", "failed", "stopped", "paused"))
"""The states of a run that nothing but people will change."""


def run_call(
    settings: Settings,
    inputs: Mapping[str, Any],
    *,
    user: str,
    response_mode: str,
    workflow_id: str | None,
    trace_id: str | None,
    files: Sequence[Mapping[str, Any]] = (),
) -> Call:
    """Return the request that starts a run."""
    path = f"/workflows/{segment(workflow_id)}/run" if workflow_id else "/workflows/run"
    body: dict[str, Any] = {"inputs": inputs}
    body |= {"response_mode": response_mode, "user": user}
    if files:
        body["files"] = files
    return start_call(settings, path, body, trace_id)


def start_call(
    settings: Settings, path: str, body: Mapping[str, Any], trace_id: str | None
) -> Call:
    """Return the request that starts something. Never repeated once it may have arrived."""
    streams = body["response_mode"] == "streaming"
    headers = STREAM_HEADERS if streams else JSON_HEADERS
    if trace_id is not None:
        headers = {**headers, "X-Trace-Id": checked_trace_id(trace_id)}
    return Call(
        "POST",
        settings.api_url + path,
        key=settings.api_key,
        headers=headers,
        content=to_json_body(body),
        shown=f"/v1{path}",
    )


def get_call(
    settings: Settings, path: str, query: Mapping[str, str] | None = None
) -> Call:
    """Return a request that only reads."""
    return Call(
        "GET",
        settings.api_url + path,
        key=settings.api_key,
        query=query,
        headers={"Accept": "application/json"},
        shown=f"/v1{path}",
        repeatable=True,
    )


def post_call(
    settings: Settings, path: str, body: Mapping[str, Any], *, repeatable: bool = False
) -> Call:
    """Return a request with a JSON body."""
    return Call(
        "POST",
        settings.api_url + path,
        key=settings.api_key,
        headers=JSON_HEADERS,
        content=to_json_body(body),
        shown=f"/v1{path}",
        repeatable=repeatable,
    )


def events_call(
    settings: Settings,
    workflow_run_id: str,
    user: str,
    *,
    continue_on_pause: bool,
    last_event_id: str,
) -> Call:
    """Return the request for the events of a run that was started before (1.14).

    The snapshot replays what has happened so far, without inputs and outputs; without it
    the server sends future events alone.
    """
    query = {"user": user, "include_state_snapshot": "true"}
    if continue_on_pause:
        query["continue_on_pause"] = "true"
    call = get_call(settings, f"/workflow/{segment(workflow_run_id)}/events", query)
    call.headers = {"Accept": "text/event-stream"}
    if last_event_id.isascii() and last_event_id.isprintable() and last_event_id:
        call.headers["Last-Event-ID"] = last_event_id
    return call


def form_call(
    settings: Settings, form_token: str, body: Mapping[str, Any] | None = None
) -> Call:
    """Return the request that reads a form or, with a body, submits it (1.14).

    The token lets anybody answer the form: it is not shown in logs.
    """
    path = f"/form/human_input/{segment(form_token)}"
    call = get_call(settings, path) if body is None else post_call(settings, path, body)
    call.shown = "/v1/form/human_input/..."
    return call


def segment(text: object) -> str:
    """Return an id as one segment of a path, whatever it holds."""
    if not isinstance(text, str) or text in ("", ".", ".."):
        raise ConfigurationError(f"{text!r} is no id")
    return quote(text, safe="", errors="replace")


def checked_trace_id(trace_id: object) -> str:
    """Return the trace id, if Dify takes it: it ignores others without a word."""
    if not isinstance(trace_id, str) or not TRACE_ID.fullmatch(trace_id):
        raise ConfigurationError(
            f"trace_id must be 1 to 128 of A-Z a-z 0-9 _ -, not {trace_id!r:.200}"
        )
    return trace_id


def to_json_body(body: Mapping[str, Any]) -> bytes:
    """Return JSON as it is sent: UTF-8, compact, and nothing that JSON does not know."""
    try:
        return json.dumps(
            body, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"This cannot be sent as JSON: {error}") from None


def blocking_payload(
    answer: Answer, call: Call
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the whole body of a blocking answer, and its `data`."""
    payload = json_object(answer, call)
    data = to_object(payload.get("data"))
    if not to_text(data.get("status")):
        raise unexpected(answer, call)
    return payload, data


def run_detail(answer: Answer, call: Call) -> dict[str, Any]:
    """Return a stored run, with inputs and outputs as objects.

    They come as JSON text or as an object, by release. A run that is not there is
    answered with 200 and nothing but nulls (seen on 1.12.1).
    """
    detail = json_object(answer, call)
    if "status" not in detail and "id" not in detail:
        raise unexpected(answer, call)
    if not detail.get("id") and not detail.get("status"):
        raise NotFoundError(
            "The server knows no such run of this app",
            code="not_found",
            status=answer.status,
            server_version=answer.headers.get("x-version"),
            request=f"{call.method} {call.shown}",
        )
    texts = {
        name: parsed(value.encode(errors="replace"))
        for name in ("inputs", "outputs")
        if isinstance(value := detail.get(name), str)
    }
    return {**detail, **texts}


def retry_delay(
    error: DifyError, attempt: int, max_retries: int, *, repeatable: bool
) -> float | None:
    """Return how long to wait before a request is sent again; None if it must not be.

    A request that starts a run is repeated only if it surely started none: no connection
    was made, or the server refused it because too many others go on. With another status
    than that of a refusal, these words may be those of a node.
    """
    if attempt >= max_retries:
        return None
    wait = backoff(attempt)
    if isinstance(error, TooManyRequestsError | ServerError):
        wait = max(wait, min(error.retry_after or 0.0, 60.0))
    if isinstance(error, TooManyRequestsError):
        is_refusal = repeatable or error.status in (None, 400, 429)
        return wait if is_refusal else None
    if isinstance(error, ConnectionFailedError):
        return wait if error.may_pass else None
    lost = isinstance(error, ConnectionLostError | ServerError | IdleTimeoutError)
    return wait if repeatable and lost else None


def backoff(attempt: int) -> float:
    """Return seconds to wait: longer with every attempt, and never the same for two clients."""
    longest = min(MAX_BACKOFF, FIRST_BACKOFF * 2.0**attempt)
    return longest * random.uniform(0.5, 1.0)
