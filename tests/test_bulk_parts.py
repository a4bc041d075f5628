"""Stores in a folder of parts: processes that act between any two steps of each other, indices beside the parts that
are old, cut off or of something else, and parts that are not looked at any more.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Semaphore, Thread
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from difygen.bulk import PartsStore, Row, StoreError
from difygen.bulk.stores import index
from difygen.bulk.stores.base import place
from difygen.bulk.stores.index import line_of
from difygen.bulk.stores.storage import FolderStorage, Piece
from hypothesis import given, settings
from hypothesis import strategies as st


def row(key: str) -> Row:
    return Row(key, {}, digest="d")


class KilledError(BaseException):
    """Ends a process in the middle of what it does."""


class Process:
    """A process that waits before each thing that others see of it, or that it sees of others, until it is let on."""

    def __init__(self, name: str, folder: Path, work: Callable[[PartsStore], None]) -> None:
        self.store = PartsStore(folder)
        self.store.owner, self.store._storage = name, FolderStorage(folder, name)
        self.is_over = self.is_killed = False
        self.error: BaseException | None = None
        self._work, self._cut = work, 0
        self._go, self._waits = Semaphore(0), Semaphore(0)
        storage = self.store._storage
        assert isinstance(storage, FolderStorage)
        append, added = storage.append, storage._added

        def append_later(data: bytes) -> None:
            try:
                self.wait()
            except KilledError:
                append(data[:-1][: self._cut])
                raise
            append(data)

        def read_later(part: str) -> Iterator[Piece]:
            self.wait()
            yield from added(part)

        vars(storage).update(append=append_later, _added=read_later)
        Thread(target=self._run, daemon=True).start()
        self._waits.acquire()

    def _run(self) -> None:
        try:
            self.wait()
            self._work(self.store)
        except KilledError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised where it is let on
            self.error = error
        self.is_over = True
        self._waits.release()

    def wait(self) -> None:
        self._waits.release()
        self._go.acquire()
        if self.is_killed:
            raise KilledError

    def let_on(self) -> None:
        """Let it do one thing, and wait until it is about to do the next."""
        self._go.release()
        self._waits.acquire()
        if self.error is not None:
            raise self.error

    def kill(self, cut: int) -> None:
        """End it without a word; of what it was about to write so many bytes are there."""
        self.is_killed, self._cut = True, cut
        self.let_on()


ENDS = st.sampled_from(["done", "failed", "released"])
WORK = st.lists(st.tuples(st.sampled_from("ab"), ENDS), min_size=1, max_size=4)


@given(works=st.lists(WORK, min_size=2, max_size=3), data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_happens_between_two_steps_a_row_is_given_to_one(
    works: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    """And again only when that attempt is known to have failed, or to have started nothing."""
    runs: dict[str, list[str]] = {"a": [], "b": []}

    def process_of(name: str, work: list[tuple[str, str]]) -> Process:
        def run(store: PartsStore) -> None:
            for key, end in work:
                known = store.get(key)
                if known is not None and known.state not in ("failed", "released"):
                    continue
                claimed = store.claim_of(row(key), 1 if known is None else known.attempt + 1)
                if store.write(claimed):
                    assert set(runs[key]) <= {"failed", "released"}, runs
                    runs[key].append("at work")
                    assert store.write(store.next_of(claimed, end))
                    runs[key][-1] = end
            store.close()

        return Process(name, Path(folder), run)

    with (
        tempfile.TemporaryDirectory(prefix="difygen-test-") as folder,
        patch("os.fsync"),
        patch.object(index, "LEAST", 1),
        patch("difygen.bulk.stores.parts.time", SimpleNamespace(sleep=lambda _: process.wait())),
    ):
        processes = [process_of(*each) for each in zip("ABC", works, strict=False)]
        try:
            while alive := [process for process in processes if not process.is_over]:
                process = data.draw(st.sampled_from(alive))
                if data.draw(st.integers(0, 40)) == 40:
                    process.kill(data.draw(st.integers(0, 200)))
                else:
                    process.let_on()
        finally:
            for process in processes:
                if not process.is_over:
                    process.kill(0)
                process.store.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with an index beside its parts, and a copy of an older one: `a` has failed, and is done since."""
    monkeypatch.setattr(index, "LEAST", 1)
    folder = tmp_path / "parts"
    for state in ("failed", "done"):
        with PartsStore(folder) as store:
            known = store.get("a")
            store.claim(row("a"), 1 if known is None else 2)
            store.finish(store.claim_of(row("a"), 1 if known is None else 2), state, json.dumps(state))
            store.read([])
        if known is None:
            shutil.copy(folder / "index.db", tmp_path / "older.db")
    return folder


def states(folder: Path) -> dict[str, str]:
    with PartsStore(folder) as store:
        return {stored.key: stored.state for stored in store.iterate()}


def test_what_the_index_knows_is_not_read_again(folder: Path) -> None:
    for part in folder.glob("*.jsonl"):  # nobody could read this
        first, _, rest = part.read_bytes().partition(b"\n")
        part.write_bytes(b"?" * len(first) + b"\n" + rest)
    assert states(folder) == {"a": "done"}
    (folder / "index.db").unlink()
    with pytest.raises(StoreError):
        states(folder)


def of_something_else(index: Path) -> None:
    with sqlite3.connect(index) as connection:
        connection.execute("CREATE TABLE more (x)")
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda index: shutil.copy(index.parent.parent / "older.db", index),
        lambda index: os.truncate(index, index.stat().st_size - 4096),
        lambda index: os.truncate(index, 0),
        lambda index: index.write_bytes(b"x" * index.stat().st_size),
        lambda index: index.write_bytes(index.read_bytes()[:4096] + bytes(index.stat().st_size - 4096)),
        of_something_else,
    ],
)
def test_an_index_that_is_old_or_of_no_use_changes_nothing(folder: Path, spoil: Callable[[Path], object]) -> None:
    spoil(folder / "index.db")
    assert states(folder) == {"a": "done"}
    assert states(folder) == {"a": "done"}
    assert not list(folder.glob("*-*index.db"))


def test_a_part_that_is_shorter_or_gone_is_not_remembered(folder: Path) -> None:
    last = next(part for part in folder.glob("*.jsonl") if b'"done"' in part.read_bytes())
    last.write_bytes(b"".join(last.read_bytes().splitlines(keepends=True)[:1]))
    assert states(folder) == {"a": "claimed"}
    last.unlink()
    assert states(folder) == {"a": "failed"}


def test_a_part_that_was_edited_is_read_again_the_next_time(folder: Path) -> None:
    for part in folder.glob("*.jsonl"):
        part.write_bytes(part.read_bytes().replace(b'"a"', b'"b"'))
    with PartsStore(folder) as store, pytest.raises(StoreError, match="has changed other than by growing"):
        store.get("a")
    assert states(folder) == {"b": "done"}


@pytest.mark.parametrize("process", [2**22 + 1, 2**30])
def test_of_two_claims_that_stand_the_one_of_who_lives_counts(tmp_path: Path, process: int) -> None:
    """Who was killed before it could take its own back has started nothing."""
    with PartsStore(tmp_path) as store, PartsStore(tmp_path) as other:
        assert store.claim(row("a"))
        owner = f"{place()}:{process}:1:0"
        FolderStorage(tmp_path, owner).append(
            f"{line_of(store.claim_of(row('a'), 1)._replace(owner=owner))}\n".encode()
        )
        found = other.get("a")
        assert found is not None and found.owner == store.owner


def test_a_folder_of_other_things_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(StoreError, match=r"holds other things, such as notes\.txt: give the store a folder of its own"):
        PartsStore(tmp_path)
    (tmp_path / "notes.txt").unlink()
    (tmp_path / "rows.jsonl").write_text('{"string": "a"}\n')
    with PartsStore(tmp_path) as store, pytest.raises(StoreError, match=r"rows\.jsonl holds what this difygen"):
        store.get("a")


@pytest.mark.parametrize(
    "line",
    [
        "7",
        '["more"]',
        '["note", "topic"]',
        '["note", {}, [], 1]',
        '["withdrawn", "a", 1, 1]',
        f'["withdrawn", "a", {10**30}, "x"]',
        '["row", "a", "d", "lost", 1, "x", null, {}, null]',
        f'["row", "a", "d", "claimed", {10**30}, "x", null, {{}}, null]',
        "[" * 100_000,
    ],
)
def test_a_part_of_other_things_is_an_error_of_the_store(tmp_path: Path, line: str) -> None:
    (tmp_path / "other.jsonl").write_text(f"{line}\n")
    with PartsStore(tmp_path) as store, pytest.raises(StoreError, match=r"other\.jsonl holds what this difygen"):
        store.get("a")


def test_an_index_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "LEAST", 1)
    (tmp_path / "index.db").mkdir()
    with PartsStore(tmp_path) as store:
        assert store.claim(row("a"))
    assert states(tmp_path) == {"a": "claimed"}
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".db", ".jsonl"]


def test_parts_of_those_who_have_left_are_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    added = FolderStorage._added

    def noted(storage: FolderStorage, part: str) -> Iterator[Piece]:
        looked.append(part)
        return added(storage, part)

    monkeypatch.setattr(FolderStorage, "_added", noted)
    with PartsStore(tmp_path) as store, PartsStore(tmp_path) as closed, PartsStore(tmp_path) as dead:
        dead.owner = f"{place()}:{2**22 + 1}:1:0"
        dead._storage = FolderStorage(tmp_path, dead.owner)
        for each, key in ((store, "a"), (closed, "b"), (dead, "c")):
            each.heartbeat()
            assert each.claim(row(key))
        dead._heartbeat_count = 0  # it does not say that it leaves
        closed.close()
        with pytest.raises(StoreError, match="was closed"):  # nobody would see it
            closed.claim(row("d"))
        store.heartbeats()
        assert len(store.read(["a", "b", "c"])) == 3
        looked.clear()
        assert len(store.read(["a", "b", "c"])) == 3
        assert looked == [store.owner.replace(":", "-")]
