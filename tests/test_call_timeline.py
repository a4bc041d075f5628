"""A run's events become rows, bars and words: checked on what a real server sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from difygen.call.text import PlainView, closing, repetitions
from difygen.call.timeline import Timeline
from difygen.console import duration
from support.replay import cases, recording

STREAMS = [case for case in cases() if any(event["event"] == "workflow_started" for event in recording(case).events)]


def events(case: str) -> list[dict[str, Any]]:
    return recording(case).events


def timeline(case: str, pace: float = 0.1) -> Timeline:
    """The timeline of a recorded run whose events came `pace` seconds after each other."""
    result = Timeline()
    for number, event in enumerate(events(case)):
        result.feed(event, 1000 + number * pace)
    return result


def executions(result: Timeline) -> Iterator[Any]:
    for _, row in result.rows():
        yield from row.executions


@pytest.mark.parametrize("case", STREAMS)
@pytest.mark.parametrize("pace", [0.0, 0.1])
def test_every_recorded_run_gives_a_picture_that_adds_up(case: str, pace: float) -> None:
    result = timeline(case, pace)
    for execution in executions(result):
        end = result.extent if execution.finished is None else execution.finished
        assert 0 <= execution.started <= end <= result.extent
        assert (execution.elapsed or 0) <= end - execution.started + 1e-6
    finished = [event for event in events(case) if event["event"] in ("workflow_finished", "workflow_paused")]
    assert (result.ended is not None) == bool(finished)
    if finished:
        assert result.status == finished[-1]["data"]["status"]
        assert dict(result.outputs) == (finished[-1]["data"]["outputs"] or {})
        assert not result.running()


def test_children_of_an_iteration_stand_below_it_in_one_row_each() -> None:
    result = timeline("iteration_streaming")
    shown = [(depth, row.title, row.type, repetitions(row), len(row.executions)) for depth, row in result.rows()]
    assert shown == [
        (0, "Start", "start", "", 1),
        (0, "code1", "code", "", 1),
        (0, "Iteration", "iteration", "3/3", 1),
        (1, "child1", "code", "×3", 3),
        (0, "end1", "end", "", 1),
    ]
    child = next(row for _, row in result.rows() if row.title == "child1")
    assert [execution.item for execution in child.executions] == [0, 1, 2]
    assert [execution.outputs for execution in child.executions] == [{"result": f"item {n} at {n}"} for n in range(3)]


def test_text_comes_together_in_its_order() -> None:
    assert timeline("llm_streaming").text.startswith("Echo: one two three four")
    assert timeline("unicode_separators_streaming").text


def test_a_node_that_was_cut_off_shares_the_fate_of_its_run() -> None:
    result = timeline("stop_llm_midstream")
    assert result.status == "stopped"
    assert [(row.title, row.status) for _, row in result.rows()] == [("Start", "succeeded"), ("llm1", "stopped")]


def test_a_pause_leaves_the_form_to_be_filled_in() -> None:
    result = timeline("hitl_pause_streaming_approve")
    assert result.status == "paused"
    assert [form["node_title"] for form in result.forms] == ["Approve"]
    assert [row.status for _, row in result.rows()] == ["succeeded", "paused"]


def test_a_handled_failure_is_told_from_a_success() -> None:
    result = timeline("partial_streaming")
    (row,) = [row for _, row in result.rows() if row.status == "exception"]
    assert (row.title, row.executions[0].error) == ("code1", "Unknown error")
    assert (
        closing(result)
        == "partial-succeeded · 0.16 s · 3 steps · 1 node fell back · run a2992602-4d14-4c89-a398-5a693cc24ccc"
    )


def test_a_retry_counts_as_an_attempt_of_the_same_execution() -> None:
    result = Timeline()
    data = {"id": "e1", "node_id": "n1", "node_type": "code", "title": "Flaky"}
    result.feed({"event": "node_started", "data": data}, 0)
    result.feed({"event": "node_retry", "data": {**data, "error": "boom", "retry_index": 1, "elapsed_time": 0.2}}, 1)
    result.feed({"event": "node_finished", "data": {**data, "status": "succeeded", "elapsed_time": 0.3}}, 2)
    ((_, row),) = result.rows()
    assert [(attempt.number, attempt.error) for attempt in row.executions[0].attempts] == [(1, "boom")]
    assert repetitions(row) == "1 retry"
    assert row.status == "succeeded"


def test_a_stream_that_was_taken_up_again_repeats_nothing() -> None:
    result = Timeline()
    for number, event in enumerate([*events("concat_streaming")[:4], *events("concat_streaming")]):
        result.feed(event, number)
    assert [len(row.executions) for _, row in result.rows()] == [1, 1, 1]


def test_events_that_were_held_back_still_show_how_long_nodes_took() -> None:
    result = timeline("concat_streaming", pace=0)
    code = next(row for _, row in result.rows() if row.type == "code")
    (execution,) = code.executions
    assert execution.finished is not None
    assert execution.finished - execution.started == pytest.approx(execution.elapsed)
    assert execution.started > 0


def test_loops_inside_iterations_and_cycles_of_parents_end() -> None:
    result = Timeline({"a": "b", "b": "a"})
    for node in ("a", "b"):
        result.feed(
            {
                "event": "loop_started",
                "data": {"id": node, "node_id": node, "title": node, "metadata": {"loop_length": 2}},
            },
            0,
        )
    result.feed({"event": "node_started", "data": {"id": "1", "node_id": "c", "title": "c", "loop_id": "a"}}, 0)
    assert [
        row.node_id for _, row in result.rows()
    ] == []  # neither is at the top: a definition cannot say that, and nothing breaks
    nested = Timeline()
    nested.feed({"event": "iteration_started", "data": {"id": "outer", "node_id": "outer", "title": "outer"}}, 0)
    nested.feed(
        {
            "event": "loop_started",
            "data": {"id": "inner", "node_id": "inner", "title": "inner", "iteration_id": "outer"},
        },
        0,
    )
    nested.feed(
        {"event": "node_started", "data": {"id": "1", "node_id": "leaf", "title": "leaf", "loop_id": "inner"}}, 0
    )
    assert [(depth, row.node_id) for depth, row in nested.rows()] == [(0, "outer"), (1, "inner"), (2, "leaf")]


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"event": None},
        {"event": "node_finished"},
        {"event": "node_finished", "data": []},
        {"event": "new", "data": 3},
    ],
)
def test_events_of_other_shapes_do_no_harm(junk: dict[str, Any]) -> None:
    result = Timeline()
    result.feed(junk, 0)
    for name in (
        "workflow_started",
        "node_started",
        "node_finished",
        "iteration_completed",
        "text_chunk",
        "agent_log",
        "workflow_finished",
    ):
        data = dict.fromkeys(
            ("id", "node_id", "title", "status", "elapsed_time", "execution_metadata", "outputs", "text")
        )
        result.feed({"event": name, "data": data}, 1)
        result.feed({"event": name, "data": {key: float("nan") for key in data}}, 1)
    assert result.ended is not None


def test_plain_progress_is_a_line_for_each_end() -> None:
    result, lines = Timeline(), list[str]()
    clock = iter(range(100))
    with PlainView(lines.append, result, lambda: 0) as view:
        for event in events("iteration_streaming"):
            result.feed(event, next(clock))
            view.update(event)
    assert [line[9:] for line in lines[:-1]] == [
        "run 5f8e091b-c8ef-474a-b6bc-09a7a2bc72f6 started",
        "✓ Start (start, 0.012 s)",
        "✓ code1 (code, 0.085 s)",
        "  ✓ child1 #1 (code, 0.25 s)",
        "  ✓ child1 #2 (code, 0.097 s)",
        "  ✓ child1 #3 (code, 0.21 s)",
        "✓ Iteration (3 rounds) (iteration, 0.66 s)",
        "✓ end1 (end, 0.026 s)",
    ]
    assert lines[-1] == "succeeded · 0.79 s · 4 steps · run 5f8e091b-c8ef-474a-b6bc-09a7a2bc72f6"


def test_what_a_log_shows_cannot_steer_the_terminal() -> None:
    result, lines = Timeline(), list[str]()
    evil = {
        "id": "1",
        "node_id": "n",
        "title": "a\x1b[2Jb\nc\u202e",
        "node_type": "code\r",
        "status": "failed",
        "error": "x\x9b1m",
    }
    with PlainView(lines.append, result, lambda: 0) as view:
        result.feed(event := {"event": "node_finished", "data": evil}, 0)
        view.update(event)
    assert lines[0].endswith("✗ a\\x1b[2Jb c\\u202e (code\\r, 0.000 s, failed: x\\x9b1m)")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.000 s"),
        (0.0851, "0.085 s"),
        (0.1, "0.10 s"),
        (9.94, "9.94 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (83.2, "1 min 23 s"),
    ],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_rows_can_be_read_while_events_come_in() -> None:
    result, stop = Timeline(), threading.Event()
    errors: list[BaseException] = []

    def draw() -> None:
        try:
            while not stop.is_set():
                assert sum(1 for _ in result.rows()) >= 0
                result.running()
        except BaseException as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    for number in range(3000):
        result.feed(
            {"event": "node_started", "data": {"id": str(number), "node_id": str(number), "title": "x"}}, number
        )
    stop.set()
    thread.join()
    assert errors == []
