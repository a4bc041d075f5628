"""Typed views of what the API tells about an app and about its runs."""

from datetime import datetime
from typing import Any

from ._records import (
    Record,
    read_flag,
    read_integer,
    read_maybe_integer,
    read_maybe_object,
    read_maybe_text,
    read_moment,
    read_object,
    read_objects,
    read_real,
    read_text,
    read_texts,
    to_maybe_object,
    to_object,
    to_objects,
)

MAX_STALE_PAGES = 10


class AppInfo(Record):
    """What `info()` returns: the app's name, description, tags and mode."""

    __slots__ = ()
    _shown = "name mode"

    name = read_text()
    description = read_text()
    tags = read_texts()
    mode = read_text()
    author_name = read_maybe_text()


class InputVariable(Record):
    """A variable of the published start node, as `parameters()` tells it.

    `type` is Dify's own word: `text-input`, `paragraph`, `select`, `number`, `checkbox`,
    `file`, `file-list`, `json_object`. `raw` holds the whole variable.
    """

    __slots__ = ()
    _shown = "variable type required"

    variable = read_text()
    type = read_text()
    label = read_text()
    required = read_flag()
    max_length = read_maybe_integer()
    options = read_texts()
    hide = read_flag()
    allowed_file_types = read_texts()
    allowed_file_extensions = read_texts()
    allowed_file_upload_methods = read_texts()

    @property
    def default(self) -> Any:
        """The default as the definition has it."""
        return self.raw.get("default")


class AppParameters(Record):
    """What `parameters()` returns: the inputs of the published version, and limits.

    `system_parameters` are the server's limits for files, in megabytes and counts.
    """

    __slots__ = ()
    _shown = "variables"

    opening_statement = read_maybe_text()
    user_input_form = read_objects()
    file_upload = read_object()
    system_parameters = read_object()

    @property
    def variables(self) -> tuple[InputVariable, ...]:
        """The variables of `user_input_form`, each with its type."""
        return tuple(
            InputVariable({"type": kind, **to_object(variable)})
            for item in self.user_input_form
            for kind, variable in item.items()
        )


class AppSite(Record):
    """What `site()` returns: how the app's web page looks."""

    __slots__ = ()
    _shown = "title"

    title = read_text()
    description = read_maybe_text()
    default_language = read_text()
    icon_type = read_maybe_text()
    icon = read_maybe_text()
    icon_background = read_maybe_text()
    icon_url = read_maybe_text()
    chat_color_theme = read_maybe_text()
    copyright = read_maybe_text()
    privacy_policy = read_maybe_text()
    custom_disclaimer = read_maybe_text()
    show_workflow_steps = read_flag()


class LoggedRun(Record):
    """A run in the logs: how it ended, without inputs and outputs (`get_run` has them)."""

    __slots__ = ()
    _shown = "id status elapsed_time"

    id = read_text()
    version = read_text()
    status = read_text()
    error = read_maybe_text()
    elapsed_time = read_real()
    total_tokens = read_integer()
    total_steps = read_integer()
    exceptions_count = read_maybe_integer()
    triggered_from = read_maybe_text()
    created_at = read_moment()
    finished_at = read_moment()


class LogEntry(Record):
    """An entry of the logs: a run, and who started it."""

    __slots__ = ()
    _shown = "id workflow_run"

    id = read_text()
    details = read_maybe_object()
    created_from = read_text()
    created_by_role = read_text()
    created_by_account = read_maybe_object()
    created_by_end_user = read_maybe_object()
    created_at = read_moment()

    @property
    def workflow_run(self) -> LoggedRun | None:
        """The run, unless it was deleted."""
        run = to_maybe_object(self.raw.get("workflow_run"))
        return None if run is None else LoggedRun(run)

    @property
    def workflow_run_id(self) -> str | None:
        """The run's id, for `get_run()`."""
        run = self.workflow_run
        return run.id if run else None


class LogPage(Record):
    """One page of the logs, newest entries first."""

    __slots__ = ()
    _shown = "page limit total has_more"

    page = read_integer()
    limit = read_integer()
    total = read_integer()
    has_more = read_flag()

    @property
    def data(self) -> tuple[LogEntry, ...]:
        """The entries."""
        return tuple(LogEntry(item) for item in to_objects(self.raw.get("data")))


class LogNews:
    """The entries of each page that the page before did not have.

    Runs that start while one reads push entries from one page to the next.
    """

    def __init__(self) -> None:
        self._stale = 0
        self._seen: frozenset[str] = frozenset()

    def of(self, page: LogPage) -> list[LogEntry]:
        """The new entries of the next page."""
        entries = page.data
        new = [entry for entry in entries if entry.id not in self._seen]
        self._seen = frozenset(entry.id for entry in entries)
        self._stale = 0 if new else self._stale + 1
        return new

    @property
    def are_over(self) -> bool:
        """Whether page after page gave nothing new: a cache may repeat one for ever."""
        return self._stale >= MAX_STALE_PAGES


def log_filters(**filters: datetime | str | None) -> dict[str, str]:
    """The filters as the server takes them: those that are set, dates as ISO 8601.

    A moment without a time zone is one of the local zone, as everywhere in Python.
    """
    query: dict[str, str] = {}
    for name, value in filters.items():
        if isinstance(value, datetime):
            query[name] = value.astimezone().isoformat()
        elif value is not None:
            query[name] = value
    return query
