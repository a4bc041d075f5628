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
from difygen.connection import Connection
from difygen.console import OK, WRONG, UsageProblem, collecting, finish, is_terminal, say
from difygen.generated_client import SHARED_KEY, generated_package
from difygen.listening import listener, origin_of
from difygen.mcp.calls import Calls
from difygen.mcp.catalog import ServedApp, ServedTool, served_app, tools_of
from difygen.mcp.folders import FileFolders
from difygen.mcp.http import PATH, serve_http
from difygen.mcp.server import mcp_server
from difygen.mcp.stdio import serve_stdio
from difygen.project.documents import load_named
from difygen.wording import count, listed, names_listed

DEFAULT_USER = "difygen-mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class McpOptions:
    """What the command line asks of a server. `allow_path` are folders, `allow_host` names by which it is reached."""

    config: Config
    transport: Literal["stdio", "http"] = "stdio"
    host: str = "127.0.0.1"
    port: int = 8099
    allow_host: Sequence[str] = ()
    allow_path: tuple[str, ...] = ()
    long_runs: bool = False
    base_url: str | None = None
    user: str | None = None

    def check(self) -> None:
        """Raise `UsageProblem` for options that say nothing together, and for a server that nobody could call."""
        problems = []
        if self.transport == "stdio" and "-" in self.config.sources:
            problems.append("Standard input is the client's: give files as SOURCE.")
        if self.transport == "http" and self.allow_path:
            problems.append("--allow-path is for stdio: over HTTP, whoever calls could read files of this machine.")
        if self.base_url is None and not os.environ.get("DIFY_BASE_URL"):
            problems.append(
                "No base URL. Give --base-url or set DIFY_BASE_URL, for example http://localhost/v1 or "
                "https://api.dify.ai/v1."
            )
        if problems:
            raise UsageProblem(*problems)


def serve(options: McpOptions) -> int:
    """Serve until the client leaves or a signal comes. Return 0 after a clean end, 2 for a mistake of the user's."""
    return finish(lambda: _serve(options), "Stopped before anything was served.")


def _serve(options: McpOptions) -> int:
    problems: list[str] = []
    folders = FileFolders()
    with collecting(problems):
        options.check()
    with collecting(problems):
        folders = FileFolders(options.allow_path)
    if problems:
        raise UsageProblem(*problems)
    named = load_named(options.config)
    if named is None:
        return WRONG
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    apps = [served_app(each.definition.workflow, each.name, each.names, folders) for each in named]
    for line in missing_keys(apps, os.environ):
        say(line)
    tools = tools_of(apps, long_runs=options.long_runs)
    connection = Connection(options.base_url, options.user or os.environ.get("DIFY_USER") or DEFAULT_USER)
    with generated_package({each.name: each.app for each in apps}, options.config.options) as load:
        asyncio.run(_run(options, tools, Calls(load, connection, folders)))
    return OK


async def _run(options: McpOptions, tools: Mapping[str, ServedTool], calls: Calls) -> None:
    server, about = mcp_server(tools, calls), f"{count(len(tools), 'tool')}: {names_listed(tools)}"
    if options.transport == "stdio":
        say(f"difygen mcp, on standard input and output. {about}.")
        if is_terminal(sys.stdin):
            say("This is for the configuration of an MCP client; Ctrl-C ends it.")
        await serve_stdio(server, calls)
        return
    with listener(options.host, options.port) as listening:
        where = f"difygen mcp, at {origin_of(listening)}{PATH} (Ctrl-C stops it). {about}."
        if not ipaddress.ip_address(listening.getsockname()[0]).is_loopback:
            say("warning: Whoever reaches this address can run the apps: nobody is asked for a password.")
        await serve_http(server, calls, listening, options.allow_host, lambda: say(where))


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
