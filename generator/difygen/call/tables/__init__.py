"""Tables as streams of records: CSV with a header, JSON lines, Parquet. A million rows need no more memory than ten.

A cursor says where in a table one reads, and what was read, so that a stretch of it is known again by its bytes. From
records `rows` makes the checked inputs of calls, and `output` makes a table again of what came of them.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import file_digest as _digest_of_file
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple
from zlib import crc32

from difygen.console import UsageProblem, compact_json
from difygen.model import JsonValue
from difygen.wording import count, shorten

BATCH = 1000
"""Records of a Parquet file that are in memory together."""

KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
"""What the ending of a name says about a table."""

LARGEST_CELL = 1 << 26
"""Characters of a cell of CSV. A quotation mark that is never closed would else take in the rest of the table."""

_INDEX = re.compile(r"__index_level_\d+__")
_NOT_UTF8 = "this is not UTF-8 text; save the table as UTF-8."


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

    def records(self, cursor: TableCursor | None = None) -> Iterator[TableRecord]:
        """Read the table from the cursor on, which moves along, and may be moved forward between two records.

        Raises `UsageProblem` for a table of which nothing can be read.
        """
        cursor = TableCursor() if cursor is None else cursor
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
            csv.field_size_limit(LARGEST_CELL)
            rows = -1
            with suppress(csv.Error):  # whoever reads the records says so
                for cells in csv.reader(line.decode("utf-8", "replace") for line in file):
                    rows += bool(cells)
            return max(rows, 0)

    def columns(self, most: int | None = None) -> dict[str, str]:
        """Return the names of the columns, each with "int", "float", "bool" or "text", as far as `most` rows tell."""
        if self.kind == "csv":
            return {name: "text" for name in self._header(TableCursor()) if name}
        if self.kind == "parquet":
            schema = self._parquet_file().schema_arrow
            return {field.name: _column_type(str(field.type)) for field in schema if not _INDEX.fullmatch(field.name)}
        return {name: "text" for record in islice(self.records(), most) for name in record.cells}

    def head(self) -> str:
        """Return what the rows of the table have in common: the hash of a header, or of a file that only is a whole."""
        cursor = TableCursor()
        if self.kind == "csv":
            self._header(cursor)
        return file_digest(self.path) if self.kind == "parquet" else cursor.digest()

    def _lines(self, cursor: TableCursor, broken: list[int]) -> Iterator[str]:
        """Read lines, ended by a line feed alone: U+2028 may stand inside of JSON.

        The numbers of those that are no UTF-8 are added to `broken`.
        """
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
                    text = line.decode(encoding)
                except UnicodeDecodeError:
                    broken.append(cursor.lines)
                    text = line.decode(encoding, "replace")
                yield text

    def _json_records(self, cursor: TableCursor) -> Iterator[TableRecord]:
        broken: list[int] = []
        for line in self._lines(cursor, broken):
            number = cursor.lines
            if broken:
                broken.clear()
                yield TableRecord(number, {}, _NOT_UTF8)
                continue
            if not line.strip():
                continue
            if number == 1 and line.startswith("["):
                text = "this is a JSON array; write each of its objects on a line of its own (jq -c '.[]')."
                raise UsageProblem(f"{self.name}:1: {text}")
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

    def _csv_records(self, cursor: TableCursor) -> Iterator[TableRecord]:
        header = self._header(cursor)
        width, nameless = len(header), [number for number, name in enumerate(header) if not name]
        broken: list[int] = []
        line = cursor.lines + 1
        try:
            for cells in csv.reader(self._lines(cursor, broken), strict=True):
                while len(cells) > width and not cells[-1]:
                    cells.pop()
                if broken:
                    broken.clear()
                    yield TableRecord(line, {}, _NOT_UTF8)
                elif len(cells) > width:
                    sizes = f"{count(len(cells), 'cell')} for {count(width, 'column')}"
                    yield TableRecord(line, {}, f"{sizes}; quote cells that hold a comma.")
                elif cells and nameless:
                    yield _without_nameless(TableRecord(line, dict(zip(header, cells, strict=False))), cells, nameless)
                elif cells:
                    yield TableRecord(line, dict(zip(header, cells, strict=False)))
                line = cursor.lines + 1
        except csv.Error as error:
            cursor.lose()
            yield TableRecord(line, {}, f"this is not CSV: {error}. Nothing after that was read.")

    def _header(self, cursor: TableCursor) -> list[str]:
        """Return the names of the columns; a cursor at the beginning is after them then."""
        csv.field_size_limit(LARGEST_CELL)
        broken: list[int] = []
        try:
            header = next(csv.reader(self._lines(TableCursor() if cursor.offset else cursor, broken), strict=True), [])
        except csv.Error as error:
            raise UsageProblem(f"{self.name}:1: this is not CSV: {error}.") from error
        if broken:
            raise UsageProblem(f"{self.name}:{broken[0]}: {_NOT_UTF8}")
        header = [cell.strip() for cell in header]
        self._check_header(header)
        return header

    def _check_header(self, header: list[str]) -> None:
        if len(header) == 1 and (other := next((mark for mark in ";\t|" if mark in header[0]), None)):
            raise UsageProblem(f"{self.name}:1: the columns are separated by {other!r}; save the table with commas.")
        repeated = next((cell for cell in header if cell and header.count(cell) > 1), None)
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

    def _parquet_records(self, cursor: TableCursor) -> Iterator[TableRecord]:
        file = self._parquet_file()
        names: list[str] = file.schema_arrow.names
        if repeated := [name for name in names if names.count(name) > 1]:
            raise UsageProblem(f"{self.name}: two columns are called {repeated[0]!r}.")
        indexes = frozenset(filter(_INDEX.fullmatch, names))  # pandas' own numbers of rows
        end = 0
        try:
            for batch in file.iter_batches(batch_size=BATCH):
                begin, end = end, end + batch.num_rows
                records = batch.to_pylist() if cursor.offset < end else []
                while cursor.offset < end:
                    record = records[cursor.offset - begin]
                    cursor.offset += 1
                    yield _parquet_record(cursor.offset, record, indexes)
        except Exception as error:  # noqa: BLE001 - pyarrow's own, of which there are many
            cursor.lose()
            yield TableRecord(cursor.offset + 1, {}, f"nothing can be read from here on: {error}.")


def _column_type(type_: str) -> str:
    """Return what a column of a Parquet file holds that may be written as it is."""
    if re.fullmatch("u?int(8|16|32)|int64", type_):
        return "int"
    return {"halffloat": "float", "float": "float", "double": "float", "bool": "bool"}.get(type_, "text")


def _parquet_record(number: int, record: Mapping[str, Any], left_out: frozenset[str]) -> TableRecord:
    cells: dict[str, JsonValue] = {}
    for name, value in record.items():
        if value is None or value != value or name in left_out:  # noqa: PLR0124 - NaN: so pandas says that it is empty
            continue
        try:
            cells[name] = _plain(value)
        except UnicodeDecodeError:
            return TableRecord(number, {}, f"the column {name!r} holds bytes that are no UTF-8 text.")
    return TableRecord(number, cells)


def _without_nameless(record: TableRecord, cells: list[str], nameless: list[int]) -> TableRecord:
    """Return a record without the columns that have no name, which must be empty."""
    stray = next((number for number in nameless if number < len(cells) and cells[number]), None)
    if stray is not None:
        text = f"column {stray + 1} holds {shorten(cells[stray], 40)!r} and has no name in the first line."
        return TableRecord(record.line, {}, text)
    return record._replace(cells={name: cell for name, cell in record.cells.items() if name})


def _plain(value: Any) -> JsonValue:
    """Return a value of a column as JSON has it: dates and decimals are texts there."""
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


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


# Where one reads


class TableCursor:
    """A place between two records. `offset` is in bytes; in a table of a format that is no text, in records."""

    def __init__(self) -> None:
        self.offset = self.lines = self.records = 0
        self._begun_at = (0, 0, 0)
        self._hash = sha256()
        self._line, self._is_lost = b"", False

    def take(self, line: bytes) -> None:
        """Go past a line."""
        self.offset += len(line)
        self.lines += 1
        self._hash.update(line)
        self._line = line

    def skip(self, size: int, lines: int, records: int) -> None:
        """Go past what need not be read."""
        self.offset += size
        self.lines += lines
        self.records += records

    def begin(self) -> None:
        """Begin a stretch."""
        self._begun_at = self.offset, self.lines, self.records
        self._hash = sha256()

    def stretch(self) -> tuple[int, int, int]:
        """Return the size, lines and records since the beginning of the stretch."""
        offset, lines, records = self._begun_at
        return self.offset - offset, self.lines - lines, self.records - records

    def lose(self) -> None:
        """Take note that nobody knows where the next record begins, so that nothing more is read."""
        self._is_lost = True

    @property
    def is_between(self) -> bool:
        """Whether the last record is whole, whatever may be added to the table."""
        return self._line[-1:] in (b"", b"\n") and not self._is_lost

    def is_at_end(self, size: int) -> bool:
        """Check whether a stretch of about `size` records ends here.

        The last line says so, so that stretches end at the same lines where others were put in or taken out before.
        """
        records, least = self.records - self._begun_at[2], size // 2
        return records >= 4 * size or (records >= least and crc32(self._line) % (size - least) == 0)

    def digest(self) -> str:
        """Return the hash of the lines since the beginning of the stretch."""
        return self._hash.hexdigest()


def file_digest(path: Path) -> str:
    """Return the hash of a whole file."""
    with path.open("rb") as file:
        return _digest_of_file(file, "sha256").hexdigest()


def stretch_digest(path: Path, offset: int, size: int) -> str:
    """Return the hash of bytes of a file, or of those that there are of them."""
    found = sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while size and (piece := file.read(min(size, 1 << 20))):
            size -= len(piece)
            found.update(piece)
    return found.hexdigest()
