"""What commands print to streams of any code page: escapes for what it lacks, and the exit codes that they mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from difygen.testing import mock_dify
from support.processes import importing

SPEC = """\
name: join
title: 字段拼接 é
inputs:
  text: {type: text-input, label: 文本, max_length: %d}
  kind: {type: select, options: [%s]}
outputs: {result: string}
"""
CODE_PAGES = ("ascii", "cp1252", "cp437", "gbk", "utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "old.yaml").write_text(SPEC % (48, "a"), "utf-8")
    (folder / "new.yaml").write_text(SPEC % (40, "a, 中, 😀"), "utf-8")
    (folder / "wrong.yaml").write_text("name: join\ninputs: {文本: {type: 数}}\noutputs: {é: strin😀}\n", "utf-8")
    return folder


def difygen(folder: Path, page: str, *arguments: str) -> tuple[int, str, str]:
    """Run the command and read what it prints, strictly, in that code page."""
    environment = {**importing(), "PYTHONIOENCODING": page, "DIFY_BASE_URL": "http://127.0.0.1:9/v1"}
    environment["DIFY_API_KEY"] = "app-x"
    command = [sys.executable, "-m", "difygen", *arguments]
    done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True)
    shown = [stream.decode(page).replace(os.linesep, "\n") for stream in (done.stdout, done.stderr)]
    assert "Traceback" not in shown[1]
    return done.returncode, shown[0], shown[1]


@pytest.mark.parametrize(
    "page", [*CODE_PAGES[3:], *(pytest.param(page, marks=pytest.mark.slow) for page in CODE_PAGES[:3])]
)
def test_every_command_prints_to_every_code_page(folder: Path, tmp_path: Path, page: str) -> None:
    package = str(tmp_path / "client")
    assert difygen(folder, page, "old.yaml", "-o", package)[0] == 0
    code, out, err = difygen(folder, page, "check", "new.yaml", "-o", package)
    assert (code, err) == (1, "")
    assert ("中" if page in ("gbk", "utf-8") else "\\u4e2d") in out
    for kind in "text", "markdown", "json":
        code, out, err = difygen(folder, page, "diff", "old.yaml", "new.yaml", "--format", kind, "--fail-on", "any")
        assert (code, err) == (1, "")
        assert "length-lowered" in out or "took at most 48" in out
    assert difygen(folder, page, "doctor", "old.yaml", "--user", "u")[0] == 1
    assert difygen(folder, page, "inspect", "new.yaml")[0] == 0
    assert difygen(folder, page, "call", "new.yaml", "text=文本", "kind=中")[0] == 1
    code, _, err = difygen(folder, page, "wrong.yaml", "-o", package)
    assert code == 2
    assert ("😀" if page == "utf-8" else "\\ud83d\\ude00") in err
    code, _, err = difygen(folder, page, "--wörong-文", "old.yaml")
    assert (code, "Error: " in err) == (2, True)


@pytest.mark.parametrize("page", CODE_PAGES)
def test_progress_is_drawn_with_what_the_code_page_has(folder: Path, page: str) -> None:
    said = "中 ✓"
    with mock_dify(folder / "new.yaml", handler=lambda inputs: {"result": said}) as dify:
        asked = ("call", "new.yaml", "text=文本", "kind=中", "--base-url", dify.base_url)
        code, out, err = difygen(folder, page, *asked)
        assert (code, "\\u2713" in err, "succeeded" in err) == (0, False, True)
        assert ("✓ " if page == "utf-8" else "+ ") in err
        code, out, _ = difygen(folder, page, *asked, "--json")
        assert (code, json.loads(out)["outputs"]) == (0, {"result": said})


@pytest.mark.parametrize("page", CODE_PAGES)
def test_json_and_yaml_hold_the_same_values_in_every_code_page(folder: Path, page: str) -> None:
    code, out, _ = difygen(folder, page, "inspect", "new.yaml", "--json")
    assert (code, json.loads(out)["apps"][0]["title"]) == (0, "字段拼接 é")
    code, out, _ = difygen(folder, page, "init", "new.yaml", "-o", "-")
    assert code == 0
    spec = yaml.safe_load(out)
    assert (spec["title"], spec["inputs"]["kind"]["options"]) == ("字段拼接 é", ["a", "中", "😀"])
