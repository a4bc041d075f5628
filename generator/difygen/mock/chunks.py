"""Text chunks: Dify streams the outputs of End nodes, in order, as soon as their sources have them (seen on 1.12.1)."""

from __future__ import annotations

from collections.abc import Iterator

from difygen.mock.definition import Definition, JsonObject, Selector
from difygen.mock.pool import Pool, as_text
from difygen.mock.walk import Walk


class EndText:
    """Which text of which End node is due. An End speaks once it is certain to run; one at a time."""

    def __init__(self, definition: Definition, pool: Pool, walk: Walk) -> None:
        self._definition = definition
        self._pool = pool
        self._walk = walk
        self._branching = {node.id for node in definition.nodes if definition.branches(node)}
        self._queue: list[str] = []
        self._done: dict[str, int] = {}

    def due(self, *, reached: str = "") -> Iterator[JsonObject]:
        """The `data` of the chunks that can go out now. `reached` is an End node that has just started: all of its text is due."""
        certain = self._walk.certain(self._branching)
        self._queue += [end for end in self._definition.ends if end in certain and end not in self._queue]
        if reached and reached not in self._queue:
            self._queue.append(reached)
        for end in self._queue:
            yield from self._text_of(end, everything=end == reached)
            if self._done.get(end, 0) < len(self._definition.ends[end]):
                return

    def _text_of(self, end: str, *, everything: bool) -> Iterator[JsonObject]:
        rows = self._definition.ends[end]
        for position in range(self._done.get(end, 0), len(rows)):
            selector = rows[position][1]
            if not (everything or self._available(selector)):
                return
            self._done[end] = position + 1
            if selector[:1] and selector[0] not in self._walk.skipped:
                yield from self._chunks(selector)
            if position + 1 < len(rows):
                yield {"text": "\n", "from_variable_selector": [end, "answer"]}

    def _available(self, selector: Selector) -> bool:
        return selector in self._pool or not selector or selector[0] in self._walk.skipped

    def _chunks(self, selector: Selector) -> Iterator[JsonObject]:
        text = as_text(self._pool.get(selector))
        pieces = [text]
        if selector[1:] == ("text",) and self._is_model(selector[0]):
            words = text.split(" ")
            pieces = [f"{word} " for word in words[:-1]] + [words[-1], "", ""]  # token by token, and two empty ones
        for piece in pieces:
            yield {"text": piece, "from_variable_selector": list(selector)}

    def _is_model(self, node_id: str) -> bool:
        return any(node.id == node_id and node.type == "llm" for node in self._definition.nodes)
