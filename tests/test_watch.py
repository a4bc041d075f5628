"""`difygen --watch`, as a process: saves, mistakes, new and removed definitions, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.processes import DIFYGEN, importing
from support.projects import CONCAT, REPORT, Project

pytest.importorskip("watchfiles", reason="the extra `watch` is not installed")

PATIENCE = 60


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    monkeypatch.chdir(project.folder)
    return project


@contextmanager
def watching(project: Project, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that watches, from when it says so. Its output goes to the file `log`."""
    command = [*DIFYGEN, *(arguments or ("specs", "-o", "client")), "--watch"]
    with open("log", "w") as log:
        process = subprocess.Popen(command, env=importing(), stdout=log, stderr=subprocess.STDOUT, text=True)
    try:
        until(lambda: "watching" in said(project), process)
        yield process
    finally:
        process.kill()
        process.wait()


def said(project: Project) -> str:
    return (project.folder / "log").read_text()


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, Path("log").read_text()
        assert time.monotonic() < deadline, Path("log").read_text()
        time.sleep(0.01)


def is_quiet(project: Project) -> bool:
    """Whether half a second passes without a word, as it never does if the watcher's own files wake it.

    A single save may wake it twice: the system tells of it in steps, which come late on a busy machine.
    """
    before = said(project)
    time.sleep(0.5)
    return said(project) == before


def module_holds(project: Project, text: str, module: str = "concat") -> Callable[[], bool]:
    path = project.client / f"{module}.py"
    return lambda: path.exists() and text in path.read_text()


def test_every_save_regenerates_and_mistakes_do_not_end_it(project: Project) -> None:
    with watching(project) as process:
        assert module_holds(project, "max_length=48")()
        project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
        until(module_holds(project, "max_length=40"), process)
        until(lambda: "is a major version" in said(project), process)

        project.change("specs/concat.yaml", "text-input", "text-inputt")
        until(lambda: "specs/concat.yaml:3:" in said(project), process)
        assert module_holds(project, "max_length=40")()

        project.write("specs/concat.yaml", CONCAT.replace("48", "30"))
        until(module_holds(project, "max_length=30"), process)

        project.write("specs/report.yaml", REPORT)
        until(module_holds(project, "class ReportClient", "report"), process)
        (project.folder / "specs/report.yaml").unlink()
        until(lambda: not (project.client / "report.py").exists(), process)

        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in said(project)


def test_documents_are_kept_up_to_date_and_are_no_changes_themselves(project: Project) -> None:
    """Though they lie among the definitions."""
    settings = 'sources = ["specs"]\noutput = "client"\nopenapi = { output = "specs/openapi", format = "json" }\n'
    project.write("difygen.toml", settings)
    document = project.folder / "specs" / "openapi" / "concat.openapi.json"
    with watching(project, "--config", "difygen.toml") as process:
        assert '"maxLength": 48' in document.read_text()
        for old, limit in ((48, 40), (40, 30)):
            project.change("specs/concat.yaml", f"max_length: {old}", f"max_length: {limit}")
            until(lambda wanted=limit: f'"maxLength": {wanted}' in document.read_text(), process)
            until(lambda: is_quiet(project), process)
        assert said(project).count("1 document; files: 1 written") == 3, said(project)


def test_a_single_file_is_watched_however_an_editor_saves_it(project: Project) -> None:
    with watching(project, "specs/concat.yaml", "-o", "client") as process:
        project.write("specs/new", CONCAT.replace("48", "40"))
        os.replace("specs/new", "specs/concat.yaml")
        until(module_holds(project, "max_length=40"), process)
        before = said(project)
        project.write("specs/other.yaml", REPORT)
        project.change("specs/concat.yaml", "max_length: 40", "max_length: 30")
        until(module_holds(project, "max_length=30"), process)
        assert "report" not in said(project).removeprefix(before)


def run_without(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import importlib.util as util; find = util.find_spec;"
        "util.find_spec = lambda name, *rest: None if name == 'watchfiles' else find(name, *rest);"
        "from difygen.cli import root; root(prog_name='difygen')"
    )
    command = [sys.executable, "-c", program, *arguments, "-o", "client", "--watch"]
    return subprocess.run(command, env=importing(), capture_output=True, text=True, check=False)


def test_without_the_extra_there_is_a_hint(project: Project) -> None:
    done = run_without(project, "specs")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: --watch needs the package watchfiles: pip install 'difygen[watch]'\n"


def test_standard_input_cannot_be_watched(project: Project) -> None:
    command = [*DIFYGEN, "-", "-o", "client", "--watch"]
    done = subprocess.run(
        command, env=importing(), input=CONCAT, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 2
    assert done.stderr == "Error: There is nothing to watch: no SOURCE is a file or a folder that exists.\n"
