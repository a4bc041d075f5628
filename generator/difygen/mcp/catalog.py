"""Which tools there are: one for each app, and two more for those whose runs may be left and looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from mcp_types import Tool, ToolAnnotations

from difygen.codegen.python.names import VariableNames
from difygen.documents.tool_schemas import HTTPS_FILE, MAX_DESCRIPTION, ToolSchema, property_names, tool_schema
from difygen.mcp.folders import FileFolders
from difygen.model import WORKFLOW, App
from difygen.record import Record
from difygen.wording import shorten

Schema = dict[str, Any]

LONGEST_WAIT = 50
"""Seconds that a look at a run takes at most: many clients give a call up after 60."""

_STARTED = "Returns at once, with the id of the run. Ask for its result with {result}."
_RESULT = (
    "The result of a run that {start} has started, by its id. Waits for its end; while the run still goes on, "
    "the status is running: ask again."
)
_RUN_ID: Schema = {"type": "string", "description": "The id of the run."}
_WAIT: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": LONGEST_WAIT,
    "default": LONGEST_WAIT,
    "description": f"Seconds to wait for the end, at most {LONGEST_WAIT}.",
}


class ServedApp(Record):
    """An app with what is known of it as a tool: `wire_names` are the names of inputs on the wire, by property."""

    app: App
    name: str
    schema: ToolSchema
    wire_names: Mapping[str, str]
    key_variable: str


class ServedTool(Record):
    """A tool, and what a call of it does with which app: waits for it, starts it, or gives the result of a start."""

    tool: Tool
    app: ServedApp
    action: Literal["call", "start", "result"] = "call"


def served_app(app: App, name: str, names: VariableNames, folders: FileFolders) -> ServedApp:
    """Return an app as it is served, where files of these folders can be named."""
    file = {**HTTPS_FILE, "description": folders.description} if folders.description else HTTPS_FILE
    properties = property_names(app, names)
    return ServedApp(
        app,
        name,
        tool_schema(app, name, names, file),
        {each: wire for wire, each in properties.items()},
        names.key_variable,
    )


def tools_of(apps: Iterable[ServedApp], *, long_runs: bool) -> dict[str, ServedTool]:
    """Return the tools of apps by name; with `long_runs`, a start and a result for every workflow, too."""
    apps, found = list(apps), dict[str, ServedTool]()
    for app in apps:
        schema = app.schema
        tool = _tool(schema.name, schema.title, schema.description, schema.input, schema.output)
        found[schema.name] = ServedTool(tool, app)
    for app in apps if long_runs else ():
        if app.app.kind is WORKFLOW:
            found |= {each.tool.name: each for each in _long_run(app, found)}
    return found


def _long_run(app: ServedApp, taken: Mapping[str, object]) -> tuple[ServedTool, ServedTool]:
    """Return the tools that start a run of a workflow and give its result, called as no other tool is."""
    schema = app.schema
    start, result = f"start_{schema.name}", f"{schema.name}_result"
    while start in taken or result in taken:
        start, result = f"{start}_run", f"{result}_run"
    ending = _STARTED.format(result=result)
    description = f"{shorten(schema.description, MAX_DESCRIPTION - len(ending) - 1)} {ending}"
    started = _object({"run_id": _RUN_ID, "status": {"type": "string", "enum": ["running"]}}, ["run_id", "status"])
    ended = {"type": "string", "enum": ["running", "succeeded", "partial-succeeded"]}
    found = _object({"run_id": _RUN_ID, "status": ended, "outputs": schema.output}, ["run_id", "status"])
    asked = _object({"run_id": _RUN_ID, "wait": _WAIT}, ["run_id"])
    about = _RESULT.format(start=start)
    return (
        ServedTool(_tool(start, f"{schema.title}: start", description, schema.input, started), app, "start"),
        ServedTool(_tool(result, f"{schema.title}: result", about, asked, found, read_only=True), app, "result"),
    )


def _tool(
    name: str, title: str, description: str, input_: Schema, output: Schema, *, read_only: bool | None = None
) -> Tool:
    """Return a tool. Whether an app changes something in the world nobody knows, so that no hint says so."""
    hints = ToolAnnotations(
        title=title, read_only_hint=read_only, idempotent_hint=bool(read_only), open_world_hint=True
    )
    return Tool(
        name=name,
        title=title,
        description=description,
        input_schema=input_,
        output_schema=output,
        annotations=hints,
    )


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
