"""The process around the command line: exit codes, output and clean-up arrive, although it leaves in a hurry."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support import GENERATOR

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
ENVIRONMENT["PYTHONPATH"] = str(GENERATOR)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["--nonsense"], 2), (["nowhere.yml", "-o", "x"], 2)]
)
def test_the_exit_code_arrives(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "difygen", *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)
    assert bool(done.stderr) == (code == 2)


def test_output_and_exit_functions_are_not_lost() -> None:
    program = """
import atexit, sys
from difygen.__main__ import leave
atexit.register(print, "cleaned up")
print("x" * 100_000)
leave(3)
"""
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout == "x" * 100_000 + "\ncleaned up\n"


def test_a_reader_that_is_gone_is_no_traceback() -> None:
    program = "import sys; from difygen.__main__ import leave; sys.stdin.read(); print('x'); leave(0)"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1
