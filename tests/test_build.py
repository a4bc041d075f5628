"""Regeneration from the command line: what is written, what is left alone, what is removed, refused and said."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import black
import pytest
from support import LAB, TESTS
from support.processes import DIFYGEN, importing, printed
from support.projects import CONCAT, REPORT, Project, Ran, difygen

LOWERED = "`string` took at most 48 characters and takes at most 40. Values that are longer are refused."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    project.write("specs/report.yaml", REPORT)
    monkeypatch.chdir(project.folder)
    return project


def lock(project: Project) -> dict[str, dict[str, dict[str, str]]]:
    loaded: dict[str, dict[str, dict[str, str]]] = json.loads((project.client / "difygen.lock").read_text())
    return loaded


def test_the_first_run_writes_a_package_that_imports(project: Project) -> None:
    ran = project.generate()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("client: 2 workflows; files: ")
    program = "import client; print(client.run_concat.__name__, client.ReportClient.__name__)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "run_concat ReportClient\n"


def test_the_runtime_is_laid_out_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Black takes ten seconds for all of it, and a change of a definition changes nothing of it."""
    laid_out = []
    monkeypatch.setattr(black, "format_str", lambda text, **mode: laid_out.append(text) or text)
    project.write("difygen.toml", 'sources = ["specs"]\noutput = "client"\nline_length = 100\n')
    difygen("--config", "difygen.toml")
    assert len(laid_out) > 30
    laid_out.clear()
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    (project.client / "_runtime" / "_http.py").unlink()
    assert "files: 2 written" in difygen("--config", "difygen.toml").out
    assert 0 < len(laid_out) < 10
    laid_out.clear()
    assert difygen("check", "--config", "difygen.toml").code == 0
    module, settled = project.client / "_runtime" / "_errors.py", lock(project)["files"]["_runtime/_errors.py"]
    module.write_text(f"{module.read_text()}PORT = 1\n")
    assert f"EDITED   {module.relative_to(project.folder)}" in difygen("check", "--config", "difygen.toml").out
    project.change("client/difygen.lock", str(settled), hashlib.sha256(module.read_bytes()).hexdigest())
    assert f"OUTDATED {module.relative_to(project.folder)}" in difygen("check", "--config", "difygen.toml").out
    assert len(laid_out) < 30


def test_what_a_chat_app_needs_of_the_runtime_is_laid_out_when_it_comes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out: list[str] = []
    monkeypatch.setattr(black, "format_str", lambda text, **mode: laid_out.append(text) or text)
    project.write("difygen.toml", 'sources = ["specs"]\noutput = "client"\nline_length = 100\n')
    difygen("--config", "difygen.toml")
    core = {path.name: path.stat().st_mtime_ns for path in (project.client / "_runtime").glob("_[a-z]*.py")}
    assert not (project.client / "_runtime" / "chat").exists()
    laid_out.clear()
    project.write("specs/talk.yaml", "name: talk\nmode: chat\n")
    assert difygen("--config", "difygen.toml").code == 0
    new = [*(project.client / "_runtime" / "chat").iterdir(), "_runtime/__init__.py", "__init__.py", "talk.py"]
    assert len(laid_out) == 2 * len(new)
    program = "import client; print(client.TalkClient.__mro__[1] is client.ChatClient, client.Turn.__module__)"
    assert printed(program, folders=(project.folder,)) == "True client\n"
    assert difygen("check", "--config", "difygen.toml").code == 0
    laid_out.clear()
    (project.folder / "specs" / "talk.yaml").unlink()
    assert difygen("--config", "difygen.toml").code == 0
    assert len(laid_out) == 2 * len(["__init__.py", "_runtime/__init__.py"])
    assert not (project.client / "_runtime" / "chat").exists()
    assert printed("import client; print(hasattr(client, 'Turn'))", folders=(project.folder,)) == "False\n"
    assert {path.name: path.stat().st_mtime_ns for path in (project.client / "_runtime").glob("_[a-z]*.py")} == core


def test_the_lock_says_what_came_from_what(project: Project) -> None:
    project.generate()
    entry = lock(project)["apps"]["concat"]
    assert entry["source"] == "../specs/concat.yaml"
    assert entry["origin"] == "specs/concat.yaml"
    assert "run_concat" in lock(project)["contracts"]["concat"]["exports"]
    text = (project.client / "difygen.lock").read_text()
    assert str(project.folder) not in text
    assert set(lock(project)["files"]) == {
        path.relative_to(project.client).as_posix()
        for path in project.client.rglob("*")
        if path.is_file() and path.name != "difygen.lock" and path.suffix != ".pyc"
    }


def test_nothing_changed_means_nothing_touched_and_nothing_imported(project: Project) -> None:
    project.generate()
    before = project.stamps()
    program = (
        "import sys; from difygen.command_line import read_config; from difygen.project.build import run_generate;"
        "assert run_generate(read_config(sources=('specs',), output='client')) == 0;"
        "print(sorted({'yaml', 'jinja2', 'pydantic', 'rich', 'black', 'httpx', 'difygen.parser', 'difygen.codegen'}"
        " & set(sys.modules)))"
    )
    out = printed(program)
    assert out.splitlines()[0].endswith("files: nothing changed")
    assert out.splitlines()[1] == "[]"
    assert project.stamps() == before


def test_a_fresh_checkout_changes_nothing(project: Project) -> None:
    project.generate()
    for path in [*project.folder.rglob("*")]:
        os.utime(path, (0, 0))
    before = project.stamps()
    assert "nothing changed" in project.generate().out
    assert project.stamps() == before


def test_that_the_lock_alone_was_written_is_said(project: Project) -> None:
    """A comment in a definition changes no file but the one that holds the definition's hash."""
    project.generate()
    lock = project.client / "difygen.lock"
    before = lock.read_bytes()
    project.change("specs/concat.yaml", "name: concat", "name: concat  # joins")
    ran = project.generate("specs", "-v")
    assert lock.read_bytes() != before
    assert ran.out.splitlines() == [
        f"wrote {os.path.join('client', 'difygen.lock')}",
        "client: 2 workflows; files: nothing changed but difygen.lock",
    ]
    assert project.generate().out == "client: 2 workflows; files: nothing changed\n"


def test_only_what_changed_is_written_and_the_change_is_judged(project: Project) -> None:
    project.generate()
    before = project.stamps()
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    ran = project.generate()
    assert ran.code == 0
    assert ran.out.splitlines()[1:] == [
        f"breaking    concat inputs.string  {LOWERED}",
        "1 breaking change. Callers have to change: this is a major version.",
    ]
    after = project.stamps()
    changed = {Path(path).name for path in after if after[path] != before[path]}
    assert changed == {"client", "_runtime", "concat.py", "difygen.lock"}
    assert "max_length=40" in (project.client / "concat.py").read_text()


def test_a_definition_that_is_only_rearranged_changes_the_lock_alone(project: Project) -> None:
    project.generate()
    before = project.stamps()
    project.write("specs/concat.yaml", f"# A comment.\n{CONCAT}")
    ran = project.generate()
    assert "nothing changed" in ran.out
    after = project.stamps()
    assert {Path(path).name for path in after if after[path] != before[path]} == {"client", "difygen.lock"}
    assert project.check().code == 0


def test_a_workflow_that_is_gone_takes_its_files_with_it(project: Project) -> None:
    project.generate()
    (project.folder / "specs/report.yaml").unlink()
    ran = project.generate("specs", "-v")
    assert f"removed {os.path.join('client', 'report.py')}" in ran.out
    assert "The workflow `report` is gone." in ran.out
    assert project.modules() == {"concat"}
    assert "report" not in (project.client / "__init__.py").read_text()


def test_a_workflow_that_is_added_changes_no_other(project: Project) -> None:
    project.generate("specs/concat.yaml")
    before = project.stamps()
    assert "The workflow `report` is new." in project.generate().out
    after = project.stamps()
    assert after[str(project.client / "concat.py")] == before[str(project.client / "concat.py")]
    assert project.modules() == {"concat", "report"}


@pytest.mark.parametrize("force", [False, True])
def test_an_edited_file_stands_in_the_way(project: Project, force: bool) -> None:
    project.generate()
    target = project.client / "concat.py"
    target.write_text(target.read_text() + "# mine\n")
    before = project.stamps()
    ran = project.generate("specs", *(["--force"] if force else []))
    if force:
        assert ran.code == 0
        assert "# mine" not in target.read_text()
        return
    assert ran.code == 1
    assert ran.err == (
        f"Error: {os.path.join('client', 'concat.py')} was edited by hand\n"
        "nothing was written; use --force to overwrite\n"
    )
    assert project.stamps() == before


def test_foreign_files_are_left_alone_and_named_when_they_stand_in_the_way(project: Project) -> None:
    project.write("client/notes.md", "mine")
    project.write("client/concat.py", "mine")
    ran = project.generate()
    assert ran.code == 1
    assert f"{os.path.join('client', 'concat.py')} was not written by difygen" in ran.err
    assert sorted(os.listdir(project.client)) == ["concat.py", "notes.md"]
    assert project.generate("specs", "--force").code == 0
    assert (project.client / "notes.md").read_text() == "mine"


def test_a_file_that_somebody_deleted_comes_back(project: Project) -> None:
    project.generate()
    (project.client / "_runtime" / "_payloads.py").unlink()
    (project.client / "concat.py").unlink()
    assert project.generate().code == 0
    assert project.check().code == 0


def test_errors_come_all_at_once_and_nothing_is_written(project: Project) -> None:
    project.generate()
    project.change("specs/concat.yaml", "text-input", "text-inputt")
    project.change("specs/report.yaml", "text: string", "text: strin")
    before = project.stamps()
    ran = project.generate()
    assert ran.code == 2
    assert ran.out == ""
    assert "specs/concat.yaml:3:" in ran.err
    assert "specs/report.yaml:4:" in ran.err
    assert project.stamps() == before


def test_a_broken_lock_is_explained(project: Project) -> None:
    project.generate()
    path = project.client / "difygen.lock"
    path.write_text("<<<<<<< HEAD\n" + path.read_text())
    ran = project.generate()
    assert ran.code == 1
    assert ran.err.splitlines() == [
        f"Error: {os.path.join('client', 'difygen.lock')} cannot be used: "
        + "it is not JSON (it holds the marks of a merge conflict)",
        "nothing was written; restore it from version control, or use --force to write it anew",
    ]
    assert project.generate("specs", "--force").code == 0
    assert project.check().code == 0


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ('"contracts": {\n  "concat"', '"contracts": {\n  "other"', "report"),
        ('    "name": "string"', "<<<<<<< HEAD", "concat"),
    ],
)
def test_contracts_of_the_lock_that_were_damaged_are_written_anew(
    project: Project, old: str, new: str, changed: str
) -> None:
    project.generate()
    project.change("client/difygen.lock", old, new)
    project.change(f"specs/{changed}.yaml", f"name: {changed}", f"name: {changed}\ntitle: Changed")
    ran = project.generate()
    assert (ran.code, ran.err) == (0, "")
    assert set(lock(project)["contracts"]) == {"concat", "report"}
    assert project.check().code == 0


def test_warnings_of_unchanged_definitions_are_counted_and_strict_shows_them(project: Project) -> None:
    shutil.copy(TESTS / "cases/dsl/input_defaults/passed_on_by_the_server.yml", project.folder / "specs")
    first = project.generate()
    assert first.code == 0
    assert first.err.count("warning:") == 3
    second = project.generate()
    assert (second.code, second.err) == (0, "")
    assert second.out.splitlines()[1] == "3 warnings about unchanged definitions (--strict shows them)"
    strict = project.generate("specs", "--strict")
    assert strict.code == 1
    assert strict.err == first.err
    assert difygen("check", "specs", "--strict", "-o", "client").code == 1


def test_quiet_prints_errors_alone(project: Project) -> None:
    shutil.copy(LAB / "defaults_empty.yml", project.folder / "specs")
    ran = project.generate("specs", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    project.write("specs/broken.yaml", "inputs: [")
    assert "specs/broken.yaml:1:" in project.generate("specs", "-q").err


def test_other_files_in_a_folder_are_left_out_but_named_files_are_mistakes(project: Project) -> None:
    project.write("specs/docker-compose.yml", "services: {}\n")
    project.write("specs/pipeline.yml", "kind: rag_pipeline\nversion: 0.1.0\nrag_pipeline: {name: p}\n")
    ran = project.generate()
    assert ran.code == 0
    assert ran.err == "left out 2 files that define no app (-v names them)\n"
    assert project.modules() == {"concat", "report"}
    named = project.generate("specs", "-v").err
    assert "specs/docker-compose.yml:1:1: skipped: " in named
    assert "specs/pipeline.yml:1:7: skipped: " in named
    ran = project.generate("specs/docker-compose.yml", "specs/concat.yaml")
    assert ran.code == 2
    assert "specs/docker-compose.yml:1:1: error: " in ran.err


def test_a_folder_without_definitions_is_a_mistake(project: Project) -> None:
    project.write("other/docker-compose.yml", "services: {}\n")
    ran = project.generate("other")
    assert ran.code == 2
    assert "no-definitions" in ran.err


def test_standard_input_is_a_source(project: Project) -> None:
    ran = difygen("-", "-o", "client", stdin=CONCAT.encode())
    assert ran.code == 0
    assert lock(project)["apps"]["concat"]["source"] == "-"
    assert "nothing changed" in difygen("-", "-o", "client", stdin=CONCAT.encode()).out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_a_source(project: Project) -> None:
    """As in `difygen <(curl ...) -o client`."""
    os.mkfifo("pipe")
    for _ in range(2):
        with ThreadPoolExecutor() as executor:
            executor.submit(Path("pipe").write_text, CONCAT)
            assert project.generate("pipe").code == 0
        assert project.modules() == {"concat"}


def test_the_package_is_the_same_wherever_it_is_generated(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.generate()
    first = {path.name: path.read_bytes() for path in project.client.glob("*") if path.is_file()}
    monkeypatch.chdir(project.folder / "specs")
    assert "nothing changed" in difygen("concat.yaml", "report.yaml", "-o", "../client").out
    assert difygen("check", str(project.folder / "specs"), "-o", str(project.client)).code == 0
    monkeypatch.chdir(project.folder)
    shutil.rmtree(project.client)
    difygen("specs", "-o", "client", "--force")
    assert {path.name: path.read_bytes() for path in project.client.glob("*") if path.is_file()} == first


def test_a_moved_project_is_the_same(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.generate()
    project.folder.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert "nothing changed" in difygen("specs", "-o", "client").out


def test_workflows_of_one_name_keep_their_modules_whoever_comes_and_goes(project: Project) -> None:
    project.write("specs/z.yaml", CONCAT)
    project.generate()
    modules = project.modules()
    (other,) = modules - {"concat", "report"}
    assert other.startswith("concat_")
    project.write("specs/a.yaml", CONCAT)
    project.generate()
    assert modules < project.modules()
    assert {name: entry["source"] for name, entry in lock(project)["apps"].items() if name in modules} == {
        "concat": "../specs/concat.yaml",
        other: "../specs/z.yaml",
        "report": "../specs/report.yaml",
    }
    (project.folder / "specs/concat.yaml").unlink()
    project.generate()
    assert lock(project)["apps"][other]["source"] == "../specs/z.yaml"
    assert "concat" not in lock(project)["apps"]
    assert project.check().code == 0


def test_a_renamed_workflow_is_told_as_such(project: Project) -> None:
    project.generate()
    project.change("specs/concat.yaml", "name: concat", "name: join")
    assert "`concat` is now called `join`." in project.generate().out
    assert project.modules() == {"join", "report"}


def test_many_definitions_are_generated_as_they_are_checked(project: Project) -> None:
    for number in range(40):
        project.write(f"many/w{number}.yaml", CONCAT.replace("concat", f"flow {number}"))
    subprocess.run([*DIFYGEN, "many", "-q", "-o", "client"], check=True, env=importing())
    assert len(project.modules()) == 40
    assert difygen("check", "many", "-o", "client").code == 0


def test_runs_at_once_leave_the_package_of_one_of_them(project: Project) -> None:
    command = [*DIFYGEN, "-q", "-o", "client"]
    both, one = ["specs"], ["specs/concat.yaml", "--prune"]
    for _ in range(3):
        runs = [subprocess.Popen([*command, *sources], env=importing()) for sources in (both, one, both, one)]
        assert [run.wait() for run in runs] == [0, 0, 0, 0]
        assert sorted([project.check(*both).code, project.check(one[0]).code]) == [0, 1]
    assert sorted(os.listdir(".")) == ["client", "specs"]


def test_output_that_is_no_folder_is_explained(project: Project) -> None:
    project.write("client", "")
    ran = project.generate()
    assert ran.code == 1
    assert ran.err.startswith("Error: cannot ")


# Check.


def test_check_is_silent_when_all_is_well(project: Project) -> None:
    project.generate()
    before = project.stamps()
    ran = project.check()
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert project.stamps() == before


def test_check_shows_what_differs(project: Project) -> None:
    project.generate()
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    project.change("client/report.py", "import", "import  ")
    (project.client / "py.typed").unlink()
    project.write("client/mine.py", "")
    before = project.stamps()
    ran = project.check()
    assert ran.code == 1
    assert project.stamps() == before
    lines = ran.out.splitlines()
    assert lines[:3] == [
        f"MISSING  {os.path.join('client', 'py.typed')}",
        f"OUTDATED {os.path.join('client', 'concat.py')}",
        f"EDITED   {os.path.join('client', 'report.py')}",
    ]
    assert f"--- {os.path.join('client', 'concat.py')}" in lines
    assert "-    string: Annotated[Text, Field(max_length=48)]" in lines
    assert "+    string: Annotated[Text, Field(max_length=40)]" in lines
    assert lines[-1].startswith("difygen replaces no file that somebody edited"), lines[-1]
    assert "mine.py" not in ran.out


def test_check_names_what_is_too_much(project: Project) -> None:
    project.generate()
    (project.folder / "specs/report.yaml").unlink()
    ran = project.check()
    assert ran.code == 1
    assert f"EXTRA    {os.path.join('client', 'report.py')}" in ran.out.splitlines()


def test_check_trusts_no_hash(project: Project) -> None:
    """As after a merge that took the lock of one side and the code of the other."""
    project.generate()
    old = (project.client / "concat.py").read_text()
    old_lock = lock(project)["files"]["concat.py"]
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    project.generate()
    new_lock = lock(project)["files"]["concat.py"]
    (project.client / "concat.py").write_text(old)
    project.change("client/difygen.lock", str(new_lock), str(old_lock))
    assert "nothing changed" in project.generate().out
    assert project.check().code == 1


def test_check_bounds_what_it_shows(project: Project) -> None:
    project.generate()
    target = project.client / "concat.py"
    target.write_text("\n".join(f"line {number}" for number in range(1000)))
    lines = project.check().out.splitlines()
    assert len(lines) < 80
    assert "... (more lines differ)" in lines


def test_check_of_nothing_and_of_mistakes(project: Project) -> None:
    ran = project.check()
    assert ran.code == 1
    assert "MISSING" in ran.out
    assert not project.client.exists()
    project.change("specs/concat.yaml", "text-input", "text-inputt")
    ran = project.check()
    assert (ran.code, ran.out) == (2, "")
    assert "specs/concat.yaml:3:" in ran.err


def test_check_of_a_package_without_its_lock(project: Project) -> None:
    project.generate()
    (project.client / "difygen.lock").unlink()
    ran = project.check()
    assert ran.code == 1
    assert ran.out.splitlines()[0] == f"OUTDATED {os.path.join('client', 'difygen.lock')} is missing"


def test_a_checkout_with_windows_line_ends_is_no_change(project: Project) -> None:
    project.generate()
    for path in (*project.folder.glob("specs/*"), *project.client.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = project.stamps()
    assert project.check() == Ran(0, "", "")
    assert project.generate().out == "client: 2 workflows; files: nothing changed\n"
    assert project.generate("specs", "--force").out == "client: 2 workflows; files: nothing changed\n"
    assert project.stamps() == before
    project.change("specs/report.yaml", "text: string", "text: number")
    assert project.check().code == 1


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("my-client", "`my-client` is no name that Python can import. Choose another name, such as `my_client`."),
        ("2.py", "`2` is no name that Python can import. Choose another name, such as `client_2`."),
        ("class", "`class` is a Python keyword. Choose another name, such as `class_client`."),
        ("Aux.py", "`Aux` is the name of a device on Windows. Choose another name, such as `aux_client`."),
        ("json", "`json` hides the module of that name, which clients or what they need may import. json_client"),
        ("httpx.py", "`httpx` hides the module of that name, which clients or what they need may import. httpx_client"),
    ],
)
def test_an_output_that_cannot_be_imported_by_its_name_is_warned_of(
    project: Project, output: str, message: str
) -> None:
    ran = difygen("specs/concat.yaml", "-o", f"out/{output}")
    sentence, _, better = message.rpartition(". ")
    assert ran.code == 0
    assert f"out/{output}: warning: {sentence}. [output-name]\n" in ran.err
    assert better.rpartition(" ")[2].strip("`.") in ran.err
    assert difygen("specs/concat.yaml", "-o", f"out/{output}", "--force", "--strict").code == 1


def test_what_has_its_name_within_a_package_hides_nothing(project: Project) -> None:
    project.write("out/__init__.py", "")
    assert difygen("specs/concat.yaml", "-o", "out/json").err == ""


def test_settings_are_found_from_a_folder_below_as_far_as_the_root_of_the_repository(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("pyproject.toml", '[tool.difygen]\nsources = ["specs"]\noutput = "client"\n')
    project.write("specs/pyproject.toml", "[tool.other]\n")
    assert difygen().code == 0
    before = project.stamps()
    monkeypatch.chdir(project.folder / "specs")
    assert difygen("check") == Ran(0, "", "")
    assert difygen().out == f"{os.path.join('..', 'client')}: 2 workflows; files: nothing changed\n"
    assert difygen("--force").code == 0
    assert project.stamps() == before, "what is generated does not depend on where difygen runs"
    project.change("pyproject.toml", "output", "outptu")
    assert difygen("check").err.startswith(f"{os.path.join('..', 'pyproject.toml')}:3:1: error: ")
    project.write("specs/difygen.toml", 'sources = ["report.yaml"]\noutput = "../other"\n')
    assert difygen().out.startswith(f"{os.path.join('..', 'other')}: 1 workflow; files: ")
    (project.folder / "specs" / "difygen.toml").unlink()
    (project.folder / "specs" / ".git").mkdir()
    ran = difygen("check")
    assert (ran.code, "No SOURCE was given" in ran.err) == (2, True), "a repository's settings end at its root"
