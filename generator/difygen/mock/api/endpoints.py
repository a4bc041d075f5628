"""The endpoints of Dify's Service API for workflow apps, and those that all apps have.

Each takes an authenticated request and returns a response, or raises `ApiError`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from difygen.mock.api.streams import (
    CutResponse,
    DroppedResponse,
    StreamResponse,
    after_ping,
    escaped_frame,
    frame,
    refusal,
    with_pings,
)
from difygen.mock.conversations import ConversationStore
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.engine.values import Handler
from difygen.mock.errors import (
    NOT_FOUND_PAGE,
    WRONG_MODE,
    ApiError,
    Cut,
    FailRate,
    Faults,
    bad_request,
    not_found,
    unhandled,
)
from difygen.mock.files import FileStore, is_uuid
from difygen.mock.runs import DETAIL_KEYS, Run, RunStore
from difygen.mock.validation import (
    HumanInputFormSubmitPayload,
    WorkflowLogQuery,
    WorkflowRunPayload,
    checked,
    checked_inputs,
    json_body,
    required_user,
    system_files,
)
from difygen.model import CHATFLOW, WORKFLOW, AppKind
from difygen.releases import MOCKED_BY_DEFAULT, Release

JSON = "application/json"
EXPOSED_HEADERS = "X-Env, X-Trace-Id, X-Version"
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}

_BLOCKING_JSON = "application/json; charset=utf-8"
ANONYMOUS = "DEFAULT-USER"
_FORM_ROUTES = [f"{root}/form/human_input/" for root in ("/v1", "/api", "/console/api")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server behaves unless a request asks for a fault.

    `release` is the Dify that it is. `handler` computes outputs, `latency` is how many seconds each node takes,
    `ping_interval` the seconds between two pings, `fail_rate` the share of runs that fail, and `cut` is where every
    connection is cut. `silence` is how many seconds a stream stays open that the server has refused, or that moderation
    has answered.
    """

    release: Release = MOCKED_BY_DEFAULT
    handler: Handler | None = None
    latency: float = 0.0
    ping_interval: float = 10.0
    fail_rate: float = 0.0
    cut: Cut | None = None
    silence: float = 300.0


class ServerState:
    """Everything that one mock server knows. `keys` selects the app by API key; the key "" stands for any."""

    def __init__(self, keys: Mapping[str, Definition], origin: str, options: ServerOptions) -> None:
        self.keys = keys
        self.options = options
        self.release = options.release
        self.files = FileStore(origin, options.release)
        self.runs = RunStore(self.files, options.latency, options.handler)
        self.chats = ConversationStore()
        self.failures = FailRate(options.fail_rate)
        self.closing = asyncio.Event()


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One authenticated request."""

    state: ServerState
    definition: Definition
    http: Request
    faults: Faults

    async def json(self) -> JsonObject:
        """Return the body, or refuse it."""
        return json_body(self.http.headers.get("content-type", ""), await self.http.body())

    @asynccontextmanager
    async def form(self) -> AsyncIterator[FormData]:
        """Give the fields and files of the body: none where it has another type, no boundary, or is broken within."""
        try:
            form = await self.http.form()
        except (
            HTTPException,
            KeyError,
            ValueError,
        ):  # what releases of starlette and its parser say; Flask says nothing
            form = FormData()
        try:
            yield form
        finally:
            await form.close()

    def parameter(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.http.path_params[name])

    def require_workflow(self, *others: AppKind) -> None:
        """Refuse the keys of apps that are neither workflows nor of the other kinds."""
        if self.definition.workflow.kind not in (WORKFLOW, *others):
            raise ApiError(400, "not_workflow_app", WRONG_MODE)


Endpoint = Callable[[ApiRequest], Awaitable[Response]]


def json_response(body: object, status: int = 200) -> Response:
    """Return JSON as most endpoints send it: ASCII, a newline at the end."""
    return Response(json.dumps(body) + "\n", status, media_type=JSON)


def no_such_page() -> Response:
    """Return what the server says of an address that it does not have, or not yet."""
    return HTMLResponse(NOT_FOUND_PAGE, 404)


def page(body: Callable[[Definition], JsonObject]) -> Endpoint:
    """Return an endpoint that answers with what the definition says."""

    async def endpoint(request: ApiRequest) -> Response:
        return json_response(body(request.definition))

    return endpoint


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
        run = _start(request, user, payload)
    except ApiError as error:
        if not is_stream or state.release.has("prompt-refusals"):
            raise
        return StreamResponse(refusal(error, state.release, state.options.silence), state.closing, request.faults.cut)
    if not is_stream:
        return await _blocking(state, run)
    ends = request.definition.workflow.kind.terminal_events
    frames = event_frames(run.follow(run.faults.lost), ends, state.options.silence)
    if "silent" not in run.faults:
        frames = with_pings(frames, state.options.ping_interval)
        if state.release.has("worker-streams"):
            frames = after_ping(frames)
    return StreamResponse(frames, state.closing, run.faults.cut or state.options.cut)


def _start(request: ApiRequest, user: str, payload: WorkflowRunPayload) -> Run:
    """Check what the run is given, and let it go on by itself."""
    state, definition = request.state, request.definition
    user_id = state.runs.user_id(definition, user)
    files = system_files(payload.files, state.files, definition.workflow.files, user_id)
    inputs = checked_inputs(definition.variables, payload.inputs, state.files, user_id)
    faults = request.faults
    if state.failures.next_fails():
        faults = Faults({"failed": "", **faults.words})
    return state.runs.start(definition, user, payload.inputs, inputs, files, faults)


async def _blocking(state: ServerState, run: Run) -> Response:
    last = None
    async with aclosing(run.follow(0)) as events:
        async for last in events:
            if last["event"] == "workflow_paused":  # the other ends are the end of the events too
                break
    if last is None or last["event"] not in run.definition.workflow.kind.terminal_events:  # the server is shutting down
        return DroppedResponse()
    if last["event"] == "error":
        raise ApiError(last["status"], last["code"], last["message"])
    body = {"task_id": run.task_id, "workflow_run_id": run.id, "data": run.blocking_data()}
    whole = Response(json.dumps(body), headers={"content-type": _BLOCKING_JSON})
    if cut := run.faults.cut or state.options.cut:
        length = cut.bytes if cut.bytes is not None else len(whole.body) // 2
        return CutResponse(whole, min(len(whole.body) - 1, length))
    return whole


async def event_frames(
    events: AsyncIterator[JsonObject], last_events: tuple[str, ...], silence: float = 0.0
) -> AsyncGenerator[bytes, None]:
    """Yield events up to one of `last_events`; a stream that lacks them stays open for `silence` seconds.

    So does that of a turn which has no run: moderation or an annotation has answered it (seen on 1.14.2).
    """
    async for event in events:
        yield frame(event)
        if event["event"] in last_events:
            return
    if last_events:
        await asyncio.sleep(silence)


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


async def _finished(run: Run) -> AsyncGenerator[bytes, None]:
    last = {key: run.events[-1][key] for key in ("workflow_run_id", "data")}
    yield escaped_frame(last | {"task_id": run.id, "event": run.events[-1]["event"]})


async def _joined(run: Run, snapshot: bool, last_events: tuple[str, ...]) -> AsyncGenerator[bytes, None]:
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
    """Answer `GET /workflows/logs`."""
    query = checked(WorkflowLogQuery, dict(request.http.query_params), request.state.release)
    return json_response(request.state.runs.logs(request.definition, query))


# Files


async def upload(request: ApiRequest) -> Response:
    """Answer `POST /files/upload`."""
    async with request.form() as form:
        files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
        if not files:
            raise ApiError(400, "no_file_uploaded", "Please upload your file.")
        if any(isinstance(value, UploadFile) for name, value in form.multi_items() if name != "file"):
            raise ApiError(400, "too_many_files", "Only one file is allowed.")
        file = files[0]  # a second file of that name is not looked at (seen on 1.12.1)
        if not file.content_type:
            raise ApiError(415, "unsupported_file_type", "File type not allowed.")
        if not file.filename:
            raise ApiError(400, "filename_not_exists_error", "The specified filename does not exist.")
        user_id = request.state.runs.user_id(request.definition, str(form.get("user") or ANONYMOUS))
        mime_type = file.content_type.partition(";")[0].strip()
        stored = request.state.files.add(file.filename, await file.read(), mime_type, user_id)
    return json_response(request.state.files.uploaded(stored), 201)


async def signed_file(http: Request) -> Response:
    """Answer `GET /files/{file_id}/file-preview`: the bytes behind a signed link, without a key."""
    state: ServerState = http.app.state.mock
    file = state.files.open(http.path_params["file_id"], http.query_params)
    if file is None:
        return json_response(not_found("File not found or signature is invalid").body(), 404)
    headers = dict(CORS)
    if http.query_params.get("as_attachment") == "true":
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return Response(file.content, media_type=file.mime_type, headers=headers)


# Forms


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


def _form(run: Run | None, token: str, body: JsonObject | None) -> Response:
    """Show a form, or submit it where there is a body."""
    if run is None:
        raise not_found("Form not found")
    if body is not None:
        payload = checked(HumanInputFormSubmitPayload, body, run.release)
        run.submit(token, payload.action, payload.inputs)
        return json_response({})
    run.forms[token].check_open()
    return Response(json.dumps(run.forms[token].shown(), ensure_ascii=False), media_type=JSON)
