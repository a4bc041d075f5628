"""Proxies as people have them: before Dify, one that cuts every connection after a while and one that buffers; on the
way out of a company, one that takes CONNECT and whole URLs.
"""

import socket
import ssl
import threading
from contextlib import suppress
from typing import Self


class _Listener:
    """Takes connections to a loopback port, a thread for each, until the `with` block is left."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._acceptor, *self._threads]:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        raise NotImplementedError


class Proxy(_Listener):
    """Relays connections to a loopback port. `cut_after` seconds after the first bytes of an answer it drops a
    connection, without the last HTTP chunk.

    With `buffering`, nothing of an answer is passed on before all of it is there (nginx with proxy_buffering on).
    """

    def __init__(self, target_port: int, *, cut_after: float | None = None, buffering: bool = False) -> None:
        super().__init__()
        self.target_port = target_port
        self.cut_after = cut_after
        self.buffering = buffering
        self.cuts = 0
        self.url = f"http://{self.address}/v1"
        self._open: list[tuple[socket.socket, socket.socket]] = []

    def cut(self) -> None:
        """Drop all connections now."""
        self.cuts += 1
        for pair in self._open:
            hang_up(*pair)

    def _serve(self, connection: socket.socket) -> None:
        with connection as client, socket.create_connection(("127.0.0.1", self.target_port)) as upstream:
            self._open.append((client, upstream))
            requests = threading.Thread(target=self._relay_requests, args=(client, upstream))
            requests.start()
            self._relay_answers(client, upstream)
            hang_up(client, upstream)
            requests.join(10)

    def _relay_requests(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError):  # the other direction has ended both
            while data := client.recv(65536):
                if self.buffering:
                    data = data.replace(b"\r\nConnection: keep-alive\r\n", b"\r\nConnection: close\r\n", 1)
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)

    def _relay_answers(self, client: socket.socket, upstream: socket.socket) -> None:
        held, timer = b"", threading.Timer(self.cut_after or 0.0, self.cut)
        with suppress(OSError):  # cut, or the client left
            while data := upstream.recv(65536):
                if self.buffering:
                    held += data
                else:
                    client.sendall(data)
                if self.cut_after and timer.ident is None:
                    timer.start()
            client.sendall(held)
        timer.cancel()


class ForwardProxy(_Listener):
    """What `HTTPS_PROXY` and `HTTP_PROXY` name: it opens tunnels and passes requests on, whatever host they are for.

    `heads` are the requests as they came, up to the blank line. With `tls`, clients have to speak TLS to it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._tls = tls
        self.heads: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def lines(self) -> list[str]:
        """The first line of each request."""
        return [head.splitlines()[0] for head in self.heads]

    def _serve(self, connection: socket.socket) -> None:
        """Serve one request; all hosts are this machine."""
        tls = self._tls
        with suppress(OSError), tls.wrap_socket(connection, server_side=True) if tls else connection as client:
            head, _, body = receive_head(client).partition(b"\r\n\r\n")
            if not head:
                return
            self.heads.append(head.decode())
            method, target, version = head.split(b"\r\n")[0].split(b" ")
            authority = target if method == b"CONNECT" else target.split(b"/")[2]
            with socket.create_connection(("127.0.0.1", int(authority.rpartition(b":")[2]))) as upstream:
                if method == b"CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    path = b"/" + target.split(b"/", 3)[3]
                    lines = head.split(b"\r\n")[1:]
                    kept = [line for line in lines if not line.lower().startswith((b"proxy-", b"connection:"))]
                    first = b" ".join((method, path, version))
                    upstream.sendall(b"\r\n".join([first, *kept, b"Connection: close"]) + b"\r\n\r\n" + body)
                requests = threading.Thread(target=pump, args=(client, upstream))
                requests.start()
                pump(upstream, client)
                hang_up(client, upstream)
                requests.join(10)


def receive_head(sock: socket.socket) -> bytes:
    """A request up to its blank line, and what came with it of the body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return b""
        data += more
    return data


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes until there is no more."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def hang_up(*socks: socket.socket) -> None:
    """Shut both directions down, which wakes up whoever reads."""
    for sock in socks:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
