"""What the functions of the node table may ask of the rest of the graph. For type checkers alone: nothing imports it in a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from difygen.model import JsonValue
from difygen.parser.dsl.graph import Step
from difygen.parser.dsl.values import Value


class Lookup(Protocol):
    """What the functions of the node table may ask."""

    @property
    def inputs(self) -> Mapping[str, Value]:
        """The start node's variables."""

    def follow(self, selector: JsonValue, scope: str | None) -> Value:
        """What a selector leads to, seen from within the container `scope` (None for the workflow itself)."""

    def variable(self, group: str, name: str) -> Value:
        """A variable of `sys`, `env` or `conversation`."""

    def decided(self, selector: JsonValue, by: Step) -> bool:
        """Whether the step that a selector leads to has run or been skipped for good once `by` runs."""

    def missing(self, value: Value, container: Step) -> str:
        """Why `value`, made within a container, may be missing after one of its rounds; empty if it is always there."""


Derive: TypeAlias = Callable[[Step, str, Lookup], Value | None]
"""A function of the table: the field of that name of a step, or None if it has none."""
