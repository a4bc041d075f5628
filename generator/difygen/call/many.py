"""A batch at the terminal: reads the table, shows progress, writes results, and sums up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from difygen.call.arguments import Values
from difygen.call.batch import Tally, run_rows
from difygen.call.client import Generated
from difygen.call.failures import sentences
from difygen.call.output import echo, is_terminal, say
from difygen.call.results import ResultFile
from difygen.call.rows import Row, read_rows
from difygen.call.settings import Caller
from difygen.call.single import FAILED, INTERRUPTED, OK
from difygen.call.words import count
from difygen.model import App

Advance = Callable[[Tally, int], None]


@dataclass(frozen=True, slots=True)
class Table:
    """Where rows come from, where results go (standard output without a name), and how many run at a time."""

    rows: str
    output: str | None
    concurrency: int
    blocking: bool
    quiet: bool


def call_rows(workflow: App, loaded: Generated, caller: Caller, common: Values, table: Table) -> int:
    """Call the workflow once for every row that has no success yet; 1 if any of them did not succeed."""
    rows = read_rows(workflow, table.rows, common, loaded.wire_names, _checker(loaded))
    with ExitStack() as stack:
        write: Callable[[str], None] = echo
        waiting = rows
        if table.output is not None:
            results = stack.enter_context(ResultFile(table.output))
            write, waiting = results.write, [row for row in rows if not results.is_done(row)]
            if results.cut:
                say(f"The last line of {table.output} was cut off and is taken away.")
        if not waiting:
            say(f"{_all(len(rows))} succeeded before; there is nothing left to run.")
            return OK
        if len(waiting) < len(rows):
            say(f"{count(len(rows) - len(waiting), 'row')} of {len(rows)} succeeded before and will not be run again.")
        return _run(loaded, caller, waiting, table, write)


def _run(loaded: Generated, caller: Caller, rows: list[Row], table: Table, write: Callable[[str], None]) -> int:
    last = Tally()
    # Where lines of results run over the terminal, a bar would only be in their way.
    hidden = table.quiet or not is_terminal(sys.stderr) or (table.output is None and is_terminal(sys.stdout))
    with nullcontext(_nothing) if hidden else _progress(len(rows)) as show:

        def advance(tally: Tally, running: int) -> None:
            nonlocal last
            last = tally
            show(tally, running)

        work = run_rows(
            loaded, caller, rows, concurrency=table.concurrency, blocking=table.blocking, write=write, advance=advance
        )
        try:
            asyncio.run(work)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
    return _give_up(last, len(rows), table) if interrupted else _sum_up(last, len(rows), table)


def _give_up(tally: Tally, total: int, table: Table) -> int:
    again = " The same command goes on where it stopped." if table.output else ""
    ended = tally.succeeded + tally.failed
    say(f"Interrupted after {ended} of {count(total, 'row')}; running ones were asked to stop.{again}")
    return INTERRUPTED


def _sum_up(tally: Tally, total: int, table: Table) -> int:
    for sentence in tally.given_up:
        say(f"Error: {sentence}")
    left = total - tally.succeeded - tally.failed
    words = [f"{tally.succeeded} of {count(total, 'row')} succeeded"]
    words += [f"{tally.failed} failed"] if tally.failed else []
    words += [f"{left} not run, since every call would end like this"] if left and tally.given_up else []
    say(", ".join(words) + (f". Results are in {table.output}." if table.output else "."))
    return OK if tally.succeeded == total else FAILED


def _nothing(tally: Tally, running: int) -> None:
    """Show no progress."""


@contextmanager
def _progress(total: int) -> Iterator[Advance]:
    """A bar on the terminal."""
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
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)

        def show(tally: Tally, running: int) -> None:
            failed = f", [red]{tally.failed} failed[/]" if tally.failed else ""
            progress.update(task, completed=tally.succeeded + tally.failed, description=f"{running} running{failed}")

        yield show


def _all(number: int) -> str:
    return "The row" if number == 1 else f"All {number} rows"


def _checker(loaded: Generated) -> Callable[[Values], list[str]]:
    """What the client would refuse, as sentences, without sending anything."""

    def check(values: Values) -> list[str]:
        try:
            loaded.inputs(**loaded.arguments(values))
        except ValueError as error:  # pydantic's ValidationError is one
            return sentences(error, loaded)
        return []

    return check
