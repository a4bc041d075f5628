"""The mock server: the ASGI app with its routes, keys and faults, and the web server that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from difygen.mock.api import (
    CORS,
    EXPOSED_HEADERS,
    TRANSPORT,
    ApiRequest,
    DroppedResponse,
    Endpoint,
    ServerOptions,
    ServerState,
    calls,
    json_response,
    no_such_page,
    page,
    resources,
)
from difygen.mock.definition import Definition, app_info, app_meta, app_parameters, app_site
from difygen.mock.errors import (
    HEADER,
    INTERNAL_ERROR,
    NOT_FOUND_PAGE,
    ApiError,
    Faults,
    UnknownFaultError,
    bad_request,
    unauthorized,
    unhandled,
)
from difygen.mock.files import REQUESTED_ORIGIN
from difygen.model import CHAT, COMPLETION, WORKFLOW
from difygen.servers import origin_of

_FOREIGN = (b"server", b"nginx")
"""The header of answers that do not come from Dify, but from a web server in front of it."""
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
_METHODS = "DELETE, GET, OPTIONS, PATCH, POST, PUT"
_STARTING_SECONDS = 10.0

_ROUTES: tuple[tuple[str, tuple[str, ...], Endpoint], ...] = (
    (f"/v1/{WORKFLOW.start}", ("POST",), calls.run_workflow),
    ("/v1/workflows/{workflow_id}/run", ("POST",), calls.run_workflow),
    (f"/v1/{WORKFLOW.stop}", ("POST",), calls.stop_task),
    (f"/v1/{WORKFLOW.start}/{{workflow_run_id}}", ("GET",), calls.run_detail),
    ("/v1/workflows/logs", ("GET",), calls.logs),
    ("/v1/workflow/{workflow_run_id}/events", ("GET",), calls.run_events),
    ("/v1/form/human_input/{form_token}", ("GET", "POST"), calls.form),
    ("/v1/files/upload", ("POST",), resources.upload),
    ("/v1/files/{file_id}/preview", ("GET",), resources.preview),
    ("/v1/info", ("GET",), page(app_info)),
    ("/v1/parameters", ("GET",), page(app_parameters)),
    ("/v1/site", ("GET",), page(app_site)),
    ("/v1/meta", ("GET",), page(app_meta)),
    (f"/v1/{CHAT.start}", ("POST",), calls.send_chat_message),
    (f"/v1/{CHAT.stop}", ("POST",), calls.stop_turn),
    (f"/v1/{COMPLETION.start}", ("POST",), calls.send_completion_message),
    (f"/v1/{COMPLETION.stop}", ("POST",), calls.stop_turn),
    ("/v1/conversations", ("GET",), resources.conversations),
    ("/v1/conversations/{conversation_id:uuid}", ("DELETE",), resources.delete_conversation),
    ("/v1/conversations/{conversation_id:uuid}/name", ("POST",), resources.rename_conversation),
    ("/v1/conversations/{conversation_id:uuid}/variables", ("GET",), resources.variables),
    ("/v1/conversations/{conversation_id:uuid}/variables/{variable_id:uuid}", ("PUT",), resources.set_variable),
    ("/v1/messages", ("GET",), resources.messages),
    ("/v1/messages/{message_id:uuid}/feedbacks", ("POST",), resources.feedback),
    ("/v1/messages/{message_id:uuid}/suggested", ("GET",), resources.suggested_questions),
    ("/v1/app/feedbacks", ("GET",), resources.feedbacks),
    ("/v1/apps/annotations", ("GET",), resources.list_annotations),
    ("/v1/apps/annotations", ("POST",), resources.create_annotation),
    ("/v1/apps/annotations/{annotation_id}", ("PUT", "DELETE"), resources.change_annotation),
    ("/v1/apps/annotation-reply/{action}", ("POST",), resources.annotation_reply),
    ("/v1/apps/annotation-reply/{action}/status/{job_id}", ("GET",), resources.annotation_reply_status),
    ("/v1/audio-to-text", ("POST",), resources.audio_to_text),
    ("/v1/text-to-audio", ("POST",), resources.text_to_audio),
)


# The way of a request


def create_app(state: ServerState) -> Starlette:
    """Return the ASGI application of a mock server."""

    async def root(http: Request) -> Response:  # seen on 1.12.1
        return HTMLResponse(NOT_FOUND_PAGE, 404, CORS)

    async def to_root(http: Request) -> Response:
        return RedirectResponse("/v1/", 308)

    async def not_found(http: Request, error: Exception) -> Response:
        if "//" in http.url.path:
            return RedirectResponse(re.sub("/{2,}", "/", http.url.path), 308)
        return no_such_page()

    async def wrong_method(http: Request, error: Exception) -> Response:
        response = _refuse(ApiError(405, "method_not_allowed", "The method is not allowed for the requested URL."))
        here = [each for each in routes if each.matches(http.scope)[0] is not Match.NONE]
        response.headers["Allow"] = ", ".join(sorted({method for each in here for method in each.methods or ()}))
        return response

    async def broken(http: Request, error: Exception) -> Response:
        return _refuse(unhandled())

    routes = [
        Route(path, _handle_with(endpoint, methods), methods=[*methods, "OPTIONS"])
        for path, methods, endpoint in _ROUTES
    ]
    routes += [
        Route("/v1/", root),
        Route("/v1", to_root),
        Route("/api/form/human_input/{form_token}", calls.web_form, methods=["GET", "POST"]),
        Route("/files/{file_id}/file-preview", resources.signed_file),
    ]
    handlers: dict[Any, Any] = {404: not_found, 405: wrong_method, Exception: broken, HTTPException: broken}
    app = Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(_DifyHeaders)])
    app.router.redirect_slashes = False
    app.state.mock = state
    return app


class _DifyHeaders:
    """Puts Dify's headers on every answer but those of the web server in front of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start" and _FOREIGN not in message["headers"]:
                version = str(scope["app"].state.mock.release)
                message["headers"] = [*message["headers"], (b"x-version", version.encode()), (b"x-env", b"PRODUCTION")]
            await send(message)

        await self._app(scope, receive, send_more)


def _handle_with(endpoint: Endpoint, methods: tuple[str, ...]) -> Callable[[Request], Awaitable[Response]]:
    """Return what Starlette calls for an endpoint: preflights, keys and faults come first; errors become answers."""

    async def handle(http: Request) -> Response:
        if http.method == "OPTIONS":
            return _preflight(http, methods)
        try:
            response = await _answer(endpoint, http)
        except UnknownFaultError as error:
            response = _refuse(bad_request(f"{HEADER}: {error}"))
        except ApiError as error:
            response = _refuse(error)
            if error.status == 401:
                response.headers["WWW-Authenticate"] = 'Bearer realm="api"'
        if _FOREIGN not in response.raw_headers:
            response.headers.update(CORS)
        return response

    return handle


async def _answer(endpoint: Endpoint, http: Request) -> Response:
    state: ServerState = http.app.state.mock
    definition = _authenticate(state, http.headers.get("authorization"))
    host = http.headers.get("host", "")
    REQUESTED_ORIGIN.set(f"{http.url.scheme}://{host}" if _HOST.fullmatch(host) else "")
    faults = Faults.parse(http.headers.get(HEADER, ""))
    faults.check_nodes([node.id for node in definition.graph.nodes()])
    if "drop" in faults:
        await http.body()  # left unread, it would make the system reset the connection
    return _fault_response(faults, definition) or await endpoint(ApiRequest(state, definition, http, faults))


def _authenticate(state: ServerState, header: str | None) -> Definition:
    """Return the app that a request's key opens."""
    if header is None or " " not in header.strip():
        raise unauthorized("Authorization header must be provided and start with 'Bearer'")
    scheme, key = header.split(None, 1)
    if scheme.lower() != "bearer":
        raise unauthorized("Authorization scheme must be 'Bearer'")
    definition = state.keys.get(key.strip()) or state.keys.get("")
    if definition is None:
        raise unauthorized("Access token is invalid")
    return definition


_WEB_SERVER_PAGES = {
    "html-413": (413, "Request Entity Too Large"),
    "html-429": (429, "Too Many Requests"),
    "html-502": (502, "Bad Gateway"),
    "html-503": (503, "Service Temporarily Unavailable"),
    "html-504": (504, "Gateway Time-out"),
    "html-524": (524, "A timeout occurred"),
}
_TOO_MANY = "Too many requests. Please try again later. The current maximum concurrent requests allowed for {app} is 1."


def _fault_response(faults: Faults, definition: Definition) -> Response | None:
    """Return the answer that a fault asks for in place of the endpoint's."""
    for word, (status, title) in _WEB_SERVER_PAGES.items():
        if word in faults:
            page = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
            page += (
                f"<center><h1>{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            )
            return HTMLResponse(page, status, {"server": "nginx"})
    if "drop" in faults:
        return DroppedResponse()
    if "404" in faults:
        return no_such_page()
    too_many = _TOO_MANY.format(app=definition.id("app"))
    errors = {
        "too-many-requests": ApiError(400, "invalid_param", too_many),
        "429": ApiError(429, "too_many_requests", too_many),
        "401": unauthorized("Access token is invalid"),
        "403": ApiError(403, "forbidden", "The app's API service has been disabled."),
        "500": ApiError(500, "internal_server_error", INTERNAL_ERROR),
    }
    for word, error in errors.items():
        if word in faults:
            raise error
    return None


def _refuse(error: ApiError) -> Response:
    return json_response(error.body(), error.status)


def _preflight(http: Request, methods: tuple[str, ...]) -> Response:
    headers = {
        "Allow": ", ".join((*methods, "OPTIONS")),
        "Access-Control-Allow-Origin": http.headers.get("origin", "*"),
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        "Access-Control-Allow-Methods": _METHODS,
        "Vary": "Origin",
    }
    return HTMLResponse("", 200, headers)


# The web server


class MockServer:
    """One mock server. `keys` selects the app by API key; the key "" stands for any key."""

    def __init__(
        self, keys: Mapping[str, Definition], listener: socket.socket, options: ServerOptions | None = None
    ) -> None:
        self.origin = origin_of(listener)
        self.state = ServerState(keys, self.origin, options or ServerOptions())
        self._listener = listener
        config = uvicorn.Config(
            create_app(self.state),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        self._server = _Server(config, self.state)
        self._thread: threading.Thread | None = None

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve in the foreground until Ctrl-C.

        `on_ready` is called once requests are answered and signals are handled.
        """
        self._server.on_ready = on_ready
        self._server.run([self._listener])

    def start(self) -> None:
        """Serve in a thread; return when requests are answered."""
        ready = threading.Event()
        self._server.on_ready = ready.set
        serve = self._server.serve
        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve([self._listener])), name="difygen-mock", daemon=True
        )
        self._thread.start()
        if not ready.wait(_STARTING_SECONDS):
            raise RuntimeError("the mock server did not start")

    def stop(self) -> None:
        """End open streams and the thread, and close the socket."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._listener.close()


class _Server(uvicorn.Server):
    """A server that says when it is ready, and ends runs and open streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config)
        self._mock = state
        self.on_ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End the server on Ctrl-C and a polite kill, which are not raised once more when it has ended.

        Also where the parent ignores Ctrl-C, as a shell does for `difygen mock &` in a script: whoever sends the signal
        means it.
        """
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._mock.closing.set()
        await self._mock.runs.aclose()
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """HTTP/1.1 whose application can reach the connection, to cut it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        app: ASGIApp = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


def keys_for(definitions: Sequence[Definition], given: Mapping[str, str]) -> dict[str, Definition]:
    """Return which key opens which app: the given ones (name by key), else any for the only app, else `app-NAME`."""
    by_name = {each.key_name: each for each in definitions}
    if len(definitions) == 1 and not given:
        return {"": definitions[0]}
    keys = {key: by_name[name] for key, name in given.items()}
    return keys | {f"app-{name}": by_name[name] for name in by_name if name not in given.values()}
