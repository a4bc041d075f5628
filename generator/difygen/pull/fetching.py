"""Definitions as the server gives them now, one after the other. What one app refuses does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from difygen.console import one_line
from difygen.diagnostics import Diagnostic, Location
from difygen.diff import compare
from difygen.diff.rules import is_breaking
from difygen.model import App
from difygen.parser import read
from difygen.parser.dsl import read_parameters
from difygen.parser.yaml import Document, load
from difygen.pull.catalogue import RemoteApp, RemoteDefinition, UnusableDefinition, Workspace
from difygen.pull.traffic import ServerProblem
from difygen.record import NOTHING, Record, replace
from difygen.wording import count, named, shorten

_OF_ONE_APP = (400, 403, 404, 422, 500)
"""Answers that say something of the app alone, not of the server or of whoever asks."""


class StudioApi(Protocol):
    """A way to the apps of a workspace."""

    workspace: Workspace

    def close(self) -> None:
        """End what was begun by signing in."""

    def apps(self) -> tuple[list[RemoteApp], int]:
        """Return all apps, and how many the server did not tell."""

    def find(self, app_id: str) -> RemoteApp | None:
        """Return an app that is not among those listed."""

    def definition(self, app: RemoteApp, *, draft: bool) -> RemoteDefinition:
        """Return the definition of an app."""

    def parameters(self, app: RemoteApp) -> Mapping[str, Any] | None:
        """Return what the published version takes, where there may be another."""


class Fetched(Record, kw_only=True):
    """What was fetched: the definitions by the id of their app, what is wrong with others, and what is to be said.

    `stopped` is why the rest was not fetched, and `is_interrupted` that somebody stopped it.
    """

    apps: Mapping[str, RemoteApp] = NOTHING
    definitions: Mapping[str, RemoteDefinition] = NOTHING
    findings: tuple[tuple[str, Diagnostic], ...] = ()
    stopped: ServerProblem | None = None
    is_interrupted: bool = False


class Ending:
    """Why fetching ended before its end: a server, or somebody, stopped it."""

    stopped: ServerProblem | None = None
    is_interrupted: bool = False


@contextmanager
def until_stopped() -> Iterator[Ending]:
    """Fetch for as long as that goes: what was fetched by then is kept."""
    ending = Ending()
    try:
        yield ending
    except ServerProblem as problem:
        ending.stopped = problem
    except KeyboardInterrupt:
        ending.is_interrupted = True


def fetch_all(
    api: StudioApi,
    apps: Iterable[RemoteApp],
    *,
    draft: bool,
    parameters: Callable[[RemoteApp], Mapping[str, Any] | None],
    progress: Callable[[int, int, str], None],
) -> Fetched:
    """Fetch the definitions of apps, as far as that goes. Findings are without a place, each with the app's id."""
    apps = list(apps)
    definitions: dict[str, RemoteDefinition] = {}
    findings: list[tuple[str, Diagnostic]] = []
    with until_stopped() as ending:
        for number, app in enumerate(apps):
            progress(number, len(apps), app.name)
            try:
                found = api.definition(app, draft=draft)
                _check_readable(found.data)
                definitions[app.id] = found
                if found.state == "draft":
                    live = api.parameters(app) or parameters(app)
                    findings += [(app.id, finding) for finding in _compared(app, found, live)]
            except ServerProblem as problem:
                if problem.status not in _OF_ONE_APP and not isinstance(problem, UnusableDefinition):
                    raise
                code = "secret-sent" if isinstance(problem, SecretSent) else "not-given"
                findings.append((app.id, _finding("error", code, f"{app.title}: {problem}", problem.hint)))
    return Fetched(
        apps={app.id: app for app in apps},
        definitions=definitions,
        findings=tuple(findings),
        stopped=ending.stopped,
        is_interrupted=ending.is_interrupted,
    )


def _compared(app: RemoteApp, found: RemoteDefinition, live: Mapping[str, Any] | None) -> Iterable[Diagnostic]:
    """Yield how a draft differs from what runs, by what the published version takes."""
    definition = read(found.data, "").workflow
    published, _ = read_parameters(definition, live) if live is not None and definition is not None else (None, ())
    if definition is None or published is None:
        return
    changes = compare(_without_own_names(published), _without_own_names(definition))
    if changes:
        told = shorten("; ".join(change.message.rstrip(".") for change in changes), 300)
        yield _finding(
            "warning" if is_breaking(changes) else "note",
            "draft-differs",
            f"{app.title}: the draft takes other inputs than the published version, by "
            f"{count(len(changes), 'difference')}: {told}.",
            "Calls run the published version: publish the draft in Dify, or take it back.",
        )


def _finding(severity: Any, code: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(severity, code, message, Location(""), hint)


def _without_own_names(app: App) -> App:
    """Return the app's inputs alone, without labels that are their names."""
    inputs = (replace(each, label="") if each.label == each.name else each for each in app.inputs)
    return App(name=app.name, source=app.source, mode=app.mode, inputs=tuple(inputs))


class SecretSent(UnusableDefinition):
    """A definition has values of secrets in it, which were asked to be left out."""


def _check_readable(data: bytes) -> None:
    """Refuse what is no definition, or has values of secrets. Raises `UnusableDefinition`."""
    document = load(data, "")
    if not isinstance(document, Document):
        first = document[0]
        place = f"line {first.location.line}: " if first.location.line else ""
        raise UnusableDefinition(
            f"what the server gave is no definition ({place}{shorten(one_line(first.message).rstrip('.'), 200)}).",
            "Export it in Dify, and see what is in there.",
        )
    workflow = document.root.get("workflow")
    variables = workflow.get("environment_variables") if isinstance(workflow, dict) else None
    names = [
        str(each.get("name"))
        for each in (variables if isinstance(variables, list) else ())
        if isinstance(each, dict) and each.get("value_type") == "secret" and each.get("value")
    ]
    if names:
        raise SecretSent(
            f"the server sent the values of secrets ({', '.join(map(named, names))}), which were asked to be left out: "
            "the file is not written.",
            "Is something in between the server and here? Dify leaves them out (seen on 1.14.2).",
        )
