"""What a client is told while it waits: a line for each step of a run, and one now and then where nothing happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from difygen.console import duration
from difygen.wording import one_line, shorten

SILENCE = 20.0
"""Seconds without a step after which the client is told that the run goes on: it would give it up otherwise."""

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Tells the client how far a call is; does nothing where the client has not asked for it."""

_STARTED = {"node_started", "iteration_started", "loop_started"}
_FINISHED = {"node_finished", "iteration_completed", "loop_completed"}
_MAX_TITLE = 80


class Progress:
    """Tells a client about the steps of a call as long as the block lasts.

    A step that is over before the one before it was told takes its place: a client that reads slowly holds nothing up.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._step = "running"
        self._news = asyncio.Event()
        self._began = time.monotonic()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tell())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def take(self, event: Mapping[str, Any]) -> None:
        """Take note of an event of the run."""
        if step := _step(event):
            self._step = step
            self._news.set()

    async def _tell(self) -> None:
        number = 0
        while True:
            number += 1
            text = self._step
            try:
                async with asyncio.timeout(SILENCE):
                    await self._news.wait()
                text = self._step
            except TimeoutError:
                text = f"{text}, for {duration(time.monotonic() - self._began)} in all"
            self._news.clear()
            await self._report(number, None, text)


def _step(event: Mapping[str, Any]) -> str:
    """Return what an event says of how far a run is; nothing for most events."""
    name = event.get("event")
    if name == "agent_thought" and event.get("tool"):
        return f"uses {_title(event.get('tool'))}"
    data = event.get("data")
    if not isinstance(data, Mapping):
        return ""
    title = _title(data.get("title") or data.get("node_type"))
    if name in _STARTED:
        return f"{title} started"
    if name in _FINISHED:
        return f"{title} {'failed' if data.get('status') == 'failed' else 'finished'}"
    return f"{title} is tried again" if name == "node_retry" else ""


def _title(value: object) -> str:
    return shorten(one_line(value), _MAX_TITLE) if isinstance(value, str) and value.strip() else "a step"
