"""The steps of a run: a row per node, an execution per time that it ran. Records without any knowledge of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["running", "succeeded", "failed", "exception", "stopped", "paused"]


@dataclass(slots=True)
class Attempt:
    """A try of an execution that failed and was repeated (`node_retry`)."""

    number: int
    error: str
    elapsed: float | None


@dataclass(slots=True)
class Execution:
    """One time that a node ran. Times are seconds after the run's first event; `item` counts within an iteration or loop."""

    id: str
    started: float
    item: int | None = None
    finished: float | None = None
    elapsed: float | None = None
    status: Status = "running"
    tokens: int = 0
    price: str = ""
    error: str = ""
    inputs: Any = None
    process_data: Any = None
    outputs: Any = None
    attempts: list[Attempt] = field(default_factory=list)
    logs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    reasoning: str = ""


@dataclass(slots=True)
class Row:
    """A node of the workflow. An iteration or loop counts its rounds: `rounds` begun, of `expected` where that is known."""

    node_id: str
    type: str
    title: str
    parent: str | None = None
    executions: list[Execution] = field(default_factory=list)
    rounds: int = 0
    expected: int | None = None

    @property
    def status(self) -> Status:
        """The worst that any execution came to; running as long as one is."""
        statuses = {execution.status for execution in self.executions}
        ranked: tuple[Status, ...] = ("running", "paused", "failed", "stopped", "exception")
        return next((status for status in ranked if status in statuses), "succeeded")

    @property
    def tokens(self) -> int:
        """Tokens of all executions together."""
        return sum(execution.tokens for execution in self.executions)

    def seconds(self, now: float) -> float:
        """Seconds of all executions together, the running ones as of `now`."""
        return sum(_seconds(execution, now) for execution in self.executions)


def _seconds(execution: Execution, now: float) -> float:
    if execution.elapsed is not None:
        return execution.elapsed
    return max(0.0, _end(execution, now) - execution.started)


def _end(execution: Execution, now: float) -> float:
    return now if execution.finished is None else execution.finished
