"""`difygen call --inputs` and its files: none is lost, and tables are read as people have them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen.testing import MockDify, mock_dify
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
