"""`scripts/matrix.py` where no package registry can be reached: it says so and passes; any other failure is one."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from support.servers import unused_port

pytest.importorskip("uv", reason="uv is not installed")


@pytest.fixture
def matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, with a uv that reaches nothing and has nothing in store."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = importlib.import_module("matrix")
    monkeypatch.setattr(script, "FOLDER", tmp_path / "matrix")
    monkeypatch.setattr(script, "ensure", lambda level: Path(sys.executable))
    monkeypatch.setattr(sys, "argv", ["matrix.py", "newest"])
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{unused_port()}/simple")
    return script


@pytest.mark.parametrize("offline", ["0", "1"])
def test_without_a_network_it_is_skipped_with_a_reason(
    offline: str, matrix: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", offline)
    assert matrix.main() == 0
    assert "skipped: no package registry can be reached, so that newest cannot be installed" in capfd.readouterr().out


def test_what_cannot_be_installed_for_another_reason_fails(matrix: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = next(each for each in matrix.ENVIRONMENTS if each.name == "newest")
    monkeypatch.setattr(matrix, "ENVIRONMENTS", (replace(newest, packages=("not a requirement",)),))
    with pytest.raises(SystemExit, match="newest: "):
        matrix.main()


def test_every_module_that_it_names_is_there(matrix: Any) -> None:
    modules = {name for environment in matrix.ENVIRONMENTS for name in environment.tests}
    assert [name for name in sorted(modules) if not (ROOT / "tests" / f"test_{name}.py").is_file()] == []
