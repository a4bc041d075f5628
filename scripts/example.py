"""Write `generated_example/` anew: the package of all specs, and documents of a workflow and of an app that chats."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = "generated_example"
SHOWN = ("specs/concat.yaml", "specs/order_desk.yml")


def main() -> None:
    """Remove the folder of the checkout, and write it."""
    root = Path(__file__).parents[1]
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    write(root)


def write(root: Path) -> None:
    """Write the folder into a project that has the specs."""
    commands = (
        ["specs", "-o", FOLDER],
        ["docs", *SHOWN, "-o", f"{FOLDER}/docs"],
        ["openapi", *SHOWN, "-o", f"{FOLDER}/openapi"],
        ["tools", *SHOWN, "--for", "anthropic"],
    )
    for command in commands:
        printed = subprocess.run([sys.executable, "-m", "difygen", *command], cwd=root, check=True, capture_output=True)
    tools = root / FOLDER / "tools" / "anthropic.json"
    tools.parent.mkdir(parents=True, exist_ok=True)
    tools.write_bytes(printed.stdout.replace(b"\r\n", b"\n"))


if __name__ == "__main__":
    main()
