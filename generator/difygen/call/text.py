"""A run or a turn in words: how it goes on, in lines for logs and pipes, and what came out, as JSON and as text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import click

from difygen.bulk.rows import is_turn
from difygen.call.timeline import NodeExecution, NodeRow, Timeline
from difygen.console import duration, echo, is_terminal, one_line, pretty_json, printable, say
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


# What came out


def print_result(result: Any) -> None:
    """Print a run's outputs, or a turn's answer, and to standard error what an answer stands on and brings along."""
    if not is_turn(result):
        print_outputs(result.raw_outputs)
        return
    if result.answer:
        print_answer(result.answer)
    for line in beside_answer(result.citations, result.files):
        say(line)


def print_answer(answer: str) -> None:
    """Print the text of an answer as it is. On a terminal nothing in it can steer that."""
    echo(printable(answer) if is_terminal(sys.stdout) else answer)


def beside_answer(citations: Sequence[Any], files: Sequence[Any]) -> list[str]:
    """Return a line for each document that an answer cites, once, and for each file that it brings."""
    documents = dict.fromkeys(one_line(each.document_name or each.dataset_name or "a document") for each in citations)
    names = [f"{one_line(file.filename or 'a file')} {one_line(file.url or '')}".rstrip() for file in files]
    return [f"source: {document}" for document in documents] + [f"file: {name}" for name in names]


def blocking_line(result: Any) -> str:
    """Say in one line how a call ended that was waited for in one answer."""
    if is_turn(result):
        tokens = [count(result.usage.total_tokens, "token")] if result.usage and result.usage.total_tokens else []
        conversation = [f"conversation {one_line(result.conversation_id)}"] if result.conversation_id else []
        return " · ".join([result.status, *tokens, *conversation])
    return f"{result.status} · {duration(result.elapsed_time)} · run {result.workflow_run_id}"


def print_outputs(outputs: Mapping[str, Any]) -> None:
    """Print outputs by name: texts as they are, all else as JSON. On a terminal nothing in them can steer it."""
    terminal = is_terminal(sys.stdout)
    for number, (name, value) in enumerate(outputs.items()):
        text = value if isinstance(value, str) else pretty_json(value)
        text = printable(text) if terminal else text
        if terminal and number:
            echo("")
        beside = " " if "\n" not in text.strip("\n") and len(text) <= 100 else "\n"
        echo(f"{click.style(one_line(name), bold=True)}:{beside}{text}")
