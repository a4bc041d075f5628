"""`difygen mcp`: reads the definitions, says what is missing, serves until the client leaves."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from difygen.config import Config
from difygen.console import OK, WRONG, UsageProblem, collecting, finish, is_terminal, say
from difygen.mcp.calls import Calls
from difygen.mcp.server import PATH, TOKEN, mcp_server, serve_http, serve_stdio
from difygen.mcp.tools import FileFolders, ServedApp, ServedTool, served_app, tools_of
from difygen.project.documents import load_named
from difygen.servers import Connection, key_from_file, listener, origin_of, read_base_url
from difygen.servers.generated_client import SHARED_KEY, generated_package
from difygen.wording import count, listed, named, names_listed

DEFAULT_USER = "difygen-mcp"
HOST, PORT = "127.0.0.1", 8099


@dataclass(frozen=True, slots=True, kw_only=True)
class McpOptions:
    """What the command line asks of a server. `allow_path` are folders, `allow_host` names by which it is reached."""

    config: Config
    transport: Literal["stdio", "http"] = "stdio"
    host: str | None = None
    port: int | None = None
    allow_host: Sequence[str] = ()
    allow_path: tuple[str, ...] = ()
    long_runs: bool = False
    base_url: str | None = None
    user: str | None = None
    api_key_file: Sequence[str] = ()

    def check(self) -> None:
        """Raise `UsageProblem` for options that say nothing together, and for a server that nobody could call."""
        problems: list[str] = []
        inputs = [*self.config.sources, *(each.rpartition("=")[2] for each in self.api_key_file)]
        if self.transport == "stdio" and (sys.stdin is None or sys.stdout is None):
            problems.append("Standard input and output are closed, and a client speaks with the server over them.")
        if self.transport == "stdio" and "-" in inputs:
            problems.append("Standard input is the client's: give files, not -.")
        if self.transport == "stdio" and (self.host is not None or self.port is not None or self.allow_host):
            problems.append("--host, --port and --allow-host are for HTTP: add --transport http, or leave them out.")
        if self.transport == "http" and self.allow_path:
            problems.append("--allow-path is for stdio: over HTTP, whoever calls could read files of this machine.")
        with collecting(problems):
            read_base_url(self.base_url)
        if problems:
            raise UsageProblem(*problems)


def serve(options: McpOptions) -> int:
    """Serve until the client leaves or a signal comes. Return 0 after a clean end, 2 for a mistake of the user's."""
    return finish(lambda: _serve(options), "Stopped before anything was served.")


def _serve(options: McpOptions) -> int:
    if sys.stderr is None:  # closed: what is said, or printed by mistake, must go nowhere, and not to the next file
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    problems: list[str] = []
    folders = FileFolders()
    with collecting(problems):
        options.check()
    with collecting(problems):
        folders = FileFolders(options.allow_path)
    if problems:
        raise UsageProblem(*problems)
    found = load_named(options.config)
    if found is None:
        return WRONG
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    apps = [served_app(each.definition.workflow, each.name, each.names, folders) for each in found]
    keys = read_keys(options.api_key_file, [each.name for each in apps])
    for line in missing_keys([each for each in apps if each.name not in keys], os.environ):
        say(line)
    tools = tools_of(apps, long_runs=options.long_runs)
    user = options.user or os.environ.get("DIFY_USER") or DEFAULT_USER

    def connect(name: str) -> Connection:
        return Connection(options.base_url, user, keys.get(name))

    with generated_package({each.name: each.app for each in apps}, options.config.options) as load:
        asyncio.run(_run(options, tools, Calls(load, connect, folders)))
    return OK


async def _run(options: McpOptions, tools: Mapping[str, ServedTool], calls: Calls) -> None:
    server, about = mcp_server(tools, calls), f"{count(len(tools), 'tool')}: {names_listed(tools)}"
    if options.transport == "stdio":
        say(f"difygen mcp, on standard input and output. {about}.")
        if is_terminal(sys.stdin):
            say("This is for the configuration of an MCP client; Ctrl-C ends it.")
        await serve_stdio(server, calls)
        return
    host = HOST if options.host is None else options.host
    hosts = [*options.allow_host, host]
    with listener(host, PORT if options.port is None else options.port) as listening:
        where = f"difygen mcp, at {origin_of(listening)}{PATH} (Ctrl-C stops it). {about}."
        token = os.environ.get(TOKEN) or None
        if token is None and not ipaddress.ip_address(listening.getsockname()[0]).is_loopback:
            say(f"warning: Whoever reaches this address can run the apps: set {TOKEN}, and clients have to send it.")
        await serve_http(server, calls, listening, hosts, token, lambda: say(where))


def read_keys(files: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the keys in `NAME=FILE`, by app; a bare FILE is for the only one. Raises `UsageProblem`."""
    keys: dict[str, str] = {}
    problems: list[str] = []
    for given in files:
        name, separator, file = given.partition("=")
        if not separator:
            name, file = names[0], given
        if not separator and len(names) > 1:
            problems.append(f"With several apps, --api-key-file is NAME=FILE; the names are {listed(sorted(names))}.")
        elif name not in names:
            problems.append(
                f"--api-key-file is for an app {named(name)} that there is not; there is {listed(sorted(names))}."
            )
        with collecting(problems):
            keys[name] = key_from_file(file)
    if problems:
        raise UsageProblem(*dict.fromkeys(problems))
    return keys


def missing_keys(apps: Sequence[ServedApp], environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the keys: apps that have none, and apps that share one, which is another app's then."""
    missing = [each for each in apps if not environment.get(each.key_variable) and not environment.get(SHARED_KEY)]
    for app in missing:
        yield (
            f"warning: {app.name} has no API key, and cannot be called: set {app.key_variable} or {SHARED_KEY}. "
            "Dify shows an app's keys under API Access."
        )
    sharing = [each for each in apps if each not in missing and not environment.get(each.key_variable)]
    if len(sharing) > 1:
        yield (
            f"warning: {listed([each.name for each in sharing])} all use {SHARED_KEY}, and a key is that of one app: "
            f"set {listed([each.key_variable for each in sharing])}."
        )
