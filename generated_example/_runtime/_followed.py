"""What is known of a run from its events: no I/O, only what they mean for the stream.

Decides which events go to the caller, which one is the last, and what error says that
there is none.
"""

from collections import deque
from collections.abc import Container
from typing import Any

from ._answers import dify_error
from ._errors import (
    APIError,
    DifyError,
    IdleTimeoutError,
    StreamDecodeError,
    StreamInterruptedError,
)
from ._events import (
    EVENT_TYPES,
    Event,
    UnknownEvent,
    WorkflowFinished,
    WorkflowPaused,
)
from ._forms import forms_of
from ._payloads import NOTABLE, PLAIN_EVENTS, payload_of
from ._records import to_integer, to_maybe_integer, to_object, to_text
from ._runs import is_same_run

MAX_REMEMBERED = 10_000
MAX_ID_LENGTH = 255


class FollowedRun:
    """A run as its events tell it, however many connections they come over.

    Attributes:
        pending: Events that the caller has not taken.
        news: How many events told something new since it was last set to 0. A ping does
            not, nor does a repeated event or one of another run.
        terminal: The event that ended the run, once it came.
        error: Why there are no more events, where it is not the run's end.
        is_over: Whether there are no more events to wait for.
        is_reattached: Whether events may be repeated by the snapshot of a new connection.
    """

    def __init__(
        self, workflow_run_id: str | None, submitted: Container[str | None]
    ) -> None:
        self.pending: deque[Event] = deque()
        self.workflow_run_id = workflow_run_id
        self.task_id: str | None = None
        self.news = 0
        self.terminal: WorkflowFinished | WorkflowPaused | None = None
        self.error: DifyError | None = None
        self.is_over = False
        self.is_reattached = False
        self._submitted = submitted
        self._knows_ids = False
        self._seen: dict[tuple[str, str, str, int], None] = {}

    def take(self, events: list[bytes], *, at_end: bool = False) -> None:
        """Make events of data. Data that the end of the stream cut is no event."""
        for data in events:
            try:
                payload = payload_of(data)
            except (ValueError, RecursionError) as error:
                if not data.strip():
                    continue
                if not at_end:
                    self.end_with(self._undecodable(data, error))
                return
            name = payload.get("event")
            if (
                self._knows_ids
                and name.__class__ is str
                and name in PLAIN_EVENTS
                and payload.get("workflow_run_id") == self.workflow_run_id
            ):
                self.pending.append(PLAIN_EVENTS[name](payload))
                self.news += 1
                continue
            self.take_payload(payload)
            if self.is_over:
                return

    def take_payload(self, payload: dict[str, Any]) -> None:
        """Make an event of a payload, if it is one for the caller."""
        if self._is_of_another_run(payload):
            self.pending.append(UnknownEvent(payload))
            return
        if not self._knows_ids:
            self._learn_ids(payload)
        name = to_text(payload.get("event"))
        if name not in NOTABLE or self._is_news(name, payload):
            self.pending.append(EVENT_TYPES.get(name, UnknownEvent)(payload))
            self.news += name != "ping"

    def _is_of_another_run(self, payload: dict[str, Any]) -> bool:
        """Check whether an event says that it is about another run than this one."""
        said, run_id = run_id_of(payload), self.workflow_run_id
        return bool(said and run_id and not is_same_run(said, run_id))

    def _learn_ids(self, payload: dict[str, Any]) -> None:
        """Take the ids from whichever event has them: the first one can get lost.

        The server's spelling of the run's id takes the place of the caller's.
        """
        self.workflow_run_id = usable_id(run_id_of(payload)) or self.workflow_run_id
        self.task_id = self.task_id or usable_id(to_text(payload.get("task_id")))
        self._knows_ids = bool(self.workflow_run_id and self.task_id)

    def _is_news(self, name: str, payload: dict[str, Any]) -> bool:
        """Whether an event goes to the caller; takes note of one that ends the stream."""
        if name == "workflow_finished":
            self.terminal = WorkflowFinished(payload)
            self.is_over = True
        elif name == "workflow_paused":
            if self._is_answered(payload):
                return False
            self.terminal = WorkflowPaused(payload)
            self.is_over = True
        elif name == "error":
            self.end_with(self._reported(payload))
        else:
            return self._is_first(name, payload)
        return True

    def _is_answered(self, payload: dict[str, Any]) -> bool:
        """Whether this client has submitted all forms that a pause waits for.

        A resumed run is told as paused until a worker takes it up again.
        """
        forms = forms_of(to_object(payload.get("data")))
        known = self._submitted
        return bool(forms) and all(form.form_token in known for form in forms)

    def _is_first(self, name: str, payload: dict[str, Any]) -> bool:
        """Whether an event was not delivered before a reconnect, whose snapshot repeats it.

        The snapshot tells iterations and loops as nodes, which a live stream never does.
        """
        data = to_object(payload.get("data"))
        if self.is_reattached and data.get("node_type") in ("iteration", "loop"):
            return False
        key = (
            name,
            to_text(data.get("reason" if name == "workflow_started" else "id")),
            to_text(data.get("form_id")),
            to_integer(data.get("retry_index")),
        )
        if self.is_reattached and key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    def end_with(self, error: DifyError) -> None:
        """Remember the error, for after the events that came before it."""
        self.note_ids_on(error)
        self.error = error
        self.is_over = True

    def note_ids_on(self, error: DifyError) -> None:
        """Let the error tell which run it is about."""
        if error.workflow_run_id is None:
            error.workflow_run_id = self.workflow_run_id
        if error.task_id is None:
            error.task_id = self.task_id

    def _reported(self, payload: dict[str, Any]) -> APIError:
        """The exception for an `error` event: the server ends no stream after it."""
        status = to_maybe_integer(payload.get("status"))
        return dify_error(payload, status, {"request": "event: error"})

    def _undecodable(self, data: bytes, error: Exception) -> StreamDecodeError:
        return StreamDecodeError(
            f"The stream holds data that is no JSON object: {data[:200]!r} ({error})",
            data=data[:1000],
        )

    def interrupted(
        self, why: str | None, problem: DifyError | None = None
    ) -> StreamInterruptedError:
        """The error for a stream that ended before the run did."""
        reason = why or str(problem or "The stream ended before the run did")
        kind = (
            IdleTimeoutError
            if isinstance(problem, IdleTimeoutError)
            else StreamInterruptedError
        )
        return kind(
            f"{reason}. {self._advice()}",
            workflow_run_id=self.workflow_run_id,
            task_id=self.task_id,
        )

    def _advice(self) -> str:
        if self.workflow_run_id is None:
            return (
                "No event told an id of the run to go on with. Dify from 1.13 on ends a stream like "
                "this when it refuses the inputs, or when no worker takes the run up"
            )
        return (
            f"The run {self.workflow_run_id} may go on: resume() follows it, get_run() "
            "reads what is stored"
        )


def run_id_of(payload: dict[str, Any]) -> str:
    """Return the run that an event is about; "" where it does not say."""
    if run_id := to_text(payload.get("workflow_run_id")):
        return run_id
    data = to_object(payload.get("data"))
    if payload.get("event") in ("workflow_started", "workflow_finished"):
        return to_text(data.get("id"))
    return to_text(data.get("workflow_run_id"))


def usable_id(text: str) -> str | None:
    """Return an id that can stand in a path; None for what would lead elsewhere."""
    return text if text not in (".", "..") and 0 < len(text) <= MAX_ID_LENGTH else None
