"""How requests are sent: what a flow asks of its transport, the blocking and the asyncio one.

A flow is a coroutine either way. The blocking transport never suspends one, so that
`run_now` runs it like a plain function, in any thread and beside any event loop. That for
asyncio has one pool of connections for each event loop, of which a client may use several,
one after the other or at the same time; the functions that await import asyncio, since
blocking programs need none of it.
"""

import os
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from contextlib import suppress
from functools import lru_cache
from math import inf, isinf
from queue import Empty, SimpleQueue
from threading import Event as Signal
from threading import Lock, RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import WeakMethod, WeakSet

from ._answers import Exchange, closed_error, decoded, timeout_error, translate
from ._errors import (
    ClosedError,
    ConfigurationError,
    DeadlineExceededError,
    DifyError,
)
from ._http import (
    CONNECT_TIMEOUT,
    LOGGER,
    MAX_WAIT,
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

if TYPE_CHECKING:
    import asyncio

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
