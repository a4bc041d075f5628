"""`difygen chat`: a conversation as a process, on a terminal and with pipes, against the mock."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from difygen.testing import mock_dify
from support import CHAT_LAB
from support.terminal import on_terminal, piped

CTRL_C, CTRL_D = b"\x03", b"\x04"
CHATFLOW = (str(CHAT_LAB / "chat_lab.yml"), "name=Ada")
CHATBOT = (str(CHAT_LAB / "chat_basic.yml"), "name=Ada")
AGENT = (str(CHAT_LAB / "agent_lab.yml"), "name=Ada")


def test_off_a_terminal_each_line_is_a_turn_of_one_conversation() -> None:
    with mock_dify(CHATFLOW[0]) as dify:
        ended = piped("chat", *CHATFLOW, env=dify.environment, stdin="Hello\n\nAgain\n/new\nAnew")
        queries = [turn.query for turn in dify.turns]
    assert (ended.code, ended.out) == (0, "Ada (1): mock text\nAda (2): mock text\nAda (1): mock text\n")
    assert queries == ["Hello", "Again", "Anew"]


def test_commands_show_conversations_history_and_variables() -> None:
    with mock_dify(CHATFLOW[0]) as dify:
        ended = piped("chat", *CHATFLOW, env=dify.environment, stdin="Hello\n/history\n/conversations\n/variables\n")
        conversation = dify.last_turn.conversation_id
        there = piped("chat", *CHATFLOW, env=dify.environment, stdin=f"/conversations {conversation}\nAgain\n")
    assert ended.code == 0
    assert "you> Hello\nAda (1): mock text\n" in ended.out
    assert f"\n{conversation}  " in ended.out
    assert "\nturns: 1\n" in ended.out
    assert (there.code, there.out) == (0, "Ada (2): mock text\n")


def test_two_slashes_begin_a_question_with_one() -> None:
    with mock_dify(CHATBOT[0]) as dify:
        ended = piped("chat", *CHATBOT, env=dify.environment, stdin="//etc?\n")
    assert (ended.code, ended.out) == (0, "mock answer to: /etc?\n")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/histroy", "There is no command '/histroy'; did you mean /history?"),
        ("/file nowhere.png", "/file: the file 'nowhere.png' does not exist."),
        ("/conversations 6a38e912-7f6a-42c6-8ee9-52a5567c6c63", ""),
    ],
)
def test_the_first_line_that_fails_ends_it_off_a_terminal(line: str, complaint: str) -> None:
    with mock_dify(CHATFLOW[0]) as dify:
        ended = piped("chat", *CHATFLOW, env=dify.environment, stdin=f"{line}\nHello\n")
        assert not dify.turns
    assert ended.code == (2 if complaint else 1)
    assert ended.err.startswith(f"Error: {complaint}")
    assert ended.out == ""


def test_a_turn_that_fails_is_exit_code_1() -> None:
    def refuse(inputs: object) -> str:
        raise ValueError("boom")

    with mock_dify(CHATBOT[0], handler=refuse) as dify:
        ended = piped("chat", *CHATBOT, env=dify.environment, stdin="Hello\nAgain\n")
        assert len(dify.turns) == 1
    assert ended.code == 1
    assert "boom" in ended.err
    assert "Traceback" not in ended.err


def test_a_missing_input_is_named() -> None:
    with mock_dify(CHATFLOW[0]) as dify:
        ended = piped("chat", CHATFLOW[0], env=dify.environment, stdin="Hello\n")
    assert (ended.code, ended.out) == (2, "")
    assert "name is required." in ended.err


def test_a_text_generator_holds_no_conversation() -> None:
    ended = piped("chat", str(CHAT_LAB / "completion_lab.yml"), env={}, stdin="Hello\n")
    assert ended.code == 2
    assert "holds no conversations: use difygen call." in ended.err


def test_a_terminal_asks_for_inputs_and_shows_the_answer() -> None:
    keys = [("name (", b"Ada\n"), ("you>", b"Hello\n"), ("more?\x1b[0m\r\nyou> ", CTRL_D)]
    with mock_dify(CHATFLOW[0]) as dify:
        ended = on_terminal("chat", CHATFLOW[0], env=dify.environment, press=keys)
    assert ended.code == 0
    assert "Ada (1): mock text" in ended.text


def test_a_terminal_shows_the_tools_of_an_agent() -> None:
    with mock_dify(AGENT[0]) as dify:
        keys = [("you>", b"What time?\n"), ("mock answer", b"/quit\n")]
        ended = on_terminal("chat", *AGENT, env=dify.environment, press=keys)
    assert ended.code == 0
    assert "tool: " in ended.text


def test_ctrl_c_stops_the_turn_empties_a_line_and_leaves_at_an_empty_prompt() -> None:
    """Python's readline loses a signal between showing its prompt and waiting, hence the time before each key."""
    with mock_dify(CHATFLOW[0], latency=20) as dify:
        keys: list[tuple[str | Callable[[], bool], bytes]] = [
            ("you>", b"Hello\n"),
            (lambda: bool(dify.turns), b""),
            (_after(1), CTRL_C),
            ("was stopped on the server.\x1b[0m\r\nyou> ", b"begun"),
            (_after(1), CTRL_C),
            (_after(1), CTRL_C),
        ]
        ended = on_terminal("chat", *CHATFLOW, env=dify.environment, press=keys)
        assert [turn.query for turn in dify.turns] == ["Hello"]
    assert ended.code == 130
    assert ended.text.endswith("you> begun\nyou> Interrupted.\n")


def _after(seconds: float) -> Callable[[], bool]:
    """Say yes so long after it was asked first."""
    asked: list[float] = []

    def is_time() -> bool:
        asked.append(time.monotonic())
        return asked[-1] - asked[0] >= seconds

    return is_time


def test_nothing_in_an_answer_steers_the_terminal() -> None:
    with mock_dify(CHATBOT[0], handler=lambda inputs: "\x1b]0;owned\x07\x1b[2Jhi") as dify:
        keys = [("you>", b"Hello\n"), ("more?\x1b[0m\r\nyou> ", CTRL_D)]
        ended = on_terminal("chat", *CHATBOT, env=dify.environment, press=keys)
    assert ended.code == 0
    assert "\x1b]0;" not in ended.out
    assert "\x1b[2J" not in ended.out


def test_the_form_of_a_turn_is_asked_for() -> None:
    app = (str(CHAT_LAB / "chat_hitl.yml"), "topic=tea")
    keys = [("you>", b"Hello\n"), ("comment (Enter for ", b"fine\n"), ("your choice (number or text): ", b"approve\n")]
    with mock_dify(app[0]) as dify:
        piped_in = piped("chat", *app, env=dify.environment, stdin="Hello\n")
        ended = on_terminal("chat", *app, env=dify.environment, press=[*keys, ("Approved with: fine\r\nyou> ", CTRL_D)])
    assert piped_in.code == 1
    assert "waits for human input" in piped_in.err
    assert ended.code == 0
    assert ended.text.count("Wait a moment.") == 1  # the server says it again when the run goes on
