"""What a model gives to a tool, as what a generated client takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from difygen.mcp.catalog import LONGEST_WAIT, ServedApp
from difygen.mcp.folders import FileFolders
from difygen.model import Primitive
from difygen.tools import ToolError
from difygen.wording import named, names_listed, nearest


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
