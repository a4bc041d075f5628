"""Tests without a Dify server: `mock_dify` serves workflows on loopback for the length of a `with` block or of a test.

    with mock_dify("specs/concat.yaml", handler=lambda inputs: {"result": "ok"}) as dify:
        client = ConcatClient(base_url=dify.base_url, api_key=dify.api_key, user="test")

`fake_client` and `fake_outputs` do without a server: a generated client that is answered by the test itself.

In pytest, `pytest_plugins = ["difygen.testing"]` in conftest.py gives the fixture `dify_mock`: call it with the same
arguments, and the environment points at the server until the test is over. Needs the extra `difygen[mock]`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from difygen.mock import HINT
from difygen.model import APP_KINDS, App
from difygen.record import replace
from difygen.servers.releases import MOCKED_BY_DEFAULT, mocked_release, what_can_be_mocked
from difygen.wording import named, names_listed, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

    from difygen.mock.conversations import MessageRow
    from difygen.mock.runs import ServedRun
    from difygen.mock.server import MockServer

Handler = Callable[..., Any]
"""Gets a run's inputs (and the workflow's name, if it takes two arguments), returns the outputs, a dict of JSON values.

For a chat-type app the inputs have `sys.query`, too, and the answer may be a text. What it raises makes the run fail.
It may be a coroutine function.
"""

Source = str | PathLike[str] | App

_FAKE_RUN = "0000fa4e-0000-4000-8000-000000000001"

OutputsT = TypeVar("OutputsT", bound="BaseModel")
ClientT = TypeVar("ClientT")


class MockSetupError(ValueError):
    """The mock server cannot be started: a definition is wrong, or a package is missing. The message says which."""


@dataclass(frozen=True, slots=True)
class MockRun:
    """A run that the mock server has had: what came in and what went out."""

    workflow: str
    user: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    status: str
    error: str | None
    workflow_run_id: str
    task_id: str
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class MockTurn:
    """A turn of a chat-type app that the mock server has had. A text generator's has no conversation."""

    app: str
    user: str
    query: str
    inputs: Mapping[str, Any]
    answer: str
    status: str
    error: str | None
    conversation_id: str
    message_id: str


class MockDify:
    """A mock server that is running.

    `base_url` ends in /v1; `api_key` opens the first workflow, `api_keys` each by its name.
    """

    def __init__(self, server: MockServer) -> None:
        self._server = server
        self.base_url = f"{server.origin}/v1"
        apps = server.state.keys.items()
        self.api_keys = {app.key_name: key or f"app-{app.key_name}" for key, app in apps}
        self.api_key = next(iter(self.api_keys.values()))
        self._variables = {app.key_variable: self.api_keys[app.key_name] for _, app in apps}

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make every generated client call this server."""
        return {"DIFY_BASE_URL": self.base_url, "DIFY_API_KEY": self.api_key, **self._variables}

    @property
    def runs(self) -> list[MockRun]:
        """The runs so far, oldest first."""
        runs = list(self._server.state.runs.by_id.values())
        return [_record_of(run) for run in runs if run.definition.workflow.kind.terminal_nodes]

    @property
    def last_run(self) -> MockRun:
        """The latest run. Raises LookupError if there was none."""
        runs = self.runs
        if not runs:
            raise LookupError("no workflow has been run")
        return runs[-1]

    @property
    def turns(self) -> list[MockTurn]:
        """The turns of chat-type apps so far, oldest first."""
        return [_turn_of(row) for row in list(self._server.state.chats.messages.values())]

    @property
    def last_turn(self) -> MockTurn:
        """The latest turn. Raises LookupError if there was none."""
        turns = self.turns
        if not turns:
            raise LookupError("no app has been asked anything")
        return turns[-1]

    def clear(self) -> None:
        """Forget the runs and turns so far, and the conversations with them."""
        self._server.state.runs.by_id.clear()
        self._server.state.chats.conversations.clear()
        self._server.state.chats.messages.clear()

    def __repr__(self) -> str:
        return f"<MockDify {self.base_url} {', '.join(self.api_keys)}>"


def _record_of(run: ServedRun) -> MockRun:
    return MockRun(
        workflow=run.definition.key_name,
        user=run.user,
        inputs=run.inputs,
        outputs=run.outputs,
        status=run.status,
        error=run.simulation.error,
        workflow_run_id=run.id,
        task_id=run.task_id,
        events=tuple(run.events),
    )


def _turn_of(row: MessageRow) -> MockTurn:
    return MockTurn(
        app=row.definition.key_name,
        user=row.user,
        query=row.query,
        inputs=row.inputs,
        answer=row.answer,
        status=row.status,
        error=row.error,
        conversation_id=row.conversation_id,
        message_id=row.id,
    )


@contextmanager
def mock_dify(
    *sources: Source,
    handler: Handler | None = None,
    api_key: str | Mapping[str, str] | None = None,
    latency: float = 0.0,
    ping_interval: float = 10.0,
    fail_rate: float = 0.0,
    cut_after: int | str | None = None,
    silence: float = 300.0,
    dify: str | None = None,
    port: int = 0,
) -> Iterator[MockDify]:
    """Serve workflows on 127.0.0.1 within the `with` block.

    Args:
        sources: definition files or folders (specs or exports), or `App` objects.
        handler: computes the outputs of runs. Without it they are a spec's example, or made up of the declared types.
        api_key: the only key that is taken; with several workflows a key by name. None: any key for one workflow,
            `app-NAME` for each of several.
        latency: seconds that each node takes.
        ping_interval: seconds between two pings of a stream.
        fail_rate: share of the runs that fail, evenly spread: 0.5 is every second one.
        cut_after: cut connections after so many events (3) or bytes of the body ("120b").
        silence: seconds that a stream stays open that the server has refused: a ping, then nothing.
        dify: the release to act like, such as "1.13". Default: the newest that was observed.
        port: the port, 0 for a free one.

    Raises MockSetupError for wrong definitions. A request's header `X-Mock-Fault` provokes one fault at a time.
    """
    try:
        from difygen.command_line import read_config
        from difygen.console import UsageProblem
        from difygen.mock.api import ServerOptions
        from difygen.mock.definition import load_served
        from difygen.mock.errors import Cut
        from difygen.mock.server import MockServer, keys_for
        from difygen.servers import listening_socket
    except ModuleNotFoundError as error:
        raise MockSetupError(f"{HINT} ({error})") from error
    try:
        config = read_config()
    except UsageProblem as problem:
        raise MockSetupError(str(problem)) from problem
    files = tuple(fspath(each) for each in sources if not isinstance(each, App))
    loaded = load_served(replace(config, sources=files), [each for each in sources if isinstance(each, App)])
    if not loaded.usable:
        problems = "\n".join(map(str, loaded.diagnostics))
        raise MockSetupError(problems or "There is nothing to serve: no source was given.")
    release = MOCKED_BY_DEFAULT if dify is None else mocked_release(dify)
    if release is None:
        raise MockSetupError(f"There is no mock of Dify {dify}: {what_can_be_mocked()}.")
    options = ServerOptions(
        release=release,
        handler=handler,
        latency=latency,
        ping_interval=ping_interval,
        fail_rate=fail_rate,
        cut=None if cut_after is None else Cut.parse(str(cut_after)),
        silence=silence,
    )
    names = [each.key_name for each in loaded.definitions]
    given_keys = {names[0]: api_key} if isinstance(api_key, str) else dict(api_key or {})
    if unknown := given_keys.keys() - set(names):
        raise MockSetupError(f"No app is called {', '.join(sorted(unknown))}; there is {', '.join(names)}.")
    keys = keys_for(loaded.definitions, {key: name for name, key in given_keys.items()})
    server = MockServer(keys, listening_socket("127.0.0.1", port), options)
    server.start()
    try:
        yield MockDify(server)
    finally:
        server.stop()


# Without a server


def fake_outputs(kind: type[OutputsT], **overrides: Any) -> OutputsT:
    """Return outputs of a generated class: what is given, and a value of the declared type for what must be there.

    Raises TypeError for a name that the class does not have, pydantic's ValidationError for a value that does not fit.
    """
    known = {name: field.alias or name for name, field in kind.model_fields.items()}
    for name in overrides:
        if name not in known and name not in known.values():
            near = nearest(name, known)
            hint = f"did you mean {named(near)}?" if near else f"there is {names_listed(known)}" if known else "none"
            raise TypeError(f"{named(name)} is no output of {kind.__name__} ({hint})")
    given = {known.get(name, name): value for name, value in overrides.items()}
    return kind.model_validate({**_required(kind), **given})


def fake_client(
    kind: type[ClientT], answer: BaseModel | Mapping[str, Any] | str | Callable[[Mapping[str, Any]], Any]
) -> ClientT:
    """Return a generated client that no server is behind: each call that starts something gets the answer.

    Args:
        kind: The client's class, for asyncio or not.
        answer: Outputs of a workflow (`ConcatOutputs(result="ok")`, `fake_outputs(ConcatOutputs)`, a dict by the names
            of the definition), the text of a turn, or a function that gives these: it gets the inputs (of a chat-type
            app with `sys.query`), and what it raises makes the run or the turn fail.
    """
    try:
        import httpx as http
    except ModuleNotFoundError:
        import httpx2 as http  # type: ignore[no-redef]

    def respond(request: Any) -> Any:
        path = request.url.path
        started = next((each for each in APP_KINDS.values() if path.endswith(f"/v1/{each.start}")), None)
        if request.method != "POST" or started is None:
            message = f"A fake client answers what starts a run or a turn, not {request.method} {path}."
            return http.Response(404, json={"code": "not_found", "message": message, "status": 404})
        body = json.loads(request.content)
        events = list((_run_events if started.has_outputs else _turn_events)(answer, body))
        if body.get("response_mode") == "streaming":
            text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
            return http.Response(200, text=text, headers={"content-type": "text/event-stream", "x-version": "fake"})
        last = events[-1] if started.has_outputs else {**events[-1], **events[0]}
        return http.Response(last.get("status", 200), json=last, headers={"x-version": "fake"})

    transport = http.MockTransport(respond)
    http_client = http.AsyncClient(transport=transport) if hasattr(kind, "aclose") else http.Client(transport=transport)
    build: Callable[..., ClientT] = kind
    return build(base_url="http://dify.invalid/v1", api_key="app-fake", user="fake", http_client=http_client)


def _required(kind: type[BaseModel]) -> dict[str, Any]:
    """Return values for the fields of a model that have no default, by their wire names."""
    kind.model_rebuild()
    fields = kind.model_fields.items()
    return {field.alias or name: _value(field.annotation, name) for name, field in fields if field.is_required()}


def _value(annotation: Any, name: str) -> Any:
    """Return a value that an annotation allows, the same every time; None where any will do."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(arguments[0], name)
    if origin is Literal:
        return arguments[0]
    if origin in (Union, UnionType):
        return _value(next(each for each in arguments if each is not type(None)), name)
    if origin is list:
        return [_value(arguments[0], name)]
    if hasattr(annotation, "model_fields"):
        return _required(annotation)
    samples = {str: f"fake {name}", bool: True, int: 1, float: 1.5, list: [], dict: {}}
    return samples.get(origin or annotation)


def _answered(answer: Any, inputs: Mapping[str, Any]) -> Any:
    """Return what is answered, in JSON's types."""
    found = answer(inputs) if callable(answer) else answer
    return found.model_dump(mode="json", by_alias=True, exclude_unset=True) if hasattr(found, "model_dump") else found


def _run_events(answer: Any, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a run; the last one is what a blocking call gets, too."""
    head = {"task_id": "fake-task", "workflow_run_id": _FAKE_RUN}
    data = {"id": _FAKE_RUN, "workflow_id": "fake-workflow", "created_at": int(time.time())}
    yield {"event": "workflow_started", **head, "data": {**data, "inputs": body["inputs"]}}
    try:
        result = {"status": "succeeded", "outputs": _answered(answer, body["inputs"]), "error": None}
    except Exception as error:  # noqa: BLE001 - what the function raises is the run's failure
        result = {"status": "failed", "outputs": {}, "error": f"{type(error).__name__}: {error}"}
    counts = {"elapsed_time": 0.0, "total_tokens": 0, "total_steps": 0, "finished_at": data["created_at"]}
    yield {"event": "workflow_finished", **head, "data": {**data, **result, **counts}}


def _turn_events(answer: Any, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a turn; both together are what a blocking call gets."""
    conversation = body.get("conversation_id") or "fake-conversation"
    head = {"task_id": "fake-task", "message_id": "fake-message", "id": "fake-message", "conversation_id": conversation}
    try:
        text = _answered(answer, {**body["inputs"], "sys.query": body.get("query", "")})
    except Exception as error:  # noqa: BLE001 - what the function raises is the turn's failure
        message = f"{type(error).__name__}: {error}"
        yield {"event": "error", "code": "completion_request_error", "status": 400, "message": message, **head}
        return
    text = text.get("answer", "") if isinstance(text, Mapping) else str(text)
    yield {"event": "message", **head, "answer": text, "created_at": int(time.time())}
    yield {"event": "message_end", **head, "metadata": {}}


try:
    import pytest
except ModuleNotFoundError:  # the context manager is for every test runner
    pass
else:

    @pytest.fixture
    def dify_mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MockDify]]:
        """Return a function like `mock_dify`: the environment points at its server until the test is over."""
        with ExitStack() as servers:

            def start(*sources: Source, **options: Any) -> MockDify:
                dify = servers.enter_context(mock_dify(*sources, **options))
                for name, value in dify.environment.items():
                    monkeypatch.setenv(name, value)
                return dify

            yield start
