"""One call of an app, as the mock answers it: what documents show. The same for the same definition, byte for byte."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx

from difygen.mock.conversations import ConversationStore
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.engine.values import example_value
from difygen.mock.errors import Faults
from difygen.mock.files import FileStore, kind_of
from difygen.mock.runs import RunStore, TurnInput, start_turn
from difygen.mock.validation import checked_inputs, form_variables
from difygen.model import App, Input

USER = "ada"
QUERY = "Hello!"
_MOMENT = 1764158400
_TIMES = {
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
    "finished_at": _MOMENT + 2,
    "sys.timestamp": _MOMENT,
    "expiration_time": _MOMENT + 86400,
    "elapsed_time": 1.25,
}
_MEASURED = ("iteration_duration_map", "loop_duration_map")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIMESTAMP = re.compile(r'("sys\.timestamp": )\d+')
"""Within a JSON text, as the details of a run have their inputs."""
_SIGNATURE = re.compile(r"\?timestamp=\d+&nonce=\w+&sign=[\w%.-]+")
_ENDINGS = {"image": ".png", "audio": ".mp3", "video": ".mp4"}
_MIME_TYPES = {".png": "image/png", ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".pdf": "application/pdf"}


class ExampleCall(NamedTuple):
    """What is sent, what a blocking call gets, and what a streaming one gets instead."""

    request: JsonObject
    answer: JsonObject
    events: tuple[JsonObject, ...]


def example_call(definition: Definition) -> ExampleCall:
    """Return a call of an app with its answers, from a run of the mock."""
    app = definition.workflow
    request = example_request(app)
    answer, events = asyncio.run(_call(definition, request.get("query", ""), request["inputs"]))
    fixed = _Fixed(app)
    return ExampleCall(request, fixed.value(answer), tuple(map(fixed.value, events)))


def example_request(app: App) -> JsonObject:
    """Return the body of a call to try an app with."""
    request: JsonObject = {"inputs": example_inputs(app), "response_mode": "blocking", "user": USER}
    if "query" in app.kind.parameters:
        return {"query": next((each.query for each in app.examples if each.query), QUERY), **request}
    return request


def example_inputs(app: App) -> JsonObject:
    """Return inputs to try an app with: its own example, else a value for each that has to be there."""
    if app.examples:
        return dict(app.examples[0].inputs)
    return {each.name: value_for(each) for each in app.inputs if each.required}


def value_for(variable: Input) -> Any:
    """Return a value to try an input with, or a field of a form: what it is filled with, if there is anything."""
    if variable.traits.is_file:
        file = file_for(variable)
        return file if variable.kind == "file" else [file]
    if variable.default is not None:
        return variable.default
    if variable.prefilled is not None and not variable.options:
        return variable.prefilled
    if variable.type is not None:
        return example_value(variable.type, variable.name, FileStore())
    value = next(iter(variable.options), variable.traits.sample)
    return value[: variable.max_length] if isinstance(value, str) and variable.max_length else value


def file_for(variable: Input) -> JsonObject:
    """Return a file at an address, of a type that the input takes; of `custom` ones, what a server detects."""
    type_ = next(iter(variable.allowed_file_types), "document")
    ending = _ENDINGS.get(type_, ".pdf")
    if type_ == "custom":
        ending = next(iter(variable.allowed_file_extensions), ending)
    url = f"https://example.com/example.{ending.lstrip('.').lower()}"
    return {"transfer_method": "remote_url", "type": kind_of(ending), "url": url}


async def _call(definition: Definition, query: str, inputs: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    runs = RunStore(FileStore("https://files.example.com"))
    variables = tuple(
        {key: value for key, value in row.items() if not key.startswith("allowed_file_")}  # some allow no file at all
        for row in form_variables(definition)
    )
    checked = checked_inputs(variables, inputs, runs.files, None)
    if definition.workflow.kind.has_outputs:
        run = runs.start(definition, USER, inputs, checked, [], Faults({}))
    else:
        turn_input = TurnInput(USER, query, checked, inputs, [])
        run = start_turn(runs, ConversationStore(), definition, turn_input, None, Faults({}))
    try:
        events = []
        async for event in run.follow(0):
            events.append(event)
            if event["event"] == "workflow_paused":  # nobody answers
                break
        return run.answer(), events
    finally:
        await runs.aclose()


class ApiCall(NamedTuple):
    """A call beside those that start an app. `{conversation_id}` and the like, in the path or as a value of the body,
    stand for what was answered before; `upload` is the name of the file that goes up.
    """

    method: str
    path: str
    body: JsonObject | None = None
    upload: str = ""


_HOLE = re.compile(r"\{(\w+)\}")
UPLOADED = b"An example."
"""What the files of examples hold."""


def example_answers(definition: Definition, calls: Sequence[ApiCall]) -> tuple[Any, ...]:
    """Return what the mock answers to calls that are made one after the other, behind the call of `example_call`.

    None where there is no body. Ids are those of the example, as far as it has them.
    """
    return asyncio.run(_answers(definition, calls))


async def _answers(definition: Definition, calls: Sequence[ApiCall]) -> tuple[Any, ...]:
    from difygen.mock.api import ServerOptions, ServerState  # what only those need who ask the server
    from difygen.mock.server import create_app

    app = definition.workflow
    request = example_request(app)
    if not app.kind.has_blocking:
        request["response_mode"] = "streaming"
    state = ServerState({"": definition}, "https://files.example.com", ServerOptions())
    fixed = _Fixed(app)
    found = []
    transport = httpx.ASGITransport(create_app(state))
    headers = {"Authorization": "Bearer app-example"}
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://mock/v1/", headers=headers) as client:
            body = (await client.post(app.kind.start, json=request)).text
            line = next((line for line in body.split("\n") if line.startswith(("{", "data: "))), "{}")
            first = json.loads(line.removeprefix("data: "))  # the whole answer, or the first event of a stream
            reasons = first.get("data", {}).get("reasons", ()) if isinstance(first.get("data"), dict) else ()
            known = {key: each for asked in (*reasons, first) for key, each in asked.items() if isinstance(each, str)}
            fixed.value(first)
            for call in calls:
                answer = await _answer_to(client, call, known)
                if call.upload and isinstance(answer, dict):
                    known["file_id"] = str(answer.get("id"))
                found.append(fixed.value(answer))
    finally:
        await state.runs.aclose()
    return tuple(found)


async def _answer_to(client: httpx.AsyncClient, call: ApiCall, known: Mapping[str, str]) -> Any:
    def filled(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return _HOLE.sub(lambda hole: known.get(hole[1], hole[0]), value) if isinstance(value, str) else value

    path = filled(call.path).removeprefix("/")
    if call.upload:
        files = {"file": (call.upload, UPLOADED, mime_type_of(call.upload))}
        answer = await client.request(call.method, path, files=files, data=call.body)
    else:
        body = None if call.body is None else filled(call.body)
        answer = await client.request(call.method, path, json=body)
    return answer.json() if answer.content else None


def mime_type_of(name: str) -> str:
    """Return the type that a file of that name is uploaded as: the same on every system."""
    ending = name[name.rfind(".") :]
    return _MIME_TYPES.get(ending, "application/octet-stream")


class _Fixed:
    """Puts what differs from run to run, ids and times, into values that do not. Equal ids stay equal."""

    def __init__(self, app: App) -> None:
        self._ids: dict[str, str] = {}
        self._name = app.name

    def value(self, value: Any, name: str = "") -> Any:
        """Return a JSON value without what differs."""
        if isinstance(value, Mapping):
            return {key: self.value(each, key) for key, each in value.items() if key not in _MEASURED}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        if name == "form_token" and value:
            return "form-token"
        if isinstance(value, str):
            text = _TIMESTAMP.sub(rf"\g<1>{_MOMENT}", _SIGNATURE.sub("?sign=…", value))
            return _UUID.sub(self._id, text)
        return _TIMES[name] if name in _TIMES and isinstance(value, int | float) else value

    def _id(self, found: re.Match[str]) -> str:
        fixed = uuid.uuid5(uuid.NAMESPACE_URL, f"difygen:example:{self._name}:{len(self._ids)}")
        return self._ids.setdefault(found[0], str(fixed))
