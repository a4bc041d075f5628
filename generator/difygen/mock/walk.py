"""The way through a graph: which node runs next, which branch is taken, what a branch not taken leaves out."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator

from difygen.mock.definition import Definition
from difygen.model import Edge, Node

SILENT = ("iteration-start", "loop-start", "loop-end")
"""Nodes that run without an event of their own (seen on 1.12.1)."""


class Walk:
    """The nodes of one level (the workflow, or one round of an iteration or loop), each when all that lead to it are done."""

    def __init__(self, definition: Definition, parent: str | None) -> None:
        self._nodes = {node.id: node for node in definition.nodes if node.parent == parent}
        self._out: defaultdict[str, list[Edge]] = defaultdict(list)
        self._in: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in definition.edges:
            if edge.source in self._nodes and edge.target in self._nodes:
                self._out[edge.source].append(edge)
                self._in[edge.target].append(edge)
        self._taken: dict[int, bool] = {}  # by the edge's id; edges that are still open are missing
        self._roots = self._entries(parent)
        self._ready = deque(self._roots)
        self.skipped: set[str] = set()

    def _entries(self, parent: str | None) -> list[str]:
        """Where the walk begins: one node. What nothing leads to otherwise is not run."""
        roots = [node for node in self._nodes.values() if not self._in[node.id]]
        if parent is None:
            entries = [n for n in roots if n.type == "start"] or [n for n in roots if n.type.startswith("trigger-")]
        else:
            entries = [node for node in roots if node.type in SILENT]
        return [node.id for node in (entries or roots)[:1]]

    def __iter__(self) -> Iterator[Node]:
        while self._ready:
            yield self._nodes[self._ready.popleft()]

    def leave(self, node: Node, handle: str | None = None) -> None:
        """Go on from a node by one of its branches (None: by all). The others, and what only they lead to, are skipped."""
        todo = [(edge, handle is None or edge.handle == handle) for edge in self._out[node.id]]
        while todo:
            edge, taken = todo.pop(0)
            self._taken[id(edge)] = taken
            states = [self._taken.get(id(each)) for each in self._in[edge.target]]
            if None in states:
                continue
            if True in states:
                self._ready.append(edge.target)
            else:
                self.skipped.add(edge.target)
                todo += [(onward, False) for onward in self._out[edge.target]]

    def certain(self, branching: Collection[str]) -> set[str]:
        """The nodes that will run for sure: reached without a branch that is still to be decided."""
        seen: set[str] = set()
        todo = [*self._roots]
        while todo:
            node_id = todo.pop()
            if node_id in seen or node_id in self.skipped:
                continue
            seen.add(node_id)
            todo += [edge.target for edge in self._out[node_id] if self._taken.get(id(edge), node_id not in branching)]
        return seen

    def handles(self, node: Node) -> list[str]:
        """The branches that leave a node, in the order of the definition."""
        return list(dict.fromkeys(edge.handle for edge in self._out[node.id]))

    def beyond(self, node: Node, handle: str) -> set[str]:
        """The nodes that one branch of a node can lead to."""
        seen: set[str] = set()
        todo = [edge.target for edge in self._out[node.id] if edge.handle == handle]
        while todo:
            node_id = todo.pop()
            if node_id not in seen:
                seen.add(node_id)
                todo += [edge.target for edge in self._out[node_id]]
        return seen
