"""`difygen diff`: definitions, folders, packages, locks and git revisions, in any pairing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support import LAB
from support.projects import CONCAT, REPORT, Project, Ran, commit_all, difygen

LOWERED = "inputs.string  `string` took at most 48 characters and takes at most 40."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Generated and committed, then changed: the limit is lowered."""
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    project.write("specs/report.yaml", REPORT)
    project.write("old.yaml", CONCAT)
    monkeypatch.chdir(project.folder)
    project.generate()
    commit_all()
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    return project


def rules(ran: Ran) -> list[str]:
    return [change["rule"] for change in json.loads(ran.out)["changes"]]


@pytest.mark.parametrize(
    "old",
    ["old.yaml", "client", "client/difygen.lock", "HEAD:specs/concat.yaml", "HEAD:client", "HEAD:client/difygen.lock"],
)
def test_one_definition_against_any_version_of_it(project: Project, old: str) -> None:
    ran = difygen("diff", old, "specs/concat.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"breaking    concat {LOWERED} Values that are longer are refused.",
        "1 breaking change. Callers have to change: this is a major version.",
    ]


@pytest.mark.parametrize("old", ["client", "HEAD:specs", "HEAD:specs/", "HEAD:client"])
def test_a_folder_against_any_version_of_it(project: Project, old: str) -> None:
    (project.folder / "specs/report.yaml").unlink()
    ran = difygen("diff", old, "specs", "--format", "json")
    assert rules(ran) == ["length-lowered", "workflow-removed"]


def test_the_same_is_the_same(project: Project) -> None:
    for side in ("specs", "client", "old.yaml", "HEAD:specs"):
        ran = difygen("diff", side, side, "--fail-on", "any")
        assert (ran.code, ran.out) == (0, "Nothing changed for callers.\n")


@pytest.mark.parametrize(
    ("fail_on", "new", "code"),
    [
        ("breaking", "specs/concat.yaml", 1),
        ("any", "specs/concat.yaml", 1),
        ("breaking", "longer.yaml", 0),
        ("any", "longer.yaml", 1),
        ("any", "old.yaml", 0),
        ("internal", "specs/concat.yaml", 1),
        ("internal", "longer.yaml", 0),
    ],
)
def test_the_exit_code_tells_what_is_asked(project: Project, fail_on: str, new: str, code: int) -> None:
    project.write("longer.yaml", CONCAT.replace("48", "50"))
    assert difygen("diff", "old.yaml", new, "--fail-on", fail_on).code == code


@pytest.mark.parametrize(("fail_on", "code"), [("breaking", 0), ("internal", 1), ("any", 1)])
def test_a_step_with_another_title_stops_those_who_ask_for_it(project: Project, fail_on: str, code: int) -> None:
    old = (LAB / "branching.yml").read_text("utf-8")
    project.write("old.yml", old)
    project.write("new.yml", old.replace("title: tpl_big", "title: tpl_large"))
    assert project.folder.joinpath("new.yml").read_text("utf-8") != old
    ran = difygen("diff", "old.yml", "new.yml", "--fail-on", fail_on)
    assert (ran.code, {line.split()[0] for line in ran.out.splitlines()[:-1]}) == (code, {"internal"})
    assert ran.out.splitlines()[-1].endswith("unless they name steps that changed: this is a minor version.")


def test_the_other_way_round_is_compatible(project: Project) -> None:
    ran = difygen("diff", "specs/concat.yaml", "old.yaml", "--format", "markdown")
    assert ran.out.splitlines()[2].startswith("| compatible | concat inputs.string | ")


def test_a_workflow_with_another_name_is_compared_all_the_same(project: Project) -> None:
    project.write("new.yaml", CONCAT.replace("name: concat", "name: join"))
    assert rules(difygen("diff", "old.yaml", "new.yaml", "--format", "json")) == ["workflow-renamed"]


def test_paths_of_a_revision_start_at_the_top_or_here(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder / "specs")
    for old in ("HEAD:specs/concat.yaml", "HEAD:concat.yaml", "HEAD:./concat.yaml"):
        assert "1 breaking change" in difygen("diff", old, "concat.yaml").out


def test_names_that_the_user_chose_count(project: Project) -> None:
    project.write(
        "difygen.toml", 'sources = ["specs"]\noutput = "client"\n[workflows.concat.rename]\nstring = "text"\n'
    )
    ran = difygen("--force")
    assert ran.code == 0, ran.err
    ran = difygen("diff", "HEAD:client", "client", "--format", "json")
    assert rules(ran) == ["input-renamed", "length-lowered"]


@pytest.mark.parametrize(
    ("side", "why"),
    [
        ("nowhere.yaml", "nowhere.yaml: there is no such file or folder"),
        ("HEAD:nowhere.yaml", "HEAD:nowhere.yaml: there is no such file or folder in that revision"),
        ("v9:old.yaml", "v9:old.yaml: there is no file v9:old.yaml, and git knows no revision 'v9'"),
        ("--help:old.yaml", "--help:old.yaml: there is no file --help:old.yaml, and git knows no revision '--help'"),
        (
            "empty",
            "empty: error: The folder holds no definitions: no file in it ends in .yml, .yaml, .json. [empty-folder]",
        ),
    ],
)
def test_a_side_that_cannot_be_had_is_explained(project: Project, side: str, why: str) -> None:
    (project.folder / "empty").mkdir()
    ran = difygen("diff", "--", side, "old.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.removeprefix("Error: ").splitlines()[0] == why


def test_a_definition_with_errors_is_explained(project: Project) -> None:
    project.change("specs/concat.yaml", "text-input", "text-inputt")
    ran = difygen("diff", "old.yaml", "specs/concat.yaml")
    assert ran.code == 2
    assert ran.err.startswith("specs/concat.yaml:3:")


def test_a_damaged_lock_is_explained(project: Project) -> None:
    project.write("client/difygen.lock", "{}")
    ran = difygen("diff", "client", "specs")
    assert ran.code == 2
    assert (
        ran.err
        == f"Error: {os.path.join('client', 'difygen.lock')}: the lock cannot be used: it is not a lock of difygen\n"
    )


def test_outside_of_a_repository_and_without_git(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "in no git repository" in difygen("diff", "HEAD:old.yaml", "project/old.yaml").err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in difygen("diff", "HEAD:old.yaml", "project/old.yaml").err


def test_what_git_itself_says_is_passed_on(project: Project) -> None:
    objects = project.folder / ".git" / "objects"
    blob = subprocess.check_output(["git", "rev-parse", "HEAD:old.yaml"], text=True).strip()
    damaged = objects / blob[:2] / blob[2:]
    damaged.chmod(0o600)
    damaged.write_bytes(b"no object of git")
    ran = difygen("diff", "HEAD:old.yaml", "specs/concat.yaml")
    assert ran.code == 2
    assert ran.err.startswith("Error: git cannot read the revision:\n  ")
    assert blob in ran.err
