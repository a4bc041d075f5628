"""Where a client would call, with which key, and where each setting comes from. Opens no connection."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import httpx

from difygen.connection import key_from_file
from difygen.doctor.report import Section
from difygen.files import templates_folder

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


BASE_URL = "DIFY_BASE_URL"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and where it was found. Its repr does not show it."""

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"Key(origin={self.origin!r})"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and port to connect to: the server's, or those of the proxy that `setting` names for it."""

    host: str
    port: int
    is_proxy: bool = False
    setting: str = ""


def endpoint(address: Address) -> Endpoint:
    """Return where the first connection of a generated client goes, by its own rules for proxies."""
    http = runtime_module("_http")
    call = http.Call("GET", f"{address.url}/")
    try:
        with http.new_client(httpx.Client, http.NOTHING_SAID.route_to(address.url)) as call.sender:
            proxy = runtime_module("_answers").proxy_of(call)
    except ValueError:  # the client's ConfigurationError: `open_client` says it
        proxy = None
    if proxy is None:
        return Endpoint(address.host, address.port)
    return Endpoint(proxy.host, proxy.port, is_proxy=True, setting=proxy.setting)


def check_base_url(section: Section, argument: str | None) -> Address | None:
    """Find the base URL and read it; None where there is none to go on with."""
    text, origin = (argument, "--base-url") if argument is not None else (os.environ.get(BASE_URL), BASE_URL)
    if not text:
        section.problem("settings", "No base URL is set.", f"Give --base-url or set {BASE_URL}, {EXAMPLES}.")
        return None
    try:
        address = parse_address(text)
    except AddressProblem as problem:
        section.problem("settings", f"{origin}: {problem.message}", problem.fix)
        return None
    section.ok("settings", f"The API is expected at {address.url} (from {origin}).", *_proxy(address))
    return address


def open_client(section: Section, address: Address) -> httpx.Client | None:
    """Open connections as a generated client does; None where the environment stands in the way."""
    http = runtime_module("_http")
    try:
        client: httpx.Client = http.new_client(httpx.Client, http.NOTHING_SAID.route_to(address.url))
    except ValueError as error:  # the client's ConfigurationError, which shows no password
        section.problem("environment", f"{str(error).rstrip('.')}.", "No generated client can make a call like this.")
        return None
    return client


def key_of_file(name: str) -> Key:
    """Return the key in the file of --api-key-file. Raises `UsageProblem`."""
    return Key(key_from_file(name), "the file of --api-key-file")


def key_of_environment(variables: Sequence[str]) -> Key | None:
    """Return the key that a client would use: that of the first variable that is set."""
    for variable in variables:
        if value := os.environ.get(variable):
            return Key(value, variable)
    return None


def _proxy(address: Address) -> list[str]:
    target = endpoint(address)
    if not target.is_proxy:
        return []
    source = f"{target.setting} in the environment" if target.setting else "the system's settings"
    return [f"Requests go through the proxy {target.host}:{target.port} ({source})."]
