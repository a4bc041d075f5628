"""The table of node types. What each type gives is in tests/cases/dsl/node_*."""

from __future__ import annotations

import pytest
from difygen.model import Primitive
from difygen.parser.dsl.branches import Branch
from difygen.parser.dsl.node_types import NODE_TYPES, NodeType
from support import TESTS
from support.dsl_files import edges, end, export, node, outputs, start


def test_every_node_type_has_a_case() -> None:
    cases = {path.name for path in (TESTS / "cases" / "dsl").glob("node_*")}
    assert {f"node_{name.replace('-', '_')}" for name in NODE_TYPES} <= cases


def test_a_new_node_type_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        NODE_TYPES,
        "brand-new",
        NodeType({"x": Primitive.STRING}, branches=lambda step: [Branch("a", "A"), Branch("b", "B")]),
    )
    nodes = [start(), node("n", "brand-new"), end(out=["n", "x"])]
    found = outputs(export(nodes, edges("start > n", "n:a > end")))["out"]
    assert (found.type, found.reason) == (Primitive.STRING, "only when the branch 'A' of 'N' is taken")
