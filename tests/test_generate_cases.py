"""Golden packages: `tests/cases/gen_*` hold a definition, sometimes options, and the modules that they give.

`python tests/test_generate_cases.py` writes what they give now; read the difference before you commit it.
"""

import json
import shutil
import sys
from pathlib import Path

from support import TESTS

CASES = TESTS / "cases"
PACKAGE = ("__init__.py", "py.typed")
"""What follows from the runtime and from the names of the modules; `generated_example/` shows it."""

if __name__ == "__main__":
    sys.path.insert(0, str(CASES.parent.parent / "generator"))

import pytest
from difygen.generate import generate
from difygen.options import Options
from support.packages import workflow_from, write


def made(case: Path) -> dict[str, str]:
    """What a case gives."""
    (definition,) = case.glob("definition.*")
    options = case / "options.json"
    wishes = json.loads(options.read_text(encoding="utf-8")) if options.exists() else {}
    generated = generate([workflow_from(definition.read_text(encoding="utf-8"), definition.name)], Options(**wishes))
    assert generated.diagnostics == ()
    return {path: text for path, text in generated.files.items() if "/" not in path and path not in PACKAGE}


@pytest.mark.parametrize("case", sorted(CASES.glob("gen_*")), ids=lambda case: case.name)
def test_a_definition_gives_what_it_gave(case: Path) -> None:
    expected = case / "expected"
    assert made(case) == {
        path.relative_to(expected).as_posix(): path.read_text(encoding="utf-8")
        for path in expected.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    for folder in CASES.glob("gen_*"):
        shutil.rmtree(folder / "expected", ignore_errors=True)
        write(folder / "expected", made(folder))
