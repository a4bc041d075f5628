"""Documents that go along with a package: written with it as a whole, known by a lock of their own, and let alone where
somebody else wrote them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from difygen.publish import stages
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.processes import printed
from support.projects import CONCAT, REPORT, Project, Ran, commit_all, difygen

SETTINGS = """\
sources = ["specs"]
output = "client"
openapi = { output = "openapi", format = "json" }
tools = { output = "tools", for = "anthropic" }
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    project.write("specs/report.yaml", REPORT)
    project.write("difygen.toml", SETTINGS)
    monkeypatch.chdir(project.folder)
    return project


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, and folders that are empty."""
    paths = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"(empty)"
        for path in paths
        if path.is_file() or not any(path.iterdir())
    }


def lower(project: Project) -> None:
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")


def test_nothing_changed_means_nothing_touched_and_nothing_imported(project: Project) -> None:
    assert difygen().code == 0
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in project.folder.rglob("*")}
    program = (
        "import sys; from difygen.command_line import read_config; from difygen.project.build import run_generate;"
        "assert run_generate(read_config(needs=('sources', 'output'))) == 0;"
        "print(sorted({'yaml', 'jinja2', 'pydantic', 'difygen.parser', 'difygen.documents', 'difygen.mock'}"
        " & set(sys.modules)))"
    )
    assert printed(program).splitlines() == [
        "client: 2 workflows; files: nothing changed",
        "openapi: 2 documents; files: nothing changed",
        "tools: 1 document; files: nothing changed",
        "[]",
    ]
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in project.folder.rglob("*")} == before


def test_without_documents_a_change_imports_nothing_of_them(project: Project) -> None:
    project.write("difygen.toml", 'sources = ["specs"]\noutput = "client"\n')
    program = (
        "import sys; from difygen.command_line import read_config; from difygen.project.build import run_generate;"
        "assert run_generate(read_config(needs=('sources', 'output'))) == 0;"
        "print(sorted({'difygen.documents', 'difygen.mock', 'asyncio'} & set(sys.modules)))"
    )
    assert printed(program).splitlines()[-1] == "[]"


def test_documents_of_apps_that_did_not_change_are_not_made_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert difygen().code == 0
    from difygen import documents

    made: list[str] = []
    rendered = documents.openapi_of
    monkeypatch.setattr(documents, "openapi_of", lambda app, wanted: made.append(app.name) or rendered(app, wanted))
    lower(project)
    assert difygen().code == 0
    assert made == ["concat"]
    assert difygen("check").code == 0
    assert sorted(made[1:]) == ["concat", "report"], "a check trusts no hash"


def test_an_app_that_is_called_like_the_list_of_all_keeps_its_page(project: Project) -> None:
    project.write(
        "difygen.toml", 'sources = ["specs"]\noutput = "client"\ndocs = { output = "api", formats = "html" }\n'
    )
    project.change("specs/report.yaml", "name: report", "name: index")
    assert difygen().code == 0
    lower(project)
    assert difygen().code == 0
    assert {path.name for path in (project.folder / "api").glob("*.html")} == {
        "concat.html",
        "index.html",
        "index_.html",
    }
    assert difygen("check") == Ran(0, "", "")
    assert difygen().out.count("nothing changed\n") == 2


def test_a_lock_from_before_there_were_documents_is_one(project: Project) -> None:
    project.write("difygen.toml", 'sources = ["specs"]\noutput = "client"\n')
    assert difygen().code == 0
    lock = (project.client / "difygen.lock").read_bytes()
    project.write("difygen.toml", SETTINGS)
    assert difygen("check").code == 1
    ran = difygen()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[:2] == [
        "client: 2 workflows; files: nothing changed",
        "openapi: 2 documents; files: 2 written",
    ]
    assert (project.client / "difygen.lock").read_bytes() == lock


def test_a_source_or_an_output_on_the_command_line_is_for_the_package_alone(project: Project) -> None:
    assert difygen("specs/concat.yaml", "-o", "one").code == 0
    ran = difygen("-o", "other")
    assert (ran.code, ran.err, ran.out.count("\n"), ran.out[:6]) == (0, "", 1, "other:")
    assert difygen("check", "-o", "other") == Ran(0, "", "")
    assert not (project.folder / "openapi").exists()


def test_what_the_settings_say_of_documents_holds_for_a_source_too(project: Project) -> None:
    project.write("difygen.toml", 'openapi = { version = "3.0", base_url = "https://dify.example.com/v1" }\n')
    assert "`openapi` does not say where to." in difygen("openapi", "specs/concat.yaml").err
    project.change("difygen.toml", "{ ", '{ output = "api", ')
    printed_one = difygen("openapi", "specs/concat.yaml").out
    assert printed_one.startswith("openapi: 3.0.3\n")
    assert "- url: https://dify.example.com/v1\n" in printed_one
    assert difygen("openapi", "specs/concat.yaml", "--openapi", "3.2").out.startswith("openapi: 3.2.0\n")


def test_documents_among_definitions_are_no_definitions(project: Project) -> None:
    project.write("difygen.toml", 'sources = ["."]\noutput = "client"\nopenapi = "specs"\n')
    for _ in range(2):
        ran = difygen()
        assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("specs: 2 documents; files: nothing changed\n")
    assert difygen("check") == Ran(0, "", "")


def test_changes_for_callers_are_found_beside_documents(project: Project) -> None:
    project.write("difygen.toml", 'sources = ["specs"]\noutput = "client"\nopenapi = "specs"\n')
    assert difygen().code == 0
    commit_all()
    lower(project)
    for old, new in (("HEAD:specs", "specs"), ("client", "specs"), ("HEAD:client", "specs")):
        ran = difygen("diff", old, new, "--fail-on", "breaking")
        assert (ran.code, ran.err) == (1, "")
        assert ran.out.startswith("breaking    concat inputs.string")
    ran = difygen("diff", "specs/difygen.lock", "client")
    assert (ran.code, "it is the lock of documents, which has no contracts: name the package" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("client", "openapi"),
    [
        ("client", "client/openapi"),
        ("client", "tools"),
        ("client", "."),
        ("client.py", "openapi"),
        ("openapi/client", "specs/../openapi/"),
        ("openapi/client.py", "specs"),
    ],
)
def test_folders_may_be_anywhere(project: Project, client: str, openapi: str) -> None:
    text = SETTINGS.replace('"client"', f'"{client}"').replace('"openapi"', f'"{openapi}"')
    project.write("difygen.toml", text)
    ran = difygen()
    assert (ran.code, ran.err) == (0, "")
    assert difygen("check") == Ran(0, "", "")
    assert difygen().out.count("nothing changed") >= 2
    lower(project)
    assert difygen("check").code == 1
    assert difygen().code == 0
    (project.folder / "specs" / "report.yaml").unlink()
    assert difygen().code == 0
    assert difygen("check") == Ran(0, "", "")
    assert [path.name for path in (project.folder / openapi).glob("*.openapi.json")] == ["concat.openapi.json"]


def test_a_package_that_was_renamed_keeps_its_documents(project: Project) -> None:
    assert difygen().code == 0
    project.client.rename(project.folder / "clients")
    project.change("difygen.toml", '"client"', '"clients"')
    ran = difygen()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1] == "openapi: 2 documents; files: nothing changed but difygen.lock"
    assert difygen("check") == Ran(0, "", "")


def test_documents_that_the_command_wrote_before_are_taken_over(project: Project) -> None:
    assert difygen("openapi", "specs", "--format", "json", "-o", "openapi").code == 0
    lower(project)
    ran = difygen()
    assert (ran.code, ran.err) == (0, "")
    assert difygen("openapi", "--check").code == 0
    ran = difygen("openapi", "specs", "-o", "openapi")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: openapi holds the documents that go along with client\n")


# What is not ours


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_documents_that_cannot_be_written_leave_no_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stages.os, "write", full)
    before = tree(project.folder)
    ran = difygen("docs", "specs", "-o", "pages")
    assert (ran.code, tree(project.folder)) == (1, before)
    assert ran.err == "Error: cannot write pages: No space left on device; nothing was changed\n"


def test_links_lead_nowhere(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text("{}\n")
    (project.folder / "openapi").mkdir()
    (project.folder / "openapi" / "concat.openapi.json").symlink_to(outside)
    ran = difygen()
    assert ran.code == 1
    assert f"{os.path.join('openapi', 'concat.openapi.json')} was not written by difygen" in ran.err
    assert not project.client.exists()
    assert difygen("--force").code == 0
    assert outside.read_text() == "{}\n"


@pytest.mark.parametrize("path", ["../specs/concat.yaml", "/etc/hostname", "a/../../specs/concat.yaml", "c:/x", "a\\b"])
def test_a_lock_that_names_files_elsewhere_is_no_lock(project: Project, path: str) -> None:
    assert difygen().code == 0
    lock = project.folder / "openapi" / "difygen.lock"
    loaded = json.loads(lock.read_text())
    loaded["files"][path] = "0" * 64
    lock.write_text(json.dumps(loaded))
    before = tree(project.folder)
    ran = difygen()
    assert ran.code == 1
    assert "cannot be used: it was damaged" in ran.err
    assert tree(project.folder) == before
    assert difygen("check").code == 1
    assert difygen("--force").code == 0
    assert difygen("check") == Ran(0, "", "")


def test_a_lock_that_names_files_of_others_removes_none(project: Project) -> None:
    assert difygen().code == 0
    project.write("openapi/mine.json", "{}\n")
    lock = project.folder / "openapi" / "difygen.lock"
    loaded = json.loads(lock.read_text())
    loaded["files"]["mine.json"] = "0" * 64
    lock.write_text(json.dumps(loaded))
    ran = difygen()
    assert ran.code == 1
    assert f"{os.path.join('openapi', 'mine.json')} was edited by hand" in ran.err
    assert (project.folder / "openapi" / "mine.json").read_text() == "{}\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can write everywhere")
@pytest.mark.parametrize("folder", ["openapi", "tools", "client"])
def test_a_folder_that_cannot_be_written_leaves_all_as_it_was(project: Project, folder: str) -> None:
    assert difygen().code == 0
    lower(project)
    before = tree(project.folder)
    (project.folder / folder).chmod(0o500)
    project.folder.chmod(0o500)
    try:
        ran = difygen()
        assert (ran.code, tree(project.folder)) == (1, before)
        assert "nothing was changed" in ran.err
    finally:
        project.folder.chmod(0o700)
        (project.folder / folder).chmod(0o700)
    assert difygen().code == 0


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("in_place", [True, False])
def test_whatever_fails_leaves_all_as_it_was(
    project: Project, monkeypatch: pytest.MonkeyPatch, first: bool, in_place: bool
) -> None:
    """Every step that puts something into its place fails once."""
    if not first:
        assert difygen().code == 0
    if in_place:
        project.write("openapi/of-mine/note.txt", "mine")
        project.write("client/of_mine/note.txt", "mine")
    lower(project)
    before = tree(project.folder)
    left = 0

    def failing(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(13, "Permission denied", str(arguments[-1]))
            return step(*arguments)

        return run

    for module, name in ((os, "replace"), (os, "rename"), (stages, "_swap")):
        monkeypatch.setattr(module, name, failing(getattr(module, name)))
    failed = 0
    while True:
        left = failed
        ran = difygen()
        if ran.code == 0:
            break
        failed += 1
        assert "Permission denied; nothing was changed" in ran.err
        assert tree(project.folder) == before, ran.err
    assert failed >= 3
    left = -1
    assert difygen("check") == Ran(0, "", "")


# Whatever happens, in whatever order


class Life(RuleBasedStateMachine):
    """Apps come, change, are renamed and go; files are edited, lost, or somebody else's; difygen runs or does not."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path("life").absolute()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.project = Project(self.folder)
        self.project.write("difygen.toml", SETTINGS)
        self.apps: dict[str, tuple[str, int]] = {}
        self.foreign: dict[Path, str] = {}
        self.edited: set[Path] = set()
        self.written: set[Path] = set()
        self.number = 0
        self.add()

    def write_spec(self, file: str) -> None:
        name, limit = self.apps[file]
        text = CONCAT.replace("name: concat", f"name: {name}").replace("48", str(limit))
        self.project.write(f"specs/{file}.yaml", text)

    def document(self, name: str) -> Path:
        return self.folder / "openapi" / f"{name}.openapi.json"

    @precondition(lambda self: len(self.apps) < 3)
    @rule()
    def add(self) -> None:
        self.number += 1
        self.apps[f"f{self.number}"] = (f"app{self.number}", 10)
        self.write_spec(f"f{self.number}")

    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(sorted(self.apps)))
        self.apps[file] = (self.apps[file][0], self.apps[file][1] + 1)
        self.write_spec(file)

    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(sorted(self.apps)))
        self.number += 1
        self.apps[file] = (f"app{self.number}", self.apps[file][1])
        self.write_spec(file)

    @precondition(lambda self: len(self.apps) > 1)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(sorted(self.apps)))
        del self.apps[file]
        (self.folder / "specs" / f"{file}.yaml").unlink()

    @rule(place=st.sampled_from(["openapi/notes.json", "openapi/below/x.openapi.json", "tools/README.md"]))
    def put_a_file_of_my_own(self, place: str) -> None:
        self.foreign[self.project.write(place, "mine")] = "mine"

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        name, _ = self.apps[data.draw(st.sampled_from(sorted(self.apps)))]
        self.document(name).unlink(missing_ok=True)
        self.edited.discard(self.document(name))

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        name, _ = self.apps[data.draw(st.sampled_from(sorted(self.apps)))]
        self.document(name).parent.mkdir(exist_ok=True)
        self.document(name).write_text("{}\n")
        self.edited.add(self.document(name))

    @rule(command=st.sampled_from([(), (), ("openapi",), ("tools",)]))
    def run(self, command: tuple[str, ...]) -> None:
        before = tree(self.folder)
        os.chdir(self.folder)
        names = {name for name, _ in self.apps.values()}
        wanted = set(map(self.document, names))
        in_the_way = {path for path in self.edited if path.exists() and path in wanted | self.written}
        if command == ("tools",):
            in_the_way.clear()
        ran = difygen(*command)
        if in_the_way:
            assert ran.code == 1, ran
            assert all(path.name in ran.err for path in in_the_way)
            assert tree(self.folder) == before
            ran = difygen(*command, "--force")
            self.edited -= in_the_way
        assert (ran.code, ran.err) == (0, ""), ran
        if command != ("tools",):
            self.written = wanted
            others = {path for path in [*self.edited, *self.foreign] if path.parent.name == "openapi" and path.exists()}
            assert {*(self.folder / "openapi").glob("*.json")} == wanted | others
        if command != ("openapi",):
            tools = json.loads((self.folder / "tools" / "anthropic.json").read_text())
            assert {tool["name"] for tool in tools} == names
        if not command:
            assert difygen("check") == Ran(0, "", "")
            assert difygen().out.count("nothing changed\n") == 3
        else:
            assert difygen(*command, "--check") == Ran(0, "", "")

    @invariant()
    def what_is_mine_stays(self) -> None:
        if hasattr(self, "foreign"):
            assert {path: path.read_text() for path in self.foreign} == self.foreign


def test_documents_live_as_long_as_their_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = os.getcwd()

    class LifeHere(Life):
        def teardown(self) -> None:
            os.chdir(here)

    phases = (Phase.reuse, Phase.generate)  # a step takes too long to shrink what fails
    LifeHere.TestCase.settings = settings(max_examples=12, stateful_step_count=10, deadline=None, phases=phases)
    case = LifeHere.TestCase()
    case.runTest()
