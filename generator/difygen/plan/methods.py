"""Plans the clients of a workflow: `run` and `stream` with their parameters, docstrings and bodies, sync and async.

Sees inputs as they were planned; knows nothing of how their types came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from difygen.code import Code, Identifier, compose, docstring
from difygen.layout import INDENT, Bracket, Doc, call, declaration, flat, place, subscript
from difygen.model import App
from difygen.options import Options
from difygen.plan.hints import Names, class_head
from difygen.plan.inputs import InputPlan
from difygen.plan.prose import listed, one_line, paragraphs, sentence, wrap

_DEPTH = 2 * INDENT

_RAISES = (
    "pydantic.ValidationError: An input is not what the workflow takes.",
    "RunError: The run failed, was stopped, or waits for a person: see `.run`.",
    "DifyError: Anything else, such as a missing setting or a refusal.",
)


class MethodPlan(NamedTuple):
    """A method: `parameters` stand one on a line, after `self` and the star."""

    head: Code
    parameters: tuple[Code, ...]
    returns: Code
    docstring: Code
    body: Code


class ClientPlan(NamedTuple):
    """A client class."""

    name: Identifier
    head: Code
    docstring: Code
    methods: tuple[MethodPlan, ...]


_USER = "user: Whom the run is for; `DIFY_USER` if left out."


class ClientNames(NamedTuple):
    """The names that the methods refer to."""

    workflow: App
    stem: str
    inputs: Identifier
    outputs: Identifier
    client: Identifier
    async_client: Identifier
    key_variables: tuple[str, ...]


def plan_client(known: ClientNames, inputs: Sequence[InputPlan], names: Names) -> ClientPlan:
    """The sync client."""
    head = _client_head(known.client, known.workflow.kind.client, known, names)
    about = client_docstring(known, names)
    return ClientPlan(known.client, head, about, (_run(known, inputs, names), _stream(known, inputs, names)))


def plan_async_client(known: ClientNames, inputs: Sequence[InputPlan], names: Names, *, alone: bool) -> ClientPlan:
    """The async client; `alone` if there is no sync one to refer to."""
    head = _client_head(known.async_client, f"Async{known.workflow.kind.client}", known, names)
    about = client_docstring(known, names) if alone else docstring([f"`{known.client}` for asyncio."], INDENT)
    methods = (
        _run(known, inputs, names, twin=not alone, asynchronous=True),
        _stream(known, inputs, names, twin=not alone, asynchronous=True),
    )
    return ClientPlan(known.async_client, head, about, methods)


def _client_head(name: Identifier, base: str, known: ClientNames, names: Names) -> Code:
    return class_head(name, subscript(names.use("._runtime", base), known.outputs), limit=names.limit)


def client_docstring(known: ClientNames, names: Names) -> Code:
    """How a client is set up."""
    variables = listed((f"`{variable}`" for variable in known.key_variables), "or")
    text = (
        "Reads no setting and opens no connection before the first call. What the constructor is not given comes from the "
        f"environment: `DIFY_BASE_URL`, {variables}, `DIFY_USER`."
    )
    summary = f"Runs `{one_line(known.workflow.name)}`, all calls over one pool of connections."
    return docstring([*_wrapped(summary, names), "", *_wrapped(text, names)], INDENT)


def _wrapped(text: str, names: Names, indent: int = INDENT) -> list[str]:
    return wrap(text, names.limit - indent - 3)


def _run(
    known: ClientNames, inputs: Sequence[InputPlan], names: Names, *, twin: bool = False, asynchronous: bool = False
) -> MethodPlan:
    returns = subscript(names.use("._runtime", "Run"), known.outputs)
    summary = f"Run `{one_line(known.workflow.name)}` to its end and return the run"
    ending = [
        *_section("Returns:", ["The run, which has succeeded. `.outputs` holds its typed outputs."], names),
        "",
        *_section("Raises:", _RAISES, names),
    ]
    return MethodPlan(
        Code("async def run(" if asynchronous else "def run("),
        _parameters(inputs, "RunOptions", names),
        Code(flat(returns)),
        _method_docstring(summary, known, inputs, "RunOptions", ending, names, "run" if twin else ""),
        _body(
            Code("return await self.run_inputs(" if asynchronous else "return self.run_inputs("), known, inputs, names
        ),
    )


def _stream(
    known: ClientNames, inputs: Sequence[InputPlan], names: Names, *, twin: bool = False, asynchronous: bool = False
) -> MethodPlan:
    returns = subscript(names.use("._runtime", "AsyncRunStream" if asynchronous else "RunStream"), known.outputs)
    summary = f"Run `{one_line(known.workflow.name)}` and follow its events as they happen"
    words = ("async with", "async for", "await stream.result()") if asynchronous else ("with", "for", "stream.result()")
    text = (
        "A stream of events, for `{}` and `{}`. The run starts with the first event that is asked for. `{}` gives what `run` returns, or raises what "
        "`run` raises."
    )
    ending = _section("Returns:", [text.format(*words)], names)
    return MethodPlan(
        Code("def stream("),
        _parameters(inputs, "StreamOptions", names),
        Code(flat(returns)),
        _method_docstring(summary, known, inputs, "StreamOptions", ending, names, "stream" if twin else ""),
        _body(Code("return self.stream_inputs("), known, inputs, names),
    )


def _parameters(inputs: Iterable[InputPlan], options: str, names: Names) -> tuple[Code, ...]:
    taken: list[tuple[Identifier, Doc, Code | None]] = [
        (plan.name, plan.parameter_hint, plan.default) for plan in inputs
    ]
    taken.append((Identifier("user"), Code("str | None"), Code("None")))
    declared = (
        declaration(name, hint, default, indent=_DEPTH, comma=True, limit=names.limit) for name, hint, default in taken
    )
    unpacked = compose("{}[{}]", names.use("typing", "Unpack"), names.use("._runtime", options))
    return (*declared, compose("**options: {},", unpacked))


def _body(head: Code, known: ClientNames, inputs: Iterable[InputPlan], names: Names) -> Code:
    model = call(known.inputs, *(compose("{}={}", plan.name, plan.name) for plan in inputs))
    items = (model, Code("user=user"), Code("**options"))
    return place(Bracket(head, items, Code(")")), _DEPTH, limit=names.limit)


def _method_docstring(
    summary: str,
    known: ClientNames,
    inputs: Sequence[InputPlan],
    options: str,
    ending: Sequence[str],
    names: Names,
    twin: str,
) -> Code:
    """The docstring of a method; that of a `twin` of a sync method leaves what is said there."""
    lines = _wrapped(f"{summary}.", names, _DEPTH)
    if twin:
        lines += ["", *_wrapped(f"Takes what `{known.client}.{twin}` takes.", names, _DEPTH)]
        return docstring(lines, _DEPTH)
    about = paragraphs(known.workflow.description)
    lines += ["", *_wrapped(sentence(about[0]), names, _DEPTH)] if about else []
    arguments = [f"{plan.name}: {plan.text}" for plan in inputs if plan.text]
    arguments += [_USER, f"**options: See `{options}`."]
    return docstring([*lines, "", *_section("Args:", arguments, names), "", *ending], _DEPTH)


def _section(title: str, texts: Iterable[str], names: Names) -> list[str]:
    """A section of a docstring in Google's style."""
    wrapped = (
        wrap(text, names.limit - _DEPTH, lead=" " * 4, hang=" " * 8 if ": " in text else " " * 4) for text in texts
    )
    return [title, *(line for lines in wrapped for line in lines)]


def module_docstring(workflow: App, options: Options) -> Code:
    """What the module is, in the definition's words, and where it comes from."""
    limit = options.line_length
    name, title = one_line(workflow.name), one_line(workflow.title)
    head = f"The Dify workflow `{name}`" + (f" ({title})" if title and title != name else "")
    about = paragraphs(workflow.description)
    lines = wrap(f"{head}: {sentence(about[0])}" if len(about) == 1 else f"{head}.", limit - 3)
    if len(about) > 1:
        lines += ["", *(piece for text in about for piece in wrap(text, limit))]
    if options.single_file and not options.runtime:
        lines += [
            "",
            *wrap("The workflow's own code is at the end of the file, after the runtime that it needs.", limit),
        ]
    return docstring([*lines, "", *wrap(_origin(workflow), limit)])


def _origin(workflow: App) -> str:
    if workflow.source == "-":
        return "Written by difygen. Change the workflow's definition and run difygen again."
    return f"Written by difygen from {one_line(workflow.source)}. Change that file and run difygen again."
