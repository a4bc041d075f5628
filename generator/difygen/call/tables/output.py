"""The results of a table, as a table: a line for each row that was begun, in the order of the table."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from difygen.bulk.rows import RowResult
from difygen.call.tables import BATCH, KINDS, Table, parquet_library
from difygen.call.tables.rows import InputRow
from difygen.console import UsageProblem, compact_json, writing
from difygen.files import is_same_place
from difygen.model import App, ArrayOf, ObjectOf, Primitive, Type

HEAD = ("row", "key", "status")
RUN = ("error", "error_kind", "workflow_run_id", "elapsed_time", "total_tokens", "total_steps")
TURN = ("error", "error_kind", "conversation_id", "message_id", "workflow_run_id", "total_tokens", "latency")


def line_of(found: InputRow, result: RowResult) -> dict[str, Any]:
    """Return what is written of a row."""
    key = None if found.row is None else found.row.key
    values = {name: value for name, value in result.values.items() if name != "task_id"}
    return {"row": found.number, "key": key, "inputs": found.cells, **values}


class _Writer(Protocol):
    def write(self, line: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class JsonWriter:
    """JSON lines, with all that is known."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a row."""
        self._file.write(compact_json(line).encode() + b"\n")

    def close(self) -> None:
        """Write what is still in memory."""
        self._file.close()


class CsvWriter:
    """CSV: a column for each input and each output; what is no text or number is JSON."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="", errors="backslashreplace")
        self._columns = columns
        self._writer = csv.writer(self._file)
        self._writer.writerow(columns)

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a row."""
        flat = flatten(line)
        self._writer.writerow([_cell(flat.get(column)) for column in self._columns])

    def close(self) -> None:
        """Write what is still in memory."""
        self._file.close()


class ParquetWriter:
    """Parquet, with typed columns: outputs as the definition declares them, lists and objects as JSON."""

    def __init__(self, path: Path, columns: list[str], types: Mapping[str, str]) -> None:
        self._parquet = parquet_library()
        import pyarrow

        self._arrow = pyarrow
        known = {"int": pyarrow.int64(), "float": pyarrow.float64(), "bool": pyarrow.bool_()}
        self._types = types
        self._schema = pyarrow.schema(
            [(column, known.get(types.get(column, "text"), pyarrow.string())) for column in columns]
        )
        self._file = self._parquet.ParquetWriter(path, self._schema)
        self._lines: list[dict[str, Any]] = []

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a row."""
        flat = flatten(line)
        self._lines.append({name: _typed(flat.get(name), self._types.get(name, "text")) for name in self._schema.names})
        if len(self._lines) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(self._arrow.Table.from_pylist(self._lines, schema=self._schema))
        self._lines.clear()

    def close(self) -> None:
        """Write what is still in memory."""
        if self._lines:
            self._flush()
        self._file.close()


def write_results(output: str, app: App, table: Table, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write lines of results into a file, whole or not at all. `table` is what they are results of.

    A file that is there stays where its link leads, and as open to others as it is.

    Raises:
        OutputError: It cannot be written; what was there is left.
    """
    path = Path(os.path.realpath(output))
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(output):
        try:
            writer = _writer(scratch, output_kind(output), app, table)
            try:
                if path.exists():
                    shutil.copymode(path, scratch)
                for line in lines:
                    writer.write(line)
            finally:
                writer.close()
            os.replace(scratch, path)
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


def _writer(path: Path, kind: str, app: App, table: Table) -> _Writer:
    if kind == "jsonl":
        return JsonWriter(path)
    outputs = [f"outputs.{output.name}" for output in app.outputs] if app.kind.has_outputs else ["answer"]
    inputs = {f"inputs.{name}": word for name, word in table.columns().items()}
    columns = [*HEAD, *inputs, *outputs, *(RUN if app.kind.has_outputs else TURN)]
    if kind == "csv":
        return CsvWriter(path, columns)
    types = {"row": "int", "elapsed_time": "float", "latency": "float", "total_tokens": "int", "total_steps": "int"}
    types |= inputs | {f"outputs.{output.name}": _word(output.type) for output in app.outputs}
    return ParquetWriter(path, columns, types)


def _word(type_: Type) -> str:
    match type_:
        case Primitive.NUMBER | Primitive.INTEGER:
            return "float"
        case Primitive.BOOLEAN:
            return "bool"
        case Primitive.STRING:
            return "text"
        case ArrayOf() | ObjectOf():
            return "json"
        case _:
            return "text"


def flatten(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line with its inputs and outputs as members like others: `inputs.a`, `outputs.b`."""
    flat = {name: value for name, value in line.items() if name not in ("inputs", "outputs", "usage")}
    usage = line.get("usage") or {}
    flat |= {name: usage.get(name) for name in ("total_tokens", "latency") if name in usage}
    for name in ("inputs", "outputs"):
        flat |= {f"{name}.{member}": value for member, value in (line.get(name) or {}).items()}
    return flat


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    return compact_json(value)


def _typed(value: Any, word: str) -> Any:
    """Return a value as a column of that type takes it; None where it does not fit."""
    if value is None:
        return None
    if word == "text":
        text = value if isinstance(value, str) else compact_json(value)
        return text.encode(errors="backslashreplace").decode()
    if word == "json":
        return json.dumps(value)
    if word == "bool":
        return value if isinstance(value, bool) else None
    if not isinstance(value, int | float):
        return None
    with suppress(OverflowError, ValueError):  # more than fits, and NaN
        return float(value) if word == "float" else int(value) if -(2**63) <= value < 2**63 else None
    return None


def check_output(output: str, *, inputs: str, store: str, is_known: bool) -> None:
    """Raise `UsageProblem` for a file that results cannot go to, or that they must not replace.

    `is_known` says that there is a store whose rows may have been written there before.
    """
    path = Path(output)
    if path.exists() and not path.is_file():
        raise UsageProblem(f"Cannot write results to {output}: it is no file.")
    if not path.parent.is_dir():
        raise UsageProblem(f"Cannot write {output}: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK):
        raise UsageProblem(f"Cannot write {output}: permission denied.")
    if os.path.splitext(output)[1].lower() not in KINDS:
        raise UsageProblem(
            f"Results are written as .csv, .jsonl or .parquet, by the ending of --output, which is {output!r}. "
            "Without --output and --store they are printed."
        )
    for option, place in (("--inputs", inputs), ("--store", store)):
        if is_same_place(output, place):
            raise UsageProblem(f"--output and {option} are the same file, {output}; choose another --output.")
    if "://" not in store and Path(store).is_dir() and is_same_place(str(path.parent), store):
        raise UsageProblem(f"{output} lies in the folder of --store, which is for its own files; choose another place.")
    if path.exists() and path.stat().st_size and not (is_known and _is_of_results(path)):
        which = "is no table of results" if is_known else "no store of difygen call beside it"
        raise UsageProblem(f"{output} is there already, and {which}; choose another --output, so that nothing is lost.")
    if output_kind(output) == "parquet":
        parquet_library()


def output_kind(output: str) -> str:
    """Return which kind of table is meant."""
    return KINDS[os.path.splitext(output)[1].lower()]


def _is_of_results(path: Path) -> bool:
    """Check whether a file was written here, by how it begins."""
    if output_kind(path.name) == "parquet":
        try:
            return tuple(parquet_library().read_schema(path).names[: len(HEAD)]) == HEAD
        except Exception:  # noqa: BLE001 - pyarrow's own, of which there are many
            return False
    with writing(str(path)), path.open("rb") as file:
        return file.read(64).startswith((f"{','.join(HEAD)},".encode(), b'{"row": '))
