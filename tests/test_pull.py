"""`difygen pull` against a server that stands in for Dify's, from the command line to the files and the lock."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.projects import Ran, difygen
from support.servers import Server
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
        f"Error: There is no app '{uuid(99)}'. There are 3 apps.",
    ]
    assert not os.path.exists("exports")


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
