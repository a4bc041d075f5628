"""Finds out why a Dify server does not answer as a definition expects. Reads only, unless it is told to run the workflow.

checks               all checks in their order, into a report
settings, address    the base URL and the key; network: name, port and certificate; server and versions: is it Dify, and which
app                  what the key opens; drift: the live inputs against the definition's; trial: the one run
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from difygen.plan.workflow import Options


LONGEST_TIMEOUT = 3600


def run_doctor(
    sources: Sequence[str] = (),
    *,
    base_url: str | None = None,
    api_key_file: str | None = None,
    run: bool = False,
    inputs: Sequence[str] = (),
    user: str | None = None,
    timeout: float = 10.0,
    output_format: Literal["text", "json"] = "text",
    options: Options | None = None,
) -> int:
    """Check settings, server, app and drift, print the findings as they come, and say 0 for well, 1 for a problem, 2 for wrong arguments.

    `inputs` are `name=value` texts for the one run that `run` asks for; `timeout` is in seconds and for each step of a check.
    """
    from difygen.console import OutputError, UsageProblem, echo, say, unwritten
    from difygen.doctor.checks import Examination, examine
    from difygen.doctor.report import Report

    report = Report(echo, _styled) if output_format == "text" else Report()
    try:
        _check_options(run, inputs, timeout)
        examine(Examination(tuple(sources), base_url, api_key_file, run, tuple(inputs), user, timeout, options), report)
        report.end()
        if output_format == "json":
            echo(report.as_json())
    except UsageProblem as problem:
        for line in problem.lines():
            say(line)
        return 2
    except OutputError as problem:
        return unwritten(problem)
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    return 1 if report.problems else 0


def _check_options(run: bool, inputs: Sequence[str], timeout: float) -> None:
    from difygen.console import UsageProblem

    if inputs and not run:
        raise UsageProblem("--input is for the run that --run makes.")
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise UsageProblem(f"--timeout must be more than 0 and at most {LONGEST_TIMEOUT} seconds.")


def _styled(text: str, style: str) -> str:
    """A text in a colour or in bold; click takes it away again where no terminal shows it."""
    import click

    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)
