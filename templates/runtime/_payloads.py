"""What the server sends, as typed views: forms, the app's description, its logs, and the
events of a stream. Knows nothing of transport.

A view costs next to nothing to make, keeps everything that the server sent in `raw`, and
takes a null or a wrong type for "not there": members that a release does not send are empty
or None. Match events by class: `case NodeFinished(title=title, elapsed_time=seconds): ...`.
The table of events is section 4.3 of Dify's streaming protocol, as seen on 1.12.1 and
documented up to 1.16.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
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
    displayed = to_object(pause.get("display_in_ui"))
    for reason in to_objects(to_object(pause.get("data")).get("reasons")):
        form_id = to_text(reason.get("form_id"))
        if form_id in displayed:
            reason = {"display_in_ui": displayed[form_id], **reason}
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


class StreamEvent(Record):
    """What all events have in common.

    `workflow_run_id` is the run, for `get_run()` and `resume()`; `task_id` is the run
    while it goes on, for `stop()`. Either is None where the server leaves it out.
    """

    __slots__ = ()

    @property
    def members(self) -> dict[str, Any]:
        """The event's `data`."""
        return to_object(self.raw.get("data"))

    @property
    def event(self) -> str:
        """Dify's name of the event, e.g. `node_started`."""
        return to_text(self.raw.get("event"))

    @property
    def workflow_run_id(self) -> str | None:
        return to_maybe_text(self.raw.get("workflow_run_id"))

    @property
    def task_id(self) -> str | None:
        return to_maybe_text(self.raw.get("task_id"))


class FlatEvent(StreamEvent):
    """An event without `data`: its members stand beside its name."""

    __slots__ = ()

    @property
    def members(self) -> dict[str, Any]:
        """The event itself."""
        return self.raw


class WorkflowStarted(StreamEvent):
    """The run began, or went on after a pause (`reason` is then `resumption`, 1.13)."""

    __slots__ = ()
    _shown = "workflow_run_id reason"

    id = read_text()
    workflow_id = read_text()
    inputs = read_object()
    reason = read_maybe_text()
    created_at = read_moment()


class WorkflowFinished(StreamEvent):
    """The run ended: `status` says how. The last event of a stream."""

    __slots__ = ()
    _shown = "status outputs error elapsed_time"

    id = read_text()
    workflow_id = read_text()
    status = read_text()
    outputs = read_object()
    error = read_maybe_text()
    elapsed_time = read_real()
    total_tokens = read_integer()
    total_steps = read_integer()
    exceptions_count = read_maybe_integer()
    created_by = read_maybe_object()
    created_at = read_moment()
    finished_at = read_moment()
    files = read_objects()


class WorkflowPaused(StreamEvent):
    """The run waits for people. The last event of a stream; `resume()` gives the next."""

    __slots__ = ()
    _shown = "paused_nodes forms"

    paused_nodes = read_texts()
    reasons = read_objects()
    outputs = read_object()
    status = read_text()
    elapsed_time = read_real()
    total_tokens = read_integer()
    total_steps = read_integer()
    created_at = read_moment()

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that the run waits for."""
        return forms_of(self.raw)


class NodeEvent(StreamEvent):
    """What the events of nodes, iterations and loops have in common.

    `id` is this execution of the node, which pairs start, retry and finish; `node_id` is
    the node in the graph. For iterations and loops both are the same (since 1.9).
    """

    __slots__ = ()
    _shown = "node_id node_type title"

    id = read_text()
    node_id = read_text()
    node_type = read_text()
    title = read_text()
    iteration_id = read_maybe_text()
    loop_id = read_maybe_text()
    created_at = read_moment()


class NodeAttempt(NodeEvent):
    """What is known after a node ran: in full, or before it is tried again."""

    __slots__ = ()
    _shown = "node_id node_type title status elapsed_time"

    index = read_integer()
    predecessor_node_id = read_maybe_text()
    inputs = read_maybe_object()
    process_data = read_maybe_object()
    outputs = read_maybe_object()
    inputs_truncated = read_flag()
    process_data_truncated = read_flag()
    outputs_truncated = read_flag()
    status = read_text()
    error = read_maybe_text()
    elapsed_time = read_real()
    execution_metadata = read_maybe_object()
    parallel_id = read_maybe_text()
    files = read_objects()
    finished_at = read_moment()


class NodeStarted(NodeEvent):
    """A node began. `index` is 1 for every node of 1.12.1."""

    __slots__ = ()

    index = read_integer()
    predecessor_node_id = read_maybe_text()
    inputs = read_maybe_object()
    inputs_truncated = read_flag()
    extras = read_object()
    agent_strategy = read_maybe_object()
    parallel_id = read_maybe_text()


class NodeFinished(NodeAttempt):
    """A node ended: `status` is `succeeded`, `failed` or `exception` (handled)."""

    __slots__ = ()


class NodeRetry(NodeAttempt):
    """An attempt of a node failed and another follows (0.14.2).

    `retry_index` counts from 1 (seen on 1.12.1).
    """

    __slots__ = ()
    _shown = "node_id title retry_index error"

    retry_index = read_integer()


class ContainerStarted(NodeEvent):
    """What the start of an iteration and of a loop have in common."""

    __slots__ = ()

    metadata = read_object()
    inputs = read_object()
    inputs_truncated = read_flag()
    extras = read_object()


class ContainerNext(NodeEvent):
    """What a turn of an iteration and of a loop have in common."""

    __slots__ = ()
    _shown = "node_id title index"

    index = read_integer()
    extras = read_object()


class ContainerCompleted(NodeEvent):
    """What the end of an iteration and of a loop have in common.

    `error` is always None since 1.9: look at `status`.
    """

    __slots__ = ()
    _shown = "node_id title status steps elapsed_time"

    inputs = read_maybe_object()
    outputs = read_maybe_object()
    inputs_truncated = read_flag()
    outputs_truncated = read_flag()
    status = read_text()
    error = read_maybe_text()
    elapsed_time = read_real()
    total_tokens = read_integer()
    steps = read_integer()
    execution_metadata = read_maybe_object()
    finished_at = read_moment()


class IterationStarted(ContainerStarted):
    """An iteration began. An empty list gives no iteration events (seen on 1.12.1)."""

    __slots__ = ()


class IterationNext(ContainerNext):
    """An iteration takes its next item; `index` counts from 0."""

    __slots__ = ()


class IterationCompleted(ContainerCompleted):
    """An iteration ended."""

    __slots__ = ()


class LoopStarted(ContainerStarted):
    """A loop began (1.0.1)."""

    __slots__ = ()


class LoopNext(ContainerNext):
    """A loop takes its next turn; `index` counts from 1 (seen on 1.12.1)."""

    __slots__ = ()


class LoopCompleted(ContainerCompleted):
    """A loop ended."""

    __slots__ = ()


class ParallelBranchStarted(StreamEvent):
    """A parallel branch began (0.8.1 to 1.8)."""

    __slots__ = ()
    _shown = "parallel_branch_id"

    parallel_id = read_text()
    parallel_branch_id = read_text()
    parent_parallel_id = read_maybe_text()
    parent_parallel_start_node_id = read_maybe_text()
    iteration_id = read_maybe_text()
    loop_id = read_maybe_text()
    created_at = read_moment()


class ParallelBranchFinished(StreamEvent):
    """A parallel branch ended (0.8.1 to 1.8)."""

    __slots__ = ()
    _shown = "parallel_branch_id status"

    parallel_id = read_text()
    parallel_branch_id = read_text()
    parent_parallel_id = read_maybe_text()
    parent_parallel_start_node_id = read_maybe_text()
    iteration_id = read_maybe_text()
    loop_id = read_maybe_text()
    status = read_text()
    error = read_maybe_text()
    created_at = read_moment()


class TextChunk(StreamEvent):
    """A piece of display text.

    All pieces joined are *not* an output: every End output is sent as text, with line
    breaks between (seen on 1.12.1). `from_variable_selector` tells the source: the node's
    id and the variable. `RunStream.text()` picks one source.
    """

    __slots__ = ()
    _shown = "text from_variable_selector"

    text = read_text()
    from_variable_selector = read_texts()


class TextReplace(StreamEvent):
    """The display text so far is replaced (0.6 to 0.8.0)."""

    __slots__ = ()
    _shown = "text"

    text = read_text()


class ReasoningChunk(StreamEvent):
    """A piece of an LLM node's separated reasoning (1.15)."""

    __slots__ = ()
    _shown = "reasoning node_id is_final"

    reasoning = read_text()
    node_id = read_maybe_text()
    message_id = read_maybe_text()
    is_final = read_flag()


class MessageEvent(FlatEvent):
    """What the events of a turn of a chat-type app have in common.

    `conversation_id` is "" in a text generator, which has no conversations.
    """

    __slots__ = ()

    conversation_id = read_text()
    message_id = read_text()
    created_at = read_moment()


class Message(MessageEvent):
    """A piece of the answer, to be put behind those before it.

    `from_variable_selector` tells where in a chatflow it comes from: a node's id and a
    variable. It is empty in other apps.
    """

    __slots__ = ()
    _shown = "answer from_variable_selector"

    id = read_text()
    answer = read_text()
    from_variable_selector = read_texts()


class AgentMessage(MessageEvent):
    """A piece of an agent's answer."""

    __slots__ = ()
    _shown = "answer"

    id = read_text()
    answer = read_text()


class AgentThought(MessageEvent, Thought):
    """A step of an agent. The same `id` comes again as the step fills; the last one counts."""

    __slots__ = ()


class MessageFile(MessageEvent):
    """A file that belongs to the answer: a tool or a model made it.

    Its `url` is signed for a short time, and may be relative. After a file, apps other than chatflows
    send pieces of text by this name too (1.7.2): these come as a `Message`.
    """

    __slots__ = ()
    _shown = "type url"

    id = read_text()
    type = read_text()
    belongs_to = read_text()
    url = read_text()


class MessageReplace(MessageEvent):
    """The answer so far is void: `answer` is the whole new one. Moderation does this."""

    __slots__ = ()
    _shown = "answer reason"

    answer = read_text()
    reason = read_text()


class MessageEnd(MessageEvent):
    """The answer is complete: `metadata` has usage and citations.

    In an app that speaks, speech follows; in a chatflow, the end of the run may.
    """

    __slots__ = ()
    _shown = "metadata files"

    id = read_text()
    metadata = read_object()
    files = read_objects()


class AgentLog(StreamEvent):
    """A step of an agent node (1.0). The same `id` comes again as the step goes on."""

    __slots__ = ()
    _shown = "node_id label status"

    id = read_text()
    node_execution_id = read_text()
    node_id = read_text()
    label = read_text()
    parent_id = read_maybe_text()
    status = read_text()
    error = read_maybe_text()
    data = read_object()
    metadata = read_maybe_object()


class TtsMessage(FlatEvent):
    """A piece of speech, base64-encoded audio."""

    __slots__ = ()

    audio = read_text()
    created_at = read_moment()


class TtsMessageEnd(FlatEvent):
    """The speech is over."""

    __slots__ = ()

    audio = read_text()
    created_at = read_moment()


class HumanInputRequired(StreamEvent):
    """A node waits for people; `form` is what it asks. A pause of the run follows."""

    __slots__ = ()
    _shown = "form"

    form_id = read_text()
    form_token = read_maybe_text()
    node_id = read_text()
    node_title = read_text()
    form_content = read_text()
    expiration_time = read_moment()

    @property
    def form(self) -> Form:
        """What is asked, and how it can be answered."""
        return Form(self.members)


class HumanInputFormFilled(StreamEvent):
    """Somebody submitted a form."""

    __slots__ = ()
    _shown = "node_title action_id"

    node_id = read_text()
    node_title = read_text()
    rendered_content = read_text()
    action_id = read_text()
    action_text = read_text()
    submitted_data = read_maybe_object()


class HumanInputFormTimeout(StreamEvent):
    """Nobody submitted a form in time."""

    __slots__ = ()
    _shown = "node_title expiration_time"

    node_id = read_text()
    node_title = read_text()
    expiration_time = read_moment()


class ErrorEvent(FlatEvent):
    """The run could not go on. The stream raises the same as an `APIError` next.

    A failing node is no such event, but a run that finishes with the status `failed`.
    Before a run has started there may be no `code` and no ids (1.15).
    """

    __slots__ = ()
    _shown = "code status message"

    code = read_maybe_text()
    status = read_maybe_integer()
    message = read_text()


class Ping(FlatEvent):
    """The server is alive; it says so about every 10 seconds."""

    __slots__ = ()


class UnknownEvent(StreamEvent):
    """An event that this client does not know, or of another run: look into `raw`."""

    __slots__ = ()
    _shown = "event"


Event = (
    WorkflowStarted
    | WorkflowFinished
    | WorkflowPaused
    | NodeStarted
    | NodeFinished
    | NodeRetry
    | IterationStarted
    | IterationNext
    | IterationCompleted
    | LoopStarted
    | LoopNext
    | LoopCompleted
    | ParallelBranchStarted
    | ParallelBranchFinished
    | TextChunk
    | TextReplace
    | ReasoningChunk
    | Message
    | AgentMessage
    | AgentThought
    | MessageFile
    | MessageReplace
    | MessageEnd
    | AgentLog
    | TtsMessage
    | TtsMessageEnd
    | HumanInputRequired
    | HumanInputFormFilled
    | HumanInputFormTimeout
    | ErrorEvent
    | Ping
    | UnknownEvent
)
"""Everything that a stream yields."""

EVENT_TYPES: dict[str, type[Event]] = {
    "workflow_started": WorkflowStarted,
    "workflow_finished": WorkflowFinished,
    "workflow_paused": WorkflowPaused,
    "node_started": NodeStarted,
    "node_finished": NodeFinished,
    "node_retry": NodeRetry,
    "iteration_started": IterationStarted,
    "iteration_next": IterationNext,
    "iteration_completed": IterationCompleted,
    "loop_started": LoopStarted,
    "loop_next": LoopNext,
    "loop_completed": LoopCompleted,
    "parallel_branch_started": ParallelBranchStarted,
    "parallel_branch_finished": ParallelBranchFinished,
    "text_chunk": TextChunk,
    "text_replace": TextReplace,
    "reasoning_chunk": ReasoningChunk,
    "message": Message,
    "agent_message": AgentMessage,
    "agent_thought": AgentThought,
    "message_file": MessageFile,
    "message_replace": MessageReplace,
    "message_end": MessageEnd,
    "agent_log": AgentLog,
    "tts_message": TtsMessage,
    "tts_message_end": TtsMessageEnd,
    "human_input_required": HumanInputRequired,
    "human_input_form_filled": HumanInputFormFilled,
    "human_input_form_timeout": HumanInputFormTimeout,
    "error": ErrorEvent,
    "ping": Ping,
}


def make_event(payload: dict[str, Any]) -> Event:
    """Return the typed view of a payload."""
    name = payload.get("event")
    kind = EVENT_TYPES.get(name) if isinstance(name, str) else None
    return (kind or UnknownEvent)(payload)
