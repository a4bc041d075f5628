"""`difygen pull` against a server that stands in for Dify's, from the command line to the files and the lock."""

from __future__ import annotations

import json
import os
import signal
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from difygen.pull.traffic import Pace
from support.projects import Ran, difygen
from support.servers import Request, Server, authority, html
from support.studio import ADMIN_KEY, EMAIL, PASSWORD, TOKEN, WORKSPACE, Studio, StudioApp, dsl, uuid

VARIABLES = (
    *("DIFY_TOKEN", "DIFY_ADMIN_API_KEY", "DIFY_EMAIL", "DIFY_PASSWORD", "DIFY_API_KEY", "DIFY_WORKSPACE_ID"),
    *("DIFY_HOST", "DIFY_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*VARIABLES, *map(str.lower, VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("DIFY_CONFIG_DIR", str(tmp_path / "no-difyctl"))
    monkeypatch.setattr("difygen.servers.QUICK", 0.5)
    monkeypatch.setattr("difygen.servers.API_PORT", 1)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


@dataclass
class Site:
    """A server that runs, and pulls from it into the current folder."""

    studio: Studio
    server: Server

    def pull(self, *arguments: str, code: int = 0) -> Ran:
        ran = difygen("pull", "--server", self.server.origin, *arguments)
        assert ran.code == code, ran.out + ran.err
        return ran

    def found(self, *arguments: str, code: int = 0) -> Any:
        ran = self.pull(*arguments, "--output-format", "json", code=code)
        return json.loads(ran.out)

    @property
    def paths(self) -> list[str]:
        return [request.target for request in self.studio.seen]


@pytest.fixture
def site() -> Iterator[Site]:
    """Three apps: a workflow with a published version, another without, a chatbot."""
    apps = [
        StudioApp(1, "concat", ("string", "num")),
        StudioApp(2, "Same name", tags=("api",)),
        StudioApp(3, "合同审核", mode="chat", tags=("api", "chat")),
    ]
    apps[0].publish()
    studio = Studio(apps)
    with studio.serve() as server:
        yield Site(studio, server)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_TOKEN", TOKEN)


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_ADMIN_API_KEY", ADMIN_KEY)
    monkeypatch.setenv("DIFY_WORKSPACE_ID", WORKSPACE)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_EMAIL", EMAIL)
    monkeypatch.setenv("DIFY_PASSWORD", PASSWORD)


def files(folder: str = "exports") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.name != "pull.lock"}


def lock(folder: str = "exports") -> Any:
    return json.loads(Path(folder, "pull.lock").read_text("utf-8"))


def stamps(folder: str = "exports") -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in Path(folder).iterdir()}


# Files and the lock


def test_each_app_is_a_file_of_the_very_text_that_the_server_gives(site: Site, token: None) -> None:
    text = "# odd:   spacing,\r\napp: {mode: workflow, name: concat}\nkind: app  \n\n\n"
    site.studio.apps[0].draft = text
    ran = site.pull()
    assert files()["concat.yml"] == text.encode()
    assert files() == {
        "Same-name.yml": dsl("Same name", "a").encode(),
        "concat.yml": text.encode(),
        "合同审核.yml": dsl("合同审核", "a", mode="chat").encode(),
    }
    assert ran.out == (
        f"exports: 2 workflows and 1 chatbot, 2 drafts among them, of 'Ann's Workspace' at {site.server.origin} "
        "(Dify 1.15.0); files: 3 new\n"
    )
    assert all("include_secret=false" in path for path in site.paths if "/export" in path)


def test_the_lock_has_app_version_server_and_time_and_no_token(site: Site, admin: None) -> None:
    site.pull()
    found = lock()
    assert set(found) == {"apps", "format", "server", "server_version", "workspace"}
    assert (found["server"], found["server_version"], found["workspace"]) == (site.server.origin, "1.15.0", WORKSPACE)
    row = found["apps"][uuid(1)]
    assert (row["file"], row["name"], row["mode"], row["state"]) == ("concat.yml", "concat", "workflow", "published")
    assert row["version"] == site.studio.apps[0].current
    assert row["pulled"].endswith("Z") and len(row["hash"]) == 64
    assert [found["apps"][uuid(n)]["state"] for n in (2, 3)] == ["draft", "configuration"]
    assert ADMIN_KEY not in Path("exports/pull.lock").read_text()


def test_what_has_not_changed_is_not_touched(site: Site, token: None) -> None:
    site.pull()
    before = stamps()
    assert "files: nothing changed" in site.pull().out
    assert stamps() == before
    site.studio.apps[1].variables = ("a", "b")
    assert "files: 1 changed, 2 unchanged" in site.pull().out
    after = stamps()
    assert {name for name in before if before[name] != after[name]} == {"Same-name.yml", "pull.lock"}


def test_a_file_that_git_gave_windows_line_ends_has_not_changed(site: Site, token: None) -> None:
    site.pull()
    path = Path("exports/concat.yml")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert "nothing changed" in site.pull("--check").out


def test_the_published_version_is_taken_where_the_server_tells_it(site: Site, admin: None) -> None:
    concat = site.studio.apps[0]
    published, concat.variables = concat.text(), ("string", "num", "later")
    site.pull()
    assert files()["concat.yml"] == published.encode()
    site.pull("--draft")
    assert files()["concat.yml"] == concat.text().encode()
    assert lock()["apps"][uuid(1)]["state"] == "draft"


def test_users_tokens_bring_the_published_version_from_servers_that_list_versions(site: Site, token: None) -> None:
    site.studio.version, site.studio.lists_versions = "1.17.2", True
    concat = site.studio.apps[0]
    published, concat.variables = concat.text(), ("other",)
    site.pull()
    assert files()["concat.yml"] == published.encode()
    assert lock()["apps"][uuid(1)]["version"] == concat.current
    assert not any(path.endswith("/versions?limit=20") and uuid(3) in path for path in site.paths)


def test_a_draft_that_differs_from_what_runs_is_said(site: Site, token: None) -> None:
    site.studio.apps[0].variables = ("string", "num", "later")
    ran = site.pull()
    assert ran.err == (
        "exports/concat.yml: warning: 'concat': the draft takes other inputs than the published version, by 1 "
        "difference: The input `later` is new, and required. [draft-differs]\n"
        "    hint: Calls run the published version: publish the draft in Dify, or take it back.\n"
    )


# Names of files


def test_a_file_keeps_its_name_when_its_app_is_renamed(site: Site, token: None) -> None:
    site.pull()
    site.studio.apps[0].name, site.studio.apps[1].name = "Same name", "concat"
    site.pull()
    rows = lock()["apps"]
    assert [(rows[uuid(n)]["file"], rows[uuid(n)]["name"]) for n in (1, 2)] == [
        ("concat.yml", "Same name"),
        ("Same-name.yml", "concat"),
    ]
    assert b'name: "Same name"' in files()["concat.yml"]


def test_apps_of_one_name_have_files_of_their_own(site: Site, token: None) -> None:
    site.studio.apps.append(StudioApp(4, "same NAME"))
    site.pull()
    assert sorted(files()) == ["Same-name.yml", "concat.yml", "same-NAME-00000004.yml", "合同审核.yml"]


# Apps that are gone


def test_a_removed_app_is_told_and_its_file_removed_with_prune(site: Site, token: None) -> None:
    site.pull()
    del site.studio.apps[0]
    ran = site.pull()
    assert "exports/concat.yml: warning: Its app 'concat' is no longer on the server. [app-removed]" in ran.err
    assert "concat.yml" in files() and uuid(1) in lock()["apps"]
    ran = site.pull("--check", code=1)
    assert "removed   exports/concat.yml (app 'concat', which --prune removes)" in ran.out
    ran = site.pull("--prune")
    assert "files: 1 removed, 2 unchanged" in ran.out
    assert "concat.yml" not in files() and uuid(1) not in lock()["apps"]


def test_an_app_whose_api_was_switched_off_is_not_taken_for_removed(site: Site, token: None) -> None:
    site.pull()
    site.studio.apps[0].api = False
    ran = site.pull("--prune")
    assert "concat.yml" in files()
    assert "The API of the app is switched off, and users' tokens open no such app." in ran.err


@pytest.mark.parametrize("way", ["token", "admin"])
def test_an_app_that_lists_lose_is_pulled_as_before(way: str, site: Site, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(way)
    site.pull()
    site.studio.apps[0].note = "edited"

    def without_the_first(request: Request) -> tuple[int, Any] | None:
        if not request.path.endswith("/apps"):
            return None
        rows = [site.studio._row(app, console=way == "admin") for app in site.studio.apps[1:]]
        return 200, {"page": 1, "limit": 100, "total": 3, "has_more": False, "data": rows}

    site.studio.before = without_the_first
    ran = site.pull("--prune", "--draft")
    assert (ran.err, "files: 1 changed, 2 unchanged" in ran.out) == ("", True)
    assert "edited" in Path("exports/concat.yml").read_text()
    Path("difygen.toml").write_text('[pull]\nmodes = ["chat"]\n')
    assert "Its app 'concat' is no longer among those asked for. [app-not-meant]" in site.pull().err


def test_a_tag_that_no_app_has_removes_nothing(site: Site, token: None) -> None:
    Path("difygen.toml").write_text('[pull]\ntags = ["api"]\n')
    site.pull()
    Path("difygen.toml").write_text('[pull]\ntags = ["apis", "chat"]\n')
    ran = site.pull("--prune", code=2)
    assert ran.err == "Error: No app has the tag 'apis'. Did you mean 'api'?\n"
    Path("difygen.toml").write_text('[pull]\ntags = ["chat"]\nmodes = ["workflow", "agent"]\n')
    ran = site.pull("--prune", code=2)
    assert ran.err == "Error: There is no app of the mode `workflow` or `agent` with the tag `chat` among 3 apps.\n"
    assert len(files()) == 2


def test_prune_is_for_the_whole_folder(site: Site, token: None) -> None:
    assert "--prune compares the folder with all that is meant: leave APP" in site.pull("concat", "--prune", code=2).err


def test_a_kind_of_app_is_one_that_there_is(site: Site, token: None) -> None:
    ran = site.pull("--mode", "workflows", code=2)
    assert ran.err == "Error: 'workflows' is no kind of app. Did you mean `workflow`?\n"


# Which apps


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["concat"], [1]),
        ([uuid(3).upper()], [3]),
        (["--tag", "api"], [2, 3]),
        (["--tag", "api", "--mode", "workflow"], [2]),
        (["--mode", "chat"], [3]),
        (["concat", "--tag", "chat"], [1, 3]),
    ],
)
def test_apps_are_chosen_by_id_name_tag_and_mode(
    arguments: list[str], numbers: list[int], site: Site, token: None
) -> None:
    site.pull(*arguments)
    assert list(lock()["apps"]) == [uuid(number) for number in numbers]


def test_settings_say_what_is_pulled_and_where_it_goes(site: Site, token: None) -> None:
    Path("pyproject.toml").write_text(
        "[tool.difygen.pull]\n"
        f'server = "{site.server.origin}"\nfolder = "definitions/dify"\napps = ["concat"]\ntags = ["chat"]\n'
    )
    os.mkdir("below")
    os.chdir("below")
    ran = difygen("pull")
    assert (ran.code, ran.err) == (0, "")
    os.chdir("..")
    assert sorted(files("definitions/dify")) == ["concat.yml", "合同审核.yml"]


def test_an_app_that_is_not_there_is_a_mistake_with_a_suggestion(site: Site, token: None) -> None:
    ran = site.pull("concatt", uuid(99), code=2)
    assert ran.err.splitlines() == [
        "Error: There is no app 'concatt'. Did you mean 'concat'?",
        f"Error: There is no app '{uuid(99)}'. The workspace has 3 apps.",
    ]
    assert not os.path.exists("exports")


def test_apps_of_kinds_that_are_not_known_are_left_out_and_told(site: Site, token: None) -> None:
    site.studio.apps.append(StudioApp(9, "channel app", mode="channel"))
    ran = site.pull()
    assert ran.err.startswith("note: 1 app of kinds that difygen makes no clients for (`channel`) left out. [unknown-")
    assert uuid(9) not in lock()["apps"]
    site.pull("channel app")
    assert lock()["apps"][uuid(9)]["file"] == "channel-app.yml"


def test_lists_that_lose_apps_between_pages_are_gone_through_until_all_are_there(site: Site, token: None) -> None:
    site.studio.apps += [StudioApp(number, f"app {number}") for number in range(10, 220)]
    site.studio.shuffled = True
    found = site.found("--check", "--mode", "chat", code=1)
    assert [each["file"] for each in found["files"]] == ["exports/合同审核.yml"]
    assert found["findings"] == []


# --check and --diff


def test_check_tells_what_the_server_has_and_writes_nothing(site: Site, token: None) -> None:
    ran = site.pull("--check", code=1)
    assert ran.out.splitlines()[0] == "new       exports/concat.yml (workflow 'concat', draft)"
    assert not os.path.exists("exports")
    site.pull()
    before = stamps()
    assert site.pull("--check").out.endswith("files: nothing changed\n")
    site.studio.apps[0].variables = ("string",)
    assert site.pull("--check", code=1).out == "changed   exports/concat.yml (workflow 'concat', draft)\n"
    assert stamps() == before


def test_diff_judges_as_the_command_diff_does(site: Site, token: None) -> None:
    site.pull()
    os.rename("exports", "old")
    site.pull()
    site.studio.apps[0].variables = ("string", "num", "later")
    judged = site.pull("--diff").out
    site.pull()
    expected = difygen("diff", "old", "exports").out
    assert judged.splitlines()[:2] == expected.splitlines()
    assert "breaking    concat inputs.later" in judged
    changes = site.found("--diff", "-o", "old")["changes"]
    assert [change["rule"] for change in changes] == ["input-added-required"]


def test_findings_for_machines_name_each_file(site: Site, token: None) -> None:
    found = site.found()
    assert (found["command"], found["ok"], found["server"]) == ("pull", True, site.server.origin)
    assert found["files"][0] == {
        "file": "exports/concat.yml",
        "what": "new",
        "blocked": None,
        "app": uuid(1),
        "name": "concat",
        "mode": "workflow",
        "state": "draft",
        "version": None,
    }


# Ways in


@pytest.mark.parametrize("version", ["0.9.2", "0.15.3", "1.9.1", "1.9.2", "1.11.1", "1.11.2", "1.14.2", "1.17.1"])
def test_a_password_lets_in_at_every_generation_of_the_console(version: str, site: Site, user: None) -> None:
    site.studio.version = version
    found = site.found("-o", version)
    assert [each["what"] for each in found["files"]] == ["new"] * 3
    state = "published" if version.startswith("1.") else "draft"
    assert found["files"][0]["state"] == state
    assert found["server_version"] == version
    sent = next(request for request in site.studio.seen if request.path.endswith("/login"))
    assert (sent.json["password"] == PASSWORD) is (version in ("0.9.2", "0.15.3", "1.9.1", "1.9.2", "1.11.1"))


def test_a_server_that_hides_its_release_is_tried_in_both_forms_of_the_password(site: Site, user: None) -> None:
    site.studio.version, site.studio.hides_version = "1.9.1", True
    site.pull()
    assert site.studio.failures == 1


def test_a_session_that_expires_in_the_middle_goes_on(site: Site, user: None) -> None:
    site.studio.version, site.studio.expires_after = "1.14.2", 3
    assert "files: 3 new" in site.pull().out
    asked = [path.rpartition("/")[2] for path in site.paths]
    assert asked.count("refresh-token") == 1 and asked.count("login") == 1 and asked[-1] == "logout"


def test_the_password_is_asked_for_at_a_terminal_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_EMAIL", EMAIL)
    ran = site.pull(code=2)
    assert ran.err == f"Error: No password for {EMAIL}: set DIFY_PASSWORD, or run this at a terminal.\n"


def test_the_token_that_difyctl_keeps_is_found_by_server(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("difyctl")
    folder.mkdir()
    monkeypatch.setenv("DIFY_CONFIG_DIR", str(folder))
    host = site.server.origin.removeprefix("http://")
    (folder / "tokens.yml").write_text(
        "version: 1\ntokens:\n  dify.example.com: {ann@x: dfoa_other}\n"
        f"  {host}: {{bob@x: dfoa_bob, ann@x: {TOKEN}}}\n"
    )
    account = f"{{account: {{email: ann@x}}, workspace: {{id: {WORKSPACE}, name: W, role: owner}}}}"
    (folder / "hosts.yml").write_text(
        f"token_storage: file\ncurrent_host: {host}\n"
        f"hosts:\n  {host}:\n    scheme: http\n    current_account: ann@x\n    accounts: {{ann@x: {account}}}\n"
    )
    assert "files: 3 new" in site.pull().out
    (folder / "tokens.yml").write_text(f"hosts:\n  {site.server.origin}:\n    account-id: {TOKEN}\n")
    assert "nothing changed" in site.pull("--auth", "difyctl").out
    (folder / "tokens.yml").write_text("hosts: [\n")
    ran = site.pull("--auth", "difyctl", code=2)
    assert "There is nothing to sign in with by difyctl: sign in with `difyctl auth login`" in ran.err


@pytest.mark.parametrize(
    ("host", "scheme", "server", "is_it"),
    [
        ("dify.example.com", "https", "https://dify.example.com", True),
        ("dify.example.com", None, "https://dify.example.com", True),
        ("https://dify.example.com", None, "https://dify.example.com/apps", True),
        ("dify.example.com", "https", "http://dify.example.com", False),
        ("https://dify.example.com", None, "http://dify.example.com", False),
        ("dify.example.com", "https", "https://dify.example.com:8443", False),
        ("dify.example.com", None, "https://dify.example.com:8443", False),
        ("dify.example.com:x", None, "https://dify.example.com", False),
    ],
)
def test_the_token_that_difyctl_keeps_goes_where_it_came_from(
    host: str, scheme: str | None, server: str, is_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("difyctl")
    folder.mkdir()
    monkeypatch.setenv("DIFY_CONFIG_DIR", str(folder))
    monkeypatch.delenv("NO_PROXY")
    for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    (folder / "tokens.yml").write_text(json.dumps({"tokens": {host: {"ann": TOKEN}}}))
    (folder / "hosts.yml").write_text(json.dumps({"hosts": {host: {"scheme": scheme}}}))
    ran = difygen("pull", "--server", server, "--auth", "difyctl")
    assert ("There is nothing to sign in with by difyctl" in ran.err) is not is_it
    assert ran.code == (1 if is_it else 2)


@pytest.mark.parametrize(
    ("arguments", "way"),
    [
        (["--token-file", "secret"], "token"),
        (["--api-key-file", "secret"], "app-key"),
        (["--email", EMAIL], "password"),
    ],
)
def test_what_goes_with_one_way_in_chooses_it(
    arguments: list[str], way: str, site: Site, admin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("secret").write_text("app-0123456789abcdefghij" if way == "app-key" else "dfoa_0123456789")
    monkeypatch.setenv("DIFY_PASSWORD", PASSWORD)
    site.pull(*arguments, code=0 if way == "password" else 1)
    path = {"token": "/openapi/v1/_version", "app-key": "/v1/info", "password": "/console/api/system-features"}[way]
    assert site.paths[0] == path
    ran = site.pull(*arguments, "--auth", "admin-key", code=2)
    assert ran.err.startswith(f"Error: {arguments[0]} goes with --auth {way}, and admin-key was asked for")


def test_a_token_may_come_from_a_file(site: Site) -> None:
    Path("token").write_text(f"{TOKEN}\n")
    assert "files: 3 new" in site.pull("--token-file", "token").out


def test_keys_and_tokens_that_were_swapped_are_told_apart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_TOKEN", "app-0123456789abcdefghij")
    assert "DIFY_TOKEN holds the key of an app (app-…), which is for DIFY_API_KEY" in site.pull(code=2).err
    monkeypatch.setenv("DIFY_API_KEY", TOKEN)
    ran = site.pull("--auth", "app-key", code=2)
    assert ran.err == "Error: DIFY_API_KEY holds a user's token, which is for DIFY_TOKEN and --auth token.\n"
    assert "Cannot read the token from nowhere" in site.pull("--token-file", "nowhere", code=2).err
    assert site.studio.seen == []


def test_without_anything_to_sign_in_with_all_ways_are_named(site: Site) -> None:
    ran = site.pull(code=2)
    assert [line.partition(":")[0].strip() for line in ran.err.splitlines()[1:7]] == [
        *("token", "difyctl", "browser", "admin-key", "password", "app-key")
    ]


def test_the_best_way_is_taken_and_another_can_be_chosen(site: Site, token: None, admin: None, user: None) -> None:
    site.pull()
    assert all(path.startswith("/openapi/v1/") for path in site.paths)
    site.studio.seen.clear()
    site.pull("--auth", "admin-key", "--force")
    assert all(path.startswith("/console/api/") and "login" not in path for path in site.paths)
    site.pull("--auth", "password")
    assert any("login" in path for path in site.paths)


# Where the server is


@pytest.mark.parametrize(
    "tail", ["", "/", "/v1", "/v1/", "/apps", "/console/api", "/openapi/v1", "/signin?x=1", "/app/1/workflow"]
)
def test_a_servers_address_may_be_that_of_any_of_its_pages(tail: str, site: Site, token: None) -> None:
    ran = difygen("pull", "--server", f"{site.server.origin}{tail}")
    assert (ran.code, ran.err) == (0, "")


def test_the_server_may_come_from_the_environment(site: Site, token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_BASE_URL", f"{site.server.origin}/v1")
    assert difygen("pull").code == 0
    assert lock()["server"] == site.server.origin


def test_cloud_is_asked_at_its_console(token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY")
    ran = difygen("pull", "--server", "https://api.dify.ai/v1")
    assert ran.code == 1
    assert ran.err.splitlines()[0] == (
        "api.dify.ai is the service API of Dify Cloud; its console is at https://cloud.dify.ai, which is asked"
    )
    assert "hint: Correct the proxy, or name the host in NO_PROXY" in ran.err


def test_no_server_is_a_mistake(token: None) -> None:
    ran = difygen("pull")
    assert (ran.code, ran.err.splitlines()[0]) == (
        2,
        (
            "Error: No server was given: set `server` in [tool.difygen.pull] or give --server, such as "
            "https://dify.example.com (Cloud: https://cloud.dify.ai)."
        ),
    )


# What stands in the way


def test_users_tokens_that_are_switched_off_are_said(site: Site, token: None) -> None:
    site.studio.openapi = False
    ran = site.pull(code=1)
    assert ran.err == (
        "error: Dify 1.15.0 takes no users' tokens: they are switched off. [server]\n"
        "    hint: Ask the administrator to set OPENAPI_ENABLED=true and ENABLE_OAUTH_BEARER=true for the api "
        "container; until then sign in with an admin key or a password.\n"
    )


def test_a_role_that_may_export_nothing_is_said_before_anything_is_asked(site: Site, token: None) -> None:
    site.studio.role = "normal"
    ran = site.pull(code=1)
    assert "The role of this token's user in 'Ann's Workspace' is 'normal', which may export nothing." in ran.err
    assert not any("/apps" in path for path in site.paths)


def test_a_role_that_the_console_does_not_tell_stops_at_the_first_app(site: Site, user: None) -> None:
    site.studio.role = "normal"
    ran = site.pull(code=1)
    assert "Stopped after 0 of 3 apps: Dify answered 403 forbidden" in ran.err
    assert "hint: Exporting needs the role of an editor, admin or owner in the workspace." in ran.err
    assert sum("/export" in path for path in site.paths) == 1


def test_a_server_without_passwords_is_said_before_one_is_asked_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFY_EMAIL", EMAIL)
    site.studio.passwords = False
    ran = site.pull(code=1)
    assert f"{site.server.origin} takes no passwords: it lets people in by SSO." in ran.err
    assert (
        "hint: Sign in with a browser (--auth browser, Dify 1.15 and later), or take a user's token or an admin key."
        in ran.err
    )


def test_a_wrong_password_is_sent_once(site: Site, user: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_PASSWORD", "wrong")
    site.pull(code=1)
    assert site.studio.failures == 1


def test_the_port_of_the_web_pages_leads_to_that_of_the_api(
    site: Site, token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difygen.servers.API_PORT", site.server.port)
    with Server(html(200, "<!DOCTYPE html><title>Dify</title>")) as web:
        ran = difygen("pull", "--server", web.origin)
    assert ran.code == 1
    assert "Not Dify but nginx answered, with a web page: 'Dify' (HTTP 200)." in ran.err
    assert f"use {site.server.origin} as the server." in ran.err


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://127.0.0.1/x", "Write https:// in the server's URL: redirects are not followed with a token."),
        ("https://sso.example.com/oauth/authorize?secret=1", "A gateway wants people to sign in there"),
        ("https://other.example.com/console", "Set `server` to where the console really is"),
    ],
)
def test_redirects_are_told_and_not_followed(location: str, said: str, token: None) -> None:
    with Server(html(302, "", Location=location)) as gateway:
        ran = difygen("pull", "--server", gateway.origin)
        assert all("authorization" not in request.headers for request in gateway.requests)
    assert ran.code == 1 and said in ran.err and "secret=1" not in ran.err


def test_a_certificate_of_an_authority_of_ones_own_is_named(site: Site, token: None) -> None:
    with Server(html(200), tls=authority().server) as server:
        ran = difygen("pull", "--server", server.origin)
    assert ran.code == 1
    assert "the certificate is not accepted" in ran.err
    assert "hint: For a certificate of your own authority set SSL_CERT_FILE to its PEM file" in ran.err


def test_two_servers_do_not_share_a_folder(site: Site, token: None) -> None:
    site.pull()
    studio = Studio([StudioApp(1, "concat")])
    with studio.serve() as other:
        ran = difygen("pull", "--server", other.origin)
        assert (ran.code, studio.seen) == (2, [])  # no token is sent there
        assert f"The definitions in exports are from {site.server.origin}, not from {other.origin}." in ran.err
        assert difygen("pull", "--server", other.origin, "--force").code == 0


def test_an_answer_without_an_end_is_not_read_for_ever(token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difygen.pull.traffic.MAX_BYTES", 1000)
    monkeypatch.setattr("difygen.pull.traffic.PAUSE", 0.0)
    studio = Studio(before=lambda request: (200, {"version": "x" * 2000}))
    with studio.serve() as server:
        ran = difygen("pull", "--server", server.origin)
    assert ran.code == 1 and "GET /openapi/v1/_version brought no answer" in ran.err


# Failures in the middle


def test_what_one_app_refuses_does_not_stop_the_others(site: Site, token: None) -> None:
    site.studio.apps[0].fails = (
        500,
        {"code": "internal_server_error", "message": "Internal Server Error", "status": 500},
    )
    ran = site.pull(code=1)
    assert "error: 'concat': Dify answered 500 internal_server_error: Internal Server Error. [not-given]" in ran.err
    assert sorted(files()) == ["Same-name.yml", "合同审核.yml"]
    site.studio.apps[0].fails = None
    assert "files: 1 new, 2 unchanged" in site.pull().out


@pytest.mark.parametrize("cut", [b"", b"HTTP/1.1 200 OK\r\nX-Version: 1.15.0\r\nContent-Length: 900\r\n\r\n{"])
def test_a_pull_that_is_cut_off_leaves_whole_files_and_goes_on(
    cut: bytes, site: Site, token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difygen.pull.traffic.PAUSE", 0.0)
    site.pull()
    for app in site.studio.apps:
        app.note = "changed"
    left = iter(range(1))

    def before(request: Request) -> bytes | None:
        return cut if "/export" in request.path and next(left, None) is None else None

    site.studio.before = before
    ran = site.pull(code=1)
    assert "error: Stopped after 1 of 3 apps: " in ran.err
    assert "What came is written as a whole; run it again to go on with the rest." in ran.err
    assert [b"changed" in data for data in files().values()] == [False, True, False]
    site.studio.before = None
    assert "files: 2 changed, 1 unchanged" in site.pull().out


def test_one_lost_answer_is_asked_for_again(site: Site, token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difygen.pull.traffic.PAUSE", 0.0)
    seen: set[str] = set()

    def before(request: Request) -> bytes | None:
        is_first = request.target not in seen
        seen.add(request.target)
        return b"" if is_first else None

    site.studio.before = before
    assert "files: 3 new" in site.pull().out


def test_a_rate_limit_is_waited_for(site: Site, token: None) -> None:
    site.studio.limit = 4
    ran = site.pull()
    assert "files: 3 new" in ran.out
    assert ran.err == "the server asks to wait 1 s, as it takes no more requests until then\n"


def test_a_rate_limit_that_asks_for_too_long_ends_the_pull(site: Site, token: None) -> None:
    site.studio.limit, site.studio.retry_after = 4, 3600
    ran = site.pull(code=1)
    assert "Stopped after 1 of 3 apps: Dify answered 429 too_many_requests" in ran.err


def test_requests_are_paced() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(3, 60.0, clock=lambda: now[0], sleep=sleep)
    sent = []
    for _ in range(10):
        pace.wait()
        sent.append(now[0])
        now[0] += 1
    assert all(sum(start <= each < start + 60 for each in sent) <= 3 for start in sent)
    assert sent[-1] < 200 and len(slept) == 3


def test_a_token_that_others_may_read_on_the_way_is_told(
    site: Site, token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difygen.pull.command.is_readable_on_the_way", lambda address: True)
    told = f"{site.server.origin} is not encrypted, so that others may read what signs in there: "
    assert site.pull().err == f"{told}does https:// answer?\n"


def test_ctrl_c_leaves_whole_files_and_is_said(site: Site, token: None) -> None:
    def before(request: Request) -> None:
        if "/export" in request.path and uuid(2) in request.path:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    site.studio.before = before
    ran = site.pull(code=130)
    assert "error: Interrupted after 1 of 3 apps. What came is written as a whole" in ran.err
    assert sorted(files()) == ["concat.yml"]


# What is not pull's own


def test_a_file_that_was_edited_by_hand_is_not_overwritten(site: Site, token: None) -> None:
    site.pull()
    path = Path("exports/concat.yml")
    path.write_text(path.read_text() + "# mine\n")
    before = stamps()
    site.studio.apps[1].note = "changed"
    ran = site.pull(code=1)
    assert ran.err == (
        "exports/concat.yml: error: The file was edited by hand. [in-the-way]\n"
        "    hint: Use --force to overwrite it, or move it away. Nothing was written.\n"
    )
    assert stamps() == before
    site.pull("--force")
    assert b"# mine" not in path.read_bytes() and b"changed" in files()["Same-name.yml"]


def test_a_file_that_pull_did_not_write_is_taken_over_only_if_it_is_the_same(site: Site, token: None) -> None:
    os.mkdir("exports")
    Path("exports/concat.yml").write_text(site.studio.apps[0].text())
    Path("exports/Same-name.yml").write_text("app: {}\n")
    ran = site.pull(code=1)
    assert "exports/Same-name.yml: error: The file was not written by difygen. [in-the-way]" in ran.err
    os.unlink("exports/Same-name.yml")
    assert "files: 2 new, 1 unchanged" in site.pull().out


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_nothing_is_written_through_a_link_or_into_a_folder(kind: str, site: Site, token: None) -> None:
    os.mkdir("exports")
    Path("outside.yml").write_text("mine\n")
    target = Path("exports/concat.yml")
    target.symlink_to("../outside.yml") if kind == "link" else target.mkdir()
    site.pull(code=1)
    site.pull("--force", code=0 if kind == "link" else 1)
    assert Path("outside.yml").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is not JSON"),
        ("<<<<<<< ours", "it holds the marks of a merge conflict"),
        ('{"format": 99}', "it was written by a newer difygen"),
        (
            '{"format": 1, "server": "", "server_version": "", "workspace": "", "apps": {"x": {"file": "../x.yml"}}}',
            "damaged",
        ),
    ],
)
def test_a_lock_that_cannot_be_used_stands_in_the_way(text: str, said: str, site: Site, token: None) -> None:
    site.pull()
    Path("exports/pull.lock").write_text(text)
    ran = site.pull(code=2)
    assert ran.err.startswith("exports/pull.lock: error: The lock cannot be used: ") and said in ran.err
    assert "nothing changed" in site.pull("--force").out
    assert list(lock()["apps"]) == [uuid(1), uuid(2), uuid(3)]


@pytest.mark.parametrize(
    "file",
    ["../x.yml", "/x.yml", "a/b.yml", "..", "pull.lock", "a\\b.yml", "", ".git", ".x.yml", "conftest.py", "a\n.yml"],
)
def test_a_lock_leads_nowhere(file: str, site: Site, token: None) -> None:
    site.pull()
    found = lock()
    found["apps"][uuid(1)]["file"] = file
    Path("exports/pull.lock").write_text(json.dumps(found))
    before = {path: path.read_bytes() for path in Path("..").rglob("*") if path.is_file()}
    assert "is no definition in the folder" in site.pull("--prune", code=2).err
    assert {path: path.read_bytes() for path in Path("..").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("app_id", ["../../workspaces?x=", "x", "", uuid(1).replace("-", "")])
def test_an_id_in_the_lock_leads_nowhere(app_id: str, site: Site, token: None) -> None:
    site.pull()
    found = lock()
    found["apps"][app_id] = found["apps"].pop(uuid(1))
    Path("exports/pull.lock").write_text(json.dumps(found))
    site.studio.seen.clear()
    assert "is no id of an app" in site.pull(code=2).err
    assert site.paths == []


def test_two_apps_of_a_lock_have_two_files(site: Site, token: None) -> None:
    site.pull()
    found = lock()
    found["apps"][uuid(1)]["file"] = "SAME-name.yml"
    Path("exports/pull.lock").write_text(json.dumps(found))
    assert "two apps have one file" in site.pull(code=2).err


def test_two_pulls_at_once_do_not_undo_each_other(site: Site, token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pull()
    site.studio.apps[0].note = "changed"

    def before(request: Request) -> None:
        if "/export" in request.path:
            site.studio.before = None
            site.studio.apps[1].note = "changed, too"
            assert difygen("pull", "--server", site.server.origin).code == 0

    site.studio.before = before
    ran = site.pull(code=1)
    assert "another run has changed exports since it was looked at: run it again" in ran.err
    assert ran.out == ""


# Secrets


@pytest.mark.parametrize("way", ["token", "admin", "user", "key"])
def test_no_secret_is_in_a_message_a_log_or_a_file(
    way: str,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    caplog.set_level("DEBUG")
    site.studio.version = "1.15.0"
    site.studio.apps[0].key = key = "app-0123456789abcdefghij"
    if way == "key":
        monkeypatch.setenv("DIFY_API_KEY", key)
    else:
        request.getfixturevalue(way)
    said = [site.pull("-v"), site.pull("--output-format", "json")]

    def repeating(request: Request) -> tuple[int, Any] | None:
        sent = f"{dict(request.headers)} {request.body.decode()}"
        return (500, {"code": "x", "message": sent, "status": 500}) if "_version" not in request.path else None

    for before in (repeating, lambda request: (502, f"<title>{dict(request.headers)} {request.body!r}</title>")):
        site.studio.before = before
        monkeypatch.setattr("difygen.pull.traffic.PAUSE", 0.0)
        said.append(site.pull("-v", code=1))
    secrets = [TOKEN, ADMIN_KEY, PASSWORD, b64encode(PASSWORD.encode()).decode(), key]
    secrets += [f"{name}-{number}" for name in ("access", "refresh", "csrf") for number in range(1, 5)]
    text = "".join(f"{ran.out}{ran.err}" for ran in said) + caplog.text
    text += "".join(path.read_text("utf-8") for path in Path("exports").iterdir())
    assert [secret for secret in secrets if secret in text] == []
