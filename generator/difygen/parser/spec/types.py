"""The types of a spec: `string`, `array[object]` with `properties`, a mapping with `type`, `items`, `any_of`. Knows no input or output."""

from __future__ import annotations

from dataclasses import dataclass

from difygen.model import ArrayOf, ObjectOf, OneOf, Primitive, Property, Type, union
from difygen.parser.types import ARRAY_WORDS, SIMPLE_WORDS, array_of, type_of_word
from difygen.parts import Part, shown

MAX_DEPTH = 32

_SHAPE_KEYS = ("properties", "items", "options")
_IMPLIED_WORDS = dict(zip(_SHAPE_KEYS, ("object", "array", "string"), strict=True))


@dataclass(frozen=True, slots=True)
class Role:
    """What a type is the type of, as messages call it, and the keys that its long form may have."""

    what: str
    keys: tuple[str, ...]


ITEM = Role("a type", ("type", "description", *_SHAPE_KEYS, "open", "any_of", "nullable"))
PROPERTY = Role("a property", (*ITEM.keys, "optional"))
OUTPUT = Role("an output", (*PROPERTY.keys, "reason"))

FOREIGN_WORDS = {
    "str": "string",
    "text": "string",
    "text-input": "string",
    "paragraph": "string",
    "select": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "checkbox": "boolean",
    "dict": "object",
    "map": "object",
    "json": "object",
    "json_object": "object",
    "list": "array[any]",
    "files": "array[file]",
    "file-list": "array[file]",
}
"""What other languages, and Dify's inputs, call a type."""


_FOREIGN_KEYS = {
    "required": "optional: true",
    "enum": "options",
    "values": "options",
    "oneOf": "any_of",
    "anyOf": "any_of",
    "title": "description",
}
"""What JSON Schema, and the inputs of a spec, call a key."""


def read_type(part: Part, role: Role, depth: int = 0) -> Type:
    """The type that a part of a spec describes, in the short form or the long one. ANY after a mistake."""
    if depth > MAX_DEPTH:
        part.error("too-deep", f"Types may be nested at most {MAX_DEPTH} levels deep.")
        return Primitive.ANY
    if isinstance(part.value, str):
        return _named(part) or Primitive.ANY
    if not isinstance(part.value, dict):
        part.expect("the name of a type, or a mapping with `type`")
        return Primitive.ANY
    part.only(role.keys, role.what, _FOREIGN_KEYS)
    part.text_of("description")
    type_ = _any_of(part, depth) if part.has("any_of") else _declared(part, depth)
    return union(type_, Primitive.NULL) if part.flag_of("nullable") else type_


def _named(part: Part) -> Type | None:
    word = part.text()
    type_ = type_of_word(word)
    if type_ is None:
        foreign = FOREIGN_WORDS.get(word.lower())
        hint = f"Did you mean `{foreign}`?" if foreign else part.report.suggestion(word, (*SIMPLE_WORDS, *ARRAY_WORDS))
        part.error("unknown-type", f"`{shown(word)}` is not a type.", hint)
    return type_


def _any_of(part: Part, depth: int) -> Type:
    for key in ("type", *_SHAPE_KEYS, "open"):
        _refuse(part, key, "`any_of` says all about the type.")
    choices = part.get("any_of")
    assert choices is not None
    if not isinstance(choices.value, list) or len(choices.value) < 2:
        choices.expect("a list of at least two types")
        return Primitive.ANY
    type_ = union(*(_choice(choice, depth) for choice in choices))
    return Primitive.ANY if type_ is Primitive.NULL else type_


def _choice(choice: Part, depth: int) -> Type:
    return Primitive.NULL if choice.value in (None, "null") else read_type(choice, ITEM, depth + 1)


def _declared(part: Part, depth: int) -> Type:
    """The type of a long form: that of its word, made more exact by one of the keys that describe a shape."""
    base = _base(part)
    given = [key for key in _SHAPE_KEYS if part.has(key)]
    for key in given[1:]:
        _refuse(part, key, f"`{given[0]}` is given already.")
    if part.has("open") and not part.has("options"):
        _refuse(part, "open", "It says that others than the `options` may occur, and there are none.")
    match given:
        case ["properties", *_]:
            return _object(part, base, depth)
        case ["items", *_]:
            return _array(part, base, depth)
        case ["options", *_]:
            return _one_of(part, base)
    return _with_description(base or Primitive.ANY, part)


def _base(part: Part) -> Type | None:
    """The type that the word of a long form names, or that its other keys imply. None after a mistake."""
    word = part.get("type")
    if word is not None and isinstance(word.value, str):
        return _named(word)
    if word is not None:
        word.expect("the name of a type")
        return None
    implied = next((_IMPLIED_WORDS[key] for key in _SHAPE_KEYS if part.has(key)), None)
    if implied is None:
        part.error("missing-key", f"{part.name} has no `type`.", "Write for instance `type: string`.", key=True)
        return None
    return type_of_word(implied)


def _object(part: Part, base: Type | None, depth: int) -> Type:
    """An object with properties, within as many arrays as the word says: `array[object]`."""
    arrays, inner = 0, base
    while isinstance(inner, ArrayOf):
        arrays, inner = arrays + 1, inner.item
    members = part.get("properties")
    assert members is not None
    if base is not None and not isinstance(inner, ObjectOf):
        _refuse(part, "properties", "Only `object` and `array[object]` have properties.")
    if not isinstance(members.value, dict):
        members.expect("a mapping of names to types")
    properties = tuple(_property(name, member, depth) for name, member in members.members())
    object_ = ObjectOf(properties) if arrays else _with_description(ObjectOf(properties), part)
    return array_of(object_, arrays)


def _property(name: str, part: Part, depth: int) -> Property:
    type_ = read_type(part, PROPERTY, depth + 1)
    return Property(name, type_, not part.flag_of("optional"), description(part))


def _array(part: Part, base: Type | None, depth: int) -> Type:
    items = part.get("items")
    assert items is not None
    item = read_type(items, ITEM, depth + 1)
    if base not in (None, ArrayOf(Primitive.ANY), ArrayOf(ObjectOf())):
        _refuse(part, "items", "Write `type: array` beside it.")
    elif base == ArrayOf(ObjectOf()) and not isinstance(item, ObjectOf):
        items.error("items-not-object", "`items` must describe an object here.", "Or write `type: array`.")
    return ArrayOf(item)


def _one_of(part: Part, base: Type | None) -> Type:
    options = part.get("options")
    assert options is not None
    if base not in (None, Primitive.STRING):
        _refuse(part, "options", "Only a `string` has options.")
    values = options.texts()
    return OneOf(values, closed=not part.flag_of("open")) if values else Primitive.STRING


def _refuse(part: Part, key: str, why: str) -> None:
    if (member := part.get(key)) is not None:
        member.error("key-not-applicable", f"`{key}` does not apply here.", why, key=True)


def _with_description(type_: Type, part: Part) -> Type:
    return ObjectOf(type_.properties, description(part)) if isinstance(type_, ObjectOf) else type_


def description(part: Part) -> str:
    """The description in a long form. `read_type` has noted already what is wrong with it."""
    member = part.get("description")
    return member.value if member is not None and isinstance(member.value, str) else ""
