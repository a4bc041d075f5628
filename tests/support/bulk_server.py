"""A server that counts how often each row was started, and does to single rows what servers and networks do.

A row is its input `string`; what comes over it is said in `faults` by that text. Runs go on whoever listens, and are
kept with the user that they were started for, as Dify keeps them.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.servers import DETAIL, EVENTS, RUN, Connection, Request, Server

LOGS = "GET /v1/workflows/logs"
SPEC = """\
name: concat
inputs:
  string: {type: text-input, max_length: 48}
  num: {type: number, required: false}
outputs:
  result: string
"""


@dataclass
class StoredRun:
    """A run as the server keeps it."""

    id: str
    row: str
    user: str
    status: str = "succeeded"


@dataclass
class BulkServer:
    """What the server has seen; `began` is when each run was started. `faults` says what happens to a row:

    silent     the run is started, and nothing is ever said of it
    lost       the request arrives, no run is started, and nothing is ever said
    hang       the run's start is told, its end is not
    cut        the same, and the connection is cut after it
    cut early  the run is started, and the connection is cut before a word
    fail       the run fails
    refuse     the inputs are refused
    broken     the answer is a 500
    busy       it is refused as one too many, and is not to come back within three seconds

    More requests at once than `capacity` are refused, as are the first `refusals`. Without `filters_logs` the logs are
    everybody's.
    """

    faults: dict[str, str] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    runs: dict[str, StoredRun] = field(default_factory=dict)
    refusals: int = 0
    filters_logs: bool = True
    capacity: int = 1000
    refused: int = 0
    latency: float = 0.0
    most_at_once: int = 0
    began: list[tuple[str, float]] = field(default_factory=list)
    key: str = ""
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self) -> None:
        """Be as new, at the same address."""
        vars(self).update(vars(BulkServer()))

    def environment(self, server: Server) -> dict[str, str]:
        return {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-SECRET"}

    @property
    def twice(self) -> list[str]:
        """Rows that were started more than once."""
        return sorted(row for row, count in self.starts.items() if count > 1)

    def wait_for(self, row: str, timeout: float = 60.0) -> None:
        """Wait until a request for a row has arrived."""
        until = time.monotonic() + timeout
        while not self.arrived[row]:
            assert time.monotonic() < until, f"no request for {row!r}"
            time.sleep(0.01)

    def start(self, connection: Connection, request: Request) -> None:
        row, user = request.json["inputs"]["string"], request.json["user"]
        fault = self.faults.get(row, "")
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._start(connection, row, user, fault)
        finally:
            with self._lock:
                self._at_once -= 1

    def _start(self, connection: Connection, row: str, user: str, fault: str) -> None:
        if fault == "refuse":
            return _error(connection, 400, "invalid_param", "string in input form must be less than 48 characters")
        if fault == "broken":
            return _error(connection, 500, "internal_server_error", "Internal Server Error")
        if fault == "busy":
            self.refused += 1
            return _error(connection, 429, "too_many_requests", "Too many requests.", {"Retry-After": "3"})
        with self._lock:
            is_refused = bool(self.refusals) or self._at_once > self.capacity
            self.refusals -= bool(self.refusals)
            self.refused += is_refused
        if is_refused:
            text = (
                "Too many requests. Please try again later. The current maximum concurrent requests allowed for x is 1."
            )
            return _error(connection, 400, "invalid_param", text)
        self.arrived[row] += 1
        if fault == "lost":
            return connection.hold()
        run = StoredRun(str(uuid.uuid4()), row, user, "failed" if fault == "fail" else "succeeded")
        with self._lock:
            self.starts[row] += 1
            self.began.append((row, time.monotonic()))
            self.runs[run.id] = run
        if fault == "cut early":
            return connection.reset()
        connection.stream_head()
        if fault == "silent":
            return connection.hold()
        connection.chunk(_event("workflow_started", run, {"id": run.id, "workflow_id": "w", "inputs": {}}))
        if fault == "hang":
            return connection.hold()
        if fault == "cut":
            return connection.reset()
        if self.latency:
            connection.pause(self.latency)
        connection.chunk(_event("workflow_finished", run, _detail(run)))
        connection.end()
        return None

    def detail(self, connection: Connection, request: Request) -> None:
        run = self.runs.get(request.path.rpartition("/")[2])
        if run is None:
            return _error(connection, 404, "not_found", "Workflow run not found.")
        return _answer(connection, _detail(run))

    def logs(self, connection: Connection, request: Request) -> None:
        user = request.query.get("created_by_end_user_session_id")
        found = [run for run in self.runs.values() if run.user == user or not self.filters_logs]
        entries = [
            {
                "id": run.id,
                "workflow_run": {"id": run.id, "status": run.status},
                "created_by_end_user": {"session_id": run.user},
            }
            for run in found
        ]
        _answer(connection, {"page": 1, "limit": 20, "total": len(found), "has_more": False, "data": entries})

    def route(self, connection: Connection, request: Request) -> None:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(connection, 401, "unauthorized", "Access token is invalid")
        if request.line == RUN:
            return self.start(connection, request)
        if request.line == LOGS:
            return self.logs(connection, request)
        if request.path.endswith("/events"):
            return _error(connection, 404, "not_found", "Not found.")
        return self.detail(connection, request)


ROUTES = (RUN, LOGS, EVENTS, DETAIL)


@contextmanager
def bulk_server(port: int = 0) -> Iterator[tuple[BulkServer, Server]]:
    """Serve, and fail if the server itself did."""
    bulk = BulkServer()
    with Server(bulk.route, port=port) as server:
        yield bulk, server


def _detail(run: StoredRun) -> dict[str, Any]:
    is_good = run.status == "succeeded"
    return {
        "id": run.id,
        "workflow_id": "w",
        "status": run.status,
        "outputs": {"result": run.row.upper()} if is_good else {},
        "error": None if run.status in ("succeeded", "running") else "the node broke",
        "elapsed_time": 0.25,
        "total_tokens": 7,
        "total_steps": 3,
        "created_at": 1795365992,
        "finished_at": 1795365992,
    }


def _event(name: str, run: StoredRun, data: dict[str, Any]) -> bytes:
    payload = {"event": name, "workflow_run_id": run.id, "task_id": f"task-{run.id}", "data": data}
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def _error(
    connection: Connection, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> None:
    _answer(connection, {"code": code, "message": message, "status": status}, status, headers)


def _answer(
    connection: Connection, payload: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    body = json.dumps(payload).encode()
    fixed = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    connection.head(status, {**fixed, **(headers or {})})
    connection.send(body)
