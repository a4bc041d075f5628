"""The named parts of an OpenAPI document: every object has a name, and each name is one that generators can spell.

Generators call an object without a name after the member that holds it. A member in Chinese leaves them nothing to call
it by, and one of them then writes the object over the one that it is a part of. `x-enum-varnames`, which many of them
read, has names for values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from difygen.documents.json_schema import Schema
from difygen.naming import Identifier, assign, distinct, nested_name, snake_name
from difygen.types import or_null_schema

Schemas = dict[str, Schema]

_OF_OBJECTS = ("type", "required", "properties", "additionalProperties")
_SPELLED = re.compile(r"[ -~]*[A-Za-z][ -~]*")


def reference(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def name_objects(schemas: Schemas, name: str) -> None:
    """Give each object within a schema a name, at any depth: those that classes have in the Python package."""
    members = schemas[name].get("properties", {})
    for member, schema in members.items():
        members[member] = _named(schema, nested_name(name, member), schemas)


def _named(schema: Schema, name: str, schemas: Schemas) -> Schema:
    """Return a schema that refers to the objects within it, and has names for values of other scripts."""
    if "items" in schema:
        return {**schema, "items": _named(schema["items"], nested_name(name, "item"), schemas)}
    for word in schema.keys() & {"anyOf", "oneOf"}:
        return {**schema, word: [_named(each, name, schemas) for each in schema[word]]}
    values = [each for each in schema.get("enum", ()) if each is not None]
    is_odd = not all(map(_SPELLED.fullmatch, values))
    if not schema.get("properties") and not is_odd:
        return schema
    taken = {each.casefold() for each in schemas}  # generators make files of them
    name = str(distinct(name, name, lambda candidate: candidate.casefold() in taken))
    own = {key: schema[key] for key in _OF_OBJECTS if key in schema}
    if is_odd:
        names = assign(values, snake_name).values()
        own = {"type": "string", "enum": values, "x-enum-varnames": [str(each) for each in names]}
    schemas[name] = own | {"type": "string" if is_odd else "object"}
    name_objects(schemas, name)
    rest = {key: value for key, value in schema.items() if key not in (*_OF_OBJECTS, "enum")}
    if isinstance(schema["type"], list):
        return or_null_schema(reference(name)) | rest
    return rest | {"allOf": [reference(name)]} if rest else reference(name)


def spelled_names(schemas: Schemas, chosen: Mapping[str, Identifier]) -> dict[str, str]:
    """Return what to call the members whose names generators cannot spell, for all schemas at once.

    `chosen` are names that are settled already.
    """
    wires = sorted({name for schema in schemas.values() for name in schema.get("properties", ())})
    odd = {wire for wire in wires if not _SPELLED.fullmatch(wire)}
    explicit = {wire: name for wire, name in chosen.items() if wire in odd}
    return {wire: str(name) for wire, name in assign(wires, snake_name, explicit=explicit).items() if wire in odd}


def prune(document: Schema) -> None:
    """Remove the components that nothing refers to, as long as there are some."""
    components = document["components"]
    while True:
        used = set(_references(document))
        unused = [
            (kind, name)
            for kind, rows in components.items()
            if kind != "securitySchemes"
            for name in rows
            if f"#/components/{kind}/{name}" not in used
        ]
        if not unused:
            return
        for kind, name in unused:
            del components[kind][name]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
