"""The outputs of a code node: the types that it declares, and what its code says of null. Code is read, and never run.

values    what a value may be; machine: a program gone through once with such, whatever its language
python_names, python_values, python_calls, python   one language, from below to above
javascript_names, javascript_values, javascript     the other
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from difygen.model import ArrayOf, JsonValue, ObjectOf, Primitive, Property, Type
from difygen.parser.dsl.graph import Step, mapping, sequence, text
from difygen.parser.dsl.node_fields import Lookup, Value, declared
from difygen.types import or_null, type_of
from difygen.wording import named

if TYPE_CHECKING:
    from difygen.parser.dsl.code.javascript import JavaScriptReader
    from difygen.parser.dsl.code.python import PythonReader
    from difygen.parser.dsl.code.values import Shape

MAX_LENGTH = 40_000
MAX_DEPTH = 32
MAX_PLACES = 3


def code_output(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return an output that the code declares.

    Dify takes null for every declared type, and in lists of anything but numbers, so all depends on what the code says.
    """
    outputs = mapping(step.data.get("outputs"))
    if name not in outputs:
        return None
    found = declared(mapping(outputs[name]).get("type"), name)
    selectors = {
        text(each.get("variable")): each.get("value_selector")
        for each in map(mapping, sequence(step.data.get("variables")))
    }
    given = {variable: (selector, lookup.given(selector, step)) for variable, selector in selectors.items()}
    shape, code = None, step.data.get("code")
    if isinstance(code, str):
        parameters = tuple([Parameter(each, value.type, bool(value.null)) for each, (_, value) in given.items()])
        shape = returned(text(step.data.get("code_language")), code, parameters)
    output = shape.at(name) if shape is not None else None
    type_ = _type(mapping(outputs[name]), found.type, output, 0)
    if output is None:
        return Value(type_, _by_code(name), unknown=found.unknown)
    if "" in output.null or not output.null:
        return Value(type_, _by_code(name) if output.null else "", unknown=found.unknown)
    return Value(type_, _passed_on(sorted(output.null), given, lookup), unknown=found.unknown)


def _by_code(name: str) -> str:
    return f"null when the code of {{node}} gives None for {named(name)}"


class Parameter(NamedTuple):
    """What a code node is given: the name, the type, and whether it may be null."""

    name: str
    type: Type
    nullable: bool


@lru_cache(maxsize=32)
def returned(language: str, code: str, parameters: tuple[Parameter, ...] | None = None) -> Shape | None:
    """Return the shape of what the function `main` of a text returns, or None if that cannot be said.

    Without `parameters`, they may be anything. What is not plainly a value counts as possibly null. A result that lacks
    a declared output, and one that is no object, makes the node fail; so nothing is said of such runs.
    """
    if len(code) > MAX_LENGTH:
        return None
    from difygen.parser.dsl.code.machine import UnfitError

    try:
        reader = _reader(language, code)
        if reader is None:
            return None
        given = None if parameters is None else {each.name: reader.given(*each) for each in parameters}
        return reader.shape(reader.main(given))
    except (UnfitError, RecursionError):
        return None


def _reader(language: str, code: str) -> PythonReader | JavaScriptReader | None:
    """Return the reader of a program, which is imported when a node of its language is met; None if there is none."""
    if language == "python3":
        from difygen.parser.dsl.code.python import PythonReader
        from difygen.parser.dsl.code.python_names import python_tree

        module = python_tree(code)
        return None if module is None else PythonReader(module)
    if language == "javascript" and ("function" in code or "=>" in code):
        from difygen.parser.dsl.code.javascript import JavaScriptReader
        from difygen.parser.dsl.code.javascript_names import javascript_tree

        script = javascript_tree(code)
        return None if script is None else JavaScriptReader(script)
    return None


def _type(output: Mapping[str, JsonValue], type_: Type, shape: Shape | None, depth: int) -> Type:
    """Return a declared type with null wherever the code may give it."""
    item = shape.item if shape is not None else None
    children = mapping(output.get("children"))
    if children and depth < MAX_DEPTH:
        within = item if isinstance(type_, ArrayOf) else shape
        properties = []
        for key, child in children.items():
            member = within.at(key) if within is not None else None
            inner = _type(mapping(child), type_of(mapping(child).get("type")) or Primitive.ANY, member, depth + 1)
            properties.append(Property(key, or_null(inner, member is None or member.null)))
        type_ = ArrayOf(ObjectOf(tuple(properties))) if isinstance(type_, ArrayOf) else ObjectOf(tuple(properties))
    if isinstance(type_, ArrayOf) and type_.item is not Primitive.NUMBER:
        return ArrayOf(or_null(type_.item, item is None or item.null))
    return type_


def _passed_on(places: list[str], given: Mapping[str, tuple[JsonValue, Value]], lookup: Lookup) -> str:
    """Return why a value is null that the code only passes on: that of a variable, or what is not in one."""
    reasons = []
    for place in places[:MAX_PLACES]:
        variable = max((name for name in given if place.startswith(name)), key=len, default="")
        selector, value = given.get(variable, (None, Value(Primitive.ANY)))
        within = place[len(variable) :].removeprefix(".")
        if within:
            reasons.append(f"null when {{node}} finds nothing at {named(within)} in {lookup.words(selector)}")
        else:
            reasons.append(value.null or f"null when {lookup.words(selector)} is null")
    return "; ".join(dict.fromkeys(reasons))
