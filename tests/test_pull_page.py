"""The page about `difygen pull`: its table has every setting, and its job for GitHub does what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import test_pull
import yaml
from difygen.pull.access import AUTH_METHODS
from difygen.settings import PULL_KEYS
from support import GENERATOR, ROOT
from support.projects import difygen, git
from support.schemas import schema
from support.studio import TOKEN, Studio, StudioApp

PAGE = (ROOT / "docs" / "pull.md").read_text("utf-8")
WORKFLOW = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
PULL, OPEN = [step for step in WORKFLOW["jobs"]["pull"]["steps"] if "env" in step]

clean_environment = test_pull.clean_environment


def test_the_page_has_every_setting_and_every_way_in() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]*\| [^|]*\|[^|]*\|$", PAGE, re.MULTILINE)
    named = [key for row in rows for key in re.findall(r"\w+", row)]
    assert sorted(named) == sorted(PULL_KEYS)
    assert re.findall(r"^\| `(\w[\w-]*)` \| [^|]*\| [^|]*\|$", PAGE, re.MULTILINE) == list(AUTH_METHODS)


def test_the_workflow_is_one() -> None:
    """YAML 1.1 reads `on` as true."""
    named = {("on" if key is True else key): value for key, value in WORKFLOW.items()}
    jsonschema.validate(named, schema("https://json.schemastore.org/github-workflow.json"))


@pytest.mark.skipif(os.name == "nt", reason="bash")
def test_the_job_opens_a_pull_request_when_definitions_have_changed(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio([StudioApp(1, "concat"), StudioApp(2, "old")])
    with studio.serve() as server:
        Path("pyproject.toml").write_text(
            '[tool.difygen]\nsources = ["exports"]\noutput = "client"\n'
            f'[tool.difygen.pull]\nserver = "{server.origin}"\n'
        )
        git("init", "-q", "-b", "main")
        git("init", "-q", "--bare", str(tmp_path / "origin"))
        git("remote", "add", "origin", str(tmp_path / "origin"))
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "gh").write_text(f'#!/bin/sh\necho "$1 $2" >> {tmp_path}/gh\ncat "$6" >> {tmp_path}/gh\n')
        (tmp_path / "bin" / "gh").chmod(0o755)
        monkeypatch.setenv("DIFY_TOKEN", TOKEN)
        assert (difygen("pull").code, difygen().code) == (0, 0)
        git("add", ".")
        git("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "-q", "-m", "First")
        environment = {
            **os.environ,
            "PATH": os.pathsep.join((str(programs), str(tmp_path / "bin"), os.environ["PATH"])),
            "PYTHONPATH": str(GENERATOR),
            "RUNNER_TEMP": str(tmp_path),
        }

        def job() -> None:
            for step in (PULL, OPEN):
                subprocess.run(["bash", "-e", "-c", step["run"]], check=True, env=environment)

        job()
        assert not (tmp_path / "gh").exists()
        studio.apps[0].variables = ("a", "later")
        del studio.apps[1]
        job()
    said = (tmp_path / "gh").read_text()
    assert said.startswith("pr create\n")
    assert "breaking    concat inputs.later" in said and "breaking    old" in said
    changed = subprocess.run(
        ["git", "diff", "--name-only", "main", "dify-definitions"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert {"exports/concat.yml", "exports/old.yml", "exports/pull.lock", "client/concat.py", "client/old.py"} <= {
        *changed
    }
    heads = subprocess.run(["git", "ls-remote", "origin"], check=True, capture_output=True, text=True).stdout
    assert "refs/heads/dify-definitions" in heads
