"""What is read in the exports of the lab, against what a real server answered when they were run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from difygen.model import App, ArrayOf, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.parser import read
from support import LAB
from support.replay import cases, recording

ENDED = ("succeeded", "partial-succeeded")
FILE_MARK = "__dify__file__"
MISUSED = ("defaults_null_c_empty_string", "defaults_null_j_empty_string")
"""Calls that send text for a checkbox and for an object. The server passes it on, and no generated client sends it."""


def runs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Case, workflow and run of every recorded answer that holds a run of an exported workflow."""
    for case in cases():
        found = recording(case)
        app = found.request.get("app")
        if not str(found.request.get("path", "")).endswith("/workflows/run") or not (LAB / f"{app}.yml").exists():
            continue
        for body in found.events if found.is_stream else [_json(found.body)]:
            if body.get("event", "workflow_finished") == "workflow_finished" and "data" in body:
                yield case, str(app), body["data"]


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


RUNS = list(runs())


def workflow(app: str) -> App:
    found = read((LAB / f"{app}.yml").read_bytes(), app).workflow
    assert found is not None
    return found


def fits(value: Any, type_: Type) -> bool:
    """Whether a value is of a type, taken strictly: a Dify number is no text, and a file says that it is one."""
    match type_:
        case UnionOf(members):
            return any(fits(value, each) for each in members)
        case ArrayOf(item):
            return isinstance(value, list) and all(fits(each, item) for each in value)
        case OneOf(values, closed):
            return isinstance(value, str) and (not closed or value in values)
        case ObjectOf(properties):
            return isinstance(value, dict) and all(
                fits(value[each.name], each.type) if each.name in value else not each.required for each in properties
            )
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        Primitive.STRING: isinstance(value, str),
        Primitive.NUMBER: number,
        Primitive.INTEGER: number and isinstance(value, int),
        Primitive.BOOLEAN: isinstance(value, bool),
        Primitive.FILE: isinstance(value, dict) and value.get("dify_model_identity") == FILE_MARK,
        Primitive.NULL: value is None,
        Primitive.ANY: True,
    }[type_]


def test_there_are_runs_of_most_workflows() -> None:
    ended = {app for _, app, run in RUNS if run["status"] in ENDED}
    assert len(RUNS) > 60
    assert ended >= {"concat", "kitchen_sink", "branching", "partial", "iteration", "files", "llm", "defaults_empty"}


@pytest.mark.parametrize(
    ("case", "app", "run"),
    [each for each in RUNS if each[2]["status"] in ENDED and each[0] not in MISUSED],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_recorded_outputs_fit(case: str, app: str, run: dict[str, Any]) -> None:
    declared = {each.name: each for each in workflow(app).outputs}
    outputs = run["outputs"]
    assert set(outputs) <= set(declared)
    for name, output in declared.items():
        if outputs.get(name) is None:
            assert output.optional, name
        else:
            assert fits(outputs[name], output.type), (name, outputs[name], output.type)


def test_runs_show_that_what_is_optional_can_be_missing() -> None:
    """Of the branches, each run gives its own outputs and none of the other's."""
    given = {tuple(sorted(run["outputs"])) for _, app, run in RUNS if app == "branching" and run["status"] in ENDED}
    assert given == {("big_text", "num"), ("small_text",)}
    assert all(each.optional for each in workflow("branching").outputs)


def test_handled_failures_give_the_default_values() -> None:
    statuses = {run["status"] for _, app, run in RUNS if app == "partial"}
    assert statuses == {"partial-succeeded"}
    assert not any(each.optional for each in workflow("partial").outputs)


def test_recorded_nodes_are_those_of_the_definition() -> None:
    """Every node that a stream tells of is one of the workflow's, with its type and title."""
    for case in cases("*_streaming"):
        found = recording(case)
        app = found.request.get("app")
        if app not in {each for _, each, _ in RUNS}:
            continue
        nodes = {each.id: each for each in workflow(app).nodes}
        for event in found.events:
            data = event.get("data", {})
            if event.get("event") == "node_started" and data["node_type"] not in ("iteration-start", "loop-start"):
                node = nodes.get(data["node_id"])
                assert node is not None and (node.type, node.title) == (data["node_type"], data["title"])
