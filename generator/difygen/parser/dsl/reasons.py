"""Why an output may be missing, in the words of somebody who looks at the workflow: titles of steps and labels of branches."""

from __future__ import annotations

from collections.abc import Sequence

from difygen.parser.dsl.graph import Graph
from difygen.parser.dsl.paths import Paths
from difygen.parser.dsl.shape import quoted
from difygen.parser.dsl.values import Port
from difygen.parser.dsl.ways import Choice

MAX_PARTS = 4


def only_when(ports: Sequence[Port], given: str | None, paths: Paths, graph: Graph) -> str:
    """When a run takes one of the ports, beyond coming to `given`."""
    reachable = [port for port in ports if paths.reaches(port[0])]
    if not reachable:
        return f"never, since no way leads to {_titles([id_ for id_, _ in ports], graph)}"
    choices = paths.ways.choices(reachable, given)
    necessary = [each for each in choices if each.necessary]
    words = "only when " + _listed([_taken(each, graph) for each in necessary], " and ") if necessary else ""
    if necessary and paths.enough(necessary, reachable, given):
        return words
    if prevented := paths.prevented(reachable, given):
        return f"missing when {_taken(prevented, graph)}"
    others = [each.step for each in choices if not each.necessary]
    if not others:
        return words or f"only when {_titles([id_ for id_, _ in reachable], graph)} runs"
    return f"{words}, and then {_depends(others, graph)}" if words else _depends(others, graph)


def _depends(ids: Sequence[str], graph: Graph) -> str:
    if len(ids) == 1:
        return f"depends on the branch that {graph.steps[ids[0]]} takes"
    return f"depends on the branches that {_titles(ids, graph, 'and')} take"


def _taken(choice: Choice, graph: Graph) -> str:
    step = graph.steps[choice.step]
    if choice.ways[0].outcome:
        return f"{step} {choice.ways[0].label}"
    labels = [quoted(way.label) for way in choice.ways]
    return f"the branch {_listed(labels, ' or ')} of {step} is taken"


def _listed(parts: Sequence[str], by: str) -> str:
    shown = list(dict.fromkeys(parts))
    if len(shown) > MAX_PARTS:
        return by.join(shown[:MAX_PARTS]) + f"{by}{len(shown) - MAX_PARTS} more"
    return by.join(shown)


def _titles(ids: Sequence[str], graph: Graph, by: str = "or") -> str:
    return _listed([str(graph.steps[id_]) for id_ in ids], f" {by} ")
