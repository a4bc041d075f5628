"""Dify's rules, without I/O: which requests there are, what their answers mean, and when
a request may be repeated.

Errors go by Dify's `code` first and by the HTTP status second, and survive an answer that
is not Dify's at all.
"""

import json
import random
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ._errors import (
    AgentNotPublishedError,
    APIError,
    AppUnavailableError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    ConversationNotFoundError,
    DifyError,
    FileTooLargeError,
    FormClosedError,
    IdleTimeoutError,
    InvalidParamError,
    NotChatAppError,
    NotFoundError,
    NotWorkflowAppError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
    TooManyRequestsError,
    UnexpectedResponseError,
    UnsupportedFileTypeError,
)
from ._http import Answer, Call, Settings
from ._responses import to_maybe_object, to_maybe_text, to_object, to_text

ERRORS_BY_CODE: dict[str, type[APIError]] = {
    "agent_not_published": AgentNotPublishedError,
    "app_unavailable": AppUnavailableError,
    "completion_request_error": ProviderError,
    "file_too_large": FileTooLargeError,
    "human_input_form_expired": FormClosedError,
    "human_input_form_submitted": FormClosedError,
    "invalid_param": InvalidParamError,
    "model_currently_not_support": ProviderError,
    "not_chat_app": NotChatAppError,
    "not_workflow_app": NotWorkflowAppError,
    "provider_not_initialize": ProviderError,
    "provider_quota_exceeded": ProviderError,
    "rate_limit_error": RateLimitError,
    "too_many_requests": TooManyRequestsError,
    "unsupported_file_type": UnsupportedFileTypeError,
}

ERRORS_BY_MESSAGE: dict[str, type[APIError]] = {
    "Conversation Not Exists": ConversationNotFoundError,
    "Too many requests": TooManyRequestsError,
}
"""What Dify tells by the beginning of a message alone."""

ERRORS_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    412: FormClosedError,
    413: FileTooLargeError,
    415: UnsupportedFileTypeError,
    429: TooManyRequestsError,
}

REQUEST_ID_HEADERS = ("x-trace-id", "x-request-id", "cf-ray")
WRONG_ADDRESS = (
    "Something other than Dify's API answered. Check the base URL: it ends in /v1; its "
    "port is the web server's (80 or 443 unless set otherwise), or 5001 for the API "
    "container itself"
)
REGENERATE = (
    "If the workflow was changed, generate the client again from its new definition"
)
HINTS: tuple[tuple[str, str], ...] = (
    (
        "not published",
        "The API runs the published version: publish the workflow, or the app, in Dify",
    ),
    (
        "access token is invalid",
        "Take the key of this very app, from its page API Access; it starts with app-",
    ),
    (
        "service has been disabled",
        "Switch the app's backend service API on, on its page in Dify",
    ),
    (
        "app mode matches",
        "The key belongs to an app of another mode than this client is for",
    ),
    (
        "app unavailable",
        "The app is not published, its configuration is broken, or it is of another mode",
    ),
    (
        "conversation not exists",
        "It may belong to another user=. Without a conversation_id a new one begins",
    ),
    (
        "does not support blocking",
        'Agents answer in streaming mode alone: response_mode="streaming"',
    ),
    ("must be less than", REGENERATE),
    ("in input form", REGENERATE),
    (
        "too many requests",
        "max_concurrency= keeps a client below the server's limit",
    ),
    (
        "invalid upload file",
        "An uploaded file belongs to its user: upload and run with the same user=",
    ),
)
HINTS_BY_STATUS: dict[int, str] = {
    413: "A proxy limits the size of requests (nginx: client_max_body_size)",
    502: "A proxy did not reach Dify; a run may have been started",
    503: "The server is overloaded or down; a run may have been started",
    504: "A proxy gave up waiting, but the run may go on. For runs longer than the "
    'proxy waits, take response_mode="streaming"',
    524: "Cloudflare gave up waiting, but the run may go on. For runs that long, take "
    'response_mode="streaming"',
}


def json_object(answer: Answer, call: Call) -> dict[str, Any]:
    """Return the JSON object of a good answer.

    Blocking answers may hold bare NaN and Infinity, which Python reads.

    Raises:
        UnexpectedResponseError: It holds something else.
    """
    payload = to_maybe_object(parsed(answer.body))
    if payload is None:
        raise unexpected(answer, call)
    return payload


def parsed(body: bytes) -> Any:
    """Return the JSON value of a body; None if it is none."""
    try:
        return json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def error_of(answer: Answer, call: Call) -> APIError:
    """Return the error that an answer other than 2xx stands for."""
    payload = to_maybe_object(parsed(answer.body))
    if payload is None or 300 <= answer.status < 400:
        return foreign_error(answer, call)
    return dify_error(payload, answer.status, facts_of(answer, call))


def dify_error(
    payload: Mapping[str, Any], status: int | None, facts: dict[str, Any]
) -> APIError:
    """Return the error that Dify's `code`, `message` and `status` stand for."""
    text = to_maybe_text(payload.get("message")) or ""
    code = to_maybe_text(payload.get("code"))
    told = (kind for start, kind in ERRORS_BY_MESSAGE.items() if text.startswith(start))
    kind = next(told, None) or kind_of(code, status)
    return kind(
        text.strip() or code or "The server gave no reason",
        code=code,
        status=status,
        params=to_maybe_text(payload.get("params")),
        hint=hint_for(text, status),
        **facts,
    )


def kind_of(code: str | None, status: int | None) -> type[APIError]:
    """Return the class of error for a code, else for a status."""
    if code in ERRORS_BY_CODE:
        return ERRORS_BY_CODE[code]
    if status is None:
        return APIError
    if status >= 500:
        return ServerError
    return ERRORS_BY_STATUS.get(status, APIError)


def hint_for(message: str, status: int | None) -> str | None:
    """Return what to do about it, where that is known."""
    lower = message.lower()
    for words, hint in HINTS:
        if words in lower:
            return hint
    return HINTS_BY_STATUS.get(status or 0) if not message else None


def foreign_error(answer: Answer, call: Call) -> APIError:
    """Return the error for an answer without Dify's JSON: a proxy's page, a redirect, nothing."""
    status = answer.status
    if 300 <= status < 400 or status in (404, 405):
        return unexpected(answer, call)
    kind = kind_of(None, status)
    return kind(
        f"The server gave {described(answer)}",
        status=status,
        hint=HINTS_BY_STATUS.get(status) or foreign_hint(answer),
        **facts_of(answer, call),
    )


def unexpected(answer: Answer, call: Call) -> UnexpectedResponseError:
    """Return the error for an answer that the API does not give."""
    hint = foreign_hint(answer)
    message = f"The server gave {described(answer)}"
    location = answer.headers.get("location")
    if location and 300 <= answer.status < 400:
        # Without a query or a user name, which may be secret.
        place = re.sub(r"[?#].*|(?<=//)[^/?#]*@", "", location, flags=re.DOTALL)
        message = f"The server redirects to {place[:300]}"
        hint = (
            "Redirects are not followed, since the API key would go along. Set the base "
            "URL to where the API really is (https:// in place of http://, perhaps)"
        )
    return UnexpectedResponseError(
        message, status=answer.status, hint=hint, **facts_of(answer, call)
    )


def described(answer: Answer) -> str:
    """Return what an answer holds, in words."""
    if not answer.body.strip():
        return "an empty answer"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html" or answer.body.lstrip()[:1] == b"<":
        return "a web page instead of JSON"
    return f"an answer of another shape than expected ({kind or 'of no stated type'})"


def foreign_hint(answer: Answer) -> str:
    """Return what to do about an answer that is not what Dify's API gives."""
    if "x-version" not in answer.headers:
        return WRONG_ADDRESS
    if answer.status in (404, 405):
        return (
            "Dify itself answered, but has no such endpoint: this release may be too old "
            "for it, or the base URL has something between the host and /v1"
        )
    return "Dify itself answered, but not as the releases do that this client knows"


def facts_of(answer: Answer, call: Call) -> dict[str, Any]:
    """Return what is worth knowing of an answer that is an error."""
    headers = answer.headers
    ids = (headers.get(name) for name in REQUEST_ID_HEADERS)
    return {
        "server_version": headers.get("x-version"),
        "request_id": next((value for value in ids if value), None),
        "retry_after": seconds_of(headers.get("retry-after")),
        "body": answer.body[:1000].decode("utf-8", "replace"),
        "request": f"{call.method} {call.shown}",
    }


def seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None for none, and for a date."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86400 else None


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
) -> Call:
    """Return the request that starts a run."""
    path = f"/workflows/{segment(workflow_id)}/run" if workflow_id else "/workflows/run"
    body = {"inputs": inputs, "response_mode": response_mode, "user": user}
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
    was made, or the server refused it because too many others go on.
    """
    if attempt >= max_retries:
        return None
    if isinstance(error, TooManyRequestsError):
        return max(backoff(attempt), min(error.retry_after or 0.0, 60.0))
    if isinstance(error, ConnectionFailedError):
        return None if "CERTIFICATE" in str(error).upper() else backoff(attempt)
    lost = isinstance(error, ConnectionLostError | ServerError | IdleTimeoutError)
    return backoff(attempt) if repeatable and lost else None


def backoff(attempt: int) -> float:
    """Return seconds to wait: longer with every attempt, and never the same for two clients."""
    longest = min(MAX_BACKOFF, FIRST_BACKOFF * 2.0**attempt)
    return longest * random.uniform(0.5, 1.0)
