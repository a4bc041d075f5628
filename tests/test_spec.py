"""The spec: what its file has to say, and whatever comes in. What is read in specs, mistakes included, is in
tests/cases/spec/.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from difygen.model import (
    App,
    Input,
    JsonValue,
    Output,
    Primitive,
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
