"""The seam to the HTTP library, and the way to the server.

httpx, else httpx2: imported here alone, and by the first call, not with the package.
Requests are built, and are given the key. The library's client is made of what the caller
and the environment say about proxies and certificates. What is wrong with that is a
`ConfigurationError` of the call, which names the argument or the variable and shows no
password; nothing of it is looked at before a call needs it.
"""

import dataclasses
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from time import monotonic
from traceback import clear_frames, walk_stack
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlencode

from ._errors import ConfigurationError, DeadlineExceededError
from ._settings import NO_HEADERS, ExtraHeaders, HeaderValues, Secret

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
PIECE_SIZE = 1 << 17
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


class UploadBody:
    """A multipart body with one file, read piece by piece.

    `opened` opens it: the file, how many bytes of it are sent, and whether it is closed then.

    httpx's `files=` would rewind it, read it in the thread of the event loop, send what
    cannot be measured in chunks, and fail at names of files that are not Unicode.
    """

    __slots__ = ("_end", "_opened", "_start", "content_type")

    def __init__(
        self,
        opened: Callable[[], tuple[BinaryIO, int, bool]],
        *,
        name: str,
        mime_type: str,
        fields: Mapping[str, str],
    ) -> None:
        self._opened = opened
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
        file, size, owned = self._opened()
        return OpenUpload(self._start, file, size, self._end, owned=owned)


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
        self, start: bytes, file: BinaryIO, file_size: int, end: bytes, *, owned: bool
    ) -> None:
        self._start = start
        self._file = file
        self._end = end
        self._owned = owned
        self.size = len(start) + file_size + len(end)

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


PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
OTHER_SCHEMES = ("socks", "socks4", "socks4a", "ftp", "ssh", "tcp", "tls", "ssl", "ws")
"""What people write in front of a proxy that nothing here can talk to."""


def configure(
    *,
    proxy: str | None = None,
    verify: "bool | str | os.PathLike[str] | SSLContext | None" = None,
    trust_env: bool | None = None,
    headers: HeaderValues | None = None,
) -> None:
    """Say how all clients of this package reach the server, where they do not say it themselves.

    This is for functions such as `run_x`, too, which have no client to give it to. Each
    call says everything: what is left out goes back to the environment, `configure()`
    alone sets everything back. It counts from the next request on.

    Args:
        proxy: The URL of a proxy for everything, in place of `HTTPS_PROXY` and the like.
        verify: A file or a folder of certificates to trust, or an `ssl.SSLContext`; False
            trusts any server.
        trust_env: False leaves variables of proxies and certificates out.
        headers: For every request to the API.

    Raises:
        ConfigurationError: Something is of another type, or is no header to set.
    """
    url = None if proxy is None else Secret(proxy)
    extra = ExtraHeaders.of(headers)
    # A traceback with variables would show them.
    del proxy, headers
    SHARED.network, SHARED.headers = Network.of(url, verify, trust_env), extra.checked()


class SharedSettings:
    """What `configure` has said for all clients."""

    __slots__ = ("headers", "network")

    def __init__(self) -> None:
        self.network = Network()
        self.headers = NO_HEADERS


class ProxyUrl(Secret):
    """The URL of a proxy, which may hold a password."""

    __slots__ = ()

    @property
    def scheme(self) -> str:
        """Return what stands before `://`, in lower case; http where nothing does."""
        scheme, separator, _ = self._text.strip().partition("://")
        return scheme.lower() if separator else "http"

    def problem(self) -> str:
        """Return why the HTTP library refuses it; "" where it does not."""
        scheme = self.scheme
        if scheme not in PROXY_SCHEMES:
            shown = f" ({scheme}://)" if scheme in OTHER_SCHEMES else ""
            return (
                f"names a proxy of a kind that is not supported{shown}: "
                "write http://, https:// or socks5://"
            )
        if scheme.startswith("socks") and find_spec("socksio") is None:
            return (
                "names a SOCKS proxy, which httpx reaches by the package socksio alone: "
                'install "httpx[socks]"'
            )
        try:
            host = http_library().Proxy(self.with_scheme().reveal()).url.host
        except Exception:  # noqa: BLE001
            # Its text may hold a piece of the password.
            host = ""
        if host:
            return ""
        return (
            "is not the URL of a proxy: write http://host:port. In a user name and a "
            "password, # is %23, / is %2F and @ is %40"
        )

    def __reduce__(self) -> Any:
        return super().__reduce__() if "@" in self._text else (ProxyUrl, (self._text,))

    def for_library(self, trust: Any) -> Any:
        """Return it as the HTTP library takes it; one at https:// is verified as servers are."""
        proxy = http_library().Proxy(self.with_scheme().reveal())
        if self.scheme == "https":
            proxy.ssl_context = http_library().create_ssl_context(verify=trust)
        return proxy

    def with_scheme(self) -> "ProxyUrl":
        """Return the URL with the scheme that is meant where it has none."""
        has_scheme = "://" in self._text
        return self if has_scheme else ProxyUrl(f"http://{self._text}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """How the server is reached, as far as somebody has said it."""

    proxy: ProxyUrl | None = None
    verify: "bool | str | SSLContext | None" = None
    trust_env: bool | None = None

    @classmethod
    def of(cls, proxy: Secret | None, verify: object, trust_env: object) -> "Network":
        """Return what a caller has given, of the right types.

        Raises:
            ConfigurationError: Something is of another type.
        """
        if proxy is not None and not issubclass(proxy.kind(), str):
            raise ConfigurationError(
                f"proxy must be a str such as http://proxy:3128, not {proxy.kind().__name__}"
            )
        if isinstance(verify, os.PathLike):
            verify = os.fspath(cast("os.PathLike[str]", verify))
        if not (
            verify is None
            or isinstance(verify, bool)
            or (isinstance(verify, str) and verify)
            or hasattr(verify, "wrap_bio")
        ):
            raise ConfigurationError(
                "verify must be True, False, the path of a file or folder of certificates, "
                f"or an ssl.SSLContext, not {type(verify).__name__}"
            )
        if not (trust_env is None or isinstance(trust_env, bool)):
            raise ConfigurationError(
                f"trust_env must be True or False, not {type(trust_env).__name__}"
            )
        url = None if proxy is None else ProxyUrl(proxy.reveal())
        return cls(
            proxy=url,
            verify=cast("bool | str | SSLContext | None", verify),
            trust_env=trust_env,
        )

    @property
    def has_password(self) -> bool:
        """Whether there is a user name, and maybe a password, in the proxy's URL."""
        return self.proxy is not None and "@" in self.proxy.reveal()

    @property
    def has_context(self) -> bool:
        """Whether certificates were given as an object."""
        return not isinstance(self.verify, bool | str | None)

    def over(self, other: "Network") -> "Network":
        """Return what is said here, and elsewhere what is not said here."""
        if self == NOTHING_SAID:
            return other
        return Network(
            proxy=other.proxy if self.proxy is None else self.proxy,
            verify=other.verify if self.verify is None else self.verify,
            trust_env=other.trust_env if self.trust_env is None else self.trust_env,
        )

    def route_to(self, url: str) -> "Route":
        """Return the way to a URL: as said here, by `configure`, else the usual one.

        Raises:
            ConfigurationError: The certificates that it needs cannot be read.
        """
        network = self.over(SHARED.network)
        trust_env = network.trust_env is not False
        trust = certificates_of(network.verify, from_environment=trust_env)
        if isinstance(trust, Certificates) and url.startswith("https://"):
            load_certificates(trust)
        return Route(network.proxy, trust, trust_env)


NOTHING_SAID = Network()


@dataclasses.dataclass(frozen=True)
class Route:
    """What a pool of connections is made of: two that are equal can share one."""

    proxy: ProxyUrl | None
    trust: "Certificates | bool | SSLContext"
    trust_env: bool


def new_client(kind: Any, route: Route) -> Any:
    """Return a client with limits fit for streams: any number of them, for any time.

    Raises:
        ConfigurationError: A setting, or a variable of the environment, cannot be used.
    """
    limits = http_library().Limits(
        max_connections=None, max_keepalive_connections=MAX_IDLE_CONNECTIONS
    )
    proxy, trust = route.proxy, route.trust
    if proxy is not None and (problem := proxy.problem()):
        raise ConfigurationError(f"proxy= {problem}")
    if isinstance(trust, Certificates):
        trust = late_trust(trust)
    failure = ""
    try:
        return kind(
            timeout=None,
            limits=limits,
            verify=trust,
            trust_env=route.trust_env and proxy is None,
            proxy=None if proxy is None else proxy.for_library(trust),
        )
    except Exception as error:  # noqa: BLE001
        # Its text may hold a piece of a password.
        failure = type(error).__name__
    except BaseException as error:
        hide_key(error)
        raise
    raise ConfigurationError(problem_of(route) or unexplained(failure))


def check_open(client: Any) -> None:
    """Refuse a caller's own client that was closed.

    Raises:
        ConfigurationError: It was.
    """
    if getattr(client, "is_closed", False) is True:
        raise ConfigurationError(
            "The http_client of this client is closed. It is the caller's own, and must "
            "stay open for as long as it is used here"
        )


def unexplained(failure: str) -> str:
    """Return what is said where no setting is found to be at fault: nothing is guessed."""
    names = [name for name in os.environ if name.lower().endswith("_proxy")]
    present = f" The environment has {', '.join(sorted(names))}." if names else ""
    return (
        f"The HTTP client cannot be made ({failure}).{present} trust_env=False leaves the "
        "environment out; http_client= takes a client of your own"
    )


def problem_of(route: Route) -> str:
    """Return what is wrong with the proxies of the environment; "" for nothing."""
    if route.proxy is not None or not route.trust_env:
        return ""
    for name, proxy in environment_proxies():
        if problem := proxy.problem():
            return f"{name} {problem}. {NO_ENVIRONMENT}"
    for entry in system_proxies().get("no", "").split(","):
        if problem := no_proxy_problem(entry.strip()):
            return f"{variable_of('no_proxy')} {problem}. {NO_ENVIRONMENT}"
    return ""


NO_ENVIRONMENT = (
    "Or give proxy= to the client, or trust_env=False to leave such variables out"
)


def environment_proxies() -> Iterator[tuple[str, ProxyUrl]]:
    """Return the proxies of the environment, each with the name of its variable."""
    proxies = system_proxies()
    for scheme in ("http", "https", "all"):
        if proxies.get(scheme):
            variable = variable_of(f"{scheme}_proxy")
            yield variable, ProxyUrl(proxies[scheme])


def system_proxies() -> dict[str, str]:
    """Return what the environment says, or the system's settings, as the HTTP library reads it."""
    from urllib.request import getproxies  # brings all of ssl along

    return getproxies()


def variable_of(name: str) -> str:
    """Return a variable as the environment spells it: the one in lower case counts first."""
    spellings = [found for found in os.environ if found.lower() == name]
    if not spellings:
        return f"The system's setting for {name.upper()}"
    return name if name in spellings else spellings[0]


def no_proxy_problem(entry: str) -> str:
    """Return why the HTTP library refuses an entry of NO_PROXY; "" where it does not."""
    from ipaddress import ip_address

    address, _, network = entry.strip("[]").partition("/")
    try:
        is_ipv6 = ip_address(address).version == 6
    except ValueError:
        is_ipv6 = False
    pattern = entry
    if "://" not in entry:
        pattern = (
            f"all://[{entry}]" if is_ipv6 and entry[:1] != "[" else f"all://*{entry}"
        )
    try:
        http_library().URL(pattern)
        return ""
    except Exception:  # noqa: BLE001
        advice = "names and addresses are separated by commas"
    if is_ipv6:
        advice = f"write {address} without brackets"
        if network:
            advice = "httpx knows no networks of IPv6: write the addresses"
    return f"has an entry that cannot be read, {entry[:100]!r}: {advice}"


@dataclasses.dataclass(frozen=True)
class Certificates:
    """Where the certificates to trust are: what names them, and the path; else the library's own."""

    setting: str = ""
    path: str = ""
    is_folder: bool = False

    def problem(self, error: Exception) -> str:
        """Return why they could not be loaded, and what to do about it."""
        key_log = os.environ.get("SSLKEYLOGFILE")
        if key_log and getattr(error, "filename", None) == key_log:
            return f"SSLKEYLOGFILE names {key_log!r}, which cannot be written to"
        reason = getattr(error, "strerror", None) or str(error)
        if not self.setting:
            return (
                f"The certificates that come with the HTTP library cannot be read: {reason}. "
                "verify= of a client, or SSL_CERT_FILE, names others"
            )
        if type(error).__name__ == "SSLError":
            reason = "it holds no certificate in PEM form"
        return (
            f"{self.setting} names {self.path!r}, which cannot be used: {reason}. It takes "
            "the certificates of the authorities to trust, in PEM form; verify= of a client "
            "goes before the environment"
        )

    def check_folder(self) -> None:
        """Refuse folders in which OpenSSL would find nothing: it says nothing itself.

        Raises:
            OSError: There is no such folder.
            LookupError: No file in it has a name that OpenSSL looks for.
        """
        folders = self.path.split(os.pathsep)
        if not any(
            HASHED.fullmatch(name) for each in folders for name in os.listdir(each)
        ):
            raise LookupError(
                "no file in it is named by its hash (openssl rehash does that)"
            )


HASHED = re.compile(r"[0-9a-fA-F]{8}\.\d+")


def certificates_of(
    verify: "bool | str | SSLContext | None", *, from_environment: bool
) -> Any:
    """Return where certificates come from; what says it already, as it is."""
    if isinstance(verify, str):
        return Certificates("verify=", verify, os.path.isdir(verify))
    if verify is None or verify is True:
        if from_environment and (path := os.environ.get("SSL_CERT_FILE")):
            return Certificates("SSL_CERT_FILE", path)
        if from_environment and (path := os.environ.get("SSL_CERT_DIR")):
            return Certificates("SSL_CERT_DIR", path, is_folder=True)
        return Certificates()
    return verify


@lru_cache(maxsize=4)
def load_certificates(source: Certificates) -> Any:
    """Return certificates to trust, loaded once for all pools: that takes 20 to 40 ms.

    Raises:
        ConfigurationError: They cannot be read.
    """
    from ssl import create_default_context

    try:
        if not source.setting:
            context = http_library().create_ssl_context(trust_env=False)
        elif source.is_folder:
            source.check_folder()
            context = create_default_context(capath=source.path)
        else:
            context = create_default_context(cafile=source.path)
    except (OSError, ValueError, LookupError) as error:
        raise ConfigurationError(source.problem(error)) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


@lru_cache(maxsize=4)
def late_trust(source: Certificates) -> Any:
    """Return what loads certificates with the first https:// connection, and not before.

    Most of the time is saved where a server is reached by http://, and certificates that
    cannot be read are of no account there.
    """
    from ssl import PROTOCOL_TLS_CLIENT
    from ssl import SSLContext as Context

    class LateTrust(Context):
        def wrap_socket(self, *args: Any, **kwargs: Any) -> Any:
            return load_certificates(source).wrap_socket(*args, **kwargs)

        def wrap_bio(self, *args: Any, **kwargs: Any) -> Any:
            return load_certificates(source).wrap_bio(*args, **kwargs)

    return LateTrust(PROTOCOL_TLS_CLIENT)


SHARED = SharedSettings()
