"""What happens in a run or a turn, event by event: generators that know neither a clock nor a connection.

values      the variable pool, values that nobody prescribed, and the user's function
nodes       what a node gives, how it fails, and what it asks of people
scheduler   which node runs when, rounds of containers, and texts that come before their End
turns       one turn of an app without a graph: its messages, thoughts, files and speech
chatflow    one turn of a chatflow: a run of its graph that says what Answer nodes have to say

This module is one run of a workflow, from `workflow_started` to `workflow_finished`, which turns build on. Order and
fields of the events are those of recordings of 1.12.1 and 1.14.2.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.engine.nodes import (
    FAILURE,
    NodeResult,
    ServedForm,
    failing_node,
    handled_failure,
    max_retries,
    result_of,
)
from difygen.mock.engine.scheduler import (
    CONTAINERS,
    SILENT,
    Compute,
    ContainerRun,
    Delay,
    Effects,
    EndText,
    NodeEffects,
    NodeFailedError,
    Pause,
    Round,
    Scheduler,
)
from difygen.mock.engine.values import VariablePool
from difygen.mock.errors import Faults
from difygen.mock.files import FileStore, files_in
from difygen.mock.validation import schema_error
from difygen.parser.dsl.graph import Step, mapping
from difygen.parser.dsl.node_types import FAIL
from difygen.servers.releases import Release

_IN_SNAPSHOTS = ("workflow_started", "node_started", "node_finished")
_UNSENT = ("inputs_truncated", "process_data_truncated", "outputs_truncated", "agent_strategy")
"""What node events lack when they are sent again to somebody who joins late (seen on 1.14.2)."""
_ABORTED = "Aborted: User requested stop"
_PAUSE = Step("mock_pause", "human-input", "Pause", {"delivery_methods": [{"type": "webapp"}]}, None, -1)
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
class NodeEvents:
    """The events of one execution of a node: their fields in the order of the wire (seen on 1.12.1)."""

    node: Step
    round: Round | None = None
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

    def _container(self) -> JsonObject:
        metadata = self.round.metadata() if self.round else {}
        return {"iteration_id": metadata.get("iteration_id"), "loop_id": metadata.get("loop_id")}

    def started(self) -> JsonObject:
        """Return the data of `node_started`."""
        return {
            **self._head(),
            "inputs": None,
            "inputs_truncated": False,
            "created_at": self.created_at,
            "extras": {},
            **self._container(),
            "agent_strategy": None,
        }

    def finished(self, result: NodeResult, *, status: str = "succeeded", error: str | None = None) -> JsonObject:
        """Return the data of `node_finished` and `node_retry`."""
        metadata = result.metadata | (self.round.metadata() if self.round else {})
        return {
            **self._head(),
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
            **self._container(),
        }


@dataclass(slots=True)
class Simulation:
    """One run of one definition. `inputs` are the user's, already checked; `system` the `sys.*` values.

    `has_asked` says that it came to a node that asks a person, `is_aborted` that it is to end with the node at work.
    """

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
    has_asked: bool = False
    is_aborted: bool = False
    _asks_after: ClassVar[tuple[str, ...]] = ("start",)
    _pool: VariablePool = field(init=False)
    _scheduler: Scheduler = field(init=False)
    _text: EndText = field(init=False)
    _exact: bool = False
    _asked: bool = False
    _slowed: bool = False

    def __post_init__(self) -> None:
        self._pool = VariablePool(self.definition, self.store)
        self._pool.put("sys", {name.removeprefix("sys."): value for name, value in self.system.items()}, derived=True)
        self._pool.put("env", self._pool.expected_outputs("env"), derived=False)
        self._scheduler = Scheduler(self.definition, None)
        self._text = EndText(self.definition, self._pool, self._scheduler)

    @property
    def release(self) -> Release:
        """The release of Dify that it is a run of."""
        return self.store.release

    def prescribe(self, outputs: Mapping[str, Any]) -> None:
        """Let the run end with these outputs; those that are not among them are made up."""
        self._pool.prescribed = dict(outputs)

    def effects(self) -> Effects:
        """Yield what happens, in order, from `workflow_started` to `workflow_finished`."""
        yield self.event("workflow_started", self._started_data())
        try:
            for node in self._scheduler:
                if not self.is_aborted:
                    yield from self._top_level(node)
        except NodeFailedError as failure:
            yield from self.ends("failed", str(failure))
            return
        status = "partial-succeeded" if self.totals.exceptions else "succeeded"
        yield from self.ends("failed", _ABORTED) if self.is_aborted else self.ends(status, None)

    def event(self, name: str, data: JsonObject) -> JsonObject:
        """Return an event in its envelope, keys in the order of the wire."""
        return {"event": name, "workflow_run_id": self.identity.run_id, "task_id": self.identity.task_id, "data": data}

    def error_event(self, error: JsonObject) -> JsonObject:
        """Return the event that ends a stream before its time."""
        return {"event": "error", "workflow_run_id": self.identity.run_id, **error}

    def asked(self) -> JsonObject:
        """Return what a user's function gets to know of the run."""
        return self.inputs

    def snapshot(self, events: list[JsonObject]) -> list[JsonObject]:
        """Return what somebody who joins late sees: node events without values, a lasting pause.

        The node that asks a person has ended then, as `paused`, which the live stream does not say (seen on 1.14.2).
        """
        past = [event for event in events if event["event"] in _IN_SNAPSHOTS]
        if self.status == "paused":
            past += [event for event in events[-2:] if event["event"] in ("human_input_required", "workflow_paused")]
        shown: list[JsonObject] = []
        places: dict[str, int] = {}
        for event in past:
            data = {key: value for key, value in event["data"].items() if key not in _UNSENT}
            if event["event"] == "node_finished":
                data |= dict.fromkeys(("inputs", "process_data", "outputs"))
            if event["event"] == "human_input_required":
                asking = {key: value for key, value in shown[-1]["data"].items() if key != "extras"}
                shown.append(self.event("node_finished", asking | self._paused_node()))
            elif event["event"] == "node_started":
                places.setdefault(data["id"], len(places) + 1)
            if event["event"].startswith("node_"):
                data["index"] = places.get(data["id"], 1)
            shown += self._shown_late(event | {"data": data})
        return shown

    def _shown_late(self, event: JsonObject) -> list[JsonObject]:
        """Return what an event of the past is for somebody who joins late: the run's inputs tell the time, too."""
        if event["event"] != "workflow_started":
            return [event]
        data = event["data"]
        return [event | {"data": data | {"inputs": data["inputs"] | {"sys.timestamp": self.created_at}}}]

    def _paused_node(self) -> JsonObject:
        times = {"elapsed_time": self.elapsed(), "finished_at": int(time.time())}
        nothing: JsonObject = dict.fromkeys(("process_data", "outputs", "error", "execution_metadata"))
        return nothing | times | {"status": "paused", "files": []}

    def elapsed(self) -> float:
        """Return the seconds since the run started, as the wire has them."""
        return round(time.monotonic() - self.started, 6)

    def ends(self, status: str, error: str | None) -> Iterator[JsonObject]:
        """End the run and yield what tells so."""
        yield self.finish(status, error)

    def finish(self, status: str, error: str | None) -> JsonObject:
        """End the run and return its last event. Failed and stopped runs have no outputs (seen on 1.12.1).

        Those of a run that a stop let fail are what they were (seen on 1.14.2).
        """
        self.status, self.error = status, error
        if status in ("failed", "stopped") and not self.is_aborted:
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
        reason = {"reason": "initial"} if self.release.has("worker-streams") else {}
        return head | {"inputs": self.inputs | self.system, "created_at": int(time.time())} | reason | more

    def _chunks(self, reached: str = "") -> Iterator[JsonObject]:
        return (self.event("text_chunk", data) for data in self._text.due(reached=reached))

    # From node to node

    def _top_level(self, node: Step) -> Effects:
        if node.type in self.definition.workflow.kind.terminal_nodes and "paused" in self.faults and not self.has_asked:
            yield from self._ask_human(_PAUSE)
        self.totals.steps += 1
        branch = yield from self._step(node, self._scheduler, None)
        self._scheduler.complete(node, branch)
        if branch is not None:  # a branch is decided: an End may be certain now
            yield from self._chunks()

    def _round(self, container: Step, round_: Round) -> Effects:
        scheduler = Scheduler(self.definition, container.id)
        for node in scheduler:
            branch = None if node.type in SILENT else (yield from self._step(node, scheduler, round_))
            scheduler.complete(node, branch)

    def _step(self, node: Step, scheduler: Scheduler, round_: Round | None) -> NodeEffects:
        if node.type in CONTAINERS:
            container = ContainerRun(node, self._pool, self.event)
            outputs = yield from container.effects(self._round)
            self._pool.put(node.id, outputs, derived=False)
            yield from self._chunks()
            return None
        if node.type == "human-input" and round_ is None:
            return (yield from self._ask_human(node))
        return (yield from self._run_node(node, scheduler, round_))

    # One node

    def _run_node(self, node: Step, scheduler: Scheduler, round_: Round | None) -> NodeEffects:
        execution = NodeEvents(node, round_)
        yield self.event("node_started", execution.started())
        if node.type in self.definition.workflow.kind.terminal_nodes:
            yield from self._chunks(node.id)
        yield from self._compute(node)
        seconds = self._seconds(node)
        result = self._result(node)
        if problem := self._problem(node, round_):
            yield Delay(seconds)
            return (yield from self._fail(execution, result, problem))
        if node.type != "llm":
            yield Delay(seconds)
        self._pool.put(node.id, result.outputs, derived=result.derived)
        self.totals.tokens += int(result.metadata.get("total_tokens", 0))
        if node.type in self.definition.workflow.kind.terminal_nodes:
            self.outputs |= result.outputs
        chunks = [] if round_ else list(self._chunks())
        for chunk in chunks:
            if node.type == "llm":  # word by word, while the model works
                yield Delay(seconds / len(chunks))
            yield chunk
        if node.type == "llm" and not chunks:
            yield Delay(seconds)
        yield self.event("node_finished", execution.finished(result))
        return self._branch(node, result, scheduler)

    def _compute(self, node: Step) -> Effects:
        """Ask for the run's outputs when the first node starts to work."""
        if node.type in self._asks_after or self._asked:
            return
        self._asked = True
        answer = yield Compute()
        if isinstance(answer, BaseException):
            self.error = f"{type(answer).__name__}: {answer}"
        elif answer is not None:
            self._exact = True
            self.prescribe(answer)

    def _seconds(self, node: Step) -> float:
        """Return how long a node takes. The fault `slow` is for the node that it names, else the first that works."""
        slow = self.faults.slow
        if node.type == "start":
            return 0.0
        if self._slowed or slow.node not in ("", node.id):
            return self.latency
        self._slowed = True
        return self.latency + slow.seconds

    def _result(self, node: Step) -> NodeResult:
        if node.type == "start":
            values = self.inputs | (self._system_in_start() if self.release.has("system-in-start") else {})
            return NodeResult(inputs=values, outputs=values, derived=True)
        if node.type in self.definition.workflow.kind.terminal_nodes:
            outputs = self._end_outputs(node)
            return NodeResult(inputs=outputs, outputs=outputs, derived=True)
        result = result_of(node, self._pool)
        if node.type == "llm" and self.release.has("model-in-inputs"):
            model = mapping(node.data.get("model"))
            return replace(result, inputs={f"model_{key}": model.get(key, "") for key in ("provider", "name")})
        return result

    def _system_in_start(self) -> JsonObject:
        return self.system | {"sys.timestamp": self.created_at}

    def _end_outputs(self, node: Step) -> JsonObject:
        """Return the End's outputs; what a handler returns beyond what any End has is kept too."""
        prescribed = self._pool.prescribed
        outputs = {
            name: prescribed.get(name, self._pool.get(selector))
            for name, selector in self.definition.ends.get(node.id, ())
            if name in prescribed or not self._exact
        }
        declared = {name for end in self.definition.ends.values() for name, _ in end}
        return outputs | {name: value for name, value in prescribed.items() if name not in declared}

    def _branch(self, node: Step, result: NodeResult, scheduler: Scheduler) -> str | None:
        """Return the branch to go on by: the node's own, else the one to the prescribed outputs, else the first."""
        branches = scheduler.branches(node)
        if not branches:
            return None
        if node.data.get("error_strategy") == FAIL:
            return next((branch for branch in branches if branch != FAIL), "")
        if result.derived:
            return result.branch
        branches.sort(key=lambda branch: branch != result.branch)  # what the node would say comes first

        def prescribed_beyond(branch: str) -> int:
            ends = scheduler.reachable(node, branch) & self.definition.ends.keys()
            names = {name for end in ends for name, _ in self.definition.ends[end]}
            return len(names & self._pool.prescribed.keys())

        return max(branches, key=prescribed_beyond)

    # Failures

    def _problem(self, node: Step, round_: Round | None) -> str:
        """Return why this execution of the node fails, or nothing."""
        if node.type == "start":
            return schema_error(self.definition.variables, self.inputs) or ""
        fails = node.id == failing_node(self.definition, self.faults, self.error is not None)
        return (self.error or FAILURE) if fails and (round_ is None or round_.fails) else ""

    def _fail(self, execution: NodeEvents, result: NodeResult, problem: str) -> NodeEffects:
        """Try a node again, then handle its failure if it has a strategy or the fault wants one, else end the run."""
        node = execution.node
        settings, nothing = node.data, NodeResult(inputs=result.inputs)
        for attempt in range(1, max_retries(settings) + 1):
            self.totals.steps += execution.round is None
            retry = execution.finished(nothing, status="retry", error=problem)
            yield self.event("node_retry", retry | {"retry_index": attempt})
            yield Delay(self.latency)
        strategy = settings.get("error_strategy") if node.type != "start" else None
        if not strategy and ("partial" not in self.faults or node.type == "start"):
            self.totals.exceptions += execution.round is None
            yield self.event("node_finished", execution.finished(nothing, status="failed", error=problem))
            raise NodeFailedError(problem)
        self.totals.exceptions += 1
        handled = handled_failure(settings, result, problem)
        self._pool.put(node.id, handled.outputs, derived=True)
        yield self.event("node_finished", execution.finished(handled, status="exception", error="Unknown error"))
        return FAIL if strategy == FAIL else None

    # People

    def _ask_human(self, node: Step) -> NodeEffects:
        """Pause until the node's form is submitted or expires, and go on by the branch of its button, or of that."""
        self.has_asked = True
        form = ServedForm.of(node, self._pool, self.release, self.faults.expires)
        yield self.event("node_started", NodeEvents(node).started())
        if self.release.has("no-human-input"):
            self.status = "paused"
            yield Delay(math.inf)
        yield self.event("human_input_required", form.required())
        self.status = "paused"
        answered: ServedForm = yield Pause(form, self.event("workflow_paused", self._paused_data(form)))
        self.status = "running"
        self.totals.steps += 1  # the node runs once more (seen before 1.13)
        yield self.event("workflow_started", self._started_data(reason="resumption"))
        execution, result = NodeEvents(node), NodeResult(answered.given(), answered.outputs())
        yield self.event("node_started", execution.started())
        if answered.problem:
            return (yield from self._fail(execution, NodeResult(), answered.problem))
        yield self.event(*answered.ended())
        self._pool.put(node.id, result.outputs, derived=True)
        branch = answered.branch if self._scheduler.branches(node) else None
        self._scheduler.complete(node, branch)
        yield from self._chunks()
        yield self.event("node_finished", execution.finished(result))
        return branch

    def _paused_data(self, form: ServedForm) -> JsonObject:
        reason = form.reason()
        del reason["expiration_time" if self.release.has("bare-pauses") else "display_in_ui"]
        return {
            "workflow_run_id": self.identity.run_id,
            "paused_nodes": [form.node_id],
            "outputs": {},
            "reasons": [reason],
            "status": "paused",
            "created_at": self.created_at,
            "elapsed_time": self.elapsed(),
            "total_tokens": self.totals.tokens,
            "total_steps": self.totals.steps,
        }
