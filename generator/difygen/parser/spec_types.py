"""The types of a spec: `string`, `array[object]` with `properties`, a mapping with `type`, `items`, `any_of`.

Knows no input or output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from difygen.diagnostics import Cursor
from difygen.model import INPUT_TRAITS, ArrayOf, Input, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.types import ARRAY_WORDS, SIMPLE_WORDS, any_if_null, array_of, fits, or_null, type_of_word, union, word_of
from difygen.wording import listed, names_listed, shown

MAX_DEPTH = 32

_SHAPE_KEYS = ("properties", "items", "options")
_IMPLIED_WORDS = dict(zip(_SHAPE_KEYS, ("object", "array", "string"), strict=True))
FOREIGN_WORDS = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "dict": "object",
    "map": "object",
    "json": "object",
    "list": "array[any]",
    "files": "array[file]",
    **{kind: word_of(traits.type) for kind, traits in INPUT_TRAITS.items()},
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
_WORDS: dict[Type, str] = {
    Primitive.STRING: "text",
    Primitive.NUMBER: "a number",
    Primitive.INTEGER: "a whole number",
    Primitive.BOOLEAN: "true or false",
    Primitive.FILE: "a file's mapping, with keys such as `type` and `transfer_method`",
    Primitive.NULL: "null",
}


@dataclass(frozen=True, slots=True)
class Role:
    """What a type is the type of, as messages call it, and the keys that its long form may have."""

    what: str
    keys: tuple[str, ...]


ITEM = Role("a type", ("type", "description", *_SHAPE_KEYS, "open", "any_of", "nullable"))
PROPERTY = Role("a property", (*ITEM.keys, "optional"))
VARIABLE = Role("a variable", (*ITEM.keys, "initial"))
OUTPUT = Role("an output", (*PROPERTY.keys, "reason"))


def read_type(cursor: Cursor, role: Role, depth: int = 0) -> Type:
    """Return the type that a part of a spec describes, in the short form or the long one. ANY after a mistake."""
    if depth > MAX_DEPTH:
        cursor.error("too-deep", f"Types may be nested at most {MAX_DEPTH} levels deep.")
        return Primitive.ANY
    if isinstance(cursor.value, str):
        return _named(cursor) or Primitive.ANY
    if not isinstance(cursor.value, dict):
        cursor.expect("the name of a type, or a mapping with `type`")
        return Primitive.ANY
    cursor.only(role.keys, role.what, _FOREIGN_KEYS)
    cursor.text_of("description")
    type_ = _any_of(cursor, depth) if cursor.has("any_of") else _declared(cursor, depth)
    return or_null(type_, cursor.flag_of("nullable"))


def _named(cursor: Cursor) -> Type | None:
    word = cursor.text()
    type_ = type_of_word(word)
    if type_ is None:
        foreign = FOREIGN_WORDS.get(word.lower())
        hint = (
            f"Did you mean `{foreign}`?" if foreign else cursor.report.suggestion(word, (*SIMPLE_WORDS, *ARRAY_WORDS))
        )
        cursor.error("unknown-type", f"`{shown(word)}` is not a type.", hint)
    return type_


def _any_of(cursor: Cursor, depth: int) -> Type:
    for key in ("type", *_SHAPE_KEYS, "open"):
        _refuse(cursor, key, "`any_of` says all about the type.")
    choices = cursor.get("any_of")
    assert choices is not None
    if not isinstance(choices.value, list) or len(choices.value) < 2:
        choices.expect("a list of at least two types")
        return Primitive.ANY
    types = [Primitive.NULL if each.value in (None, "null") else read_type(each, ITEM, depth + 1) for each in choices]
    return any_if_null(union(*types))


def _declared(cursor: Cursor, depth: int) -> Type:
    """Return the type of a long form: that of its word, made more exact by one of the keys that describe a shape."""
    base = _base(cursor)
    given = [key for key in _SHAPE_KEYS if cursor.has(key)]
    for key in given[1:]:
        _refuse(cursor, key, f"`{given[0]}` is given already.")
    if cursor.has("open") and not cursor.has("options"):
        _refuse(cursor, "open", "It says that others than the `options` may occur, and there are none.")
    match given:
        case ["properties", *_]:
            return _object(cursor, base, depth)
        case ["items", *_]:
            return _array(cursor, base, depth)
        case ["options", *_]:
            return _one_of(cursor, base)
    return _with_description(base or Primitive.ANY, cursor)


def _base(cursor: Cursor) -> Type | None:
    """Return the type that the word of a long form names, or that its other keys imply. None after a mistake."""
    word = cursor.get("type")
    if word is not None and isinstance(word.value, str):
        return _named(word)
    if word is not None:
        word.expect("the name of a type")
        return None
    implied = next((_IMPLIED_WORDS[key] for key in _SHAPE_KEYS if cursor.has(key)), None)
    if implied is None:
        cursor.error("missing-key", f"{cursor.name} has no `type`.", "Write for instance `type: string`.", key=True)
        return None
    return type_of_word(implied)


def _object(cursor: Cursor, base: Type | None, depth: int) -> Type:
    """Return an object with properties, within as many arrays as the word says: `array[object]`."""
    arrays, inner = 0, base
    while isinstance(inner, ArrayOf):
        arrays, inner = arrays + 1, inner.item
    members = cursor.get("properties")
    assert members is not None
    if base is not None and not isinstance(inner, ObjectOf):
        _refuse(cursor, "properties", "Only `object` and `array[object]` have properties.")
    if not isinstance(members.value, dict):
        members.expect("a mapping of names to types")
    properties = tuple(
        Property(name, read_type(each, PROPERTY, depth + 1), not each.flag_of("optional"), description(each))
        for name, each in members.members()
    )
    object_ = ObjectOf(properties) if arrays else _with_description(ObjectOf(properties), cursor)
    return array_of(object_, arrays)


def _array(cursor: Cursor, base: Type | None, depth: int) -> Type:
    items = cursor.get("items")
    assert items is not None
    item = read_type(items, ITEM, depth + 1)
    if base not in (None, ArrayOf(Primitive.ANY), ArrayOf(ObjectOf())):
        _refuse(cursor, "items", "Write `type: array` beside it.")
    elif base == ArrayOf(ObjectOf()) and not isinstance(item, ObjectOf):
        items.error("items-not-object", "`items` must describe an object here.", "Or write `type: array`.")
    return ArrayOf(item)


def _one_of(cursor: Cursor, base: Type | None) -> Type:
    options = cursor.get("options")
    assert options is not None
    if base not in (None, Primitive.STRING):
        _refuse(cursor, "options", "Only a `string` has options.")
    values = options.texts()
    return OneOf(values, closed=not cursor.flag_of("open")) if values else Primitive.STRING


def _refuse(cursor: Cursor, key: str, why: str) -> None:
    if (member := cursor.get(key)) is not None:
        member.error("key-not-applicable", f"`{key}` does not apply here.", why, key=True)


def _with_description(type_: Type, cursor: Cursor) -> Type:
    return ObjectOf(type_.properties, description(cursor)) if isinstance(type_, ObjectOf) else type_


def description(cursor: Cursor) -> str:
    """Return the description in a long form. `read_type` has noted already what is wrong with it."""
    member = cursor.get("description")
    return member.value if member is not None and isinstance(member.value, str) else ""


def check_input_value(cursor: Cursor, input_: Input) -> bool:
    """Note what keeps the server from taking a value for an input; whether there is nothing."""
    if input_.kind == "select" and not input_.options:
        return True  # that there is nothing to choose from has been noted
    if not check_value(cursor, input_.value_type):
        return False
    limit, unit = input_.max_length, input_.traits.unit
    size = len(cursor.value) if unit and isinstance(cursor.value, str | list) else 0
    if limit is not None and size > limit:
        cursor.error("too-long", f"{cursor.name} has {size} {unit}, and `max_length` is {limit}.")
        return False
    return True


def check_value(cursor: Cursor, type_: Type) -> bool:
    """Note where a value is not of a type; whether it is."""
    if isinstance(type_, ArrayOf) and isinstance(cursor.value, list):
        return _all(check_value(item, type_.item) for item in cursor)
    if isinstance(type_, ObjectOf) and isinstance(cursor.value, dict):
        missing = [each.name for each in type_.properties if each.required and not cursor.has(each.name)]
        if missing:
            cursor.error("missing-property", f"{cursor.name} lacks {names_listed(missing)}.")
        members = ((cursor.get(each.name), each.type) for each in type_.properties)
        return _all(check_value(member, inner) for member, inner in members if member is not None) and not missing
    if fits(cursor.value, type_):
        return True
    if isinstance(type_, OneOf) and isinstance(cursor.value, str):
        hint = cursor.report.suggestion(cursor.value, type_.values)
        cursor.error("not-an-option", f"`{shown(cursor.value)}` is none of the options.", hint)
    else:
        cursor.expect(_described(type_), code="wrong-value")
    return False


def _all(checks: Iterable[bool]) -> bool:
    """Return whether all checks passed, after all of them were made: each notes what it finds."""
    return False not in list(checks)


def _described(type_: Type) -> str:
    match type_:
        case ArrayOf():
            return "a list"
        case ObjectOf():
            return "a mapping"
        case OneOf():
            return "text"
        case UnionOf(members):
            return listed(dict.fromkeys(map(_described, members)), "or")
    return _WORDS.get(type_, "anything")
