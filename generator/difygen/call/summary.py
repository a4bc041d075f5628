"""How a table of calls came out, as sentences, and how far it is, as a bar."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from difygen.bulk import AsyncLimit, JobEndedError, Tally
from difygen.bulk.job import Spread
from difygen.call.options import CallOptions
from difygen.console import FAILED, OK, duration, one_line, say
from difygen.servers.generated_client import GeneratedClient, sentences
from difygen.wording import count, listed

_DRAWN_EVERY = 0.1

_SAID_EVERY = 60.0
"""Seconds between two lines that say how far it is, where there is no terminal."""

_LONG_PAUSE = 2.0
"""Seconds of waiting that are worth a line."""

Advance = Callable[[Tally, AsyncLimit], None]


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
