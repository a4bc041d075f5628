"""A run as a stream of events, as a state machine without I/O of its own.

Feeds bytes to the decoder, events to the caller, and decides what happens when the
connection breaks: the run goes on at the server, so the stream is taken up again.
"""

from collections import deque
from time import monotonic
from typing import Any, Generic, TypeVar

from ._answers import dify_error, unexpected
from ._errors import (
    APIError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    DifyError,
    IdleTimeoutError,
    ServerError,
    StreamDecodeError,
    StreamInterruptedError,
    TooManyRequestsError,
)
from ._events import (
    EVENT_TYPES,
    Event,
    UnknownEvent,
    WorkflowFinished,
    WorkflowPaused,
)
from ._forms import forms_of
from ._http import LOGGER, Call, seconds_left
from ._models import Inputs, Outputs, ResponseMode
from ._operations import Operations
from ._payloads import NOTABLE, PLAIN_EVENTS, is_stream, payload_of
from ._protocol import backoff, events_call, run_call, settle
from ._records import to_integer, to_maybe_integer, to_object, to_text
from ._runs import Run
from ._sse import SseDecoder
from ._transport import Exchange, read_all

StreamedT = TypeVar("StreamedT", bound=Outputs)
MAX_REMEMBERED = 10_000
STOP_TIMEOUT = 5.0
LONG_ENOUGH = 1.0
PASSING = (
    ConnectionFailedError,
    ConnectionLostError,
    IdleTimeoutError,
    ServerError,
    TooManyRequestsError,
)
"""What may be better in a moment."""


class StreamSession(Generic[StreamedT]):
    """One run that is followed: its connection, its decoder, and what is known of it.

    `pending` holds the events of one piece of the stream and no more, until the caller
    has taken them. `fill` gets the next ones.
    """

    def __init__(
        self,
        operations: Operations[StreamedT],
        *,
        user: str | None,
        timeout: float | None,
        inputs: Inputs | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
        stop_on_exit: bool = False,
        workflow_run_id: str | None = None,
    ) -> None:
        self.operations = operations
        self.pending: deque[Event] = deque()
        self.workflow_run_id = workflow_run_id
        self.task_id: str | None = None
        self._knows_ids = False
        self.stop_on_exit = stop_on_exit
        self._settings = operations.settings()
        self._user = operations.user(user)
        self._inputs = inputs
        self._workflow_id = workflow_id
        self._trace_id = trace_id
        self._timeout = timeout
        self._deadline = operations.deadline(timeout)
        self._exchange: Exchange | None = None
        self._decoder = SseDecoder()
        self._terminal: WorkflowFinished | WorkflowPaused | None = None
        self._error: DifyError | None = None
        self._started = False
        self._over = False
        self._holds_slot = False
        self._reattached = False
        self._has_events = True
        self._failures = 0
        self._news = 0
        self._opened_at = 0.0
        self._seen: dict[tuple[str, str, str, int], None] = {}
        self._run: Run[StreamedT] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was started and is not over."""
        return self._started and not self._over

    async def fill(self) -> bool:
        """Wait until there are events in `pending`; False when there will be no more.

        Raises:
            DifyError: The stream did not end with an end of the run.
        """
        try:
            while not self.pending:
                if self._over:
                    if self._error is not None:
                        raise self._error
                    return False
                await self._advance()
        except DifyError as error:
            self._note_ids_on(error)
            self._error = error
            self._over = True
            await self._let_go()
            raise
        return True

    async def finish(self) -> Run[StreamedT]:
        """Read to the end; the run, if it ended well."""
        while await self.fill():
            self.pending.clear()
        return settle(self.run())

    def run(self) -> Run[StreamedT]:
        """The run that the terminal event tells about."""
        if self._run is None:
            if self._terminal is None:
                raise self._closed_early()
            raw = self._terminal.raw
            known = {"workflow_run_id": self.workflow_run_id, "task_id": self.task_id}
            self._run = self.operations.make_run(
                {**raw, **known}, to_object(raw.get("data")), self._settings
            )
        return self._run

    async def aclose(self) -> None:
        """Close the connection; ask the server to stop the run, if that is wanted."""
        if self._terminal is None and self._error is None:
            self._error = self._closed_early()
        self._over = True
        # Two may close at once: an async generator is finalized in a task of its own.
        stops = self.stop_on_exit and self._started and self._terminal is None
        self.stop_on_exit = False
        await self._let_go()
        if stops:
            await self._stop_quietly()

    async def _stop_quietly(self) -> None:
        if self.task_id is None or isinstance(self._error, APIError):
            return
        deadline = monotonic() + STOP_TIMEOUT
        try:
            await self.operations.stop_by(self.task_id, self._user, deadline)
        except DifyError as error:
            LOGGER.debug("could not stop the run: %s", type(error).__name__)

    async def _advance(self) -> None:
        """Take one step: open the connection, or read and decode a piece."""
        exchange = self._exchange
        if exchange is None:
            await self._begin()
            return
        problem: DifyError | None = None
        piece: bytes | None = None
        try:
            piece = await exchange.read()
        except (ConnectionLostError, IdleTimeoutError) as error:
            problem = error
        if piece is not None:
            self._take(self._decoder.feed(piece))
        else:
            self._take(self._decoder.finish(), at_end=True)
            if not self._over:
                await self._recover(problem)
        if self._over:
            await self._let_go()

    async def _begin(self) -> None:
        operations = self.operations
        self._started = True
        self._deadline = operations.deadline(self._timeout)
        await operations.transport.acquire(self._deadline)
        self._holds_slot = True
        if self._inputs is None:
            await self._reattach(None)
            return
        await operations.upload_inputs(self._inputs, self._user, self._deadline)
        call = run_call(
            self._settings,
            self._inputs,
            user=self._user,
            response_mode="streaming",
            workflow_id=self._workflow_id,
            trace_id=self._trace_id,
        )
        await self._open(call)

    async def _open(self, call: Call, max_retries: int | None = None) -> None:
        exchange = await self.operations.open(
            call, self._deadline, max_retries=max_retries
        )
        if not is_stream(exchange):
            raise unexpected(await read_all(exchange), call)
        self._exchange = exchange
        self._opened_at = monotonic()
        self._news = 0

    async def _reattach(self, max_retries: int | None) -> None:
        """Follow a run that was started before.

        Of one that is resumed, the server may first tell the pause that was answered.
        """
        call = events_call(
            self._settings,
            self.workflow_run_id or "",
            self._user,
            continue_on_pause=self._inputs is None,
            last_event_id=self._decoder.last_event_id,
        )
        await self._open(call, max_retries)
        self._decoder = SseDecoder()
        self._reattached = True

    async def _recover(self, problem: DifyError | None) -> None:
        """The connection is gone, the run is not: take it up again, else poll it."""
        lived = monotonic() - self._opened_at
        await self._close_exchange()
        limit = self.operations.options.max_reconnects
        if self.workflow_run_id is None or limit <= 0:
            raise self._interrupted(None, problem)
        if self._news or lived >= LONG_ENOUGH:
            self._failures = 0
        while self._has_events and self._failures < limit:
            await self._wait_to_reconnect()
            try:
                await self._reattach(0)
                return
            except PASSING:
                pass
            except APIError:
                self._has_events = False
        await self._read_result(self.workflow_run_id, problem)

    async def _wait_to_reconnect(self) -> None:
        self._failures += 1
        if self._failures > 1:
            delay = min(backoff(self._failures - 2), seconds_left(self._deadline))
            await self.operations.transport.sleep(delay)

    async def _read_result(self, run_id: str, problem: DifyError | None) -> None:
        """Wait for the stored run, and make of it the event that the stream lacks."""
        try:
            detail = await self.operations.poll(run_id, self._deadline)
        except DeadlineExceededError:
            raise
        except DifyError as error:
            why = f"Its stored record could not be read: {error}"
            raise self._interrupted(why, problem) from error
        paused = detail.get("status") == "paused"
        name = "workflow_paused" if paused else "workflow_finished"
        ids = {"workflow_run_id": run_id, "task_id": self.task_id}
        self._take_payload({"event": name, **ids, "data": detail})

    def _take(self, events: list[bytes], *, at_end: bool = False) -> None:
        """Make events of data. Data that the end of the stream cut is no event."""
        for data in events:
            try:
                payload = payload_of(data)
            except (ValueError, RecursionError) as error:
                if not data.strip():
                    continue
                if not at_end:
                    self._end_with(self._undecodable(data, error))
                return
            name = payload.get("event")
            if self._knows_ids and name.__class__ is str and name in PLAIN_EVENTS:
                self.pending.append(PLAIN_EVENTS[name](payload))
                self._news += 1
                continue
            self._take_payload(payload)
            if self._over:
                return

    def _take_payload(self, payload: dict[str, Any]) -> None:
        if not self._knows_ids:
            self._learn_ids(payload)
        name = to_text(payload.get("event"))
        if name not in NOTABLE or self._is_news(name, payload):
            self.pending.append(EVENT_TYPES.get(name, UnknownEvent)(payload))
            self._news += 1

    def _learn_ids(self, payload: dict[str, Any]) -> None:
        """Take the ids from whichever event has them: the first one can get lost."""
        if self.workflow_run_id is None:
            self.workflow_run_id = to_text(payload.get("workflow_run_id")) or None
        if self.task_id is None:
            self.task_id = to_text(payload.get("task_id")) or None
        self._knows_ids = bool(self.workflow_run_id and self.task_id)

    def _is_news(self, name: str, payload: dict[str, Any]) -> bool:
        """Whether an event goes to the caller; takes note of one that ends the stream."""
        if name == "workflow_finished":
            self._terminal = WorkflowFinished(payload)
            self._over = True
        elif name == "workflow_paused":
            if self._is_answered(payload):
                return False
            self._terminal = WorkflowPaused(payload)
            self._over = True
        elif name == "error":
            self._end_with(self._reported(payload))
        else:
            return self._is_first(name, payload)
        return True

    def _is_answered(self, payload: dict[str, Any]) -> bool:
        """Whether this client has submitted all forms that a pause waits for.

        A resumed run is told as paused until a worker takes it up again.
        """
        forms = forms_of(to_object(payload.get("data")))
        submitted = self.operations.submitted
        return bool(forms) and all(form.form_token in submitted for form in forms)

    def _is_first(self, name: str, payload: dict[str, Any]) -> bool:
        """Whether an event was not delivered before a reconnect, whose snapshot repeats it.

        The snapshot tells iterations and loops as nodes, which a live stream never does.
        """
        data = to_object(payload.get("data"))
        if self._reattached and data.get("node_type") in ("iteration", "loop"):
            return False
        key = (
            name,
            to_text(data.get("reason" if name == "workflow_started" else "id")),
            to_text(data.get("form_id")),
            to_integer(data.get("retry_index")),
        )
        if self._reattached and key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    def _end_with(self, error: DifyError) -> None:
        """Remember the error, for after the events that came before it."""
        self._note_ids_on(error)
        self._error = error
        self._over = True

    def _note_ids_on(self, error: DifyError) -> None:
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

    def _interrupted(
        self, why: str | None, problem: DifyError | None = None
    ) -> StreamInterruptedError:
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

    def _closed_early(self) -> StreamInterruptedError:
        if self._started:
            return self._interrupted("The stream was closed before the run ended")
        return StreamInterruptedError("The stream was closed before it started a run")

    def _advice(self) -> str:
        if self.workflow_run_id is None:
            return (
                "No event told the id of the run. Dify from 1.13 on ends a stream like "
                "this when it refuses the inputs, or when no worker takes the run up"
            )
        return (
            f"The run {self.workflow_run_id} may go on: resume() follows it, get_run() "
            "reads what is stored"
        )

    async def _close_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.close()

    async def _let_go(self) -> None:
        """Give back the connection and the slot. May be called more than once."""
        if self._holds_slot:
            self._holds_slot = False
            self.operations.transport.release()
        await self._close_exchange()


async def run_to_end(
    operations: Operations[StreamedT],
    inputs: Inputs,
    *,
    user: str | None,
    response_mode: ResponseMode,
    timeout: float | None,
    workflow_id: str | None,
    trace_id: str | None,
) -> Run[StreamedT]:
    """Run the workflow: for one answer, or by collecting its stream."""
    if response_mode == "blocking":
        return await operations.run_blocking(
            inputs,
            user=user,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )
    if response_mode != "streaming":
        raise ValueError(
            f"response_mode is 'blocking' or 'streaming', not {response_mode!r}"
        )
    session = StreamSession(
        operations,
        inputs=inputs,
        user=user,
        timeout=timeout,
        workflow_id=workflow_id,
        trace_id=trace_id,
    )
    try:
        return await session.finish()
    finally:
        await session.aclose()
