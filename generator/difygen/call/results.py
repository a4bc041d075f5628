"""What came out of a call, as JSON and as text: of a run, which has outputs, and of a turn, which has an answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from difygen.bulk.rows import is_turn, result_of
from difygen.console import duration, echo, is_terminal, one_line, pretty_json, printable, say
from difygen.wording import count

__all__ = ["beside_answer", "blocking_line", "is_turn", "print_answer", "print_outputs", "print_result", "result_of"]


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
    import click

    terminal = is_terminal(sys.stdout)
    for number, (name, value) in enumerate(outputs.items()):
        text = value if isinstance(value, str) else pretty_json(value)
        text = printable(text) if terminal else text
        if terminal and number:
            echo("")
        beside = " " if "\n" not in text.strip("\n") and len(text) <= 100 else "\n"
        echo(f"{click.style(one_line(name), bold=True)}:{beside}{text}")
