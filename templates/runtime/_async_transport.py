"""The asyncio transport: one pool of connections for each event loop.

A client may be used from several event loops, one after the other or at the same time.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from threading import Lock
from time import monotonic
from typing import Any

from ._http import (
    Answer,
    Call,
    OpenUpload,
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


class AsyncExchange:
    """A response that is read by awaiting."""

    __slots__ = (
        "_call",
        "_deadline",
        "_idle",
        "_pieces",
        "_response",
        "headers",
        "status",
    )

    def __init__(self, response: Any, call: Call, deadline: float, idle: float) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self._response = response
        self._call = call
        self._deadline = deadline
        self._idle = idle
        encoded = "content-encoding" in response.headers
        self._pieces: AsyncIterator[bytes] = (
            response.aiter_bytes() if encoded else response.aiter_raw()
        )

    async def read(self) -> bytes | None:
        limit = min(seconds_left(self._deadline), self._idle)
        try:
            async with asyncio.timeout(finite(limit)):
                return await anext(self._pieces, None)
        except TimeoutError:
            raise timeout_error(self._call, self._deadline) from None
        except Exception as error:
            raise (lost(error, self._call, self._deadline) or error) from error

    async def close(self) -> None:
        await self._response.aclose()


class LoopState:
    """What belongs to one event loop: a pool of connections, and the slots for runs."""

    __slots__ = ("client", "closer", "slots")

    def __init__(self, client: Any, max_concurrency: int | None) -> None:
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

    async def _state(self) -> LoopState:
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
        with self._lock:
            states, self._states = self._states, {}
        state = states.pop(asyncio.get_running_loop(), None)
        if state is not None:
            await state.closer.aclose()

    async def open(self, call: Call, deadline: float, idle: float) -> AsyncExchange:
        left = seconds_left(deadline)
        began = monotonic()
        client = (await self._state()).client
        request: Any = None
        upload = call.content.open() if isinstance(call.content, UploadBody) else None
        try:
            content = async_pieces(upload) if upload else call.content
            request = build_request(client, call, timeouts(left, idle), content)
            if upload:
                request.headers["Content-Length"] = str(upload.size)
            async with asyncio.timeout(finite(left)):
                response = await client.send(
                    request, stream=True, auth=None, follow_redirects=False
                )
        except TimeoutError:
            log_call(call, began, "timeout")
            request.headers.pop("authorization", None)
            raise timeout_error(call, deadline) from None
        except Exception as error:
            log_call(call, began, type(error).__name__)
            raise (lost(error, call, deadline, request) or error) from error
        finally:
            if upload:
                upload.close()
        log_call(call, began, response.status_code)
        return AsyncExchange(response, call, deadline, idle)

    async def send(self, call: Call, deadline: float, idle: float) -> Answer:
        return await read_all(await self.open(call, deadline, idle))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def acquire(self, deadline: float) -> None:
        slots = (await self._state()).slots
        if slots is None:
            return
        try:
            async with asyncio.timeout(finite(seconds_left(deadline))):
                await slots.acquire()
        except TimeoutError:
            raise no_free_slot() from None

    def release(self) -> None:
        state = self._states.get(asyncio.get_running_loop())
        if state is not None and state.slots is not None:
            state.slots.release()


async def async_pieces(upload: OpenUpload) -> AsyncIterator[bytes]:
    """The whole body, read by another thread so that the loop goes on."""
    pieces = upload.pieces()
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
