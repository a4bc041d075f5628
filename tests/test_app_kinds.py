"""The table of kinds of app: every mode has its row, and what a row says is what the commands do."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from difygen.model import APP_KINDS, APP_MODES, App, AppMode
from support import ROOT
from support.projects import difygen


def test_every_mode_of_dify_is_of_one_kind() -> None:
    assert list(APP_MODES) != [] and APP_KINDS.keys() == set(APP_MODES)
    kinds = {id(kind) for kind in APP_KINDS.values()}
    assert len({kind.name for kind in APP_KINDS.values()}) == len(kinds)
    assert all(mode in kind.modes for mode, kind in APP_KINDS.items())


@pytest.mark.parametrize("mode", APP_MODES)
def test_an_app_knows_its_kind(mode: AppMode) -> None:
    assert mode in App(name="a", source="a.yml", mode=mode).kind.modes


def test_the_runtime_has_a_class_for_every_event_and_a_kind_for_every_class() -> None:
    """But for what releases before 1.12 sent alone."""
    known = {event for kind in APP_KINDS.values() for event in kind.events}
    tree = ast.parse((ROOT / "templates" / "runtime" / "_payloads.py").read_text("utf-8"))
    (table,) = (
        each.value
        for each in tree.body
        if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == "EVENT_TYPES"
    )
    assert isinstance(table, ast.Dict)
    typed = {each.value for each in table.keys if isinstance(each, ast.Constant)}
    assert known == typed - {"parallel_branch_started", "parallel_branch_finished", "text_replace"}
    for kind in APP_KINDS.values():
        assert len(set(kind.events)) == len(kind.events)
        assert {*kind.terminal_events} <= {*kind.events}


@pytest.mark.parametrize("mode", APP_MODES)
def test_an_app_of_each_kind_gets_a_client(mode: AppMode, tmp_path: Path) -> None:
    kind = APP_KINDS[mode]
    nodes = [
        {"id": f"n{number}", "data": {"type": type_, "title": type_}}
        for number, type_ in enumerate(("start", *kind.terminal_nodes))
    ]
    graph = {"nodes": nodes, "edges": [{"source": "n0", "target": "n1"}]}
    body = {"workflow": {"graph": graph}} if kind.terminal_nodes else {"model_config": {"user_input_form": []}}
    export = tmp_path / "app.json"
    export.write_text(json.dumps({"app": {"name": "a", "mode": mode}, "kind": "app", "version": "0.6.0", **body}))
    ran = difygen(str(export), "-o", str(tmp_path / "client"))
    assert (ran.code, ran.err) == (0, "")
    module = (tmp_path / "client" / "a.py").read_text("utf-8")
    for verb in kind.verbs:
        assert f'{verb}_a = as_function(_client.{verb}, "{verb}_a")' in module
    assert f"class AClient({kind.client}[AInputs" in module
