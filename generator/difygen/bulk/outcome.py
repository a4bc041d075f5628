"""What a call came to: a result as JSON, or what its exception means for the row, for the job, and for the next start.

Each generated package has exceptions of its own, of the same names: they are told by these.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from difygen.model import JsonValue


class Verdict(Enum):
    """What to do after an exception."""

    BUSY = "the server takes no more for now, and nothing was started"
    AWAY = "nobody was reached, and nothing was started"
    HOPELESS = "every call would end like this, and nothing was started"
    FAILED = "the row has ended, and this is its result"
    PAUSED = "the run waits for people"
    GOES_ON = "the run has an id, and may go on"
    LOST = "nobody can tell whether a run was started"


_HOPELESS = frozenset(
    (
        "ConfigurationError",
        "AuthenticationError",
        "PermissionDeniedError",
        "AppUnavailableError",
        "NotWorkflowAppError",
        "NotChatAppError",
        "AgentNotPublishedError",
        "RateLimitError",
    )
)
_ENDED = frozenset(("ValidationError", "RunError", "TurnError", "OutputsError", "AnswerTooLargeError"))
_PAUSED = frozenset(("RunPausedError", "TurnPausedError"))
IDS = ("workflow_run_id", "task_id", "message_id", "conversation_id")


def is_turn(result: Any) -> bool:
    """Check whether the result is a turn of a chat-type app, not a run of a workflow."""
    return hasattr(result, "message_id")


def result_of(result: Any) -> dict[str, Any]:
    """Return a run or a turn as the JSON object that is printed, and that a store keeps."""
    if is_turn(result):
        return {
            "status": result.status,
            "answer": result.answer,
            "error": result.error,
            "conversation_id": result.conversation_id,
            "message_id": result.message_id,
            "workflow_run_id": result.workflow_run_id,
            "usage": None if result.usage is None else result.usage.raw,
            "citations": [citation.raw for citation in result.citations],
            "files": [file.model_dump(mode="json") for file in result.files],
            "thoughts": [thought.raw for thought in result.thoughts],
        }
    return {
        "status": result.status,
        "outputs": result.raw_outputs,
        "error": result.error,
        "workflow_run_id": result.workflow_run_id,
        "elapsed_time": result.elapsed_time,
        "total_tokens": result.total_tokens,
        "total_steps": result.total_steps,
    }


def judge(error: Exception, *, is_proven: bool) -> Verdict:
    """Say what an exception of a call that starts a run means.

    `is_proven` says that other calls have succeeded: then an answer that is not Dify's is a mishap of a gateway, and
    not a wrong address.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    status, request = getattr(error, "status", None), str(getattr(error, "request", ""))
    if names & _PAUSED:
        return Verdict.PAUSED
    if names & _ENDED:
        return Verdict.FAILED
    if is_known(ids_of(error)):
        return Verdict.GOES_ON
    if names & _HOPELESS:
        return Verdict.HOPELESS
    if "ConnectionFailedError" in names:
        return Verdict.AWAY if getattr(error, "may_pass", True) else Verdict.HOPELESS
    if request == "event: error":
        return Verdict.FAILED  # the server says so, in the place of a run
    if "TooManyRequestsError" in names and status in (400, 429):
        return Verdict.BUSY
    if "UnexpectedResponseError" in names:
        return Verdict.LOST if is_proven else Verdict.HOPELESS
    if "NotFoundError" in names and "ConversationNotFoundError" not in names:
        return Verdict.HOPELESS  # no such version of the workflow
    if "APIError" in names and isinstance(status, int) and 400 <= status < 500:
        return Verdict.FAILED
    if "DifyError" in names:
        return Verdict.LOST
    return Verdict.FAILED  # a file that went away


def is_about_the_job(error: Exception) -> bool:
    """Check whether an exception of a call that only reads would come for every row: a key, an app, an address."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & _HOPELESS) or "UnexpectedResponseError" in names


def ids_of(source: object) -> dict[str, str]:
    """Return the ids that a stream, a run, a turn or an exception tells."""
    found = {name: getattr(source, name, None) for name in IDS}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def is_known(ids: Mapping[str, str]) -> bool:
    """Check whether ids say what was started."""
    return "workflow_run_id" in ids or "message_id" in ids


def failure_of(error: Exception) -> dict[str, Any]:
    """Return an exception as the result of a row: what its run or turn holds, and what the exception says."""
    ended = getattr(error, "run", None) or getattr(error, "turn", None)
    known: dict[str, Any] = {**ids_of(error)} if ended is None else result_of(ended)
    known.pop("task_id", None)
    status = known.get("status")
    return {
        **known,
        "status": status if status and status not in ("succeeded", "partial-succeeded") else "error",
        "error": known.get("error") or explain(error),
        "error_kind": type(error).__name__,
    }


def explain(error: Exception) -> str:
    """Say what an exception says. What pydantic quotes of inputs, and a long text, stay out of it."""
    if type(error).__name__ == "ValidationError" and callable(details := getattr(error, "errors", None)):
        found = details(include_url=False, include_input=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
    return str(error) or type(error).__name__


def values_of_message(message: Any) -> dict[str, JsonValue]:
    """Return a stored message as the result of a turn whose stream nobody heard to its end."""
    status = message.raw.get("status")
    return {
        "status": "failed" if status == "error" else "succeeded",
        "answer": message.answer,
        "error": message.raw.get("error"),
        "conversation_id": message.raw.get("conversation_id"),
        "message_id": message.id,
    }
