"""From bytes to the data of server-sent events. Knows nothing of what the data means.

Works on bytes and ends lines at LF, CR and CRLF alone: Dify sends U+2028, U+2029 and U+0085
raw inside of JSON (seen on 1.12.1), where `str.splitlines` and most line iterators cut.
"""

import sys

from ._exchange import too_large

BOM = b"\xef\xbb\xbf"
PING_DATA = b'{"event":"ping"}'


class SseDecoder:
    """Cuts a stream of bytes into the data of its events, however it arrives in pieces.

    Every byte is looked at once: line ends are searched in the new piece only, and an
    unfinished line waits as a list of pieces, so that one of many megabytes costs no more
    than many short ones.

    An event of more than `max_size` bytes ends in an `AnswerTooLargeError`.

    Dify's `event: ping` has no data, for which the standard dispatches nothing; here it
    gives the data that newer pings have.
    """

    __slots__ = (
        "_after_cr",
        "_at_start",
        "_data",
        "_event",
        "_held",
        "_line",
        "_max_size",
        "last_event_id",
    )

    def __init__(self, max_size: int = sys.maxsize) -> None:
        self.last_event_id = ""
        self._max_size = max_size
        self._held = 0
        self._data: list[bytes] = []
        self._event = b""
        self._line: list[bytes] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that this piece completes."""
        if self._at_start:
            piece = self._without_bom(piece)
        if self._after_cr and piece:
            self._after_cr = False
            if piece[0] == 10:
                piece = piece[1:]
        if b"\r" in piece:
            self._after_cr = piece[-1] == 13
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = piece.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            self._line.append(lines[0])
            lines[0] = b"".join(self._line)
            self._line.clear()
        if rest:
            self._line.append(rest)
        held = self._held = self._held + len(piece)
        events: list[bytes] = []
        if lines and ((events := self._take(lines)) or not self._data):
            self._held = len(rest) + sum(map(len, self._data))
        if held > self._max_size and self._is_too_large(events):
            raise too_large("An event of the stream", self._max_size)
        return events

    def _is_too_large(self, events: list[bytes]) -> bool:
        return max([self._held, *map(len, events)]) > self._max_size

    def finish(self) -> list[bytes]:
        """The data of an event that the end of the stream left without its blank line.

        The standard drops such an event; what is lost here would be the result of a run.
        """
        lines = [b"".join(self._line), b""]
        self._line.clear()
        return self._take(lines)

    def _without_bom(self, piece: bytes) -> bytes:
        start = b"".join(self._line) + piece
        self._line.clear()
        if len(start) < 3 and BOM.startswith(start):
            if start:
                self._line.append(start)
            return b""
        self._at_start = False
        return start[3:] if start[:3] == BOM else start

    def _take(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if line[:6] == b"data: ":
                data.append(line[6:])
            elif line:
                self._take_field(line)
            elif self._event == b"ping":
                events.append(PING_DATA)
                self._event = b""
                data.clear()
            elif data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._event = b""
            else:
                self._event = b""
        return events

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self.last_event_id = value.decode("utf-8", "replace")
