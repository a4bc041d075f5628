"""A server for benchmarks: answers run requests with what was prepared, so that the client is what gets measured.

Runs in a process of its own: `python benchmarks/load_server.py` prints its port and serves until its stdin closes. How
many events of which size a stream has is said in `user`: `300x20000`. A turn says in its query of which kind of app.
"""

import functools
import json
import socket
import sys
import threading
from typing import Any

RUN_ID = "2b55b6c8-f983-4d80-8f09-83538e37351a"
ENVELOPE = {"workflow_run_id": RUN_ID, "task_id": "48b73350-23a5-4087-9864-3d19ed6af80f"}
FINISHED: dict[str, Any] = {
    "id": RUN_ID,
    "workflow_id": "e738cb06-a46a-45bf-b230-e3532103efdf",
    "status": "succeeded",
    "outputs": {"result": "text1list_a"},
    "error": None,
    "elapsed_time": 0.141772,
    "total_tokens": 0,
    "total_steps": 3,
    "created_at": 1795365992,
    "finished_at": 1795365992,
}
HEAD = b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nX-Version: 1.12.1\r\nX-Env: PRODUCTION\r\n"


def frame(event: str, data: dict[str, Any]) -> bytes:
    text = json.dumps({"event": event, **ENVELOPE, "data": data}, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode() + b"\n\n"


def text_chunk(size: int) -> bytes:
    """A text_chunk event of `size` bytes."""
    selector = ["llm", "text"]
    empty = len(frame("text_chunk", {"text": "", "from_variable_selector": selector}))
    return frame("text_chunk", {"text": "x" * (size - empty), "from_variable_selector": selector})


MESSAGE = {
    "conversation_id": RUN_ID,
    "message_id": ENVELOPE["task_id"],
    "created_at": 1795638536,
    "task_id": ENVELOPE["task_id"],
}


def of_message(event: str, **members: Any) -> bytes:
    """An event of a turn of a chat."""
    return b"data: " + json.dumps({"event": event, **MESSAGE, **members}, separators=(",", ":")).encode() + b"\n\n"


def message(size: int) -> bytes:
    """A message event of `size` bytes, or as few as it can have."""
    empty = len(of_message("message", answer="", from_variable_selector=None))
    return of_message("message", answer="x" * max(size - empty, 1), from_variable_selector=None)


def chunked(data: bytes) -> bytes:
    return b"%X\r\n%b\r\n" % (len(data), data)


@functools.cache
def stream(size: int, count: int, kind: str) -> list[bytes]:
    """A whole answer in blocks to send; every event is an HTTP chunk, as gunicorn sends Dify's."""
    event = chunked(text_chunk(size) if kind == "workflow" else message(size))
    per_block = max(1, 65536 // len(event))
    blocks = [event * per_block] * (count // per_block) + [event * (count % per_block)]
    head = HEAD + b"Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    started = chunked(frame("workflow_started", {"id": RUN_ID, "workflow_id": "w", "inputs": {}, "created_at": 1}))
    finished = chunked(frame("workflow_finished", FINISHED))
    end = chunked(of_message("message_end", metadata={}, files=[]))
    first, last = {"workflow": (started, finished), "chatflow": (started, end + finished), "chat": (b"", end)}[kind]
    return [head + first, *blocks, last + b"0\r\n\r\n"]


@functools.cache
def blocking() -> list[bytes]:
    body = json.dumps({**ENVELOPE, "data": FINISHED, "message_id": RUN_ID, "answer": "text"}).encode()
    head = HEAD + b"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body)
    return [head + body]


def serve(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(data) < length:
            data += sock.recv(65536)
        body, data = data[:length], data[length:]
        for block in answer(json.loads(body)):
            sock.sendall(block)


def answer(body: dict[str, Any]) -> list[bytes]:
    if body["response_mode"] != "streaming":
        return blocking()
    size, _, count = body["user"].partition("x")
    return stream(int(size), int(count), body.get("query", "workflow"))


def accept(listener: socket.socket) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
