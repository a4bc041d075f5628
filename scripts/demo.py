"""The main job in one command: sets up `.venv`, generates the client of specs/concat.yaml, and calls it against a mock Dify server."""

from __future__ import annotations

import os
import subprocess
import sys

from environment import ROOT, SCRIPTS, ensure


def main() -> int:
    python = ensure("demo")
    package = ROOT / "build" / "demo" / "client"
    generate = [str(SCRIPTS / "difygen"), "specs/concat.yaml", "-o", str(package.relative_to(ROOT))]
    print("$ difygen", *generate[1:], flush=True)
    if code := subprocess.run(generate, cwd=ROOT).returncode:
        return code
    script = ROOT / "examples" / "first_call.py"
    print("$ python", script.relative_to(ROOT), flush=True)
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    return subprocess.run([str(python), str(script)], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
