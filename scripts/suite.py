"""Runs pytest in parallel, and what failed there once more, alone.

The suite talks to servers and processes for most of its time, and the machines that it runs on are shared: what fails
on a crowded one alone is named, and does not hide what the thousands of others have shown. What is broken fails twice.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from environment import ROOT, WORKERS

SOME_FAILED = 1
"""pytest's exit code for it; the others are about pytest itself, and a second run would say the same."""


def run_tests(
    python: Path, arguments: Sequence[str], *, cache: Path, env: Mapping[str, str] | None = None, folder: Path = ROOT
) -> int:
    """Run pytest with arguments, and return its exit code: that of the second run, where tests failed in the first.

    Args:
        python: The Python of the environment.
        arguments: What goes to pytest; how many processes run tests can be among it.
        cache: Where pytest keeps what failed; each environment has its own.
        env: The environment's variables; by default those of this process.
        folder: Where pytest runs.
    """
    spread = ("-n", WORKERS, "--dist", "worksteal")  # tests of a module stay together, and share what is made for it
    command = (str(python), "-m", "pytest", *spread, "-o", f"cache_dir={cache}", *arguments)
    env = dict(os.environ if env is None else env)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # a thousand processes would compile all of difygen
    code = subprocess.run(command, check=False, cwd=folder, env=env).returncode
    if code != SOME_FAILED:
        return code
    print("\nOnce more, one after the other, what has failed:", flush=True)
    again = ("-rfEp", "-n", "0", "--exitfirst", "--last-failed", "--last-failed-no-failures=none")
    code = subprocess.run((*command, *again), check=False, cwd=folder, env=env).returncode
    if not code:
        print("These failed beside others and passed alone: mend the timing, of them or of the code.", flush=True)
    return code
