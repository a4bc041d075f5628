"""Apps as JSON Schemas of what they take and give, and as tools that a model may call, in the shape of each API.

A file is what each document says it is. For a model it is a text, its https URL; who the call is for, and how it is
made, is never the model's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from difygen.codegen.annotations import usable_default
from difygen.codegen.describe import headline, input_text, output_text, paragraphs, sentence
from difygen.codegen.names import VariableNames
from difygen.model import App, Input, Output
from difygen.types import described_schema, or_null_schema, schema_of_type
from difygen.wording import listed, one_line, shorten

Schema = dict[str, Any]

MAX_DESCRIPTION = 1024
"""Characters that OpenAI takes of a description."""

_LEGAL = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""The names of properties that Anthropic takes. One that is not like that has every tool of the request refused."""

HTTPS_FILE: Schema = {"type": "string", "description": "The https URL of the file."}
"""A file where nothing else can be read."""

_OUTPUT_FILE: Schema = {
    "type": "object",
    "properties": {name: {"type": ["string", "null"]} for name in ("filename", "url", "mime_type")},
    "additionalProperties": True,
}
_MODEL_NODES = ("llm", "agent", "question-classifier", "parameter-extractor")
_NOT_STRICT = ("default", "maxLength", "maxItems")
"""Keywords that OpenAI's strict schemas do not have; descriptions say the same in words."""


def input_schema(variable: Input, file: Schema) -> Schema:
    """Return the schema of what a caller sends for an input: type, limits, default, and what is said about it."""
    schema = schema_of_type(variable.value_type, file)
    if variable.max_length and variable.traits.unit:
        limit = "maxItems" if variable.traits.unit == "files" else "maxLength"
        schema = {**schema, limit: variable.max_length}
    if usable_default(variable):
        schema = {**schema, "default": variable.default}
    return described_schema(schema, input_text(variable, variable.name))


def inputs_schema(
    inputs: Sequence[Input], file: Schema, extra: Mapping[str, Mapping[str, Any]] | None = None
) -> Schema:
    """Return the schema of the inputs of an app, or of a form, by their names on the wire, closed against others.

    `extra` are keywords to add to that of single inputs.
    """
    extra = extra or {}
    properties = {each.name: input_schema(each, file) | dict(extra.get(each.name, {})) for each in inputs}
    required = [each.name for each in inputs if each.required]
    listed = {"required": required} if required else {}
    return {"type": "object", **listed, "properties": properties, "additionalProperties": False}


def outputs_schema(outputs: Sequence[Output], file: Schema) -> Schema:
    """Return the schema of an app's outputs by their names on the wire, open for others.

    One that is optional may be absent or null.
    """
    properties = {}
    for output in outputs:
        schema = schema_of_type(output.type, file)
        properties[output.name] = described_schema(
            or_null_schema(schema) if output.optional else schema, output_text(output)
        )
    schema = {"type": "object"}
    if required := [output.name for output in outputs if not output.optional]:
        schema["required"] = required
    return schema | {"properties": properties, "additionalProperties": True}


# Tools


class ToolSchema(NamedTuple):
    """An app as a tool, whatever the API: `output` describes what comes back."""

    name: str
    title: str
    description: str
    input: Schema
    output: Schema


def tool_schema(app: App, name: str, names: VariableNames, file: Schema = HTTPS_FILE) -> ToolSchema:
    """Return the tool that an app is; its properties are called as `property_names` says, and `file` is a file."""
    input_ = inputs_schema(app.inputs, file)
    legal = property_names(app, names)
    properties = {legal[wire]: _with_legal_members(schema) for wire, schema in input_["properties"].items()}
    required = [legal[wire] for wire in input_.get("required", ())]
    if "query" in app.kind.parameters:
        about = {"type": "string", "description": "What to ask."}
        conversation = {"type": "string", "description": "The conversation to go on with; a new one if left out."}
        properties = {"query": about, **properties, "conversation_id": conversation}
        required = ["query", *required]
    if app.files is not None:
        limit = {"maxItems": app.files.max_count} if app.files.max_count else {}
        beside = "What goes with the query." if "query" in properties else "Files beside the other values."
        properties["files"] = {"type": "array", "items": file, **limit, "description": beside}
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    title = one_line(app.title or app.name)
    return ToolSchema(name.strip("_")[:64], title, _description(app), schema, _output(app, names))


def property_names(app: App, names: VariableNames) -> dict[str, str]:
    """Return what each input is called in the tool of an app, by its name on the wire.

    That is the name on the wire; or the one in Python, where an API refuses it, or a property of the tool has it.
    """
    taken = {"query", "conversation_id"} if "query" in app.kind.parameters else set[str]()
    taken |= {"files"} if app.files is not None else set()
    return {
        wire: wire if _LEGAL.fullmatch(wire) and wire not in taken else str(python)
        for wire, python in names.inputs.items()
    }


def _description(app: App) -> str:
    """Return what the app does, what comes back, and what it costs."""
    texts = [*map(sentence, filter(None, paragraphs(app.description)))] or [headline(app).replace("`", "")]
    if not app.kind.has_outputs:
        texts.append(f"Returns {listed(_answer_fields(app))}.")
    elif app.outputs:
        texts.append(f"Returns {listed([one_line(output.name) for output in app.outputs])}.")
    if not app.kind.has_outputs or any(node.type in _MODEL_NODES for node in app.nodes):
        texts.append("Runs a language model.")
    return shorten(" ".join(texts), MAX_DESCRIPTION)


def _output(app: App, names: VariableNames) -> Schema:
    if app.kind.has_outputs:
        return outputs_schema(names.app.outputs, _OUTPUT_FILE)
    fields = _answer_fields(app)
    return {
        "type": "object",
        "properties": {field: {"type": "string"} for field in fields},
        "required": fields,
        "additionalProperties": True,
    }


def _answer_fields(app: App) -> list[str]:
    return ["answer", "conversation_id"] if "query" in app.kind.parameters else ["answer"]


def _with_legal_members(schema: Schema) -> Schema:
    """Return a schema whose objects, at any depth, have members that all APIs take; one that does not is left open."""
    found = dict(schema)
    if "items" in schema:
        found["items"] = _with_legal_members(schema["items"])
    if "anyOf" in schema:
        found["anyOf"] = [_with_legal_members(each) for each in schema["anyOf"]]
    members = schema.get("properties", {})
    if members and not all(map(_LEGAL.fullmatch, members)):
        description = f"An object with {listed([one_line(name) for name in members])}."
        return described_schema(
            {"type": schema["type"], "additionalProperties": True, "description": description},
            sentence(schema.get("description", "")),
        )
    if members:
        found["properties"] = {name: _with_legal_members(each) for name, each in members.items()}
    return found


# What the APIs want


def strict(schema: Schema) -> Schema | None:
    """Return the strict form of a schema: every member is required, and null stands for one that is left out.

    None where there is none: for an object that may hold anything.
    """
    if not schema.keys() & {"type", "anyOf"}:
        return None
    found = {key: each for key, each in schema.items() if key not in _NOT_STRICT}
    if schema.get("type") in ("object", ["object", "null"]):
        if not schema.get("properties"):
            return found if schema.get("additionalProperties") is False else None
        members = {name: strict(each) for name, each in schema["properties"].items()}
        required = schema.get("required", ())
        whole = {
            name: each if name in required else or_null_schema(each)
            for name, each in members.items()
            if each is not None
        }
        if len(whole) < len(members):
            return None
        return {**found, "properties": whole, "required": [*whole], "additionalProperties": False}
    for key in ("items", "anyOf"):
        inner = schema.get(key)
        parts = [strict(each) for each in (inner if isinstance(inner, list) else [inner] if inner is not None else [])]
        if None in parts:
            return None
        if parts:
            found[key] = parts if key == "anyOf" else parts[0]
    return found


def _openai(tool: ToolSchema, schema: Schema, is_strict: bool) -> Schema:
    facts = {"name": tool.name, "description": tool.description, "parameters": schema, "strict": is_strict}
    return {"type": "function", **facts}


def _openai_chat(tool: ToolSchema, schema: Schema, is_strict: bool) -> Schema:
    facts = {"name": tool.name, "description": tool.description, "parameters": schema, "strict": is_strict}
    return {"type": "function", "function": facts}


def _anthropic(tool: ToolSchema, schema: Schema, is_strict: bool) -> Schema:
    facts: Schema = {"name": tool.name, "description": tool.description, "input_schema": schema}
    return {**facts, "strict": True} if is_strict else facts


def _mcp(tool: ToolSchema, schema: Schema, is_strict: bool) -> Schema:
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": schema,
        "outputSchema": tool.output,
        "annotations": {"title": tool.title, "idempotentHint": False, "openWorldHint": True},
    }


def _plain(tool: ToolSchema, schema: Schema, is_strict: bool) -> Schema:
    about = {"title": tool.title, "description": tool.description}
    return {"name": tool.name, **about, "input": schema, "output": tool.output}


FORMS: Mapping[str, Callable[[ToolSchema, Schema, bool], Schema]] = {
    "openai": _openai,
    "openai-chat": _openai_chat,
    "anthropic": _anthropic,
    "mcp": _mcp,
    "json-schema": _plain,
}
"""Whose tools there are: OpenAI's Responses and Chat Completions, Anthropic's Messages, MCP; and schemas alone."""


def shape(tools: Iterable[ToolSchema], form: str, *, is_strict: bool) -> tuple[list[Any], list[str]]:
    """Return tools in the form that an API wants, and the names of those that cannot be strict though they should."""
    found, loose = [], []
    for tool in tools:
        schema = strict(tool.input) if is_strict else None
        if is_strict and schema is None:
            loose.append(tool.name)
        found.append(FORMS[form](tool, schema or tool.input, schema is not None))
    return found, loose
