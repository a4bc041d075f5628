"""What generated modules of chat-type apps build on: what an app is, the options of a turn,
and the turn that its events or its blocking answer give.

Knows the shapes of Dify's payloads; knows nothing of HTTP.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from typing_extensions import TypedDict

from ._answers import Citation, Thought, Usage
from ._errors import ConfigurationError, DifyError
from ._files import File, FileInput, FileRules, PreparedFile
from ._models import Inputs, Outputs, ResponseMode, files_of
from ._responses import (
    Form,
    forms_of,
    to_maybe_object,
    to_maybe_text,
    to_moment,
    to_object,
    to_objects,
    to_text,
)
from ._variables import Variables

AppKind = Literal["chatflow", "chat", "agent", "completion"]
TurnStatus = Literal["succeeded", "failed", "stopped", "paused"]
FilesInput = Sequence[FileInput]
"""The files that go with a query: paths, `(name, bytes)`, open binary files, URLs, uploaded
files, files of an earlier answer, or the JSON objects that Dify itself takes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnInfo:
    """What a generated module of a chat-type app tells its clients about the app.

    `files` says which files a turn may have, `max_files` how many; None for no files, since
    Dify drops them without a word. `hears`, `speaks`: speech to text, text to speech.
    `auto_play`: each answer is followed by speech.
    """

    kind: AppKind
    name: str
    inputs: type[Inputs]
    api_key_variables: tuple[str, ...] = ("DIFY_API_KEY",)
    files: FileRules | None = None
    max_files: int | None = None
    hears: bool = False
    speaks: bool = False
    auto_play: bool = False

    def prepare_files(self, files: FilesInput | None) -> tuple[PreparedFile, ...]:
        """Return the files to send with a turn, if the app takes them.

        Raises:
            ConfigurationError: It does not; the message says why.
        """
        if not files:
            return ()
        if isinstance(files, str | bytes):
            raise ConfigurationError("files must be a list of files, not one")
        if self.files is None:
            raise ConfigurationError(
                f"{self.name!r} takes no files with a turn: file upload is off in the app, "
                "and Dify would drop them without a word"
            )
        if self.max_files is not None and len(files) > self.max_files:
            raise ConfigurationError(
                f"{self.name!r} takes {self.max_files} files with a turn, not {len(files)}"
            )
        try:
            return tuple(self.files.prepare(file) for file in files)
        except ValueError as error:
            raise ConfigurationError(f"files: {error}") from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatInfo(TurnInfo):
    """What a generated module tells about a chatflow, a chatbot or an agent.

    `variables` are the conversation variables of a chatflow. `suggests_questions`: the app
    suggests questions after an answer.
    """

    kind: Literal["chatflow", "chat", "agent"]
    variables: type[Variables] | None = None
    suggests_questions: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompletionInfo(TurnInfo):
    """What a generated module tells about a text generator."""

    kind: Literal["completion"] = "completion"


InfoT = TypeVar("InfoT", bound=TurnInfo)


class TextDetails(TypedDict, total=False):
    """What may be said of every text that is generated."""

    trace_id: str | None
    """Makes the turn part of a trace of yours."""


class TurnDetails(TextDetails, total=False):
    """What may be said of every turn of a chat."""

    workflow_id: str | None
    """A published version of a chatflow to run in place of the latest one."""

    parent_message_id: str | None
    """The message to answer anew, or to branch off from, where the server heeds it."""

    auto_generate_name: bool | None
    """Whether a model names a new conversation; it does if left out."""


class CollectOptions(TypedDict, total=False):
    """How the end of a turn is waited for."""

    response_mode: ResponseMode
    """`"streaming"` if left out: the answer is collected from a stream, which survives
    proxies and brings files. `"blocking"` waits for one answer."""

    timeout: float | None
    """Seconds for the whole turn; the client's if left out."""


class FollowOptions(TypedDict, total=False):
    """How a turn is followed."""

    timeout: float | None
    """Seconds for the whole turn; the client's if left out."""

    stop_on_exit: bool
    """Stop the turn on the server when the stream is left early."""


class TurnOptions(CollectOptions, TurnDetails, total=False):
    """What every `chat` takes beside the query, the inputs, `user` and the like, by keyword."""


class TurnStreamOptions(FollowOptions, TurnDetails, total=False):
    """What every `stream` takes beside the query, the inputs, `user` and the like, by keyword."""


class CompletionOptions(CollectOptions, TextDetails, total=False):
    """What every `complete` takes beside the inputs, `user` and `files`, by keyword."""


class CompletionStreamOptions(FollowOptions, TextDetails, total=False):
    """What `stream` of a text generator takes beside the inputs, `user` and `files`."""


class AnswerOutputs(Outputs):
    """What the run of a chatflow gives."""

    answer: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnBase:
    """A turn: what was answered, and what is known about it.

    Attributes:
        answer: The whole text.
        conversation_id: Where to go on. None in a text generator.
        message_id: The turn, for feedback and the like.
        task_id: The turn while it goes on, for `stop()`.
        workflow_run_id: The run of a chatflow, for `get_run()`. None in other apps, where
            moderation or an annotation answered, and in a blocking answer.
        status: `succeeded`, `failed`, `stopped` or `paused`. The server tells a stop of a
            chatflow alone; in other apps one that this client asked for is known.
        error: Why it failed, in the server's words.
        usage: Tokens and prices, where the server tells.
        citations: What the answer is based on, where the app shows that.
        files: The files of the answer.
        thoughts: The steps of an agent.
        reasoning: The separated reasoning of LLM nodes, by node id (1.15).
        created_at: When the turn began, in UTC, by whole seconds.
        metadata: Usage, citations and more, as they came.
        raw: The event or the body that ended the turn.
    """

    answer: str = ""
    conversation_id: str | None = None
    message_id: str = ""
    task_id: str | None = None
    workflow_run_id: str | None = None
    status: TurnStatus = "succeeded"
    error: str | None = None
    usage: Usage | None = None
    citations: tuple[Citation, ...] = ()
    files: tuple[File, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    reasoning: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    created_at: datetime | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    raw: Mapping[str, Any] = dataclasses.field(
        default_factory=dict[str, Any], repr=False
    )
    _operations: Any = dataclasses.field(default=None, repr=False, compare=False)
    _user: str = dataclasses.field(default="", repr=False, compare=False)

    def _made_by(self) -> Any:
        """Return the operations of the client that made the turn.

        Raises:
            ConfigurationError: It is a copy from elsewhere, or has no id.
        """
        if self._operations is None or not self.message_id:
            raise ConfigurationError(
                "This turn has no client any more, or no message_id: call the client"
            )
        return self._operations

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_operations": None}

    @property
    def succeeded(self) -> bool:
        """Whether the turn ended well."""
        return self.status == "succeeded"

    @property
    def forms(self) -> tuple[Form, ...]:
        """The human-input forms that a paused turn waits for."""
        return forms_of(to_object(self.raw.get("data")))


class TurnError(DifyError):
    """The turn ended, but not well. `turn` holds everything that is known about it."""

    def __init__(self, message: str, *, turn: TurnBase) -> None:
        super().__init__(message)
        self.turn = turn
        self.workflow_run_id = turn.workflow_run_id
        self.task_id = turn.task_id
        self.message_id = turn.message_id or None
        self.conversation_id = turn.conversation_id
        self.answer = turn.answer


class TurnFailedError(TurnError):
    """The run of a chatflow failed; the message is the run's own error."""


class TurnStoppedError(TurnError):
    """Somebody stopped the turn, or a time limit of the server did."""


class TurnPausedError(TurnError):
    """The run of a chatflow waits for human input.

    Submit one of `forms` with the client's `submit_form()`, then follow the run with
    `resume(error.workflow_run_id)`.
    """

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that the run waits for."""
        return self.turn.forms


TurnT = TypeVar("TurnT", bound=TurnBase)


def settle_turn(turn: TurnT) -> TurnT:
    """Return the turn, if it ended well; else raise the exception that carries it."""
    if turn.succeeded:
        return turn
    if turn.status == "stopped":
        raise TurnStoppedError(turn.error or "The turn was stopped", turn=turn)
    if turn.status == "paused":
        titles = [form.node_title or form.form_id or "a form" for form in turn.forms]
        waits_for = ", ".join(titles) or "the server did not tell for which"
        raise TurnPausedError(f"The turn waits for human input: {waits_for}", turn=turn)
    raise TurnFailedError(turn.error or "The turn failed", turn=turn)


def metadata_members(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `metadata` tells of a turn, as members of it."""
    usage = to_maybe_object(metadata.get("usage"))
    return {
        "usage": None if usage is None else Usage(usage),
        "citations": tuple(
            map(Citation, to_objects(metadata.get("retriever_resources")))
        ),
        "metadata": metadata,
    }


def blocking_turn(payload: Mapping[str, Any], api_url: str) -> dict[str, Any]:
    """Return the members of the turn that a blocking answer tells about."""
    data = to_object(payload.get("data"))
    metadata = to_object(payload.get("metadata"))
    reasoning = to_object(metadata.get("reasoning"))
    return {
        "answer": to_text(payload.get("answer")),
        "conversation_id": to_maybe_text(payload.get("conversation_id")),
        "message_id": to_text(payload.get("message_id") or payload.get("id")),
        "task_id": to_maybe_text(payload.get("task_id")),
        "workflow_run_id": to_maybe_text(
            payload.get("workflow_run_id") or data.get("workflow_run_id")
        ),
        "status": (
            "paused" if payload.get("event") == "workflow_paused" else "succeeded"
        ),
        "files": files_of(payload.get("files"), api_url),
        "reasoning": {node: to_text(text) for node, text in reasoning.items()},
        "created_at": to_moment(payload.get("created_at")),
        "raw": payload,
        **metadata_members(metadata),
    }
