"""JSON Schemas of what apps take and give. A file is what each document says it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from difygen.codegen.annotations import usable_default
from difygen.codegen.describe import input_text, output_text
from difygen.model import Input, Output
from difygen.types import described_schema, or_null_schema, schema_of_type

Schema = dict[str, Any]


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
