"""The repository's own virtual environment, `.venv`: made when it is missing, refreshed when pyproject.toml changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")

# What `pip install` is asked for, from little to much: each level holds all that the ones before it hold.
LEVELS = {
    "demo": ("--editable", ".[mock]"),
    "test": ("--editable", ".[mock,watch]", "--group", "dev"),
}


def ensure(level: str) -> Path:
    """The Python of `.venv` with everything of `level` installed; the machine's own Python stays as it is.

    A stamp in the environment remembers what is there, so that a second call costs nothing.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs before anything has checked it
        sys.exit(f"difygen needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: python3.12 {sys.argv[0]}")
    python = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
    levels = list(LEVELS)
    if any(_stamp(enough).exists() for enough in levels[levels.index(level) :]):
        return python
    if not python.exists():
        print(f"Making a virtual environment in {VENV.name}/ …", flush=True)
        _run(sys.executable, "-m", "venv", str(VENV), hint="On Debian and Ubuntu: apt-get install python3-venv")
    print("Installing difygen and what it needs …", flush=True)
    _run(str(python), "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    _run(str(python), "-m", "pip", "install", "--quiet", *LEVELS[level])
    _stamp(level).touch()
    return python


def _stamp(level: str) -> Path:
    asked = "\0".join((*LEVELS[level], sys.version)).encode() + (ROOT / "pyproject.toml").read_bytes()
    return VENV / f"{level}-{hashlib.sha256(asked).hexdigest()[:16]}"


def _run(*command: str, hint: str = "") -> None:
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"failed: {' '.join(command)}" + (f"\n{hint}" if hint else ""))
