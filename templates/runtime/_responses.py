"""What the server answers with, as typed views: forms, the app's description, its logs,
what an answer of a chat brings beside its text.

A view costs next to nothing to make, keeps everything that the server sent, and takes a
null or a wrong type for "not there". The events of a stream are such views as well.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Generic, Self, TypeVar, cast, overload

T = TypeVar("T")


class Record:
    """A JSON object from the server. `raw` is all of it, as it came."""

    __slots__ = ("raw",)
    _shown = ""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    @property
    def members(self) -> dict[str, Any]:
        """The object that the attributes are read from."""
        return self.raw

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.raw == self.raw

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={getattr(self, name)!r}" for name in self._shown.split()
        )
        return f"{type(self).__name__}({shown})"


class Member(Generic[T]):
    """An attribute of a `Record`: the payload's member of the same name, converted."""

    __slots__ = ("_convert", "_name")

    def __init__(self, convert: Callable[[Any], T], name: str = "") -> None:
        self._convert = convert
        self._name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = self._name or name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> T: ...
    def __get__(self, record: Record | None, owner: type) -> Self | T:
        if record is None:
            return self
        return self._convert(record.members.get(self._name))


def to_text(value: Any) -> str:
    """Return the text, or "" where there is none."""
    return value if isinstance(value, str) else ""


def to_maybe_text(value: Any) -> str | None:
    """Return the text, or None where there is none."""
    return value if isinstance(value, str) else None


def to_integer(value: Any) -> int:
    """Return the whole number, or 0 where there is none."""
    return to_maybe_integer(value) or 0


def to_maybe_integer(value: Any) -> int | None:
    """Return the whole number, or None where there is none."""
    # Python reads NaN and Infinity as numbers.
    if isinstance(value, float) and not isfinite(value):
        return None
    return int(value) if isinstance(value, int | float) else None


def to_real(value: Any) -> float:
    """Return the number, or 0.0 where there is none."""
    try:
        return float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:
        return 0.0


def to_maybe_real(value: Any) -> float | None:
    """Return the number, or None where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return to_real(value)


def to_flag(value: Any) -> bool:
    """Check whether the value is true."""
    return value is True


def to_object(value: Any) -> dict[str, Any]:
    """Return the JSON object, or an empty one where there is none."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def to_maybe_object(value: Any) -> dict[str, Any] | None:
    """Return the JSON object, or None where there is none."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def to_objects(value: Any) -> tuple[dict[str, Any], ...]:
    """Return the JSON objects of an array."""
    items = cast(list[object], value) if isinstance(value, list) else []
    objects = (to_maybe_object(item) for item in items)
    return tuple(item for item in objects if item is not None)


def to_texts(value: Any) -> tuple[str, ...]:
    """Return the strings of an array."""
    items = cast(list[object], value) if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str))


def to_moment(value: Any) -> datetime | None:
    """Return the moment in time, in UTC; None where there is none.

    Dify sends whole unix seconds; run details had RFC 822 dates before 1.2.0, and a few
    endpoints have ISO 8601.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and value:
            return _parse_moment(value)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _parse_moment(text: str) -> datetime:
    if text[0].isdigit():
        moment = datetime.fromisoformat(text)
    else:
        from email.utils import parsedate_to_datetime

        moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_text(name: str = "") -> Member[str]:
    """Return a member that is a text, or an empty one."""
    return Member(to_text, name)


def read_maybe_text(name: str = "") -> Member[str | None]:
    """Return a member that is a text, if there is one."""
    return Member(to_maybe_text, name)


def read_integer(name: str = "") -> Member[int]:
    """Return a member that is a whole number, or 0."""
    return Member(to_integer, name)


def read_maybe_integer(name: str = "") -> Member[int | None]:
    """Return a member that is a whole number, if there is one."""
    return Member(to_maybe_integer, name)


def read_real(name: str = "") -> Member[float]:
    """Return a member that is a number, or 0.0."""
    return Member(to_real, name)


def read_flag(name: str = "") -> Member[bool]:
    """Return a member that is whether something is so."""
    return Member(to_flag, name)


def read_object(name: str = "") -> Member[dict[str, Any]]:
    """Return a member that is an object, or an empty one."""
    return Member(to_object, name)


def read_maybe_object(name: str = "") -> Member[dict[str, Any] | None]:
    """Return a member that is an object, if there is one."""
    return Member(to_maybe_object, name)


def read_objects(name: str = "") -> Member[tuple[dict[str, Any], ...]]:
    """Return a member that is the objects of an array."""
    return Member(to_objects, name)


def read_texts(name: str = "") -> Member[tuple[str, ...]]:
    """Return a member that is the strings of an array."""
    return Member(to_texts, name)


def read_moment(name: str = "") -> Member[datetime | None]:
    """Return a member that is a moment in time, if there is one."""
    return Member(to_moment, name)


class FormAction(Record):
    """A button of a form. `id` is what `submit_form(action=...)` takes."""

    __slots__ = ()
    _shown = "id title"

    id = read_text()
    title = read_text()
    button_style = read_text()


class FormInput(Record):
    """A field of a form. `name` is its key in `submit_form(inputs=...)`.

    `type` is `paragraph` (`text_input` in forms of 1.13), `select`, `file` or `file-list`;
    all four were seen on 1.14.2. A field of files has rules, as an input of the app has
    them. All fields must be given, also those with a default.
    """

    __slots__ = ()
    _shown = "name type"

    type = read_text()
    name = read_text("output_variable_name")
    default = read_object()
    allowed_file_types = read_texts()
    allowed_file_extensions = read_texts()
    allowed_file_upload_methods = read_texts()

    @property
    def options(self) -> tuple[str, ...]:
        """What a select offers. Empty where the server does not tell it."""
        return to_texts(to_object(self.raw.get("option_source")).get("value"))

    @property
    def max_files(self) -> int | None:
        """How many files a `file-list` takes, if there is a limit."""
        limit = to_maybe_integer(self.raw.get("number_limits"))
        return limit if self.type == "file-list" and limit and limit > 0 else None


class Form(Record):
    """A human-input form.

    `form_token` is what the API knows the form by: who has it can answer, so that it is
    not shown. It is None where the server did not tell it (a blocking answer before 1.14).
    A node that is not delivered to the web app has one all the same, which no endpoint
    knows (none from 1.16 on); `display_in_ui` is False there, and wherever the server does
    not tell it: Dify 1.14 tells it in streams, and not in blocking answers and `get_form()`.
    `approval_channels` are the ways to answer it beside the API (1.16): `email`, `console`.
    """

    __slots__ = ()
    _shown = "node_title actions inputs"

    form_id = read_maybe_text()
    form_token = read_maybe_text()
    node_id = read_text()
    node_title = read_text()
    form_content = read_text()
    display_in_ui = read_flag()
    approval_channels = read_texts()
    resolved_default_values = read_object()
    expiration_time = read_moment()

    @property
    def inputs(self) -> tuple[FormInput, ...]:
        """The fields to fill in."""
        return tuple(FormInput(item) for item in to_objects(self.raw.get("inputs")))

    @property
    def actions(self) -> tuple[FormAction, ...]:
        """The buttons: one of them is the answer."""
        items = self.raw.get("actions") or self.raw.get("user_actions")
        return tuple(FormAction(item) for item in to_objects(items))

    def default_of(self, field: FormInput) -> str:
        """Return what a field is filled in with for a start: a text, maybe an empty one."""
        resolved = self.resolved_default_values.get(field.name)
        return to_text(resolved) or to_text(field.default.get("value"))


def forms_of(pause: Mapping[str, Any]) -> tuple[Form, ...]:
    """Return the forms among the `reasons` of a pause (seen just before 1.13).

    Beside the pause may stand, by form, what earlier events told of `display_in_ui`.
    """
    forms: list[Form] = []
    told = to_object(pause.get("display_in_ui"))
    for reason in to_objects(to_object(pause.get("data")).get("reasons")):
        form_id = to_text(reason.get("form_id"))
        if form_id in told:
            reason = {"display_in_ui": told[form_id], **reason}
        if reason.get("TYPE") == "human_input_required" or "form_id" in reason:
            forms.append(Form(reason))
    return tuple(forms)


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
    `file`, `file-list`, `json_object`, or one of a newer release. `raw` holds the whole
    variable.
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
        """Return the new entries of the next page."""
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
    """Return the filters as the server takes them: those that are set, dates as ISO 8601.

    A moment without a time zone is one of the local zone, as everywhere in Python.
    """
    query: dict[str, str] = {}
    for name, value in filters.items():
        if isinstance(value, datetime):
            query[name] = value.astimezone().isoformat()
        elif value is not None:
            query[name] = value
    return query


PAGE_SIZE = 100
"""The most that the server takes."""

PageT = TypeVar("PageT", bound=Record)


class NewItems(Generic[PageT]):
    """The items of each page that no page before had. What lacks an id is passed over.

    A server that repeats a page for ever comes to an end so, and so do items that move
    from page to page while one reads.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def of(self, items: Iterable[PageT]) -> list[PageT]:
        """Return the new items, in their order."""
        new: list[PageT] = []
        for item in items:
            item_id = to_text(item.raw.get("id"))
            if item_id and item_id not in self._seen:
                self._seen.add(item_id)
                new.append(item)
        return new


class Pages(Generic[PageT]):
    """Items that come page by page, each once."""

    def __init__(
        self, read: Callable[[int, str], Awaitable[tuple[list[PageT], bool]]]
    ) -> None:
        self._read = read
        self._news: NewItems[PageT] = NewItems()
        self._number = 0
        self._last_id = ""
        self._has_more = True

    async def next(self) -> Sequence[PageT]:
        """Return the new items of the next page that has some; none at the end.

        What is read goes by the number of a page, counted from 1, or by the id of the last
        item so far, and says whether there are more.
        """
        for _ in range(MAX_STALE_PAGES):
            if not self._has_more:
                break
            self._number += 1
            items, has_more = await self._read(self._number, self._last_id)
            self._has_more = has_more and bool(items)
            if items:
                self._last_id = to_text(items[-1].raw.get("id"))
            if new := self._news.of(items):
                return new
        self._has_more = False
        return ()


def to_price(value: Any) -> Decimal | None:
    """Return the amount of money, which comes as text and maybe with an exponent ("9E-7")."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


class Usage(Record):
    """What the model calls of a turn took. Prices are in `currency`.

    `latency`, `time_to_first_token` and `time_to_generate` are seconds (the last two since
    1.10).
    """

    __slots__ = ()
    _shown = "total_tokens total_price currency latency"

    prompt_tokens = read_integer()
    completion_tokens = read_integer()
    total_tokens = read_integer()
    prompt_unit_price = Member(to_price)
    prompt_price_unit = Member(to_price)
    prompt_price = Member(to_price)
    completion_unit_price = Member(to_price)
    completion_price_unit = Member(to_price)
    completion_price = Member(to_price)
    total_price = Member(to_price)
    currency = read_text()
    latency = Member(to_maybe_real)
    time_to_first_token = Member(to_maybe_real)
    time_to_generate = Member(to_maybe_real)


class Citation(Record):
    """A piece of a document that an answer is based on.

    The server sends citations where the app shows them ("Citations and Attributions").
    """

    __slots__ = ()
    _shown = "position document_name score"

    position = read_maybe_integer()
    dataset_id = read_maybe_text()
    dataset_name = read_maybe_text()
    document_id = read_maybe_text()
    document_name = read_maybe_text()
    data_source_type = read_maybe_text()
    segment_id = read_maybe_text()
    retriever_from = read_maybe_text()
    score = Member(to_maybe_real)
    hit_count = read_maybe_integer()
    word_count = read_maybe_integer()
    segment_position = read_maybe_integer()
    index_node_hash = read_maybe_text()
    content = read_maybe_text()
    summary = read_maybe_text()
    page = read_maybe_integer()
    title = read_maybe_text()
    doc_metadata = read_maybe_object()


class Thought(Record):
    """A step of an agent: what it thought, which tools it used, what these gave.

    `tool` holds the names of tools, separated by `;`. `tool_input` and `observation` are
    JSON texts that go by these names. `message_files` are the ids of files that the tools
    made.
    """

    __slots__ = ()
    _shown = "position thought tool"

    id = read_text()
    position = read_integer()
    thought = read_text()
    observation = read_text()
    tool = read_text()
    tool_labels = read_object()
    tool_input = read_text()
    created_at = read_moment()

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools."""
        return tuple(name for name in self.tool.split(";") if name)

    @property
    def message_files(self) -> tuple[str, ...]:
        """The ids of files; stored messages call them `files`."""
        return to_texts(self.raw.get("message_files") or self.raw.get("files"))
