"""`difygen call --inputs`: tables are checked before anything runs, results are written as they arrive, and a batch
goes on where it stopped.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen.call.rows import InputRow, ResultFile, read_rows, result_line
from difygen.console import UsageProblem
from difygen.model import App, Input
from difygen.testing import MockDify, mock_dify
from support.replay import recording
from support.servers import RUN, Connection, Request, Server
from support.terminal import on_terminal, piped, redirected

SPEC = """\
name: concat
inputs:
  string: {type: text-input, max_length: 48}
  num: {type: number, required: false}
outputs:
  result: string
"""
WORKFLOW = App(
    name="concat",
    source="concat.yaml",
    inputs=(
        Input(name="string", kind="text-input"),
        Input(name="note", kind="text-input", required=False),
        Input(name="num", kind="number", required=False),
        Input(name="on", kind="checkbox", required=False),
        Input(name="doc", kind="file", required=False),
    ),
)


def upper(inputs: dict[str, Any]) -> dict[str, Any]:
    if inputs["string"] == "boom":
        raise ValueError("boom")
    return {"result": inputs["string"].upper()}


@pytest.fixture
def spec(tmp_path: Path) -> str:
    file = tmp_path / "concat.yaml"
    file.write_text(SPEC)
    return str(file)


@pytest.fixture
def dify(spec: str) -> Iterator[MockDify]:
    with mock_dify(spec, handler=upper) as server:
        yield server


def table(folder: Path, *strings: str) -> str:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps({"string": string}) + "\n" for string in strings), encoding="utf-8")
    return str(file)


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def rows(folder: Path, name: str, text: str, **common: object) -> list[InputRow]:
    file = folder / name
    file.write_bytes(text.encode())
    return read_rows(
        WORKFLOW, str(file), dict(common), {}, lambda values: [] if "string" in values else ["string is required."]
    )


def test_every_row_is_run_and_its_result_written(spec: str, dify: MockDify, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    ended = piped(
        "call", spec, "--inputs", table(tmp_path, "a", "b", "c"), "--output", str(output), env=dify.environment
    )
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == f"3 of 3 rows succeeded. Results are in {output}.\n"
    results = sorted(read(output), key=lambda result: result["row"])
    assert [(result["row"], result["status"], result["outputs"]) for result in results] == [
        (1, "succeeded", {"result": "A"}),
        (2, "succeeded", {"result": "B"}),
        (3, "succeeded", {"result": "C"}),
    ]


def test_results_go_to_standard_output_without_a_file(spec: str, dify: MockDify, tmp_path: Path) -> None:
    ended = piped("call", spec, "num=7", "--inputs", table(tmp_path, "a"), env=dify.environment)
    assert [json.loads(line)["outputs"] for line in ended.out.splitlines()] == [{"result": "A"}]
    assert dify.last_run.inputs["num"] == 7


def test_a_row_that_fails_leaves_the_others_alone(spec: str, dify: MockDify, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    ended = piped(
        "call", spec, "--inputs", table(tmp_path, "a", "boom", "c"), "--output", str(output), env=dify.environment
    )
    assert (ended.code, ended.err) == (1, f"2 of 3 rows succeeded, 1 failed. Results are in {output}.\n")
    (failed,) = [result for result in read(output) if result["status"] != "succeeded"]
    assert (failed["row"], failed["status"]) == (2, "failed")
    assert "boom" in failed["error"]


def test_a_batch_goes_on_where_it_stopped(spec: str, dify: MockDify, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    arguments = ("call", spec, "--output", str(output), "--inputs")
    assert piped(*arguments, table(tmp_path, "a", "boom"), env=dify.environment).code == 1
    dify.clear()
    again = piped(*arguments, table(tmp_path, "a", "b", "c"), env=dify.environment)
    assert again.code == 0
    assert again.err.splitlines()[0] == "1 row of 3 succeeded before and will not be run again."
    assert sorted(run.inputs["string"] for run in dify.runs) == ["b", "c"]
    nothing = piped(*arguments, table(tmp_path, "a", "b", "c"), env=dify.environment)
    assert (nothing.code, nothing.err) == (0, "All 3 rows succeeded before; there is nothing left to run.\n")


def test_a_line_that_was_cut_off_is_taken_away(spec: str, dify: MockDify, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    arguments = ("call", spec, "--output", str(output), "--inputs", table(tmp_path, "a", "b"))
    piped(*arguments, "--concurrency", "1", env=dify.environment)
    output.write_bytes(output.read_bytes()[:-30])
    ended = piped(*arguments, env=dify.environment)
    assert (ended.code, ended.err.splitlines()[0]) == (0, f"The last line of {output} was cut off and is taken away.")
    assert [result["row"] for result in read(output)] == [1, 2]


def test_wrong_rows_are_told_all_at_once_and_nothing_is_run(spec: str, dify: MockDify, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"string": "a"}\n{"string": 3}\n{"strin": "a"}\n[]\n{\n{}\n')
    ended = piped("call", spec, "--inputs", str(file), env=dify.environment)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        f"Error: {file}:2: string: input should be a valid string.",
        f"Error: {file}:3: concat has no input called 'strin'; did you mean 'string'?",
        f"Error: {file}:4: a row is a JSON object of inputs, not [].",
        f"Error: {file}:5: this is no JSON object on one line: expecting property name enclosed in double quotes.",
        f"Error: {file}:6: string is required.",
        "Nothing was run.",
    ]
    assert dify.runs == []


def test_no_more_than_so_many_run_at_a_time(spec: str, tmp_path: Path) -> None:
    lock, open_now, most = threading.Lock(), 0, 0

    def handle(connection: Connection, request: Request) -> None:
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
        connection.stream_head()
        connection.pause(0.1)
        for chunk in recording("concat_streaming").chunks:
            connection.chunk(chunk)
        with lock:
            open_now -= 1

    with Server({RUN: handle}) as server:
        env = {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-x"}
        ended = piped("call", spec, "--inputs", table(tmp_path, *"abcdefgh"), "--concurrency", "3", env=env)
    assert (ended.code, server.runs, most) == (0, 8, 3)


def test_an_error_that_every_row_would_meet_ends_the_batch(spec: str, tmp_path: Path) -> None:
    refused = recording("auth_bad_key")
    with Server(
        {RUN: lambda connection, request: connection.send(refused.head + b"\r\n\r\n" + refused.body)}
    ) as server:
        env = {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-SECRET"}
        ended = piped("call", spec, "--inputs", table(tmp_path, *"abcdefgh"), "--concurrency", "1", env=env)
    assert (ended.code, server.runs) == (1, 1)
    assert "Access token is invalid" in ended.err
    assert (
        ended.err.splitlines()[-1]
        == "0 of 8 rows succeeded, 1 failed, 7 not run, since every call would end like this."
    )


def test_ctrl_c_stops_what_is_running_and_keeps_what_is_done(spec: str, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    with mock_dify(spec, handler=upper, latency=20) as server:
        ended = on_terminal(
            "call",
            spec,
            "--inputs",
            table(tmp_path, *"abc"),
            "--output",
            str(output),
            "--concurrency",
            "2",
            env=server.environment,
            press=[(lambda: len(server.runs) == 2, b"\x03")],
        )
        assert ended.code == 130
        assert [run.status for run in server.runs] == ["stopped", "stopped"]
    assert "Interrupted after 0 of 3 rows; running ones were asked to stop." in ended.text
    assert output.read_bytes() == b""


def test_a_terminal_shows_a_progress_bar(spec: str, dify: MockDify, tmp_path: Path) -> None:
    arguments = ("call", spec, "--inputs", table(tmp_path, *"abc"), "--output", str(tmp_path / "out.jsonl"))
    ended = on_terminal(*arguments, env=dify.environment)
    assert ended.code == 0
    assert "3/3" in ended.text
    assert ended.text.rstrip().endswith(f"Results are in {tmp_path / 'out.jsonl'}.")


def test_blocking_rows_take_one_answer_each(spec: str, dify: MockDify, tmp_path: Path) -> None:
    ended = piped("call", spec, "--blocking", "--inputs", table(tmp_path, "a", "b"), env=dify.environment)
    assert ended.code == 0
    assert {json.loads(line)["outputs"]["result"] for line in ended.out.splitlines()} == {"A", "B"}


def test_rows_can_come_from_standard_input(spec: str, dify: MockDify) -> None:
    ended = piped("call", spec, "--inputs", "-", env=dify.environment, stdin='{"string": "字"}\n')
    assert json.loads(ended.out)["outputs"] == {"result": "字"}


def test_csv_cells_are_read_by_the_kind_of_their_column(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    text = f'string,num,on,note,doc\r\n"two\r\nlines, quoted",1.5,yes,,{tmp_path}/a.txt\r\n,,,@home\r\n\r\n字,3,0,x\r\n'
    first, second, third = rows(tmp_path, "rows.csv", "\ufeff" + text)
    assert first.values == {"string": "two\r\nlines, quoted", "num": 1.5, "on": True, "doc": tmp_path / "a.txt"}
    assert second.values == {"string": "", "note": "@home"}
    assert third.values == {"string": "字", "num": 3, "on": False, "note": "x"}
    assert [first.line, second.line, third.line] == [2, 4, 6]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("rows.csv", "string,string\na,b\n", "rows.csv:1: two columns are called 'string'."),
        ("rows.csv", "string\na,b\n", "rows.csv:2: 2 cells for 1 column; quote cells that hold a comma."),
        ("rows.csv", "strin\na\n", "rows.csv:2: concat has no input called 'strin'; did you mean 'string'?"),
        ("rows.csv", "string,num\na,ten\n", "rows.csv:2: num must be a number, not 'ten'."),
        ("rows.csv", 'string\n"a\n', "rows.csv:2: this is not CSV: unexpected end of data."),
        ("rows.csv", "string;num\na;1\n", "rows.csv:1: the columns are separated by ';'; save the table with commas."),
        ("rows.csv", "", "rows.csv holds no rows."),
        ("rows.jsonl", "\n", "rows.jsonl holds no rows."),
        ("rows.jsonl", '{"num": 1}\n', "rows.jsonl:1: string is required."),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        rows(tmp_path, name, text)
    assert str(caught.value).splitlines()[0] == f"{tmp_path}/{complaint}"


def test_a_table_in_another_encoding_says_where(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("string\na\n字\n".encode("gbk"))
    with pytest.raises(UsageProblem, match=r"rows\.csv:3: this is not UTF-8 text; save the table as UTF-8\."):
        read_rows(WORKFLOW, str(tmp_path / "rows.csv"), {}, {}, lambda values: [])


def test_json_rows_keep_line_separators_and_common_values(tmp_path: Path) -> None:
    first, second = rows(
        tmp_path, "rows.jsonl", '{"string": "a\u2028b", "num": null}\r\n{"string": "c", "num": 2}', num=9
    )
    assert first.values == {"string": "a\u2028b", "num": 9}
    assert second.values == {"string": "c", "num": 2}


def test_the_key_of_a_row_follows_its_values_and_the_content_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    text = json.dumps({"string": "x", "doc": f"{tmp_path}/a.txt"}) + "\n"
    (first,) = rows(tmp_path, "rows.jsonl", text)
    (same,) = rows(tmp_path, "rows.jsonl", text)
    (tmp_path / "a.txt").write_text("two")
    (other,) = rows(tmp_path, "rows.jsonl", text)
    assert first.key == same.key != other.key


def test_the_last_line_of_a_row_counts(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    row = InputRow(1, 1, {"string": "a"}, "sha256:1")
    with ResultFile(str(file)) as results:
        results.write(result_line(row, {"status": "succeeded"}))
        results.write(result_line(row, {"status": "failed"}))
    with ResultFile(str(file)) as results:
        assert not results.is_done(row)
        results.write(result_line(row, {"status": "partial-succeeded"}))
    with ResultFile(str(file)) as results:
        assert results.is_done(row)
        assert not results.is_done(InputRow(1, 1, {}, "sha256:2"))
        assert not results.is_done(InputRow(2, 2, {}, "sha256:1"))


@pytest.mark.parametrize(
    "content", ["hello\n", "hello", '{"a": 1}\n', '{"row": 1, "inputs": "k", "status": "succeeded"}\nmine\n']
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(content)
    with pytest.raises(UsageProblem, match="this is no result of difygen call; choose another --output"):
        ResultFile(str(file))
    assert file.read_text() == content


def test_a_whole_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text('{"row": 1, "inputs": "k", "status": "succeeded"}')
    with ResultFile(str(file)) as results:
        assert results.is_done(InputRow(1, 1, {}, "k"))
        results.write(result_line(InputRow(2, 2, {}, "k2"), {"status": "failed"}))
    assert [result["row"] for result in read(file)] == [1, 2]


def test_results_that_cannot_be_written_end_the_batch(spec: str, dify: MockDify, tmp_path: Path) -> None:
    arguments = ["call", spec, "--inputs", table(tmp_path, *"abcdef"), "--concurrency", "2"]
    result = redirected(arguments, env=dify.environment, redirection=">/dev/full")
    assert (result.code, result.err) == (1, "Error: Cannot write the results: no space left on device.\n")
    assert len(dify.runs) <= 4
    result = redirected(arguments, env=dify.environment, redirection="| true")
    assert (result.code, result.err) == (1, "")


def test_results_go_to_files_only(spec: str, dify: MockDify, tmp_path: Path) -> None:
    result = piped("call", spec, "--inputs", table(tmp_path, "a"), "--output", "/dev/zero", env=dify.environment)
    assert (result.code, result.err) == (2, "Error: Cannot write results to /dev/zero: it is no file.\n")
