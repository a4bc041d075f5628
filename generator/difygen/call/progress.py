"""How a run is put into words: marks, repetitions, the closing line, and one line per node for logs and pipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from difygen.call.timeline import NodeExecution, NodeRow, Timeline
from difygen.console import duration, one_line
from difygen.wording import count, shorten

MARKS: Mapping[str, str] = {
    "succeeded": "✓",
    "partial-succeeded": "✓",
    "failed": "✗",
    "error": "✗",
    "exception": "!",
    "stopped": "■",
    "paused": "‖",
    "interrupted": "■",
    "running": "…",
}


def repetitions(row: NodeRow) -> str:
    """Say how often a row ran, where that means something: items of an iteration, repeated nodes, attempts."""
    parts = []
    if row.expected is not None or row.rounds:
        parts.append(f"{row.rounds}/{row.expected}" if row.expected is not None else f"{row.rounds}×")
    elif len(row.executions) > 1:
        parts.append(f"×{len(row.executions)}")
    retries = sum(len(execution.attempts) for execution in row.executions)
    if retries:
        parts.append(f"{retries} retr{'y' if retries == 1 else 'ies'}")
    return ", ".join(parts)


def first_error(row: NodeRow) -> str:
    """Return what the first execution that went wrong says, as one line."""
    return next((one_line(execution.error) for execution in row.executions if execution.error), "")


def closing(timeline: Timeline) -> str:
    """Say in one line how the run ended."""
    facts = [duration(timeline.elapsed if timeline.elapsed is not None else timeline.extent)]
    if timeline.tokens:
        facts.append(count(timeline.tokens, "token"))
    if timeline.steps:
        facts.append(count(timeline.steps, "step"))
    if timeline.exceptions and timeline.status == "partial-succeeded":
        facts.append(f"{count(timeline.exceptions, 'node')} fell back")
    if timeline.run_id:
        facts.append(f"run {one_line(timeline.run_id)}")
    if timeline.conversation_id:
        facts.append(f"conversation {one_line(timeline.conversation_id)}")
    return f"{one_line(timeline.status)} · {' · '.join(facts)}"


class PlainView:
    """Writes a line for each thing that ended: node, iteration, loop, pause, run."""

    def __init__(self, write: Callable[[str], None], timeline: Timeline, clock: Callable[[], float]) -> None:
        self._write, self._timeline, self._clock = write, timeline, clock
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Say how it ended."""
        if self._timeline.events:
            self._write(closing(self._timeline))

    def update(self, event: Mapping[str, Any]) -> None:
        """Say what an event changed; the timeline has taken it already."""
        name = event.get("event")
        if name == "workflow_started":
            self._write(f"{self._time()} run {one_line(self._timeline.run_id)} started")
        elif name in ("node_finished", "iteration_completed", "loop_completed", "agent_thought", "message_end"):
            for row, execution in self._timeline.finished[self._shown :]:
                self._write(self._line(self._timeline.depth(row), row, execution))
            self._shown = len(self._timeline.finished)
        elif name == "node_retry":
            data = event.get("data") or {}
            reason = shorten(one_line(str(data.get("error") or "")), 200)
            self._write(f"{self._time()} ↻ {one_line(str(data.get('title') or ''))} is tried again: {reason}")
        elif name == "human_input_required" and self._timeline.forms:
            title = one_line(str(self._timeline.forms[-1].get("node_title") or ""))
            self._write(f"{self._time()} ‖ {title} waits for a person")

    def _line(self, depth: int, row: NodeRow, execution: NodeExecution) -> str:
        facts = [one_line(row.type), duration(execution.seconds(self._timeline.extent))]
        if execution.tokens:
            facts.append(count(execution.tokens, "token"))
        if execution.status != "succeeded":
            facts.append(execution.status + (f": {shorten(one_line(execution.error), 200)}" if execution.error else ""))
        title = one_line(row.title) + (f" #{execution.item + 1}" if execution.item is not None else "")
        if row.rounds:
            title += f" ({count(row.rounds, 'round')})"
        return f"{self._time()} {'  ' * depth}{MARKS[execution.status]} {title} ({', '.join(facts)})"

    def _time(self) -> str:
        return f"{self._timeline.now(self._clock()):8.2f}"
