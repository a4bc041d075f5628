"""Every recorded answer of 1.14.2, and of a commit that became 1.15, through clients that difygen generates from the
exports of the apps that were asked: the right run, turn, view or exception, from both clients.

What a client sends is what was recorded. Some of that it refuses before anything is sent (`REFUSED`). What the server
answered to it comes of the next best, which is the same again where a client has a way around its checks:

| recorded | the client raises | what is sent then |
|---|---|---|
| inputs that are missing, too long, of another type | TypeError, ValidationError | the same, by `model_construct` |
| an action or values that the form does not take | FormValuesError | the same, for a form that has changed since |
| inputs that are no object | TypeError | none |
| no user, or one of 300 characters | ConfigurationError | another user |
| a response mode that is none | ValueError | a stream |
| files for an app that drops them | ConfigurationError | no files |
| an id that is no UUID | ConfigurationError | one that is |

Requests that no client makes are named in `UNASKED`.
"""

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest
import runtime
from pydantic import ValidationError
from support.both_clients import Using, both_clients
from support.lab_package import inputs_of, kinds_of
from support.recorded import check_refusal, check_run, check_stream, followed
from support.replay import Recording, cases, held, recording, replay
from support.servers import Request, Server
from test_turn_recordings import check_no_turn, check_turn

UNASKED = {
    "v1_14_file_output_url_get": "a signed URL outside of the API; test_output_files.py has downloads",
    "v1_14_meta_concat": "no client asks for icons of tools",
    "v1_14_options_run": "no client sends OPTIONS",
    "v1_14_root_v1": "the root of the API is for doctor, which test_doctor.py has",
    "v1_14_root_v1_noslash": "the root of the API is for doctor, which test_doctor.py has",
}


class Refusal(NamedTuple):
    """What a client says of a request that it does not send; and what of it cannot be sent by any other way."""

    error: type[Exception]
    words: str
    never: str = ""


REFUSED = {
    "*_bad_input_*": Refusal(ValidationError, "at most 48 characters"),
    "*_num_*": Refusal(ValidationError, "num\n"),
    "*_missing_input_blocking": Refusal(TypeError, "missing 3 required keyword-only arguments"),
    "*_chat_lab_bad_inputs_*": Refusal(TypeError, "missing 1 required keyword-only argument: 'name'"),
    "*_inputs_list_*": Refusal(TypeError, "must be a mapping, not list", "inputs"),
    "*_bad_response_mode": Refusal(ValueError, "'blocking' or 'streaming', not 'x'", "response_mode"),
    "*_missing_user*": Refusal(runtime.ConfigurationError, "DIFY_USER", "user"),
    "*_user_long_300*": Refusal(runtime.ConfigurationError, "user", "user"),
    "*_files_top_level_files": Refusal(runtime.ConfigurationError, "file upload is off in the app", "files"),
    "*_not_uuid": Refusal(runtime.ConfigurationError, "UUID, .* not 'abc'", "id"),
    "*_form_post_bad_action": Refusal(runtime.FormValuesError, "no action 'zzz'"),
    "*_form_post_missing_input": Refusal(runtime.FormValuesError, "comment is missing"),
    "*_form_post_wrong_type": Refusal(runtime.FormValuesError, "comment takes a text, not int"),
}
CASES = [case for case in cases(folder="recordings_new") if case not in UNASKED]
RUNS = [case for case in CASES if re.search("/workflows/(.+/)?run$", recording(case).request["path"])]
TURNS = [case for case in CASES if recording(case).request["path"] == "/v1/chat-messages"]
ANSWERS = [case for case in CASES if "_form_post" in case]
"""Answers to forms."""
ENDLESS = ["v1_14_stop_slow_events_after"]
OTHERS = [case for case in CASES if case not in {*RUNS, *TURNS, *ANSWERS, *ENDLESS}]
NEXT_BEST: dict[str, Any] = {"inputs": {}, "response_mode": "streaming", "user": "u1"}
SOME_ID = "11111111-1111-4111-8111-111111111111"


def test_every_case_is_told_or_named() -> None:
    counts = [len(kind) for kind in (RUNS, TURNS, ANSWERS, ENDLESS, OTHERS, UNASKED)]
    assert counts == [67, 5, 27, 1, 92, 5]
    assert sum(counts) == len(cases(folder="recordings_new")) == 197
    for pattern in REFUSED:
        assert any(fnmatchcase(case, pattern) for case in CASES), pattern


class Asked:
    """A recorded request, as a call of the client that was generated for its app.

    `is_exact` until a refusal: then it becomes what can be sent.
    """

    def __init__(self, case: str, lab: ModuleType) -> None:
        self.recorded = recording(case)
        request = self.recorded.request
        self.path: str
        self.path, _, query = request["path"].partition("?")
        self.query = dict(parse_qsl(query))
        self.body: dict[str, Any] = request.get("json", {})
        form = re.search('name="user"\r\n\r\n(.*)\r', request.get("body_preview", ""))
        self.user = self.body.get("user") or self.query.get("user") or (form and form[1])
        # The key of a chatflow was given to the client of a workflow.
        self.app = "no_io" if request["app"] == "chatflow" else request["app"]
        self.kinds, self._inputs = kinds_of(lab, self.app), inputs_of(lab, self.app)
        self.refusal = next((each for pattern, each in REFUSED.items() if fnmatchcase(case, pattern)), None)
        self.is_exact = True

    @property
    def last(self) -> str:
        return self.path.split("/")[-1]

    @property
    def streams(self) -> bool:
        return bool(self.body["response_mode"] == "streaming")

    def inputs(self) -> Any:
        """The inputs, unchecked."""
        return self._inputs.model_construct(**{**dict.fromkeys(self._inputs.model_fields), **self.body["inputs"]})

    def take_next_best(self, never: str) -> None:
        self.is_exact = False
        if never == "id":
            self.path = self.path.replace("/abc", f"/{SOME_ID}")
        elif never == "files":
            del self.body["files"]
        elif never == "user":
            self.user = "u1"
        if self.body and never in NEXT_BEST:
            self.body[never] = NEXT_BEST[never]


def outcome_of(call: Callable[[Any, Asked], Any], asked: Asked, server: Server, using: Using) -> tuple[Any, Request]:
    """What comes of a request, and what was sent; of one that is refused, of the next best."""

    def made() -> Any:
        options: dict[str, Any] = {"api_key": "app-RECORDED", "user": None}
        if asked.recorded.is_stream and not asked.recorded.events:
            options["idle_timeout"] = 1  # it falls silent
        return using(server.url, lambda client: call(client, asked), asked.kinds, **options)

    if asked.refusal:
        with pytest.raises(asked.refusal.error, match=asked.refusal.words):
            made()
        assert not server.requests
        asked.take_next_best(asked.refusal.never)
    try:
        outcome = made()
    except runtime.DifyError as error:
        outcome = error
    sent, *later = server.requests
    assert sent.path == asked.path
    assert not [request for request in later if request.method == "POST"]
    return outcome, sent


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No user in the environment."""
    monkeypatch.delenv("DIFY_USER", raising=False)


# Runs and turns


def run(client: Any, asked: Asked) -> Any:
    body, versions = asked.body, re.findall("/workflows/(.+)/run", asked.path)
    options: dict[str, Any] = {"user": asked.user, **({"workflow_id": versions[0]} if versions else {})}
    if not asked.is_exact:
        options |= {"inputs": asked.inputs()}
        return followed(client.stream_inputs(**options)) if asked.streams else client.run_inputs(**options)
    if asked.streams:
        return followed(client.stream(**body["inputs"], **options))
    options |= {name: body[name] for name in ("response_mode", "files") if name in body}
    return client.run(**body["inputs"], **options)


@both_clients
@pytest.mark.parametrize("case", RUNS)
def test_a_run(case: str, lab: ModuleType, using: Using) -> None:
    asked, recorded = Asked(case, lab), recording(case)
    with Server({"POST *": held(case)}) as server:
        outcome, sent = outcome_of(run, asked, server, using)
    assert sent.json == asked.body
    came = outcome if isinstance(outcome, tuple) else ([], outcome)
    if recorded.status >= 400:
        check_refusal(came[1], recorded)
    elif recorded.is_stream:
        check_stream(recorded, came)
    else:
        payload = json.loads(recorded.body)
        check_run(outcome, payload, payload["data"])


def turn(client: Any, asked: Asked) -> Any:
    body = asked.body
    options = {"user": asked.user, "conversation_id": body["conversation_id"]}
    if not asked.is_exact:
        return followed(client.stream_inputs(body["query"], asked.inputs(), **options))
    if asked.streams:
        return followed(client.stream(body["query"], **body["inputs"], **options))
    return client.chat(body["query"], **body["inputs"], **options, response_mode="blocking")


@both_clients
@pytest.mark.parametrize("case", TURNS)
def test_a_turn(case: str, lab: ModuleType, using: Using) -> None:
    asked, recorded = Asked(case, lab), recording(case)
    with Server({"POST *": held(case)}) as server:
        outcome, sent = outcome_of(turn, asked, server, using)
    assert sent.json.pop("inputs").items() >= asked.body.pop("inputs").items()  # and defaults of what was left out
    assert sent.json == {name: value for name, value in asked.body.items() if value != ""}
    outcome = outcome[1] if isinstance(outcome, tuple) else outcome
    told = getattr(outcome, "turn", outcome)
    if recorded.status >= 400:
        assert isinstance(outcome, runtime.TurnFailedError)
        assert str(outcome) == json.loads(recorded.body)["message"].strip()
    elif isinstance(told, runtime.TurnBase):
        check_turn(outcome, told, recorded)
    else:
        check_no_turn(outcome, recorded)


# All else that is asked


def ask(client: Any, asked: Asked) -> Any:
    if asked.path.endswith("/events"):
        return client.resume(asked.path.split("/")[-2], user=asked.user).result()
    if "/workflows/run/" in asked.path:
        return client.get_run(asked.last)
    if asked.last == "stop":
        return client.stop(asked.path.split("/")[-2], user=asked.user)
    if asked.last == "upload":
        return client.upload(("a.txt", b"hello\n"), user=asked.user)
    if "/form/" in asked.path:
        return client.get_form(asked.last)
    if asked.last == "logs":
        filters = {name.replace("__", "_"): text for name, text in asked.query.items()}
        return client.logs(**{**filters, "limit": int(filters.get("limit", 20))}).page()
    return getattr(client, asked.last)()


@both_clients
@pytest.mark.parametrize("case", OTHERS)
def test_what_else_is_asked(case: str, lab: ModuleType, using: Using) -> None:
    asked, recorded = Asked(case, lab), recording(case)
    with Server({f"{recorded.request['method']} *": held(case)}) as server:
        outcome, sent = outcome_of(ask, asked, server, using)
    if asked.body:
        assert sent.json == asked.body
    if recorded.status >= 400:
        check_refusal(outcome, recorded)
    elif recorded.is_stream:
        final = next(event for event in recorded.events if event["event"] in ("workflow_finished", "workflow_paused"))
        check_run(outcome, final, {"id": final["workflow_run_id"], **final["data"]})
    else:
        check_answer(outcome, asked, json.loads(recorded.body))


def check_answer(outcome: Any, asked: Asked, payload: dict[str, Any]) -> None:
    if asked.last == "stop":
        assert outcome is None
    elif "/workflows/run/" in asked.path:
        ids = (payload["id"], payload["status"], payload["error"])
        assert (outcome.workflow_run_id, outcome.status, outcome.error) == ids
        assert outcome.raw_outputs == payload["outputs"]
        assert (outcome.total_steps, outcome.elapsed_time) == (payload["total_steps"], payload["elapsed_time"])
    elif "/form/" in asked.path:
        assert outcome.form_content == payload["form_content"]
        assert [field.name for field in outcome.inputs] == ["comment"]
        assert [action.id for action in outcome.actions] == [action["id"] for action in payload["user_actions"]]
    elif asked.last == "upload":
        assert (outcome.id, outcome.name, outcome.size) == (payload["id"], payload["name"], payload["size"])
        assert (outcome.reference, outcome.user) == (None, asked.user)
    else:
        assert outcome.raw == payload


@both_clients
@pytest.mark.parametrize("case", ENDLESS)
def test_events_that_never_end(case: str, lab: ModuleType, using: Using) -> None:
    """A stopped run whose record stays "running": who says how long to wait is taken at their word."""
    asked = Asked(case, lab)
    routes = {
        "GET /v1/workflow/*/events": held(case),
        "GET /v1/workflows/run/*": replay("v1_14_stop_slow_detail_after"),
    }
    with Server(routes) as server, pytest.raises(runtime.DeadlineExceededError):
        using(server.url, lambda client: ask(client, asked), asked.kinds, timeout=1)


@both_clients
def test_the_task_of_a_run_that_is_taken_up_again(lab: ModuleType, using: Using) -> None:
    """A snapshot names the run for a task, which no stop would find: the events of now know it."""
    asked = Asked("v1_14_reattach_snapshot_events", lab)
    run_id = asked.path.split("/")[-2]
    assert asked.recorded.events[0]["task_id"] == run_id
    with Server({"GET *": held(asked.recorded.case)}) as server:
        run, _ = outcome_of(ask, asked, server, using)
    assert run.workflow_run_id == run_id
    assert run.task_id == recording("v1_14_reattach_snapshot_left").events[0]["task_id"] != run_id


# Answers to forms

FORMS = {
    "dev2606_resume_*": "dev2606_resume_approve_form_get",
    "v1_14_pause_*": "v1_14_pause_approve_form_get",
    "v1_14_*": "v1_14_webapp_approve_form_get",
}
"""What the form says that was answered. Forms of `v1_14_pause_*` are not delivered to the API."""
MISFITS = ("bad_action", "missing_input", "wrong_type")


@both_clients
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_to_a_form_that_is_known_by_its_token(case: str, lab: ModuleType, using: Using) -> None:
    """The form is read first. What does not fit is never sent, the rest is sent as recorded."""
    asked, recorded = Asked(case, lab), recording(case)
    form = next(form for pattern, form in FORMS.items() if fnmatchcase(case, pattern))
    if recording(form).status == 404:
        asked.refusal = asked.refusal if asked.user is None else Refusal(runtime.NotFoundError, "no such form")
    with Server({"GET /v1/form/*": replay(form), "POST /v1/form/*": replay(case)}) as server:
        outcome = submitted(asked.last, asked, server, using)
        posted = [request.json for request in server.requests if request.method == "POST"]
    if asked.refusal is None:
        assert posted == [asked.body]
        check_posted(outcome, recorded)
        return
    assert not posted
    assert re.search(asked.refusal.words, str(outcome))
    assert type(outcome) is asked.refusal.error
    assert asked.last not in f"{outcome} {outcome!r}"
    if case.endswith(MISFITS) and isinstance(outcome, runtime.FormValuesError):
        assert set(outcome.problems) == {"action" if case.endswith("bad_action") else "comment"}


@both_clients
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_to_a_form_that_has_changed_since_it_was_read(case: str, lab: ModuleType, using: Using) -> None:
    """It is the server that refuses then, or not even the server, and the outcome is what it says."""
    asked, recorded = Asked(case, lab), recording(case)
    if asked.user is None:
        asked.take_next_best("user")
    form = {
        "form_token": asked.last,
        "actions": [{"id": asked.body["action"]}],
        "inputs": [{"type": "anything", "output_variable_name": name} for name in asked.body["inputs"]],
    }
    with Server({"POST /v1/form/*": replay(case)}) as server:
        outcome = submitted(runtime.Form(form), asked, server, using)
        (posted,) = server.requests
    assert (posted.path, posted.json) == (asked.path, asked.body)
    check_posted(outcome, recorded)


def submitted(form: runtime.Form | str, asked: Asked, server: Server, using: Using) -> Any:
    def submit(client: Any) -> Any:
        return client.submit_form(form, action=asked.body["action"], inputs=asked.body["inputs"], user=asked.user)

    try:
        return using(server.url, submit, asked.kinds, user=None)
    except runtime.DifyError as error:
        return error


def check_posted(outcome: Any, recorded: Recording) -> None:
    if recorded.status >= 400:
        check_refusal(outcome, recorded)
    else:
        assert outcome is None


@pytest.mark.parametrize("case", [case for case in ANSWERS if recording(case).request["app"] == "hitl_webapp"])
def test_an_answer_of_the_class_that_was_generated_for_the_node(case: str, lab: ModuleType) -> None:
    body = recording(case).request["json"]
    if case.endswith(MISFITS):
        with pytest.raises(ValidationError, match="action" if case.endswith("bad_action") else "comment"):
            lab.HitlWebappHuman1Answer(action=body["action"], **body["inputs"])
    else:
        answer = lab.HitlWebappHuman1Answer(action=body["action"], **body["inputs"])
        assert answer.for_form() == (body["action"], body["inputs"])
