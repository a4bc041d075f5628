"""All runs of one level of a graph, played through: every combination of choices, and the ports that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from difygen.parser.dsl.control_flow.branches import Branch
from difygen.parser.dsl.control_flow.flow import FlowGraph
from difygen.parser.dsl.graph import Graph, Port, Step

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
