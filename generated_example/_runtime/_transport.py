"""How requests are sent: what a flow asks of its transport, and the blocking transport.

A flow is a coroutine either way. The blocking transport never suspends one, so that
`run_now` runs it like a plain function, in any thread and beside any event loop.
"""

import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import lru_cache
from queue import Empty, SimpleQueue
from threading import Lock
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar

from ._errors import DeadlineExceededError, DifyError
from ._http import (
    LOGGER,
    MAX_IDLE_CONNECTIONS,
    Answer,
    Call,
    RequestMaker,
    UploadBody,
    build_request,
    finite,
    http_library,
    lost,
    seconds_left,
    timeouts,
)

ResultT = TypeVar("ResultT")


class Exchange(Protocol):
    """A response whose body is still to be read. Header names are lower case."""

    status: int
    headers: Any

    async def read(self) -> bytes | None:
        """The next piece of the body; None at its end."""

    async def close(self) -> None:
        """Let go of the connection. May be called more than once."""


class Transport(Protocol):
    """What a flow asks for. Deadlines are moments of `time.monotonic`."""

    async def open(self, call: Call, deadline: float, idle: float) -> Exchange:
        """Send a request and wait for the head of the response."""
        ...

    async def send(self, call: Call, deadline: float, idle: float) -> Answer:
        """Send a request and read the whole response."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def do(self, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
        """Call something that may block for a moment: the disk."""
        ...

    async def finish(self, flow: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a flow to its end, even if whoever waits for it is cancelled."""
        ...

    async def acquire(self, deadline: float) -> "Slot":
        """Wait for a free slot, where the number of runs at a time is limited."""
        ...


class Slot(Protocol):
    """A run's place among those that may go on at a time.

    Given back by `release`, or by being dropped: a stream that nobody holds any more
    takes no place for ever.
    """

    def release(self) -> None:
        """Give the slot back. May be called more than once, from any thread."""

    def close_later(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Close a stream that was dropped.

        Raises:
            RuntimeError: The event loop of the stream is closed.
        """

    def close_at_end(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Close a stream that is still there when its event loop ends.

        `close` is a method of an object that may go away before.
        """


def run_now(flow: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of a flow whose transport blocks."""
    try:
        flow.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    raise RuntimeError("a flow with a blocking transport was suspended")


async def read_all(exchange: Exchange) -> Answer:
    """The whole response. Closes it, whatever happens."""
    pieces: list[bytes] = []
    try:
        while (piece := await exchange.read()) is not None:
            pieces.append(piece)
    finally:
        await exchange.close()
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return Answer(exchange.status, exchange.headers, body)


def log_call(call: Call, began: float, outcome: object) -> None:
    """One line about a request: never a body, a query or a key."""
    milliseconds = (monotonic() - began) * 1000
    LOGGER.debug("%s %s -> %s, %.0f ms", call.method, call.shown, outcome, milliseconds)


class SyncExchange:
    """A response that is read with blocking calls."""

    __slots__ = ("_call", "_deadline", "_pieces", "_response", "headers", "status")

    def __init__(self, response: Any, call: Call, deadline: float) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self._response = response
        self._call = call
        self._deadline = deadline
        encoded = "content-encoding" in response.headers
        self._pieces: Iterator[bytes] = iter(
            response.iter_bytes() if encoded else response.stream
        )

    async def read(self) -> bytes | None:
        if monotonic() >= self._deadline:
            seconds_left(self._deadline)
        try:
            return next(self._pieces, None)
        except Exception as error:
            if known := lost(error, self._call, self._deadline):
                raise known from error
            raise

    async def close(self) -> None:
        self._response.close()


class ThreadSlot:
    """A slot of the blocking transport."""

    __slots__ = ("_held",)

    def __init__(self, slots: "SimpleQueue[None] | None") -> None:
        self._held = [] if slots is None else [slots]

    def release(self) -> None:
        # A queue, and not a semaphore, can be given to while the same thread, interrupted
        # by the garbage collector, is about to take from it.
        with suppress(IndexError):
            self._held.pop().put(None)

    __del__ = release

    def close_later(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        run_now(close())

    def close_at_end(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        pass


class SyncTransport:
    """Sends with blocking calls, from any thread, over one pool of connections.

    The pool is opened by the first call, again after `close()`, and anew in a forked
    process, which must not share its parent's connections.
    """

    def __init__(self, client: Any = None, max_concurrency: int | None = None) -> None:
        self._given = client
        self._client: Any = None
        self._process = 0
        self._lock = Lock()
        self._make_request = RequestMaker()
        self._slots: SimpleQueue[None] | None = None
        if max_concurrency:
            self._slots = SimpleQueue()
            for _ in range(max_concurrency):
                self._slots.put(None)

    def _pool(self) -> Any:
        if self._given is not None:
            return self._given
        if self._client is None or self._process != os.getpid():
            with self._lock:
                if self._client is None or self._process != os.getpid():
                    self._client = new_client(http_library().Client)
                    self._process = os.getpid()
        return self._client

    def close(self) -> None:
        """Close all connections, unless they are those of the caller's own client."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    async def open(self, call: Call, deadline: float, idle: float) -> SyncExchange:
        left = seconds_left(deadline)
        began = monotonic()
        client = self._pool()
        request: Any = None
        upload = call.content.open() if isinstance(call.content, UploadBody) else None
        try:
            content = upload.pieces() if upload else call.content
            build = client.build_request if self._given else self._make_request
            request = build_request(build, call, timeouts(left, idle), content)
            if upload:
                request.headers["Content-Length"] = str(upload.size)
            response = client.send(
                request, stream=True, auth=None, follow_redirects=False
            )
        except Exception as error:
            log_call(call, began, type(error).__name__)
            if known := lost(error, call, deadline, request):
                raise known from error
            raise
        finally:
            if upload:
                upload.close()
        log_call(call, began, response.status_code)
        return SyncExchange(response, call, deadline)

    async def send(self, call: Call, deadline: float, idle: float) -> Answer:
        return await read_all(await self.open(call, deadline, idle))

    async def sleep(self, seconds: float) -> None:
        sleep(seconds)  # noqa: ASYNC251  (this transport blocks, always)

    async def do(self, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
        return function(*arguments)

    async def finish(self, flow: Coroutine[Any, Any, ResultT]) -> ResultT:
        return await flow

    async def acquire(self, deadline: float) -> ThreadSlot:
        if self._slots is not None:
            try:
                self._slots.get(timeout=finite(seconds_left(deadline)))
            except Empty:
                raise no_free_slot() from None
        return ThreadSlot(self._slots)


def no_free_slot() -> DifyError:
    """The error of a call that waited too long for others to end."""
    return DeadlineExceededError(
        "The call's timeout passed while it waited for other runs to end: "
        "max_concurrency= limits how many go on at a time. Nothing was sent"
    )


def new_client(kind: Any) -> Any:
    """A client with limits fit for streams: any number of them, for any time."""
    limits = http_library().Limits(
        max_connections=None, max_keepalive_connections=MAX_IDLE_CONNECTIONS
    )
    trust = ssl_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    return kind(timeout=None, limits=limits, verify=trust)


@lru_cache(maxsize=4)
def ssl_context(*_sources: str | None) -> Any:
    """The certificates to trust, loaded once for all pools: that takes 20 to 40 ms.

    `_sources` are the variables that the HTTP library reads for it.
    """
    return http_library().create_ssl_context()
