"""A run, or a turn, as a stream of events: opens the connection, reads it, lets it go.

Decides what happens when the connection breaks: a run goes on at the server, so the
stream is taken up again.
"""

import os
from threading import Lock
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

from ._answers import Exchange, parsed, read_all, unexpected
from ._errors import (
    APIError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    DifyError,
    IdleTimeoutError,
    ServerError,
    StreamError,
    StreamInterruptedError,
    TooManyRequestsError,
)
from ._files import FilesInput
from ._http import LOGGER, Call, seconds_left
from ._models import (
    Inputs,
    Outputs,
    ResponseMode,
    Run,
    StartedRun,
    prepared_files,
    settle,
)
from ._operations import Operations
from ._payloads import WorkflowPaused, to_maybe_object, to_object
from ._protocol import (
    SETTLED,
    STOP_PATIENCE,
    RunState,
    SseDecoder,
    backoff,
    checked_run_id,
    events_call,
    is_stream,
    peek,
    run_call,
)
from ._settings import HeaderValues, Settings
from ._transport import Slot

StreamedT = TypeVar("StreamedT", bound=Outputs)
EndT_co = TypeVar("EndT_co", covariant=True)
EndT = TypeVar("EndT")
STOP_TIMEOUT = 5.0
LONG_ENOUGH = 1.0
REPLAY_TIME = 2.0
"""What comes later than this after attaching to a run happens now: the run is alive."""
LOOK_AFTER = 20.0
"""Seconds without news on a stream that was taken up, between looks at the stored run."""
STALLED_AFTER = 60.0
STALLED_AFTER_WAITING = 300.0
"""Seconds without news after which a run that somebody else has begun is taken for dead."""
PASSING = (
    ConnectionFailedError,
    ConnectionLostError,
    IdleTimeoutError,
    ServerError,
    TooManyRequestsError,
)
"""What may be better in a moment."""
REFUSED = (APIError, ConfigurationError, ConnectionFailedError)
"""After these no run goes on: the server has ended it, or was never asked."""


class StreamSource(Protocol[EndT_co]):
    """What a session follows: how it begins, what its events say, how it is read otherwise."""

    @property
    def operations(self) -> Operations[Any]:
        """What the client can do."""
        ...

    @property
    def state(self) -> RunState:
        """What the events have said so far."""
        ...

    @property
    def is_resumed(self) -> bool:
        """Whether it was begun before, by somebody else."""
        ...

    async def enter(self, deadline: float) -> None:
        """Wait for whatever must end before."""

    def leave(self) -> None:
        """Let others begin. May be called more than once."""

    async def begin(self, settings: Settings, user: str, deadline: float) -> Call:
        """Upload what is to be uploaded; the request that starts it."""
        ...

    async def complete(self, user: str, deadline: float) -> None:
        """Read what an ended stream did not tell."""

    def result(self, settings: Settings, user: str) -> EndT_co:
        """Return how it ended, once it has; raises what stands for a bad end."""
        ...


class RunSource(Generic[StreamedT]):
    """A run of a workflow."""

    def __init__(
        self,
        operations: Operations[StreamedT],
        *,
        inputs: Inputs | None = None,
        workflow_run_id: str | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
        files: FilesInput | None = None,
    ) -> None:
        self.operations = operations
        self._files = operations.run_files(files)
        run_id = None if inputs is not None else checked_run_id(workflow_run_id)
        self.state = RunState(run_id, operations.submitted, operations.stopped)
        self._inputs = inputs
        self._workflow_id = workflow_id
        self._trace_id = trace_id
        self._run: Run[StreamedT] | None = None

    @property
    def is_resumed(self) -> bool:
        return self._inputs is None

    async def enter(self, deadline: float) -> None:
        pass

    def leave(self) -> None:
        pass

    async def begin(self, settings: Settings, user: str, deadline: float) -> Call:
        assert self._inputs is not None
        files = [*prepared_files(self._inputs), *self._files]
        uploads = await self.operations.upload_files(files, user, deadline)
        return run_call(
            settings,
            self._inputs.to_wire(uploads),
            user=user,
            response_mode="streaming",
            workflow_id=self._workflow_id,
            trace_id=self._trace_id,
            files=[file.wire_with(uploads) for file in self._files],
        )

    async def complete(self, user: str, deadline: float) -> None:
        pass

    def result(self, settings: Settings, user: str) -> Run[StreamedT]:
        state = self.state
        if self._run is None:
            assert state.terminal is not None
            raw = state.terminal.raw
            data = to_object(raw.get("data"))
            if isinstance(state.terminal, WorkflowPaused):
                data = {**data, "status": "paused"}
            ids = {"workflow_run_id": state.workflow_run_id, "task_id": state.task_id}
            self._run = self.operations.make_run({**raw, **ids}, data, settings)
        return settle(self._run)


class StreamSession(Generic[EndT]):
    """One run that is followed: its connection, its decoder, and the `state` that its events give.

    `pending` holds the events of one piece of the stream and no more, until the caller
    has taken them. `fill` gets the next ones.

    The run is asked for once, whatever becomes of that: after a wait that was cancelled
    or interrupted, the next one goes on with the run, or says that one may have been
    started. One thread or task at a time may wait; any may close. A forked process
    leaves the stream to its parent.
    """

    def __init__(
        self,
        source: StreamSource[EndT],
        *,
        user: str | None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
        looks_up: bool = False,
    ) -> None:
        operations = source.operations
        self.operations = operations
        self.state = source.state
        self.pending = self.state.pending
        self.stop_on_exit = stop_on_exit
        self._source = source
        self._looks_up = looks_up
        self._settings = operations.settings()
        self._user = operations.user(user)
        self._timeout = timeout
        self._deadline = operations.deadline(timeout)
        self._exchange: Exchange | None = None
        self._decoder = SseDecoder(operations.options.max_answer_size)
        self._process = os.getpid()
        self._use = Lock()
        self._slot: Slot | None = None
        self._has_begun = False
        self._was_sent = False
        self._has_events = True
        self._failures = 0
        self._short_lives = 0
        self._opened_at = 0.0
        self._reconnect_at = 0.0
        self._heard_at = 0.0
        self._look_at = 0.0
        self._is_alive = False

    @property
    def is_in_use(self) -> bool:
        """Whether a thread or a task waits for events."""
        return self._use.locked()

    async def fill(self) -> bool:
        """Wait until there are events in `pending`; False when there will be no more.

        Raises:
            StreamError: Another thread or task waits already, or another process does.
            DifyError: The stream did not end with an end of the run.
        """
        if self._process != os.getpid():
            raise StreamError(
                "This stream belongs to the process that made it. Open another one here; "
                "resume() follows the same run"
            )
        if not self._use.acquire(False):
            raise StreamError(
                "This stream is in use: another thread or task waits for its events. One "
                "at a time may iterate it or ask for its result"
            )
        state = self.state
        try:
            while not self.pending:
                if state.is_over:
                    if state.error is None:
                        await self._source.complete(self._user, self._deadline)
                    if state.error is not None:
                        raise state.error
                    return False
                if self._exchange is None:
                    await self._connect()
                else:
                    await self._read(self._exchange)
                if state.is_over:
                    await self._let_go()
        except BaseException as error:
            was_closed = state.is_over and isinstance(error, Exception)
            await self._break_off(error)
            if was_closed and state.error is not None and state.error is not error:
                # It was closed by another thread or task.
                raise state.error from error
            raise
        finally:
            self._use.release()
        return True

    async def finish(self) -> EndT:
        """Read to the end; how it ended, if that is well."""
        while await self.fill():
            self.pending.clear()
        if self.state.terminal is None:
            raise self._closed_early()
        return self._source.result(self._settings, self._user)

    async def detach(self) -> StartedRun:
        """Begin, if that has not happened; leave the run to itself once its id is known."""
        state = self.state
        try:
            while state.workflow_run_id is None and await self.fill():
                self.pending.clear()
            if state.workflow_run_id is None:
                raise self._closed_early()
            self.stop_on_exit = False
        finally:
            await self.close()
        return StartedRun(state.workflow_run_id, state.task_id)

    async def close(self) -> None:
        """Close the connection; ask the server to stop the run, if that is wanted."""
        if self._process != os.getpid():
            return
        state = self.state
        if state.terminal is None and state.error is None:
            state.error = self._closed_early()
        state.is_over = True
        # Two may close at once: an async generator is finalized in a task of its own.
        stops = self.stop_on_exit and self._was_sent and state.terminal is None
        self.stop_on_exit = False
        if stops:
            await self.operations.transport.finish(self._close_and_stop())
        else:
            await self._let_go()

    def drop(self) -> None:
        """Close what nobody holds any more; where that cannot be awaited, a bit later."""
        slot = self._slot
        if slot is None or self.state.is_over or self._process != os.getpid():
            return
        try:
            slot.close_later(self.close)
        except RuntimeError:
            if self.stop_on_exit:
                self._say_not_stopped("its event loop is closed")

    def _closed_early(self) -> StreamError:
        if self._was_sent:
            subject = self.state.subject
            return self.state.interrupted(
                f"The stream was closed before the {subject} ended"
            )
        return StreamInterruptedError(
            f"The stream was closed before it started a {self.state.subject}"
        )

    async def _close_and_stop(self) -> None:
        await self._let_go()
        if isinstance(self.state.error, REFUSED):
            return
        if self.state.task_id is None:
            self._say_not_stopped("no event told its task")
            return
        deadline = monotonic() + STOP_TIMEOUT
        try:
            await self.operations.stop_by(self.state.task_id, self._user, deadline)
        except BaseException as error:
            self._say_not_stopped(type(error).__name__)
            if not isinstance(error, Exception):
                raise

    def _say_not_stopped(self, why: str) -> None:
        state = self.state
        known = state.workflow_run_id or state.task_id or "that may have been started"
        LOGGER.warning("the %s %s was not stopped: %s", state.subject, known, why)

    async def _break_off(self, error: BaseException) -> None:
        """Take note of what ended a wait: an error for good, an interruption for now."""
        state = self.state
        if not state.is_over:
            if isinstance(error, DifyError):
                state.end_with(error)
            elif self._was_sent and state.workflow_run_id is None:
                why = f"The stream was broken off by {type(error).__name__}"
                why = f"{why}; a {state.subject} may have been started"
                state.end_with(state.interrupted(why))
        if isinstance(error, GeneratorExit):
            return  # nobody can wait here any more
        if state.is_over or not self._was_sent:
            await self._let_go()
        else:
            await self._close_exchange()

    async def _connect(self) -> None:
        """Start the run; or go on with it, where a wait was interrupted."""
        if self._was_sent:
            await self._recover(None)
        else:
            await self._begin()

    async def _begin(self) -> None:
        operations = self.operations
        if not self._has_begun:
            self._has_begun = True
            self._deadline = operations.deadline(self._timeout)
        await self._source.enter(self._deadline)
        self._slot = await operations.transport.acquire(self._deadline)
        if self.stop_on_exit:
            self._slot.close_at_end(self.close)
        call = None
        if not self._source.is_resumed:
            call = await self._source.begin(self._settings, self._user, self._deadline)
        # It was closed meanwhile.
        if self.state.is_over:
            return
        self._was_sent = True
        if call is None and self._looks_up:
            await self._recover(None)
        elif call is None:
            await self._reattach(None)
        else:
            await self._open(call)

    async def _open(self, call: Call, max_retries: int | None = None) -> None:
        self._opened_at = monotonic()
        exchange = await self.operations.open(
            call, self._deadline, max_retries=max_retries
        )
        holds_events = is_stream(exchange)
        if not holds_events:
            exchange, holds_events = await peek(exchange)
        if holds_events:
            self._exchange = exchange
            self.state.news = 0
        else:
            await self._take_answer(exchange, call)

    async def _take_answer(self, exchange: Exchange, call: Call) -> None:
        """Take what came in the place of a stream, if it tells about what was begun."""
        max_size = self.operations.options.max_answer_size
        answer = await read_all(exchange, call, max_size)
        payload = to_maybe_object(parsed(answer.body))
        begins = not call.repeatable
        if not (begins and payload and self.state.take_whole(payload)):
            raise unexpected(answer, call)

    async def _read(self, exchange: Exchange) -> None:
        state = self.state
        problem: DifyError | None = None
        piece: bytes | None = None
        try:
            if state.patience is None:
                piece = await exchange.read()
            else:
                began = monotonic()
                piece = await exchange.read(max(state.patience, 0.0))
                state.patience -= monotonic() - began
        except (ConnectionLostError, IdleTimeoutError) as error:
            problem = error
        except DeadlineExceededError as error:
            raise self._too_late(error) from error
        if piece is not None:
            news = state.news
            state.take(self._decoder.feed(piece))
            if state.is_reattached and not state.is_over:
                await self._look_behind_pings(is_news=state.news > news)
            return
        state.take(self._decoder.finish(), at_end=True)
        if not state.end_here():
            if not state.news:
                state.pass_over(self._decoder.foreign)
            await self._close_exchange()
            self._count_failure()
            await self._recover(problem)

    async def _reattach(self, max_retries: int | None) -> None:
        """Follow a run that was started before.

        Of one that is resumed, the server may first tell the pause that was answered.
        """
        last_event_id = self._decoder.last_event_id
        call = events_call(
            self._settings,
            self.state.workflow_run_id or "",
            self._user,
            continue_on_pause=self._source.is_resumed,
            last_event_id=last_event_id,
        )
        await self._open(call, max_retries)
        self._decoder = SseDecoder(self.operations.options.max_answer_size)
        self._decoder.last_event_id = last_event_id
        self.state.is_reattached = self.state.is_cut = True
        self.state.trust()
        self._heard_at = self._heard_at or self._opened_at
        self._look_at = self._opened_at + self._quiet_time()

    async def _recover(self, problem: DifyError | None) -> None:
        """Go on with a run whose connection is gone, where it is known which one that is."""
        run_id = self.state.workflow_run_id
        limit = self.operations.options.max_reconnects
        if run_id is None or (limit <= 0 and not self._looks_up):
            raise self.state.interrupted(None, problem)
        try:
            await self._take_up(run_id, limit, problem)
        except DeadlineExceededError as error:
            raise self._too_late(error) from error

    def _too_late(self, error: DeadlineExceededError) -> DeadlineExceededError:
        return DeadlineExceededError(f"{error}. {self.state.advice()}")

    async def _take_up(
        self, run_id: str, limit: int, problem: DifyError | None
    ) -> None:
        """Follow its events again, if the server has any; else poll it."""
        while self._has_events and self._failures <= limit:
            wait = self._reconnect_at - monotonic()
            if wait > 0:
                wait = min(wait, seconds_left(self._deadline))
                await self.operations.transport.sleep(wait)
            try:
                await self._reattach(0)
                return
            except PASSING:
                self._count_failure()
            except APIError:
                self._has_events = False
        await self._read_result(run_id, problem)

    def _count_failure(self) -> None:
        """Let the next connection wait for longer, the less the last ones brought.

        Something new is what makes up for failures; connections that live for a moment
        only are not made at once again even then.
        """
        now = monotonic()
        self._failures = 1 if self.state.news else self._failures + 1
        lived = now - self._opened_at
        self._short_lives = 0 if lived >= LONG_ENOUGH else self._short_lives + 1
        attempts = max(self._failures, self._short_lives)
        self._reconnect_at = now + (backoff(attempts - 2) if attempts > 1 else 0.0)
        self.state.news = 0

    async def _read_result(self, run_id: str, problem: DifyError | None) -> None:
        """Wait for the stored run, and make of it the event that the stream lacks."""
        try:
            detail = await self.operations.poll(
                run_id, self._deadline, self.state.task_id
            )
        except DeadlineExceededError:
            raise
        except DifyError as error:
            if self._looks_up and not self.state.is_cut:
                raise  # nothing was ever heard of it
            why = f"Its stored record could not be read: {error}"
            raise self.state.interrupted(why, problem) from error
        self._take_stored(run_id, detail)

    async def _look_behind_pings(self, *, is_news: bool) -> None:
        """Look at the stored run, where nothing is heard of it for long: its end may be lost.

        Of a run that was stopped the server of 1.12 to 1.14 keeps saying that it is running,
        and pings without end.
        """
        now = monotonic()
        if is_news:
            self._is_alive = self._is_alive or now - self._opened_at > REPLAY_TIME
            self._heard_at, self._look_at = now, now + self._quiet_time()
        state, run_id = self.state, self.state.workflow_run_id
        if now < self._look_at or run_id is None:
            return
        self._look_at = now + LOOK_AFTER
        try:
            detail = await self.operations.detail(run_id, self._deadline, max_retries=0)
        except DifyError:
            return
        if state.was_stopped and detail.get("status") == "running":
            detail["status"] = "stopped"
        if detail.get("status") in SETTLED - {"paused"}:
            self._take_stored(run_id, detail)
        elif self._is_stalled(now):
            raise state.interrupted(
                f"The run {run_id} is stored as {detail.get('status')}, and nothing but pings "
                f"has come for {now - self._heard_at:.0f} seconds: it was stopped, its worker "
                "died, or one node takes that long (then give a timeout=)"
            )

    def _quiet_time(self) -> float:
        return STOP_PATIENCE if self.state.was_stopped else LOOK_AFTER

    def _is_stalled(self, now: float) -> bool:
        """Check whether no more is to be expected of a run that was begun elsewhere.

        Who says how long to wait is taken at their word.
        """
        patience = STALLED_AFTER_WAITING if self._looks_up else STALLED_AFTER
        is_stranger = self._source.is_resumed and not self._is_alive
        return (
            is_stranger and self._timeout is None and now - self._heard_at >= patience
        )

    def _take_stored(self, run_id: str, detail: dict[str, Any]) -> None:
        """Make of a stored run the event that its stream lacks."""
        self.state.is_cut = True
        paused = detail.get("status") == "paused"
        name = "workflow_paused" if paused else "workflow_finished"
        ids = {"workflow_run_id": run_id, "task_id": self.state.task_id}
        self.state.take_payload({"event": name, **ids, "data": detail})
        self.state.end_here()

    async def _close_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.close()

    async def _let_go(self) -> None:
        """Give back the connection and the slots. May be called more than once."""
        self._source.leave()
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.release()
        await self._close_exchange()


def follow_run(
    operations: Operations[StreamedT],
    *,
    user: str | None,
    inputs: Inputs | None = None,
    workflow_run_id: str | None = None,
    timeout: float | None = None,
    stop_on_exit: bool = False,
    workflow_id: str | None = None,
    trace_id: str | None = None,
    headers: HeaderValues | None = None,
    files: FilesInput | None = None,
) -> StreamSession[Run[StreamedT]]:
    """Return a session that starts a run, or follows one that was started before."""
    source = RunSource(
        operations.with_headers(headers),
        inputs=inputs,
        workflow_run_id=workflow_run_id,
        workflow_id=workflow_id,
        trace_id=trace_id,
        files=files,
    )
    return StreamSession(source, user=user, timeout=timeout, stop_on_exit=stop_on_exit)


async def run_to_end(
    operations: Operations[StreamedT],
    inputs: Inputs,
    *,
    user: str | None,
    response_mode: ResponseMode | None = None,
    timeout: float | None = None,
    stop_on_exit: bool = False,
    workflow_id: str | None = None,
    trace_id: str | None = None,
    headers: HeaderValues | None = None,
    files: FilesInput | None = None,
) -> Run[StreamedT]:
    """Run the workflow: for one answer, or by collecting its stream."""
    operations = operations.with_headers(headers)
    if response_mode is None and not stop_on_exit:
        response_mode = "blocking"
    if is_blocking(response_mode or "auto", stop_on_exit):
        return await operations.run_blocking(
            inputs,
            user=user,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
            files=files,
        )
    session = follow_run(
        operations,
        user=user,
        inputs=inputs,
        timeout=timeout,
        stop_on_exit=stop_on_exit,
        workflow_id=workflow_id,
        trace_id=trace_id,
        files=files,
    )
    return await collect(session)


async def wait_for_end(
    operations: Operations[StreamedT],
    run: StartedRun | str,
    *,
    user: str | None,
    timeout: float | None,
) -> Run[StreamedT]:
    """Follow a run that was started before to its end, by whatever the server has for that."""
    started = run if isinstance(run, StartedRun) else StartedRun(run, None)
    source = RunSource(operations, workflow_run_id=started.run_id)
    source.state.task_id = started.task_id
    session = StreamSession(source, user=user, timeout=timeout, looks_up=True)
    return await collect(session)


def is_blocking(response_mode: object, stop_on_exit: bool) -> bool:
    """Check whether one answer is waited for.

    Raises:
        ValueError: It is no mode, or one that cannot stop what it has begun.
    """
    if response_mode not in ("auto", "blocking", "streaming"):
        raise ValueError(
            f"response_mode is 'auto', 'blocking' or 'streaming', not {response_mode!r}"
        )
    if response_mode == "blocking" and stop_on_exit:
        raise ValueError(
            "stop_on_exit needs response_mode='auto': in blocking mode nothing tells what "
            "to stop"
        )
    return response_mode == "blocking"


async def collect(session: StreamSession[EndT]) -> EndT:
    """Follow a session to its end, and leave nothing open."""
    try:
        return await session.finish()
    finally:
        await session.close()
