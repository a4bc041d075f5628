"""What the mock serves: an app, what its export says beyond the model, and the pages on which it describes itself.

A definition without a graph (a spec) gets the smallest one: start, one node that does the work, end.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from difygen.codegen.names import key_variable
from difygen.config import Config, Options
from difygen.definitions.reading import NamedApp, load_definitions
from difygen.diagnostics import Diagnostic, Diagnostics, has_errors
from difygen.model import CHATFLOW, App, ArrayOf, Edge, Input, Node, ObjectOf, OneOf, Primitive, TemplatePiece, Type
from difygen.parser import EXPORT_KEYS
from difygen.parser.dsl.graph import Graph, Step, mapping, read_graph, sequence
from difygen.parser.yaml import Document, load
from difygen.types import schema_of_type, type_of, word_of

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


@dataclass(frozen=True, slots=True)
class Definition:
    """One app of the mock server.

    `variables` are as the server shows them. `ends` says for every End node which output comes from where, in the
    order of the definition. `templates` says for every Answer node of a chatflow of what its answer is made, and
    `remembered` are the conversation variables, as an export has them. `dsl_version` is that of the export, if it is
    one that says.
    """

    workflow: App
    key_name: str
    key_variable: str
    variables: tuple[JsonObject, ...]
    features: JsonObject
    graph: Graph
    ends: Mapping[str, tuple[tuple[str, Selector], ...]]
    types: Mapping[Selector, Type] = field(default_factory=dict)
    templates: Mapping[str, tuple[TemplatePiece, ...]] = field(default_factory=dict)
    remembered: tuple[JsonObject, ...] = ()
    dsl_version: str = ""

    def id(self, kind: str) -> str:
        """Return a UUID that is the same in every run of the mock, so that clients can keep it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"difygen:{kind}:{self.workflow.name}"))


def define(workflow: App, export: Document | None = None, *, key_name: str, key_variable: str) -> Definition:
    """Return the definition of `workflow`. `export` is the Dify export that it was read from, if any."""
    kind = workflow.kind
    exported = mapping(export.root.get("workflow")) if export else {}
    graph = _graph(workflow)
    if export is not None and kind.terminal_nodes:
        graph = read_graph(mapping(exported.get("graph")), Diagnostics(export))
    terminal = [step for step in graph.steps.values() if step.type in kind.terminal_nodes]
    templates: dict[str, tuple[TemplatePiece, ...]] = {}
    if kind is CHATFLOW:  # an app without an export answers what its one node gives
        pieces = {answer.node: answer.pieces for answer in workflow.answers}
        templates = {step.id: pieces.get(step.id) or (TemplatePiece(selector=(BODY, "answer")),) for step in terminal}
    ends = {step.id: _end_outputs(workflow, step, templates.get(step.id)) for step in terminal}
    configuration = mapping(export.root.get("model_config")) if export else {}
    remembered = rows_of(exported, "conversation_variables") or [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"difygen:variable:{variable.name}")),
            "name": variable.name,
            "value": _empty(variable.type) if variable.initial is None else variable.initial,
            "description": variable.description,
            "value_type": word_of(variable.type) or "object",
        }
        for variable in workflow.variables
    ]
    return Definition(
        workflow=workflow,
        key_name=key_name,
        key_variable=key_variable,
        variables=_variables(workflow, graph, configuration),
        features=dict(mapping(exported.get("features")) or configuration or _features(workflow)),
        graph=graph,
        ends=ends,
        types=_types(workflow, graph, ends),
        templates=templates,
        remembered=tuple(row for row in remembered if row.get("name")),
        dsl_version=str(export.root.get("version") or "") if export else "",
    )


def _variables(workflow: App, graph: Graph, configuration: Mapping[str, Any]) -> tuple[JsonObject, ...]:
    """Return the inputs as an export has them: the start node's, those of a form, or made of what a spec says."""
    start = graph.first("start")
    if start and start.data:
        return tuple(rows_of(start.data, "variables"))
    form = [(kind, row) for each in rows_of(configuration, "user_input_form") for kind, row in each.items()]
    rows = [{"type": kind} | row for kind, row in form if isinstance(row, dict) and kind != "external_data_tool"]
    return tuple(rows or map(_variable, workflow.inputs))


def _features(app: App) -> JsonObject:
    """Return what an app has switched on as an export says it, for apps that are not from one of that kind."""
    features, files = app.features, app.files
    speech = {"enabled": features.text_to_speech, "language": "", "voice": ""}
    return {
        "opening_statement": features.opening_statement,
        "suggested_questions": list(features.suggested_questions),
        "suggested_questions_after_answer": {"enabled": features.suggested_questions_after_answer},
        "speech_to_text": {"enabled": features.speech_to_text},
        "text_to_speech": speech | ({"autoPlay": "enabled"} if features.auto_play else {}),
        "retriever_resource": {"enabled": features.citations},
        "sensitive_word_avoidance": {"enabled": features.moderation},
        "file_upload": {
            "enabled": files is not None,
            "allowed_file_types": list(files.types if files else ()),
            "allowed_file_extensions": list(files.extensions if files else ()),
            "allowed_file_upload_methods": list(files.methods if files else ()),
            "number_limits": files.max_count if files else None,
        },
    }


def _empty(type_: Type) -> Any:
    """Return the value that Dify's studio gives a conversation variable of that type which was left empty."""
    match type_:
        case Primitive.STRING:
            return ""
        case Primitive.NUMBER | Primitive.INTEGER:
            return 0
        case Primitive.BOOLEAN:
            return False
        case OneOf(values=[first, *_]):
            return first
        case ArrayOf():
            return []
        case ObjectOf(properties=properties):
            return {each.name: _empty(each.type) for each in properties if each.required}
    return None


def selector_of(value: object) -> Selector:
    """Return the selector that a setting holds, empty if it holds none."""
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def rows_of(settings: Mapping[str, Any], key: str) -> list[JsonObject]:
    """Return the objects of a list in a node's settings; what is no object is left out."""
    return [row for row in sequence(settings.get(key)) if isinstance(row, dict)]


def _graph(workflow: App) -> Graph:
    """Return the graph of an app without an export: its nodes, or the smallest that does its work."""
    if workflow.nodes:
        nodes, edges = workflow.nodes, workflow.edges
    else:
        nodes = (
            Node(id="start", type="start", title="Start"),
            Node(id=BODY, type="code", title=workflow.title or workflow.name),
            *(Node(id=type_, type=type_, title=type_.capitalize()) for type_ in workflow.kind.terminal_nodes),
        )
        edges = tuple(Edge(source=one.id, target=other.id) for one, other in pairwise(nodes))
    steps = {node.id: Step(node.id, node.type, node.title, {}, node.parent, at) for at, node in enumerate(nodes)}
    return Graph(steps, [edge for edge in edges if edge.source in steps and edge.target in steps])


def _end_outputs(
    workflow: App, end: Step, template: tuple[TemplatePiece, ...] | None
) -> tuple[tuple[str, Selector], ...]:
    """Return the outputs of a terminal node: its rows in the export, or those of a spec, which one node gives.

    Those of an Answer node are what its template refers to, called `node.field`, as a handler may call them.
    """
    if template is not None:
        return tuple((".".join(each.selector), each.selector) for each in template if each.selector)
    if not end.data:
        return tuple(
            (each.name, each.selectors[0] if each.selectors else (BODY, each.name)) for each in workflow.outputs
        )
    rows = [row for row in rows_of(end.data, "outputs") if row.get("variable")]
    return tuple((str(row["variable"]), selector_of(row.get("value_selector"))) for row in rows)


def _types(workflow: App, graph: Graph, ends: Mapping[str, tuple[tuple[str, Selector], ...]]) -> dict[Selector, Type]:
    """Return the types of values that nodes give: what code nodes declare, then what End nodes make of them."""
    declared: dict[Selector, Type] = {
        (step.id, name): type_of(mapping(row).get("type")) or Primitive.ANY
        for step in graph.steps.values()
        if step.type == "code"
        for name, row in mapping(step.data.get("outputs")).items()
    }
    outputs = {output.name: output.type for output in workflow.outputs}
    outputs |= {".".join(each.selector): each.type for answer in workflow.answers for each in answer.pieces}
    bound = {
        selector: outputs[name]
        for rows in ends.values()
        for name, selector in rows
        if selector and name in outputs and outputs[name] is not Primitive.ANY
    }
    return {**declared, **bound}


def _variable(input_: Input) -> JsonObject:
    row: JsonObject = {
        "default": input_.default if input_.prefilled is None else input_.prefilled,
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
    return Loaded(tuple(definition_of(each, config.options) for each in found), problems)


def definition_of(named: NamedApp, options: Options) -> Definition:
    """Return the definition of an app that was read, with all that its export says."""
    app, name, data = named
    export = None if data is None else _export(data, app.source)
    return define(app, export, key_name=name, key_variable=key_variable(options, app, name))


def _export(data: bytes, file: str) -> Document | None:
    """Return the export that a file holds; an answer of Dify's console holds it as text. None for a spec."""
    document = load(data, file)
    if not isinstance(document, Document):
        return None
    inner = document.root.get("data")
    if isinstance(inner, str) and len(document.root) == 1:
        return _export(inner.encode(errors="replace"), file)
    return document if any(key in document.root for key in EXPORT_KEYS) and "inputs" not in document.root else None


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
    hidden = () if definition.workflow.kind.terminal_nodes else ("type",)  # rows of a form do not repeat it (1.14.2)
    rows = [(row, {key: value for key, value in row.items() if key not in hidden}) for row in definition.variables]
    shown = {key: features.get(key, default) for key, default in _FEATURES.items()}
    return shown | {
        "annotation_reply": {"enabled": False},
        "more_like_this": shown["more_like_this"] if definition.features.get("model") else {"enabled": False},
        "user_input_form": [{str(row.get("type")): visible} for row, visible in rows],
        "sensitive_word_avoidance": features.get("sensitive_word_avoidance", {"enabled": False}),
        "file_upload": features.get("file_upload") or _UPLOAD,
        "system_parameters": _SIZES,
    }


def app_meta(definition: Definition) -> JsonObject:
    """Return the body of `GET /meta`: an icon for each tool of an agent."""
    return {"tool_icons": {tool.name: f"/console/api/tool-icons/{tool.name}" for tool in definition.workflow.tools}}


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
