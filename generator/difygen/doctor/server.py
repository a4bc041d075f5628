"""What answers at a base URL: Dify's API, or something else that stands in its way. No key is sent from here."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from difygen.doctor.address import Address, candidates
from difygen.doctor.report import Section

_QUICK = 3.0  # seconds for a try elsewhere


@dataclass(frozen=True, slots=True)
class Probe:
    """What a GET of an API root brought. `version` is empty where the server does not tell it."""

    address: Address
    status: int = 0
    version: str = ""
    is_dify: bool = False  # and its API is at this very path
    is_page: bool = False
    location: str = ""
    server: str = ""
    error: str = ""


def check_server(section: Section, client: httpx.Client, address: Address, timeout: float) -> Probe:
    """Check that HTTP works at all and that Dify's API answers; where it does not, look for it elsewhere on the host."""
    probe = look(client, address, timeout)
    if probe.error:
        section.problem(
            "http",
            f"GET {address.url}/ brought no answer: {probe.error}.",
            elsewhere(client, address, "See the server's log."),
        )
        return probe
    usual = ", as several releases of Dify do" if probe.is_dify and probe.status == 404 else ""
    section.ok("http", f"GET {address.url}/ answered {probe.status}{usual}.")
    if probe.is_dify:
        version = f"Dify {probe.version}" if probe.version else "Dify's API (a proxy takes its version header away)"
        section.ok("dify", f"{version} answered.")
    else:
        section.problem("dify", _other(probe), elsewhere(client, address, _advice(probe)))
    return probe


def look(client: httpx.Client, address: Address, timeout: float) -> Probe:
    """Ask an API root who it is.

    The header X-Version is the proof of Dify: `GET /v1/` itself is a 404 page on 1.12.1 and JSON on others. But any wrong path of Dify
    is a 404 with that header, too, so that a request without a key has to tell one from the other, and also where a proxy removes the
    header.
    """
    try:
        answer = client.get(f"{address.url}/", timeout=timeout)
        version = answer.headers.get("x-version", "") or _told(answer, "server_version")
        known = bool(_told(answer, "api_version")) or (bool(version) and answer.status_code != 404)
        if not known and not answer.is_redirect:
            info = client.get(f"{address.url}/info", timeout=timeout)
            known = _told(info, "code") == "unauthorized" or (bool(version) and info.status_code != 404)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Probe(address, error=_reason(error))
    page = "html" in answer.headers.get("content-type", "")
    return Probe(
        address,
        answer.status_code,
        version,
        known,
        page,
        answer.headers.get("location", ""),
        answer.headers.get("server", ""),
    )


def elsewhere(client: httpx.Client, address: Address, otherwise: str) -> str:
    """Where Dify does answer on the same host, as a sentence; `otherwise` if it does so nowhere."""
    found = first_dify(client, candidates(address))
    return f"Dify answers at {found.url}: use that as the base URL." if found else otherwise


def first_dify(client: httpx.Client, addresses: Iterable[Address]) -> Address | None:
    """The first of the addresses at which Dify's API answers. All are asked at the same time."""
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="doctor") as pool:
        probes = pool.map(lambda address: look(client, address, _QUICK), list(addresses))
        return next((probe.address for probe in probes if probe.is_dify), None)


def _other(probe: Probe) -> str:
    if probe.version:
        return f"Dify {probe.version} answered, but there is no API at {probe.address.path}."
    who = f" ({probe.server})" if probe.server else ""
    if probe.location:
        return f"Something else than Dify's API answered{who}: {probe.status}, a redirect to {probe.location}."
    kind = "a web page" if probe.is_page else "no answer of Dify"
    return f"Something else than Dify's API answered{who}: {probe.status}, {kind} without Dify's X-Version header."


def _advice(probe: Probe) -> str:
    if probe.location.startswith("https://") and probe.address.scheme == "http":
        return "The server wants HTTPS: write https:// in the base URL."
    if probe.status in (502, 503, 504):
        return "The proxy runs but Dify's API behind it does not: look at the api container's log."
    if probe.is_page and not probe.version:
        return "This looks like Dify's web pages or another site. Compare with the base URL that Dify shows under API Access."
    return "Compare host, port and path with the base URL that Dify shows under API Access."


def _told(answer: httpx.Response, key: str) -> str:
    """A text from a JSON object in the answer; empty where there is none."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    if isinstance(error, httpx.RemoteProtocolError):
        return "what came back is not HTTP"
    return (str(error) or type(error).__name__).rstrip(".")
