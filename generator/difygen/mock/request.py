"""One request to the mock: whose it is, which faults it asks for, how refusals and answers look on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.errors import INTERNAL_ERROR, NOT_FOUND_PAGE, WRONG_MODE, RefusedError, bad_request, unauthorized
from difygen.mock.faults import HEADER, Cut, FailRate, Faults, UnknownFaultError
from difygen.mock.files import FileStore
from difygen.mock.runs import Runs
from difygen.mock.streams import DroppedResponse
from difygen.mock.validation import json_body

JSON = "application/json"
_EXPOSED = "X-Env, X-Trace-Id, X-Version"
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
FOREIGN = (b"server", b"nginx")
"""The header of answers that do not come from Dify, but from a web server in front of it."""

_METHODS = "DELETE, GET, OPTIONS, PATCH, POST, PUT"


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
    return Response(json.dumps(body) + "\n", status, media_type=JSON)


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


def endpoint_of(endpoint: Endpoint, methods: tuple[str, ...]) -> Callable[[Request], Awaitable[Response]]:
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
        if FOREIGN not in response.raw_headers:
            response.headers.update(CORS)
        return response

    return handle


async def _answered(endpoint: Endpoint, request: Request) -> Response:
    state: MockState = request.app.state.mock
    definition = _authenticated(state, request.headers.get("authorization"))
    faults = Faults.parse(request.headers.get(HEADER, ""))
    faults.check_nodes([node.id for node in definition.nodes])
    if "drop" in faults:
        await request.body()  # left unread, it would make the system reset the connection
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
