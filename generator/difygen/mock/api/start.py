"""The endpoints that start and stop turns: `POST /chat-messages`, `POST /completion-messages`, and their `/stop`."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass

from starlette.responses import Response

from difygen.mock.api.endpoints import ApiRequest, event_frames, json_response
from difygen.mock.api.payloads import (
    ChatRequestPayload,
    CompletionRequestPayload,
    checked_chat,
    form_variables,
    lost,
    turn_files,
)
from difygen.mock.api.streams import (
    CutResponse,
    DroppedResponse,
    StreamResponse,
    after_ping,
    refusal,
    with_pings,
)
from difygen.mock.conversations import ConversationRow
from difygen.mock.engine.turns import Turn
from difygen.mock.errors import WRONG_MODE, ApiError, Faults, bad_request, invalid_param
from difygen.mock.files import is_uuid
from difygen.mock.runs import Run
from difygen.mock.turn_runs import Asking, start_turn, turn_body
from difygen.mock.validation import checked_inputs, required_user
from difygen.model import CHATFLOW, COMPLETION, WORKFLOW

_BLOCKING_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for a turn."""

    request: ApiRequest
    user: str
    payload: ChatRequestPayload | CompletionRequestPayload

    @property
    def conversation_id(self) -> str | None:
        """The conversation to go on with."""
        return self.payload.conversation_id if isinstance(self.payload, ChatRequestPayload) else None


async def send_chat_message(request: ApiRequest) -> Response:
    """Answer `POST /chat-messages`."""
    body = await request.json()
    user = required_user(body)
    require_chat(request)
    payload = checked_chat(ChatRequestPayload, body, request.state.release)
    kind = request.definition.workflow.kind
    if not kind.has_blocking and payload.response_mode != "streaming":
        raise invalid_param("Agent Chat App does not support blocking mode")
    if kind is CHATFLOW and payload.workflow_id:
        if not is_uuid(payload.workflow_id):
            raise bad_request(f"Invalid workflow_id format: '{payload.workflow_id}'. ")
        if payload.workflow_id.lower() != request.definition.id("workflow"):
            raise lost(request.http.url.path, f"Workflow not found with id: {payload.workflow_id}.")
    return await _respond(_Asked(request, user, payload))


async def send_completion_message(request: ApiRequest) -> Response:
    """Answer `POST /completion-messages`."""
    body = await request.json()
    user = required_user(body)
    if request.definition.workflow.kind is not COMPLETION:
        raise ApiError(400, "app_unavailable", "App unavailable, please check your app configurations.")
    return await _respond(_Asked(request, user, checked_chat(CompletionRequestPayload, body, request.state.release)))


async def stop_turn(request: ApiRequest) -> Response:
    """Answer `/stop` of either: always a success. Apps without a graph heed only the user who asked."""
    user = required_user(await request.json())
    state, kind = request.state, request.definition.workflow.kind
    if (kind is COMPLETION) != request.http.url.path.startswith("/v1/completion-messages") or kind is WORKFLOW:
        code = "not_chat_app" if request.http.url.path.startswith("/v1/chat-messages") else "app_unavailable"
        raise ApiError(400, code, WRONG_MODE)
    task_id = request.parameter("task_id")
    own = any(run.task_id == task_id and run.user == user for run in state.runs.of(request.definition))
    if own or kind is CHATFLOW:
        state.runs.stop(task_id, is_strangers=not own)
    return json_response({"result": "success"})


def require_chat(request: ApiRequest) -> None:
    """Refuse the keys of apps that know no conversations."""
    if request.definition.workflow.kind in (WORKFLOW, COMPLETION):
        raise ApiError(400, "not_chat_app", WRONG_MODE)


async def _respond(asked: _Asked) -> Response:
    """Start the turn and answer; a chatflow's stream says of a refusal what its worker would."""
    request, state = asked.request, asked.request.state
    is_stream = asked.payload.response_mode == "streaming"
    is_chatflow = request.definition.workflow.kind is CHATFLOW
    try:
        run = _start(asked)
    except ApiError as error:
        is_early = error.status == 404 and state.release.has("unknown-conversation-is-404")
        if is_early or not (is_stream and is_chatflow) or state.release.has("prompt-refusals"):
            raise
        refused = refusal(error, state.release, state.options.silence)
        return StreamResponse(refused, state.closing, request.faults.cut)
    if not is_stream:
        return await _blocking(request, run)
    is_of_worker = is_chatflow and state.release.has("worker-streams")
    ends = request.definition.workflow.kind.terminal_events if is_of_worker else ()
    frames = event_frames(run.follow(request.faults.lost), ends, state.options.silence)
    if "silent" not in request.faults:
        frames = with_pings(frames, state.options.ping_interval)
        if is_of_worker:
            frames = after_ping(frames)
    return StreamResponse(frames, state.closing, request.faults.cut or state.options.cut)


def _start(asked: _Asked) -> Run:
    """Check what the turn brings along, store it and let it go on by itself."""
    request, payload = asked.request, asked.payload
    state, definition = request.state, request.definition
    query = payload.query.replace("\x00", "")
    if isinstance(payload, ChatRequestPayload) and not query:
        raise invalid_param("query is required")
    conversation = _conversation(asked)
    user_id = state.runs.user_id(definition, asked.user)
    files = turn_files(definition, payload.files, state.files, user_id)
    inputs = checked_inputs(form_variables(definition), payload.inputs, state.files, user_id)
    faults = request.faults
    if state.failures.next_fails():
        faults = Faults({"failed": "", **faults.words})
    asking = Asking(asked.user, query, inputs, payload.inputs, files)
    return start_turn(state.runs, state.chats, definition, asking, conversation, faults)


def _conversation(asked: _Asked) -> ConversationRow | None:
    request, id_ = asked.request, asked.conversation_id
    if id_ is None:
        return None
    conversation = request.state.chats.find(request.definition, asked.user, id_)
    if conversation is None and not request.state.release.has("new-conversation"):
        raise lost(request.http.url.path, "Conversation Not Exists.")
    return conversation


# Answers


async def _blocking(request: ApiRequest, run: Run) -> Response:
    turn, last = run.simulation, None
    assert isinstance(turn, Turn)
    async with aclosing(run.follow(0)) as events:
        async for last in events:
            if last["event"] == "workflow_paused":
                break
    if last is None:  # the server is shutting down
        return DroppedResponse()
    if last["event"] == "error":
        raise ApiError(last["status"], last["code"], last["message"])
    if run.status == "failed":  # other than a workflow's, which is a 200 (seen on 1.14.2)
        raise invalid_param(f"Run failed: {turn.error}")
    if run.status not in ("succeeded", "partial-succeeded", "stopped", "paused"):
        return DroppedResponse()
    body = turn_body(run, turn)
    whole = Response(json.dumps(body), headers={"content-type": _BLOCKING_JSON})
    if cut := run.faults.cut or request.state.options.cut:
        length = cut.bytes if cut.bytes is not None else len(whole.body) // 2
        return CutResponse(whole, min(len(whole.body) - 1, length))
    return whole
