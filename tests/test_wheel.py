"""What is published: the wheel, installed into an environment of its own, generates the bytes that this checkout
generates.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support import GENERATOR, ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("difygen-*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [programs / "python", "-m", "pip", "install", "--quiet", str(wheel)], check=True, capture_output=True
    )
    return programs


def difygen(program: list[str], output: Path) -> dict[str, bytes]:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    if program[0] == sys.executable:
        environment["PYTHONPATH"] = str(GENERATOR)
    subprocess.run([*program, "specs", "-o", str(output)], cwd=ROOT, env=environment, check=True, capture_output=True)
    paths = sorted(path for path in output.rglob("*") if path.is_file())
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in paths if path.name != "difygen.lock"}


def test_the_wheel_generates_what_the_checkout_generates(installed: Path, tmp_path: Path) -> None:
    from_wheel = difygen([str(installed / "difygen")], tmp_path / "wheel")
    from_checkout = difygen([sys.executable, "-m", "difygen"], tmp_path / "checkout")
    assert from_wheel == from_checkout
    assert "concat.py" in from_wheel


def test_a_missing_extra_is_a_hint(installed: Path, tmp_path: Path) -> None:
    for arguments, extra in (
        (["mock", "concat.yaml"], "mock"),
        (["mcp", "concat.yaml"], "mcp"),
        (["concat.yaml", "-o", str(tmp_path / "out"), "--watch"], "watch"),
    ):
        done = subprocess.run(
            [installed / "difygen", *arguments], check=False, cwd=ROOT / "specs", capture_output=True, text=True
        )
        assert done.returncode == 2
        assert f"pip install 'difygen[{extra}]'" in done.stderr
        assert "Traceback" not in done.stderr
