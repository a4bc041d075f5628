"""`difygen call` for one turn of an app that chats: against the mock, and against what a real server answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from difygen.testing import mock_dify
from support import CHAT_LAB
from support.replay import recording
from support.servers import Connection, Request, Server
from support.terminal import on_terminal, piped

CHAT = "POST /v1/chat-messages"
CHATFLOW = (str(CHAT_LAB / "chat_lab.yml"), "name=Ada")
KINDS = [
    (CHATFLOW, ("--query", "Hello"), "Ada (1): mock text"),
    ((str(CHAT_LAB / "chat_basic.yml"), "name=Ada"), ("--query", "Hello"), "mock answer to: Hello"),
    ((str(CHAT_LAB / "agent_lab.yml"), "name=Ada"), ("--query", "Hello"), "Let me look.mock answer to: Hello"),
    ((str(CHAT_LAB / "completion_lab.yml"), "name=Ada"), (), "mock answer of the app"),
]


def replay(case: str) -> Any:
    def handle(connection: Connection, request: Request) -> None:
        found = recording(case)
        connection.send(found.head + b"\r\n\r\n")
        for chunk in found.chunks:
            connection.chunk(chunk) if found.chunked else connection.send(chunk)

    return handle


def at(server: Server) -> dict[str, str]:
    return {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-SECRET"}


@pytest.mark.parametrize("mode", [(), ("--blocking",)], ids=["streaming", "blocking"])
@pytest.mark.parametrize(("app", "query", "answer"), KINDS, ids=["chatflow", "chat", "agent", "completion"])
def test_the_answer_goes_to_standard_output(
    app: tuple[str, ...], query: tuple[str, ...], answer: str, mode: tuple[str, ...]
) -> None:
    with mock_dify(app[0]) as dify:
        ended = piped("call", *app, *query, *mode, env=dify.environment)
    assert (ended.code, ended.out) == (0, f"{answer}\n")
    assert ended.err.splitlines()[-1].startswith("succeeded · ")


def test_json_is_the_turn_alone_and_its_conversation_goes_on() -> None:
    with mock_dify(CHATFLOW[0]) as dify:
        first = piped("call", *CHATFLOW, "--query", "Hello", "--json", env=dify.environment)
        turn = json.loads(first.out)
        again = ("--query", "Again", "--conversation", turn["conversation_id"])
        second = piped("call", *CHATFLOW, *again, "--json", env=dify.environment)
    assert (first.code, first.err, second.code) == (0, "", 0)
    assert turn["answer"] == "Ada (1): mock text"
    assert turn["usage"]["total_tokens"] > 0
    assert json.loads(second.out)["answer"] == "Ada (2): mock text"
    assert json.loads(second.out)["conversation_id"] == turn["conversation_id"]


def test_events_are_the_raw_events_line_by_line() -> None:
    with mock_dify(CHATFLOW[0]) as dify:
        ended = piped("call", *CHATFLOW, "--query", "Hello", "--events", env=dify.environment)
    names = [json.loads(line)["event"] for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (0, "")
    assert names.count("message_end") == 1
    assert "message" in names


def test_a_query_and_files_come_from_files(tmp_path: Path) -> None:
    question, picture = tmp_path / "question.txt", tmp_path / "cat.png"
    question.write_text("木乐乐?", encoding="utf-8")
    picture.write_bytes(b"\x89PNG")
    files = ("--file", str(picture), "--file", "https://example.com/dog.png")
    with mock_dify(CHATFLOW[0]) as dify:
        ended = piped("call", *CHATFLOW, "--query", f"@{question}", *files, "--events", env=dify.environment)
        piped("call", str(CHAT_LAB / "chat_basic.yml"), "name=Ada", "--query", "@-", env=dify.environment)
    started = next(event for line in ended.out.splitlines() if (event := json.loads(line)).get("data"))
    assert ended.code == 0
    assert started["data"]["inputs"]["sys.query"] == "木乐乐?"
    assert len(started["data"]["inputs"]["sys.files"]) == 2


def test_the_tools_of_an_agent_are_shown() -> None:
    with Server({CHAT: replay("agent_lab_tool_streaming")}) as server:
        ended = piped("call", str(CHAT_LAB / "agent_lab.yml"), "name=Ada", "--query", "What time?", env=at(server))
    assert ended.code == 0
    assert "(tool, " in ended.err
    assert ended.out.strip()


@pytest.mark.parametrize("case", ["chat_basic_llm_error_streaming", "chat_failing_streaming"])
def test_a_turn_that_fails_is_exit_code_1(case: str) -> None:
    app = {
        "chat_basic_llm_error_streaming": ("chat_basic.yml", "name=Ada"),
        "chat_failing_streaming": ("chat_failing.yml",),
    }
    name, *values = app[case]
    with Server({CHAT: replay(case)}) as server:
        ended = piped("call", str(CHAT_LAB / name), *values, "--query", "Hello", env=at(server))
    assert ended.code == 1
    assert "\nError: " in f"\n{ended.err}"
    assert "difygen/" not in ended.err  # the traceback of a code node is the server's
    assert "app-SECRET" not in ended.err


def test_what_was_answered_before_the_stream_broke_is_kept() -> None:
    def cut(connection: Connection, request: Request) -> None:
        found = recording("chat_basic_streaming")
        connection.send(found.head + b"\r\n\r\n")
        for chunk in found.chunks[:4]:
            connection.chunk(chunk)
        connection.reset()

    with Server({CHAT: cut}) as server:
        ended = piped("call", str(CHAT_LAB / "chat_basic.yml"), "name=Ada", "--query", "Hello", env=at(server))
        posts = [request for request in server.requests if request.method == "POST"]
    assert ended.code == 1
    assert ended.out.strip()
    assert len(posts) == 1


def test_ctrl_c_stops_the_turn_on_the_server() -> None:
    with mock_dify(CHATFLOW[0], latency=20) as dify:
        ended = on_terminal("call", *CHATFLOW, "--query", "Hello", env=dify.environment, press=[("assign1", b"\x03")])
    last = ended.text.rstrip().splitlines()[-1]
    assert ended.code == 130
    assert last.startswith("Interrupted. The turn ")
    assert last.endswith(" was stopped on the server.")


def test_nothing_in_an_answer_steers_the_terminal() -> None:
    app = str(CHAT_LAB / "chat_basic.yml")
    with mock_dify(app, handler=lambda inputs: "\x1b]0;owned\x07\x1b[2Jhi") as dify:
        ended = on_terminal("call", app, "name=Ada", "--query", "Hello", env=dify.environment)
    assert ended.code == 0
    assert "\x1b]0;" not in ended.out
    assert "\x1b[2J" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (CHATFLOW, "`chat_lab` is a chatflow: say what to ask it with --query TEXT."),
        ((*CHATFLOW, "--query", ""), "query must be a text that is not empty"),
        ((CHATFLOW[0], "--query", "Hello"), "name is required."),
        ((*CHATFLOW, "--query", "Hello", "--file", "nowhere.png"), "--file: the file 'nowhere.png' does not exist."),
        ((*CHATFLOW, "--query", "Hello", "--inputs", "rows.csv"), "Cannot read rows.csv: no such file or directory."),
        ((KINDS[3][0][0], "name=Ada", "--query", "Hello"), "is a text generator, which takes no --query."),
        ((KINDS[3][0][0], "name=Ada", "--conversation", "x"), "is a text generator, which takes no --conversation."),
        ((KINDS[1][0][0], "name=Ada", "--query", "@nowhere.txt"), "--query: cannot read 'nowhere.txt'"),
    ],
)
def test_what_does_not_fit_the_app_is_exit_code_2(arguments: tuple[str, ...], complaint: str) -> None:
    with Server({}) as server:
        ended = piped("call", *arguments, env=at(server))
        assert server.requests == []
    assert (ended.code, ended.out) == (2, "")
    assert complaint in ended.err


def test_a_workflow_takes_no_query(tmp_path: Path) -> None:
    spec = tmp_path / "plain.yaml"
    spec.write_text("name: plain\noutputs:\n  result: string\n")
    with Server({}) as server:
        ended = piped("call", str(spec), "--query", "Hello", env=at(server))
    assert (ended.code, ended.err) == (2, "Error: `plain` is a workflow, which takes no --query.\n")
