"""Every exception a generated client raises. Knows no HTTP library and does no I/O.

DifyError
 +-- ConfigurationError           a setting is missing or malformed; nothing was sent
 +-- ConnectionFailedError        no connection was made; nothing was sent
 |    +-- ConnectTimeoutError       (also a DifyTimeoutError)
 |    +-- ProxyError                (also an APIError) nothing reached Dify
 +-- ConnectionLostError          sent, but the connection broke before the answer
 +-- AnswerTooLargeError          an answer or an event of more than `max_answer_size`
 +-- DifyTimeoutError             also a TimeoutError
 |    +-- DeadlineExceededError     the call's `timeout` passed
 |    +-- IdleTimeoutError          nothing arrived for `idle_timeout`
 +-- APIError                     the server answered with an error
 |    +-- InvalidParamError, BadRequestError, AuthenticationError, ...
 |    +-- UnexpectedResponseError   an answer that is not Dify's: HTML, redirect, ...
 +-- ConversationMismatchError    the server answered in another conversation
 +-- FormValuesError              an answer that the form does not take; nothing was sent
 +-- VariableError                a conversation variable is not of its declared type
 +-- RunError                     the run ended, but not well: see `.run`
 |    +-- RunFailedError, RunStoppedError, RunPausedError
 +-- TurnError                    a turn of a chat ended, but not well: see `.turn`
 |    +-- TurnFailedError, TurnStoppedError, TurnPausedError
 +-- StreamError
 |    +-- StreamInterruptedError    the stream ended before the run did
 |    |    +-- ClosedError             `close()` was called while something went on
 |    +-- StreamDecodeError         the stream holds something that is no event
 +-- OutputsError                 the outputs do not fit the generated model
"""

from collections.abc import Callable, Mapping
from typing import Any


class DifyError(Exception):
    """What every exception of this client inherits from.

    `workflow_run_id` and `task_id` are set when they are known; so are, after a turn of a
    chat-type app, `message_id`, `conversation_id`, and in `answer` the text so far. `hint`
    is what to do about it, where that is known. All exceptions pickle and copy, and none
    of them ever holds the API key.
    """

    workflow_run_id: str | None = None
    task_id: str | None = None
    message_id: str | None = None
    conversation_id: str | None = None
    answer: str = ""
    hint: str | None = None

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\nHint: {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Callable[..., "DifyError"], tuple[Any, ...]]:
        return rebuild_error, (type(self), self.args, dict(self.__dict__))


def rebuild_error(
    kind: type[DifyError], args: tuple[Any, ...], state: Mapping[str, Any]
) -> DifyError:
    """Return the exception that was pickled: its class, its `args`, its attributes."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(DifyError, ValueError):
    """A setting is missing or malformed. Nothing was sent."""


class ConnectionFailedError(DifyError):
    """No connection was made, so nothing was sent and no run was started.

    Attributes:
        may_pass: Whether it may be better in a moment. A certificate that is not trusted
            stays so.
    """

    may_pass: bool = True


class ConnectionLostError(DifyError):
    """The connection broke after the request was sent, or while it was sent.

    A run that was asked for may have been started.
    """


class ConversationMismatchError(DifyError):
    """The server answered in another conversation than the one that was asked for.

    Attributes:
        conversation_id: The conversation that it answered in.
    """

    def __init__(self, message: str, *, conversation_id: str | None = None) -> None:
        super().__init__(message)
        self.conversation_id = conversation_id


class FormValuesError(DifyError, ValueError):
    """What a human-input form was to be answered with does not fit it. Nothing was sent.

    Attributes:
        problems: What is wrong, by the name of the field; by "action" for the action.
    """

    def __init__(
        self, message: str, *, problems: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.problems = dict(problems or {})


class VariableError(DifyError, ValueError):
    """The value of a conversation variable is not of the type that the app declares.

    Attributes:
        name: The variable.
        value: What the server sent, or what was to be set.
    """

    def __init__(self, message: str, *, name: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.name = name
        self.value = value


class AnswerTooLargeError(DifyError):
    """An answer, or one event of a stream, has more bytes than `max_answer_size` allows.

    The run that it tells about may have ended well, or go on.
    """


class DifyTimeoutError(DifyError, TimeoutError):
    """Something took longer than it was given. A started run may still be going on."""


class ConnectTimeoutError(ConnectionFailedError, DifyTimeoutError):
    """The server could not be reached in time. Nothing was sent."""


class DeadlineExceededError(DifyTimeoutError):
    """The `timeout` of the call passed before it was finished."""


class StreamError(DifyError):
    """Something is wrong with a stream of events, not with the run."""


class StreamInterruptedError(StreamError):
    """The stream ended before the run did: what became of the run is not known.

    With a `workflow_run_id`, `resume()` and `get_run()` of the client tell more.
    """

    def __init__(
        self,
        message: str,
        *,
        workflow_run_id: str | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.workflow_run_id = workflow_run_id
        self.task_id = task_id


class ClosedError(StreamInterruptedError):
    """`close()` was called, by another thread or task, while something was waited for.

    A run that was started goes on at the server.
    """


class IdleTimeoutError(StreamInterruptedError, DifyTimeoutError):
    """Nothing arrived for `idle_timeout` seconds, not even one of Dify's pings."""


class StreamDecodeError(StreamError):
    """The stream holds something else than events, and broke with it.

    Whatever comes after it is read; a run whose id is known is attached to or looked up
    first. `data` is the beginning of what could not be read.
    """

    def __init__(
        self,
        message: str,
        *,
        data: bytes = b"",
        workflow_run_id: str | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.data = data
        self.workflow_run_id = workflow_run_id
        self.task_id = task_id


class APIError(DifyError):
    """The server answered with an error, or a stream carried an `error` event.

    Attributes:
        message: What the server said.
        code: Dify's own code, e.g. `invalid_param`. None when the answer had none.
        status: The HTTP status. None for an `error` event without one.
        params: The field that is at fault, where the server names it (up to 1.10).
        server_version: The server's `X-Version`. None when something other than
            Dify's API process answered.
        request_id: `X-Trace-Id` or the request id of a gateway, where there is one.
        retry_after: Seconds the server asks to wait, where it does.
        body: The beginning of the answer, for a look at what is not Dify's.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        params: str | None = None,
        server_version: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
        body: str = "",
        request: str = "",
        workflow_run_id: str | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.params = params
        self.server_version = server_version
        self.request_id = request_id
        self.retry_after = retry_after
        self.hint = hint
        self.body = body
        self.request = request
        self.workflow_run_id = workflow_run_id
        self.task_id = task_id

    def __str__(self) -> str:
        facts = [
            f"HTTP {self.status}" if self.status else "",
            self.code or "",
            self.request,
            f"Dify {self.server_version}" if self.server_version else "",
            f"request {self.request_id}" if self.request_id else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        text = f"{self.message} ({known})" if known else self.message
        return f"{text}\nHint: {self.hint}" if self.hint else text


class ProxyError(ConnectionFailedError, APIError):
    """A proxy could not be reached, or lets nothing through: nothing reached Dify.

    `status` is what the proxy answered: 407 where it wants a user name and a password.
    """


class InvalidParamError(APIError):
    """`invalid_param`: an input or a parameter that the server does not take."""


class BadRequestError(APIError):
    """Any other 400: a malformed request or `workflow_id`."""


class AppUnavailableError(APIError):
    """`app_unavailable`: the app is not published, or its configuration is broken."""


class NotWorkflowAppError(APIError):
    """`not_workflow_app`: the key belongs to an app of another mode."""


class NotChatAppError(APIError):
    """`not_chat_app`: the key belongs to an app of another mode, or one without chats."""


class AgentNotPublishedError(APIError):
    """`agent_not_published`: the agent has no published version (1.15)."""


class ProviderError(APIError):
    """The model provider is not set up, out of quota, or failed outside of a node."""


class AuthenticationError(APIError):
    """401: the API key is missing, unknown or of another kind."""


class PermissionDeniedError(APIError):
    """403: the app's API is disabled, the app is gone, or the plan does not allow it."""


class NotFoundError(APIError):
    """404: no such run, workflow version or form."""


class ConversationNotFoundError(NotFoundError):
    """404: no such conversation of this user. It may have been deleted."""


class FormClosedError(APIError):
    """412: a human-input form that was submitted already, or has expired."""


class FileTooLargeError(APIError):
    """413: the file is larger than the server allows."""


class UnsupportedFileTypeError(APIError):
    """415: a kind of file, or of content, that the server does not take."""


class TooManyRequestsError(APIError):
    """Too many runs at the same time; this one was not started.

    Dify says so with 400 `invalid_param` (seen on 1.12.1) or, as documented, with 429.
    """


class RateLimitError(APIError):
    """`rate_limit_error`: a quota is used up. Waiting a few seconds does not help."""


class ServerError(APIError):
    """5xx: the server or a proxy before it failed. A run may have been started."""


class UnexpectedResponseError(APIError):
    """An answer that is not one of Dify's API: a web page, a redirect, a wrong shape."""
