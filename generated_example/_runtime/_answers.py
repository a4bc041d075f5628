"""What an answer is: the JSON that was asked for, or an error, and whose.

Errors go by Dify's `code` first and by the HTTP status second, and survive an answer that
is not Dify's at all.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from ._errors import (
    AgentNotPublishedError,
    APIError,
    AppUnavailableError,
    AuthenticationError,
    BadRequestError,
    ConversationNotFoundError,
    FileTooLargeError,
    FormClosedError,
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
from ._http import Call
from ._responses import to_maybe_object, to_maybe_text

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


class Answer:
    """A response that was read to its end. Header names are lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


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
