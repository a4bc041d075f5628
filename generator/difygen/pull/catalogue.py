"""Which apps a workspace has, and which of them are meant. Asks nothing itself; what it is given is not trusted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from difygen.config import Selection
from difygen.console import UsageProblem
from difygen.model import APP_KINDS, AppMode
from difygen.pull.traffic import ServerProblem
from difygen.wording import count, listed, named, names_listed, nearest, quoted

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
        """Whether apps of this mode have drafts and published versions."""
        return self.mode in ("workflow", "advanced-chat")

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


def walk(page_of: Callable[[int, int], Mapping[str, Any]]) -> tuple[list[RemoteApp], int]:
    """Return all apps of a list that is told in pages, and how many of them the server did not tell.

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
    some are given. Without any wish all are, but for those of modes that difygen knows nothing of.
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
