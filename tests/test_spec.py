"""The spec, from its text to a workflow, and from its mistakes to messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from difygen.model import (
    App,
    ArrayOf,
    Input,
    JsonValue,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Type,
    UnionOf,
)
from difygen.parser import Reading, read
from hypothesis import example, given
from hypothesis import strategies as st
from support import ROOT

SPECS = sorted((ROOT / "specs").glob("*.yaml"))


def workflow_of(text: str, file: str = "spec.yaml") -> App:
    reading = read(text.encode(), file)
    assert reading.diagnostics == ()
    assert reading.workflow is not None
    return reading.workflow


def input_of(text: str) -> Input:
    return workflow_of(f"inputs: {{x: {text}}}").inputs[0]


def output_of(text: str) -> Output:
    return workflow_of(f"outputs: {{x: {text}}}").outputs[0]


def complaint(text: str, file: str = "spec.yaml") -> str:
    """The one thing that is wrong with a spec."""
    reading = read(text.encode(), file)
    assert reading.workflow is None
    [found] = reading.diagnostics
    return str(found)


def test_the_first_spec_reads_as_the_design_shows_it() -> None:
    path = ROOT / "specs" / "concat.yaml"
    assert read(path.read_bytes(), "specs/concat.yaml") == Reading(
        App(
            name="concat",
            source="specs/concat.yaml",
            title="字段拼接",
            description="Joins three inputs into one string.",
            inputs=(
                Input(name="string", kind="text-input", label="文本", max_length=48),
                Input(name="num", kind="number"),
                Input(name="list", kind="select", options=("list_a", "list_b", "list_c")),
            ),
            outputs=(Output(name="result", type=Primitive.STRING),),
        )
    )


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_specs_of_the_repository_have_no_mistakes(path: Path) -> None:
    reading = read(path.read_bytes(), path.name)
    assert reading.diagnostics == ()
    assert reading.workflow is not None
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=difygen.schema.json\n")


# Inputs


@pytest.mark.parametrize("kind", ["text-input", "paragraph", "number", "checkbox", "file", "file-list", "json_object"])
def test_an_input_may_be_its_type_alone(kind: str) -> None:
    assert input_of(kind) == input_of(f"{{type: {kind}}}") == Input(name="x", kind=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{type: text-input, label: 文本, description: d}", Input(name="x", kind="text-input", label="文本", description="d")),
        ("{type: paragraph, max_length: 9, required: false}", Input(name="x", kind="paragraph", max_length=9, required=False)),
        ("{type: text-input, default: ''}", Input(name="x", kind="text-input", default="", required=False)),
        ("{type: text-input, default: a, required: true}", Input(name="x", kind="text-input", default="a")),
        ("{type: number, default: 0}", Input(name="x", kind="number", default=0, required=False)),
        ("{type: number, default: -1.5}", Input(name="x", kind="number", default=-1.5, required=False)),
        ("{type: checkbox, default: no}", Input(name="x", kind="checkbox", default=False, required=False)),
        ("{type: select, options: ['yes', \"1\", '']}", Input(name="x", kind="select", options=("yes", "1", ""))),
        (
            "{type: select, options: [a, b], default: b}",
            Input(name="x", kind="select", options=("a", "b"), default="b", required=False),
        ),
        (
            "{type: file, allowed_file_types: [image], allowed_file_upload_methods: [remote_url]}",
            Input(name="x", kind="file", allowed_file_types=("image",), allowed_file_upload_methods=("remote_url",)),
        ),
        (
            "{type: file-list, allowed_file_types: [custom], allowed_file_extensions: [.eml], max_length: 3}",
            Input(
                name="x",
                kind="file-list",
                allowed_file_types=("custom",),
                allowed_file_extensions=(".eml",),
                max_length=3,
            ),
        ),
        (
            "{type: json_object, default: {a: [1, null]}}",
            Input(name="x", kind="json_object", default={"a": [1, None]}, required=False),
        ),
    ],
)  # fmt: skip
def test_long_forms_of_inputs(text: str, expected: Input) -> None:
    assert input_of(text) == expected


POINT = ObjectOf((Property("a", Primitive.STRING), Property("b", Primitive.NUMBER, required=False)))
SCHEMA = '{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}, "required": ["a"]}'


@pytest.mark.parametrize(
    "text", [f"{{json_schema: {SCHEMA}", f"{{json_schema: '{SCHEMA}'", "{properties: {a: string, b: {type: number, optional: true}}"]
)  # fmt: skip
def test_the_shape_of_an_object_is_a_schema_or_its_text_or_properties(text: str) -> None:
    assert input_of(f"{text}, type: json_object}}").type == POINT


@pytest.mark.parametrize(
    "schema", ["{}", "{$ref: 'https://example.com/x'}", "{anyOf: [{type: object}, {type: 'null'}]}"]
)
def test_a_schema_that_says_little_leaves_the_object_open(schema: str) -> None:
    assert input_of(f"{{type: json_object, json_schema: {schema}}}").type is None


def test_names_are_taken_as_they_are() -> None:
    names = ["class", "中文", "🎉", "1", "yes", "null", " a b ", "", 'quo"te', "__proto__"]
    inputs = json.dumps(dict.fromkeys(names, "number"))
    assert [input_.name for input_ in workflow_of(f'{{"inputs": {inputs}}}').inputs] == names
    assert [input_.name for input_ in workflow_of("inputs: {1: number, yes: number, ~: number}").inputs] == [
        "1",
        "yes",
        "~",
    ]


# Outputs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string", Primitive.STRING),
        ("number", Primitive.NUMBER),
        ("integer", Primitive.INTEGER),
        ("boolean", Primitive.BOOLEAN),
        ("object", ObjectOf()),
        ("file", Primitive.FILE),
        ("any", Primitive.ANY),
        ("array", ArrayOf(Primitive.ANY)),
        ("'array[string]'", ArrayOf(Primitive.STRING)),
        ("'array[array[file]]'", ArrayOf(ArrayOf(Primitive.FILE))),
        ("{type: integer}", Primitive.INTEGER),
        ("{type: string, nullable: true}", UnionOf((Primitive.STRING, Primitive.NULL))),
        ("{type: object, properties: {a: string, b: {type: number, optional: true}}}", POINT),
        ("{properties: {a: string, b: {type: number, optional: true}}}", POINT),
        ("{type: 'array[array[object]]', properties: {a: string, b: {type: number, optional: true}}}", ArrayOf(ArrayOf(POINT))),
        ("{type: array, items: {properties: {a: string, b: {type: number, optional: true}}}}", ArrayOf(POINT)),
        ("{type: 'array[object]', items: {type: object, description: d}}", ArrayOf(ObjectOf(description="d"))),
        ("{items: {items: string}}", ArrayOf(ArrayOf(Primitive.STRING))),
        ("{type: string, options: [a, b]}", OneOf(("a", "b"))),
        ("{options: [a, b], open: true}", OneOf(("a", "b"), closed=False)),
        ("{any_of: [string, number]}", UnionOf((Primitive.STRING, Primitive.NUMBER))),
        ("{any_of: [null, string, {any_of: [string, 'null']}]}", UnionOf((Primitive.NULL, Primitive.STRING))),
        ("{any_of: [string, any]}", Primitive.ANY),
        ("{any_of: [null, 'null']}", Primitive.ANY),
        (
            "{properties: {p: {type: object, description: d, nullable: true}}}",
            ObjectOf((Property("p", UnionOf((ObjectOf(description="d"), Primitive.NULL)), description="d"),)),
        ),
    ],
)  # fmt: skip
def test_types_of_outputs(text: str, expected: Type) -> None:
    assert output_of(text) == Output(name="x", type=expected)


def test_an_output_may_be_missing_for_a_reason() -> None:
    assert output_of("{type: string, optional: true, reason: r, description: d}") == Output(
        name="x", type=Primitive.STRING, optional=True, reason="r", description="d"
    )


# Names of workflows


@pytest.mark.parametrize(
    ("file", "name"),
    [("concat.yaml", "concat"), ("a/b.c.yml", "b.c"), ("a\\b.yaml", "b"), ("x/字段", "字段"), (".yaml", ".yaml")],
)
def test_without_a_name_the_file_gives_it(file: str, name: str) -> None:
    workflow = workflow_of("inputs: {}", file)
    assert (workflow.name, workflow.source) == (name, file)


def test_standard_input_gives_no_name() -> None:
    assert complaint("inputs: {}", "-") == (
        "-:1:1: error: The spec has no `name`, and there is no file name to take it from. [missing-key]"
    )
    assert workflow_of("name: x\ninputs: {}", "-").name == "x"


# What is no spec


def test_a_file_of_another_kind_is_said_to_be_one() -> None:
    assert complaint("openapi: 3.1.0\npaths: {}") == (
        "spec.yaml:1:1: error: This is neither a spec (with `inputs` and `outputs`) nor a file that Dify exported "
        "(with `app` and `workflow`). [unknown-format]"
    )


def test_a_spec_with_a_mistyped_key_is_still_known_for_one() -> None:
    assert complaint("ouputs: {x: string}") == (
        "spec.yaml:1:1: error: `ouputs` is not a key of a spec. [unknown-key]\n    hint: Did you mean `outputs`?"
    )


def test_a_repeated_key_is_reported_beside_the_other_mistakes() -> None:
    reading = read(b"inputs:\n  a: number\n  a: numbr\n", "spec.yaml")
    assert [found.code for found in reading.diagnostics] == ["repeated-key", "unknown-type"]
    assert reading.workflow is None


def test_the_answer_of_the_console_is_opened() -> None:
    answer = json.dumps({"data": "inputs: {a: number}"}).encode()
    reading = read(answer, "exports/answer.json")
    assert reading.workflow == App(
        name="answer", source="exports/answer.json", inputs=(Input(name="a", kind="number"),)
    )


def test_places_in_the_answer_of_the_console_are_those_of_the_text_within() -> None:
    assert complaint(json.dumps({"data": "inputs:\n  a: numbr"}), "answer.json") == (
        "answer.json#data:2:6: error: `numbr` is not an input type. [unknown-type]\n"
        "    hint: Did you mean `number`? Lines are counted within the text of `data`."
    )


# Whatever comes in


JUNK: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["string", "number", "select", "json_object", "array[object]", "array", "object", "a", ""])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                "name",
                "inputs",
                "outputs",
                "examples",
                "type",
                "options",
                "items",
                "properties",
                "any_of",
                "nullable",
                "default",
                "json_schema",
                "max_length",
                "a",
            ]
        )
        | st.text(max_size=3),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(["name", "inputs", "outputs", "examples", "title"]), JUNK, min_size=1))
@example({"inputs": {"x": {"type": "select", "options": [["a"], {}]}}})
@example({"outputs": {"x": {"any_of": [{"any_of": []}, {"items": {"properties": []}}]}}})
def test_no_structure_makes_it_raise(root: JsonValue) -> None:
    reading = read(json.dumps(root).encode(), "spec.json")
    assert (reading.workflow is None) == any(found.severity == "error" for found in reading.diagnostics)
    for found in reading.diagnostics:
        assert found.location.file == "spec.json"
        assert found.message.endswith(".")
        assert f"{found.message}{found.hint}".isprintable()


TEXT = (ROOT / "specs" / "invoice.yaml").read_text(encoding="utf-8")


@given(st.data())
def test_no_damage_to_a_good_spec_makes_it_raise(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(start, min(len(TEXT), start + 40)))
    damaged = TEXT[:start] + data.draw(st.text(max_size=6)) + TEXT[end:]
    reading = read(damaged.encode(errors="surrogatepass"), "spec.yaml")
    assert (reading.workflow is None) == any(found.severity == "error" for found in reading.diagnostics)


@given(st.binary(max_size=100))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    reading = read(data, "spec.yaml")
    assert reading.workflow is None or reading.workflow.name == "spec"


def test_deep_types_are_refused_and_not_followed() -> None:
    type_: JsonValue = "string"
    for _ in range(40):
        type_ = {"items": type_}
    assert "Types may be nested at most 32 levels deep. [too-deep]" in complaint(json.dumps({"outputs": {"x": type_}}))


def test_a_hint_does_not_list_a_hundred_words() -> None:
    text = complaint(
        f"inputs: {{a: {{type: select, options: [{', '.join(f'o{n}' for n in range(100))}], default: zz}}}}"
    )
    assert text.endswith("hint: Known are " + "".join(f"`o{n}`, " for n in range(15))[:-2] + " and 85 more.")
