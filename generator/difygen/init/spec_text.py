"""A workflow to the text of a spec that says the same, for people to review. Reading it back gives the same contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from difygen.init.yaml_text import yaml_text
from difygen.model import (
    App,
    ArrayOf,
    Input,
    JsonValue,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Type,
    UnionOf,
)
from difygen.parser.spec import INPUT_KEYS
from difygen.parser.type_syntax import MAX_NESTING

Json = dict[str, Any]


def spec_text(workflow: App) -> str:
    """The spec as YAML."""
    return yaml_text(spec_of(workflow))


def spec_of(workflow: App) -> Json:
    """The spec as plain values, with everything left out that goes without saying."""
    name = workflow.name if workflow.name.strip() else ""
    spec = _filled(name=name, title=workflow.title, description=workflow.description)
    spec["inputs"] = {input_.name: _input(input_) for input_ in workflow.inputs}
    spec["outputs"] = {output.name: _output(output) for output in workflow.outputs}
    if workflow.examples:
        spec["examples"] = [_filled(inputs=each.inputs, outputs=each.outputs) for each in workflow.examples]
    return spec


def _filled(**values: object) -> Json:
    return {key: value for key, value in values.items() if value not in ("", (), None, {})}


def _input(input_: Input) -> JsonValue:
    long: Json = {"type": input_.kind, **_filled(label=input_.label, description=input_.description)}
    if input_.required == (input_.default is not None):
        long["required"] = input_.required
    said = _filled(
        max_length=input_.max_length or None,
        options=_texts(input_.options),
        allowed_file_types=_texts(input_.allowed_file_types),
        allowed_file_extensions=_texts(input_.allowed_file_extensions),
        allowed_file_upload_methods=_texts(input_.allowed_file_upload_methods),
    )
    if input_.type is not None:
        said["properties"] = _properties(input_.type)
    if input_.default is not None:
        said["default"] = input_.default
    long |= {key: value for key, value in said.items() if key in INPUT_KEYS[input_.kind]}
    return input_.kind if len(long) == 1 else long


def _texts(texts: tuple[str, ...]) -> list[str] | None:
    return list(dict.fromkeys(texts)) or None


def _output(output: Output) -> JsonValue:
    return _described(output.type, output.description, {"optional": output.optional, "reason": output.reason})


def _property(property_: Property) -> JsonValue:
    return _described(property_.type, property_.description, {"optional": not property_.required})


def _described(type_: Type, description: str, said: Mapping[str, object]) -> JsonValue:
    """A type with what is said about the place that has it."""
    said = {key: value for key, value in said.items() if value}
    word = word_of(type_)
    if word is not None and not description and not said:
        return word
    long = _long(type_)
    if description:
        long = {**{key: long[key] for key in long if key == "type"}, "description": description} | long
        long["description"] = description
    return long | said


def word_of(type_: Type) -> str | None:
    """The word for a type, if there is one that says all about it."""
    arrays = 0
    while isinstance(type_, ArrayOf):
        type_, arrays = type_.item, arrays + 1
    if type_ == ObjectOf():
        word = "object"
    elif isinstance(type_, Primitive) and type_ is not Primitive.NULL:
        word = type_.value
    else:
        return None
    return f"{'array[' * arrays}{word}{']' * arrays}" if arrays <= MAX_NESTING else None


def _type(type_: Type) -> JsonValue:
    return word_of(type_) or _long(type_)


def _long(type_: Type) -> Json:
    """The long form of a type, to which more can be added."""
    if (word := word_of(type_)) is not None:
        return {"type": word}
    match type_:
        case ObjectOf(properties, description):
            shape = {"properties": _properties(type_)} if properties else {}
            return {"type": "object", **_filled(description=description), **shape}
        case ArrayOf(ObjectOf(properties, "") as item) if properties:
            return {"type": "array[object]", "properties": _properties(item)}
        case ArrayOf(item):
            return {"type": "array", "items": _type(item)}
        case OneOf(values, closed):
            open_ = {} if closed else {"open": True}
            return {"type": "string", "options": list(values), **open_} if values else {"type": "string"}
        case UnionOf(members):
            return _union(members)
    return {"type": "any"}  # NULL by itself: nothing is known about a value that is never there


def _union(members: tuple[Type, ...]) -> Json:
    *others, last = members
    if last is not Primitive.NULL:
        return {"any_of": ["null" if member is Primitive.NULL else _type(member) for member in members]}
    base = _long(others[0]) if len(others) == 1 else _union(tuple(others))
    return {**base, "nullable": True}


def _properties(type_: ObjectOf) -> Json:
    return {property_.name: _property(property_) for property_ in type_.properties}
