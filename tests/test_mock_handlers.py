"""What the mock says of a user's function that gives what its app cannot give."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from difygen.model import AnswerTemplate, App, Output, Primitive, TemplatePiece
from difygen.testing import mock_dify

TRIAGE = App(
    name="triage",
    source="triage.yaml",
    outputs=(
        Output(name="decision", type=Primitive.STRING),
        Output(name="score", type=Primitive.NUMBER),
        Output(name="note", type=Primitive.STRING, optional=True),
    ),
)
DESK = App(
    name="desk",
    source="desk.yaml",
    mode="advanced-chat",
    answers=(AnswerTemplate(node="answer", pieces=(TemplatePiece(selector=("body", "name")),)),),
)


def error_of(app: App, gives: Any) -> str | None:
    """Run the app with a function that gives this; return the error of the run, or None."""
    with mock_dify(app, handler=lambda inputs: gives) as dify:
        asked = {} if app is TRIAGE else {"query": "hello"}
        body = {"inputs": {}, "user": "u", "response_mode": "blocking", **asked}
        headers = {"Authorization": f"Bearer {dify.api_key}"}
        url = f"{dify.base_url}/{app.kind.start}"
        httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False)
        return dify.last_run.error


@pytest.mark.parametrize(
    ("gives", "mistakes"),
    [
        (
            {"decison": "yes", "score": "high"},
            (
                "`decison` is no output of `triage` (did you mean `decision`?); "
                '`score` is "high", not number; `decision` is missing'
            ),
        ),
        ({}, "`decision` and `score` are missing"),
        ({"decision": None, "score": 1}, "`decision` is null, not string"),
        (
            {"decision": "", "score": 1, "zzz": 1},
            "`zzz` is no output of `triage` (there is `decision`, `score` and `note`)",
        ),
    ],
)
def test_all_that_is_wrong_with_a_result_is_said_at_once(gives: Any, mistakes: str) -> None:
    assert error_of(TRIAGE, gives) == f"HandlerError: the handler returned what `triage` cannot give: {mistakes}"


@pytest.mark.parametrize(
    "gives",
    [
        {"decision": "yes", "score": 1.5},
        {"decision": "", "score": 0, "note": None},
        {"decision": "", "score": 1, "note": "n"},
    ],
)
def test_what_the_app_can_give_is_taken(gives: Any) -> None:
    assert error_of(TRIAGE, gives) is None


@pytest.mark.parametrize("gives", ["Hello", {"answer": "Hello"}, {"body.name": "Ada"}, {}])
def test_a_chatflow_takes_an_answer_or_what_its_templates_refer_to(gives: Any) -> None:
    assert error_of(DESK, gives) is None


@pytest.mark.parametrize(
    ("gives", "mistake"),
    [
        ({"anwser": "Hello"}, "`anwser` is no output of `desk` (did you mean `answer`?)"),
        ({"answer": 3}, "`answer` is 3, not string"),
        ({"body.nam": "Ada"}, "`body.nam` is no output of `desk` (did you mean `body.name`?)"),
    ],
)
def test_a_chatflow_refuses_what_it_has_no_use_for(gives: Any, mistake: str) -> None:
    assert error_of(DESK, gives) == f"HandlerError: the handler returned what `desk` cannot give: {mistake}"


def test_links_lead_to_where_the_request_was_sent() -> None:
    app = App(name="paper", source="paper.yaml", outputs=(Output(name="doc", type=Primitive.FILE),))
    with mock_dify(app) as dify:
        port = httpx.URL(dify.base_url).port
        headers = {"Authorization": f"Bearer {dify.api_key}", "Host": "dify.local:80"}
        body = {"inputs": {}, "user": "u", "response_mode": "blocking"}
        for host, origin in (
            ("dify.local:80", "http://dify.local:80"),
            (f"localhost:{port}", f"http://localhost:{port}"),
            ("[::1]:80", "http://[::1]:80"),
            ("evil/..@x", f"http://127.0.0.1:{port}"),
        ):
            headers["Host"] = host
            answer = httpx.post(
                f"{dify.base_url}/workflows/run", json=body, headers=headers, timeout=60, trust_env=False
            )
            url = answer.json()["data"]["outputs"]["doc"]["url"]
            assert url.startswith(f"{origin}/files/")
        assert b"doc" in httpx.get(url, timeout=60, trust_env=False).content


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/workflows/run", {"OPTIONS", "POST"}),
        ("DELETE", "/info", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "/apps/annotations", {"GET", "HEAD", "OPTIONS", "POST"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allowed: set[str]) -> None:
    with mock_dify(TRIAGE) as dify:
        answer = httpx.request(method, f"{dify.base_url}{path}", timeout=60, trust_env=False)
        assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, allowed)
