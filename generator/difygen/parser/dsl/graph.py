"""The canvas of a workflow: its steps and how they are connected, without what only the editor needs.

Knows no node type's fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from difygen.diagnostics import Diagnostics
from difygen.model import Edge, JsonValue, Node
from difygen.record import Record, replace
from difygen.wording import count, quoted, shown

PATH = ("workflow", "graph", "nodes")

CONTAINER_STARTS = ("iteration-start", "loop-start")
_NOTES = ("custom-note", "custom-data-source-empty")


Port = tuple[str, str]
"""A step and the handle by which a run leaves it; the handle "" stands for the step having run at all."""
_NO_MAPPING: Mapping[str, JsonValue] = {}


class Step(Record):
    """A node of the canvas. `index` is its place in the file, `parent` the container that holds it."""

    id: str
    type: str
    title: str
    data: Mapping[str, JsonValue]
    parent: str | None
    index: int

    def __str__(self) -> str:
        return quoted(self.title or self.id)


class Graph:
    """Steps by id, in the order of the file, and the edges between them."""

    def __init__(self, steps: dict[str, Step], edges: list[Edge]) -> None:
        self.steps = steps
        self.edges = edges
        self._levels: dict[str | None, tuple[dict[str, Step], list[Edge]]] = {}
        self._leaving: dict[str, list[Edge]] = {}
        for step in steps.values():
            self._levels.setdefault(step.parent, ({}, []))[0][step.id] = step
        for edge in edges:
            self._leaving.setdefault(edge.source, []).append(edge)
            parent = steps[edge.source].parent
            if parent == steps[edge.target].parent:
                self._levels[parent][1].append(edge)

    def level(self, parent: str | None) -> tuple[dict[str, Step], list[Edge]]:
        """Return the steps of the workflow itself or of the inside of a container, and the edges between them."""
        return self._levels.get(parent, ({}, []))

    def entries(self, level: str | None) -> list[str]:
        """Return where runs of a level begin. Of several triggers each begins runs of its own."""
        steps, edges = self.level(level)
        if level is None:
            start = next((step.id for step in steps.values() if step.type == "start"), None)
            if start is not None:
                return [start]
            triggers = [step.id for step in steps.values() if step.type.startswith("trigger-")]
            if triggers:
                return triggers
        else:
            wanted = self.steps[level].data.get("start_node_id")
            if isinstance(wanted, str) and wanted in steps:
                return [wanted]
            starts = [step.id for step in steps.values() if step.type in CONTAINER_STARTS]
            if starts:
                return starts[:1]
        targets = {edge.target for edge in edges}
        return [id_ for id_ in steps if id_ not in targets][:1]

    def edges_of(self, id_: str) -> list[Edge]:
        """Return the edges that leave a step."""
        return self._leaving.get(id_, [])

    def nodes(self) -> tuple[Node, ...]:
        """Return the steps that a run shows."""
        return tuple(
            Node(id=step.id, type=step.type, title=step.title, parent=step.parent)
            for step in self.steps.values()
            if step.type not in CONTAINER_STARTS
        )

    def shown_edges(self) -> tuple[Edge, ...]:
        """Return the edges between those."""
        hidden = {step.id for step in self.steps.values() if step.type in CONTAINER_STARTS}
        return tuple([each for each in self.edges if each.source not in hidden and each.target not in hidden])

    def first(self, *types: str) -> Step | None:
        """Return the first step of one of several types, if there is one."""
        return next((step for step in self.steps.values() if step.type in types), None)


def read_graph(canvas: Mapping[str, JsonValue], report: Diagnostics) -> Graph:
    """Take steps and edges from `workflow.graph`. What has not the shape of a node or an edge is left out."""
    steps: dict[str, Step] = {}
    nodes = [mapping(node) for node in sequence(canvas.get("nodes"))]
    for index, node in enumerate(nodes):
        step = _step(node, index, report)
        if step is None:
            continue
        if step.id in steps:
            report.warn(
                "repeated-node-id", f"Two nodes have the id {quoted(step.id)}; the last one counts.", (*PATH, index)
            )
        steps[step.id] = step
    for id_, parent in _parents(steps).items():
        if parent != steps[id_].parent:
            steps[id_] = replace(steps[id_], parent=parent)
    _check_types(nodes, report)
    return Graph(steps, _edges(canvas, steps))


def _check_types(nodes: Sequence[Mapping[str, JsonValue]], report: Diagnostics) -> None:
    """Tell of nodes whose type stands where Dify does not look. Files in which no node has one are not Dify's."""
    misplaced = {index: _type_of_wrapper(node) for index, node in enumerate(nodes) if _type_of_wrapper(node)}
    if not misplaced:
        return
    total = sum(node.get("type") not in _NOTES for node in nodes)
    index, type_ = next(iter(misplaced.items()))
    hint = f"Dify refuses such a file: `type: {shown(type_)}` belongs into `data`, beside `title`."
    if len(misplaced) == total:
        message = f"None of the {count(total, 'node')} has a `data.type`; the first one stands here."
        report.error("no-node-type", message, (*PATH, index), hint)
    else:
        message = f"{len(misplaced)} of the {count(total, 'node')} have no `data.type`; the first one stands here."
        report.warn("no-node-type", message, (*PATH, index), hint)


def _type_of_wrapper(node: Mapping[str, JsonValue]) -> str:
    """Return the type of a node that stands beside its `data`, where the canvas has words of its own."""
    type_ = text(node.get("type"))
    return "" if text(mapping(node.get("data")).get("type")) or type_.startswith("custom") else type_


def _step(node: Mapping[str, JsonValue], index: int, report: Diagnostics) -> Step | None:
    data = mapping(node.get("data"))
    type_ = text(data.get("type")) or _type_of_wrapper(node)
    if not type_ or node.get("type") in _NOTES:
        return None
    id_ = text(node.get("id"))
    if not id_:
        report.warn("node-without-id", f"A node of type {quoted(type_)} has no id and is left out.", (*PATH, index))
        return None
    return Step(id_, type_, text(data.get("title")), data, text(node.get("parentId")) or None, index)


def _parents(steps: Mapping[str, Step]) -> dict[str, str | None]:
    """Return which container holds each step: one that exists, and none that would hold itself.

    The editor writes `parentId` and `iteration_id` or `loop_id`; those alone are left behind when a step is copied
    out of its container.
    """
    holding = {step.parent for step in steps.values() if step.type not in CONTAINER_STARTS}
    parents: dict[str, str | None] = {}
    for step in steps.values():
        parent = step.parent
        claimed = text(step.data.get("iteration_id") or step.data.get("loop_id"))
        if parent is None and claimed and claimed not in holding:
            parent = claimed
        parents[step.id] = parent if parent in steps else None
    rooted: set[str] = set()
    for id_ in steps:
        trail: dict[str, None] = {}
        each: str | None = id_
        while each is not None and each not in rooted:
            if each in trail:
                parents[each] = None
            trail[each] = None
            each = parents[each]
        rooted.update(trail)
    return parents


_HANDLES = {"": "source", "__timeout__": "__timeout"}
"""What the engine (1.16) and files that no editor wrote call a way out, and what the editor does."""


def _edges(canvas: Mapping[str, JsonValue], steps: Mapping[str, Step]) -> list[Edge]:
    edges: dict[tuple[str, str, str], Edge] = {}
    for each in sequence(canvas.get("edges")):
        edge = mapping(each)
        source, target = text(edge.get("source")), text(edge.get("target"))
        if source not in steps or target not in steps:
            continue
        handle = text(edge.get("sourceHandle"))
        handle = _HANDLES.get(handle, handle)
        edges[source, target, handle] = Edge(source=source, target=target, handle=handle)
    return list(edges.values())


def reached(beginnings: Iterable[str], onward: Callable[[str], Iterable[str]]) -> dict[str, None]:
    """Return the steps that some way leads to, where `onward` gives those that come next; the beginnings first."""
    found = dict.fromkeys(beginnings)
    waiting = list(found)
    while waiting:
        for target in onward(waiting.pop()):
            if target not in found:
                found[target] = None
                waiting.append(target)
    return found


def mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else _NO_MAPPING


def sequence(value: JsonValue) -> Sequence[JsonValue]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: JsonValue) -> str:
    """Return text as Dify would read it: ids, selectors and options that a person forgot to quote come as
    numbers or booleans.
    """
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""


def texts(value: JsonValue) -> tuple[str, ...]:
    """Return the scalars of a list, as text."""
    return tuple([text(each) for each in sequence(value) if isinstance(each, str | int | float)])


_FILES_IN_TEXT = r"\{\{#(?:[^#.]*\.)?sys\.files(?:\.[^#]*)?#\}\}"


def system_files_reader(graph: Graph, *, but: Collection[str] = ()) -> Step | None:
    """Return the first step that reads `sys.files`, by a selector or in a text.

    What is switched off, and what has one of the keys in `but`, does not count.
    """
    return next((step for step in graph.steps.values() if _reads_files(step.data, but)), None)


def _reads_files(data: JsonValue, but: Collection[str]) -> bool:
    waiting: list[JsonValue] = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if "sys.files" in value and re.search(_FILES_IN_TEXT, value):
                return True
        elif isinstance(value, dict):
            if value.get("enabled") is not False:
                waiting += [member for key, member in value.items() if key not in but] if but else value.values()
        elif isinstance(value, list):
            if value[:2] == ["sys", "files"] or value[1:2] == ["sys.files"]:
                return True
            waiting += value
    return False
