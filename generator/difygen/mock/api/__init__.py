"""What the mock answers to a request, endpoint by endpoint: workflows as on 1.12.1, chat-type apps as on 1.14.2.

calls       runs and turns: started, answered, followed, stopped, looked up; forms that they wait for
resources   what surrounds them: conversations, messages, variables, feedback, annotations, speech, files

An endpoint takes an authenticated request and returns a response, or raises `ApiError`. What all of them are given
and answer with is in this module: JSON, events on the wire, connections that are cut on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from difygen.mock.conversations import ConversationStore
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.engine.values import Handler
from difygen.mock.errors import (
    NOT_FOUND_PAGE,
    WRONG_MODE,
    ApiError,
    Cut,
    FailRate,
    Faults,
)
from difygen.mock.files import FileStore
from difygen.mock.runs import RunStore
from difygen.mock.validation import (
    json_body,
)
from difygen.model import WORKFLOW, AppKind
from difygen.servers.releases import MOCKED_BY_DEFAULT, Release

JSON = "application/json"
EXPOSED_HEADERS = "X-Env, X-Trace-Id, X-Version"
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}
ANONYMOUS = "DEFAULT-USER"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server behaves unless a request asks for a fault.

    `release` is the Dify that it is. `handler` computes outputs, `latency` is how many seconds each node takes,
    `ping_interval` the seconds between two pings, `fail_rate` the share of runs that fail, and `cut` is where every
    connection is cut. `silence` is how many seconds a stream stays open that the server has refused, or that moderation
    has answered.
    """

    release: Release = MOCKED_BY_DEFAULT
    handler: Handler | None = None
    latency: float = 0.0
    ping_interval: float = 10.0
    fail_rate: float = 0.0
    cut: Cut | None = None
    silence: float = 300.0


class ServerState:
    """Everything that one mock server knows. `keys` selects the app by API key; the key "" stands for any."""

    def __init__(self, keys: Mapping[str, Definition], origin: str, options: ServerOptions) -> None:
        self.keys = keys
        self.options = options
        self.release = options.release
        self.files = FileStore(origin, options.release)
        self.runs = RunStore(self.files, options.latency, options.handler)
        self.chats = ConversationStore()
        self.failures = FailRate(options.fail_rate)
        self.closing = asyncio.Event()


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One authenticated request."""

    state: ServerState
    definition: Definition
    http: Request
    faults: Faults

    def faults_of_call(self) -> Faults:
        """Return the faults of the run or turn that the request starts: some fail because of the server's rate."""
        return Faults({"failed": "", **self.faults.words}) if self.state.failures.next_fails() else self.faults

    async def json(self) -> JsonObject:
        """Return the body, or refuse it."""
        return json_body(self.http.headers.get("content-type", ""), await self.http.body())

    @asynccontextmanager
    async def form(self) -> AsyncIterator[FormData]:
        """Give the fields and files of the body: none where it has another type, no boundary, or is broken within."""
        try:
            form = await self.http.form()
        except (
            HTTPException,
            KeyError,
            ValueError,
        ):  # what releases of starlette and its parser say; Flask says nothing
            form = FormData()
        try:
            yield form
        finally:
            await form.close()

    def parameter(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.http.path_params[name])

    def require_workflow(self, *others: AppKind) -> None:
        """Refuse the keys of apps that are neither workflows nor of the other kinds."""
        if self.definition.workflow.kind not in (WORKFLOW, *others):
            raise ApiError(400, "not_workflow_app", WRONG_MODE)

    def require_chat(self) -> None:
        """Refuse the keys of apps that know no conversations."""
        if not self.definition.workflow.kind.has_conversations:
            raise ApiError(400, "not_chat_app", WRONG_MODE)


Endpoint = Callable[[ApiRequest], Awaitable[Response]]


def json_response(body: object, status: int = 200) -> Response:
    """Return JSON as most endpoints send it: ASCII, a newline at the end."""
    return Response(json.dumps(body) + "\n", status, media_type=JSON)


def no_such_page() -> Response:
    """Return what the server says of an address that it does not have, or not yet."""
    return HTMLResponse(NOT_FOUND_PAGE, 404)


def page(body: Callable[[Definition], JsonObject]) -> Endpoint:
    """Return an endpoint that answers with what the definition says."""

    async def endpoint(request: ApiRequest) -> Response:
        return json_response(body(request.definition))

    return endpoint


# Event streams


PING = b"event: ping\n\n"
"""A ping has no data line (seen on 1.12.1)."""

TRANSPORT = "difygen.transport"
"""Where the server puts a connection's transport into the scope, so that a connection can be cut."""


def frame(event: JsonObject) -> bytes:
    """Return one event: compact JSON in raw UTF-8 on one `data:` line, the name inside (seen on 1.12.1)."""
    return b"data: " + json.dumps(_plain(event), ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def escaped_frame(event: JsonObject) -> bytes:
    """Return one event as the events endpoint sends a run that is over: ASCII, with blanks."""
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _plain(value: Any) -> Any:
    """Return a value without NaN and the infinities, which are null in a stream, other than in a blocking answer."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


async def event_frames(
    events: AsyncIterator[JsonObject], last_events: tuple[str, ...], silence: float = 0.0
) -> AsyncGenerator[bytes, None]:
    """Yield events up to one of `last_events`; a stream that lacks them stays open for `silence` seconds.

    So does that of a turn which has no run: moderation or an annotation has answered it (seen on 1.14.2).
    """
    async for event in events:
        yield frame(event)
        if event["event"] in last_events:
            return
    if last_events:
        await asyncio.sleep(silence)


async def with_pings(frames: AsyncIterator[bytes], interval: float) -> AsyncGenerator[bytes, None]:
    """Yield the frames, and a ping whenever another interval of the stream's time has passed."""
    loop = asyncio.get_running_loop()
    due = loop.time() + interval
    upcoming: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(frames, None))
            done, _ = await asyncio.wait({upcoming}, timeout=max(0.0, due - loop.time()))
            if not done:
                due += interval
                yield PING
                continue
            next_frame, upcoming = upcoming.result(), None
            if next_frame is None:
                return
            yield next_frame
    finally:
        if upcoming is not None:
            upcoming.cancel()


async def after_ping(frames: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield a ping before anything else, as streams begin that come from a worker (since 1.13)."""
    yield PING
    async for each in frames:
        yield each


async def refusal(error: ApiError, release: Release, silence: float) -> AsyncGenerator[bytes, None]:
    """Yield what a worker's stream says of a refusal: a ping and, since 1.15, an event. It stays open all the same."""
    yield PING
    if release.has("refusals-as-events"):
        yield frame({"event": "error", "message": error.message, "status": 500})
    await asyncio.sleep(silence)


class StreamResponse(Response):
    """An event stream, one chunk per frame. `closing` ends it with the server; a cut ends it without the last chunk."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None], closing: asyncio.Event, cut: Cut | None = None) -> None:
        super().__init__(status_code=200)
        del self.headers["content-length"]
        self._frames = frames
        self._closing = closing
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = asyncio.ensure_future(self._send_body(send))
        others = [asyncio.ensure_future(_disconnected(receive)), asyncio.ensure_future(self._closing.wait())]
        await asyncio.wait({body, *others}, return_when=asyncio.FIRST_COMPLETED)
        whole = body.done() and body.result()
        for task in (body, *others):
            task.cancel()
        for task in (body, *others):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(RuntimeError):
            await self._frames.aclose()
        if not whole:
            await _hang_up(scope, receive)

    async def _send_body(self, send: Send) -> bool:
        """Send the frames, and return whether they were sent to their end."""
        events, sent = 0, 0
        async for frame_ in self._frames:
            if self._cut and self._cut.events is not None and events >= self._cut.events:
                return False
            if self._cut and self._cut.bytes is not None and sent + len(frame_) > self._cut.bytes:
                await _chunk(send, frame_[: self._cut.bytes - sent])
                return False
            await _chunk(send, frame_)
            events += frame_ != PING
            sent += len(frame_)
        if self._closing.is_set():  # the run has ended with the server, not by itself
            return False
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True


async def _chunk(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return


class CutResponse(Response):
    """An answer of which only the first bytes of the body arrive before the connection is closed."""

    def __init__(self, whole: Response, length: int) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers
        self._length = length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _chunk(send, bytes(self.body[: self._length]))
        await _hang_up(scope, receive)


class DroppedResponse(Response):
    """No answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _hang_up(scope, receive)


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection after what has been written, without ending the answer as HTTP would have it."""
    if transport := scope.get(TRANSPORT):
        transport.close()
        await _disconnected(receive)
