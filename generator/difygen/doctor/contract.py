"""The live app against the definition: inputs and features, judged as by `difygen diff`, and the one run asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from difygen.arguments import parse_arguments
from difygen.connection import DEFAULT_USER
from difygen.console import duration
from difygen.definitions.reading import NamedApp
from difygen.diff import compare
from difygen.diff.rules import Change, is_breaking
from difygen.doctor.report import Section
from difygen.generated_client import GeneratedClient, generated, sentences
from difygen.model import WORKFLOW, App
from difygen.options import Options
from difygen.parser.dsl import read_parameters
from difygen.record import replace
from difygen.servers import Address
from difygen.wording import count


def check_drift(section: Section, definition: App, parameters: Mapping[str, Any]) -> bool:
    """Compare inputs and features one by one; whether callers of the definition's client still fit the live app."""
    live, found = read_parameters(definition, parameters)
    if live is None:
        section.skip("inputs", "not compared: the live app does not tell its variables.")
        return True
    changes = compare(_without_own_names(definition), _without_own_names(live))
    features = [change for change in changes if change.subject.startswith(("features", "files"))]
    news = [each.message for each in found if each.code == "unknown-input-type"]
    fits = _report_inputs(section, definition, [change for change in changes if change not in features], news)
    if definition.kind is not WORKFLOW:
        _report_features(section, definition, features)
    return fits


def _without_own_names(app: App) -> App:
    """Return the app without labels that are the inputs' names: Dify asks for a label, a spec can do without."""
    inputs = (replace(each, label="") if each.label == each.name else each for each in app.inputs)
    return replace(app, inputs=tuple(inputs))


def _report_inputs(section: Section, definition: App, changes: Sequence[Change], news: Sequence[str]) -> bool:
    details = [_in_words(change) for change in changes if change.effect != "cosmetic"]
    cosmetic = len(changes) - len(details)
    if cosmetic:
        details.append(f"cosmetic: {count(cosmetic, 'difference')} of labels, descriptions or order.")
    details += news
    if is_breaking(changes):
        section.problem(
            "inputs", "The live app takes other inputs than the definition says.", _remedy(definition), *details
        )
        return False
    same = count(len(definition.inputs), "input") if definition.inputs else "no inputs"
    but = ", but for what breaks no caller:" if changes else ":" if news else "."
    section.ok("inputs", f"The live app and the definition agree on {same}{but}", *details)
    return True


def _report_features(section: Section, definition: App, changes: Sequence[Change]) -> None:
    """Say what differs of files of a turn, texts for a first turn, speech, suggested questions and the like."""
    details = [_in_words(change) for change in changes]
    if is_breaking(changes):
        section.problem(
            "features", "The live app lacks features that the definition has.", _remedy(definition), *details
        )
    else:
        but = ", but for what breaks no caller:" if details else "."
        section.ok("features", f"The live app and the definition agree on the features{but}", *details)


def _remedy(definition: App) -> str:
    word = definition.kind.word
    return f"Export the {word} again (or correct the spec) and generate anew; or this is the key of another app."


def _in_words(change: Change) -> str:
    return f"{change.effect}: {change.message} {change.reason}"


_PATIENCE = 120.0  # seconds; a server whose worker is down pings for as long as one listens


def check_run(
    section: Section,
    named: NamedApp,
    address: Address,
    key: str,
    inputs: Sequence[str],
    user: str | None,
    options: Options,
) -> None:
    """Make one run or turn, streaming, and say how it went."""
    workflow = named.app
    with generated(workflow, named.name, options) as loaded:
        values = parse_arguments(workflow, inputs, loaded.wire_names)
        if not inputs and workflow.examples:
            values = dict(workflow.examples[0].inputs)
        missing = [
            each.name for each in workflow.inputs if each.required and each.default is None and each.name not in values
        ]
        if missing:
            section.problem("run", f"not made: {', '.join(missing)} must be given.", "Give each as --input name=value.")
            return
        arguments = loaded.arguments(values)
        if "query" in workflow.kind.parameters:
            arguments = {**arguments, "query": _question(workflow)}
        _run(section, loaded, arguments, address.url, key, user or DEFAULT_USER)


def _question(app: App) -> str:
    """Return something that one may ask an app: its own example, or what it suggests itself."""
    asked = (*(example.query for example in app.examples), *app.features.suggested_questions)
    return next(filter(None, asked), "Hello")


def _run(
    section: Section, loaded: GeneratedClient, arguments: Mapping[str, object], url: str, key: str, user: str
) -> None:
    is_run = loaded.kind is WORKFLOW
    began = time.monotonic()
    try:
        with (
            loaded.client(base_url=url, api_key=key, user=user, timeout=_PATIENCE) as client,
            loaded.stream(client)(**arguments, stop_on_exit=True) as stream,
        ):
            result = stream.result()
            if is_run:
                _ = result.outputs  # raises where they do not fit the definition
    except loaded.failures as error:
        said = " ".join(sentences(error, loaded))
        section.problem("run", f"A {'run' if is_run else 'turn'} did not succeed: {said}", _advice(error))
        return
    if is_run:
        names = ", ".join(result.raw_outputs) or "none"
        said = f"A run {result.status} in {duration(result.elapsed_time)}; its outputs: {names}."
        section.ok("run", said, f"run {result.workflow_run_id}")
        return
    took = duration(time.monotonic() - began)
    said = f"A turn {result.status} in {took}; its answer has {count(len(result.answer), 'character')}."
    section.ok("run", said, f"message {result.message_id}")


def _advice(error: Exception) -> str:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "OutputsError" in kinds:
        return "The live workflow's outputs are not those of the definition: export it again, or correct the spec."
    if kinds & {"RunFailedError", "TurnFailedError"}:
        return "Look at the run in Dify's logs of the app; the message is that of the failing node."
    if "DifyTimeoutError" in kinds:
        return (
            "Try the same in blocking mode (difygen call --blocking): it says what the server refuses. If that runs, "
            "and streams bring pings and nothing else, Dify's worker does not: look at the worker container's log."
        )
    return "Look at the message; the server's log has more."
