"""All checks in their order: the server once, then each definition's app. Decides what is still worth looking at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from difygen.doctor.app import WHERE, check_app, check_key_form
from difygen.doctor.network import check_network
from difygen.doctor.report import Report, Section
from difygen.doctor.server import (
    FIRST_WITH_FORMS,
    FIRST_WITH_HUMAN_INPUT,
    FIRST_WITH_WORKFLOWS,
    Version,
    check_server,
    first_dify,
    parse_version,
    traits,
)
from difygen.doctor.settings import Address, Key, candidates, check_base_url, key_of_environment, key_of_file
from difygen.generated_client import SHARED_KEY, key_variables_of
from difygen.model import App
from difygen.project.definitions import definition_files, read_workflow

if TYPE_CHECKING:
    from difygen.plan.workflow import Options


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor was asked to look at."""

    sources: tuple[str, ...] = ()
    base_url: str | None = None
    api_key_file: str | None = None
    run: bool = False
    inputs: tuple[str, ...] = ()
    user: str | None = None
    timeout: float = 10.0
    options: Options | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server whose API answers: where, which release, and the connection to it."""

    address: Address
    version: Version | None
    client: httpx.Client


def examine(request: Examination, report: Report) -> None:
    """Make all checks. Raises `UsageProblem` where a definition or an argument cannot be read."""
    workflows = [read_workflow(file) for file in definition_files(request.sources)]
    given = key_of_file(request.api_key_file) if request.api_key_file is not None else None
    with httpx.Client(timeout=request.timeout, follow_redirects=False) as client:
        server = _examine_server(report.section("Server"), request, client)
        for workflow in workflows or (None,):
            title = f"Workflow {workflow.name} ({workflow.source})" if workflow else "App"
            _examine_app(report.section(title), request, server, workflow, given)


def _examine_server(section: Section, request: Examination, client: httpx.Client) -> Server | None:
    address = check_base_url(section, request.base_url)
    if address is None:
        return None
    if not check_network(section, address, request.timeout):
        _look_elsewhere(section, client, address)
        return None
    probe = check_server(section, client, address, request.timeout)
    if not probe.is_dify:
        return None
    return Server(address, _check_version(section, probe.version), client)


def _look_elsewhere(section: Section, client: httpx.Client, address: Address) -> None:
    """The base URL cannot be reached; but Dify may answer elsewhere on its host."""
    if section.checks[-1].name == "dns":
        section.skip("dify", "not looked for.")
    elif found := first_dify(client, candidates(address)):
        section.skip("dify", "not reached there.", f"Dify answers at {found.url}: use that as the base URL.")
    else:
        section.skip("dify", "not reached there, nor at the other places on the host where it usually is.")


def _check_version(section: Section, text: str) -> Version | None:
    version = parse_version(text)
    if version is None:
        section.skip("version", f"not known: {text!r} is no release number." if text else "not known.")
        return None
    if version < FIRST_WITH_WORKFLOWS:
        section.problem(
            "version", f"Dify {text} has no API for workflows.", "Update the server: workflows came with 0.6.0."
        )
        return None
    section.ok("version", f"What follows from Dify {text}:", *traits(version))
    return version


def _examine_app(
    section: Section, request: Examination, server: Server | None, workflow: App | None, given: Key | None
) -> None:
    variables = (SHARED_KEY,) if workflow is None else key_variables_of(workflow, request.options)
    key = given or key_of_environment(variables)
    if key is None:
        names = " or ".join(variables)
        if workflow is None:
            section.skip("key", f"no key is set ({names}), so no app is looked at.")
        else:
            section.problem("key", "No API key is set.", f"Set {names}, or give --api-key-file. {WHERE}")
        return
    meant = check_key_form(section, key)
    if meant is None or server is None:
        section.skip(
            "app",
            "not looked at, since " + ("there is no key to try." if meant is None else "no server of Dify's answers."),
        )
        return
    live = check_app(section, server.client, server.address, meant, request.timeout)
    if live is not None and workflow is not None:
        _examine_contract(section, request, server, workflow, meant, live)


def _examine_contract(
    section: Section, request: Examination, server: Server, workflow: App, key: str, live: Mapping[str, Any]
) -> None:
    from difygen.doctor.contract import check_drift, check_run

    _check_nodes(section, workflow, server.version)
    fits = check_drift(section, workflow, live)
    if not request.run:
        section.skip("run", "not asked for: --run makes one run.")
    elif not fits:
        section.skip("run", "not made, since the inputs have changed.")
    else:
        check_run(section, workflow, server.address, key, request.inputs, request.user, request.options)


def _check_nodes(section: Section, workflow: App, version: Version | None) -> None:
    """Human-input nodes are the one kind that an older server accepts and then hangs on (seen on 1.12.1)."""
    if version is None or all(node.type != "human-input" for node in workflow.nodes):
        return
    if version < FIRST_WITH_HUMAN_INPUT:
        fix = "Update Dify to 1.14 or later; until then take the human-input node out."
        section.problem("nodes", "The workflow waits for people, which this release cannot do: a run never ends.", fix)
    elif version < FIRST_WITH_FORMS:
        fix = "Update Dify to 1.14 or later, or fill the forms in on its web pages."
        section.problem("nodes", "The workflow waits for people, and this release has no API for their forms.", fix)
