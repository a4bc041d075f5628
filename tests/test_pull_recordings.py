"""`difygen pull` with the very bytes that servers answered: each recording is one step of a pull, and has one outcome.

`tests/recordings_console/` holds recorded answers of an unmodified Dify 1.14.2 (`v1_14_…`) and of a development commit
of June 2026 (`dev2606_…`), with secrets masked. A case plays one of them in a step of a way in, and good ones in the
others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import test_pull
from support import TESTS
from support.projects import Ran, difygen
from support.servers import Connection, Request, Server, html

RECORDINGS = TESTS / "recordings_console"
clean_environment = test_pull.clean_environment

GOOD = {
    "features": "v1_14_probe_system_features",
    "login": "v1_14_login_base64_password",
    "logout": "v1_14_logout_ok",
    "refresh": "v1_14_refresh_ok",
    "workspaces": "v1_14_workspaces",
    "apps": "v1_14_apps_limit100",
    "app": "v1_14_app_unknown",
    "export": "v1_14_export_workflow",
    "publish": "v1_14_publish_concat",
}
BY_TOKEN = {
    "version": "dev2606_openapi_version",
    "workspaces": "dev2606_openapi_workspaces",
    "apps": "dev2606_openapi_apps_limit100",
    "describe": "dev2606_openapi_describe_draft_differs",
    "versions": "dev2606_openapi_versions_path",
    "export": "dev2606_openapi_export_workflow",
    "dsl": "dev2606_openapi_export_dsl_path",
    "app": "dev2606_openapi_describe_unknown",
}
BY_BROWSER: dict[str, str | list[str]] = {
    **BY_TOKEN,
    "code": ["dev2606_device_code_unknown_client", "dev2606_device_code"],
    "poll": [
        *("dev2606_device_poll_pending", "dev2606_device_poll_slow_down"),
        *("dev2606_device_poll_pending_after_waiting", "dev2606_device_poll_ok"),
    ],
    "revoke": "dev2606_openapi_revoke_self",
}
BY_ADMIN = {
    **GOOD,
    "workspaces": "dev2606_admin_workspaces",
    "apps": "dev2606_admin_list",
    "export": "dev2606_admin_export",
}
BY_KEY = {
    "info": "v1_14_key_workflow_info",
    "parameters": "v1_14_key_workflow_parameters",
    "logs": "v1_14_key_workflow_logs",
    "run": "v1_14_key_workflow_run",
}
STEPS = (
    ("features", r"/console/api/system-features"),
    ("login", r"/console/api/login"),
    ("logout", r"/console/api/logout"),
    ("refresh", r"/console/api/refresh-token"),
    ("version", r"/openapi/v1/_version"),
    ("code", r"/openapi/v1/oauth/device/code"),
    ("poll", r"/openapi/v1/oauth/device/token"),
    ("revoke", r"/openapi/v1/account/sessions/self"),
    ("workspaces", r"/(?:console/api|openapi/v1)/workspaces"),
    ("apps", r"/(?:console/api|openapi/v1)/apps"),
    ("publish", r"/console/api/apps/[^/]+/workflows/publish"),
    ("export", r"/(?:console/api|openapi/v1)/apps/[^/]+/export"),
    ("describe", r"/openapi/v1/apps/[^/]+/describe"),
    ("versions", r"/openapi/v1/apps/[^/]+/versions"),
    ("dsl", r"/openapi/v1/apps/[^/]+/dsl"),
    ("app", r"/(?:console/api|openapi/v1)/apps/[^/]+"),
    ("info", r"/v1/info"),
    ("parameters", r"/v1/parameters"),
    ("logs", r"/v1/workflows/logs"),
    ("run", r"/v1/workflows/run/.*"),
)
DEV_WORKSPACE = "69ebe272-fbee-4f73-9360-6911d8f319a3"
CONCAT, DEV_CONCAT = "dbc65b59-1f41-468c-bcb7-32e5aa562502", "0371a592-d4ed-4234-b842-6134790a0884"


def body(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.http").read_bytes().partition(b"\r\n\r\n")[2])


def play(steps: Mapping[str, str | list[str]]) -> Server:
    """A server that answers each step with its recording, byte for byte, or with one after the other."""
    played = {step: [*names] if isinstance(names, list) else names for step, names in steps.items()}

    def answer(connection: Connection, request: Request) -> None:
        for step, pattern in STEPS:
            if re.fullmatch(pattern, request.path) and (names := played.get(step)):
                name = names.pop(0) if isinstance(names, list) else names
                connection.send((RECORDINGS / f"{name}.http").read_bytes())
                return
        html(404)(connection, request)

    return Server(answer)


def pull(steps: Mapping[str, str | list[str]], *arguments: str) -> Ran:
    with play(steps) as server:
        return difygen("pull", "--server", server.origin, *arguments)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difygen.pull.traffic.PAUSE", 0.0)
    monkeypatch.setattr("difygen.pull.traffic.LONGEST_WAIT", 0.5)
    monkeypatch.setattr("difygen.pull.command.RATE", 10_000)
    monkeypatch.setenv("DIFY_EMAIL", "admin@live.local")
    monkeypatch.setenv("DIFY_PASSWORD", "MASKED-PASS")


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, user: None) -> None:
    monkeypatch.delenv("DIFY_EMAIL")
    monkeypatch.setenv("DIFY_TOKEN", "dfoa_RECORDED00000000000000000000000000000000001")


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch, user: None) -> None:
    monkeypatch.delenv("DIFY_EMAIL")
    monkeypatch.setenv("DIFY_ADMIN_API_KEY", "MASKED-ADMIN-KEY0000000000000000")
    monkeypatch.setenv("DIFY_WORKSPACE_ID", DEV_WORKSPACE)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, user: None) -> None:
    monkeypatch.delenv("DIFY_EMAIL")
    monkeypatch.setenv("DIFY_API_KEY", "app-RECORDED000000000001")


# What was exported is the file

EXPORTS = (
    *("workflow", "chatflow", "chat", "agent", "completion", "chinese", "slash", "long_name"),
    *("never_published", "api_off", "secret_left_out", "secret_default", "draft_differs_draft"),
    *("draft_differs_version_one", "draft_differs_version_two", "version_empty", "version_on_chat"),
    *("kitchen_sink", "llm", "chat_plain", "upper_case_uuid"),
)


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_by_the_console_is_the_file(name: str, user: None) -> None:
    ran = pull({**GOOD, "export": f"v1_14_export_{name}"}, CONCAT)
    assert (ran.code, ran.err) == (0, "")
    assert Path("exports/concat.yml").read_bytes() == body(f"v1_14_export_{name}")["data"].encode()


DEV_EXPORTS = (
    *("workflow", "chatflow", "chat", "agent", "chinese", "draft_differs", "files", "kitchen_sink"),
    *("never_published", "right_workspace", "secret_left_out", "version_one", "version_two"),
)


@pytest.mark.parametrize("name", DEV_EXPORTS)
def test_an_export_by_a_users_token_is_the_file(name: str, token: None) -> None:
    ran = pull(
        {**BY_TOKEN, "export": f"dev2606_openapi_export_{name}", "describe": "dev2606_openapi_describe_fields_info"},
        DEV_CONCAT,
    )
    assert (ran.code, ran.err) == (0, "")
    assert Path("exports/concat.yml").read_bytes() == body(f"dev2606_openapi_export_{name}")["data"].encode()


@pytest.mark.parametrize("way", ["user", "token", "admin"])
def test_secrets_that_were_sent_all_the_same_are_not_written(way: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(way)
    if way == "token":
        steps, app = {**BY_TOKEN, "export": "dev2606_openapi_export_secret_included"}, DEV_CONCAT
    else:
        steps, app = {**(GOOD if way == "user" else BY_ADMIN), "export": "v1_14_export_secret_included"}, ""
        app = CONCAT if way == "user" else body("dev2606_admin_list")["data"][0]["id"]
    ran = pull(steps, app)
    assert ran.code == 1
    assert "the server sent the values of secrets (`" in ran.err and "made-up-secret-value" not in ran.err + ran.out
    assert not list(Path().rglob("*.yml"))


# Lists


def found(ran: Ran) -> list[tuple[str, str]]:
    return [(each["app"], each["name"]) for each in json.loads(ran.out)["files"]]


LISTS = (
    *("apps_limit100", "apps_limit2_page_after_last", "apps_mode_completion", "apps_mode_workflow"),
    *("apps_mode_channel", "apps_name_chinese", "apps_name_concat", "apps_name_empty", "apps_name_none"),
    *("apps_name_percent", "apps_name_same", "apps_name_slash", "apps_name_underscore"),
    *("apps_name_upper_case", "apps_sorted", "apps_unknown_parameter"),
)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_the_console_is_taken_as_it_is(name: str, user: None) -> None:
    rows = body(f"v1_14_{name}")["data"]
    ran = pull({**GOOD, "apps": f"v1_14_{name}"}, "--check", "--output-format", "json")
    assert sorted(found(ran)) == sorted((row["id"], row["name"]) for row in rows)
    untold = body(f"v1_14_{name}")["total"] - len({row["id"] for row in rows})
    assert [each["code"] for each in json.loads(ran.out)["findings"]] == ["apps-not-told"] * bool(untold)


@pytest.mark.parametrize(
    "name", ["apps_limit100", "apps", "apps_mode_workflow", "apps_name_is_an_id", "apps_name_none"]
)
def test_a_list_by_a_users_token_is_taken_as_it_is(name: str, token: None) -> None:
    rows = body(f"dev2606_openapi_{name}")["data"]
    steps = {**BY_TOKEN, "apps": f"dev2606_openapi_{name}", "describe": "dev2606_openapi_describe_fields_info"}
    ran = pull(steps, "--check", "--output-format", "json")
    assert sorted(found(ran)) == sorted((row["id"], row["name"]) for row in rows)


def test_names_of_a_real_list_give_files_of_their_own_in_the_folder(user: None) -> None:
    assert pull(GOOD).code == 0
    names = sorted(path.name for path in Path("exports").iterdir())
    assert len(names) == 52
    assert [name for name in names if name.startswith(("A", "S", "n", "合"))] == [
        "A-B-test-x-y-z.yml",
        "Same-name-d8796734.yml",
        "Same-name.yml",
        f"{'n' * 100}.yml",
        "no_io.yml",
        "合同审核工作流.yml",
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["exports"]


# What stands in the way

GATES = [
    # (way, step, recording, exit code, what is said)
    ("user", "login", "v1_14_login_plain_password", 1, "Dify cannot read the password"),
    ("user", "login", "v1_14_login_wrong_password", 1, "Dify does not let admin@live.local in"),
    ("user", "login", "v1_14_login_unknown_user", 1, "Check DIFY_EMAIL and DIFY_PASSWORD"),
    ("user", "login", "v1_14_login_too_many_attempt_6", 1, "Dify does not let admin@live.local in"),
    ("user", "login", "v1_14_login_too_many_attempt_7", 1, "Six wrong passwords were tried"),
    ("user", "login", "v1_14_login_no_password", 1, "Dify answered 400 invalid_param to the sign-in."),
    ("user", "login", "v1_14_login_empty_password", 1, "Dify does not let admin@live.local in"),
    ("user", "login", "v1_14_login_not_json", 1, "Dify answered 415"),
    ("user", "login", "v1_14_login_email_upper_case", 0, "1 workflow"),
    ("user", "login", "v1_14_login_only_email_and_password", 0, "1 workflow"),
    ("user", "login", "v1_14_login_session", 0, "1 workflow"),
    ("user", "features", "dev2606_probe_system_features", 0, "1 workflow"),
    ("user", "features", "v1_14_probe_unknown_path", 1, "Dify 1.14.2 answered, with a web page: '404 Not Found'"),
    ("user", "workspaces", "v1_14_auth_none", 1, "401 unauthorized: Invalid Authorization token."),
    ("user", "workspaces", "v1_14_auth_cookies_no_csrf", 1, "Dify misses the CSRF token of the session"),
    ("user", "workspaces", "v1_14_auth_cookies_wrong_csrf", 1, "takes the header X-CSRF-Token or cookies away"),
    ("user", "workspaces", "v1_14_auth_bearer_only", 1, "Dify misses the CSRF token"),
    ("user", "workspaces", "v1_14_auth_expired_csrf", 1, "Dify misses the CSRF token"),
    ("user", "workspaces", "v1_14_auth_expired_access", 1, "401 unauthorized: Token has expired."),
    ("user", "workspaces", "v1_14_auth_forged_access", 1, "401 unauthorized: Invalid token signature."),
    ("user", "workspaces", "v1_14_auth_garbage_cookie", 1, "401 unauthorized"),
    ("user", "apps", "v1_14_apps_page0", 1, "400 invalid_param"),
    ("user", "apps", "v1_14_apps_limit101", 1, "400 invalid_param"),
    ("user", "apps", "v1_14_apps_mode_nonsense", 1, "400 invalid_param"),
    ("user", "export", "v1_14_export_unknown", 1, "404 app_not_found"),
    ("user", "export", "v1_14_export_not_uuid", 1, "404 Not Found"),
    ("user", "export", "v1_14_export_no_session", 1, "401 unauthorized"),
    ("user", "export", "v1_14_export_include_secret_nonsense", 1, "400 invalid_param"),
    ("user", "export", "v1_14_export_version_draft_id", 1, "Dify answered 500"),
    ("user", "export", "v1_14_export_version_not_uuid", 1, "Dify answered 500"),
    ("user", "export", "v1_14_export_version_unknown", 1, "Missing draft workflow configuration"),
    ("user", "export", "v1_14_export_version_of_other_app", 1, "Missing draft workflow configuration"),
    ("user", "export", "dev2606_export_version_unknown", 1, "Dify answered 500"),
    ("user", "export", "dev2606_export_version_of_other_app", 1, "Dify answered 500"),
    ("admin", "workspaces", "dev2606_admin_wrong_key", 1, "Dify does not take the admin key for the workspace"),
    ("admin", "workspaces", "dev2606_admin_no_workspace", 1, "or it has no workspace 69ebe272"),
    ("admin", "workspaces", "dev2606_admin_unknown_workspace", 1, "ADMIN_API_KEY_ENABLE is not true"),
    ("admin", "workspaces", "dev2606_admin_workspace_not_uuid", 1, "Dify answered 500"),
    ("admin", "workspaces", "v1_14_admin_off_list", 1, "Dify does not take the admin key"),
    ("admin", "export", "dev2606_admin_export_unknown", 1, "404 app_not_found"),
    ("token", "version", "v1_14_openapi_off_version", 1, "Dify 1.14.2 takes no users' tokens, which came with 1.15."),
    ("token", "version", "v1_14_probe_root", 1, "Dify 1.14.2 takes no users' tokens"),
    ("token", "workspaces", "dev2606_openapi_apps_no_token", 1, "Dify does not take the token of DIFY_TOKEN"),
    ("token", "workspaces", "dev2606_openapi_apps_bad_token", 1, "Was it revoked, has it expired"),
    ("token", "workspaces", "dev2606_openapi_apps_revoked_token", 1, "Was it revoked"),
    (
        *("token", "workspaces", "dev2606_openapi_apps_first_token_after_same_device_login", 1),
        "did another sign-in under the same device name replace it?",
    ),
    ("token", "workspaces", "dev2606_openapi_bearer_off_apps", 1, "where ENABLE_OAUTH_BEARER is not true"),
    ("token", "workspaces", "dev2606_openapi_apps_session_token", 1, "Dify does not take the token"),
    ("token", "workspaces", "dev2606_openapi_apps_scheme_basic", 1, "Dify does not take the token"),
    ("token", "apps", "dev2606_openapi_apps_no_workspace", 1, "404 not_found: workspace not found."),
    ("token", "apps", "dev2606_openapi_apps_unknown_workspace", 1, "404 not_found: workspace not found."),
    ("token", "apps", "dev2606_openapi_apps_limit101", 1, "400 bad_request"),
    ("token", "apps", "dev2606_openapi_apps_limit201", 1, "422 invalid_param"),
    ("token", "apps", "dev2606_openapi_apps_page0", 1, "422 invalid_param"),
    ("token", "apps", "dev2606_openapi_rate_limited", 1, "The server takes no more requests for now"),
    ("token", "export", "dev2606_openapi_export_unknown", 1, "404 not_found: app not found."),
    ("token", "export", "dev2606_openapi_export_not_uuid", 1, "404 not_found"),
    ("token", "export", "dev2606_openapi_export_api_off", 1, "The API of the app is switched off"),
    ("token", "export", "dev2606_openapi_export_no_token", 1, "Dify does not take the token"),
    ("token", "export", "dev2606_openapi_export_wrong_workspace", 1, "422"),
    ("token", "export", "dev2606_openapi_export_version_draft", 1, "Dify answered 500"),
    ("token", "export", "dev2606_openapi_export_version_not_uuid", 1, "422"),
    ("token", "export", "dev2606_openapi_export_version_unknown", 1, "404: Missing draft workflow configuration"),
    ("key", "info", "v1_14_key_wrong_info", 1, "The key of DIFY_API_KEY: Dify does not know it."),
    ("key", "info", "v1_14_key_none_info", 1, "Dify does not know it."),
    ("key", "info", "dev2606_key_openapi_token_info", 1, "Dify does not know it."),
    ("key", "info", "v1_14_key_api_off_info", 1, "It opens an app whose API is switched off."),
    ("key", "parameters", "v1_14_key_api_off_parameters", 1, "It opens an app whose API is switched off."),
    (
        "key",
        "parameters",
        "v1_14_key_never_published_parameters",
        1,
        "It opens an app of which no version is published.",
    ),
    ("key", "info", "v1_14_key_never_published_info", 0, "1 workflow"),
    ("key", "info", "v1_14_key_chinese_info", 0, "1 workflow"),
]


@pytest.mark.parametrize(("way", "step", "name", "code", "said"), GATES, ids=[f"{gate[1]}-{gate[2]}" for gate in GATES])
def test_a_refusal_is_said_with_its_way_out(
    way: str, step: str, name: str, code: int, said: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(way)
    steps = {"user": GOOD, "admin": BY_ADMIN, "token": BY_TOKEN, "key": BY_KEY}[way]
    apps = {"user": [CONCAT], "admin": [], "token": [DEV_CONCAT], "key": []}[way]
    ran = pull({**steps, step: name}, *apps)
    assert ran.code == code, ran.out + ran.err
    assert said in ran.out + ran.err
    if code:
        assert "hint: " in ran.err and "Traceback" not in ran.err
        assert not list(Path().rglob("*.yml"))
    assert "MASKED" not in ran.out + ran.err and "RECORDED" not in ran.out + ran.err


def test_a_session_that_expires_is_renewed_once(user: None) -> None:
    steps = {**GOOD, "apps": "v1_14_auth_expired_access"}
    with play(steps) as server:
        ran = difygen("pull", "--server", server.origin)
        asked = [request.path.rpartition("/")[2] for request in server.requests]
    assert (ran.code, asked[-4:]) == (1, ["apps", "refresh-token", "apps", "logout"])


@pytest.mark.parametrize(
    "refusal", ["refresh_old_token_again", "refresh_bad", "refresh_no_cookie", "refresh_after_logout"]
)
def test_a_session_that_cannot_be_renewed_is_begun_again(refusal: str, user: None) -> None:
    with play({**GOOD, "apps": "v1_14_auth_expired_access", "refresh": f"v1_14_{refusal}"}) as server:
        difygen("pull", "--server", server.origin)
        asked = [request.path.rpartition("/")[2] for request in server.requests]
    assert asked[-5:] == ["apps", "refresh-token", "login", "apps", "logout"]


# A key alone


@pytest.mark.parametrize("name", ["workflow", "chatflow", "chat", "agent", "completion", "draft_differs"])
def test_a_key_gives_a_spec_with_the_inputs_that_are_published(name: str, key: None) -> None:
    ran = pull({**BY_KEY, "info": f"v1_14_key_{name}_info", "parameters": f"v1_14_key_{name}_parameters"})
    assert (ran.code, ran.err) == (0, "")
    (spec,) = Path("exports").glob("*.yml")
    described = json.loads(difygen("inspect", str(spec), "--json").out)["apps"][0]
    form = [next(iter(each.values())) for each in body(f"v1_14_key_{name}_parameters")["user_input_form"]]
    assert [each["name"] for each in described["inputs"]] == [each["variable"] for each in form]
    assert [each["required"] for each in described["inputs"]] == [each["required"] for each in form]


@pytest.mark.parametrize(
    ("logs", "run", "suggested"),
    [
        ("workflow_logs", "workflow_run", "#   result: string\n"),
        ("workflow_logs_succeeded", "workflow_run", "#   result: string\n"),
        ("workflow_logs", "draft_differs_run", "#   result: string\n"),
        ("workflow_logs_none", "workflow_run", "# There are no stored runs that succeeded"),
        ("workflow_logs_empty_page", "workflow_run", "# There are no stored runs that succeeded"),
        ("chatflow_logs_after_run", "workflow_run", "# There are no stored runs that succeeded"),
    ],
)
def test_outputs_are_suggested_from_stored_runs(logs: str, run: str, suggested: str, key: None) -> None:
    ran = pull({**BY_KEY, "logs": f"v1_14_key_{logs}", "run": f"v1_14_key_{run}"}, "--sample-runs", "2")
    assert (ran.code, ran.err) == (0, "")
    text = Path("exports/concat.yml").read_text("utf-8")
    assert suggested in text and "\noutputs: {}\n" in text


@pytest.mark.parametrize(
    ("poll", "code", "said"),
    [
        (None, 0, "and type the code RCRD-CDEG there."),
        ("dev2606_device_poll_denied", 1, "The sign-in was refused in the browser."),
        ("dev2606_device_poll_after_consumed", 1, "Nobody has signed in with the code in time."),
    ],
)
def test_somebody_signs_in_with_a_browser(
    poll: str | None, code: int, said: str, user: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difygen.pull.user_api.time.sleep", lambda seconds: None)
    monkeypatch.setattr("difygen.pull.access.is_terminal", lambda stream: True)
    ran = pull({**BY_BROWSER, **({"poll": poll} if poll else {})}, "--auth", "browser")
    assert (ran.code, said in ran.err) == (code, True), ran.err
    assert "dfoa_" not in ran.err + ran.out


def test_every_recording_that_lies_here_is_played() -> None:
    text = Path(__file__).read_text("utf-8")
    played = {*re.findall(r"\b(?:v1_14|dev2606)_\w+", text)}
    played |= {f"v1_14_export_{name}" for name in EXPORTS} | {f"dev2606_openapi_export_{name}" for name in DEV_EXPORTS}
    played |= {f"v1_14_{name}" for name in re.findall(r"\b(?:apps|refresh)_\w+", text)}
    played |= {f"dev2606_openapi_{name}" for name in re.findall(r"\bapps\w*", text)}
    played |= {f"v1_14_key_{name}" for name in re.findall(r'"(\w+_(?:logs|run)\w*)"', text)}
    kinds = ("workflow", "chatflow", "chat", "agent", "completion", "draft_differs")
    played |= {f"v1_14_key_{kind}_{what}" for kind in kinds for what in ("info", "parameters")}
    assert {path.stem for path in RECORDINGS.glob("*.http")} <= played
