"""A row of a bulk job, what came of it, and what a store keeps of it: plain records, which hold no key of an API.

What came of a call is a result as JSON, or what its exception means for the row, for the job, and for the next start.
Each generated package has exceptions of its own, of the same names: they are told by these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from difygen.model import JsonValue
from difygen.record import NOTHING

State = Literal["claimed", "released", "unknown", "started", "gone", "failed", "done"]
"""What is known of a row that was begun.

claimed   somebody is about to start it: a run may or may not have been asked for
released  nothing was started after all; the row is free
unknown   nobody can tell whether a run was started
started   its run, or turn, has an id
gone      the server did not know that id when it was asked
failed    it ended, but not well: refused, failed, stopped
done      it ended well
"""

RANKS: Mapping[State, int] = {
    "claimed": 0,
    "unknown": 1,
    "released": 2,
    "started": 3,
    "gone": 4,
    "failed": 5,
    "done": 5,
}
"""Within one attempt a row only ever goes up. So parts that were written by several machines merge without a clock."""

ENDED = frozenset(("failed", "done"))


def _text(value: object) -> JsonValue:
    """Return what a file counts as: its name and what is in it; anything else is what it prints as.

    What differs from process to process, or is the same whatever a file holds, tells no rows apart.
    """
    if isinstance(value, Path):
        return [str(value), sha256(value.read_bytes()).hexdigest()]
    is_nameless = type(value).__repr__ is object.__repr__ and type(value).__str__ is object.__str__
    if is_nameless or hasattr(value, "read") or hasattr(value, "file"):
        raise TypeError(
            f"a row cannot be known again by a {type(value).__name__}: give a file as a path, or as its name and bytes"
        )
    return str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=_text)


def digest_of(app: str, arguments: Mapping[str, object]) -> str:
    """Return the hash of an app's name and the arguments of a call, whatever their order."""
    return sha256(f"{app}\n{_ENCODER.encode(arguments)}".encode()).hexdigest()[:32]


class Row(NamedTuple):
    """One call that is to be made once.

    `arguments` are those of the client's `stream`, by their Python names. `user` is on whose behalf; None for the
    client's own. `has_own_user` says that nobody else has that user: a run of the row can be found by it in the logs.
    Rows of one `conversation` are its turns, made in their order by an `AsyncJob`.
    """

    key: str
    arguments: Mapping[str, Any]
    digest: str = ""
    user: str | None = None
    has_own_user: bool = False
    conversation: str | None = None

    @classmethod
    def of(
        cls, app: str, arguments: Mapping[str, Any], *, key: str | None = None, user_prefix: str | None = None
    ) -> Row:
        """Return the row of an app's call.

        Args:
            app: The app's name; the same values for another app are another row.
            arguments: The arguments of the client's `stream`.
            key: What tells the row apart from others. Without it, the same arguments are the same row.
            user_prefix: Makes the row a user of its own, which begins like this. Leave it out where the app reads
                `sys.user_id`; each row is an end user in Dify's database.

        Raises:
            TypeError: An argument is an open file, or something else that no later process knows again.
        """
        digest = digest_of(app, arguments)
        key = digest if key is None else key
        if user_prefix is None:
            return cls(key, arguments, digest)
        return cls(key, arguments, digest, f"{user_prefix}-{sha256(key.encode()).hexdigest()[:20]}", True)

    def user_of(self, attempt: int) -> str | None:
        """Return on whose behalf the row is called: another user for each attempt, if it has users of its own."""
        return f"{self.user}-{attempt}" if self.has_own_user and attempt > 1 else self.user


class StoredRow(NamedTuple):
    """What a store keeps of a row: its state in the last attempt, who wrote that, the ids of the run, and the result.

    `user` is whom the run was started for. `ids` are `workflow_run_id`, `task_id`, `message_id`, `conversation_id`, as
    far as they are known. `result` is JSON.
    """

    key: str
    digest: str
    state: State
    attempt: int
    owner: str
    user: str | None = None
    ids: Mapping[str, str] = NOTHING
    result: str | None = None


def may_follow(old: StoredRow | None, new: StoredRow) -> bool:
    """Check whether a store may take the one after the other: this is what keeps a row from being started twice."""
    if old is None:
        return new.state == "claimed" and new.attempt == 1
    if new.state == "claimed":
        return new.attempt == old.attempt + 1 and old.state in ("unknown", "released", "failed")
    return new.attempt == old.attempt and RANKS[new.state] > RANKS[old.state] and old.state != "released"


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of a row. `values` is what is written of it: JSON, without anything of the client.

    With the state "claimed" or "started" there is no end yet: somebody else is at work on it, or its run goes on.
    `is_new` says that this call has found it out.
    """

    key: str
    state: State
    values: Mapping[str, Any]
    is_new: bool = True

    @property
    def succeeded(self) -> bool:
        """Whether the row ended well."""
        return self.state == "done"

    @property
    def status(self) -> str:
        """Dify's word for how the run ended; else "refused", "unknown" or "running"."""
        return str(self.values.get("status") or self.state)

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The outputs of a workflow's run; empty while there are none."""
        outputs = self.values.get("outputs")
        return outputs if isinstance(outputs, Mapping) else {}

    @property
    def answer(self) -> str | None:
        """The answer of a turn."""
        return self.values.get("answer")

    @property
    def error(self) -> str | None:
        """Why it did not end well, in a sentence."""
        return self.values.get("error")

    @property
    def error_kind(self) -> str | None:
        """The name of the exception, such as `RunFailedError`."""
        return self.values.get("error_kind")

    @property
    def workflow_run_id(self) -> str | None:
        """The run."""
        return self.values.get("workflow_run_id")

    @property
    def seconds(self) -> float | None:
        """How long the run or turn took, by the server's word; None where it says nothing that can be."""
        return self._number("elapsed_time", "latency")

    @property
    def tokens(self) -> float | None:
        """How many tokens it took, by the server's word; None where it says nothing that can be."""
        return self._number("total_tokens", "total_tokens")

    def _number(self, of_run: str, of_usage: str) -> float | None:
        found = self.values.get(of_run, (self.values.get("usage") or {}).get(of_usage))
        return found if isinstance(found, int | float) and 0 <= found < ABSURD else None

    @property
    def conversation_id(self) -> str | None:
        """Where a turn goes on."""
        return self.values.get("conversation_id")


ABSURD = 1e15
"""More seconds or tokens than a server can mean; what is less can be added up."""

CHANGED = "ChangedRowError"
"""The kind of error of a row whose key was used for other values before."""


def changed_row(row: Row) -> RowResult:
    """Return the result of a row whose key was used for other values before: it is not run."""
    text = f"{row.key!r} was run with other values before; give the row another key"
    return RowResult(row.key, "failed", {"status": "invalid", "error": text, "error_kind": CHANGED}, is_new=False)


def result_of_stored(stored: StoredRow, *, is_new: bool = False) -> RowResult:
    """Return what a store knows of a row as a result."""
    words = {"claimed": "running", "started": "running", "gone": "unknown", "released": "not run"}
    values = {"status": words.get(stored.state, stored.state), **stored.ids}
    if stored.result is not None:
        values = {**values, **json.loads(stored.result)}
    return RowResult(stored.key, stored.state, values, is_new)


# What a call came to


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
