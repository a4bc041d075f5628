"""HTTP servers made of raw sockets and threads, on loopback, for everything a well-behaved server would not do.

A handler gets the connection and the request that was read, and writes whatever bytes the case needs: half an answer,
a reset, silence. Nothing here knows the runtime.
"""

import contextlib
import gzip
import json
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import trustme

RUN = "POST /v1/workflows/run"
DETAIL = "GET /v1/workflows/run/*"
EVENTS = "GET /v1/workflow/*/events"
STOP = "POST /v1/workflows/tasks/*/stop"

REASONS = {
    200: "OK",
    201: "CREATED",
    301: "MOVED PERMANENTLY",
    302: "FOUND",
    307: "TEMPORARY REDIRECT",
    400: "BAD REQUEST",
}
DIFY_HEADERS = {"Server": "gunicorn", "X-Version": "1.12.1", "X-Env": "PRODUCTION"}
SSE = "text/event-stream; charset=utf-8"
PING = b"event: ping\n\n"


class Stopped(Exception):
    """The server is shutting down while a handler still waits."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived. Header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def line(self) -> str:
        """Method and path, as routes are written."""
        return f"{self.method} {self.path}"

    @property
    def starts_run(self) -> bool:
        """Whether this is the request that must never be sent twice."""
        return self.method == "POST" and self.path.endswith(("/run", "/chat-messages", "/completion-messages"))

    @property
    def streams(self) -> bool:
        return self.starts_run and self.json.get("response_mode") == "streaming"


class Connection:
    """The server's side of one connection."""

    def __init__(self, sock: socket.socket, server: "Server") -> None:
        self.sock = sock
        self.server = server
        self.closed = False
        self._left = b""
        self._drops_ping = False

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def chunk(self, data: bytes) -> None:
        """Send `data` as one HTTP chunk."""
        is_dropped = self._drops_ping and data == PING
        self._drops_ping = False
        if not is_dropped:
            self.send(http_chunk(data))

    def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send a status line and headers in Dify's manner."""
        self.send(response_head(status, headers))

    def stream_head(self, **extra: str) -> None:
        """Begin an event stream in HTTP chunks."""
        self.head(200, {"Content-Type": SSE, "Transfer-Encoding": "chunked", **extra})
        if self.server.pings_first:
            self.chunk(PING)
        self._drops_ping = self.server.pings_first is not None

    def end(self) -> None:
        """The last HTTP chunk: the proper end of a chunked body."""
        self.send(b"0\r\n\r\n")

    def finish(self) -> None:
        """Close with a FIN."""
        if not self.closed:
            self.closed = True
            # Closing with unread bytes would send an RST instead.
            self.sock.setblocking(False)
            try:
                while self.sock.recv(65536):
                    pass
            except OSError:
                pass
            self.sock.close()

    def reset(self) -> None:
        """Close with an RST."""
        self.closed = True
        abort(self.sock)

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the life of the server."""
        if self.server.stopping.wait(seconds):
            raise Stopped

    def hold(self) -> None:
        """Keep the connection open in silence until the client closes it."""
        while not self.server.stopping.is_set():
            readable, _, _ = select.select([self.sock], [], [], 0.02)
            if readable and not self._peek():
                raise ConnectionAbortedError("the client left")
        raise Stopped

    def _peek(self) -> bytes:
        if isinstance(self.sock, ssl.SSLSocket):
            return self.sock.recv(1)
        try:
            return self.sock.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return b""

    def read_request(self) -> Request | None:
        """The next request, or None when the client has closed."""
        head, found, rest = self._left.partition(b"\r\n\r\n")
        while not found:
            data = self.sock.recv(65536)
            if not data:
                return None
            head, found, rest = (head + data).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if headers.get("transfer-encoding", "") == "chunked":
            body, self._left = self._read_chunked(rest)
        else:
            body, self._left = self._read_until(rest, int(headers.get("content-length", "0")))
        return Request(method, target, headers, body)

    def _read_until(self, data: bytes, length: int) -> tuple[bytes, bytes]:
        parts, have = [data], len(data)
        while have < length:
            parts.append(self.sock.recv(65536))
            have += len(parts[-1])
            if not parts[-1]:
                raise ConnectionResetError("the client left in the middle of its body")
        data = b"".join(parts)
        return data[:length], data[length:]

    def _read_chunked(self, data: bytes) -> tuple[bytes, bytes]:
        body = b""
        while True:
            while b"\r\n" not in data:
                data += self.sock.recv(65536)
            size, _, data = data.partition(b"\r\n")
            part, data = self._read_until(data, int(size, 16) + 2)
            if part == b"\r\n":
                return body, data
            body += part[:-2]


Handler = Callable[[Connection, Request], None]
Routes = Mapping[str, Handler | Sequence[Handler]]


@dataclass
class Server:
    """A server on a free loopback port.

    `routes` maps "METHOD /path" (with `*`) to a handler, or to handlers that are used one after the other, the last one
    staying. A path without a route gets Dify's HTML 404. `on_accept` gets each connection before anything is read.

    `pings_first` is the style of event streams: True for those that a worker relays (since 1.13), whose first bytes are
    a ping; False for those whose first bytes are an event (up to 1.12); None for what the handlers say.
    """

    routes: Routes | Handler
    tls: ssl.SSLContext | None = None
    on_accept: Callable[[Connection], None] | None = None
    port: int = 0
    pings_first: bool | None = None
    requests: list[Request] = field(default_factory=list)
    accepted: int = 0
    most_open: int = 0
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopping: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._used: dict[str, int] = {}
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._listener.getsockname()[1]

    @property
    def origin(self) -> str:
        return f"http{'s' if self.tls else ''}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"{self.origin}/v1"

    @property
    def runs(self) -> int:
        """How many requests asked to start a run."""
        return sum(request.starts_run for request in self.requests)

    def count(self, route: str) -> int:
        """How many requests fit `route`."""
        return sum(fnmatchcase(request.line, route) for request in self.requests)

    def wait_left(self, count: int = 1, timeout: float = 30.0) -> bool:
        """Wait until `count` clients have closed a connection before their answer was complete."""
        return all(self.left.acquire(timeout=timeout) for _ in range(count))

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for sock in still_open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        if self.errors and kind is None:
            raise self.errors[0]

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                self._open.add(sock)
                self.most_open = max(self.most_open, len(self._open))
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            self._converse(sock)
        except Stopped:
            pass  # the case is over
        except (ConnectionError, ssl.SSLError):
            self.left.release()
        except BaseException as error:  # noqa: BLE001 - raised again when the server closes
            if not self.stopping.is_set():
                self.errors.append(error)
        finally:
            with self._lock:
                self._open.discard(sock)

    def _converse(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            raw, sock = sock, self.tls.wrap_socket(sock, server_side=True)
            with self._lock:
                self._open.discard(raw)
                self._open.add(sock)
        connection = Connection(sock, self)
        try:
            if self.on_accept is not None:
                self.on_accept(connection)
            while not connection.closed and (request := connection.read_request()) is not None:
                with self._lock:
                    self.requests.append(request)
                    handler = self._handler(request)
                handler(connection, request)
                if request.headers.get("connection", "") == "close":
                    break
        finally:
            connection.finish()
            with self._lock:
                self._open.discard(sock)

    def _handler(self, request: Request) -> Handler:
        if callable(self.routes):
            return self.routes
        for route, handlers in self.routes.items():
            if fnmatchcase(request.line, route):
                if callable(handlers):
                    return handlers
                turn = self._used.get(route, 0)
                self._used[route] = turn + 1
                return handlers[min(turn, len(handlers) - 1)]
        return html(404)


def abort(sock: socket.socket) -> None:
    """Close a socket with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def http_chunk(data: bytes) -> bytes:
    return b"%X\r\n%b\r\n" % (len(data), data)


def response_head(status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'STATUS')}"]
    lines += [f"{name}: {value}" for name, value in {**DIFY_HEADERS, **(headers or {})}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(body: bytes, status: int = 200, **headers: str) -> Handler:
    """A whole answer with a length."""
    head = response_head(status, {"Content-Length": str(len(body)), **headers})
    return lambda connection, request: connection.send(head + body)


def as_json(value: object, status: int = 200, **headers: str) -> Handler:
    """A JSON answer, escaped to ASCII as Dify's blocking answers are."""
    return answer(json.dumps(value).encode(), status, **{"Content-Type": "application/json; charset=utf-8", **headers})


def html(status: int, text: str = "<html><body><h1>nginx</h1></body></html>", **headers: str) -> Handler:
    """An HTML page from something that is not Dify's API process: no X-Version."""
    body = text.encode()
    head = response_head(status, {"Content-Type": "text/html", "Content-Length": str(len(body)), **headers})
    head = head.replace(b"X-Version: 1.12.1\r\nX-Env: PRODUCTION\r\n", b"").replace(b"gunicorn", b"nginx")
    return lambda connection, request: connection.send(head + body)


def stream(pieces: Iterable[bytes], **headers: str) -> Handler:
    """An event stream that ends properly; each piece is one HTTP chunk and one socket write."""

    def handle(connection: Connection, request: Request) -> None:
        connection.stream_head(**headers)
        for piece in pieces:
            connection.chunk(piece)
        connection.end()

    return handle


def gzipped(body: bytes, content_type: str) -> Handler:
    """The body compressed, whatever the client said that it accepts."""
    return answer(gzip.compress(body), 200, **{"Content-Type": content_type, "Content-Encoding": "gzip"})


def by_mode(*, streaming: Handler, blocking: Handler) -> Handler:
    """Answer a run request by the mode it asked for."""
    return lambda connection, request: (streaming if request.streams else blocking)(connection, request)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own: both sides' contexts, and its certificate."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    pem: bytes


def authority() -> Authority:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return Authority(server, client, ca.cert_pem.bytes())


def unused_port() -> int:
    """A loopback port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
