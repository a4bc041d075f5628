"""The asyncio transport: one pool of connections for each event loop.

A client may be used from several event loops, one after the other or at the same time.
asyncio is imported by the functions that await, since blocking programs need none of it.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
)
from contextlib import suppress
from math import isinf
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakMethod, WeakSet

from ._answers import closed_error, timeout_error, translate
from ._errors import ConfigurationError, DifyError
from ._http import (
    NOTHING_SAID,
    Call,
    Network,
    OpenUpload,
    RequestMaker,
    Route,
    UploadBody,
    build_request,
    check_open,
    finite,
    hide_key,
    http_library,
    keep_alive,
    new_client,
    seconds_left,
    timeouts,
)
from ._transport import (
    Exchange,
    TurnSlot,
    Turnstile,
    closed_while_waiting,
    decoded,
    does_not_travel,
    log_call,
    no_free_slot,
    not_its_turn,
)

if TYPE_CHECKING:
    import asyncio


WaitedT = TypeVar("WaitedT")
CLOSING_TIMEOUT = 5.0


class Unhurried(Generic[WaitedT]):
    """Awaits something, and cancels it only where it waits.

    Where a connection breaks or a wait is cancelled, the HTTP library closes the
    connection and lets other tasks run once meanwhile. Cancelled there, it would leave one
    that is closed half in its pool for ever: a cancellation is held back until then.
    """

    __slots__ = ("_awaitable", "_cancelled_error")

    def __init__(
        self, awaitable: Awaitable[WaitedT], cancelled_error: type[BaseException]
    ) -> None:
        self._awaitable = awaitable
        self._cancelled_error = cancelled_error

    def __await__(self) -> Generator[Any, None, WaitedT]:
        steps = self._awaitable.__await__()
        held: BaseException | None = None
        arrived: BaseException | None = None
        while True:
            try:
                waited = steps.send(None) if arrived is None else steps.throw(arrived)
                arrived = None
                if held is not None and waited is not None:
                    waited.cancel()
                    arrived, held = held, None
                    continue
            except StopIteration as done:
                if held is not None:
                    raise held from None
                result: WaitedT = done.value
                return result
            except Exception as error:
                if held is not None:
                    raise held from error
                raise
            try:
                yield waited
            except self._cancelled_error as error:
                if waited is None:
                    held = error
                else:
                    arrived = error
            except BaseException as error:  # noqa: BLE001
                arrived = error


class Alarm:
    """Ends whatever an exchange waits for: when the deadline comes, or at `close`.

    Does for many waits what `asyncio.timeout` does for one, with a single timer: a stream
    waits for every piece, maybe in another task each time, and a timer each would cost
    more than the piece.
    """

    __slots__ = ("_call", "_deadline", "_is_closed", "_rang", "_task", "_timer")

    def __init__(self, call: Call, deadline: float) -> None:
        import asyncio

        self._call = call
        self._deadline = deadline
        self._rang = False
        self._is_closed = False
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        left = seconds_left(deadline)
        if not isinf(left):
            self._timer = asyncio.get_running_loop().call_later(left, self._ring)

    async def wait(
        self, awaitable: Awaitable[WaitedT], limit: float | None = None
    ) -> WaitedT:
        """Return the result of what the HTTP library does, within `limit` seconds.

        Raises:
            DifyError: It failed, did not come in time, or is not wanted any more.
        """
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._task = task
        timer = None
        if limit is not None:
            timer = asyncio.get_running_loop().call_later(limit, self._ring)
        try:
            return await Unhurried(awaitable, asyncio.CancelledError)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            hide_key(error)
            if isinstance(error, asyncio.CancelledError):
                if self._rang and task.uncancel() <= cancelling:
                    raise self._error() from None
            elif isinstance(error, Exception):
                known = translate(error, self._call, self._deadline)
                if known := self._error() if self._rang else known:
                    raise known from error
            raise
        finally:
            self._task = None
            if timer is not None:
                timer.cancel()

    def check(self) -> None:
        """Raise what `wait` would, if the alarm rang while nobody waited."""
        if self._rang:
            raise self._error()

    def stop(self) -> None:
        """Forget the timer; wake the task that waits, if another one does this."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self.close()

    def close(self) -> None:
        """Wake the task that waits, and let nobody wait any more."""
        self._is_closed = True
        self._ring()

    def _ring(self) -> None:
        self._rang = True
        if self._task is not None:
            self._task.cancel()

    def _error(self) -> DifyError:
        if self._is_closed:
            return closed_error(self._call)
        return timeout_error(self._call, self._deadline)


class AsyncExchange:
    """A response that is read by awaiting."""

    __slots__ = (
        "_alarm",
        "_ended",
        "_forget",
        "_pieces",
        "_response",
        "headers",
        "status",
    )

    def __init__(
        self, response: Any, alarm: Alarm, forget: Callable[[Alarm], None]
    ) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self._response = response
        self._alarm = alarm
        self._forget = forget
        self._ended = False
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)

    async def read(self, limit: float | None = None) -> bytes | None:
        self._alarm.check()
        try:
            return await self._alarm.wait(self._pieces.__anext__(), limit)
        except StopAsyncIteration:
            self._ended = True
            return None

    async def close(self) -> None:
        self._alarm.stop()
        self._forget(self._alarm)
        if self._ended:
            await self._response.aclose()
        else:  # a connection that is closed half stays in the pool for ever
            await finish(self._response.aclose())


FINISHING: "set[asyncio.Task[Any]]" = set()
"""Tasks that nobody may be waiting for: the event loop itself holds tasks weakly."""


def spawn(flow: Coroutine[Any, Any, WaitedT]) -> "asyncio.Task[WaitedT]":
    """Run a flow as a task that goes on to its end, whoever waits for it."""
    import asyncio

    task = asyncio.ensure_future(flow)
    FINISHING.add(task)
    task.add_done_callback(FINISHING.discard)
    return task


async def finish(flow: Coroutine[Any, Any, WaitedT]) -> WaitedT:
    """Return the result of a flow that goes on when its caller is cancelled."""
    import asyncio

    return await asyncio.shield(spawn(flow))


class LoopSlot:
    """A slot of one event loop, released from wherever its owner is dropped."""

    __slots__ = ("__weakref__", "_close", "_held", "_loop")

    def __init__(
        self, loop: "asyncio.AbstractEventLoop", slots: "asyncio.Semaphore | None"
    ) -> None:
        self._loop = loop
        self._held = [] if slots is None else [slots]
        self._close: WeakMethod[Callable[[], Coroutine[Any, Any, None]]] | None = None

    def release(self) -> None:
        # It was given back before, or the loop is over.
        with suppress(IndexError, RuntimeError):
            self._loop.call_soon_threadsafe(self._held.pop().release)

    __del__ = release

    def close_later(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._loop.call_soon_threadsafe(lambda: spawn(close()))

    def close_at_end(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._close = WeakMethod(close)

    async def close(self) -> None:
        """Close the stream that wanted it, if it is still there."""
        close = None if self._close is None else self._close()
        if close is not None:
            await close()


class LoopState:
    """What belongs to one event loop: the slots for runs and, while it is open, a pool.

    The slots outlive the pool: runs that were begun over one go on when it is closed.
    """

    __slots__ = ("alarms", "closer", "closing", "pools", "runs", "slots")

    def __init__(self, max_concurrency: int | None) -> None:
        import asyncio

        self.pools: dict[Route, Any] = {}
        self.closer: AsyncGenerator[None] | None = None
        self.alarms: set[Alarm] = set()
        self.closing = asyncio.Event()
        self.runs: WeakSet[LoopSlot] = WeakSet()
        self.slots = asyncio.Semaphore(max_concurrency) if max_concurrency else None

    def wake(self) -> None:
        """End everything that waits, with a `ClosedError`."""
        import asyncio

        closing, self.closing = self.closing, asyncio.Event()
        closing.set()
        for alarm in list(self.alarms):
            alarm.close()

    async def close_at_end(self, pools: dict[Route, Any]) -> AsyncGenerator[None]:
        """Close the pools when the loop shuts its async generators down, or earlier."""
        import asyncio

        loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            # The loop ends: nobody has asked for it.
            if self.pools is pools:
                for run in list(self.runs):
                    await run.close()
                if others := [task for task in FINISHING if task.get_loop() is loop]:
                    await asyncio.wait(others, timeout=CLOSING_TIMEOUT)
            for pool in pools.values():
                await pool.aclose()


def running_loop() -> "asyncio.AbstractEventLoop":
    """Return the event loop that runs here.

    Raises:
        ConfigurationError: None does.
    """
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "Async clients are for asyncio, and no event loop of asyncio runs here. In "
            "trio, call the blocking client in a thread: "
            "await trio.to_thread.run_sync(client.get_run, run_id)"
        ) from None


class AsyncTransport:
    """Sends by awaiting, in any event loop of asyncio."""

    awaits = True

    def __init__(
        self,
        client: Any = None,
        max_concurrency: int | None = None,
        network: Network = NOTHING_SAID,
    ) -> None:
        self._given = client
        self._max_concurrency = max_concurrency
        self._network = network
        self._states: dict[asyncio.AbstractEventLoop, LoopState] = {}
        self._lock = Lock()
        self._make_request = RequestMaker()

    def __reduce__(self) -> Any:
        raise does_not_travel()

    async def _state(self) -> LoopState:
        loop = running_loop()
        state = self._states.get(loop)
        if state is None:
            state = LoopState(self._max_concurrency)
            with self._lock:
                for other in [other for other in self._states if other.is_closed()]:
                    del self._states[other]
                self._states[loop] = state
        if state.closer is None:
            state.closer = state.close_at_end(state.pools)
            await anext(state.closer)
        return state

    def _pool(self, state: LoopState, url: str) -> Any:
        if self._given is not None:
            check_open(self._given)
            return self._given
        route = self._network.route_to(url)
        if route not in state.pools:
            state.pools[route] = new_client(http_library().AsyncClient, route)
        return state.pools[route]

    async def close(self) -> None:
        """Close all connections, unless they are those of the caller's own client.

        Tasks of this event loop that wait get a `ClosedError`. Pools of other event loops
        that still run are closed by those.
        """
        with self._lock:
            states = dict(self._states)
        if not states:
            return  # maybe outside of asyncio, where nothing was opened
        closers = {loop: state.closer for loop, state in states.items()}
        for state in states.values():
            state.closer, state.pools = None, {}
        here = running_loop()
        if here in states:
            states[here].wake()
        closer = closers.pop(here, None)
        if closer is not None:
            await closer.aclose()

    async def open(self, call: Call, deadline: float, idle: float) -> Exchange:
        began = monotonic()
        extensions: dict[str, Any] = {"timeout": timeouts(seconds_left(deadline), idle)}
        if self._given is None:
            extensions["trace"] = keep_new_alive
        state = await self._state()
        alarm = Alarm(call, deadline)
        state.alarms.add(alarm)
        request: Any = None
        upload = call.content.open() if isinstance(call.content, UploadBody) else None
        try:
            client = self._pool(state, call.url)
            content = async_pieces(upload) if upload else call.content
            build = client.build_request if self._given else self._make_request
            call.sender = client
            request = build_request(build, call, extensions, content)
            if upload:
                request.headers["Content-Length"] = str(upload.size)
            sending = client.send(
                request, stream=True, auth=None, follow_redirects=False
            )
            response = await alarm.wait(sending)
        except BaseException as error:
            alarm.stop()
            state.alarms.discard(alarm)
            hide_key(error, request)
            log_call(call, began, type(error.__cause__ or error).__name__)
            raise
        finally:
            if upload:
                upload.close()
        log_call(call, began, response.status_code)
        return decoded(AsyncExchange(response, alarm, state.alarms.discard), call)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (await self._state()).closing.wait()
            raise closed_while_waiting()

    async def do(self, function: Callable[..., WaitedT], *arguments: Any) -> WaitedT:
        import asyncio

        return await asyncio.to_thread(function, *arguments)

    async def finish(self, flow: Coroutine[Any, Any, WaitedT]) -> WaitedT:
        return await finish(flow)

    async def acquire(self, deadline: float) -> LoopSlot:
        import asyncio

        state = await self._state()
        closing = state.closing
        if state.slots is not None:
            try:
                async with asyncio.timeout(finite(seconds_left(deadline))):
                    await state.slots.acquire()
            except TimeoutError:
                raise no_free_slot() from None
        slot = LoopSlot(asyncio.get_running_loop(), state.slots)
        if closing.is_set():
            slot.release()
            raise closed_while_waiting()
        state.runs.add(slot)
        return slot

    async def enter(self, turnstile: Turnstile, deadline: float) -> TurnSlot:
        import asyncio

        loop = asyncio.get_running_loop()
        closing = (await self._state()).closing
        left = finite(seconds_left(deadline))
        admitted = asyncio.Event()

        def call() -> None:
            loop.call_soon_threadsafe(admitted.set)

        turnstile.queue(call)
        try:
            async with asyncio.timeout(left):
                await admitted.wait()
        except BaseException as error:
            turnstile.withdraw(call)
            if isinstance(error, TimeoutError):
                raise not_its_turn() from None
            raise
        slot = TurnSlot(turnstile)
        if closing.is_set():
            slot.release()
            raise closed_while_waiting()
        return slot


async def keep_new_alive(event: str, info: dict[str, Any]) -> None:
    """Keep a connection alive, from what the HTTP library tells of its steps."""
    if event.endswith("connect_tcp.complete"):
        keep_alive(info["return_value"])


async def async_pieces(upload: OpenUpload) -> AsyncIterator[bytes]:
    """Read the whole body in another thread, so that the loop goes on."""
    import asyncio

    pieces = upload.pieces()
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
