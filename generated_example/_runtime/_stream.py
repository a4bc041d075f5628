"""A run as a stream of events: opens the connection, reads it, lets it go.

Decides what happens when the connection breaks: the run goes on at the server, so the
stream is taken up again.
"""

from time import monotonic
from typing import Generic, TypeVar

from ._answers import unexpected
from ._errors import (
    APIError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    DifyError,
    IdleTimeoutError,
    ServerError,
    StreamInterruptedError,
    TooManyRequestsError,
)
from ._followed import FollowedRun
from ._http import LOGGER, Call, seconds_left
from ._models import Inputs, Outputs, ResponseMode
from ._operations import Operations
from ._payloads import is_stream
from ._protocol import backoff, events_call, run_call, settle
from ._records import to_object
from ._runs import Run
from ._sse import SseDecoder
from ._transport import Exchange, read_all

StreamedT = TypeVar("StreamedT", bound=Outputs)
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
    """One run that is followed: its connection, its decoder, and what is `known` of it.

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
        self.known = FollowedRun(workflow_run_id, operations.submitted)
        self.pending = self.known.pending
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
        self._started = False
        self._holds_slot = False
        self._has_events = True
        self._failures = 0
        self._opened_at = 0.0
        self._run: Run[StreamedT] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was started and is not over."""
        return self._started and not self.known.is_over

    async def fill(self) -> bool:
        """Wait until there are events in `pending`; False when there will be no more.

        Raises:
            DifyError: The stream did not end with an end of the run.
        """
        known = self.known
        try:
            while not self.pending:
                if known.is_over:
                    if known.error is not None:
                        raise known.error
                    return False
                await self._advance()
        except DifyError as error:
            known.end_with(error)
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
        known = self.known
        if self._run is None:
            if known.terminal is None:
                raise self._closed_early()
            raw = known.terminal.raw
            ids = {"workflow_run_id": known.workflow_run_id, "task_id": known.task_id}
            self._run = self.operations.make_run(
                {**raw, **ids}, to_object(raw.get("data")), self._settings
            )
        return self._run

    async def aclose(self) -> None:
        """Close the connection; ask the server to stop the run, if that is wanted."""
        known = self.known
        if known.terminal is None and known.error is None:
            known.error = self._closed_early()
        known.is_over = True
        # Two may close at once: an async generator is finalized in a task of its own.
        stops = self.stop_on_exit and self._started and known.terminal is None
        self.stop_on_exit = False
        await self._let_go()
        if stops:
            await self._stop_quietly()

    def _closed_early(self) -> StreamInterruptedError:
        if self._started:
            return self.known.interrupted("The stream was closed before the run ended")
        return StreamInterruptedError("The stream was closed before it started a run")

    async def _stop_quietly(self) -> None:
        if self.known.task_id is None or isinstance(self.known.error, APIError):
            return
        deadline = monotonic() + STOP_TIMEOUT
        try:
            await self.operations.stop_by(self.known.task_id, self._user, deadline)
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
            self.known.take(self._decoder.feed(piece))
        else:
            self.known.take(self._decoder.finish(), at_end=True)
            if not self.known.is_over:
                await self._recover(problem)
        if self.known.is_over:
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
        self.known.news = 0

    async def _reattach(self, max_retries: int | None) -> None:
        """Follow a run that was started before.

        Of one that is resumed, the server may first tell the pause that was answered.
        """
        call = events_call(
            self._settings,
            self.known.workflow_run_id or "",
            self._user,
            continue_on_pause=self._inputs is None,
            last_event_id=self._decoder.last_event_id,
        )
        await self._open(call, max_retries)
        self._decoder = SseDecoder()
        self.known.is_reattached = True

    async def _recover(self, problem: DifyError | None) -> None:
        """The connection is gone, the run is not: take it up again, else poll it."""
        lived = monotonic() - self._opened_at
        await self._close_exchange()
        limit = self.operations.options.max_reconnects
        if self.known.workflow_run_id is None or limit <= 0:
            raise self.known.interrupted(None, problem)
        if self.known.news or lived >= LONG_ENOUGH:
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
        await self._read_result(self.known.workflow_run_id, problem)

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
            raise self.known.interrupted(why, problem) from error
        paused = detail.get("status") == "paused"
        name = "workflow_paused" if paused else "workflow_finished"
        ids = {"workflow_run_id": run_id, "task_id": self.known.task_id}
        self.known.take_payload({"event": name, **ids, "data": detail})

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
