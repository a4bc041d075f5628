"""The server that the SDK makes of tools and calls, and how a client reaches it, until one of the two leaves.

Over standard input and output, the server ends when the client closes them or a signal comes. Over streamable HTTP, it
answers to those names alone by which it was asked to be reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from hmac import compare_digest
from typing import Any, cast

import anyio
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from difygen import __version__
from difygen.mcp.calls import Calls
from difygen.mcp.tools import ServedTool
from difygen.wording import named, names_listed, nearest

Context = ServerRequestContext[dict[str, Any]]

_INSTRUCTIONS = "Each tool runs one app of Dify; what a run costs, and what it changes, is the app's affair."

MAX_LINE = 64 * 1024 * 1024
"""Bytes that a message may have: more is no call of a tool."""

GRACE = 0.2
"""Seconds between the end of the input and that of the server: what came last is still answered."""

LAST_RESORT = 4.0
"""Seconds after a signal when the process ends, whatever it waits for: a client may no longer read what is written."""

_PIECE = 1 << 16
_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")

PATH = "/mcp"
TOKEN = "DIFYGEN_MCP_TOKEN"
"""The environment variable of what clients have to send."""

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
ANYWHERE = ("0.0.0.0", "::")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def mcp_server(tools: Mapping[str, ServedTool], calls: Calls) -> Server[dict[str, Any]]:
    """Return the server of these tools."""

    async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[each.tool for each in tools.values()])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        if (tool := tools.get(params.name)) is None:
            near = nearest(params.name, tools)
            hint = f"Did you mean {named(near)}?" if near else f"There is {names_listed(tools)}."
            raise MCPError(INVALID_PARAMS, f"There is no tool {named(params.name)}. {hint}")
        # Reports nothing to a client that did not ask for it.
        return await calls.call(tool, params.arguments or {}, context.session.report_progress)

    return Server(
        "difygen",
        version=__version__,
        title="Dify apps",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_stdio(server: Server[Any], calls: Calls) -> None:
    """Serve until the input ends, or a signal comes. Runs that are waited for are stopped then.

    Standard output is the protocol's alone as long as this goes on: what else is printed goes to standard error.
    """
    lines = InputLines()
    timer = threading.Timer(LAST_RESORT, os._exit, [1])
    timer.daemon = True
    try:
        with anyio.CancelScope() as scope:

            def end() -> None:
                with suppress(RuntimeError):  # the second signal
                    timer.start()
                scope.cancel()

            _on_signals(end)
            # The SDK asks for an `AsyncFile` and iterates it. Its own reader waits in a thread that nothing can end.
            async with stdio_server(stdin=cast("anyio.AsyncFile[str]", lines)) as (read, write):
                try:
                    await server.run(read, write, server.create_initialization_options())
                finally:
                    with anyio.CancelScope(shield=True):
                        await calls.close()
    except* BrokenPipeError:
        pass  # the client reads no more, which is its way of leaving


class InputLines:
    """The lines of standard input, read by a thread that does not keep the process from ending.

    Whoever else reads standard input from now on finds nothing there.
    """

    def __init__(self) -> None:
        self._handle = os.dup(0)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(256)  # lines that wait; a client that sends more waits itself
        threading.Thread(target=self._read, name="difygen-mcp-input", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._room.release()
            if line.strip():
                yield _whole(line.decode("utf-8", "replace"))
        await asyncio.sleep(GRACE)

    def _read(self) -> None:
        line = bytearray()
        with suppress(OSError):
            while len(line) <= MAX_LINE and (piece := os.read(self._handle, _PIECE)):
                first, *others = piece.split(b"\n")
                line += first
                for other in others:
                    self._room.acquire()
                    self._put(bytes(line))
                    line = bytearray(other)
        if len(line) <= MAX_LINE:
            self._put(bytes(line))
        self._put(None)

    def _put(self, line: bytes | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)


def _whole(message: str) -> str:
    """Return a message without halves of characters, as in `"\\ud83d"`, which the SDK would leave unanswered.

    JavaScript cuts texts like that.
    """
    if _HALF.search(message) is None:
        return message
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return message
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


def _on_signals(end: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
        else:
            loop.add_signal_handler(number, end)


async def serve_http(
    server: Server[Any],
    calls: Calls,
    listening: socket.socket,
    hosts: Sequence[str],
    token: str | None,
    on_ready: Callable[[], None],
) -> None:
    """Serve until a signal comes. Runs that are waited for are stopped then.

    A request that was made for another host than this one or `hosts`, or by a web page from elsewhere, is refused: a
    page in a browser reaches servers of this machine, too, by names that lead here (DNS rebinding). With a `token`, one
    that does not bring it is refused as well.
    """
    app: Application = server.streamable_http_app(
        streamable_http_path=PATH, transport_security=security(listening, hosts)
    )
    config = uvicorn.Config(
        app if token is None else guarded(app, token),
        ws="none",
        loop="asyncio",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    with contextlib.suppress(KeyboardInterrupt):
        await HttpServer(config, calls, on_ready).serve([listening])


def guarded(app: Application, token: str) -> Application:
    """Return an application that only those reach who bring the token."""
    wanted = f"Bearer {token}".encode()

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope.get("headers", ()) if name == b"authorization"), b"")
        if scope["type"] == "http" and not compare_digest(given, wanted):
            refusal = Response(f"{TOKEN} is set here: send it as a bearer token.", 401, {"WWW-Authenticate": "Bearer"})
            return await refusal(scope, receive, send)
        await app(scope, receive, send)

    return guard


class HttpServer(uvicorn.Server):
    """A server that says when it is ready, and stops runs before it waits for those who asked for them."""

    def __init__(self, config: uvicorn.Config, calls: Calls, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._calls, self._on_ready = calls, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End the server on Ctrl-C and a polite kill, which are not raised once more when it has ended."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._calls.close()
        await super().shutdown(sockets)


def security(listening: socket.socket, hosts: Sequence[str]) -> TransportSecuritySettings:
    """Return for whom requests may be made: by the names of loopback, and by `hosts`."""
    port = listening.getsockname()[1]
    names = [*_LOOPBACK, *(f"[{host}]" if host.count(":") > 1 else host for host in hosts if host not in ANYWHERE)]
    allowed = [each for name in names for each in (name, f"{name}:{port}")]
    origins = [f"{scheme}://{each}" for each in allowed for scheme in ("http", "https")]
    return TransportSecuritySettings(allowed_hosts=allowed, allowed_origins=origins)
