"""What a simulated run says it does: events, time that passes, questions, pauses - and the fields that a node's events share."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.definition import JsonObject
from difygen.mock.files import files_in
from difygen.mock.forms import Form
from difygen.mock.nodes import Result
from difygen.model import Node


@dataclass(frozen=True, slots=True)
class Delay:
    """The run takes so many seconds here."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Compute:
    """The run wants to know its outputs now: the answer is a mapping, an exception, or None for "make them up"."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The run says so, and waits until somebody submits the form; the answer is the form with its submission."""

    form: Form
    event: JsonObject


Beat = JsonObject | Delay | Compute | Pause
Beats = Generator[Beat, Any, None]
Leaving = Generator[Beat, Any, str | None]
"""Beats of a node; the result is the branch to go on by, None for all of them."""


class FailedError(Exception):
    """A node failed and nothing in the workflow copes with it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A round of an iteration or loop. `fails` says that it is the one in which a failure that was asked for happens."""

    kind: str
    node_id: str
    number: int
    fails: bool

    def metadata(self) -> JsonObject:
        """What the events of the round's nodes say of it."""
        return {f"{self.kind}_id": self.node_id, f"{self.kind}_index": self.number}


@dataclass(slots=True)
class Execution:
    """One execution of a node: the fields of its events, in the order of the wire (seen on 1.12.1)."""

    node: Node
    place: Place | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: int = field(default_factory=lambda: int(time.time()))
    clock: float = field(default_factory=time.monotonic)

    def _head(self) -> JsonObject:
        return {
            "id": self.id,
            "node_id": self.node.id,
            "node_type": self.node.type,
            "title": self.node.title,
            "index": 1,
            "predecessor_node_id": None,
        }

    def _rounds(self) -> JsonObject:
        metadata = self.place.metadata() if self.place else {}
        return {"iteration_id": metadata.get("iteration_id"), "loop_id": metadata.get("loop_id")}

    def started(self) -> JsonObject:
        """The data of `node_started`."""
        return {
            **self._head(),
            "inputs": None,
            "inputs_truncated": False,
            "created_at": self.created_at,
            "extras": {},
            **self._rounds(),
            "agent_strategy": None,
        }

    def finished(self, result: Result, *, status: str = "succeeded", error: str | None = None) -> JsonObject:
        """The data of `node_finished` and `node_retry`."""
        metadata = result.metadata | (self.place.metadata() if self.place else {})
        return {
            **self._head(),
            "inputs": result.inputs,
            "inputs_truncated": False,
            "process_data": result.process_data,
            "process_data_truncated": False,
            "outputs": result.outputs,
            "outputs_truncated": False,
            "status": status,
            "error": error,
            "elapsed_time": round(time.monotonic() - self.clock, 6),
            "execution_metadata": metadata or None,
            "created_at": self.created_at,
            "finished_at": int(time.time()),
            "files": files_in(result.outputs),
            **self._rounds(),
        }
