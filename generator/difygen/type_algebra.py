"""What can be said about types without a definition: unions and null, what two types have in common, what fits a type.

Types are built and taken apart here alone: everywhere a union is flat, and null only ever one of several members.
"""

from __future__ import annotations

from difygen.model import ArrayOf, JsonValue, ObjectOf, OneOf, Primitive, Property, Type, UnionOf

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
