"""The spec of an app, from its key alone: inputs exactly as they are published, outputs for people to fill in.

A key tells neither outputs nor nodes, and no id. So the file goes by the variable that the key came from, and what
people have written into it stays: of a spec that is there only `inputs` is brought up to date.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, cast

from difygen.console import one_line
from difygen.diagnostics import Diagnostic, Location
from difygen.model import APP_KINDS, WORKFLOW, App, AppMode, JsonValue
from difygen.naming import snake_name
from difygen.parser import read
from difygen.parser.dsl import read_parameters
from difygen.parser.yaml import Document, load
from difygen.project.init import spec_of, spec_text, yaml_text
from difygen.pull.access import Access, service_api
from difygen.pull.catalogue import Fetched, RemoteApp, RemoteDefinition, until_stopped
from difygen.pull.folder import KEY_PREFIX
from difygen.pull.traffic import Pace, ServerProblem, Traffic
from difygen.servers import Address, runtime_module
from difygen.wording import count, quoted

_HEAD = """\
# From the key of this {word} alone ({origin}): `difygen pull` keeps `inputs` up to date, and leaves all else as it is.
"""
_OUTPUTS = """\
# Its key does not tell what the workflow gives: name the outputs of its End nodes here (docs/spec.md has the types).
"""
_CHAT = """\
# Its key does not tell its nodes and conversation variables: a chatflow's `variables` can be named here.
"""
_INPUTS = re.compile(r"^inputs:.*\n(?:(?:[ \t]*(?:#.*)?\n)*[ \t]+[^\s#].*\n)*", re.MULTILINE)
"""The inputs of a spec, without comments and empty lines at the end: those belong to what follows."""


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What specs are made with: `existing` gives what is in the file of an app by its id, if there is one.

    `names` are those that apps had the last time, by id.
    """

    existing: Callable[[str], bytes | None]
    names: Mapping[str, str]
    sample_runs: int = 0


def fetch_by_keys(
    accesses: Sequence[Access], traffic: Traffic, options: KeyOptions, progress: Callable[[int, int, str], None]
) -> Fetched:
    """Fetch the specs of the apps that keys open. What one key does not open does not stop the others."""
    apps = {f"{KEY_PREFIX}{each.user}": RemoteApp(f"{KEY_PREFIX}{each.user}", each.user, "") for each in accesses}
    definitions: dict[str, RemoteDefinition] = {}
    findings: list[tuple[str, Diagnostic]] = []
    with until_stopped() as ending:
        for number, access in enumerate(accesses):
            app_id = f"{KEY_PREFIX}{access.user}"
            progress(number, len(accesses), access.user)
            traffic.secrets.append(access.secret)
            try:
                apps[app_id], live, notes = _live_app(traffic, access)
                before = options.names.get(app_id, live.title)
                if before != live.title:
                    message = f"Its key opens {quoted(live.title)} now, and opened {quoted(before)} the last time."
                    hint = "Was the app renamed? If it is another one, move the file away, to have it written anew."
                    notes.append(Diagnostic("warning", "app-renamed", message, Location(""), hint))
                findings += [(app_id, note) for note in notes]
                samples = _sampled(traffic, access, live, options.sample_runs)
                text = _updated(options.existing(app_id), live)
                if text is not None and samples:  # which are no comments in what people have written
                    rows = ", ".join(map(str.strip, samples[1:]))
                    description = f"{samples[0]} {rows}." if rows else samples[0]
                    findings.append((app_id, Diagnostic("note", "sampled-outputs", description, Location(""))))
                definitions[app_id] = RemoteDefinition(text or _new_text(live, access, samples), "parameters")
            except ServerProblem as problem:
                if not problem.status:
                    raise
                message = f"The key of {access.origin}: {problem.message}"
                findings.append((app_id, Diagnostic("error", "not-given", message, Location(""), problem.hint)))
    if ending.stopped is not None and not definitions:
        raise ending.stopped
    return Fetched(
        apps=apps,
        definitions=definitions,
        findings=tuple(findings),
        stopped=ending.stopped,
        is_interrupted=ending.is_interrupted,
    )


def parameters_by_key(console: Address, app: RemoteApp) -> Mapping[str, Any] | None:
    """Return what the published version of an app takes, where the environment has the key that its client reads."""
    variable = f"DIFY_{snake_name(app.name, app.word).upper()}_API_KEY"
    if not os.environ.get(variable):
        return None
    secret = runtime_module("_settings").Secret(os.environ[variable]).trimmed()
    access = Access("app-key", secret, variable, user=variable)
    with closing(Traffic(service_api(console), Pace(None), lambda line: None)) as traffic, suppress(ServerProblem):
        traffic.secrets.append(secret)
        if _get(traffic, access, "/info").get("name") == app.name:
            return _get(traffic, access, "/parameters")
    return None


def _live_app(traffic: Traffic, access: Access) -> tuple[RemoteApp, App, list[Diagnostic]]:
    """Return the app behind a key with its inputs and features, and what is to be said of it."""
    info = _get(traffic, access, "/info")
    mode, name = info.get("mode"), str(info.get("name") or "app")
    notes = []
    if mode not in APP_KINDS:
        problem = (
            f"is of the mode {quoted(str(mode))}, which difygen does not know" if mode else "does not tell its mode"
        )
        message = f"The app of {access.origin} {problem}; it is taken for a workflow."
        hint = "Correct `mode` in the spec, if it is something else: it stays as it is written."
        notes.append(Diagnostic("warning", "unknown-mode", message, Location(""), hint))
        mode = WORKFLOW.modes[0]
    description = str(info.get("description") or "")
    app = App(name=name, source="", mode=cast(AppMode, mode), title=name, description=description)
    live, found = read_parameters(app, _get(traffic, access, "/parameters"))
    notes += [
        each._replace(message=f"The app of {access.origin}: {each.message}", location=Location(""))
        for each in found
        if each.code == "unknown-input-type"
    ]
    if live is None:
        raise ServerProblem("It opens an app that does not tell its inputs.", "Is this Dify's service API?", status=200)
    return RemoteApp(f"{KEY_PREFIX}{access.user}", name, str(mode)), live, notes


def _get(traffic: Traffic, access: Access, path: str, **query: str | int) -> Mapping[str, Any]:
    reply = traffic.get(path, query, {"Authorization": f"Bearer {access.secret.reveal()}"})
    try:
        return traffic.members(reply)
    except ServerProblem as problem:
        failure = problem
    if failure.code == "app_unavailable":
        hint = "Open the app in Dify and choose Publish: the API knows the published version alone."
        raise failure.but("It opens an app of which no version is published.", hint)
    if failure.status == 401 and failure.code:
        hint = "It may belong to another server, or was deleted. Dify shows an app's keys under API Access."
        raise failure.but("Dify does not know it.", hint)
    if failure.status == 403 and "disabled" in failure.said:
        raise failure.but("It opens an app whose API is switched off.", "Switch it on under API Access.")
    raise failure


def _new_text(live: App, access: Access, samples: Sequence[str]) -> bytes:
    """Return a new spec, with a remark where somebody has to add what a key does not tell."""
    head = _HEAD.format(word=live.kind.word, origin=access.origin)
    text = spec_text(live)
    if live.kind.has_outputs:
        remark = "".join([_OUTPUTS, *(f"# {line}\n" for line in samples)])
        return f"{head}{text.replace('outputs: {}', f'{remark}outputs: {{}}')}".encode()
    return f"{head}{_CHAT if live.kind.terminal_nodes else ''}{text}".encode()


def _updated(existing: bytes | None, live: App) -> bytes | None:
    """Return a spec that is there with its inputs as they are now, and all else as people wrote it; None for none.

    What else is wrong with it is for `difygen` to say, with its place. Raises `ServerProblem` where there is no telling
    what is written there.
    """
    if existing is None:
        return None
    there = load(existing, "")
    if not isinstance(there, Document):
        raise ServerProblem(
            f"its file cannot be read (line {there[0].location.line}: {there[0].message})",
            "Correct the file, or move it away to have it written anew.",
            status=200,
        )
    if there.root.get("mode", WORKFLOW.name) not in (live.kind.name, *live.kind.modes):
        raise ServerProblem(
            f"it opens {live.kind.noun}, {quoted(live.name)}, and its file is of another kind of app",
            "Is it the key of another app? Then move the file away, to have one written for this app.",
            status=200,
        )
    block = yaml_text({"inputs": spec_of(live)["inputs"]})
    wanted = load(block.encode(), "")
    if not isinstance(wanted, Document) or _inputs_of(there.root, live) == _inputs_of(wanted.root, live):
        return existing
    text = existing.decode().replace("\r\n", "\n")
    changed = _INPUTS.sub(lambda _: block, f"{text.rstrip()}\n", count=1).encode()
    after = load(changed, "")
    if not isinstance(after, Document) or after.root != {**there.root, **wanted.root}:
        raise ServerProblem(
            "its inputs are others now, and cannot be put into the file as that is written",
            "Move the file away to have it written anew, and put in again what you had added.",
            status=200,
        )
    return changed


def _inputs_of(root: Mapping[str, JsonValue], live: App) -> object:
    """Return what the inputs of a spec mean, however they are written; as they are written, if they mean nothing."""
    spec: dict[str, JsonValue] = {"name": "app", "mode": live.kind.name, "inputs": root.get("inputs")}
    reading = read(yaml_text(spec | ({"outputs": {}} if live.kind.has_outputs else {})).encode(), "")
    return reading.workflow.inputs if reading.workflow is not None else root.get("inputs")


# What stored runs gave


def _sampled(traffic: Traffic, access: Access, live: App, runs: int) -> list[str]:
    """Return lines about the outputs of stored runs: what they were, never what they have to be."""
    if not runs or not live.kind.has_outputs:
        return []
    logs = _get(traffic, access, "/workflows/logs", page=1, limit=min(runs, 100), status="succeeded").get("data")
    found: list[Mapping[str, Any]] = []
    for row in logs if isinstance(logs, list) else ():
        run = row.get("workflow_run") if isinstance(row, dict) else None
        run_id = run.get("id") if isinstance(run, dict) else None
        if isinstance(run_id, str) and re.fullmatch(r"[0-9a-fA-F-]{36}", run_id):
            outputs = _get(traffic, access, f"/workflows/run/{run_id}").get("outputs")
            outputs = json.loads(outputs) if isinstance(outputs, str) and outputs.startswith("{") else outputs
            found += [outputs] if isinstance(outputs, dict) else []
    if not found:
        return ["There are no stored runs that succeeded, so that no outputs can be suggested."]
    values: dict[str, list[Any]] = {}
    for outputs in found:
        for name, value in outputs.items():
            values.setdefault(name, []).append(value)
    lines = [f"Seen in {count(len(found), 'stored run')}, as a suggestion:"]
    for name, given in values.items():
        often = "" if len(given) == len(found) else f"  (in {len(given)} of them)"
        lines.append(f"  {one_line(yaml_text({name: type_word(given)}))}{often}")
    return lines


def type_word(values: Iterable[JsonValue]) -> str:
    """Return the word of a spec for what some values have in common; `any` for nothing."""
    words = {_word(value) for value in values}
    if words == {"integer", "number"}:
        return "number"
    return words.pop() if len(words) == 1 else "any"


def _word(value: JsonValue) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            inner = type_word(value)
            return f"array[{inner}]" if value and not inner.startswith(("array", "any")) else "array"
        case dict():
            return "file" if value.get("dify_model_identity") == "__dify__file__" else "object"
    return "any"
