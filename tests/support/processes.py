"""Processes of the tests' own Python: which folders they import from, what they print, and waiting for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support import GENERATOR

DIFYGEN = (sys.executable, "-m", "difygen")
"""The command line, in a process whose environment is `importing()`."""


def importing(*folders: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a process that imports from `folders`, or else this checkout's difygen."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders or (GENERATOR,))), **settings}


def printed(program: str, *arguments: str, folders: tuple[Path, ...] = (), **settings: str) -> str:
    """Return what a program prints, which has to end well."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(
        command, env=importing(*folders, **settings), check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def eventually(is_so: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Wait until something is so, for some seconds, and return whether it is."""
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()
