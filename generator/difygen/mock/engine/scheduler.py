"""Which node runs when: the nodes of one level, the rounds of iterations and loops, the text that End nodes are due.

What happens in a run is a sequence of effects: an event to send, or something that the run waits for.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from difygen.mock.definition import Definition, JsonObject, Selector, selector_of
from difygen.mock.engine.nodes import ServedForm
from difygen.mock.engine.values import ITEMS, VariablePool, as_text
from difygen.model import Edge
from difygen.parser.dsl.graph import CONTAINER_STARTS, Step, reached
from difygen.parser.dsl.node_types import branches_of

SILENT = (*CONTAINER_STARTS, "loop-end")
"""Nodes that run without an event of their own (seen on 1.12.1)."""
CONTAINERS = ("iteration", "loop")
LOOP_ROUNDS = 2
"""How often a loop goes round at most: nobody can know when its end comes."""

_MADE_UP = object()


@dataclass(frozen=True, slots=True)
class Delay:
    """The run takes so many seconds here."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Compute:
    """The run wants to know its outputs now: the answer is a mapping, an exception, or None for "make them up"."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The run says so, and waits until somebody submits the form, or it expires; the answer is the form as it ended."""

    form: ServedForm
    event: JsonObject


Effect = JsonObject | Delay | Compute | Pause
Effects = Generator[Effect, Any, None]
NodeEffects = Generator[Effect, Any, str | None]
"""The effects of a node; the result is the branch to go on by, None for all of them."""


class NodeFailedError(Exception):
    """A node failed and nothing in the workflow handles it."""


class Scheduler:
    """The nodes of one level, each when all that lead to it are done.

    A level is the workflow, or one round of an iteration or loop.
    """

    def __init__(self, definition: Definition, parent: str | None) -> None:
        graph = definition.graph
        self._nodes, edges = graph.level(parent)
        self._branching = {node.id for node in self._nodes.values() if branches_of(graph, node)}
        self._deciding = self._branching | {node.id for node in self._nodes.values() if node.type == "human-input"}
        self._out: defaultdict[str, list[Edge]] = defaultdict(list)
        self._in: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in edges:
            self._out[edge.source].append(edge)
            self._in[edge.target].append(edge)
        self._taken: dict[int, bool] = {}  # by the edge's id; edges that are not decided yet are missing
        self._entries = graph.entries(parent)[:1]  # what no way leads to from there is not run
        self._ready = deque(self._entries)
        self.skipped: set[str] = set()

    def __iter__(self) -> Iterator[Step]:
        while self._ready:
            yield self._nodes[self._ready.popleft()]

    def complete(self, node: Step, branch: str | None = None) -> None:
        """Go on from a node by one of its branches, by all for None; skip the others and what only they lead to.

        Where it goes on may be known before it has ended: what it is told later changes nothing.
        """
        if any(id(edge) in self._taken for edge in self._out[node.id]):
            return
        decided = deque((edge, branch is None or edge.handle == branch) for edge in self._out[node.id])
        while decided:
            edge, taken = decided.popleft()
            self._taken[id(edge)] = taken
            states = [self._taken.get(id(each)) for each in self._in[edge.target]]
            if None in states:
                continue
            if True in states:
                self._ready.append(edge.target)
            else:
                self.skipped.add(edge.target)
                decided.extend((onward, False) for onward in self._out[edge.target])

    def certain_nodes(self) -> Collection[str]:
        """Return the nodes that will run for sure: reached without a branch that is still to be decided."""

        def onward(node_id: str) -> list[str]:
            certain = [edge for edge in self._out[node_id] if self._taken.get(id(edge), node_id not in self._deciding)]
            return [edge.target for edge in certain if edge.target not in self.skipped]

        return reached(self._entries, onward)

    def branches(self, node: Step) -> list[str]:
        """Return the branches by which a run may leave a node, in the definition's order; none where it takes all."""
        return list(dict.fromkeys(edge.handle for edge in self._out[node.id])) if node.id in self._branching else []

    def reachable(self, node: Step, branch: str) -> Collection[str]:
        """Return the nodes that one branch of a node can lead to."""
        targets = [edge.target for edge in self._out[node.id] if edge.handle == branch]
        return reached(targets, lambda id_: [edge.target for edge in self._out[id_]])


class EndText:
    """Which text of which End node is due: their outputs, in order, as soon as they have a value (seen on 1.12.1).

    An End speaks once it is certain to run; one at a time.
    """

    def __init__(self, definition: Definition, pool: VariablePool, scheduler: Scheduler) -> None:
        self._definition = definition
        self._pool = pool
        self._scheduler = scheduler
        self._said_by: Mapping[str, Sequence[object]] = definition.ends
        self._queue: list[str] = []
        self._sent: dict[str, int] = {}

    def due(self, *, reached: str = "") -> Iterator[JsonObject]:
        """Yield the `data` of the chunks that can go out now.

        `reached` is an End that has just started: all of its text is due.
        """
        certain = self._scheduler.certain_nodes()
        self._queue += [end for end in self._said_by if end in certain and end not in self._queue]
        if reached and reached not in self._queue:
            self._queue.append(reached)
        for end in self._queue:
            yield from self._text_of(end, everything=end == reached)
            if self._sent.get(end, 0) < len(self._said_by[end]):
                return

    def _text_of(self, end: str, *, everything: bool) -> Iterator[JsonObject]:
        outputs = self._definition.ends[end]
        for position in range(self._sent.get(end, 0), len(outputs)):
            selector = outputs[position][1]
            skipped = selector[:1] and selector[0] in self._scheduler.skipped
            if selector and not (everything or skipped or selector in self._pool):
                return
            self._sent[end] = position + 1
            if selector and not skipped:
                yield from self._chunks(selector)
            if position + 1 < len(outputs):
                yield {"text": "\n", "from_variable_selector": [end, "answer"]}

    def _chunks(self, selector: Selector) -> Iterator[JsonObject]:
        text = as_text(self._pool.get(selector))
        pieces = [text]
        is_model = (node := self._definition.graph.steps.get(selector[0])) is not None and node.type == "llm"
        if is_model and selector[1:] == ("text",):
            words = text.split(" ")
            pieces = [f"{word} " for word in words[:-1]] + [words[-1], "", ""]  # token by token, and two empty ones
        for piece in pieces:
            yield {"text": piece, "from_variable_selector": list(selector)}


@dataclass(frozen=True, slots=True)
class Round:
    """A round of an iteration or loop. `fails` says that a failure that was asked for happens in this one."""

    kind: str
    node_id: str
    number: int
    fails: bool

    def metadata(self) -> JsonObject:
        """Return what the events of the round's nodes say of it."""
        return {f"{self.kind}_id": self.node_id, f"{self.kind}_index": self.number}


class ContainerRun:
    """One run of an iteration or loop: its own events around its rounds, with the node's id (seen on 1.12.1)."""

    def __init__(self, node: Step, pool: VariablePool, event: Callable[[str, JsonObject], JsonObject]) -> None:
        self._node = node
        self._settings: Mapping[str, Any] = node.data
        self._pool = pool
        self._event = event
        self._kind = node.type
        count = node.data.get("loop_count")
        rounds = min(count if isinstance(count, int) else 1, LOOP_ROUNDS)
        self._items = self._iteration_items() if node.type == "iteration" else list(range(rounds))
        self._first_number = 0 if node.type == "iteration" else 1
        self._collected: list[Any] = []
        self._created_at = int(time.time())
        self._clock = time.monotonic()
        self._durations: dict[str, float] = {}

    def _iteration_items(self) -> list[Any]:
        """Return what the iteration goes over: as many items as its prescribed outputs, else its list, else two."""
        items = self._pool.get(selector_of(self._settings.get("iterator_selector")))
        items = items if isinstance(items, list) else list(range(ITEMS))
        if self._pool.is_prescribed(self._node.id):
            prescribed = self._pool.expected_outputs(self._node.id).get("output")
            if isinstance(prescribed, list):
                return [items[min(i, len(items) - 1)] if items else i for i in range(len(prescribed))]
        return items

    def effects(self, run_round: Callable[[Step, Round], Effects]) -> Generator[Effect, Any, JsonObject]:
        """Run all rounds and return the outputs. An empty list gives no events at all (seen on 1.12.1)."""
        if not self._items:
            return self._outputs()
        yield self._started()
        parallel = bool(self._settings.get("is_parallel"))
        if parallel:  # all rounds are announced before any of them runs (seen on 1.12.1)
            yield from (self._next(index) for index in range(len(self._items)))
        for index in range(len(self._items)):
            if not parallel:
                yield self._next(index)
            yield from self._round(index, run_round)
        yield self._completed("succeeded")
        return self._outputs()

    def _round(self, index: int, run_round: Callable[[Step, Round], Effects]) -> Effects:
        clock, number = time.monotonic(), index + self._first_number
        self._pool.put(self._node.id, {"item": self._items[index], "index": index}, derived=True)
        fails = index == min(1, len(self._items) - 1)  # not the first, so that one has gone well
        try:
            yield from run_round(self._node, Round(self._kind, self._node.id, number, fails))
        except NodeFailedError:
            mode = self._settings.get("error_handle_mode") or "terminated"
            if self._kind == "loop" or mode == "terminated":
                yield self._completed("failed")
                raise
            self._collected += [None] if mode == "continue-on-error" else []
            return
        self._durations[str(number)] = round(time.monotonic() - clock, 6)
        selector = selector_of(self._settings.get("output_selector"))
        self._collected.append(self._pool.get(selector) if self._pool.is_derived(selector) else _MADE_UP)

    def _outputs(self) -> JsonObject:
        """Return what the node gives: for each round what follows from the inputs, else is prescribed or made up."""
        expected = self._pool.expected_outputs(self._node.id)
        if self._kind == "loop":
            return expected | {"loop_round": len(self._items)}
        output = expected.get("output")
        if self._pool.is_prescribed(self._node.id):
            return {"output": output}
        spare = output[0] if isinstance(output, list) and output else "mock item"
        return {"output": [spare if each is _MADE_UP else each for each in self._collected]}

    # Events

    def _head(self) -> JsonObject:
        return {"id": self._node.id, "node_id": self._node.id, "node_type": self._node.type, "title": self._node.title}

    def _inputs(self) -> JsonObject:
        return {"iterator_selector": self._items} if self._kind == "iteration" else {"loop_count": len(self._items)}

    def _started(self) -> JsonObject:
        data = {
            **self._head(),
            "created_at": self._created_at,
            "extras": {},
            "metadata": {f"{self._kind}_length": len(self._items)},
            "inputs": self._inputs(),
            "inputs_truncated": False,
        }
        return self._event(f"{self._kind}_started", data)

    def _next(self, index: int) -> JsonObject:
        before: JsonObject = {"pre_loop_output": {}} if self._kind == "loop" else {}
        number = {"index": index + self._first_number}
        data = {**self._head(), **number, **before, "created_at": int(time.time()), "extras": {}}
        return self._event(f"{self._kind}_next", data)

    def _completed(self, status: str) -> JsonObject:
        totals = {
            "total_tokens": 0,
            "total_price": "0.0",
            "currency": "USD",
            f"{self._kind}_duration_map": self._durations,
        }
        data = {
            **self._head(),
            "outputs": self._outputs(),
            "outputs_truncated": False,
            "created_at": self._created_at,
            "extras": {},
            "inputs": self._inputs(),
            "inputs_truncated": False,
            "status": status,
            "error": None,  # whatever happened (seen on 1.12.1)
            "elapsed_time": round(time.monotonic() - self._clock, 6),
            "total_tokens": 0,
            "execution_metadata": totals,
            "finished_at": int(time.time()),
            "steps": len(self._items),
        }
        return self._event(f"{self._kind}_completed", data)
