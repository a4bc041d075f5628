"""Many calls of one workflow: a bounded number at a time, results as they arrive, and a way to go on after a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from difygen.call.client import Generated
from difygen.call.failures import is_hopeless, sentences
from difygen.call.output import OutputError, result_of
from difygen.call.results import DONE, result_line
from difygen.call.rows import Row
from difygen.call.settings import Caller


@dataclass(slots=True)
class Tally:
    """How a batch came out so far."""

    succeeded: int = 0
    failed: int = 0
    given_up: list[str] = field(default_factory=list)


async def run_rows(
    loaded: Generated,
    caller: Caller,
    rows: Sequence[Row],
    *,
    concurrency: int,
    blocking: bool,
    write: Callable[[str], None],
    advance: Callable[[Tally, int], None],
) -> Tally:
    """Run all rows, at most `concurrency` at a time. Gives up when an error would be the same for every row.

    `write` gets a line per row that ended; `advance` the tally and how many are running, whenever either changes. Cancelling
    stops the runs that are going on, on the server too, and so does an `OutputError` of `write`.
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
                result, error = await _call(client, loaded, caller, row, blocking)
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
        async with _client(loaded, caller, concurrency) as client, asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(rows))):
                group.create_task(work(client))
    except* OutputError as errors:
        unwritten += [error for error in errors.exceptions if isinstance(error, OutputError)]
    if unwritten:
        raise unwritten[0]
    return tally


@asynccontextmanager
async def _client(loaded: Generated, caller: Caller, concurrency: int) -> AsyncIterator[Any]:
    options: dict[str, Any] = {} if caller.timeout is None else {"timeout": caller.timeout}
    client = loaded.async_client(
        base_url=caller.base_url, api_key=caller.api_key, user=caller.user, max_concurrency=concurrency, **options
    )
    async with client:
        yield client


async def _call(
    client: Any, loaded: Generated, caller: Caller, row: Row, blocking: bool
) -> tuple[dict[str, Any], Exception | None]:
    """The result of one row, whatever happens; and the exception, if there was one."""
    arguments = loaded.arguments(row.values)
    try:
        if blocking:
            return result_of(await client.run(**arguments)), None
        async with client.stream(**arguments, stop_on_exit=True) as stream:
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
