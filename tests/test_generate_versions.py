"""Generated packages on the other versions of Python that they promise to work on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from difygen.config import Options
from support import LAB
from support.packages import CONCAT, files_of, workflow_of, write
from test_typing import KINDS

WORKFLOWS = [CONCAT, KINDS, workflow_of(LAB / "kitchen_sink.yml")]
PROGRAM = """
import client, one
[getattr(module, name) for module in (client, one) for name in module.__all__]
print(client.run_concat)
"""


def interpreters(version: str) -> Iterator[str]:
    """Interpreters that may be of a version: this one, on the path, among those of pyenv."""
    yield sys.executable
    yield from filter(None, [shutil.which(f"python{version}")])
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, sorted(versions.glob(f"{version}.*/bin/python")))


def works(interpreter: str, program: str) -> bool:
    return subprocess.run([interpreter, "-c", program], check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    write(folder, {"one.py": files_of(WORKFLOWS, Options(single_file=True))["client.py"]})
    write(folder / "client", files_of(WORKFLOWS))
    return folder


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_generated_code_compiles_without_a_warning(folder: Path, version: str) -> None:
    found = [
        interpreter
        for interpreter in interpreters(version)
        if works(interpreter, f"import sys; assert sys.version.startswith('{version}.')")
    ]
    if not found:
        pytest.skip(f"Python {version} is not installed here")
    program = (
        "import sys, pathlib;"
        "[compile(path.read_bytes(), path, 'exec') for path in pathlib.Path(sys.argv[1]).rglob('*.py')]"
    )
    subprocess.run([found[0], "-W", "error", "-c", program, str(folder)], check=True)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_generated_code_imports_without_a_warning(folder: Path, version: str) -> None:
    found = [
        interpreter
        for interpreter in interpreters(version)
        if works(interpreter, f"import sys, httpx, pydantic; assert sys.version.startswith('{version}.')")
    ]
    if not found:
        pytest.skip(f"no Python {version} with httpx and pydantic is installed here")
    environment = {"PYTHONPATH": str(folder), "PATH": os.environ.get("PATH", "")}
    subprocess.run([found[0], "-W", "error", "-c", PROGRAM], check=True, env=environment)
