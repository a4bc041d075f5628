"""A table of inputs, JSON lines or CSV, as the values of one call per row. Everything is read and checked before anything is run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from difygen.call.arguments import Values, collecting, unknown_input, value_from_json, value_from_text
from difygen.call.problems import UsageProblem
from difygen.call.source import content
from difygen.call.text import compact_json
from difygen.call.words import count
from difygen.model import App, Input, JsonValue

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One call: its number in the file, counted from 1, and its values by wire name. The same values have the same `key`."""

    number: int
    line: int
    values: Values
    key: str


def read_rows(
    workflow: App, name: str, common: Values, python_names: Mapping[str, str], check: Callable[[Values], list[str]]
) -> list[Row]:
    """The rows of a file, each with the values that are `common` to all where it does not give its own.

    `check` says what the client would refuse. Raises `UsageProblem` with `file:line` for each mistake in any row.
    """
    inputs = {input_.name: input_ for input_ in workflow.inputs}
    named = {**{alias: inputs[wire] for alias, wire in python_names.items()}, **inputs}
    rows: list[Row] = []
    problems: list[str] = []
    for line, cells in _records(name, problems):
        found: list[str] = []
        values = {**common, **_values(workflow, named, cells, found)}
        if not found:
            found = check(values)
        problems += [f"{name}:{line}: {sentence}" for sentence in found]
        rows.append(Row(len(rows) + 1, line, values, _key(values)))
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
                problems.append(
                    f"{name}:{line}: {count(len(cells), 'cell')} for {count(len(header), 'column')}; quote cells that hold a comma."
                )
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
        elif not _left_out(input_, cell):
            with collecting(problems):
                read = value_from_text(input_, str(cell.value)) if cell.is_text else value_from_json(input_, cell.value)
                values[input_.name] = read
    return values


def _left_out(input_: Input, cell: _Cell) -> bool:
    """An empty cell says nothing, but for a required text, which may be empty."""
    return cell.is_text and cell.value == "" and not (input_.required and input_.kind in ("text-input", "paragraph"))


def _key(values: Values) -> str:
    """What tells rows with other values apart. Files count by their path and what is in them."""
    text = json.dumps(values, ensure_ascii=True, sort_keys=True, default=_named)
    return f"sha256:{sha256(text.encode()).hexdigest()[:32]}"


def _named(value: Any) -> Any:
    return [str(value), sha256(value.read_bytes()).hexdigest()] if isinstance(value, Path) else str(value)
