"""A table of calls: `difygen.bulk` runs it, the terminal sees how far it is, and its results become a table again.

How it came out is said in sentences; how far it is, is a bar on a terminal, and a line now and then in a log.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from difygen.bulk import AsyncJob, AsyncLimit, JobEndedError, Row, RowResult, Store, StoreError, Tally, open_store
from difygen.bulk.job import Item, Spread
from difygen.bulk.pages import Pages
from difygen.bulk.rows import changed_row, result_of_stored
from difygen.call.options import DEFAULT_CONCURRENCY, CallOptions
from difygen.call.tables import Table, open_table
from difygen.call.tables.output import check_output, line_of, write_results
from difygen.call.tables.rows import Columns, InputRow, RowReader, paged_rows
from difygen.console import (
    FAILED,
    INTERRUPTED,
    OK,
    OutputError,
    UsageProblem,
    compact_json,
    duration,
    echo,
    is_terminal,
    one_line,
    say,
    say_error,
)
from difygen.model import App
from difygen.servers import Connection, read_base_url
from difygen.servers.arguments import Values
from difygen.servers.generated_client import GeneratedClient, sentences
from difygen.wording import count, listed, names_listed

ROWS_OF_OUTPUT = 500
"""Rows whose results are read from the store together."""

SERVERS = "servers"
"""What the notes of a store are about that say where its rows were run."""

_DRAWN_EVERY = 0.1

_SAID_EVERY = 60.0
"""Seconds between two lines that say how far it is, where there is no terminal."""

_LONG_PAUSE = 2.0
"""Seconds of waiting that are worth a line."""

Advance = Callable[[Tally, AsyncLimit], None]


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


# What is said of it


def sum_up(tally: Tally, options: CallOptions, loaded: GeneratedClient) -> int:
    """Say how a table came out; the exit code."""
    if tally.error is not None:
        cause = tally.error.__cause__ if isinstance(tally.error, JobEndedError) else tally.error
        for sentence in sentences(cause if isinstance(cause, Exception) else tally.error, loaded):
            say(f"Error: {sentence}")
    succeeded, failed = tally.done + tally.before, tally.failed.total() + tally.failed_before + tally.invalid
    total = succeeded + failed + tally.unknown + tally.unfinished + tally.repeated
    if tally.error is not None:
        ended = count(tally.done + tally.failed.total(), "row")
        say(f"{ended} ended before that. No more were started, since every call would end like this.")
        return FAILED
    kinds = Counter(tally.failed) + Counter({"invalid": tally.invalid, "before": tally.failed_before})
    words = [f"{succeeded} of {count(total, 'row')} succeeded" + (f" ({tally.before} before)" if tally.before else "")]
    if failed:
        words.append(
            f"{failed} failed ({listed(f'{number} {kind}' for kind, number in sorted(kinds.items()) if number)})"
        )
    words += [f"{tally.unknown} unknown"] if tally.unknown else []
    words += [f"{tally.unfinished} unfinished"] if tally.unfinished else []
    words += [f"{tally.repeated} the same as others"] if tally.repeated else []
    say(", ".join(words) + (f". Results are in {options.output}." if options.output else "."))
    if tally.seconds.count:
        say(f"Time of a run: {_spread(tally.seconds, duration)}")
    if tally.tokens.total:
        say(f"Tokens of a run: {_spread(tally.tokens, lambda tokens: f'{round(tokens):,}')}")
    for line in _advice(tally, options):
        say(line)
    return OK if succeeded + tally.repeated == total else FAILED


def _spread(spread: Spread, write: Callable[[float], str]) -> str:
    return (
        f"median {write(spread.quantile(0.5))}, 95% within {write(spread.quantile(0.95))}, total {write(spread.total)}."
    )


def _advice(tally: Tally, options: CallOptions) -> Iterator[str]:
    if options.output is None and options.store is None:
        return
    if tally.failed or tally.failed_before:
        yield "The same command with --retry-failed runs the rows again that failed."
    if tally.unknown:
        yield (
            "Of the unknown rows nobody can tell whether a run was started: look at Dify's logs. "
            "--rerun-unknown runs them again."
        )
    if tally.unfinished:
        yield "Unfinished runs go on at the server, or wait for people: the same command reads how they ended."


@contextmanager
def row_lines(count_rows: Callable[[], int]) -> Iterator[Advance]:
    """Say in the log of a job how far it is, every minute, and why it waits, when it begins to wait.

    `count_rows` reads all of the table, and is asked when there is something to say.
    """
    began = said = time.monotonic()
    total: int | None = None
    reason = ""

    def show(tally: Tally, limit: AsyncLimit) -> None:
        nonlocal said, reason, total
        now = time.monotonic()
        if limit.pause > _LONG_PAUSE and limit.reason != reason:
            reason = limit.reason
            say(f"The server takes nothing for now, so everything waits: {one_line(reason)}")
        if now - said >= _SAID_EVERY:
            said, total = now, count_rows() if total is None else total
            rate = (tally.done + tally.failed.total()) / (now - began)
            failed = tally.failed.total() + tally.failed_before + tally.invalid
            say(f"{tally.ended + tally.invalid:,} of {count(total, 'row')}, {rate:.1f}/s, {failed:,} failed.")

    yield show


@contextmanager
def row_progress(total: int) -> Iterator[Advance]:
    """Show a bar on the terminal: how many rows have ended, at which rate, how many failed, and the time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    drawn = float("-inf")
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        last: list[tuple[Tally, AsyncLimit]] = []

        def draw(tally: Tally, limit: AsyncLimit) -> None:
            ended = tally.done + tally.failed.total()
            failed = tally.failed.total() + tally.failed_before + tally.invalid
            rate = ended / max(time.monotonic() - began, 0.001)
            words = [f"{rate:.1f}/s", f"{limit.running} running"]
            words += ["[yellow]the server takes nothing for now, waiting[/]"] if limit.pause else []
            words += [f"[red]{failed} failed[/]"] if failed else []
            progress.update(task, completed=tally.ended + tally.invalid, description=", ".join(words))

        def show(tally: Tally, limit: AsyncLimit) -> None:
            nonlocal drawn
            last[:] = [(tally, limit)]
            if time.monotonic() - drawn >= _DRAWN_EVERY:
                drawn = time.monotonic()
                draw(tally, limit)

        try:
            yield show
        finally:
            if last:
                draw(*last[0])
