"""One stream object, used in any way and interrupted at any point: the same operations for either kind of client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from runtime import DifyError
from runtime._http import httpx

from support.chat_clients import AnyInputs, AsyncChat, AsyncFlow, Chat, Flow
from support.concat_client import AsyncConcatClient, ConcatClient
from support.driving import KEY

ResultT = TypeVar("ResultT")
LIMITS: dict[str, Any] = {
    "timeout": 60.0,
    "idle_timeout": 20.0,
    "max_concurrency": 1,
    "max_retries": 0,
    "max_reconnects": 2,
}
OPERATIONS = ("next", "iterate", "result", "close")


class ForeignError(Exception):
    """What no part of the client knows of."""


ERRORS: tuple[type[BaseException], ...] = (KeyboardInterrupt, ForeignError, asyncio.CancelledError)


class Interruption:
    """Raises `error` at the point number `at` of an operation, once."""

    def __init__(self, at: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.left = -1 if at is None else at
        self.error = error
        self.happened = False

    def is_due(self) -> bool:
        """Count a point; whether it is the one."""
        self.left -= 1
        self.happened |= self.left == -1
        return self.left == -1

    def point(self) -> None:
        if self.is_due():
            raise self.error


class InterruptedFlow(Generic[ResultT]):
    """Awaits something; the wait at the interruption's point is cancelled, and its error arrives."""

    def __init__(self, flow: Awaitable[ResultT], interruption: Interruption) -> None:
        self.flow = flow
        self.interruption = interruption

    def __await__(self) -> Generator[Any, None, ResultT]:
        steps = self.flow.__await__()
        arrived: BaseException | None = None
        while True:
            try:
                waited: Any = steps.send(None) if arrived is None else steps.throw(arrived)
            except StopIteration as done:
                result: ResultT = done.value
                return result
            due, arrived = self.interruption.is_due(), None
            if due and waited is not None:
                waited.cancel()
            try:
                yield waited
            except BaseException as error:  # noqa: BLE001 - it is passed on
                arrived = error
            if due:
                arrived = self.interruption.error()


class InterruptedTransport(httpx.BaseTransport):
    """Sends over the network, and raises before or after any of its steps."""

    def __init__(self) -> None:
        self.inner = httpx.HTTPTransport()
        self.interruption = Interruption()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.interruption.point()
        response = self.inner.handle_request(request)
        self.interruption.point()
        response.stream = InterruptedBody(response.stream, self)
        return response

    def close(self) -> None:
        self.inner.close()


class InterruptedBody(httpx.SyncByteStream):
    def __init__(self, inner: Any, transport: InterruptedTransport) -> None:
        self.inner = inner
        self.transport = transport

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.inner:
            self.transport.interruption.point()
            yield piece
        self.transport.interruption.point()

    def close(self) -> None:
        self.inner.close()
        self.transport.interruption.point()


class InterruptedAsyncTransport(httpx.AsyncBaseTransport):
    """The same for asyncio, which cancels at any await besides: see `InterruptedFlow`."""

    def __init__(self) -> None:
        self.inner = httpx.AsyncHTTPTransport()
        self.interruption = Interruption()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.interruption.point()
        response = await self.inner.handle_async_request(request)
        self.interruption.point()
        response.stream = InterruptedAsyncBody(response.stream, self)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


class InterruptedAsyncBody(httpx.AsyncByteStream):
    def __init__(self, inner: Any, transport: InterruptedAsyncTransport) -> None:
        self.inner = inner
        self.transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.inner:
            self.transport.interruption.point()
            yield piece
        self.transport.interruption.point()

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass(frozen=True)
class Subject:
    """What a stream is of: clients for it, how one is opened, and how another one is made to its end."""

    blocking: Callable[..., Any]
    asynchronous: Callable[..., Any]
    open: Callable[[Any], Any]
    another: Callable[[Any], Any]


def open_turn(client: Any) -> Any:
    return client.stream_inputs("text", AnyInputs(), user="u1")


def another_turn(client: Any) -> Any:
    return client.chat_inputs("another", AnyInputs(), user="u1")


RUNS = Subject(
    ConcatClient,
    AsyncConcatClient,
    lambda client: client.stream(),
    lambda client: client.run(string="another", response_mode="streaming"),
)
CHATS = Subject(Chat, AsyncChat, open_turn, another_turn)
FLOWS = Subject(Flow, AsyncFlow, open_turn, another_turn)


class Driver(Protocol):
    """One stream of one client, whose calls return what came out: a result, or the exception."""

    def do(self, operation: str, interruption: Interruption) -> object: ...

    def run_another(self) -> object: ...

    def leave(self) -> None: ...


class BlockingDriver:
    def __init__(self, url: str, *, managed: bool, subject: Subject = RUNS) -> None:
        self.wire = InterruptedTransport()
        self.http = httpx.Client(transport=self.wire)
        self.client = subject.blocking(base_url=url, api_key=KEY, http_client=self.http, **LIMITS)
        self.another = subject.another
        self.stream = subject.open(self.client)
        if managed:
            self.stream.__enter__()

    def do(self, operation: str, interruption: Interruption) -> object:
        self.wire.interruption = interruption
        calls: dict[str, Callable[[], object]] = {
            "next": lambda: next(self.stream, None),
            "iterate": lambda: [type(event).__name__ for event in self.stream],
            "result": self.stream.result,
            "close": self.stream.close,
        }
        try:
            return calls[operation]()
        except BaseException as error:  # noqa: BLE001 - it is what came out
            return error
        finally:
            self.wire.interruption = Interruption()

    def run_another(self) -> object:
        try:
            return self.another(self.client)  # type: ignore[no-any-return]
        except DifyError as error:
            return error

    def leave(self) -> None:
        self.client.close()
        self.http.close()


class AsyncDriver:
    def __init__(self, url: str, *, managed: bool, subject: Subject = RUNS) -> None:
        self.runner = asyncio.Runner()
        self.wire = InterruptedAsyncTransport()
        self.http = httpx.AsyncClient(transport=self.wire)
        self.client = subject.asynchronous(base_url=url, api_key=KEY, http_client=self.http, **LIMITS)
        self.another = subject.another
        self.stream = subject.open(self.client)
        if managed:
            self.runner.run(self.stream.__aenter__())

    async def _iterate(self) -> list[str]:
        return [type(event).__name__ async for event in self.stream]

    async def _do(self, operation: str, interruption: Interruption) -> object:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "next": lambda: anext(self.stream, None),
            "iterate": self._iterate,
            "result": self.stream.result,
            "close": self.stream.aclose,
        }
        cancels = interruption.error is asyncio.CancelledError
        self.wire.interruption = Interruption() if cancels else interruption
        try:
            return await InterruptedFlow(calls[operation](), interruption if cancels else Interruption())
        except BaseException as error:  # noqa: BLE001 - it is what came out
            return error
        finally:
            self.wire.interruption = Interruption()

    def do(self, operation: str, interruption: Interruption) -> object:
        return self.runner.run(self._do(operation, interruption))

    async def _run_another(self) -> object:
        try:
            return await self.another(self.client)
        except DifyError as error:
            return error

    def run_another(self) -> object:
        return self.runner.run(self._run_another())

    def leave(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.run(self.http.aclose())
        self.runner.close()


DRIVERS: dict[str, Callable[..., Driver]] = {"blocking": BlockingDriver, "async": AsyncDriver}
