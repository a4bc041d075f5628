"""Apps as tools of an MCP server: `difygen mcp`, over standard input and output or over HTTP.

Needs the extra `difygen[mcp]`. Nothing outside of this package may import the SDK. From below to above:

    tools    which tools there are, and what a model gives to them: names, schemas, values, files
    calls    one call: started, followed, stopped, what the client is told meanwhile, and what came of it
    server   the tools and the calls, as the SDK wants them; how a client reaches the server, and how it ends
    command  from definitions and options to a server
"""

from __future__ import annotations

from typing import Any

from difygen.config import Config

EXTRA = ("anyio", "mcp", "mcp_types", "starlette", "uvicorn")
HINT = "The MCP server needs more packages: pip install 'difygen[mcp]'"


def run_mcp(config: Config, **options: Any) -> int:
    """Serve the sources of `config` as tools until the client leaves. `options` are the other fields of `McpOptions`.

    Returns 0 after a clean end, 2 for wrong arguments, definitions or settings.
    """
    from difygen.console import WRONG, say

    try:
        from difygen.mcp.command import McpOptions, serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        say(HINT)
        return WRONG
    return serve(McpOptions(config=config, **options))
