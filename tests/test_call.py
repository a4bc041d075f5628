"""`difygen call` as a process, on a terminal and off it, against the mock server and against recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen.testing import MockDify, mock_dify
from support import LAB
from support.processes import eventually
from support.replay import recording
from support.servers import RUN, STOP, Connection, Request, Server, as_json, html, unused_port
from support.terminal import on_terminal, piped, redirected

CTRL_C = b"\x03"
SPEC = """\
name: concat
title: 字段拼接
inputs:
  string: {type: text-input, max_length: 48}
  num: number
  list: {type: select, options: [list_a, list_b, list_c]}
outputs:
  result: string
"""
FITTING = ("string=一", "num=2", "list=list_b")


def joined(inputs: dict[str, Any]) -> dict[str, Any]:
    if inputs["string"] == "boom":
        raise ValueError("boom")
    return {"result": f"{inputs['string']}{inputs['num']}{inputs['list']}"}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("specs") / "concat.yaml"
    file.write_text(SPEC, encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def dify(spec: str) -> Iterator[MockDify]:
    with mock_dify(spec, handler=joined) as server:
        yield server


@pytest.fixture(scope="module")
def slow(spec: str) -> Iterator[MockDify]:
    """Every node takes so long that a test can interrupt it."""
    with mock_dify(spec, handler=joined, latency=20) as server:
        yield server


def at(server: Server) -> dict[str, str]:
    return {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-SECRET"}


def replay(case: str) -> Any:
    def handle(connection: Connection, request: Request) -> None:
        found = recording(case)
        connection.send(found.head + b"\r\n\r\n")
        for chunk in found.chunks:
            connection.chunk(chunk) if found.chunked else connection.send(chunk)

    return handle


def test_progress_goes_to_standard_error_and_outputs_to_standard_output(spec: str, dify: MockDify) -> None:
    ended = piped("call", spec, *FITTING, env=dify.environment)
    assert (ended.code, ended.out) == (0, "result: 一2list_b\n")
    first, *nodes, last = ended.err.splitlines()
    assert first.endswith("started")
    assert [line.split()[1] for line in nodes] == ["✓", "✓", "✓"]
    assert last.startswith("succeeded · ")
    assert dify.last_run.user == "difygen-call"


def test_json_is_the_result_alone(spec: str, dify: MockDify) -> None:
    ended = piped("call", spec, *FITTING, "--json", "--user", "木乐乐", env=dify.environment)
    result = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert (result["status"], result["outputs"]) == ("succeeded", {"result": "一2list_b"})
    assert result["workflow_run_id"] == dify.last_run.workflow_run_id
    assert dify.last_run.user == "木乐乐"


def test_events_are_the_raw_events_line_by_line(spec: str, dify: MockDify) -> None:
    ended = piped("call", spec, *FITTING, "--events", env=dify.environment)
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (0, "")
    names = [event["event"] for event in events]
    assert names == ["ping", *(event["event"] for event in dify.last_run.events)]


def test_blocking_waits_for_one_answer(spec: str, dify: MockDify) -> None:
    ended = piped("call", spec, *FITTING, "--blocking", env=dify.environment)
    assert (ended.code, ended.out) == (0, "result: 一2list_b\n")
    assert ended.err.startswith("succeeded · ")


def test_the_terminal_shows_a_row_for_each_node_and_then_the_outputs(spec: str, dify: MockDify) -> None:
    ended = on_terminal("call", spec, *FITTING, env=dify.environment)
    assert ended.code == 0
    final = ended.text.rpartition("✓ Start")[2]
    assert "✓ succeeded" in final
    assert "━" in final
    assert final.rstrip().endswith("result: 一2list_b")


def test_iterations_are_nested_on_the_terminal() -> None:
    with Server({RUN: replay("iteration_streaming")}) as server:
        ended = on_terminal("call", str(LAB / "iteration.yml"), "count=3", env=at(server))
    final = ended.text.rpartition("✓ Start")[2].splitlines()
    assert any(line.startswith("✓ Iteration 3/3 iteration") for line in final)
    assert any(line.startswith("✓   child1 ×3") for line in final)
    assert ended.code == 0


def test_a_narrow_terminal_is_enough() -> None:
    with Server({RUN: replay("iteration_streaming")}) as server:
        ended = on_terminal("call", str(LAB / "iteration.yml"), "count=3", env=at(server), columns=44, rows=8)
    assert ended.code == 0
    final = ended.text.rpartition("✓ Start")[2].splitlines()
    assert [line for line in final if len(line) > 44] == []


def test_text_streams_in_below_the_rows() -> None:
    with mock_dify(LAB / "llm.yml", latency=1) as server:
        ended = on_terminal("call", str(LAB / "llm.yml"), "prompt=one two", env=server.environment)
    assert ended.code == 0
    assert "\x1b[3m" in ended.out  # the streamed text is set in italics while it comes


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("string=a", "num=1"), "Error: list is required."),
        (("string=a", "num=x", "list=list_a"), "Error: num must be a number, not 'x'."),
        (("string=a", "num=1", "list=list_aa"), "Error: list has no option 'list_aa'; did you mean 'list_a'?"),
        (("string=a", "num=1", "list=zzz"), "Error: list: input should be 'list_a', 'list_b' or 'list_c'."),
        ((f"string={'x' * 49}", "num=1", "list=list_a"), "Error: string: string should have at most 48 characters."),
        (("strin=a",), "Error: concat has no input called 'strin'; did you mean 'string'?"),
        (
            (*FITTING, "--events", "--json"),
            "Error: --events and --json exclude each other: both are about what goes to standard output.",
        ),
        (
            (*FITTING, "--blocking", "--events"),
            "Error: --blocking brings one answer and no events, so there is nothing for --events.",
        ),
        ((*FITTING, "--output", "x"), "Error: --output is for a table of --inputs."),
        ((*FITTING, "--base-url", "localhost:80"), "Error: Cannot use the base URL 'localhost:80': it has no scheme"),
        (
            (*FITTING, "--api-key-file", "/no/key"),
            "Error: Cannot read the API key from /no/key: no such file or directory.",
        ),
        ((*FITTING, "--timeout", "0"), "Error: --timeout must be more than 0 seconds."),
        ((*FITTING, "--timeout", "nan"), "Error: --timeout must be more than 0 seconds."),
        ((*FITTING, "--html", "/tmp"), "Error: Cannot write /tmp: it is a folder."),
        (
            (*FITTING, "--html", "/no/folder/x.html"),
            "Error: Cannot write /no/folder/x.html: there is no folder /no/folder.",
        ),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(
    spec: str, dify: MockDify, arguments: tuple[str, ...], complaint: str
) -> None:
    dify.clear()
    ended = piped("call", spec, *arguments, env=dify.environment)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(complaint)
    assert "Traceback" not in ended.err
    assert dify.runs == []


def test_missing_settings_name_what_to_set(spec: str) -> None:
    ended = piped("call", spec, *FITTING, env={"DIFY_API_KEY": "app-x"})
    assert (ended.code, ended.err.partition(",")[0]) == (2, "Error: No base URL. Give --base-url or set DIFY_BASE_URL")
    ended = piped("call", spec, *FITTING, env={"DIFY_BASE_URL": "http://127.0.0.1:1"})
    assert (ended.code, ended.err.partition(",")[0]) == (
        2,
        "Error: No API key. Set DIFY_CONCAT_API_KEY or DIFY_API_KEY",
    )


def test_a_terminal_is_asked_for_the_key_and_does_not_show_it(spec: str) -> None:
    with mock_dify(spec, handler=joined, api_key="app-SECRET") as server:
        env = {"DIFY_BASE_URL": server.base_url}
        ended = on_terminal("call", spec, *FITTING, env=env, press=[("API key", b"app-SECRET\n")])
    assert ended.code == 0
    assert "SECRET" not in ended.out


def test_a_key_comes_from_a_file(spec: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("app-SECRET\n")
    with mock_dify(spec, handler=joined, api_key="app-SECRET") as server:
        env = {"DIFY_BASE_URL": server.base_url, "DIFY_API_KEY": "app-other"}
        assert piped("call", spec, *FITTING, "--api-key-file", str(tmp_path / "key"), env=env).code == 0


def test_a_run_that_fails_is_exit_code_1(spec: str, dify: MockDify) -> None:
    ended = piped("call", spec, "string=boom", "num=1", "list=list_a", env=dify.environment)
    assert (ended.code, ended.out) == (1, "")
    assert "boom" in ended.err.splitlines()[-1]
    assert ended.err.splitlines()[-1].startswith("Error: ")
    ended = piped("call", spec, "string=boom", "num=1", "list=list_a", "--json", env=dify.environment)
    assert (ended.code, json.loads(ended.out)["status"]) == (1, "failed")


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (replay("auth_bad_key"), "Access token is invalid"),
        (html(502), "502"),
        (as_json({"code": "app_unavailable", "message": "App unavailable", "status": 400}, 400), "App unavailable"),
    ],
)
def test_what_the_server_says_is_shown_without_a_traceback(spec: str, handler: Any, words: str) -> None:
    with Server({RUN: handler}) as server:
        ended = piped("call", spec, *FITTING, env=at(server))
    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert "SECRET" not in ended.err


def test_nobody_listening_is_exit_code_1(spec: str) -> None:
    env = {"DIFY_BASE_URL": f"http://127.0.0.1:{unused_port()}", "DIFY_API_KEY": "app-x"}
    ended = piped("call", spec, *FITTING, env=env)
    assert ended.code == 1
    assert ended.err.startswith("Error: Cannot connect to ")


def test_a_run_that_waits_for_a_person_is_not_a_success() -> None:
    with Server({RUN: replay("hitl_pause_streaming_approve")}) as server:
        ended = piped("call", str(LAB / "human_input.yml"), env=at(server))
    assert ended.code == 1
    assert "‖ Approve waits for a person" in ended.err


def test_outputs_that_do_not_fit_the_definition_are_shown_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(SPEC.replace("result: string", "total: number"))
    with Server({RUN: replay("concat_streaming")}) as server:
        ended = piped("call", str(file), *FITTING, env=at(server))
    assert ended.code == 1
    assert ended.out.startswith("result: ")
    assert ended.err.splitlines()[-2:] == [
        "Error: The outputs do not fit the definition; was the workflow changed, or is this the key of another app?",
        "Error: total is required.",
    ]


def test_a_definition_with_mistakes_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: x\ninputs: {a: nubmer}\noutputs: {}\n")
    ended = piped("call", str(file), "a=1", env={})
    assert ended.code == 2
    assert f"{file}:2:13: error: " in ended.err


def test_ctrl_c_stops_the_run_on_the_server(spec: str, slow: MockDify) -> None:
    ended = on_terminal("call", spec, *FITTING, env=slow.environment, press=[("Start", CTRL_C)])
    assert ended.code == 130
    run = slow.last_run
    assert (
        ended.text.rstrip().splitlines()[-1] == f"Interrupted. The run {run.workflow_run_id} was stopped on the server."
    )
    assert run.status == "stopped"


def test_ctrl_c_off_a_terminal_does_the_same(spec: str, slow: MockDify) -> None:
    ended = piped("call", spec, *FITTING, env=slow.environment, interrupt_when="Start")
    assert (ended.code, ended.out) == (130, "")
    assert (
        ended.err.splitlines()[-1] == f"Interrupted. The run {slow.last_run.workflow_run_id} was stopped on the server."
    )


def test_a_stop_that_the_server_refuses_is_told(spec: str) -> None:
    def begin(connection: Connection, request: Request) -> None:
        connection.stream_head()
        for chunk in recording("concat_streaming").chunks[:3]:
            connection.chunk(chunk)
        connection.hold()

    with Server({RUN: begin, STOP: html(502)}) as server:
        ended = piped("call", spec, *FITTING, env=at(server), interrupt_when="Start")
    assert ended.code == 130
    assert "could not be stopped on the server" in ended.err.splitlines()[-1]
    assert server.count(STOP) >= 1


def test_html_writes_the_timeline(spec: str, dify: MockDify, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    ended = piped("call", spec, *FITTING, "--html", str(page), env=dify.environment)
    assert ended.code == 0
    assert ended.err.splitlines()[-1] == f"The timeline is in {page}."
    assert dify.last_run.workflow_run_id in page.read_text(encoding="utf-8")


def test_html_is_written_for_a_failed_run_too(spec: str, dify: MockDify, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    assert (
        piped("call", spec, "string=boom", "num=1", "list=list_a", "--html", str(page), env=dify.environment).code == 1
    )
    assert "boom" in page.read_text(encoding="utf-8")


def test_files_are_uploaded_from_their_paths(tmp_path: Path) -> None:
    (tmp_path / "报告.txt").write_text("hello", encoding="utf-8")
    with mock_dify(LAB / "files.yml") as server:
        ended = piped("call", str(LAB / "files.yml"), "doc=报告.txt", "--json", env=server.environment, cwd=tmp_path)
        assert ended.code == 0, ended.err
        assert server.last_run.inputs["doc"]["transfer_method"] == "local_file"


def test_a_lone_surrogate_breaks_no_output() -> None:
    with Server({RUN: replay("unicode_lone_surrogate_streaming")}) as server:
        ended = piped("call", str(LAB / "unicode.yml"), "string=x", env=at(server))
    assert "Traceback" not in ended.err


def test_a_run_that_takes_too_long_is_stopped(spec: str, slow: MockDify) -> None:
    ended = piped("call", spec, *FITTING, "--timeout", "1", env=slow.environment)
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == f"The run {slow.last_run.workflow_run_id} was stopped on the server."
    assert slow.last_run.status == "stopped"


def test_the_doctor_is_recommended_where_it_can_help(spec: str) -> None:
    with Server({RUN: replay("auth_bad_key")}) as server:
        ended = piped("call", spec, *FITTING, env=at(server))
    assert ended.err.splitlines()[-1] == f"difygen doctor {spec} looks for the reason."


def test_a_failure_of_many_lines_is_shown_whole() -> None:
    with Server({RUN: replay("failing_streaming")}) as server:
        ended = piped("call", str(LAB / "failing.yml"), "string=x", env=at(server))
    assert ended.code == 1
    assert ended.err.splitlines()[-6:-1] == [
        "Error: The run failed:",
        "  Traceback (most recent call last):",
        '    File "<stdin>", line 12, in <module>',
        '    File "<stdin>", line 2, in main',
        "  ValueError: boom from code: x",
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_a_reader_that_goes_away_stops_the_run_without_a_word(spec: str, slow: MockDify, count: int) -> None:
    arguments = ["call", spec, *FITTING, "--events"]
    result = redirected(arguments, env=slow.environment, redirection=f"| head -{count}")
    assert (result.code, result.err) == (1, "")
    assert [json.loads(line)["event"] for line in result.out.splitlines()] == ["ping", "workflow_started"][:count]
    assert eventually(lambda: slow.last_run.status == "stopped")  # the server answers before the run has stopped


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        (">/dev/full", 1, "Error: Cannot write the results: no space left on device.\n"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
    ],
)
def test_output_that_cannot_be_written(spec: str, dify: MockDify, redirection: str, code: int, message: str) -> None:
    result = redirected(["call", spec, *FITTING], env=dify.environment, redirection=redirection)
    assert (result.code, result.err.endswith(message)) == (code, True)
    assert "Traceback" not in result.err
    assert dify.last_run.status == "succeeded"


def test_a_terminal_that_cannot_write_a_line_anew_gets_plain_lines(spec: str, dify: MockDify) -> None:
    result = on_terminal("call", spec, *FITTING, env=dify.environment, kind="dumb")
    assert result.code == 0
    assert "✓ Start (start, " in result.text


def test_standard_input_is_read_once(spec: str, dify: MockDify) -> None:
    arguments = ("string=@-", "num=1", "list=list_a")
    result = piped("call", "-", *arguments, env=dify.environment, stdin=SPEC)
    assert (result.code, result.err) == (
        2,
        "Error: Standard input can be read once, and SOURCE and string=@- want it.\n",
    )
    result = redirected(["call", spec, *arguments], env=dify.environment, redirection="<&-")
    assert (result.code, result.err) == (2, "Error: string: cannot read '-': standard input is closed.\n")


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_arguments_are_utf_8_in_every_locale(spec: str, dify: MockDify, locale: dict[str, str]) -> None:
    result = piped("call", spec, *FITTING, "--json", env={**dify.environment, **locale})
    assert (result.code, json.loads(result.out)["outputs"]["result"]) == (0, "一2list_b")
    result = piped("call", spec, b"string=\xff".decode("utf-8", "surrogateescape"), env={**dify.environment, **locale})
    assert (result.code, result.err) == (2, "Error: string: this is not UTF-8 text.\n")


def test_a_variable_that_the_client_cannot_read_is_a_sentence(spec: str) -> None:
    env = {"DIFY_BASE_URL": "http://127.0.0.1:1", "DIFY_API_KEY": "app-SECRET", "NO_PROXY": ""}
    env["ALL_PROXY"] = "socks://me:SECRET@h:1"
    ended = piped("call", spec, *FITTING, env=env)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ALL_PROXY names a proxy of a kind that is not supported (socks://)")
    assert "SECRET" not in ended.err
