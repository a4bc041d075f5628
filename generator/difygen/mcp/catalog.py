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
    apps = list(apps)
    found = {each.schema.name: _plain(each) for each in apps}
    for app in apps if long_runs else ():
        if app.app.kind is WORKFLOW:
            start, result = (_free(name, found) for name in (f"start_{app.schema.name}", f"{app.schema.name}_result"))
            found[start] = _start(app, start, result)
            found[result] = _result(app, start, result)
    return found


def _plain(app: ServedApp) -> ServedTool:
    schema = app.schema
    return ServedTool(_tool(schema.name, schema.title, schema.description, schema.input, schema.output), app)


def _start(app: ServedApp, start: str, result: str) -> ServedTool:
    schema, ending = app.schema, _STARTED.format(result=result)
    description = f"{shorten(schema.description, MAX_DESCRIPTION - len(ending) - 1)} {ending}"
    output = _object({"run_id": _RUN_ID, "status": _status("running")}, ["run_id", "status"])
    return ServedTool(_tool(start, f"{schema.title}: start", description, schema.input, output), app, "start")


def _result(app: ServedApp, start: str, result: str) -> ServedTool:
    schema = app.schema
    status = _status("running", "succeeded", "partial-succeeded")
    output = _object({"run_id": _RUN_ID, "status": status, "outputs": schema.output}, ["run_id", "status"])
    input_ = _object({"run_id": _RUN_ID, "wait": _WAIT}, ["run_id"])
    description = _RESULT.format(start=start)
    read = _tool(result, f"{schema.title}: result", description, input_, output, read_only=True)
    return ServedTool(read, app, "result")


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


def _status(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return a name that no tool has."""
    while name in taken:
        name += "_run"
    return name
