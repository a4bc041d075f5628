"""`difygen call --inputs` and its files: none is lost, and tables are read as people have them."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen.testing import MockDify, mock_dify
from support.projects import difygen
from support.replay import recording
from support.servers import RUN, Server
from support.terminal import Ended, piped

SPEC = """\
name: concat
inputs:
  string: paragraph
  num: {type: number, required: false}
outputs:
  result: string
"""


class Desk:
    """A folder with a spec, and a server that counts."""

    def __init__(self, folder: Path, dify: MockDify) -> None:
        self.folder, self.dify = folder, dify

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def call(self, *arguments: object, stdin: str = "") -> Ended:
        texts = [str(argument) for argument in arguments]
        return piped("call", str(self.folder / "concat.yaml"), *texts, env=self.dify.environment, stdin=stdin)

    def sent(self) -> list[Any]:
        return [run.inputs["string"] for run in self.dify.runs]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "concat.yaml").write_text(SPEC)
    with mock_dify(tmp_path / "concat.yaml", handler=lambda inputs: {"result": inputs["string"].upper()}) as dify:
        yield Desk(tmp_path, dify)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_store_is_no_leave_to_replace_a_file_of_something_else(desk: Desk, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    rows, other = desk.file("rows.csv", "string\na\n"), desk.file(f"notes.{kind}", "row,count\n1,2\n")
    arguments = ("--inputs", rows, "--store", desk.folder / "runs.db", "--output")
    ended = desk.call(*arguments, other)
    assert (ended.code, other.read_text(), desk.sent()) == (2, "row,count\n1,2\n", [])
    assert ended.err.startswith(f"Error: {other} is there already, and is no table of results; choose another --output")
    output = desk.folder / f"out.{kind}"
    assert [desk.call(*arguments, output).code for _ in range(2)] == [0, 0]  # one's own is written anew
    assert desk.sent() == ["a"]


@pytest.mark.parametrize("way", ["same", "link", "hard link", "other spelling"])
def test_results_never_replace_the_table_that_is_read(desk: Desk, way: str) -> None:
    rows = desk.file("rows.csv", "string\na\n")
    output = desk.folder / "out.csv"
    match way:
        case "link":
            output.symlink_to(rows)
        case "hard link":
            os.link(rows, output)
        case "other spelling":
            output = desk.folder / "." / "sub" / ".." / "rows.csv"
            (desk.folder / "sub").mkdir()
        case _:
            output = rows
    ended = desk.call("--inputs", rows, "--output", output, "--store", desk.folder / "runs.db")
    assert (ended.code, rows.read_text(), desk.sent()) == (2, "string\na\n", [])
    assert ended.err.startswith("Error: --output and --inputs are the same file, ")


def test_results_go_neither_over_nor_among_the_files_of_a_store(desk: Desk) -> None:
    rows = desk.file("rows.csv", "string\na\n")
    both = desk.folder / "runs.csv"
    ended = desk.call("--inputs", rows, "--store", both, "--output", both)
    assert (ended.code, both.exists(), desk.sent()) == (2, False, [])
    assert ended.err == f"Error: --output and --store are the same file, {both}; choose another --output.\n"
    (desk.folder / "runs").mkdir()
    ended = desk.call("--inputs", rows, "--store", desk.folder / "runs", "--output", desk.folder / "runs" / "all.jsonl")
    assert (ended.code, desk.sent()) == (2, [])
    assert "lies in the folder of --store" in ended.err


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")
def test_results_go_where_a_link_leads_and_stay_as_private_as_they_were(desk: Desk) -> None:
    rows, output, real = desk.file("rows.csv", "string\na\n"), desk.folder / "out.csv", desk.file("real.csv", "")
    real.chmod(0o600)
    output.symlink_to(real)
    assert desk.call("--inputs", rows, "--output", output).code == 0
    assert output.is_symlink() and real.read_text().startswith("row,key,status,")
    assert real.stat().st_mode & 0o777 == 0o600


def test_cells_may_be_long_and_columns_without_a_name_are_passed_over(desk: Desk) -> None:
    text = "x" * 300_000
    rows = desk.file("rows.csv", f"string,num,,\r\n{text},1,,\r\nb,2\r\nc,,,,\r\n")
    ended = desk.call("--inputs", rows, "--output", desk.folder / "out.jsonl")
    assert (ended.code, sorted(desk.sent())) == (0, sorted([text, "b", "c"])), ended.err


def test_ctrl_c_while_results_are_written_says_what_is_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, output = desk.file("rows.csv", "string\na\n"), desk.folder / "out.csv"
    for name, value in desk.dify.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("difygen.call.tables.output.os.replace", interrupted)
    ran = difygen("call", str(desk.folder / "concat.yaml"), "--inputs", str(rows), "--output", str(output))
    assert (ran.code, desk.sent()) == (130, ["a"])
    assert ran.err.endswith(f"Interrupted while {output} was written: it is as before, the same command writes it.\n")
    assert sorted(path.name for path in desk.folder.glob("*out.csv*")) == ["out.csv.db"]


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_csv_can_come_from_standard_input(desk: Desk) -> None:
    ended = desk.call("--inputs", "-", stdin="string,num\na,1\n")
    assert (ended.code, json.loads(ended.out)["outputs"]) == (0, {"result": "A"})


def test_a_column_that_is_not_there_is_called_missing(desk: Desk) -> None:
    ended = desk.call("--inputs", desk.file("rows.csv", "string\na\nb\n"), "--id-column", "id")
    assert (ended.code, desk.sent()) == (2, [])
    assert ended.err.startswith(f"Error: {desk.folder}/rows.csv:2: there is no column 'id'. The same in 1 more row.\n")


def test_an_id_that_two_rows_have_is_told_before_anything_runs(desk: Desk) -> None:
    rows = desk.file("rows.csv", "id,string\n7,a\n8,b\n7,c\n7,a\n")
    ended = desk.call("--inputs", rows, "--id-column", "id")
    assert (ended.code, desk.sent()) == (2, [])
    assert ended.err == f"Error: {rows}:4: the id '7' is in line 2 with other values.\nNothing was run.\n"


@pytest.mark.parametrize(
    ("bad", "reason", "ends"),
    [
        (b"\xff\xfe,2\n", "this is not UTF-8 text; save the table as UTF-8.", False),
        (b'"b,2\n', "this is not CSV: unexpected end of data. Nothing after that was read.", True),
    ],
)
def test_what_cannot_be_read_far_down_costs_nothing_of_what_was_run(
    desk: Desk, bad: bytes, reason: str, ends: bool
) -> None:
    rows = desk.file("rows.csv", b"string,num\n" + b"a,1\n" * 10_000 + b"b,1\n" + bad + b"c,1\n")
    output = desk.folder / "out.csv"
    for _ in range(2):
        ended = desk.call("--inputs", rows, "--output", output)
        assert (ended.code, sorted(desk.sent())) == (1, ["a", "b"] if ends else ["a", "b", "c"])
        assert "1 failed (1 invalid)" in ended.err
    found = [line for line in csv.DictReader(output.read_text().splitlines()) if line["status"] != "succeeded"]
    assert [(line["row"], line["status"], line["error"]) for line in found] == [("10002", "invalid", reason)]


def test_parquet_of_pandas_and_of_others(desk: Desk) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = desk.folder / "rows.parquet"
    parquet.write_table(pyarrow.table({"string": [b"a", b"\xff"], "__index_level_0__": [7, 8]}), rows)
    ended = desk.call("--inputs", rows)
    assert (ended.code, desk.sent()) == (2, [])
    assert ended.err.startswith(f"Error: {rows}:2: the column 'string' holds bytes that are no UTF-8 text.\n")
    twice = pyarrow.table([["a"], ["b"]], names=["string", "string"])
    parquet.write_table(twice, rows)
    ended = desk.call("--inputs", rows)
    assert (ended.code, ended.err) == (2, f"Error: {rows}: two columns are called 'string'.\n")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("number", [1e308, -5, 10**30])
def test_numbers_that_make_no_sense_break_neither_the_table_nor_the_summary(
    desk: Desk, kind: str, number: float
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    rows, output = desk.file("rows.csv", "string\na\nb\nc\n"), desk.folder / f"out.{kind}"
    figures = {"elapsed_time": number, "total_tokens": number, "total_steps": number}

    def answer(connection: Any, request: Any) -> None:
        data = {"id": "run-1", "workflow_id": "w", "status": "succeeded", "outputs": {"result": "A"}, **figures}
        connection.stream_head()
        for name in ("workflow_started", "workflow_finished"):
            event = {"event": name, "task_id": "t", "workflow_run_id": "run-1", "data": data}
            connection.chunk(f"data: {json.dumps(event)}\n\n".encode())

    with Server({RUN: answer}) as server:
        env = {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-x"}
        spec = str(desk.folder / "concat.yaml")
        ended = piped("call", spec, "--inputs", str(rows), "--output", str(output), env=env)
    assert (ended.code, output.stat().st_size > 0) == (0, True), ended.err
    assert ended.err.startswith("3 of 3 rows succeeded.")


def test_files_in_the_folder_of_a_store_steer_no_terminal(desk: Desk) -> None:
    (desk.folder / "runs").mkdir()
    (desk.folder / "runs" / "\u202elnosj.jsonl").write_text("of a stranger\n")
    ended = desk.call("--inputs", desk.file("rows.csv", "string\na\n"), "--store", f"{desk.folder / 'runs'}/")
    assert (ended.code, desk.sent()) == (1, [])
    assert "/: \\u202elnosj.jsonl holds what this difygen does not write" in ended.err


def test_rows_that_are_the_same_are_counted_and_called_by_the_first(desk: Desk) -> None:
    rows = desk.file("rows.csv", "string\na\na\nb\na\n")
    ended = desk.call("--inputs", rows)
    assert (ended.code, sorted(desk.sent())) == (0, ["a", "b"])
    assert ended.err.startswith("2 of 4 rows succeeded, 2 the same as others.")
    assert sorted(json.loads(line)["row"] for line in ended.out.splitlines()) == [1, 3]


def test_a_log_says_why_everything_waits(desk: Desk) -> None:
    rows = desk.file("rows.csv", "string\na\n")
    asked = 0

    def answer(connection: Any, request: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            body = b'{"code": "too_many_requests", "message": "Come back later.", "status": 429}'
            head = f"HTTP/1.1 429 X\r\nX-Version: 1.12.1\r\nRetry-After: 4\r\nContent-Length: {len(body)}\r\n"
            connection.send(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
            return
        connection.stream_head()
        for chunk in recording("concat_streaming").chunks:
            connection.chunk(chunk)

    with Server({RUN: answer}) as server:
        env = {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-x"}
        ended = piped("call", str(desk.folder / "concat.yaml"), "--inputs", str(rows), env=env)
    assert (ended.code, asked) == (0, 2), ended.err
    first, second, *_ = ended.err.splitlines()
    assert first.startswith("The server takes nothing for now, so everything waits: ")
    assert "Come back later." in first
    assert second == "1 of 1 row succeeded."


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything is open to root")
def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(desk: Desk) -> None:
    rows, shut = desk.file("rows.csv", "string\na\n"), desk.folder / "shut"
    shut.mkdir(mode=0o555)
    ended = desk.call("--inputs", rows, "--store", desk.folder / "runs.db", "--output", shut / "out.csv")
    assert (ended.code, desk.sent()) == (2, [])
    assert ended.err == f"Error: Cannot write {shut}/out.csv: permission denied.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such names")
def test_names_of_files_do_not_steer_the_terminal(desk: Desk) -> None:
    ended = desk.call("--inputs", desk.file("a\x1b[31m.csv", "strin\na\n"))
    assert ended.code == 2
    assert ended.err.startswith(f"Error: {desk.folder}/a\\x1b[31m.csv:2: concat has no input called 'strin'")
