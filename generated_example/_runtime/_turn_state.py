"""What the events of a turn mean: the answer so far, its end, and what becomes of it."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from ._answers import Thought, Usage
from ._conversation_state import ConversationState
from ._errors import ConversationMismatchError, DifyError
from ._event_stream import NOTABLE, RunState, usable_id
from ._events import (
    EVENT_TYPES,
    AgentMessage,
    Event,
    Message,
    MessageEnd,
    MessageReplace,
    WorkflowFinished,
    WorkflowPaused,
)
from ._models import files_of, is_same_run
from ._responses import to_maybe_text, to_moment, to_object, to_objects, to_text
from ._turns import AppKind, TurnStatus, metadata_members

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

REFUSAL_PATIENCE = 25.0
"""A chatflow that runs pings every 10 seconds. From 1.13 on it pings once and falls silent
where the server refuses what was sent, or where no worker runs (seen on 1.14.2)."""
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
        super().__init__(workflow_run_id, submitted)
        self.conversation_id: str | None = None
        self.message_id: str | None = None
        self.ending: MessageEnd | None = None
        self.finished: WorkflowFinished | None = None
        self._kind = kind
        self._conversation = conversation or ConversationState()
        self._auto_play = auto_play
        self._stopped = stopped
        self._pieces: list[str] = []
        self._created_at: object = None
        self._thoughts: dict[str, dict[str, Any]] = {}
        self._files: dict[str, dict[str, Any]] = {}
        self._reasoning: dict[str, list[str]] = {}
        self._has_run = False
        self._agent_spoke = False
        self._is_moderated = False
        self._stored_answer: str | None = None

    @property
    def answer(self) -> str:
        """What was answered so far; where a connection broke, what is stored of it counts."""
        if self._stored_answer is not None:
            return self._stored_answer
        told = self._told_answer()
        if self.is_cut and not self._is_moderated and told is not None:
            return told
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
            and self._stored_answer is None
            and not self._is_moderated
            and self._told_answer() is None
        )

    def complete_with(self, answer: str) -> None:
        """Take the whole answer from elsewhere."""
        self._stored_answer = answer

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
        runs = self._kind == "chatflow"
        self._knows_ids = bool(
            self.message_id and self.task_id and (self.workflow_run_id or not runs)
        )
        try:
            self._conversation.see(said)
        except ConversationMismatchError as error:
            self.end_with(error)

    def _is_news(self, name: str, payload: dict[str, Any]) -> bool:
        if name == "ping":
            self._hear_ping()
            return True
        if self.patience is not None and self.terminal is None:
            self.patience = None
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

    def _hear_ping(self) -> None:
        silent = not (self._knows_ids or self.news or self.terminal)
        if silent and self._kind == "chatflow" and not self.is_reattached:
            self.patience = REFUSAL_PATIENCE

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
        if finished.status in ("succeeded", "partial-succeeded"):
            self._wait_for_rest(is_complete=self.ending is not None)
        else:
            self.is_over = True

    def _end(self, ending: MessageEnd) -> None:
        self.ending = ending
        self.terminal = self.finished or ending
        is_complete = not self._has_run or self.finished is not None
        self._wait_for_rest(is_complete=is_complete)

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

    def _advice(self) -> str:
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
        metadata = self.ending.metadata if self.ending else {}
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

    def _told_answer(self) -> str | None:
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
                told = {name: payload.get(name) for name in names}
                files.append({**told, "related_id": file_id})
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
