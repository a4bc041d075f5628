"""What generated modules of chat-type apps build on: what an app is, the options of a turn,
the turn that its events or its blocking answer give, and the conversation that it is of.

Knows the shapes of Dify's payloads; knows nothing of HTTP.
"""

import dataclasses
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeVar

from typing_extensions import TypedDict

from .._errors import ConfigurationError, ConversationMismatchError, DifyError
from .._files import File, FileRules, FilesInput, PreparedFile, prepare_files
from .._models import Inputs, Outputs, ResponseMode, files_of, is_same_run
from .._payloads import (
    EVENT_TYPES,
    AgentMessage,
    Event,
    Form,
    Member,
    Message,
    MessageEnd,
    MessageReplace,
    Record,
    Thought,
    WorkflowFinished,
    WorkflowPaused,
    forms_of,
    read_integer,
    read_text,
    to_maybe_object,
    to_maybe_text,
    to_moment,
    to_object,
    to_objects,
    to_text,
)
from .._protocol import NOTABLE, RunState, usable_id
from .._settings import HeaderValues
from .._transport import Transport, TurnSlot, Turnstile
from ._conversations import Citation, Variables, to_maybe_real

AppKind = Literal["chatflow", "chat", "agent", "completion"]
TurnStatus = Literal["succeeded", "failed", "stopped", "paused"]


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
        return prepare_files(
            self.name,
            files,
            self.files,
            self.max_files,
            call="turn",
            off=(
                "file upload is off in the app, and Dify would drop them without a word"
            ),
        )


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
    """`"auto"` if left out: the answer is collected from a stream, which survives proxies and
    brings files; `"streaming"` is the same in Dify's own word. `"blocking"` waits for one
    answer."""

    timeout: float | None
    """Seconds for the whole turn; the client's if left out."""

    stop_on_exit: bool
    """Stop the turn on the server when the call is left early: cancelled, interrupted, or
    out of time. Not in blocking mode, where nothing tells what to stop."""

    headers: HeaderValues | None
    """Headers for all requests of this turn, beside the client's: for a gateway, or
    `traceparent`. Values that are secret: `pydantic.SecretStr`."""


class FollowOptions(TypedDict, total=False):
    """How a turn is followed."""

    timeout: float | None
    """Seconds for the whole turn; the client's if left out."""

    headers: HeaderValues | None
    """Headers for all requests of this turn, beside the client's: for a gateway, or
    `traceparent`. Values that are secret: `pydantic.SecretStr`."""

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


def to_price(value: Any) -> Decimal | None:
    """Return the amount of money, which comes as text and maybe with an exponent ("9E-7")."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


class Usage(Record):
    """What the model calls of a turn took. Prices are in `currency`.

    `latency`, `time_to_first_token` and `time_to_generate` are seconds (the last two since
    1.10).
    """

    __slots__ = ()
    _shown = "total_tokens total_price currency latency"

    prompt_tokens = read_integer()
    completion_tokens = read_integer()
    total_tokens = read_integer()
    prompt_unit_price = Member(to_price)
    prompt_price_unit = Member(to_price)
    prompt_price = Member(to_price)
    completion_unit_price = Member(to_price)
    completion_price_unit = Member(to_price)
    completion_price = Member(to_price)
    total_price = Member(to_price)
    currency = read_text()
    latency = Member(to_maybe_real)
    time_to_first_token = Member(to_maybe_real)
    time_to_generate = Member(to_maybe_real)


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
        return forms_of(self.raw)


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
    `resume(error)`.
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


class ConversationState:
    """One conversation, from before its first turn on.

    The server runs turns of one conversation side by side if it is asked to: which of
    them the next one goes on from is chance then. Here each waits for the one before.
    """

    __slots__ = ("_turnstile", "id", "is_deleted")

    def __init__(self, conversation_id: str | None = None) -> None:
        self.id = checked_conversation_id(conversation_id)
        self.is_deleted = False
        self._turnstile = Turnstile()

    async def acquire(self, transport: Transport, deadline: float) -> TurnSlot:
        """Wait until no other turn goes on; then `id` is what is to be sent.

        Raises:
            ConfigurationError: The conversation was deleted meanwhile.
            DeadlineExceededError: The time was up before it was this one's turn.
        """
        slot = await transport.enter(self._turnstile, deadline)
        if self.is_deleted:
            slot.release()
            raise ConfigurationError(
                "This conversation was deleted: begin another one. Nothing was sent"
            )
        return slot

    def see(self, conversation_id: str | None) -> None:
        """Take note of the conversation that an answer or an event belongs to.

        Raises:
            ConversationMismatchError: It is another one.
        """
        if not conversation_id:
            return
        if self.id is None:
            self.id = conversation_id
        elif not is_same_run(self.id, conversation_id):
            raise ConversationMismatchError(
                f"The server answered in the conversation {conversation_id[:100]}, not in "
                f"{self.id}: it knows no such conversation of this user, and began another "
                "one without a word (seen on 1.15)",
                conversation_id=conversation_id,
            )


def checked_conversation_id(value: object) -> str | None:
    """Return the id of a conversation, None for a new one."""
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(
            f"conversation_id must be a str, not {type(value).__name__}"
        )
    return value or None


TURN_NOTABLE = NOTABLE | {
    "message",
    "agent_message",
    "agent_thought",
    "message_file",
    "message_replace",
    "message_end",
    "tts_message",
    "tts_message_end",
    "reasoning_chunk",
    "ping",
}
"""Events that a turn takes note of."""

PLAIN_TURN_EVENTS = {
    name: kind for name, kind in EVENT_TYPES.items() if name not in TURN_NOTABLE
}

END_PATIENCE = 5.0
"""The end of the message and the end of the run come together, in either order."""
SPEECH_PATIENCE = 10.0


class TurnState(RunState):
    """A turn as its events tell it, however many connections they come over.

    Attributes:
        conversation_id, message_id: Where the turn is stored, once an event told.
        ending: The message's end, where it came.
        finished: The run's end, where it came.
    """

    subject = "turn"
    plain_events = PLAIN_TURN_EVENTS

    def __init__(
        self,
        kind: AppKind,
        *,
        conversation: ConversationState | None = None,
        workflow_run_id: str | None = None,
        auto_play: bool = False,
        submitted: Container[str | None] = (),
        stopped: Container[str | None] = (),
    ) -> None:
        super().__init__(workflow_run_id, submitted, stopped)
        self.falls_silent = kind == "chatflow"
        self.conversation_id: str | None = None
        self.message_id: str | None = None
        self.ending: MessageEnd | None = None
        self.finished: WorkflowFinished | None = None
        self._kind = kind
        self._conversation = conversation or ConversationState()
        self._auto_play = auto_play
        self._pieces: list[str] = []
        self._created_at: object = None
        self._thoughts: dict[str, dict[str, Any]] = {}
        self._files: dict[str, dict[str, Any]] = {}
        self._reasoning: dict[str, list[str]] = {}
        self._has_run = False
        self._agent_spoke = False
        self._is_moderated = False
        self._stored: Mapping[str, Any] | None = None
        self._stored_answer: str | None = None

    @property
    def answer(self) -> str:
        """What was answered so far; where a connection broke, what is stored of it counts."""
        if self._stored_answer is not None:
            return self._stored_answer
        output = self._output_answer()
        if self.is_cut and not self._is_moderated and output is not None:
            return output
        return self._text()

    def _text(self) -> str:
        """Return the pieces that came, as one, which they are from then on."""
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def may_lack_text(self) -> bool:
        """Whether text may have been sent over no connection, and no event has it all."""
        return (
            self.is_cut
            and self._stored is None
            and not self._is_moderated
            and self._output_answer() is None
        )

    @property
    def lacks_ending(self) -> bool:
        """Whether the turn went well and its end was lost, and with it what the answer cites."""
        return (
            self.is_cut
            and self._stored is None
            and self.ending is None
            and self.finished is not None
            and self._status(None) == "succeeded"
        )

    def complete_with(self, message: Mapping[str, Any]) -> None:
        """Take what is stored of the turn, or {}, in the place of what no event told."""
        if self.may_lack_text:
            self._stored_answer = to_text(message.get("answer")) or self.answer
        self._stored = message

    def take_payload(self, payload: dict[str, Any]) -> None:
        name = payload.get("event")
        answer: Any = payload.get("answer")
        if answer.__class__ is str and payload.get("message_id") == self.message_id:
            if name == "message" and not self._agent_spoke:  # nearly all of a stream
                self._pieces.append(answer)
                self.pending.append(Message(payload))
                self.news += 1
                return
            if name in ("message", "agent_message", "message_file"):
                self._take_text(name, answer, payload)
                return
        super().take_payload(payload)

    def take_whole(self, payload: dict[str, Any]) -> bool:
        if to_maybe_text(payload.get("answer")) is None or not payload.get(
            "message_id"
        ):
            return super().take_whole(payload)
        self.take_payload({**payload, "event": "message"})
        if payload.get("event") == "workflow_paused":
            self.take_payload(payload)
        else:
            self.take_payload({**payload, "event": "message_end"})
        self.end_here()
        return True

    def _take_text(self, name: object, answer: str, payload: dict[str, Any]) -> None:
        if name == "agent_message":
            self._agent_spoke = True
            self.pending.append(AgentMessage(payload))
        else:
            if self._agent_spoke:  # an agent of 1.15 says all of it again at its end
                self._pieces.clear()
                self._agent_spoke = False
            self.pending.append(Message(payload))
        if answer:
            self._pieces.append(answer)
        self.news += 1

    def _is_of_another(self, payload: dict[str, Any]) -> bool:
        said, message_id = to_text(payload.get("message_id")), self.message_id
        if said and message_id and not is_same_run(said, message_id):
            return True
        return super()._is_of_another(payload)

    def _learn_ids(self, payload: dict[str, Any]) -> None:
        super()._learn_ids(payload)
        said = usable_id(to_text(payload.get("conversation_id")))
        self.conversation_id = self.conversation_id or said
        self.message_id = self.message_id or usable_id(
            to_text(payload.get("message_id"))
        )
        self._created_at = self._created_at or payload.get("created_at")
        has_task = self._knows_ids if self._kind == "chatflow" else self.task_id
        self._knows_ids = bool(self.message_id and has_task)
        try:
            self._conversation.see(said)
        except ConversationMismatchError as error:
            self.end_with(error)

    def _is_news(self, name: str, payload: dict[str, Any]) -> bool:
        if name == "ping":
            return True
        if name in ("message", "agent_message", "message_file"):
            return self._take_first_text(name, payload)
        if name == "workflow_finished":
            self._finish(WorkflowFinished(payload))
        elif name == "message_end":
            self._end(MessageEnd(payload))
        elif name == "message_replace":
            return self._replace(payload)
        elif name == "agent_thought":
            self._thoughts[to_text(payload.get("id"))] = payload
        elif name in ("tts_message", "tts_message_end"):
            self._hear_speech(name)
        elif name == "reasoning_chunk":
            data = to_object(payload.get("data"))
            node_id = to_text(data.get("node_id"))
            self._reasoning.setdefault(node_id, []).append(
                to_text(data.get("reasoning"))
            )
        else:
            self._has_run = self._has_run or (name in NOTABLE and name != "error")
            return super()._is_news(name, payload)
        return True

    def _take_first_text(self, name: str, payload: dict[str, Any]) -> bool:
        """Take text of a message that is not known, or a file."""
        answer = to_maybe_text(payload.get("answer"))
        if answer is None:
            if name == "message_file":
                self._files[to_text(payload.get("id"))] = payload
            return True
        self._take_text(name, answer, payload)
        return False

    def _replace(self, payload: dict[str, Any]) -> bool:
        """Take another text for all so far; whether there is anything new in that.

        A connection that takes up a run again begins with what the server has stored of the
        answer, which is no more than what was seen here.
        """
        answer = to_text(payload.get("answer"))
        reason = to_text(payload.get("reason"))
        if self.is_reattached and not reason and self._text().startswith(answer):
            return False
        self._is_moderated = not self.is_reattached or bool(reason)
        self._pieces[:] = [answer]
        return True

    def _finish(self, finished: WorkflowFinished) -> None:
        self._has_run = True
        self.finished = self.terminal = finished
        if not any(name == "workflow_started" for name, *_ in self._seen):
            self.is_cut = True  # the first events got lost (reported of 1.13 to 1.16)
        if finished.status in ("succeeded", "partial-succeeded"):
            self._wait_for_rest(is_complete=self.ending is not None)
        else:
            self.is_over = True

    def _end(self, ending: MessageEnd) -> None:
        self.ending = ending
        self.terminal = self.finished or ending
        has_no_run = not self._has_run and (self._kind != "chatflow" or self._pieces)
        self._wait_for_rest(is_complete=bool(has_no_run or self.finished))

    def _wait_for_rest(self, *, is_complete: bool) -> None:
        if is_complete and not self._auto_play:
            self.is_over = True
        else:
            self.patience = SPEECH_PATIENCE if is_complete else END_PATIENCE

    def _hear_speech(self, name: str) -> None:
        if self.terminal is None:
            return
        self.patience = SPEECH_PATIENCE
        if name == "tts_message_end":
            self.is_over = True

    def note_ids_on(self, error: DifyError) -> None:
        super().note_ids_on(error)
        if error.message_id is None:
            error.message_id = self.message_id
        if error.conversation_id is None:
            error.conversation_id = self.conversation_id
        error.answer = error.answer or self.answer

    def advice(self) -> str:
        if self.workflow_run_id is not None:
            return (
                f"The run {self.workflow_run_id} may go on: resume() follows it, and "
                "messages() of the conversation will hold the answer"
            )
        if self._kind == "chatflow" and self.message_id is None:
            return (
                "No event told an id of the turn to go on with. Dify from 1.13 on falls "
                "silent like this when it refuses the inputs, the files or the "
                "conversation_id (it is of this user?), or when no worker takes the run up"
            )
        if self._kind == "completion":
            return "It cannot be taken up again: ask anew"
        return (
            "It cannot be taken up again; messages() of the conversation will hold the "
            "answer, if the server goes on with it"
        )

    def members(self, api_url: str) -> dict[str, Any]:
        """Return the members of the turn, once it has ended."""
        ended = self.terminal
        assert ended is not None
        cited = to_objects((self._stored or {}).get("retriever_resources"))
        stored = {"retriever_resources": list(cited)} if cited else {}
        metadata = self.ending.metadata if self.ending else stored
        facts = metadata_members(metadata)
        return {
            "answer": self.answer,
            "conversation_id": self.conversation_id,
            "message_id": self.message_id or "",
            "task_id": self.task_id,
            "workflow_run_id": self.workflow_run_id,
            "status": self._status(facts["usage"]),
            "error": self.finished.error if self.finished else None,
            "files": files_of(self._all_files(), api_url),
            "thoughts": tuple(map(Thought, self._thoughts.values())),
            "reasoning": self._all_reasoning(metadata),
            "created_at": to_moment(self._created_at),
            "raw": ended.raw,
            **facts,
        }

    def _output_answer(self) -> str | None:
        """Return the text that the run's end, or its pause, has as its output."""
        ended = self.terminal
        if isinstance(ended, WorkflowFinished | WorkflowPaused):
            return to_maybe_text(ended.outputs.get("answer"))
        return None

    def _status(self, usage: Usage | None) -> TurnStatus:
        if isinstance(self.terminal, WorkflowPaused):
            return "paused"
        status = self.finished.status if self.finished else ""
        if status in ("", "succeeded", "partial-succeeded"):
            tokens = usage.total_tokens if usage else 0
            stopped = not status and tokens == 0 and self.task_id in self._stopped
            return "stopped" if stopped else "succeeded"
        return "stopped" if status == "stopped" else "failed"

    def _all_files(self) -> list[dict[str, Any]]:
        """Return the files of the message's end, of the run, and those told alone."""
        files = list(self.ending.files if self.ending else ())
        if not files and self.finished:
            files = list(to_objects(self.finished.outputs.get("files")))
        known = {file.get("related_id") for file in files}
        for file_id, payload in self._files.items():
            if file_id not in known:
                names = ("type", "url", "belongs_to")
                fields = {name: payload.get(name) for name in names}
                files.append({**fields, "related_id": file_id})
        return files

    def _all_reasoning(self, metadata: Mapping[str, Any]) -> dict[str, str]:
        said = {node: "".join(pieces) for node, pieces in self._reasoning.items()}
        stored = to_object(metadata.get("reasoning"))
        return said | {node: to_text(text) for node, text in stored.items()}


class TextPieces:
    """The pieces of an answer's text among events: of all, or of some nodes of a chatflow."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = nodes
        self._said: list[str] = []
        self._agent_spoke = False

    def of(self, event: Event) -> str:
        """Return what an event adds to the text; "" for nothing."""
        if isinstance(event, Message):
            selector = event.from_variable_selector
            if self._nodes and selector[:1] not in [(node,) for node in self._nodes]:
                return ""
            piece = self._rest(event.answer) if self._agent_spoke else event.answer
            self._agent_spoke = False
        elif self._nodes:
            return ""
        elif isinstance(event, AgentMessage):
            self._agent_spoke = True
            piece = event.answer
        elif isinstance(event, MessageReplace):
            piece = self._rest(event.answer)
        else:
            return ""
        self._said.append(piece)
        return piece

    def _rest(self, whole: str) -> str:
        """Return what of a whole text has not been given yet, if it goes on from that."""
        said = "".join(self._said)
        return whole[len(said) :] if whole.startswith(said) else ""
