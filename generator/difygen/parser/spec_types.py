"""The types of a spec: `string`, `array[object]` with `properties`, a mapping with `type`, `items`, `any_of`.

Knows no input or output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from difygen.cursor import Cursor, listed, shown
from difygen.model import ArrayOf, Input, JsonValue, ObjectOf, OneOf, Primitive, Property, Type, UnionOf, union
from difygen.parser.type_syntax import ARRAY_WORDS, SIMPLE_WORDS, array_of, type_of_word

MAX_DEPTH = 32

_SHAPE_KEYS = ("properties", "items", "options")
_IMPLIED_WORDS = dict(zip(_SHAPE_KEYS, ("object", "array", "string"), strict=True))
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
    return union(type_, Primitive.NULL) if cursor.flag_of("nullable") else type_


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
    type_ = union(*types)
    return Primitive.ANY if type_ is Primitive.NULL else type_


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
    match input_.kind:
        case "text-input" | "paragraph":
            return _check_text(cursor, input_.max_length)
        case "select":
            return check_value(cursor, OneOf(input_.options)) if input_.options else True
        case "number":
            return check_value(cursor, Primitive.NUMBER)
        case "checkbox":
            return check_value(cursor, Primitive.BOOLEAN)
        case "file":
            return check_value(cursor, Primitive.FILE)
        case "file-list":
            if not check_value(cursor, ArrayOf(Primitive.FILE)):
                return False
            count, limit = len(list(cursor)), input_.max_length
            if limit is not None and count > limit:
                cursor.error("too-long", f"{cursor.name} has {count} files, and `max_length` is {limit}.")
                return False
            return True
    return check_value(cursor, input_.type or ObjectOf())


def check_value(cursor: Cursor, type_: Type) -> bool:
    """Note where a value is not of a type; whether it is."""
    if isinstance(type_, ArrayOf) and isinstance(cursor.value, list):
        return _all(check_value(item, type_.item) for item in cursor)
    if isinstance(type_, ObjectOf) and isinstance(cursor.value, dict):
        return _check_object(cursor, type_)
    if fits(cursor.value, type_):
        return True
    if isinstance(type_, OneOf) and isinstance(cursor.value, str):
        hint = cursor.report.suggestion(cursor.value, type_.values)
        cursor.error("not-an-option", f"`{shown(cursor.value)}` is none of the options.", hint)
    else:
        cursor.expect(_described(type_), code="wrong-value")
    return False


def fits(value: JsonValue, type_: Type) -> bool:
    """Return whether a value is of a type."""
    match type_:
        case ArrayOf(item):
            return isinstance(value, list) and all(fits(each, item) for each in value)
        case ObjectOf(properties):
            if not isinstance(value, dict):
                return False
            return all(
                fits(value[each.name], each.type) if each.name in value else not each.required for each in properties
            )
        case OneOf(values, closed):
            return isinstance(value, str) and (not closed or value in values)
        case UnionOf(members):
            return any(fits(value, member) for member in members)
    return _PRIMITIVES[type_](value)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: JsonValue) -> bool:
    return value.is_integer() if isinstance(value, float) else _is_number(value)


_PRIMITIVES: dict[Primitive, Callable[[JsonValue], bool]] = {
    Primitive.STRING: lambda value: isinstance(value, str),
    Primitive.NUMBER: _is_number,
    Primitive.INTEGER: _is_whole,
    Primitive.BOOLEAN: lambda value: isinstance(value, bool),
    Primitive.FILE: lambda value: isinstance(value, dict),
    Primitive.ANY: lambda value: True,
    Primitive.NULL: lambda value: value is None,
}


def _check_text(cursor: Cursor, limit: int | None) -> bool:
    if not check_value(cursor, Primitive.STRING):
        return False
    length = len(cursor.text())
    if limit is not None and length > limit:
        cursor.error("too-long", f"{cursor.name} has {length} characters, and `max_length` is {limit}.")
        return False
    return True


def _check_object(cursor: Cursor, type_: ObjectOf) -> bool:
    missing = [each.name for each in type_.properties if each.required and not cursor.has(each.name)]
    if missing:
        cursor.error("missing-property", f"{cursor.name} lacks {listed(missing)}.")
    members = ((cursor.get(each.name), each.type) for each in type_.properties)
    return _all(check_value(member, type_) for member, type_ in members if member is not None) and not missing


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
            *first, last = dict.fromkeys(_described(member) for member in members)
            return f"{', '.join(first)} or {last}" if first else last
    return _WORDS.get(type_, "anything")
