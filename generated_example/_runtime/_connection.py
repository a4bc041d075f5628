"""What it means when there is no answer: which piece of the way failed, and what to do.

Goes by the names of exception classes, so that clients of httpx and httpx2 can be given,
and neither `ssl` nor `socket` is imported. `difygen doctor` says the same.
"""

import os
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

from ._errors import (
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    ConnectTimeoutError,
    DeadlineExceededError,
    DifyError,
    IdleTimeoutError,
    ProxyError,
)
from ._http import Call, http_library

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
