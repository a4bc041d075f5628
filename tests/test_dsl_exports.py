"""Exports that are broken, hostile or huge: every one gets an answer. What is read in ordinary ones is in
tests/cases/dsl/.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from difygen.diagnostics import has_errors
from difygen.model import Primitive, UnionOf
from difygen.parser import Reading, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import LAB
from support.dsl_files import (
    chain,
    codes,
    edges,
    end,
    export,
    if_else,
    node,
    outputs,
    reading,
    start,
    template,
    variable,
)
from support.examples import examples

EXPORTS = sorted(LAB.glob("*.yml"))
DEMO = chain(start(variable("text")), template("t"), end(out=["t", "output"]))


def the_error(found: Reading) -> str:
    """The one sentence that says why there is no workflow, with its place."""
    assert found.workflow is None
    (error,) = [each for each in found.diagnostics if each.severity == "error"]
    assert error.location.line > 0
    assert error.message.endswith(".") and "\n" not in error.message
    return error.code


def test_an_app_without_a_name_is_called_like_its_file() -> None:
    definition = json.dumps(export([start(), end()], name="  ")).encode()
    for file, name in [("exports/my flow.yml", "my flow"), ("-", "workflow"), ("a\\b.yml", "b")]:
        found = read(definition, file).workflow
        assert found is not None and found.name == name


def test_yaml_and_json_read_alike() -> None:
    as_json, as_yaml = read(json.dumps(DEMO).encode(), "f"), read(yaml.safe_dump(DEMO).encode(), "f")
    assert as_json == as_yaml


def test_values_of_environment_variables_are_nowhere() -> None:
    secret = "sk-51-very-secret"
    environment = [
        {"name": "KEY", "value_type": "secret", "value": secret},
        {"name": "B", "value_type": secret, "value": secret},
    ]
    nodes = [
        start(),
        node("h", "http-request", headers=secret),
        end(out=["env", "KEY"], b=["env", "B"], c=["env", "C"]),
    ]
    found = reading(export(nodes, edges("start > h > end"), environment_variables=environment))
    assert secret not in repr(found)


# --- broken files ---

HOSTILE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    [],
    {},
    [None],
    [[]],
    {"a": {}},
    "{node}",
    "\0",
    ["x", "y"],
    {"": None},
]


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    """A real export in which some values have been replaced, removed or moved."""
    definition: dict[str, Any] = deepcopy(PARSED[draw(st.integers(0, len(PARSED) - 1))])
    places = [(parent, key) for parent, key in _places(definition)]
    for _ in range(draw(st.integers(1, 6))):
        parent, key = places[draw(st.integers(0, len(places) - 1))]
        other, from_ = places[draw(st.integers(0, len(places) - 1))]
        choice = draw(st.integers(0, 3))
        if choice == 0 and isinstance(parent, dict):
            parent.pop(key, None)
        elif choice == 1 and _has(parent, key) and _has(other, from_):
            parent[key] = deepcopy(other[from_])
        elif _has(parent, key):
            parent[key] = draw(st.sampled_from(HOSTILE))
    return definition


def _has(parent: Any, key: Any) -> bool:
    return key in parent if isinstance(parent, dict) else key < len(parent)


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        pairs = each.items() if isinstance(each, dict) else enumerate(each) if isinstance(each, list) else ()
        for key, child in pairs:
            if key not in ("position", "positionAbsolute", "features", "viewport"):
                found.append((each, key))
                waiting.append(child)
    return found


PARSED = [yaml.safe_load(path.read_text("utf-8")) for path in EXPORTS]


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(broken())
def test_broken_exports_get_an_answer(definition: dict[str, Any]) -> None:
    found = reading(definition)
    assert (found.workflow is None) is has_errors(found.diagnostics)
    if found.workflow is not None:
        names = [each.name for each in found.workflow.outputs]
        assert len(names) == len(set(names))
        for output in found.workflow.outputs:
            assert output.optional is bool(output.reason)
            assert output.type is not Primitive.NULL
            assert not isinstance(output.type, UnionOf) or Primitive.NULL not in output.type.members


def test_hostile_names_and_titles_stay_within_their_sentence() -> None:
    evil = 'x"""\n\x1b[2J`{node}`\u202e' + "y" * 300
    nodes = [start(variable(evil, "colour"), variable(evil, required=False)), node(evil, "tool", title=evil)]
    nodes += [end(a=[evil, evil], b=[evil, "json", evil], c=["start", evil], d=[evil, "text", evil])]
    found = reading(export(nodes, edges("start > end")))
    assert found.workflow is not None
    for text in [each.message for each in found.diagnostics] + [each.reason for each in found.workflow.outputs]:
        assert text.isprintable() and len(text) < 500, text


def test_long_chains_end_in_a_warning() -> None:
    count = 3_000
    nodes = [start(variable("n0"))]
    nodes += [node(f"n{i}", "variable-aggregator", variables=[[f"n{i - 1}", "output"]]) for i in range(1, count)]
    definition = chain(*nodes, end(out=[f"n{count - 1}", "output"]))
    assert codes(definition) == ["selector-chain-too-long"]


def test_types_that_double_with_every_step_are_cut_short() -> None:
    nodes = [start(variable("n", "number"))]
    last: list[list[str]] = [["start", "n"], ["sys", "files"]]
    for step in range(40):
        groups = [{"group_name": "a", "variables": last}, {"group_name": "b", "variables": last[:1]}]
        settings_ = {"group_enabled": True, "groups": groups}
        nodes.append(node(f"n{step}", "variable-aggregator", advanced_settings=settings_))
        last = [[f"n{step}", "a"], [f"n{step}", "b"]]
    definition = chain(*nodes, end(out=last[0]))
    assert codes(definition) == ["type-too-large"]


def test_ten_thousand_nodes() -> None:
    """Branch after branch, each with an output: more runs than anybody could play through."""
    nodes, ways, selectors = [start()], ["start > n0"], {}
    for step in range(5_000):
        nodes += [if_else(f"n{step}"), template(f"t{step}")]
        ways += [f"n{step}:true > t{step} > n{step + 1}", f"n{step}:false > n{step + 1}"]
        selectors[f"o{step}"] = [f"t{step}", "output"]
    nodes += [template("n5000"), end(last=["n5000", "output"], **selectors)]
    found = outputs(export(nodes, edges(*ways, "n5000 > end")))
    assert len(found) == 5_001
    assert not found["last"].optional
    assert found["o7"].reason == "only when the branch 'IF' of 'N7' is taken"


def test_more_nodes_than_are_looked_at_one_by_one() -> None:
    nodes = [start(), if_else("check"), *(template(f"t{step}") for step in range(25_000)), end(out=["t9", "output"])]
    ways = ["start > check", "check:true > t0", *(f"t{step} > t{step + 1}" for step in range(24_999)), "t24999 > end"]
    assert outputs(export(nodes, edges(*ways)))["out"].optional


def test_thousands_of_warnings_in_a_large_file() -> None:
    selectors = {f"o{step}": ["gone", "x"] for step in range(20_000)}
    found = reading(chain(start(), end(**selectors)))
    assert len(found.diagnostics) == 20_000
    assert all(each.location.line == 1 for each in found.diagnostics)


def test_deeply_nested_schemas() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(30):
        schema = {"type": "object", "properties": {"a": schema}}
    model = node("m", "llm", structured_output_enabled=True, structured_output={"schema": schema})
    assert codes(chain(start(), model, end(out=["m", "structured_output"]))) == []
    text = '{"a":' * 5_000 + "1" + "}" * 5_000
    model = node("m", "llm", structured_output_enabled=True, structured_output={"schema": text})
    assert outputs(chain(start(), model, end(out=["m", "structured_output"])))["out"].optional


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_lab_exports_have_no_surprises(path: Path) -> None:
    found = read(path.read_bytes(), path.name)
    if found.workflow is None:
        assert the_error(found) == "unsupported-mode"
    else:
        assert {each.code for each in found.diagnostics} <= {"default-not-usable", "form-not-delivered"}
        assert all(each.type is not Primitive.ANY for each in found.workflow.outputs)
