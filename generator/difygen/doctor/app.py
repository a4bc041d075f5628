"""The app behind a key: is the key valid, is its app published, does it still fit the definition, and does it run.

Inputs and features are judged as by `difygen diff`. A key is never put into words.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from difygen.config import Options
from difygen.console import duration
from difygen.definitions.reading import NamedApp
from difygen.diff import compare
from difygen.diff.changes import Change, is_breaking
from difygen.doctor.report import Section
from difygen.model import APP_KINDS, WORKFLOW, App, AppKind, AppMode
from difygen.parser.dsl import read_parameters
from difygen.record import replace
from difygen.servers import DEFAULT_USER, USER_TOKENS, Address, NoAnswerError, ask, key_from_file, runtime_module
from difygen.servers.arguments import parse_arguments
from difygen.servers.generated_client import GeneratedClient, generated, sentences
from difygen.servers.releases import FIRST_WITH_FORMS, FIRST_WITH_HUMAN_INPUT, Version
from difygen.wording import count

WHERE = "Dify shows an app's keys under API Access."


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and where it was found. Its repr does not show it."""

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"Key(origin={self.origin!r})"


def key_of_file(name: str) -> Key:
    """Return the key in the file of --api-key-file. Raises `UsageProblem`."""
    return Key(key_from_file(name), "the file of --api-key-file")


def key_of_environment(variables: Sequence[str]) -> Key | None:
    """Return the key that a client would use: that of the first variable that is set."""
    for variable in variables:
        if value := os.environ.get(variable):
            return Key(value, variable)
    return None


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint said: a JSON object, or the error that a generated client makes of it, or why there was none."""

    body: Mapping[str, Any] | None = None
    error: Any = None
    why: str = ""

    @property
    def is_dify(self) -> bool:
        """Whether an error is in Dify's words."""
        return self.error is not None and bool(self.error.code or self.error.server_version)


def check_key_form(section: Section, key: Key) -> str | None:
    """Check a key's form; the key that is meant, or None where there is none to try."""
    settings = runtime_module("_settings")
    given = settings.Secret(key.value)
    try:
        meant: str = settings.check_api_key(given.bare()).reveal()
    except ValueError as error:  # the client's ConfigurationError, which never holds the key
        section.problem("key", f"{key.origin} holds no key of an app. {str(error).rstrip('.')}.", WHERE)
        return None
    if given.bare().starts_with(*USER_TOKENS):
        section.problem("key", f"{key.origin} holds a user's token, not the key of an app: it opens no /v1.", WHERE)
        return None
    if given.trimmed().reveal() != meant:
        section.problem(
            "key",
            f"{key.origin} holds quotes or brackets around the key.",
            "Give the key alone: app-… and nothing else.",
        )
    elif not meant.startswith("app-"):
        section.ok(
            "key",
            f"{key.origin} holds a key.",
            "It does not begin with app- as Dify's own do; a gateway may want that.",
        )
    else:
        section.ok("key", f"{key.origin} holds an app key (app-…).")
    return meant


def check_app(
    section: Section, client: httpx.Client, address: Address, key: str, timeout: float, expected: AppKind = WORKFLOW
) -> Mapping[str, Any] | None:
    """Check what the key opens; the live app's `/parameters` where it is a published app of the expected kind."""
    info = fetch(client, f"{address.url}/info", key, timeout)
    if info.body is None:
        section.problem("app", *_refusal(info))
        return None
    body = info.body
    mode, title = body.get("mode"), body.get("name")
    name = f" {title!r}" if title and isinstance(title, str) else ""
    kind = APP_KINDS.get(cast(AppMode, mode))
    if isinstance(mode, str) and kind is not expected:
        fix = f"Use the key of the {expected.word} itself, or generate from this app's own definition."
        section.problem(
            "app",
            f"The key belongs to {kind.noun if kind else 'an app of mode ' + mode}{name}, not to {expected.noun}.",
            fix,
        )
        return None
    section.ok(
        "app",
        (
            f"The key is valid and belongs to the {expected.word}{name}."
            if mode
            else f"The key is valid{name and ' for'}{name}."
        ),
    )
    return _check_published(section, fetch(client, f"{address.url}/parameters", key, timeout), expected)


def fetch(client: httpx.Client, url: str, key: str, timeout: float) -> Reply:
    """GET with the key, which goes to the API root alone: redirects are not followed."""
    secret, answers = runtime_module("_settings").Secret(key), runtime_module("_answers")
    call = runtime_module("_http").Call("GET", url, key=secret, shown=urlsplit(url).path)
    try:
        answer = ask(client, call, timeout)
    except NoAnswerError as error:
        return Reply(why=str(error))
    if not 200 <= answer.status < 300:
        return Reply(error=answers.error_of(answer, call))
    try:
        return Reply(body=answers.json_object(answer, call))
    except runtime_module("_errors").APIError as error:
        return Reply(error=error)


def _check_published(section: Section, answer: Reply, kind: AppKind) -> Mapping[str, Any] | None:
    if answer.body is not None:
        section.ok("published", f"A version of the {kind.word} is published.")
        return answer.body
    if answer.error is not None and answer.error.code in ("app_unavailable", "agent_not_published"):
        fix = f"Open the {kind.word} in Dify and choose Publish; the API runs the published version only."
        section.problem("published", f"No version of the {kind.word} is published.", fix)
    else:
        section.problem("published", f"GET /parameters failed: {_said(answer)}", _remedy(answer))
    return None


def _refusal(answer: Reply) -> tuple[str, str]:
    status = answer.error.status if answer.is_dify else None
    if status == 401:
        return "Dify does not know the key.", f"It may belong to another server, or was deleted: copy it anew. {WHERE}"
    if status == 403:
        return (
            f"Dify refuses the key's app: {_said(answer)}",
            "Enable the app's API under API Access, or see whether app and workspace still exist.",
        )
    if answer.error is None:
        return (
            f"GET /info brought no answer: {answer.why}.",
            "Run the doctor again; if it stays so, see the server's log.",
        )
    return f"GET /info failed: {_said(answer)}", _remedy(answer)


def _said(answer: Reply) -> str:
    """Say what was said, as the end of a sentence."""
    if answer.error is None:
        return f"{answer.why}."
    error = answer.error
    return " ".join(filter(None, (str(error.status), error.code, error.message))).rstrip(".") + "."


def _remedy(answer: Reply) -> str:
    hint = answer.error and answer.error.hint
    return f"{hint}." if hint else "See the log of Dify's API."


def check_nodes(section: Section, workflow: App, version: Version | None) -> None:
    """Human-input nodes are the one kind that an older server accepts and then hangs on (seen on 1.12.1)."""
    if version is None or all(node.type != "human-input" for node in workflow.nodes):
        return
    if version < FIRST_WITH_HUMAN_INPUT:
        fix = "Update Dify to 1.14 or later; until then take the human-input node out."
        section.problem("nodes", "The workflow waits for people, which this release cannot do: a run never ends.", fix)
    elif version < FIRST_WITH_FORMS:
        fix = "Update Dify to 1.14 or later, or fill the forms in on its web pages."
        section.problem("nodes", "The workflow waits for people, and this release has no API for their forms.", fix)


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
    if not definition.kind.has_outputs:
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
            "inputs", "The live app takes other inputs than the definition says.", _export_again(definition), *details
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
            "features", "The live app lacks features that the definition has.", _export_again(definition), *details
        )
    else:
        but = ", but for what breaks no caller:" if details else "."
        section.ok("features", f"The live app and the definition agree on the features{but}", *details)


def _export_again(definition: App) -> str:
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
            asked = (*(example.query for example in workflow.examples), *workflow.features.suggested_questions)
            arguments = {**arguments, "query": next(filter(None, asked), "Hello")}
        _run(section, loaded, arguments, address.url, key, user or DEFAULT_USER)


def _run(
    section: Section, loaded: GeneratedClient, arguments: Mapping[str, object], url: str, key: str, user: str
) -> None:
    is_run = loaded.kind.has_outputs
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
        section.problem("run", f"A {loaded.kind.call} did not succeed: {said}", _advice(error))
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
