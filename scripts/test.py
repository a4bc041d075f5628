"""Sets up `.venv` and runs everything that has to pass: formatting, linting, types, tests. Arguments go to pytest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from environment import ROOT, ensure
from suite import run_tests

CHECKS: tuple[Sequence[str], ...] = (
    ("black", "--check", "--quiet", "."),
    ("black", "--check", "--quiet", "--config", "templates/pyproject.toml", "templates/runtime"),
    ("ruff", "check", "--quiet", "."),
    ("ruff", "check", "--quiet", "--isolated", "--target-version=py311", "--extend-select=D401", "templates/runtime"),
    ("mypy", "--strict", "generator/difygen", "templates/runtime"),
    ("scripts.derive_blocking", "--check"),
)


def main() -> int:
    python = ensure("test")
    for check in CHECKS:
        print("$ -m", *check, flush=True)
        if code := subprocess.run([str(python), "-m", *check], check=False, cwd=ROOT).returncode:
            return code
    print("$ -m pytest", *sys.argv[1:], flush=True)
    return run_tests(python, sys.argv[1:], cache=ROOT / ".pytest_cache")


if __name__ == "__main__":
    sys.exit(main())
