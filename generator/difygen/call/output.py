"""What a call writes: results on standard output, for people or as JSON, and everything else beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from difygen.call.text import one_line, pretty_json, printable


class OutputError(Exception):
    """A result cannot be written. The cause is a BrokenPipeError where its reader went away: nobody waits for a message then."""

    def __init__(self, place: str, cause: OSError) -> None:
        super().__init__(f"Cannot write {place}: {(cause.strerror or str(cause)).lower()}.")
        self.__cause__ = cause


@contextmanager
def writing(place: str) -> Iterator[None]:
    """Turn what the operating system says while something is written there into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(place, error) from error


def unwritten(problem: OutputError) -> int:
    """Say that output cannot be written, and give the exit code; where its reader went away, every tool in a pipe ends without a word."""
    if isinstance(problem.__cause__, BrokenPipeError):
        raise problem.__cause__ from None  # the command line takes care of it
    say(f"Error: {problem}")
    return 1


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at that stream. One that was closed before the start (`>&-`) is None."""
    return stream is not None and stream.isatty()


def say(line: str) -> None:
    """Write a line for people, beside the results."""
    import click

    with writing("to standard error"):
        click.echo(line, err=True)


def result_of(run: Any) -> dict[str, Any]:
    """A run as the JSON object that `--json` prints and a batch writes."""
    return {
        "status": run.status,
        "outputs": run.raw_outputs,
        "error": run.error,
        "workflow_run_id": run.workflow_run_id,
        "elapsed_time": run.elapsed_time,
        "total_tokens": run.total_tokens,
        "total_steps": run.total_steps,
    }


def print_outputs(outputs: Mapping[str, Any]) -> None:
    """Print outputs by name: texts as they are, all else as JSON. On a terminal, names stand out and nothing can steer it."""
    import click

    terminal = is_terminal(sys.stdout)
    for number, (name, value) in enumerate(outputs.items()):
        text = value if isinstance(value, str) else pretty_json(value)
        text = printable(text) if terminal else text
        if terminal and number:
            echo("")
        echo(f"{click.style(one_line(name), bold=True)}:{_below(text)}")


def echo(text: str) -> None:
    """Print a line of results."""
    import click

    with writing("the results"):
        click.echo(text)


def _below(text: str) -> str:
    """A short text beside its name, a longer one below it."""
    return f"\n{text}" if "\n" in text.strip("\n") or len(text) > 100 else f" {text}"
