"""Apps on a server: which a workspace has, which of them are meant, and their definitions as the server gives them now.

What comes from a server is not trusted. What one app refuses does not stop the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, cast

from difygen.config import Selection
from difygen.console import UsageProblem, one_line
from difygen.diagnostics import Diagnostic, Location
from difygen.diff import compare
from difygen.diff.changes import is_breaking
from difygen.model import APP_KINDS, App, AppMode
from difygen.parser import read
from difygen.parser.dsl import read_parameters
from difygen.parser.yaml import Document, load
from difygen.pull.traffic import ServerProblem
from difygen.record import NOTHING, Record, replace
from difygen.wording import count, listed, named, names_listed, nearest, quoted, shorten

LIMIT = 100
"""The most rows of a page, by the console and by `/openapi/v1`."""

_PAGE_SIZES = (LIMIT, 97, 89, 83)
"""Sizes of pages for as many walks: apps that one has lost between two pages stand within one of another."""

_MOST_PAGES = 200
_LONGEST = 1000
"""Letters of a name or a mode that are looked at: Dify's have no more than 255."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

State = Literal["published", "draft", "configuration", "parameters"]
"""What a definition is of: a published version, the draft, an app that has no versions, or what a key alone tells."""

_OF_ONE_APP = (400, 403, 404, 422, 500)
"""Answers that say something of the app alone, not of the server or of whoever asks."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where the apps are. `role` is what whoever asks may do there, as far as the server tells."""

    id: str
    name: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class RemoteApp:
    """An app on the server. `published` is the id of its current version, where the list of apps tells that."""

    id: str
    name: str
    mode: str
    tags: tuple[str, ...] = ()
    published: str = ""

    @classmethod
    def of(cls, row: object) -> Self | None:
        """Return the app of a row of a server's list; None for something else."""
        if not isinstance(row, dict) or not (app_id := app_id_of(row.get("id"))):
            return None
        tags = row.get("tags")
        names = [tag.get("name") if isinstance(tag, dict) else tag for tag in tags] if isinstance(tags, list) else []
        version = row.get("workflow")
        return cls(
            id=app_id,
            name=str(row.get("name") or "")[:_LONGEST],
            mode=str(row.get("mode") or "")[:_LONGEST],
            tags=tuple(name for name in names if isinstance(name, str)),
            published=app_id_of(version.get("id")) if isinstance(version, dict) else "",
        )

    @property
    def has_versions(self) -> bool:
        """Whether apps of this mode have drafts and published versions: those that are a graph."""
        kind = APP_KINDS.get(cast(AppMode, self.mode))
        return kind is not None and kind.has_runs

    @property
    def word(self) -> str:
        """The word for the kind of app."""
        kind = APP_KINDS.get(cast(AppMode, self.mode))
        return kind.word if kind else "app"

    @property
    def title(self) -> str:
        """How messages call it."""
        return quoted(self.name) if self.name.strip() else self.id


class UnusableDefinition(ServerProblem):
    """What a server gave for one app is no definition of it. Others may be well."""


@dataclass(frozen=True, slots=True)
class RemoteDefinition:
    """What a server gives as the definition of an app: its own text, and which state of the app it is of."""

    data: bytes
    state: State
    version: str = ""

    @classmethod
    def of(cls, app: RemoteApp, data: object, version: str) -> Self:
        """Return the definition of an app from the text that an export has. Raises `UnusableDefinition` for none."""
        if not isinstance(data, str) or not data.strip():
            raise UnusableDefinition("the server gave no definition.", "Export it in Dify, to see whether it can.")
        try:
            text = data.encode()
        except UnicodeEncodeError:
            raise UnusableDefinition(
                "its definition holds half a character, which no file can.",
                "Find the text with the broken sign in Dify, and write it anew.",
            ) from None
        state: State = "configuration" if not app.has_versions else "published" if version else "draft"
        return cls(text, state, version)


def app_id_of(value: object) -> str:
    """Return an id in the form that Dify's have; nothing for anything else, which could lead a request elsewhere."""
    return value.lower() if isinstance(value, str) and _ID.fullmatch(value.lower()) else ""


def collect_apps(page_of: Callable[[int, int], Mapping[str, Any]]) -> tuple[list[RemoteApp], int]:
    """Return all apps of a list that comes in pages, and how many of them the server did not tell.

    Dify orders them by whole seconds alone, so that those made in the same second change places between pages: some
    come twice and others never (seen on 1.14.2). One page has each once; longer lists are gone through again, in pages
    of other sizes, until there are as many as the server counts.
    """
    found: dict[str, RemoteApp] = {}
    total = 0
    for size in _PAGE_SIZES:
        total = 0
        for number in range(1, _MOST_PAGES):
            page = page_of(number, size)
            rows = page.get("data")
            if not isinstance(rows, list):
                raise ServerProblem("The server's list of apps is of another form than expected.", "Update difygen.")
            if isinstance(page.get("total"), int):
                total = page["total"]
            found |= {app.id: app for app in map(RemoteApp.of, rows) if app}
            if page.get("has_more") is not True or not rows or 0 < total <= number * size:
                break
        if len(found) >= total:
            break
    return sorted(found.values(), key=lambda app: app.id), max(total - len(found), 0)


def choose_workspace(rows: object, wanted: str | None) -> Workspace:
    """Return the workspace that is wanted by id or name, else the current one, else the only one."""
    found = [
        (Workspace(row["id"], str(row.get("name") or ""), str(row.get("role") or "")), row.get("current") is True)
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and app_id_of(row.get("id"))
    ]
    if not found:
        raise ServerProblem(
            "The server names no workspace that this user belongs to.", "Ask its administrator for one."
        )
    if wanted is None:
        current = [workspace for workspace, is_current in found if is_current]
        return current[0] if current else found[0][0]
    fitting = [workspace for workspace, _ in found if wanted in (workspace.id, workspace.name)]
    if len(fitting) == 1:
        return fitting[0]
    names = names_listed(workspace.name for workspace, _ in found)
    if fitting:
        raise UsageProblem(f"{len(fitting)} workspaces are called {quoted(wanted)}: name one by its id.")
    raise UsageProblem(f"There is no workspace {quoted(wanted)} for this user. There are {names}.")


def select(
    selection: Selection, apps: Iterable[RemoteApp], find: Callable[[str], RemoteApp | None]
) -> tuple[list[RemoteApp], list[str]]:
    """Return the apps that are meant, and what is wrong with the selection, as sentences.

    Those that are named by id or name are; of the others those that have one of the tags and one of the modes, where
    some are given. Where nothing is asked for, all are, but for those of modes that difygen knows nothing of.
    """
    apps = list(apps)
    problems: list[str] = []
    tags = {tag for app in apps for tag in app.tags}
    for wanted in sorted({*selection.tags} - tags):
        near = nearest(wanted, tags)
        hint = f"Did you mean {quoted(near)}?" if near else f"There are {names_listed(sorted(tags)) or 'none'}."
        problems.append(f"No app has the tag {quoted(wanted)}. {hint}")
    chosen = {app.id: app for app in apps if selection.takes(app.mode, app.tags)}
    for wanted in selection.apps:
        by_id = app_id_of(wanted)
        fitting = [app for app in apps if app.id == by_id] if by_id else [app for app in apps if app.name == wanted]
        if not fitting and by_id and (found := find(by_id)):
            fitting = [found]
        if not fitting:
            near = nearest(wanted, {app.name for app in apps})
            hint = f"Did you mean {quoted(near)}?" if near else f"The workspace has {count(len(apps), 'app')}."
            problems.append(f"There is no app {quoted(wanted)}. {hint}")
        chosen |= {app.id: app for app in fitting}
    if not chosen and not problems and selection != Selection():
        modes = f" of the mode {listed(map(named, selection.modes), 'or')}" if selection.modes else ""
        tagged = f" with the tag {listed(map(named, selection.tags), 'or')}" if selection.tags else ""
        problems.append(f"There is no app{modes}{tagged} among {count(len(apps), 'app')}.")
    return sorted(chosen.values(), key=lambda app: app.id), problems


# Definitions


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
        summary = shorten("; ".join(change.message.rstrip(".") for change in changes), 300)
        yield _finding(
            "warning" if is_breaking(changes) else "note",
            "draft-differs",
            f"{app.title}: the draft takes other inputs than the published version, by "
            f"{count(len(changes), 'difference')}: {summary}.",
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
