"""What type checkers say about generated packages, and about the callers of them: nothing, and every mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from difygen.codegen.package import generate_runtime
from difygen.config import Options
from difygen.settings import LINE_LENGTHS
from hypothesis import given, settings
from hypothesis import strategies as st
from support import TESTS
from support.hostile import SENDABLE, payload_workflow
from support.packages import CONCAT, SHARING_A_NAME, files_of, workflow_from, write

TYPING = TESTS / "typing"
DEFINITIONS = ("kinds.yaml", "desk.yaml", "expenses.yml")
KINDS, DESK, EXPENSES = (workflow_from((TYPING / name).read_text(encoding="utf-8"), name) for name in DEFINITIONS)
CALLERS = ("right.py", "wrong.py", "right_turns.py", "wrong_turns.py", "right_forms.py", "wrong_forms.py")

GENERATED = ("client", "hostile", "sync_only", "sharing", "concat_client.py")
"""What tools must find nothing wrong with."""

pytestmark = pytest.mark.slow


def mistakes(file: str) -> set[tuple[str, int]]:
    """The lines of a caller whose comment says what is wrong with them."""
    lines = (TYPING / file).read_text(encoding="utf-8").splitlines()
    return {(file, number) for number, line in enumerate(lines, 1) if "  # " in line}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a generated package, a generated file, and the callers of the package."""
    folder = tmp_path_factory.mktemp("project")
    write(folder / "client", files_of([CONCAT, KINDS, DESK, EXPENSES]))
    write(
        folder, {"concat_client.py": files_of([CONCAT, KINDS, DESK, EXPENSES], Options(single_file=True))["client.py"]}
    )
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
    write(folder, {"pyrightconfig.json": json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.11"})})
    report = json.loads(run(folder, "pyright", "--outputjson", "--pythonpath", sys.executable))
    return {
        (Path(finding["file"]).relative_to(folder).as_posix(), finding["range"]["start"]["line"] + 1)
        for finding in report["generalDiagnostics"]
    }


@pytest.mark.parametrize("checker", [found_by_mypy, found_by_pyright], ids=["mypy", "pyright"])
def test_type_checkers_find_every_mistake_of_a_caller_and_nothing_else(project: Path, checker: object) -> None:
    assert callable(checker)
    assert sorted(checker(project)) == sorted(
        set().union(*(mistakes(each) for each in CALLERS if each.startswith("wrong")))
    )


def test_ruff_finds_nothing_in_a_generated_package(project: Path) -> None:
    settings = ("--isolated", "--no-cache", "--extend-select=F,I,RUF100")
    assert run(project, "ruff", "check", *settings, *GENERATED) == "All checks passed!\n"


def test_black_changes_nothing_in_a_generated_package(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "black", "--check", *GENERATED],
        cwd=project,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(range(LINE_LENGTHS[0], 130)))  # beyond, no line is broken
def test_both_formatters_change_nothing_in_the_runtime_at_any_line_length(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    folder = write(tmp_path_factory.mktemp("runtime"), generate_runtime(Options(line_length=length)))
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", f"--line-length={length}", "--diff"]
    done = subprocess.run([*command, "."], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


LENGTHS = [LINE_LENGTHS[0], 75, 76, 79, 81, 88, 100, 120, LINE_LENGTHS[-1]]


@pytest.mark.parametrize(
    ("length", "single_file"), [*((length, False) for length in LENGTHS), (LINE_LENGTHS[0], True), (79, True)]
)
def test_both_formatters_change_nothing_at_a_usual_line_length(tmp_path: Path, length: int, single_file: bool) -> None:
    # What fits on no line is laid out in two ways by the two: no text can please both.
    awkward = [payload_workflow(payload) for payload in SENDABLE if len(payload) <= 40 and length >= 79]
    options = Options(line_length=length, single_file=single_file)
    write(tmp_path, files_of([CONCAT, KINDS, *SHARING_A_NAME, *awkward], options))
    settings = (f"--line-length={length}", "--check", ".")
    for formatter in (("ruff", "format", "--isolated", "--no-cache"), ("black", "--quiet", "--target-version=py311")):
        command = [sys.executable, "-m", *formatter, *settings]
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
