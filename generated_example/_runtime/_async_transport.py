"""The asyncio transport: one pool of connections for each event loop.

A client may be used from several event loops, one after the other or at the same time.
asyncio is imported by the functions that await, since blocking programs need none of it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from math import isinf
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ._errors import DifyError
from ._http import (
    Answer,
    Call,
    OpenUpload,
    RequestMaker,
    UploadBody,
    build_request,
    finite,
    http_library,
    lost,
    seconds_left,
    timeout_error,
    timeouts,
)
from ._transport import log_call, new_client, no_free_slot, read_all

if TYPE_CHECKING:
    import asyncio

WaitedT = TypeVar("WaitedT")


class Alarm:
    """Ends whatever one waits for when the deadline comes.

    Does for many waits what `asyncio.timeout` does for one, with a single timer: a stream
    waits for every piece, and a timer each would cost more than the piece.
    """

    __slots__ = ("_call", "_deadline", "_rang", "_task", "_timer")

    def __init__(self, call: Call, deadline: float) -> None:
        import asyncio

        self._call = call
        self._deadline = deadline
        self._rang = False
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        left = seconds_left(deadline)
        if not isinf(left):
            self._timer = asyncio.get_running_loop().call_later(left, self._ring)

    async def wait(self, awaitable: Awaitable[WaitedT]) -> WaitedT:
        """The result of `awaitable`.

        Raises:
            DeadlineExceededError: It did not come in time.
        """
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        if self._rang:
            raise timeout_error(self._call, self._deadline)
        cancelling = task.cancelling()
        self._task = task
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._rang and task.uncancel() <= cancelling:
                raise timeout_error(self._call, self._deadline) from None
            raise
        finally:
            self._task = None

    def stop(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._rang = True
        if self._task is not None:
            self._task.cancel()


class AsyncExchange:
    """A response that is read by awaiting."""

    __slots__ = (
        "_alarm",
        "_call",
        "_deadline",
        "_pieces",
        "_response",
        "headers",
        "status",
    )

    def __init__(
        self, response: Any, call: Call, deadline: float, alarm: Alarm
    ) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self._response = response
        self._call = call
        self._deadline = deadline
        self._alarm = alarm
        encoded = "content-encoding" in response.headers
        self._pieces: AsyncIterator[bytes] = aiter(
            response.aiter_bytes() if encoded else response.stream
        )

    async def read(self) -> bytes | None:
        if monotonic() >= self._deadline:
            seconds_left(self._deadline)
        try:
            return await self._alarm.wait(self._pieces.__anext__())
        except StopAsyncIteration:
            return None
        except DifyError:
            raise
        except Exception as error:
            if known := lost(error, self._call, self._deadline):
                raise known from error
            raise

    async def close(self) -> None:
        self._alarm.stop()
        await self._response.aclose()


class LoopState:
    """What belongs to one event loop: a pool of connections, and the slots for runs."""

    __slots__ = ("client", "closer", "slots")

    def __init__(self, client: Any, max_concurrency: int | None) -> None:
        import asyncio

        self.client = client
        self.slots = asyncio.Semaphore(max_concurrency) if max_concurrency else None
        self.closer = self._close_at_the_end()

    async def _close_at_the_end(self) -> AsyncGenerator[None]:
        """Closes the pool when the loop shuts its async generators down, or earlier."""
        try:
            yield
        finally:
            await self.client.aclose()


class AsyncTransport:
    """Sends by awaiting, in any event loop of asyncio."""

    def __init__(self, client: Any = None, max_concurrency: int | None = None) -> None:
        self._given = client
        self._max_concurrency = max_concurrency
        self._states: dict[asyncio.AbstractEventLoop, LoopState] = {}
        self._lock = Lock()
        self._make_request = RequestMaker()

    async def _state(self) -> LoopState:
        import asyncio

        loop = asyncio.get_running_loop()
        state = self._states.get(loop)
        if state is None:
            client = self._given or new_client(http_library().AsyncClient)
            state = LoopState(client, self._max_concurrency)
            with self._lock:
                for other in [other for other in self._states if other.is_closed()]:
                    del self._states[other]
                self._states[loop] = state
            if self._given is None:
                await anext(state.closer)
        return state

    async def close(self) -> None:
        """Close all connections, unless they are those of the caller's own client.

        Pools of other event loops that still run are closed by those.
        """
        import asyncio

        with self._lock:
            states, self._states = self._states, {}
        state = states.pop(asyncio.get_running_loop(), None)
        if state is not None:
            await state.closer.aclose()

    async def open(self, call: Call, deadline: float, idle: float) -> AsyncExchange:
        began = monotonic()
        left = seconds_left(deadline)
        client = (await self._state()).client
        alarm = Alarm(call, deadline)
        request: Any = None
        upload = call.content.open() if isinstance(call.content, UploadBody) else None
        try:
            content = async_pieces(upload) if upload else call.content
            build = client.build_request if self._given else self._make_request
            request = build_request(build, call, timeouts(left, idle), content)
            if upload:
                request.headers["Content-Length"] = str(upload.size)
            sending = client.send(
                request, stream=True, auth=None, follow_redirects=False
            )
            response = await alarm.wait(sending)
        except BaseException as error:
            alarm.stop()
            log_call(call, began, type(error).__name__)
            if not isinstance(error, Exception):
                raise
            if known := lost(error, call, deadline, request):
                raise known from error
            raise
        finally:
            if upload:
                upload.close()
        log_call(call, began, response.status_code)
        return AsyncExchange(response, call, deadline, alarm)

    async def send(self, call: Call, deadline: float, idle: float) -> Answer:
        return await read_all(await self.open(call, deadline, idle))

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    async def do(self, function: Callable[..., WaitedT], *arguments: Any) -> WaitedT:
        import asyncio

        return await asyncio.to_thread(function, *arguments)

    async def acquire(self, deadline: float) -> None:
        import asyncio

        slots = (await self._state()).slots
        if slots is None:
            return
        try:
            async with asyncio.timeout(finite(seconds_left(deadline))):
                await slots.acquire()
        except TimeoutError:
            raise no_free_slot() from None

    def release(self) -> None:
        import asyncio

        state = self._states.get(asyncio.get_running_loop())
        if state is not None and state.slots is not None:
            state.slots.release()


async def async_pieces(upload: OpenUpload) -> AsyncIterator[bytes]:
    """The whole body, read by another thread so that the loop goes on."""
    import asyncio

    pieces = upload.pieces()
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
