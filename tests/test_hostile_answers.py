"""Whatever JSON stands in an answer or an event, the caller gets a value or a `DifyError`, and can look at all of it.

The answers of a good server, with one value, at any depth, replaced by any other; through the real client, without a
network.
"""

import copy
import inspect
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from runtime import DifyError, Run, RunPausedError, _payloads
from runtime._http import httpx
from runtime._payloads import Record
from support.concat_client import ConcatClient
from support.examples import examples
from support.fault_events import FORM, PAUSED, RUN_ID, blocking, detail, event

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
ODD = [None, True, 0, -1, 0.5, 10**400, 1e308, float("nan"), float("inf"), "", ".", "\ud800", "\0", "[1", "9", [], {}]
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([*ODD, DEEP, [[]], [{}], {"a": []}, {"id": []}, "http://[", "//:99999999/a", "node_finished"]),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
)
FILE = {"type": "document", "filename": "a.txt", "url": "/files/a", "size": 3, "transfer_method": "local_file"}
USED_ID = {"id": "u1", "name": "a.txt", "size": 3, "created_at": 1795365992}
APP = {"name": "concat", "tags": ["a"], "mode": "workflow", "title": "t", "system_parameters": {"file_size_limit": 15}}
PARAMETERS = {"user_input_form": [{"select": {"variable": "list", "options": ["a"], "max_length": 3}}], **APP}
LOG = {"page": 1, "total": 1, "has_more": False, "data": [{"id": "l1", "workflow_run": {"id": RUN_ID, "status": "x"}}]}
ERROR = {"code": "invalid_param", "message": "no", "status": 400, "params": "list"}
HEADERS = ["location", "retry-after", "x-version", "x-trace-id", "content-type", "content-length"]


def with_files(answer: dict[str, Any]) -> dict[str, Any]:
    """The same answer of a run that gave a file."""
    answer = copy.deepcopy(answer)
    answer.get("data", answer)["files"] = [FILE]
    return answer


def sample(kind: str) -> dict[str, Any]:
    """One event of each kind, with the members that most events have."""
    members = {"id": "e1", "node_id": "n1", "node_type": "code", "title": "T", "index": 1, "elapsed_time": 0.5}
    more = {"created_at": 1795365992, "from_variable_selector": ["a", "b"], "form_id": "f", "retry_index": 1}
    payload: dict[str, Any] = json.loads(event(kind, **members, **more, inputs={}, outputs={"result": "r"})[6:])
    return {**payload, "message": "m", "code": "c", "status": 400}


PAUSE: dict[str, Any] = json.loads(PAUSED[-1][6:])
FINISH = {"event": "workflow_finished", **with_files(blocking())}
EVENTS = [*map(sample, _payloads.EVENT_TYPES), PAUSE, FINISH, {"event": "human_input_required", "data": FORM}]


def places(value: Any) -> list[tuple[Any, ...]]:
    """The paths to everything in a JSON value, the value itself included."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [(), *((key, *path) for key, item in items for path in places(item))]


@st.composite
def changed(draw: st.DrawFn, good: Any) -> Any:
    """A good value with something else, or nothing, in one or two places."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(value)))
        if not path:
            return copy.deepcopy(draw(VALUES))
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()) or not isinstance(holder, dict):
            holder[path[-1]] = copy.deepcopy(draw(VALUES))
        else:
            del holder[path[-1]]
    return value


def look_at(value: object) -> None:
    """Read everything that a result offers, as a caller, a log or another process would."""
    repr(value)
    pickle.loads(pickle.dumps(value))
    if isinstance(value, Record | Run | RunPausedError):
        for name, _ in inspect.getmembers_static(type(value)):
            if not name.startswith("_") and name != "outputs":
                look_at_all(getattr(value, name))
    str(value)


def look_at_all(value: object) -> None:
    for item in value if isinstance(value, tuple) else [value]:
        if isinstance(item, Record | Run):
            look_at(item)


def client_of(handle: Callable[[Any], Any], **options: Any) -> ConcatClient:
    """A client whose server is a function. It never waits before it tries again: there is no time left for that."""
    http_client = httpx.Client(transport=httpx.MockTransport(handle))
    limits = {"timeout": 0.2, "max_retries": 0, "max_reconnects": 1}
    return ConcatClient(base_url="http://dify/v1", api_key="app-k", http_client=http_client, **limits, **options)


def body_of(value: object) -> bytes:
    return json.dumps(value).encode()


def attempt(call: Callable[[], object]) -> None:
    """Call, and look at what comes out. Anything but a `DifyError` fails the test."""
    try:
        look_at(call())
    except DifyError as error:
        look_at(error)


def logs(client: ConcatClient) -> object:
    return [look_at(entry) for _, entry in zip(range(3), client.logs(), strict=False)]


CALLS: dict[str, tuple[Any, Callable[[ConcatClient], object]]] = {
    "run": (with_files(blocking()), lambda client: client.run()),
    "paused": ({**PAUSE, **blocking("paused")}, lambda client: client.run()),
    "get_run": (with_files(detail()), lambda client: client.get_run(RUN_ID)),
    "logs": (LOG, logs),
    "info": (APP, lambda client: client.info()),
    "parameters": (PARAMETERS, lambda client: client.parameters()),
    "site": (APP, lambda client: client.site()),
    "upload": (USED_ID, lambda client: client.upload(("a.txt", b"abc"), user="u")),
    "get_form": (FORM, lambda client: client.get_form("token")),
}


@pytest.mark.parametrize("name", CALLS)
@given(data=st.data())
@settings(max_examples=examples(60))
def test_any_body(name: str, data: st.DataObject) -> None:
    good, call = CALLS[name]
    body = body_of(data.draw(changed(good)))
    status = data.draw(st.sampled_from([200, 200, 200, 202]))
    attempt(lambda: call(client_of(lambda request: httpx.Response(status, content=body))))


@given(payload=changed(ERROR), status=st.sampled_from([301, 400, 404, 429, 500]), header=st.sampled_from(HEADERS))
@example(ERROR, 302, "location")
@settings(max_examples=examples(100))
def test_any_error(payload: Any, status: int, header: str) -> None:
    for value in ("http://[", "http://a:99999999/", "\xe4\x80", "nan", "-1", ""):
        headers = {header: value.encode("latin-1")}
        response = httpx.Response(status, content=body_of(payload), headers=headers)
        attempt(lambda response=response: client_of(lambda request: response).run())


@given(payload=st.sampled_from(EVENTS).flatmap(changed), stored=changed(detail()), again=st.booleans())
@settings(max_examples=examples(150))
def test_any_event(payload: Any, stored: Any, again: bool) -> None:
    """In a stream that breaks off, and is taken up again or is not: then the stored run is read."""
    stream = b"id: \xc3\xa4\x01\n" + b"data: " + body_of(payload) + b"\n\n"

    def handle(request: Any) -> Any:
        if request.method == "GET" and not (again and request.url.path.endswith("/events")):
            return httpx.Response(200, content=body_of(stored))
        return httpx.Response(200, content=stream, headers={"content-type": "text/event-stream"})

    def follow() -> object:
        with client_of(handle).stream(stop_on_exit=True) as events:
            for item in events:
                look_at(item)
            return events.result()

    attempt(follow)


@given(file=changed(FILE), location=st.sampled_from(["http://[", "http://a:99999999/", "//", "\xe4", "ftp://a/"]))
@example({**FILE, "filename": "n" * 400 + ".txt"}, "")
@example({**FILE, "url": "\ud800"}, "")
@example({**FILE, "url": "http://["}, "")
@settings(max_examples=examples(100))
def test_any_file(file: Any, location: str) -> None:
    def handle(request: Any) -> Any:
        if request.method == "POST":
            answer = blocking()
            answer["data"]["files"] = [file]
            return httpx.Response(200, content=body_of(answer))
        if location:
            return httpx.Response(302, headers={"location": location.encode("latin-1")})
        return httpx.Response(200, content=b"content")

    def fetch() -> object:
        client = client_of(handle)
        with TemporaryDirectory() as folder:
            for found in client.run().files:
                path = client.download(found, folder)
                assert path.parent == Path(folder) and path.read_bytes() == b"content"
        return None

    attempt(fetch)
