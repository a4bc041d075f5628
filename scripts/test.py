"""Sets up `.venv` and runs everything that has to pass: formatting, linting, types, tests. Arguments go to pytest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from environment import ROOT, WORKERS, ensure

CHECKS: tuple[Sequence[str], ...] = (
    ("black", "--check", "--quiet", "."),
    ("black", "--check", "--quiet", "--config", "templates/pyproject.toml", "templates/runtime"),
    ("ruff", "check", "--quiet", "."),
    ("ruff", "check", "--quiet", "--isolated", "--target-version=py311", "--extend-select=D401", "templates/runtime"),
    ("mypy", "--strict", "generator/difygen", "templates/runtime"),
    ("scripts.derive_blocking", "--check"),
    ("pytest", "-n", WORKERS),
)


def main() -> int:
    python = str(ensure("test"))
    arguments = sys.argv[1:]
    for module, *options in CHECKS:
        command = [python, "-m", module, *options, *(arguments if module == "pytest" else ())]
        print("$", " ".join(command[1:]), flush=True)
        if code := subprocess.run(command, check=False, cwd=ROOT).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
