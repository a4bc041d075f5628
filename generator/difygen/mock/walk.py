"""The way through a graph: which node runs next, which branch is taken, what a branch not taken leaves out."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from difygen.mock.definition import Definition
from difygen.workflow import Edge, Node

SILENT = ("iteration-start", "loop-start", "loop-end")
"""Nodes that run without an event of their own (seen on 1.12.1)."""


class Walk:
    """The nodes of one level (the workflow, or one round of an iteration or loop), each when all that lead to it are done."""

    def __init__(self, definition: Definition, parent: str | None) -> None:
        self._nodes = {node.id: node for node in definition.nodes if node.parent == parent}
        self._edges = [edge for edge in definition.edges if edge.source in self._nodes and edge.target in self._nodes]
        self._open = {id(edge) for edge in self._edges}
        self._taken: set[int] = set()
        self._ready = deque(self._first(definition, parent))
        self.skipped: set[str] = set()

    def _first(self, definition: Definition, parent: str | None) -> Iterable[str]:
        targets = {edge.target for edge in self._edges}
        roots = [node for node in self._nodes.values() if node.id not in targets]
        entries = [n for n in roots if n.type == "start"] or [n for n in roots if n.type.startswith("trigger-")]
        if parent is None:  # a node that nothing leads to is not run
            return [node.id for node in (entries or roots)[:1]]
        return [node.id for node in ([n for n in roots if n.type in SILENT] or roots)[:1]]

    def __iter__(self) -> Iterator[Node]:
        while self._ready:
            yield self._nodes[self._ready.popleft()]

    def leave(self, node: Node, handle: str = "source") -> None:
        """Go on from a node by one of its branches; the others, and what only they lead to, are skipped."""
        for edge in self._from(node.id):
            self._close(edge, taken=handle == "source" or edge.handle == handle)

    def _from(self, node_id: str) -> list[Edge]:
        return [edge for edge in self._edges if edge.source == node_id]

    def _close(self, edge: Edge, *, taken: bool) -> None:
        self._open.discard(id(edge))
        if taken:
            self._taken.add(id(edge))
        leading = [each for each in self._edges if each.target == edge.target]
        if any(id(each) in self._open for each in leading):
            return
        if any(id(each) in self._taken for each in leading):
            self._ready.append(edge.target)
            return
        self.skipped.add(edge.target)
        for onward in self._from(edge.target):
            self._close(onward, taken=False)

    def certain(self, branching: Collection[str]) -> set[str]:
        """The nodes that will run for sure: reached without a branch that is still to be decided."""
        seen: set[str] = set()
        todo = [*self._first_ids()]
        while todo:
            node_id = todo.pop()
            if node_id in seen or node_id in self.skipped:
                continue
            seen.add(node_id)
            for edge in self._from(node_id):
                decided = id(edge) not in self._open
                if (decided and id(edge) in self._taken) or (not decided and node_id not in branching):
                    todo.append(edge.target)
        return seen

    def _first_ids(self) -> Iterable[str]:
        targets = {edge.target for edge in self._edges}
        return [node_id for node_id in self._nodes if node_id not in targets]

    def handles(self, node: Node) -> list[str]:
        """The branches that leave a node, in the order of the definition."""
        return list(dict.fromkeys(edge.handle for edge in self._from(node.id)))

    def beyond(self, node: Node, handle: str) -> set[str]:
        """The nodes that one branch of a node can lead to."""
        seen: set[str] = set()
        todo = [edge.target for edge in self._from(node.id) if edge.handle == handle]
        while todo:
            node_id = todo.pop()
            if node_id not in seen:
                seen.add(node_id)
                todo += [edge.target for edge in self._from(node_id)]
        return seen
