"""Results on standard output: outputs for people, or one JSON object for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from difygen.call.text import one_line, pretty_json, printable


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

    terminal = sys.stdout.isatty()
    for number, (name, value) in enumerate(outputs.items()):
        text = value if isinstance(value, str) else pretty_json(value)
        text = printable(text) if terminal else text
        if terminal and number:
            click.echo()
        click.echo(f"{click.style(one_line(name), bold=True)}:{_below(text)}")


def echo_json(text: str) -> None:
    """Print a line of JSON."""
    import click

    click.echo(text)


def _below(text: str) -> str:
    """A short text beside its name, a longer one below it."""
    return f"\n{text}" if "\n" in text.strip("\n") or len(text) > 100 else f" {text}"
