"""Runs an app from the terminal with its own generated client: one call with a live timeline, or a table of them.

run       one call: timeline follows its events, live or progress shows them, html keeps them as a page
batch     a table of calls: rows reads and checks it, and knows from the results what is done
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from os import W_OK, access
from os.path import dirname, exists, isdir
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from difygen.call.run import Shown
    from difygen.plan.workflow import Options

DEFAULT_CONCURRENCY = 4


def run_call(
    source: str,
    values: Sequence[str] = (),
    *,
    user: str | None = None,
    base_url: str | None = None,
    api_key_file: str | None = None,
    timeout: float | None = None,
    events: bool = False,
    json: bool = False,
    blocking: bool = False,
    html: str | None = None,
    inputs: str | None = None,
    concurrency: int | None = None,
    output: str | None = None,
    options: Options | None = None,
) -> int:
    """Call the workflow of the definition `source` with `name=value` texts, or once per row of the table `inputs`.

    Results go to standard output and everything else to standard error. Returns 0 for success, 1 if the run (or any row) did not
    succeed, 2 for wrong arguments, inputs, definition or settings, and 130 after Ctrl-C, when the run was stopped on the server.
    """
    from difygen.call.run import Shown
    from difygen.console import OutputError, UsageProblem, say, unwritten

    if isinstance(sys.stdout, TextIOWrapper):  # a lone surrogate, or another script, must not break a result
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _check_options(events, json, blocking, html, inputs, concurrency, output)
        _check_standard_input(source, values, api_key_file, inputs)
        wishes = Shown(events, json, blocking, html)
        table = None if inputs is None else (inputs, output, concurrency or DEFAULT_CONCURRENCY)
        return _call(source, values, (base_url, user, api_key_file, timeout), wishes, table, options)
    except UsageProblem as problem:
        for line in problem.lines():
            say(line)
        return 2
    except OutputError as problem:
        return unwritten(problem)
    except KeyboardInterrupt:
        say("Interrupted; nothing was run.")
        return 130


def _call(
    source: str,
    values: Sequence[str],
    settings: tuple[str | None, str | None, str | None, float | None],
    wishes: Shown,
    table: tuple[str, str | None, int] | None,
    options: Options | None,
) -> int:
    from difygen.arguments import parse_arguments
    from difygen.connection import read_connection
    from difygen.generated_client import generated
    from difygen.project.definitions import read_workflow

    workflow = read_workflow(source)
    with generated(workflow, options) as loaded:
        given = parse_arguments(workflow, values, loaded.wire_names)
        connection = read_connection(*settings, loaded.key_variables)
        if table is None:
            from difygen.call.run import SingleCall

            return SingleCall(workflow, loaded, connection, wishes).run(given)
        from difygen.call.batch import BatchPlan, call_rows

        return call_rows(
            workflow, loaded, connection, given, BatchPlan(*table, blocking=wishes.blocking, quiet=wishes.json)
        )


def _check_options(
    events: bool,
    json: bool,
    blocking: bool,
    html: str | None,
    inputs: str | None,
    concurrency: int | None,
    output: str | None,
) -> None:
    """Refuse options that say nothing together."""
    from difygen.console import UsageProblem

    if events and json:
        raise UsageProblem("--events and --json exclude each other: both are about what goes to standard output.")
    if blocking and (events or html):
        raise UsageProblem(
            f"--blocking brings one answer and no events, so there is nothing for {'--events' if events else '--html'}."
        )
    if inputs is None and (concurrency is not None or output is not None):
        raise UsageProblem(f"{'--concurrency' if concurrency is not None else '--output'} is for a table of --inputs.")
    if inputs is not None and (events or html):
        raise UsageProblem(f"{'--events' if events else '--html'} is for a single call, not for a table of --inputs.")
    if html is not None and (reason := _unwritable(html)):
        raise UsageProblem(f"Cannot write {html}: {reason}.")
    if concurrency is not None and concurrency < 1:
        raise UsageProblem("--concurrency must be at least 1.")


def _unwritable(file: str) -> str:
    """Why a file cannot be written, as far as can be seen beforehand; empty if it can."""
    folder = dirname(file) or "."
    if not isdir(folder):
        return f"there is no folder {folder}"
    if isdir(file):
        return "it is a folder"
    return "" if access(file if exists(file) else folder, W_OK) else "permission denied"


def _check_standard_input(source: str, values: Sequence[str], api_key_file: str | None, inputs: str | None) -> None:
    """Refuse to take two things from standard input, which can be read once."""
    from difygen.console import UsageProblem

    wanted = {"SOURCE": source, "--api-key-file": api_key_file, "--inputs": inputs}
    users = [name for name, file in wanted.items() if file == "-"]
    users += [value for value in values if value.endswith("=@-")]
    if len(users) > 1:
        raise UsageProblem(f"Standard input can be read once, and {' and '.join(users)} want it.")
