"""`difygen inspect`: what it says of an app is what the generated package has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.projects import difygen

SPEC = "name: concat\ninputs: {class: text-input}\noutputs: {result: string}\n"


def run(*arguments: str) -> str:
    ran = difygen(*arguments)
    assert ran.code == 0, ran.err
    return ran.out


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two definitions of one name, in the current folder."""
    for folder in ("specs", "exports"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "concat.yaml").write_text(SPEC, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inspected(*arguments: str) -> list[dict[str, Any]]:
    found = json.loads(run("inspect", "--json", *arguments))
    assert found["format"] == 1
    apps: list[dict[str, Any]] = found["apps"]
    return apps


@pytest.mark.parametrize("settings", [False, True])
def test_the_names_are_those_of_the_generated_package(settings: bool, project: Path) -> None:
    if settings:
        (project / "difygen.toml").write_text('sources = ["specs", "exports"]\noutput = "client"\n', "utf-8")
    sources = [] if settings else ["specs", "exports"]
    run(*sources, *([] if settings else ["-o", "client"]))
    apps = inspected(*sources)
    assert len({app["python"]["module"] for app in apps}) == 2
    for app in apps:
        text = (project / "client" / f"{app['python']['module']}.py").read_text("utf-8")
        assert all(name in text for name in app["python"]["exports"])
        assert app["key_variables"][0] in text
        assert [each["python"] for each in app["inputs"]] == ["class_"] and "class_:" in text


def test_one_of_several_is_called_as_in_the_package_of_the_settings(project: Path) -> None:
    (project / "difygen.toml").write_text('sources = ["specs", "exports"]\noutput = "client"\n', "utf-8")
    run()
    both = {app["source"]: app["python"]["module"] for app in inspected()}
    assert {source: inspected(source)[0]["python"]["module"] for source in both} == both


def test_nothing_is_written(project: Path) -> None:
    before = sorted(project.rglob("*"))
    run("inspect", "specs")
    assert sorted(project.rglob("*")) == before
