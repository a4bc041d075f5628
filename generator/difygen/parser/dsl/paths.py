"""Which steps of a workflow run, and which run together: all choices of all branches, played through. Knows no fields or types.

A step runs once all edges into it are decided and at least one of them was taken. A step that branches takes the edges of one handle,
every other one takes all of its edges (engine of Dify 1.9 and later).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difygen.parser.dsl.graph import Graph, Step
from difygen.parser.dsl.values import Need, Port
from difygen.parser.dsl.ways import Branch, Choice, Ways

MAX_RUNS = 4096
"""How many combinations of choices are played through. Beyond that, only what no choice can prevent counts as certain."""
MAX_WORK = 1 << 19


class Paths:
    """The runs of one level: the workflow itself, or the inside of a container."""

    def __init__(self, graph: Graph, level: str | None, branches_of: Callable[[Step], Sequence[Branch]]) -> None:
        self.ways = Ways(graph, level, branches_of)
        self._runs = _played(self.ways)
        self._taken: dict[Port, int] = {}

    def reaches(self, id_: str) -> bool:
        """Whether any run can come to the step."""
        return id_ in self.ways.reached

    def always(self, need: Need, given: str | None = None) -> bool:
        """Whether every run that comes to `given` (every run at all, for None) takes one of the ports."""
        if given is not None and given not in self.ways.timely:
            return False
        if self._runs is None:
            return self.ways.certain(given, need.ports)
        return not self._coming_to(given) & ~self._taking(need.ports)

    def together(self, first: str, second: str) -> bool:
        """Whether a run may come to both steps."""
        if self._runs is None or not self.ways.timely.issuperset((first, second)):
            return self.reaches(first) and self.reaches(second)
        return bool(self._taking([(first, "")]) & self._taking([(second, "")]))

    def enough(self, choices: Sequence[Choice], ports: Sequence[Port], given: str | None) -> bool:
        """Whether every run that comes to `given` and takes these choices takes one of the ports."""
        if self._runs is None:
            return False
        runs = self._coming_to(given)
        for choice in choices:
            runs &= self._taking([(choice.step, way.handle) for way in choice.ways])
        return not runs & ~self._taking(ports)

    def prevented(self, ports: Sequence[Port], given: str | None) -> Choice | None:
        """The one choice, if there is one, that exactly those runs take that come to `given` and take none of the ports."""
        if self._runs is None:
            return None
        missed = self._coming_to(given) & ~self._taking(ports)
        for step, ways in self.ways.branches.items():
            taken = tuple(way for way in ways if missed & self._taking([(step, way.handle)]))
            if taken and missed == self._coming_to(given) & self._taking([(step, way.handle) for way in taken]):
                return Choice(step, taken, True)
        return None

    def _coming_to(self, id_: str | None) -> int:
        """The numbers of the runs that come to a step, as bits; of all runs for None."""
        return self._taking([(id_, "")]) if id_ is not None else (1 << len(self._runs or ())) - 1

    def _taking(self, ports: Sequence[Port]) -> int:
        """The numbers of the runs that take one of the ports, as bits."""
        found = 0
        for port in ports:
            if port not in self._taken:
                bit = self.ways.bit(port) if port[0] in self.ways.timely else 0
                self._taken[port] = sum([1 << number for number, run in enumerate(self._runs or ()) if run & bit])
            found |= self._taken[port]
        return found


def _played(ways: Ways) -> list[int] | None:
    """The ports taken in each run that can be, as bits; None if there are too many of them."""
    runs = [ways.bits[id_, ""] for id_ in ways.entries] or [0]
    work = 0
    for id_ in ways.order:
        own = into = ways.bits[id_, ""]  # that of an entry is set in the runs that begin there
        for port in ways.into[id_]:
            into |= ways.bit(port) if port[0] in ways.timely else 0
        if id_ not in ways.branches:
            runs = [run | own if run & into else run for run in runs]
        else:
            taken = [own | ways.bits[id_, branch.handle] for branch in ways.branches[id_]]
            runs = [after for run in runs for after in ([run | way for way in taken] if run & into else (run,))]
        work += len(runs)
        if len(runs) > MAX_RUNS or work > MAX_WORK:
            return None
    return runs
