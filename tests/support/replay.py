"""Recorded answers of a real Dify server, served again as raw bytes under several ways of cutting them up."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from support import TESTS
from support.servers import Connection, Handler, Request

FOLDERS = [TESTS / name for name in ("recordings", "recordings_chat", "recordings_new")]
"""Dify 1.12.1; chat-type apps of 1.14.2; workflows of 1.14.2. No case has the name of another."""


@dataclass(frozen=True)
class Recording:
    """One answer: its head as recorded, its body without HTTP chunk framing, and the request that it answers."""

    case: str
    head: bytes
    chunks: tuple[bytes, ...]
    chunked: bool
    request: dict[str, Any]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def is_stream(self) -> bool:
        return b"text/event-stream" in self.head

    @property
    def complete(self) -> bool:
        """Whether the server ended a chunked body with its last chunk."""
        return not self.chunked or self.chunks[-1:] == (b"",)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of every data line, read the careful way."""
        lines = self.body.split(b"\n")
        return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {") and line.endswith(b"}")]


def recording(case: str) -> Recording:
    """Load the case of that name."""
    folder = next(folder for folder in FOLDERS if (folder / f"{case}.http").exists())
    head, _, rest = (folder / f"{case}.http").read_bytes().partition(b"\r\n\r\n")
    request = json.loads((folder / f"{case}.request.json").read_text("utf-8"))
    chunked = b"transfer-encoding: chunked" in head.lower()
    return Recording(case, head, tuple(_dechunk(rest)) if chunked else (rest,), chunked, request)


def cases(pattern: str = "*", folder: str = "recordings") -> list[str]:
    """The names of the recorded cases of a folder that fit `pattern`, sorted."""
    return sorted(path.stem for path in (TESTS / folder).glob(f"{pattern}.http"))


def _dechunk(data: bytes) -> Iterable[bytes]:
    while data:
        size, found, data = data.partition(b"\r\n")
        length = int(size, 16) if found else 0
        yield data[:length]
        if length == 0 or len(data) < length:
            return
        data = data[length + 2 :]


def pieces(size: int) -> Callable[[Recording], Iterable[bytes]]:
    def cut(recorded: Recording) -> Iterable[bytes]:
        body = recorded.body
        return [body[start : start + size] for start in range(0, len(body), size)]

    return cut


def _crlf(recorded: Recording) -> bytes:
    return recorded.body.replace(b"\n", b"\r\n")


def _crlf_split(recorded: Recording) -> Iterable[bytes]:
    """CRLF line ends, with every CR and its LF in different chunks."""
    *lines, last = _crlf(recorded).split(b"\r")
    yield from (line + b"\r" for line in lines)
    yield last


CHUNKINGS: dict[str, Callable[[Recording], Iterable[bytes]]] = {
    "as recorded": lambda recorded: recorded.chunks,
    "1 byte": pieces(1),
    "7 bytes": pieces(7),
    "16 kB": pieces(16 * 1024),
    "crlf": lambda recorded: [_crlf(recorded)],
    "cr|lf": _crlf_split,
    "cr": lambda recorded: [recorded.body.replace(b"\n", b"\r")],
}


def replay(case: str, chunking: str = "as recorded") -> Handler:
    """Serve a recording: streams cut as `chunking` says, anything else byte for byte. A cut recording is cut again."""
    recorded = recording(case)
    body = recorded.body
    if recorded.chunked:
        parts = [part for part in CHUNKINGS[chunking](recorded) if part]
        body = b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in parts)
        body += b"0\r\n\r\n" if recorded.complete else b""

    def handle(connection: Connection, request: Request) -> None:
        connection.send(recorded.head + b"\r\n\r\n" + body)
        if not recorded.complete or not (recorded.chunked or b"content-length" in recorded.head.lower()):
            connection.finish()

    return handle


def held(case: str) -> Handler:
    """Serve a recording; where its server kept the connection open, keep it open."""
    recorded, play = recording(case), replay(case)
    if "no end" not in recorded.request.get("ended", ""):
        return play

    def handle(connection: Connection, request: Request) -> None:
        connection.send(recorded.head + b"\r\n\r\n")
        for chunk in recorded.chunks:
            connection.chunk(chunk)
        connection.hold()

    return handle
