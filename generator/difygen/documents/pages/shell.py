"""Calls as lines of a shell and of Python, ready to be copied. Values are quoted by the rules of each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from difygen.codegen.syntax import Source, code, lay_out, literal
from difygen.console import pretty_json
from difygen.documents.pages.subject import Subject
from difygen.mock.example import ApiCall, mime_type_of
from difygen.model import App

_HOLE = re.compile(r"\{(\w+)\}")
_ID = re.compile(r'"\{(file_id|conversation_id)\}"')


def start_call(subject: Subject, mode: str, body: Mapping[str, Any] | None = None) -> ApiCall:
    """Return the call that starts the app, in a mode of answering."""
    return ApiCall("POST", f"/{subject.app.kind.start}", {**(body or subject.example.request), "response_mode": mode})


def curl(subject: Subject, request: ApiCall, *, is_stream: bool = False) -> str:
    """Return a call as curl makes it. What is known from answers before it stands in variables of the shell."""
    flags = "-N " if is_stream else ""
    verb = {"GET": "", "POST": "-X POST "}.get(request.method, f"-X {request.method} ")
    lines = [
        f"curl {flags}{verb}{_url(subject.base_url + request.path)}",
        f'-H "Authorization: Bearer ${subject.plan.key_variables[0]}"',
    ]
    if request.upload:
        file = f"file=@{request.upload};type={mime_type_of(request.upload)}"
        lines.append(f"-F {shlex.quote(file)}")
        lines += [f"-F {shlex.quote(f'{name}={each}')}" for name, each in (request.body or {}).items()]
    elif request.body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {_json(request.body)}"]
    return " \\\n  ".join(lines) + "\n"


def _url(address: str) -> str:
    """Return an address for the shell: one with variables in double quotes, which leave nothing else to the shell."""
    if _HOLE.search(address) is None:
        return shlex.quote(address)
    quoted = re.sub(r'([\\"$`])', r"\\\1", address)
    return f'"{_HOLE.sub(lambda hole: f"${hole[1].upper()}", quoted)}"'


def _json(body: Mapping[str, Any]) -> str:
    """Return a body for the shell. A value that is `{file_id}`, or another id, is the variable of that name."""
    text = pretty_json(dict(body)).replace("'", "'\\''")
    return "'" + _ID.sub(lambda hole: f'"\'"${hole[1].upper()}"\'"', text) + "'"


# Python


def arguments(subject: Subject, *, user: bool = True, query: bool = True) -> list[Source]:
    """Return what a call of the client is given: the values of the example, by their Python names."""
    app, request = subject.app, subject.example.request
    found: list[Source] = []
    if query and "query" in request:
        found.append(literal(request["query"]))
    inputs = request["inputs"]
    for variable in app.inputs:
        if variable.name in inputs:
            given = inputs[variable.name]
            if variable.traits.is_file:
                given = file_argument(given)
            found.append(code("{}={}", subject.names.inputs[variable.name], literal(given)))
    if user:
        found.append(code("user={}", literal(str(request["user"]))))
    return found


def file_argument(value: Any) -> Any:
    """Return what a client takes for a file, or for several: the address of each that has one."""
    if isinstance(value, list):
        return [*map(file_argument, value)]
    return value["url"] if isinstance(value, Mapping) and isinstance(value.get("url"), str) else value


def laid_out(lines: Iterator[str] | Sequence[str]) -> str:
    """Return lines of Python, those that are too long broken as black breaks them."""
    return "".join(f"{lay_out(line)}\n" for line in lines)


def takes_files(app: App) -> bool:
    """Check whether there is anything to upload for an app."""
    return app.files is not None or any(each.traits.is_file for each in app.inputs)
