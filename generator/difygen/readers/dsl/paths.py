"""Which steps of a workflow run, and which run together: all choices of all branches, played through. Knows no fields or types.

A step runs once all edges into it are decided and at least one of them was taken. A step that branches takes the edges of one handle,
every other one takes all of its edges (engine of Dify 1.9 and later).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from difygen.readers.dsl.graph import CONTAINER_STARTS, Graph, Step
from difygen.readers.dsl.values import Need, Port

MAX_RUNS = 4096
"""How many combinations of choices are played through. Beyond that, only what no choice can prevent counts as certain."""
MAX_WORK = 1 << 19
MAX_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Branch:
    """One way out of a step that branches: its handle, and what a reader of the workflow calls it.

    The ways out of a step that may fail are `outcome`s: their labels are what the step does.
    """

    handle: str
    label: str
    outcome: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Ways out of a step that lead to some place. `necessary` says whether no other step's choice leads there without them."""

    step: str
    ways: tuple[Branch, ...]
    necessary: bool


class Paths:
    """The runs of one level: the workflow itself, or the inside of a container."""

    def __init__(self, graph: Graph, level: str | None, branches_of: Callable[[Step], Sequence[Branch]]) -> None:
        steps = {step.id: step for step in graph.steps.values() if step.parent == level}
        self.entries = _entries(steps, graph, level)
        self._into: dict[str, list[Port]] = {id_: [] for id_ in steps}
        self._out: dict[str, list[tuple[str, str]]] = {id_: [] for id_ in steps}
        for edge in graph.edges:
            if edge.source in steps and edge.target in steps:
                self._into[edge.target].append((edge.source, edge.handle))
                self._out[edge.source].append((edge.handle, edge.target))
        self._reached = _reached(self.entries, self._out)
        for into in self._into.values():
            into[:] = [port for port in into if port[0] in self._reached]
        self.order = self._ordered()
        self._timely = set(self.order)
        self.branches: dict[str, tuple[Branch, ...]] = {}
        for id_ in self.order:
            known = branches_of(steps[id_])
            if known:
                self.branches[id_] = _with_seen(known, self._out[id_])
        self._bits = self._numbered()
        self._taken: dict[Port, int] = {}
        self._before: dict[str, set[str]] = {}
        self._sure: dict[str | None, set[Port]] = {}
        self._runs = self._played()

    def reaches(self, id_: str) -> bool:
        """Whether any run can come to the step."""
        return id_ in self._reached

    def always(self, need: Need, given: str | None = None) -> bool:
        """Whether every run that comes to `given` (every run at all, for None) takes one of the ports."""
        if given is not None and given not in self._timely:
            return False
        ports = [port for port in need.ports if port[0] in self._timely]
        if self._runs is None:
            sure = self._certain(given)
            return any(port in sure for port in ports)
        missed = self._runs_by((given, "")) if given is not None else (1 << len(self._runs)) - 1
        for port in ports:
            missed &= ~self._runs_by(port)
        return not missed

    def together(self, first: str, second: str) -> bool:
        """Whether a run may come to both steps."""
        if self._runs is None or first not in self._timely or second not in self._timely:
            return self.reaches(first) and self.reaches(second)
        return bool(self._runs_by((first, "")) & self._runs_by((second, "")))

    def comes_before(self, id_: str, later: str) -> bool:
        """Whether a path leads from one step to the other, so that the first is decided when the second starts."""
        if later not in self._before:
            found: set[str] = set()
            waiting = [later]
            while waiting:
                for source, _ in self._into.get(waiting.pop(), ()):
                    if source not in found:
                        found.add(source)
                        waiting.append(source)
            self._before[later] = found
        return id_ in self._before[later]

    def _ordered(self) -> list[str]:
        """The steps that a run can come to, each after all that lead to it; those on a cycle never get their turn."""
        left = {id_: len(self._into[id_]) for id_ in self._reached}
        order = list(self.entries)
        for id_ in order:
            for _, target in self._out[id_]:
                left[target] -= 1
                if left[target] == 0 and target not in self.entries:
                    order.append(target)
        return order

    def _numbered(self) -> dict[Port, int]:
        """A bit for every port. A step that does not branch has one, for all its edges."""
        bits: dict[Port, int] = {}
        for id_ in self.order:
            bits[id_, ""] = 1 << len(bits)
            for branch in self.branches.get(id_, ()):
                bits[id_, branch.handle] = 1 << len(bits)
        return bits

    def _bit(self, port: Port) -> int:
        return self._bits.get(port) or (0 if port[0] in self.branches else self._bits[port[0], ""])

    def _runs_by(self, port: Port) -> int:
        """The numbers of the runs that take a port, as bits."""
        if port not in self._taken:
            bit = self._bit(port)
            self._taken[port] = sum([1 << number for number, run in enumerate(self._runs or ()) if run & bit])
        return self._taken[port]

    def _played(self) -> list[int] | None:
        """The ports taken in each run that can be, as bits; None if there are too many of them."""
        if len(self.order) > MAX_STEPS:
            return None
        runs = [self._bits[id_, ""] for id_ in self.entries] or [0]
        work = 0
        for id_ in self.order:
            own = self._bits[id_, ""]
            into = own
            for port in self._into[id_]:
                into |= self._bit(port) if port[0] in self._timely else 0
            if id_ not in self.branches:
                runs = [run | own if run & into else run for run in runs]
            else:
                ways = [own | self._bits[id_, branch.handle] for branch in self.branches[id_]]
                runs = [after for run in runs for after in ([run | way for way in ways] if run & into else (run,))]
            work += len(runs)
            if len(runs) > MAX_RUNS or work > MAX_WORK:
                return None
        return runs

    def _certain(self, given: str | None) -> set[Port]:
        """The ports that are surely taken in every run that comes to `given`: what all ways there share, and what follows from it."""
        if given not in self._sure:
            found: set[Port] = set()
            waiting = self._shared(given) if given is not None else []
            if len(self.entries) == 1:
                waiting.append((self.entries[0], ""))
            while waiting:
                port = waiting.pop()
                if port in found:
                    continue
                found.add(port)
                id_, handle = port
                if handle:
                    waiting.append((id_, ""))
                if handle or id_ not in self.branches:
                    waiting.extend((target, "") for way, target in self._out[id_] if way == handle or not handle)
            self._sure[given] = {port for port in found if port[0] in self._timely}
        return self._sure[given]

    def _shared(self, id_: str) -> list[Port]:
        """The ports that lie on every way to a step, in the order of the ways."""
        if len(self.order) > MAX_STEPS:
            return [(id_, "")]
        mask = self._masks[0][id_]
        return [port for port, bit in self._bits.items() if mask & bit]

    @cached_property
    def _masks(self) -> tuple[dict[str, int], dict[str, int]]:
        """For every step, the ports on all ways to it and the ports on any way to it."""
        every: dict[str, int] = {}
        some: dict[str, int] = {}
        for id_ in self.order:
            own = self._bits[id_, ""]
            ways = [(port, self._bit(port)) for port in self._into[id_] if port[0] in every]
            shared = -1 if ways and id_ not in self.entries else 0
            reaching = 0
            for port, bit in ways:
                shared &= every[port[0]] | bit
                reaching |= some[port[0]] | bit
            every[id_] = own | shared
            some[id_] = own | reaching
        return every, some

    def choices(self, ports: Sequence[Port], given: str | None) -> list[Choice]:
        """The choices that bring a run to one of the ports, beyond those that coming to `given` takes, in the order of the steps."""
        ports = [port for port in ports if port[0] in self._timely]
        if len(self.order) > MAX_STEPS or not ports:
            return []
        every, some = self._masks
        on_all, on_any = -1, 0
        for port in ports:
            on_all &= every[port[0]] | self._bit(port)
            on_any |= some[port[0]] | self._bit(port)
        known_all, known_any = (every[given], some[given]) if given in every else (0, 0)
        found: list[Choice] = []
        for step, ways in self.branches.items():
            leading = tuple([way for way in ways if on_any & self._bits[step, way.handle]])
            if not leading or len(leading) == len(ways):
                continue
            there = known_any if known_all & self._bits[step, ""] else -1
            if any(there & self._bits[step, way.handle] for way in ways if way not in leading):
                found.append(Choice(step, leading, bool(on_all & self._bits[step, ""])))
        return found

    def enough(self, choices: Sequence[Choice], ports: Sequence[Port], given: str | None) -> bool:
        """Whether every run that comes to `given` and takes these choices takes one of the ports."""
        if self._runs is None:
            return False
        missed = self._runs_by((given, "")) if given in self._timely else (1 << len(self._runs)) - 1
        for choice in choices:
            taken = 0
            for way in choice.ways:
                taken |= self._runs_by((choice.step, way.handle))
            missed &= taken
        for port in ports:
            missed &= ~self._runs_by(port) if port[0] in self._timely else -1
        return not missed


def _entries(steps: dict[str, Step], graph: Graph, level: str | None) -> list[str]:
    """Where runs begin. Of several triggers each begins runs of its own."""
    if level is None:
        start = next((step.id for step in steps.values() if step.type == "start"), None)
        if start is not None:
            return [start]
        triggers = [step.id for step in steps.values() if step.type.startswith("trigger-")]
        if triggers:
            return triggers
    else:
        wanted = graph.steps[level].data.get("start_node_id")
        if isinstance(wanted, str) and wanted in steps:
            return [wanted]
        starts = [step.id for step in steps.values() if step.type in CONTAINER_STARTS]
        if starts:
            return starts[:1]
    targets = {edge.target for edge in graph.edges}
    return [id_ for id_ in steps if id_ not in targets][:1]


def _reached(entries: Iterable[str], out: dict[str, list[tuple[str, str]]]) -> dict[str, None]:
    reached = dict.fromkeys(entries)
    waiting = list(reached)
    while waiting:
        for _, target in out[waiting.pop()]:
            if target not in reached:
                reached[target] = None
                waiting.append(target)
    return reached


def _with_seen(known: Sequence[Branch], out: Iterable[tuple[str, str]]) -> tuple[Branch, ...]:
    """The ways out that a step declares, and those that edges use all the same: no output may look surer than it is."""
    branches = {branch.handle: branch for branch in known}
    for handle, _ in out:
        branches.setdefault(handle, Branch(handle, handle))
    return tuple(branches.values())
