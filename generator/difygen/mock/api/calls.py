"""The endpoints of runs and turns: how they are started, answered, followed, stopped and looked up, and their forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from difflib import get_close_matches

from starlette.requests import Request
from starlette.responses import Response

from difygen.mock.api import (
    JSON,
    ApiRequest,
    CutResponse,
    DroppedResponse,
    ServerState,
    StreamResponse,
    after_ping,
    escaped_frame,
    event_frames,
    frame,
    json_response,
    no_such_page,
    refusal,
    with_pings,
)
from difygen.mock.definition import JsonObject
from difygen.mock.engine.turns import ServedTurn
from difygen.mock.errors import (
    WRONG_MODE,
    ApiError,
    bad_request,
    invalid_param,
    not_found,
    unhandled,
)
from difygen.mock.files import is_uuid
from difygen.mock.runs import DETAIL_KEYS, ServedRun, TurnInput, start_turn
from difygen.mock.validation import (
    ChatRequestPayload,
    CompletionRequestPayload,
    HumanInputFormSubmitPayload,
    WorkflowLogQuery,
    WorkflowRunPayload,
    checked,
    checked_inputs,
    form_variables,
    json_body,
    lost,
    required_user,
    system_files,
    turn_files,
)
from difygen.model import CHATFLOW, COMPLETION, WORKFLOW

# Runs


async def run_workflow(request: ApiRequest) -> Response:
    """Answer `POST /workflows/run` and `POST /workflows/{workflow_id}/run`."""
    state, body = request.state, await request.json()
    user = required_user(body)
    request.require_workflow()
    payload = checked(WorkflowRunPayload, body, state.release)
    if "workflow_id" in request.http.path_params:
        workflow_id = request.parameter("workflow_id")
        if not is_uuid(workflow_id):
            raise bad_request(f"Invalid workflow_id format: '{workflow_id}'. ")
        if workflow_id.lower() != request.definition.id("workflow"):
            raise not_found(f"Workflow not found with id: {workflow_id}")
    is_stream = payload.response_mode == "streaming"
    try:
        run = _start_run(request, user, payload)
    except ApiError as error:
        if not is_stream or state.release.has("prompt-refusals"):
            raise
        return StreamResponse(refusal(error, state.release, state.options.silence), state.closing, request.faults.cut)
    if not is_stream:
        return await _blocking(state, run)
    return _streaming(state, run, WORKFLOW.terminal_events, from_worker=state.release.has("worker-streams"))


def _start_run(request: ApiRequest, user: str, payload: WorkflowRunPayload) -> ServedRun:
    """Check what the run is given, and let it go on by itself."""
    state, definition = request.state, request.definition
    user_id = state.runs.user_id(definition, user)
    files = system_files(payload.files, state.files, definition.workflow.files, user_id)
    inputs = checked_inputs(definition.variables, payload.inputs, state.files, user_id)
    return state.runs.start(definition, user, payload.inputs, inputs, files, request.faults_of_call())


async def stop_task(request: ApiRequest) -> Response:
    """Answer `POST /workflows/tasks/{task_id}/stop`: always a success (seen on 1.12.1)."""
    required_user(await request.json())
    request.require_workflow()
    request.state.runs.stop(request.parameter("task_id"))
    return json_response({"result": "success"})


async def run_events(request: ApiRequest) -> Response:
    """Answer `GET /workflow/{workflow_run_id}/events`, as the sources of 1.14 have it."""
    state, query = request.state, request.http.query_params
    if state.release.has("no-events"):
        return no_such_page()
    user = required_user(query)
    request.require_workflow(CHATFLOW)
    if not is_uuid(request.parameter("workflow_run_id")):
        raise unhandled()
    run = state.runs.find(request.definition, request.parameter("workflow_run_id").lower())
    if run is None or run.user != user:
        raise not_found("Workflow run not found")
    if run.has_ended and run.stored_status != "running":
        response = StreamResponse(_finished(run), state.closing)
    else:
        snapshot = query.get("include_state_snapshot", "").lower() == "true"
        stays = query.get("continue_on_pause", "").lower() == "true"
        ends = request.definition.workflow.kind.terminal_events
        if stays:
            ends = tuple(event for event in ends if event != "workflow_paused") if snapshot else ()
        frames = with_pings(_joined(run, snapshot, ends), state.options.ping_interval)
        response = StreamResponse(after_ping(frames), state.closing, request.faults.cut)
    response.headers["cache-control"] = "no-cache"
    return response


async def _finished(run: ServedRun) -> AsyncGenerator[bytes, None]:
    last = {key: run.events[-1][key] for key in ("workflow_run_id", "data")}
    yield escaped_frame(last | {"task_id": run.id, "event": run.events[-1]["event"]})


async def _joined(run: ServedRun, snapshot: bool, last_events: tuple[str, ...]) -> AsyncGenerator[bytes, None]:
    """Yield a snapshot of what has happened, if asked for, then what happens next. A lasting pause is sent again."""
    position, had_ended = len(run.events), run.has_ended
    if had_ended and run.stored_status != "running":  # it has ended since the request came
        async for piece in _finished(run):
            yield piece
        return
    for event in run.simulation.snapshot(run.events) if snapshot else ():
        yield frame(event)
        if event["event"] in last_events:
            return
    async for piece in event_frames(run.follow(position), last_events):
        yield piece
    # Nothing closes a stream that continues on pause and has no snapshot, not even the run's end; nor that of a run
    # which was stopped before and is stored as running.
    if had_ended or not last_events:
        await asyncio.Event().wait()


async def run_detail(request: ApiRequest) -> Response:
    """Answer `GET /workflows/run/{workflow_run_id}`; what is no UUID is a 500 (seen on 1.12.1 and 1.14.2)."""
    request.require_workflow(CHATFLOW)
    run_id = request.parameter("workflow_run_id")
    if not is_uuid(run_id):
        raise unhandled()
    run = request.state.runs.find(request.definition, run_id.lower())
    if run is None and not request.state.release.has("unknown-run-is-null"):
        raise not_found("Workflow run not found.")
    return json_response(run.detail() if run else dict.fromkeys(DETAIL_KEYS))


async def logs(request: ApiRequest) -> Response:
    """Answer `GET /workflows/logs`, newest first."""
    runs, definition = request.state.runs, request.definition
    query = checked(WorkflowLogQuery, request.http.query_params, request.state.release)
    if query.created_by_account:
        raise invalid_param(f"Account not found: {query.created_by_account}")
    before, after = _moment(query.created_at__before), _moment(query.created_at__after)
    kept = runs.of(definition) if definition.workflow.kind.has_outputs else ()  # of a chatflow none (seen on 1.14.2)
    found = [run for run in kept if _matches(run, query, before, after)]
    start = (query.page - 1) * query.limit
    body = {
        "page": query.page,
        "limit": query.limit,
        "total": len(found),
        "has_more": len(found) > start + query.limit,
        "data": [run.log(runs.user_id(definition, run.user)) for run in found[start : start + query.limit]],
    }
    return json_response(body)


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        int(text[:4].encode())  # the server's library reads the year like this, and refuses it in these words
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid_param(str(error)) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _matches(run: ServedRun, query: WorkflowLogQuery, before: float | None, after: float | None) -> bool:
    created, keyword = run.simulation.created_at, (query.keyword or "")[:30].lower()
    texts = (json.dumps(run.inputs, ensure_ascii=False), json.dumps(run.outputs, ensure_ascii=False), run.user)
    return (
        query.status in (None, run.stored_status)
        and (before is None or created <= before)
        and (after is None or created >= after)
        and query.created_by_end_user_session_id in (None, "", run.user)
        and (not keyword or any(keyword in text.lower() for text in texts))
    )


# Turns


async def send_chat_message(request: ApiRequest) -> Response:
    """Answer `POST /chat-messages`."""
    body = await request.json()
    user = required_user(body)
    request.require_chat()
    payload = checked(ChatRequestPayload, body, request.state.release)
    kind = request.definition.workflow.kind
    if not kind.has_blocking and payload.response_mode != "streaming":
        raise invalid_param("Agent Chat App does not support blocking mode")
    if kind.has_runs and payload.workflow_id:
        if not is_uuid(payload.workflow_id):
            raise bad_request(f"Invalid workflow_id format: '{payload.workflow_id}'. ")
        if payload.workflow_id.lower() != request.definition.id("workflow"):
            raise lost(request.http.url.path, f"Workflow not found with id: {payload.workflow_id}.")
    return await _respond(request, user, payload)


async def send_completion_message(request: ApiRequest) -> Response:
    """Answer `POST /completion-messages`."""
    body = await request.json()
    user = required_user(body)
    if request.definition.workflow.kind is not COMPLETION:
        raise ApiError(400, "app_unavailable", "App unavailable, please check your app configurations.")
    return await _respond(request, user, checked(CompletionRequestPayload, body, request.state.release))


async def stop_turn(request: ApiRequest) -> Response:
    """Answer `/stop` of either: always a success. Apps without a graph heed only the user who asked."""
    user = required_user(await request.json())
    state, kind = request.state, request.definition.workflow.kind
    if (kind is COMPLETION) != request.http.url.path.startswith("/v1/completion-messages") or kind.has_outputs:
        code = "not_chat_app" if request.http.url.path.startswith("/v1/chat-messages") else "app_unavailable"
        raise ApiError(400, code, WRONG_MODE)
    task_id = request.parameter("task_id")
    own = any(run.task_id == task_id and run.user == user for run in state.runs.of(request.definition))
    if own or kind.has_runs:
        state.runs.stop(task_id, is_strangers=not own)
    return json_response({"result": "success"})


async def _respond(request: ApiRequest, user: str, payload: ChatRequestPayload | CompletionRequestPayload) -> Response:
    """Start the turn and answer; a chatflow's stream says of a refusal what its worker would."""
    state, is_stream = request.state, payload.response_mode == "streaming"
    is_chatflow = request.definition.workflow.kind.has_runs
    try:
        run = _start_turn(request, user, payload)
    except ApiError as error:
        is_early = error.status == 404 and state.release.has("unknown-conversation-is-404")
        if is_early or not (is_stream and is_chatflow) or state.release.has("prompt-refusals"):
            raise
        refused = refusal(error, state.release, state.options.silence)
        return StreamResponse(refused, state.closing, request.faults.cut)
    if not is_stream:
        return await _blocking(state, run)
    is_of_worker = is_chatflow and state.release.has("worker-streams")
    ends = request.definition.workflow.kind.terminal_events if is_of_worker else ()
    return _streaming(state, run, ends, from_worker=is_of_worker)


def _start_turn(request: ApiRequest, user: str, payload: ChatRequestPayload | CompletionRequestPayload) -> ServedRun:
    """Check what the turn brings along, store it and let it go on by itself."""
    state, definition = request.state, request.definition
    query, conversation = payload.query.replace("\x00", ""), None
    if isinstance(payload, ChatRequestPayload):
        if not query:
            raise invalid_param("query is required")
        if payload.conversation_id is not None:
            conversation = state.chats.find(definition, user, payload.conversation_id)
            if conversation is None and not state.release.has("new-conversation"):
                raise lost(request.http.url.path, "Conversation Not Exists.")
    user_id = state.runs.user_id(definition, user)
    files = turn_files(definition, payload.files, state.files, user_id)
    inputs = checked_inputs(form_variables(definition), payload.inputs, state.files, user_id)
    faults = request.faults_of_call()
    turn_input = TurnInput(user, query, inputs, payload.inputs, files)
    return start_turn(state.runs, state.chats, definition, turn_input, conversation, faults)


# Answers


async def _blocking(state: ServerState, run: ServedRun) -> Response:
    """Answer in one piece, once the run or turn has ended or waits for a person."""
    last = None
    async with aclosing(run.follow(0)) as events:
        async for last in events:
            if last["event"] == "workflow_paused":  # the other ends are the end of the events too
                break
    if last is None:  # the server is shutting down
        return DroppedResponse()
    if last["event"] == "error":
        raise ApiError(last["status"], last["code"], last["message"])
    if not isinstance(run.simulation, ServedTurn):
        has_ended = last["event"] in WORKFLOW.terminal_events
    elif run.status == "failed":  # other than a workflow's, which is a 200 (seen on 1.14.2)
        raise invalid_param(f"Run failed: {run.simulation.error}")
    else:
        has_ended = run.status in ("succeeded", "partial-succeeded", "stopped", "paused")
    if not has_ended:
        return DroppedResponse()
    whole = Response(json.dumps(run.answer()), headers={"content-type": "application/json; charset=utf-8"})
    if cut := run.faults.cut or state.options.cut:
        length = cut.bytes if cut.bytes is not None else len(whole.body) // 2
        return CutResponse(whole, min(len(whole.body) - 1, length))
    return whole


def _streaming(state: ServerState, run: ServedRun, ends: tuple[str, ...], *, from_worker: bool) -> Response:
    """Answer event by event, up to one of `ends`."""
    frames = event_frames(run.follow(run.faults.lost), ends, state.options.silence)
    if "silent" not in run.faults:
        frames = with_pings(frames, state.options.ping_interval)
        if from_worker:
            frames = after_ping(frames)
    return StreamResponse(frames, state.closing, run.faults.cut or state.options.cut)


# Forms


_FORM_ROUTES = [f"{root}/form/human_input/" for root in ("/v1", "/api", "/console/api")]


async def form(request: ApiRequest) -> Response:
    """Answer `GET` and `POST /form/human_input/{form_token}`, as the sources of 1.14 have them."""
    if request.state.release.has("no-events"):
        return no_such_page()
    token = request.parameter("form_token")
    body = None
    if request.http.method == "POST":
        body = await request.json()
        required_user(body)
    run = request.state.runs.by_token(request.definition, token)
    if run is None:  # the server guesses at routes of its own that are like the address (seen on 1.14.2)
        path = f"/v1/form/human_input/{token}"
        meant = " or ".join(f"{route}<string:form_token>" for route in get_close_matches(path, _FORM_ROUTES))
        guess = f" You have requested this URI [{path}] but did you mean {meant} ?" if meant else ""
        raise not_found(f"Form not found.{guess}")
    return _form(run, token, body)


async def web_form(http: Request) -> Response:
    """Answer `/api/form/human_input/{form_token}`: the web app's own form, without a key (recorded before 1.13)."""
    state: ServerState = http.app.state.mock
    token, body = http.path_params["form_token"], None
    definitions = {id(each): each for each in state.keys.values()}.values()
    run = next((found for each in definitions if (found := state.runs.by_token(each, token))), None)
    try:
        if http.method == "POST":
            body = json_body(http.headers.get("content-type", ""), await http.body())
        return _form(run, token, body)
    except ApiError as error:
        return json_response(error.body(), error.status)


def _form(run: ServedRun | None, token: str, body: JsonObject | None) -> Response:
    """Show a form, or submit it where there is a body."""
    if run is None:
        raise not_found("Form not found")
    if body is not None:
        payload = checked(HumanInputFormSubmitPayload, body, run.release)
        run.submit(token, payload.action, payload.inputs)
        return json_response({})
    run.forms[token].check_open()
    return Response(json.dumps(run.forms[token].shown(), ensure_ascii=False), media_type=JSON)
