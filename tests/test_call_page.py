"""The page of `--html`, as text and in a real browser."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from difygen.call.html import page_data, render_page
from difygen.call.timeline import Timeline
from difygen.model import App, AppMode
from support.browser import Browser, chromium
from support.replay import cases, recording

WORKFLOW = App(name="demo", source="demo.yaml", title="演示 · demo", description="Shows a run.")
ENTER, ESCAPE, LEFT, UP, RIGHT, DOWN = "\ue007", "\ue00c", "\ue012", "\ue013", "\ue014", "\ue015"
EVIL = (
    "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>"
    "<b class=hit>{{data}}{{policy}}&lt;\u2028\x1b'\"`"
)

Write = Callable[[Timeline], Path]


def replayed(case: str) -> Timeline:
    timeline = Timeline()
    for number, event in enumerate(recording(case).events):
        timeline.feed(event, number * 0.05)
    return timeline


def hostile() -> Timeline:
    """A run in which every text is an attack."""
    timeline = Timeline()
    node = {"id": EVIL, "node_id": EVIL, "node_type": EVIL, "title": EVIL}
    for event in (
        {"event": "workflow_started", "workflow_run_id": EVIL, "task_id": EVIL, "data": {"inputs": {EVIL: EVIL}}},
        {"event": "node_started", "data": node},
        {"event": "node_retry", "data": {**node, "error": EVIL, "retry_index": 1}},
        {
            "event": "agent_log",
            "data": {"id": EVIL, "label": EVIL, "node_execution_id": EVIL, "node_id": EVIL, "data": {EVIL: EVIL}},
        },
        {"event": "reasoning_chunk", "data": {"reasoning": EVIL, "node_id": EVIL}},
        {
            "event": "node_finished",
            "data": {
                **node,
                "status": "failed",
                "error": EVIL,
                "inputs": {EVIL: [EVIL]},
                "outputs": {EVIL: EVIL},
                "process_data": EVIL,
            },
        },
        {"event": "text_chunk", "data": {"text": EVIL}},
        {"event": "workflow_finished", "data": {"status": EVIL, "error": EVIL, "outputs": {EVIL: {EVIL: EVIL}}}},
    ):
        timeline.feed(event, timeline.events * 0.1)
    return timeline


def embedded(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_the_page_needs_nothing_from_anywhere() -> None:
    page = render_page(replayed("iteration_streaming"), WORKFLOW)
    assert not re.search(r"(src|href)\s*=|@import|url\(|https?://", page)
    assert "default-src &#x27;none&#x27;" in page


def test_only_the_page_s_own_script_and_style_may_take_effect() -> None:
    page = render_page(hostile(), WORKFLOW)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert f"{tag}-src &#x27;sha256-{b64encode(sha256(content.encode()).digest()).decode()}&#x27;" in policy
    assert "unsafe" not in policy


def test_hostile_data_is_inert_text_in_the_source() -> None:
    page = render_page(hostile(), App(name=EVIL, source="x", title=EVIL, description=EVIL))
    assert page.count("<script") == 2
    assert "<img" not in page
    assert "<b class" not in page
    assert "\u2028" not in page.partition("<body>")[2]
    data = embedded(page)
    assert data["title"] == data["rows"][0]["title"] == data["rows"][0]["executions"][0]["error"] == EVIL


@pytest.mark.parametrize(
    "case", ["iteration_streaming", "unicode_streaming", "partial_streaming", "stop_llm_midstream"]
)
def test_the_page_holds_what_the_run_held(case: str) -> None:
    timeline = replayed(case)
    data = embedded(render_page(timeline, WORKFLOW))
    assert data == page_data(timeline, WORKFLOW)
    assert [(row["title"], len(row["executions"])) for row in data["rows"]] == [
        (row.title, len(row.executions)) for _, row in timeline.rows()
    ]
    assert {field["name"] for field in data["outputs"]} == set(timeline.outputs)


def turn(case: str, query: str = "") -> Timeline:
    timeline = replayed(case)
    timeline.query = timeline.query or query
    return timeline


def kind_of(case: str) -> AppMode:
    modes: dict[str, AppMode] = {"agent": "agent-chat", "completion": "completion", "chat_basic": "chat"}
    return next((mode for word, mode in modes.items() if case.startswith(word)), "advanced-chat")


def turn_page(case: str) -> Any:
    return embedded(render_page(turn(case, "Hello?"), App(name="demo", source="demo.yml", mode=kind_of(case))))


@pytest.mark.parametrize("case", cases("*_streaming", folder="recordings_chat"))
def test_every_recorded_turn_has_a_page(case: str) -> None:
    data, events = turn_page(case), recording(case).events
    said = [event for event in events if event["event"] in ("message", "agent_message", "message_replace")]
    replaced = [number for number, event in enumerate(said) if event["event"] == "message_replace"]
    assert data["text"] == "".join(event["answer"] for event in said[max(replaced, default=0) :])
    ended = {"message_end", "workflow_finished", "workflow_paused", "error"}
    assert (data["run"]["status"] != "running") == any(event["event"] in ended for event in events)
    nodes = {event["data"]["node_id"] for event in events if event["event"] == "node_started"}
    thoughts = {event["id"] for event in events if event["event"] == "agent_thought"}
    assert {row["id"] for row in data["rows"]} - {"answer"} == nodes | thoughts
    if any(event["event"] == "message_end" for event in events):
        executions = [each for row in data["rows"] for each in row["executions"]]
        assert all(each["status"] != "running" and each["end"] >= each["start"] for each in executions)


def test_the_page_of_an_agent_s_turn_holds_thoughts_tools_and_files() -> None:
    data = turn_page("agent_lab_tool_file_streaming")
    assert data["turn"]["query"] == "Hello?"
    tool, thought, answer = data["rows"]
    assert (tool["type"], tool["title"], thought["type"], answer["type"]) == ("tool", "draw", "thought", "answer")
    (step,) = tool["executions"]
    assert step["reasoning"] == "Let me look."
    assert step["inputs"][0]["name"] == step["outputs"][0]["name"] == "draw"
    assert "a fox" in step["inputs"][0]["text"]
    (file,) = data["turn"]["files"]
    assert file["name"].endswith(".png") and "/files/tools/" in file["text"]
    assert "conversation_id" not in file["text"]
    assert data["run"]["tokens"] == 91 and answer["executions"][0]["price"] == "0.0000307 USD"
    assert data["text"].startswith("Let me look.")


def test_the_page_of_a_chatflow_s_turn_holds_its_query_and_nodes() -> None:
    data = turn_page("chat_lab_streaming")
    assert data["turn"]["query"] == "hello there"
    assert [row["type"] for row in data["rows"]] == ["start", "assigner", "llm", "answer"]
    assert data["turn"]["conversation"] and data["turn"]["message"] and data["run"]["id"]


def test_a_moderated_turn_shows_what_was_put_in_the_place_of_its_answer() -> None:
    assert turn_page("chat_basic_output_moderated_streaming")["text"] == "I may not say that."


def test_the_whole_answer_that_closes_an_agent_s_stream_is_not_added_to_its_pieces() -> None:
    timeline = Timeline()
    for event in ({"event": "agent_message", "answer": "On"}, {"event": "message", "answer": "One."}):
        timeline.feed(event, 0)
    assert timeline.text == "One."


def hostile_turn() -> Timeline:
    """A turn in which every text is an attack."""
    timeline = Timeline()
    timeline.query = EVIL
    ids = {"conversation_id": EVIL, "message_id": EVIL, "task_id": EVIL}
    thought = {"event": "agent_thought", "id": EVIL, "thought": EVIL, "tool": EVIL, "tool_input": EVIL}
    source = {"document_name": EVIL, "content": EVIL, "doc_metadata": {EVIL: EVIL}}
    metadata = {"retriever_resources": [source, EVIL, None], "annotation_reply": {EVIL: EVIL}, "usage": {}}
    for event in (
        {**thought, "observation": json.dumps({EVIL: EVIL})},
        {"event": "message_file", "id": EVIL, "type": EVIL, "url": f"javascript:{EVIL}"},
        {"event": "message_file", "id": [EVIL], "type": 3},
        {"event": "agent_message", "answer": EVIL},
        {"event": "message_end", "metadata": metadata, "files": [{"filename": EVIL, "url": EVIL}, EVIL]},
    ):
        timeline.feed({**ids, **event}, timeline.events * 0.1)
    return timeline


def test_numbers_keep_their_digits_and_lone_surrogates_do_not_break_the_page() -> None:
    timeline = Timeline()
    outputs = {"big": 12345678901234567890, "float": 1.0, "text": "\ud800", "null": None}
    timeline.feed({"event": "workflow_finished", "data": {"status": "succeeded", "outputs": outputs}}, 0)
    page = render_page(timeline, WORKFLOW)
    page.encode()
    texts = {field["name"]: field["text"] for field in embedded(page)["outputs"]}
    assert texts == {"big": "12345678901234567890", "float": "1.0", "text": "\ud800", "null": "null"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(timeline: Timeline) -> Path:
        file = tmp_path / "run.html"
        file.write_text(render_page(timeline, WORKFLOW), encoding="utf-8")
        return file

    return write


def test_a_browser_draws_a_bar_for_every_execution(browser: Browser, write: Write) -> None:
    browser.open(write(replayed("iteration_streaming")))
    assert browser.texts("h1") == ["演示 · demo"]
    assert browser.texts(".pill") == ["succeeded"]
    assert browser.texts(".row .name") == ["Start", "code1", "Iteration", "child1", "end1"]
    assert browser.run(
        "return [...document.querySelectorAll('.row')].map((row) => row.querySelectorAll('.bar').length)"
    ) == [1, 1, 1, 3, 1]
    assert browser.texts("aside .field-name") == ["output", "count"]
    assert browser.complaints() == []


def test_bars_lie_on_the_time_axis(browser: Browser, write: Write) -> None:
    browser.open(write(replayed("iteration_streaming")))
    boxes = browser.run(
        "return [...document.querySelectorAll('.bar')].map((bar) => bar.getBoundingClientRect())"
        ".map((box) => [box.left, box.right])"
    )
    left, right = browser.run(
        "const box = document.querySelector('.grid').getBoundingClientRect(); return [box.left, box.right]"
    )
    assert all(left - 1 <= start < end <= right + 5 for start, end in boxes)
    assert boxes[0][0] < boxes[1][0] < boxes[2][0] < boxes[-1][0]
    (start, end), *inner = boxes[2:6]
    assert all(start - 1 <= first and last <= end + 5 for first, last in inner)


def test_a_click_shows_what_went_in_and_came_out(browser: Browser, write: Write) -> None:
    browser.open(write(replayed("iteration_streaming")))
    browser.click(".row:nth-of-type(6) .bar:nth-of-type(2)")
    assert browser.texts("aside h2") == ["child1"]
    assert browser.texts("aside .section h3") == ["Outputs", "Inputs"]
    assert browser.texts("aside .value") == ["item 1 at 1", "1", "1"]
    browser.click("aside .close")
    assert browser.texts("aside h2") == ["Result"]


def test_the_keyboard_goes_from_bar_to_bar(browser: Browser, write: Write) -> None:
    browser.open(write(replayed("iteration_streaming")))
    seen = []
    for key in (DOWN, DOWN, RIGHT, RIGHT, RIGHT, DOWN, UP, LEFT):
        browser.press(key)
        seen += browser.texts("aside h2")
    assert seen == ["Start", "code1", "Iteration", "child1", "child1", "end1", "child1", "Iteration"]
    browser.press(ESCAPE)
    assert browser.texts("aside h2") == ["Result"]


def test_an_iteration_folds(browser: Browser, write: Write) -> None:
    browser.open(write(replayed("iteration_streaming")))
    browser.click(".fold")
    assert browser.texts(".row:not([hidden]) .name") == ["Start", "code1", "Iteration", "end1"]
    browser.click(".fold")
    assert len(browser.texts(".row:not([hidden]) .name")) == 5


def test_a_failed_run_opens_at_the_node_that_failed(browser: Browser, write: Write) -> None:
    browser.open(write(replayed("failing_streaming")))
    assert browser.texts("header .pill") == ["failed"]
    assert browser.texts("aside h2") == ["code1"]
    assert "boom from code" in browser.texts("aside .value.bad")[0]


def test_light_and_dark_are_both_there(browser: Browser, write: Write) -> None:
    browser.open(write(replayed("llm_streaming")))
    background = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(background)
    browser.click(".theme")
    assert browser.run(background) != light
    browser.click(".theme")
    assert browser.run(background) == light


def test_what_is_wrong_with_a_page_does_not_escape_the_tests(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "wrong.html"
    policy = """<meta http-equiv="Content-Security-Policy" content="img-src 'none'">"""
    file.write_text(
        f"{policy}<img src='x.png'><link rel='stylesheet' href='x.css'><script>console.warn('w'); missing()</script>"
    )
    browser.open(file)
    assert {found.split(":")[0] for found in browser.complaints()} == {"console", "error", "policy", "fetched"}


def test_hostile_data_does_nothing_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "evil.html"
    file.write_text(render_page(hostile(), App(name=EVIL, source="x", title=EVIL, description=EVIL)), encoding="utf-8")
    browser.open(file)
    browser.click(".bar")
    assert browser.run(
        "return [window.hit === undefined, document.images.length, document.querySelectorAll('.hit').length]"
    ) == [True, 0, 0]
    assert browser.run("return document.querySelector('h1').textContent") == EVIL
    assert browser.complaints() == []


def test_a_hostile_turn_does_nothing_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "evil.html"
    agent = App(name=EVIL, source="x", mode="agent-chat", title=EVIL, description=EVIL)
    page = render_page(hostile_turn(), agent)
    assert page.count("<script") == 2 and "<img" not in page and "<b class" not in page
    file.write_text(page, encoding="utf-8")
    browser.open(file)
    headings = browser.texts("aside .section h3")
    assert headings == ["Query", "Answer", "Files", "Sources", "Answered by an annotation"]
    browser.click(".bar")
    assert browser.run("return [window.hit === undefined, document.images.length, document.links.length]") == [
        True,
        0,
        0,
    ]
    assert browser.complaints() == []


def test_a_browser_draws_a_turn(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "turn.html"
    agent = App(name="helper", source="x", mode="agent-chat")
    file.write_text(render_page(turn("agent_lab_tool_file_streaming", "Draw it."), agent), encoding="utf-8")
    browser.open(file)
    assert browser.texts(".row .name") == ["draw", "thought", "Answer"]
    assert browser.texts("aside h2") == ["Turn"]
    assert browser.texts("aside .section h3") == ["Query", "Answer", "Files"]
    assert browser.texts("aside .value")[0] == "Draw it."
    browser.click(".bar")
    assert browser.texts("aside .section h3") == ["Outputs", "Inputs", "Reasoning"]
    assert browser.complaints() == []


def test_hundreds_of_executions_and_a_long_text_are_drawn(browser: Browser, write: Write) -> None:
    timeline = replayed("many_events_200_streaming")
    timeline.outputs = {"long": "字" * 50_000}
    browser.open(write(timeline))
    assert browser.run("return document.querySelectorAll('.bar').length") == 204
    assert browser.texts("aside .more") == ["Show all 50,000 characters"]
    browser.click("aside .more")
    assert browser.run("return document.querySelector('aside .value').textContent.length") == 50_000
    assert len(browser.screenshot()) > 10_000


@pytest.mark.parametrize("timeline", [Timeline(), replayed("iteration_empty_streaming")])
def test_runs_with_next_to_nothing_in_them_are_drawn(browser: Browser, write: Write, timeline: Timeline) -> None:
    browser.open(write(timeline))
    assert browser.texts("h1") == ["演示 · demo"]
    assert browser.complaints() == []


def test_a_narrow_window_loses_nothing(browser: Browser, write: Write) -> None:
    browser.resize(500, 900)
    browser.open(write(replayed("iteration_streaming")))
    try:
        assert browser.run(
            "return document.documentElement.scrollWidth <= window.innerWidth && window.innerWidth < 640"
        )
        assert len(browser.texts(".row .name")) == 5
    finally:
        browser.resize(1400, 800)
