"""Contracts survive the round trip through JSON."""

from __future__ import annotations

import json

import pytest
from difygen.definitions.lockfile import locked_contract
from difygen.model import App, ArrayOf, Input, ObjectOf, Output, Primitive, Property
from difygen.model_json import ContractError, dump, load
from difygen.record import replace
from hypothesis import given
from support.workflow_strategies import workflows

CONCAT = App(
    name="concat",
    source="specs/concat.yaml",
    inputs=(Input(name="string", kind="text-input", max_length=48), Input(name="num", kind="number", default=0)),
    outputs=(Output(name="result", type=Primitive.STRING, selectors=(("code1", "result"),)),),
)


@given(workflows)
def test_a_contract_survives_the_round_trip_through_json(workflow: App) -> None:
    text = locked_contract(dump(workflow)).text
    loaded = load(json.loads(text), workflow.source)
    outputs = tuple(replace(output, selectors=()) for output in workflow.outputs)
    visible = replace(workflow, outputs=outputs, edges=(), examples=())  # without what callers cannot see
    assert loaded == visible
    assert locked_contract(dump(loaded)).text == text
    assert text.encode().decode() == text, "it can be written, whatever the texts hold"


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
