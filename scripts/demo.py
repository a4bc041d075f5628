"""The main job in one command: generates the client of specs/concat.yaml, and calls it against a mock Dify server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from environment import ROOT, SCRIPTS, ensure

DIFYGEN = str(SCRIPTS / "difygen")
PACKAGE = "build/demo/client"
EXAMPLE = "examples/first_call.py"


def main() -> int:
    python = ensure("demo")
    shutil.rmtree(ROOT / PACKAGE, ignore_errors=True)  # so that it shows the same each time
    generate = ("specs/concat.yaml", "-o", PACKAGE)
    print("$ difygen", *generate, flush=True)
    if code := subprocess.run([DIFYGEN, *generate], check=False, cwd=ROOT).returncode:
        return code
    with mock_server() as base_url:
        print("$ python", EXAMPLE, flush=True)
        environment = os.environ | {
            "DIFY_BASE_URL": base_url,
            "DIFY_API_KEY": "app-demo",
            "PYTHONPATH": str((ROOT / PACKAGE).parent),
        }
        return subprocess.run([str(python), EXAMPLE], check=False, cwd=ROOT, env=environment).returncode


@contextmanager
def mock_server() -> Iterator[str]:
    """The base URL of a mock Dify server that joins strings for as long as the `with` block lasts."""
    command = ("mock", "specs/concat.yaml", "--handler", "examples.handlers:concat", "--port", "0", "--latency", "0.2")
    print("$ difygen", *command, "&", flush=True)
    with subprocess.Popen([DIFYGEN, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            first = server.stdout.readline()
            if "http://" not in first:
                sys.exit("The mock server did not start.")
            yield next(word for word in first.split() if word.startswith("http://"))
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
