"""Two proxies as people have them in front of Dify: one that cuts every connection after a while, one that buffers."""

import socket
import threading
from contextlib import suppress
from typing import Self


class Proxy:
    """Relays connections to a loopback port. `cut_after` seconds it drops a connection, without the last HTTP chunk.

    With `buffering`, nothing of an answer is passed on before all of it is there (nginx with proxy_buffering on).
    """

    def __init__(self, target_port: int, *, cut_after: float | None = None, buffering: bool = False) -> None:
        self.target_port = target_port
        self.cut_after = cut_after
        self.buffering = buffering
        self.cuts = 0
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

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
            thread = threading.Thread(target=self._relay, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target_port)) as upstream:
            timer = threading.Timer(self.cut_after, self._cut, (client, upstream)) if self.cut_after else None
            if timer:
                timer.start()
            requests = threading.Thread(target=self._relay_requests, args=(client, upstream))
            requests.start()
            self._relay_answers(client, upstream)
            hang_up(client, upstream)
            requests.join(10)
            if timer:
                timer.cancel()
                timer.join()

    def _relay_requests(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError):  # the other direction has ended both
            while data := client.recv(65536):
                if self.buffering:
                    data = data.replace(b"\r\nConnection: keep-alive\r\n", b"\r\nConnection: close\r\n", 1)
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)

    def _relay_answers(self, client: socket.socket, upstream: socket.socket) -> None:
        held = b""
        with suppress(OSError):  # cut, or the client left
            while data := upstream.recv(65536):
                if self.buffering:
                    held += data
                else:
                    client.sendall(data)
            client.sendall(held)

    def _cut(self, client: socket.socket, upstream: socket.socket) -> None:
        self.cuts += 1
        hang_up(client, upstream)


def hang_up(*socks: socket.socket) -> None:
    """Shut both directions down, which wakes up whoever reads."""
    for sock in socks:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
