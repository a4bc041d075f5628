"""A stand-in for Dify's Service API, for workflow apps: `difygen mock` and `difygen.testing`.

Needs the extra `difygen[mock]`. Nothing outside of this package may import Starlette or uvicorn. What it does otherwise
than a real server, on purpose, is the table in docs/mock.md, which the tests read.

The way of a request:

    command      `difygen mock` reads definitions, which are what is served, and starts a server
    server       the routes; whose key it is, and which fault it asks for: errors
    endpoints    the body of the answer: validation checks inputs and files keeps uploads; streams sends events
    runs         starts the run, drives its simulation, and keeps it for whoever follows or asks later
    simulation   one run, event by event: scheduler says which node runs when, nodes what it gives, values holds the
                 variable pool and makes up what nobody can know
"""

from __future__ import annotations

from collections.abc import Sequence

from difygen.options import Options

EXTRA = ("jsonschema", "multipart", "python_multipart", "referencing", "starlette", "uvicorn")
HINT = "The mock server needs more packages: pip install 'difygen[mock]'"


def run_mock(
    sources: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8098,
    api_key: Sequence[str] = (),
    latency: float = 0.0,
    ping_interval: float = 10.0,
    fail_rate: float = 0.0,
    cut_after: str | None = None,
    handler: str | None = None,
    options: Options | None = None,
    base_folder: str = ".",
    output: str | None = None,
) -> int:
    """`difygen mock`: serve the workflows of `sources` until Ctrl-C. Returns the exit code.

    `api_key` are keys, NAME=KEY where there are several workflows. `latency` is how many seconds each node takes.
    `fail_rate` of the runs fail, evenly spread. `cut_after` is "3" (events) or "120b" (bytes of the body).
    `options` and `output` are the project's: apps are called as in its package. Paths start at `base_folder`.
    `handler` is MODULE:FUNCTION or FILE.py:FUNCTION; without the function, the one that is called like the workflow.
    """
    import click

    try:
        from difygen.mock.command import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        click.echo(HINT, err=True)
        return 2
    return serve(
        sources,
        host=host,
        port=port,
        api_key=api_key,
        latency=latency,
        ping_interval=ping_interval,
        fail_rate=fail_rate,
        cut_after=cut_after,
        handler=handler,
        options=options or Options(),
        base_folder=base_folder,
        output=output,
    )
