"""Iterations and loops: their own events around those of their rounds. Knows a simulation only as far as it runs a round."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from difygen.mock.beats import Beat, Beats, FailedError, Place
from difygen.mock.definition import JsonObject
from difygen.mock.nodes import container_items
from difygen.mock.pool import Pool
from difygen.model import Node

CONTAINERS = ("iteration", "loop")
_ROUNDS = 2
"""How often a loop goes round whose end nobody can know."""

_UNKNOWN = object()


class Rounds:
    """The rounds of one iteration or loop. The id of its events is the node's (seen on 1.12.1)."""

    def __init__(
        self, node: Node, settings: JsonObject, pool: Pool, event: Callable[[str, JsonObject], JsonObject]
    ) -> None:
        self._node = node
        self._settings = settings
        self._pool = pool
        self._event = event
        self._kind = node.type
        self._items = container_items(settings, pool, node) if node.type == "iteration" else _loop_items(settings)
        self._first_number = 0 if node.type == "iteration" else 1
        self._collected: list[Any] = []
        self._created_at = int(time.time())
        self._clock = time.monotonic()
        self._durations: dict[str, float] = {}

    def beats(self, run_round: Callable[[Node, Place], Beats]) -> Generator[Beat, Any, JsonObject]:
        """Everything that happens, and the outputs. An empty list gives no events at all (seen on 1.12.1)."""
        if not self._items:
            return self._outputs()
        started = {
            "metadata": {f"{self._kind}_length": len(self._items)},
            "inputs": self._inputs(),
            "inputs_truncated": False,
        }
        yield self._event(
            f"{self._kind}_started", self._head() | {"created_at": self._created_at, "extras": {}} | started
        )
        parallel = bool(self._settings.get("is_parallel"))
        if parallel:  # all rounds are announced before any of them runs (seen on 1.12.1)
            yield from (self._next(index) for index in range(len(self._items)))
        for index in range(len(self._items)):
            if not parallel:
                yield self._next(index)
            yield from self._round(index, run_round)
        yield self._completed("succeeded")
        return self._outputs()

    def _round(self, index: int, run_round: Callable[[Node, Place], Beats]) -> Beats:
        clock, number = time.monotonic(), index + self._first_number
        self._pool.put(self._node.id, {"item": self._items[index], "index": index}, known=True)
        fails = index == min(1, len(self._items) - 1)  # not the first, so that one has gone well
        try:
            yield from run_round(self._node, Place(self._kind, self._node.id, number, fails))
        except FailedError:
            mode = self._settings.get("error_handle_mode") or "terminated"
            if self._kind == "loop" or mode == "terminated":
                yield self._completed("failed")
                raise
            self._collected += [None] if mode == "continue-on-error" else []
            return
        self._durations[str(number)] = round(time.monotonic() - clock, 6)
        selector = tuple(map(str, self._settings.get("output_selector") or ()))
        self._collected.append(self._pool.get(selector) if self._pool.knows(selector) else _UNKNOWN)

    def _outputs(self) -> JsonObject:
        """What the node gives: what follows from the inputs, else what is prescribed or made up, one for each round."""
        wanted = self._pool.wanted(self._node.id)
        if self._kind == "loop":
            return wanted | {"loop_round": len(self._items)}
        if any(name in self._pool.prescribed for name in self._pool.names_from(self._node.id)):
            return {"output": wanted.get("output")}
        made_up = wanted.get("output")
        spare = made_up[0] if isinstance(made_up, list) and made_up else "mock item"
        return {"output": [spare if each is _UNKNOWN else each for each in self._collected]}

    def _head(self) -> JsonObject:
        return {"id": self._node.id, "node_id": self._node.id, "node_type": self._node.type, "title": self._node.title}

    def _inputs(self) -> JsonObject:
        return {"iterator_selector": self._items} if self._kind == "iteration" else {"loop_count": len(self._items)}

    def _next(self, index: int) -> JsonObject:
        before: JsonObject = {"pre_loop_output": {}} if self._kind == "loop" else {}
        number = {"index": index + self._first_number}
        return self._event(
            f"{self._kind}_next", self._head() | number | before | {"created_at": int(time.time()), "extras": {}}
        )

    def _completed(self, status: str) -> JsonObject:
        totals = {
            "total_tokens": 0,
            "total_price": "0.0",
            "currency": "USD",
            f"{self._kind}_duration_map": self._durations,
        }
        data = {
            **self._head(),
            "outputs": self._outputs(),
            "outputs_truncated": False,
            "created_at": self._created_at,
            "extras": {},
            "inputs": self._inputs(),
            "inputs_truncated": False,
            "status": status,
            "error": None,  # whatever happened (seen on 1.12.1)
            "elapsed_time": round(time.monotonic() - self._clock, 6),
            "total_tokens": 0,
            "execution_metadata": totals,
            "finished_at": int(time.time()),
            "steps": len(self._items),
        }
        return self._event(f"{self._kind}_completed", data)


def _loop_items(settings: JsonObject) -> list[Any]:
    count = settings.get("loop_count")
    return list(range(min(count if isinstance(count, int) else 1, _ROUNDS)))
