"""Runs of whole graphs on the mock: branches, iterations, loops, retries, failures that are coped with, templates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from difygen.testing import MockDify, mock_dify
from support import LAB
from support.mock_player import events_of

HTTP = httpx.Client(timeout=60, trust_env=False, verify=False)


def post(dify: MockDify, inputs: Mapping[str, Any], mode: str = "blocking", fault: str = "") -> httpx.Response:
    body = {"inputs": inputs, "response_mode": mode, "user": "u"}
    headers = {"Authorization": f"Bearer {dify.api_key}", "X-Mock-Fault": fault}
    return HTTP.post(f"{dify.base_url}/workflows/run", json=body, headers=headers)


def outputs(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["outputs"]


def events_by_node(dify: MockDify, inputs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    events = events_of(post(dify, inputs, "streaming").content)
    return [(event["event"], event["data"].get("node_id")) for event in events if event["event"] != "text_chunk"]


def test_the_branch_that_the_inputs_ask_for_is_taken() -> None:
    with mock_dify(LAB / "branching.yml") as dify:
        assert outputs(post(dify, {"num": 11})) == {"big_text": "big 11", "num": 11}
        assert outputs(post(dify, {"num": 1})) == {"small_text": "small 1"}
        assert ("node_started", "tpl_big") not in events_by_node(dify, {"num": 1})


def test_outputs_of_a_handler_choose_how_often_an_iteration_goes_round() -> None:
    with mock_dify(LAB / "iteration.yml", handler=lambda inputs: {"output": ["x"] * inputs["count"]}) as dify:
        rounds = [name for name, _ in events_by_node(dify, {"count": 4}) if name == "iteration_next"]
        assert len(rounds) == 4
        assert outputs(post(dify, {"count": 4})) == {"output": ["x"] * 4}
        assert not [name for name, _ in events_by_node(dify, {"count": 0}) if name.startswith("iteration")]


def test_retries_come_before_the_failure() -> None:
    with mock_dify(LAB / "retry.yml") as dify:
        events = events_of(post(dify, {"string": "x"}, "streaming", fault="failed").content)
        assert [event["data"]["retry_index"] for event in events if event["event"] == "node_retry"] == [1, 2]
        assert events[-1]["data"]["total_steps"] == 4


LOOP = """
app: {mode: workflow, name: looping}
kind: app
version: 0.5.0
workflow:
  features: {}
  graph:
    nodes:
    - {id: start1, data: {type: start, title: Start, variables: []}}
    - id: loop1
      data: {type: loop, title: Loop, loop_count: 10, start_node_id: ls, loop_variables: [{label: n, var_type: number}]}
    - {id: ls, parentId: loop1, data: {type: loop-start, title: '', isInLoop: true}}
    - id: inner
      parentId: loop1
      data: {type: http-request, title: Ask, isInLoop: true, loop_id: loop1}
    - id: end1
      data: {type: end, title: End, outputs: [{variable: n, value_selector: [loop1, n], value_type: number}]}
    edges:
    - {id: a, source: start1, sourceHandle: source, target: loop1, targetHandle: target}
    - {id: b, source: ls, sourceHandle: source, target: inner, targetHandle: target}
    - {id: c, source: loop1, sourceHandle: source, target: end1, targetHandle: target}
"""


def test_a_loop_tells_of_its_rounds(tmp_path: Path) -> None:
    (tmp_path / "looping.yml").write_text(LOOP, "utf-8")
    with mock_dify(tmp_path) as dify:
        events = events_of(post(dify, {}, "streaming").content)
    told = [event for event in events if event["event"].startswith("loop_") or event["data"].get("node_id") == "inner"]
    round_ = ["loop_next", "node_started", "node_finished"]
    assert [event["event"] for event in told] == ["loop_started", *round_, *round_, "loop_completed"]
    assert [event["data"]["index"] for event in told if event["event"] == "loop_next"] == [1, 2]
    assert {event["data"]["loop_id"] for event in told if "loop_id" in event["data"]} == {"loop1"}
    assert {event["data"]["id"] for event in told if event["event"].startswith("loop_")} == {"loop1"}
    assert events[-1]["data"]["total_steps"] == 3


GRAPH = """
app: {{mode: workflow, name: graph}}
kind: app
version: 0.5.0
workflow:
  features: {{}}
  graph:
    nodes:
    - id: start1
      data: {{type: start, title: Start, variables: [{{variable: items, label: items, type: file-list}}]}}
{nodes}
    edges:
{edges}
"""


def graph(tmp_path: Path, nodes: list[str], edges: list[tuple[str, str, str]]) -> Path:
    """An export with these nodes, and edges as (source, branch, target)."""
    rows = [f"    - {{id: e{n}, source: {a}, sourceHandle: {b}, target: {c}}}" for n, (a, b, c) in enumerate(edges)]
    path = tmp_path / "graph.yml"
    path.write_text(GRAPH.format(nodes="\n".join(f"    - {node}" for node in nodes), edges="\n".join(rows)), "utf-8")
    return path


def end(name: str, *selector: str) -> str:
    value = ", ".join(selector)
    output = f"{{variable: {name}, value_selector: [{value}]}}"
    return f"{{id: end_{name}, data: {{type: end, title: End, outputs: [{output}]}}}}"


FAILABLE = "{id: web, data: {type: http-request, title: Ask, error_strategy: fail-branch}}"
FAILABLE_EDGES = [
    ("start1", "source", "web"),
    ("web", "source", "end_body"),
    ("web", "fail-branch", "end_error"),
]


@pytest.mark.parametrize(("fault", "found"), [("", {"body"}), ("partial", {"error"}), ("failed", {"error"})])
def test_a_fail_branch_is_taken_when_its_node_fails(fault: str, found: set[str], tmp_path: Path) -> None:
    nodes = [FAILABLE, end("body", "web", "body"), end("error", "web", "error_message")]
    with mock_dify(graph(tmp_path, nodes, FAILABLE_EDGES)) as dify:
        data = post(dify, {}, fault=fault).json()["data"]
    assert set(data["outputs"]) == found
    assert data["status"] == ("partial-succeeded" if fault else "succeeded")


ITERATION = [
    """{id: iter1, data: {type: iteration, title: Each, start_node_id: is, iterator_selector: [start1, items],
        output_selector: [inner, output], error_handle_mode: MODE, is_parallel: PARALLEL}}""",
    "{id: is, parentId: iter1, data: {type: iteration-start, title: '', isInIteration: true}}",
    """{id: inner, parentId: iter1, data: {type: template-transform, title: T, template: '{{ x.filename }}',
        variables: [{variable: x, value_selector: [iter1, item]}]}}""",
]
ITERATION_EDGES = [("start1", "source", "iter1"), ("is", "source", "inner"), ("iter1", "source", "end_all")]


def iterate(tmp_path: Path, mode: str = "terminated", parallel: str = "false", fault: str = "") -> list[dict[str, Any]]:
    """The events of a run over three files."""
    nodes = [row.replace("MODE", mode).replace("PARALLEL", parallel) for row in ITERATION]
    files = [{"type": "document", "transfer_method": "remote_url", "url": f"http://x/{n}.txt"} for n in range(3)]
    with mock_dify(graph(tmp_path, [*nodes, end("all", "iter1", "output")], ITERATION_EDGES)) as dify:
        return events_of(post(dify, {"items": files}, "streaming", fault=fault).content)


def test_an_iteration_over_an_input_goes_round_once_per_item(tmp_path: Path) -> None:
    events = iterate(tmp_path)
    assert events[-1]["data"]["outputs"] == {"all": ["0.txt", "1.txt", "2.txt"]}
    assert [event["data"]["index"] for event in events if event["event"] == "iteration_next"] == [0, 1, 2]


def test_parallel_rounds_are_announced_first(tmp_path: Path) -> None:
    names = [event["event"] for event in iterate(tmp_path, parallel="true")]
    first = names.index("iteration_started")
    assert names[first + 1 : first + 4] == ["iteration_next"] * 3


@pytest.mark.parametrize(
    ("mode", "outputs_", "status"),
    [
        ("terminated", {}, "failed"),
        ("continue-on-error", {"all": ["0.txt", None, "2.txt"]}, "succeeded"),
        ("remove-abnormal-output", {"all": ["0.txt", "2.txt"]}, "succeeded"),
    ],
)
def test_a_round_that_fails_is_handled_as_the_iteration_says(
    mode: str, outputs_: dict[str, Any], status: str, tmp_path: Path
) -> None:
    last = iterate(tmp_path, mode, fault="failed=inner")[-1]["data"]
    assert (last["status"], last["outputs"]) == (status, outputs_)


def test_the_branch_that_leads_to_the_handlers_outputs_is_taken(tmp_path: Path) -> None:
    nodes = [
        "{id: sort, data: {type: question-classifier, title: Q, classes: [{id: '1', name: a}, {id: '2', name: b}]}}",
        end("first", "sort", "class_name"),
        end("second", "sort", "class_name"),
    ]
    edges = [("start1", "source", "sort"), ("sort", "'1'", "end_first"), ("sort", "'2'", "end_second")]
    path = graph(tmp_path, nodes, edges)
    with mock_dify(path) as dify:
        assert outputs(post(dify, {})) == {"first": "a"}
    with mock_dify(path, handler=lambda inputs: {"second": "mine"}) as dify:
        events = events_of(post(dify, {}, "streaming").content)
    assert events[-1]["data"]["outputs"] == {"second": "mine"}


def test_a_template_that_does_more_than_put_values_in_is_not_run(tmp_path: Path) -> None:
    template = "{% for i in range(9) %}{{ i }}{% endfor %}"
    nodes = [
        f"{{id: t, data: {{type: template-transform, title: T, template: '{template}', variables: []}}}}",
        end("text", "t", "output"),
    ]
    with mock_dify(graph(tmp_path, nodes, [("start1", "source", "t"), ("t", "source", "end_text")])) as dify:
        assert outputs(post(dify, {})) == {"text": "mock output"}


def test_a_run_that_the_mock_cannot_simulate_fails_and_says_so(tmp_path: Path) -> None:
    node = "{id: web, data: {type: http-request, title: Ask, retry_config: {retry_enabled: true, max_retries: many}}}"
    path = graph(
        tmp_path, [node, end("body", "web", "body")], [("start1", "source", "web"), ("web", "source", "end_body")]
    )
    with mock_dify(path) as dify:
        data = post(dify, {}, fault="failed").json()["data"]
        assert (data["status"], data["error"].partition(":")[0]) == ("failed", "difygen mock broke")
        assert outputs(post(dify, {})) == {"body": "mock body"}
