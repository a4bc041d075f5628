"""How requests are sent: what a flow asks of its transport, and the blocking transport.

A flow is a coroutine either way. The blocking transport never suspends one, so that
`run_now` runs it like a plain function, in any thread and beside any event loop.
"""

import os
import zlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import lru_cache
from math import inf
from queue import Empty, SimpleQueue
from threading import Event as Signal
from threading import Lock, RLock
from time import monotonic
from typing import Any, Protocol, TypeVar

from ._answers import Answer, closed_error, translate
from ._errors import (
    AnswerTooLargeError,
    ClosedError,
    ConnectionLostError,
    DeadlineExceededError,
    DifyError,
    IdleTimeoutError,
    UnexpectedResponseError,
)
from ._http import (
    CONNECT_TIMEOUT,
    LOGGER,
    MAX_WAIT,
    NOTHING_SAID,
    Call,
    Network,
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

MAX_ERROR_SIZE = 1 << 20
MAX_LAYERS = 4
INFLATED_SIZE = 1 << 18
GZIP = 16 + zlib.MAX_WBITS
ZLIB = zlib.MAX_WBITS
RAW_DEFLATE = -zlib.MAX_WBITS


class Exchange(Protocol):
    """A response whose body is still to be read. Header names are lower case."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Any:
        """The headers, a mapping."""

    async def read(self, limit: float | None = None) -> bytes | None:
        """Return the next piece of the body; None at its end.

        `limit` is how many seconds it may take, where that is less than other limits.
        """

    async def close(self) -> None:
        """Let go of the connection. May be called more than once."""


async def read_all(exchange: Exchange, call: Call, max_size: int) -> Answer:
    """Return the whole response. Closes it, whatever happens.

    Raises:
        AnswerTooLargeError: Its body has more than `max_size` bytes.
    """
    body = await read_up_to(exchange, max_size)
    if len(body) > max_size:
        raise too_large(f"The answer to {call.method} {call.shown}", max_size)
    return Answer(exchange.status, exchange.headers, body)


async def read_error(exchange: Exchange) -> Answer:
    """Return the response that says what is wrong: its beginning will do, and its status."""
    try:
        body = await read_up_to(exchange, MAX_ERROR_SIZE)
    except UnexpectedResponseError:
        body = b""
    except (ConnectionLostError, IdleTimeoutError):
        if exchange.status < 300:
            raise
        body = b""
    return Answer(exchange.status, exchange.headers, body)


async def read_up_to(exchange: Exchange, max_size: int) -> bytes:
    """Return the body; of one that is larger, a little more than `max_size` bytes. Closes it."""
    pieces: list[bytes] = []
    size = 0
    try:
        while size <= max_size and (piece := await exchange.read()) is not None:
            pieces.append(piece)
            size += len(piece)
    finally:
        await exchange.close()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(what: str, max_size: int) -> AnswerTooLargeError:
    """Return the error for something that has more bytes than the client takes."""
    return AnswerTooLargeError(
        f"{what} has more than {max_size:,} bytes. If so much is to be expected, give the "
        "client a larger max_answer_size="
    )


def decoded(exchange: Exchange, call: Call) -> Exchange:
    """Return the exchange, with the compression of its body undone, if there is any."""
    encoding = exchange.headers.get("content-encoding")
    return Decoded(exchange, call, encoding) if encoding else exchange


class Decoded:
    """An exchange whose body is compressed, read as if it were not."""

    __slots__ = ("_call", "_encoding", "_exchange", "_layers", "_pieces")

    def __init__(self, exchange: Exchange, call: Call, encoding: str) -> None:
        self._exchange = exchange
        self._call = call
        self._encoding = encoding
        self._layers: list[Inflater] | None = None
        self._pieces: Iterator[bytes] = iter(())

    @property
    def status(self) -> int:
        return self._exchange.status

    @property
    def headers(self) -> Any:
        return self._exchange.headers

    async def read(self, limit: float | None = None) -> bytes | None:
        if self._layers is None:
            self._layers = layers_of(self._encoding, self._call)
        while True:
            try:
                if piece := next(self._pieces, None):
                    return piece
            except zlib.error as error:
                raise UnexpectedResponseError(
                    f"The answer to {self._call.method} {self._call.shown} cannot be "
                    f"decompressed ({error})",
                    status=self.status,
                ) from error
            compressed = await self._exchange.read(limit)
            if compressed is None:
                break
            self._pieces = inflate(self._layers, compressed)
        if not all(layer.is_complete for layer in self._layers):
            raise ConnectionLostError(
                f"The answer to {self._call.method} {self._call.shown} ended in the "
                "middle of its compressed body"
            )
        return None

    async def close(self) -> None:
        await self._exchange.close()


def layers_of(encoding: str, call: Call) -> list["Inflater"]:
    """Return what undoes a Content-Encoding, in the order of its use."""
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    known = all(name in ("gzip", "x-gzip", "deflate") for name in names)
    if not known or len(names) > MAX_LAYERS:
        raise UnexpectedResponseError(
            f"The answer to {call.method} {call.shown} has the content encoding "
            f"{encoding[:100]!r}. This client undoes gzip and deflate, and asks for them",
            hint="Something between here and Dify compresses what it should not",
        )
    return [Inflater(name) for name in reversed(names)]


class Inflater:
    """Undoes one layer of gzip or deflate."""

    __slots__ = ("_inner", "_is_gzip", "_is_new")

    def __init__(self, name: str) -> None:
        self._is_gzip = name != "deflate"
        self._is_new = True
        self._inner = zlib.decompressobj(GZIP if self._is_gzip else ZLIB)

    @property
    def is_complete(self) -> bool:
        """Whether what was fed so far has an end, or nothing was fed."""
        return self._is_new or self._inner.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return what a piece of the body stands for, in pieces of bounded size.

        Raises:
            zlib.error: It is not compressed as was said.
        """
        if self._is_new and data and not self._is_gzip and not _has_zlib_head(data):
            self._inner = zlib.decompressobj(RAW_DEFLATE)
        self._is_new = self._is_new and not data
        while data:
            if self._inner.eof:
                if not (self._is_gzip and data.startswith(b"\x1f\x8b")):
                    return  # what follows the end is of no account
                self._inner = zlib.decompressobj(GZIP)
            piece = self._inner.decompress(data, INFLATED_SIZE)
            while piece:
                yield piece
                rest = self._inner.unconsumed_tail
                piece = self._inner.decompress(rest, INFLATED_SIZE)
            data = self._inner.unused_data


def _has_zlib_head(data: bytes) -> bool:
    """Check whether deflate has the head that the standard asks for, and some servers leave out."""
    second = data[1] if len(data) > 1 else None
    return data[0] & 15 == 8 and (second is None or (data[0] * 256 + second) % 31 == 0)


def inflate(layers: list[Inflater], data: bytes) -> Iterator[bytes]:
    """Return what a piece of the body stands for, with all layers undone."""
    pieces = iter([data])
    for layer in layers:
        pieces = _through(layer, pieces)
    return pieces


def _through(layer: Inflater, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from layer.feed(piece)


ResultT = TypeVar("ResultT")
WRITE_SIZE = 1 << 14
MAX_ADDRESSES = 5


class Transport(Protocol):
    """What a flow asks for. Deadlines are moments of `time.monotonic`.

    `awaits` says whether a flow may await something else than the transport.
    """

    @property
    def awaits(self) -> bool: ...

    async def open(self, call: Call, deadline: float, idle: float) -> Exchange:
        """Send a request and wait for the head of the response."""
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

    async def enter(self, turnstile: "Turnstile", deadline: float) -> "TurnSlot":
        """Wait until nobody else is behind a turnstile."""
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


class Turnstile:
    """Lets one in at a time, in the order they came: threads, and tasks of any event loop.

    Whoever waits hands in what will call it; nothing here blocks. A lock that its holder
    may take again, since the garbage collector may let somebody out at any moment.
    """

    __slots__ = ("_is_taken", "_lock", "_waiting")

    def __init__(self) -> None:
        self._lock = RLock()
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_taken = False

    def queue(self, call: Callable[[], object]) -> None:
        """Have `call` called when its turn has come, which may be at once."""
        with self._lock:
            self._waiting.append(call)
            self._admit()

    def leave(self) -> None:
        """Let the next one in."""
        with self._lock:
            self._is_taken = False
            self._admit()

    def withdraw(self, call: Callable[[], object]) -> None:
        """Wait no more; let the next one in, if it was this one's turn already."""
        with self._lock:
            if call in self._waiting:
                self._waiting.remove(call)
            else:
                self.leave()

    def _admit(self) -> None:
        while self._waiting and not self._is_taken:
            self._is_taken = True
            try:
                self._waiting.popleft()()
            except RuntimeError:  # its event loop is closed
                self._is_taken = False


class TurnSlot:
    """The place behind a turnstile. Given back by `release`, or by being dropped."""

    __slots__ = ("_held",)

    def __init__(self, turnstile: Turnstile) -> None:
        self._held = [turnstile]

    def release(self) -> None:
        """Let the next one in. May be called more than once, from any thread."""
        with suppress(IndexError):
            self._held.pop().leave()

    __del__ = release


def run_now(flow: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Return the result of a flow whose transport blocks."""
    try:
        flow.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    raise RuntimeError("a flow with a blocking transport was suspended")


def log_call(call: Call, began: float, outcome: object) -> None:
    """Write one line about a request: never a body, a query or a key."""
    milliseconds = (monotonic() - began) * 1000
    LOGGER.debug("%s %s -> %s, %.0f ms", call.method, call.shown, outcome, milliseconds)


class Watch:
    """How long an exchange may wait, and on which connection it does.

    Rides through the HTTP library on its timeouts (`WatchedTimeout`), and is asked by the
    connection (`watched`) before each wait: the library itself limits each wait alone, so
    that an answer in drips would last for ever. Connections of a pool of ours are kept
    alive; a client of the caller's is left as it is.
    """

    __slots__ = (
        "_idle",
        "_is_owned",
        "_process",
        "deadline",
        "is_closed",
        "is_shared",
        "limit",
        "stream",
    )

    def __init__(self, deadline: float, idle: float, *, is_owned: bool) -> None:
        self.deadline = deadline
        self.limit = inf
        self.is_closed = False
        self.is_shared = False
        self.stream: Any = None
        self._idle = idle
        self._is_owned = is_owned
        self._process = os.getpid()

    def extensions(self) -> dict[str, Any]:
        """Return what to hand to the HTTP library with a request."""
        limits = timeouts(seconds_left(self.deadline), self._idle)
        wait = WatchedTimeout(limits["read"] or MAX_WAIT)
        wait.watch = self
        return {"timeout": {**limits, "read": wait, "write": wait}, "trace": self.see}

    def seconds(self) -> float | None:
        """Return how long the next wait may take.

        Raises:
            OSError: The time is up, or somebody closed the exchange.
        """
        if self.is_closed:
            raise ConnectionAbortedError("closed on this side")
        left = min(self.deadline, self.limit) - monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return finite(min(left, self._idle))

    def see(self, event: str, info: dict[str, Any]) -> None:
        """Look at what the HTTP library tells of its steps, its extension "trace"."""
        step, _, state = event.rpartition(".")
        if state == "started" and "timeout" in info:
            seconds = min(self.seconds() or MAX_WAIT, MAX_ADDRESSES * CONNECT_TIMEOUT)
            info["timeout"] = min(seconds / addresses(info, seconds), CONNECT_TIMEOUT)
        elif state == "complete" and step.endswith(("connect_tcp", "start_tls")):
            if self._is_owned:
                keep_alive(info["return_value"])
            self.attach(info["return_value"])

    def attach(self, stream: Any) -> None:
        """Take note of the connection that is used, and have it ask `seconds`."""
        if hasattr(stream, "start_tls") and not hasattr(stream, "is_watched"):
            with suppress(TypeError):
                stream.__class__ = watched(stream.__class__)
        self.stream = stream

    def close(self) -> None:
        """Wake whoever waits, in whichever thread.

        The connection is left alone where it is not this exchange's own: in a forked
        process, and if it serves others as well (HTTP/2).
        """
        self.is_closed = True
        stream = self.stream
        if stream is None or self.is_shared or self._process != os.getpid():
            return
        import socket

        connection = stream.get_extra_info("socket")
        if isinstance(connection, socket.socket):
            with suppress(OSError):
                # Not SSLSocket's own, which takes the TLS from under the reader.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def meaning(self, error: BaseException, call: Call) -> DifyError | None:
        """Return what an exception of the HTTP library means; None for one that is not its own."""
        if not isinstance(error, Exception):
            return None
        if self.is_closed:
            return closed_error(call)
        return translate(error, call, self.deadline)


class WatchedTimeout(float):
    """A timeout that brings its watch along."""

    watch: Watch


@lru_cache(maxsize=16)
def watched(kind: type[Any]) -> type[Any]:
    """Return the kind of connection that asks the watch of a timeout before it waits."""

    plain: Any = kind

    class Watched(kind):  # type: ignore[misc]
        is_watched = True

        def read(self, max_bytes: int, timeout: float | None = None) -> Any:
            if isinstance(timeout, WatchedTimeout):
                timeout.watch.stream = self
                timeout = timeout.watch.seconds()
            return plain.read(self, max_bytes, timeout)

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            if not isinstance(timeout, WatchedTimeout):
                plain.write(self, buffer, timeout)
                return
            timeout.watch.stream = self
            for start in range(0, len(buffer), WRITE_SIZE):
                part = buffer[start : start + WRITE_SIZE]
                plain.write(self, part, timeout.watch.seconds())

    return Watched


def addresses(info: dict[str, Any], seconds: float) -> int:
    """Return how many addresses of a host will be tried, each for the whole timeout.

    Not asked where there is time for some.
    """
    if "host" not in info or seconds >= MAX_ADDRESSES * CONNECT_TIMEOUT:
        return 1
    import socket

    try:
        kind = socket.SOCK_STREAM
        return len(socket.getaddrinfo(info["host"], info["port"], type=kind)) or 1
    except (OSError, UnicodeError):
        return 1


class SyncExchange:
    """A response that is read with blocking calls."""

    __slots__ = (
        "_call",
        "_forget",
        "_is_reading",
        "_pieces",
        "_response",
        "_watch",
        "headers",
        "status",
    )

    def __init__(
        self, response: Any, call: Call, watch: Watch, forget: Callable[[Watch], None]
    ) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self._response = response
        self._call = call
        self._watch = watch
        self._forget = forget
        self._is_reading = False
        self._pieces: Iterator[bytes] = iter(response.stream)

    async def read(self, limit: float | None = None) -> bytes | None:
        now = monotonic()
        if now >= self._watch.deadline:
            seconds_left(self._watch.deadline)
        self._watch.limit = inf if limit is None else now + limit
        self._is_reading = True
        try:
            piece = next(self._pieces, None)
        except BaseException as error:
            hide_key(error)
            if known := self._watch.meaning(error, self._call):
                raise known from error
            raise
        finally:
            self._is_reading = False
        if piece is None and self._watch.is_closed:
            raise closed_error(self._call)
        return piece

    async def close(self) -> None:
        # Another thread reads.
        if self._is_reading:
            self._watch.close()
        self._forget(self._watch)
        self._response.close()


class ThreadSlot:
    """A slot of the blocking transport."""

    __slots__ = ("_held",)

    def __init__(self, slots: "SimpleQueue[None] | None") -> None:
        self._held = [] if slots is None else [slots]

    def release(self) -> None:
        # A queue, and not a semaphore, can be given to while the same thread, interrupted
        # by the garbage collector, is about to take from it.
        if self._held:
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
    process, which must not share its parent's connections. Another one is opened where
    `configure` has changed what it is made of.
    """

    awaits = False

    def __init__(
        self,
        client: Any = None,
        max_concurrency: int | None = None,
        network: Network = NOTHING_SAID,
    ) -> None:
        self._given = client
        self._network = network
        self._pools: dict[Route, Any] = {}
        self._process = 0
        self._lock = Lock()
        self._make_request = RequestMaker()
        self._watches: set[Watch] = set()
        self._closing = Signal()
        self._slots: SimpleQueue[None] | None = None
        if max_concurrency:
            self._slots = SimpleQueue()
            for _ in range(max_concurrency):
                self._slots.put(None)

    def __reduce__(self) -> Any:
        raise does_not_travel()

    def _pool(self, url: str) -> Any:
        if self._given is not None:
            check_open(self._given)
            return self._given
        route = self._network.route_to(url)
        with self._lock:
            if self._process != os.getpid():
                self._pools = {}
                self._process = os.getpid()
            if route not in self._pools:
                self._pools[route] = new_client(http_library().Client, route)
            return self._pools[route]

    def close(self) -> None:
        """Close all connections, unless they are those of the caller's own client.

        Whoever waits, in whichever thread, gets a `ClosedError`.
        """
        with self._lock:
            pools, self._pools = self._pools, {}
            watches, self._watches = self._watches, set()
            closing, self._closing = self._closing, Signal()
        closing.set()
        for watch in watches:
            watch.close()
        for pool in pools.values():
            pool.close()

    async def open(self, call: Call, deadline: float, idle: float) -> Exchange:
        watch = Watch(deadline, idle, is_owned=self._given is None)
        extensions = watch.extensions()
        began = monotonic()
        request: Any = None
        upload = call.content.open() if isinstance(call.content, UploadBody) else None
        with self._lock:
            self._watches.add(watch)
        try:
            client = self._pool(call.url)
            content = upload.pieces() if upload else call.content
            build = client.build_request if self._given else self._make_request
            call.sender = client
            request = build_request(build, call, extensions, content)
            if upload:
                request.headers["Content-Length"] = str(upload.size)
            response = client.send(
                request, stream=True, auth=None, follow_redirects=False
            )
        except BaseException as error:
            self._forget(watch)
            log_call(call, began, type(error).__name__)
            hide_key(error, request)
            if known := watch.meaning(error, call):
                raise known from error
            raise
        finally:
            if upload:
                upload.close()
        log_call(call, began, response.status_code)
        watch.attach(response.extensions.get("network_stream"))
        watch.is_shared = response.extensions.get("http_version") == b"HTTP/2"
        return decoded(SyncExchange(response, call, watch, self._forget), call)

    def _forget(self, watch: Watch) -> None:
        with self._lock:
            self._watches.discard(watch)

    async def sleep(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise closed_while_waiting()

    async def do(self, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
        return function(*arguments)

    async def finish(self, flow: Coroutine[Any, Any, ResultT]) -> ResultT:
        return await flow

    async def acquire(self, deadline: float) -> ThreadSlot:
        closing = self._closing
        if self._slots is not None:
            try:
                self._slots.get(timeout=finite(seconds_left(deadline)))
            except Empty:
                raise no_free_slot() from None
        slot = ThreadSlot(self._slots)
        if closing.is_set():
            slot.release()
            raise closed_while_waiting()
        return slot

    async def enter(self, turnstile: Turnstile, deadline: float) -> TurnSlot:
        closing = self._closing
        admitted: SimpleQueue[None] = SimpleQueue()  # given to by the garbage collector

        def call() -> None:
            admitted.put(None)

        turnstile.queue(call)
        try:
            admitted.get(timeout=finite(seconds_left(deadline)))
        except BaseException as error:
            turnstile.withdraw(call)
            if isinstance(error, Empty):
                raise not_its_turn() from None
            raise
        slot = TurnSlot(turnstile)
        if closing.is_set():
            slot.release()
            raise closed_while_waiting()
        return slot


def closed_while_waiting() -> ClosedError:
    """Return the error of a call that waited for its turn, or to be repeated."""
    return ClosedError("close() was called while a request waited to be sent")


def does_not_travel() -> TypeError:
    """Return the error of something that holds connections and is pickled or copied."""
    return TypeError(
        "Connections do not pickle. A client does, without them; a stream or a "
        "conversation is begun anew from its id"
    )


def no_free_slot() -> DifyError:
    """Return the error of a call that waited too long for others to end."""
    return DeadlineExceededError(
        "The call's timeout passed while it waited for other runs to end: "
        "max_concurrency= limits how many go on at a time. Nothing was sent"
    )


def not_its_turn() -> DifyError:
    """Return the error of a turn that waited too long for another one of its conversation."""
    return DeadlineExceededError(
        "The call's timeout passed while it waited for another turn of the same "
        "conversation to end: there is one at a time. Nothing was sent"
    )
