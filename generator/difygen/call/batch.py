"""Many calls of one app: a bounded number at a time, results as they arrive, and a way to go on after a stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from difygen.arguments import Values
from difygen.call.options import DEFAULT_CONCURRENCY, CallOptions
from difygen.call.results import result_of
from difygen.call.rows import DONE, InputRow, ResultFile, read_rows, result_line
from difygen.connection import Connection
from difygen.console import FAILED, INTERRUPTED, OK, OutputError, echo, is_terminal, say
from difygen.generated_client import GeneratedClient, is_hopeless, sentences
from difygen.model import App
from difygen.wording import count


@dataclass(slots=True)
class Tally:
    """How a batch came out so far."""

    succeeded: int = 0
    failed: int = 0
    given_up: list[str] = field(default_factory=list)


async def run_rows(
    loaded: GeneratedClient,
    connection: Connection,
    rows: Sequence[InputRow],
    *,
    concurrency: int,
    blocking: bool,
    write: Callable[[str], None],
    advance: Callable[[Tally, int], None],
) -> Tally:
    """Run all rows, at most `concurrency` at a time. Gives up when an error would be the same for every row.

    `write` gets a line per row that ended; `advance` the tally and how many are running, whenever either changes.
    Cancelling stops the runs that are going on, on the server too, and so does an `OutputError` of `write`.
    """
    tally, waiting = Tally(), iter(rows)
    unwritten: list[OutputError] = []
    running = 0

    async def work(client: Any) -> None:
        nonlocal running
        for row in waiting:
            running += 1
            advance(tally, running)
            try:
                result, error = await _call(client, loaded, connection, row, blocking)
            finally:
                running -= 1
            write(result_line(row, result))
            if result["status"] in DONE:
                tally.succeeded += 1
            else:
                tally.failed += 1
            advance(tally, running)
            if error is not None and is_hopeless(error):
                tally.given_up = tally.given_up or sentences(error, loaded)
            if tally.given_up:
                return

    try:
        async with (
            loaded.async_client(**connection.arguments(), max_concurrency=concurrency) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(min(concurrency, len(rows))):
                group.create_task(work(client))
    except* OutputError as errors:
        unwritten += [error for error in errors.exceptions if isinstance(error, OutputError)]
    if unwritten:
        raise unwritten[0]
    return tally


async def _call(
    client: Any, loaded: GeneratedClient, connection: Connection, row: InputRow, blocking: bool
) -> tuple[dict[str, Any], Exception | None]:
    """Return the result of one row, whatever happens; and the exception, if there was one."""
    arguments = loaded.arguments(row.values)
    try:
        if blocking:
            return result_of(await loaded.start(client)(**arguments)), None
        async with loaded.stream(client)(**arguments, stop_on_exit=True) as stream:
            return result_of(await stream.result()), None
    except loaded.failures as error:
        run = getattr(error, "run", None)
        text = "\n".join(sentences(error, loaded))
        if run is not None:
            return {**result_of(run), "error": run.error or text}, error
        return {
            "status": "error",
            "outputs": {},
            "error": text,
            "workflow_run_id": getattr(error, "workflow_run_id", None),
        }, error


Advance = Callable[[Tally, int], None]


def call_rows(
    workflow: App, loaded: GeneratedClient, connection: Connection, common: Values, options: CallOptions
) -> int:
    """Call the workflow once for every row that has no success yet; 1 if any of them did not succeed."""

    def refusals(values: Values) -> list[str]:
        """Return what the client would refuse, as sentences, without sending anything."""
        try:
            loaded.inputs(**loaded.arguments(values))
        except ValueError as error:  # pydantic's ValidationError is one
            return sentences(error, loaded)
        return []

    rows = read_rows(workflow, str(options.inputs), common, loaded.wire_names, refusals)
    with ExitStack() as stack:
        write: Callable[[str], None] = echo
        waiting = rows
        if options.output is not None:
            results = stack.enter_context(ResultFile(options.output))
            write, waiting = results.write, [row for row in rows if not results.is_done(row)]
            if results.cut:
                say(f"The last line of {options.output} was cut off and is taken away.")
        if not waiting:
            every = "The row" if len(rows) == 1 else f"All {len(rows)} rows"
            say(f"{every} succeeded before; there is nothing left to run.")
            return OK
        if len(waiting) < len(rows):
            say(f"{count(len(rows) - len(waiting), 'row')} of {len(rows)} succeeded before and will not be run again.")
        return _run(loaded, connection, waiting, options, write)


def _run(
    loaded: GeneratedClient,
    connection: Connection,
    rows: list[InputRow],
    options: CallOptions,
    write: Callable[[str], None],
) -> int:
    last = Tally()
    # Where lines of results run over the terminal, a bar would only be in their way.
    hidden = options.json or not is_terminal(sys.stderr) or (options.output is None and is_terminal(sys.stdout))
    with nullcontext(lambda tally, running: None) if hidden else _progress(len(rows)) as show:

        def advance(tally: Tally, running: int) -> None:
            nonlocal last
            last = tally
            show(tally, running)

        work = run_rows(
            loaded,
            connection,
            rows,
            concurrency=options.concurrency or DEFAULT_CONCURRENCY,
            blocking=options.blocking,
            write=write,
            advance=advance,
        )
        try:
            asyncio.run(work)
        except KeyboardInterrupt:
            again = " The same command goes on where it stopped." if options.output else ""
            ended = f"{last.succeeded + last.failed} of {count(len(rows), 'row')}"
            say(f"Interrupted after {ended}; running ones were asked to stop.{again}")
            return INTERRUPTED
    return _sum_up(last, len(rows), options)


def _sum_up(tally: Tally, total: int, options: CallOptions) -> int:
    for sentence in tally.given_up:
        say(f"Error: {sentence}")
    left = total - tally.succeeded - tally.failed
    words = [f"{tally.succeeded} of {count(total, 'row')} succeeded"]
    words += [f"{tally.failed} failed"] if tally.failed else []
    words += [f"{left} not run, since every call would end like this"] if left and tally.given_up else []
    say(", ".join(words) + (f". Results are in {options.output}." if options.output else "."))
    return OK if tally.succeeded == total else FAILED


@contextmanager
def _progress(total: int) -> Iterator[Advance]:
    """Show a bar on the terminal."""
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
