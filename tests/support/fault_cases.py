"""What can go wrong between a client and Dify, and what the caller then sees: one table, meant to be read.

A case says what the server does and what follows in each mode: `streamed` (iterating `stream()` and asking for its
`result()`), `collected` (`run(response_mode="streaming")`, as `streamed` where nothing else is said) and `blocking`
(`run()`; None where the case has no blocking side). Letters are the cases of the field study that compared Dify
clients.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from support.fault_events import (
    ERROR,
    ERROR_BEFORE_START,
    FINISHED,
    FIRST_HALF,
    NO_SUCH_RUN,
    NORMAL,
    PAUSED,
    RESULT,
    RUN_ID,
    SECOND_HALF,
    STARTED,
    TASK_ID,
    TOO_MANY,
    after_request,
    blocking,
    broken,
    detail,
    dify_error,
    event,
    fin,
    finished,
    frame,
    last_chunk,
    node_finished,
    node_started,
    partial_json,
    pings,
    raw,
    reset,
    run_data,
    silence,
    text_chunk,
    unframed,
)
from support.servers import (
    DETAIL,
    EVENTS,
    PING,
    RUN,
    SSE,
    Handler,
    Routes,
    answer,
    as_json,
    by_mode,
    gzipped,
    html,
    stream,
)


@dataclass(frozen=True)
class Succeeds:
    """The call returns the run with this result; a stream yields these events."""

    result: str = RESULT
    status: str = "succeeded"
    events: list[str] | None = None


@dataclass(frozen=True)
class Raises:
    """The call raises this error of the runtime, whose message says `says` and whose attributes are these."""

    error: str
    says: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


Outcome = Succeeds | Raises


@dataclass(frozen=True)
class Case:
    """One row. `posts` is how many requests to start a run the server may see: never a second one for a run that may
    run.
    """

    name: str
    routes: Routes
    streamed: Outcome
    collected: Outcome | None = None
    blocking: Outcome | None = None
    posts: int = 1
    client: Mapping[str, Any] = field(default_factory=dict)

    def expected(self, mode: str) -> Outcome | None:
        if mode == "collected":
            return self.collected or self.streamed
        return self.streamed if mode == "streamed" else self.blocking


SUCCEEDED = as_json(blocking())


def run(streaming: Handler, at_once: Handler = SUCCEEDED, /, **more: Handler | list[Handler]) -> Routes:
    """Routes of a server with that answer to a run request; `events` and `detail` where the run can be read again."""
    routes: dict[str, Handler | list[Handler]] = {RUN: by_mode(streaming=streaming, blocking=at_once)}
    names = {"events": EVENTS, "detail": DETAIL}
    return routes | {names[name]: handler for name, handler in more.items()}


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


ALL = b"".join(NORMAL)
IDS = {"workflow_run_id": RUN_ID, "task_id": TASK_ID}
OK = Succeeds()
INTERRUPTED = Raises("StreamInterruptedError", attributes=IDS)
NAMES = [
    "WorkflowStarted",
    "NodeStarted",
    "NodeFinished",
    "NodeStarted",
    "TextChunk",
    "NodeFinished",
    "WorkflowFinished",
]

FRAMING = [
    Case("a: a normal run", run(stream(NORMAL)), Succeeds(events=NAMES), blocking=OK),
    Case(
        "b: pings between events",
        run(stream([PING, *FIRST_HALF, PING, PING, *SECOND_HALF])),
        Succeeds(events=["Ping", *NAMES[:4], "Ping", "Ping", *NAMES[4:]]),
    ),
    Case("b2: a ping and an event in one chunk", run(stream([STARTED, PING + FINISHED])), OK),
    Case("b3: a ping as data", run(stream([frame({"event": "ping"}), *NORMAL])), OK),
    Case("c: cut every 7 bytes, inside characters", run(stream(cut(ALL, 7))), Succeeds(events=NAMES)),
    Case("c1: cut after every byte", run(stream(cut(ALL, 1))), Succeeds(events=NAMES)),
    Case("c2: all events in one chunk", run(stream([ALL])), Succeeds(events=NAMES)),
    Case("c3: cut every 100 bytes", run(stream(cut(ALL, 100))), Succeeds(events=NAMES)),
    Case(
        "d: a data line of 1.5 MB",
        run(
            stream(cut(STARTED + finished(outputs={"result": "字" * 500_000}), 1500)),
            as_json(blocking(outputs={"result": "字" * 500_000})),
        ),
        Succeeds("字" * 500_000),
        blocking=Succeeds("字" * 500_000),
    ),
    Case("e: CRLF", run(stream([ALL.replace(b"\n", b"\r\n")])), Succeeds(events=NAMES)),
    Case(
        "e2: CR and LF in different chunks",
        run(stream([part + b"\r" for part in ALL.replace(b"\n", b"\r\n").split(b"\r")[:-1]] + [b"\n"])),
        Succeeds(events=NAMES),
    ),
    Case(
        "f: events that we do not know, without data or with a list for data",
        run(
            stream(
                [
                    STARTED,
                    event("workflow_teleported", to="elsewhere"),
                    frame({"event": "agent_dreamed", "data": [1, 2]}),
                    frame({"event": "node_forgot"}),
                    frame({"event": None}),
                    FINISHED,
                ]
            )
        ),
        Succeeds(events=["WorkflowStarted", *["UnknownEvent"] * 4, "WorkflowFinished"]),
    ),
    Case(
        "f1: events that we know, without what they should have",
        run(
            stream(
                [STARTED, frame({"event": "node_started"}), frame({"event": "node_finished", "data": None}), FINISHED]
            )
        ),
        Succeeds(events=["WorkflowStarted", "NodeStarted", "NodeFinished", "WorkflowFinished"]),
    ),
    Case(
        "f2: a BOM, comments, id:, retry:, data: without a blank, two data lines",
        run(
            stream(
                [
                    b"\xef\xbb\xbf: hello\n\nid: 7\nretry: 3000\n" + STARTED,
                    b"event: message\ndata:" + node_started("code1")[6:],
                    FINISHED.replace(b',"data":', b',\ndata: "data":'),
                ]
            )
        ),
        Succeeds(events=["WorkflowStarted", "NodeStarted", "WorkflowFinished"]),
    ),
    Case(
        "k: raw U+2028, U+2029, U+0085 in strings",
        run(
            stream(
                [STARTED, text_chunk("a\u2028b\u2029c\u0085d"), finished(outputs={"result": "a\u2028b\u2029c\u0085d"})]
            ),
            as_json(blocking(outputs={"result": "a\u2028b\u2029c\u0085d"})),
        ),
        Succeeds("a\u2028b\u2029c\u0085d", events=["WorkflowStarted", "TextChunk", "WorkflowFinished"]),
        blocking=Succeeds("a\u2028b\u2029c\u0085d"),
    ),
    Case(
        "m: 50,000 events in chunks of 32 KiB",
        run(stream(cut(STARTED + text_chunk("tick") * 50_000 + FINISHED, 32 * 1024))),
        Succeeds(events=["WorkflowStarted", *["TextChunk"] * 50_000, "WorkflowFinished"]),
    ),
    Case("n: no charset in the content type", run(stream(NORMAL, **{"Content-Type": "text/event-stream"})), OK),
    Case("no HTTP chunks, the stream ends with its connection", run(unframed(NORMAL)), OK),
    Case(
        "gzip that nobody asked for",
        run(gzipped(ALL, SSE), gzipped(json.dumps(blocking()).encode(), "application/json")),
        OK,
        blocking=OK,
    ),
    Case("l: the last event lacks its blank line", run(stream([ALL[:-1]])), Succeeds(events=NAMES)),
    Case("l2: the last event lacks its line end", run(stream([ALL[:-2]])), Succeeds(events=NAMES)),
    Case("the answer goes on after the end", run(stream([ALL + frame({"event": "tts_message_end", "audio": ""})])), OK),
    Case("the socket stays open after the end", run(broken(NORMAL, silence)), OK),
    Case("pings for ever after the end", run(broken(NORMAL, pings)), OK),
]

RUN_ENDS = [
    Case(
        "g2: the run failed",
        run(
            stream([STARTED, finished("failed", error="Node Code run failed: boom")]),
            as_json(blocking("failed", error="Node Code run failed: boom")),
        ),
        Raises("RunFailedError", "boom"),
        blocking=Raises("RunFailedError", "boom"),
    ),
    Case(
        "some nodes failed and that was handled",
        run(stream([STARTED, finished("partial-succeeded")]), as_json(blocking("partial-succeeded"))),
        Succeeds(status="partial-succeeded"),
        blocking=Succeeds(status="partial-succeeded"),
    ),
    Case(
        "somebody stopped the run",
        run(
            stream([STARTED, finished("stopped", error="Stopped by user.")]),
            as_json(blocking("stopped", error="Stopped by user.")),
        ),
        Raises("RunStoppedError", "Stopped by user."),
        blocking=Raises("RunStoppedError", "Stopped by user."),
    ),
    Case(
        "the run waits for a person",
        run(stream(PAUSED), as_json(blocking("paused"))),
        Raises("RunPausedError"),
        blocking=Raises("RunPausedError"),
    ),
    Case(
        "the outputs are not what the definition says",
        run(stream([STARTED, finished(outputs={"result": [1]})]), as_json(blocking(outputs={"result": [1]}))),
        Raises("OutputsError", "result"),
        blocking=Raises("OutputsError", "result"),
    ),
    Case(
        "g: an error event",
        run(stream([STARTED, ERROR])),
        Raises("APIError", "quota for the provider", {"code": "provider_quota_exceeded", "status": 400}),
    ),
    Case(
        "g3: an error event, then pings for ever (1.13 and later)",
        run(broken([STARTED, ERROR], pings)),
        Raises("APIError", "quota for the provider", {"code": "provider_quota_exceeded"}),
    ),
    Case(
        "g4: an error event before the run began, without code and ids (since 1.15)",
        run(broken([PING, ERROR_BEFORE_START], pings)),
        Raises("APIError", "string is required in input form"),
    ),
]

CUT_STREAMS = [
    Case("h: a reset in the middle", run(broken(FIRST_HALF, reset)), INTERRUPTED),
    Case("h1: FIN without the last HTTP chunk", run(broken(FIRST_HALF, fin)), INTERRUPTED),
    Case("h2: a proper end without workflow_finished", run(broken(FIRST_HALF, last_chunk)), INTERRUPTED),
    Case("h3: no HTTP chunks, cut inside an event", run(unframed([*FIRST_HALF, FINISHED[:200]])), INTERRUPTED),
    Case("a proper end inside an event", run(stream([*FIRST_HALF, FINISHED[:200]])), INTERRUPTED),
    Case("FIN inside an event", run(broken([*FIRST_HALF, FINISHED[:200]], fin)), INTERRUPTED),
    Case("reset inside an event", run(broken([*FIRST_HALF, FINISHED[:200]], reset)), INTERRUPTED),
    Case("FIN after the last event", run(broken(NORMAL, fin)), OK),
    Case("reset after the last event", run(broken(NORMAL, reset)), OK),
    Case("cut before the first event: no run id", run(broken([PING], fin)), Raises("StreamInterruptedError")),
    Case("an empty stream", run(stream([])), Raises("StreamInterruptedError")),
    Case("reset right after the head", run(broken([], reset)), Raises("StreamInterruptedError")),
    Case(
        "JSON that is none",
        run(stream([STARTED, b'data: {"event": "node_started",,}\n\n', FINISHED])),
        OK,
    ),
    Case(
        "bytes that are not UTF-8",
        run(stream([STARTED, b'data: {"event": "\xff\xfe"}\n\n', FINISHED])),
        OK,
    ),
    Case("j: one event, then silence", run(broken([STARTED], silence)), INTERRUPTED, client={"idle_timeout": 1.0}),
    Case(
        "silence from the start",
        run(broken([], silence)),
        Raises("StreamInterruptedError"),
        client={"idle_timeout": 1.0},
    ),
    Case("pings for ever, no event", run(broken([], pings)), Raises("DeadlineExceededError"), client={"timeout": 0.5}),
    Case(
        "pings for ever after the first event",
        run(broken([STARTED], pings)),
        Raises("DeadlineExceededError", attributes=IDS),
        client={"timeout": 1.5},
    ),
    Case(
        "no answer at all",
        {RUN: after_request(silence)},
        Raises("DifyTimeoutError"),
        blocking=Raises("DifyTimeoutError"),
        client={"idle_timeout": 0.3, "timeout": 0.5},
    ),
]

SNAPSHOT = [STARTED, node_started("start1"), node_finished("start1"), node_started("code1")]
"""What the events endpoint replays first: the same events again, stripped of inputs and outputs."""
ENDED = FINISHED.replace(f'"task_id":"{TASK_ID}"'.encode(), f'"task_id":"{RUN_ID}"'.encode())
"""What the events endpoint says of a run that is over."""
CUT = broken(FIRST_HALF, fin)
NO_EVENTS = html(404)
NAMES_READ_AGAIN = [*NAMES[:4], "WorkflowFinished"]

RECOVERY = [
    Case(
        "cut, and reattached with a snapshot: no event twice, none lost",
        run(CUT, events=stream([*SNAPSHOT, *SECOND_HALF])),
        Succeeds(events=NAMES),
    ),
    Case("cut, and meanwhile the run has ended", run(CUT, events=stream([ENDED])), Succeeds(events=NAMES_READ_AGAIN)),
    Case(
        "cut three times, each time a little further",
        run(
            broken([STARTED], fin),
            events=[
                broken(SNAPSHOT[:2], reset),
                broken(SNAPSHOT, last_chunk),
                stream([*SNAPSHOT, *SECOND_HALF]),
            ],
        ),
        Succeeds(events=NAMES),
    ),
    Case(
        "cut inside an event, then reattached",
        run(broken([*FIRST_HALF, SECOND_HALF[0][:40]], fin), events=stream([*SNAPSHOT, *SECOND_HALF])),
        Succeeds(events=NAMES),
    ),
    Case(
        "silent, then reattached",
        run(broken(FIRST_HALF, silence), events=stream([*SNAPSHOT, *SECOND_HALF])),
        Succeeds(events=NAMES),
        client={"idle_timeout": 1.0},
    ),
    Case(
        "the events endpoint cuts for ever",
        run(CUT, events=broken(SNAPSHOT, fin), detail=as_json(NO_SUCH_RUN)),
        INTERRUPTED,
        client={"max_reconnects": 2},
    ),
    Case(
        "cut, no events endpoint (before 1.14), the stored run has succeeded",
        run(CUT, events=NO_EVENTS, detail=as_json(detail())),
        OK,
    ),
    Case(
        "the same, outputs as an object (1.13 and later)",
        run(CUT, events=NO_EVENTS, detail=as_json(detail(as_text=False))),
        OK,
    ),
    Case(
        "the same, the stored run is still running, twice",
        run(CUT, events=NO_EVENTS, detail=[as_json(detail("running")), as_json(detail("running")), as_json(detail())]),
        OK,
    ),
    Case(
        "the same, reading it fails twice",
        run(CUT, events=NO_EVENTS, detail=[html(502), dify_error(500, "unknown", "Internal"), as_json(detail())]),
        OK,
    ),
    Case(
        "the same, the stored run has failed",
        run(CUT, events=NO_EVENTS, detail=as_json(detail("failed") | {"error": "boom"})),
        Raises("RunFailedError", "boom"),
    ),
    Case(
        "the same, the stored run stays `running` for ever",
        run(CUT, events=NO_EVENTS, detail=as_json(detail("running"))),
        Raises("DifyError", attributes=IDS),
        client={"timeout": 1.0},
    ),
    Case(
        "the same, the server knows no such run",
        run(CUT, events=NO_EVENTS, detail=as_json(NO_SUCH_RUN)),
        INTERRUPTED,
    ),
    Case(
        "cut, and recovery is switched off",
        run(CUT, events=stream([ENDED]), detail=as_json(detail())),
        INTERRUPTED,
        client={"max_reconnects": 0},
    ),
]

TOO_MANY_429 = dify_error(429, "too_many_requests", "Too many requests. Please try again later.")

REFUSALS = [
    Case(
        "too many runs at once, as a 400, twice; then there is room",
        {RUN: [TOO_MANY, TOO_MANY, by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))]},
        OK,
        blocking=OK,
        posts=3,
    ),
    Case(
        "the same as a 429",
        {RUN: [TOO_MANY_429, by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))]},
        OK,
        blocking=OK,
        posts=2,
    ),
    Case(
        "too many runs at once, for ever",
        {RUN: TOO_MANY},
        Raises("TooManyRequestsError", "Too many requests"),
        blocking=Raises("TooManyRequestsError", "Too many requests"),
        posts=2,
        client={"max_retries": 1},
    ),
    Case(
        "too many runs at once, retries switched off",
        {RUN: TOO_MANY},
        Raises("TooManyRequestsError"),
        blocking=Raises("TooManyRequestsError"),
        client={"max_retries": 0},
    ),
    Case(
        "the plan's quota is used up",
        {RUN: dify_error(429, "rate_limit_error", "Rate Limit Error")},
        Raises("RateLimitError"),
        blocking=Raises("RateLimitError"),
    ),
]

NO_ANSWER = Raises("ConnectionLostError")

BROKEN_CONNECTIONS = [
    Case("FIN after the request", {RUN: after_request(fin)}, NO_ANSWER, blocking=NO_ANSWER),
    Case("reset after the request", {RUN: after_request(reset)}, NO_ANSWER, blocking=NO_ANSWER),
    Case("FIN in the middle of a JSON answer", {RUN: partial_json(fin)}, NO_ANSWER, blocking=NO_ANSWER),
    Case("reset in the middle of a JSON answer", {RUN: partial_json(reset)}, NO_ANSWER, blocking=NO_ANSWER),
    Case(
        "silence in the middle of a JSON answer",
        {RUN: partial_json(silence)},
        Raises("DifyTimeoutError"),
        blocking=Raises("DifyTimeoutError"),
        client={"timeout": 0.5, "idle_timeout": 0.3},
    ),
    Case(
        "an answer that is not HTTP",
        {RUN: raw(b"SSH-2.0-OpenSSH_9.2\r\n")},
        NO_ANSWER,
        blocking=NO_ANSWER,
    ),
]

NOT_DIFY = Raises("UnexpectedResponseError", "/v1")

STRANGE_ANSWERS = [
    Case("the web UI answers 200 with a page", {RUN: html(200)}, NOT_DIFY, blocking=NOT_DIFY),
    Case(
        "200 and nothing",
        {RUN: answer(b"")},
        Raises("UnexpectedResponseError"),
        blocking=Raises("UnexpectedResponseError"),
    ),
    Case(
        "200 and JSON of something else",
        {RUN: as_json({"hello": "world"})},
        Raises("UnexpectedResponseError"),
        blocking=Raises("UnexpectedResponseError"),
    ),
    Case(
        "200 and half a JSON text",
        {RUN: answer(b'{"task_id": ', 200, **{"Content-Type": "application/json"})},
        Raises("UnexpectedResponseError"),
        blocking=Raises("UnexpectedResponseError"),
    ),
    Case(
        "blocking answers may hold NaN and Infinity",
        {
            RUN: as_json(
                {**blocking(), "data": run_data(outputs={"result": RESULT, "share": float("nan"), "top": float("inf")})}
            )
        },
        OK,
        blocking=OK,
    ),
]

STATUS_ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("invalid_param", "string is required in input form", "InvalidParamError"),
    401: ("unauthorized", "Access token is invalid", "AuthenticationError"),
    403: ("forbidden", "The app's API service has been disabled.", "PermissionDeniedError"),
    404: ("not_found", "Workflow not found", "NotFoundError"),
    405: ("method_not_allowed", "The method is not allowed.", "APIError"),
    413: ("file_too_large", "File size exceeded.", "FileTooLargeError"),
    415: ("unsupported_media_type", "Unsupported media type", "APIError"),
    429: ("rate_limit_error", "Rate limit", "RateLimitError"),
    500: ("internal_server_error", "The server encountered an internal error.", "ServerError"),
    502: ("bad_gateway", "Bad gateway", "ServerError"),
    503: ("service_unavailable", "Unavailable", "ServerError"),
    504: ("gateway_timeout", "Timed out", "ServerError"),
}


def status_cases(status: int) -> list[Case]:
    """One HTTP error worded by Dify, as a proxy's page, and with no body at all."""
    code, message, error = STATUS_ERRORS[status]
    worded = Raises(error, message, {"code": code, "status": status})
    plain = Raises("APIError", str(status), {"status": status})
    return [
        Case(f"HTTP {status} from Dify", {RUN: dify_error(status, code, message)}, worded, blocking=worded),
        Case(f"HTTP {status} as a page", {RUN: html(status)}, plain, blocking=plain, client={"max_retries": 0}),
        Case(
            f"HTTP {status} without a body",
            {RUN: answer(b"", status)},
            plain,
            blocking=plain,
            client={"max_retries": 0},
        ),
    ]


DIFY_CODES = [
    Case(
        f"HTTP {status} {code}",
        {RUN: dify_error(status, code, message)},
        Raises(error, message, {"code": code}),
        blocking=Raises(error, message, {"code": code}),
    )
    for status, code, message, error in [
        (400, "not_workflow_app", "Please check if your app mode matches the right API route.", "NotWorkflowAppError"),
        (400, "app_unavailable", "App unavailable, please check your app configurations.", "AppUnavailableError"),
        (400, "invalid_param", "Workflow not published", "InvalidParamError"),
        (400, "bad_request", "Invalid workflow_id format: 'abc'. ", "APIError"),
        (400, "a_code_of_tomorrow", "Something new.", "APIError"),
        (500, "unknown", "Internal Server Error", "ServerError"),
    ]
]

HTTP_ERRORS = [case for status in STATUS_ERRORS for case in status_cases(status)]

STREAMS = [*FRAMING, *RUN_ENDS, *CUT_STREAMS, *RECOVERY]
"""Cases that differ by the style of event streams."""
CASES = [
    *STREAMS,
    *REFUSALS,
    *BROKEN_CONNECTIONS,
    *STRANGE_ANSWERS,
    *DIFY_CODES,
    *HTTP_ERRORS,
]
