"""A server over streamable HTTP, which answers to those names alone by which it was asked to be reached."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hmac import compare_digest
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from difygen.mcp.calls import Calls

PATH = "/mcp"
TOKEN = "DIFYGEN_MCP_TOKEN"
"""The environment variable of what clients have to send."""

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
ANYWHERE = ("0.0.0.0", "::")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


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
