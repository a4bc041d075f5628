"""The table of kinds of app: every mode has its row, and what a row says is what the commands do."""

from __future__ import annotations

from pathlib import Path

import pytest
from difygen.model import APP_KINDS, APP_MODES, App, AppMode
from support.projects import difygen


def test_every_mode_of_dify_is_of_one_kind() -> None:
    assert list(APP_MODES) != [] and APP_KINDS.keys() == set(APP_MODES)
    kinds = {id(kind) for kind in APP_KINDS.values()}
    assert len({kind.name for kind in APP_KINDS.values()}) == len(kinds)
    assert all(mode in kind.modes for mode, kind in APP_KINDS.items())


@pytest.mark.parametrize("mode", APP_MODES)
def test_an_app_knows_its_kind(mode: AppMode) -> None:
    assert mode in App(name="a", source="a.yml", mode=mode).kind.modes


@pytest.mark.parametrize("mode", [mode for mode, kind in APP_KINDS.items() if not kind.is_supported])
def test_a_kind_that_gets_no_client_is_refused_by_its_own_name(mode: AppMode, tmp_path: Path) -> None:
    export = tmp_path / "app.yml"
    export.write_text(f"app: {{name: a, mode: {mode}}}\nkind: app\nversion: 0.5.0\n", "utf-8")
    ran = difygen(str(export), "-o", str(tmp_path / "client"))
    assert ran.code == 2 and not (tmp_path / "client").exists()
    assert f"This app is {APP_KINDS[mode].noun} (mode `{mode}`)" in ran.err
