"""`runtime = "package"` and `difygen runtime`: packages that import one runtime instead of bringing one each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import DIFYGEN, importing
from support.projects import CONCAT, REPORT, Project, difygen

RUNTIME = "our/dify_runtime"
SETTINGS = 'runtime = "our.dify_runtime"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose settings name a runtime, which is not written yet."""
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    project.write("specs/report.yaml", REPORT)
    project.write("our/__init__.py", "")
    project.write("difygen.toml", SETTINGS)
    monkeypatch.chdir(project.folder)
    return project


def python(program: str) -> str:
    return subprocess.check_output([sys.executable, "-c", program], text=True)


def test_two_packages_and_a_file_share_one_error(project: Project) -> None:
    written = difygen("runtime", "-o", RUNTIME)
    assert (written.code, written.err) == (0, "")
    assert written.out.startswith(f"{RUNTIME}: the runtime of difygen ")
    for source, output in (("specs/concat.yaml", "one"), ("specs/report.yaml", "our/two"), ("specs", "three.py")):
        ran = difygen(source, "-o", output)
        assert (ran.code, ran.err) == (0, "")
    assert not Path("one/_runtime").exists()
    assert "class DifyError" not in Path("three.py").read_text()
    program = """
import one, three
from our import two, dify_runtime
assert one.DifyError is two.DifyError is three.DifyError is dify_runtime.DifyError
assert one.concat.ConcatClient is one.ConcatClient and not hasattr(one, "_runtime")
try:
    one.run_concat(string="a", list="list_a", user="ada")
except two.ConfigurationError as error:
    print(type(error).__module__.partition("._")[0])
"""
    assert python(program) == "our.dify_runtime\n"
    for output in ("one", "our/two"):
        checked = difygen("check", "specs/concat.yaml" if output == "one" else "specs/report.yaml", "-o", output)
        assert (checked.code, checked.out, checked.err) == (0, "", "")


@pytest.mark.slow
def test_what_is_generated_passes_the_tools(project: Project) -> None:
    difygen("runtime")
    difygen("specs", "-o", "clients")
    difygen("specs", "-o", "client.py")
    for tool in (
        ["mypy", "--strict"],
        ["ruff", "check", "--isolated", "--select", "E4,E7,E9,F,I,UP"],
        ["black", "--check"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *tool, "clients", "client.py", "our"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_runs_at_once_write_one_runtime_and_all_succeed(project: Project) -> None:
    """One that another run comes before finds nothing left to do."""
    command = [*DIFYGEN, "runtime", "-q", "-o", "shared"]
    for _ in range(2):
        runs = [subprocess.Popen(command, env=importing(), stderr=subprocess.PIPE, text=True) for _ in range(4)]
        assert [(run.communicate()[1], run.returncode) for run in runs] == [("", 0)] * 4
    assert difygen("runtime", "-o", "shared").out.endswith("files: nothing changed\n")


def test_the_setting_says_where_the_runtime_goes(project: Project) -> None:
    assert difygen("runtime").out.startswith(f"{RUNTIME}: ")
    assert difygen("runtime").out.endswith("files: nothing changed\n")


def test_no_runtime_is_an_error_that_says_how_to_write_it(project: Project) -> None:
    for command in ((), ("check",)):
        ran = difygen(*command, "specs", "-o", "clients")
        assert ran.code == 2
        assert f"{RUNTIME}: error: There is no package `our.dify_runtime` to import the runtime from." in ran.err
        assert f"`difygen runtime -o {RUNTIME}`" in ran.err
    assert not Path("clients").exists()


def test_a_runtime_of_another_version_is_an_error_that_names_both(project: Project) -> None:
    difygen("runtime")
    difygen("specs", "-o", "clients")
    lock = json.loads(Path(RUNTIME, "difygen.lock").read_text())
    version, lock["generator"] = lock["generator"], "0.0.1"
    Path(RUNTIME, "difygen.lock").write_text(json.dumps(lock))
    for command in ((), ("check",)):
        ran = difygen(*command, "specs", "-o", "clients")
        assert ran.code == 2
        assert f"This runtime was written by difygen 0.0.1, and the clients would be by {version}." in ran.err
        assert f"`difygen runtime -o {RUNTIME}`" in ran.err
    assert difygen("runtime").code == 0
    assert difygen("check", "specs", "-o", "clients").code == 0


@pytest.mark.parametrize("lock", [None, "{", "{}"])
def test_a_package_without_the_record_of_a_runtime_is_none(project: Project, lock: str | None) -> None:
    project.write(f"{RUNTIME}/__init__.py", "")
    if lock is not None:
        project.write(f"{RUNTIME}/difygen.lock", lock)
    ran = difygen("specs", "-o", "clients")
    assert (ran.code, ran.err.count("[no-runtime]")) == (2, 1)
    assert not Path("clients").exists()


def test_the_runtime_is_found_below_src(project: Project) -> None:
    project.write("src/our/__init__.py", "")
    assert difygen("runtime", "-o", "src/our/dify_runtime").code == 0
    assert difygen("specs", "-o", "src/our/clients").code == 0


def test_sharing_removes_the_copy_and_not_sharing_brings_it_back(project: Project) -> None:
    project.write("difygen.toml", "")
    difygen("specs", "-o", "clients")
    assert Path("clients/_runtime/__init__.py").exists()
    project.write("difygen.toml", SETTINGS)
    difygen("runtime")
    assert difygen("specs", "-o", "clients").code == 0
    assert not Path("clients/_runtime").exists()
    project.write("difygen.toml", "")
    assert difygen("specs", "-o", "clients").code == 0
    assert Path("clients/_runtime/__init__.py").exists()


def test_neither_replaces_the_other(project: Project) -> None:
    difygen("runtime")
    before = Path(RUNTIME, "__init__.py").read_text()
    ran = difygen("specs", "-o", RUNTIME)
    assert (ran.code, Path(RUNTIME, "__init__.py").read_text()) == (1, before)
    assert "holds the runtime that packages share" in ran.err
    difygen("specs", "-o", "clients")
    ran = difygen("runtime", "-o", "clients", "--force")
    assert ran.code == 1 and "clients holds clients" in ran.err
    assert Path("clients/concat.py").exists()


def test_an_edited_runtime_is_not_overwritten(project: Project) -> None:
    difygen("runtime")
    path = Path(RUNTIME, "_errors.py")
    path.write_text(path.read_text() + "# mine\n")
    ran = difygen("runtime")
    assert ran.code == 1 and "_errors.py was edited by hand" in ran.err and path.read_text().endswith("# mine\n")
    assert difygen("runtime", "--force").code == 0


@pytest.mark.parametrize("arguments", [(), ("-o", "runtime.py")])
def test_the_output_is_a_folder(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("difygen.toml", "")
    ran = difygen("runtime", *arguments)
    assert ran.code == 2 and ran.err.startswith("Error: ")


@pytest.mark.parametrize("name", ["our dify", ".runtime", "our..dify", "class", "a/b"])
def test_a_name_that_cannot_be_imported(project: Project, name: str) -> None:
    project.write("difygen.toml", f'runtime = "{name}"\n')
    ran = difygen("specs", "-o", "clients")
    assert ran.code == 2
    assert f"difygen.toml:1:1: error: `{name}` is not the name of a package. [bad-name]" in ran.err
