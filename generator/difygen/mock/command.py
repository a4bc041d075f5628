"""`difygen mock`: reads the definitions, says where it listens, serves until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from difygen.config import Config
from difygen.console import OK, WRONG, UsageProblem, collecting, echo, finish, say
from difygen.mock.api import ServerOptions
from difygen.mock.definition import Definition, load_served
from difygen.mock.engine.values import HandlerError, load_handler
from difygen.mock.errors import Cut, UnknownFaultError
from difygen.mock.example import example_inputs
from difygen.mock.server import MockServer, keys_for
from difygen.servers import listener
from difygen.servers.releases import MOCKED_BY_DEFAULT, Release, mocked_release, what_can_be_mocked


@dataclass(frozen=True, slots=True, kw_only=True)
class MockOptions:
    """What the command line asks of a mock server.

    `api_key` are keys, NAME=KEY where there are several workflows. `latency` is how many seconds each node takes.
    `fail_rate` of the runs fail, evenly spread. `cut_after` is "3" (events) or "120b" (bytes of the body).
    `handler` is MODULE:FUNCTION or FILE.py:FUNCTION; without the function, the one that is called like the workflow.
    `dify` is the release to act like, such as 1.13.
    The sources of `config` are served, and called as in the project's package.
    """

    config: Config
    host: str = "127.0.0.1"
    port: int = 8098
    api_key: Sequence[str] = ()
    latency: float = 0.0
    ping_interval: float = 10.0
    fail_rate: float = 0.0
    cut_after: str | None = None
    handler: str | None = None
    dify: str | None = None


def serve(options: MockOptions) -> int:
    """Serve until Ctrl-C. Return 0 after a clean end, 2 for a wrong argument, a wrong definition or a port in use."""
    return finish(lambda: _serve(options), "Stopped before anything was served.")


def _serve(options: MockOptions) -> int:
    loaded = load_served(options.config)
    for diagnostic in loaded.diagnostics:
        say(str(diagnostic))
    problems: list[str] = []
    server_options, given = ServerOptions(), dict[str, str]()
    with collecting(problems):
        server_options = _server_options(options)
    with collecting(problems):
        given = _given_keys(options.api_key, loaded.definitions) if loaded.usable else {}
    if problems:
        raise UsageProblem(*problems)
    if not loaded.usable:
        return WRONG
    keys = keys_for(loaded.definitions, given)
    server = MockServer(keys, listener(options.host, options.port), server_options)
    with contextlib.suppress(KeyboardInterrupt):  # before the server handles signals itself
        server.run(on_ready=lambda: echo(_greeting(server.origin, keys, server.state.release)))
    return OK


def _server_options(options: MockOptions) -> ServerOptions:
    problems, cut, handler = [], None, None
    if not (isfinite(options.latency) and options.latency >= 0):
        problems.append(f"--latency is {options.latency:g}; it must be a number of seconds, 0 or more.")
    if not options.ping_interval > 0:
        problems.append(f"--ping-interval is {options.ping_interval:g}; it must be more than 0.")
    if not 0 <= options.fail_rate <= 1:
        problems.append(f"--fail-rate is {options.fail_rate:g}; it is a share, from 0 to 1.")
    try:
        cut = None if options.cut_after is None else Cut.parse(options.cut_after)
    except UnknownFaultError as error:
        problems.append(f"--cut-after: {error}.")
    try:
        handler = None if options.handler is None else load_handler(options.handler)
    except HandlerError as error:
        problems.append(f"--handler: {str(error).rstrip('.')}.")
    release = MOCKED_BY_DEFAULT if options.dify is None else mocked_release(options.dify)
    if release is None:
        problems.append(f"--dify is {options.dify}; {what_can_be_mocked()}.")
    if problems or release is None:
        raise UsageProblem(*problems)
    return ServerOptions(
        release=release,
        handler=handler,
        latency=options.latency,
        ping_interval=options.ping_interval,
        fail_rate=options.fail_rate,
        cut=cut,
    )


def _given_keys(values: Sequence[str], definitions: Sequence[Definition]) -> dict[str, str]:
    """Return `NAME=KEY` as app by key; a bare KEY is that of the only workflow."""
    names = [definition.key_name for definition in definitions]
    keys: dict[str, str] = {}
    problems: list[str] = []
    for value in values:
        name, separator, key = value.partition("=")
        if not separator and len(names) > 1:
            problems.append(f"With several apps a key is given as NAME=KEY; the names are {', '.join(names)}.")
        elif separator and name not in names:
            problems.append(f"No app is called {name!r}; there is {', '.join(names)}.")
        keys[key if separator else value] = name if separator else names[0]
    if "" in keys:
        problems.append("An API key cannot be empty.")
    if not all(key.isascii() and key.isprintable() and " " not in key for key in keys):
        problems.append("An API key cannot hold blanks or characters beyond ASCII: no header could carry it.")
    if problems:
        raise UsageProblem(*dict.fromkeys(problems))
    return keys


def _greeting(origin: str, keys: Mapping[str, Definition], release: Release) -> str:
    """Return where the server listens, which key opens what, and two ways to call it."""
    base_url = f"{origin}/v1"
    lines = [f"Dify {release}'s Service API, mocked, at {base_url} (Ctrl-C stops it)", ""]
    width = max(len(each.key_name) for each in keys.values())
    lines += [f"  {each.key_name:<{width}}  {f'key {key}' if key else 'any key'}" for key, each in keys.items()]
    key, first = next(iter(keys.items()))
    key = key or f"app-{first.key_name}"
    workflow = first.workflow
    asked = {"query": "hello"} if first.workflow.kind.has_conversations else {}
    sample = {**asked, "inputs": example_inputs(workflow), "user": "me", "response_mode": "streaming"}
    body = json.dumps(sample, ensure_ascii=False)
    lines += [
        "",
        f"  curl -N {base_url}/{workflow.kind.start} -H {shlex.quote(f'Authorization: Bearer {key}')} \\",
        "       -H 'Content-Type: application/json' \\",
        f"       -d {shlex.quote(body)}",
        "",
        f"  DIFY_BASE_URL={base_url} {first.key_variable}={shlex.quote(key)}",
    ]
    return "\n".join(lines)
