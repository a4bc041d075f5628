"""One call of an app, as the mock answers it: what documents show. The same for the same definition, byte for byte."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from difygen.mock.api.payloads import form_variables
from difygen.mock.conversations import ConversationStore
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.engine.turns import Turn
from difygen.mock.engine.values import example_value
from difygen.mock.errors import Faults
from difygen.mock.files import FileStore, kind_of
from difygen.mock.runs import Run, RunStore
from difygen.mock.turn_runs import Asking, start_turn, turn_body
from difygen.mock.validation import checked_inputs
from difygen.model import WORKFLOW, App, Input

USER = "ada"
QUERY = "Hello!"
_MOMENT = 1764158400
_TIMES = {
    "created_at": _MOMENT,
    "finished_at": _MOMENT + 2,
    "sys.timestamp": _MOMENT,
    "expiration_time": _MOMENT + 86400,
    "elapsed_time": 1.25,
}
_MEASURED = ("iteration_duration_map", "loop_duration_map")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SIGNATURE = re.compile(r"\?timestamp=\d+&nonce=\w+&sign=[\w%.-]+")
_ENDINGS = {"image": ".png", "audio": ".mp3", "video": ".mp4"}


class ExampleCall(NamedTuple):
    """What is sent, what a blocking call gets, and what a streaming one gets instead."""

    request: JsonObject
    answer: JsonObject
    events: tuple[JsonObject, ...]


def example_call(definition: Definition) -> ExampleCall:
    """Return a call of an app with its answers, from a run of the mock."""
    app = definition.workflow
    inputs = example_inputs(app)
    request: JsonObject = {"inputs": inputs, "response_mode": "blocking", "user": USER}
    query = ""
    if "query" in app.kind.parameters:
        query = next((each.query for each in app.examples if each.query), QUERY)
        request = {"query": query, **request}
    answer, events = asyncio.run(_call(definition, query, inputs))
    fixed = _Fixed(app)
    return ExampleCall(request, fixed.value(answer), tuple(map(fixed.value, events)))


def example_inputs(app: App) -> JsonObject:
    """Return inputs to try an app with: its own example, else a value for each that has to be there."""
    if app.examples:
        return dict(app.examples[0].inputs)
    return {each.name: _value(each) for each in app.inputs if each.required}


def _value(variable: Input) -> Any:
    if variable.traits.is_file:
        file = _file(variable)
        return file if variable.kind == "file" else [file]
    if variable.default is not None:
        return variable.default
    if variable.type is not None:
        return example_value(variable.type, variable.name, FileStore())
    value = next(iter(variable.options), variable.traits.sample)
    return value[: variable.max_length] if isinstance(value, str) and variable.max_length else value


def _file(variable: Input) -> JsonObject:
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
    checked = checked_inputs(variables, inputs, runs.files)
    if definition.workflow.kind is WORKFLOW:
        run = runs.start(definition, USER, inputs, checked, [], Faults({}))
    else:
        asking = Asking(USER, query, checked, inputs, [])
        run = start_turn(runs, ConversationStore(), definition, asking, None, Faults({}))
    try:
        events = [event async for event in _until_it_waits(run)]
        return _answer(run), events
    finally:
        await runs.aclose()


async def _until_it_waits(run: Run) -> Any:
    async for event in run.follow(0):
        yield event
        if event["event"] == "workflow_paused":
            return


def _answer(run: Run) -> JsonObject:
    if isinstance(run.simulation, Turn):
        return turn_body(run, run.simulation)
    return {"task_id": run.task_id, "workflow_run_id": run.id, "data": run.blocking_data()}


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
            return _UUID.sub(self._id, _SIGNATURE.sub("?sign=…", value))
        return _TIMES[name] if name in _TIMES and isinstance(value, int | float) else value

    def _id(self, found: re.Match[str]) -> str:
        fixed = uuid.uuid5(uuid.NAMESPACE_URL, f"difygen:example:{self._name}:{len(self._ids)}")
        return self._ids.setdefault(found[0], str(fixed))
