"""Generated packages on disk and in memory, for tests."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from difygen.codegen.package import generate
from difygen.config import Options
from difygen.model import App
from difygen.parser import read

from support import ROOT

SPECS = ROOT / "specs"


def workflow_of(path: Path) -> App:
    """The workflow of a definition in the repository."""
    reading = read(path.read_bytes(), path.relative_to(ROOT).as_posix())
    assert reading.workflow is not None, reading.diagnostics
    return reading.workflow


def workflow_from(spec: str, file: str = "spec.yaml") -> App:
    """The workflow of a spec."""
    reading = read(spec.encode(), file)
    assert reading.workflow is not None, [str(diagnostic) for diagnostic in reading.diagnostics]
    return reading.workflow


CONCAT = workflow_of(SPECS / "concat.yaml")

SHARING_A_NAME = tuple(
    workflow_from(f"name: {name}\noutputs:\n  {output}: {{type: object, properties: {{size: integer}}}}\n")
    for name, output in (("page", "outputs_page"), ("page_outputs", "page"))
)
"""Both have a class `PageOutputsOutputsPage`."""


def files_of(workflows: Sequence[App], options: Options | None = None) -> dict[str, str]:
    """The files that workflows give."""
    generated = generate(workflows, options or Options())
    assert generated.diagnostics == ()
    return dict(generated.files)


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a folder."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    return folder


@contextmanager
def imported(folder: Path, package: str) -> Iterator[ModuleType]:
    """A package of a folder, imported, and forgotten afterwards."""
    sys.path.insert(0, str(folder))
    try:
        yield import_module(package)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]


def python(program: str, folder: Path, interpreter: str = sys.executable) -> str:
    """What a program prints in a process of its own, with a folder on its path."""
    environment = {"PYTHONPATH": str(folder), "PATH": os.environ.get("PATH", "")}
    done = subprocess.run(
        [interpreter, "-W", "error", "-c", program], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
