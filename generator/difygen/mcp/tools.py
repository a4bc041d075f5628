"""Which tools there are, and what a model gives to one, as what a generated client takes.

There is one tool for each app, and two more for those whose runs may be left and looked up. Files that a model names
are those below folders that the user has named, and no others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from mcp_types import Tool, ToolAnnotations

from difygen.codegen.names import VariableNames
from difygen.console import UsageProblem
from difygen.documents.schemas import HTTPS_FILE, MAX_DESCRIPTION, ToolSchema, property_names, tool_schema
from difygen.model import App, Primitive
from difygen.record import Record
from difygen.tools import ToolError, is_file_url
from difygen.wording import listed, named, names_listed, nearest, shorten

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


class FileFolders:
    """The folders whose files a model may name; none for URLs alone."""

    def __init__(self, folders: tuple[str, ...] = ()) -> None:
        self._folders = tuple(map(_folder, folders))

    @property
    def description(self) -> str:
        """What a file is, in a schema; empty where it is a URL alone."""
        if not self._folders:
            return ""
        return f"The https URL of the file, or its path in {listed(map(str, self._folders), 'or')}."

    def file(self, label: str, value: object) -> Path | str:
        """Return the URL or the path of a file. Raises `ToolError`, which begins with `label`, for any other."""
        if not isinstance(value, str):
            raise ToolError(f"{label}: the https URL of a file is required{', or its path' if self._folders else ''}.")
        if is_file_url(value):
            return value
        if not self._folders:
            raise ToolError(f"{label}: an https URL is required; this server reads no files.")
        path = unquote(urlsplit(value).path) if value.lower().startswith("file://") else value
        for folder in self._folders:
            with suppress(OSError, ValueError):
                found = Path(os.path.realpath(folder / path, strict=True))  # wherever symbolic links lead
                if found.is_relative_to(folder) and found.is_file():
                    return found
        # Not a word about whether there is such a file elsewhere.
        raise ToolError(f"{label}: there is no such file in {listed(map(str, self._folders), 'or')}.")


def _folder(name: str) -> Path:
    try:
        path = Path(name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise UsageProblem(f"--allow-path {name!r} is no folder.") from None
    if not path.is_dir():
        raise UsageProblem(f"--allow-path {name!r} is no folder.")
    return path


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
        if app.app.kind.has_outputs:
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
    annotations = ToolAnnotations(
        title=title, read_only_hint=read_only, idempotent_hint=bool(read_only), open_world_hint=True
    )
    return Tool(
        name=name,
        title=title,
        description=description,
        input_schema=input_,
        output_schema=output,
        annotations=annotations,
    )


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


class AppCall(NamedTuple):
    """What an app is called with: values of its inputs by their names on the wire, and what goes beside them."""

    query: str | None
    values: dict[str, Any]
    options: dict[str, Any]


def app_call(served: ServedApp, arguments: Mapping[str, Any], folders: FileFolders) -> AppCall:
    """Return what an app is to be called with. The values are for the client to check. An argument of null is left out.

    Raises:
        ToolError: An argument is unknown, or no query, file or conversation: a line for each.
    """
    inputs = {each.name: each for each in served.app.inputs}
    given = {name: value for name, value in arguments.items() if value is not None}
    known = served.schema.input["properties"]
    problems = [_unknown(name, known) for name in given if name not in known]
    values: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in given.items():
        try:
            if (wire := served.wire_names.get(name)) is not None:
                values[wire] = value
                if inputs[wire].traits.is_file:
                    is_one = inputs[wire].value_type is Primitive.FILE
                    values[wire] = folders.file(name, value) if is_one else _files(name, value, folders)
            elif name == "files":
                options["files"] = _files(name, value, folders)
            elif name == "conversation_id" and not isinstance(value, str):
                raise ToolError("conversation_id: a text is required.")
            elif name == "conversation_id" and value:
                options["conversation_id"] = value
        except ToolError as problem:
            problems.append(str(problem))
    query = given.get("query") if "query" in served.app.kind.parameters else None
    if "query" in served.app.kind.parameters and not (isinstance(query, str) and query.strip()):
        problems.append("query: a text is required.")
    if problems:
        raise ToolError("\n".join(problems))
    return AppCall(query, values, options)


def run_arguments(arguments: Mapping[str, Any]) -> tuple[str, float]:
    """Return which run is asked for, and how many seconds its end is waited for. Raises `ToolError`."""
    known = {"run_id": None, "wait": None}
    problems = [_unknown(name, known) for name in arguments if name not in known]
    run_id, wait = arguments.get("run_id"), arguments.get("wait")
    wait = LONGEST_WAIT if wait is None else wait
    if not (isinstance(run_id, str) and run_id.strip()):
        problems.append("run_id: the id of a run is required.")
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 1 <= wait <= LONGEST_WAIT:
        problems.append(f"wait: a number of seconds from 1 to {LONGEST_WAIT} is required.")
    if problems:
        raise ToolError("\n".join(problems))
    return str(run_id), float(wait)


def _files(label: str, value: object, folders: FileFolders) -> list[Path | str]:
    if not isinstance(value, list):
        raise ToolError(f"{label}: a list of files is required.")
    return [folders.file(label, each) for each in value]


def _unknown(name: str, known: Mapping[str, object]) -> str:
    near = nearest(name, known)
    hint = f"Did you mean {named(near)}?" if near else f"There is {names_listed(known)}." if known else "It takes none."
    return f"There is no argument {named(name)}. {hint}"
