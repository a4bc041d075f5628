"""One self-contained file as the output: written all at once, known to be ours by its last line, and checked like a
package.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.projects import CONCAT, REPORT, Project, difygen

NAME = "concat_client.py"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    project.write("specs/report.yaml", REPORT)
    monkeypatch.chdir(project.folder)
    difygen("specs", "-o", NAME)
    return project


def test_the_file_is_all_there_is(project: Project) -> None:
    assert sorted(os.listdir(".")) == [NAME, "specs"]
    program = (
        "import concat_client as c; print(c.run_concat.__name__, c.ReportClient.__name__, c.NodeFinished.__name__)"
    )
    out = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert out == "run_concat ReportClient NodeFinished\n"


def stamp() -> tuple[int, int, int]:
    """What writing changes; reading alone changes the time of the last use."""
    status = os.stat(NAME)
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def test_nothing_changed_means_nothing_touched(project: Project) -> None:
    before = stamp()
    assert difygen("specs", "-o", NAME).out == f"{NAME}: 2 workflows; files: nothing changed\n"
    assert stamp() == before
    checked = difygen("check", "specs", "-o", NAME)
    assert (checked.code, checked.out, checked.err) == (0, "", "")


def test_a_change_is_written_and_checked(project: Project) -> None:
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    checked = difygen("check", "specs", "-o", NAME)
    assert checked.code == 1
    assert checked.out.splitlines()[0] == f"OUTDATED {NAME}"
    assert "+    string: Annotated[Text, Field(max_length=40)]" in checked.out
    ran = difygen("specs", "-o", NAME, "-v")
    assert (ran.code, ran.out.splitlines()[0]) == (0, f"wrote {NAME}")
    assert difygen("check", "specs", "-o", NAME).code == 0


def test_windows_line_ends_are_no_edit(project: Project) -> None:
    path = Path(NAME)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert "nothing changed" in difygen("specs", "-o", NAME).out
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    assert difygen("specs", "-o", NAME).code == 0


@pytest.mark.parametrize("edit", ["# mine\n", "\n# difygen 0.1.0 wrote all of the above: 0\n", "\n"])
def test_an_edited_file_is_overwritten_only_by_force(project: Project, edit: str) -> None:
    path = Path(NAME)
    text = path.read_text()
    path.write_text(text + edit)
    ran = difygen("specs", "-o", NAME)
    assert ran.code == 1
    assert ran.err == f"Error: {NAME} was edited by hand\nnothing was written; use --force to overwrite\n"
    assert path.read_text() == text + edit
    assert difygen("check", "specs", "-o", NAME).out.splitlines()[0] == f"EDITED   {NAME}"
    assert difygen("specs", "-o", NAME, "--force").code == 0
    assert path.read_text() == text


def test_a_foreign_file_is_overwritten_only_by_force(project: Project) -> None:
    Path("mine.py").write_text("print('mine')\n")
    ran = difygen("specs", "-o", "mine.py")
    assert ran.code == 1
    assert "mine.py was not written by difygen" in ran.err
    assert Path("mine.py").read_text() == "print('mine')\n"
    assert difygen("specs", "-o", "mine.py", "--force").code == 0


def test_a_folder_is_never_replaced(project: Project) -> None:
    os.mkdir("folder.py")
    ran = difygen("specs", "-o", "folder.py", "--force")
    assert ran.code == 1
    assert ran.err == "Error: folder.py is a folder\nnothing was written; move it away, or choose another output\n"


def test_a_full_disk_leaves_the_old_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = Path(NAME).read_text()
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    monkeypatch.setattr(os, "replace", fail)
    ran = difygen("specs", "-o", NAME)
    assert ran.code == 1
    assert ran.err == f"Error: cannot write {NAME}: No space left on device; nothing was changed\n"
    assert Path(NAME).read_text() == before
    assert sorted(os.listdir(".")) == [NAME, "specs"]


def test_what_a_killed_run_left_behind_is_cleaned_up(project: Project) -> None:
    Path(f".{NAME}.difygen-1").write_text(Path(NAME).read_text()[:100])
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    assert difygen("specs", "-o", NAME).code == 0
    assert sorted(os.listdir(".")) == [NAME, "specs"]


def test_folders_above_are_made(project: Project) -> None:
    assert difygen("specs/concat.yaml", "-o", "deep/er/client.py").code == 0
    assert os.listdir("deep/er") == ["client.py"]
