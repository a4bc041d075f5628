"""Tables as streams of records: CSV with a header, JSON lines, Parquet. A million rows need no more memory than ten."""

from __future__ import annotations

import csv
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from difygen.call.cursor import Cursor, file_digest
from difygen.console import UsageProblem, compact_json
from difygen.model import JsonValue
from difygen.wording import count

BATCH = 1000
"""Records of a Parquet file that are in memory together."""

KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
"""What the ending of a name says about a table."""


class TableRecord(NamedTuple):
    """One row of a table as it stands there, or what is wrong with it. `line` is where it begins, or its number."""

    line: int
    cells: Mapping[str, JsonValue]
    problem: str = ""


class Table:
    """A table in a file, which can be read any number of times."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.kind = KINDS.get(os.path.splitext(name)[1].lower()) or self._kind_of_content()

    @property
    def has_texts(self) -> bool:
        """Whether all cells are texts, to be read by the kind of their column."""
        return self.kind == "csv"

    def _kind_of_content(self) -> str:
        """Return what a table is whose name does not say it, such as one from standard input."""
        with self.path.open("rb") as file:
            head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
        if head.startswith(b"PK\x03\x04"):
            raise UsageProblem(f"{self.name} is a spreadsheet or an archive; save it as CSV (UTF-8).")
        if head.startswith(b"PAR1"):
            return "parquet"
        return "jsonl" if head.startswith((b"{", b"[")) else "csv"

    def records(self, cursor: Cursor | None = None) -> Iterator[TableRecord]:
        """Read the table from the cursor on, which moves along, and may be moved forward between two records.

        Raises `UsageProblem` where nothing after that can be read.
        """
        cursor = Cursor() if cursor is None else cursor
        try:
            match self.kind:
                case "csv":
                    yield from self._csv_records(cursor)
                case "parquet":
                    yield from self._parquet_records(cursor)
                case _:
                    yield from self._json_records(cursor)
        except OSError as error:
            raise UsageProblem(f"Cannot read {self.name}: {(error.strerror or str(error)).lower()}.") from error

    def count(self) -> int:
        """Return how many rows there are, for those who wait."""
        if self.kind == "parquet":
            found: int = self._parquet_file().metadata.num_rows
            return found
        with self.path.open("rb") as file:
            if self.kind == "jsonl":
                return sum(1 for line in file if not line.isspace())
            texts = (line.decode("utf-8", "replace") for line in file)
            return max(sum(1 for cells in csv.reader(texts) if cells) - 1, 0)

    def head(self) -> str:
        """Return what the rows of the table have in common: the hash of a header, or of a file that only is a whole."""
        cursor = Cursor()
        if self.kind == "csv":
            next(csv.reader(self._lines(cursor)), [])
        return file_digest(self.path) if self.kind == "parquet" else cursor.digest()

    def _lines(self, cursor: Cursor) -> Iterator[str]:
        """Read lines, ended by a line feed alone: U+2028 may stand inside of JSON."""
        with self.path.open("rb") as file:
            position = 0
            while True:
                if position != cursor.offset:
                    file.seek(cursor.offset)
                if not (line := file.readline()):
                    return
                encoding = "utf-8" if cursor.offset else "utf-8-sig"
                cursor.take(line)
                position = cursor.offset
                try:
                    yield line.decode(encoding)
                except UnicodeDecodeError as error:
                    text = f"{self.name}:{cursor.lines}: this is not UTF-8 text; save the table as UTF-8."
                    raise UsageProblem(text) from error

    def _json_records(self, cursor: Cursor) -> Iterator[TableRecord]:
        for line in self._lines(cursor):
            number = cursor.lines
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = error.msg.lower() if isinstance(error, json.JSONDecodeError) else "cannot be read"
                yield TableRecord(number, {}, f"this is no JSON object on one line: {reason}.")
                continue
            if isinstance(record, dict):
                yield TableRecord(number, {key: value for key, value in record.items() if value is not None})
            else:
                yield TableRecord(number, {}, f"a row is a JSON object of inputs, not {compact_json(record)[:40]}.")

    def _csv_records(self, cursor: Cursor) -> Iterator[TableRecord]:
        try:
            reader = csv.reader(self._lines(Cursor() if cursor.offset else cursor), strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            self._check_header(header)
            line, width = cursor.lines + 1, len(header)
            for cells in csv.reader(self._lines(cursor), strict=True):
                if len(cells) > width:
                    sizes = f"{count(len(cells), 'cell')} for {count(width, 'column')}"
                    yield TableRecord(line, {}, f"{sizes}; quote cells that hold a comma.")
                elif cells:
                    yield TableRecord(line, dict(zip(header, cells, strict=False)))
                line = cursor.lines + 1
        except csv.Error as error:
            raise UsageProblem(f"{self.name}:{cursor.lines}: this is not CSV: {error}.") from error

    def _check_header(self, header: list[str]) -> None:
        if len(header) == 1 and (other := next((mark for mark in ";\t|" if mark in header[0]), None)):
            raise UsageProblem(f"{self.name}:1: the columns are separated by {other!r}; save the table with commas.")
        repeated = next((cell for cell in header if header.count(cell) > 1), None)
        if repeated is not None:
            raise UsageProblem(f"{self.name}:1: two columns are called {repeated!r}.")

    def _parquet_file(self) -> Any:
        parquet = parquet_library()
        try:
            return parquet.ParquetFile(self.path)
        except OSError:
            raise
        except Exception as error:  # pyarrow's own, of which there are many
            raise UsageProblem(f"{self.name} is no Parquet file: {error}.") from error

    def _parquet_records(self, cursor: Cursor) -> Iterator[TableRecord]:
        end = 0
        for batch in self._parquet_file().iter_batches(batch_size=BATCH):
            begin, end = end, end + batch.num_rows
            records = batch.to_pylist() if cursor.offset < end else []
            while cursor.offset < end:
                record = records[cursor.offset - begin]
                cursor.offset += 1
                held = {name: each for name, each in record.items() if each is not None}
                for name in [name for name, each in held.items() if each != each]:  # noqa: PLR0124
                    del held[name]  # NaN, by which pandas says that there is nothing
                yield TableRecord(cursor.offset, {name: _plain(each) for name, each in held.items()})


def _plain(value: Any) -> JsonValue:
    """Return a value of a column as JSON has it: dates and decimals are texts there."""
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def parquet_library() -> Any:
    """Return the library that knows Parquet."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UsageProblem("Parquet needs pyarrow: pip install 'difygen[parquet]'.") from error
    return pyarrow.parquet


@contextmanager
def open_table(name: str) -> Iterator[Table]:
    """Open a table that can be read again: what comes from standard input or a pipe is copied first."""
    if name == "-" or _is_pipe(name):
        with tempfile.TemporaryDirectory(prefix="difygen-") as folder:
            copy = Path(folder) / "table"
            with _source(name) as source, copy.open("wb") as file:
                shutil.copyfileobj(source, file)
            yield Table(name, copy)
    else:
        path = Path(name)
        try:
            path.open("rb").close()
        except OSError as error:
            raise UsageProblem(f"Cannot read {name}: {(error.strerror or str(error)).lower()}.") from error
        yield Table(name, path)


def _is_pipe(name: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)
    except (OSError, ValueError):
        return False


def _source(name: str) -> AbstractContextManager[IO[bytes]]:
    if name != "-":
        return open(name, "rb")
    if sys.stdin is None:  # closed before the start (`<&-`)
        raise UsageProblem("Cannot read -: standard input is closed.")
    return sys.stdin.buffer
