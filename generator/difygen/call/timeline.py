"""The steps of a run or a turn as its events tell them: a row per node or thought, an execution per time it ran."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

Status = Literal["running", "succeeded", "failed", "exception", "stopped", "paused"]


@dataclass(slots=True)
class Attempt:
    """A try of an execution that failed and was repeated (`node_retry`)."""

    number: int
    error: str
    elapsed: float | None


@dataclass(slots=True)
class NodeExecution:
    """One time that a node ran. Times are seconds after the run's first event; `item` counts within its iteration."""

    id: str
    started: float
    item: int | None = None
    finished: float | None = None
    elapsed: float | None = None
    status: Status = "running"
    tokens: int = 0
    price: str = ""
    error: str = ""
    inputs: Any = None
    process_data: Any = None
    outputs: Any = None
    attempts: list[Attempt] = field(default_factory=list)
    logs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    reasoning: str = ""

    def seconds(self, now: float) -> float:
        """Return how long it took, or has taken as of `now`: what the server says, else what was seen here."""
        if self.elapsed is not None:
            return self.elapsed
        return max(0.0, (now if self.finished is None else self.finished) - self.started)


@dataclass(slots=True)
class NodeRow:
    """A node of the app. An iteration or loop counts its rounds: `rounds` begun, of `expected` where that is known."""

    node_id: str
    type: str
    title: str
    parent: str | None = None
    executions: list[NodeExecution] = field(default_factory=list)
    rounds: int = 0
    expected: int | None = None

    @property
    def status(self) -> Status:
        """The worst that any execution came to; running as long as one is."""
        statuses = {execution.status for execution in self.executions}
        ranked: tuple[Status, ...] = ("running", "paused", "failed", "stopped", "exception")
        return next((status for status in ranked if status in statuses), "succeeded")

    @property
    def tokens(self) -> int:
        """Tokens of all executions together."""
        return sum(execution.tokens for execution in self.executions)

    def seconds(self, now: float) -> float:
        """Return the seconds of all executions together, the running ones as of `now`."""
        return sum(execution.seconds(now) for execution in self.executions)


def to_text(value: object) -> str:
    """Return the text, or an empty one for anything else."""
    return value if isinstance(value, str) else ""


def to_mapping(value: object) -> Mapping[str, Any]:
    """Return the object, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def to_list(value: object) -> list[Any]:
    """Return the list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def to_number(value: object) -> float | None:
    """Return the number if it is a finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def to_integer(value: object) -> int | None:
    """Return the number without its fraction."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = to_number(value)
    return None if number is None else int(number)


def to_price(metadata: Mapping[str, Any]) -> str:
    """Return what an execution cost, with its currency; empty for nothing. Amounts are texts or numbers, by version."""
    price = metadata.get("total_price")
    if not isinstance(price, str | int | float) or not any(digit in "123456789" for digit in str(price)):
        return ""
    return f"{price} {to_text(metadata.get('currency'))}".strip()


_STATUSES: Mapping[str, Status] = {
    "succeeded": "succeeded",
    "partial-succeeded": "succeeded",
    "failed": "failed",
    "exception": "exception",
    "stopped": "stopped",
    "paused": "paused",
}
Event = Mapping[str, Any]
Data = Mapping[str, Any]


class Timeline:
    """A run or a turn as it unfolds: feed it events; read rows, text and result at any time.

    The text of a turn is its answer so far, and `answer` says when that came. Thoughts of an agent are rows, too.
    `files` are by id. Whoever asks sets `query`: only chatflows tell it.
    """

    def __init__(self, parents: Mapping[str, str] | None = None) -> None:
        """`parents` says which iteration or loop holds a node, where the definition tells; events tell it too."""
        self.run_id = ""
        self.task_id = ""
        self.workflow_id = ""
        self.message_id = ""
        self.conversation_id = ""
        self.created_at: int | None = None
        self.status = "running"
        self.error = ""
        self.inputs: Mapping[str, Any] = {}
        self.outputs: Mapping[str, Any] = {}
        self.elapsed: float | None = None
        self.tokens = 0
        self.steps = 0
        self.exceptions = 0
        self.forms: list[Data] = []
        self.finished: list[tuple[NodeRow, NodeExecution]] = []
        self.events = 0
        self.ended: float | None = None
        self.query = ""
        self.answer: NodeExecution | None = None
        self.files: dict[str, Data] = {}
        self.citations: list[Data] = []
        self.annotation: Data = {}
        self._parents = dict(parents or {})
        self._rows: dict[str, NodeRow] = {}
        self._texts: list[str] = []
        self._zero: float | None = None
        self._now = 0.0
        self._shift = 0.0

    def feed(self, event: Event, at: float) -> None:
        """Take an event that arrived at `at`, in seconds of any steady clock."""
        self.events += 1
        self._zero = at if self._zero is None else self._zero
        self._now = max(self._now, at - self._zero + self._shift)
        self.run_id = to_text(event.get("workflow_run_id")) or self.run_id
        self.task_id = to_text(event.get("task_id")) or self.task_id
        self.message_id = to_text(event.get("message_id")) or self.message_id
        self.conversation_id = to_text(event.get("conversation_id")) or self.conversation_id
        data = event.get("data")
        self._take(to_text(event.get("event")), data if isinstance(data, Mapping) else event)

    def interrupt(self, status: str, error: str, at: float | None = None) -> None:
        """Close what is still open because no more events will come."""
        if at is not None and self._zero is not None:
            self._now = max(self._now, at - self._zero + self._shift)
        self.status, self.error = status, error or self.error
        self._close()

    def now(self, at: float) -> float:
        """Return the run's own time for a moment of the clock: it stands still once the run has ended."""
        if self.ended is not None:
            return self.ended
        return 0.0 if self._zero is None else max(self._now, at - self._zero + self._shift)

    @property
    def text(self) -> str:
        """The text pieces in their order, as a reader sees them. Outputs come with the end of the run."""
        return "".join(self._texts)

    @property
    def extent(self) -> float:
        """Seconds that the whole picture spans."""
        return self._now

    def rows(self) -> Iterator[tuple[int, NodeRow]]:
        """Yield each row with its depth, in the order in which they began, children below their iteration or loop."""
        children: dict[str | None, list[NodeRow]] = {}
        for row in list(self._rows.values()):  # a copy: a view may draw in a thread of its own while events come in
            parent = row.parent if row.parent in self._rows else None
            children.setdefault(parent, []).append(row)
        yield from _rows_below(children, None, 0, frozenset())

    def depth(self, row: NodeRow) -> int:
        """Count the iterations and loops that hold a row."""
        above: list[NodeRow] = []
        parent = self._rows.get(row.parent or "")
        while parent is not None and parent not in above:
            above.append(parent)
            parent = self._rows.get(parent.parent or "")
        return len(above)

    def running(self) -> list[NodeRow]:
        """Return the rows that are at work."""
        return [row for row in list(self._rows.values()) if row.status == "running"]

    def _row(self, data: Data) -> NodeRow:
        node_id = to_text(data.get("node_id")) or to_text(data.get("id"))
        parent = to_text(data.get("iteration_id")) or to_text(data.get("loop_id")) or self._parents.get(node_id)
        row = self._rows.get(node_id)
        if row is None:
            title = to_text(data.get("title")) or to_text(data.get("node_title")) or node_id
            row = self._rows[node_id] = NodeRow(node_id, to_text(data.get("node_type")), title)
        row.parent = row.parent or (parent if parent != node_id else None)
        return row

    def _begin(self, data: Data) -> tuple[NodeRow, NodeExecution]:
        """Return row and execution, made if they are new: a stream that was taken up again repeats the beginnings."""
        row, key = self._row(data), to_text(data.get("id"))
        for execution in reversed(row.executions):
            if execution.id == key:
                return row, execution
        parent = self._rows.get(row.parent or "")
        execution = NodeExecution(key, self._now, item=max(parent.rounds - 1, 0) if parent else None)
        row.executions.append(execution)
        return row, execution

    def _take(self, name: str, data: Data) -> None:
        """Take what an event says. Those that a picture does not show are left out."""
        match name:
            case "workflow_started":
                self.workflow_id = to_text(data.get("workflow_id")) or self.workflow_id
                self.inputs = to_mapping(data.get("inputs")) or self.inputs
                self.query = self.query or to_text(self.inputs.get("sys.query"))
                self.created_at = to_integer(data.get("created_at")) or self.created_at
                self.run_id = self.run_id or to_text(data.get("id"))
                self.status, self.ended = "running", None
            case "workflow_finished" | "workflow_paused":
                self._end("paused" if name == "workflow_paused" else to_text(data.get("status")) or "succeeded", data)
            case "error":
                self.status, self.error = "failed", to_text(data.get("message"))
                self._close()
            case "node_started":
                self._begin(data)
            case "node_retry":
                _, execution = self._begin(data)
                number = to_integer(data.get("retry_index")) or len(execution.attempts) + 1
                attempt = Attempt(number, to_text(data.get("error")), to_number(data.get("elapsed_time")))
                execution.attempts.append(attempt)
            case "node_finished" | "iteration_completed" | "loop_completed":
                self._finish(*self._begin(data), data)
            case "iteration_started" | "loop_started":
                row, execution = self._begin(data)
                execution.inputs = data.get("inputs")
                metadata = to_mapping(data.get("metadata"))
                expected = to_integer(metadata.get("iteration_length"))
                row.expected = to_integer(metadata.get("loop_length")) if expected is None else expected
            case "iteration_next" | "loop_next":
                self._row(data).rounds += 1
            case "text_chunk":
                self._texts.append(to_text(data.get("text")))
            case "text_replace":
                self._texts = [to_text(data.get("text"))]
            case "message" | "agent_message" | "message_replace" | "message_file" if "answer" in data:
                self._answer(name, to_text(data.get("answer")))
            case "message_file":
                of_turn = ("event", "task_id", "message_id", "conversation_id", "created_at")
                file = {name: value for name, value in data.items() if name not in of_turn}
                self.files[to_text(data.get("id"))] = file
            case "agent_thought":
                self._think(data)
            case "message_end":
                self._end_message(data)
            case "reasoning_chunk" | "agent_log":
                self._add_to_last(name, data)
            case "human_input_required":
                self.forms.append(data)

    def _end(self, status: str, data: Data) -> None:
        self.status = status
        self.error = to_text(data.get("error"))
        self.outputs = to_mapping(data.get("outputs"))
        self.elapsed = to_number(data.get("elapsed_time"))
        self.tokens = to_integer(data.get("total_tokens")) or 0
        self.steps = to_integer(data.get("total_steps")) or 0
        self.exceptions = to_integer(data.get("exceptions_count")) or 0
        self._close()

    def _answer(self, name: str, text: str) -> None:
        """Take a piece of the answer, or all of it anew; after its pieces an agent of 1.15 sends the whole in one."""
        if self.answer is None:
            self.answer = NodeExecution(name, self._now)
        whole = name == "message_replace" or (name == "message" and self.answer.id == "agent_message")
        self._texts = [text] if whole else [*self._texts, text]
        self.answer.finished = self._now

    def _think(self, data: Data) -> None:
        """Take a step of an agent, which comes several times and is fuller each time. The next one ends it."""
        tool = ", ".join(filter(None, to_text(data.get("tool")).split(";")))
        row, execution = self._begin({"id": data.get("id"), "node_type": "thought", "title": "thought"})
        row.type, row.title = ("tool", tool) if tool else (row.type, row.title)
        execution.inputs = _from_json(data.get("tool_input")) or execution.inputs
        execution.outputs = _from_json(data.get("observation")) or execution.outputs
        execution.reasoning = to_text(data.get("thought")) or execution.reasoning
        self._finish_thoughts(besides=None if execution.outputs else execution)

    def _finish_thoughts(self, besides: NodeExecution | None = None) -> None:
        for row in self._rows.values():
            for execution in row.executions:
                if row.type in ("thought", "tool") and execution is not besides and execution.finished is None:
                    execution.status, execution.finished = "succeeded", self._now
                    self.finished.append((row, execution))

    def _end_message(self, data: Data) -> None:
        """End the turn, unless the run of a chatflow ends it: its events come before this one or after, by version."""
        metadata = to_mapping(data.get("metadata"))
        self.citations = [each for each in to_list(metadata.get("retriever_resources")) if isinstance(each, Mapping)]
        self.annotation = to_mapping(metadata.get("annotation_reply"))
        for file in to_list(data.get("files")):
            if isinstance(file, Mapping):
                key = to_text(file.get("related_id")) or to_text(file.get("id"))
                self.files[key] = {**self.files.get(key, {}), **file}
        usage = to_mapping(metadata.get("usage"))
        if self.answer is not None:
            self.answer.price = to_price(usage)
        if self.workflow_id:
            return
        self.tokens = to_integer(usage.get("total_tokens")) or 0
        self._finish_thoughts()
        self.status = "succeeded"
        self._close()

    def _add_to_last(self, name: str, data: Data) -> None:
        """Add what a model thinks, or an agent does, to the execution that it belongs to."""
        row = self._rows.get(to_text(data.get("node_id")))
        executions = row.executions if row is not None else []
        if name == "reasoning_chunk":
            for execution in executions[-1:]:
                execution.reasoning += to_text(data.get("reasoning"))
            return
        execution_id = to_text(data.get("node_execution_id"))
        found = [each for each in executions if each.id == execution_id or not execution_id]
        for execution in found[-1:]:
            execution.logs[to_text(data.get("id"))] = data

    def _finish(self, row: NodeRow, execution: NodeExecution, data: Data) -> None:
        self.finished.append((row, execution))
        metadata = to_mapping(data.get("execution_metadata"))
        execution.status = _STATUSES.get(to_text(data.get("status")), "succeeded")
        execution.error = to_text(data.get("error"))
        execution.elapsed = to_number(data.get("elapsed_time"))
        # Events that were held back on their way arrive closer together than they happened: the clock moves on.
        moment = execution.started + (execution.elapsed or 0.0)
        self._shift += max(0.0, moment - self._now)
        self._now = max(self._now, moment)
        execution.finished = self._now
        execution.tokens = to_integer(metadata.get("total_tokens")) or to_integer(data.get("total_tokens")) or 0
        execution.price = to_price(metadata)
        index = to_integer(metadata.get("iteration_index"))
        index = to_integer(metadata.get("loop_index")) if index is None else index
        execution.item = execution.item if index is None else index
        execution.inputs = data.get("inputs")
        execution.process_data = data.get("process_data")
        execution.outputs = data.get("outputs")

    def _close(self) -> None:
        """End the run: a node that was cut off shares its fate (seen on 1.12.1: it gets no `node_finished`)."""
        self.ended = self._now
        fate: Status = "paused" if self.status == "paused" else "failed" if self.status == "failed" else "stopped"
        if self.answer is not None:
            self.answer.status = "succeeded" if self.status == "succeeded" else fate
        for row in self._rows.values():
            for execution in row.executions:
                if execution.status == "running":
                    execution.status, execution.finished = fate, self._now


def _from_json(value: object) -> Any:
    """Return what a text says in JSON, or the text: what tools are given and give comes as either."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _rows_below(
    children: Mapping[str | None, list[NodeRow]], parent: str | None, depth: int, above: frozenset[str]
) -> Iterator[tuple[int, NodeRow]]:
    for row in children.get(parent, ()):
        if row.node_id not in above:
            yield depth, row
            yield from _rows_below(children, row.node_id, depth + 1, above | {row.node_id})
