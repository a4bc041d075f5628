"""The table `pull` of a file of settings: the server that definitions are fetched from, and which ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from difygen.cursor import Cursor
from difygen.model import APP_KINDS, APP_MODES, AppMode
from difygen.record import Record
from difygen.wording import shown

PULL_KEYS = ("server", "workspace", "apps", "tags", "modes", "folder", "draft", "keys")
FOLDER = "exports"
"""Where definitions go if nothing is said."""


class Selection(Record, kw_only=True):
    """Which apps are meant: those named by id or name, and of the others those with one of the tags and modes."""

    apps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()

    def takes(self, mode: str, tags: Collection[str]) -> bool:
        """Check whether an app of this mode, in Dify's word, with these tags is meant though it is not named."""
        if self.apps and not self.tags and not self.modes:
            return False
        kind = APP_KINDS.get(cast(AppMode, mode))
        has_mode = not self.modes or mode in self.modes or (kind is not None and kind.name in self.modes)
        return kind is not None and has_mode and (not self.tags or not set(self.tags).isdisjoint(tags))


class PullSettings(Record, kw_only=True):
    """What is fetched from where. `folder` is relative to the file; `draft` takes drafts even of published apps.

    `keys` are environment variables with keys of apps, each for a spec of what its key alone tells.
    """

    server: str | None = None
    workspace: str | None = None
    selection: Selection = Selection()
    folder: str | None = None
    draft: bool = False
    keys: tuple[str, ...] = ()


def mode_words() -> tuple[str, ...]:
    """Return the words for kinds of app: difygen's own, and those of Dify that differ."""
    return tuple(dict.fromkeys([*(kind.name for kind in APP_KINDS.values()), *APP_MODES]))


def read_pull(table: Cursor) -> PullSettings:
    """Read the table. What is wrong with it is noted."""
    if not isinstance(table.value, dict):
        table.expect("a table")
        return PullSettings()
    foreign = {"output": "folder", "app": "apps", "tag": "tags", "mode": "modes", "url": "server"}
    table.only(PULL_KEYS, "the settings of difygen pull", foreign)
    modes = table.get("modes")
    for mode in modes if modes is not None else ():
        if isinstance(mode.value, str) and mode.value not in mode_words():
            hint = mode.report.suggestion(mode.value, mode_words())
            mode.error("unknown-value", f"`{shown(mode.value)}` is no kind of app.", hint)
    draft = table.get("draft")
    if draft is not None and not isinstance(draft.value, bool):
        draft.expect("true or false")
    return PullSettings(
        server=_text(table, "server"),
        workspace=_text(table, "workspace"),
        selection=Selection(apps=_texts(table, "apps"), tags=_texts(table, "tags"), modes=_texts(table, "modes")),
        folder=_text(table, "folder"),
        draft=draft is not None and draft.value is True,
        keys=_texts(table, "keys"),
    )


def _text(table: Cursor, key: str) -> str | None:
    cursor = table.get(key)
    return cursor.text() or None if cursor is not None else None


def _texts(table: Cursor, key: str) -> tuple[str, ...]:
    cursor = table.get(key)
    return cursor.texts() if cursor is not None else ()
