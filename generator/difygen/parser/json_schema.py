"""JSON Schema, as people paste it and Dify's editors write it (Draft 7), to a `Type`.

The type holds every value that the schema allows: what a type cannot say is left out, and what is not understood is
ANY. Recursion, references and combinations are bounded, so that no schema takes long. Knows nothing of the file
that a schema stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from difygen.model import ArrayOf, JsonValue, ObjectOf, OneOf, Primitive, Property, Type
from difygen.type_algebra import any_if_null, common, merge, or_null, union
from difygen.type_syntax import type_of_word

MAX_DEPTH = 24
MAX_SCHEMAS = 1_000

Schema = Mapping[str, JsonValue]


def type_of_schema(schema: JsonValue) -> Type:
    """Return the type of the values that a schema allows. Never fails: a part that is no schema at all is ANY."""
    return any_if_null(_Conversion(schema).type_of(schema, 0))


class _Conversion:
    """One schema on its way to a type: where references lead, and how much work is left before it is cut short."""

    def __init__(self, root: JsonValue) -> None:
        self._root = root
        self._left = MAX_SCHEMAS
        self._open: list[str] = []

    def type_of(self, schema: JsonValue, depth: int) -> Type:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._left < 0:
            return Primitive.ANY
        reference = schema.get("$ref")
        # Draft 7: whatever stands beside a reference is ignored.
        found = self._referenced(reference, depth) if isinstance(reference, str) else self._described(schema, depth)
        return or_null(found, schema.get("nullable") is True)

    def _referenced(self, reference: str, depth: int) -> Type:
        if reference in self._open:
            return Primitive.ANY
        self._open.append(reference)
        found = self.type_of(_resolve(self._root, reference), depth + 1)
        self._open.pop()
        return found

    def _described(self, schema: Schema, depth: int) -> Type:
        """Return everything that a schema says applies at once: its own words, one of `anyOf` and `oneOf`, and
        all of `allOf`.
        """
        parts = [self._declared(schema, depth)]
        if "const" in schema:
            parts.append(_type_of_values([schema["const"]]))
        if values := _list(schema.get("enum")):
            parts.append(_type_of_values(values))
        for choices in (_list(schema.get("anyOf")), _list(schema.get("oneOf"))):
            if choices:
                parts.append(merge(*(self.type_of(choice, depth + 1) for choice in choices)))
        parts.extend(self.type_of(part, depth + 1) for part in _list(schema.get("allOf")))
        return reduce(lambda one, other: common(one, other) or Primitive.ANY, parts)

    def _declared(self, schema: Schema, depth: int) -> Type:
        implied = "array" if isinstance(schema.get("items"), Mapping) else None
        if isinstance(schema.get("properties"), Mapping):
            implied = "object"
        words = schema.get("type", implied)
        return merge(*(self._named(word, schema, depth) for word in (_list(words) or [words])))

    def _named(self, word: JsonValue, schema: Schema, depth: int) -> Type:
        if word == "object":
            return self._object(schema, depth)
        if word == "array":
            # A list of `items` types single places, which a type cannot say.
            return ArrayOf(any_if_null(self.type_of(schema.get("items"), depth + 1)))
        if word == "null":
            return Primitive.NULL
        return (type_of_word(word) if isinstance(word, str) else None) or Primitive.ANY

    def _object(self, schema: Schema, depth: int) -> Type:
        members = schema.get("properties")
        members = members if isinstance(members, Mapping) else {}
        required = dict.fromkeys(name for name in _list(schema.get("required")) if isinstance(name, str))
        properties = [
            Property(name, any_if_null(self.type_of(member, depth + 1)), name in required, _description(member))
            for name, member in members.items()
        ]
        properties += [Property(name, Primitive.ANY) for name in required if name not in members]
        return ObjectOf(tuple(properties), _description(schema))


def _resolve(root: JsonValue, reference: str) -> JsonValue:
    """Return what a local reference (`#/$defs/Address`) points at; None for every other one."""
    if not reference.startswith("#"):
        return None
    from urllib.parse import unquote  # only schemas with references need it

    place = root
    for part in unquote(reference[1:]).split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, Mapping):
            place = place.get(part)
        elif isinstance(place, list) and part.isascii() and part.isdigit() and len(part) < 9:
            place = place[int(part)] if int(part) < len(place) else None
        else:
            return None
    return place


def _type_of_values(values: Sequence[JsonValue]) -> Type:
    texts = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    others = [_type_of_value(value) for value in values if not isinstance(value, str)]
    return union(OneOf(texts, closed=False), *others) if texts else union(*others)


def _type_of_value(value: JsonValue) -> Type:
    if value is None:
        return Primitive.NULL
    if isinstance(value, bool):
        return Primitive.BOOLEAN
    if isinstance(value, int | float):
        return Primitive.NUMBER  # 1 and 1.0 are the same value to a schema
    return ObjectOf() if isinstance(value, Mapping) else ArrayOf(Primitive.ANY)


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _description(schema: JsonValue) -> str:
    if not isinstance(schema, Mapping):
        return ""
    texts = (schema.get("description"), schema.get("title"))
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def json_of(text: str) -> JsonValue:
    """Return the value of a JSON text, or None if it is none."""
    import json  # few files have any

    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value
