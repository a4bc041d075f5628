"""Nothing that difygen did not make is removed, moved, written to or read without end: whatever stands where it
cleans, stages, replaces, locks or reads, for every command that writes."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen import console
from difygen.definitions.lockfile import LOCK_NAME
from difygen.publish import other_runs
from support.projects import Ran, difygen

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and links are made as on Unix")

SPEC = "name: concat\ninputs: {string: text-input}\noutputs: {result: string}\n"
CHANGED = "name: concat\ninputs: {string: {type: text-input, max_length: 9}}\noutputs: {result: string}\n"
SECRET = "a private key"


def a_symlink_to_a_folder(place: Path, outside: Path) -> None:
    place.symlink_to(outside)


def a_symlink_to_a_file(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "secret")


def a_hard_link(place: Path, outside: Path) -> None:
    os.link(outside / "secret", place)


def a_pipe(place: Path, outside: Path) -> None:
    os.mkfifo(place)


def a_socket(place: Path, outside: Path) -> None:
    here = os.getcwd()
    os.chdir(place.parent)  # the name of a socket may have 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place.name)
    os.chdir(here)


def a_device(place: Path, outside: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero


def a_foreign_file(place: Path, outside: Path) -> None:
    place.write_text(SECRET)


def a_foreign_folder(place: Path, outside: Path) -> None:
    place.mkdir()
    (place / "secret").write_text(SECRET)


def a_folder_with_links(place: Path, outside: Path) -> None:
    """The form is right and a lock is there, but what it names leads out."""
    place.mkdir()
    (place / LOCK_NAME).write_text(
        '{"files": {"secret": "0", "below/secret": "0"}, "format": 1, "generator": "0", "options": "", "apps": {}}'
    )
    os.link(outside / "secret", place / "secret")
    (place / "below").symlink_to(outside)


def an_unreadable_folder(place: Path, outside: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can read everything")
    place.mkdir(mode=0)


THINGS: list[Callable[[Path, Path], None]] = [
    a_symlink_to_a_folder,
    a_symlink_to_a_file,
    a_hard_link,
    a_pipe,
    a_socket,
    a_device,
    a_foreign_file,
    a_foreign_folder,
    a_folder_with_links,
    an_unreadable_folder,
]

CLEANED = [".client.difygen-1", ".client.difygen-7", "client/.difygen-1", "client/.difygen-23"]
REPLACED = [
    "client/concat.py",
    "client/_runtime/py.typed",
    "client/new.py",
    "client/difygen.lock",
    "client/__init__.py",
]
LOOKALIKES = [".client.difygen-", ".client.difygen-x", ".client.difygen-1-backup", ".client.difygen-01"]
HOW = ["unchanged", "changed", "forced", "check"]
WATCHED = [".client.difygen-1", "client/.difygen-1", "client/concat.py", "client/difygen.lock"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a package, and a folder outside of it that holds a secret."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text(SECRET)
    (folder / "concat.yaml").write_text(SPEC)
    assert difygen("concat.yaml", "-o", "client").code == 0
    return folder


def state(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What lies at and below a place: kinds, inodes and contents, following no link."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in [folder, *sorted(folder.rglob("*"))] if folder.is_dir() and not folder.is_symlink() else [folder]:
        status = os.lstat(path)
        held = path.read_bytes() if stat.S_ISREG(status.st_mode) else os.readlink(path) if path.is_symlink() else None
        found[str(path)] = (stat.S_IFMT(status.st_mode), status.st_ino, held)
    return found


def act(how: str) -> Ran:
    if how in ("changed", "forced"):
        Path("concat.yaml").write_text(CHANGED)
    if how == "check":
        return difygen("check", "concat.yaml", "-o", "client")
    return difygen("concat.yaml", "-o", "client", *(["--force"] if how == "forced" else []))


def watched() -> Ran:
    """One round of `--watch`: it generates at once, and is then interrupted."""
    command = [sys.executable, "-m", "difygen", "concat.yaml", "-o", "client", "--watch"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stderr is not None
        lines = []
        for line in run.stderr:
            lines.append(line)
            if line.startswith("watching"):
                break
        run.send_signal(2)
        out, _ = run.communicate(timeout=120)
    return Ran(run.returncode, out, "".join(lines))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("place", CLEANED)
@pytest.mark.parametrize("thing", THINGS)
def test_what_is_only_called_like_a_leftover_stays(
    thing: Callable[[Path, Path], None], place: str, how: str, project: Path
) -> None:
    outside = project.parent / "outside"
    thing(project / place, outside)
    before = state(project / place), state(outside)
    ran = act(how)
    assert (state(project / place), state(outside)) == before
    assert "Traceback" not in ran.err + ran.out
    if how in ("changed", "forced") or (how == "unchanged" and place.endswith("-1")):
        assert ran.code == 1 and "does not touch it" in ran.err and place in ran.err


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("place", REPLACED)
@pytest.mark.parametrize("thing", THINGS)
def test_what_stands_in_the_place_of_a_file_stays(
    thing: Callable[[Path, Path], None], place: str, how: str, project: Path
) -> None:
    """--force overwrites a foreign file, and takes a link away; what a link leads to stays in any case."""
    outside = project.parent / "outside"
    if (project / place).exists():
        (project / place).unlink()
    thing(project / place, outside)
    before = state(project / place), state(outside)
    ran = act(how)
    assert "Traceback" not in ran.err + ran.out
    assert (outside / "secret").read_text() == SECRET
    assert [path.name for path in outside.iterdir()] == ["secret"]
    if how == "forced" and thing in (a_symlink_to_a_file, a_symlink_to_a_folder, a_hard_link, a_foreign_file):
        return
    assert state(project / place) == before[0]


@pytest.mark.parametrize("place", WATCHED)
@pytest.mark.parametrize("thing", THINGS)
def test_watching_leaves_it_alone_too(thing: Callable[[Path, Path], None], place: str, project: Path) -> None:
    outside = project.parent / "outside"
    (project / place).unlink(missing_ok=True)
    thing(project / place, outside)
    before = state(project / place), state(outside)
    Path("concat.yaml").write_text(CHANGED)
    assert "Traceback" not in watched().err
    assert (state(project / place), state(outside)) == before


@pytest.mark.parametrize("name", LOOKALIKES)
def test_names_that_difygen_does_not_give_are_not_even_looked_at(name: str, project: Path) -> None:
    (project / name).mkdir()
    (project / name / "secret").write_text(SECRET)
    before = state(project / name)
    assert act("changed").code == 0
    assert state(project / name) == before


@pytest.mark.parametrize("how", ["changed", "forced"])
@pytest.mark.parametrize("thing", THINGS)
def test_what_is_only_called_like_a_draft_of_a_single_file_stays(
    thing: Callable[[Path, Path], None], how: str, project: Path
) -> None:
    assert difygen("concat.yaml", "-o", "one.py").code == 0
    outside = project.parent / "outside"
    thing(project / ".one.py.difygen-1", outside)
    before = state(project / ".one.py.difygen-1"), state(outside)
    (project / "concat.yaml").write_text(CHANGED)
    ran = difygen("concat.yaml", "-o", "one.py", *(["--force"] if how == "forced" else []))
    assert ran.code == 1 and "does not touch it" in ran.err
    assert (state(project / ".one.py.difygen-1"), state(outside)) == before


def test_a_link_in_the_place_of_a_single_file_is_replaced_by_force_and_not_written_through(project: Path) -> None:
    secret = project.parent / "outside" / "secret"
    (project / "one.py").symlink_to(secret)
    assert difygen("concat.yaml", "-o", "one.py").code == 1
    assert (project / "one.py").is_symlink()
    assert difygen("concat.yaml", "-o", "one.py", "--force").code == 0
    assert not (project / "one.py").is_symlink() and secret.read_text() == SECRET


def test_what_a_killed_run_left_is_removed_and_nothing_else(project: Path) -> None:
    """A copy of the package under a name of ours, with its compiled modules, is just what a run leaves that was
    killed.
    """
    shutil.copytree(project / "client", project / ".client.difygen-1")
    cache = project / ".client.difygen-1" / "__pycache__"
    cache.mkdir()
    (cache / "concat.cpython-311.pyc").write_text("")
    assert act("unchanged").code == 0
    assert sorted(os.listdir(project)) == ["client", "concat.yaml"]
    shutil.copytree(project / "client", project / ".client.difygen-1")
    (project / ".client.difygen-1" / "mine.md").write_text(SECRET)
    assert act("unchanged").code == 1
    assert (project / ".client.difygen-1" / "concat.py").exists()
    assert (project / ".client.difygen-1" / "mine.md").read_text() == SECRET


@pytest.fixture
def limited() -> Iterator[None]:
    """No more memory than a small machine has: what is read without end fails at once."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("place", ["concat.yaml", "client/concat.py", "client/difygen.lock", "difygen.toml"])
def test_a_link_to_an_endless_device_is_refused(place: str, project: Path) -> None:
    (project / place).unlink(missing_ok=True)
    (project / place).symlink_to("/dev/zero")
    for command in (["concat.yaml", "-o", "client"], ["check", "concat.yaml", "-o", "client"]):
        ran = difygen(*command)
        assert ran.code in (1, 2) and ran.err + ran.out and "Traceback" not in ran.err
    assert (project / place).is_symlink()


def test_a_pipe_among_the_sources_is_passed_over_with_a_word(project: Path) -> None:
    (project / "specs").mkdir()
    shutil.copy("concat.yaml", "specs/concat.yaml")
    os.mkfifo("specs/pipe.yaml")
    ran = difygen("specs", "-o", "other")
    assert ran.code == 2
    assert ran.err.startswith(
        "specs/pipe.yaml: error: It cannot be read: it is a pipe, a device or a socket, not a file."
    )


def test_a_pipe_that_the_user_named_is_given_up_when_nobody_writes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difygen.files.FIRST_BYTE", 0.2)
    os.mkfifo("pipe.yaml")
    ran = difygen("pipe.yaml", "-o", "other")
    assert ran.code == 2 and "nobody wrote to the pipe within 0.2 s" in ran.err


@pytest.mark.parametrize("ends", [True, False])
def test_a_lock_that_somebody_holds_is_waited_for_with_a_word(
    ends: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = os.open(project, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)

    def say(text: str) -> None:
        console.say(text)
        if ends:
            fcntl.flock(handle, fcntl.LOCK_UN)

    monkeypatch.setattr(other_runs, "NOTICE", 0.0)
    monkeypatch.setattr(other_runs, "PATIENCE", 60.0 if ends else 0.3)
    monkeypatch.setattr(other_runs, "say", say)
    ran = act("changed")
    os.close(handle)
    assert "waiting for another program that holds the lock of the folder" in ran.err
    assert ran.code == (0 if ends else 1)
    assert ends or "nothing was written; end the other difygen, or try again later" in ran.err


def test_the_word_for_what_is_in_the_way(project: Path) -> None:
    (project / ".client.difygen-1").symlink_to(project.parent / "outside")
    ran = act("changed")
    assert ran.err == (
        f"Error: {project}/.client.difygen-1 is a symbolic link: difygen makes nothing like this under such a name, "
        "and does not touch it\nnothing was written; look at it, and move it away\n"
    )
    assert other_runs.has_leftovers("client")
