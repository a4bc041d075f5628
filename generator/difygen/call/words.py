"""How a run is put into words and numbers, the same on a terminal, in a log and on a page."""

from __future__ import annotations

from collections.abc import Mapping

from difygen.call.steps import Row
from difygen.call.text import one_line
from difygen.call.timeline import Timeline

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


def duration(seconds: float) -> str:
    """Seconds as people read them: 0.085 s, 2.1 s, 83 s as 1 min 23 s."""
    if seconds < 0.0995:
        return f"{seconds:.3f} s"
    if seconds < 9.95:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 token, 12 tokens."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def repetitions(row: Row) -> str:
    """How often a row ran, where that says something: rounds of an iteration, repeated inner nodes, repeated attempts."""
    parts = []
    if row.expected is not None or row.rounds:
        parts.append(f"{row.rounds}/{row.expected}" if row.expected is not None else f"{row.rounds}×")
    elif len(row.executions) > 1:
        parts.append(f"×{len(row.executions)}")
    retries = sum(len(execution.attempts) for execution in row.executions)
    if retries:
        parts.append(f"{retries} retr{'y' if retries == 1 else 'ies'}")
    return ", ".join(parts)


def first_error(row: Row) -> str:
    """What the first execution that went wrong says, as one line."""
    return next((one_line(execution.error) for execution in row.executions if execution.error), "")


def closing(timeline: Timeline) -> str:
    """One line on how the run ended."""
    facts = [duration(timeline.elapsed if timeline.elapsed is not None else timeline.extent)]
    if timeline.tokens:
        facts.append(count(timeline.tokens, "token"))
    if timeline.steps:
        facts.append(count(timeline.steps, "step"))
    if timeline.exceptions and timeline.status == "partial-succeeded":
        facts.append(f"{count(timeline.exceptions, 'node')} fell back")
    if timeline.run_id:
        facts.append(f"run {one_line(timeline.run_id)}")
    return f"{one_line(timeline.status)} · {' · '.join(facts)}"
