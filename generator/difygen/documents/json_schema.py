"""JSON Schemas of what apps take and give, in the words that OpenAPI 3.1 and the models' tools share.

Plain JSON in and out of nowhere: no `$defs`, no `const`, no tuples. A file is a reference, which each document gives
its own meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from difygen.codegen.describe import input_text, output_text, sentence
from difygen.codegen.python.inputs import usable_default
from difygen.model import App, ArrayOf, Input, ObjectOf, OneOf, Output, Primitive, Property, Type, UnionOf
from difygen.type_algebra import without_null

Schema = dict[str, Any]


def type_schema(type_: Type, file: Schema) -> Schema:
    """Return the schema of the values of a type; `file` is that of a file."""
    match type_:
        case Primitive.ANY:
            return {}
        case Primitive.FILE:
            return dict(file)
        case Primitive():
            return {"type": type_.value}
        case ArrayOf(item):
            return {"type": "array", "items": type_schema(item, file)}
        case OneOf(values, closed):
            return {"type": "string", "enum": list(values)} if closed and values else {"type": "string"}
        case ObjectOf():
            return _object(type_, file)
        case UnionOf():
            return _union(type_, file)


def _object(type_: ObjectOf, file: Schema) -> Schema:
    schema: Schema = {"type": "object"}
    if type_.properties:
        schema["required"] = [each.name for each in type_.properties if each.required]
        schema["properties"] = {each.name: _property(each, file) for each in type_.properties}
    if about := sentence(type_.description):
        schema["description"] = about
    return {name: value for name, value in schema.items() if value != []} | {"additionalProperties": True}


def _property(property_: Property, file: Schema) -> Schema:
    return described(type_schema(property_.type, file), sentence(property_.description))


def _union(type_: UnionOf, file: Schema) -> Schema:
    """Return what any of several types takes. Null is a second word where the rest is simple, else a choice."""
    rest, nullable = without_null(type_)
    if nullable:
        return or_null(type_schema(rest, file))
    return {"anyOf": [type_schema(member, file) for member in type_.members]}


def or_null(schema: Schema) -> Schema:
    """Return the schema that also takes null."""
    if not schema:
        return schema
    if isinstance(schema.get("type"), str):
        choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, "type": [schema["type"], "null"], **choices}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"oneOf": [schema, {"type": "null"}]}


def described(schema: Schema, text: str) -> Schema:
    """Return the schema with a text before its description.

    Before OpenAPI 3.1 nothing may stand beside a reference, so that one is wrapped.
    """
    if not text:
        return schema
    if "$ref" in schema:
        return {"description": text, "allOf": [schema]}
    return {**schema, "description": f"{text} {schema.get('description', '')}".rstrip()}


def input_schema(variable: Input, file: Schema) -> Schema:
    """Return the schema of what a caller sends for an input: type, limits, default, and what is said about it."""
    schema = type_schema(variable.value_type, file)
    if variable.max_length and variable.traits.unit:
        limit = "maxItems" if variable.traits.unit == "files" else "maxLength"
        schema = {**schema, limit: variable.max_length}
    if usable_default(variable):
        schema = {**schema, "default": variable.default}
    return described(schema, input_text(variable, variable.name))


def inputs_schema(app: App, file: Schema, extra: Mapping[str, Mapping[str, Any]] | None = None) -> Schema:
    """Return the schema of an app's inputs by their names on the wire, closed against others.

    `extra` are keywords to add to that of single inputs.
    """
    extra = extra or {}
    properties = {each.name: input_schema(each, file) | dict(extra.get(each.name, {})) for each in app.inputs}
    return _closed(properties, [each.name for each in app.inputs if each.required])


def _closed(properties: Schema, required: Sequence[str]) -> Schema:
    schema: Schema = {"type": "object"}
    if required:
        schema["required"] = [*required]
    return schema | {"properties": properties, "additionalProperties": False}


def outputs_schema(outputs: Sequence[Output], file: Schema) -> Schema:
    """Return the schema of an app's outputs by their names on the wire, open for others.

    One that is optional may be absent or null.
    """
    properties = {}
    for output in outputs:
        schema = type_schema(output.type, file)
        properties[output.name] = described(or_null(schema) if output.optional else schema, output_text(output))
    schema = {"type": "object"}
    if required := [output.name for output in outputs if not output.optional]:
        schema["required"] = required
    return schema | {"properties": properties, "additionalProperties": True}
