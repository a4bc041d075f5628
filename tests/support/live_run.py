"""A server with one run that goes on by the clock, whoever is connected: what Dify is since 1.13.

Its streams can be left and joined again: the events endpoint replays a snapshot stripped of inputs and outputs, then
sends what happens from there on. Nothing is kept for a reader who is not connected.
"""

import threading
import time
from collections.abc import Sequence

from support.fault_events import TASK_ID, blocking, detail, finished, frame
from support.servers import DETAIL, EVENTS, PING, RUN, STOP, Connection, Handler, Request, as_json, by_mode, html


class LiveRun:
    """A run whose events happen every `every` seconds from the first request on, the last one when `goes_on` is set."""

    def __init__(self, events: Sequence[bytes], *, every: float, has_events: bool = True) -> None:
        self.events = list(events)
        self.every = every
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.started_at: float | None = None
        self.stopped = threading.Event()
        self.routes: dict[str, Handler] = {
            RUN: by_mode(streaming=self._stream, blocking=self._block),
            EVENTS: self._reattach if has_events else html(404),
            DETAIL: self._detail,
            STOP: self._stop,
        }

    def happened(self) -> int:
        """How many events there have been."""
        assert self.started_at is not None
        most = len(self.events) - (not self.goes_on.is_set())
        return min(most, 1 + int((time.monotonic() - self.started_at) / self.every))

    def _stream(self, connection: Connection, request: Request) -> None:
        self.started_at = time.monotonic()
        connection.stream_head()
        self._follow(connection, 0)

    def _reattach(self, connection: Connection, request: Request) -> None:
        connection.stream_head()
        if request.query.get("user") != "tester":
            connection.chunk(frame({"event": "error", "code": "not_found", "status": 404, "message": "no such run"}))
            return
        connection.chunk(PING)
        seen = self.happened()
        if request.query.get("include_state_snapshot") == "true":
            for event in self.events[:seen]:
                if any(kind in event for kind in (b'"workflow_started"', b'"node_started"', b'"node_finished"')):
                    connection.chunk(event)
        self._follow(connection, min(seen, len(self.events) - 1))

    def _follow(self, connection: Connection, position: int) -> None:
        while position < len(self.events):
            if self.stopped.is_set():
                connection.chunk(finished("stopped", error="Stopped by user."))
                break
            if position < self.happened():
                connection.chunk(self.events[position])
                position += 1
            else:
                connection.pause(0.01)
        connection.end()

    def _block(self, connection: Connection, request: Request) -> None:
        self.started_at = time.monotonic()
        while self.happened() < len(self.events):
            connection.pause(0.01)
        as_json(blocking())(connection, request)

    def _detail(self, connection: Connection, request: Request) -> None:
        # A stopped run stays `running` in the stored record for ever (seen on 1.12.1).
        over = self.happened() == len(self.events) and not self.stopped.is_set()
        as_json(detail("succeeded" if over else "running"))(connection, request)

    def _stop(self, connection: Connection, request: Request) -> None:
        if request.path.split("/")[-2] == TASK_ID and request.json.get("user"):
            self.stopped.set()
        as_json({"result": "success"})(connection, request)
