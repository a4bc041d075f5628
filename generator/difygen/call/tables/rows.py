"""From the records of a table to the rows of a job: cells are read by the kind of their input, and checked ahead.

They are read in pages: those whose rows have all ended before are known by their bytes, and skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

from difygen import __version__
from difygen.bulk.pages import EndedPage, PageEnd, Pages
from difygen.bulk.rows import Row, digest_of
from difygen.call.tables import BATCH, Table, TableCursor, TableRecord, stretch_digest
from difygen.console import UsageProblem
from difygen.model import App, Input, JsonValue
from difygen.model_json import dump
from difygen.servers.arguments import Values, unknown_input, value_from_json, value_from_text
from difygen.wording import count

CHECKED_AHEAD = 10_000
"""Rows that are checked before the first is sent. Wrong ones further on are results."""

_MOST_SHOWN = 20

_BEGINNING = 4096
"""Bytes that tell a page apart from nearly all others."""

_TRIED = 8
"""Pages of the same beginning that are compared, of a table that repeats itself."""


class InputRow(NamedTuple):
    """One call: its number in the table, from 1, what stands there, and the row of the job, or what is wrong."""

    number: int
    line: int
    cells: Mapping[str, JsonValue]
    row: Row | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of a table mean beside the app's inputs.

    `id` tells rows apart, in the place of their values; rows of one `conversation` are its turns. `shard` is which of
    how many parts of the table are meant, from 0. `users` begins the users that rows have of their own. `pass_through`
    takes columns that are no inputs: they are not sent, and stand in the results.
    """

    id: str | None = None
    conversation: str | None = None
    shard: tuple[int, int] = (0, 1)
    users: str | None = None
    pass_through: bool = False


class RowReader:
    """Reads the rows of a table, each with the values that are common to all where it does not give its own."""

    def __init__(
        self,
        app: App,
        table: Table,
        common: Values,
        python_names: Mapping[str, str],
        columns: Columns,
        turn: Mapping[str, Any],
    ) -> None:
        self.table = table
        self._app, self._common, self._columns, self._turn = app, common, columns, turn
        inputs = {input_.name: input_ for input_ in app.inputs}
        self._inputs = {**{alias: inputs[wire] for alias, wire in python_names.items()}, **inputs}
        self._python = {wire: alias for alias, wire in python_names.items()}
        special = [columns.id, columns.conversation, "query" if "query" in app.kind.parameters else None]
        self._special = {name for name in special if name is not None}
        self._is_text = {name: self._takes_any_text(input_) for name, input_ in self._inputs.items()}
        self._is_number = {name: input_.kind == "number" for name, input_ in self._inputs.items()}
        self._is_plain = all(wire == alias for wire, alias in self._python.items())
        self._prefix = f"{app.name}\n"

    def _takes_any_text(self, input_: Input) -> bool:
        return self.table.has_texts and input_.kind in ("text-input", "paragraph")

    def rows(self) -> Iterator[InputRow]:
        """Read the rows of the shard from the beginning of the table."""
        return (found for found in self.rows_of_all(TableCursor()) if found is not None)

    def rows_of_all(self, cursor: TableCursor) -> Iterator[InputRow | None]:
        """Read the rows from a cursor on; None for those of other shards."""
        index, of = self._columns.shard
        last_turns: dict[str, str] = {}
        for record in self.table.records(cursor):
            cursor.records += 1
            found = self._row(cursor.records, record)
            if (row := found.row) is not None and row.conversation is not None and self._columns.id is None:
                # a turn is another one after other turns: people say "yes" more than once
                last = last_turns.get(row.conversation)
                key = last_turns[row.conversation] = row.key if last is None else digest_of(last, {"turn": row.key})
                found = found._replace(row=row._replace(key=key))
            yield found if of == 1 or self._shard_of(found, of) == index else None

    def topic(self) -> str | None:
        """Return what tells rows apart whose cells are alike: all but the cells that makes rows of them.

        None where more does: files that cells name, and earlier turns of a conversation.
        """
        names_files = any(input_.traits.is_file for input_ in self._app.inputs)
        if names_files or self._columns.conversation is not None:
            return None
        app = [__version__, dump(self._app), self._python]
        columns = [self._columns.id, self._columns.shard, self._columns.pass_through]
        facts = {"app": app, "columns": columns, "common": self._common, "turn": self._turn}
        return digest_of(self.table.head(), facts)

    def unsent(self) -> list[str]:
        """Return the columns that are not sent, as far as the first rows tell."""
        return [name for name in self.table.columns(BATCH) if name not in self._inputs and name not in self._special]

    def check(self, refusals: Callable[[Mapping[str, Any]], list[str]], is_known: Callable[[str], bool]) -> None:
        """Check the first rows, but those that a store knows; `refusals` says what the client would refuse.

        Raises `UsageProblem` with `file:line` for each mistake.
        """
        problems: dict[str, list[int]] = {}  # the lines where each of them is
        ids: dict[str, tuple[str, int]] = {}
        is_empty = True
        for found in islice(self.rows(), CHECKED_AHEAD):
            is_empty = False
            wrong = list(found.problems)
            if found.row is not None:
                digest, line = ids.setdefault(found.row.key, (found.row.digest, found.line))
                if digest != found.row.digest:
                    wrong.append(f"the {self._columns.id} {found.row.key!r} is in line {line} with other values.")
                elif (refused := refusals(found.row.arguments)) and not is_known(found.row.key):
                    wrong = refused
            for sentence in wrong:
                problems.setdefault(sentence, []).append(found.line)
        if problems:
            messages = [self._problem(sentence, lines) for sentence, lines in problems.items()]
            more = len(messages) - _MOST_SHOWN
            note = f"There are {more} more like these. " if more > 0 else ""
            if not self._columns.pass_through and self.unsent():
                note += "--pass-through keeps columns that are no inputs. "
            raise UsageProblem(*messages[:_MOST_SHOWN], note=f"{note}Nothing was run.")
        if is_empty and self._columns.shard[1] == 1:
            raise UsageProblem(f"{self.table.name} holds no rows.")

    def _problem(self, sentence: str, lines: list[int]) -> str:
        """Return what is wrong with rows, and where the first of them stands."""
        others = f" The same in {count(len(lines) - 1, 'more row')}." if len(lines) > 1 else ""
        return f"{self.table.name}:{lines[0]}: {sentence}{others}"

    def _shard_of(self, found: InputRow, of: int) -> int:
        """Return the part that a row belongs to, wherever it stands; a conversation is all in one part."""
        row = found.row
        name = str(found.number) if row is None else row.conversation or row.key
        return int.from_bytes(sha256(name.encode(errors="replace")).digest()[:8]) % of

    def _row(self, number: int, record: TableRecord) -> InputRow:
        if record.problem:
            return InputRow(number, record.line, record.cells, None, (record.problem,))
        problems: list[str] = []
        values = {**self._common, **self._values(record.cells, problems)}
        turn, key, conversation = dict(self._turn), None, None
        if self._special:
            key = self._special_cell(self._columns.id, record.cells, problems)
            conversation = self._special_cell(self._columns.conversation, record.cells, problems)
            if "query" in self._special and ("query" in record.cells or "query" not in turn):
                turn["query"] = self._special_cell("query", record.cells, problems)
        if problems:
            return InputRow(number, record.line, record.cells, None, tuple(problems))
        try:
            digest = digest_of(self._prefix + (conversation or ""), {**values, **turn} if turn else values)
        except OSError as error:
            text = f"{error.filename}: {(error.strerror or str(error)).lower()}."
            return InputRow(number, record.line, record.cells, None, (text,))
        arguments = values if self._is_plain else {self._python[wire]: value for wire, value in values.items()}
        key = key or digest
        user = self._columns.users
        if user is not None:
            user = f"{user}-{sha256((conversation or key).encode()).hexdigest()[:20]}"
        row = Row(
            key,
            {**arguments, **turn} if turn else arguments,
            digest,
            user,
            user is not None and conversation is None,
            conversation,
        )
        return InputRow(number, record.line, record.cells, row)

    def _special_cell(self, column: str | None, cells: Mapping[str, JsonValue], problems: list[str]) -> str | None:
        """Return the text of a column that is no input."""
        if column is None:
            return None
        if column not in cells:
            problems.append(f"there is no column {column!r}.")
            return None
        value = cells[column]
        if value is None or value == "" or not isinstance(value, str | int | float):
            problems.append(f"the column {column!r} must hold a text that is not empty.")
            return None
        return str(value)

    def _values(self, cells: Mapping[str, JsonValue], problems: list[str]) -> Values:
        values: Values = {}
        has_texts, inputs, is_text, is_number = self.table.has_texts, self._inputs, self._is_text, self._is_number
        for name, value in cells.items():
            input_ = inputs.get(name)
            if input_ is None:
                if name not in self._special and not self._columns.pass_through:
                    problems.append(unknown_input(name, self._app))
            elif value == "" and has_texts and not (input_.required and input_.traits.unit == "characters"):
                continue  # an empty cell says nothing, but for a required text, which may be empty
            elif is_text[name]:
                values[input_.name] = value
            elif (
                isinstance(value, str)
                and has_texts
                and is_number[name]
                and len(value) < 16
                and value.isascii()
                and value.isdigit()
            ):
                values[input_.name] = int(value)  # as below, and quicker
            else:
                try:
                    read = value_from_text(input_, str(value)) if has_texts else value_from_json(input_, value)
                    values[input_.name] = read
                except UsageProblem as problem:
                    problems += problem.sentences
        return values


# Pages


def paged_rows(reader: RowReader, pages: Pages) -> Iterator[InputRow | PageEnd | EndedPage]:
    """Read the rows of the shard, a page at a time, and say where each page ends; or that it has ended before."""
    cursor = TableCursor()
    rows = reader.rows_of_all(cursor)
    while True:
        name = _name(cursor, reader.table)
        page = _ended_page(name, cursor, reader.table, pages)
        if page is not None:
            yield page
            continue
        invalid, is_last = 0, True
        cursor.begin()
        for found in rows:
            if found is not None:
                invalid += found.row is None
                yield found
            if cursor.is_at_end(BATCH):
                is_last = False
                break
        if cursor.stretch()[2] and cursor.is_between:
            yield PageEnd(name, json.dumps([*cursor.stretch(), _digest(cursor, reader.table)]), invalid)
        if is_last:
            return


def _name(cursor: TableCursor, table: Table) -> str:
    """Return the name of the page that begins here: what it begins with, wherever in the table that is."""
    return str(cursor.offset) if table.kind == "parquet" else stretch_digest(table.path, cursor.offset, _BEGINNING)


def _ended_page(name: str, cursor: TableCursor, table: Table, pages: Pages) -> EndedPage | None:
    """Return the page that begins here, if it has ended and is still the same; the cursor is after it then."""
    for page in pages.find(name)[-_TRIED:]:
        *stretch, digest = json.loads(page.text)
        if table.kind == "parquet" or stretch_digest(table.path, cursor.offset, stretch[0]) == digest:
            cursor.skip(*stretch)
            return page
    return None


def _digest(cursor: TableCursor, table: Table) -> str:
    return "" if table.kind == "parquet" else cursor.digest()  # a file that only is a whole is part of the topic
