"""A run, event by event, without a clock or a connection of its own: a generator that says what happens and what it waits for.

Order and fields of the events are those of recordings of 1.12.1; pauses are those of the release line after it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from difygen.mock import nodes
from difygen.mock.chunks import EndText
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.faults import Faults
from difygen.mock.files import FileStore, files_in
from difygen.mock.forms import Form, form_of
from difygen.mock.pool import Pool
from difygen.mock.validation import schema_error
from difygen.mock.walk import SILENT, Walk
from difygen.workflow import Node

CODE_ERROR = "RuntimeError: this failure was asked for"
_CONTAINERS = {"iteration": "iteration", "loop": "loop"}


@dataclass(frozen=True, slots=True)
class Delay:
    """The run takes so many seconds here."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Compute:
    """The run wants to know its outputs now: the answer is a mapping, an exception, or None for "make them up"."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The run says so, and waits until somebody submits the form; the answer is the form with its submission."""

    form: Form
    event: JsonObject


Beat = JsonObject | Delay | Compute | Pause
Beats = Generator[Beat, Any, None]


class _FailedError(Exception):
    """A node failed and nobody handles it: ends the run."""


@dataclass(slots=True)
class Totals:
    """What a run's last event and its detail count."""

    steps: int = 0
    tokens: int = 0
    exceptions: int = 0


@dataclass(slots=True)
class Simulation:
    """One run of one definition. `inputs` are the user's, already checked; `system` the `sys.*` values."""

    definition: Definition
    run_id: str
    task_id: str
    user: str
    user_id: str
    inputs: JsonObject
    system: JsonObject
    store: FileStore
    faults: Faults
    latency: float = 0.0
    totals: Totals = field(default_factory=Totals)
    outputs: JsonObject = field(default_factory=dict)
    status: str = "running"
    error: str | None = None
    started: float = field(default_factory=time.monotonic)
    created_at: int = field(default_factory=lambda: int(time.time()))
    _pool: Pool = field(init=False)
    _text: EndText = field(init=False)
    _exact: bool = False
    _asked: bool = False
    _slowed: bool = False
    _paused: bool = False

    def __post_init__(self) -> None:
        self._pool = Pool(self.definition, self.store)
        self._pool.put("sys", {name.removeprefix("sys."): value for name, value in self.system.items()}, known=True)

    def beats(self) -> Beats:
        """What happens, in order, from `workflow_started` to `workflow_finished`."""
        yield self.event("workflow_started", self._started_data())
        walk = Walk(self.definition, None)
        self._text = EndText(self.definition, self._pool, walk)
        try:
            for node in walk:
                yield from self._top_level(node, walk)
        except _FailedError as failure:
            yield self.finish("failed", str(failure))
            return
        yield self.finish("partial-succeeded" if self.totals.exceptions else "succeeded", None)

    def event(self, name: str, data: JsonObject) -> JsonObject:
        """An event in its envelope, keys in the order of the wire."""
        return {"event": name, "workflow_run_id": self.run_id, "task_id": self.task_id, "data": data}

    def finish(self, status: str, error: str | None) -> JsonObject:
        """The last event. Failed and stopped runs have no outputs (seen on 1.12.1)."""
        self.status, self.error = status, error
        if status in ("failed", "stopped"):
            self.outputs = {}
        data = {
            "id": self.run_id,
            "workflow_id": self.definition.id("workflow"),
            "status": status,
            "outputs": self.outputs,
            "error": error,
            "elapsed_time": self.elapsed(),
            "total_tokens": self.totals.tokens,
            "total_steps": self.totals.steps,
            "created_by": {"id": self.user_id, "user": self.user},
            "created_at": self.created_at,
            "finished_at": int(time.time()),
            "exceptions_count": self.totals.exceptions,
            "files": files_in(self.outputs),
        }
        return self.event("workflow_finished", data)

    def elapsed(self) -> float:
        """Seconds since the run started, as the wire has them."""
        return round(time.monotonic() - self.started, 6)

    def _started_data(self, **more: str) -> JsonObject:
        return {
            "id": self.run_id,
            "workflow_id": self.definition.id("workflow"),
            "inputs": self.inputs | self.system,
            "created_at": int(time.time()),
            **more,
        }

    def _top_level(self, node: Node, walk: Walk) -> Beats:
        if node.type == "end" and "paused" in self.faults and not self._paused:
            yield from self._human(Node(id="mock_pause", type="human-input", title="Pause"))
        self.totals.steps += 1
        if node.type in _CONTAINERS:
            handle = yield from self._container(node, walk)
        elif node.type == "human-input":
            handle = yield from self._human(node)
        else:
            handle = yield from self._node(node, walk)
        walk.leave(node, handle)
        if handle != "source":
            yield from self._chunks()

    def _chunks(self, reached: str = "") -> Iterator[JsonObject]:
        return (self.event("text_chunk", data) for data in self._text.due(reached=reached))

    # One node

    def _node(self, node: Node, walk: Walk, place: JsonObject | None = None) -> Generator[Beat, Any, str]:
        execution = _Execution(node, place or {})
        yield self.event("node_started", execution.started())
        if node.type == "end" and not place:
            yield from self._chunks(node.id)
        yield from self._ask(node)
        seconds = self._seconds(node)
        result = self._result(node)
        problem = self._problem(node, place)
        if problem:
            yield Delay(seconds)
            return (yield from self._broken(node, execution, result, problem, walk))
        if node.type != "llm":
            yield Delay(seconds)
        self._keep(node, result)
        chunks = [] if place else list(self._chunks())
        for chunk in chunks:
            if node.type == "llm":  # a model's answer comes word by word while it works
                yield Delay(seconds / len(chunks))
            yield chunk
        if node.type == "llm" and not chunks:
            yield Delay(seconds)
        yield self.event("node_finished", execution.finished(result))
        return self._handle(node, result, walk)

    def _ask(self, node: Node) -> Beats:
        """Ask for the run's outputs when the first node starts to work."""
        if node.type == "start" or self._asked:
            return
        self._asked = True
        answer = yield Compute()
        if isinstance(answer, BaseException):
            self.error = f"{type(answer).__name__}: {answer}"
        elif answer is not None:
            self._prescribe(answer)

    def _seconds(self, node: Node) -> float:
        """How long a node takes. The fault `slow` is for the node that it names, else for the first that works."""
        if node.type == "start":
            return 0.0
        slow = self.faults.slow
        if self._slowed or slow.node not in ("", node.id):
            return self.latency
        self._slowed = True
        return self.latency + slow.seconds

    def prescribe(self, outputs: Mapping[str, Any]) -> None:
        """Let the run end with these outputs where the definition has them; others are made up."""
        self._pool.prescribe(outputs)

    def _prescribe(self, outputs: Mapping[str, Any]) -> None:
        self._exact = True
        self._pool.prescribe(outputs)

    def _result(self, node: Node) -> nodes.Result:
        if node.type == "start":
            values = self.inputs | self.system | {"sys.timestamp": self.created_at}
            return nodes.Result(inputs=values, outputs=values, known=True)
        if node.type == "end":
            outputs = self._end_outputs(node)
            return nodes.Result(inputs=outputs, outputs=outputs, known=True)
        return nodes.result_of(node, self.definition.settings.get(node.id, {}), self._pool)

    def _end_outputs(self, node: Node) -> JsonObject:
        prescribed, rows = self._pool.prescribed, self.definition.ends[node.id]
        outputs = {
            name: prescribed.get(name, self._pool.get(selector))
            for name, selector in rows
            if name in prescribed or not self._exact
        }
        elsewhere = {name for end in self.definition.ends.values() for name, _ in end}
        return outputs | {name: value for name, value in prescribed.items() if name not in elsewhere}

    def _keep(self, node: Node, result: nodes.Result) -> None:
        self._pool.put(node.id, result.outputs, known=result.known)
        self.totals.tokens += int(result.metadata.get("total_tokens", 0))
        if node.type == "end":
            self.outputs |= result.outputs

    def _handle(self, node: Node, result: nodes.Result, walk: Walk) -> str:
        """The branch to go on by: what the node says, else the one that leads to the prescribed outputs, else the first."""
        handles = walk.handles(node)
        if not self.definition.branches(node) or not handles:
            return "source"
        if self.definition.settings.get(node.id, {}).get("error_strategy") == "fail-branch":
            return next((each for each in handles if each != "fail-branch"), "")
        if result.handle in handles or result.known:
            return result.handle
        return max(handles, key=lambda handle: self._named_beyond(node, handle, walk))

    def _named_beyond(self, node: Node, handle: str, walk: Walk) -> int:
        ends = walk.beyond(node, handle) & self.definition.ends.keys()
        names = {name for end in ends for name, _ in self.definition.ends[end]}
        return len(names & self._pool.prescribed.keys())

    # Failures

    def _problem(self, node: Node, place: JsonObject | None) -> str:
        """Why this node fails, or empty."""
        if node.type == "start":
            return schema_error(self.definition.variables, self.inputs) or ""
        rounds = (place or {}).get("_index", 0) != (place or {}).get("_last", 0)
        if node.id != self._failing() or rounds:
            return ""
        return self.error or CODE_ERROR

    def _failing(self) -> str:
        """The node that fails in this run: the one that the fault names, else the first that does work, else the last."""
        if not (self.error or "failed" in self.faults or "partial" in self.faults):
            return ""
        candidates = [node for node in self.definition.nodes if node.parent is None]
        if self.faults.node in {node.id for node in self.definition.nodes}:
            return self.faults.node
        if "partial" in self.faults:
            for node in candidates:
                if self.definition.settings.get(node.id, {}).get("error_strategy"):
                    return node.id
        idle = ("start", "end", "if-else", *_CONTAINERS, *SILENT)
        return next(
            (n.id for n in candidates if n.type not in idle), next((n.id for n in candidates if n.type == "end"), "")
        )

    def _broken(
        self, node: Node, execution: _Execution, result: nodes.Result, problem: str, walk: Walk
    ) -> Generator[Beat, Any, str]:
        settings = self.definition.settings.get(node.id, {})
        yield from self._retries(settings, execution, result, problem)
        self.totals.exceptions += 1
        strategy = settings.get("error_strategy")
        if node.type == "start" or ("partial" not in self.faults and not strategy):
            failed = nodes.Result(inputs=result.inputs)
            yield self.event("node_finished", execution.finished(failed, status="failed", error=problem))
            raise _FailedError(problem)
        strategy = strategy or "default-value"
        outputs = _default_values(settings) if strategy == "default-value" else {}
        outputs = (result.outputs if strategy == "default-value" and not outputs else outputs) | {
            "error_message": problem,
            "error_type": "CodeExecutionError",
        }
        handled = nodes.Result(result.inputs, outputs, metadata={"error_strategy": strategy}, known=True)
        self._pool.put(node.id, outputs, known=True)
        yield self.event("node_finished", execution.finished(handled, status="exception", error="Unknown error"))
        return "fail-branch" if strategy == "fail-branch" and "fail-branch" in walk.handles(node) else "source"

    def _retries(self, settings: JsonObject, execution: _Execution, result: nodes.Result, problem: str) -> Beats:
        config = settings.get("retry_config")
        if not isinstance(config, dict) or not config.get("retry_enabled"):
            return
        for attempt in range(1, int(config.get("max_retries") or 0) + 1):
            self.totals.steps += 1
            retry = execution.finished(nodes.Result(inputs=result.inputs), status="retry", error=problem)
            yield self.event("node_retry", retry | {"retry_index": attempt})
            if self.latency:
                yield Delay(self.latency)

    # Iterations and loops

    def _container(self, node: Node, walk: Walk) -> Generator[Beat, Any, str]:
        settings = self.definition.settings.get(node.id, {})
        items = nodes.container_items(settings, self._pool, node) if node.type == "iteration" else _rounds(settings)
        rounds = _Rounds(self, node, settings, items)
        if items:  # an empty list gives no events at all (seen on 1.12.1)
            yield from rounds.beats()
        outputs = rounds.outputs()
        self._pool.put(node.id, outputs, known=False)
        yield from self._chunks()
        return "source"

    def round(self, node: Node, place: JsonObject) -> Beats:
        """One round of an iteration or loop: its inner nodes in turn."""
        walk = Walk(self.definition, node.id)
        for inner in walk:
            if inner.type in SILENT:
                walk.leave(inner)
            elif inner.type in _CONTAINERS:
                walk.leave(inner, (yield from self._container(inner, walk)))
            else:
                walk.leave(inner, (yield from self._node(inner, walk, place)))

    @property
    def pool(self) -> Pool:
        """The values of the run so far."""
        return self._pool

    # People

    def _human(self, node: Node) -> Generator[Beat, Any, str]:
        self._paused = True
        form = form_of(node, self.definition, self._pool)
        yield self.event("node_started", _Execution(node, {}).started())
        yield self.event("human_input_required", form.required())
        self.status = "paused"
        answered: Form = yield Pause(form, self.event("workflow_paused", self._paused_data(form)))
        self.status = "running"
        self.totals.steps += 1
        yield self.event("workflow_started", self._started_data(reason="resumption"))
        execution = _Execution(node, {})
        yield self.event("node_started", execution.started())
        yield self.event("human_input_form_filled", answered.filled())
        result = nodes.Result(outputs=answered.outputs())
        self._pool.put(node.id, result.outputs, known=True)
        yield from self._chunks()
        yield self.event("node_finished", execution.finished(result))
        return answered.action if node.id in {each.id for each in self.definition.nodes} else "source"

    def _paused_data(self, form: Form) -> JsonObject:
        return {
            "workflow_run_id": self.run_id,
            "paused_nodes": [form.node_id],
            "outputs": {},
            "reasons": [form.reason()],
            "status": "paused",
            "created_at": self.created_at,
            "elapsed_time": self.elapsed(),
            "total_tokens": self.totals.tokens,
            "total_steps": self.totals.steps,
        }


def _default_values(settings: JsonObject) -> JsonObject:
    rows = [row for row in settings.get("default_value") or () if isinstance(row, dict)]
    return {str(row.get("key")): _default_value(row) for row in rows}


def _default_value(row: JsonObject) -> Any:
    if row.get("type") == "number":  # a number becomes a float, whatever it was (seen on 1.12.1)
        try:
            return float(row.get("value") or 0)
        except (TypeError, ValueError):
            return 0.0
    return row.get("value")


def _rounds(settings: JsonObject) -> list[Any]:
    count = settings.get("loop_count")
    return list(range(min(count if isinstance(count, int) else 1, 2)))


@dataclass(slots=True)
class _Execution:
    """One execution of a node: the fields that its events share. `place` says in which round of what it runs."""

    node: Node
    place: JsonObject
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: int = field(default_factory=lambda: int(time.time()))
    clock: float = field(default_factory=time.monotonic)

    def _head(self) -> JsonObject:
        return {
            "id": self.id,
            "node_id": self.node.id,
            "node_type": self.node.type,
            "title": self.node.title,
            "index": 1,
            "predecessor_node_id": None,
        }

    def started(self) -> JsonObject:
        return self._head() | {
            "inputs": None,
            "inputs_truncated": False,
            "created_at": self.created_at,
            "extras": {},
            "iteration_id": self.place.get("iteration_id"),
            "loop_id": self.place.get("loop_id"),
            "agent_strategy": None,
        }

    def finished(self, result: nodes.Result, *, status: str = "succeeded", error: str | None = None) -> JsonObject:
        metadata = result.metadata | {key: value for key, value in self.place.items() if not key.startswith("_")}
        return self._head() | {
            "inputs": result.inputs,
            "inputs_truncated": False,
            "process_data": result.process_data,
            "process_data_truncated": False,
            "outputs": result.outputs,
            "outputs_truncated": False,
            "status": status,
            "error": error,
            "elapsed_time": round(time.monotonic() - self.clock, 6),
            "execution_metadata": metadata or None,
            "created_at": self.created_at,
            "finished_at": int(time.time()),
            "files": files_in(result.outputs),
            "iteration_id": self.place.get("iteration_id"),
            "loop_id": self.place.get("loop_id"),
        }


class _Rounds:
    """An iteration or a loop: its own events around those of its rounds. Their id is the node's (seen on 1.12.1)."""

    def __init__(self, simulation: Simulation, node: Node, settings: JsonObject, items: list[Any]) -> None:
        self._simulation = simulation
        self._node = node
        self._settings = settings
        self._items = items
        self._kind = _CONTAINERS[node.type]
        self._first = 0 if self._kind == "iteration" else 1
        self._collected: list[Any] = []
        self._created_at = int(time.time())
        self._clock = time.monotonic()
        self._durations: dict[str, float] = {}

    def beats(self) -> Beats:
        yield self._event(
            "started", {"metadata": self._metadata(), "inputs": self._inputs(), "inputs_truncated": False}
        )
        parallel = bool(self._settings.get("is_parallel"))
        if parallel:  # all rounds are announced before any of them runs (seen on 1.12.1)
            for index in range(len(self._items)):
                yield self._next(index)
        try:
            for index, item in enumerate(self._items):
                if not parallel:
                    yield self._next(index)
                yield from self._round(index, item)
        except _FailedError:
            yield self._completed("failed")
            raise
        yield self._completed("succeeded")

    def _round(self, index: int, item: Any) -> Beats:
        clock, pool = time.monotonic(), self._simulation.pool
        pool.put(self._node.id, {"item": item, "index": index}, known=True)
        number = index + self._first
        place = {
            f"{self._kind}_id": self._node.id,
            f"{self._kind}_index": number,
            "_index": index,
            "_last": self._middle(),
        }
        yield from self._simulation.round(self._node, place)
        self._durations[str(number)] = round(time.monotonic() - clock, 6)
        selector = tuple(map(str, self._settings.get("output_selector") or ()))
        self._collected.append(pool.get(selector) if pool.knows(selector) else _UNKNOWN)

    def _middle(self) -> int:
        """The round in which a failure that was asked for happens: the second, so that one has gone well."""
        return min(1, len(self._items) - 1)

    def outputs(self) -> JsonObject:
        """What the node gives: what its rounds gave where that follows from the inputs, else made-up values, one per round."""
        pool = self._simulation.pool
        wanted = pool.wanted(self._node.id)
        if self._kind == "loop":
            return wanted | {"loop_round": len(self._items)}
        if not self._items:
            return {"output": []}
        made_up = wanted.get("output")
        named = any(name in pool.prescribed for name in pool.names_from(self._node.id))
        if named or not isinstance(made_up, list) or not made_up:
            return {"output": made_up if named else self._known_or(None)}
        return {"output": self._known_or(made_up)}

    def _known_or(self, made_up: list[Any] | None) -> list[Any]:
        if self._collected and _UNKNOWN not in self._collected:
            return self._collected
        return [(made_up or ["mock item"])[index % len(made_up or [""])] for index in range(len(self._collected))]

    def _next(self, index: int) -> JsonObject:
        more: JsonObject = {"index": index + self._first}
        if self._kind == "loop":
            more["pre_loop_output"] = {}
        head = {"id": self._node.id, "node_id": self._node.id, "node_type": self._node.type, "title": self._node.title}
        data = head | more | {"created_at": int(time.time()), "extras": {}}
        return self._simulation.event(f"{self._kind}_next", data)

    def _completed(self, status: str) -> JsonObject:
        outputs = (
            self.outputs()
            if status == "succeeded"
            else {"output": self.outputs()["output"]} if self._kind == "iteration" else {}
        )
        totals = {
            "total_tokens": 0,
            "total_price": "0.0",
            "currency": "USD",
            f"{self._kind}_duration_map": self._durations,
        }
        more = {
            "inputs": self._inputs(),
            "inputs_truncated": False,
            "status": status,
            "error": None,
            "elapsed_time": round(time.monotonic() - self._clock, 6),
            "total_tokens": 0,
            "execution_metadata": totals,
            "finished_at": int(time.time()),
            "steps": len(self._items),
        }
        data = self._head() | {
            "outputs": outputs,
            "outputs_truncated": False,
            "created_at": self._created_at,
            "extras": {},
        }
        return self._simulation.event(f"{self._kind}_completed", data | more)

    def _event(self, what: str, more: JsonObject) -> JsonObject:
        data = self._head() | {"created_at": self._created_at, "extras": {}} | more
        return self._simulation.event(f"{self._kind}_{what}", data)

    def _head(self) -> JsonObject:
        return {"id": self._node.id, "node_id": self._node.id, "node_type": self._node.type, "title": self._node.title}

    def _metadata(self) -> JsonObject:
        return {f"{self._kind}_length": len(self._items)}

    def _inputs(self) -> JsonObject:
        return {"iterator_selector": self._items} if self._kind == "iteration" else {"loop_count": len(self._items)}


_UNKNOWN = object()
