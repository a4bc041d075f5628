"""Starting and stopping a mock server: in a thread for tests, in the foreground for `difygen mock`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from difygen.mock.app import create_app
from difygen.mock.definition import Definition
from difygen.mock.faults import Cut, FailRate
from difygen.mock.files import FileStore
from difygen.mock.request import MockState
from difygen.mock.runs import Runs, Settings
from difygen.mock.streams import TRANSPORT
from difygen.mock.values import Handler

_STARTING_SECONDS = 10.0


class _Protocol(H11Protocol):
    """HTTP/1.1 whose application can reach the connection, to cut it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        app: ASGIApp = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


class _Server(uvicorn.Server):
    """A server that tells its open streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, state: MockState) -> None:
        super().__init__(config)
        self._mock = state
        self.on_ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End the server on Ctrl-C and a polite kill, which are not raised once more when it has ended.

        Also where the parent ignores Ctrl-C, as a shell does for `difygen mock &` in a script: whoever sends the signal means it.
        """
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._mock.closing.set()
        await super().shutdown(sockets)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises OSError or OverflowError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError):  # the latter is what Python says of port 70000
        listener.close()
        raise
    return listener


def origin_of(listener: socket.socket) -> str:
    """`http://127.0.0.1:8098`, for clients on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class MockServer:
    """One mock server. `keys` selects the app by API key; the key "" stands for any key."""

    def __init__(
        self,
        keys: Mapping[str, Definition],
        listener: socket.socket,
        *,
        handler: Handler | None = None,
        latency: float = 0.0,
        ping_interval: float = 10.0,
        fail_rate: float = 0.0,
        cut: Cut | None = None,
    ) -> None:
        self.origin = origin_of(listener)
        files = FileStore(self.origin)
        runs = Runs(Settings(latency, handler), files)
        self.state = MockState(keys, runs, files, ping_interval, FailRate(fail_rate), cut)
        self._listener = listener
        config = uvicorn.Config(
            create_app(self.state),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        self._server = _Server(config, self.state)
        self._thread: threading.Thread | None = None

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve in the foreground until Ctrl-C. `on_ready` is called once requests are answered and signals are handled."""
        self._server.on_ready = on_ready
        self._server.run([self._listener])

    def start(self) -> None:
        """Serve in a thread; returns when requests are answered."""
        ready = threading.Event()
        self._server.on_ready = ready.set
        self._thread = threading.Thread(target=self._run, name="difygen-mock", daemon=True)
        self._thread.start()
        if not ready.wait(_STARTING_SECONDS):
            raise RuntimeError("the mock server did not start")

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._listener]))

    def stop(self) -> None:
        """End open streams and the thread, and close the socket."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._listener.close()


def keys_for(definitions: Sequence[Definition], given: Mapping[str, str]) -> dict[str, Definition]:
    """Which key opens which app: the given ones (name by key), else any for the only app, else `app-NAME`."""
    by_name = {each.key_name: each for each in definitions}
    if len(definitions) == 1 and not given:
        return {"": definitions[0]}
    keys = {key: by_name[name] for key, name in given.items()}
    return keys | {f"app-{name}": by_name[name] for name in by_name if name not in given.values()}
