"""The routes of Dify's Service API for workflow apps, on Starlette: who is asking, what is asked, and the answer on the wire."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from difygen.mock import pages
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.errors import (
    INTERNAL_ERROR,
    NOT_FOUND_PAGE,
    WRONG_MODE,
    RefusedError,
    bad_request,
    not_found,
    unauthorized,
    unhandled,
)
from difygen.mock.faults import HEADER, Cut, FailRate, Faults, UnknownFaultError
from difygen.mock.files import FileStore, is_uuid
from difygen.mock.runs import Run, Runs
from difygen.mock.streams import (
    CutResponse,
    DroppedResponse,
    StreamResponse,
    escaped_frame,
    frame,
    with_pings,
)
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

VERSION = "1.12.1"
_SERVER_HEADERS = [(b"x-version", VERSION.encode()), (b"x-env", b"PRODUCTION")]
_FOREIGN = (b"server", b"nginx")
_EXPOSED = "X-Env, X-Trace-Id, X-Version"
_CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
_METHODS = "DELETE, GET, OPTIONS, PATCH, POST, PUT"
_TERMINAL = ("workflow_finished", "workflow_paused", "error")
_ANONYMOUS = "DEFAULT-USER"
_JSON = "application/json"
_BLOCKING_JSON = "application/json; charset=utf-8"


@dataclass(slots=True)
class MockState:
    """Everything that one mock server knows. `keys` selects the app; the key "" stands for any."""

    keys: Mapping[str, Definition]
    runs: Runs
    files: FileStore
    ping_interval: float = 10.0
    fail_rate: FailRate = field(default_factory=lambda: FailRate(0.0))
    cut: Cut | None = None
    closing: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    state: MockState
    definition: Definition
    request: Request
    faults: Faults

    async def json(self) -> JsonObject:
        """The body, or its refusal."""
        return json_body(self.request.headers.get("content-type", ""), await self.request.body())

    def workflow_only(self, *modes: str) -> None:
        """Refuse the keys of other apps."""
        if self.definition.workflow.mode not in ("workflow", *modes):
            raise RefusedError(400, "not_workflow_app", WRONG_MODE)


Endpoint = Callable[[Call], Awaitable[Response]]


def answer(body: object, status: int = 200) -> Response:
    """JSON as most endpoints send it: ASCII, a newline at the end."""
    return Response(json.dumps(body) + "\n", status, media_type=_JSON)


# Running


async def run_workflow(call: Call) -> Response:
    """`POST /workflows/run` and `POST /workflows/{workflow_id}/run`."""
    body = await call.json()
    user = required_user(body)
    call.workflow_only()
    payload = checked(WorkflowRunPayload, body)
    _known_workflow_id(call)
    files = system_files(payload.files, call.state.files)
    inputs = checked_inputs(call.definition.variables, payload.inputs, call.state.files)
    faults = call.faults
    if call.state.fail_rate.next_fails():
        faults = Faults({"failed": "", **faults.words})
    run = call.state.runs.start(call.definition, user, payload.inputs, inputs, files, faults)
    if payload.response_mode == "streaming":
        return _stream(call, _frames(run.follow(0)), faults.cut or call.state.cut, pings="silent" not in faults)
    return await _blocking(call, run)


def _known_workflow_id(call: Call) -> None:
    workflow_id = call.request.path_params.get("workflow_id")
    if workflow_id is None:
        return
    if not is_uuid(workflow_id):
        raise bad_request(f"Invalid workflow_id format: '{workflow_id}'. ")
    if workflow_id.lower() != call.definition.id("workflow"):
        raise not_found(f"Workflow not found with id: {workflow_id}")


async def _blocking(call: Call, run: Run) -> Response:
    async for event in _until_closing(run.follow(0), call.state.closing):
        if event["event"] == "error":
            raise RefusedError(event["status"], event["code"], event["message"])
        if event["event"] in _TERMINAL:
            break
    else:
        return DroppedResponse()
    while not run.over and run.status != "paused":
        await asyncio.sleep(0)
    body = {"task_id": run.task_id, "workflow_run_id": run.id, "data": pages.blocking_data(run)}
    whole = Response(json.dumps(body), media_type=_BLOCKING_JSON)
    whole.headers["content-type"] = _BLOCKING_JSON
    if cut := run.faults.cut or call.state.cut:
        return CutResponse(
            whole, min(len(whole.body) - 1, cut.bytes if cut.bytes is not None else len(whole.body) // 2)
        )
    return whole


async def _until_closing(events: AsyncIterator[JsonObject], closing: asyncio.Event) -> AsyncIterator[JsonObject]:
    """The events, until the server shuts down: then nothing more."""
    stop = asyncio.ensure_future(closing.wait())
    try:
        while True:
            upcoming = asyncio.ensure_future(_next(events))
            await asyncio.wait({upcoming, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                upcoming.cancel()
                return
            event = upcoming.result()
            if event is None:
                return
            yield event
    finally:
        stop.cancel()


async def _next(events: AsyncIterator[JsonObject]) -> JsonObject | None:
    return await anext(events, None)


async def _frames(
    events: AsyncIterator[JsonObject], closing_events: tuple[str, ...] = _TERMINAL
) -> AsyncGenerator[bytes, None]:
    async for event in events:
        yield frame(event)
        if event["event"] in closing_events:
            return


def _stream(call: Call, frames: AsyncGenerator[bytes, None], cut: Cut | None, *, pings: bool = True) -> StreamResponse:
    paced = with_pings(frames, call.state.ping_interval) if pings else frames
    return StreamResponse(paced, call.state.closing, cut)


async def stop_task(call: Call) -> Response:
    """`POST /workflows/tasks/{task_id}/stop`: always a success (seen on 1.12.1)."""
    required_user(await call.json())
    call.workflow_only()
    call.state.runs.stop(call.request.path_params["task_id"])
    return answer({"result": "success"})


async def run_events(call: Call) -> Response:
    """`GET /workflow/{workflow_run_id}/events`, as the sources of 1.14 have it."""
    query = call.request.query_params
    user = required_user(query)
    call.workflow_only("advanced-chat")
    run = call.state.runs.find(call.definition, call.request.path_params["workflow_run_id"])
    if run is None or run.user != user:
        raise not_found("Workflow run not found")
    response = _events_of(call, run, query)
    response.headers["cache-control"] = "no-cache"
    return response


def _events_of(call: Call, run: Run, query: Mapping[str, str]) -> StreamResponse:
    if run.over:
        return StreamResponse(_finished(run), call.state.closing)
    snapshot = query.get("include_state_snapshot", "").lower() == "true"
    stays = query.get("continue_on_pause", "").lower() == "true"
    terminal = () if stays and not snapshot else tuple(e for e in _TERMINAL if not (stays and e == "workflow_paused"))
    return _stream(call, _joined(run, snapshot, terminal), call.faults.cut)


async def _finished(run: Run) -> AsyncGenerator[bytes, None]:
    last = {key: value for key, value in run.events[-1].items() if key != "event"}
    yield escaped_frame(last | {"task_id": run.id, "event": run.events[-1]["event"]})


async def _joined(run: Run, snapshot: bool, terminal: tuple[str, ...]) -> AsyncGenerator[bytes, None]:
    """A snapshot of what has happened, if asked for, then what happens from now on; a pause that lasts is told again."""
    position = len(run.events)
    past = [_stripped(event) for event in run.events if event["event"] in _IN_SNAPSHOTS] if snapshot else []
    if run.status == "paused" and snapshot:
        past += [event for event in run.events[-2:] if event["event"] in ("human_input_required", "workflow_paused")]
    for event in past:
        yield frame(event)
        if event["event"] in terminal:
            return
    async for piece in _frames(run.follow(position), terminal):
        yield piece


_IN_SNAPSHOTS = ("workflow_started", "node_started", "node_finished")


def _stripped(event: JsonObject) -> JsonObject:
    """A node event without its inputs and outputs, which a snapshot does not have."""
    data: JsonObject = event["data"]
    if event["event"] == "node_finished":
        nothing = {"inputs": None, "process_data": None, "outputs": None, "outputs_truncated": True}
        data = data | nothing
    return event | {"data": data}


# Looking


async def run_detail(call: Call) -> Response:
    """`GET /workflows/run/{workflow_run_id}`: 500 for what is no UUID (seen on 1.12.1)."""
    call.workflow_only("advanced-chat")
    run_id = call.request.path_params["workflow_run_id"]
    if not is_uuid(run_id):
        raise unhandled()
    return answer(pages.detail(call.state.runs.find(call.definition, run_id.lower())))


async def logs(call: Call) -> Response:
    """`GET /workflows/logs`."""
    query = checked(WorkflowLogQuery, dict(call.request.query_params))
    runs = list(call.state.runs.of(call.definition))
    users = {run.user: call.state.runs.user_id(call.definition, run.user) for run in runs}
    return answer(pages.logs(call.definition, runs, query, users))


async def info(call: Call) -> Response:
    """`GET /info`."""
    return answer(pages.info(call.definition))


async def parameters(call: Call) -> Response:
    """`GET /parameters`."""
    return answer(pages.parameters(call.definition))


async def site(call: Call) -> Response:
    """`GET /site`."""
    return answer(pages.site(call.definition))


async def meta(call: Call) -> Response:
    """`GET /meta`."""
    return answer({"tool_icons": {}})


# Files


async def upload(call: Call) -> Response:
    """`POST /files/upload`."""
    async with call.request.form() as form:
        return await _uploaded(call, form)


async def _uploaded(call: Call, form: FormData) -> Response:
    files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
    if not files:
        raise RefusedError(400, "no_file_uploaded", "Please upload your file.")
    if any(isinstance(value, UploadFile) for name, value in form.multi_items() if name != "file"):
        raise RefusedError(400, "too_many_files", "Only one file is allowed.")
    file = files[0]  # a second part of that name is not looked at (seen on 1.12.1)
    if not file.content_type:
        raise RefusedError(415, "unsupported_file_type", "File type not allowed.")
    if not file.filename:
        raise RefusedError(400, "filename_not_exists_error", "The specified filename does not exist.")
    user_id = call.state.runs.user_id(call.definition, str(form.get("user") or _ANONYMOUS))
    mime_type = file.content_type.partition(";")[0].strip()
    stored = call.state.files.add(file.filename, await file.read(), mime_type, user_id)
    return answer(call.state.files.uploaded(stored), 201)


async def no_preview(call: Call) -> Response:
    """`GET /files/{file_id}/preview`: not for the files of workflows (seen on 1.12.1)."""
    raise RefusedError(404, "file_not_found", "File not found in message context")


# Forms


async def form(call: Call) -> Response:
    """`GET` and `POST /form/human_input/{form_token}`, as the sources of 1.14 have them."""
    token = call.request.path_params["form_token"]
    body = await call.json() if call.request.method == "POST" else {}
    if body or call.request.method == "POST":
        required_user(body)
    return _form(
        call.state.runs.by_token(call.definition, token), token, body if call.request.method == "POST" else None
    )


def _form(run: Run | None, token: str, body: JsonObject | None) -> Response:
    if run is None:
        raise not_found("Form not found")
    if body is not None:
        payload = checked(HumanInputFormSubmitPayload, body)
        run.submit(token, payload.action, payload.inputs)
        return answer({})
    run.forms[token].still_open()
    return Response(json.dumps(run.forms[token].shown(), ensure_ascii=False), media_type=_JSON)


async def web_form(request: Request) -> Response:
    """`/api/form/human_input/{form_token}`: the web app's own form, without a key (recorded before 1.13)."""
    state: MockState = request.app.state.mock
    token = request.path_params["form_token"]
    definitions = {id(each): each for each in state.keys.values()}.values()
    run = next((found for each in definitions if (found := state.runs.by_token(each, token))), None)
    try:
        body = (
            json_body(request.headers.get("content-type", ""), await request.body())
            if request.method == "POST"
            else None
        )
        return _form(run, token, body)
    except RefusedError as refused:
        return answer(refused.body(), refused.status)


# Other apps' endpoints


async def chat_only(call: Call) -> Response:
    """Endpoints of chat apps, asked with a workflow's key."""
    if call.request.method == "POST":
        required_user(await call.json())
    raise RefusedError(400, "not_chat_app", WRONG_MODE)


async def completion_only(call: Call) -> Response:
    """Endpoints of text generators, asked with a workflow's key."""
    required_user(await call.json())
    raise RefusedError(400, "app_unavailable", "App unavailable, please check your app configurations.")


# Wiring


def _authenticated(state: MockState, header: str | None) -> Definition:
    if header is None or " " not in header.strip():
        raise unauthorized("Authorization header must be provided and start with 'Bearer'")
    scheme, key = header.split(None, 1)
    if scheme.lower() != "bearer":
        raise unauthorized("Authorization scheme must be 'Bearer'")
    definition = state.keys.get(key.strip()) or state.keys.get("")
    if definition is None:
        raise unauthorized("Access token is invalid")
    return definition


def _page(status: int, title: str) -> Response:
    """What a web server in front of Dify answers: HTML, and none of Dify's headers."""
    html = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1></center>\r\n"
    return HTMLResponse(html + "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", status, {"server": "nginx"})


_PAGES = {
    "html-413": (413, "Request Entity Too Large"),
    "html-429": (429, "Too Many Requests"),
    "html-502": (502, "Bad Gateway"),
    "html-503": (503, "Service Temporarily Unavailable"),
    "html-504": (504, "Gateway Time-out"),
    "html-524": (524, "A timeout occurred"),
}
_TOO_MANY = "Too many requests. Please try again later. The current maximum concurrent requests allowed for {app} is 1."


def _fault_answer(faults: Faults, definition: Definition) -> Response | None:
    """The answer that a fault asks for in place of the endpoint's."""
    for word, (status, title) in _PAGES.items():
        if word in faults:
            return _page(status, title)
    if "drop" in faults:
        return DroppedResponse()
    if "404" in faults:
        return HTMLResponse(NOT_FOUND_PAGE, 404)
    too_many = _TOO_MANY.format(app=definition.id("app"))
    refusals = {
        "too-many-requests": RefusedError(400, "invalid_param", too_many),
        "429": RefusedError(429, "too_many_requests", too_many),
        "401": unauthorized("Access token is invalid"),
        "403": RefusedError(403, "forbidden", "The app's API service has been disabled."),
        "500": RefusedError(500, "internal_server_error", INTERNAL_ERROR),
    }
    for word, refused in refusals.items():
        if word in faults:
            raise refused
    return None


def _endpoint(endpoint: Endpoint, methods: tuple[str, ...]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        if request.method == "OPTIONS":
            return _preflight(request, methods)
        try:
            response = await _answered(endpoint, request)
        except UnknownFaultError as error:
            response = answer(bad_request(f"{HEADER}: {error}").body(), 400)
        except RefusedError as refused:
            response = answer(refused.body(), refused.status)
            if refused.status == 401:
                response.headers["WWW-Authenticate"] = 'Bearer realm="api"'
        if _FOREIGN not in response.raw_headers:
            response.headers.update(_CORS)
        return response

    return handle


async def _answered(endpoint: Endpoint, request: Request) -> Response:
    state: MockState = request.app.state.mock
    definition = _authenticated(state, request.headers.get("authorization"))
    faults = Faults.parse(request.headers.get(HEADER, ""))
    call = Call(state, definition, request, faults)
    return _fault_answer(faults, definition) or await endpoint(call)


def _preflight(request: Request, methods: tuple[str, ...]) -> Response:
    headers = {
        "Allow": ", ".join((*methods, "OPTIONS")),
        "Access-Control-Allow-Origin": request.headers.get("origin", "*"),
        "Access-Control-Expose-Headers": _EXPOSED,
        "Access-Control-Allow-Methods": _METHODS,
        "Vary": "Origin",
    }
    return HTMLResponse("", 200, headers)


async def signed_file(request: Request) -> Response:
    """`GET /files/{file_id}/file-preview`: the bytes behind a signed link, without a key."""
    state: MockState = request.app.state.mock
    file = state.files.open(request.path_params["file_id"], request.query_params)
    if file is None:
        return answer(not_found("File not found or signature is invalid").body(), 404)
    headers = dict(_CORS)
    if request.query_params.get("as_attachment") == "true":
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{_quoted(file.name)}"
    return Response(file.content, media_type=file.mime_type, headers=headers)


def _quoted(name: str) -> str:
    return quote(name, safe="")


async def root(request: Request) -> Response:
    """`GET /v1/`: a 404 page with Dify's headers (seen on 1.12.1)."""
    return HTMLResponse(NOT_FOUND_PAGE, 404, _CORS)


async def to_root(request: Request) -> Response:
    """`GET /v1`."""
    return RedirectResponse("/v1/", 308)


_ENDPOINTS: tuple[tuple[str, tuple[str, ...], Endpoint], ...] = (
    ("/v1/workflows/run", ("POST",), run_workflow),
    ("/v1/workflows/{workflow_id}/run", ("POST",), run_workflow),
    ("/v1/workflows/tasks/{task_id}/stop", ("POST",), stop_task),
    ("/v1/workflows/run/{workflow_run_id}", ("GET",), run_detail),
    ("/v1/workflows/logs", ("GET",), logs),
    ("/v1/workflow/{workflow_run_id}/events", ("GET",), run_events),
    ("/v1/form/human_input/{form_token}", ("GET", "POST"), form),
    ("/v1/files/upload", ("POST",), upload),
    ("/v1/files/{file_id}/preview", ("GET",), no_preview),
    ("/v1/info", ("GET",), info),
    ("/v1/parameters", ("GET",), parameters),
    ("/v1/site", ("GET",), site),
    ("/v1/meta", ("GET",), meta),
    ("/v1/chat-messages", ("POST",), chat_only),
    ("/v1/chat-messages/{task_id}/stop", ("POST",), chat_only),
    ("/v1/conversations", ("GET",), chat_only),
    ("/v1/messages", ("GET",), chat_only),
    ("/v1/completion-messages", ("POST",), completion_only),
)


async def _not_found(request: Request, error: Exception) -> Response:
    if "//" in request.url.path:
        return RedirectResponse(re.sub("/{2,}", "/", request.url.path), 308)
    return HTMLResponse(NOT_FOUND_PAGE, 404)


async def _wrong_method(request: Request, error: Exception) -> Response:
    refused = RefusedError(405, "method_not_allowed", "The method is not allowed for the requested URL.")
    return answer(refused.body(), 405)


async def _broken(request: Request, error: Exception) -> Response:
    return answer(unhandled().body(), 500)


class _WithServerHeaders:
    """Puts Dify's headers on every answer but those of the web server in front of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start" and _FOREIGN not in message["headers"]:
                message["headers"] = [*message["headers"], *_SERVER_HEADERS]
            await send(message)

        await self._app(scope, receive, send_more)


def create_app(state: MockState) -> Starlette:
    """The ASGI application of a mock server."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        state.closing.set()
        await state.runs.aclose()

    routes = [
        Route(path, _endpoint(endpoint, methods), methods=[*methods, "OPTIONS"])
        for path, methods, endpoint in _ENDPOINTS
    ]
    routes += [
        Route("/v1/", root),
        Route("/v1", to_root),
        Route("/api/form/human_input/{form_token}", web_form, methods=["GET", "POST"]),
        Route("/files/{file_id}/file-preview", signed_file),
    ]
    handlers: dict[Any, Any] = {404: _not_found, 405: _wrong_method, Exception: _broken, HTTPException: _broken}
    middleware = [Middleware(_WithServerHeaders)]
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan, middleware=middleware)
    app.router.redirect_slashes = False
    app.state.mock = state
    return app
