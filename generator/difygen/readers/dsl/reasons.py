"""Why an output may be missing, in the words of somebody who looks at the workflow: titles of steps and labels of branches."""

from __future__ import annotations

from collections.abc import Sequence

from difygen.readers.dsl.graph import Graph, Step
from difygen.readers.dsl.paths import Choice, Paths
from difygen.readers.dsl.shape import quoted
from difygen.readers.dsl.values import Port

MAX_PARTS = 4

_OUTCOMES = {"source": "succeeds", "fail-branch": "fails"}


def only_when(ports: Sequence[Port], given: str | None, paths: Paths, graph: Graph) -> str:
    """When a run takes one of the ports, beyond coming to `given`."""
    reachable = [port for port in ports if paths.reaches(port[0])]
    if not reachable:
        return f"never, since no way leads to {_titles([graph.steps[id_] for id_, _ in ports])}"
    if len({id_ for id_, _ in reachable}) == 1 and len(reachable) > 1:
        return f"only when {_way(graph.steps[reachable[0][0]], [handle for _, handle in reachable], paths)}"
    conditions = list(dict.fromkeys(_condition(port, given, paths, graph) for port in reachable))
    return "only when " + _listed(conditions, ", or when " if any(" and " in each for each in conditions) else " or ")


def _condition(port: Port, given: str | None, paths: Paths, graph: Graph) -> str:
    choices = paths.choices(port, given)
    necessary = [each for each in choices if each.necessary]
    if necessary:
        return " and ".join(_taken(each, graph) for each in necessary[-MAX_PARTS:])
    step = graph.steps[port[0]]
    return f"{_taken(choices[-1], graph)} or another way leads to {step}" if choices else f"{step} runs"


def _taken(choice: Choice, graph: Graph) -> str:
    step = graph.steps[choice.step]
    return _way(step, [way.handle for way in choice.ways], None, [way.label for way in choice.ways])


def _way(step: Step, handles: Sequence[str], paths: Paths | None, labels: Sequence[str] = ()) -> str:
    if len(handles) == 1 and handles[0] in _OUTCOMES:
        return f"{step} {_OUTCOMES[handles[0]]}"
    if not labels and paths is not None:
        labels = [way.label for way in paths.branches.get(step.id, ()) if way.handle in handles]
    if not labels:
        return f"{step} runs"
    return f"the branch {_listed([quoted(each) for each in labels], ' or ')} of {step} is taken"


def _listed(parts: Sequence[str], by: str) -> str:
    if len(parts) > MAX_PARTS:
        return by.join(parts[:MAX_PARTS]) + f"{by}in {len(parts) - MAX_PARTS} more cases"
    return by.join(parts)


def _titles(steps: Sequence[Step]) -> str:
    return _listed(list(dict.fromkeys(str(step) for step in steps)), " or ")
