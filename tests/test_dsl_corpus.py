"""Real exports of many people, where they lie beside the repository: each is answered, and nearly all outputs have a
type.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from difygen.diagnostics import has_errors
from difygen.model import App, Primitive
from difygen.parser import read
from support import ROOT

CORPUS = ROOT.parent / "shared" / "dsl-corpus"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the real exports are not there: {CORPUS.name}")


def files() -> list[Path]:
    return sorted(path for path in CORPUS.rglob("*") if path.suffix in (".yml", ".yaml", ".json"))


def workflows() -> list[App]:
    found = (read(path.read_bytes(), path.name).workflow for path in files())
    return [each for each in found if each is not None]


def test_every_file_is_answered() -> None:
    assert len(files()) > 100
    for path in files():
        reading = read(path.read_bytes(), path.name)
        errors = [each for each in reading.diagnostics if each.severity == "error"]
        if reading.workflow is None:
            assert len(errors) == 1 and errors[0].location.line > 0, path.name
        else:
            assert not has_errors(reading.diagnostics)


def test_nearly_all_outputs_have_a_type() -> None:
    types = [output.type for workflow in workflows() for output in workflow.outputs]
    assert len(types) > 80
    assert sum(type_ is not Primitive.ANY for type_ in types) >= 0.97 * len(types)


def test_every_type_that_is_not_known_is_warned_of() -> None:
    for path in files():
        reading = read(path.read_bytes(), path.name)
        if reading.workflow is not None:
            unknown = [each.name for each in reading.workflow.outputs if each.type is Primitive.ANY]
            warned = " ".join(each.message for each in reading.diagnostics)
            assert all(f"'{name}'" in warned for name in unknown), path.name


def test_the_table_is_printed() -> None:
    """The command of the README, without the slow part."""
    command = [sys.executable, str(ROOT / "benchmarks" / "corpus.py")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "have a type other than Any" in done.stdout and "NO ANSWER" not in done.stdout
