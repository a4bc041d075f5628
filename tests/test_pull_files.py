"""Properties of the files that `difygen pull` writes: whatever apps are called, and whatever becomes of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import unicodedata
from contextlib import chdir
from pathlib import Path

import pytest
import test_pull
from difygen.pull.folder import file_name, name_key
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.projects import Ran, difygen
from support.studio import TOKEN, Studio, StudioApp, uuid

clean_environment = test_pull.clean_environment

HOSTILE = (
    *("../x", "/etc/passwd", "a/b", "a\\b", "..", ".", "", " ", ".git", "-rf", "con", "NUL.txt", "a:b", "x\0y", "a\nb"),
    *("*", "$(x)", "`x`", "%2e%2e%2f", "pull.lock", "pull", "x.schema.json", "\u202egnp.exe", "\ud800", "é", "e\u0301"),
    *("ß", "ss", "SS", "ﬁ", "fi", "İ", "i̇", "A" * 300, "字" * 300, "🤖", "a.yml", "a"),
)
TITLES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))


@given(TITLES, st.integers(1, 2**31))
def test_a_files_name_stays_in_its_folder_on_every_system(title: str, number: int) -> None:
    name = file_name(title, uuid(number), ())
    stem = name.removesuffix(".yml")
    assert name == f"{stem}.yml" and os.path.basename(name) == name
    assert len(stem) >= 1 and len(name.encode()) <= 110
    assert all(each in "-_" or unicodedata.category(each)[0] in "LNM" for each in stem)
    assert stem[0] not in "-_." and stem.casefold() not in ("con", "prn", "aux", "nul", "com1", "lpt9")
    assert name_key(name) != name_key("pull.lock")


@given(st.lists(TITLES, min_size=1, max_size=12))
def test_no_two_files_are_one_on_any_file_system(titles: list[str]) -> None:
    taken: list[str] = []
    for number, title in enumerate(titles):
        taken.append(name_key(file_name(title, uuid(number), taken)))
    assert len(set(taken)) == len(titles)
    assert len({unicodedata.normalize("NFKC", key).casefold() for key in taken}) == len(titles)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20))
def test_letters_and_digits_of_every_script_stay(title: str) -> None:
    plain = unicodedata.normalize("NFC", title)
    if len(plain.encode()) <= 100 and not re.fullmatch(r"con|prn|aux|nul|(com|lpt)\d", plain.casefold()):
        assert file_name(title, uuid(1), ()) == f"{plain}.yml"


class Pulls(RuleBasedStateMachine):
    """Apps come, go, are renamed, edited and published; pulls between them always leave what the server has."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.studio = Studio()
        self.server = self.studio.serve()
        self.server.__enter__()
        self.made = 0
        self.files: dict[str, str] = {}
        self.stale = True
        self.environment = pytest.MonkeyPatch()
        self.environment.setenv("DIFY_TOKEN", TOKEN)
        self.environment.setattr("difygen.pull.command.RATE", 10**6)

    def teardown(self) -> None:
        self.server.__exit__(None, None, None)
        self.environment.undo()
        shutil.rmtree(self.folder)

    def pull(self, *arguments: str) -> Ran:
        with chdir(self.folder):
            ran = difygen("pull", "--server", self.server.origin, *arguments)
        assert ran.code in (0, 1), ran.err
        return ran

    @initialize(titles=st.lists(TITLES, min_size=1, max_size=4))
    def begin(self, titles: list[str]) -> None:
        for title in titles:
            self.add(title)

    @rule(title=TITLES)
    def add(self, title: str) -> None:
        self.made += 1
        self.studio.apps.append(StudioApp(self.made, title.encode(errors="replace").decode()))
        self.stale = True

    @precondition(lambda self: self.studio.apps)
    @rule(index=st.integers(0, 20), title=TITLES)
    def rename(self, index: int, title: str) -> None:
        app = self.studio.apps[index % len(self.studio.apps)]
        app.name = title.encode(errors="replace").decode()
        self.stale = True

    @precondition(lambda self: self.studio.apps)
    @rule(index=st.integers(0, 20), note=st.text(max_size=5))
    def edit(self, index: int, note: str) -> None:
        self.studio.apps[index % len(self.studio.apps)].note = note
        self.stale = True

    @precondition(lambda self: len(self.studio.apps) > 1)
    @rule(index=st.integers(0, 20))
    def remove(self, index: int) -> None:
        self.studio.apps.pop(index % len(self.studio.apps))
        self.stale = True

    @rule(prune=st.booleans())
    def take(self, prune: bool) -> None:
        ran = self.pull(*["--prune"] * prune)
        assert ran.code == 0, ran.err
        rows = json.loads(Path(self.folder, "exports", "pull.lock").read_text("utf-8"))["apps"]
        for app in self.studio.apps:
            row = rows[app.id]
            assert self.files.setdefault(app.id, row["file"]) == row["file"], "an app's file keeps its name"
            assert Path(self.folder, "exports", row["file"]).read_bytes() == app.text().encode()
        there = {path.name for path in Path(self.folder, "exports").iterdir()} - {"pull.lock"}
        assert there == {row["file"] for row in rows.values()}
        if prune:
            assert rows.keys() == {app.id for app in self.studio.apps}
        self.files = {app_id: file for app_id, file in self.files.items() if app_id in rows}
        gone = rows.keys() - {app.id for app in self.studio.apps}
        assert self.pull("--check").code == (1 if gone else 0)
        self.stale = bool(gone)

    @invariant()
    def nothing_is_elsewhere(self) -> None:
        assert set(os.listdir(self.folder)) <= {"exports"}


TestPulls = Pulls.TestCase
TestPulls.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
