"""The tables of a batch: rows of inputs, JSON lines or CSV, and a file of results that tells what is done."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from difygen.arguments import Values, unknown_input, value_from_json, value_from_text
from difygen.console import UsageProblem, collecting, compact_json, writing
from difygen.definitions.reading import content
from difygen.model import App, Input, JsonValue
from difygen.wording import count

DONE = ("succeeded", "partial-succeeded")
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class InputRow:
    """One call: its number in the file, from 1, and its values by wire name. The same values have the same `key`."""

    number: int
    line: int
    values: Values
    key: str


def read_rows(
    workflow: App, name: str, common: Values, python_names: Mapping[str, str], check: Callable[[Values], list[str]]
) -> list[InputRow]:
    """Read the rows of a file, each with the values that are `common` to all where it does not give its own.

    `check` says what the client would refuse. Raises `UsageProblem` with `file:line` for each mistake in any row.
    """
    inputs = {input_.name: input_ for input_ in workflow.inputs}
    named = {**{alias: inputs[wire] for alias, wire in python_names.items()}, **inputs}
    rows: list[InputRow] = []
    problems: list[str] = []
    for line, cells in _records(name, problems):
        found: list[str] = []
        values = {**common, **_values(workflow, named, cells, found)}
        if not found:
            found = check(values)
        problems += [f"{name}:{line}: {sentence}" for sentence in found]
        rows.append(InputRow(len(rows) + 1, line, values, _key(values)))
    if problems:
        more = len(problems) - _MOST_SHOWN
        note = f"There are {more} more like these. " if more > 0 else ""
        raise UsageProblem(*problems[:_MOST_SHOWN], note=f"{note}Nothing was run.")
    if not rows:
        raise UsageProblem(f"{name} holds no rows.")
    return rows


@dataclass(frozen=True, slots=True)
class _Cell:
    """A value of a row, as JSON or as the text of a table's cell."""

    value: JsonValue
    is_text: bool


def _records(name: str, problems: list[str]) -> Iterator[tuple[int, dict[str, _Cell]]]:
    text = _read(name)
    if name.lower().endswith(".csv"):
        yield from _csv_records(name, text, problems)
    else:
        yield from _json_records(name, text, problems)


def _read(name: str) -> str:
    try:
        return content(name).decode("utf-8-sig")
    except OSError as error:
        raise UsageProblem(f"Cannot read {name}: {(error.strerror or str(error)).lower()}.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageProblem(f"{name}:{line}: this is not UTF-8 text; save the table as UTF-8.") from error


def _json_records(name: str, text: str, problems: list[str]) -> Iterator[tuple[int, dict[str, _Cell]]]:
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 may stand inside JSON
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg.lower() if isinstance(error, json.JSONDecodeError) else "cannot be read"
            problems.append(f"{name}:{number}: this is no JSON object on one line: {reason}.")
            continue
        if not isinstance(record, dict):
            problems.append(f"{name}:{number}: a row is a JSON object of inputs, not {compact_json(record)[:40]}.")
            continue
        yield number, {key: _Cell(value, is_text=False) for key, value in record.items() if value is not None}


def _csv_records(name: str, text: str, problems: list[str]) -> Iterator[tuple[int, dict[str, _Cell]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        repeated = next((cell for cell in header if header.count(cell) > 1), None)
        if len(header) == 1 and (other := next((mark for mark in ";\t|" if mark in header[0]), None)):
            raise UsageProblem(f"{name}:1: the columns are separated by {other!r}; save the table with commas.")
        if repeated is not None:
            raise UsageProblem(f"{name}:1: two columns are called {repeated!r}.")
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) > len(header):
                sizes = f"{count(len(cells), 'cell')} for {count(len(header), 'column')}"
                problems.append(f"{name}:{line}: {sizes}; quote cells that hold a comma.")
            elif cells:
                yield line, {column: _Cell(cell, is_text=True) for column, cell in zip(header, cells, strict=False)}
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageProblem(f"{name}:{reader.line_num}: this is not CSV: {error}.") from error


def _values(workflow: App, inputs: Mapping[str, Input], cells: Mapping[str, _Cell], problems: list[str]) -> Values:
    values: Values = {}
    for name, cell in cells.items():
        input_ = inputs.get(name)
        if input_ is None:
            problems.append(unknown_input(name, workflow))
        elif cell.is_text and cell.value == "" and not (input_.required and input_.traits.unit == "characters"):
            continue  # an empty cell says nothing, but for a required text, which may be empty
        else:
            with collecting(problems):
                read = value_from_text(input_, str(cell.value)) if cell.is_text else value_from_json(input_, cell.value)
                values[input_.name] = read
    return values


def _key(values: Values) -> str:
    """Tell rows with other values apart. Files count by their path and what is in them."""

    def named(value: Any) -> Any:
        return [str(value), sha256(value.read_bytes()).hexdigest()] if isinstance(value, Path) else str(value)

    text = json.dumps(values, ensure_ascii=True, sort_keys=True, default=named)
    return f"sha256:{sha256(text.encode()).hexdigest()[:32]}"


def result_line(row: InputRow, result: Mapping[str, Any]) -> str:
    """Return the line of a row that ended."""
    return compact_json({"row": row.number, "inputs": row.key, **result})


class ResultFile:
    """Appends results to a file. What an earlier batch wrote stays; the last line of a row is the one that counts."""

    def __init__(self, name: str) -> None:
        self._path = Path(name)
        if self._path.exists() and not self._path.is_file():  # a device may be endless, a pipe cannot be read again
            raise UsageProblem(f"Cannot write results to {name}: it is no file.")
        self.cut = False
        self._done = self._read_done()
        try:
            self._file = self._path.open("ab")
        except OSError as error:
            raise UsageProblem(f"Cannot write {self._path}: {(error.strerror or str(error)).lower()}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_done(self, row: InputRow) -> bool:
        """Check whether the file holds a success of that row with the same values."""
        return self._done.get(row.number) == row.key

    def write(self, line: str) -> None:
        """Append a line, whole or not at all as far as readers can see."""
        with writing(str(self._path)):
            self._file.write(line.encode() + b"\n")
            self._file.flush()

    def _read_done(self) -> dict[int, str]:
        """Return the rows that succeeded, with the key of their values. Take a last line that was cut off away."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UsageProblem(f"Cannot read {self._path}: {(error.strerror or str(error)).lower()}.") from error
        lines = data.split(b"\n")
        last = lines.pop()
        done: dict[int, tuple[str, str]] = {}
        for number, line in enumerate(lines, 1):
            if (found := _entry(line)) is None:
                raise self._foreign(number)
            done.update([found])
        if last and (entry := _entry(last)) is None:
            if not lines and not last.startswith(b'{"row":'):
                raise self._foreign(1)
            self.cut = True
            os.truncate(self._path, len(data) - len(last))
        elif last:
            with self._path.open("ab") as file:
                file.write(b"\n")
            done.update([entry] if entry else [])
        return {number: key for number, (key, status) in done.items() if status in DONE}

    def _foreign(self, line: int) -> UsageProblem:
        return UsageProblem(
            f"{self._path}:{line}: this is no result of difygen call; choose another --output, so that nothing is lost."
        )


def _entry(line: bytes) -> tuple[int, tuple[str, str]] | None:
    """Return row, key and status of a line; None if it is not one of ours."""
    try:
        record = json.loads(line)
        return int(record["row"]), (str(record["inputs"]), str(record["status"]))
    except (ValueError, KeyError, TypeError):
        return None
