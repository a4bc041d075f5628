"""What the code of a code node returns, found by reading it. It is never run.

What is not plainly a value counts as possibly null. `machine` and `values` are what all languages share, and there is a
reader for each, imported when a node of its language is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from difygen.model import ArrayOf, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.parser.dsl.code.machine import Machine, UnfitError
from difygen.parser.dsl.code.values import A_NUMBER, TEXT, Abstract, Container, Shape, any_of, data

MAX_LENGTH = 40_000
MAX_DEPTH = 6


class Parameter(NamedTuple):
    """What a code node is given: the name, the type, and whether it may be null."""

    name: str
    type: Type
    nullable: bool


@lru_cache(maxsize=32)
def returned(language: str, code: str, parameters: tuple[Parameter, ...] | None = None) -> Shape | None:
    """Return the shape of what the function `main` of a text returns, or None if that cannot be said.

    Without `parameters`, they may be anything. A result that lacks a declared output, and one that is no object, makes
    the node fail; so nothing is said of such runs.
    """
    if len(code) > MAX_LENGTH:
        return None
    try:
        if language == "python3":
            return _python(code, parameters)
        if language == "javascript" and ("function" in code or "=>" in code):
            return _javascript(code, parameters)
    except (UnfitError, RecursionError):
        pass
    return None


def _python(code: str, parameters: tuple[Parameter, ...] | None) -> Shape | None:
    from difygen.parser.dsl.code.python import PythonReader
    from difygen.parser.dsl.code.python_names import parsed

    tree = parsed(code)
    if tree is None:
        return None
    reader = PythonReader(tree)
    return reader.shape(reader.main(_given(reader, parameters)))


def _javascript(code: str, parameters: tuple[Parameter, ...] | None) -> Shape | None:
    from difygen.parser.dsl.code.javascript import JavaScriptReader
    from difygen.parser.dsl.code.javascript_names import parsed

    tree = parsed(code)
    if tree is None:
        return None
    reader = JavaScriptReader(tree)
    return reader.shape(reader.main(_given(reader, parameters)))


def _given(machine: Machine, parameters: tuple[Parameter, ...] | None) -> Mapping[str, Abstract] | None:
    if parameters is None:
        return None
    found = {}
    for name, type_, nullable in parameters:
        value = _value(machine, name, type_, 0)
        found[name] = value._replace(null=frozenset((name,))) if nullable else value
    return found


def _value(machine: Machine, path: str, type_: Type, depth: int) -> Abstract:
    """Return a value of a type, at some place of what the code is given."""
    if depth > MAX_DEPTH:
        return data(path)
    match type_:
        case ArrayOf(item):
            return machine.make_list(path, _value(machine, f"{path}[]", item, depth + 1))
        case ObjectOf(properties) if properties:
            members = {
                each.name: (_value(machine, f"{path}.{each.name}", each.type, depth + 1), each.required)
                for each in properties
            }
            return machine.make(path, Container(False, members=members, rest=data(f"{path}[]")))
        case UnionOf(members):
            return any_of([_value(machine, path, each, depth + 1) for each in members])
        case Primitive.STRING | OneOf():
            return Abstract(TEXT, path=path)
        case Primitive.NUMBER | Primitive.INTEGER | Primitive.BOOLEAN:
            return A_NUMBER
        case Primitive.NULL:
            return Abstract(null=frozenset((path,)))
        case Primitive.ANY:
            return data(path)
    return data(path).there
