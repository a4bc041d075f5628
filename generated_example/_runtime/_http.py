"""Where the API is, who calls it, and by which HTTP library: httpx, else httpx2.

Settings come from arguments, else from the environment, which is not read before a call
needs it; an API key leaves this module only as a `Secret`. The library is imported here
alone, and by the first call, not with the package: requests are built, and what its
exceptions mean for the caller is said; nothing is decided.
"""

import io
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from time import monotonic
from traceback import clear_frames, walk_stack
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import SplitResult, urlencode, urlsplit

from ._errors import (
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    ConnectTimeoutError,
    DeadlineExceededError,
    DifyError,
    IdleTimeoutError,
)

if TYPE_CHECKING:
    import httpx as httpx  # noqa: PLC0414  (for tests to share)
    from httpx import AsyncClient as AsyncClient  # noqa: PLC0414
    from httpx import Client as Client  # noqa: PLC0414


BASE_URL_VARIABLE = "DIFY_BASE_URL"
USER_VARIABLE = "DIFY_USER"
# A column of Dify's; longer ones are answered with 500 (1.12.1).
MAX_USER_LENGTH = 255

_ENDPOINTS = (
    "workflows|workflow|files|form|info|parameters|meta|site|chat-messages|"
    "completion-messages|conversations|messages|audio-to-text|text-to-audio|end-users"
)
_PASTED = re.compile(rf"/(?:{_ENDPOINTS})(?:/.*)?$")
_WEB_PAGES = re.compile(
    r"/(?:app|apps|console|signin|install|explore|datasets)(?:/.*)?$"
)


class Secret:
    """A text that shows itself only when asked by name: not in a repr, not in a log.

    What looks into it is a method here, and binds it to no name: a traceback may be shown
    with the variables of every function that it went through.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def kind(self) -> type[object]:
        """Return the type of what was given as the text, whatever its annotation says."""
        return type(self._text)

    def trimmed(self) -> "Secret":
        """Return the same without white space around it, and without the word Bearer."""
        trimmed = Secret(self._text.strip())
        if trimmed._text[:7].lower() == "bearer ":
            return Secret(trimmed._text[7:].strip())
        return trimmed

    def problem_as_key(self) -> str:
        """Return why this can be no key of an app; "" if it can be one."""
        if not self._text:
            return "is empty"
        if (
            not self._text.isascii()
            or not self._text.isprintable()
            or " " in self._text
        ):
            return (
                "holds a blank, a line break, or a character that no key has: copy it "
                "again"
            )
        if self._text.startswith("dataset-"):
            return (
                "is one of the knowledge base (it starts with dataset-). A workflow needs "
                "the key of its own app, which starts with app-"
            )
        return ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("an API key does not pickle")


class Settings:
    """What one call needs to know: the API's URL ending in `/v1`, and the key."""

    __slots__ = ("api_key", "api_url", "origin")

    def __init__(self, api_url: str, api_key: Secret) -> None:
        self.api_url = api_url
        self.api_key = api_key
        self.origin = origin_of(api_url)

    def __repr__(self) -> str:
        return f"Settings(api_url={self.api_url!r})"


def read_settings(
    base_url: str | None, api_key: Secret | None, key_variables: Sequence[str]
) -> Settings:
    """Return the settings of a call: what was given, else what the environment says."""
    url = base_url if base_url is not None else os.environ.get(BASE_URL_VARIABLE)
    if not url:
        raise ConfigurationError(
            f"No base URL. Set the environment variable {BASE_URL_VARIABLE}, or give "
            "base_url= to the client, e.g. https://api.dify.ai/v1"
        )
    return _checked_settings(url, api_key or _key_from_environment(key_variables))


def read_user(user: str | None, default: str | None) -> str:
    """Return the `user` of a call: what was given, else the client's, else `DIFY_USER`."""
    name = user if user is not None else default
    if name is None:
        name = os.environ.get(USER_VARIABLE) or None
    if name is None:
        raise ConfigurationError(
            "No user. Dify wants to know on whose behalf a workflow runs: give user=, "
            f"or set the environment variable {USER_VARIABLE}"
        )
    return _checked_user(name)


def _key_from_environment(variables: Sequence[str]) -> Secret:
    for variable in variables:
        if os.environ.get(variable):
            return Secret(os.environ[variable])
    names = " or ".join(variables) or "the API key"
    raise ConfigurationError(
        f"No API key. Set the environment variable {names}, or give api_key= to the "
        "client. The key is on the app's page in Dify, under API Access"
    )


@lru_cache(maxsize=64)
def _checked_settings(base_url: str, api_key: Secret) -> Settings:
    return Settings(normalize_base_url(base_url), check_api_key(api_key))


def check_api_key(api_key: Secret) -> Secret:
    """Return the key without white space around it, if it can be one."""
    if not issubclass(api_key.kind(), str):
        raise ConfigurationError(
            f"api_key must be a str, not {api_key.kind().__name__}"
        )
    key = api_key.trimmed()
    if problem := key.problem_as_key():
        raise ConfigurationError(f"The API key {problem}")
    return key


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a str, not {type(value).__name__}")
    return value


def _checked_user(value: object) -> str:
    user = _text("user", value)
    if not user:
        raise ConfigurationError("user is empty, which Dify refuses")
    if len(user) > MAX_USER_LENGTH:
        raise ConfigurationError(
            f"user has {len(user)} characters; Dify takes {MAX_USER_LENGTH} at most"
        )
    if any("\ud800" <= character <= "\udfff" for character in user):
        raise ConfigurationError("user holds a lone surrogate, which is no character")
    return user


def normalize_base_url(base_url: str) -> str:
    """Return the API's URL, ending in `/v1` and nothing else.

    Takes it with or without `/v1` and slashes, and the URL of an endpoint, as copied from
    a curl line.
    """
    parts = _split(_text("base_url", base_url).strip())
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    head, found, _ = f"{path}/".partition("/v1/")
    if not found:
        head = _PASTED.sub("", path)
        if page := _WEB_PAGES.search(head):
            raise _wrong_url(
                base_url, f"{page.group()} is a page of Dify's web UI, not of its API"
            )
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{head}/v1"


def _split(text: str) -> SplitResult:
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise _wrong_url(text, f"it has no scheme: try https://{text} or http://{text}")
    if scheme.lower() not in ("http", "https"):
        raise _wrong_url(text, f"{scheme}:// is neither http:// nor https://")
    try:
        parts = urlsplit(text)
        # This raises for a malformed one.
        _ = parts.port
    except ValueError as error:
        raise _wrong_url(text, str(error)) from None
    if "@" in parts.netloc:
        raise ConfigurationError(
            "The base URL holds a user name or password, which would be sent in place of "
            "the API key: leave it out"
        )
    if not parts.hostname or not text.isprintable() or " " in text:
        raise _wrong_url(text, "it has no host, or holds a blank or control character")
    if parts.query or parts.fragment:
        raise _wrong_url(text, "it has a query or a fragment: leave off ? and #")
    if parts.hostname == "cloud.dify.ai":
        raise _wrong_url(
            text, "that is Dify Cloud's web UI: its API is https://api.dify.ai/v1"
        )
    return parts


def _wrong_url(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"Cannot use the base URL {text[:200]!r}: {why}")


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL, to compare where two of them lead."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


LOGGER = logging.getLogger(__name__.partition("._runtime")[0])
CONNECT_TIMEOUT = 10.0
MAX_IDLE_CONNECTIONS = 100
PIECE_SIZE = 1 << 17
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
OWN_HEADERS = {
    "User-Agent": "difygen-client",
    "Accept-Encoding": ACCEPTED,
    "Connection": "keep-alive",
}


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


class UploadBody:
    """A multipart body with one file, read from its source piece by piece.

    The source is a path, bytes, or an open binary file, which is read from where it is.
    httpx's `files=` would rewind it, read it in the thread of the event loop, send what
    cannot be measured in chunks, and fail at names of files that are not Unicode.
    """

    __slots__ = ("_end", "_source", "_start", "content_type")

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        name: str,
        mime_type: str,
        fields: Mapping[str, str],
    ) -> None:
        self._source = source
        boundary = os.urandom(16).hex()
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        head = "".join(
            f'{part}{field}"\r\n\r\n{value}\r\n' for field, value in fields.items()
        )
        head += f'{part}file"; filename="{quote_name(name)}"\r\n'
        head += f"Content-Type: {mime_type}\r\n\r\n"
        self._start = head.encode()
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"

    def open(self) -> "OpenUpload":
        """Return the body, ready to be sent once."""
        source = self._source
        if isinstance(source, bytes):
            file: BinaryIO = io.BytesIO(source)
        elif isinstance(source, str | os.PathLike):
            file = open(source, "rb")  # noqa: SIM115
        else:
            return OpenUpload(self._start, source, self._end, owned=False)
        return OpenUpload(self._start, file, self._end, owned=True)


def quote_name(name: str) -> str:
    """Return a file name inside of a multipart header, quoted as browsers do.

    The name of a file on disk need not be Unicode.
    """
    name = name.encode(errors="surrogatepass").decode(errors="replace")
    return name.translate({34: "%22", 13: "%0D", 10: "%0A"})


class OpenUpload:
    """One sending of an `UploadBody`. `size` is known before the first byte is sent."""

    __slots__ = ("_end", "_file", "_owned", "_start", "size")

    def __init__(
        self, start: bytes, file: BinaryIO, end: bytes, *, owned: bool
    ) -> None:
        self._start = start
        self._file, content_size = measured(file)
        self._end = end
        self._owned = owned
        self.size = len(start) + content_size + len(end)

    def pieces(self) -> Iterator[bytes]:
        """Iterate over the whole body."""
        yield self._start
        while piece := self._file.read(PIECE_SIZE):
            yield piece
        yield self._end

    def close(self) -> None:
        """Let go of the file, unless it is the caller's."""
        if self._owned:
            self._file.close()


def measured(file: BinaryIO) -> tuple[BinaryIO, int]:
    """Return the file and how much there is to read; what cannot be measured is read at once."""
    try:
        here = file.tell()
        size = file.seek(0, os.SEEK_END) - here
        file.seek(here)
    except (OSError, AttributeError):
        content = file.read()
        return io.BytesIO(content), len(content)
    return file, size


class Call:
    """A request to be sent: everything but the moment.

    `shown` is the path for logs and messages, without what only the server may know.
    `repeatable` says that sending it again does no harm, whatever became of it.
    """

    __slots__ = ("content", "headers", "key", "method", "repeatable", "shown", "url")

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
        self.content = content
        self.shown = shown
        self.repeatable = repeatable

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
    if call.key is not None:
        request.headers["Authorization"] = f"Bearer {call.key.reveal()}"
    return request


class RequestMaker:
    """Builds requests as a client of ours would, without merging what is the same.

    Saves about a tenth of the time that a call on a kept-alive connection takes.
    """

    __slots__ = ("_kinds", "_urls")

    def __init__(self) -> None:
        self._kinds: tuple[Any, Any] | None = None
        self._urls: dict[str, Any] = {}

    def __call__(self, method: str, url: str, **arguments: Any) -> Any:
        if self._kinds is None:
            library = http_library()
            self._kinds = library.Request, library.URL
        make_request, make_url = self._kinds
        parsed_url = self._urls.get(url)
        if parsed_url is None:
            if len(self._urls) > MAX_KNOWN_URLS:
                self._urls.clear()
            parsed_url = self._urls[url] = make_url(url)
        headers = {**OWN_HEADERS, **arguments.pop("headers")}
        return make_request(method, parsed_url, headers=headers, **arguments)


class Answer:
    """A response that was read to its end. Header names are lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


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


def translate(error: Exception, call: Call, deadline: float) -> DifyError | None:
    """Return what an exception of the HTTP library means; None for one that is not its own.

    Goes by the names of the classes, so that a client of either library can be given.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, TimeoutError):
        return timeout_error(call, deadline)
    if not kinds & {"HTTPError", "InvalidURL", "StreamError"}:
        return None
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    target = f"{call.method} {call.shown}"
    if kinds & {"ConnectTimeout", "PoolTimeout"}:
        return ConnectTimeoutError(
            f"No connection to {place(call)} in time ({reason}). Nothing was sent"
        )
    if kinds & {"ConnectError", "ProxyError"}:
        return ConnectionFailedError(
            f"Cannot connect to {place(call)} ({reason}). Nothing was sent"
        )
    if "TimeoutException" in kinds:
        return timeout_error(call, deadline)
    if kinds & {"InvalidURL", "UnsupportedProtocol", "LocalProtocolError"}:
        return ConfigurationError(f"Cannot send {target}: {reason}")
    return ConnectionLostError(f"The connection broke during {target} ({reason})")


def timeout_error(call: Call, deadline: float) -> DifyError:
    """Return the error for a wait that was too long: for the call, or for one step of it."""
    if monotonic() >= deadline - 0.01:
        return DeadlineExceededError(
            f"{call.method} {call.shown} was not finished within its timeout"
        )
    return IdleTimeoutError(
        f"Nothing arrived from the server in time during {call.method} {call.shown}"
    )


def closed_error(call: Call) -> ClosedError:
    """Return the error for a wait that a `close()` elsewhere has ended."""
    return ClosedError(
        f"close() was called during {call.method} {call.shown}. A run that was started "
        "goes on at the server"
    )


def hide_key(error: BaseException, request: Any = None) -> None:
    """Take the key out of what an exception leads to.

    An HTTP library's exceptions hold the request, and the frames that they, or an
    interrupt, went through hold its headers: their lines stay, their variables go. An
    exception that the caller was handling before is left as it is.
    """
    if request is not None:
        request.headers.pop("authorization", None)
    running = {frame for frame, _ in walk_stack(None)}
    link: BaseException | None = error
    while link is not None:
        trace = link.__traceback__
        if link is not error and trace is not None and trace.tb_frame in running:
            return
        clear_frames(trace)
        link = link.__cause__ or link.__context__


def place(call: Call) -> str:
    """Return a call's URL, as far as everybody may see it."""
    url = call.url.partition("?")[0]
    return f"{url.rpartition('/')[0]}/..." if call.shown.endswith("/...") else url
