"""Values in a spec against types: defaults and examples. Knows neither where a value stands nor what it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from difygen.model import ArrayOf, Input, JsonValue, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.parts import Part, listed, shown

_WORDS: dict[Type, str] = {
    Primitive.STRING: "text",
    Primitive.NUMBER: "a number",
    Primitive.INTEGER: "a whole number",
    Primitive.BOOLEAN: "true or false",
    Primitive.FILE: "a file's mapping, with keys such as `type` and `transfer_method`",
    Primitive.NULL: "null",
}


def check_input_value(part: Part, input_: Input) -> bool:
    """Note what keeps the server from taking a value for an input; whether there is nothing."""
    match input_.kind:
        case "text-input" | "paragraph":
            return _check_text(part, input_.max_length)
        case "select":
            return check_value(part, OneOf(input_.options)) if input_.options else True
        case "number":
            return check_value(part, Primitive.NUMBER)
        case "checkbox":
            return check_value(part, Primitive.BOOLEAN)
        case "file":
            return check_value(part, Primitive.FILE)
        case "file-list":
            return check_value(part, ArrayOf(Primitive.FILE)) and _check_count(part, input_.max_length)
    return check_value(part, input_.type or ObjectOf())


def check_value(part: Part, type_: Type) -> bool:
    """Note where a value is not of a type; whether it is."""
    if isinstance(type_, ArrayOf) and isinstance(part.value, list):
        return _all(check_value(item, type_.item) for item in part)
    if isinstance(type_, ObjectOf) and isinstance(part.value, dict):
        return _check_object(part, type_)
    if fits(part.value, type_):
        return True
    if isinstance(type_, OneOf) and isinstance(part.value, str):
        hint = part.report.suggestion(part.value, type_.values)
        part.error("not-an-option", f"`{shown(part.value)}` is none of the options.", hint)
    else:
        part.expect(_described(type_), code="wrong-value")
    return False


def fits(value: JsonValue, type_: Type) -> bool:
    """Whether a value is of a type."""
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


def _check_text(part: Part, limit: int | None) -> bool:
    if not check_value(part, Primitive.STRING):
        return False
    length = len(part.text())
    if limit is not None and length > limit:
        part.error("too-long", f"{part.name} has {length} characters, and `max_length` is {limit}.")
        return False
    return True


def _check_count(part: Part, limit: int | None) -> bool:
    count = len(list(part))
    if limit is not None and count > limit:
        part.error("too-long", f"{part.name} has {count} files, and `max_length` is {limit}.")
        return False
    return True


def _check_object(part: Part, type_: ObjectOf) -> bool:
    missing = [each.name for each in type_.properties if each.required and not part.has(each.name)]
    if missing:
        part.error("missing-property", f"{part.name} lacks {listed(missing)}.")
    members = ((part.get(each.name), each.type) for each in type_.properties)
    return _all(check_value(member, type_) for member, type_ in members if member is not None) and not missing


def _all(checks: Iterable[bool]) -> bool:
    """Whether all checks passed, after all of them were made: each notes what it finds."""
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
