"""Cases are folders: `tests/cases/AREA/NAME/` holds what goes in, and `expected/` holds what has to come out.

    cli        `command`, for a shell, and files: what it prints and returns
    diff       `old` and `new`, each a definition or a folder: the changes, as `difygen diff` judges them
    dsl, spec  definitions, exports of Dify and specs: what is read in each, with diagnostics and the graph
    gen        definitions and, in `difygen.toml`, settings: the modules

A new case is a new folder. `pytest tests/test_cases.py --update` writes what comes out now, `-k gen/names` of some
cases alone. Read it before you commit it: what is written there is what the next run holds to be right.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import pytest
from difygen.parser import read
from support import GENERATOR, TESTS
from support.described import described
from support.packages import write
from support.projects import difygen

CASES = TESTS / "cases"
DEFINITIONS = (".yaml", ".yml", ".json")


def run_command(case: Path, folder: Path, programs: Path) -> dict[str, str]:
    environment = {
        "PATH": os.pathsep.join((str(programs), os.environ["PATH"])),
        "PYTHONPATH": str(GENERATOR),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
    }
    command = (case / "command").read_text("utf-8")
    done = subprocess.run(
        ["sh", "-c", command], check=False, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert "Traceback" not in done.stderr
    stdout = re.sub(r"\b\d\d(?= (written|unchanged)\b)", "<all>", done.stdout)  # the runtime's files among them
    stderr = re.sub(r"No such option: (\S+)$", r"No such option '\1'.", done.stderr, flags=re.MULTILINE)  # click 8.1
    stderr = re.sub(r"^(Try '.*) -h' for help\.$", r"\1 --help' for help.", stderr, flags=re.MULTILINE)
    return {"stdout.txt": stdout, "stderr.txt": stderr, "exit_code": f"{done.returncode}\n"}


def read_definitions(case: Path, folder: Path, programs: Path) -> dict[str, str]:
    readings = {path.stem: read(path.read_bytes(), path.name) for path in definitions(folder)}
    for found in chain.from_iterable(reading.diagnostics for reading in readings.values()):
        assert found.location.line and found.message.endswith(".") and f"{found.message}{found.hint}".isprintable()
    return {f"{stem}.txt": described(reading) for stem, reading in readings.items()}


def generate_modules(case: Path, folder: Path, programs: Path) -> dict[str, str]:
    """What follows from the runtime and from the names of the modules alone is left out; `generated_example/` shows
    it.
    """
    with patch("difygen.codegen.package.runtime_files", lambda parts: {}):
        ran = difygen(*(path.name for path in definitions(folder)), "-o", "client")
    problems = [line for line in ran.err.splitlines() if ": note: " not in line and "hint: To choose" not in line]
    assert (ran.code, problems) == (0, [])
    modules = set((folder / "client").glob("*.py")) - {folder / "client" / "__init__.py"}
    return {path.name: path.read_text("utf-8") for path in modules}


def compare_definitions(case: Path, folder: Path, programs: Path) -> dict[str, str]:
    (old,), (new,) = (folder.glob("old*"), folder.glob("new*"))
    for side in (old.name, new.name):
        assert difygen("diff", side, side).out == "Nothing changed for callers.\n"
    ran = difygen("diff", old.name, new.name, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    lines = [f"advice: {found['advice']}"]
    for each in found["changes"]:
        where = f"{each['workflow']} {each['subject']}".rstrip()
        lines.append(f"{each['effect']}: {each['rule']}: {where}: {each['message']} {each['reason']}")
    return {"changes.txt": "".join(f"{line}\n" for line in lines)}


def definitions(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in DEFINITIONS)


AREAS: dict[str, Callable[[Path, Path, Path], dict[str, str]]] = {
    "cli": run_command,
    "diff": compare_definitions,
    "dsl": read_definitions,
    "gen": generate_modules,
    "spec": read_definitions,
}


def test_every_area_has_a_runner_and_cases() -> None:
    assert {path.name for path in CASES.iterdir()} == set(AREAS)
    assert all(any(CASES.glob(f"{area}/*/expected/*")) for area in AREAS)


@pytest.mark.parametrize("case", [path.relative_to(CASES).as_posix() for path in sorted(CASES.glob("*/*"))])
def test_case(
    case: str, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    folder, expected = tmp_path / "here", CASES / case / "expected"
    shutil.copytree(CASES / case, folder, ignore=shutil.ignore_patterns("command", "expected"))
    monkeypatch.chdir(folder)
    found = AREAS[Path(case).parent.name](CASES / case, folder, programs)
    assert found
    if request.config.getoption("update"):
        shutil.rmtree(expected, ignore_errors=True)
        write(expected, found)
    assert found == {path.name: path.read_text("utf-8") for path in expected.iterdir()}
