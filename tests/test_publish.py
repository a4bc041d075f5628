"""Publishing touches only what differs, and never what difygen did not write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from difygen.definitions.lockfile import LOCK_NAME, Lock
from difygen.files import hash_bytes
from difygen.publish import (
    EDITED,
    FOLDER,
    FOREIGN,
    OUTSIDE,
    SHADOWED,
    Destination,
    PublishError,
    Refusal,
    RefusedError,
    SupersededError,
    Survey,
    publish,
    read_lock,
    survey,
)

OLD = {"__init__.py": "from . import a\n", "a.py": "A = 1\n", "b.py": "B = 1\n", "_runtime/__init__.py": "R = 1\n"}
NEW = {"__init__.py": "from . import a\n", "a.py": "A = 2\n", "c.py": "C = 1\n", "_runtime/__init__.py": "R = 1\n"}


def lock_of(texts: Mapping[str, str]) -> Lock:
    return Lock("1", "0", {path: hash_bytes(text.encode()) for path, text in texts.items()})


def put(folder: Path, texts: Mapping[str, str], *, force: bool = False) -> Survey:
    try:
        seen = (folder / LOCK_NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        seen = b""
    (done,) = publish(Destination(str(folder), texts, lock=lock_of(texts), seen=seen), force=force)
    return done


def contents(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK_NAME]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = [(path, path.stat()) for path in [folder, *folder.rglob("*")]]
    return {str(path): (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in found}


@pytest.fixture
def client(tmp_path: Path) -> Path:
    folder = tmp_path / "client"
    put(folder, OLD)
    return folder


def test_a_first_run_writes_everything_and_the_lock(tmp_path: Path) -> None:
    done = put(tmp_path / "deep" / "client", OLD)
    assert done == Survey(missing=tuple(sorted(OLD)), lock=True)
    assert contents(tmp_path / "deep" / "client") == OLD
    assert read_lock(str(tmp_path / "deep" / "client"))[0] == lock_of(OLD)
    assert os.listdir(tmp_path / "deep") == ["client"]


def test_a_second_run_touches_nothing(client: Path) -> None:
    before = stamps(client.parent)
    assert put(client, OLD).is_clean
    assert stamps(client.parent) == before


def test_a_change_writes_what_differs_and_removes_what_is_gone(client: Path) -> None:
    before = stamps(client)
    done = put(client, NEW)
    assert (done.missing, done.changed, done.stale) == (("c.py",), ("a.py",), ("b.py",))
    assert contents(client) == NEW
    after = stamps(client)
    for kept in ("__init__.py", "_runtime/__init__.py"):
        assert after[str(client / kept)][:2] == before[str(client / kept)][:2]
    assert os.listdir(client.parent) == ["client"]


def test_a_change_of_the_lock_alone_leaves_the_files(client: Path) -> None:
    before = stamps(client / "a.py")
    new = Lock("2", "0", lock_of(OLD).files)
    (done,) = publish(Destination(str(client), OLD, lock=new, seen=(client / LOCK_NAME).read_bytes()))
    assert done.is_clean
    assert stamps(client / "a.py") == before
    assert '"generator": "2"' in (client / LOCK_NAME).read_text()
    assert os.listdir(client.parent) == ["client"]


def test_files_that_were_decided_to_be_the_same_are_not_looked_at(client: Path) -> None:
    (client / "a.py").write_text("edited")
    assert survey(str(client), {}, OLD, lock_of(OLD)).is_clean


def test_folders_that_become_empty_go_too(client: Path) -> None:
    put(client, {"a.py": "A = 1\n"})
    assert sorted(os.listdir(client)) == ["a.py", LOCK_NAME]


@pytest.mark.parametrize("force", [False, True])
def test_an_edited_file_is_overwritten_only_by_force(client: Path, force: bool) -> None:
    (client / "a.py").write_text("A = 'mine'\n")
    if force:
        assert put(client, NEW, force=True).changed == ("a.py",)
        assert contents(client) == NEW
        return
    before = stamps(client.parent)
    with pytest.raises(RefusedError) as refused:
        put(client, NEW)
    assert refused.value.refusals == (Refusal(str(client / "a.py"), EDITED),)
    assert str(refused.value) == f"{client}/a.py was edited by hand\nnothing was written; use --force to overwrite"
    assert stamps(client.parent) == before


@pytest.mark.parametrize("force", [False, True])
def test_an_edited_file_of_a_workflow_that_is_gone_is_removed_only_by_force(client: Path, force: bool) -> None:
    (client / "b.py").write_text("B = 'mine'\n")
    if force:
        put(client, NEW, force=True)
        assert not (client / "b.py").exists()
        return
    with pytest.raises(RefusedError, match=r"b\.py was edited by hand"):
        put(client, NEW)
    assert (client / "b.py").read_text() == "B = 'mine'\n"


@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_file_is_overwritten_only_by_force(client: Path, force: bool) -> None:
    (client / "c.py").write_text("# mine\n")
    if force:
        put(client, NEW, force=True)
        assert contents(client) == NEW
        return
    with pytest.raises(RefusedError) as refused:
        put(client, NEW)
    assert refused.value.refusals == (Refusal(str(client / "c.py"), FOREIGN),)


def test_an_edit_that_arrives_at_the_new_text_is_no_edit(client: Path) -> None:
    (client / "a.py").write_text(NEW["a.py"])
    put(client, NEW)
    assert contents(client) == NEW


def test_an_edit_of_a_file_that_stays_is_refused_too(client: Path) -> None:
    (client / "_runtime" / "__init__.py").write_text("R = 'mine'\n")
    with pytest.raises(RefusedError, match="_runtime/__init__.py was edited by hand"):
        put(client, NEW)


def test_a_file_that_somebody_removed_is_written_again(client: Path) -> None:
    (client / "a.py").unlink()
    assert put(client, OLD).missing == ("a.py",)
    assert contents(client) == OLD


def test_windows_line_ends_are_no_edit(client: Path) -> None:
    for path, text in OLD.items():
        (client / path).write_bytes(text.replace("\n", "\r\n").encode())
    before = stamps(client)
    assert put(client, OLD).is_clean
    assert stamps(client) == before
    put(client, NEW)
    assert (client / "a.py").read_text() == NEW["a.py"]


def test_foreign_files_and_folders_stay(client: Path) -> None:
    (client / "notes.md").write_text("mine")
    (client / "_runtime" / "mine.py").write_text("mine")
    os.symlink("notes.md", client / "link")
    inode = (client / "notes.md").stat().st_ino
    put(client, NEW)
    assert contents(client) == {**NEW, "notes.md": "mine", "_runtime/mine.py": "mine", "link": "mine"}
    assert (client / "notes.md").stat().st_ino == inode
    (client / "mine").mkdir()
    (client / "mine" / "x.py").write_text("mine")
    put(client, OLD)
    put(client, {"a.py": "A = 3\n"})
    assert contents(client) == {
        "a.py": "A = 3\n",
        "notes.md": "mine",
        "_runtime/mine.py": "mine",
        "link": "mine",
        "mine/x.py": "mine",
    }
    assert os.listdir(client.parent) == ["client"]


def test_compiled_files_survive(client: Path) -> None:
    (client / "__pycache__").mkdir()
    (client / "__pycache__" / "a.pyc").write_text("")
    put(client, NEW)
    assert (client / "__pycache__" / "a.pyc").exists()
    assert os.listdir(client.parent) == ["client"]


def test_a_package_without_a_lock_is_adopted_when_it_is_the_same_and_refused_when_not(client: Path) -> None:
    (client / LOCK_NAME).unlink()
    put(client, OLD)
    assert read_lock(str(client))[0] == lock_of(OLD)
    (client / LOCK_NAME).unlink()
    with pytest.raises(RefusedError, match=r"a\.py was not written by difygen"):
        put(client, NEW)


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n", "[]", "\xff"])
def test_a_damaged_lock_is_replaced_only_by_force(client: Path, text: str) -> None:
    (client / LOCK_NAME).write_text(text, encoding="latin-1")
    with pytest.raises(RefusedError, match=r"difygen\.lock cannot be read"):
        publish(Destination(str(client), NEW, lock=lock_of(NEW)))
    publish(Destination(str(client), NEW, lock=lock_of(NEW)), force=True)
    assert contents(client) == {**NEW, "b.py": OLD["b.py"]}  # nobody knows any more whose b.py is


def test_a_linked_folder_that_leads_out_is_refused_even_by_force(client: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (client / "_runtime").rename(outside)
    os.symlink(outside, client / "_runtime")
    with pytest.raises(RefusedError) as refused:
        put(client, {"a.py": "A = 1\n"}, force=True)
    assert refused.value.refusals == (Refusal(str(client / "_runtime"), OUTSIDE),)
    assert (outside / "__init__.py").read_text() == "R = 1\n"


def test_a_linked_file_is_foreign_and_force_replaces_the_link(client: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(OLD["a.py"])
    (client / "a.py").unlink()
    os.symlink(tmp_path / "outside.py", client / "a.py")
    with pytest.raises(RefusedError):
        put(client, NEW)
    put(client, NEW, force=True)
    assert not (client / "a.py").is_symlink()
    assert (tmp_path / "outside.py").read_text() == OLD["a.py"]


def test_a_linked_output_is_written_where_it_leads(client: Path, tmp_path: Path) -> None:
    os.symlink(client, tmp_path / "link")
    put(tmp_path / "link", NEW)
    assert contents(client) == NEW
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("path", ["../x.py", "/x.py", "a/../../x.py", "C:x.py"])
def test_no_path_leads_out(tmp_path: Path, path: str) -> None:
    with pytest.raises(PublishError, match="outside"):
        put(tmp_path / "client", {path: ""})
    assert os.listdir(tmp_path) == []


def test_folders_in_the_place_of_files_are_refused_even_by_force(client: Path) -> None:
    (client / "c.py").mkdir()
    (client / "a").mkdir()
    (client / "a" / "__init__.py").write_text("")
    with pytest.raises(RefusedError) as refused:
        put(client, NEW, force=True)
    assert refused.value.refusals == (
        Refusal(str(client / "a"), SHADOWED),
        Refusal(str(client / "c.py"), FOLDER),
    )


def test_an_output_below_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="cannot write .*nothing was changed"):
        put(tmp_path / "file" / "client", OLD)


def test_a_run_that_was_overtaken_must_look_again(client: Path) -> None:
    seen = (client / LOCK_NAME).read_bytes()
    put(client, NEW)
    with pytest.raises(SupersededError):
        publish(Destination(str(client), OLD, lock=lock_of(OLD), seen=seen))
    assert contents(client) == NEW


def test_the_current_folder_can_be_the_output(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(client)
    inode = client.stat().st_ino
    put(Path("."), NEW)
    assert contents(client) == NEW
    assert client.stat().st_ino == inode


def test_the_mode_of_the_folder_stays(client: Path) -> None:
    client.chmod(0o750)
    put(client, NEW)
    assert client.stat().st_mode & 0o777 == 0o750
