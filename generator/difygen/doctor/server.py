"""The way to a server: base URL and proxy, name, port and certificate, and what answers there. No key is sent.

Connections are made as generated clients make them, with the same rules for proxies and the same certificates.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
from dataclasses import dataclass

import httpx

from difygen.doctor.report import Section
from difygen.servers import (
    EXAMPLES,
    Address,
    AddressProblem,
    Probe,
    candidates,
    first_dify,
    is_readable_on_the_way,
    look,
    parse_address,
    runtime_module,
)
from difygen.servers.releases import FIRST_WITH_WORKFLOWS, NEWEST_KNOWN, Release, Version, parse_version

BASE_URL = "DIFY_BASE_URL"


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
    details, target = [], endpoint(address)
    if target.is_proxy:
        source = f"{target.setting} in the environment" if target.setting else "the system's settings"
        details.append(f"Requests go through the proxy {target.host}:{target.port} ({source}).")
    section.ok("settings", f"The API is expected at {address.url} (from {origin}).", *details)
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


_PROXY_FIX = "Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the host in NO_PROXY."


def check_network(section: Section, address: Address, timeout: float) -> bool:
    """Check name, port and certificate in turn; whether it is worth going on to HTTP."""
    target = endpoint(address)
    if not _check_name(section, target, timeout):
        return False
    if not _check_port(section, target, timeout):
        return False
    return _check_certificate(section, address, target, timeout)


def _check_name(section: Section, target: Endpoint, timeout: float) -> bool:
    if _is_literal(target.host):
        section.skip("dns", f"not needed: {target.host} is an address.")
        return True
    found = _resolve(target, timeout)
    if isinstance(found, str):
        kind = "proxy" if target.is_proxy else "host"
        fix = _PROXY_FIX if target.is_proxy else f"{runtime_module('_answers').spelled(target.host)}."
        section.problem("dns", f"The {kind} {target.host!r} is not known: {found}.", fix)
        return False
    section.ok("dns", f"{target.host} is {', '.join(found[:4])}{' …' if len(found) > 4 else ''}.")
    return True


def _resolve(target: Endpoint, timeout: float) -> list[str] | str:
    """Return the host's addresses, or why there are none. A thread does it, since resolving cannot be cancelled."""
    result: list[list[str] | str] = []

    def resolve() -> None:
        try:
            entries = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            result.append(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        except (OSError, UnicodeError) as error:
            result.append(getattr(error, "strerror", None) or str(error))

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(timeout)
    return result[0] if result else f"no answer within {timeout:g} s"


def _check_port(section: Section, target: Endpoint, timeout: float) -> bool:
    try:
        with socket.create_connection((target.host, target.port), timeout):
            pass
    except OSError as error:
        answers = runtime_module("_answers")  # a generated client says the same
        by_kind = dict.fromkeys(answers.kinds_of(error), error)
        what, remedy = answers.port_trouble(by_kind, target.host, target.port, patience=f"within {timeout:g} s")
        fix = _PROXY_FIX if target.is_proxy else f"{remedy}."
        section.problem("tcp", f"{'The proxy: p' if target.is_proxy else 'P'}{what[1:]}.", fix)
        return False
    through = "The proxy's port" if target.is_proxy else "Port"
    section.ok("tcp", f"{through} {target.port} accepts connections.")
    return True


def _check_certificate(section: Section, address: Address, target: Endpoint, timeout: float) -> bool:
    if address.scheme == "http":
        fix = "Others on the way may read keys and values: write https:// where the server has it."
        section.skip(
            "tls", "not used: the base URL begins with http://.", fix if is_readable_on_the_way(address) else ""
        )
        return True
    if target.is_proxy:
        section.skip("tls", "left to the next check, since a proxy is on the way.")
        return True
    try:
        with (
            socket.create_connection((target.host, target.port), timeout) as plain,
            httpx.create_ssl_context().wrap_socket(plain, server_hostname=address.host) as secure,
        ):
            section.ok("tls", f"{secure.version()}, the certificate is valid for {address.host}.")
            return True
    except OSError as error:
        section.problem("tls", *_certificate_trouble(error, address))
        return False


def _certificate_trouble(error: OSError, address: Address) -> tuple[str, str]:
    """Return what a generated client says of a server that does not agree on TLS."""
    if isinstance(error, ssl.SSLError):
        what, remedy = runtime_module("_answers").tls_trouble(error, address.url)
        return f"{what[0].upper()}{what[1:]}.", f"{remedy}."
    plain = Address("http", address.host, address.port, address.path).url
    is_silent = isinstance(error, TimeoutError)
    broke = "accepts connections, but does not answer" if is_silent else "breaks the connection during"
    return f"Port {address.port} {broke} the TLS handshake.", f"If the server speaks plain HTTP there, write {plain}."


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check_server(section: Section, client: httpx.Client, address: Address, timeout: float) -> Probe:
    """Check that HTTP works and that Dify's API answers; where it does not, look for it elsewhere on the host."""
    probe = look(client, address, timeout)
    if probe.error:
        section.problem(
            "http",
            f"GET {address.url}/ brought no answer: {probe.error}.",
            _elsewhere(client, address, "See the server's log, or that of the proxy on the way."),
        )
        return probe
    usual = ", as several releases of Dify do" if probe.is_dify and probe.status == 404 else ""
    section.ok("http", f"GET {address.url}/ answered {probe.status}{usual}.")
    if probe.is_dify:
        version = f"Dify {probe.version}" if probe.version else "Dify's API (a proxy takes its version header away)"
        section.ok("dify", f"{version} answered.")
        return probe
    what = f"{probe.message} (HTTP {probe.status}, without Dify's X-Version header)."
    if probe.version:
        what = f"Dify {probe.version} answered, but there is no API at {probe.address.path}."
    advice = f"{probe.hint}. Dify shows its base URL under API Access."
    if probe.status in (502, 503, 504):
        advice = f"{probe.hint}: look at the api container's log."
    section.problem("dify", what, _elsewhere(client, address, advice))
    return probe


def _elsewhere(client: httpx.Client, address: Address, otherwise: str) -> str:
    """Say where Dify does answer on the same host; `otherwise` if it does so nowhere."""
    found = first_dify(client, candidates(address))
    return f"Dify answers at {found.url}: use that as the base URL." if found else otherwise


def look_elsewhere(section: Section, client: httpx.Client, address: Address) -> None:
    """Look for Dify elsewhere on the host of a base URL that cannot be reached."""
    if section.checks[-1].name == "dns":
        section.skip("dify", "not looked for.")
    elif found := first_dify(client, candidates(address)):
        section.skip("dify", "not reached there.", f"Dify answers at {found.url}: use that as the base URL.")
    else:
        section.skip("dify", "not reached there, nor at the other places on the host where it usually is.")


def check_version(section: Section, text: str) -> Version | None:
    version = parse_version(text)
    if version is None:
        section.skip("version", f"not known: {text!r} is no release number." if text else "not known.")
        return None
    if version < FIRST_WITH_WORKFLOWS:
        section.problem(
            "version", f"Dify {text} has no API for workflows.", "Update the server: workflows came with 0.6.0."
        )
        return None
    release = Release(version)
    if release.is_newer_than_known:
        known = f"Dify {text} is newer than this difygen knows (up to {Release(NEWEST_KNOWN)}): as far as is known,"
        section.ok("version", known, *release.advice(), "Generated clients keep what is new in events and answers.")
    else:
        section.ok("version", f"What follows from Dify {text}:", *release.advice())
    return version
