"""An app's key alone gives a spec that people go on with; and an export may come by a pipe, from Dify's own command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_pull
from support import GENERATOR
from support.projects import difygen
from support.servers import Request
from support.studio import Studio, StudioApp, dsl
from test_pull import Site, files, lock, stamps

clean_environment = test_pull.clean_environment

KEYS = ("app-0123456789abcdefghij", "app-9876543210abcdefghij")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A workflow and a chatflow, whose keys are in the environment."""
    apps = [
        StudioApp(1, "concat", ("string",), key=KEYS[0]),
        StudioApp(2, "support", mode="advanced-chat", key=KEYS[1]),
    ]
    for app, variable in zip(apps, ("CONCAT_KEY", "SUPPORT_KEY"), strict=True):
        app.publish()
        monkeypatch.setenv(variable, app.key)
    Path("difygen.toml").write_text('[pull]\nkeys = ["CONCAT_KEY", "SUPPORT_KEY"]\nfolder = "specs"\n')
    studio = Studio(apps, version="1.12.1")
    with studio.serve() as server:
        yield Site(studio, server)


def test_keys_give_specs_from_which_clients_are_generated(site: Site) -> None:
    ran = site.pull()
    assert ran.out == f"specs: 1 workflow and 1 chatflow of {site.server.origin} (Dify 1.12.1); files: 2 new\n"
    assert files("specs")["concat.yml"].decode() == (
        "# From the key of this workflow alone (CONCAT_KEY): `difygen pull` keeps `inputs` up to date, and leaves all "
        "else as it is.\n"
        "name: concat\n"
        "title: concat\n"
        "inputs:\n"
        "  string: {type: text-input, label: string}\n"
        "# Its key does not tell what the workflow gives: name the outputs of its End nodes here (docs/spec.md has the "
        "types).\n"
        "outputs: {}\n"
    )
    assert b"# Its key does not tell its nodes and conversation variables" in files("specs")["support.yml"]
    assert difygen("specs", "-o", "client").code == 0
    assert all("/v1/" in path and "console" not in path for path in site.paths)
    assert [key for key in KEYS if key in Path("specs/pull.lock").read_text()] == []


def test_inputs_are_brought_up_to_date_and_all_else_stays_as_people_wrote_it(site: Site) -> None:
    site.pull()
    path = Path("specs/concat.yml")
    text = path.read_text().replace("outputs: {}", "outputs:\n  result: string  # checked with Ann")
    path.write_text(f"# ours\n{text}description: Joins\n# the end\n")
    before = stamps("specs")
    assert "nothing changed" in site.pull().out
    assert stamps("specs") == before
    concat = site.studio.apps[0]
    concat.variables = ("string", "num")
    concat.publish()
    assert "changed   specs/concat.yml" in site.pull("--check", code=1).out
    assert "breaking" in site.pull("--diff").out
    assert "files: 1 changed, 1 unchanged" in site.pull().out
    expected = f"# ours\n{text}description: Joins\n# the end\n".replace(
        "  string: {type: text-input, label: string}\n",
        "  string: {type: text-input, label: string}\n  num: {type: text-input, label: num}\n",
    )
    assert path.read_text() == expected
    assert "nothing changed" in site.pull().out


def test_an_input_of_an_unknown_type_takes_anything_and_is_told(site: Site) -> None:
    parameters = site.studio.apps[0].parameters
    parameters["user_input_form"].append({"colour": {"variable": "tint", "label": "Tint", "required": True}})
    site.studio.version = "2.0.0"

    def newer(request: Request) -> tuple[int, Any] | None:
        is_meant = request.path == "/v1/parameters" and request.headers["authorization"].endswith(KEYS[0])
        return (200, parameters) if is_meant else None

    site.studio.before = newer
    ran = site.pull()
    assert ran.err == (
        "specs/concat.yml: warning: The app of CONCAT_KEY: The input 'tint' has the type 'colour', which difygen does "
        "not know. [unknown-input-type]\n    hint: It takes any value, which Dify alone checks.\n"
    )
    assert "  tint: {type: any, label: Tint}\n" in Path("specs/concat.yml").read_text()
    ran = difygen("specs", "-o", "client")
    assert (ran.code, ran.err) == (0, "")
    assert "        tint: Any,\n" in Path("client/concat.py").read_text()


@pytest.mark.parametrize("how", ["interrupted", "lost"])
def test_specs_that_came_before_the_end_are_written(how: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difygen.pull.traffic.PAUSE", 0)

    def before(request: Request) -> bytes | None:
        if not request.headers["authorization"].endswith(KEYS[1]):
            return None
        if how == "interrupted":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return b""

    site.studio.before = before
    ran = site.pull(code=130 if how == "interrupted" else 1)
    assert f"error: {'Interrupted' if how == 'interrupted' else 'Stopped'} after 1 of 2 apps" in ran.err
    assert "What came is written as a whole; run it again to go on with the rest. [stopped]" in ran.err
    assert list(files("specs")) == ["concat.yml"]
    site.studio.before = None
    assert "files: 1 new, 1 unchanged" in site.pull().out


def test_nothing_is_written_where_nothing_came_before_the_interrupt(site: Site) -> None:
    def before(request: Request) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        return b""

    site.studio.before = before
    assert site.pull(code=130).err == "error: Interrupted after 0 of 2 apps. [stopped]\n"
    assert not Path("specs").exists()


def test_a_spec_that_cannot_be_read_is_left_alone(site: Site) -> None:
    site.pull()
    path = Path("specs/concat.yml")
    path.write_text("inputs: [\n")
    ran = site.pull(code=1)
    assert "specs/concat.yml: error: The key of CONCAT_KEY: its file cannot be read (line " in ran.err
    assert path.read_text() == "inputs: [\n"


def test_inputs_that_were_written_in_an_unusual_way_are_not_guessed_at(site: Site) -> None:
    site.pull()
    path = Path("specs/concat.yml")
    path.write_text('{"inputs": {"string": "text-input"}, "outputs": {"result": "string"}}\n')
    site.studio.apps[0].variables = ("other",)
    site.studio.apps[0].publish()
    ran = site.pull(code=1)
    assert "its inputs are others now, and cannot be put into the file as that is written" in ran.err


def test_a_key_of_another_kind_of_app_leaves_the_file_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pull()
    before = files("specs")
    monkeypatch.setenv("CONCAT_KEY", KEYS[1])
    site.studio.apps[1].variables = site.studio.apps[1].published_variables = ("order",)
    ran = site.pull(code=1)
    assert (
        "specs/concat.yml: error: The key of CONCAT_KEY: it opens a chatflow, 'support', and its file is of another "
        "kind of app [not-given]\n    hint: Is it the key of another app?"
    ) in ran.err
    assert files("specs")["concat.yml"] == before["concat.yml"]


def test_a_key_of_an_app_of_another_name_is_told(site: Site) -> None:
    site.pull()
    site.studio.apps[0].name = "join"
    ran = site.pull()
    assert "specs/concat.yml: warning: Its key opens 'join' now, and opened 'concat' the last time." in ran.err
    assert site.pull().err == ""


def test_keys_in_files_are_told_apart_by_the_names_of_these(site: Site) -> None:
    os.unlink("difygen.toml")
    for name, key in zip(("one.key", "two.key"), KEYS, strict=True):
        Path(name).write_text(key)
        assert "files: 1 new" in site.pull("--api-key-file", name).out
    assert sorted(lock()["apps"]) == ["key:one.key", "key:two.key"]
    ran = site.pull("--api-key-file", "one.key", "--prune")
    assert (ran.err, len(files())) == ("", 2)


def test_a_key_that_is_named_no_more_leaves_its_file_to_prune(site: Site) -> None:
    site.pull()
    Path("difygen.toml").write_text('[pull]\nkeys = ["CONCAT_KEY"]\nfolder = "specs"\n')
    ran = site.pull()
    assert (
        "specs/support.yml: warning: Its app 'support' is no longer among those asked for. [app-not-meant]" in ran.err
    )
    site.pull("--prune")
    assert list(lock("specs")["apps"]) == ["key:CONCAT_KEY"]


def test_what_one_key_does_not_open_does_not_stop_the_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCAT_KEY", "app-unknown0123456789")
    ran = site.pull(code=1)
    assert "error: The key of CONCAT_KEY: Dify does not know it. [not-given]" in ran.err
    assert list(files("specs")) == ["support.yml"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "CONCAT_KEY is named in the setting `keys`, and is not set."),
        ("dataset-0123456789", "CONCAT_KEY holds no key of an app."),
        ("'app-0123456789'", "CONCAT_KEY holds no key of an app."),
    ],
)
def test_a_variable_without_a_key_is_a_mistake(
    value: str, said: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCAT_KEY", value)
    ran = site.pull("--auth", "app-key", code=2)
    assert said in ran.err and "0123456789" not in ran.err


def test_a_key_opens_its_own_app_alone(site: Site) -> None:
    assert "A key opens its own app: leave APP, --tag and --mode out" in site.pull("concat", code=2).err


def test_outputs_of_stored_runs_are_suggested_and_hold_no_markup(site: Site) -> None:
    file = {"dify_model_identity": "__dify__file__", "url": "http://x"}
    site.studio.apps[0].runs = [
        {"a": 1, "b": [1, 2], "c": file, "d\noutputs: {evil: string}": True, "e": None, "f": {}, "g": [], "h": 1},
        {"a": 2, "b": [3], "c": file, "d\noutputs: {evil: string}": False, "e": "x", "f": {}, "g": ["x"], "h": 1.5},
    ]
    site.pull("--sample-runs", "5")
    lines = files("specs")["concat.yml"].decode().splitlines()
    start = lines.index("# Seen in 2 stored runs, as a suggestion:")
    assert lines[start + 1 : start + 4] == ["#   a: integer", "#   b: array[integer]", "#   c: file"]
    assert lines[start + 5 : -1] == ["#   e: any", "#   f: object", "#   g: any", "#   h: number"]
    assert lines[-1] == "outputs: {}" and lines[start + 4].startswith("#   ")
    before = stamps("specs")
    told = site.pull("--sample-runs", "5").err.splitlines()
    assert told[0].startswith("specs/concat.yml: note: Seen in 2 stored runs, as a suggestion: a: integer, b: array[")
    assert stamps("specs") == before


def test_drafts_of_old_servers_are_compared_by_the_apps_key(monkeypatch: pytest.MonkeyPatch) -> None:
    app = StudioApp(1, "concat", ("string",), key=KEYS[0])
    app.publish()
    app.variables = ("string", "later")
    monkeypatch.setenv("DIFY_CONCAT_API_KEY", KEYS[0])
    monkeypatch.setenv("DIFY_EMAIL", test_pull.EMAIL)
    monkeypatch.setenv("DIFY_PASSWORD", test_pull.PASSWORD)
    with Studio([app], version="1.8.1").serve() as server:
        ran = difygen("pull", "--server", server.origin)
    assert ran.code == 0
    assert "the draft takes other inputs than the published version" in ran.err


# By a pipe


def test_an_export_of_difyctl_comes_by_a_pipe(programs: Path, tmp_path: Path) -> None:
    """`difyctl export studio-app` prints the definition."""
    text = dsl("concat", "string")
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "export.yml").write_text(text)
    (fake / "difyctl").write_text(f'#!/bin/sh\n[ "$1 $2" = "export studio-app" ] && cat {fake}/export.yml\n')
    (fake / "difyctl").chmod(0o755)
    path = os.pathsep.join((str(programs), str(fake), os.environ["PATH"]))
    done = subprocess.run(
        ["sh", "-c", "difyctl export studio-app 2f0c | difygen - -o client/"],
        check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(GENERATOR)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(Path("client/difygen.lock").read_text())["apps"]["concat"]["source"] == "-"
