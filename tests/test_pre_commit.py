"""The pre-commit hooks: their definitions are complete, and their commands do what they say in a scratch repository."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from support import ROOT
from support.processes import DIFYGEN, importing
from support.projects import CONCAT, Project

HOOKS = ROOT / ".pre-commit-hooks.yaml"


def hooks() -> dict[str, dict[str, object]]:
    return {hook["id"]: hook for hook in yaml.safe_load(HOOKS.read_text())}


def run(hook: str) -> subprocess.CompletedProcess[str]:
    """What pre-commit does: the entry, without file names, in the top folder of the repository."""
    _, *arguments = shlex.split(str(hooks()[hook]["entry"]))
    return subprocess.run([*DIFYGEN, *arguments], env=importing(), capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    project.write("pyproject.toml", '[tool.difygen]\nsources = ["specs"]\noutput = "client"\n')
    monkeypatch.chdir(project.folder)
    return project


@pytest.mark.parametrize("hook", ["difygen", "difygen-check"])
def test_a_hook_is_complete(hook: str) -> None:
    definition = hooks()[hook]
    assert set(definition) == {"id", "name", "description", "entry", "language", "pass_filenames", "files"}
    assert (definition["language"], definition["pass_filenames"]) == ("python", False)
    pattern = re.compile(str(definition["files"]))
    for path in (
        "specs/concat.yaml",
        "exports/字段拼接.yml",
        "client/difygen.lock",
        "client/concat.py",
        "difygen.toml",
        "docs/api/concat.md",
        "docs/api/index.html",
    ):
        assert pattern.search(path)
    assert not pattern.search("picture.png")


def test_the_hooks_in_the_order_of_a_day(project: Project) -> None:
    assert run("difygen").returncode == 0
    assert run("difygen-check").returncode == 0
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    failed = run("difygen-check")
    assert failed.returncode == 1
    assert "max_length=40" in failed.stdout
    assert run("difygen").returncode == 0
    assert run("difygen-check").returncode == 0
