"""Where a client would call, with which key, and where each setting comes from. Opens no connection."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from difygen.connection import key_from_file
from difygen.doctor.report import Section
from difygen.servers import EXAMPLES, Address, AddressProblem, parse_address, runtime_module

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
