"""The output file of a batch: one JSON line per row that ended, written as it arrives, and read again to go on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from difygen.call.output import writing
from difygen.call.problems import UsageProblem
from difygen.call.rows import Row
from difygen.call.text import compact_json

DONE = ("succeeded", "partial-succeeded")


def result_line(row: Row, result: Mapping[str, Any]) -> str:
    """The line for a row that ended."""
    return compact_json({"row": row.number, "inputs": row.key, **result})


class ResultFile:
    """Appends results to a file. What an earlier batch wrote stays; the last line of a row is the one that counts."""

    def __init__(self, name: str) -> None:
        self._path = Path(name)
        if self._path.exists() and not self._path.is_file():  # a device may be endless, a pipe cannot be read again
            raise UsageProblem(f"Cannot write results to {name}: it is no file.")
        self.cut = False
        self._done = self._read_done()
        self._file = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_done(self, row: Row) -> bool:
        """Whether the file holds a success of that row with the same values."""
        return self._done.get(row.number) == row.key

    def write(self, line: str) -> None:
        """Append a line, whole or not at all as far as readers can see."""
        with writing(str(self._path)):
            self._file.write(line.encode() + b"\n")
            self._file.flush()

    def _read_done(self) -> dict[int, str]:
        """The rows that succeeded, with the key of their values. A last line that was cut off is taken away."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UsageProblem(f"Cannot read {self._path}: {(error.strerror or str(error)).lower()}.") from error
        lines = data.split(b"\n")
        last = lines.pop()
        done = dict(self._entries(lines))
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

    def _entries(self, lines: Iterable[bytes]) -> Iterable[tuple[int, tuple[str, str]]]:
        for number, line in enumerate(lines, 1):
            entry = _entry(line)
            if entry is None:
                raise self._foreign(number)
            yield entry

    def _foreign(self, line: int) -> UsageProblem:
        return UsageProblem(
            f"{self._path}:{line}: this is no result of difygen call; choose another --output, so that nothing is lost."
        )

    def _open(self) -> Any:
        try:
            return self._path.open("ab")
        except OSError as error:
            raise UsageProblem(f"Cannot write {self._path}: {(error.strerror or str(error)).lower()}.") from error


def _entry(line: bytes) -> tuple[int, tuple[str, str]] | None:
    """Row, key and status of a line; None if it is not one of ours."""
    try:
        record = json.loads(line)
        return int(record["row"]), (str(record["inputs"]), str(record["status"]))
    except (ValueError, KeyError, TypeError):
        return None
