"""Sources: files, folders, patterns and standard input, in a stable order whatever the current folder is."""

from __future__ import annotations

from pathlib import Path

import pytest
from difygen.definitions import Source, discover, origin_of


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [
        "specs/b.yaml",
        "specs/a.yml",
        "specs/deep/c.json",
        "specs/.hidden/d.yml",
        "specs/difygen.schema.json",
        "specs/notes.txt",
        "one.txt",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(*sources: str) -> list[tuple[str, bool]]:
    found, problems = discover(sources)
    assert problems == []
    return [(source.shown, source.named) for source in found]


def test_a_named_file_may_have_any_suffix() -> None:
    assert shown("one.txt") == [("one.txt", True)]


def test_a_folder_is_searched_through_for_definitions() -> None:
    assert shown("specs") == [("specs/a.yml", False), ("specs/b.yaml", False), ("specs/deep/c.json", False)]


@pytest.mark.parametrize("sources", [("specs/*.y*ml",), ("specs/b.yaml", "specs/a.yml", "specs/../specs/a.yml")])
def test_the_order_is_that_of_the_paths_and_each_file_counts_once(sources: tuple[str, ...]) -> None:
    assert [name for name, _ in shown(*sources)] == ["specs/a.yml", "specs/b.yaml"]


def test_a_pattern_may_go_deep() -> None:
    assert shown("**/*.json") == [("specs/deep/c.json", False)]


def test_standard_input() -> None:
    assert discover(["-"]) == ([Source("-", "-")], [])
    assert Source("-", "-").relative_to("/anywhere") == "-"


def test_the_way_from_the_package_does_not_depend_on_the_current_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here,), _ = discover(["specs/a.yml"])
    monkeypatch.chdir(project / "specs" / "deep")
    (there,), _ = discover(["../a.yml"])
    (based,), _ = discover([str(project / "specs/a.yml")])
    ways = {source.relative_to(str(project / "build" / "client")) for source in (here, there, based)}
    assert ways == {"../../specs/a.yml"}


@pytest.mark.parametrize(
    ("path", "folder", "base_folder", "origin"),
    [
        ("/project/specs/a.yml", "/project/build/client", "/project", "specs/a.yml"),
        ("/project/specs/a.yml", "/elsewhere/client", "/project", "specs/a.yml"),
        ("/project/specs/a.yml", "/project/build/client", "/project/build", "specs/a.yml"),
        ("/project/specs/a.yml", "/project/build/client", "/elsewhere", "specs/a.yml"),
        ("/project/specs/a.yml", "/project/specs/client", "/elsewhere", "a.yml"),
        ("/project/specs/a.yml", "/out/client", "/elsewhere", "a.yml"),
        ("/project/specs/a.yml", "/out/client", "/", "a.yml"),
        ("-", "/out/client", "/", "-"),
    ],
)
def test_generated_code_does_not_tell_where_the_project_is(
    path: str, folder: str, base_folder: str, origin: str
) -> None:
    assert origin_of(Source(path, path), folder, base_folder) == origin


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("spec", "spec: error: There is no such file or folder. [no-such-source]\n    hint: Did you mean specs?"),
        ("nowhere/x.yml", "nowhere/x.yml: error: There is no such file or folder. [no-such-source]"),
        ("*.toml", "*.toml: error: No file matches this pattern. [no-such-source]"),
        (
            "empty",
            "empty: error: The folder holds no definitions: no file in it ends in .yml, .yaml, .json. [empty-folder]",
        ),
    ],
)
def test_what_is_not_there_is_an_error(source: str, text: str) -> None:
    found, problems = discover([source])
    assert found == []
    assert [str(problem) for problem in problems] == [text]
