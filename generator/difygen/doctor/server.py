"""What answers at a base URL: Dify's API, or something else that stands in its way. No key is sent from here.

What a release means for a caller is a table of facts, taken from Dify's history and from recorded traffic.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from difygen.doctor.report import Section
from difygen.servers import Address, Probe, Version, candidates, first_dify, look

_ALWAYS: Version = (0, 0, 0)
_NEVER: Version = (9999, 0, 0)


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that holds from one release (included) up to another (excluded)."""

    since: Version
    before: Version
    text: str


FIRST_WITH_WORKFLOWS: Version = (0, 6, 0)
FIRST_WITH_HUMAN_INPUT: Version = (1, 13, 0)
FIRST_WITH_FORMS: Version = (1, 14, 0)

TRAITS = (
    Trait(_ALWAYS, (0, 6, 15), "It has no endpoint to look a run up again."),
    Trait(_ALWAYS, (0, 8, 2), "It has no logs endpoint."),
    Trait(_ALWAYS, (0, 10, 0), "It takes no files in inputs."),
    Trait(_ALWAYS, (1, 4, 0), "It has no /site endpoint."),
    Trait(_ALWAYS, (1, 7, 2), "It cannot run a chosen version of a workflow (workflow_id)."),
    Trait(_ALWAYS, (1, 9, 0), "A run is stopped only by the same user that started it."),
    Trait((1, 9, 0), (1, 10, 0), "It shortens long node data in streams; outputs of the run are whole."),
    Trait(_ALWAYS, (1, 10, 1), "It ignores defaults of inputs that are left out; generated clients send them."),
    Trait(_ALWAYS, (1, 13, 0), "Wrong inputs are refused with 400 at once, streaming included."),
    Trait(
        (1, 13, 0),
        _NEVER,
        "Streaming runs execute in a Celery worker: where streams bring pings and nothing else, "
        "see whether the worker runs.",
    ),
    Trait(
        (1, 13, 0),
        (1, 14, 3),
        "Inputs that it refuses show as a stream of pings until 300 s are over; generated clients check inputs first.",
    ),
    Trait(
        _ALWAYS,
        (1, 14, 0),
        "It has no events endpoint: a broken stream cannot be taken up again, its run is looked up instead.",
    ),
    Trait((1, 9, 0), (1, 16, 0), "A run that was stopped may end as failed with 'User requested stop'."),
    Trait((1, 14, 0), _NEVER, "A file belongs to the user who uploaded it: upload and run as the same user."),
)


def traits(version: Version) -> tuple[str, ...]:
    """Return what holds for that release."""
    return tuple(trait.text for trait in TRAITS if trait.since <= version < trait.before)


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
    else:
        section.problem("dify", _other(probe), elsewhere(client, address, _advice(probe)))
    return probe


def elsewhere(client: httpx.Client, address: Address, otherwise: str) -> str:
    """Say where Dify does answer on the same host; `otherwise` if it does so nowhere."""
    found = first_dify(client, candidates(address))
    return f"Dify answers at {found.url}: use that as the base URL." if found else otherwise


def _other(probe: Probe) -> str:
    if probe.version:
        return f"Dify {probe.version} answered, but there is no API at {probe.address.path}."
    return f"{probe.message} (HTTP {probe.status}, without Dify's X-Version header)."


def _advice(probe: Probe) -> str:
    if probe.status in (502, 503, 504):
        return f"{probe.hint}: look at the api container's log."
    return f"{probe.hint}. Dify shows its base URL under API Access."
