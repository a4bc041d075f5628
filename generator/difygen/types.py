"""Types without a definition: what can be said of them, and how they are written.

Types are built and taken apart here alone: everywhere a union is flat, and null only ever one of several members. In
writing they are words such as `array[number]`, as in a spec's outputs and Dify's `value_type`, or JSON Schema.

JSON Schemas are read as people paste them and Dify's editors write them (Draft 7). The type of one holds every value
that it allows: what a type cannot say is left out, and what is not understood is ANY. Recursion, references and
combinations are bounded, so that no schema takes long. Knows nothing of the file that a word or a schema stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from difygen.model import ArrayOf, JsonValue, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.record import NOTHING
from difygen.wording import one_line

MAX_TYPE_SIZE = 5_000
MAX_COMBINATIONS = 64


def members_of(type_: Type) -> tuple[Type, ...]:
    """Return the members of a union; of any other type, that type."""
    return type_.members if isinstance(type_, UnionOf) else (type_,)


def union(*types: Type) -> Type:
    """Return the smallest type that holds all of `types`: flattened, each once, ANY if any of them is ANY."""
    members = dict.fromkeys(member for type_ in types for member in members_of(type_))
    if Primitive.ANY in members:
        return Primitive.ANY
    return next(iter(members)) if len(members) == 1 else UnionOf(tuple(members))


def merge(*types: Type) -> Type:
    """Return the union as one would write it: no `integer` beside `number`, one list of choices, none beside text."""
    found = union(*types)
    if not isinstance(found, UnionOf):
        return found
    members = found.members
    choices = [each for each in members if isinstance(each, OneOf)]
    others = [each for each in members if not isinstance(each, OneOf)]
    if Primitive.NUMBER in others and Primitive.INTEGER in others:
        others.remove(Primitive.INTEGER)
    if not choices or Primitive.STRING in others:
        return union(*others)
    values = dict.fromkeys(value for each in choices for value in each.values)
    return union(OneOf(tuple(values), all(each.closed for each in choices)), *others)


def without_null(type_: Type) -> tuple[Type, bool]:
    """Return the type of the values that are not null, and whether there was a null among them."""
    if not isinstance(type_, UnionOf) or Primitive.NULL not in type_.members:
        return type_, False
    return union(*(each for each in type_.members if each is not Primitive.NULL)), True


def or_null(type_: Type, null: object = True) -> Type:
    """Return the type with null among its values, if there is a reason for it."""
    return union(type_, Primitive.NULL) if null and type_ is not Primitive.ANY else type_


def any_if_null(type_: Type) -> Type:
    """Return the type, or ANY for NULL: what can be nothing but null is as good as unknown."""
    return Primitive.ANY if type_ is Primitive.NULL else type_


def array_of(item: Type, times: int = 1) -> Type:
    """Return `item` within that many arrays."""
    for _ in range(times):
        item = ArrayOf(item)
    return item


def items_of(type_: Type) -> Type | None:
    """Return the type of the members of a list, or None if no value of the type is a list."""
    if type_ is Primitive.ANY:
        return Primitive.ANY
    items = [each.item for each in members_of(type_) if isinstance(each, ArrayOf)]
    return merge(*items) if items else None


def is_small(type_: Type) -> bool:
    """Check whether a type is short enough to be written down: hostile graphs can double one with every step."""
    waiting: list[Type] = [type_]
    for _ in range(MAX_TYPE_SIZE):
        if not waiting:
            return True
        each = waiting.pop()
        if isinstance(each, ArrayOf):
            waiting.append(each.item)
        elif isinstance(each, ObjectOf):
            waiting.extend(member.type for member in each.properties)
        elif isinstance(each, UnionOf):
            waiting.extend(each.members)
    return False


def common(first: Type, second: Type) -> Type | None:
    """Return the type of the values that are of both types, or None if there are none."""
    if first == second or second is Primitive.ANY:
        return first
    if first is Primitive.ANY:
        return second
    if isinstance(first, UnionOf) or isinstance(second, UnionOf):
        ones, others = members_of(first), members_of(second)
        if len(ones) * len(others) > MAX_COMBINATIONS:
            return union(*ones)  # too many to go through; each side alone holds every value, too
        found = [both for one in ones for other in others if (both := common(one, other)) is not None]
        return merge(*found) if found else None
    match first, second:
        case ObjectOf(), ObjectOf():
            return _with_properties_of_both(first, second)
        case ArrayOf(item), ArrayOf(other):
            return ArrayOf(common(item, other) or Primitive.ANY)
        case OneOf(), OneOf():
            values = tuple(value for value in first.values if value in set(second.values))
            return OneOf(values, first.closed or second.closed) if values else None
        case (OneOf(), Primitive.STRING) | (Primitive.INTEGER, Primitive.NUMBER) | (Primitive.FILE, ObjectOf()):
            return first
        case (Primitive.STRING, OneOf()) | (Primitive.NUMBER, Primitive.INTEGER) | (ObjectOf(), Primitive.FILE):
            return second
    return None


def _with_properties_of_both(first: ObjectOf, second: ObjectOf) -> ObjectOf:
    properties = {each.name: each for each in first.properties}
    for each in second.properties:
        other = properties.get(each.name, each)
        properties[each.name] = Property(
            each.name,
            common(other.type, each.type) or Primitive.ANY,
            other.required or each.required,
            other.description or each.description,
        )
    return ObjectOf(tuple(properties.values()), first.description or second.description)


def fits(value: JsonValue, type_: Type) -> bool:
    """Check whether a value is of a type. Keys that an object does not name fit; a file is any mapping."""
    match type_:
        case ArrayOf(item):
            return isinstance(value, list) and all(fits(each, item) for each in value)
        case ObjectOf(properties):
            return isinstance(value, dict) and all(
                fits(value[each.name], each.type) if each.name in value else not each.required for each in properties
            )
        case OneOf(values, closed):
            return isinstance(value, str) and (not closed or value in values)
        case UnionOf(members):
            return any(fits(value, member) for member in members)
        case Primitive.STRING:
            return isinstance(value, str)
        case Primitive.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Primitive.INTEGER:
            return value.is_integer() if isinstance(value, float) else fits(value, Primitive.NUMBER)
        case Primitive.BOOLEAN:
            return isinstance(value, bool)
        case Primitive.FILE:
            return isinstance(value, dict)
        case Primitive.NULL:
            return value is None
    return True


# Types in words


MAX_NESTING = 4
"""How deep `array[array[...]]` may go."""

MAX_DEPTH = 24
MAX_SCHEMAS = 1_000
"""How deep a JSON Schema is read, and how many schemas within it."""

Schema = Mapping[str, JsonValue]

_SIMPLE: dict[str, Type] = {
    **{each.value: each for each in (Primitive.STRING, Primitive.NUMBER, Primitive.INTEGER, Primitive.BOOLEAN)},
    "object": ObjectOf(),
    **{each.value: each for each in (Primitive.FILE, Primitive.ANY)},
}

SIMPLE_WORDS: tuple[str, ...] = tuple(_SIMPLE)
"""The words without brackets."""

ARRAY_WORDS: tuple[str, ...] = tuple(f"array[{word}]" for word in SIMPLE_WORDS)
"""The arrays of those, for suggestions; arrays nest further."""
_SPELLINGS: dict[str, Type] = {
    "secret": Primitive.STRING,
    "select": Primitive.STRING,
    "float": Primitive.NUMBER,
    "bool": Primitive.BOOLEAN,
    "int": Primitive.INTEGER,
}


def type_of_word(word: str) -> Type | None:
    """Return the type that a word names, or None if it names none.

    Words are lower case, and a bare `array` holds anything.
    """
    arrays = 0
    while word.startswith("array[") and word.endswith("]") and arrays < MAX_NESTING:
        word = word[len("array[") : -1]
        arrays += 1
    type_ = ArrayOf(Primitive.ANY) if word == "array" else _SIMPLE.get(word)
    return array_of(type_, arrays) if type_ is not None else None


def type_of(word: JsonValue) -> Type | None:
    """Return the type that a word such as `Array[string]` names, or None where it names none."""
    if not isinstance(word, str):
        return None
    found = type_of_word(word)
    if found is None:
        plain = word.strip().lower()
        found = type_of_word(plain) or _SPELLINGS.get(plain)
    return found


def word_of(type_: Type) -> str | None:
    """Return the word for a type, if there is one that says all about it."""
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


def type_in_words(type_: Type) -> str:
    """Return a phrase for a type in a sentence, whatever the type is."""
    match type_:
        case Primitive():
            return type_.value
        case ArrayOf(item):
            return f"array[{type_in_words(item)}]"
        case OneOf(values, closed=True) if values:
            return f"one of {', '.join(map(repr, values))}" if len(values) < 5 else f"one of {len(values)} options"
        case UnionOf(members):
            return " or ".join(map(type_in_words, members))
        case ObjectOf(members) if members:
            names = ", ".join(member.name for member in members[:4])
            return f"object with {names}{', …' if len(members) > 4 else ''}"
        case ObjectOf():
            return "object"
    return "string"


# Types to JSON Schema


def schema_of_type(type_: Type, file: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """Return the JSON Schema of a type, in the words that OpenAPI 3.1 and the tools of models share.

    `file` is that of a file: as it stands, whatever a server makes of one. No `$defs`, no `const`, no tuples.
    """
    match type_:
        case Primitive.ANY:
            return {}
        case Primitive.FILE:
            return dict(file)
        case Primitive():
            return {"type": type_.value}
        case ArrayOf(item):
            return {"type": "array", "items": schema_of_type(item, file)}
        case OneOf(values, closed):
            return {"type": "string", "enum": list(values)} if closed and values else {"type": "string"}
        case ObjectOf():
            return _schema_of_object(type_, file)
        case UnionOf(members):
            rest, nullable = without_null(type_)
            if nullable:
                return or_null_schema(schema_of_type(rest, file))
            return {"anyOf": [schema_of_type(member, file) for member in members]}


def _schema_of_object(type_: ObjectOf, file: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if required := [each.name for each in type_.properties if each.required]:
        schema["required"] = required
    if type_.properties:
        schema["properties"] = {
            each.name: described_schema(schema_of_type(each.type, file), one_line(each.description))
            for each in type_.properties
        }
    return described_schema(schema, one_line(type_.description)) | {"additionalProperties": True}


def or_null_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that also takes null: as a second word where that will do, else as a choice."""
    if not schema:
        return schema
    if isinstance(schema.get("type"), str):
        choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, "type": [schema["type"], "null"], **choices}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"oneOf": [schema, {"type": "null"}]}


def described_schema(schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the schema with a text before its description.

    Before OpenAPI 3.1 nothing may stand beside a reference, so that one is wrapped.
    """
    if not text:
        return schema
    if "$ref" in schema:
        return {"description": text, "allOf": [schema]}
    return {**schema, "description": f"{text} {schema.get('description', '')}".rstrip()}


# JSON Schema to types


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
