"""The recipe for TypeScript: what openapi-typescript makes of documents compiles strictly and is as narrow as the
contract, and the helper for streams reads every stream as it should, compiled or as it stands. The page
docs/typescript.md is run besides (`test_readme.py`).
"""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from difygen.testing import mock_dify
from support import ROOT, TESTS
from support.node import install, run, run_typescript, write_types
from support.projects import difygen

EXAMPLE = ROOT / "examples" / "typescript"
LOOKUP = """\
name: lookup
inputs:
  客户: text-input
  order-no: number
  tone: {type: select, options: [kind, brief], default: kind}
  paper: {type: file, required: false}
outputs:
  状态: string
  count: {type: integer, optional: true}
  lines: {type: "array[object]", properties: {text: string}}
examples:
  - inputs: {客户: Ada, order-no: 7}
    outputs: {状态: sent, count: null, lines: [{text: "a\u2028b"}]}
"""
SPECS = {
    "lookup": LOOKUP,
    "desk": "name: desk\nmode: chatflow\ninputs: {order: text-input}\n",
    "agent": "name: agent\nmode: agent\ninputs: {}\n",
    "writer": "name: writer\nmode: completion\ninputs: {query: text-input}\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The example with types for apps of all kinds, and a program that uses them, compiled."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "concat*"))
    install(folder)
    (folder / "src" / "main.ts").unlink()
    shutil.copy(TESTS / "typescript" / "typed.ts", folder / "src")
    for name, spec in SPECS.items():
        (folder / f"{name}.yaml").write_text(spec, "utf-8")
    sources = [str(folder / f"{name}.yaml") for name in SPECS]
    ran = difygen("openapi", *sources, "--format", "json", "-o", str(folder / "api"))
    assert ran.code == 0, ran.err
    documents = {name: (folder / "api" / f"{name}.openapi.json").read_text("utf-8") for name in SPECS}
    write_types(folder, {f"src/{name}.ts": text for name, text in documents.items()})
    run(folder, "npm", "run", "--silent", "build")
    return folder


def test_apps_of_all_kinds_are_called_and_typed(project: Path) -> None:
    handlers = {
        "lookup": lambda inputs: {"状态": f"sent to {inputs['客户']}", "count": None, "lines": [{"text": "a\u2028b"}]},
        "desk": lambda inputs: f"{inputs['sys.query']} {inputs['order']}",
        "agent": lambda inputs: "Hello",
        "writer": lambda inputs: f"Dear {inputs['query']}",
    }
    sources = [project / f"{name}.yaml" for name in SPECS]
    with mock_dify(*sources, handler=lambda inputs, name: handlers[name](inputs)) as dify:
        printed = run(project, "node", "dist/typed.js", DIFY_BASE_URL=dify.base_url)
    assert json.loads(printed) == {
        "unused": 4,
        "blocking": ["succeeded", "sent to Ada", None, "a\u2028b", False],
        "streaming": "sent to Ada",
        "seconds": "number",
        "events": ["workflow_started", "node_started", "node_finished", "text_chunk", "workflow_finished"],
        "failed": "failed",
        "cut=4": ["StreamInterruptedError", "string", "string"],
        "error-event": ["ErrorEventError", 400, "completion_request_error"],
        "401": [401, "unauthorized"],
        "429": [429, "too_many_requests"],
        "html-502": [502, "text"],
        "abort": "RangeError: enough",
        "file": [201, "succeeded", "succeeded", "success"],
        "chat": ["Where is it? A-1", "Where is it? A-1", 2, ""],
        "graph": "succeeded",
        "others": [True, "Dear a letter"],
    }


# The helper

STARTED = {"event": "workflow_started", "task_id": "t-1", "workflow_run_id": "r-1", "data": {}}
FINISHED = {"event": "workflow_finished", "task_id": "t-1", "workflow_run_id": "r-1", "data": {"status": "succeeded"}}
TEXTS = ("a\u2028b\u2029c\u0085d\x0be", "字段🎉é", "data: x", "\ufeff", "", "line\\nbreak", ":", "ping")


def decoded(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the helper makes of answers."""
    given = [
        {**answer, "pieces": [base64.b64encode(piece).decode() for piece in answer["pieces"]]} for answer in answers
    ]
    found: list[dict[str, Any]] = json.loads(run_typescript(TESTS / "typescript" / "decode.ts", json.dumps(given)))
    return found


def line(event: object) -> bytes:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def stream_of(events: list[dict[str, Any]], chance: random.Random) -> bytes:
    """Return a stream in which events are written in any of the ways that the standard allows."""
    lines = []
    for event in events:
        lines += chance.choices(["", ": comment", "event: ping\n", "id: 7", "retry: 10", "whatever: 1"], k=2)
        indent = chance.choice([None, None, 1])
        text = json.dumps(event, ensure_ascii=chance.random() < 0.3, indent=indent)
        lines += [f"data:{chance.choice(['', ' '])}{part}" for part in text.split("\n")] + [""]
    end = chance.choice(["\n", "\r", "\r\n"])
    text = "".join(part.replace("\n", end) + end for part in lines)
    if chance.random() < 0.3:  # the blank line of the last event is missing, or the end of its line, too
        text = text.removesuffix(end).removesuffix(chance.choice(["", end]))
    return ("\ufeff" * chance.randrange(2) + text).encode()


def pieces_of(stream: bytes, chance: random.Random) -> list[bytes]:
    size = chance.choice([1, 3, 40, 4000])
    cuts = sorted({0, len(stream), *(chance.randrange(len(stream) + 1) for _ in range(len(stream) // size))})
    return [stream[start:end] for start, end in pairwise(cuts)] + [b""] * chance.randrange(2)


def test_a_stream_is_read_however_it_is_written_and_cut() -> None:
    chance = random.Random(13)
    wanted, answers = [], []
    for _ in range(400):
        told = [{"event": "node_started", "data": {"title": chance.choice(TEXTS)}} for _ in range(chance.randrange(4))]
        events = [STARTED, *told, {"event": "of_the_future", "字": chance.choice(TEXTS)}, FINISHED]
        wanted.append(events)
        stream = stream_of([*events[:1], {"event": "ping"}, *events[1:]], chance)
        answers.append({"pieces": pieces_of(stream, chance), "type": "text/event-stream; charset=utf-8"})
    for answer, events, got in zip(answers, wanted, decoded(answers), strict=True):
        assert got["events"] == events, answer
        assert "error" not in got


def test_an_event_is_there_as_soon_as_its_blank_line_is() -> None:
    """Whatever lines end in: the rest of the stream is not read for it, and leaving closes the connection."""
    for got in decoded(
        [
            {"pieces": [line(STARTED).replace(b"\n", end), line(FINISHED)], "then": "leave"}
            for end in (b"\n", b"\r", b"\r\n")
        ],
    ):
        assert got == {"events": [STARTED], "cancelled": True}


def test_what_is_no_whole_stream_is_an_error() -> None:
    error = {"event": "error", "code": "internal_server_error", "status": 500, "message": "It is broken."}
    named = {"event": "error", "task_id": "t-1", "message": None}
    cases: list[tuple[dict[str, Any], list[Any], str, list[Any]]] = [
        ({"pieces": [line(STARTED)]}, [STARTED], "The stream ended without its last event.", ["t-1", "r-1"]),
        ({"pieces": [line(STARTED)], "then": "break"}, [STARTED], "The stream ended without", ["t-1", "r-1"]),
        ({"pieces": []}, [], "The stream ended without its last event.", [None, None]),
        ({"pieces": [line(STARTED), line(error)]}, [STARTED], "It is broken.", ["internal_server_error", "500"]),
        ({"pieces": [line(named), line(FINISHED)]}, [], "The server could not go on.", [None, "undefined"]),
        ({"pieces": [b"<html>"], "type": "text/html"}, [], "no stream of events: 200, text/html.", [None, None]),
        ({"pieces": [b"{}"], "status": 502}, [], "no stream of events: 502, text/event-stream.", [None, None]),
        ({"pieces": [b"data: {\n\n", line(FINISHED)]}, [], "SyntaxError", []),
        ({"pieces": [b'data: {"a": 1}\n\n']}, [], 'This is no event of Dify\'s: {"a": 1}', []),
        ({"pieces": [b"data: [1]\n\n"]}, [], "This is no event of Dify's: [1]", []),
    ]
    found = decoded([case[0] for case in cases])
    for (answer, events, told, ids), got in zip(cases, found, strict=True):
        assert got["events"] == events, answer
        assert told in got["error"], answer
        assert got.get("ids", []) == ids, answer
    assert found[1]["cause"] == "TypeError: terminated"


@pytest.mark.parametrize("last", ["workflow_finished", "workflow_paused", "message_end"])
def test_a_connection_that_breaks_after_the_last_event_loses_nothing(last: str) -> None:
    (got,) = decoded([{"pieces": [line({"event": last})], "then": "break"}])
    assert got == {"events": [{"event": last}], "cancelled": False}


# The example


def test_the_page_shows_the_programs_of_the_example() -> None:
    page = (ROOT / "docs" / "typescript.md").read_text("utf-8")
    shown = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", page, re.DOTALL))
    assert "examples/typescript/src/main.ts" in shown
    for file, text in shown.items():
        assert text == (ROOT / file).read_text("utf-8")


def addresses(value: Any) -> Iterator[str]:
    """Yield where the packages of a lock are fetched from."""
    if isinstance(value, dict):
        yield from (value[name] for name in ("resolved", "tarball") if name in value)
        for each in value.values():
            yield from addresses(each)


def test_the_lock_names_versions_and_hashes_and_no_place() -> None:
    lock = json.loads((EXAMPLE / "package-lock.json").read_text("utf-8"))
    assert [*addresses(lock)] == []
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert len(packages) > 10
    assert all(each["integrity"].startswith("sha512-") and each["version"] for each in packages.values())
