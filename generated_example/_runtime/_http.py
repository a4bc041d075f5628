"""By which HTTP library: httpx, else httpx2.

The library is imported here alone, and by the first call, not with the package: requests
are built, and are given the key; nothing is decided.
"""

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from time import monotonic
from traceback import clear_frames, walk_stack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ._errors import ConfigurationError, DeadlineExceededError
from ._headers import NO_HEADERS
from ._settings import Secret
from ._uploads import UploadBody

if TYPE_CHECKING:
    from ssl import SSLContext as SSLContext  # noqa: PLC0414

    import httpx as httpx  # noqa: PLC0414  (for tests to share)
    from httpx import AsyncClient as AsyncClient  # noqa: PLC0414
    from httpx import Client as Client  # noqa: PLC0414


LOGGER = logging.getLogger(__name__.partition("._runtime")[0])
CONNECT_TIMEOUT = 10.0
MAX_IDLE_CONNECTIONS = 100
MAX_KNOWN_URLS = 100
MAX_WAIT = 1e9
KEEP_ALIVE = (
    ("TCP_KEEPIDLE", 30),
    ("TCP_KEEPALIVE", 30),
    ("TCP_KEEPINTVL", 15),
    ("TCP_KEEPCNT", 4),
)
"""Seconds of silence, seconds between probes, how many go unanswered; by system."""
_FITTING_HTTPX = re.compile(r"0\.(2[7-9]|[3-9]\d|\d{3})")
ACCEPTED = "gzip, deflate"
OWN_HEADERS = {"Accept-Encoding": ACCEPTED, "Connection": "keep-alive"}
DIFYGEN_VERSION = "0.1.0"
"""Of the difygen that this runtime belongs to."""


def http_library() -> Any:
    """Return httpx, else httpx2, which has the same API.

    An httpx with another API is passed over: what vendors this code has no metadata
    that could say which versions will do.
    """
    problem = "No HTTP library is installed: install httpx (or httpx2)"
    for name in ("httpx", "httpx2"):
        try:
            library = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        version = str(getattr(library, "__version__", "(of no known version)"))
        if name == "httpx2" or _FITTING_HTTPX.match(version):
            return library
        problem = (
            f"httpx {version} is installed, and cannot be used: "
            "install httpx>=0.27,<1 (or httpx2)"
        )
    raise ConfigurationError(problem)


if not TYPE_CHECKING:
    Client = Any  # the library is not loaded for annotations
    AsyncClient = Any
    SSLContext = Any

    def __getattr__(name: str) -> Any:
        if name == "httpx":
            return http_library()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def check_client(client: object, kind: str) -> None:
    """Refuse a client of the other kind, or something else entirely."""
    names = [base.__name__ for base in type(client).__mro__]
    if client is not None and kind not in names:
        raise ConfigurationError(
            f"http_client must be an httpx.{kind}, not {type(client).__name__}"
        )


class Call:
    """A request to be sent: everything but the moment.

    `shown` is the path for logs and messages, without what only the server may know.
    `extra` are headers of the caller's own. `repeatable` says that sending it again does
    no harm, whatever became of it. `sender` is the client of the HTTP library that it was
    sent with.
    """

    __slots__ = (
        "content",
        "extra",
        "headers",
        "key",
        "method",
        "repeatable",
        "sender",
        "shown",
        "url",
    )

    def __init__(
        self,
        method: str,
        url: str,
        *,
        key: Secret | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | UploadBody | None = None,
        shown: str = "",
        repeatable: bool = False,
    ) -> None:
        self.method = method
        self.url = f"{url}?{urlencode(query)}" if query else url
        self.key = key
        self.headers = headers or {}
        self.extra = NO_HEADERS
        self.content = content
        self.shown = shown
        self.repeatable = repeatable
        self.sender: Any = None

    @property
    def starts(self) -> str:
        """What the server begins when it gets this: a run, a turn, or ""."""
        if self.method != "POST":
            return ""
        if self.shown.endswith(("/chat-messages", "/completion-messages")):
            return "turn"
        return "run" if self.shown.endswith("/run") else ""

    @property
    def streams(self) -> bool:
        """Whether a stream of events is asked for."""
        return self.headers.get("Accept") == "text/event-stream"

    def __repr__(self) -> str:
        return f"Call({self.method} {self.shown})"


def build_request(
    build: Callable[..., Any],
    call: Call,
    extensions: Mapping[str, Any],
    content: Any,
) -> Any:
    """Return the request of the HTTP library, built by a client's own method or the like."""
    request = build(
        call.method,
        call.url,
        headers=call.headers,
        content=content,
        extensions=extensions,
    )
    if request.headers.get("accept-encoding") not in (ACCEPTED, "identity"):
        # The caller's client asks for more.
        request.headers["Accept-Encoding"] = ACCEPTED
    if request.headers.get("user-agent", "").startswith("python-httpx"):
        # The caller's client says nothing of its own.
        request.headers["User-Agent"] = user_agent()
    call.extra.write_to(request.headers)
    if call.key is not None:
        request.headers["Authorization"] = f"Bearer {call.key.reveal()}"
    return request


def user_agent() -> str:
    """Return what requests say of who sends them."""
    library = http_library()
    return f"difygen/{DIFYGEN_VERSION} {library.__name__}/{library.__version__}"


class RequestMaker:
    """Builds requests as a client of ours would, without merging what is the same.

    Saves about a tenth of the time that a call on a kept-alive connection takes.
    """

    __slots__ = ("_headers", "_kinds", "_urls")

    def __init__(self) -> None:
        self._kinds: tuple[Any, Any] | None = None
        self._headers: dict[str, str] = {}
        self._urls: dict[str, Any] = {}

    def __call__(self, method: str, url: str, **arguments: Any) -> Any:
        if self._kinds is None:
            library = http_library()
            self._headers = {"User-Agent": user_agent(), **OWN_HEADERS}
            self._kinds = library.Request, library.URL
        make_request, make_url = self._kinds
        parsed_url = self._urls.get(url)
        if parsed_url is None:
            if len(self._urls) > MAX_KNOWN_URLS:
                self._urls.clear()
            parsed_url = self._urls[url] = make_url(url)
        headers = {**self._headers, **arguments.pop("headers")}
        return make_request(method, parsed_url, headers=headers, **arguments)


def keep_alive(stream: Any) -> None:
    """Have the system probe a connection that was made, while it is silent.

    A run may say nothing for minutes. What forgets silent connections on the way (NAT
    after one to six minutes) then does not, and one whose other end is gone is noticed.
    """
    import socket

    connection = stream.get_extra_info("socket")
    with suppress(AttributeError, OSError):  # no socket, or an old system
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE:
            if option := getattr(socket, name, None):
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


def seconds_left(deadline: float) -> float:
    """Return how much time is left; inf where there is no deadline.

    Raises:
        DeadlineExceededError: None is left.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise DeadlineExceededError("The call was not finished within its timeout")
    return left


def finite(seconds: float) -> float | None:
    """Return the number of seconds as the libraries take it: None for no limit.

    The system's calls take no more than some 290 years, and some of them less.
    """
    return None if seconds > MAX_WAIT else seconds


def timeouts(left: float, idle: float) -> dict[str, float | None]:
    """Return how long the HTTP library may wait for each step, with so much time left."""
    return {
        "connect": min(left, CONNECT_TIMEOUT),
        "read": finite(min(left, idle)),
        "write": finite(min(left, idle)),
        "pool": finite(left),
    }


def hide_key(error: BaseException, request: Any = None) -> None:
    """Take the key out of what an exception leads to.

    An HTTP library's exceptions hold the request, and the frames that they, or an
    interrupt, went through hold its headers: their lines stay, their variables go. An
    exception that the caller was handling before is left as it is.
    """
    if request is not None:
        request.headers.clear()
    running = {frame for frame, _ in walk_stack(None)}
    link: BaseException | None = error
    while link is not None:
        trace = link.__traceback__
        if link is not error and trace is not None and trace.tb_frame in running:
            return
        clear_frames(trace)
        link = link.__cause__ or link.__context__
