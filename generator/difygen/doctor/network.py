"""The way to a server below HTTP: name, port, certificate. Trusts the certificates that httpx trusts."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading

from difygen.doctor.report import Section
from difygen.doctor.settings import Address, Endpoint, endpoint


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
        section.problem("dns", f"The {kind} {target.host!r} is not known: {found}.", _name_fix(target))
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
        reason, fix = _port_trouble(error, target, timeout)
        section.problem("tcp", f"Port {target.port} of {target.host} {reason}.", fix)
        return False
    through = "The proxy's port" if target.is_proxy else "Port"
    section.ok("tcp", f"{through} {target.port} accepts connections.")
    return True


def _port_trouble(error: OSError, target: Endpoint, timeout: float) -> tuple[str, str]:
    if target.is_proxy:
        return (
            f"(the proxy) cannot be reached: {_reason(error)}",
            "Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the host in NO_PROXY.",
        )
    ports = "Dify's Docker set-up publishes port 80 (and 443), its API process alone listens on 5001"
    container = ""
    is_own = target.host == "localhost" or target.host.startswith("127.")
    if is_own and any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))):
        container = " Inside a container, localhost is the container itself:"
        container += " use the service's name, such as http://api:5001/v1."
    if isinstance(error, ConnectionRefusedError):
        return (
            "refuses connections: nothing listens there",
            f"Start the server, or correct the port: {ports}.{container}",
        )
    if isinstance(error, TimeoutError):
        return (
            f"does not answer within {timeout:g} s",
            "A firewall, a VPN or the wrong host: try the same URL with curl from this machine.",
        )
    return f"cannot be reached: {_reason(error)}", f"Check the host and the network; {ports}.{container}"


def _check_certificate(section: Section, address: Address, target: Endpoint, timeout: float) -> bool:
    if address.scheme == "http":
        section.skip("tls", "not used: the base URL begins with http://.")
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
    if isinstance(error, ssl.SSLCertVerificationError):
        own = "For a certificate of your own authority, set SSL_CERT_FILE, or verify= of the client, to its PEM file."
        return (
            f"The certificate is not accepted: {error.verify_message}.",
            f"Use the name that the certificate is made for, or renew it. {own}",
        )
    plain = (
        f"If the server speaks plain HTTP there, write {Address('http', address.host, address.port, address.path).url}."
    )
    if isinstance(error, TimeoutError):
        return f"Port {address.port} accepts connections, but does not answer the TLS handshake.", plain
    if isinstance(error, ssl.SSLError):
        return f"Port {address.port} does not speak TLS: {_reason(error)}.", plain
    return f"The connection broke during the TLS handshake: {_reason(error)}.", plain


def _name_fix(target: Endpoint) -> str:
    if target.is_proxy:
        return "Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the host in NO_PROXY."
    if "." not in target.host and target.host != "localhost":
        return (
            "A name without a dot works only inside its own Docker network; "
            "elsewhere use localhost or the server's full name."
        )
    return "Check the spelling, and that this machine's DNS (or VPN) knows the name."


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _reason(error: OSError) -> str:
    text = (
        error.reason
        if isinstance(error, ssl.SSLError) and error.reason
        else error.strerror or str(error) or type(error).__name__
    )
    return text.replace("_", " ").lower()
