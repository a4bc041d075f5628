"""A table of calls: `difygen.bulk` runs it, the terminal sees how far it is, and its results become a table again."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from difygen.bulk import AsyncJob, AsyncLimit, Row, RowResult, Store, StoreError, Tally, open_store
from difygen.bulk.job import Item
from difygen.bulk.pages import Pages
from difygen.bulk.rows import changed_row, result_of_stored
from difygen.call.options import DEFAULT_CONCURRENCY, CallOptions
from difygen.call.summary import Advance, row_lines, row_progress, sum_up
from difygen.call.tables.output import check_output, line_of, write_results
from difygen.call.tables.pages import paged_rows
from difygen.call.tables.rows import Columns, InputRow, RowReader
from difygen.call.tables.table import Table, open_table
from difygen.console import (
    FAILED,
    INTERRUPTED,
    OutputError,
    UsageProblem,
    compact_json,
    echo,
    is_terminal,
    say,
    say_error,
)
from difygen.model import App
from difygen.servers import Connection, read_base_url
from difygen.servers.arguments import Values
from difygen.servers.generated_client import GeneratedClient, sentences
from difygen.wording import count, names_listed

ROWS_OF_OUTPUT = 500
"""Rows whose results are read from the store together."""

SERVERS = "servers"
"""What the notes of a store are about that say where its rows were run."""


@dataclass(slots=True)
class Batch:
    """A table that is run: its rows by key while they are at work, and what of it is said when."""

    loaded: GeneratedClient
    reader: RowReader
    store: Store
    server: str
    options: CallOptions
    advance: Advance
    pages: Pages | None = None
    at_work: dict[str, InputRow] = field(default_factory=dict)
    job: AsyncJob | None = None
    passes: int = 0
    is_server_kept: bool = False
    shown: tuple[Tally, AsyncLimit] | None = None

    @property
    def prints(self) -> bool:
        """Whether results go to standard output, as they come."""
        return self.options.output is None and self.options.store is None

    def rows(self) -> Iterator[Item]:
        """Give the job its rows; those that cannot be sent are results at once."""
        assert self.job is not None
        self.passes += 1
        for found in self.reader.rows() if self.pages is None else paged_rows(self.reader, self.pages):
            if not isinstance(found, InputRow):
                yield found
                continue
            if found.row is None:
                self.job.tally.seen += 1
                self.job.tally.invalid += 1
                if self.passes == 1 and self.prints:
                    self._print(found, invalid(found))
                continue
            if self.prints:
                self.at_work.setdefault(found.row.key, found)
            yield found.row

    def take(self, row: Row, result: RowResult) -> None:
        """Print what came of a row, and keep where it was run."""
        if not self.is_server_kept:
            self.is_server_kept = True
            with suppress(StoreError):  # whoever writes a row says so
                self.store.remember(SERVERS, self.server, "")
        if self.prints:
            self._print(self.at_work.pop(row.key), result)

    def _print(self, found: InputRow, result: RowResult) -> None:
        echo(compact_json(line_of(found, result)))

    async def run(self, connection: Connection) -> Tally:
        """Run all rows, but those that are done."""
        concurrency = self.options.concurrency or DEFAULT_CONCURRENCY
        arguments = {**connection.arguments(), "max_retries": 0}
        async with self.loaded.async_client(**arguments) as client:
            self.job = AsyncJob(
                client,
                self.store,
                concurrency=concurrency,
                retry_failed=self.options.retry_failed,
                rerun_unknown=self.options.rerun_unknown,
                pages=self.pages,
                stops_on_exit=self.prints,
                on_result=self.take,
                on_change=self._show,
            )
            main = asyncio.current_task()
            assert main is not None
            with suppress(NotImplementedError, RuntimeError):  # Windows; another thread
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
            ticking = asyncio.create_task(self._tick())
            try:
                return await self.job.run(self.rows)
            finally:
                ticking.cancel()

    def _show(self, tally: Tally, limit: AsyncLimit) -> None:
        self.shown = tally, limit
        self.advance(tally, limit)

    async def _tick(self) -> None:
        """Show how far it is also while nothing changes, as rows only wait while the server takes nothing."""
        with suppress(OutputError):  # whoever shows a change says so
            while True:
                await asyncio.sleep(1.0)
                if self.shown is not None:
                    self.advance(*self.shown)


def invalid(found: InputRow) -> RowResult:
    """Return the result of a row that cannot be sent."""
    error = " ".join(found.problems)
    return RowResult("", "failed", {"status": "invalid", "error": error, "error_kind": "InvalidRow"}, is_new=False)


def call_rows(
    app: App,
    loaded: GeneratedClient,
    connection: Connection,
    common: Values,
    options: CallOptions,
    turn: Mapping[str, Any],
    users: str | None,
) -> int:
    """Call the app once for every row that was not run yet; 1 if any of them did not succeed.

    `turn` is what all turns of a chat have in common, and `users` begins the users that rows have of their own.
    """

    def refusals(arguments: Mapping[str, Any]) -> list[str]:
        """Return what the client would refuse, as sentences, without sending anything."""
        try:
            loaded.inputs(**{name: value for name, value in arguments.items() if name in loaded.wire_names})
        except ValueError as error:  # pydantic's ValidationError is one
            return sentences(error, loaded)
        return []

    columns = Columns(
        id=options.id_column,
        conversation=options.conversation_column,
        shard=options.shard_of(),
        users=users,
        pass_through=options.pass_through,
    )
    with ExitStack() as stack:
        table = stack.enter_context(open_table(str(options.inputs)))
        reader = RowReader(app, table, common, loaded.wire_names, columns, turn)
        server = read_base_url(connection.base_url)
        store = stack.enter_context(_store_of(options))
        try:
            if others := sorted({name for name, _ in store.remembered(SERVERS)} - {server}):
                advice = f"take another --output or --store to run all at {server}"
                say(f"What was run at {names_listed(others)} is not run again: {advice}.")
            reader.check(refusals, lambda key: store.get(key) is not None)
            if options.pass_through and (unsent := reader.unsent()):
                say(f"Not sent, and kept in the results: {names_listed(unsent)}.")
            with _shown(options, table, columns) as advance:
                batch = Batch(loaded, reader, store, server, options, advance)
                if not batch.prints and (topic := reader.topic()) is not None:
                    batch.pages = Pages(store, topic, retry_failed=options.retry_failed)
                tally = _run(batch, connection)
            if options.output is not None:
                try:
                    write_results(options.output, app, table, _lines(batch))
                except KeyboardInterrupt:
                    say(f"Interrupted while {options.output} was written: it is as before, the same command writes it.")
                    return INTERRUPTED
        except StoreError as error:
            say_error(f"{error} What was kept before stays, and the same command goes on from there.")
            return FAILED
    if tally is not None:
        return sum_up(tally, options, loaded)
    ended = batch.job.tally.done + batch.job.tally.failed.total() if batch.job else 0
    again = "" if batch.prints else " The same command goes on where it stopped."
    say(f"Interrupted after {count(ended, 'row')}.{again}")
    return INTERRUPTED


def _shown(options: CallOptions, table: Table, columns: Columns) -> AbstractContextManager[Advance]:
    """Return what shows how far the rows are: a bar, lines in a log, or nothing where results are read themselves."""
    if options.json or (options.output is None and is_terminal(sys.stdout)):
        return nullcontext(lambda tally, limit: None)

    def count_rows() -> int:
        return table.count() // columns.shard[1]

    return row_progress(count_rows()) if is_terminal(sys.stderr) else row_lines(count_rows)


@contextmanager
def _store_of(options: CallOptions) -> Iterator[Store]:
    """Open the store that goes with the output; without one, a store that is forgotten."""
    with ExitStack() as stack:
        place = options.store or (f"{options.output}.db" if options.output else None)
        if place is None:
            place = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="difygen-"))) / "rows.db")
        if options.output is not None:
            is_known = options.store is not None or Path(place).exists()
            check_output(options.output, inputs=str(options.inputs), store=place, is_known=is_known)
        try:
            store = open_store(place)
        except StoreError as error:
            raise UsageProblem(str(error)) from error
        yield stack.enter_context(store)


def _run(batch: Batch, connection: Connection) -> Tally | None:
    """Run all rows; None where that was interrupted."""
    try:
        return asyncio.run(batch.run(connection))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return None


def _lines(batch: Batch) -> Iterator[Mapping[str, Any]]:
    """Read the rows once more, each with what the store knows of it."""
    every = batch.reader.rows()
    while rows := list(islice(every, ROWS_OF_OUTPUT)):
        known = batch.store.read([found.row.key for found in rows if found.row is not None])
        for found in rows:
            if found.row is None:
                yield line_of(found, invalid(found))
            elif (stored := known.get(found.row.key)) is not None and stored.state != "released":
                is_same = stored.digest == found.row.digest
                yield line_of(found, result_of_stored(stored) if is_same else changed_row(found.row))
