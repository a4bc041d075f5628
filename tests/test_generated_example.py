"""`generated_example/` is what `difygen specs -o generated_example` writes.

When this fails: remove the folder, run the command, and read the difference.
"""

import shutil
import subprocess
from pathlib import Path

from support import ROOT
from support.packages import imported
from support.processes import DIFYGEN, importing

EXAMPLE = ROOT / "generated_example"


def tree(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_example_is_what_the_specs_give(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    command = [*DIFYGEN, "specs", "-o", "generated_example"]
    subprocess.run(command, check=True, cwd=tmp_path, env=importing(), capture_output=True)
    assert tree(tmp_path / "generated_example") == tree(EXAMPLE)


def test_the_example_imports() -> None:
    with imported(ROOT, "generated_example") as package:
        assert all(getattr(package, name) is not None for name in package.__all__)
        assert package.run_concat.__doc__.startswith("Run `concat`")
