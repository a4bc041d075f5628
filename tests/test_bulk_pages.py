"""Restarts over pages of a table that have ended: they are not read again, and nothing else than that comes of it."""

from __future__ import annotations

import asyncio
import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from difygen import parse
from difygen.bulk import AsyncJob, Store, open_store
from difygen.bulk.job import Item
from difygen.bulk.pages import Pages
from difygen.call.tables import Table
from difygen.call.tables.rows import Columns, InputRow, RowReader, paged_rows
from difygen.testing import mock_dify
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.bulk_server import SPEC, BulkServer, bulk_server
from support.servers import Server
from support.terminal import Ended, piped

COLUMNS = ["id", "string", "num"]
NUMBERS = st.sampled_from(["1", "20", "wrong"])
ROWS = st.lists(
    st.tuples(st.sampled_from(["done", "fail", "lost", "two\nlines"]), st.integers(0, 40), NUMBERS), max_size=14
)


class DifyError(Exception):
    """The name is what tells it."""


class RunError(DifyError):
    """A run that failed."""


@dataclass
class Run:
    """A call that ends at once, as its row says: badly, or in no way that anybody knows."""

    string: str
    is_repaired: bool
    workflow_run_id: str | None = None
    task_id: None = None
    status: str = "succeeded"
    error: None = None
    elapsed_time: float = 0.1
    total_tokens: int = 1
    total_steps: int = 1

    async def __anext__(self) -> Run:
        if self.string.startswith("lost"):
            raise DifyError("the connection broke")
        self.workflow_run_id = f"run of {self.string}"
        return self

    async def result(self) -> Run:
        if self.string.startswith("fail") and not self.is_repaired:
            raise RunError("the node broke")
        return self

    @property
    def raw_outputs(self) -> dict[str, Any]:
        return {"result": self.string}

    async def aclose(self) -> None: ...


@dataclass
class Client:
    """An async client without a server, which notes what it is asked for."""

    is_repaired: bool
    asked: list[str] = field(default_factory=list)

    def stream(self, *, string: str = "", num: float | str = 0, **_: Any) -> Run:
        self.asked.append(f"{string} {num:g}" if isinstance(num, int | float) else f"{string} {num}")
        return Run(string, self.is_repaired)

    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class Step:
    """A job: the rows of the table at that time, and how it is asked for."""

    rows: tuple[tuple[str, int, str], ...]
    shard: tuple[int, int]
    common: int
    retry_failed: bool
    rerun_unknown: bool


def write(path: Path, rows: tuple[tuple[str, int, str], ...]) -> None:
    cells = [{"string": f"{kind} {number}", "num": num} for kind, number, num in rows]
    match path.suffix:
        case ".csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, ["string", "num"])
                writer.writeheader()
                writer.writerows(cells)
        case ".jsonl":
            lines = [{**each, "num": int(each["num"]) if each["num"].isdigit() else each["num"]} for each in cells]
            path.write_text("".join(json.dumps(line) + "\n\n" for line in lines))
        case _:
            import pyarrow
            from pyarrow import parquet

            numbers = [float(each["num"]) if each["num"].isdigit() else None for each in cells]
            columns = {"string": [each["string"] for each in cells], "num": numbers}
            schema = pyarrow.schema([("string", pyarrow.string()), ("num", pyarrow.float64())])
            parquet.write_table(pyarrow.table(columns, schema=schema), path, row_group_size=4)


def run(step: Step, path: Path, store: Store, *, is_paged: bool) -> tuple[list[str], list[object], int]:
    """Run a job; what was asked of the client, how its rows have come out, and how many of them were read."""
    app = parse(SPEC.encode(), "concat.yaml").workflow
    assert app is not None
    common = {} if path.suffix == ".parquet" else {"num": step.common}
    reader = RowReader(
        app, Table(path.name, path), common, {"string": "string", "num": "num"}, Columns(shard=step.shard), {}
    )
    topic = reader.topic()
    assert topic is not None
    pages = Pages(store, topic, retry_failed=step.retry_failed) if is_paged else None
    read: list[InputRow] = []

    def rows() -> Iterator[Item]:
        for found in reader.rows() if pages is None else paged_rows(reader, pages):
            if not isinstance(found, InputRow):
                yield found
                continue
            read.append(found)
            if found.row is None:
                job.tally.invalid += 1
            else:
                yield found.row

    client = Client(step.retry_failed)
    job = AsyncJob(
        client,
        store,
        concurrency=2,
        retry_failed=step.retry_failed,
        rerun_unknown=step.rerun_unknown,
        pages=pages,
    )
    tally = asyncio.run(asyncio.wait_for(job.run(rows), 120))
    counts = [tally.done, dict(tally.failed), tally.before, tally.failed_before, tally.unknown, tally.invalid]
    return sorted(client.asked), counts, len(read)


STEPS = st.lists(
    st.builds(
        Step,
        ROWS.map(tuple),
        st.sampled_from([(0, 1), (0, 1), (0, 2), (1, 2)]),
        st.integers(0, 1),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@given(steps=STEPS, grows=st.booleans())
@settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_a_job_that_skips_pages_does_what_one_does_that_reads_all(suffix: str, steps: list[Step], grows: bool) -> None:
    """The same jobs, one after the other, on two stores: whatever is in the table, and however it changes."""
    with (
        tempfile.TemporaryDirectory() as name,
        patch("difygen.call.tables.rows.BATCH", 3),
        patch("difygen.bulk.limit.FIRST_LOOK", 0.01),
    ):
        folder = Path(name)
        rows: tuple[tuple[str, int, str], ...] = ()
        for step in (step for step in steps for _ in range(2)):
            rows = tuple(dict.fromkeys(rows + step.rows if grows else step.rows))
            write(folder / f"rows{suffix}", rows)
            with open_store(folder / "paged.db") as store:
                found = run(step, folder / f"rows{suffix}", store, is_paged=True)
            with open_store(folder / "read.db") as store:
                wanted = run(step, folder / f"rows{suffix}", store, is_paged=False)
            assert found[:2] == wanted[:2]


@pytest.mark.parametrize(
    ("place", "suffix"), [("rows.db", ".csv"), ("rows.db", ".jsonl"), ("rows/", ".csv"), ("rows/", ".parquet")]
)
def test_pages_that_have_ended_are_not_read_again(tmp_path: Path, place: str, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    rows = tuple(("fail" if number == 1500 else "done", number, "1") for number in range(2300))
    write(path, rows)
    step = Step(rows, (0, 1), 0, retry_failed=False, rerun_unknown=False)
    again = Step(rows, (0, 1), 0, retry_failed=True, rerun_unknown=False)
    with open_store(f"{tmp_path}/{place}") as store:
        assert run(step, path, store, is_paged=True)[2] == 2300
    for asked, *found, most in (
        (step, [], [0, {}, 2299, 1, 0, 0], 0),
        (again, ["fail 1500 1"], [1, {}, 2299, 0, 0, 0], 2000),
        (again, [], [0, {}, 2300, 0, 0, 0], 0),
    ):
        with open_store(f"{tmp_path}/{place}") as store:
            *ended, read = run(asked, path, store, is_paged=True)
        assert ended == found and read <= most


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_where_rows_come_in_or_go_the_others_are_not_read_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    rows = tuple(("done", number, "1") for number in range(800))
    new = ("done", 800, "1")
    for table, asked, before in ((rows, 800, 0), ((new, *rows), 1, 800), ((new, *rows[:500], *rows[501:]), 0, 800)):
        write(path, table)
        step = Step(table, (0, 1), 0, retry_failed=False, rerun_unknown=False)
        with open_store(tmp_path / "rows.db") as store, patch("difygen.call.tables.rows.BATCH", 40):
            found, counts, read = run(step, path, store, is_paged=True)
        assert (len(found), counts) == (asked, [asked, {}, before, 0, 0, 0])
        assert asked == 800 or read <= 400


@pytest.fixture
def served() -> Iterator[tuple[BulkServer, Server]]:
    with bulk_server() as found:
        yield found


def test_a_table_that_has_changed_runs_what_is_new(served: tuple[BulkServer, Server], tmp_path: Path) -> None:
    """A row changed in place, one taken out, some added, one that failed and another job has run again since."""
    bulk, server = served
    table = tmp_path / "rows.csv"
    (tmp_path / "concat.yaml").write_text(SPEC)
    lines = [f"row {number:04}" for number in range(1100)]
    bulk.faults["row 0500"] = "fail"

    def call(*more: str) -> Ended:
        table.write_text("\n".join(["string", *lines, ""]))
        arguments = ("--inputs", "rows.csv", "--store", "runs.db", *more)
        return piped("call", "concat.yaml", *arguments, env=bulk.environment(server), cwd=tmp_path)

    assert "1099 of 1,100 rows succeeded, 1 failed" in call().err
    assert "1099 of 1,100 rows succeeded (1099 before), 1 failed (1 before)." in call().err
    lines[10] = "ROW 0010"  # as long as before
    assert "1099 of 1,100 rows succeeded (1098 before), 1 failed (1 before)." in call().err
    del lines[700]
    lines.append("one more")
    assert "1099 of 1,100 rows succeeded (1098 before)" in call().err
    bulk.faults.clear()
    lines, kept = ["row 0500"], lines
    assert call("--retry-failed").err.startswith("1 of 1 row succeeded.")
    lines = kept
    assert "1100 of 1,100 rows succeeded (1100 before)." in call().err
    assert (bulk.twice, bulk.starts["row 0500"]) == (["row 0500"], 2)
    del lines[5:]
    assert "5 of 5 rows succeeded." in call("num=7").err  # other calls, all of them


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_file_that_has_changed_makes_another_row(tmp_path: Path, suffix: str) -> None:
    """Though the bytes of the table are the same."""
    (tmp_path / "read.yaml").write_text("name: read\ninputs: {doc: file}\noutputs: {text: string}\n")
    (tmp_path / f"rows{suffix}").write_text({".csv": "doc\na.txt\n", ".jsonl": '{"doc": "a.txt"}\n'}[suffix])
    with mock_dify(tmp_path / "read.yaml") as dify:
        for text, said in (("one", "1 of 1 row succeeded."), ("one", "(1 before)."), ("two", "1 of 1 row succeeded.")):
            (tmp_path / "a.txt").write_text(text)
            arguments = ("--inputs", f"rows{suffix}", "--store", "runs.db")
            ended = piped("call", "read.yaml", *arguments, env=dify.environment, cwd=tmp_path)
            assert said in ended.err
        assert len(dify.runs) == 2
