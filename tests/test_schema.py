"""JSON Schema to types: what is understood, that a type never excludes what its schema allows, and that no schema
takes long.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from difygen.model import ArrayOf, JsonValue, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.types import ARRAY_WORDS, SIMPLE_WORDS, fits, type_of_schema, type_of_word
from hypothesis import example, given
from hypothesis import strategies as st

STRING, NUMBER, INTEGER, BOOLEAN, NULL, ANY = (
    Primitive.STRING,
    Primitive.NUMBER,
    Primitive.INTEGER,
    Primitive.BOOLEAN,
    Primitive.NULL,
    Primitive.ANY,
)


def hint(*values: str) -> OneOf:
    return OneOf(values, closed=False)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, STRING),
        ({"type": "number"}, NUMBER),
        ({"type": "integer"}, INTEGER),
        ({"type": "boolean"}, BOOLEAN),
        ({"type": "object"}, ObjectOf()),
        ({"type": "array"}, ArrayOf(ANY)),
        ({"type": "file"}, Primitive.FILE),
        ({"type": "array[string]"}, ArrayOf(STRING)),
        ({"type": ["string", "null"]}, UnionOf((STRING, NULL))),
        ({"type": "string", "nullable": True}, UnionOf((STRING, NULL))),
        ({"type": ["string", "number"]}, UnionOf((STRING, NUMBER))),
        ({"type": "array", "items": {"type": "string"}}, ArrayOf(STRING)),
        ({"items": {"type": "string"}}, ArrayOf(STRING)),
        ({"type": "array", "items": [{"type": "string"}]}, ArrayOf(ANY)),
        ({"type": "string", "enum": ["a", "b", "a"]}, hint("a", "b")),
        ({"enum": ["a", None, 1]}, UnionOf((hint("a"), NULL, NUMBER))),
        ({"type": ["string", "null"], "enum": ["a", None]}, UnionOf((hint("a"), NULL))),
        ({"type": "integer", "enum": [1, 2]}, INTEGER),
        ({"const": "a"}, hint("a")),
        ({"const": True}, BOOLEAN),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, hint("a", "b")),
        ({"anyOf": [{"type": "string"}, {"const": "b"}]}, STRING),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, UnionOf((STRING, NULL))),
        ({"type": "string", "anyOf": [{"minLength": 1}, {"pattern": "a"}]}, STRING),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, INTEGER),
        (
            {
                "allOf": [
                    {"properties": {"a": {"type": "string"}}},
                    {"type": "object", "required": ["a", "b"], "description": "d"},
                ]
            },
            ObjectOf((Property("a", STRING), Property("b", ANY)), "d"),
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string", "description": "A"}, "b": {"type": "null"}},
                "required": ["a"],
            },
            ObjectOf((Property("a", STRING, description="A"), Property("b", ANY, required=False))),
        ),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/x~1y"}, "b": {"$ref": "#/$defs/list/0"}},
                "$defs": {"x/y": {"type": "string"}, "list": [{"type": "number"}]},
            },
            ObjectOf((Property("a", STRING, required=False), Property("b", NUMBER, required=False))),
        ),
    ],
)  # fmt: skip
def test_what_is_understood(schema: JsonValue, expected: Type) -> None:
    assert type_of_schema(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        True,
        False,
        None,
        "string",
        [],
        {},
        {"type": "null"},
        {"type": "strin"},
        {"type": 5},
        {"type": []},
        {"$ref": "#"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
        {"$ref": "#/enum/99999999999"},
        {"type": "string", "enum": [1]},
        {"enum": []},
        {"not": {"type": "string"}},
    ],
)
def test_what_is_not_understood_is_anything(schema: JsonValue) -> None:
    assert type_of_schema(schema) is ANY


def test_a_schema_that_holds_itself_ends_in_anything() -> None:
    node: JsonValue = {
        "type": "object",
        "properties": {"next": {"$ref": "#/definitions/node"}, "value": {"type": "string"}},
    }
    schema: JsonValue = {"$ref": "#/definitions/node", "definitions": {"node": node}}
    assert type_of_schema(schema) == ObjectOf(
        (Property("next", ANY, required=False), Property("value", STRING, required=False))
    )


def doubling(levels: int) -> JsonValue:
    """A schema whose references unfold to two to the power of `levels`."""
    both = [{"properties": {"a": {"$ref": f"#/d/{n + 1}"}, "b": {"$ref": f"#/d/{n + 1}"}}} for n in range(levels)]
    return {"$ref": "#/d/0", "d": {str(n): schema for n, schema in enumerate(both)}}


def combining(parts: int) -> JsonValue:
    """A schema that is one of two to the power of `parts` objects."""
    return {"allOf": [{"anyOf": [{"properties": {f"{side}{n}": {}}} for side in "ab"]} for n in range(parts)]}


@pytest.mark.parametrize(
    "schema",
    [
        doubling(60),
        combining(60),
        {"allOf": [{"anyOf": [{"const": str(n)} for n in range(400)]}] * 2},
        {"properties": {str(n): {"type": "string"} for n in range(100_000)}},
        json.loads('{"items":' * 500 + "{}" + "}" * 500),
    ],
    ids=["references", "combinations", "choices", "properties", "depth"],
)
def test_no_schema_takes_long_or_gives_a_huge_type(schema: JsonValue) -> None:
    assert len(repr(type_of_schema(schema))) < 100_000_000


# Whatever a schema allows, its type must hold

names = st.sampled_from(["a", "b"])
values: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 1.5, "a", "b", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=5,
)
words = st.sampled_from(["string", "number", "integer", "boolean", "null", "object", "array"])
leaves = st.fixed_dictionaries({}, optional={"type": words | st.lists(words, min_size=1, unique=True)})


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    objects = st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(names, inner, max_size=2),
            "required": st.lists(names, unique=True),
            "anyOf": several,
        },
    )
    arrays = st.fixed_dictionaries({"type": st.just("array"), "items": inner | several})
    others = st.fixed_dictionaries(
        {},
        optional={
            "type": words | st.lists(words, min_size=1, unique=True),
            "enum": st.lists(values, min_size=1, max_size=3),
            "const": values,
            "anyOf": several,
            "oneOf": several,
            "allOf": several,
            "$ref": st.sampled_from(["#/definitions/x", "#", "#/definitions/y"]),
        },
    )
    return objects | arrays | others


schemas = st.recursive(leaves, _schemas, max_leaves=6)


@given(schemas, schemas, st.lists(values, min_size=1, max_size=4))
@example({"enum": [1], "type": "integer"}, {}, [1.0])
def test_a_type_holds_every_value_that_the_schema_allows(schema: Any, other: Any, samples: list[Any]) -> None:
    root = {**schema, "definitions": {"x": other, "y": {"type": "string"}}}
    type_ = type_of_schema(root)
    validator = jsonschema.Draft7Validator(root)
    for sample in samples:
        try:
            valid = validator.is_valid(sample)
        except RecursionError:  # a schema that refers to nothing but itself
            continue
        if valid:
            assert fits(sample, type_), (root, sample, type_)


# Words


@pytest.mark.parametrize(
    "word", [*SIMPLE_WORDS, *ARRAY_WORDS, "array", "array[array]", "array[array[array[array[any]]]]"]
)
def test_words_for_types(word: str) -> None:
    assert type_of_word(word) is not None


@pytest.mark.parametrize(
    "word",
    [
        "",
        "String",
        "array[]",
        "array[string",
        "array[string]]",
        "[string]",
        "null",
        "array[array[array[array[array[any]]]]]",
    ],
)
def test_what_is_no_word_for_a_type(word: str) -> None:
    assert type_of_word(word) is None
