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
from dataclasses import dataclass, field

from difygen.options import Options

EXTRA = ("jsonschema", "multipart", "python_multipart", "referencing", "starlette", "uvicorn")
HINT = "The mock server needs more packages: pip install 'difygen[mock]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class MockOptions:
    """What the command line asks of a mock server.

    `api_key` are keys, NAME=KEY where there are several workflows. `latency` is how many seconds each node takes.
    `fail_rate` of the runs fail, evenly spread. `cut_after` is "3" (events) or "120b" (bytes of the body).
    `handler` is MODULE:FUNCTION or FILE.py:FUNCTION; without the function, the one that is called like the workflow.
    `options` and `output` are the project's: apps are called as in its package. Paths start at `base_folder`.
    """

    sources: Sequence[str]
    host: str = "127.0.0.1"
    port: int = 8098
    api_key: Sequence[str] = ()
    latency: float = 0.0
    ping_interval: float = 10.0
    fail_rate: float = 0.0
    cut_after: str | None = None
    handler: str | None = None
    options: Options = field(default_factory=Options)
    base_folder: str = "."
    output: str | None = None


def run_mock(options: MockOptions) -> int:
    """Serve workflows until Ctrl-C, and return the exit code."""
    from difygen.console import WRONG, say

    try:
        from difygen.mock.command import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        say(HINT)
        return WRONG
    return serve(options)
