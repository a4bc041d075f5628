"""`scripts/suite.py`: what a crowded machine fails is told apart from what is broken."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

TESTS = """
from pathlib import Path

def test_crowded():
    beside_others = not Path("seen").exists()
    Path("seen").touch()
    assert not beside_others

def test_sound():
    assert not Path("broken").exists()
"""


@pytest.mark.parametrize("is_broken", [False, True])
def test_what_failed_runs_once_more(
    is_broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    suite: Any = importlib.import_module("suite")
    monkeypatch.setattr(suite, "WORKERS", "1")
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").touch()
    if is_broken:
        (tmp_path / "broken").touch()
    code = suite.run_tests(Path(sys.executable), ["-q"], cache=tmp_path / "cache", folder=tmp_path)
    printed = capfd.readouterr().out
    assert code == is_broken
    assert "test_it.py::test_crowded" in printed
    assert ("failed beside others and passed alone" in printed) == (not is_broken)
