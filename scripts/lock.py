"""Renews the locks, `requirements/*.txt`: the newest versions that pyproject.toml allows, for every platform.

Arguments go to `uv pip compile`: `python3 scripts/lock.py --upgrade-package httpx` renews one package alone.
"""

from __future__ import annotations

import sys

from environment import ensure, locked, run

# What a level asks for beyond difygen's own dependencies. The demo's packages are among those of the tests, in the same
# versions.
ASKED = {
    "test": ("--extra", "mcp", "--extra", "mock", "--extra", "watch", "--group", "dev"),
    "demo": ("--extra", "mock", "--group", "build", "--constraint", "requirements/test.txt"),
}


def main() -> int:
    python = str(ensure("test"))
    arguments = sys.argv[1:] or ["--upgrade"]
    for level, asked in ASKED.items():
        target = str(locked(level).relative_to(locked(level).parent.parent))
        run(
            *(python, "-m", "uv", "pip", "compile", "pyproject.toml", *asked, *arguments),
            *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--quiet"),
            *("--custom-compile-command", "python3 scripts/lock.py", "--output-file", target),
        )
    print("requirements/ holds the newest versions now. Next: python3 scripts/test.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
