"""A generated client in somebody else's project, where there is httpx, pydantic and nothing else: below any package,
under any name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from difygen.testing import MockDify, mock_dify
from packaging.requirements import Requirement
from support.projects import CONCAT, REPORT, difygen


def needed(names: list[str]) -> dict[str, Distribution]:
    """These distributions and what they need without extras, by name."""
    found: dict[str, Distribution] = {}
    while names:
        name = names.pop().lower()
        if name not in found:
            found[name] = distribution(name)
            wants = map(Requirement, found[name].requires or [])
            names += [one.name for one in wants if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with httpx, pydantic, what they need, and nothing else."""
    folder = tmp_path_factory.mktemp("packages")
    for found in needed(["httpx", "pydantic"]).values():
        for file in found.files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))
    return folder


@pytest.fixture(scope="module")
def dify(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockDify]:
    folder = tmp_path_factory.mktemp("mock")
    (folder / "concat.yaml").write_text(CONCAT)
    (folder / "report.yaml").write_text(REPORT)
    with mock_dify(folder / "concat.yaml", folder / "report.yaml", handler=lambda inputs: answer(inputs)) as server:
        yield server


def answer(inputs: dict[str, str]) -> dict[str, str]:
    return {"result": f"{inputs['string']} {inputs['list']}"} if inputs else {"text": "a report"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch project with a package and a module in it, in which two packages and a file were generated."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "concat.yaml").write_text(CONCAT)
    (tmp_path / "specs" / "report.yaml").write_text(REPORT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(project: Path, packages: Path, dify: MockDify, program: str) -> str:
    """Run a program in the scratch project. `-S` hides everything that is installed."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": f"{project}{os.pathsep}{packages}",
        "PYTHONWARNINGS": "error",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DIFY_BASE_URL": dify.base_url,
        "DIFY_CONCAT_API_KEY": dify.api_keys["concat"],
        "DIFY_REPORT_API_KEY": dify.api_keys["report"],
        "DIFY_USER": "Ann",
    }
    command = [sys.executable, "-S", "-s", "-c", program]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


CALLS = """
import asyncio
from {package} import NodeStarted, arun_concat, run_concat, stream_concat

assert run_concat(string="a", list="list_b").outputs.result == "a list_b"
with stream_concat(string="b", list="list_a") as stream:
    assert any(isinstance(event, NodeStarted) for event in stream)
    assert stream.result().outputs.result == "b list_a"
assert asyncio.run(arun_concat(string="c", list="list_a")).outputs.result == "c list_a"
print("called")
"""


def test_the_scratch_project_has_nothing_else(project: Path, packages: Path, dify: MockDify) -> None:
    program = """
import importlib.util
import httpx, pydantic
for name in ("difygen", "yaml", "click", "jinja2", "rich", "black", "starlette", "pytest"):
    assert importlib.util.find_spec(name) is None, name
print("nothing")
"""
    assert run(project, packages, dify, program) == "nothing\n"


@pytest.mark.parametrize("place", ["client", "app/vendored/dify_api", "app/_generated"])
def test_a_package_works_below_any_package(project: Path, packages: Path, dify: MockDify, place: str) -> None:
    for folder in list(Path(place).parents)[:-1]:
        (project / folder).mkdir(parents=True, exist_ok=True)
        (project / folder / "__init__.py").write_text("")
    assert difygen("specs", "-o", place).code == 0
    assert run(project, packages, dify, CALLS.format(package=place.replace("/", "."))) == "called\n"


def test_a_copy_under_another_name_works(project: Path, packages: Path, dify: MockDify) -> None:
    difygen("specs", "-o", "client")
    shutil.move(project / "client", project / "renamed")
    assert run(project, packages, dify, CALLS.format(package="renamed")) == "called\n"


def test_one_file_works_anywhere(project: Path, packages: Path, dify: MockDify) -> None:
    (project / "app").mkdir()
    (project / "app" / "__init__.py").write_text("")
    assert difygen("specs", "-o", "app/concat_client.py").code == 0
    assert run(project, packages, dify, CALLS.format(package="app.concat_client")) == "called\n"
    shutil.copy(project / "app" / "concat_client.py", project / "copied.py")
    assert run(project, packages, dify, CALLS.format(package="copied")) == "called\n"


def test_both_forms_have_the_same_public_names(project: Path, packages: Path, dify: MockDify) -> None:
    difygen("specs", "-o", "client")
    difygen("specs", "-o", "single.py")
    program = """
import client, single
assert set(client.__all__) == set(single.__all__)
for name in client.__all__:
    assert getattr(client, name) is not None and getattr(single, name) is not None
print(len(client.__all__) > 50)
"""
    assert run(project, packages, dify, program) == "True\n"


def test_several_clients_live_in_one_process(project: Path, packages: Path, dify: MockDify) -> None:
    difygen("specs/concat.yaml", "-o", "first")
    difygen("specs/concat.yaml", "specs/report.yaml", "-o", "second")
    difygen("specs/report.yaml", "-o", "third.py")
    program = """
import first, second, third

one = first.run_concat(string="a", list="list_a")
two = second.run_concat(string="b", list="list_b")
three = third.run_report()
assert (one.outputs.result, two.outputs.result, three.outputs.text) == ("a list_a", "b list_b", "a report")
assert type(one) is first.Run is not second.Run
try:
    second.run_concat(string="a", list="list_a", user="x", timeout=1e-9)
except first.DifyError:
    raise SystemExit("the errors of two clients are not each other's")
except second.DifyError:
    print("several")
"""
    assert run(project, packages, dify, program) == "several\n"


def test_all_of_it_compiles(project: Path, packages: Path, dify: MockDify) -> None:
    difygen("specs", "-o", "client")
    difygen("specs", "-o", "single.py")
    program = """
import compileall
assert compileall.compile_dir("client", quiet=1) and compileall.compile_file("single.py", quiet=1)
print("compiled")
"""
    assert run(project, packages, dify, program) == "compiled\n"
    assert difygen("check", "specs", "-o", "client").code == 0
