"""Servers of Dify: where one is, who calls it with which key, who answers there; and sockets that commands listen on.

Addresses are read, and servers asked, by the rules of generated clients. `look` sends no key; `ask` sends what its call
holds. A key is never an argument: what stands on a command line is seen by everybody on the machine (`ps`) and stays in
the shell's history. So it comes from the environment, from a file, or from a prompt. Beside it:

arguments          what a user types, as the values that an app takes
generated_client   the client of an app, generated and imported
releases           what is other from release to release of Dify
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from difygen.console import UsageProblem, is_terminal
from difygen.files import templates_folder
from difygen.wording import listed

if TYPE_CHECKING:  # the mock server, which listens alone, has no use for it
    import httpx

_RUNTIME = "difygen_shipped_runtime"


def runtime_module(name: str) -> ModuleType:
    """Return a module of the runtime, by its name."""
    if _RUNTIME not in sys.modules:
        folder = Path(templates_folder(), "runtime")
        spec = spec_from_file_location(_RUNTIME, folder / "__init__.py", submodule_search_locations=[str(folder)])
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"the runtime is not in {folder}")
        sys.modules[_RUNTIME] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return import_module(f"{_RUNTIME}.{name}")


DEFAULT_PORTS = {"http": 80, "https": 443}
API_PORT = 5001  # where Dify's API process listens when no nginx stands before it
STEPS = 5
"""How many times as long as one step an answer may take, if nothing else is said."""

USER_TOKENS = ("dfoa_", "dfoe_")
"""How tokens of users begin, which are no keys of apps."""

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that tells something about a server or an app."""

EXAMPLES = (
    "for example http://localhost/v1 (Docker), http://localhost:5001/v1 (API process) or https://api.dify.ai/v1 (Cloud)"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an API root is. `path` has no slash at its end, and `/v1` is part of it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The API root as a base URL, without a port where that says nothing."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if DEFAULT_PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def is_readable_on_the_way(address: Address) -> bool:
    """Check whether others may read what is sent there: plain HTTP, and no network of one's own that it stays in.

    A name without a dot is one of a machine next door, or of a container.
    """
    if address.scheme != "http" or "." not in address.host.strip(".") and ":" not in address.host:
        return False
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)}
        return any(ipaddress.ip_address(each.partition("%")[0]).is_global for each in found)
    except (OSError, ValueError):
        return True  # not known here, as where a proxy leads there


class AddressProblem(Exception):
    """A text that is no base URL: what is wrong, and what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


def parse_address(text: str) -> Address:
    """Return the API root that a base URL means, by the rules of the generated client itself."""
    settings = runtime_module("_settings")
    try:
        parts = urlsplit(settings.normalize_base_url(text, api_path=settings.read_api_path(None)))
        return Address(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], parts.path)
    except ValueError as error:  # the client's ConfigurationError is one
        raise AddressProblem(f"{str(error).rstrip('.')}.", f"Write it like this: {EXAMPLES}.") from error


def candidates(address: Address) -> Iterator[Address]:
    """Yield other API roots on the same host, the likeliest first: other paths, the other scheme, Dify's ports."""
    places = [
        (address.scheme, address.port),
        ("https" if address.scheme == "http" else "http", address.port),
        ("http", API_PORT),
        ("http", 80),
        ("https", 443),
    ]
    prefix = address.path.removesuffix("/v1")
    paths = dict.fromkeys([address.path, "/v1", f"{prefix}/api/v1", "/api/v1", prefix.rpartition("/")[0] + "/v1"])
    seen = {address}
    for scheme, port in places:
        for path in paths:
            candidate = Address(scheme, address.host, port, path)
            if candidate not in seen:
                seen.add(candidate)
                yield candidate


QUICK = 3.0  # seconds for a try elsewhere


@dataclass(frozen=True, slots=True)
class Probe:
    """What a GET of an API root brought. `version` is empty where the server does not tell it."""

    address: Address
    status: int = 0
    version: str = ""
    is_dify: bool = False  # and its API is at this very path
    message: str = ""
    hint: str = ""
    error: str = ""


def look(client: httpx.Client, address: Address, timeout: float) -> Probe:
    """Ask an API root who it is.

    The header X-Version is the proof of Dify: `GET /v1/` itself is a 404 page on 1.12.1 and JSON on others. But any
    wrong path of Dify is a 404 with that header, too, so that a request without a key has to tell one from the other,
    and also where a proxy removes the header.
    """
    http, answers = runtime_module("_http"), runtime_module("_answers")
    call = http.Call("GET", f"{address.url}/", shown=f"{address.path}/")
    try:
        answer = ask(client, call, timeout)
        version = answer.headers.get("x-version", "") or _text_of(answer, "server_version")
        known = bool(_text_of(answer, "api_version")) or (bool(version) and answer.status != 404)
        if not known and not 300 <= answer.status < 400:
            info = ask(client, http.Call("GET", f"{address.url}/info", shown=f"{address.path}/info"), timeout)
            known = _text_of(info, "code") == "unauthorized" or (bool(version) and info.status != 404)
    except NoAnswerError as error:
        return Probe(address, error=str(error))
    message, hint = answers.foreign_message(answer, call), answers.foreign_hint(answer, call)
    return Probe(address, answer.status, version, known, message, hint)


def first_dify(client: httpx.Client, addresses: Iterable[Address]) -> Address | None:
    """Return the first of the addresses at which Dify's API answers. All are asked at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="doctor") as pool:
        probes = pool.map(lambda address: look(client, address, QUICK), list(addresses))
        return next((probe.address for probe in probes if probe.is_dify), None)


def _text_of(answer: Any, key: str) -> str:
    """Return a text from a JSON object in the answer; empty where there is none."""
    body = runtime_module("_answers").parsed(answer.body)
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


class NoAnswerError(Exception):
    """No whole answer came; its text says why, as the end of a sentence. `is_lost` says that another try may help."""

    def __init__(self, why: str, *, is_lost: bool) -> None:
        super().__init__(why)
        self.is_lost = is_lost


def ask(client: httpx.Client, call: Any, timeout: float, *, whole: float | None = None, limit: int = MAX_ANSWER) -> Any:
    """Return the runtime's `Answer` to a `Call` of it, with everything about it bounded, as in generated clients.

    A step may take `timeout` seconds, all of it `whole`, however slowly head and body drip, and whatever they are
    compressed with. Redirects are not followed, and what is raised holds no request.

    Raises:
        NoAnswerError: There is none, or it has more than `limit` bytes.
    """
    import httpx

    transport, answers, errors = (runtime_module(name) for name in ("_transport", "_answers", "_errors"))

    async def read() -> Any:
        until = time.monotonic() + (STEPS * timeout if whole is None else whole)
        exchange = await transport.SyncTransport(client).open(call, until, timeout)
        return await answers.read_all(exchange, call, limit)

    try:
        return transport.run_now(read())
    except errors.AnswerTooLargeError:
        failure = NoAnswerError(f"what came has more than {limit:,} bytes", is_lost=False)
    except errors.DifyError as error:
        why = str(error).partition("\n")[0].rstrip(".")
        if isinstance(error.__cause__, httpx.RemoteProtocolError):
            why = "what came back is not HTTP"
        elif isinstance(error, TimeoutError):
            why = "it took too long"
        failure = NoAnswerError(why, is_lost=isinstance(error, errors.ConnectionLostError | errors.IdleTimeoutError))
    raise failure


# Who calls, and with which key


DEFAULT_USER = "difygen-call"
NO_BASE_URL = (
    "No base URL. Give --base-url or set DIFY_BASE_URL, for example http://localhost/v1 or https://api.dify.ai/v1."
)


@dataclass(frozen=True, slots=True)
class Connection:
    """The settings of a call that were given; None leaves the choice to the generated client and its environment."""

    base_url: str | None = None
    user: str = DEFAULT_USER
    api_key: str | None = None
    timeout: float | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of a client's constructor."""
        timeout = {} if self.timeout is None else {"timeout": self.timeout}
        return {"base_url": self.base_url, "api_key": self.api_key, "user": self.user, **timeout}

    def __repr__(self) -> str:
        return f"Connection(base_url={self.base_url!r}, user={self.user!r}, timeout={self.timeout!r})"


def read_connection(
    base_url: str | None,
    user: str | None,
    api_key_file: str | None,
    timeout: float | None,
    key_variables: tuple[str, ...],
) -> Connection:
    """Return the settings of a call. Ask for a key at the terminal if none is set anywhere."""
    if timeout is not None and not timeout > 0:
        raise UsageProblem("--timeout must be more than 0 seconds.")
    key = key_from_file(api_key_file) if api_key_file else None
    if key is None and not any(os.environ.get(variable) for variable in key_variables):
        key = _prompted_key(key_variables)
    if base_url is None and not os.environ.get("DIFY_BASE_URL"):
        raise UsageProblem(NO_BASE_URL)
    return Connection(base_url, user or os.environ.get("DIFY_USER") or DEFAULT_USER, key, timeout)


def read_base_url(given: str | None) -> str:
    """Return where the API is, of an option or the environment, always written in the same way.

    Raises:
        UsageProblem: Nothing says it, or what does is no address.
    """
    text = given or os.environ.get("DIFY_BASE_URL")
    if not text:
        raise UsageProblem(NO_BASE_URL)
    try:
        return parse_address(text).url
    except AddressProblem as problem:
        raise UsageProblem(f"{problem.message} {problem.fix}") from problem


def key_from_file(name: str, what: str = "API key") -> str:
    """Return the key that a file holds, or the first line of standard input for `-`; `what` it is, for messages."""
    try:
        text = sys.stdin.readline() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "it is not UTF-8 text").lower()
        raise UsageProblem(f"Cannot read the {what} from {name}: {reason}.") from error
    if not text.strip():
        raise UsageProblem(f"{name} holds no {what}.")
    return text.strip()


def _prompted_key(key_variables: tuple[str, ...]) -> str:
    """Ask for a key at the terminal, unseen."""
    advice = f"Set {listed(key_variables, 'or')}, or give --api-key-file. Dify shows an app's keys under API Access."
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UsageProblem(f"No API key. {advice}")
    text: str = click.prompt(
        f"API key (not shown; or set {key_variables[0]})", hide_input=True, err=True, default="", show_default=False
    )
    if not text.strip():
        raise UsageProblem(f"No API key. {advice}")
    return text.strip()


# Sockets that commands listen on


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, for a command; port 0 takes a free one. Raises `UsageProblem`."""
    try:
        return listening_socket(host, port)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        hint = " With --port 0 a free one is taken." if getattr(error, "errno", None) == errno.EADDRINUSE else ""
        raise UsageProblem(f"Cannot listen on {host}:{port}: {reason}.{hint}") from None


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one. Raises OSError or OverflowError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off where the protocol is named, which else holds answers back for 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError):  # the latter is what Python says of port 70000
        listener.close()
        raise
    return listener


def origin_of(listening: socket.socket) -> str:
    """Return the origin by which this machine reaches what listens there."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
