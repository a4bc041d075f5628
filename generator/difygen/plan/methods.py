"""Plans the clients of a workflow: `run` and `stream` with their parameters, docstrings and bodies, sync and async.

Sees inputs as they were planned; knows nothing of how their types came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from difygen.code import Code, Identifier, compose, docstring
from difygen.layout import INDENT, Doc, call, declaration, flat, place, prefixed, subscript, width
from difygen.model import App
from difygen.options import Options
from difygen.plan.hints import Names, class_head
from difygen.plan.inputs import InputPlan
from difygen.plan.prose import one_line, paragraphs, sentence, wrap
from difygen.wording import listed

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
    return class_head(name, subscript(names.use("._runtime", base), known.inputs, known.outputs), limit=names.limit)


def client_docstring(known: ClientNames, names: Names) -> Code:
    """How a client is set up."""
    variables = listed((f"`{variable}`" for variable in known.key_variables), "or")
    text = f"What it is not given comes at the first call from `DIFY_BASE_URL`, {variables}, and `DIFY_USER`."
    summary = f"Runs `{one_line(known.workflow.name)}`, all calls over one pool of connections."
    return docstring([*_wrapped(summary, names), "", *_wrapped(text, names)], INDENT)


def _wrapped(text: str, names: Names, indent: int = INDENT) -> list[str]:
    return wrap(text, names.limit - indent - 3)


def _run(
    known: ClientNames, inputs: Sequence[InputPlan], names: Names, *, twin: bool = False, asynchronous: bool = False
) -> MethodPlan:
    returns = subscript(names.use("._runtime", "Run"), known.outputs)
    name = one_line(known.workflow.name)
    if twin:
        about = _wrapped(f"Run `{name}` to its end, like `{known.client}.run`.", names, _DEPTH)
    else:
        about = _run_docstring(
            f"Run `{name}` to its end and return the run, which has succeeded.", known, inputs, names
        )
    return MethodPlan(
        Code("async def run(" if asynchronous else "def run("),
        _parameters(inputs, "RunOptions", names),
        Code(flat(returns)),
        docstring(about, _DEPTH),
        _body("return await self.run_inputs" if asynchronous else "return self.run_inputs", known, inputs, names),
    )


def _stream(
    known: ClientNames, inputs: Sequence[InputPlan], names: Names, *, twin: bool = False, asynchronous: bool = False
) -> MethodPlan:
    returns = subscript(names.use("._runtime", "AsyncRunStream" if asynchronous else "RunStream"), known.outputs)
    name = one_line(known.workflow.name)
    words = ("async with", "async for", "await stream.result()") if asynchronous else ("with", "for", "stream.result()")
    if twin:
        about = _wrapped(f"Run `{name}` as a stream of events, like `{known.client}.stream`.", names, _DEPTH)
    else:
        text = (
            "Takes what `run` takes. The run starts with the first event that is asked for; "
            f"`{words[2]}` returns or raises what `run` does."
        )
        summary = f"Run `{name}` as a stream of events, for `{words[0]}` and `{words[1]}`."
        about = [*_wrapped(summary, names, _DEPTH), "", *_wrapped(text, names, _DEPTH)]
    return MethodPlan(
        Code("def stream("),
        _parameters(inputs, "StreamOptions", names),
        Code(flat(returns)),
        docstring(about, _DEPTH),
        _body("return self.stream_inputs", known, inputs, names),
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


def _body(send: str, known: ClientNames, inputs: Sequence[InputPlan], names: Names) -> Code:
    """The statements of a method: in one where that fits on a line, else the inputs come first."""
    model = call(known.inputs, *(compose("{}={}", plan.name, plan.name) for plan in inputs))
    items = (Code("user=user"), Code("**options"))
    whole = call(Code(send), model, *items)
    if _DEPTH + width(flat(whole)) <= names.limit:
        return Code(flat(whole))
    local = Identifier("_inputs" if any(plan.name == "inputs" for plan in inputs) else "inputs")
    first = place(prefixed(compose("{} = ", local), model), _DEPTH, limit=names.limit)
    return compose("{}\n{}{}", first, Code(" " * _DEPTH), Code(flat(call(Code(send), local, *items))))


def _run_docstring(summary: str, known: ClientNames, inputs: Sequence[InputPlan], names: Names) -> list[str]:
    lines = _wrapped(summary, names, _DEPTH)
    about = paragraphs(known.workflow.description)
    lines += ["", *_wrapped(sentence(about[0]), names, _DEPTH)] if about else []
    arguments = [f"{plan.name}: {plan.text}" for plan in inputs if plan.text]
    arguments += [_USER, "**options: See `RunOptions`."]
    return [*lines, "", *_section("Args:", arguments, names), "", *_section("Raises:", _RAISES, names)]


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
