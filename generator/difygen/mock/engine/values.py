"""The values of a run, and where they come from: its nodes, a spec's example, a user's function, or made up.

Code nodes are never executed. Templates are rendered only where they do nothing but put values in.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import json
import operator
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from difygen.mock.definition import Definition, JsonObject, Selector, selector_of
from difygen.mock.files import FileStore, file_object, is_file
from difygen.model import AGENT, CHAT, App, ArrayOf, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.types import fits, or_null, type_in_words
from difygen.wording import named, names_listed, nearest, shown

Handler = Callable[..., Any]
"""A user's function: gets the inputs (and the workflow's name, if it takes two arguments), returns the outputs."""

ITEMS = 2
"""How many elements an array has that nobody prescribed."""

_REFERENCE = re.compile(r"\{\{#([^#{}]+)#\}\}")
_FILE_ATTRIBUTES = {"name": "filename"}


class HandlerError(ValueError):
    """A user's function that cannot be found or called, or that gives what its app cannot give."""


# The variable pool


@dataclass(slots=True)
class VariablePool:
    """What selectors resolve to, as in Dify's engine.

    `derived` are the values that follow from the inputs; the rest is made up. `prescribed` are outputs that the run
    ends with: the nodes that they come from give them.
    """

    definition: Definition
    store: FileStore
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    derived: set[tuple[str, str]] = field(default_factory=set)
    prescribed: JsonObject = field(default_factory=dict)

    def put(self, node_id: str, outputs: Mapping[str, Any], *, derived: bool) -> None:
        """Keep what a node gave."""
        for name, value in outputs.items():
            self.values[node_id, name] = value
            self.derived.add((node_id, name)) if derived else self.derived.discard((node_id, name))

    def __contains__(self, selector: Sequence[str]) -> bool:
        return tuple(selector[:2]) in self.values

    def is_derived(self, selector: Sequence[str]) -> bool:
        """Return whether the selector's value follows from the inputs."""
        return tuple(selector[:2]) in self.derived

    def get(self, selector: Sequence[str]) -> Any:
        """Return the value, or None if there is none: a missing step is null, arrays have no steps (as in Dify)."""
        if len(selector) < 2:
            return None
        value = self.values.get((selector[0], selector[1]))
        for step in selector[2:]:
            step = _FILE_ATTRIBUTES.get(step, step) if is_file(value) else step
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def is_prescribed(self, node_id: str) -> bool:
        """Return whether the node gives the value of an output that is prescribed."""
        return any(name in self.prescribed for name in self._outputs_from(node_id))

    def expected_outputs(self, node_id: str) -> JsonObject:
        """Return what the definition says that a node gives: prescribed where an output takes it, else made up."""
        taken = {row for end in self.definition.ends.values() for row in end if row[1][:1] == (node_id,) and row[1][1:]}
        declared = {selector for selector in self.definition.types if selector[0] == node_id and len(selector) > 1}
        values: JsonObject = {}
        for selector in sorted(declared | {selector for _, selector in taken}, key=lambda each: (len(each), each)):
            _set(values, selector[1:], self._made_up(selector))
        for name, selector in sorted(taken):
            if name in self.prescribed:
                _set(values, selector[1:], self.prescribed[name])
        return values

    def _outputs_from(self, node_id: str) -> set[str]:
        return {n for rows in self.definition.ends.values() for n, selector in rows if selector[:1] == (node_id,)}

    def _made_up(self, selector: Selector) -> Any:
        """Return a value of the selector's type; a list as long as the iteration over it must have rounds."""
        value = example_value(self.definition.types.get(selector, Primitive.ANY), selector[-1], self.store)
        if not isinstance(value, list) or not value:
            return value
        for step in self.definition.graph.steps.values():
            if selector_of(step.data.get("iterator_selector")) == selector:
                outputs = [self.prescribed.get(name) for name in self._outputs_from(step.id)]
                lengths = [len(output) for output in outputs if isinstance(output, list)]
                return [value[0]] * lengths[0] if lengths else value
        return value


def _set(values: JsonObject, path: Sequence[str], value: Any) -> None:
    """Set a value under a path of keys; what stands in its way and is no object stays."""
    for step in path[:-1]:
        inner = values.get(step)
        values = values.setdefault(step, {}) if isinstance(inner, dict) or inner is None else {}
    values[path[-1]] = value


# Texts


def as_text(value: Any) -> str:
    """Return a value as a text chunk has it: Markdown, as seen on 1.12.1."""
    if value is None:
        return ""
    if is_file(value):
        mark = "!" if value.get("type") == "image" else ""
        return f"{mark}[{value.get('filename') or ''}]({value.get('url') or ''})"
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, indent=2)
    if isinstance(value, list):
        files = all(map(is_file, value))
        return "\n".join(as_text(each) if files else f"- {each}" for each in value)
    return str(value)


def fill_references(text: str, pool: VariablePool) -> str:
    """Return a text with its `{{#node.field#}}` references filled in, as prompts and forms have them."""
    return _REFERENCE.sub(lambda found: as_text(pool.get(found[1].split("."))) or found[0], text)


def fill_template(template: str, values: Mapping[str, Any]) -> str | None:
    """Return a Jinja template with its values, or None if it does more than putting values in: then nobody runs it."""
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment()
    plain = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const)
    try:
        tree = environment.parse(template)
        if not all(isinstance(node, plain) for node in (tree, *tree.find_all(nodes.Node))):
            return None
        return environment.from_string(template).render(values)
    except Exception:  # noqa: BLE001 - whatever a template's own mistake is, its text is made up
        return None


# Conditions


_TEXT_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "is": operator.eq,
    "is not": operator.ne,
    "contains": operator.contains,
    "not contains": lambda text, part: part not in text,
    "start with": str.startswith,
    "end with": str.endswith,
}
_NUMBER_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "≠": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "≥": operator.ge,
    "≤": operator.le,
}


def holds(value: Any, comparison: str, expected: Any) -> bool | None:
    """Return whether a condition of an if-else node holds; None for a comparison that the mock does not do."""
    if comparison in ("empty", "not empty", "null", "not null", "exists", "not exists"):
        absent = value is None if "null" in comparison or "exists" in comparison else value in (None, "", [], {})
        return absent == (comparison in ("empty", "null", "not exists"))
    if comparison in _TEXT_OPERATORS:
        return _TEXT_OPERATORS[comparison](as_text(value), as_text(expected))
    if comparison in _NUMBER_OPERATORS:
        try:
            return _NUMBER_OPERATORS[comparison](float(value), float(expected))
        except (TypeError, ValueError):
            return False
    return None


# Examples and made-up values


def example_outputs(app: App, inputs: JsonObject, query: str) -> JsonObject | None:
    """Return what the first example with these inputs and this query gives, else the first example, else None."""
    if not app.examples:
        return None
    same = (each for each in app.examples if each.query in ("", query) and {**inputs, **each.inputs} == inputs)
    chosen = next(same, app.examples[0])
    if not app.kind.has_outputs:
        return {"answer": chosen.answer} if chosen.answer else None
    types = {output.name: output.type for output in app.outputs}
    return {name: _with_whole_files(value, types.get(name, Primitive.ANY)) for name, value in chosen.outputs.items()}


def _with_whole_files(value: Any, type_: Type) -> Any:
    """Return an example's value; a file has all of its fields, of which the example may name a few."""
    if isinstance(type_, ArrayOf) and isinstance(value, list):
        return [_with_whole_files(each, type_.item) for each in value]
    if isinstance(type_, UnionOf) and Primitive.FILE in type_.members:
        type_ = Primitive.FILE
    if type_ is not Primitive.FILE or not isinstance(value, Mapping):
        return value
    return file_object("document", "remote_url", None, "", "", -1) | {"remote_url": value.get("url")} | dict(value)


def example_value(type_: Type, name: str, store: FileStore) -> Any:
    """Return a value of that type, the same every time; texts say where they come from."""
    match type_:
        case ArrayOf(item=item):
            return [example_value(item, name, store) for _ in range(ITEMS)]
        case ObjectOf(properties=properties):
            return {each.name: example_value(each.type, each.name, store) for each in properties}
        case OneOf(values=[first, *_]):
            return first
        case UnionOf(members=members):
            return example_value(next(each for each in members if each is not Primitive.NULL), name, store)
        case Primitive.FILE:
            return store.example(name)
        case Primitive.NUMBER:
            return 1.5
        case Primitive.INTEGER:
            return 1
        case Primitive.BOOLEAN:
            return True
        case Primitive.NULL:
            return None
    return f"mock {name}"


# The user's function


def load_handler(text: str) -> Handler:
    """Return the function behind `module:function` or `file.py:function`.

    Without `:function`, the module's function of the workflow's name is called: `def concat(inputs)`.
    """
    drive = text[:2] if text[1:3] in (":\\", ":/") else ""  # of a Windows path
    target, separator, function = text[len(drive) :].partition(":")
    target = drive + target
    if not target:
        raise HandlerError(f"{text!r} names no module; MODULE:FUNCTION or FILE.py:FUNCTION is wanted")
    try:
        if target.endswith(".py"):
            module = _load_file(target)
        else:
            if os.getcwd() not in sys.path:
                sys.path.insert(0, os.getcwd())
            module = importlib.import_module(target)
    except HandlerError:
        raise
    except (Exception, SystemExit) as error:
        raise HandlerError(f"{target} cannot be imported: {type(error).__name__}: {error}") from error
    if not separator:
        return _by_workflow_name(module)
    found = getattr(module, function, None)
    if not callable(found):
        own = [name for name, each in vars(module).items() if inspect.isfunction(each) and not name.startswith("_")]
        raise HandlerError(f"{target} has no function {function!r}; there is {names_listed(own) if own else 'none'}")
    return _with_two_parameters(found)


def _load_file(path: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise HandlerError(f"{path} is not a file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _by_workflow_name(module: ModuleType) -> Handler:
    """Return a handler that calls the module's function of the workflow's name, if there is one."""

    def call(inputs: JsonObject, name: str) -> Any:
        function = getattr(module, name, None)
        return NotImplemented if function is None else _with_two_parameters(function)(inputs, name)

    return call


def _with_two_parameters(function: Handler) -> Handler:
    """Return `function` as one that takes inputs and name, though it may take the inputs alone."""
    try:
        inspect.signature(function).bind({}, "")
    except TypeError:
        return lambda inputs, name: function(inputs)
    return function


async def call_handler(handler: Handler, inputs: JsonObject, name: str, text_key: str = "") -> JsonObject | None:
    """Return what the user's function gives, or None if it has nothing to say. A slow one holds nobody up.

    A text is taken for the output `text_key`, if there is one. Raises what the function raises, and TypeError if it
    gives anything but a JSON object.
    """
    result = await _call_in_thread(_with_two_parameters(handler), dict(inputs), name)
    if inspect.isawaitable(result):
        result = await result
    if result is NotImplemented:
        return None
    if text_key and isinstance(result, str):
        return {text_key: result}
    if not isinstance(result, Mapping):
        raise TypeError(f"the handler returned {type(result).__name__}, not a dict of outputs")
    plain: JsonObject = json.loads(json.dumps(dict(result)))
    return plain


def judge_outputs(outputs: JsonObject, definition: Definition) -> JsonObject:
    """Return what a user's function gave, if its app can give that. Raises HandlerError, which says all that is wrong.

    A workflow gives all outputs that are not optional, and no others; nothing is said of one that declares none. Of a
    chat-type app the answer is judged, and names that it has no use for.
    """
    app = definition.workflow
    if app.kind.has_outputs:
        types = {output.name: or_null(output.type, output.optional) for output in app.outputs}
        if not types:
            return outputs
        missing = [each.name for each in app.outputs if not each.optional and each.name not in outputs]
    else:
        selectors = {name for end in definition.ends.values() for name, _ in end} if app.kind.has_runs else ()
        thoughts: dict[str, Type] = {"thoughts": ArrayOf(ObjectOf())} if app.kind is AGENT else {}
        files: dict[str, Type] = {"files": ArrayOf(Primitive.STRING)} if app.kind is CHAT else {}
        inner: dict[str, Type] = {"reasoning": ObjectOf(), "logs": ObjectOf()} if app.kind.has_runs else {}
        types = {"answer": Primitive.STRING, **thoughts, **files, **inner, **dict.fromkeys(selectors, Primitive.ANY)}
        missing = []
    mistakes = []
    for name, value in outputs.items():
        if name not in types:
            near = nearest(name, types)
            hint = f"did you mean {named(near)}?" if near else f"there is {names_listed(types)}"
            mistakes.append(f"{named(name)} is no output of {named(app.name)} ({hint})")
        elif not fits(value, types[name]):
            given = shown(json.dumps(value, ensure_ascii=False))
            mistakes.append(f"{named(name)} is {given}, not {type_in_words(types[name])}")
    if missing:
        mistakes.append(f"{names_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if mistakes:
        raise HandlerError(f"the handler returned what {named(app.name)} cannot give: {'; '.join(mistakes)}")
    return outputs


async def _call_in_thread(function: Handler, *arguments: Any) -> Any:
    """Call a function in a daemon thread of its own: pools of threads would keep the process alive for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(outcome: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(outcome)
        else:
            fits = isinstance(error, Exception) and not isinstance(error, StopIteration)  # a future takes no other
            future.set_exception(error if fits else RuntimeError(repr(error)))

    def call() -> None:
        outcome: Any = None
        error: BaseException | None = None
        try:
            outcome = function(*arguments)
        except BaseException as raised:  # noqa: BLE001 - passed on, whatever it is
            error = raised
        with contextlib.suppress(RuntimeError):  # the server has ended in the meantime
            loop.call_soon_threadsafe(settle, outcome, error)

    threading.Thread(target=call, name="difygen-mock-handler", daemon=True).start()
    return await future
