"""No circle of modules or folders, late imports and those for type checkers counted: the contract is in pyproject.toml."""

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

CONFIG = Path(__file__).parent.parent / "pyproject.toml"


def test_the_contracts_about_imports_are_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code = lint_imports(config_filename=str(CONFIG), cache_dir=str(tmp_path))
    assert code == 0, capsys.readouterr().out
