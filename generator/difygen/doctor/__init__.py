"""Finds out why a Dify server does not answer as a definition expects. Reads only, unless it is told to run the app.

server     from the base URL to an answer: proxy, name, port, certificate; is it Dify, and which release
app        what a key opens: the live app, its inputs against the definition's, and the one run
report     what the checks found, for people and for machines

This module is the command `difygen doctor`: it makes all checks in their order, and decides what is still worth a look.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click
import httpx

from difygen.config import Config, OutputFormat
from difygen.console import FAILED, OK, WRONG, UsageProblem, echo, finish
from difygen.definitions.reading import NamedApp, read_definitions
from difygen.doctor.app import (
    WHERE,
    Key,
    check_app,
    check_drift,
    check_key_form,
    check_nodes,
    check_run,
    key_of_environment,
    key_of_file,
)
from difygen.doctor.report import Report, Section
from difygen.doctor.server import (
    check_base_url,
    check_network,
    check_server,
    check_version,
    look_elsewhere,
    open_client,
)
from difygen.findings import show_findings, show_problem
from difygen.model import WORKFLOW
from difygen.servers import Address
from difygen.servers.generated_client import SHARED_KEY, key_variables_of
from difygen.servers.releases import (
    Version,
)
from difygen.wording import listed

LONGEST_TIMEOUT = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """What the doctor is asked to look at. `inputs` are `name=value` texts for the one run that `run` asks for.

    `timeout` is in seconds and for each step of a check.
    """

    config: Config
    base_url: str | None = None
    api_key_file: str | None = None
    run: bool = False
    inputs: tuple[str, ...] = ()
    user: str | None = None
    timeout: float = 10.0
    output_format: OutputFormat = "text"

    def check(self) -> None:
        """Raise `UsageProblem` for options that say nothing together, or that cannot be followed."""
        if self.inputs and not self.run:
            raise UsageProblem("--input is for the run that --run makes.")
        if not 0 < self.timeout <= LONGEST_TIMEOUT:
            raise UsageProblem(f"--timeout must be more than 0 and at most {LONGEST_TIMEOUT} seconds.")


@dataclass(frozen=True, slots=True)
class Server:
    """A server whose API answers: where, which release, and the connection to it."""

    address: Address
    version: Version | None
    client: httpx.Client


class Examination:
    """All checks in their order: the server once, then the app of each definition."""

    def __init__(self, options: DoctorOptions, report: Report) -> None:
        self._options, self._report = options, report
        self._server: Server | None = None

    def run(self) -> None:
        """Make the checks. Raises `UsageProblem` where a definition or an argument cannot be read."""
        options = self._options
        apps = read_definitions(options.config) if options.config.settings is None else []  # those that were named
        given = key_of_file(options.api_key_file) if options.api_key_file is not None else None
        with ExitStack() as stack:
            self._server = self._examine_server(self._report.section("Server"), stack)
            for named in apps:
                title = f"{named.app.kind.word.capitalize()} {named.app.name} ({named.app.source})"
                self._examine_app(self._report.section(title, named.app.source), named, given)
            if not apps:
                self._examine_app(self._report.section("App"), None, given)

    def _examine_server(self, section: Section, stack: ExitStack) -> Server | None:
        address = check_base_url(section, self._options.base_url)
        client = open_client(section, address) if address else None
        if address is None or client is None:
            return None
        stack.enter_context(client)
        if not check_network(section, address, self._options.timeout):
            look_elsewhere(section, client, address)
            return None
        probe = check_server(section, client, address, self._options.timeout)
        if not probe.is_dify:
            return None
        return Server(address, check_version(section, probe.version), client)

    def _examine_app(self, section: Section, named: NamedApp | None, given: Key | None) -> None:
        app = named.app if named else None
        variables = key_variables_of(named.app, named.name, self._options.config.options) if named else (SHARED_KEY,)
        key = given or key_of_environment(variables)
        if key is None:
            names = listed(variables, "or")
            if app is None:
                section.skip("key", f"no key is set ({names}), so no app is looked at.")
            else:
                section.problem("key", "No API key is set.", f"Set {names}, or give --api-key-file. {WHERE}")
            return
        meant, server = check_key_form(section, key), self._server
        if meant is None:
            section.skip("app", "not looked at, since there is no key to try.")
        elif server is None:
            section.skip("app", "not looked at, since no server of Dify's answers.")
        else:
            kind = app.kind if app else WORKFLOW
            live = check_app(section, server.client, server.address, meant, self._options.timeout, kind)
            if live is not None and named is not None:
                self._examine_contract(section, named, server, meant, live)

    def _examine_contract(
        self, section: Section, named: NamedApp, server: Server, key: str, live: Mapping[str, Any]
    ) -> None:
        app = named.app
        check_nodes(section, app, server.version)
        fits = check_drift(section, app, live)
        if not self._options.run:
            section.skip("run", "not asked for: --run makes one run.")
        elif not fits:
            section.skip("run", "not made, since the inputs have changed.")
        else:
            options = self._options
            check_run(section, named, server.address, key, options.inputs, options.user, options.config.options)


def run_doctor(options: DoctorOptions) -> int:
    """Check settings, server, app and drift, and print the findings as they come.

    Returns 0 if all is well, 1 for a problem, 2 for wrong arguments or definitions, 130 after Ctrl-C.
    """
    return finish(lambda: _diagnose(options), "Interrupted.")


def _diagnose(options: DoctorOptions) -> int:
    report = Report()
    if options.output_format == "text":  # click takes styles away again where no terminal shows them
        report = Report(
            echo, lambda text, style: click.style(text, **({"bold": True} if style == "bold" else {"fg": style}))
        )
    try:
        options.check()
        Examination(options, report).run()
    except UsageProblem as problem:
        if options.output_format == "text":
            raise
        show_problem(problem, options.output_format, "doctor")
        return WRONG
    report.end()
    if options.output_format != "text":
        ok = not report.problems
        show_findings(report.findings(), options.output_format, "doctor", ok=ok, more=report.as_json())
    return FAILED if report.problems else OK
