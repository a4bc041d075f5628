"""Inputs from the start node: what callers send, what of a variable counts, and which defaults are of use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from difygen.model import ArrayOf, Input, JsonValue, ObjectOf, Primitive, Property
from difygen.parser import read
from difygen.type_algebra import union
from support.dsl_files import chain, codes, end, outputs, reading, start, variable, workflow

LEFTOVERS: dict[str, Any] = {
    "max_length": 48,
    "options": [],
    "default": "",
    "allowed_file_types": ["image"],
    "allowed_file_extensions": [".a"],
    "allowed_file_upload_methods": ["local_file"],
    "json_schema": "",
}


def one(kind: str, **keys: Any) -> Input:
    (found,) = workflow(chain(start(variable("v", kind, **keys)), end())).inputs
    return found


def seen(kind: str, **keys: Any) -> Any:
    return outputs(chain(start(variable("v", kind, **keys)), end(out=["start", "v"])))["out"]


@pytest.mark.parametrize(
    "kind", ["text-input", "paragraph", "select", "number", "checkbox", "file", "file-list", "json_object"]
)
def test_all_types(kind: str) -> None:
    found = one(kind, options=["a"])
    assert (found.name, found.kind, found.required, found.label) == ("v", kind, True, "v")


def test_what_belongs_to_other_types_is_ignored() -> None:
    number = one("number", **LEFTOVERS)
    assert number == Input(name="v", kind="number", label="v")
    text = one("text-input", **{**LEFTOVERS, "options": ["x"]})
    assert text == Input(name="v", kind="text-input", label="v", max_length=48)


@pytest.mark.parametrize(
    ("written", "limit"),
    [(48, 48), ("48", 48), (None, None), (0, None), ("", None), (-1, None), (1.5, None), (True, None), ("many", None)],
)
def test_limits_may_be_text_or_nothing(written: JsonValue, limit: int | None) -> None:
    assert one("paragraph", max_length=written).max_length == limit
    assert one("file-list", max_length=written).max_length == limit


def test_file_limits_are_kept() -> None:
    found = one("file", **LEFTOVERS)
    assert (found.allowed_file_types, found.allowed_file_extensions) == (("image",), (".a",))
    assert found.allowed_file_upload_methods == ("local_file",)
    assert found.max_length is None


def test_options_are_text_and_named_once() -> None:
    found = one("select", options=["a", 1, True, " b ", "a", "", "", 2.5])
    assert found.options == ("a", "1", "True", " b ", "", "2.5")


def test_what_the_form_says_becomes_the_description() -> None:
    found = one("number", label="Weight", hint="Of the parcel", unit="kg", placeholder="12", description=None)
    assert found.label == "Weight"
    assert found.description == "Of the parcel\nIn kg.\nFor example: 12"


def test_hidden_inputs_are_inputs() -> None:
    assert one("text-input", hide=True, required=False).name == "v"


def test_the_order_is_that_of_the_file() -> None:
    definition = chain(start(variable("b"), variable("a"), variable("c")), end())
    assert [each.name for each in workflow(definition).inputs] == ["b", "a", "c"]


@pytest.mark.parametrize("as_text", [True, False])
def test_json_schemas_may_be_mappings_or_text(as_text: bool) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    found = one("json_object", json_schema=json.dumps(schema) if as_text else schema)
    assert found.type == ObjectOf((Property("n", Primitive.INTEGER),))


@pytest.mark.parametrize("schema", ["", "  ", "{", "[1]", None, [], {}, {"type": "string"}])
def test_without_a_schema_of_an_object_anything_goes(schema: JsonValue) -> None:
    assert one("json_object", json_schema=schema).type is None


def test_required_is_false_unless_said() -> None:
    definition = chain(start({"variable": "v", "type": "text-input", "label": "v"}), end())
    assert not workflow(definition).inputs[0].required


# --- variables that are no inputs ---


def test_external_data_is_no_input() -> None:
    definition = chain(start(variable("v", "external_data_tool"), variable("w")), end())
    assert [each.name for each in workflow(definition).inputs] == ["w"]
    assert codes(definition) == ["input-not-sent"]


def test_types_that_nobody_knows_are_left_out_with_a_warning() -> None:
    definition = chain(start(variable("v", "colour")), end())
    assert workflow(definition).inputs == ()
    assert codes(definition) == ["unknown-input-type"]


def test_the_last_of_two_inputs_with_one_name_counts() -> None:
    definition = chain(start(variable("v"), variable("v", "number")), end())
    assert [each.kind for each in workflow(definition).inputs] == ["number"]
    assert codes(definition) == ["repeated-input"]


def test_selects_without_options_are_warned_of() -> None:
    assert codes(chain(start(variable("v", "select", options=None)), end())) == ["select-without-options"]


# --- defaults, judged as a server does ---


@pytest.mark.parametrize(
    ("kind", "written", "default"),
    [
        ("text-input", "hello", "hello"),
        ("text-input", "", ""),
        ("paragraph", "", ""),
        ("select", "a", "a"),
        ("number", 5, 5),
        ("number", 5.0, 5.0),
        ("number", "5", 5),
        ("number", " 7 ", 7),
        ("number", "3.50", 3.5),
        ("number", "1.5e3", 1500.0),
        ("number", "", None),
        ("number", "  ", None),
        ("checkbox", True, True),
        ("checkbox", False, False),
        ("checkbox", "Yes", True),
        ("checkbox", 0, False),
        ("json_object", {"a": 1}, {"a": 1}),
        ("file", "", None),
        ("file-list", [], None),
        ("text-input", None, None),
    ],
)
def test_usable_defaults_have_their_json_type(kind: str, written: JsonValue, default: JsonValue) -> None:
    definition = chain(start(variable("v", kind, required=False, default=written, options=["a"])), end())
    (found,) = workflow(definition).inputs
    assert found.default == default
    assert type(found.default) is type(default)
    assert not found.required
    assert codes(definition) == []


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("select", ""),
        ("select", "b"),
        ("select", 1),
        ("text-input", 5),
        ("text-input", "x" * 11),
        ("number", "many"),
        ("number", "1e5"),
        ("number", [1]),
        ("checkbox", {"a": 1}),
        ("json_object", "text"),
    ],
)
def test_an_input_whose_default_the_server_refuses_must_be_sent(kind: str, written: JsonValue) -> None:
    """Leaving out an optional select with `default: ''` is answered with HTTP 400 (seen on 1.12.1)."""
    definition = chain(start(variable("v", kind, required=False, default=written, options=["a"], max_length=10)), end())
    (found,) = workflow(definition).inputs
    assert (found.default, found.required) == (None, True)
    assert codes(definition) == ["default-not-usable"]


@pytest.mark.parametrize(
    ("kind", "written"), [("checkbox", ""), ("checkbox", 2), ("json_object", ""), ("number", True)]
)
def test_defaults_that_the_server_passes_on_are_not_sent(kind: str, written: JsonValue) -> None:
    definition = chain(start(variable("v", kind, required=False, default=written)), end())
    (found,) = workflow(definition).inputs
    assert (found.default, found.required) == (None, False)
    assert codes(definition) == ["default-not-usable"]


def test_files_in_a_definition_are_no_defaults() -> None:
    file = {"fileId": "1", "transferMethod": "local_file", "uploadedId": "2"}
    definition = chain(start(variable("v", "file", required=False, default=file)), end())
    assert workflow(definition).inputs[0].default is None
    assert codes(definition) == ["default-not-usable"]


def test_required_inputs_have_no_default() -> None:
    """The server wants them sent even so (seen on 1.12.1)."""
    found = one("text-input", default="hello")
    assert (found.required, found.default) == (True, None)


def test_a_default_of_a_required_input_is_not_judged() -> None:
    assert codes(chain(start(variable("v", "select", options=["a"], default="")), end())) == []


def test_the_place_of_a_bad_default_is_said() -> None:
    text = json.dumps(
        chain(start(variable("v", "select", required=False, options=["a"], default="b")), end()), indent=1
    )
    (found,) = read(text.encode(), "demo.json").diagnostics
    assert text.splitlines()[found.location.line - 1].strip() == '"default": "b"'


# --- what nodes see of inputs ---


def test_inputs_that_are_always_there_give_outputs_that_are() -> None:
    assert not seen("text-input").optional
    assert not seen("number", required=False, default="5").optional
    assert not seen("text-input", required=False, default="").optional


def test_inputs_that_may_be_left_out_give_outputs_that_may_be_null() -> None:
    found = seen("number", required=False)
    assert (found.optional, found.reason) == (True, "null when the input 'v' is left out")
    assert seen("number", required=False, default="").optional


def test_empty_text_comes_through_where_the_server_lets_it() -> None:
    """`default: ''` of a checkbox or an object reaches the run as text (seen on 1.12.1)."""
    assert seen("checkbox", required=False, default="").type == union(Primitive.BOOLEAN, Primitive.STRING)
    assert seen("json_object", required=False, default="").type == union(ObjectOf(), Primitive.STRING)


def test_files_come_through_as_files() -> None:
    assert seen("file").type is Primitive.FILE
    assert seen("file-list").type == ArrayOf(Primitive.FILE)


def test_diagnostics_come_all_at_once() -> None:
    definition = chain(
        start(variable("a", "colour"), variable("b", "select", options=["x"], required=False, default="y")),
        end(out=["gone", "x"]),
    )
    assert [each.code for each in reading(definition).diagnostics] == [
        "unknown-input-type",
        "default-not-usable",
        "missing-node",
    ]
