"""The repository's own virtual environment, `.venv`: made when it is missing, refreshed when its lock has changed.

What it holds is locked: `requirements/LEVEL.txt` names every package with its version and its hashes, and
`scripts/lock.py` renews that.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
WORKERS = str(2 * (os.cpu_count() or 1))
"""How many processes run tests: two for each core, since half of the time a test waits, for a server or a process."""

LEVELS = ("demo", "test")  # from little to much: each holds all that the one before it holds


def ensure(level: str) -> Path:
    """Return the Python of `.venv`, with everything of `level` installed. The machine's own Python stays as it is.

    A stamp in the environment remembers what is there, so that a second call costs nothing.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs before anything has checked it
        sys.exit(f"difygen needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: python3.12 {sys.argv[0]}")
    python = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
    if any(_stamp(enough).exists() for enough in LEVELS[LEVELS.index(level) :]):
        return python
    if not python.exists():
        print(f"Making a virtual environment in {VENV.name}/ …", flush=True)
        run(sys.executable, "-m", "venv", str(VENV), hint="On Debian and Ubuntu: apt-get install python3-venv")
    print("Installing difygen and what it needs …", flush=True)
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "--requirement", str(locked(level)))
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ".")
    _stamp(level).touch()
    return python


def locked(level: str) -> Path:
    """Return the file that locks what a level holds."""
    return ROOT / "requirements" / f"{level}.txt"


def run(*command: str, hint: str = "") -> None:
    """Run a command in the repository; when it fails, exit with the command and the hint."""
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"failed: {' '.join(command)}" + (f"\n{hint}" if hint else ""))


def _stamp(level: str) -> Path:
    held = sys.version.encode() + locked(level).read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return VENV / f"{level}-{hashlib.sha256(held).hexdigest()[:16]}"
