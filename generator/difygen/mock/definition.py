"""What the mock serves: a workflow, and what its export says beyond the model - variables as they are, settings of the nodes.

A definition without a graph (a spec) gets the smallest one: start, one node that does the work, end.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from difygen.model import App, ArrayOf, Edge, Input, Node, ObjectOf, OneOf, Output, Primitive, Type, UnionOf

JsonObject = dict[str, Any]
Selector = tuple[str, ...]

BODY = "body"
_BRANCHING = ("if-else", "question-classifier", "human-input")
_JSON_SCHEMA_WORDS = {
    Primitive.STRING: "string",
    Primitive.NUMBER: "number",
    Primitive.INTEGER: "integer",
    Primitive.BOOLEAN: "boolean",
    Primitive.NULL: "null",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One app of the mock server. `ends` tells for every End node which output comes from where, in the order of the definition."""

    workflow: App
    key_name: str
    key_variable: str
    variables: tuple[JsonObject, ...]
    settings: Mapping[str, JsonObject]
    features: JsonObject
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    ends: Mapping[str, tuple[tuple[str, Selector], ...]]
    types: Mapping[Selector, Type] = field(default_factory=dict)

    def id(self, kind: str) -> str:
        """A UUID that is the same in every run of the mock, so that clients can keep it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"difygen:{kind}:{self.workflow.name}"))

    def node(self, node_id: str) -> Node:
        """The node of that id."""
        return next(node for node in self.nodes if node.id == node_id)

    def settings_of(self, node: Node) -> JsonObject:
        """Return the node's settings, its `data` in the export; empty for a node that has none."""
        return self.settings.get(node.id, {})

    def branches(self, node: Node) -> bool:
        """Whether the way onwards depends on how the node's run went."""
        return node.type in _BRANCHING or self.settings.get(node.id, {}).get("error_strategy") == "fail-branch"


def define(workflow: App, export: JsonObject | None = None, *, key_name: str, key_variable: str) -> Definition:
    """The definition of `workflow`. `export` is the root of the Dify export that it was read from, if it was one."""
    graph = _mapping(_mapping((export or {}).get("workflow")).get("graph"))
    settings = {str(node["id"]): _mapping(node.get("data")) for node in graph.get("nodes") or () if "id" in node}
    nodes, edges = (workflow.nodes, workflow.edges) if workflow.nodes else _smallest_graph(workflow)
    ends = {node.id: _end_outputs(workflow, settings.get(node.id)) for node in nodes if node.type == "end"}
    return Definition(
        workflow=workflow,
        key_name=key_name,
        key_variable=key_variable,
        variables=_variables(workflow, settings, nodes),
        settings=settings,
        features=_mapping(_mapping((export or {}).get("workflow")).get("features")),
        nodes=nodes,
        edges=edges,
        ends=ends,
        types=_types(workflow, settings, ends),
    )


def selector_of(value: object) -> Selector:
    """Return the selector that a setting holds, empty if it holds none."""
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def rows_of(settings: JsonObject, key: str) -> list[JsonObject]:
    """Return the objects of a list in a node's settings; what is no object is left out."""
    rows = settings.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _mapping(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _smallest_graph(workflow: App) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    title = workflow.title or workflow.name
    nodes = (
        Node(id="start", type="start", title="Start"),
        Node(id=BODY, type="code", title=title),
        Node(id="end", type="end", title="End"),
    )
    return nodes, (Edge(source="start", target=BODY), Edge(source=BODY, target="end"))


def _end_outputs(workflow: App, settings: JsonObject | None) -> tuple[tuple[str, Selector], ...]:
    if settings is None:
        return tuple((output.name, _first_selector(output)) for output in workflow.outputs)
    rows = [row for row in settings.get("outputs") or () if isinstance(row, dict) and row.get("variable")]
    return tuple((str(row["variable"]), tuple(map(str, row.get("value_selector") or ()))) for row in rows)


def _first_selector(output: Output) -> Selector:
    return output.selectors[0] if output.selectors else (BODY, output.name)


def _types(
    workflow: App, settings: Mapping[str, JsonObject], ends: Mapping[str, tuple[tuple[str, Selector], ...]]
) -> dict[Selector, Type]:
    """What is known of the values that nodes give: what code nodes declare, then what End nodes make of them."""
    declared: dict[Selector, Type] = {
        (node_id, str(name)): _declared_type(_mapping(row).get("type"))
        for node_id, data in settings.items()
        if data.get("type") == "code"
        for name, row in _mapping(data.get("outputs")).items()
    }
    outputs = {output.name: output.type for output in workflow.outputs}
    wanted = {
        selector: outputs[name]
        for rows in ends.values()
        for name, selector in rows
        if selector and name in outputs and outputs[name] is not Primitive.ANY
    }
    return {**declared, **wanted}


def _declared_type(word: object) -> Type:
    text = str(word).lower()
    if text.startswith("array"):
        return ArrayOf(_declared_type(text[6:-1]) if text.endswith("]") else Primitive.ANY)
    if text == "object":
        return ObjectOf()
    return next((primitive for primitive in Primitive if primitive.value == text), Primitive.ANY)


def _variables(workflow: App, settings: Mapping[str, JsonObject], nodes: Sequence[Node]) -> tuple[JsonObject, ...]:
    """The start variables as `/parameters` shows them: an export's own, or a spec's in the same form."""
    start = next((node.id for node in nodes if node.type == "start"), None)
    if start is not None and start in settings:
        return tuple(row for row in settings[start].get("variables") or () if isinstance(row, dict))
    return tuple(_variable(input_) for input_ in workflow.inputs)


def _variable(input_: Input) -> JsonObject:
    row: JsonObject = {
        "default": input_.default,
        "hide": False,
        "hint": input_.description,
        "label": input_.label or input_.name,
        "max_length": input_.max_length,
        "options": list(input_.options),
        "placeholder": "",
        "required": input_.required,
        "type": input_.kind,
        "variable": input_.name,
    }
    if input_.kind in ("file", "file-list"):
        row["allowed_file_types"] = list(input_.allowed_file_types)
        row["allowed_file_extensions"] = list(input_.allowed_file_extensions)
        row["allowed_file_upload_methods"] = list(input_.allowed_file_upload_methods) or ["local_file", "remote_url"]
    if input_.type is not None and input_.type.properties:
        row["json_schema"] = json_schema(input_.type)
    return row


def json_schema(type_: Type) -> JsonObject:
    """The JSON Schema of a type, as a `json_object` variable carries it."""
    match type_:
        case ArrayOf(item=item):
            return {"type": "array", "items": json_schema(item)}
        case ObjectOf(properties=properties):
            members = {each.name: json_schema(each.type) for each in properties}
            return {"type": "object", "properties": members, "required": [p.name for p in properties if p.required]}
        case OneOf(values=values):
            return {"type": "string", "enum": list(values)} if type_.closed else {"type": "string"}
        case UnionOf(members=alternatives):
            return {"anyOf": [json_schema(member) for member in alternatives]}
    return {"type": _JSON_SCHEMA_WORDS[type_]} if type_ in _JSON_SCHEMA_WORDS else {}
