"""What sections of a page are about: an app with its names, its client, a call of it, and the words to say it in.

Calls are lines of a shell and of Python, ready to be copied. Values are quoted by the rules of each.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from difygen.codegen.module import ClientPlan, ModulePlan, plan_module
from difygen.codegen.names import VariableNames
from difygen.codegen.syntax import Source, code, lay_out, literal
from difygen.config import DocsOptions
from difygen.console import compact_json, pretty_json
from difygen.documents.facts import NamedDefinition
from difygen.documents.pages.page import CodeSpan, PlainSpan, Prose, Words, joined
from difygen.documents.pages.page import code as as_code
from difygen.mock.definition import Definition
from difygen.mock.example import ApiCall, ExampleCall, example_call, mime_type_of
from difygen.model import App, ArrayOf, Input, JsonValue, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.naming import Identifier
from difygen.record import Record

_HOLE = re.compile(r"\{(\w+)\}")
_ID = re.compile(r'"\{(file_id|conversation_id)\}"')


class Subject(Record):
    """An app, and everything that is needed to write about it."""

    app: App
    name: str
    names: VariableNames
    definition: Definition
    plan: ModulePlan
    example: ExampleCall
    wanted: DocsOptions
    words: Words

    @property
    def base_url(self) -> str:
        """The server's address, without a slash at its end."""
        return self.wanted.base_url.rstrip("/")

    @property
    def client(self) -> ClientPlan:
        """The client that examples use: the blocking one, where there is one."""
        return self.plan.clients[0]

    @property
    def is_chat(self) -> bool:
        """Check whether the app has conversations."""
        return self.app.kind.has_conversations

    @property
    def file_inputs(self) -> tuple[Input, ...]:
        """The inputs that are files."""
        return tuple(each for each in self.app.inputs if each.traits.is_file)


def subject_of(named: NamedDefinition, wanted: DocsOptions) -> Subject:
    """Return what a page is about. The names of the app are known to be good."""
    app = named.definition.workflow
    planned = plan_module(app, wanted.client, Identifier(named.name))
    assert planned.plan is not None, "names with problems are refused before"
    example = example_call(named.definition)
    words = Words(wanted.language)
    return Subject(planned.app, named.name, named.names, named.definition, planned.plan, example, wanted, words)


def type_word(type_: Type) -> str:
    """Return a type in Dify's words."""
    match type_:
        case Primitive():
            return type_.value
        case ArrayOf(item):
            return f"array[{type_word(item)}]"
        case ObjectOf():
            return "object"
        case OneOf():
            return "string"
        case UnionOf(members):
            return " | ".join(dict.fromkeys(map(type_word, members)))


def values(items: Iterable[str], words: Words) -> Prose:
    """Return values as code, in a list."""
    return words.listed(map(value, items))


def value(item: JsonValue) -> Prose:
    """Return a value as JSON writes it; a plain text of letters needs no quotes."""
    if isinstance(item, str) and item == " ".join(item.split()) and item:
        return as_code(item)
    return as_code(compact_json(item))


def dashed(prose: Prose) -> Prose:
    """Return a text, or a dash for none."""
    return prose or (PlainSpan("—"),)


def names_as_code(names: Iterable[str], words: Words) -> Prose:
    """Return names in a list."""
    return joined(((CodeSpan(name),) for name in names), words.comma)


# Calls


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
