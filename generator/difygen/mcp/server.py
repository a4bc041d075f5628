"""The tools and their calls, as the SDK wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from difygen import __version__
from difygen.mcp.calls import Calls
from difygen.mcp.catalog import ServedTool
from difygen.wording import named, names_listed, nearest

Context = ServerRequestContext[dict[str, Any]]

_INSTRUCTIONS = "Each tool runs one app of Dify; what a run costs, and what it changes, is the app's affair."


def mcp_server(tools: Mapping[str, ServedTool], calls: Calls) -> Server[dict[str, Any]]:
    """Return the server of these tools."""

    async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[each.tool for each in tools.values()])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        if (tool := tools.get(params.name)) is None:
            near = nearest(params.name, tools)
            hint = f"Did you mean {named(near)}?" if near else f"There is {names_listed(tools)}."
            raise MCPError(INVALID_PARAMS, f"There is no tool {named(params.name)}. {hint}")
        # Reports nothing to a client that did not ask for it.
        return await calls.call(tool, params.arguments or {}, context.session.report_progress)

    return Server(
        "difygen",
        version=__version__,
        title="Dify apps",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
