"""A run, event by event, without a clock or a connection of its own: a generator that says what happens and what it waits for.

Order and fields of the events are those of recordings of 1.12.1; pauses are those of the releases after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from difygen.mock import failures, nodes
from difygen.mock.beats import Beats, Compute, Delay, Execution, FailedError, Leaving, Pause, Place
from difygen.mock.chunks import EndText
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.faults import Faults
from difygen.mock.files import FileStore, files_in
from difygen.mock.forms import Form, form_of
from difygen.mock.pool import Pool
from difygen.mock.rounds import CONTAINERS, Rounds
from difygen.mock.validation import schema_error
from difygen.mock.walk import SILENT, Walk
from difygen.model import Node

_PAUSE = Node(id="mock_pause", type="human-input", title="Pause")
"""The node at which a run pauses that has none of its own."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which run it is, and whose."""

    run_id: str
    task_id: str
    user: str
    user_id: str


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
    identity: Identity
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
    _walk: Walk = field(init=False)
    _text: EndText = field(init=False)
    _exact: bool = False
    _asked: bool = False
    _slowed: bool = False
    _paused: bool = False

    def __post_init__(self) -> None:
        self._pool = Pool(self.definition, self.store)
        self._pool.put("sys", {name.removeprefix("sys."): value for name, value in self.system.items()}, known=True)
        self._walk = Walk(self.definition, None)
        self._text = EndText(self.definition, self._pool, self._walk)

    def prescribe(self, outputs: Mapping[str, Any]) -> None:
        """Let the run end with these outputs; those that are not among them are made up."""
        self._pool.prescribed = dict(outputs)

    def beats(self) -> Beats:
        """What happens, in order, from `workflow_started` to `workflow_finished`."""
        yield self.event("workflow_started", self._started_data())
        try:
            for node in self._walk:
                yield from self._top_level(node)
        except FailedError as failure:
            yield self.finish("failed", str(failure))
            return
        yield self.finish("partial-succeeded" if self.totals.exceptions else "succeeded", None)

    def event(self, name: str, data: JsonObject) -> JsonObject:
        """An event in its envelope, keys in the order of the wire."""
        return {"event": name, "workflow_run_id": self.identity.run_id, "task_id": self.identity.task_id, "data": data}

    def elapsed(self) -> float:
        """Seconds since the run started, as the wire has them."""
        return round(time.monotonic() - self.started, 6)

    def finish(self, status: str, error: str | None) -> JsonObject:
        """The last event. Failed and stopped runs have no outputs (seen on 1.12.1)."""
        self.status, self.error = status, error
        if status in ("failed", "stopped"):
            self.outputs = {}
        data = {
            "id": self.identity.run_id,
            "workflow_id": self.definition.id("workflow"),
            "status": status,
            "outputs": self.outputs,
            "error": error,
            "elapsed_time": self.elapsed(),
            "total_tokens": self.totals.tokens,
            "total_steps": self.totals.steps,
            "created_by": {"id": self.identity.user_id, "user": self.identity.user},
            "created_at": self.created_at,
            "finished_at": int(time.time()),
            "exceptions_count": self.totals.exceptions,
            "files": files_in(self.outputs),
        }
        return self.event("workflow_finished", data)

    def _started_data(self, **more: str) -> JsonObject:
        head = {"id": self.identity.run_id, "workflow_id": self.definition.id("workflow")}
        return head | {"inputs": self.inputs | self.system, "created_at": int(time.time())} | more

    def _settings(self, node: Node) -> JsonObject:
        return self.definition.settings.get(node.id, {})

    def _chunks(self, reached: str = "") -> Iterator[JsonObject]:
        return (self.event("text_chunk", data) for data in self._text.due(reached=reached))

    # Walking

    def _top_level(self, node: Node) -> Beats:
        if node.type == "end" and "paused" in self.faults and not self._paused:
            yield from self._human(_PAUSE)
        self.totals.steps += 1
        handle = yield from self._step(node, self._walk, None)
        self._walk.leave(node, handle)
        if handle is not None:  # a branch is decided: an End may be certain now
            yield from self._chunks()

    def _round(self, container: Node, place: Place) -> Beats:
        walk = Walk(self.definition, container.id)
        for node in walk:
            walk.leave(node, None if node.type in SILENT else (yield from self._step(node, walk, place)))

    def _step(self, node: Node, walk: Walk, place: Place | None) -> Leaving:
        if node.type in CONTAINERS:
            return (yield from self._container(node))
        if node.type == "human-input" and place is None:
            return (yield from self._human(node))
        return (yield from self._node(node, walk, place))

    def _container(self, node: Node) -> Leaving:
        rounds = Rounds(node, self._settings(node), self._pool, self.event)
        outputs = yield from rounds.beats(self._round)
        self._pool.put(node.id, outputs, known=False)
        yield from self._chunks()
        return None

    # One node

    def _node(self, node: Node, walk: Walk, place: Place | None) -> Leaving:
        execution = Execution(node, place)
        yield self.event("node_started", execution.started())
        if node.type == "end":
            yield from self._chunks(node.id)
        yield from self._ask(node)
        seconds = self._seconds(node)
        result = self._result(node)
        if problem := self._problem(node, place):
            yield Delay(seconds)
            return (yield from self._broken(node, execution, result, problem))
        if node.type != "llm":
            yield Delay(seconds)
        self._keep(node, result)
        yield from self._speak(node, place, seconds)
        yield self.event("node_finished", execution.finished(result))
        return self._handle(node, result, walk)

    def _speak(self, node: Node, place: Place | None, seconds: float) -> Beats:
        """The text that is due with a node. A model's comes word by word, while the model works."""
        chunks = [] if place else list(self._chunks())
        for chunk in chunks:
            if node.type == "llm":
                yield Delay(seconds / len(chunks))
            yield chunk
        if node.type == "llm" and not chunks:
            yield Delay(seconds)

    def _ask(self, node: Node) -> Beats:
        """Ask for the run's outputs when the first node starts to work."""
        if node.type == "start" or self._asked:
            return
        self._asked = True
        answer = yield Compute()
        if isinstance(answer, BaseException):
            self.error = f"{type(answer).__name__}: {answer}"
        elif answer is not None:
            self._exact = True
            self.prescribe(answer)

    def _seconds(self, node: Node) -> float:
        """How long a node takes. The fault `slow` is for the node that it names, else for the first that works."""
        slow = self.faults.slow
        if node.type == "start":
            return 0.0
        if self._slowed or slow.node not in ("", node.id):
            return self.latency
        self._slowed = True
        return self.latency + slow.seconds

    def _result(self, node: Node) -> nodes.Result:
        if node.type == "start":
            values = self.inputs | self.system | {"sys.timestamp": self.created_at}
            return nodes.Result(inputs=values, outputs=values, known=True)
        if node.type == "end":
            outputs = self._end_outputs(node)
            return nodes.Result(inputs=outputs, outputs=outputs, known=True)
        return nodes.result_of(node, self._settings(node), self._pool)

    def _end_outputs(self, node: Node) -> JsonObject:
        """The End's outputs; what a handler returns beyond what any End has is kept too."""
        prescribed, rows = self._pool.prescribed, self.definition.ends.get(node.id, ())
        outputs = {
            name: prescribed.get(name, self._pool.get(selector))
            for name, selector in rows
            if name in prescribed or not self._exact
        }
        somewhere = {name for end in self.definition.ends.values() for name, _ in end}
        return outputs | {name: value for name, value in prescribed.items() if name not in somewhere}

    def _keep(self, node: Node, result: nodes.Result) -> None:
        self._pool.put(node.id, result.outputs, known=result.known)
        self.totals.tokens += int(result.metadata.get("total_tokens", 0))
        if node.type == "end":
            self.outputs |= result.outputs

    def _handle(self, node: Node, result: nodes.Result, walk: Walk) -> str | None:
        """The branch to go on by: what the node says, else the one that leads to the prescribed outputs, else the first."""
        handles = walk.handles(node)
        if not self.definition.branches(node) or not handles:
            return None
        if self._settings(node).get("error_strategy") == "fail-branch":
            return next((handle for handle in handles if handle != "fail-branch"), "")
        if result.known:
            return result.handle
        handles.sort(key=lambda handle: handle != result.handle)  # what the node would say comes first
        return max(handles, key=lambda handle: self._named_beyond(node, handle, walk))

    def _named_beyond(self, node: Node, handle: str, walk: Walk) -> int:
        ends = walk.beyond(node, handle) & self.definition.ends.keys()
        names = {name for end in ends for name, _ in self.definition.ends[end]}
        return len(names & self._pool.prescribed.keys())

    # Failures

    def _problem(self, node: Node, place: Place | None) -> str:
        """Why this execution of the node fails, or empty."""
        if node.type == "start":
            return schema_error(self.definition.variables, self.inputs) or ""
        failing = failures.failing_node(self.definition, self.faults, self.error is not None)
        return (self.error or failures.MESSAGE) if failures.happens_here(node, failing, place) else ""

    def _broken(self, node: Node, execution: Execution, result: nodes.Result, problem: str) -> Leaving:
        """A failure: tried again, then coped with if the node has a strategy or the fault wants one, else the end."""
        settings, nothing = self._settings(node), nodes.Result(inputs=result.inputs)
        for attempt in range(1, failures.retries(settings) + 1):
            self.totals.steps += execution.place is None
            retry = execution.finished(nothing, status="retry", error=problem)
            yield self.event("node_retry", retry | {"retry_index": attempt})
            yield Delay(self.latency)
        strategy = settings.get("error_strategy") if node.type != "start" else None
        if not strategy and ("partial" not in self.faults or node.type == "start"):
            self.totals.exceptions += execution.place is None
            yield self.event("node_finished", execution.finished(nothing, status="failed", error=problem))
            raise FailedError(problem)
        self.totals.exceptions += 1
        coped = failures.coped_with(settings, result, problem)
        self._pool.put(node.id, coped.outputs, known=True)
        yield self.event("node_finished", execution.finished(coped, status="exception", error="Unknown error"))
        return "fail-branch" if strategy == "fail-branch" else None

    # People

    def _human(self, node: Node) -> Leaving:
        self._paused = True
        form = form_of(node, self.definition, self._pool)
        yield self.event("node_started", Execution(node).started())
        yield self.event("human_input_required", form.required())
        self.status = "paused"
        answered: Form = yield Pause(form, self.event("workflow_paused", self._paused_data(form)))
        self.status = "running"
        self.totals.steps += 1  # the node runs once more (seen before 1.13)
        yield self.event("workflow_started", self._started_data(reason="resumption"))
        execution, result = Execution(node), nodes.Result(outputs=answered.outputs())
        yield self.event("node_started", execution.started())
        yield self.event("human_input_form_filled", answered.filled())
        self._pool.put(node.id, result.outputs, known=True)
        yield from self._chunks()
        yield self.event("node_finished", execution.finished(result))
        return answered.action if answered.action in self._walk.handles(node) else None

    def _paused_data(self, form: Form) -> JsonObject:
        return {
            "workflow_run_id": self.identity.run_id,
            "paused_nodes": [form.node_id],
            "outputs": {},
            "reasons": [form.reason()],
            "status": "paused",
            "created_at": self.created_at,
            "elapsed_time": self.elapsed(),
            "total_tokens": self.totals.tokens,
            "total_steps": self.totals.steps,
        }
