"""No circle of modules or folders, late imports and those for type checkers counted: the contract is in
pyproject.toml. And no two classes of one name, which a traceback could not tell apart.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from support import GENERATOR, ROOT
from support.processes import importing

PROGRAM = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=sys.argv[1]))"


def test_the_contracts_about_imports_are_kept(tmp_path: Path) -> None:
    """In a process of its own: import-linter switches off every logger that it finds."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=importing(GENERATOR, ROOT / "templates"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_classes_have_one_name() -> None:
    texts = [path.read_text() for path in (GENERATOR / "difygen").rglob("*.py")]
    names = Counter(name for text in texts for name in re.findall(r"^class (\w+)", text, re.MULTILINE))
    assert [name for name, count in names.items() if count > 1] == []
