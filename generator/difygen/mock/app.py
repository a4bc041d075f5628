"""The routes of Dify's Service API for workflow apps, on Starlette: which path is which endpoint, and what unknown ones get."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from difygen.mock import other_endpoints, run_endpoints
from difygen.mock.errors import NOT_FOUND_PAGE, RefusedError, unhandled
from difygen.mock.request import CORS, FOREIGN, Endpoint, MockState, answer, endpoint_of

VERSION = "1.12.1"
_SERVER_HEADERS = [(b"x-version", VERSION.encode()), (b"x-env", b"PRODUCTION")]

_ENDPOINTS: tuple[tuple[str, tuple[str, ...], Endpoint], ...] = (
    ("/v1/workflows/run", ("POST",), run_endpoints.run_workflow),
    ("/v1/workflows/{workflow_id}/run", ("POST",), run_endpoints.run_workflow),
    ("/v1/workflows/tasks/{task_id}/stop", ("POST",), run_endpoints.stop_task),
    ("/v1/workflows/run/{workflow_run_id}", ("GET",), other_endpoints.run_detail),
    ("/v1/workflows/logs", ("GET",), other_endpoints.logs),
    ("/v1/workflow/{workflow_run_id}/events", ("GET",), run_endpoints.run_events),
    ("/v1/form/human_input/{form_token}", ("GET", "POST"), other_endpoints.form),
    ("/v1/files/upload", ("POST",), other_endpoints.upload),
    ("/v1/files/{file_id}/preview", ("GET",), other_endpoints.no_preview),
    ("/v1/info", ("GET",), other_endpoints.info),
    ("/v1/parameters", ("GET",), other_endpoints.parameters),
    ("/v1/site", ("GET",), other_endpoints.site),
    ("/v1/meta", ("GET",), other_endpoints.meta),
    ("/v1/chat-messages", ("POST",), other_endpoints.chat_only),
    ("/v1/chat-messages/{task_id}/stop", ("POST",), other_endpoints.chat_only),
    ("/v1/conversations", ("GET",), other_endpoints.chat_only),
    ("/v1/messages", ("GET",), other_endpoints.chat_only),
    ("/v1/completion-messages", ("POST",), other_endpoints.completion_only),
)


async def root(request: Request) -> Response:
    """`GET /v1/`: a 404 page with Dify's headers (seen on 1.12.1)."""
    return HTMLResponse(NOT_FOUND_PAGE, 404, CORS)


async def to_root(request: Request) -> Response:
    """`GET /v1`."""
    return RedirectResponse("/v1/", 308)


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
            if message["type"] == "http.response.start" and FOREIGN not in message["headers"]:
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
        Route(path, endpoint_of(endpoint, methods), methods=[*methods, "OPTIONS"])
        for path, methods, endpoint in _ENDPOINTS
    ]
    routes += [
        Route("/v1/", root),
        Route("/v1", to_root),
        Route("/api/form/human_input/{form_token}", other_endpoints.web_form, methods=["GET", "POST"]),
        Route("/files/{file_id}/file-preview", other_endpoints.signed_file),
    ]
    handlers: dict[Any, Any] = {404: _not_found, 405: _wrong_method, Exception: _broken, HTTPException: _broken}
    middleware = [Middleware(_WithServerHeaders)]
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan, middleware=middleware)
    app.router.redirect_slashes = False
    app.state.mock = state
    return app
