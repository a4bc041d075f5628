"""Let a model call apps: the calls of tools that `difygen tools` describes, through generated clients.

    tools = Tools(concat=ConcatClient(user="ada"))
    answer = tools.call_tool("concat", {"string": "a", "num": 1, "list": "list_a"})

Knows no model and no model's API: arguments come in, JSON goes out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from inspect import iscoroutinefunction
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from difygen.wording import named, names_listed, nearest

_FILE_MEMBERS = ("filename", "url", "mime_type")
_TURN = ("query", "conversation_id")
_SETTINGS = {"ConfigurationError", "AuthenticationError", "PermissionDeniedError"}


class ToolError(Exception):
    """A call that did not succeed: the text is for the model, which may try again with other arguments, or not."""


class Tools:
    """Generated clients by the names of their tools: those of `difygen tools`, which are their modules' names.

    For whom and where the calls go is what the clients were made with; a model has no say in it.
    """

    def __init__(self, **clients: Any) -> None:
        self._clients = clients
        self._inputs = {name: _inputs_class(type(client)) for name, client in clients.items()}

    def call_tool(self, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """Call an app as a model asks for it, and return what it gives, in JSON's types.

        Args:
            name: The name of the tool.
            arguments: By name, or the JSON text of that. A file is a URL: no path is read.

        Raises:
            ToolError: There is no such tool, the arguments are not what the app takes, or the call did not succeed.
            Exception: A setting of the client is missing or wrong: its `ConfigurationError`, `AuthenticationError`.
        """
        method, inputs, options = self._prepare(name, arguments, is_awaited=False)
        try:
            return tool_result(method(*inputs, **options), is_conversation=len(inputs) > 1)
        except Exception as error:
            raise _error_to_raise(error) from error

    async def acall_tool(self, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """Call an app by its client for asyncio, as `call_tool` does."""
        method, inputs, options = self._prepare(name, arguments, is_awaited=True)
        try:
            return tool_result(await method(*inputs, **options), is_conversation=len(inputs) > 1)
        except Exception as error:
            raise _error_to_raise(error) from error

    def _prepare(
        self, name: str, arguments: Mapping[str, Any] | str, *, is_awaited: bool
    ) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """Return the method of the client, and what it is called with."""
        name = str(name)  # of a model's answer, where it may be anything
        client = self._clients.get(name)
        if client is None:
            near = nearest(name, self._clients)
            hint = f"Did you mean {named(near)}?" if near else f"There is {names_listed(self._clients)}."
            raise ToolError(f"There is no tool {named(name)}. {hint}")
        given = _object(arguments)
        verb = next(each for each in ("run", "chat", "complete") if hasattr(client, f"{each}_inputs"))
        method = getattr(client, f"{verb}_inputs")
        if iscoroutinefunction(method) is not is_awaited:
            raise TypeError(f"{type(client).__name__} is called by {'' if is_awaited else 'await a'}call_tool()")
        turn = {key: given.pop(key) for key in _TURN if verb == "chat" and key in given}
        if verb == "chat" and not turn.get("query"):
            raise ToolError("query: a text is required.")
        if wrong := [key for key, value in turn.items() if not isinstance(value, str)]:
            raise ToolError(f"{wrong[0]}: a text is required.")
        about = getattr(client, "_app", None) or getattr(client, "_workflow", None)
        files = given.pop("files", None) if getattr(about, "files", None) is not None else None
        if not (files is None or isinstance(files, list) and all(map(is_file_url, files))):
            raise ToolError("files: a list of URLs that begin with https:// is required.")
        try:
            inputs = self._inputs[name].model_validate_json(json.dumps(given))
        except ValidationError as error:
            rows = error.errors(include_url=False, include_input=False, include_context=False)  # no values
            messages = [f"{'.'.join(map(str, row['loc'])) or 'arguments'}: {row['msg']}" for row in rows]
            raise ToolError("\n".join(messages)) from error
        options = {"conversation_id": turn["conversation_id"]} if turn.get("conversation_id") else {}
        options |= {"files": files} if files else {}
        positional = (turn["query"], inputs) if verb == "chat" else (inputs,)
        return method, positional, options


def _object(arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """Return arguments without those that are null, which is how strict tools leave something out."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise ToolError(f"The arguments are no JSON: {error}.") from error
    if not isinstance(arguments, Mapping):
        raise ToolError("The arguments must be a JSON object.")
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # half of a character, and what has no end
        raise ToolError(f"The arguments are no JSON: {error}.") from error
    return given


def is_file_url(value: object) -> bool:
    """Check whether a model names a file by a URL, and not by a path, which is never read."""
    return isinstance(value, str) and value.lower().startswith(("https://", "http://"))


def _inputs_class(client: type) -> Any:
    """Return the model of a generated client's inputs: the first argument of the class that it extends."""
    for kind in client.__mro__:
        for base in getattr(kind, "__orig_bases__", ()):
            for argument in get_args(base):
                if hasattr(argument, "model_validate_json"):
                    return argument
    raise TypeError(f"{client.__name__} is no client that difygen generated")


def _error_to_raise(error: Exception) -> Exception:
    """Return the error to raise: what came of the call is for the model to know, wrong settings are the program's.

    Every package has a runtime of its own, so that its errors are known by their names.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    return ToolError(str(error)) if "DifyError" in names and not names & _SETTINGS else error


def tool_result(done: Any, *, is_conversation: bool) -> dict[str, Any]:
    """Return what came of a call: outputs by their names in Dify, or the answer and where it goes on."""
    if not hasattr(done, "answer"):
        return {name: _plain(value) for name, value in _members(done.outputs)}
    return {"answer": done.answer} | ({"conversation_id": done.conversation_id} if is_conversation else {})


def _members(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield what a model holds, by the names on the wire."""
    fields = type(model).model_fields
    for name, value in model:
        yield (fields[name].serialization_alias or name if name in fields else name), value


def _plain(value: Any) -> Any:
    """Return a JSON value in which files are no more than a model can use of them."""
    if hasattr(value, "download_url"):  # a file; the URL is absolute where it is known of which server it is
        return {"filename": value.filename, "url": value.download_url, "mime_type": value.mime_type}
    if isinstance(value, BaseModel):
        return {name: _plain(each) for name, each in _members(value)}
    if isinstance(value, Mapping):
        if value.get("dify_model_identity") == "__dify__file__":
            return {name: value.get(name) for name in _FILE_MEMBERS}
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
