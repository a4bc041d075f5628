"""The command line as users meet it: each folder of tests/cases/cli holds files, a `command`, and what it prints and returns.

UPDATE_CASES=1 writes what the commands print now into the folders, for a person to read before it is committed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import GENERATOR, TESTS

CASES = TESTS / "cases" / "cli"
ANSWERS = ("stdout.txt", "stderr.txt", "exit_code")


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_command(case: str, programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    shutil.copytree(CASES / case, folder, ignore=shutil.ignore_patterns("command", *ANSWERS))
    environment = {
        "PATH": os.pathsep.join((str(programs), os.environ["PATH"])),
        "PYTHONPATH": str(GENERATOR),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
    }
    command = (CASES / case / "command").read_text("utf-8")
    done = subprocess.run(
        ["sh", "-c", command], check=False, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    stdout = re.sub(r"\b\d\d(?= (written|unchanged)\b)", "<all>", done.stdout)  # the runtime's files among them
    printed = dict(zip(ANSWERS, (stdout, done.stderr, f"{done.returncode}\n"), strict=True))
    if os.environ.get("UPDATE_CASES"):
        for name, text in printed.items():
            (CASES / case / name).write_text(text, "utf-8")
    assert printed == {name: (CASES / case / name).read_text("utf-8") for name in ANSWERS}
    assert "Traceback" not in done.stderr
