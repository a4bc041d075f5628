"""Dify's rules, without I/O: which requests there are, and what answers and events mean.

When a request may be repeated; and from the bytes of an event stream to what they mean for
a run. Works on bytes and ends lines at LF, CR and CRLF alone: Dify sends U+2028, U+2029 and
U+0085 raw inside of JSON (seen on 1.12.1), where `str.splitlines` and most line iterators
cut. Decides which events go to the caller, which one is the last, and what error says that
there is none.
"""

import json
import random
import re
import sys
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from ._answers import (
    Answer,
    Exchange,
    dify_error,
    json_object,
    parsed,
    too_large,
    unexpected,
)
from ._errors import (
    APIError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    DifyError,
    IdleTimeoutError,
    NotFoundError,
    ServerError,
    StreamDecodeError,
    StreamError,
    StreamInterruptedError,
    TooManyRequestsError,
)
from ._http import Call
from ._models import WorkflowNode, is_same_run, plain_id
from ._payloads import (
    EVENT_TYPES,
    Event,
    StreamEvent,
    TextChunk,
    UnknownEvent,
    WorkflowFinished,
    WorkflowPaused,
    forms_of,
    make_event,
    to_integer,
    to_maybe_integer,
    to_object,
    to_text,
)
from ._settings import Settings

JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
STREAM_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream"}
TRACE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
RUN_ID = re.compile(r"[0-9a-f]{32}")
MAX_BACKOFF = 8.0
FIRST_BACKOFF = 0.5
STOP_PATIENCE = 10.0
"""A run that was stopped ends within a moment, or is stored as running for good."""
SETTLED = frozenset(("succeeded", "partial-succeeded", "failed", "stopped", "paused"))
"""The states of a run that nothing but people will change."""


def run_call(
    settings: Settings,
    inputs: Mapping[str, Any],
    *,
    user: str,
    response_mode: str,
    workflow_id: str | None,
    trace_id: str | None,
    files: Sequence[Mapping[str, Any]] = (),
) -> Call:
    """Return the request that starts a run."""
    path = f"/workflows/{segment(workflow_id)}/run" if workflow_id else "/workflows/run"
    body: dict[str, Any] = {"inputs": inputs}
    body |= {"response_mode": response_mode, "user": user}
    if files:
        body["files"] = files
    return start_call(settings, path, body, trace_id)


def start_call(
    settings: Settings, path: str, body: Mapping[str, Any], trace_id: str | None
) -> Call:
    """Return the request that starts something. Never repeated once it may have arrived."""
    streams = body["response_mode"] == "streaming"
    headers = STREAM_HEADERS if streams else JSON_HEADERS
    if trace_id is not None:
        headers = {**headers, "X-Trace-Id": checked_trace_id(trace_id)}
    return Call(
        "POST",
        settings.api_url + path,
        key=settings.api_key,
        headers=headers,
        content=to_json_body(body),
        shown=f"/v1{path}",
    )


def get_call(
    settings: Settings, path: str, query: Mapping[str, str] | None = None
) -> Call:
    """Return a request that only reads."""
    return Call(
        "GET",
        settings.api_url + path,
        key=settings.api_key,
        query=query,
        headers={"Accept": "application/json"},
        shown=f"/v1{path}",
        repeatable=True,
    )


def post_call(
    settings: Settings, path: str, body: Mapping[str, Any], *, repeatable: bool = False
) -> Call:
    """Return a request with a JSON body."""
    return Call(
        "POST",
        settings.api_url + path,
        key=settings.api_key,
        headers=JSON_HEADERS,
        content=to_json_body(body),
        shown=f"/v1{path}",
        repeatable=repeatable,
    )


def events_call(
    settings: Settings,
    workflow_run_id: str,
    user: str,
    *,
    continue_on_pause: bool,
    last_event_id: str,
) -> Call:
    """Return the request for the events of a run that was started before (1.14).

    The snapshot replays what has happened so far, without inputs and outputs; without it
    the server sends future events alone.
    """
    query = {"user": user, "include_state_snapshot": "true"}
    if continue_on_pause:
        query["continue_on_pause"] = "true"
    call = get_call(settings, f"/workflow/{segment(workflow_run_id)}/events", query)
    call.headers = {"Accept": "text/event-stream"}
    if last_event_id.isascii() and last_event_id.isprintable() and last_event_id:
        call.headers["Last-Event-ID"] = last_event_id
    return call


def form_call(
    settings: Settings, form_token: str, body: Mapping[str, Any] | None = None
) -> Call:
    """Return the request that reads a form or, with a body, submits it (1.14).

    The token lets anybody answer the form: it is not shown in logs.
    """
    path = f"/form/human_input/{segment(form_token)}"
    call = get_call(settings, path) if body is None else post_call(settings, path, body)
    call.shown = "/v1/form/human_input/..."
    return call


def segment(text: object) -> str:
    """Return an id as one segment of a path, whatever it holds."""
    if not isinstance(text, str) or text in ("", ".", ".."):
        raise ConfigurationError(f"{text!r} is no id")
    return quote(text, safe="", errors="replace")


def checked_run_id(run_id: object) -> str:
    """Return the id of a run, if it can be one: to others Dify answers with status 500."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(plain_id(run_id)):
        raise ConfigurationError(
            "workflow_run_id is a UUID, as `run.workflow_run_id` and `started.run_id` have "
            f"it, not {run_id!r:.100}"
        )
    return run_id


def checked_trace_id(trace_id: object) -> str:
    """Return the trace id, if Dify takes it: it ignores others without a word."""
    if not isinstance(trace_id, str) or not TRACE_ID.fullmatch(trace_id):
        raise ConfigurationError(
            f"trace_id must be 1 to 128 of A-Z a-z 0-9 _ -, not {trace_id!r:.200}"
        )
    return trace_id


def to_json_body(body: Mapping[str, Any]) -> bytes:
    """Return JSON as it is sent: UTF-8, compact, and nothing that JSON does not know."""
    try:
        return json.dumps(
            body, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"This cannot be sent as JSON: {error}") from None


def blocking_payload(
    answer: Answer, call: Call
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the whole body of a blocking answer, and its `data`."""
    payload = json_object(answer, call)
    data = to_object(payload.get("data"))
    if not to_text(data.get("status")):
        raise unexpected(answer, call)
    return payload, data


def run_detail(answer: Answer, call: Call) -> dict[str, Any]:
    """Return a stored run, with inputs and outputs as objects.

    They come as JSON text or as an object, by release. A run that is not there is
    answered with 200 and nothing but nulls (seen on 1.12.1).
    """
    detail = json_object(answer, call)
    if "status" not in detail and "id" not in detail:
        raise unexpected(answer, call)
    if not detail.get("id") and not detail.get("status"):
        raise NotFoundError(
            "The server knows no such run of this app",
            code="not_found",
            status=answer.status,
            server_version=answer.headers.get("x-version"),
            request=f"{call.method} {call.shown}",
        )
    texts = {
        name: parsed(value.encode(errors="replace"))
        for name in ("inputs", "outputs")
        if isinstance(value := detail.get(name), str)
    }
    return {**detail, **texts}


def retry_delay(
    error: DifyError, attempt: int, max_retries: int, *, repeatable: bool
) -> float | None:
    """Return how long to wait before a request is sent again; None if it must not be.

    A request that starts a run is repeated only if it surely started none: no connection
    was made, or the server refused it because too many others go on. With another status
    than that of a refusal, these words may be those of a node.
    """
    if attempt >= max_retries:
        return None
    wait = backoff(attempt)
    if isinstance(error, TooManyRequestsError | ServerError):
        wait = max(wait, min(error.retry_after or 0.0, 60.0))
    if isinstance(error, TooManyRequestsError):
        is_refusal = repeatable or error.status in (None, 400, 429)
        return wait if is_refusal else None
    if isinstance(error, ConnectionFailedError):
        return wait if error.may_pass else None
    lost = isinstance(error, ConnectionLostError | ServerError | IdleTimeoutError)
    return wait if repeatable and lost else None


def backoff(attempt: int) -> float:
    """Return seconds to wait: longer with every attempt, and never the same for two clients."""
    longest = min(MAX_BACKOFF, FIRST_BACKOFF * 2.0**attempt)
    return longest * random.uniform(0.5, 1.0)


BOM = b"\xef\xbb\xbf"
SSE_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry)?:")
LINE_STARTS = (b"data:", b"event:", b"id:", b"retry:", BOM)
PEEKED_SIZE = 4096
PING_DATA = b'{"event":"ping"}'


class SseDecoder:
    """Cuts a stream of bytes into the data of its events, however it arrives in pieces.

    Every byte is looked at once: line ends are searched in the new piece only, and an
    unfinished line waits as a list of pieces, so that one of many megabytes costs no more
    than many short ones.

    An event of more than `max_size` bytes ends in an `AnswerTooLargeError`.

    Dify's `event: ping` has no data, for which the standard dispatches nothing; here it
    gives the data that newer pings have.

    Lines that are none of a stream are passed over; `foreign` is the first of them.
    """

    __slots__ = (
        "_after_cr",
        "_at_start",
        "_data",
        "_event",
        "_held",
        "_line",
        "_max_size",
        "foreign",
        "last_event_id",
    )

    def __init__(self, max_size: int = sys.maxsize) -> None:
        self.foreign = b""
        self.last_event_id = ""
        self._max_size = max_size
        self._held = 0
        self._data: list[bytes] = []
        self._event = b""
        self._line: list[bytes] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that this piece completes."""
        if self._at_start:
            piece = self._without_bom(piece)
        if self._after_cr and piece:
            self._after_cr = False
            if piece[0] == 10:
                piece = piece[1:]
        if b"\r" in piece:
            self._after_cr = piece[-1] == 13
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = piece.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            self._line.append(lines[0])
            lines[0] = b"".join(self._line)
            self._line.clear()
        if rest:
            self._line.append(rest)
        held = self._held = self._held + len(piece)
        events: list[bytes] = []
        if lines and ((events := self._take(lines)) or not self._data):
            self._held = len(rest) + sum(map(len, self._data))
        if held > self._max_size and self._is_too_large(events):
            raise too_large("An event of the stream", self._max_size)
        return events

    def _is_too_large(self, events: list[bytes]) -> bool:
        return max([self._held, *map(len, events)]) > self._max_size

    def finish(self) -> list[bytes]:
        """Return the data of an event that the end of the stream left without its blank line.

        The standard drops such an event; what is lost here would be the result of a run. A
        line that was cut within the name of its field says nothing.
        """
        line = b"".join(self._line)
        self._line.clear()
        is_cut = any(name.startswith(line) for name in LINE_STARTS)
        return self._take([b"" if is_cut else line, b""])

    def _without_bom(self, piece: bytes) -> bytes:
        start = b"".join(self._line) + piece
        self._line.clear()
        if len(start) < 3 and BOM.startswith(start):
            if start:
                self._line.append(start)
            return b""
        self._at_start = False
        return start[3:] if start[:3] == BOM else start

    def _take(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if line[:6] == b"data: ":
                data.append(line[6:])
            elif line:
                self._take_field(line)
            elif self._event == b"ping":
                events.append(PING_DATA)
                self._event = b""
                data.clear()
            elif data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._event = b""
            else:
                self._event = b""
        return events

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self.last_event_id = value.decode("utf-8", "replace")
        elif name not in (b"", b"id", b"retry"):
            self.foreign = self.foreign or line[:1000]


NOTABLE = frozenset(
    (
        "workflow_started",
        "workflow_finished",
        "workflow_paused",
        "node_started",
        "node_finished",
        "node_retry",
        "human_input_required",
        "error",
    )
)
"""Events that end a stream, or that a snapshot repeats."""

PLAIN_EVENTS = {name: kind for name, kind in EVENT_TYPES.items() if name not in NOTABLE}
"""All others, which are nearly all of a long stream."""

read_json = json.JSONDecoder().raw_decode


def payload_of(data: bytes) -> dict[str, Any]:
    """Return the JSON object of an event.

    Raises:
        ValueError: It is not UTF-8, not JSON, or not an object.
    """
    text = data.decode()
    try:
        payload, end = read_json(text)
    except ValueError:
        payload, end = None, -1
    # Something stands around it: blanks, or it is no JSON.
    if end != len(text):
        payload = json.loads(text)
    if payload.__class__ is not dict:
        raise ValueError("expected an object")
    return cast(dict[str, Any], payload)


def is_stream(exchange: Exchange) -> bool:
    """Check whether a response can hold events: it says so, or says nothing against it."""
    kind = exchange.headers.get("content-type", "").lower()
    if "event-stream" in kind:
        return True
    silent = not kind or kind.startswith(("text/plain", "application/octet-stream"))
    return silent and exchange.headers.get("content-length") is None


class Peeked:
    """An exchange whose beginning was looked at."""

    __slots__ = ("_exchange", "_head")

    def __init__(self, exchange: Exchange, head: bytes) -> None:
        self._exchange = exchange
        self._head = head

    @property
    def status(self) -> int:
        return self._exchange.status

    @property
    def headers(self) -> Any:
        return self._exchange.headers

    async def read(self, limit: float | None = None) -> bytes | None:
        head, self._head = self._head, b""
        return head or await self._exchange.read(limit)

    async def close(self) -> None:
        await self._exchange.close()


async def peek(exchange: Exchange) -> tuple[Exchange, bool]:
    """Return a response, to be read from its beginning, and whether it holds events after all."""
    head = b""
    try:
        while len(head.lstrip()) < len(b"event:") and len(head) < PEEKED_SIZE:
            piece = await exchange.read()
            if piece is None:
                break
            head += piece
    except BaseException:
        await exchange.close()
        raise
    return Peeked(exchange, head), SSE_START.match(head) is not None


def text_filter(
    source: str | Sequence[str], sources: Mapping[str, Sequence[Sequence[str]]]
) -> Callable[[TextChunk], bool]:
    """Return what picks the pieces of one source: an output, a node, or a node and a variable."""
    if not isinstance(source, str):
        wanted = [tuple(source)]
    elif source in sources and not isinstance(source, WorkflowNode):
        wanted = [tuple(selector) for selector in sources[source]]
    else:
        wanted = [(str(source),)]

    def matches(chunk: TextChunk) -> bool:
        selector = chunk.from_variable_selector
        return any(selector[: len(prefix)] == prefix for prefix in wanted)

    return matches


EMPTY_WORDS = frozenset((b"null", b"[DONE]"))
"""What some servers send beside events. Nothing is lost with them."""
FOREIGN_PATIENCE = 15.0
"""A stream that is alive pings every 10 seconds."""
REFUSAL_PATIENCE = 25.0
"""A stream of a run pings every 10 seconds. From 1.13 on it pings once and falls silent, up
to 300 seconds, where the server refuses what was sent, or no worker runs (seen on 1.14.2)."""
MAX_REMEMBERED = 10_000
MAX_ID_LENGTH = 255


class RunState:
    """A run as its events tell it, however many connections they come over.

    `plain_events` are the events that need no more than to be handed on.

    Attributes:
        pending: Events that the caller has not taken.
        news: How many events told something new since it was last set to 0. A ping does
            not, nor does a repeated event or one of another run.
        terminal: The event that ended the run, once it came.
        error: Why there are no more events, where it is not the run's end.
        is_over: Whether there are no more events to wait for.
        is_reattached: Whether events may be repeated by the snapshot of a new connection.
        is_cut: Whether something may have been sent over no connection.
        patience: Seconds without anything new after which no more is to be expected, where
            that is less than the client's `idle_timeout`.
        foreign: What stands in the stream and is no event, if nothing came after it.
    """

    subject = "run"
    plain_events = PLAIN_EVENTS
    falls_silent = True

    def __init__(
        self,
        workflow_run_id: str | None,
        submitted: Container[str | None],
        stopped: Container[str | None] = (),
    ) -> None:
        self.pending: deque[Event] = deque()
        self.workflow_run_id = workflow_run_id
        self.task_id: str | None = None
        self.news = 0
        self.terminal: StreamEvent | None = None
        self.error: DifyError | None = None
        self.is_over = False
        self.is_reattached = False
        self.is_cut = False
        self.patience: float | None = None
        self.foreign: StreamDecodeError | None = None
        self._submitted = submitted
        self._stopped = stopped
        self._is_refused = False
        self._knows_ids = False
        self._seen = dict[tuple[str, str, str, int], object]()

    def take(self, events: list[bytes], *, at_end: bool = False) -> None:
        """Make events of data. Data that the end of the stream cut is no event.

        Nor is what a proxy says in the middle of it, or `[DONE]`: what comes after that is
        read, if it comes soon.
        """
        plain_events = self.plain_events
        earlier = len(self.pending)
        for data in events:
            try:
                payload = payload_of(data)
            except (ValueError, RecursionError) as error:
                if b"\n" in data:  # no blank line between it and an event
                    self.take(data.split(b"\n"), at_end=at_end)
                elif not at_end:
                    self.pass_over(data, error)
                    earlier = len(self.pending)
                continue
            name = payload.get("event")
            if (
                self._knows_ids
                and name.__class__ is str
                and name in plain_events
                and payload.get("workflow_run_id") == self.workflow_run_id
            ):
                self.pending.append(plain_events[name](payload))
                self.news += 1
                continue
            self.take_payload(payload)
            if self.is_over:
                return
        if self.foreign is not None and len(self.pending) > earlier:
            self.trust()

    def pass_over(self, data: bytes, error: Exception | None = None) -> None:
        """Take note of data that is no event. One may have been lost with it."""
        if not data.strip():
            return
        self.foreign = self.foreign or self._undecodable(data, error)
        self.is_cut = self.is_cut or data.strip() not in EMPTY_WORDS
        self.patience = min(FOREIGN_PATIENCE, self.patience or FOREIGN_PATIENCE)

    def trust(self) -> None:
        """Take a stream to be alive, whatever stood in it before."""
        self.foreign = None
        if self.terminal is None:
            self.patience = None

    def take_payload(self, payload: dict[str, Any]) -> None:
        """Make an event of a payload, if it is one for the caller."""
        if self._is_of_another(payload):
            self.pending.append(UnknownEvent(payload))
            return
        if not self._knows_ids:
            self._learn_ids(payload)
            if self.is_over:
                return
        name = to_text(payload.get("event"))
        if name == "ping":
            self._hear_ping()
        elif self._is_refused:
            self._is_refused = False
            self.trust()
        if name in self.plain_events or self._is_news(name, payload):
            self.pending.append(make_event(payload))
            self.news += name != "ping"

    def take_whole(self, payload: dict[str, Any]) -> bool:
        """Take one answer in the place of a stream; whether it tells about the run."""
        if usable_id(run_id_of(payload)) is None:
            return False
        self._learn_ids(payload)
        status = to_object(payload.get("data")).get("status")
        if status in SETTLED:
            name = "workflow_paused" if status == "paused" else "workflow_finished"
            self.take_payload({**payload, "event": name})
            self.end_here()
        return True

    @property
    def was_stopped(self) -> bool:
        """Whether this client has asked the server to stop it."""
        return self.task_id is not None and self.task_id in self._stopped

    def _hear_ping(self) -> None:
        """Take a ping before anything else for a refusal, unless more comes soon."""
        is_known = self._knows_ids or self.workflow_run_id or self.news or self.terminal
        if self.falls_silent and not is_known:
            self._is_refused = True
            self.patience = REFUSAL_PATIENCE

    def end_here(self) -> bool:
        """Take note that no more will come; whether that is a proper end."""
        self.is_over = self.is_over or self.terminal is not None
        return self.is_over

    def _is_of_another(self, payload: dict[str, Any]) -> bool:
        """Check whether an event says that it is about another run than this one."""
        said, run_id = run_id_of(payload), self.workflow_run_id
        return bool(said and run_id and not is_same_run(said, run_id))

    def _learn_ids(self, payload: dict[str, Any]) -> None:
        """Take the ids from whichever event has them: the first one can get lost.

        The server's spelling of the run's id takes the place of the caller's. A snapshot
        names the run for a task (1.14), which no stop would find: the next event knows it.
        """
        self.workflow_run_id = usable_id(run_id_of(payload)) or self.workflow_run_id
        if self.task_id in (None, self.workflow_run_id):
            self.task_id = usable_id(to_text(payload.get("task_id"))) or self.task_id
        self._knows_ids = bool(
            self.workflow_run_id and self.task_id not in (None, self.workflow_run_id)
        )

    def _is_news(self, name: str, payload: dict[str, Any]) -> bool:
        """Check whether an event goes to the caller; takes note of one that ends the stream."""
        if name == "workflow_finished":
            self.terminal = WorkflowFinished(payload)
            self.is_over = True
        elif name == "workflow_paused":
            if self._is_answered(payload):
                return False
            self.terminal = self._paused(payload)
            self.is_over = True
        elif name == "error":
            self.end_with(self._reported(payload))
        elif name in NOTABLE:
            return self._is_first(name, payload)
        return True

    def _is_answered(self, payload: dict[str, Any]) -> bool:
        """Check whether this client has submitted all forms that a pause waits for.

        A resumed run is told as paused until a worker takes it up again.
        """
        forms = forms_of(payload)
        known = self._submitted
        return bool(forms) and all(form.form_token in known for form in forms)

    def _paused(self, payload: dict[str, Any]) -> WorkflowPaused:
        """Return a pause, with what of its forms only the events before it told (seen on 1.14.2)."""
        display_in_ui = {
            form_id: displayed
            for (name, _, form_id, _), displayed in self._seen.items()
            if name == "human_input_required"
        }
        return WorkflowPaused(
            {**payload, "display_in_ui": display_in_ui} if display_in_ui else payload
        )

    def _is_first(self, name: str, payload: dict[str, Any]) -> bool:
        """Check whether an event was not delivered before a reconnect, whose snapshot repeats it.

        The snapshot tells iterations and loops as nodes, which a live stream never does.
        """
        data = to_object(payload.get("data"))
        if self.is_reattached and data.get("node_type") in ("iteration", "loop"):
            return False
        key = (
            name,
            to_text(data.get("reason" if name == "workflow_started" else "id")),
            to_text(data.get("form_id")),
            to_integer(data.get("retry_index")),
        )
        if self.is_reattached and key in self._seen:
            return False
        self._seen[key] = data.get("display_in_ui")
        if len(self._seen) > MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    def end_with(self, error: DifyError) -> None:
        """Remember the error, for after the events that came before it."""
        self.note_ids_on(error)
        self.error = error
        self.is_over = True

    def note_ids_on(self, error: DifyError) -> None:
        """Let the error tell which run it is about."""
        if error.workflow_run_id is None:
            error.workflow_run_id = self.workflow_run_id
        if error.task_id is None:
            error.task_id = self.task_id

    def _reported(self, payload: dict[str, Any]) -> APIError:
        """Return the exception for an `error` event: the server ends no stream after it."""
        status = to_maybe_integer(payload.get("status"))
        return dify_error(payload, status, {"request": "event: error"})

    def _undecodable(self, data: bytes, error: Exception | None) -> StreamDecodeError:
        what = (
            "a line that is none of an event"
            if error is None
            else "data that is no JSON object"
        )
        why = "" if error is None else f" ({error})"
        return StreamDecodeError(
            f"The stream holds {what}: {data[:200]!r}{why}", data=data[:1000]
        )

    def interrupted(
        self, why: str | None, problem: DifyError | None = None
    ) -> StreamError:
        """Return the error for a stream that ended before the run did."""
        reason = why or str(
            problem or f"The stream ended before the {self.subject} did"
        )
        if self._is_refused and isinstance(problem, IdleTimeoutError) and not why:
            reason = "The stream fell silent after its first ping"
        ids = {"workflow_run_id": self.workflow_run_id, "task_id": self.task_id}
        if self.foreign is not None:
            return StreamDecodeError(
                f"{self.foreign}. {reason}. {self.advice()}",
                data=self.foreign.data,
                **ids,
            )
        kind = (
            IdleTimeoutError
            if isinstance(problem, IdleTimeoutError)
            else StreamInterruptedError
        )
        return kind(f"{reason}. {self.advice()}", **ids)

    def advice(self) -> str:
        """Say how to go on with it, where that is possible."""
        if self.workflow_run_id is None and self.foreign is not None:
            return "No event told an id to go on with; a run may have been started"
        if self.workflow_run_id is None:
            return (
                "No event told an id of the run to go on with. Dify from 1.13 on leaves a stream "
                "like this when it refuses the inputs or the files (a file is of this user?), or "
                'when no worker takes the run up: response_mode="blocking" says which'
            )
        return (
            f"The run {self.workflow_run_id} may go on: resume() follows it, get_run() "
            "reads what is stored"
        )


def run_id_of(payload: dict[str, Any]) -> str:
    """Return the run that an event is about; "" where it does not say."""
    if run_id := to_text(payload.get("workflow_run_id")):
        return run_id
    data = to_object(payload.get("data"))
    if payload.get("event") in ("workflow_started", "workflow_finished"):
        return to_text(data.get("id"))
    return to_text(data.get("workflow_run_id"))


def usable_id(text: str) -> str | None:
    """Return an id that can stand in a path; None for what would lead elsewhere."""
    return text if text not in (".", "..") and 0 < len(text) <= MAX_ID_LENGTH else None
