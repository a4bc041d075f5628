"""The runs of one level of a graph: how control flows through it, and every combination of choices, played through.

A step runs once all edges into it are decided and at least one of them was taken. A step that branches takes the
edges of one handle, every other one takes all of its edges (engine of Dify 1.9 and later).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from difygen.parser.dsl.branches import Branch
from difygen.parser.dsl.graph import Graph, Port, Step, reached
from difygen.record import Record

MAX_EFFORT = 500_000
"""How many edges and branches may be looked at for questions about single steps. Beyond that, the answer is the
least certain one.
"""
MAX_BITS = 250_000_000
"""How much may be written down about all steps and all ports: 30 MB for each relation between them."""
MAX_KEPT = 8


class Leading(Record):
    """Branches of a step that lead to some place.

    `necessary` says whether no other step's choice leads there without them.
    """

    step: str
    branches: tuple[Branch, ...]
    necessary: bool


class _Masks(Record):
    """The ports on all ways to a step, those on any way, and those that every run takes that comes to it, as bits."""

    on_all: dict[str, int]
    on_any: dict[str, int]
    certain: dict[str, int]


class FlowGraph:
    """The steps of one level that a run can come to, in `order`: each after all that lead to it.

    Steps on a cycle are not in it.
    """

    def __init__(self, graph: Graph, level: str | None, branches_of: Callable[[Step], Sequence[Branch]]) -> None:
        steps, edges = graph.level(level)
        self.entries = graph.entries(level)
        self.into: dict[str, list[Port]] = {id_: [] for id_ in steps}
        self.out: dict[str, list[tuple[str, str]]] = {id_: [] for id_ in steps}
        for edge in edges:
            self.into[edge.target].append((edge.source, edge.handle))
            self.out[edge.source].append((edge.handle, edge.target))
        self.reached = reached(self.entries, lambda id_: [target for _, target in self.out[id_]])
        for into in self.into.values():
            into[:] = [port for port in into if port[0] in self.reached]
        self.order = self._ordered()
        self.timely = frozenset(self.order)
        self.branches: dict[str, tuple[Branch, ...]] = {}
        for id_ in self.order:
            if declared := branches_of(steps[id_]):
                branches = {branch.handle: branch for branch in declared}
                for handle, _ in self.out[id_]:  # edges that use other handles: no output may look surer than it is
                    branches.setdefault(handle, Branch(handle, handle))
                self.branches[id_] = tuple(branches.values())
        self.bits = self._numbered()
        self._before: dict[str, set[str]] = {}
        self._effort = {"before": 2 * MAX_EFFORT, "choices": MAX_EFFORT}

    def bit(self, port: Port) -> int:
        """Return the bit of a port. A step that does not branch has one, for all its edges."""
        return self.bits.get(port) or (0 if port[0] in self.branches else self.bits[port[0], ""])

    def comes_before(self, id_: str, later: str) -> bool:
        """Return whether a way leads from one step to the other: the first is decided when the second starts."""
        if later in self.timely and "_masks" in self.__dict__:
            return bool(id_ in self.timely and self._masks.on_any[later] & self.bits[id_, ""]) and id_ != later
        if later not in self._before:
            found: set[str] = set()
            waiting = [later]
            while waiting and self._may("before", 1):
                for source, _ in self.into.get(waiting.pop(), ()):
                    if source not in found:
                        found.add(source)
                        waiting.append(source)
            if len(self._before) >= MAX_KEPT:  # questions about one step come one after the other
                self._before.clear()
            self._before[later] = found
        return id_ in self._before[later]

    def leading_to(self, ids: Iterable[str]) -> dict[str, None]:
        """Return the steps from which a way leads to one of some steps, and those steps."""
        return reached(ids, lambda id_: [source for source, _ in self.into.get(id_, ())])

    def certain(self, given: str | None, ports: Iterable[Port]) -> bool:
        """Return whether one of the ports is taken in every run that comes to `given` (every run at all, for
        None), whatever the choices.
        """
        if self._is_huge or (given is None and len(self.entries) != 1):
            return False
        sure = self._masks.certain[given if given is not None else self.entries[0]]
        return any(sure & self.bit(port) for port in ports if port[0] in self.timely)

    def choices(self, ports: Sequence[Port], given: str | None) -> list[Leading]:
        """Return the choices that bring a run to one of the ports, beyond those that coming to `given` takes,
        in the order of the steps.
        """
        ports = [port for port in ports if port[0] in self.timely]
        if self._is_huge or not ports or not self._may("choices", len(self.branches)):
            return []
        masks = self._masks
        on_all, on_any = -1, 0
        for port in ports:
            on_all &= masks.on_all[port[0]] | self.bit(port)
            on_any |= masks.on_any[port[0]] | self.bit(port)
        known_all = masks.on_all.get(given, 0) if given is not None else 0
        known_any = masks.on_any.get(given, 0) if given is not None else 0
        found: list[Leading] = []
        for step, branches in self.branches.items():
            leading = tuple([branch for branch in branches if on_any & self.bits[step, branch.handle]])
            if not leading or len(leading) == len(branches):
                continue
            there = known_any if known_all & self.bits[step, ""] else -1
            if any(there & self.bits[step, branch.handle] for branch in branches if branch not in leading):
                found.append(Leading(step, leading, bool(on_all & self.bits[step, ""])))
        return found

    def _may(self, question: str, cost: int) -> bool:
        self._effort[question] -= cost
        return self._effort[question] > 0

    def _ordered(self) -> list[str]:
        left = {id_: len(self.into[id_]) for id_ in self.reached}
        order = list(self.entries)
        for id_ in order:
            for _, target in self.out[id_]:
                left[target] -= 1
                if left[target] == 0 and target not in self.entries:
                    order.append(target)
        return order

    def _numbered(self) -> dict[Port, int]:
        bits: dict[Port, int] = {}
        for id_ in self.order:
            bits[id_, ""] = 1 << len(bits)
            for branch in self.branches.get(id_, ()):
                bits[id_, branch.handle] = 1 << len(bits)
        return bits

    @property
    def _is_huge(self) -> bool:
        return len(self.order) * len(self.bits) > MAX_BITS

    @cached_property
    def _masks(self) -> _Masks:
        masks = _Masks({}, {}, {})
        follows = self._follows
        for id_ in self.order:
            own = self.bits[id_, ""]
            on_all = certain = -1
            on_any = 0
            for port in self.into[id_] if id_ not in self.entries else ():
                source = port[0]
                if source in masks.on_all:
                    on_all &= masks.on_all[source] | self.bit(port)
                    on_any |= masks.on_any[source] | self.bit(port)
                    certain &= masks.certain[source] | follows[port if port in follows else (source, "")]
            masks.on_all[id_] = own | (on_all if on_any else 0)
            masks.on_any[id_] = own | on_any
            masks.certain[id_] = follows[id_, ""] | (certain if on_any else 0)
        return masks

    @property
    def _follows(self) -> dict[Port, int]:
        """For every port, the ports that are taken for sure once it is."""
        follows: dict[Port, int] = {}
        for id_ in reversed(self.order):
            branches = self.branches.get(id_)
            own = self.bits[id_, ""]
            if branches is None:
                for _, target in self.out[id_]:
                    own |= follows.get((target, ""), 0)
            else:
                shared = -1
                for branch in branches:
                    taken = self.bits[id_, branch.handle]
                    for handle, target in self.out[id_]:
                        if handle == branch.handle:
                            taken |= follows.get((target, ""), 0)
                    follows[id_, branch.handle] = taken
                    shared &= taken
                own |= shared
            follows[id_, ""] = own
        return follows


MAX_RUNS = 4096
"""How many combinations of choices are played through. Beyond that, only what no choice can prevent counts as
certain.
"""
MAX_WORK = 1 << 19
MAX_EXCERPTS = 2 * MAX_WORK
"""How much more work it may be to play through what matters to single steps, where everything is too much."""


class Played:
    """Runs, each with the ports that it takes. Sets of runs are bits: the first run is the lowest."""

    def __init__(self, flow: FlowGraph, steps: Sequence[str], runs: Sequence[int]) -> None:
        self.every = (1 << len(runs)) - 1
        self.choices: Mapping[str, tuple[str, ...]] = {
            id_: tuple(branch.handle for branch in flow.branches[id_]) for id_ in steps if id_ in flow.branches
        }
        """The ways out of steps that branch, of which a run takes one; those of the step "" are where runs begin."""
        if len(flow.entries) > 1:
            self.choices = {"": tuple(flow.entries), **self.choices}
        self._flow = flow
        self._runs = runs
        self._taking: dict[Port, int] = {}

    def taking(self, ports: Iterable[Port]) -> int:
        """Return the runs that take one of the ports."""
        found = 0
        for port in ports:
            if port not in self._taking:
                bit = self._flow.bit(port) if port[0] in self._flow.timely else 0
                taken = "".join(["1" if run & bit else "0" for run in reversed(self._runs)])
                self._taking[port] = int(taken, 2)
            found |= self._taking[port]
        return found


class Runs:
    """The runs of one level: the workflow itself, or the inside of a container."""

    def __init__(self, graph: Graph, level: str | None, branches_of: Callable[[Step], Sequence[Branch]]) -> None:
        self.flow = FlowGraph(graph, level, branches_of)
        self._whole = _played(self.flow, self.flow.order)
        self._excerpts: dict[frozenset[str], Played | None] = {}
        self._work = MAX_EXCERPTS

    def reaches(self, id_: str) -> bool:
        """Return whether any run can come to the step."""
        return id_ in self.flow.reached

    def played(self, ids: Iterable[str]) -> Played | None:
        """Return all runs, as far as they decide which of some steps run; None if they are too many."""
        if self._whole is not None:
            return self._whole
        wanted = frozenset(ids)
        if wanted not in self._excerpts and self._work > 0:
            leading = self.flow.leading_to(wanted)
            steps = [id_ for id_ in self.flow.order if id_ in leading]
            found = self._excerpts[wanted] = _played(self.flow, steps)
            self._work -= MAX_WORK if found is None else len(self.flow.order) + len(steps) * found.every.bit_length()
        return self._excerpts.get(wanted)

    def always(self, ports: Sequence[Port], given: str | None = None) -> bool:
        """Return whether every run that comes to `given` (every run at all, for None) takes one of the ports."""
        if given is not None and given not in self.flow.timely:
            return False
        ids = [id_ for id_, _ in ports]
        played = self.played(ids if given is None else [*ids, given])
        if played is None:
            return self.flow.certain(given, ports)
        coming = played.every if given is None else played.taking([(given, "")])
        return not coming & ~played.taking(ports)

    def together(self, first: str, second: str) -> bool:
        """Return whether a run may come to both steps."""
        played = self.played((first, second))
        if played is None or not self.flow.timely.issuperset((first, second)):
            return self.reaches(first) and self.reaches(second)
        return bool(played.taking([(first, "")]) & played.taking([(second, "")]))


def _played(flow: FlowGraph, steps: Sequence[str]) -> Played | None:
    """Play through the runs as far as some steps go, which are in order; None if there are too many of them."""
    runs = [flow.bits[id_, ""] for id_ in flow.entries if id_ in flow.timely] or [0]
    work = 0
    for id_ in steps:
        own = into = flow.bits[id_, ""]  # that of an entry is set in the runs that begin there
        for port in flow.into[id_]:
            into |= flow.bit(port) if port[0] in flow.timely else 0
        if id_ not in flow.branches:
            runs = [run | own if run & into else run for run in runs]
        else:
            taken = [own | flow.bits[id_, branch.handle] for branch in flow.branches[id_]]
            runs = [after for run in runs for after in ([run | branch for branch in taken] if run & into else (run,))]
        work += len(runs)
        if len(runs) > MAX_RUNS or work > MAX_WORK:
            return None
    return Played(flow, steps, runs)
