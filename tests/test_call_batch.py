"""`difygen call --inputs`: tables are checked before anything runs, results are a table again, and a batch goes on
where it stopped. What is killed, cut and refused is in `test_bulk_kills.py`.
"""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen.call.tables import open_table
from difygen.call.tables.output import flatten
from difygen.call.tables.rows import Columns, InputRow, RowReader
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


def rows(folder: Path, name: str, text: str | bytes, **common: object) -> list[InputRow]:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    names = {input_.name: input_.name for input_ in WORKFLOW.inputs}
    with open_table(str(file)) as table:
        reader = RowReader(WORKFLOW, table, dict(common), names, Columns(), {})
        reader.check(lambda values: [] if "string" in values else ["string is required."], lambda key: False)
        return list(reader.rows())


def values(row: InputRow) -> dict[str, Any]:
    assert row.row is not None
    return dict(row.row.arguments)


def test_every_row_is_run_and_its_result_written(spec: str, dify: MockDify, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    ended = piped(
        "call", spec, "--inputs", table(tmp_path, "a", "b", "c"), "--output", str(output), env=dify.environment
    )
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith(f"3 of 3 rows succeeded. Results are in {output}.\n")
    assert [(result["row"], result["status"], result["outputs"]) for result in read(output)] == [
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
    assert ended.code == 1
    assert ended.err.startswith(f"2 of 3 rows succeeded, 1 failed (1 RunFailedError). Results are in {output}.\n")
    (failed,) = [result for result in read(output) if result["status"] != "succeeded"]
    assert (failed["row"], failed["status"]) == (2, "failed")
    assert "boom" in failed["error"]


def test_a_batch_goes_on_where_it_stopped(spec: str, dify: MockDify, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    arguments = ("call", spec, "--output", str(output), "--inputs")
    assert piped(*arguments, table(tmp_path, "a", "boom"), env=dify.environment).code == 1
    dify.clear()
    again = piped(*arguments, table(tmp_path, "c", "a", "boom"), env=dify.environment)
    assert again.code == 1
    assert again.err.startswith("2 of 3 rows succeeded (1 before), 1 failed (1 before).")
    assert [run.inputs["string"] for run in dify.runs] == ["c"]
    assert [(line["row"], line["inputs"]["string"]) for line in read(output)] == [(1, "c"), (2, "a"), (3, "boom")]
    retried = piped(*arguments, table(tmp_path, "c", "a", "boom"), "--retry-failed", env=dify.environment)
    assert (retried.code, [run.inputs["string"] for run in dify.runs]) == (1, ["c", "boom"])
    nothing = piped(*arguments, table(tmp_path, "a", "c"), env=dify.environment)
    assert (nothing.code, nothing.err) == (0, f"2 of 2 rows succeeded (2 before). Results are in {output}.\n")


def test_rows_with_the_same_values_are_one_row_unless_an_id_tells_them_apart(
    spec: str, dify: MockDify, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    piped("call", spec, "--inputs", table(tmp_path, *"aaaa"), "--output", str(output), env=dify.environment)
    assert (len(dify.runs), [line["status"] for line in read(output)]) == (1, ["succeeded"] * 4)
    dify.clear()
    (tmp_path / "rows.csv").write_text("id,string\n7,a\n8,a\n")
    arguments = ("call", spec, "--inputs", str(tmp_path / "rows.csv"), "--id-column", "id")
    ended = piped(*arguments, "--output", str(tmp_path / "out.csv"), env=dify.environment)
    assert (ended.code, len(dify.runs)) == (0, 2)
    assert [line.split(",")[:4] for line in (tmp_path / "out.csv").read_text().splitlines()] == [
        ["row", "key", "status", "inputs.id"],
        ["1", "7", "succeeded", "7"],
        ["2", "8", "succeeded", "8"],
    ]


def test_an_id_with_other_values_is_refused(spec: str, dify: MockDify, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    arguments = ("call", spec, "--inputs", str(file), "--id-column", "id", "--output", str(tmp_path / "out.csv"))
    file.write_text("id,string\n7,a\n")
    assert piped(*arguments, env=dify.environment).code == 0
    file.write_text("id,string\n7,b\n,c\n")
    ended = piped(*arguments, env=dify.environment)
    assert (ended.code, ended.err.splitlines()[0]) == (
        2,
        f"Error: {file}:3: the column 'id' must hold a text that is not empty.",
    )
    file.write_text("id,string\n7,b\n")
    ended = piped(*arguments, env=dify.environment)
    assert (ended.code, len(dify.runs)) == (1, 1)
    assert "1 failed (1 invalid)" in ended.err


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_tables_come_and_go_in_three_kinds(spec: str, dify: MockDify, tmp_path: Path, kind: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    source, output = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    records = [
        {"string": "a", "num": 1.5, "name": "=A", "price": 1.25},
        {"string": "boom", "num": None, "name": None, "price": None},
        {"string": "字", "num": 3.0, "name": "row, 3", "price": 3.0},
    ]
    if kind == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist(records), source)
    elif kind == "csv":
        source.write_text('string,num,name,price\na,1.5,=A,1.25\nboom\n字,3,"row, 3",3.0\n', encoding="utf-8")
    else:
        source.write_text("".join(json.dumps(record) + "\n" for record in records))
    arguments = ("call", spec, "--inputs", str(source), "--output", str(output))
    refused = piped(*arguments, env=dify.environment)
    assert (refused.code, dify.runs) == (2, [])
    assert "concat has no input called 'price'; it takes string, num." in refused.err
    assert refused.err.endswith("--pass-through keeps columns that are no inputs. Nothing was run.\n")
    ended = piped(*arguments, "--pass-through", env=dify.environment)
    assert (ended.code, sorted(str(run.inputs["string"]) for run in dify.runs)) == (1, ["a", "boom", "字"])
    assert {name for run in dify.runs for name in run.inputs} <= {"string", "num"}
    assert ended.err.startswith("Not sent, and kept in the results: `name` and `price`.\n")
    if kind == "parquet":
        found = parquet.read_table(output).to_pylist()
    elif kind == "csv":
        found = list(csv.DictReader(output.read_text(encoding="utf-8").splitlines()))
    else:
        found = [flatten(line) for line in read(output)]
    assert [(int(line["row"]), line["status"], line.get("outputs.result") or None) for line in found] == [
        (1, "succeeded", "A"),
        (2, "failed", None),
        (3, "succeeded", "字"),
    ]
    kept = [tuple(line.get(f"inputs.{name}") or None for name in ("name", "price")) for line in found]
    assert kept == [("=A", "1.25" if kind == "csv" else 1.25), (None, None), ("row, 3", "3.0" if kind == "csv" else 3)]


def test_what_is_passed_through_tells_no_rows_apart_and_is_found_far_down(
    spec: str, dify: MockDify, tmp_path: Path
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text('{"string": "a"}\n' * 1500 + '{"string": "a", "note": {"late": true}}\n')
    arguments = ("call", spec, "--inputs", str(source), "--output", str(output), "--pass-through")
    for _ in range(2):
        assert (piped(*arguments, env=dify.environment).code, len(dify.runs)) == (0, 1)
        found = list(csv.DictReader(output.read_text().splitlines()))
        assert [line["inputs.note"] for line in found if line["inputs.note"]] == ['{"late": true}']
        assert {line["outputs.result"] for line in found} == {"A"}
        source.write_text(source.read_text().replace('"a"}', '"a", "price": 7}'))  # no reason to run it again
    assert {line["inputs.price"] for line in csv.DictReader(output.read_text().splitlines())} == {"7", ""}


def test_shards_have_every_row_once(spec: str, dify: MockDify, tmp_path: Path) -> None:
    names = [f"row {number}" for number in range(30)]
    arguments = ("call", spec, "--inputs", table(tmp_path, *names), "--store", str(tmp_path / "runs.db"))
    for shard in range(1, 4):
        ended = piped(*arguments, "--shard", f"{shard}/3", env=dify.environment)
        assert (ended.code, ended.out) == (0, "")
    assert sorted(run.inputs["string"] for run in dify.runs) == sorted(names)
    ended = piped(*arguments, "--output", str(tmp_path / "all.csv"), env=dify.environment)
    assert ended.err.startswith("30 of 30 rows succeeded (30 before).")
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 31


def test_rows_beyond_those_that_are_checked_ahead_are_results(
    spec: str, dify: MockDify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.jsonl"
    good = '{"string": "a"}\n'
    file.write_text(good * 10_000 + '{"string": "b"}\n{"strin": "c"}\n{"string": 3}\n')
    output = tmp_path / "out.jsonl"
    for _ in range(2):
        ended = piped("call", spec, "--inputs", str(file), "--output", str(output), env=dify.environment)
        assert (ended.code, sorted(run.inputs["string"] for run in dify.runs)) == (1, ["a", "b"])
    wrong = read(output)[-2:]
    assert [(line["row"], line["status"]) for line in wrong] == [(10_002, "invalid"), (10_003, "error")]
    assert "did you mean 'string'?" in wrong[0]["error"]


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
        "--pass-through keeps columns that are no inputs. Nothing was run.",
    ]
    assert dify.runs == []


def test_no_more_than_so_many_run_at_a_time(spec: str, tmp_path: Path) -> None:
    lock, full, open_now, most = threading.Lock(), threading.Event(), 0, 0

    def handle(connection: Connection, request: Request) -> None:
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
            if most == 3:
                full.set()
        full.wait(60)
        connection.stream_head()
        connection.pause(0.05)
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
    assert ended.err.splitlines()[-1] == (
        "0 rows ended before that. No more were started, since every call would end like this."
    )


def test_ctrl_c_stops_runs_whose_results_would_be_lost(spec: str, tmp_path: Path) -> None:
    with mock_dify(spec, handler=upper, latency=20) as server:
        ended = on_terminal(
            "call",
            spec,
            "--inputs",
            table(tmp_path, *"abc"),
            "--concurrency",
            "2",
            env=server.environment,
            press=[(lambda: len(server.runs) == 2, b"\x03")],
        )
        assert ended.code == 130
        assert [run.status for run in server.runs] == ["stopped", "stopped"]
    assert "Interrupted after 0 rows." in ended.text


def test_ctrl_c_leaves_runs_whose_results_are_kept_later(spec: str, tmp_path: Path) -> None:
    arguments = ("call", spec, "--inputs", table(tmp_path, *"abc"), "--output", str(tmp_path / "out.jsonl"))
    goes_on = threading.Event()

    def hold(inputs: dict[str, Any]) -> dict[str, Any]:
        goes_on.wait(60)
        return upper(inputs)

    with mock_dify(spec, handler=hold) as server:
        ended = on_terminal(
            *arguments,
            "--concurrency",
            "2",
            env=server.environment,
            press=[(lambda: len(server.runs) == 2, b"\x03")],
        )
        assert (ended.code, [run.status for run in server.runs]) == (130, ["running", "running"])
        assert "Interrupted after 0 rows. The same command goes on where it stopped." in ended.text
        goes_on.set()
        again = piped(*arguments, env=server.environment)
        assert (again.code, len(server.runs)) == (0, 3), again.err


def test_a_terminal_shows_a_progress_bar(spec: str, dify: MockDify, tmp_path: Path) -> None:
    arguments = ("call", spec, "--inputs", table(tmp_path, *"abc"), "--output", str(tmp_path / "out.jsonl"))
    ended = on_terminal(*arguments, env=dify.environment)
    assert ended.code == 0
    assert "3/3" in ended.text
    assert "/s, " in ended.text
    assert f"Results are in {tmp_path / 'out.jsonl'}." in ended.text


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--blocking"], "--blocking is for a single call: a table is streamed"),
        (["--conversation", "c1"], "--conversation is for a single call: in a table each row is"),
        (["--shard", "0/4"], "--shard is 1/16 to 16/16 for sixteen parts, not '0/4'."),
        (["--shard", "5/4"], "--shard is 1/16 to 16/16 for sixteen parts, not '5/4'."),
        (["--retry-failed"], "--retry-failed needs what an earlier run has kept: its --output or --store."),
        (["--rerun-unknown"], "--rerun-unknown needs what an earlier run has kept: its --output or --store."),
        (["--conversation-column", "a"], "`concat` is a workflow, which takes no --conversation-column."),
        (["--output", "nowhere/out.csv"], "Cannot write nowhere/out.csv: there is no folder nowhere."),
        (["--output", "out.xlsx"], "Results are written as .csv, .jsonl or .parquet, by the ending of --output"),
        (["--output", "-"], "Results are written as .csv, .jsonl or .parquet, by the ending of --output"),
    ],
)
def test_options_that_make_no_sense(
    spec: str, dify: MockDify, tmp_path: Path, options: list[str], complaint: str
) -> None:
    ended = piped("call", spec, "--inputs", table(tmp_path, "a"), *options, env=dify.environment)
    assert (ended.code, dify.runs) == (2, [])
    assert ended.err.startswith(f"Error: {complaint}")


def test_rows_can_come_from_standard_input(spec: str, dify: MockDify) -> None:
    ended = piped("call", spec, "--inputs", "-", env=dify.environment, stdin='{"string": "字"}\n')
    assert json.loads(ended.out)["outputs"] == {"result": "字"}


def test_csv_cells_are_read_by_the_kind_of_their_column(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    text = f'string,num,on,note,doc\r\n"two\r\nlines, quoted",1.5,yes,,{tmp_path}/a.txt\r\n,,,@home\r\n\r\n字,3,0,x\r\n'
    first, second, third = rows(tmp_path, "rows.csv", "\ufeff" + text)
    assert values(first) == {"string": "two\r\nlines, quoted", "num": 1.5, "on": True, "doc": tmp_path / "a.txt"}
    assert values(second) == {"string": "", "note": "@home"}
    assert values(third) == {"string": "字", "num": 3, "on": False, "note": "x"}
    assert [first.line, second.line, third.line] == [2, 4, 6]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("rows.csv", "string,string\na,b\n", "rows.csv:1: two columns are called 'string'."),
        ("rows.csv", "string\na,b\n", "rows.csv:2: 2 cells for 1 column; quote cells that hold a comma."),
        ("rows.csv", "strin\na\n", "rows.csv:2: concat has no input called 'strin'; did you mean 'string'?"),
        ("rows.csv", "string,num\na,ten\n", "rows.csv:2: num must be a number, not 'ten'."),
        (
            "rows.csv",
            'string\n"a\n',
            "rows.csv:2: this is not CSV: unexpected end of data. Nothing after that was read.",
        ),
        ("rows.csv", "string,,\na,,x\n", "rows.csv:2: column 3 holds 'x' and has no name in the first line."),
        (
            "rows.tsv",
            "string\tnum\na\t1\n",
            "rows.tsv:1: the columns are separated by '\\t'; save the table with commas.",
        ),
        ("rows.xlsx", "PK\x03\x04", "rows.xlsx is a spreadsheet or an archive; save it as CSV (UTF-8)."),
        (
            "rows.json",
            '[\n{"string": "a"}\n]\n',
            "rows.json:1: this is a JSON array; write each of its objects on a line of its own (jq -c '.[]').",
        ),
        (
            "rows.csv",
            "string,nam\n" + "a,b\n" * 3,
            "rows.csv:2: concat has no input called 'nam'; did you mean 'num'? The same in 2 more rows.",
        ),
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
    with pytest.raises(UsageProblem, match=r"rows\.csv:3: this is not UTF-8 text; save the table as UTF-8\."):
        rows(tmp_path, "rows.csv", "string\na\n字\n".encode("gbk"))


def test_json_rows_keep_line_separators_and_common_values(tmp_path: Path) -> None:
    first, second = rows(
        tmp_path, "rows.jsonl", '{"string": "a\u2028b", "num": null}\r\n{"string": "c", "num": 2}', num=9
    )
    assert values(first) == {"string": "a\u2028b", "num": 9}
    assert values(second) == {"string": "c", "num": 2}


def test_the_key_of_a_row_follows_its_values_and_the_content_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    text = json.dumps({"string": "x", "doc": f"{tmp_path}/a.txt"}) + "\n"
    (first,) = rows(tmp_path, "rows.jsonl", text)
    (same,) = rows(tmp_path, "rows.jsonl", text)
    (tmp_path / "a.txt").write_text("two")
    (other,) = rows(tmp_path, "rows.jsonl", text)
    assert first.row is not None and same.row is not None and other.row is not None
    assert first.row.key == same.row.key != other.row.key


def test_a_file_of_something_else_is_left_alone(spec: str, dify: MockDify, tmp_path: Path) -> None:
    output, store = tmp_path / "notes.csv", tmp_path / "notes.db"
    output.write_text("mine")
    store.write_text("mine, too")
    arguments = ("call", spec, "--inputs", table(tmp_path, "a"))
    ended = piped(*arguments, "--output", str(output), env=dify.environment)
    assert (ended.code, dify.runs, output.read_text()) == (2, [], "mine")
    assert "is there already, and no store of difygen call beside it" in ended.err
    ended = piped(*arguments, "--store", str(store), env=dify.environment)
    assert (ended.code, dify.runs, store.read_text()) == (2, [], "mine, too")
    complaint = "it is a file of something else; choose another place for the store"
    assert ended.err == f"Error: Cannot use {store}: {complaint}.\n"
    ended = piped(*arguments, "--store", f"{tmp_path}/", env=dify.environment)
    assert (ended.code, dify.runs) == (2, [])
    assert ended.err == (
        f"Error: {tmp_path} holds other things, such as concat.yaml: give the store a folder of its own, "
        f"such as {tmp_path}/runs/.\n"
    )


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
