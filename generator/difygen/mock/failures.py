"""Failures that were asked for: in which node they happen, and what a node's error strategy makes of them."""

from __future__ import annotations

from typing import Any

from difygen.mock.beats import Place
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.faults import Faults
from difygen.mock.nodes import Result
from difygen.model import Node

MESSAGE = "RuntimeError: this failure was asked for"
_IDLE = ("start", "end", "if-else", "iteration", "loop")


def failing_node(definition: Definition, faults: Faults, handler_failed: bool) -> str:
    """The id of the node that fails in this run, empty if none does.

    It is the one that the fault names, else for a failure that is coped with the first that can cope, else the first that does any work,
    else the last.
    """
    if not (handler_failed or "failed" in faults or "partial" in faults):
        return ""
    if faults.node:
        return faults.node
    nodes = [node for node in definition.nodes if node.parent is None]
    coping = [node for node in nodes if definition.settings.get(node.id, {}).get("error_strategy")]
    working = [node for node in nodes if node.type not in _IDLE]
    candidates = (coping if "partial" in faults else []) or working or nodes[-1:]
    return candidates[0].id if candidates else ""


def happens_here(node: Node, failing: str, place: Place | None) -> bool:
    """Whether this execution of the node is the one that fails."""
    return node.id == failing and (place is None or place.fails)


def coped_with(settings: JsonObject, result: Result, problem: str) -> Result:
    """What a node gives whose failure the workflow copes with: its default values, and what went wrong (seen on 1.12.1)."""
    strategy = settings.get("error_strategy") or "default-value"
    values = (default_values(settings) or result.outputs) if strategy == "default-value" else {}
    outputs = values | {"error_message": problem, "error_type": "CodeExecutionError"}
    return Result(result.inputs, outputs, metadata={"error_strategy": strategy}, known=True)


def default_values(settings: JsonObject) -> JsonObject:
    """The values that a node's settings name for a failure."""
    rows = [row for row in settings.get("default_value") or () if isinstance(row, dict)]
    return {str(row.get("key")): _default_value(row) for row in rows}


def _default_value(row: JsonObject) -> Any:
    if row.get("type") != "number":
        return row.get("value")
    try:  # a number becomes a float, whatever it was (seen on 1.12.1)
        return float(row.get("value") or 0)
    except (TypeError, ValueError):
        return 0.0


def retries(settings: JsonObject) -> int:
    """How often a node is tried again before it fails."""
    config = settings.get("retry_config")
    if not isinstance(config, dict) or not config.get("retry_enabled"):
        return 0
    return int(config.get("max_retries") or 0)
