"""The JSON Schema of the spec format, for editors, says the same as the reader. What it cannot say is listed here."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from difygen.model import INPUT_KINDS, INPUT_TRAITS, InputKind
from difygen.parser import read
from difygen.parser.spec import ALL_KEYS, COMMON_KEYS
from difygen.types import ARRAY_WORDS, SIMPLE_WORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT, TESTS
from support.examples import examples

SPECS = ROOT / "specs"
SCHEMA = json.loads((SPECS / "difygen.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)

BEYOND_SCHEMAS = {
    "wrong-value",  # a default or an example of another type than declared
    "not-an-option",  # a default or an example that is none of the options
    "too-long",  # a default or an example that is longer than `max_length`
    "missing-property",  # a default or an example without a property that it must have
    "missing-value",  # an example without a value for an input that it must have
    "unknown-name",  # an example with a value for an input that there is not
    "items-not-object",  # `array[object]` with `items` of another type
    "bad-json",  # `json_schema` as text that is not JSON
    "schema-not-object",  # `json_schema` that allows no object
    "too-deep",
}
"""What only the reader finds: how parts of a spec that are each right go together."""

Json = Any


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_specs_of_the_repository_are_valid(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_editors_offer_every_word_and_key() -> None:
    definitions = SCHEMA["definitions"]
    short, long = definitions["input"]["anyOf"]
    assert set(short["enum"]) == set(INPUT_KINDS) - {"select"}
    assert long["properties"]["type"]["enum"] == list(INPUT_KINDS)
    assert set(long["properties"]) == set(ALL_KEYS)
    assert set(definitions["word"]["anyOf"][0]["enum"]) == {*SIMPLE_WORDS, *ARRAY_WORDS, "array"}
    assert all("description" in key for key in (*long["properties"].values(), *SCHEMA["properties"].values()))


def test_the_mistakes_that_it_can_find_it_finds() -> None:
    path = TESTS / "cases" / "spec" / "mistakes" / "spec.yaml"
    assert not VALIDATOR.is_valid(yaml.safe_load(path.read_text(encoding="utf-8")))


# Specs that are nearly right: most are built from the keys that belong together, some are damaged afterwards.

texts = st.text(max_size=5)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
lists_of_texts = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True)
words = st.sampled_from([*SIMPLE_WORDS, *ARRAY_WORDS, "array", "array[array[object]]", "strin", "array[]"])
flags = st.booleans()


def mapping(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(required, optional=optional)


def long_types(types: st.SearchStrategy[Json], member: dict[str, Any]) -> st.SearchStrategy[Json]:
    common = {"description": texts, "nullable": flags, **member}
    properties = st.dictionaries(texts, types, max_size=2)
    objects = st.sampled_from(["object", "array[object]"])
    return st.one_of(
        mapping({"type": words}, common),
        mapping({"properties": properties}, {"type": objects, **common}),
        mapping({"items": types}, {"type": st.sampled_from(["array", "array[any]", "array[object]"]), **common}),
        mapping({"options": lists_of_texts}, {"type": st.just("string"), "open": flags, **common}),
        mapping({"any_of": st.lists(types | st.none(), min_size=2, max_size=3)}, common),
    )


items: st.SearchStrategy[Json] = st.recursive(words, lambda inner: long_types(inner, {}), max_leaves=3)
outputs = words | long_types(items, {"optional": flags, "reason": texts})

VALUES: dict[str, st.SearchStrategy[Json]] = {
    "default": values,
    "max_length": st.integers(1, 9),
    "options": lists_of_texts,
    "allowed_file_types": st.lists(st.sampled_from(["image", "custom"]), min_size=1, unique=True),
    "allowed_file_extensions": lists_of_texts,
    "allowed_file_upload_methods": st.just(["local_file", "remote_url"]),
    "json_schema": st.sampled_from([{}, {"type": "object"}, '{"type": "object"}', "{", {"type": "string"}]),
    "properties": st.dictionaries(texts, items, max_size=2),
    "label": texts,
    "description": texts,
    "required": flags,
}


def long_inputs(kind: InputKind) -> st.SearchStrategy[Json]:
    required = {"options"} if kind == "select" else set()
    keys = {key: VALUES[key] for key in (*COMMON_KEYS, *INPUT_TRAITS[kind].keys) if key != "type"}
    return mapping(
        {"type": st.just(kind), **{key: keys[key] for key in required}},
        {key: value for key, value in keys.items() if key not in required},
    )


inputs = st.sampled_from(INPUT_KINDS) | st.sampled_from(INPUT_KINDS).flatmap(long_inputs)
specs = mapping(
    {},
    {
        "name": st.sampled_from(["x", "y", "z", "中", " "]),
        "title": texts,
        "description": texts,
        "inputs": st.dictionaries(texts, inputs, max_size=3),
        "outputs": st.dictionaries(texts, outputs, max_size=3),
        "examples": st.lists(
            mapping({}, {"inputs": st.dictionaries(texts, values), "outputs": st.just({})}), max_size=1
        ),
    },
).filter(lambda spec: "inputs" in spec or "outputs" in spec)

chats = mapping(
    {"mode": st.sampled_from(["chatflow", "chat", "agent", "completion", "workflow"])},
    {
        "inputs": st.dictionaries(texts, inputs, max_size=1),
        "variables": st.dictionaries(texts, words | long_types(items, {"initial": values}), max_size=2),
        "tools": lists_of_texts,
        "files": flags
        | mapping({}, {"types": st.just(["image"]), "extensions": lists_of_texts, "max_count": st.just(2)}),
        "opening_statement": texts,
        "suggested_questions": lists_of_texts,
        "suggested_questions_after_answer": flags,
        "speech_to_text": flags,
        "text_to_speech": flags | mapping({}, {"auto_play": flags}),
        "examples": st.lists(mapping({}, {"query": texts, "inputs": st.just({}), "answer": texts}), max_size=1),
    },
)
"""Specs of chat-type apps, many of them with keys of another kind of app."""

junk = st.sampled_from(
    [None, True, 0, 1, 1.5, 48.0, "", "x", "string", "file", [], {}, ["a", "a"], ["a", 1], {"type": "string"}]
).map(copy.deepcopy)
keys = st.sampled_from(
    [
        *ALL_KEYS,
        "items",
        "any_of",
        "open",
        "nullable",
        "optional",
        "reason",
        "name",
        "mode",
        "outputs",
        "initial",
        "xyz",
    ]
)


def places(value: Json) -> list[tuple[Json, Any]]:
    """Every container in a value with each of its keys or indices."""
    found: list[tuple[Json, Any]] = []
    members = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, member in members:
        found.append((value, key))
        found.extend(places(member))
    return found


@st.composite
def damaged_specs(draw: st.DrawFn) -> Json:
    spec = json.loads(json.dumps(draw(specs | chats)))
    for _ in range(draw(st.integers(0, 2))):
        candidates = places(spec)
        if not candidates:
            break
        container, key = draw(st.sampled_from(candidates))
        match draw(st.sampled_from(["replace", "add", "drop"])):
            case "replace":
                container[key] = draw(junk)
            case "add" if isinstance(container, dict):
                container[draw(keys)] = draw(junk | items)
            case "drop" if isinstance(container, dict):
                del container[key]
    return spec


@settings(max_examples=examples(300))
@given(damaged_specs())
def test_the_reader_and_the_schema_agree(spec: Json) -> None:
    reading = read(json.dumps(spec).encode(), "spec.json")
    codes = {found.code for found in reading.diagnostics if found.severity == "error"}
    valid = VALIDATOR.is_valid(spec)
    if not codes:
        assert valid, list(VALIDATOR.iter_errors(spec))
    if valid:
        assert codes <= BEYOND_SCHEMAS, [str(found) for found in reading.diagnostics]
