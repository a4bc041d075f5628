"""What answers at a base URL: Dify's API, or something else that stands in its way. No key is sent from here."""

from __future__ import annotations

import httpx

from difygen.doctor.report import Section
from difygen.servers import Address, Probe, candidates, first_dify, look


def check_server(section: Section, client: httpx.Client, address: Address, timeout: float) -> Probe:
    """Check that HTTP works and that Dify's API answers; where it does not, look for it elsewhere on the host."""
    probe = look(client, address, timeout)
    if probe.error:
        section.problem(
            "http",
            f"GET {address.url}/ brought no answer: {probe.error}.",
            elsewhere(client, address, "See the server's log, or that of the proxy on the way."),
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
    section.problem("dify", what, elsewhere(client, address, advice))
    return probe


def elsewhere(client: httpx.Client, address: Address, otherwise: str) -> str:
    """Say where Dify does answer on the same host; `otherwise` if it does so nowhere."""
    found = first_dify(client, candidates(address))
    return f"Dify answers at {found.url}: use that as the base URL." if found else otherwise
