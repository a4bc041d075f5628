"""What a run puts out: a spec's example, a user's function, an echo of the inputs, or a value of the declared type."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from difygen.mock.definition import JsonObject
from difygen.mock.files import FileStore, file_object
from difygen.model import App, ArrayOf, ObjectOf, OneOf, Primitive, Type, UnionOf

Handler = Callable[..., Any]
"""A user's function: gets the inputs (and the workflow's name, if it takes two arguments), returns the outputs."""

ITEMS = 2
"""How many elements an array has that nobody prescribed."""


class HandlerError(ValueError):
    """A `--handler` that cannot be found or called."""


def example_outputs(workflow: App, inputs: JsonObject) -> JsonObject | None:
    """The outputs of the first example whose inputs are the given ones, else of the first example, else None."""
    if not workflow.examples:
        return None
    same = (each for each in workflow.examples if {**inputs, **each.inputs} == inputs)
    chosen = next(same, workflow.examples[0])
    types = {output.name: output.type for output in workflow.outputs}
    return {name: _whole(value, types.get(name, Primitive.ANY)) for name, value in chosen.outputs.items()}


def _whole(value: Any, type_: Type) -> Any:
    """An example's value; a file has all of its fields, of which the example may name a few."""
    if isinstance(type_, ArrayOf) and isinstance(value, list):
        return [_whole(each, type_.item) for each in value]
    if isinstance(type_, UnionOf) and Primitive.FILE in type_.members:
        type_ = Primitive.FILE
    if type_ is not Primitive.FILE or not isinstance(value, Mapping):
        return value
    return file_object("document", "remote_url", None, "", "", -1) | {"remote_url": value.get("url")} | dict(value)


def example_value(type_: Type, name: str, store: FileStore) -> Any:
    """A value of that type, the same every time; texts say where they come from."""
    match type_:
        case ArrayOf(item=item):
            return [example_value(item, name, store) for _ in range(ITEMS)]
        case ObjectOf(properties=properties):
            return {each.name: example_value(each.type, each.name, store) for each in properties}
        case OneOf(values=values):
            return values[0] if values else f"mock {name}"
        case UnionOf(members=members):
            return example_value(next(each for each in members if each is not Primitive.NULL), name, store)
        case Primitive.FILE:
            return store.example(name)
    return _PLAIN.get(type_, f"mock {name}")


_PLAIN: Mapping[Type, Any] = {
    Primitive.NUMBER: 1.5,
    Primitive.INTEGER: 1,
    Primitive.BOOLEAN: True,
    Primitive.NULL: None,
}


def load_handler(text: str) -> Handler:
    """The function behind `module:function` or `file.py:function`.

    Without `:function`, the module's function of the workflow's name is called: `def concat(inputs)`.
    """
    drive = text[:2] if text[1:3] in (":\\", ":/") else ""  # of a Windows path
    target, separator, function = text[len(drive) :].partition(":")
    target = drive + target
    if not target:
        raise HandlerError(f"{text!r} names no module; MODULE:FUNCTION or FILE.py:FUNCTION is wanted")
    module = _module(target)
    if not separator:
        return _by_name(module)
    found = getattr(module, function, None)
    if not callable(found):
        raise HandlerError(f"{target} has no function {function!r}")
    return _two_arguments(found)


def _module(target: str) -> ModuleType:
    try:
        return _module_of_file(target) if target.endswith(".py") else _importable(target)
    except HandlerError:
        raise
    except (Exception, SystemExit) as error:
        raise HandlerError(f"{target} cannot be imported: {type(error).__name__}: {error}") from error


def _importable(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return importlib.import_module(name)


def _module_of_file(path: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise HandlerError(f"{path} is not a file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _by_name(module: ModuleType) -> Handler:
    def call(inputs: JsonObject, name: str) -> Any:
        function = getattr(module, name, None)
        return NotImplemented if function is None else _two_arguments(function)(inputs, name)

    return call


def _two_arguments(function: Handler) -> Handler:
    """`function` as one that takes inputs and name, though it may take the inputs alone."""
    try:
        inspect.signature(function).bind({}, "")
    except TypeError:
        return lambda inputs, name: function(inputs)
    return function


async def _in_thread(function: Handler, *arguments: Any) -> Any:
    """What a function gives, called in a thread of its own that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def call() -> None:
        outcome: Any = None
        error: BaseException | None = None
        try:
            outcome = function(*arguments)
        except BaseException as raised:  # noqa: BLE001 - passed on, whatever it is
            error = raised
        with contextlib.suppress(RuntimeError):  # the server has ended in the meantime
            loop.call_soon_threadsafe(_settle, future, outcome, error)

    threading.Thread(target=call, name="difygen-mock-handler", daemon=True).start()
    return await future


def _settle(future: asyncio.Future[Any], outcome: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(outcome)
    else:
        fits = isinstance(error, Exception) and not isinstance(error, StopIteration)  # a future takes no other
        future.set_exception(error if fits else RuntimeError(repr(error)))


async def call_handler(handler: Handler, inputs: JsonObject, name: str) -> JsonObject | None:
    """What the user's function gives, run in a thread so that a slow one holds nobody up. None: it has nothing to say.

    Raises what the function raises, and TypeError if it gives anything but a JSON object.
    """
    result = await _in_thread(_two_arguments(handler), dict(inputs), name)
    if inspect.isawaitable(result):
        result = await result
    if result is NotImplemented:
        return None
    if not isinstance(result, Mapping):
        raise TypeError(f"the handler returned {type(result).__name__}, not a dict of outputs")
    plain: JsonObject = json.loads(json.dumps(dict(result)))
    return plain
