"""What came back, how it is read, and from whom it is: nothing, a gateway's answer, or Dify's.

Without an answer: which piece of the way failed. It goes by the names of exception classes,
so that clients of httpx and httpx2 can be given, and neither `ssl` nor `socket` is imported.

Between a client and its Dify there is nearly always something else that may answer. Dify
sends `X-Version` with everything: its errors go by `code` first and by the HTTP status
second, those of others by the status alone, and say who answered. Of what comes without
`X-Version` no more is taken for granted than its status; what it says is quoted, and never
said to be Dify's. `difygen doctor` says the same.
"""

import errno
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from ._errors import (
    AgentNotPublishedError,
    AnswerTooLargeError,
    APIError,
    AppUnavailableError,
    AuthenticationError,
    BadRequestError,
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    ConnectTimeoutError,
    ConversationNotFoundError,
    DeadlineExceededError,
    DifyError,
    FileTooLargeError,
    FormClosedError,
    IdleTimeoutError,
    InvalidParamError,
    NotChatAppError,
    NotFoundError,
    NotWorkflowAppError,
    PermissionDeniedError,
    ProviderError,
    ProxyError,
    RateLimitError,
    ServerError,
    TooManyRequestsError,
    UnexpectedResponseError,
    UnsupportedFileTypeError,
)
from ._http import Call, http_library
from ._payloads import (
    to_maybe_integer,
    to_maybe_object,
    to_maybe_text,
    to_moment,
    to_object,
    to_text,
)

PORTS = (
    "Dify's Docker set-up publishes port 80 (and 443), its API process alone listens on "
    "5001"
)
IN_CONTAINER = (
    "Inside a container, localhost is the container itself: use the service's name, such "
    "as http://api:5001/v1"
)
ANOTHER_WAY = "name the host in NO_PROXY if it is reached without a proxy"


def translate(error: Exception, call: Call, deadline: float) -> DifyError | None:
    """Return what an exception of the HTTP library means; None for one that is not its own."""
    kinds = kinds_of(error)
    if isinstance(error, TimeoutError):
        return timeout_error(call, deadline)
    if not kinds & {"HTTPError", "InvalidURL", "StreamError"}:
        return None
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    target = f"{call.method} {call.shown}"
    if "PoolTimeout" in kinds:
        return ConnectTimeoutError(
            f"No connection to {place(call)} was free in time. Nothing was sent"
        )
    if "ProxyError" in kinds:
        return refused_by_proxy(str(error), call)
    if kinds & {"ConnectError", "ConnectTimeout"}:
        return cannot_connect(error, call)
    if "TimeoutException" in kinds:
        return timeout_error(call, deadline)
    if kinds & {"InvalidURL", "UnsupportedProtocol", "LocalProtocolError"}:
        return ConfigurationError(f"Cannot send {target}: {reason}")
    return ConnectionLostError(
        f"The connection broke during {target}{through(call)} ({reason})"
        f"{wrong_protocol(reason, call)}"
    )


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


def place(call: Call) -> str:
    """Return a call's URL, as far as everybody may see it."""
    url = call.url.partition("?")[0]
    return f"{url.rpartition('/')[0]}/..." if call.shown.endswith("/...") else url


def kinds_of(error: BaseException) -> set[str]:
    """Return the names of the classes that an exception is of."""
    return {kind.__name__ for kind in type(error).__mro__}


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Return an exception and all that led to it: several, where several addresses were tried."""
    link: BaseException | None = error
    while link is not None:
        yield link
        for member in getattr(link, "exceptions", ()):
            yield from causes_of(member)
        link = link.__cause__ or link.__context__


class Trouble(NamedTuple):
    """What is wrong on the way to a server, as the end of a sentence, and what to do."""

    what: str
    remedy: str


def cannot_connect(error: Exception, call: Call) -> ConnectionFailedError:
    """Return the error for a connection that was not made: to the server, or to a proxy."""
    by_kind = {kind: each for each in causes_of(error) for kind in kinds_of(each)}
    target, proxy = urlsplit(call.url), proxy_of(call)
    if tls := by_kind.get("SSLError"):
        with_port = target.netloc if target.port else f"{target.netloc}:443"
        trouble = tls_trouble(tls, f"https://{with_port}")
        way = f"Cannot connect to {place(call)}{through(call)}"
        failed = ConnectionFailedError(f"{way}: {trouble.what}. Nothing was sent")
        failed.may_pass = False
    elif proxy is not None:
        trouble = port_trouble(by_kind, proxy.host, proxy.port)
        way = f"The proxy {proxy} to {place(call)} cannot be reached"
        failed = ProxyError(f"{way}: {trouble.what}. Nothing was sent")
        trouble = Trouble(trouble.what, f"Correct the proxy, or {ANOTHER_WAY}")
    else:
        port = target.port or {"http": 80}.get(target.scheme, 443)
        trouble = port_trouble(by_kind, target.hostname or "", port)
        is_late = "ConnectTimeout" in by_kind
        kind = ConnectTimeoutError if is_late else ConnectionFailedError
        way = f"Cannot connect to {place(call)}"
        failed = kind(f"{way}: {trouble.what}. Nothing was sent")
        if is_late and target.scheme == "https":
            plain = f"http://{target.hostname}:{port}"
            remedy = f"If the port speaks plain HTTP, write {plain}. {trouble.remedy}"
            trouble = Trouble(trouble.what, remedy)
    failed.hint = trouble.remedy
    return failed


def port_trouble(
    errors: Mapping[str, BaseException],
    host: str,
    port: int,
    *,
    patience: str = "in time",
) -> Trouble:
    """Return why no connection to a port was made. `errors` go by the names of their classes."""
    if unknown := errors.get("gaierror"):
        return Trouble(
            f"the host {host!r} is not known ({said_by(unknown)})", spelled(host)
        )
    where = f"port {port} of {host}"
    is_own = host == "localhost" or host.startswith("127.")
    inside = f". {IN_CONTAINER}" if is_own else ""
    if "ConnectionRefusedError" in errors:
        return Trouble(
            f"{where} refuses connections: nothing listens there",
            f"Start the server, or correct the port: {PORTS}{inside}",
        )
    if "TimeoutError" in errors or "ConnectTimeout" in errors:
        return Trouble(
            f"{where} does not answer {patience}",
            "A firewall or a VPN may be in the way, or the host wrong: try the same URL "
            "with curl from this machine",
        )
    system = errors.get("OSError") or next(iter(errors.values()))
    if getattr(system, "errno", None) in (errno.EMFILE, errno.ENFILE):
        return Trouble(
            f"{where} was not tried ({said_by(system)})",
            "Make fewer calls at the same time, close clients and streams that are done, "
            "or raise the limit of open files (ulimit -n)",
        )
    return Trouble(
        f"{where} cannot be reached ({said_by(system)})",
        f"Check the host and the network; {PORTS}{inside}",
    )


def spelled(host: str) -> str:
    """Return what to do about a host name that is not known."""
    if "." not in host and host != "localhost":
        return (
            "A name without a dot works only inside its own Docker network; elsewhere use "
            "localhost or the server's full name"
        )
    return "Check the spelling, and that this machine's DNS (or VPN) knows the name"


def tls_trouble(error: BaseException, url: str) -> Trouble:
    """Return why a server and this client do not agree on TLS."""
    if verification := getattr(error, "verify_message", None):
        return Trouble(
            f"the certificate is not accepted: {verification}",
            "Use the name that the certificate is made for, or renew it. For a certificate "
            "of your own authority, set SSL_CERT_FILE, or verify= of the client, to its "
            "PEM file",
        )
    reason = getattr(error, "reason", None) or said_by(error)
    port = urlsplit(url).port or 443
    return Trouble(
        f"port {port} does not speak TLS: {reason.replace('_', ' ').lower()}",
        f"If the server speaks plain HTTP there, write {url.replace('https:', 'http:', 1)}",
    )


def said_by(error: BaseException) -> str:
    """Return what the system says of an error."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def wrong_protocol(reason: str, call: Call) -> str:
    """Return what is to be said where something other than HTTP came back, or may be spoken.

    Of a line that begins with no letter, as those of TLS do, h11 says "illegal request line".
    """
    parts = urlsplit(call.url)
    is_binary = "illegal request line" in reason
    if parts.scheme == "http" and (is_binary or (parts.port or 0) % 1000 == 443):
        return f". If the port speaks TLS, write https://{parts.netloc} in the base URL"
    if is_binary or "illegal status line" in reason:
        return f". What came back is not HTTP: check the port. {PORTS}"
    return ""


class Proxy(NamedTuple):
    """A proxy that a call goes through, without its password; `setting` is what names it."""

    scheme: str
    host: str
    port: int
    setting: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        source = f" ({self.setting})" if self.setting else ""
        return f"{self.scheme}://{host}:{self.port}{source}"


def proxy_of(call: Call) -> Proxy | None:
    """Return the proxy that the client uses for a call; None for none.

    Asks the client, which decides by rules of its own. There is no public way to: from a
    library that has another inside, no proxy is named.
    """
    try:
        pool = call.sender._transport_for_url(http_library().URL(call.url))._pool
        url = pool._proxy_url
        scheme = url.scheme.decode()
        host = url.host.decode().strip("[]")
        port = url.port or {"https": 443, "http": 80}.get(scheme, 1080)
    except Exception:  # noqa: BLE001
        return None
    names = (f"{call.url.partition(':')[0]}_proxy", "all_proxy")
    if not call.sender.trust_env:
        return Proxy(scheme, host, port, "proxy=")
    settings = (
        variable
        for name in names
        for variable, value in sorted(os.environ.items(), reverse=True)
        if variable.lower() == name and host in value
    )
    return Proxy(scheme, host, port, next(settings, ""))


def through(call: Call) -> str:
    """Return by which proxy a call goes, as a piece of a sentence."""
    proxy = proxy_of(call)
    return f" through the proxy {proxy}" if proxy else ""


def refused_by_proxy(said: str, call: Call, status: int | None = None) -> ProxyError:
    """Return the error for a proxy that lets nothing through: Dify was not reached.

    `said` is its answer to CONNECT, beginning with the status, or what a SOCKS proxy said.
    """
    if status is None and said[:3].isdigit():
        status = int(said[:3])
    shown = "".join(filter(str.isprintable, said))[:200]
    proxy = proxy_of(call)
    name = f"The proxy {proxy}" if proxy else "A proxy between here and Dify"
    host = urlsplit(call.url).hostname
    what = f"did not open a way to {host}"
    remedy = f"See whether the proxy reaches the host, or {ANOTHER_WAY}"
    if status == 407:
        what = "wants a user name and a password, or refuses those that it was given"
        remedy = (
            "Write them into the URL of the proxy, http://user:password@host:port (in them, "
            f"@ is %40 and : is %3A), or {ANOTHER_WAY}"
        )
    elif status == 403:
        what = f"does not let this client through to {host}"
        remedy = f"Ask whoever runs the proxy, or {ANOTHER_WAY}"
    error = ProxyError(
        f"{name} {what}{f' ({shown})' if shown else ''}. Nothing reached Dify",
        status=status,
        hint=remedy,
        request=f"{call.method} {call.shown}",
    )
    error.may_pass = status not in (403, 407)
    return error


MAX_ERROR_SIZE = 1 << 20
MAX_LAYERS = 4
INFLATED_SIZE = 1 << 18
GZIP = 16 + zlib.MAX_WBITS
ZLIB = zlib.MAX_WBITS
RAW_DEFLATE = -zlib.MAX_WBITS


class Exchange(Protocol):
    """A response whose body is still to be read. Header names are lower case."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Any:
        """The headers, a mapping."""

    async def read(self, limit: float | None = None) -> bytes | None:
        """Return the next piece of the body; None at its end.

        `limit` is how many seconds it may take, where that is less than other limits.
        """

    async def close(self) -> None:
        """Let go of the connection. May be called more than once."""


class Answer:
    """A response that was read to its end. Header names are lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_dify(self) -> bool:
        """Whether Dify gave it, which sends its version with everything."""
        return bool(self.headers.get("x-version"))


async def read_all(exchange: Exchange, call: Call, max_size: int) -> Answer:
    """Return the whole response. Closes it, whatever happens.

    Raises:
        AnswerTooLargeError: Its body has more than `max_size` bytes.
    """
    body = await read_up_to(exchange, max_size)
    if len(body) > max_size:
        raise too_large(f"The answer to {call.method} {call.shown}", max_size)
    return Answer(exchange.status, exchange.headers, body)


async def read_error(exchange: Exchange) -> Answer:
    """Return the response that says what is wrong: its beginning will do, and its status."""
    try:
        body = await read_up_to(exchange, MAX_ERROR_SIZE)
    except UnexpectedResponseError:
        body = b""
    except (ConnectionLostError, IdleTimeoutError):
        if exchange.status < 300:
            raise
        body = b""
    return Answer(exchange.status, exchange.headers, body)


async def read_up_to(exchange: Exchange, max_size: int) -> bytes:
    """Return the body; of one that is larger, a little more than `max_size` bytes. Closes it."""
    pieces: list[bytes] = []
    size = 0
    try:
        while size <= max_size and (piece := await exchange.read()) is not None:
            pieces.append(piece)
            size += len(piece)
    finally:
        await exchange.close()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(what: str, max_size: int) -> AnswerTooLargeError:
    """Return the error for something that has more bytes than the client takes."""
    return AnswerTooLargeError(
        f"{what} has more than {max_size:,} bytes. If so much is to be expected, give the "
        "client a larger max_answer_size="
    )


def decoded(exchange: Exchange, call: Call) -> Exchange:
    """Return the exchange, with the compression of its body undone, if there is any."""
    encoding = exchange.headers.get("content-encoding")
    return Decoded(exchange, call, encoding) if encoding else exchange


class Decoded:
    """An exchange whose body is compressed, read as if it were not."""

    __slots__ = ("_call", "_encoding", "_exchange", "_layers", "_pieces")

    def __init__(self, exchange: Exchange, call: Call, encoding: str) -> None:
        self._exchange = exchange
        self._call = call
        self._encoding = encoding
        self._layers: list[Inflater] | None = None
        self._pieces: Iterator[bytes] = iter(())

    @property
    def status(self) -> int:
        return self._exchange.status

    @property
    def headers(self) -> Any:
        return self._exchange.headers

    async def read(self, limit: float | None = None) -> bytes | None:
        if self._layers is None:
            self._layers = layers_of(self._encoding, self._call)
        while True:
            try:
                if piece := next(self._pieces, None):
                    return piece
            except zlib.error as error:
                raise UnexpectedResponseError(
                    f"The answer to {self._call.method} {self._call.shown} cannot be "
                    f"decompressed ({error})",
                    status=self.status,
                ) from error
            compressed = await self._exchange.read(limit)
            if compressed is None:
                break
            self._pieces = inflate(self._layers, compressed)
        if not all(layer.is_complete for layer in self._layers):
            raise ConnectionLostError(
                f"The answer to {self._call.method} {self._call.shown} ended in the "
                "middle of its compressed body"
            )
        return None

    async def close(self) -> None:
        await self._exchange.close()


def layers_of(encoding: str, call: Call) -> list["Inflater"]:
    """Return what undoes a Content-Encoding, in the order of its use."""
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    known = all(name in ("gzip", "x-gzip", "deflate") for name in names)
    if not known or len(names) > MAX_LAYERS:
        raise UnexpectedResponseError(
            f"The answer to {call.method} {call.shown} has the content encoding "
            f"{encoding[:100]!r}. This client undoes gzip and deflate, and asks for them",
            hint="Something between here and Dify compresses what it should not",
        )
    return [Inflater(name) for name in reversed(names)]


class Inflater:
    """Undoes one layer of gzip or deflate."""

    __slots__ = ("_inner", "_is_gzip", "_is_new")

    def __init__(self, name: str) -> None:
        self._is_gzip = name != "deflate"
        self._is_new = True
        self._inner = zlib.decompressobj(GZIP if self._is_gzip else ZLIB)

    @property
    def is_complete(self) -> bool:
        """Whether what was fed so far has an end, or nothing was fed."""
        return self._is_new or self._inner.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return what a piece of the body stands for, in pieces of bounded size.

        Raises:
            zlib.error: It is not compressed as was said.
        """
        if self._is_new and data and not self._is_gzip and not _has_zlib_head(data):
            self._inner = zlib.decompressobj(RAW_DEFLATE)
        self._is_new = self._is_new and not data
        while data:
            if self._inner.eof:
                if not (self._is_gzip and data.startswith(b"\x1f\x8b")):
                    return  # what follows the end is of no account
                self._inner = zlib.decompressobj(GZIP)
            piece = self._inner.decompress(data, INFLATED_SIZE)
            while piece:
                yield piece
                rest = self._inner.unconsumed_tail
                piece = self._inner.decompress(rest, INFLATED_SIZE)
            data = self._inner.unused_data


def _has_zlib_head(data: bytes) -> bool:
    """Check whether deflate has the head that the standard asks for, and some servers leave out."""
    second = data[1] if len(data) > 1 else None
    return data[0] & 15 == 8 and (second is None or (data[0] * 256 + second) % 31 == 0)


def inflate(layers: list[Inflater], data: bytes) -> Iterator[bytes]:
    """Return what a piece of the body stands for, with all layers undone."""
    pieces = iter([data])
    for layer in layers:
        pieces = _through(layer, pieces)
    return pieces


def _through(layer: Inflater, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from layer.feed(piece)


MAX_QUOTED = 200
MESSAGES = (
    "message",
    "error_msg",
    "error_description",
    "detail",
    "title",
    "error",
    "fault",
    "faultstring",
    "reason",
)
"""Where gateways put what they say, the likeliest first."""
TITLE = re.compile(rb"<title[^>]{0,100}>([^<]{1,500})", re.IGNORECASE)
LOGIN = re.compile(
    r"log-?[io]n|sign-?in|sso|saml|oauth|openid|/auth|auth\.|idp|adfs|account",
    re.IGNORECASE,
)
WRONG_ADDRESS = (
    "Check the base URL: it ends in /v1; its port is the web server's (80 or 443 unless "
    "set otherwise), or 5001 for the API container itself"
)

HINTS_BY_STATUS: dict[int, str] = {
    401: "A gateway wants credentials of its own{scheme}; Dify has not seen the API key. "
    "Give it what it wants (headers=), or take an address that leads past it",
    403: "A firewall or a gateway refused the request before Dify saw it: have it let "
    "{method} {path} through, from this machine",
    408: "The request did not arrive in time: the network is slow, or a proxy is busy",
    413: "A proxy limits the size of requests (nginx: client_max_body_size)",
    429: "A gateway limits requests: max_concurrency= keeps a client below it",
    502: "A proxy did not reach Dify: see whether its API container runs",
    503: "The server is overloaded or down",
    504: "A proxy gave up waiting",
    521: "Cloudflare did not reach the server: see whether it runs, and lets Cloudflare in",
    522: "Cloudflare did not reach the server: see whether it runs, and lets Cloudflare in",
    523: "Cloudflare did not reach the server: see whether it runs, and lets Cloudflare in",
    524: "Cloudflare gave up waiting",
    525: "Cloudflare and the server do not agree on TLS: see the server's certificate",
    526: "Cloudflare and the server do not agree on TLS: see the server's certificate",
}
"""What to do about what something else says."""
GAVE_UP = (504, 524)
MAX_DEPTH = 3


def parsed(body: bytes) -> Any:
    """Return the JSON value of a body; None if it is none."""
    try:
        return json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def foreign_message(answer: Answer, call: Call) -> str:
    """Return who answered, and what with."""
    version = answer.headers.get("x-version")
    who = f"Dify {visible(version)[:60]}" if version else speaker(answer)
    who = f"{who} answered{through(call)}"
    location = answer.headers.get("location")
    if location and 300 <= answer.status < 400:
        return f"{who}, and redirects to {visible(shown_url(location))}"
    return f"{who}, with {described(answer)}"


def speaker(answer: Answer) -> str:
    """Return who answered that is not Dify, as far as it says so."""
    server = answer.headers.get("server")
    via = answer.headers.get("via")
    name = visible(server)[:60] if server else "something else"
    if answer.status >= 400 and answer.status not in (404, 405):
        name = f"{name.removesuffix(' else')} in front of it"
    by = f" (Via: {visible(via)[:60]})" if via else ""
    return f"Not Dify but {name}{by}"


def shown_url(url: str) -> str:
    """Return a URL without query and user name, which may be secret."""
    return re.sub(r"[?#].*|(?<=//)[^/?#]*@", "", url, flags=re.DOTALL)[:300]


def is_page(answer: Answer) -> bool:
    """Check whether an answer is for people, with a browser."""
    kind = answer.headers.get("content-type", "").lower()
    return kind.startswith("text/html") or answer.body.lstrip()[:1] == b"<"


def described(answer: Answer) -> str:
    """Return what an answer holds, in words, with the beginning of what it says."""
    body = answer.body.strip()
    if not body:
        return "nothing"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if is_page(answer):
        title = TITLE.search(body)
        return f"a web page{quoted(title[1].decode(errors='replace')) if title else ''}"
    payload = parsed(body)
    if isinstance(payload, dict | list):
        said = quoted(said_in(payload, MAX_DEPTH))
        return f"JSON{said or ' of another shape than expected'}"
    if kind.startswith("text/plain"):
        return f"a text{quoted(body[:1000].decode(errors='replace'))}"
    return f"something else than JSON ({visible(kind)[:60] or 'of no stated type'})"


def said_in(payload: Any, depth: int) -> str:
    """Return what the JSON of a gateway says, wherever it puts it."""
    if isinstance(payload, str) or not depth:
        return to_text(payload)
    members = to_object(payload)
    texts = (said_in(members.get(name), depth - 1) for name in MESSAGES)
    return next(filter(str.strip, texts), "")


def quoted(text: str) -> str:
    """Return a text of somebody else's, shortened, with what stands around it in a sentence."""
    shown = visible(text)
    return f": {shown[:MAX_QUOTED]!r}" if shown else ""


def visible(text: str) -> str:
    """Return a text on one line, without what a terminal would act on."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


def foreign_hint(answer: Answer, call: Call) -> str:
    """Return what to do about an answer that is not in Dify's words."""
    status, location = answer.status, answer.headers.get("location")
    maybe = f". A {call.starts} may have been started" if call.starts else ""
    if 300 <= status < 400 and location:
        return redirect_hint(shown_url(location), call)
    if status in GAVE_UP:
        return f"{HINTS_BY_STATUS[status]}{after_waiting(call)}"
    if status >= 500:
        return (
            f"{HINTS_BY_STATUS.get(status, 'Something in front of Dify failed')}{maybe}"
        )
    if answer.is_dify and status != 413:
        if status in (404, 405):
            return (
                "Dify itself answered, but has no such endpoint: this release may be too "
                "old for it, or the base URL has something between the host and /v1"
            )
        return (
            "Dify itself answered, but not as the releases do that this client knows"
            f"{maybe if status < 300 else ''}"
        )
    if status in HINTS_BY_STATUS:
        scheme = answer.headers.get("www-authenticate", "").partition(" ")[0]
        return HINTS_BY_STATUS[status].format(
            scheme=f" (WWW-Authenticate: {visible(scheme)[:30]})" if scheme else "",
            method=call.method,
            path=call.shown,
        )
    if status < 300 and is_page(answer):
        return (
            f"{WRONG_ADDRESS}. If it is right, a network wants people to sign in first: see "
            "what the base URL shows in a browser"
        )
    if status < 300:
        return f"{WRONG_ADDRESS}{maybe}"
    if status == 400 and call.url.startswith("http://"):
        return (
            f"If the port speaks TLS, write https:// in the base URL. {WRONG_ADDRESS}"
        )
    return WRONG_ADDRESS


def after_waiting(call: Call) -> str:
    """Return what is to be done about a proxy that has waited for too long."""
    if not call.starts:
        return ", and may have more patience the next time"
    if call.streams:
        return (
            f" for the beginning of a stream, which Dify sends at once. The {call.starts} "
            "may go on. Does the proxy hold streams back (nginx: proxy_buffering off), or "
            "is Dify overloaded?"
        )
    return (
        f", but the {call.starts} may go on. For those longer than the proxy waits, take "
        'response_mode="streaming"'
    )


def redirect_hint(target: str, call: Call) -> str:
    """Return what to do about a redirect."""
    here = urlsplit(call.url)
    there = re.match(r"(https?)://([^/:?#]*)", target)
    if there and there[1] != here.scheme and there[2].lower() == here.hostname:
        return (
            f"Write {there[1]}:// in the base URL. Redirects are not followed, since the "
            "API key would go along"
        )
    if LOGIN.search(target):
        return (
            "That looks like a page to sign in at: a gateway wants to know who calls. "
            "Programs need another way: credentials that the gateway takes (headers=), or "
            "an address that leads past it"
        )
    return (
        "Redirects are not followed, since the API key would go along. Set the base "
        "URL to where the API really is (https:// in place of http://, perhaps)"
    )


ERRORS_BY_CODE: dict[str, type[APIError]] = {
    "agent_not_published": AgentNotPublishedError,
    "app_unavailable": AppUnavailableError,
    "completion_request_error": ProviderError,
    "file_too_large": FileTooLargeError,
    "human_input_form_expired": FormClosedError,
    "human_input_form_submitted": FormClosedError,
    "invalid_param": InvalidParamError,
    "model_currently_not_support": ProviderError,
    "not_chat_app": NotChatAppError,
    "not_workflow_app": NotWorkflowAppError,
    "provider_not_initialize": ProviderError,
    "provider_quota_exceeded": ProviderError,
    "rate_limit_error": RateLimitError,
    "too_many_requests": TooManyRequestsError,
    "unsupported_file_type": UnsupportedFileTypeError,
}

ERRORS_BY_MESSAGE: dict[tuple[str, str], type[APIError]] = {
    ("not_found", "Conversation Not Exists"): ConversationNotFoundError,
    ("invalid_param", "Too many requests"): TooManyRequestsError,
}
"""What Dify tells by the beginning of a message alone, beside a code that says less.

Model providers, too, say "Too many requests", of turns that were begun: with other codes.
"""

REFUSED_INPUT = re.compile(
    r"in input form|^Invalid (?:input type|upload file|file url)|^File validation failed|"
    r"^Detected file type|^transfer_method is|^No matching enum|^Number of files exceeds|"
    r"^Reached maximum retries"
)
"""What Dify says of inputs and files. In a stream it may have neither `code` nor the status of
a refusal: an `error` event with status 500 (seen on a commit of June 2026)."""

ERRORS_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    412: FormClosedError,
    413: FileTooLargeError,
    415: UnsupportedFileTypeError,
    429: TooManyRequestsError,
}

REQUEST_ID_HEADERS = (
    "x-trace-id",
    "x-request-id",
    "x-amzn-requestid",
    "x-kong-request-id",
    "x-azure-ref",
    "cf-ray",
)
REGENERATE = (
    "If the workflow was changed, generate the client again from its new definition. Or is "
    "this the key of another app?"
)
NO_VERSION = (
    "The answer lacks Dify's header X-Version: something in between takes it away, or "
    "answered in Dify's words"
)
HINTS: tuple[tuple[str, str], ...] = (
    (
        "not published",
        "The API runs the published version: publish the workflow, or the app, in Dify",
    ),
    (
        "access token is invalid",
        "Take the key of this very app, from its page API Access; it starts with app-",
    ),
    (
        "authorization header must be",
        "The key did not arrive: something in between takes the header Authorization away",
    ),
    (
        "service has been disabled",
        "Switch the app's backend service API on, on its page in Dify",
    ),
    (
        "app mode matches",
        "The key belongs to an app of another mode than this client is for",
    ),
    (
        "app unavailable",
        "The app is not published, its configuration is broken, or it is of another mode",
    ),
    (
        "conversation not exists",
        "It may belong to another user=. Without a conversation_id a new one begins",
    ),
    (
        "does not support blocking",
        'Agents answer in streaming mode alone: response_mode="streaming"',
    ),
    ("must be less than", REGENERATE),
    ("in input form", REGENERATE),
    (
        "too many requests",
        "max_concurrency= keeps a client below the server's limit",
    ),
    (
        "invalid upload file",
        "An uploaded file belongs to its user: upload and run with the same user=",
    ),
)
"""What to do about what Dify says."""


def json_object(answer: Answer, call: Call) -> dict[str, Any]:
    """Return the JSON object of a good answer.

    Blocking answers may hold bare NaN and Infinity, which Python reads.

    Raises:
        APIError: It holds something else, or an error in spite of its status.
    """
    payload = to_maybe_object(parsed(answer.body))
    if payload is None or is_error(payload):
        raise unexpected(answer, call)
    return payload


def is_error(payload: Mapping[str, Any], status: int | None = None) -> bool:
    """Check whether a JSON object is an error as Dify words it; of that status, if one is given."""
    said = payload.get("status")
    return (
        isinstance(payload.get("code"), str)
        and isinstance(payload.get("message"), str)
        and isinstance(said, int)
        and said >= 400
        and status in (None, said)
    )


def error_of(answer: Answer, call: Call) -> APIError:
    """Return the error that an answer other than 2xx stands for."""
    answer = without_key(answer, call)
    payload = to_maybe_object(parsed(answer.body))
    status = answer.status
    is_worded = payload is not None and (answer.is_dify or is_error(payload, status))
    if payload is None or not is_worded or status < 400 or status == 407:
        return foreign_error(answer, call)
    error = dify_error(payload, status, facts_of(answer, call))
    if isinstance(error, AuthenticationError):
        add_hint(error, kind_of_key(call))
    if not answer.is_dify:
        add_hint(error, NO_VERSION)
    return error


def kind_of_key(call: Call) -> str:
    """Return what is odd about the key of a call that was refused for its key."""
    if call.key is None or call.key.starts_with("app-"):
        return ""
    of_models = ", but with sk-, as those of model providers do"
    kind = of_models if call.key.starts_with("sk-") else ""
    return f"The key in use does not start with app-{kind}"


def add_hint(error: APIError, hint: str) -> None:
    """Say something more about what to do."""
    error.hint = ". ".join(filter(None, (error.hint, hint))) or None


def dify_error(
    payload: Mapping[str, Any], status: int | None, facts: dict[str, Any]
) -> APIError:
    """Return the error that Dify's `code`, `message` and `status` stand for."""
    lines = to_text(payload.get("message")).strip().expandtabs(1).split("\n")
    text = "\n".join("".join(filter(str.isprintable, line)) for line in lines)
    code = visible(to_text(payload.get("code"))) or None
    special = (
        kind
        for (of, start), kind in ERRORS_BY_MESSAGE.items()
        if code in (of, None) and text.startswith(start)
    )
    kind = next(special, None) or kind_of(code, status)
    if code is None and REFUSED_INPUT.search(text):
        kind = InvalidParamError
    return kind(
        text or code or "The server gave no reason",
        code=code,
        status=status,
        params=to_maybe_text(payload.get("params")),
        hint=next((hint for words, hint in HINTS if words in text.lower()), None),
        **facts,
    )


def kind_of(code: str | None, status: int | None) -> type[APIError]:
    """Return the class of error for a code, else for a status."""
    if code in ERRORS_BY_CODE:
        return ERRORS_BY_CODE[code]
    if status is None:
        return APIError
    if status >= 500:
        return ServerError
    return ERRORS_BY_STATUS.get(status, APIError)


def unexpected(answer: Answer, call: Call) -> APIError:
    """Return the error for an answer of good status that is not what was asked for.

    That may be an error of Dify's, whose status something in between has changed.
    """
    answer = without_key(answer, call)
    payload = to_maybe_object(parsed(answer.body)) or {}
    code, text = payload.get("code"), payload.get("message")
    if not (isinstance(code, str) and isinstance(text, str)):
        return foreign_error(answer, call)
    status = to_maybe_integer(payload.get("status"))
    error = dify_error(payload, status, facts_of(answer, call))
    if not answer.is_dify:
        add_hint(error, NO_VERSION)
    add_hint(
        error,
        f"It came with HTTP {answer.status}: something in between changes the status",
    )
    return error


def foreign_error(answer: Answer, call: Call) -> APIError:
    """Return the error for an answer that is not in Dify's words: a page, a redirect, nothing."""
    status = answer.status
    if status == 407:
        return refused_by_proxy(described(answer) if answer.body else "", call, 407)
    is_unexpected = status < 400 or status in (404, 405)
    kind = UnexpectedResponseError if is_unexpected else kind_of(None, status)
    return kind(
        foreign_message(answer, call),
        status=status,
        hint=foreign_hint(answer, call),
        **facts_of(answer, call),
    )


def without_key(answer: Answer, call: Call) -> Answer:
    """Return the answer as it may be shown: a gateway may repeat the request in it."""

    def hidden(text: str) -> str:
        text = call.extra.hidden_in(text)
        return text if call.key is None else call.key.hidden_in(text)

    return Answer(
        answer.status,
        {name.lower(): hidden(value) for name, value in answer.headers.items()},
        hidden(answer.body.decode("latin-1")).encode("latin-1"),
    )


def facts_of(answer: Answer, call: Call) -> dict[str, Any]:
    """Return what is worth knowing of an answer that is an error."""
    headers = answer.headers
    ids = (headers.get(name) for name in REQUEST_ID_HEADERS)
    return {
        "server_version": visible(headers.get("x-version") or "")[:60] or None,
        "request_id": visible(next(filter(None, ids), ""))[:100] or None,
        "retry_after": seconds_of(headers.get("retry-after"), headers.get("date")),
        "body": answer.body[:1000].decode("utf-8", "replace"),
        "request": f"{call.method} {call.shown}",
    }


def seconds_of(retry_after: str | None, date: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date; None for none.

    A date counts from the server's own, since clocks differ.
    """
    try:
        seconds = float(retry_after or "")
    except ValueError:
        then = to_moment(retry_after)
        now = to_moment(date) or datetime.now(UTC)
        if then is None:
            return None
        seconds = max((then - now).total_seconds(), 0.0)
    return seconds if 0 <= seconds < 86400 else None
