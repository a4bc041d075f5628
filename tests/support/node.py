"""Node and npm as the machine has them. Skips, and says so, where npm's packages cannot be had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NO_NETWORK = re.compile("E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH)|ERR_SOCKET_TIMEOUT")
"""What npm says where there is no registry."""


def run(folder: Path, *command: str, stdin: str | None = None, **settings: str) -> str:
    """Run a program in a folder, and return what it prints. What it complains of fails the test."""
    done = subprocess.run(
        [shutil.which(command[0]) or command[0], *command[1:]],
        check=False,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", **settings},
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=110,
    )
    assert done.returncode == 0, f"$ {' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def need_npm() -> None:
    """Skip the test unless there is npm, and a Node that the packages run on."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("Node and npm are not installed here")
    version = run(Path.cwd(), "node", "--version").strip()
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        pytest.skip(f"Node is {version} here, and openapi-typescript needs 20")


def install(folder: Path) -> None:
    """Install what the lock of a folder names."""
    need_npm()
    try:
        run(folder, "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
    except AssertionError as failure:
        if NO_NETWORK.search(str(failure)):
            pytest.skip("npm's packages cannot be had here: there is no network")
        raise
