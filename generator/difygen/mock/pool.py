"""The values of a run, by the selectors that an export uses: what nodes gave, and what is made up where nobody can know.

Code nodes are never executed. Templates are rendered only where they do nothing but put values in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.definition import Definition, JsonObject, Selector
from difygen.mock.files import FileStore, is_file
from difygen.mock.outputs import example_value
from difygen.model import Primitive


@dataclass(slots=True)
class Pool:
    """What selectors resolve to. `known` are the values that follow from the inputs; the rest is made up.

    `prescribed` are outputs that the run is to end with: the nodes that they come from give them.
    """

    definition: Definition
    store: FileStore
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    prescribed: JsonObject = field(default_factory=dict)

    def put(self, node_id: str, outputs: Mapping[str, Any], *, known: bool) -> None:
        """Keep what a node gave."""
        for name, value in outputs.items():
            self.values[node_id, name] = value
            self.known.add((node_id, name)) if known else self.known.discard((node_id, name))

    def __contains__(self, selector: Sequence[str]) -> bool:
        return tuple(selector[:2]) in self.values

    def knows(self, selector: Sequence[str]) -> bool:
        """Whether the selector's value follows from the inputs."""
        return tuple(selector[:2]) in self.known

    def get(self, selector: Sequence[str]) -> Any:
        """The value, or None if there is none: a missing step on the way is null, arrays have no steps (as in Dify)."""
        if len(selector) < 2:
            return None
        value = self.values.get((selector[0], selector[1]))
        for step in selector[2:]:
            value = value.get(_FILE_ATTRIBUTES.get(step, step)) if isinstance(value, Mapping) else None
        return value

    def wanted(self, node_id: str) -> JsonObject:
        """What the definition says that a node gives, with made-up values, or the prescribed ones where outputs name them."""
        selectors = [s for s in self.definition.types if s[0] == node_id and len(s) > 1]
        rows = {row for end in self.definition.ends.values() for row in end if len(row[1]) > 1 and row[1][0] == node_id}
        values: JsonObject = {}
        for selector in sorted({*selectors, *(selector for _, selector in rows)}, key=lambda each: (len(each), each)):
            _place(values, selector[1:], self._made_up(selector))
        for name, selector in sorted(rows):
            if name in self.prescribed:
                _place(values, selector[1:], self.prescribed[name])
        return values

    def names_from(self, node_id: str) -> set[str]:
        """The outputs that a node gives the value of."""
        return {n for rows in self.definition.ends.values() for n, selector in rows if selector[:1] == (node_id,)}

    def _made_up(self, selector: Selector) -> Any:
        value = self._example(selector)
        length = self._length_asked_of(selector)
        return value if length is None or not isinstance(value, list) or not value else [value[0]] * length

    def _length_asked_of(self, selector: Selector) -> int | None:
        """How long a list is that an iteration goes over whose outputs are prescribed; None if nobody says."""
        for node_id, settings in self.definition.settings.items():
            if tuple(map(str, settings.get("iterator_selector") or ())) == selector:
                named = [self.prescribed.get(name) for name in self.names_from(node_id)]
                return next((len(value) for value in named if isinstance(value, list)), None)
        return None

    def _example(self, selector: Selector) -> Any:
        return example_value(self.definition.types.get(selector, Primitive.ANY), selector[-1], self.store)


_FILE_ATTRIBUTES = {"name": "filename"}


def _place(values: JsonObject, path: Sequence[str], value: Any) -> None:
    for step in path[:-1]:
        inner = values.get(step)
        values = values.setdefault(step, {}) if isinstance(inner, dict) or inner is None else {}
    values[path[-1]] = value


def as_text(value: Any) -> str:
    """A value as a text chunk has it: Markdown, as seen on 1.12.1."""
    if value is None:
        return ""
    if is_file(value):
        mark = "!" if value.get("type") == "image" else ""
        return f"{mark}[{value.get('filename') or ''}]({value.get('url') or ''})"
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, indent=2)
    if isinstance(value, list):
        files = all(map(is_file, value))
        return "\n".join(as_text(each) if files else f"- {each}" for each in value)
    return str(value)


def template_text(template: str, values: Mapping[str, Any]) -> str | None:
    """A Jinja template with its values, or None if it does more than putting values in: then nobody runs it."""
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment()
    plain = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const)
    try:
        tree = environment.parse(template)
        if not all(isinstance(node, plain) for node in (tree, *tree.find_all(nodes.Node))):
            return None
        return environment.from_string(template).render(values)
    except Exception:  # noqa: BLE001 - whatever a template's own mistake is, its text is made up
        return None


def holds(value: Any, operator: str, expected: Any) -> bool | None:
    """Whether a condition of an if-else node holds; None for a comparison that the mock does not do."""
    if operator in ("empty", "not empty", "null", "not null", "exists", "not exists"):
        absent = value is None if "null" in operator or "exists" in operator else value in (None, "", [], {})
        return absent == (operator in ("empty", "null", "not exists"))
    if operator in _TEXTUAL:
        return _TEXTUAL[operator](as_text(value), as_text(expected))
    if operator in _NUMERIC:
        try:
            return _NUMERIC[operator](float(value), float(expected))
        except (TypeError, ValueError):
            return False
    return None


_TEXTUAL: Mapping[str, Callable[[str, str], bool]] = {
    "is": lambda a, b: a == b,
    "is not": lambda a, b: a != b,
    "contains": lambda a, b: b in a,
    "not contains": lambda a, b: b not in a,
    "start with": lambda a, b: a.startswith(b),
    "end with": lambda a, b: a.endswith(b),
}
_NUMERIC: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "≠": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "≥": lambda a, b: a >= b,
    "≤": lambda a, b: a <= b,
}


def case_that_holds(cases: Iterable[JsonObject], pool: Pool) -> str | None:
    """The first case of an if-else node that holds, "false" if none does, None if that does not follow from the inputs."""
    for case in cases:
        results = [_condition(condition, pool) for condition in case.get("conditions") or ()]
        if None in results:
            return None
        combine = any if case.get("logical_operator") == "or" else all
        if results and combine(bool(result) for result in results):
            return str(case.get("case_id") or case.get("id") or "true")
    return "false"


def _condition(condition: JsonObject, pool: Pool) -> bool | None:
    selector = tuple(map(str, condition.get("variable_selector") or ()))
    if not pool.knows(selector) or condition.get("sub_variable_condition"):
        return None
    return holds(pool.get(selector), str(condition.get("comparison_operator")), condition.get("value"))
