"""The way to a server below HTTP: name, port, certificate. Trusts the certificates that httpx trusts."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading

from difygen.doctor.report import Section
from difygen.doctor.settings import Endpoint, endpoint
from difygen.servers import Address, is_readable_on_the_way, runtime_module

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
        what, fix = _port_trouble(error, target, timeout)
        section.problem("tcp", f"{'The proxy: p' if target.is_proxy else 'P'}{what[1:]}.", fix)
        return False
    through = "The proxy's port" if target.is_proxy else "Port"
    section.ok("tcp", f"{through} {target.port} accepts connections.")
    return True


def _port_trouble(error: OSError, target: Endpoint, timeout: float) -> tuple[str, str]:
    """Return what a generated client says of a port that cannot be reached."""
    answers = runtime_module("_answers")
    by_kind = dict.fromkeys(answers.kinds_of(error), error)
    what, remedy = answers.port_trouble(by_kind, target.host, target.port, patience=f"within {timeout:g} s")
    return what, _PROXY_FIX if target.is_proxy else f"{remedy}."


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
    import httpx  # the certificates that the generated client trusts

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
