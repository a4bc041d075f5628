"""`difygen mock`: reads the definitions, says where it listens, serves until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import json
import shlex
import socket
from collections.abc import Mapping, Sequence
from math import isfinite

import click

from difygen.mock.definition import Definition
from difygen.mock.errors import Cut, UnknownFaultError
from difygen.mock.loading import load_definitions
from difygen.mock.server import MockServer, keys_for, listening_socket
from difygen.mock.values import Handler, HandlerError, load_handler
from difygen.options import Options

WRONG = 2


class _WrongError(Exception):
    """An argument that cannot be used: one sentence for the user, without its capital and its full stop."""


def serve(
    sources: Sequence[str],
    *,
    host: str,
    port: int,
    api_key: Sequence[str],
    latency: float,
    ping_interval: float,
    fail_rate: float,
    cut_after: str | None,
    handler: str | None,
    options: Options = Options(),  # noqa: B008 - immutable
    base_folder: str = ".",
    output: str | None = None,
) -> int:
    """Serve until Ctrl-C. The exit code: 0 after a clean end, 2 for a wrong argument, a wrong definition or a port in use."""
    loaded = load_definitions(sources, options, base_folder=base_folder, output=output)
    for diagnostic in loaded.diagnostics:
        click.echo(str(diagnostic), err=True)
    if not loaded.usable:
        return WRONG
    try:
        _check_numbers(latency=latency, ping_interval=ping_interval, fail_rate=fail_rate)
        keys = keys_for(loaded.definitions, _given_keys(api_key, loaded.definitions))
        cut = _cut(cut_after)
        function = _handler(handler)
        listener = _listener(host, port)
    except _WrongError as error:
        sentence = str(error).rstrip(".")
        click.echo(f"Error: {sentence[:1].upper()}{sentence[1:]}.", err=True)
        return WRONG
    server = MockServer(
        keys,
        listener,
        handler=function,
        latency=latency,
        ping_interval=ping_interval,
        fail_rate=fail_rate,
        cut=cut,
    )
    with contextlib.suppress(KeyboardInterrupt):  # before the server handles signals itself
        server.run(on_ready=lambda: click.echo(_greeting(server.origin, keys)))
    return 0


def _check_numbers(*, latency: float, ping_interval: float, fail_rate: float) -> None:
    if not (isfinite(latency) and latency >= 0):
        raise _WrongError(f"--latency is {latency:g}; it must be a number of seconds, 0 or more")
    if not ping_interval > 0:
        raise _WrongError(f"--ping-interval is {ping_interval:g}; it must be more than 0")
    if not 0 <= fail_rate <= 1:
        raise _WrongError(f"--fail-rate is {fail_rate:g}; it is a share, from 0 to 1")


def _given_keys(values: Sequence[str], definitions: Sequence[Definition]) -> dict[str, str]:
    """`NAME=KEY` as app by key; a bare KEY is that of the only workflow."""
    names = [definition.key_name for definition in definitions]
    keys: dict[str, str] = {}
    for value in values:
        name, separator, key = value.partition("=")
        if not separator and len(names) > 1:
            raise _WrongError(f"with several workflows a key is given as NAME=KEY; the names are {', '.join(names)}")
        if separator and name not in names:
            raise _WrongError(f"no workflow is called {name!r}; there is {', '.join(names)}")
        keys[key if separator else value] = name if separator else names[0]
    if "" in keys:
        raise _WrongError("an API key cannot be empty")
    if not all(key.isascii() and key.isprintable() and " " not in key for key in keys):
        raise _WrongError("an API key cannot hold blanks or characters beyond ASCII: no header could carry it")
    return keys


def _cut(text: str | None) -> Cut | None:
    if text is None:
        return None
    try:
        return Cut.parse(str(text))
    except UnknownFaultError as error:
        raise _WrongError(f"--cut-after: {error}") from None


def _handler(text: str | None) -> Handler | None:
    if text is None:
        return None
    try:
        return load_handler(text)
    except HandlerError as error:
        raise _WrongError(f"--handler: {error}") from None


def _listener(host: str, port: int) -> socket.socket:
    try:
        return listening_socket(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = ". With --port 0 a free one is taken" if getattr(error, "errno", None) == errno.EADDRINUSE else ""
        raise _WrongError(f"cannot listen on {host}:{port}: {reason}{hint}") from None


def _greeting(origin: str, keys: Mapping[str, Definition]) -> str:
    """Where the server listens, which key opens what, and two ways to call it."""
    base_url = f"{origin}/v1"
    lines = [f"Dify's Service API, mocked, at {base_url} (Ctrl-C stops it)", ""]
    width = max(len(each.key_name) for each in keys.values())
    lines += [f"  {each.key_name:<{width}}  {f'key {key}' if key else 'any key'}" for key, each in keys.items()]
    key, first = next(iter(keys.items()))
    key = key or f"app-{first.key_name}"
    body = json.dumps({"inputs": _sample(first), "user": "me", "response_mode": "streaming"}, ensure_ascii=False)
    lines += [
        "",
        f"  curl -N {base_url}/workflows/run -H {shlex.quote(f'Authorization: Bearer {key}')} \\",
        "       -H 'Content-Type: application/json' \\",
        f"       -d {shlex.quote(body)}",
        "",
        f"  DIFY_BASE_URL={base_url} {first.key_variable}={shlex.quote(key)}",
    ]
    return "\n".join(lines)


def _sample(definition: Definition) -> dict[str, object]:
    """Inputs that the workflow takes: an example's, else values for what is required. A file cannot be made up."""
    if definition.workflow.examples:
        return dict(definition.workflow.examples[0].inputs)
    rows = [row for row in definition.variables if row.get("required")]
    return {str(row["variable"]): _sample_value(row) for row in rows if row.get("type") not in ("file", "file-list")}


def _sample_value(row: Mapping[str, object]) -> object:
    options = row.get("options")
    if isinstance(options, list) and options:
        return options[0]
    kinds = {"number": 1, "checkbox": True, "json_object": {}}
    return kinds.get(str(row.get("type")), "hello")
