"""What a selector leads to: a type, and what has to happen in a run for there to be a value of it.

Knows no node type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from difygen.model import ArrayOf, ObjectOf, Primitive, Type, UnionOf
from difygen.parser.dsl.graph import Port
from difygen.record import Record
from difygen.types import merge, without_null
from difygen.wording import named

MAX_CLAUSES = 16
_ATTRIBUTES: dict[str, tuple[Type, bool]] = {
    # name: type, and whether it can be null (what a file of that origin lacks)
    "type": (Primitive.STRING, False),
    "size": (Primitive.INTEGER, False),
    "name": (Primitive.STRING, True),
    "mime_type": (Primitive.STRING, True),
    "transfer_method": (Primitive.STRING, False),
    "url": (Primitive.STRING, True),
    "extension": (Primitive.STRING, True),
    "related_id": (Primitive.STRING, True),
}


class Requirement(Record):
    """Ports of which a run must have taken at least one for a value to be there.

    `words` say when that is not so, if it is not obvious.
    """

    ports: tuple[Port, ...]
    words: str = ""


class Unknown(Record):
    """Why a type cannot be told: a stable code, and the reason in words that go on after a colon."""

    code: str
    reason: str


class Value(NamedTuple):
    """What stands at a selector.

    `type` is NULL where no run ever has a value there, and ANY where nothing is known; `unknown` then says why. All
    of `requirements` must be met for the value to be there; `null` says in words why it may be null or missing even
    then. In both, `{node}` stands for the title of the step that makes the value.
    """

    type: Type
    null: str = ""
    requirements: tuple[Requirement, ...] = ()
    unknown: Unknown | None = None


def unknown(code: str, reason: str) -> Value:
    """Return a value of which nothing is known."""
    return Value(Primitive.ANY, unknown=Unknown(code, reason))


def nothing(code: str, reason: str) -> Value:
    """Return a value that is null in every run."""
    return Value(Primitive.NULL, null=reason, unknown=Unknown(code, reason))


def any_of(values: Iterable[Value], words: str) -> tuple[Requirement, ...] | None:
    """Return what is needed for at least one of several values to be there, or None if that is too much."""
    clauses: list[tuple[Port, ...]] = [()]
    for value in values:
        clauses = [clause + each.ports for clause in clauses for each in value.requirements]
        if len(clauses) > MAX_CLAUSES:
            return None
    return tuple(Requirement(clause, words) for clause in clauses)


def member(value: Value, name: str) -> Value:
    """Return what stands at `name` within a value.

    Dify walks objects and the attributes of files; lists cannot be indexed.
    """
    type_, _ = without_null(value.type)
    if isinstance(type_, UnionOf):
        found = [member(value._replace(type=each), name) for each in type_.members]
        known = [each for each in found if each.type is not Primitive.NULL]
        if not known:
            return found[0]
        null = next((each.null for each in found if each.null), "")
        return value._replace(type=merge(*(each.type for each in known)), null=null, unknown=known[0].unknown)
    if isinstance(type_, ObjectOf):
        return _property(value, type_, name)
    if type_ is Primitive.FILE:
        if name not in _ATTRIBUTES:
            return nothing("unknown-attribute", f"files have no attribute {named(name)}")
        type_, nullable = _ATTRIBUTES[name]
        missing = f"null when the file has no {named(name)}" if nullable else ""
        return value._replace(type=type_, null=value.null or missing)
    if type_ is Primitive.ANY or type_ is Primitive.NULL:
        return value
    if isinstance(type_, ArrayOf):
        return nothing("selector-into-list", f"a selector cannot reach {named(name)} in a list")
    return nothing("selector-into-scalar", f"there is no {named(name)} in a value that is neither an object nor a file")


def _property(value: Value, object_: ObjectOf, name: str) -> Value:
    missing = value.null or f"null when the object has no {named(name)}"
    for each in object_.properties:
        if each.name == name:
            type_, nullable = without_null(each.type)
            null = missing if nullable or not each.required else value.null
            why = Unknown("any-property", f"the schema does not say what {named(name)} holds")
            return value._replace(type=type_, null=null, unknown=why if type_ is Primitive.ANY else None)
    why = Unknown("unknown-property", f"the schema of the object does not name {named(name)}")
    if not object_.properties:
        reason = f"nothing says what is in the object whose {named(name)} is asked for"
        why = Unknown("object-without-schema", reason)
    return Value(Primitive.ANY, missing, value.requirements, why)
