"""Contracts survive the round trip through JSON, and their hash changes with the meaning alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from difygen.contract import ContractError, canonical, dump, load, meaning_hash, visible
from difygen.model import App, ArrayOf, Edge, Input, ObjectOf, Output, Primitive, Property
from hypothesis import given
from workflow_strategies import workflows

CONCAT = App(
    name="concat",
    source="specs/concat.yaml",
    inputs=(Input(name="string", kind="text-input", max_length=48), Input(name="num", kind="number", default=0)),
    outputs=(Output(name="result", type=Primitive.STRING, selectors=(("code1", "result"),)),),
)


@given(workflows)
def test_a_contract_survives_the_round_trip_through_json(workflow: App) -> None:
    text = canonical(dump(workflow))
    loaded = load(json.loads(text), workflow.source)
    assert loaded == visible(workflow)
    assert canonical(dump(loaded)) == text
    assert text.isascii()


@given(workflows)
def test_the_hash_does_not_depend_on_the_source(workflow: App) -> None:
    assert meaning_hash(workflow) == meaning_hash(replace(workflow, source="elsewhere.yml"))


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONCAT, description="x"),
        replace(CONCAT, inputs=CONCAT.inputs[:1]),
        replace(CONCAT, inputs=(CONCAT.inputs[0], replace(CONCAT.inputs[1], default=None))),
        replace(CONCAT, outputs=(replace(CONCAT.outputs[0], type=ArrayOf(Primitive.STRING)),)),
        replace(CONCAT, outputs=(replace(CONCAT.outputs[0], selectors=()),)),
        replace(CONCAT, edges=(Edge(source="a", target="b"),)),
    ],
)
def test_the_hash_changes_with_the_meaning(changed: App) -> None:
    assert meaning_hash(changed) != meaning_hash(CONCAT)


def test_a_contract_is_short_and_says_only_what_is_unusual() -> None:
    assert dump(CONCAT) == {
        "name": "concat",
        "inputs": [
            {"name": "string", "kind": "text-input", "max_length": 48},
            {"name": "num", "kind": "number", "default": 0},
        ],
        "outputs": [{"name": "result", "type": "string"}],
    }


def test_a_nested_type_is_readable() -> None:
    type_ = ArrayOf(ObjectOf((Property("a", Primitive.INTEGER, required=False),)))
    (output,) = dump(replace(CONCAT, outputs=(Output(name="x", type=type_),)))["outputs"]
    assert output["type"] == {"array": {"object": [{"name": "a", "type": "integer", "required": False}]}}


@pytest.mark.parametrize(
    "contract",
    [None, 1, [], {}, {"name": 1, "inputs": [], "outputs": []}, {"name": "x", "inputs": [{}], "outputs": []}],
)
def test_anything_else_is_refused(contract: object) -> None:
    with pytest.raises(ContractError, match="not a workflow's contract"):
        load(contract)  # type: ignore[arg-type]


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ContractError, match="decimal"):
        load({"name": "x", "inputs": [], "outputs": [{"name": "y", "type": "decimal"}]})
