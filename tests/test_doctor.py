"""`difygen doctor` against servers of every kind: what it says, what it suggests, and what it never shows."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from difygen.config import Config
from difygen.doctor import DoctorOptions, run_doctor
from difygen.doctor import app as doctor_app
from difygen.doctor.report import Report
from difygen.servers import AddressProblem, candidates, is_readable_on_the_way, parse_address
from difygen.servers.generated_client import GeneratedClient, generated
from difygen.servers.releases import NEWEST_KNOWN, TRAITS, Release, parse_version
from difygen.testing import mock_dify
from support import CHAT_LAB, LAB, ROOT, TESTS
from support.fault_events import PING, broken, silence
from support.replay import recording
from support.servers import RUN, Connection, Request, Server, answer, as_json, authority, html, unused_port
from support.terminal import on_terminal, piped, redirected

KEY = "app-SECRETSECRET"
SPEC = """\
name: concat
inputs:
  string: {type: text-input, max_length: 48}
  num: number
  list: {type: select, options: [list_a, list_b, list_c]}
outputs:
  result: string
"""
CHAT_SPEC = """\
name: support
mode: chat
inputs:
  order: text-input
opening_statement: Hello!
suggested_questions: [Where is my order?]
files: {types: [image], max_count: 2}
"""
Doctor = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DIFY_BASE_URL",
        "DIFY_API_KEY",
        "DIFY_CONCAT_API_KEY",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("difygen.servers.QUICK", 0.5)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    file = tmp_path / "concat.yaml"
    file.write_text(SPEC)
    return str(file)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    """Runs the doctor; gives its exit code and its checks by name. No output may hold a key."""

    def run(*sources: str, **options: Any) -> tuple[int, dict[str, dict[str, Any]]]:
        options.setdefault("timeout", 2)
        code = run_doctor(DoctorOptions(config=Config(sources=sources), output_format="json", **options))
        shown = capsys.readouterr()
        assert "SECRET" not in shown.out + shown.err
        sections = json.loads(shown.out).get("sections", [])  # none where it could not begin
        return code, {check["name"]: check for section in sections for check in section["checks"]}

    yield run


def outcomes(checks: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: check["outcome"] for name, check in checks.items()}


def dify(**routes: Any) -> dict[str, Any]:
    """Routes of a server whose app is the recorded one, but for `routes` (by the last word of their path)."""
    usual = {"": "root_v1", "info": "info_concat", "parameters": "parameters_concat"}
    found = {f"GET /v1/{word}": _recorded(case) for word, case in usual.items()}
    return {**found, **{f"GET /v1/{word}": handler for word, handler in routes.items()}}


def _recorded(case: str) -> Callable[[Connection, Request], None]:
    return lambda connection, request: connection.send(recording(case).head + b"\r\n\r\n" + recording(case).body)


def test_all_is_well_with_the_recorded_server(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_CONCAT_API_KEY", KEY)
    with Server(dify()) as server:
        code, checks = doctor(spec, base_url=server.origin)
    assert outcomes(checks) == {
        "settings": "ok",
        "dns": "skipped",
        "tcp": "ok",
        "tls": "skipped",
        "http": "ok",
        "dify": "ok",
        "version": "ok",
        "key": "ok",
        "app": "ok",
        "published": "ok",
        "inputs": "ok",
        "run": "skipped",
    }
    assert code == 0
    assert checks["dify"]["message"] == "Dify 1.12.1 answered."
    assert checks["key"]["message"] == "DIFY_CONCAT_API_KEY holds an app key (app-…)."
    assert server.runs == 0
    assert {request.method for request in server.requests} == {"GET"}


def test_it_looks_at_the_server_alone_without_a_definition_or_key(doctor: Doctor) -> None:
    with Server(dify()) as server:
        code, checks = doctor(base_url=server.url)
    assert code == 0
    assert checks["key"]["message"] == "no key is set (DIFY_API_KEY), so no app is looked at."
    assert all("authorization" not in request.headers for request in server.requests)


def test_the_base_url_may_come_from_the_environment(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(dify()) as server:
        monkeypatch.setenv("DIFY_BASE_URL", server.url + "/")
        _, checks = doctor()
    assert checks["settings"]["message"] == f"The API is expected at {server.url} (from DIFY_BASE_URL)."


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        (None, "No base URL is set."),
        (
            "localhost:8098",
            "--base-url: Cannot use the base URL 'localhost:8098': it has no scheme: try https://localhost:8098 or http://localhost:8098.",
        ),
        (
            "'http://localhost'",
            """--base-url: Cannot use the base URL "'http://localhost'": it has quotes around it.""",
        ),
        (
            "ftp://localhost",
            "--base-url: Cannot use the base URL 'ftp://localhost': ftp:// is neither http:// nor https://.",
        ),
    ],
)
def test_settings_that_cannot_be_used(doctor: Doctor, base_url: str | None, message: str) -> None:
    code, checks = doctor(base_url=base_url)
    assert code == 1
    assert checks["settings"]["message"] == message
    assert "http://localhost/v1 (Docker)" in checks["settings"]["fix"]


def test_a_name_that_nobody_knows(doctor: Doctor) -> None:
    code, checks = doctor(base_url="http://no-such-host.invalid")
    assert (code, checks["dns"]["outcome"], checks["dify"]["outcome"]) == (1, "problem", "skipped")
    assert "'no-such-host.invalid' is not known" in checks["dns"]["message"]


def test_a_port_where_nobody_listens(doctor: Doctor) -> None:
    code, checks = doctor(base_url=f"http://127.0.0.1:{unused_port()}")
    assert (code, checks["tcp"]["outcome"]) == (1, "problem")
    assert "nothing listens there" in checks["tcp"]["message"]
    assert "5001" in checks["tcp"]["fix"]


def test_a_wrong_port_of_a_host_where_dify_answers_elsewhere(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(dify()) as server:
        monkeypatch.setattr("difygen.servers.API_PORT", server.port)
        code, checks = doctor(base_url=f"http://127.0.0.1:{unused_port()}")
    assert code == 1
    assert checks["dify"]["fix"] == f"Dify answers at {server.url}: use that as the base URL."


def test_the_web_pages_of_dify_in_the_place_of_its_api(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(dify()) as api, Server(html(200, "<title>Dify</title>")) as web:
        monkeypatch.setattr("difygen.servers.API_PORT", api.port)
        code, checks = doctor(base_url=web.url)
    assert (code, outcomes(checks)["http"], outcomes(checks)["dify"]) == (1, "ok", "problem")
    assert checks["dify"]["message"] == (
        "Not Dify but nginx answered, with a web page: 'Dify' (HTTP 200, without Dify's X-Version header)."
    )
    assert checks["dify"]["fix"] == f"Dify answers at {api.url}: use that as the base URL."


def test_an_api_below_another_path_is_found(doctor: Doctor) -> None:
    routes = {"GET /api/v1/": as_json({"welcome": "Dify OpenAPI", "api_version": "v1", "server_version": "1.14.2"})}
    with Server({**routes, "GET *": html(404)}) as server:
        _, checks = doctor(base_url=server.origin)
    assert checks["dify"]["fix"] == f"Dify answers at {server.origin}/api/v1: use that as the base URL."


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (html(502), "the api container's log"),
        (html(301, Location="https://127.0.0.1/v1/"), "Write https://"),
        (html(404), "API Access"),
        (as_json({"hello": "world"}), "API Access"),
    ],
)
def test_something_else_than_dify(doctor: Doctor, handler: Any, words: str) -> None:
    def without_version(connection: Connection, request: Request) -> None:
        handler(_Stripped(connection), request)

    with Server(without_version) as server:
        code, checks = doctor(base_url=server.url)
    assert (code, checks["dify"]["outcome"]) == (1, "problem")
    assert words in checks["dify"]["fix"]


class _Stripped:
    """A connection behind a proxy that takes Dify's headers away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.send(data.replace(b"X-Version: 1.12.1\r\n", b"").replace(b"X-Env: PRODUCTION\r\n", b""))


def test_a_proxy_that_takes_the_version_header_away_does_not_hide_dify(doctor: Doctor) -> None:
    def handle(connection: Connection, request: Request) -> None:
        unauthorized = as_json(
            {"code": "unauthorized", "message": "Authorization header must be provided", "status": 401}, 401
        )
        (html(404) if request.path == "/v1/" else unauthorized)(_Stripped(connection), request)  # type: ignore[arg-type]

    with Server(handle) as server:
        code, checks = doctor(base_url=server.url)
    assert (code, checks["dify"]["message"]) == (0, "Dify's API (a proxy takes its version header away) answered.")
    assert checks["version"]["outcome"] == "skipped"


def test_a_server_that_does_not_speak_http(doctor: Doctor) -> None:
    with Server(lambda connection, request: connection.send(b"220 mail ready\r\n\r\n")) as server:
        code, checks = doctor(base_url=server.url)
    assert (code, checks["http"]["outcome"]) == (1, "problem")
    assert "what came back is not HTTP" in checks["http"]["message"]


def test_a_certificate_that_nobody_vouches_for(doctor: Doctor) -> None:
    with Server(dify(), tls=authority().server) as server:
        code, checks = doctor(base_url=server.url)
    assert (code, checks["tls"]["outcome"]) == (1, "problem")
    assert checks["tls"]["message"].startswith("The certificate is not accepted: ")
    assert "SSL_CERT_FILE" in checks["tls"]["fix"]


def test_https_where_plain_http_is_spoken(doctor: Doctor) -> None:
    with Server(dify()) as server:
        code, checks = doctor(base_url=server.url.replace("http://", "https://"))
    assert (code, checks["tls"]["outcome"]) == (1, "problem")
    assert checks["tls"]["fix"] == f"If the server speaks plain HTTP there, write {server.url}."
    assert checks["dify"]["fix"] == f"Dify answers at {server.url}: use that as the base URL."


@pytest.mark.parametrize(
    ("key", "outcome", "message"),
    [
        ("dataset-SECRET", "problem", "knowledge base"),
        ("dfoa_SECRET", "problem", "DIFY_API_KEY holds a user's token, not the key of an app: it opens no /v1."),
        ("{app-SECRET}", "problem", "holds quotes or brackets around the key."),
        ('"app-SECRET"', "problem", "holds quotes or brackets around the key."),
        ("app-SECRET SECRET", "problem", "holds a blank"),
        ("app-SECRÉT", "problem", "copy it again"),
        ("SECRET", "ok", "DIFY_API_KEY holds a key."),
        (" app-SECRET\n", "ok", "DIFY_API_KEY holds an app key (app-…)."),
    ],
)
def test_the_form_of_a_key(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, key: str, outcome: str, message: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", key)
    with Server(dify()) as server:
        code, checks = doctor(base_url=server.url)
    assert (checks["key"]["outcome"], code) == (outcome, 0 if outcome == "ok" else 1)
    assert message in checks["key"]["message"]


def test_a_key_in_a_file(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    with Server(dify()) as server:
        code, checks = doctor(base_url=server.url, api_key_file=str(tmp_path / "key"))
        assert (code, checks["app"]["outcome"]) == (0, "ok")
        assert doctor(base_url=server.url, api_key_file=str(tmp_path / "none"))[0] == 2


@pytest.mark.parametrize(
    ("case", "message", "fix"),
    [
        (
            "auth_bad_key",
            "Dify does not know the key.",
            "It may belong to another server, or was deleted: copy it anew.",
        ),
        (
            "api_disabled",
            "Dify refuses the key's app: 403 forbidden The app's API service has been disabled.",
            "Enable the app's API",
        ),
        ("app_deleted", "Dify refuses the key's app: 403 forbidden The app no longer exists.", "Enable the app's API"),
        (
            "info_chatflow",
            "The key belongs to a chatflow 'chatflow', not to a workflow.",
            "Use the key of the workflow itself",
        ),
    ],
)
def test_keys_that_do_not_open_a_workflow(
    doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch, case: str, message: str, fix: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with Server(dify(info=_recorded(case))) as server:
        code, checks = doctor(spec, base_url=server.url)
    assert (code, checks["app"]["outcome"], checks["app"]["message"]) == (1, "problem", message)
    assert checks["app"]["fix"].startswith(fix)


def test_an_agent_that_is_not_published(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The New Agent of Dify 1.15 has a code of its own for that."""
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    (tmp_path / "helper.yaml").write_text("name: helper\nmode: agent\ninputs: {}\n")
    info = as_json({"name": "helper", "mode": "agent-chat"})
    refusal = as_json({"code": "agent_not_published", "message": "Agent not published", "status": 400}, 400)
    with Server(dify(info=info, parameters=refusal)) as server:
        code, checks = doctor(str(tmp_path / "helper.yaml"), base_url=server.url)
    assert (code, checks["published"]["message"]) == (1, "No version of the agent is published.")


@pytest.mark.parametrize(("path", "check"), [("", "http"), ("parameters", "published")])
def test_an_answer_that_drips_or_has_no_end_is_not_waited_for(
    path: str, check: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    monkeypatch.setattr("difygen.servers.QUICK", 0.05)
    monkeypatch.setattr("difygen.servers.STEPS", 0.5)

    def drip(connection: Connection, request: Request) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.send(b"X-More: to come\r\n")
            connection.pause(0.02)

    def flood(connection: Connection, request: Request) -> None:
        connection.head(200, {"Transfer-Encoding": "chunked", "Content-Type": "application/json"})
        while True:
            connection.chunk(bytes(1 << 18))

    for handler, why in ((drip, "it took too long"), (flood, "what came has more than 4,194,304 bytes")):
        with Server(dify(**{path: handler})) as server:
            code, checks = doctor(base_url=server.url)
        assert code == 1
        assert f": {why}." in checks[check]["message"]


def test_a_workflow_that_is_not_published(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with Server(dify(parameters=_recorded("unpublished_parameters"))) as server:
        code, checks = doctor(spec, base_url=server.url)
    assert (code, checks["published"]["message"]) == (1, "No version of the workflow is published.")
    assert "choose Publish" in checks["published"]["fix"]


def test_no_key_for_a_definition(doctor: Doctor, spec: str) -> None:
    with Server(dify()) as server:
        code, checks = doctor(spec, base_url=server.url)
    assert code == 1
    assert checks["key"]["fix"].startswith("Set DIFY_CONCAT_API_KEY or DIFY_API_KEY, or give --api-key-file.")


def test_the_key_goes_to_dify_alone(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with Server(html(200)) as other:
        moved = html(302, Location=f"{other.url}/info")
        with Server(html(200)) as web:
            doctor(spec, base_url=web.url)
        with Server(dify(info=moved)) as server:
            doctor(spec, base_url=server.url)
    assert other.requests == []
    assert all("authorization" not in request.headers for request in web.requests)


def test_drift_is_judged_variable_by_variable(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    file = tmp_path / "concat.yaml"
    file.write_text(
        SPEC.replace("48", "64").replace("list_c]", "list_c, list_d]").replace("  num: number\n", "  old: number\n")
    )
    with Server(dify()) as server:
        code, checks = doctor(str(file), base_url=server.url, run=True)
    assert (code, checks["inputs"]["outcome"], checks["run"]["outcome"]) == (1, "problem", "skipped")
    details = [detail for detail in checks["inputs"]["details"] if detail.startswith("breaking")]
    assert len(details) == 4
    for name in ("`old`", "`num`", "list_d", "`string`"):
        assert sum(name in detail for detail in details) == 1


def test_what_breaks_no_caller_is_no_problem(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    file = tmp_path / "concat.yaml"
    file.write_text(SPEC.replace("48", "20").replace(", list_c", ""))
    with Server(dify()) as server:
        code, checks = doctor(str(file), base_url=server.url)
    assert (code, checks["inputs"]["outcome"]) == (0, "ok")
    assert sum(detail.startswith("compatible") for detail in checks["inputs"]["details"]) == 2


@pytest.mark.parametrize("case", ["files", "concat"])
def test_an_export_agrees_with_what_its_own_server_tells(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    routes = dify(info=_recorded(f"info_{case}"), parameters=_recorded(f"parameters_{case}"))
    with Server(routes) as server:
        code, checks = doctor(str(LAB / f"{case}.yml"), base_url=server.url)
    assert (code, checks["inputs"]["outcome"], checks["inputs"]["details"]) == (0, "ok", [])


CHAT_APPS = ("agent_lab", "chat_basic", "chat_files", "chat_lab", "chat_plain", "completion_lab")


def chat_lab(case: str, tmp_path: Path, change: Callable[[dict[str, Any]], None] = lambda settings: None) -> str:
    """The export of a recorded app, with `change` made to its configuration or the features of its workflow."""
    exported = yaml.safe_load((CHAT_LAB / f"{case}.yml").read_text("utf-8"))
    change(exported.get("model_config") or exported["workflow"]["features"])
    file = tmp_path / f"{case}.yml"
    file.write_text(yaml.safe_dump(exported, allow_unicode=True), "utf-8")
    return str(file)


@pytest.mark.parametrize("case", CHAT_APPS)
def test_chat_type_exports_agree_with_what_their_own_server_tells(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    routes = dify(info=_recorded(f"{case}_info"), parameters=_recorded(f"{case}_parameters"))
    with Server(routes) as server:
        code, checks = doctor(chat_lab(case, tmp_path), base_url=server.url)
    found = {name: (checks[name]["outcome"], checks[name]["details"]) for name in ("inputs", "features")}
    assert (code, found) == (0, {"inputs": ("ok", []), "features": ("ok", [])})


@pytest.mark.parametrize("case", CHAT_APPS)
def test_features_that_a_chat_type_app_lost_are_a_problem(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    parameters = json.loads(recording(f"{case}_parameters").body)
    for name in ("suggested_questions_after_answer", "speech_to_text", "text_to_speech", "file_upload"):
        parameters[name] = {"enabled": False}
    parameters |= {"opening_statement": "Another one.", "retriever_resource": {"enabled": False}}

    def switch_on(settings: dict[str, Any]) -> None:
        for name in ("suggested_questions_after_answer", "speech_to_text", "text_to_speech"):
            settings[name] = {"enabled": True}

    with Server(dify(info=_recorded(f"{case}_info"), parameters=as_json(parameters))) as server:
        code, checks = doctor(chat_lab(case, tmp_path, switch_on), base_url=server.url)
    assert (code, checks["inputs"]["outcome"], checks["features"]["outcome"]) == (1, "ok", "problem")
    assert "generate anew" in checks["features"]["fix"]
    details = checks["features"]["details"]
    breaking = [detail for detail in details if detail.startswith("breaking: ")]
    for words in ("takes no files", "suggests questions", "speech into text", "text into speech"):
        assert sum(words in detail for detail in breaking) == 1
    assert any("opening statement" in detail for detail in details)
    assert any("citations" in detail for detail in details)


@pytest.mark.parametrize("case", ["chat_basic", "chat_files"])
def test_features_that_a_chat_type_app_gained_break_nobody(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)

    def switch_off(settings: dict[str, Any]) -> None:
        settings.update(file_upload={"enabled": False}, speech_to_text={"enabled": False})

    with Server(dify(info=_recorded(f"{case}_info"), parameters=_recorded(f"{case}_parameters"))) as server:
        code, checks = doctor(chat_lab(case, tmp_path, switch_off), base_url=server.url)
    assert (code, checks["features"]["outcome"]) == (0, "ok")
    assert "compatible: A turn takes files now. No turn passes files yet." in checks["features"]["details"]


@pytest.mark.parametrize("case", ["agent_lab", "chat_lab", "completion_lab"])
def test_inputs_of_chat_type_apps_drift_like_those_of_workflows(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    parameters = json.loads(recording(f"{case}_parameters").body)
    parameters["user_input_form"] += [{"paragraph": {"variable": "topic", "label": "topic", "required": True}}]
    with Server(dify(info=_recorded(f"{case}_info"), parameters=as_json(parameters))) as server:
        code, checks = doctor(chat_lab(case, tmp_path), base_url=server.url)
    assert (code, checks["inputs"]["outcome"], checks["features"]["outcome"]) == (1, "problem", "ok")
    assert any("`topic`" in detail for detail in checks["inputs"]["details"])


def test_the_mock_passes_for_the_server_of_every_kind_of_app(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    support = tmp_path / "support.yaml"
    support.write_text(CHAT_SPEC)
    agent = TESTS / "cases" / "gen" / "agent_package" / "researcher.yml"
    for export in (*(chat_lab(case, tmp_path) for case in CHAT_APPS), str(support), str(agent)):
        with mock_dify(export) as dify_mock:
            monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
            code, checks = doctor(export, base_url=dify_mock.base_url)
        assert (code, checks["inputs"]["details"], checks["features"]["details"]) == (0, [], []), export
        assert checks["dify"]["message"] == "Dify 1.14.2 answered."


@pytest.mark.parametrize("case", CHAT_APPS)
def test_one_turn_is_made_of_apps_that_have_turns(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    export = chat_lab(case, tmp_path)
    with mock_dify(export) as dify_mock:
        monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
        inputs = () if case in ("chat_files", "chat_plain") else ("name=Ada",)
        code, checks = doctor(export, base_url=dify_mock.base_url, run=True, inputs=inputs)
        (asked,) = dify_mock.turns
    assert (code, checks["run"]["outcome"]) == (0, "ok")
    assert checks["run"]["message"].startswith("A turn succeeded in ")
    if case != "completion_lab":
        assert asked.query == ("What can you do?" if case in ("chat_basic", "chat_lab") else "Hello")


def test_a_turn_that_fails_is_a_problem(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = chat_lab("chat_plain", tmp_path)
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    failed = as_json({"code": "provider_quota_exceeded", "message": "Nothing is left.", "status": 400}, 400)
    app = dify(info=_recorded("chat_plain_info"), parameters=_recorded("chat_plain_parameters"))
    with Server({**app, "POST /v1/chat-messages": failed}) as server:
        code, checks = doctor(export, base_url=server.url, run=True)
    assert (code, checks["run"]["outcome"]) == (1, "problem")
    assert checks["run"]["message"].startswith("A turn did not succeed: Nothing is left.")


def test_an_empty_default_of_a_select_makes_it_required(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As recorded: the live app had `default: ''` where the export of later has none, and refuses a call that leaves
    it out.
    """
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    routes = dify(info=_recorded("info_kitchen_sink"), parameters=_recorded("parameters_kitchen_sink"))
    with Server(routes) as server:
        code, checks = doctor(str(LAB / "kitchen_sink.yml"), base_url=server.url)
    breaking = [detail for detail in checks["inputs"]["details"] if detail.startswith("breaking")]
    assert (code, breaking) == (1, ["breaking: `sel_opt` was optional and is required. Calls that leave it out fail."])


@pytest.mark.parametrize("form", [None, "text", [3], [{"text-input": 4}], [{}]])
def test_parameters_of_another_shape_do_no_harm(
    doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with Server(dify(parameters=as_json({"user_input_form": form}))) as server:
        _, checks = doctor(spec, base_url=server.url)
    assert checks["inputs"]["outcome"] in ("problem", "skipped")


def test_a_definition_that_cannot_be_read_is_wrong_usage(
    doctor: Doctor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text("name: [")
    assert (
        run_doctor(DoctorOptions(config=Config(sources=(str(tmp_path / "bad.yaml"),)), base_url="http://127.0.0.1:1"))
        == 2
    )
    assert (
        run_doctor(DoctorOptions(config=Config(sources=(str(tmp_path / "none.yaml"),)), base_url="http://127.0.0.1:1"))
        == 2
    )
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(": error: " in line or line.startswith("    hint") for line in shown.err.splitlines())


def test_nodes_that_the_release_hangs_on(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    export = str(LAB / "human_input.yml")
    with Server(dify()) as server:
        code, checks = doctor(export, base_url=server.url)
    assert (code, checks["nodes"]["outcome"]) == (1, "problem")


def test_the_report_for_people(spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    hostile = as_json({"name": "evil\x1b[2J\nname", "mode": "workflow"})
    with Server(dify(info=hostile)) as server:
        assert run_doctor(DoctorOptions(config=Config(sources=(spec,)), base_url=server.url)) == 0
    out = capsys.readouterr().out
    assert "\n  ✓ key       DIFY_API_KEY holds an app key (app-…).\n" in out
    assert out.endswith("\nNo problems found.\n")
    assert "\x1b[2J" not in out


def test_the_mock_server_passes_for_dify(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_dify(spec) as dify_mock:
        monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
        code, checks = doctor(spec, base_url=dify_mock.base_url)
    assert (code, checks["inputs"]["outcome"], checks["inputs"]["details"]) == (0, "ok", [])


def test_a_path_of_dify_that_is_not_its_api(doctor: Doctor, spec: str) -> None:
    with mock_dify(spec) as dify_mock:
        code, checks = doctor(spec, base_url=dify_mock.base_url.replace("/v1", "/wrong/v1"))
    assert (code, checks["dify"]["outcome"]) == (1, "problem")
    assert checks["dify"]["message"] == "Dify 1.14.2 answered, but there is no API at /wrong/v1."
    assert checks["dify"]["fix"] == f"Dify answers at {dify_mock.base_url}: use that as the base URL."


def test_findings_are_shown_as_they_come() -> None:
    lines: list[str] = []
    report = Report(lines.append)
    section = report.section("Server")
    section.problem("tcp", "Port 80 refuses.", "Start it.")
    assert [line.split() for line in lines] == [
        ["Server"],
        ["✗", "tcp", "Port", "80", "refuses."],
        ["→", "Start", "it."],
    ]
    report.end()
    assert lines[-1] == "1 problem found."


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"inputs": ("string=a",)}, "--input is for the run that --run makes."),
        ({"timeout": 0}, "--timeout must be more than 0 and at most 3600 seconds."),
        ({"timeout": float("nan")}, "--timeout must be more than 0 and at most 3600 seconds."),
        ({"timeout": float("inf")}, "--timeout must be more than 0 and at most 3600 seconds."),
    ],
)
def test_options_that_say_nothing(options: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_doctor(DoctorOptions(config=Config(), base_url="http://127.0.0.1:9", **options)) == 2
    assert capsys.readouterr().err == f"Error: {sentence}\n"


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        (">/dev/full", 1, "Error: Cannot write the results: no space left on device.\n"),
        ("| true", 1, ""),
        (">&-", 0, ""),
    ],
)
def test_a_report_that_cannot_be_written(spec: str, redirection: str, code: int, message: str) -> None:
    with mock_dify(spec) as dify_mock:
        result = redirected(["doctor", spec], env=dify_mock.environment, redirection=redirection)
    assert (result.code, result.err) == (code, message)


def test_a_key_from_standard_input_serves_all_workflows(spec: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SPEC)
    with mock_dify(spec) as dify_mock:
        environment = {"DIFY_BASE_URL": dify_mock.base_url}
        result = piped("doctor", spec, str(other), "--api-key-file", "-", env=environment, stdin=KEY)
    assert (result.code, result.err, result.out.count("✓ inputs")) == (0, "", 2)


@pytest.mark.parametrize(
    ("url", "is_readable"),
    [
        ("http://203.0.114.7", True),
        ("http://[2606:4700::1111]:8080", True),
        ("http://dify.example.com", True),
        ("http://unknown.example.com", True),
        ("https://dify.example.com", False),
        ("http://dify.corp.example", False),
        ("http://10.0.0.7:5001", False),
        ("http://[fd00::1]", False),
        ("http://127.0.0.1", False),
        ("http://localhost", False),
        ("http://nginx/v1", False),
    ],
)
def test_what_others_may_read_on_the_way(url: str, is_readable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up, known = socket.getaddrinfo, {"dify.example.com": "203.0.114.7", "dify.corp.example": "192.168.3.4"}

    def addresses(host: str, *arguments: Any, **options: Any) -> Any:
        if host.startswith("unknown"):
            raise OSError("no such host")
        return look_up(known.get(host, host), *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    assert is_readable_on_the_way(parse_address(url)) is is_readable


def test_candidates_begin_with_the_likeliest() -> None:
    urls = [candidate.url for candidate in candidates(parse_address("http://dify.example:8080/dify"))]
    assert urls[0] == "http://dify.example:8080/v1"
    assert {
        "http://dify.example/v1",
        "http://dify.example:5001/v1",
        "https://dify.example/v1",
        "https://dify.example:8080/v1",
    } < set(urls)
    assert len(urls) == len(set(urls))
    with pytest.raises(AddressProblem):
        parse_address("http://")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.12.1", (1, 12, 1)),
        ("1.14.0-rc1", (1, 14, 0)),
        ("v0.6", (0, 6, 0)),
        ("1.11.4-plus", (1, 11, 4)),
        ("main", None),
        ("", None),
    ],
)
def test_versions_are_read_in_every_known_form(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


def test_what_a_release_implies() -> None:
    assert any("events endpoint" in text for text in Release((1, 12, 1)).advice())
    assert not any("events endpoint" in text for text in Release((1, 14, 0)).advice())
    assert any("one ping and then nothing" in text for text in Release((1, 14, 2)).advice())
    assert not any("one ping and then nothing" in text for text in Release((1, 15, 0)).advice())
    assert any("Celery" in text for text in Release((1, 13, 0)).advice())
    assert all(trait.since < trait.before for trait in TRAITS.values())


def test_an_answer_that_is_no_json_object_is_no_app(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with Server(dify(info=answer(b"[1, 2]"))) as server:
        code, checks = doctor(spec, base_url=server.url)
    assert (code, checks["app"]["outcome"]) == (1, "problem")


def test_one_run_is_made_when_it_is_asked_for(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_dify(spec, handler=lambda inputs: {"result": inputs["string"]}) as dify_mock:
        monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
        code, checks = doctor(spec, base_url=dify_mock.base_url, run=True, inputs=("string=a", "num=1", "list=list_a"))
        assert (code, checks["run"]["outcome"]) == (0, "ok")
        assert checks["run"]["message"].endswith("its outputs: result.")
        assert [dict(run.inputs) for run in dify_mock.runs] == [{"string": "a", "num": 1, "list": "list_a"}]


def test_the_definition_s_example_serves_as_inputs(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = "examples:\n  - inputs: {string: x, num: 2, list: list_c}\n    outputs: {result: y}\n"
    Path(spec).write_text(SPEC + example)
    with mock_dify(spec) as dify_mock:
        monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
        code, checks = doctor(spec, base_url=dify_mock.base_url, run=True, user="ann")
        assert (code, checks["run"]["outcome"]) == (0, "ok")
        assert (dify_mock.last_run.inputs["list"], dify_mock.last_run.user) == ("list_c", "ann")


def test_a_run_without_its_inputs_is_not_made(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_dify(spec) as dify_mock:
        monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
        _, checks = doctor(spec, base_url=dify_mock.base_url, run=True, inputs=("string=a",))
        assert (checks["run"]["outcome"], checks["run"]["message"]) == ("problem", "not made: num, list must be given.")
        assert doctor(spec, base_url=dify_mock.base_url, run=True, inputs=("num=x",))[0] == 2
        assert dify_mock.runs == []


def test_a_run_that_fails_is_a_problem(doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_dify(spec, fail_rate=1) as dify_mock:
        monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
        code, checks = doctor(spec, base_url=dify_mock.base_url, run=True, inputs=("string=a", "num=1", "list=list_a"))
    assert (code, checks["run"]["outcome"]) == (1, "problem")
    assert "logs of the app" in checks["run"]["fix"]


def test_a_stream_that_falls_silent_is_named_in_seconds(
    doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes 25 of them in earnest; the server would take 300."""

    @contextmanager
    def impatient(*arguments: Any) -> Iterator[GeneratedClient]:
        with generated(*arguments) as loaded:
            protocol = import_module(f"{loaded.package.__name__}._runtime._protocol")
            monkeypatch.setattr(protocol, "REFUSAL_PATIENCE", 0.2)
            yield loaded

    monkeypatch.setattr(doctor_app, "generated", impatient)
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with Server({**dify(), RUN: broken([PING], silence)}) as server:
        code, checks = doctor(spec, base_url=server.url, run=True, inputs=("string=a", "num=1", "list=list_a"))
    assert (code, checks["run"]["outcome"]) == (1, "problem")
    assert "The stream fell silent after its first ping." in checks["run"]["message"]
    assert checks["run"]["fix"].startswith("Try the same in blocking mode (difygen call --blocking)")


def test_outputs_that_do_not_fit_are_a_problem(
    doctor: Doctor, spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text(Path(spec).read_text("utf-8").replace("result: string", "result: number"), "utf-8")
    with mock_dify(changed, handler=lambda inputs: {"result": 3}) as dify_mock:
        monkeypatch.setenv("DIFY_API_KEY", dify_mock.api_key)
        code, checks = doctor(spec, base_url=dify_mock.base_url, run=True, inputs=("string=a", "num=1", "list=list_a"))
    assert (code, checks["run"]["outcome"]) == (1, "problem")
    assert "The outputs do not fit the definition" in checks["run"]["message"]


def test_a_certificate_of_a_trusted_authority_is_fine(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Server(dify(), tls=context) as server:
        code, checks = doctor(base_url=server.url)
    assert (code, checks["dns"]["outcome"], checks["tls"]["outcome"], checks["dify"]["outcome"]) == (
        0,
        "ok",
        "ok",
        "ok",
    )
    assert checks["tls"]["message"].endswith("the certificate is valid for localhost.")


def test_a_proxy_of_the_environment_is_told_and_looked_at(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    with Server({"GET *": _recorded("auth_missing")}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:SECRET@127.0.0.1:{proxy.port}")
        code, checks = doctor(base_url="http://dify.example")
    assert (code, checks["dify"]["outcome"]) == (0, "ok")
    assert checks["settings"]["details"] == [
        f"Requests go through the proxy 127.0.0.1:{proxy.port} (HTTP_PROXY in the environment)."
    ]
    assert checks["tcp"]["message"] == f"The proxy's port {proxy.port} accepts connections."


def test_a_proxy_that_the_client_passes_by_is_not_looked_at(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", "http://127.0.0.1")
    with Server(dify()) as server:
        code, checks = doctor(base_url=server.url)
    assert (code, checks["settings"]["details"], checks["dify"]["outcome"]) == (0, [], "ok")


@pytest.mark.parametrize(
    ("handler", "message", "fix"),
    [
        (
            as_json({"message": "No API key found"}, 401, Server="kong/3.4"),
            "GET /info failed: 401 Not Dify but kong/3.4 in front of it answered, with JSON: 'No API key found'.",
            "A gateway wants credentials of its own; Dify has not seen the API key.",
        ),
        (
            html(403, "<title>Blocked</title>"),
            "GET /info failed: 403 Not Dify but nginx in front of it answered, with a web page: 'Blocked'.",
            "A firewall or a gateway refused the request before Dify saw it: have it let GET /v1/info through",
        ),
        (
            html(200, "<title>Sign in</title>"),
            "GET /info failed: 200 Not Dify but nginx answered, with a web page: 'Sign in'.",
            "Check the base URL",
        ),
        (
            as_json({"code": "unauthorized", "message": "Access token is invalid", "status": 401}),
            "Dify does not know the key.",
            "It may belong to another server",
        ),
    ],
)
def test_a_gateway_that_answers_requests_with_a_key_is_not_taken_for_dify(
    doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch, handler: Any, message: str, fix: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)

    def info(connection: Connection, request: Request) -> None:
        has_key = "authorization" in request.headers
        (handler if has_key else _recorded("auth_missing"))(_Stripped(connection) if has_key else connection, request)

    with Server(dify(info=info)) as server:
        code, checks = doctor(spec, base_url=server.url)
    assert (code, checks["app"]["outcome"], checks["app"]["message"]) == (1, "problem", message)
    assert checks["app"]["fix"].startswith(fix)


def test_the_command_as_a_process(spec: str) -> None:
    with Server(dify()) as server:
        env = {"DIFY_CONCAT_API_KEY": KEY, "DIFY_BASE_URL": server.url}
        ended = piped("doctor", spec, env=env)
        assert (ended.code, ended.err) == (0, "")
        assert "\x1b" not in ended.out
        shown = on_terminal("doctor", spec, env=env)
        assert shown.code == 0
        assert "\x1b[32m✓" in shown.out
        assert shown.text == ended.out
        report = piped("doctor", spec, "--format", "json", env={**env, "DIFY_CONCAT_API_KEY": "dataset-SECRET"})
        assert (report.code, json.loads(report.out)["problems"]) == (1, 1)
        assert "SECRET" not in ended.out + shown.out + report.out
    wrong = piped("doctor", "no-such.yaml", env={})
    assert (wrong.code, wrong.out, len(wrong.err.splitlines())) == (2, "", 1)


def test_a_variable_that_no_client_can_read_is_a_finding(
    doctor: Doctor, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", "http://me:SECRET#1@127.0.0.1:1")
    with Server(dify()) as server:
        code, checks = doctor(spec, base_url=server.url)
        assert server.requests == []
    assert (code, checks["environment"]["outcome"]) == (1, "problem")
    assert checks["environment"]["message"].startswith("HTTP_PROXY is not the URL of a proxy")
    assert "SECRET" not in str(checks)


def test_certificates_that_cannot_be_read_are_a_finding(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    code, checks = doctor(base_url="https://127.0.0.1:1")
    assert (code, checks["environment"]["outcome"]) == (1, "problem")
    assert checks["environment"]["message"].startswith(f"SSL_CERT_FILE names '{tmp_path}/missing.pem'")


def test_the_page_has_the_table_of_releases() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8")
    shown = [line.split(" | ")[2] for line in page.splitlines() if line.count(" | ") == 3 and line.startswith("| ")]
    assert shown[1:] == [trait.advice for trait in TRAITS.values() if trait.advice]


@pytest.mark.parametrize("version", ["1.18.0", "2.0.0-rc1"])
def test_a_release_that_is_newer_than_known_is_said_once(
    version: str, doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    file = tmp_path / "concat.yaml"
    file.write_text(SPEC.replace("inputs:\n", "inputs:\n  tint: any\n"))
    parameters = json.loads(recording("parameters_concat").body)
    parameters["user_input_form"].insert(0, {"colour": {"variable": "tint", "label": "tint", "required": True}})
    routes = dify(parameters=as_json(parameters))

    def newer(name: str) -> Callable[[Connection, Request], None]:
        def send(connection: Connection, request: Request) -> None:
            routes[name](_Renamed(connection, version), request)

        return send

    with Server({name: newer(name) for name in routes}) as server:
        code, checks = doctor(str(file), base_url=server.url)
    assert (code, {each["outcome"] for each in checks.values()}) == (0, {"ok", "skipped"})
    assert checks["version"]["message"].startswith(f"Dify {version} is newer than this difygen knows (up to 1.17.1)")
    assert json.dumps(checks).count("newer") == 1
    assert checks["inputs"]["message"] == "The live app and the definition agree on 4 inputs:"
    assert checks["inputs"]["details"] == ["The input 'tint' has the type 'colour', which difygen does not know."]
    assert not Release(NEWEST_KNOWN).is_newer_than_known


class _Renamed:
    """A connection on which a server says that it is of another release."""

    def __init__(self, connection: Connection, version: str) -> None:
        self._connection, self._version = connection, version.encode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def send(self, data: bytes) -> None:
        self._connection.send(data.replace(b"X-Version: 1.12.1", b"X-Version: " + self._version))
