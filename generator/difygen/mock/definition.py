"""What the mock serves: an app, what its export says beyond the model, and the pages on which it describes itself.

A definition without a graph (a spec) gets the smallest one: start, one node that does the work, end.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from difygen.config import Config
from difygen.diagnostics import Diagnostic, has_errors
from difygen.model import App, Edge, Input, Node, Primitive, Type
from difygen.parser import EXPORT_KEYS
from difygen.parser.yaml import Document, load
from difygen.plan.names import key_variable
from difygen.project.definitions import load_definitions
from difygen.type_syntax import schema_of_type, type_of_word

JsonObject = dict[str, Any]
Selector = tuple[str, ...]

BODY = "body"
_SIZES = {
    "image_file_size_limit": 10,
    "video_file_size_limit": 100,
    "audio_file_size_limit": 50,
    "file_size_limit": 15,
    "workflow_file_upload_limit": 10,
}
_UPLOAD: JsonObject = {
    "allowed_file_extensions": [".JPG", ".JPEG", ".PNG", ".GIF", ".WEBP", ".SVG"],
    "allowed_file_types": ["image"],
    "allowed_file_upload_methods": ["local_file", "remote_url"],
    "enabled": False,
    "fileUploadConfig": dict(sorted(_SIZES.items())) | {"batch_count_limit": 5},
    "image": {"enabled": False, "number_limits": 3, "transfer_methods": ["local_file", "remote_url"]},
    "number_limits": 3,
}
_FEATURES: JsonObject = {
    "opening_statement": "",
    "suggested_questions": [],
    "suggested_questions_after_answer": {"enabled": False},
    "speech_to_text": {"enabled": False},
    "text_to_speech": {"enabled": False, "language": "", "voice": ""},
    "retriever_resource": {"enabled": True},
    "annotation_reply": {"enabled": False},
    "more_like_this": {"enabled": False},
}
_BRANCHING = ("if-else", "question-classifier", "human-input")


@dataclass(frozen=True, slots=True)
class Definition:
    """One app of the mock server.

    `variables` are as the server shows them. `ends` says for every End node which output comes from where, in the
    order of the definition.
    """

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
        """Return a UUID that is the same in every run of the mock, so that clients can keep it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"difygen:{kind}:{self.workflow.name}"))

    def settings_of(self, node: Node) -> JsonObject:
        """Return the node's settings, its `data` in the export; empty for a node that has none."""
        return self.settings.get(node.id, {})

    def branches(self, node: Node) -> bool:
        """Return whether it depends on the node's run which of its edges are taken."""
        return node.type in _BRANCHING or self.settings.get(node.id, {}).get("error_strategy") == "fail-branch"


def define(workflow: App, export: JsonObject | None = None, *, key_name: str, key_variable: str) -> Definition:
    """Return the definition of `workflow`. `export` is the root of the Dify export that it was read from, if any."""
    graph = _mapping(_mapping((export or {}).get("workflow")).get("graph"))
    settings = {str(node["id"]): _mapping(node.get("data")) for node in graph.get("nodes") or () if "id" in node}
    nodes, edges = (workflow.nodes, workflow.edges) if workflow.nodes else _smallest_graph(workflow)
    ends = {
        node.id: _end_outputs(workflow, settings.get(node.id))
        for node in nodes
        if node.type in workflow.kind.terminal_nodes
    }
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
    """Return the outputs of an End node: its rows in the export, or those of a spec, which one node gives."""
    if settings is None:
        return tuple(
            (each.name, each.selectors[0] if each.selectors else (BODY, each.name)) for each in workflow.outputs
        )
    rows = [row for row in rows_of(settings, "outputs") if row.get("variable")]
    return tuple((str(row["variable"]), selector_of(row.get("value_selector"))) for row in rows)


def _types(
    workflow: App, settings: Mapping[str, JsonObject], ends: Mapping[str, tuple[tuple[str, Selector], ...]]
) -> dict[Selector, Type]:
    """Return the types of values that nodes give: what code nodes declare, then what End nodes make of them."""
    declared: dict[Selector, Type] = {
        (node_id, str(name)): type_of_word(str(_mapping(row).get("type")).lower()) or Primitive.ANY
        for node_id, data in settings.items()
        if data.get("type") == "code"
        for name, row in _mapping(data.get("outputs")).items()
    }
    outputs = {output.name: output.type for output in workflow.outputs}
    bound = {
        selector: outputs[name]
        for rows in ends.values()
        for name, selector in rows
        if selector and name in outputs and outputs[name] is not Primitive.ANY
    }
    return {**declared, **bound}


def _variables(workflow: App, settings: Mapping[str, JsonObject], nodes: Sequence[Node]) -> tuple[JsonObject, ...]:
    """Return the start variables as `/parameters` shows them: an export's own, or a spec's in the same form."""
    start = next((node.id for node in nodes if node.type == "start"), None)
    if start is not None and start in settings:
        return tuple(rows_of(settings[start], "variables"))
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
    if input_.traits.is_file:
        row["allowed_file_types"] = list(input_.allowed_file_types)
        row["allowed_file_extensions"] = list(input_.allowed_file_extensions)
        row["allowed_file_upload_methods"] = list(input_.allowed_file_upload_methods) or ["local_file", "remote_url"]
    if input_.type is not None and input_.type.properties:
        row["json_schema"] = schema_of_type(input_.type)
    return row


# From files


@dataclass(frozen=True, slots=True)
class Loaded:
    """The definitions that could be read, and what is wrong with the files."""

    definitions: tuple[Definition, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def usable(self) -> bool:
        """Return whether there is something to serve and nothing wrong with it."""
        return bool(self.definitions) and not has_errors(self.diagnostics)


def load_served(config: Config, apps: Iterable[App] = ()) -> Loaded:
    """Read all sources, beside the apps that are given. They are called as in the project's package."""
    found, problems = load_definitions(config, apps)
    definitions = [
        define(
            app,
            None if data is None else _export(data, app.source),
            key_name=name,
            key_variable=key_variable(config.options, app, name),
        )
        for app, name, data in found
    ]
    return Loaded(tuple(definitions), problems)


def _export(data: bytes, file: str) -> JsonObject | None:
    """Return the root of an export; an answer of Dify's console holds it as text. None for a spec."""
    document = load(data, file)
    if not isinstance(document, Document):
        return None
    inner = document.root.get("data")
    if isinstance(inner, str) and len(document.root) == 1:
        return _export(inner.encode(errors="replace"), file)
    root = cast("dict[str, Any]", document.root)
    return root if any(key in root for key in EXPORT_KEYS) and "inputs" not in root else None


# What an app says of itself


def app_info(definition: Definition) -> JsonObject:
    """Return the body of `GET /info`."""
    workflow = definition.workflow
    return {
        "name": workflow.title or workflow.name,
        "description": workflow.description,
        "tags": [],
        "mode": workflow.mode,
        "author_name": "difygen mock",
    }


def app_parameters(definition: Definition) -> JsonObject:
    """Return the body of `GET /parameters`: the variables of the start node as they are, hidden ones included."""
    features = definition.features
    shown = {key: features.get(key, default) for key, default in _FEATURES.items()}
    return shown | {
        "annotation_reply": {"enabled": False},
        "more_like_this": {"enabled": False},
        "user_input_form": [{str(variable.get("type")): variable} for variable in definition.variables],
        "sensitive_word_avoidance": features.get("sensitive_word_avoidance", {"enabled": False}),
        "file_upload": features.get("file_upload") or _UPLOAD,
        "system_parameters": _SIZES,
    }


def app_site(definition: Definition) -> JsonObject:
    """Return the body of `GET /site`."""
    return {
        "title": definition.workflow.title or definition.workflow.name,
        "chat_color_theme": None,
        "chat_color_theme_inverted": False,
        "icon_type": "emoji",
        "icon": "\U0001f916",
        "icon_background": "#FFEAD5",
        "description": None,
        "copyright": None,
        "privacy_policy": None,
        "custom_disclaimer": "",
        "default_language": "en-US",
        "show_workflow_steps": True,
        "use_icon_as_answer_icon": False,
        "icon_url": None,
    }
