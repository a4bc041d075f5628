"""Two proxies as people have them in front of Dify: one that cuts every connection after a while, one that buffers."""

import socket
import threading
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
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: object, *args: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.target_port))
            self._start(self._relay_requests, client, upstream)
            self._start(self._relay_answers, client, upstream)

    def _relay_requests(self, client: socket.socket, upstream: socket.socket) -> None:
        try:
            while data := client.recv(65536):
                if self.buffering:
                    data = data.replace(b"\r\nHost:", b"\r\nConnection: close\r\nHost:", 1)
                    data = data.replace(b"\r\nConnection: keep-alive\r\n", b"\r\n", 1)
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other direction has closed both

    def _relay_answers(self, client: socket.socket, upstream: socket.socket) -> None:
        timer = threading.Timer(self.cut_after, self._cut, (client, upstream)) if self.cut_after else None
        if timer:
            timer.start()
        held = b""
        try:
            while data := upstream.recv(65536):
                if self.buffering:
                    held += data
                else:
                    client.sendall(data)
            client.sendall(held)
        except OSError:
            pass  # cut, or the client left
        if timer:
            timer.cancel()
            timer.join()
        _close(client)
        _close(upstream)

    def _cut(self, client: socket.socket, upstream: socket.socket) -> None:
        self.cuts += 1
        _close(client)
        _close(upstream)


def _close(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
    sock.close()
