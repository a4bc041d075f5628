"""The pieces that fault cases are made of: events of one small run of `concat`, and streams that end badly."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from support.servers import PING, SSE, Connection, Handler, Request, as_json

RUN_ID = "2b55b6c8-f983-4d80-8f09-83538e37351a"
TASK_ID = "48b73350-23a5-4087-9864-3d19ed6af80f"
WORKFLOW_ID = "e738cb06-a46a-45bf-b230-e3532103efdf"
RESULT = "这是一段测试文本10000list_b"
NODES = {"start1": "start", "code1": "code", "end1": "end"}


def frame(value: object) -> bytes:
    """One event as Dify frames it: compact JSON, raw UTF-8."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def event(name: str, **data: Any) -> bytes:
    return frame({"event": name, "workflow_run_id": RUN_ID, "task_id": TASK_ID, "data": data})


def node_started(node: str) -> bytes:
    ids = {"id": f"execution-{node}", "node_id": node, "node_type": NODES[node], "title": node.title()}
    return event(
        "node_started", **ids, index=1, predecessor_node_id=None, inputs=None, created_at=1795365992, extras={}
    )


def node_finished(node: str, **outputs: Any) -> bytes:
    ids = {"id": f"execution-{node}", "node_id": node, "node_type": NODES[node], "title": node.title()}
    state: dict[str, Any] = {
        "status": "succeeded",
        "error": None,
        "elapsed_time": 0.014,
        "execution_metadata": None,
        "files": [],
    }
    times = {"created_at": 1795365992, "finished_at": 1795365992}
    return event("node_finished", **ids, index=1, inputs={}, process_data={}, outputs=outputs, **state, **times)


def text_chunk(text: str) -> bytes:
    return event("text_chunk", text=text, from_variable_selector=["code1", "result"])


def run_data(status: str = "succeeded", outputs: object = None, error: str | None = None) -> dict[str, Any]:
    """`data` of a finished run, in a blocking answer and in workflow_finished alike."""
    if outputs is None:
        outputs = {"result": RESULT} if status in ("succeeded", "partial-succeeded") else {}
    counts = {"elapsed_time": 0.141, "total_tokens": 0, "total_steps": 3}
    times = {"created_at": 1795365992, "finished_at": None if status == "paused" else 1795365993}
    return {
        "id": RUN_ID,
        "workflow_id": WORKFLOW_ID,
        "status": status,
        "outputs": outputs,
        "error": error,
        **counts,
        **times,
    }


def finished(status: str = "succeeded", outputs: object = None, error: str | None = None) -> bytes:
    return event("workflow_finished", **run_data(status, outputs, error), exceptions_count=0, files=[])


def blocking(status: str = "succeeded", outputs: object = None, error: str | None = None) -> dict[str, Any]:
    """The body of a blocking answer."""
    return {"task_id": TASK_ID, "workflow_run_id": RUN_ID, "data": run_data(status, outputs, error)}


def detail(status: str = "succeeded", *, as_text: bool = True) -> dict[str, Any]:
    """The body of run detail: outputs are JSON text up to 1.12, an object since 1.13."""
    data = run_data(status)
    if status == "running":
        data |= {"outputs": {}, "finished_at": None, "elapsed_time": 0.0}
    outputs = json.dumps(data["outputs"]) if as_text else data["outputs"]
    return data | {"inputs": json.dumps({"string": "text", "sys.user_id": "tester"}), "outputs": outputs}


NO_SUCH_RUN = dict.fromkeys(detail())
"""Run detail for an unknown id up to 1.13.0: HTTP 200 and every field null."""

STARTED = event(
    "workflow_started", id=RUN_ID, workflow_id=WORKFLOW_ID, inputs={"string": "text"}, created_at=1795365992
)
RESUMED = event(
    "workflow_started", id=RUN_ID, workflow_id=WORKFLOW_ID, inputs={}, created_at=1795365992, reason="resumption"
)
FINISHED = finished()
FIRST_HALF = [STARTED, node_started("start1"), node_finished("start1"), node_started("code1")]
SECOND_HALF = [text_chunk(RESULT), node_finished("code1", result=RESULT), FINISHED]
NORMAL = [*FIRST_HALF, *SECOND_HALF]
FORM = {
    "form_id": "01a203fd-7923-7721-9879-63dc665032f3",
    "node_id": "human1",
    "node_title": "Approve",
    "form_content": "Please review **T1**",
    "inputs": [],
    "actions": [{"id": "approve", "title": "Approve", "button_style": "primary"}],
    "display_in_ui": True,
    "form_token": "RWvCWQ3aGQUlJFyDhzC2ZV",
    "resolved_default_values": {},
    "expiration_time": 1795492872,
}
PAUSED = [
    STARTED,
    event("human_input_required", **FORM),
    event(
        "workflow_paused",
        workflow_run_id=RUN_ID,
        paused_nodes=["human1"],
        outputs={},
        reasons=[{"TYPE": "human_input_required", **FORM}],
        status="paused",
        created_at=1795365992,
        elapsed_time=0.05,
        total_tokens=0,
        total_steps=2,
    ),
]
ERROR = frame(
    {
        "event": "error",
        "workflow_run_id": RUN_ID,
        "task_id": TASK_ID,
        "status": 400,
        "code": "provider_quota_exceeded",
        "message": "Your quota for the provider has been exhausted.",
    }
)
"""Flat, with ids; the pre-start form (since 1.15) has none of them."""
ERROR_BEFORE_START = frame({"event": "error", "message": "string is required in input form", "status": 500})

Ending = Callable[[Connection], None]


def last_chunk(connection: Connection) -> None:
    """The proper end of the answer."""
    connection.end()


def fin(connection: Connection) -> None:
    """The connection closes without the last HTTP chunk."""
    connection.finish()


def reset(connection: Connection) -> None:
    """The connection is reset, once the client has had time to read what was sent."""
    connection.pause(0.05)
    connection.reset()


def silence(connection: Connection) -> None:
    """The socket stays open and nothing more comes."""
    connection.hold()


def pings(connection: Connection) -> None:
    """Pings for ever."""
    while True:
        connection.pause(0.05)
        connection.chunk(PING)


def broken(pieces: Iterable[bytes], ending: Ending, *, every: float = 0.0) -> Handler:
    """A stream of these pieces, `every` seconds one, and then that ending."""

    def handle(connection: Connection, request: Request) -> None:
        connection.stream_head()
        for piece in pieces:
            connection.chunk(piece)
            connection.pause(every)
        ending(connection)

    return handle


def unframed(pieces: Iterable[bytes]) -> Handler:
    """A stream without HTTP chunks: its end is the end of the connection."""

    def handle(connection: Connection, request: Request) -> None:
        connection.head(200, {"Content-Type": SSE, "Connection": "close"})
        connection.send(b"".join(pieces))
        connection.finish()

    return handle


def after_request(ending: Ending) -> Handler:
    """Reads the whole request, answers nothing."""
    return lambda connection, request: ending(connection)


def raw(data: bytes) -> Handler:
    """These bytes, whatever they are, and the end of the connection."""

    def handle(connection: Connection, request: Request) -> None:
        connection.send(data)
        connection.finish()

    return handle


def partial_json(ending: Ending) -> Handler:
    """Half a blocking answer."""
    body = json.dumps(blocking()).encode()

    def handle(connection: Connection, request: Request) -> None:
        connection.head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        connection.send(body[: len(body) // 2])
        ending(connection)

    return handle


def dify_error(status: int, code: str, message: str) -> Handler:
    """An error as Dify's API process words it."""
    return as_json({"code": code, "message": message, "status": status}, status)


TOO_MANY = dify_error(
    400,
    "invalid_param",
    "Too many requests. Please try again later. The current maximum concurrent requests allowed for app is 1.",
)
"""The concurrency limit as 1.12.1 words it: not the 429 of the docs."""
