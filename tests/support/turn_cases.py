"""What can go wrong between a client and Dify during a turn of a chat-type app: one table, meant to be read.

As `fault_cases` for runs. Each case is driven by the blocking and the async client, streamed and collected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from support.fault_events import broken, dify_error, fin, frame, last_chunk, pings, reset, silence
from support.servers import DETAIL, EVENTS, PING, Handler, Routes, as_json, by_mode, html, stream

TASK_ID = "48b73350-23a5-4087-9864-3d19ed6af80f"
MESSAGE_ID = "0e51b3e3-2a53-4cd4-a3f4-3b9dd6a0d8a3"
CONVERSATION_ID = "6a3f8c5e-7a0f-4d6f-8e53-1c9d1c2b7f11"
OTHER_ID = "11111111-1111-4111-8111-111111111111"
RUN_ID = "2b55b6c8-f983-4d80-8f09-83538e37351a"
CHAT = "POST /v1/chat-messages"
COMPLETION = "POST /v1/completion-messages"
MESSAGES = "GET /v1/messages"
ANSWER = "Grüße, 世界\u2028!"
PIECES = ["Grüße", ", 世", "界\u2028!", ""]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "total_price": "9E-7", "currency": "USD"}
METADATA = {"annotation_reply": None, "retriever_resources": [{"position": 1, "document_name": "a.md"}], "usage": USAGE}


def told(name: str, **members: Any) -> bytes:
    """An event of a turn of a chat or a chatflow."""
    ids = {"conversation_id": CONVERSATION_ID, "message_id": MESSAGE_ID, "created_at": 1795638536, "task_id": TASK_ID}
    return frame({"event": name, **ids, **members})


def of_run(name: str, **data: Any) -> bytes:
    """An event of the run of a chatflow."""
    return told(name, workflow_run_id=RUN_ID, data=data)


def generated(name: str, **members: Any) -> bytes:
    """An event of a text generator."""
    ids = {"message_id": MESSAGE_ID, "created_at": 1795638536, "task_id": TASK_ID}
    return frame({"event": name, **ids, **members})


def finished(status: str = "succeeded", answer: str | None = ANSWER, error: str | None = None) -> bytes:
    outputs = {} if answer is None else {"answer": answer, "files": []}
    return of_run("workflow_finished", id=RUN_ID, status=status, outputs=outputs, error=error, elapsed_time=0.2)


def node(name: str, node_id: str = "llm1") -> bytes:
    return of_run(name, id=f"execution-{node_id}", node_id=node_id, node_type="llm", title="LLM", status="succeeded")


TEXT = [told("message", id=MESSAGE_ID, answer=piece, from_variable_selector=["llm1", "text"]) for piece in PIECES]
END = told("message_end", id=MESSAGE_ID, metadata=METADATA, files=[])
STARTED = of_run("workflow_started", id=RUN_ID, workflow_id="w", inputs={}, created_at=1795638536, reason="initial")
FINISHED = finished()
ERROR = frame(
    {
        "event": "error",
        "conversation_id": CONVERSATION_ID,
        "message_id": MESSAGE_ID,
        "created_at": 1795638536,
        "code": "completion_request_error",
        "status": 400,
        "message": "the model failed",
    }
)
"""As an app other than a chatflow tells it: without a task id."""
CHAT_TURN = [*TEXT, END]
FLOW_HEAD = [PING, STARTED, node("node_started"), *TEXT[:2]]
FLOW_REST = [*TEXT[2:], node("node_finished"), END, FINISHED]
FLOW_TURN = [*FLOW_HEAD, *FLOW_REST]
FORM = {
    "form_id": "f1",
    "form_token": "token1",
    "node_id": "human1",
    "node_title": "Review",
    "actions": [{"id": "approve", "title": "Approve"}],
}
PAUSED = of_run(
    "workflow_paused",
    workflow_run_id=RUN_ID,
    paused_nodes=["human1"],
    outputs={},
    status="paused",
    reasons=[{"TYPE": "human_input_required", **FORM}],
)
SNAPSHOT = [PING, STARTED, told("message_replace", answer="", reason=""), node("node_started")]
"""What the events endpoint replays first: no text, and a void answer."""
ENDED = frame(
    {
        "event": "workflow_finished",
        "task_id": RUN_ID,
        "workflow_run_id": RUN_ID,
        "data": {"id": RUN_ID, "status": "succeeded", "outputs": {"answer": ANSWER, "files": []}},
    }
)
"""What the events endpoint says of a run that is over: neither message nor conversation."""


def thought(**members: Any) -> bytes:
    unknown = {"thought": "", "observation": "", "tool": "", "tool_labels": {}, "tool_input": "", "message_files": []}
    return told("agent_thought", **{"id": "t1", "position": 1, **unknown, **members})


def said(piece: str) -> bytes:
    return told("agent_message", id=MESSAGE_ID, answer=piece)


AGENT_TURN = [
    thought(),
    *[said(piece) for piece in PIECES],
    thought(thought=ANSWER, tool="draw;paint", tool_input='{"draw": {}}'),
    told("message_file", id="file1", type="image", belongs_to="assistant", url="/files/tools/x.png"),
    thought(thought=ANSWER, tool="draw;paint", tool_input='{"draw": {}}', observation="done", message_files=["file1"]),
    END,
]


@dataclass(frozen=True)
class Answers:
    """The call returns the turn with this answer."""

    answer: str = ANSWER
    events: int | None = None
    """How many events a stream yields, pings among them."""


@dataclass(frozen=True)
class Fails:
    """The call raises this error of the runtime; its message says `says`, and its attributes are these."""

    error: str
    says: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TurnCase:
    """One row. `posts` is how many requests for a turn the server may see."""

    name: str
    kind: str
    routes: Routes
    outcome: Answers | Fails
    blocking: Answers | Fails | None = None
    posts: int = 1
    client: Mapping[str, Any] = field(default_factory=dict)
    conversation_id: str | None = None


BODY = {
    "event": "message",
    "task_id": TASK_ID,
    "id": MESSAGE_ID,
    "message_id": MESSAGE_ID,
    "conversation_id": CONVERSATION_ID,
    "mode": "chat",
    "answer": ANSWER,
    "metadata": METADATA,
    "created_at": 1795638536,
}
"""A blocking answer."""


def turn(streaming: Handler, at_once: Handler | None = None, /, **more: Handler | list[Handler]) -> Routes:
    """Routes of a server that takes turns so; `events`, `detail` and `messages` where the turn can be read again."""
    handler = by_mode(streaming=streaming, blocking=at_once or as_json(BODY))
    names = {"events": EVENTS, "detail": DETAIL, "messages": MESSAGES}
    return {CHAT: handler, COMPLETION: handler} | {names[name]: handler for name, handler in more.items()}


def stored(answer: str) -> Handler:
    """GET /messages with this message."""
    return as_json({"limit": 20, "has_more": False, "data": [{"id": OTHER_ID}, {"id": MESSAGE_ID, "answer": answer}]})


def detail(status: str = "succeeded", outputs: object = None) -> Handler:
    """The stored run."""
    return as_json({"id": RUN_ID, "status": status, "outputs": {"answer": ANSWER} if outputs is None else outputs})


OK = Answers()
IDS = {"conversation_id": CONVERSATION_ID, "message_id": MESSAGE_ID, "task_id": TASK_ID}
FLOW_IDS = {**IDS, "workflow_run_id": RUN_ID}
HALF = "Grüße, 世"
CUT = broken(FLOW_HEAD, fin)
NO_EVENTS = html(404)

ENDS = [
    TurnCase("a chat", "chat", turn(stream(CHAT_TURN)), Answers(events=5), blocking=OK),
    TurnCase(
        "a text generator",
        "completion",
        turn(
            stream([generated("message", answer=ANSWER), generated("message_end", metadata=METADATA)]),
            as_json({name: value for name, value in BODY.items() if name != "conversation_id"}),
        ),
        OK,
        blocking=OK,
    ),
    TurnCase("an agent", "agent", turn(stream(AGENT_TURN)), Answers(events=9)),
    TurnCase(
        "an agent that says all of it again at its end (1.15)",
        "agent",
        turn(stream([*[said(piece) for piece in PIECES], told("message", id=MESSAGE_ID, answer=ANSWER), END])),
        OK,
    ),
    TurnCase("a chatflow of 1.14: the message ends first", "chatflow", turn(stream(FLOW_TURN)), OK, blocking=OK),
    TurnCase(
        "a chatflow of 1.12: the run ends first",
        "chatflow",
        turn(stream([*FLOW_HEAD, *FLOW_REST[:-2], FINISHED, END])),
        OK,
    ),
    TurnCase("the socket stays open after the end", "chat", turn(broken(CHAT_TURN, silence)), OK),
    TurnCase("the same in a chatflow", "chatflow", turn(broken(FLOW_TURN, silence)), OK),
    TurnCase(
        "the run ends, its message's end never comes: silence",
        "chatflow",
        turn(broken([*FLOW_HEAD, *FLOW_REST[:-2], FINISHED], silence)),
        OK,
    ),
    TurnCase("the same: pings", "chatflow", turn(broken([*FLOW_HEAD, *FLOW_REST[:-2], FINISHED], pings)), OK),
    TurnCase("the same: the end", "chatflow", turn(stream([*FLOW_HEAD, *FLOW_REST[:-2], FINISHED])), OK),
    TurnCase(
        "the message ends, its run's end never comes: pings",
        "chatflow",
        turn(broken([*FLOW_HEAD, *FLOW_REST[:-1]], pings)),
        OK,
    ),
    TurnCase(
        "moderation or an annotation answers in a chatflow: no run, and the stream stays open",
        "chatflow",
        turn(broken([PING, *CHAT_TURN], silence)),
        OK,
    ),
    TurnCase(
        "moderation replaces what was said",
        "chat",
        turn(stream([*TEXT, told("message_replace", answer="I may not say that.", reason=""), END])),
        Answers("I may not say that."),
    ),
    TurnCase(
        "the same in a chatflow, whose run has the first text as its output",
        "chatflow",
        turn(
            stream([*FLOW_TURN[:-2], told("message_replace", answer="No.", reason="output_moderation"), END, FINISHED])
        ),
        Answers("No."),
    ),
    TurnCase(
        "text by the name of a file",
        "chat",
        turn(
            stream(
                [
                    told("message_file", id="f", type="image", belongs_to="assistant", url="/x.png"),
                    *[told("message_file", id=MESSAGE_ID, answer=piece) for piece in PIECES],
                    END,
                ]
            )
        ),
        OK,
    ),
    TurnCase(
        "speech after the end",
        "speaker",
        turn(broken([*CHAT_TURN, told("tts_message", audio="QQ=="), told("tts_message_end", audio="")], silence)),
        Answers(events=7),
    ),
    TurnCase("speech that never comes", "speaker", turn(broken(CHAT_TURN, pings)), OK),
    TurnCase("speech that is cut", "speaker", turn(broken([*CHAT_TURN, told("tts_message", audio="QQ==")], reset)), OK),
    TurnCase(
        "events and members of tomorrow",
        "chat",
        turn(broken([told("message_dreamed", data=[1]), frame({"event": None}), *CHAT_TURN], silence)),
        OK,
    ),
    TurnCase(
        "another turn's events among ours",
        "chat",
        turn(stream([TEXT[0], told("message", answer="not ours", message_id=OTHER_ID), *TEXT[1:], END])),
        OK,
    ),
    TurnCase(
        "the run fails",
        "chatflow",
        turn(
            broken([*FLOW_HEAD, finished("failed", None, "boom")], pings),
            dify_error(400, "invalid_param", "Run failed: boom"),
        ),
        Fails("TurnFailedError", "boom", {**FLOW_IDS, "answer": HALF}),
        blocking=Fails("TurnFailedError", "boom"),
    ),
    TurnCase(
        "the run is stopped",
        "chatflow",
        turn(broken([*FLOW_HEAD, finished("stopped", None, "Stopped by user.")], silence)),
        Fails("TurnStoppedError", "Stopped by user.", {"answer": HALF}),
    ),
    TurnCase(
        "the run waits for a person",
        "chatflow",
        turn(
            stream([*FLOW_HEAD, of_run("human_input_required", **FORM), PAUSED]),
            as_json({**BODY, "event": "workflow_paused", "workflow_run_id": RUN_ID, "data": {"reasons": [FORM]}}),
        ),
        Fails("TurnPausedError", "Review", {**FLOW_IDS, "answer": HALF}),
        blocking=Fails("TurnPausedError", "Review", FLOW_IDS),
    ),
    TurnCase(
        "the model fails",
        "chat",
        turn(broken([*TEXT[:2], ERROR], pings), dify_error(400, "completion_request_error", "the model failed")),
        Fails("ProviderError", "the model failed", {**IDS, "answer": HALF}),
        blocking=Fails("ProviderError", "the model failed"),
    ),
    TurnCase(
        "another conversation than the one that was named (1.15)",
        "chatflow",
        turn(broken(FLOW_TURN, silence)),
        Fails("ConversationMismatchError", OTHER_ID, {"conversation_id": CONVERSATION_ID, "message_id": MESSAGE_ID}),
        blocking=Fails("ConversationMismatchError", OTHER_ID, {"conversation_id": CONVERSATION_ID, "answer": ANSWER}),
        conversation_id=OTHER_ID,
    ),
    TurnCase(
        "the conversation that was named, in another spelling",
        "chat",
        turn(stream(CHAT_TURN)),
        OK,
        blocking=OK,
        conversation_id=CONVERSATION_ID.upper(),
    ),
]

REFUSED = Fails("StreamInterruptedError", "refuses the inputs, the files or the conversation_id")
REFUSALS = [
    TurnCase("refused in silence after one ping (1.13)", "chatflow", turn(broken([PING], silence)), REFUSED),
    TurnCase("refused: the stream ends", "chatflow", turn(stream([PING])), REFUSED),
    TurnCase(
        "refused by an event without code and ids (1.15)",
        "chatflow",
        turn(broken([PING, frame({"event": "error", "message": "name is required", "status": 500})], pings)),
        Fails("ServerError", "name is required"),
    ),
    TurnCase(
        "an unknown conversation",
        "chat",
        {CHAT: dify_error(404, "not_found", "Conversation Not Exists. You have …")},
        Fails("ConversationNotFoundError", "user="),
        blocking=Fails("ConversationNotFoundError", "user="),
        conversation_id=OTHER_ID,
    ),
    *[
        TurnCase(
            code,
            kind,
            {CHAT: dify_error(400, code, message), COMPLETION: dify_error(400, code, message)},
            Fails(error, says, {"code": code}),
        )
        for code, kind, message, error, says in [
            (
                "not_chat_app",
                "chat",
                "Please check if your app mode matches the right API route.",
                "NotChatAppError",
                "another mode",
            ),
            (
                "app_unavailable",
                "completion",
                "App unavailable, please check your app configurations.",
                "AppUnavailableError",
                "of another mode",
            ),
            ("agent_not_published", "agent", "Agent is not published.", "AgentNotPublishedError", "publish"),
            (
                "invalid_param",
                "chat",
                "name is required in input form",
                "InvalidParamError",
                "generate the client again",
            ),
            ("provider_quota_exceeded", "chat", "Your quota is exhausted.", "ProviderError", ""),
            ("a_code_of_tomorrow", "chat", "Something new.", "BadRequestError", ""),
        ]
    ],
    TurnCase(
        "too many at a time, then not",
        "chat",
        {CHAT: [dify_error(429, "too_many_requests", "Too many requests."), stream(CHAT_TURN)]},
        OK,
        posts=2,
    ),
    TurnCase("HTTP 500", "chat", {CHAT: dify_error(500, "unknown", "Internal")}, Fails("ServerError", "Internal")),
    TurnCase("a page instead of an answer", "chat", {CHAT: html(200)}, Fails("UnexpectedResponseError")),
]

LOST = Fails("StreamInterruptedError", "messages() of the conversation", {**IDS, "answer": HALF})
NOTHING = Fails("StreamInterruptedError", attributes={"answer": ""})
CUTS = [
    *[
        TurnCase(
            f"cut by a {ending.__name__}", "chat", turn(broken(TEXT[:2], ending)), LOST, client={"idle_timeout": 1.0}
        )
        for ending in (fin, last_chunk, silence)
    ],
    TurnCase("cut before anything came", "chat", turn(broken([], fin)), NOTHING),
    TurnCase("an agent is cut", "agent", turn(broken([said("Grüße"), said(", 世")], fin)), LOST),
    TurnCase(
        "a text generator is cut",
        "completion",
        turn(broken([generated("message", answer="half")], fin)),
        Fails("StreamInterruptedError", "ask anew", {"message_id": MESSAGE_ID, "answer": "half"}),
    ),
    TurnCase("data that is no JSON", "chat", turn(stream([TEXT[0], b"data: {,}\n\n"])), Fails("StreamDecodeError")),
    TurnCase(
        "cut, taken up again: the text between is told by the run's end",
        "chatflow",
        turn(CUT, events=stream([*SNAPSHOT, TEXT[3], node("node_finished"), END, FINISHED])),
        OK,
    ),
    TurnCase("cut, and meanwhile the run has ended", "chatflow", turn(CUT, events=stream([ENDED])), OK),
    TurnCase(
        "cut after the message's end: there is nothing to take up",
        "chatflow",
        turn(stream([*FLOW_HEAD, *FLOW_REST[:-1]])),
        OK,
    ),
    TurnCase(
        "cut, taken up again, and no event has the whole text",
        "chatflow",
        turn(CUT, events=stream([*SNAPSHOT, END, finished(answer=None)]), messages=stored(ANSWER)),
        OK,
    ),
    TurnCase(
        "the same, and the messages cannot be read",
        "chatflow",
        turn(CUT, events=stream([*SNAPSHOT, END, finished(answer=None)])),
        Fails("StreamInterruptedError", "Text was lost", {"answer": HALF}),
    ),
    TurnCase("cut, the run is read (before 1.14)", "chatflow", turn(CUT, events=NO_EVENTS, detail=detail()), OK),
    TurnCase(
        "cut, the run is read, the text from the messages",
        "chatflow",
        turn(CUT, events=NO_EVENTS, detail=detail(outputs={}), messages=stored(ANSWER)),
        OK,
    ),
    TurnCase(
        "cut, and the run is paused",
        "chatflow",
        turn(CUT, events=stream([*SNAPSHOT, PAUSED]), messages=stored(HALF)),
        Fails("TurnPausedError", "Review", {"answer": HALF}),
    ),
    TurnCase(
        "cut, and the run has failed",
        "chatflow",
        turn(CUT, events=stream([finished("failed", None, "boom")])),
        Fails("TurnFailedError", "boom", {"answer": HALF}),
    ),
    TurnCase(
        "cut, and nothing can be read",
        "chatflow",
        turn(CUT, events=NO_EVENTS, detail=html(404)),
        Fails("StreamInterruptedError", "resume()", {**FLOW_IDS, "answer": HALF}),
    ),
    TurnCase(
        "cut, and recovery is switched off",
        "chatflow",
        turn(CUT, events=stream([ENDED])),
        Fails("StreamInterruptedError", "resume()", FLOW_IDS),
        client={"max_reconnects": 0},
    ),
]

TURN_CASES = [*ENDS, *REFUSALS, *CUTS]
