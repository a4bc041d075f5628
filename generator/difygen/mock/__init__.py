"""A stand-in for Dify's Service API: `difygen mock` and `difygen.testing`.

Needs the extra `difygen[mock]`. Nothing outside of this package may import Starlette or uvicorn. What it does otherwise
than a real server, on purpose, is the table in docs/mock.md, which the tests read.

The way of a request:

    command      `difygen mock` reads definitions, which are what is served, and starts a server
    server       the routes; whose key it is, and which fault it asks for: errors
    api          the answer, endpoint by endpoint: validation checks what is sent, files keeps uploads
    runs         starts the run, drives its simulation, and keeps it for whoever follows or asks later; conversations
                 keeps what chat-type apps remember
    engine       one run or turn, event by event, without a clock or a connection
"""

from __future__ import annotations

from typing import Any

EXTRA = ("jsonschema", "multipart", "python_multipart", "referencing", "starlette", "uvicorn")
HINT = "The mock server needs more packages: pip install 'difygen[mock]'"


def run_mock(**options: Any) -> int:
    """Serve workflows until Ctrl-C, and return the exit code. `options` are the fields of `MockOptions`."""
    from difygen.console import WRONG, say

    try:
        from difygen.mock.command import MockOptions, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        say(HINT)
        return WRONG
    return serve(MockOptions(**options))
