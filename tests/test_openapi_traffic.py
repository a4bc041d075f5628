"""What generated clients and servers say to each other, held against the OpenAPI document of the same app.

Every request and every answer is looked at by openapi-core as it went over the wire, and every event of a stream by
itself. `difygen mock` says what real servers said, which other tests see to.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from difygen.testing import mock_dify
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.deserializing.media_types.util import data_form_loads
from support import ROOT, TESTS
from support.packages import imported
from support.projects import difygen
from werkzeug.datastructures import Headers, ImmutableMultiDict

STREAM = "text/event-stream"
USER = "ada"
NOBODY = "00000000-0000-4000-8000-000000000000"
FAULTS = {"401": 401, "403": 403, "too-many-requests": 400, "429": 429, "500": 500, "error-event": 400}
"""What Dify may answer to any start, and its status."""
FORM = "/form/human_input/{form_token}"
ENDINGS = ("failed", "stopped", "partial", "paused")
SWITCHED_OFF = {("get", "/messages/{message_id}/suggested")}
"""What apps may refuse: no export of one of the folders has it switched on."""
STARTS = ("/workflows/run", "/chat-messages", "/completion-messages")


def event_of(data: bytes, **_: str) -> Any:
    """Return an event, which is a line of a stream."""
    return json.loads(data.removeprefix(b"data: "))


def form_of(data: bytes, **parameters: str) -> Any:
    """Return the fields of a form, files among them as the texts that they are to a JSON Schema."""
    fields = data_form_loads(data, **parameters).items(multi=True)
    return ImmutableMultiDict([(name, value.decode("latin-1")) for name, value in fields])


CONFIG = Config(
    spec_validator_cls=None,  # test_openapi.py sees to the documents themselves
    extra_media_type_deserializers={STREAM: event_of, "multipart/form-data": form_of},
)


# What went over the wire


class Tee(httpx.SyncByteStream):
    """A body that is kept while it is read."""

    def __init__(self, stream: Any, kept: list[bytes]) -> None:
        self._stream, self._kept = stream, kept

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._kept.append(piece)
            yield piece

    def close(self) -> None:
        self._stream.close()


@dataclass
class Exchange:
    """A request and its answer."""

    request: httpx.Request
    status: int
    headers: httpx.Headers
    pieces: list[bytes]


@dataclass
class Recorder(httpx.BaseTransport):
    """Sends requests, and keeps what went over the wire."""

    inner: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)
    exchanges: list[Exchange] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = self.inner.handle_request(request)
        kept: list[bytes] = []
        self.exchanges.append(Exchange(request, response.status_code, response.headers, kept))
        response.stream = Tee(response.stream, kept)
        return response

    def close(self) -> None:
        self.inner.close()


@dataclass
class Sent:
    """A request as openapi-core wants to see it."""

    request: httpx.Request

    def __post_init__(self) -> None:
        url = urlsplit(str(self.request.url))
        self.host_url, self.path, self.method = f"{url.scheme}://{url.netloc}", url.path, self.request.method.lower()
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(url.query)), header=Headers(list(self.request.headers.items()))
        )
        self.body = self.request.content or None
        self.content_type = self.request.headers.get("content-type", "")


@dataclass
class Got:
    """An answer, or an event of one, as openapi-core wants to see it."""

    status_code: int
    data: bytes
    content_type: str
    headers: Headers = field(default_factory=Headers)


def answers(exchange: Exchange) -> Iterator[Got]:
    """Yield the answer, or each event of a stream in its place."""
    type_, body = exchange.headers.get("content-type", ""), b"".join(exchange.pieces)
    if not type_.startswith(STREAM):
        yield Got(exchange.status, body, type_)
        return
    for frame in body.split(b"\n\n"):
        if frame.startswith(b"data: ") and frame.endswith(b"}"):
            yield Got(exchange.status, frame, type_)


def problems(api: OpenAPI, exchange: Exchange, *, is_right: bool) -> Iterator[str]:
    """Yield how an exchange is not as the document says; the request of a wrong call is to be refused."""
    sent = Sent(exchange.request)
    name = f"{sent.method} {sent.path}"
    if bool(found := [*api.iter_apicall_request_errors(sent)]) is is_right:
        yield f"{name}: {'; '.join(map(told, found)) or 'nothing is wrong with it'}: {exchange.request.content!r:.300}"
    for answer in answers(exchange):
        for error in api.iter_apicall_response_errors(sent, answer):
            yield f"{name} -> {exchange.status}: {told(error)}: {answer.data!r:.600}"


def told(error: BaseException) -> str:
    """Return what is wrong, down to the cause."""
    causes = [error, *getattr(error.__cause__, "schema_errors", ())]
    return " <- ".join(str(getattr(each, "message", None) or each or type(each).__name__)[:300] for each in causes)


# Calls


class Caller:
    """One app's client, and all that can be asked with it."""

    def __init__(self, module: ModuleType, document: dict[str, Any], recorder: Recorder) -> None:
        self.paths: dict[str, Any] = document["paths"]
        self.start = next(path for path in STARTS if path in self.paths)
        examples = self.paths[self.start]["post"]["requestBody"]["content"]["application/json"]["examples"]
        self.example = next(iter(examples.values()))["value"]
        self.has_blocking = "blocking" in examples
        self.kind = self.start, self.has_blocking, "x-dify-nodes" in document
        (name,) = (name for name in module.__all__ if re.fullmatch("(?!Async)[A-Za-z0-9]+Client", name))
        self.inputs = getattr(module, f"{name.removesuffix('Client')}Inputs").model_validate(self.example["inputs"])
        self.http = httpx.Client(transport=recorder)
        self.client = getattr(module, name)(user=USER, http_client=self.http)
        self.key = os.environ[f"DIFY_{module.__name__.rpartition('.')[2].upper()}_API_KEY"]

    def close(self) -> None:
        self.client.close()
        self.http.close()

    def call(self, faults: Sequence[str]) -> None:
        """Make every kind of call that succeeds, or ends in a run that does not: each as it goes, and with faults."""
        client = self.client
        client.info(), client.parameters(), client.stop(NOBODY)
        client.upload(("hello.txt", b"hello"))
        for fault in ("", *faults):
            headers = {"X-Mock-Fault": fault}
            if self.start == "/workflows/run":
                self._run(headers)
            else:
                self._turn(headers)
        if self.start == "/chat-messages":
            self._converse()
        elif self.start == "/workflows/run":
            client.logs(status="failed", limit=5).page(), client.logs(created_by_end_user_session_id=USER).page()

    def _run(self, headers: dict[str, str]) -> None:
        with suppress(self._errors):
            self.client.run_inputs(self.inputs, response_mode="blocking", headers=headers)
        self._follow(self.client.stream_inputs(self.inputs, headers=headers))

    def _turn(self, headers: dict[str, str]) -> None:
        arguments = [self.example["query"]] if "query" in self.example else []
        if self.has_blocking:
            with suppress(self._errors):
                start = self.client.chat_inputs if arguments else self.client.complete_inputs
                start(*arguments, self.inputs, response_mode="blocking", headers=headers)
        turn = self._follow(self.client.stream_inputs(*arguments, self.inputs, headers=headers))
        if turn is not None:
            turn.like(), turn.dislike("wrong"), turn.revoke_feedback()
            with suppress(self._errors):
                turn.suggested_questions()

    def _follow(self, stream: Any) -> Any:
        """Return what a stream ends in, if that is a success; answer the forms that it waits for."""
        try:
            with stream:
                return stream.result()
        except self._errors as error:
            for form in getattr(error, "forms", ()):
                if FORM not in self.paths:
                    continue
                with suppress(self._errors):  # of a form that is not delivered to the web app
                    self.client.get_form(form.form_token)
                    values = {each.name: "fine" for each in form.inputs}
                    self.client.submit_form(form, action=form.actions[0].id, inputs=values)
        finally:
            if stream.workflow_run_id:
                stored = self.client.get_run(stream.workflow_run_id)
                if stored.status != "running":  # what was stopped stays so, and its stream pings for ever
                    with self.client.resume(stream.workflow_run_id) as again, suppress(self._errors):
                        again.result()

    def _converse(self) -> None:
        conversation = self.client.conversation_of(self.inputs)
        for query in (self.example["query"], "And then?"):
            with suppress(self._errors):  # some wait for a person
                conversation.send(query)
        assert [*conversation.messages()] and [*self.client.conversations()]
        if "/conversations/{conversation_id}/variables" in self.paths:
            conversation.variables()
        conversation.rename("A title"), conversation.rename(auto=True)
        conversation.delete()

    @property
    def _errors(self) -> type[Exception]:
        package = type(self.client).__module__.partition(".")[0]
        return cast("type[Exception]", import_module(package).DifyError)

    def fail(self) -> None:
        """Make calls that are right, and end badly."""
        example = self.example if self.has_blocking else {**self.example, "response_mode": "streaming"}
        for fault in FAULTS:
            self.ask("POST", self.start, json=example, headers={"X-Mock-Fault": fault})
        self.ask("POST", self.start, json=example, headers={"Authorization": "Bearer nothing"})
        for path, verbs in self.paths.items():
            if "{" in path and "task_id" not in path and path != FORM:
                for verb, operation in verbs.items():
                    body = {"json": {"user": USER, "rating": "like"}} if "requestBody" in operation else {}
                    self.ask(verb, re.sub("{.*?}", NOBODY, path), params={"user": USER}, **body)

    def err(self) -> None:
        """Make calls that are wrong."""
        self.ask("POST", self.start, json={}), self.ask("POST", self.start, content="{}")
        self.ask("POST", self.start, json=self.example, headers={"Authorization": "Basic nothing"})
        self.ask("POST", self.start, json={**self.example, "inputs": []})
        self.ask("POST", self.start, json=[])
        self.ask("POST", "/files/upload", data={"user": USER})
        for path, verbs in self.paths.items():
            if "requestBody" in verbs.get("post", {}) and "{" in path:
                self.ask("POST", re.sub("{.*?}", NOBODY, path), json={})
            elif "parameters" in verbs.get("get", {}) and "workflow_run_id" in path:
                self.ask("GET", re.sub("{.*?}", "nobody", path))

    def ask(self, method: str, path: str, **arguments: Any) -> None:
        """Send a request as it stands."""
        headers = {"Authorization": f"Bearer {self.key}", **arguments.pop("headers", {})}
        base_url = os.environ["DIFY_BASE_URL"]
        self.http.request(method, f"{base_url}{path}", headers=headers, timeout=60, **arguments)


# The tests


class Recorded(NamedTuple):
    """What one app's client and the server said to each other, the `right` ones first; and its document."""

    name: str
    document: dict[str, Any]
    exchanges: list[Exchange]
    right: int

    def problems(self) -> list[str]:
        """Return all that is not as the document says."""
        api = OpenAPI.from_dict(self.document, config=CONFIG)
        found = (problems(api, each, is_right=number < self.right) for number, each in enumerate(self.exchanges))
        return [f"{self.name}: {each}" for each in chain.from_iterable(found)]


def traffic(source: Path, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Yield what is said about all apps of a source: by the first of each kind also what fails."""
    patch.chdir(folder)
    patch.setenv("NO_PROXY", "*")
    kinds: set[tuple[str, bool, bool]] = set()
    with mock_dify(source, silence=0, ping_interval=0.5) as dify:
        for name, value in dify.environment.items():
            patch.setenv(name, value)
        assert difygen(str(source), "-o", "client").code == 0
        ran = difygen("openapi", str(source), "--format", "json", "--base-url", dify.base_url, "-o", "openapi")
        assert ran.code == 0, ran.err
        with imported(folder, "client"):
            for path in sorted(Path("openapi").glob("*.json")):
                name = path.name.partition(".")[0]
                document, recorder = json.loads(path.read_text("utf-8")), Recorder()
                caller = Caller(import_module(f"client.{name}"), document, recorder)
                is_first = caller.kind not in kinds
                kinds.add(caller.kind)
                caller.call(ENDINGS if is_first else ())
                if is_first:
                    caller.fail()
                right = len(recorder.exchanges)
                if is_first:
                    caller.err()
                caller.close()
                yield Recorded(name, document, recorder.exchanges, right)


@pytest.mark.parametrize(
    "source", [ROOT / "specs", TESTS / "dsl_lab", TESTS / "dsl_lab_chat"], ids=lambda path: path.name
)
def test_what_goes_over_the_wire_is_in_the_document(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    statuses: set[int] = set()
    every: set[tuple[str, str]] = set()
    good: set[tuple[str, str]] = set()
    for recorded in traffic(source, tmp_path, monkeypatch):
        found += recorded.problems()
        statuses |= {each.status for each in recorded.exchanges}
        asked = {
            (each.request.method.lower(), each.request.url.path) for each in recorded.exchanges if each.status < 300
        }
        for path, verbs in recorded.document["paths"].items():
            shape = re.compile(re.sub("{.*?}", "[^/]+", f"/v1{path}"))
            good |= {(verb, path) for verb in verbs if any(v == verb and shape.fullmatch(p) for v, p in asked)}
            every |= {(verb, path) for verb in verbs}
    assert not found, f"{len(found)}: " + "\n".join(found[:40])
    assert every - good <= SWITCHED_OFF  # all that documents name was asked, and has succeeded
    assert statuses >= {200, 201, 400, 401, 403, 404, 415, 429, 500}


def test_what_is_not_in_the_document_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these is a mistake that somebody may make in a document."""
    (recorded,) = traffic(ROOT / "specs" / "concat.yaml", tmp_path, monkeypatch)
    assert recorded.problems() == []
    for path, value, message in MISTAKES:
        document = copy.deepcopy(recorded.document)
        *folders, last = path.split(" ")
        place = reduce(lambda inner, key: inner[key], folders, document)
        place[last] = value
        told = recorded._replace(document=document).problems()
        assert any(message in each for each in told), (path, told[:3])


MISTAKES: tuple[tuple[str, Any, str], ...] = (
    ("components schemas ConcatNodeStartedEventData properties title", {"type": "integer"}, "run -> 200"),
    ("components schemas ConcatWorkflowFinishedEvent required", ["event", "nothing"], "run -> 200"),
    ("components schemas ConcatRunData properties elapsed_time", {"type": "string"}, "run -> 200"),
    ("components schemas ConcatOutputs properties result", {"type": "integer"}, "run -> 200"),
    ("components schemas ConcatInputs properties num", {"type": "string"}, "post /v1/workflows/run: "),
    ("components schemas ConcatRunDetail required", ["id", "nothing"], "get /v1/workflows/run/"),
    ("components schemas DifyError required", ["nothing"], "post /v1/workflows/run -> 400"),
    ("components schemas UploadedFile properties size", {"type": "string"}, "post /v1/files/upload -> 201"),
    ("components schemas EndUser maxLength", 2, "post /v1/files/upload: "),
    ("paths /workflows/run post responses", {"200": {"description": ""}}, "post /v1/workflows/run -> 401"),
    ("paths /info", {}, "get /v1/info"),
)
