"""The one run that the doctor makes when it is asked to, through the generated client, with given or example inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from difygen.call.arguments import parse_arguments
from difygen.call.client import Generated, generated
from difygen.call.failures import sentences
from difygen.call.settings import DEFAULT_USER
from difygen.call.words import duration
from difygen.doctor.address import Address
from difygen.doctor.report import Section
from difygen.model import App

if TYPE_CHECKING:
    from difygen.plan.workflow import Options

_PATIENCE = 120.0  # seconds; a server whose worker is down pings for as long as one listens


def check_run(
    section: Section,
    workflow: App,
    address: Address,
    key: str,
    inputs: Sequence[str],
    user: str | None,
    options: Options | None,
) -> None:
    """Run the workflow once, streaming, and say how it went."""
    with generated(workflow, options) as loaded:
        values = parse_arguments(workflow, inputs, loaded.wire_names) if inputs else _example(workflow)
        missing = [
            each.name for each in workflow.inputs if each.required and each.default is None and each.name not in values
        ]
        if missing:
            section.problem("run", f"not made: {', '.join(missing)} must be given.", "Give each as --input name=value.")
            return
        _run(section, loaded, loaded.arguments(values), address.url, key, user or DEFAULT_USER)


def _run(section: Section, loaded: Generated, arguments: Mapping[str, object], url: str, key: str, user: str) -> None:
    try:
        with (
            loaded.client(base_url=url, api_key=key, user=user, timeout=_PATIENCE) as client,
            client.stream(**arguments, stop_on_exit=True) as stream,
        ):
            run = stream.result()
            _ = run.outputs  # raises where they do not fit the definition
    except loaded.failures as error:
        said = " ".join(sentences(error, loaded))
        section.problem("run", f"A run did not succeed: {said}", _advice(error))
        return
    names = ", ".join(run.raw_outputs) or "none"
    section.ok(
        "run",
        f"A run {run.status} in {duration(run.elapsed_time)}; its outputs: {names}.",
        f"run {run.workflow_run_id}",
    )


def _example(workflow: App) -> Mapping[str, object]:
    """The inputs of the definition's first example; nothing where it has none."""
    return dict(workflow.examples[0].inputs) if workflow.examples else {}


def _advice(error: Exception) -> str:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "OutputsError" in kinds:
        return "The live workflow's outputs are not those of the definition: export it again, or correct the spec."
    if "RunFailedError" in kinds:
        return "Look at the run in Dify's logs of the app; the message is that of the failing node."
    if "DifyTimeoutError" in kinds:
        return (
            "If streams bring pings and nothing else, Dify's worker does not run: look at the worker container's log."
        )
    return "Look at the message; the server's log has more."
