"""What an answer is: the JSON that was asked for, or an error, and whose.

Between a client and its Dify there is nearly always something else that may answer. Dify
sends `X-Version` with everything: its errors go by `code` first and by the HTTP status
second, those of others by the status alone, and say who answered.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ._connection import refused_by_proxy
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
from ._gateways import (
    Answer,
    described,
    foreign_hint,
    foreign_message,
    parsed,
    visible,
)
from ._http import Call
from ._responses import (
    to_maybe_integer,
    to_maybe_object,
    to_maybe_text,
    to_moment,
    to_text,
)

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

ERRORS_BY_MESSAGE: dict[tuple[str, str], type[APIError]] = {
    ("not_found", "Conversation Not Exists"): ConversationNotFoundError,
    ("invalid_param", "Too many requests"): TooManyRequestsError,
}
"""What Dify tells by the beginning of a message alone, beside a code that says less.

Model providers, too, say "Too many requests", of turns that were begun: with other codes.
"""

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

REQUEST_ID_HEADERS = (
    "x-trace-id",
    "x-request-id",
    "x-amzn-requestid",
    "x-kong-request-id",
    "x-azure-ref",
    "cf-ray",
)
REGENERATE = (
    "If the workflow was changed, generate the client again from its new definition. Or is "
    "this the key of another app?"
)
NO_VERSION = (
    "The answer lacks Dify's header X-Version: something in between takes it away, or "
    "answered in Dify's words"
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
        "authorization header must be",
        "The key did not arrive: something in between takes the header Authorization away",
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
"""What to do about what Dify says."""


def json_object(answer: Answer, call: Call) -> dict[str, Any]:
    """Return the JSON object of a good answer.

    Blocking answers may hold bare NaN and Infinity, which Python reads.

    Raises:
        APIError: It holds something else, or an error in spite of its status.
    """
    payload = to_maybe_object(parsed(answer.body))
    if payload is None or is_error(payload):
        raise unexpected(answer, call)
    return payload


def is_error(payload: Mapping[str, Any], status: int | None = None) -> bool:
    """Check whether a JSON object is an error as Dify words it; of that status, if one is given."""
    said = payload.get("status")
    return (
        isinstance(payload.get("code"), str)
        and isinstance(payload.get("message"), str)
        and isinstance(said, int)
        and said >= 400
        and status in (None, said)
    )


def error_of(answer: Answer, call: Call) -> APIError:
    """Return the error that an answer other than 2xx stands for."""
    answer = without_key(answer, call)
    payload = to_maybe_object(parsed(answer.body))
    status = answer.status
    is_worded = payload is not None and (answer.is_dify or is_error(payload, status))
    if payload is None or not is_worded or status < 400 or status == 407:
        return foreign_error(answer, call)
    error = dify_error(payload, status, facts_of(answer, call))
    if isinstance(error, AuthenticationError):
        add_hint(error, kind_of_key(call))
    if not answer.is_dify:
        add_hint(error, NO_VERSION)
    return error


def kind_of_key(call: Call) -> str:
    """Return what is odd about the key of a call that was refused for its key."""
    if call.key is None or call.key.starts_with("app-"):
        return ""
    of_models = ", but with sk-, as those of model providers do"
    kind = of_models if call.key.starts_with("sk-") else ""
    return f"The key in use does not start with app-{kind}"


def add_hint(error: APIError, hint: str) -> None:
    """Say something more about what to do."""
    error.hint = ". ".join(filter(None, (error.hint, hint))) or None


def dify_error(
    payload: Mapping[str, Any], status: int | None, facts: dict[str, Any]
) -> APIError:
    """Return the error that Dify's `code`, `message` and `status` stand for."""
    lines = to_text(payload.get("message")).strip().expandtabs(1).split("\n")
    text = "\n".join("".join(filter(str.isprintable, line)) for line in lines)
    code = visible(to_text(payload.get("code"))) or None
    special = (
        kind
        for (of, start), kind in ERRORS_BY_MESSAGE.items()
        if code == of and text.startswith(start)
    )
    kind = next(special, None) or kind_of(code, status)
    return kind(
        text or code or "The server gave no reason",
        code=code,
        status=status,
        params=to_maybe_text(payload.get("params")),
        hint=next((hint for words, hint in HINTS if words in text.lower()), None),
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


def unexpected(answer: Answer, call: Call) -> APIError:
    """Return the error for an answer of good status that is not what was asked for.

    That may be an error of Dify's, whose status something in between has changed.
    """
    answer = without_key(answer, call)
    payload = to_maybe_object(parsed(answer.body)) or {}
    code, text = payload.get("code"), payload.get("message")
    if not (isinstance(code, str) and isinstance(text, str)):
        return foreign_error(answer, call)
    status = to_maybe_integer(payload.get("status"))
    error = dify_error(payload, status, facts_of(answer, call))
    if not answer.is_dify:
        add_hint(error, NO_VERSION)
    add_hint(
        error,
        f"It came with HTTP {answer.status}: something in between changes the status",
    )
    return error


def foreign_error(answer: Answer, call: Call) -> APIError:
    """Return the error for an answer that is not in Dify's words: a page, a redirect, nothing."""
    status = answer.status
    if status == 407:
        return refused_by_proxy(described(answer) if answer.body else "", call, 407)
    is_unexpected = status < 400 or status in (404, 405)
    kind = UnexpectedResponseError if is_unexpected else kind_of(None, status)
    return kind(
        foreign_message(answer, call),
        status=status,
        hint=foreign_hint(answer, call),
        **facts_of(answer, call),
    )


def without_key(answer: Answer, call: Call) -> Answer:
    """Return the answer as it may be shown: a gateway may repeat the request in it."""

    def hidden(text: str) -> str:
        text = call.extra.hidden_in(text)
        return text if call.key is None else call.key.hidden_in(text)

    return Answer(
        answer.status,
        {name.lower(): hidden(value) for name, value in answer.headers.items()},
        hidden(answer.body.decode("latin-1")).encode("latin-1"),
    )


def facts_of(answer: Answer, call: Call) -> dict[str, Any]:
    """Return what is worth knowing of an answer that is an error."""
    headers = answer.headers
    ids = (headers.get(name) for name in REQUEST_ID_HEADERS)
    return {
        "server_version": visible(headers.get("x-version") or "")[:60] or None,
        "request_id": visible(next(filter(None, ids), ""))[:100] or None,
        "retry_after": seconds_of(headers.get("retry-after"), headers.get("date")),
        "body": answer.body[:1000].decode("utf-8", "replace"),
        "request": f"{call.method} {call.shown}",
    }


def seconds_of(retry_after: str | None, date: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date; None for none.

    A date counts from the server's own, since clocks differ.
    """
    try:
        seconds = float(retry_after or "")
    except ValueError:
        then = to_moment(retry_after)
        now = to_moment(date) or datetime.now(UTC)
        if then is None:
            return None
        seconds = max((then - now).total_seconds(), 0.0)
    return seconds if 0 <= seconds < 86400 else None
