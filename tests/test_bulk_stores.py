"""Stores of rows, whatever processes do and wherever they die: what was said to be written is there, one claim of an
attempt at most is given away, and how a row ended never changes.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from difygen.bulk import PartsStore, Row, SqliteStore, Store, StoredRow, StoreError, open_store
from difygen.bulk.rows import RANKS, State, digest_of, may_follow
from difygen.bulk.stores import index
from difygen.bulk.stores.base import SILENCE, Watch, is_running, new_owner, place
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule
from support.processes import eventually

KINDS = ("sqlite", "folder", "objects")
KEYS = [f"row {number}" for number in range(4)]


def place_of(kind: str, folder: Path) -> str:
    if kind == "sqlite":
        return str(folder / "rows.db")
    return str(folder / "parts") + "/" if kind == "folder" else f"local://{folder}/objects"


def row(key: str) -> Row:
    return Row(key, {}, digest="d")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "objects":
        pytest.importorskip("fsspec")
    found: str = request.param
    return found


@pytest.fixture
def where(kind: str, tmp_path: Path) -> str:
    return place_of(kind, tmp_path)


def test_a_row_goes_its_way(where: str) -> None:
    with open_store(where) as store:
        assert store.get("a") is None
        assert store.claim(row("a"))
        assert not store.claim(row("a"))
        claimed = store.get("a")
        assert claimed is not None and (claimed.state, claimed.owner) == ("claimed", store.owner)
        assert store.started(claimed, {"workflow_run_id": "r"})
        assert not store.started(claimed, {"workflow_run_id": "another"})
        begun = store.get("a")
        assert begun is not None and begun.ids == {"workflow_run_id": "r"}
        assert store.finish(begun, "done", '{"status": "succeeded", "text": "字\\u2028"}')
        assert not store.finish(begun, "failed", "{}")
    with open_store(where) as other:
        (ended,) = other.iterate()
        assert ended == other.get("a")
        assert (ended.state, json.loads(ended.result or "")["text"]) == ("done", "字\u2028")
        assert other.read(["a", "b"], results=False)["a"].result is None


def test_a_failed_row_can_be_claimed_again_and_forgets_its_result(where: str) -> None:
    with open_store(where) as store:
        store.claim(row("a"))
        store.finish(store.claim_of(row("a"), 1), "failed", '{"error": "x"}')
        assert not store.claim(row("a"), 1)
        assert not store.claim(row("a"), 3)
        assert store.claim(row("a"), 2)
        again = store.get("a")
        assert again is not None and (again.attempt, again.state, again.result) == (2, "claimed", None)


def test_a_store_travels_as_its_place(where: str) -> None:
    with open_store(where) as store:
        store.claim(row("a"))
        copied = pickle.dumps(store)
        with pickle.loads(copied) as other:
            assert other.get("a") == store.get("a")
            assert other.owner != store.owner


def _claim_all(where: str, keys: list[str], barrier: Any, won: Any) -> None:
    with open_store(where) as store:
        barrier.wait()
        for key in keys:
            while True:
                if store.claim(row(key)):
                    won.put(key)
                if store.get(key) is not None:
                    break


def test_of_many_processes_that_claim_at_once_one_has_the_row(where: str, kind: str) -> None:
    keys = [f"row {number}" for number in range(8 if kind == "objects" else 24)]
    context = multiprocessing.get_context("spawn")
    barrier, won = context.Barrier(3), context.Queue()
    workers = [context.Process(target=_claim_all, args=(where, keys, barrier, won)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = sorted(won.get(timeout=60) for _ in keys)
    for worker in workers:
        worker.join(60)
    assert (found, won.empty(), [worker.exitcode for worker in workers]) == (sorted(keys), True, [0, 0, 0])


def test_a_claim_that_follows_a_withdrawal_stands(tmp_path: Path) -> None:
    """Even where both are read at once: whoever passes over it starts the row a second time."""
    folder = f"{tmp_path}/parts/"
    with open_store(folder) as store, open_store(folder) as other:
        assert store.claim(row("a"))
        (part,) = Path(folder).glob("*.jsonl")
        claim = part.read_text("utf-8")
        part.write_text(claim + json.dumps(["withdrawn", "a", 1, store.owner]) + "\n" + claim, "utf-8")
        assert not other.claim(row("a"))


def test_what_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """What is unknown of a row may be that it is done, the second time, too."""
    folder = f"{tmp_path}/parts/"
    with open_store(folder) as store:
        assert store.claim(row("a"))
    (part,) = Path(folder).glob("*.jsonl")
    part.write_text(part.read_text("utf-8") + '["of a newer version"]\n', "utf-8")
    with open_store(folder) as other:
        for key in ("a", "a", "b"):
            with pytest.raises(StoreError, match="a line begins with 'of a newer version'"):
                other.claim(row(key))


@pytest.mark.parametrize("kind", ["folder", "objects"])
def test_after_a_write_that_has_failed_nothing_is_written(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have arrived all the same, and others have read it: what takes its place would never be seen."""
    with open_store(where) as store:
        assert isinstance(store, PartsStore)
        storage, append = store._storage, store._storage.append

        def time_out(data: bytes) -> None:
            append(data)
            raise OSError(110, "Connection timed out")

        with monkeypatch.context() as patch:
            patch.setattr(storage, "append", time_out)
            with pytest.raises(StoreError, match="connection timed out"):
                store.claim(row("a"))
        with open_store(where) as other:
            assert other.get("a") is not None
            with pytest.raises(StoreError, match="connection timed out"):
                store.claim(row("b"))
            assert other.get("b") is None


def test_threads_share_a_store(where: str) -> None:
    keys = [f"row {number}" for number in range(10)]
    won: list[str] = []
    with open_store(where) as store:

        def work() -> None:
            won.extend(key for key in keys if store.claim(row(key)))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(won) == keys


class StoreMachine(RuleBasedStateMachine):
    """Several processes on one store, any of which may die at any moment: also in the middle of a write."""

    kind = "sqlite"
    processes = Bundle("processes")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="difygen-test-"))
        self.where = place_of(self.kind, self.folder)
        self.model: dict[str, StoredRow] = {}
        self.given: set[tuple[str, int]] = set()
        self.alive: list[Store] = []

    def teardown(self) -> None:
        for store in self.alive:
            store.close()
        shutil.rmtree(self.folder)

    @rule(target=processes)
    def open(self) -> Any:
        if len(self.alive) >= 3:
            return multiple()
        self.alive.append(open_store(self.where))
        return self.alive[-1]

    @rule(
        store=processes,
        key=st.sampled_from(KEYS),
        state=st.sampled_from(sorted(RANKS)),
        attempt=st.integers(1, 3),
        text=st.text(max_size=5),
    )
    def write(self, store: Store, key: str, state: State, attempt: int, text: str) -> None:
        ids = {"workflow_run_id": text} if state == "started" else {}
        result = json.dumps(text) if state in ("failed", "done") else None
        change = StoredRow(key, "d", state, attempt, store.owner, None, ids, result)
        is_written = store.write(change)
        assert is_written == may_follow(self.model.get(key), change)
        if is_written:
            if state == "claimed":
                assert (key, attempt) not in self.given
                self.given.add((key, attempt))
            self.model[key] = change

    @rule(store=consumes(processes), cut=st.integers(0, 40))
    def die(self, store: Store, cut: int) -> None:
        """Leave a process without a word; of what it was writing a part may be there."""
        self.alive.remove(store)
        store._stop_beating()
        if isinstance(store, PartsStore):
            part = Path(self.where) / f"{store.owner.replace(':', '-')}.jsonl"
            if part.is_file() and cut:
                line = json.dumps(["row", KEYS[0], "d", "done", 9, store.owner, None, {}, "lost"]).encode()
                part.write_bytes(part.read_bytes() + line[:cut])
            store._heartbeat_count = 0  # it does not say that it leaves
            store.close()
        elif isinstance(store, SqliteStore) and store._connection is not None:
            if cut:
                store._connection.execute("BEGIN IMMEDIATE")
                store._connection.execute("DELETE FROM rows")
            store._connection.close()
            store._connection = None

    @invariant()
    def everybody_sees_the_same(self) -> None:
        for store in self.alive:
            assert store.read(KEYS) == self.model
            assert {stored.key: stored for stored in store.iterate()} == self.model


class PartsMachine(StoreMachine):
    """The same; and an index of what is in the parts lies beside them, which may be old or gone."""

    kind = "folder"

    def __init__(self) -> None:
        super().__init__()
        self.index = Path(self.where) / "index.db"
        self.copies: list[bytes] = []
        self.patch = patch.object(index, "LEAST", 1)
        self.patch.start()

    def teardown(self) -> None:
        self.patch.stop()
        super().teardown()

    @precondition(lambda self: self.index.exists())
    @rule()
    def copy_index(self) -> None:
        self.copies.append(self.index.read_bytes())

    @precondition(lambda self: self.copies)
    @rule(data=st.data())
    def put_index_back(self, data: st.DataObject) -> None:
        self.index.write_bytes(data.draw(st.sampled_from(self.copies)))

    @precondition(lambda self: self.index.exists())
    @rule(size=st.integers(0, 20))
    def cut_index_off(self, size: int) -> None:
        os.truncate(self.index, size * 1024)

    @rule(store=consumes(StoreMachine.processes))
    def leave(self, store: Store) -> None:
        """End as it should be, so that its part is final."""
        self.alive.remove(store)
        store.heartbeat()
        store.close()
        for other in self.alive:
            other.heartbeats()


machines = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestSqliteMachine = StoreMachine.TestCase
TestSqliteMachine.settings = machines
TestPartsMachine = PartsMachine.TestCase
TestPartsMachine.settings = machines


def test_what_a_claim_means_for_who_lives(tmp_path: Path) -> None:
    store = open_store(tmp_path / "rows.db")
    store.claim(row("a"))
    claimed = store.get("a")
    assert claimed is not None
    assert not store.is_held(claimed)
    store.hold("a")
    assert store.is_held(claimed)
    with open_store(tmp_path / "rows.db") as other:
        assert other.is_held(claimed)
        assert other.drivers() == sorted([store.owner, other.owner])
        store.close()
        other._watch._read_at = float("-inf")
        assert not other.is_held(claimed)
        assert other.drivers() == [other.owner]


def test_who_leaves_while_the_disk_is_full_is_known_to_have_left_once_it_is_not(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process may live on for long, as workers of engines do, and others would wait for its rows."""
    monkeypatch.setattr("difygen.bulk.stores.base.HEARTBEAT", 0.02)
    store, disk = open_store(where), {"full": True}
    store.hold("a")
    store.claim(row("a"))
    claimed = store.get("a")
    method = "_leave" if isinstance(store, SqliteStore) else "_leave_heartbeat"
    write = getattr(store, method)

    def write_if_possible(*arguments: int) -> None:
        if disk["full"]:
            raise StoreError("no space left on device")
        write(*arguments)

    monkeypatch.setattr(store, method, write_if_possible)
    store.close()
    with open_store(where) as other:
        assert claimed is not None and other.is_held(claimed)
        disk["full"] = False
        assert eventually(lambda: not other.is_held(claimed))


def test_the_death_of_a_process_is_told_by_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    here, process, began, nonce = new_owner().split(":")
    assert is_running(f"{here}:{process}:{began}:{nonce}") is True
    if began:  # another process has its number now
        assert is_running(f"{here}:{process}:{int(began) + 1}:{nonce}") is False
    assert is_running(f"{here}:{2**22 + 1}:{began}:{nonce}") is False
    for other in (f"elsewhere:{process}:{began}:{nonce}", f"{here}:{2**80}:{began}:{nonce}", f"{here}:x", ""):
        assert is_running(other) is None
    assert place() == here


def test_no_process_of_windows_is_sent_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = new_owner()
    monkeypatch.setattr("difygen.bulk.stores.base.os", SimpleNamespace(name="nt", kill=pytest.fail))
    assert is_running(owner) is None


@pytest.mark.parametrize("jump", [-1e9, 0.0, 1e9])
def test_who_is_elsewhere_lives_as_long_as_it_beats_whatever_the_clocks_say(
    jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, now = {"elsewhere:1:1:x": 1}, 0.0
    watch = Watch(lambda: dict(counts), lambda: now)
    monkeypatch.setattr("time.time", lambda: jump)
    for _ in range(20):
        assert watch.is_alive("elsewhere:1:1:x")
        now += SILENCE / 2
        counts["elsewhere:1:1:x"] += 1
    assert watch.is_alive("elsewhere:1:1:x")
    now += SILENCE + 1
    assert not watch.is_alive("elsewhere:1:1:x")


def test_a_disk_that_hangs_makes_nobody_silent() -> None:
    now, waits = 0.0, [0.0, SILENCE * 2, 0.0, SILENCE, 0.0]

    def heartbeats() -> dict[str, int]:
        nonlocal now
        now += waits.pop(0)
        return {"elsewhere:1:1:x": 1}

    watch = Watch(heartbeats, lambda: now)
    for pause in (0.0, 2.0, 2.0, SILENCE - 5):
        now += pause
        assert watch.is_alive("elsewhere:1:1:x")
    now += 2.0
    assert not watch.is_alive("elsewhere:1:1:x")


@pytest.mark.parametrize("text", ["", "[", "7", '[["x"], 1]'])
def test_a_beat_that_is_written_just_now_is_passed_over(tmp_path: Path, text: str) -> None:
    pytest.importorskip("fsspec")
    with open_store(f"file://{tmp_path}") as store:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "beat.json").write_text(text)
        assert store.drivers() == [store.owner]


def test_a_store_is_of_the_process_that_opened_it(where: str) -> None:
    with open_store(where) as store:
        store.claim(row("a"))
        process, store._process = store._process, -1
        with pytest.raises(StoreError, match="opened by another process"):
            store.get("a")
        store._process = process


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: path.write_text("mine"), "it is a file of something else"),
        (lambda path: _database(path), "is a database of something else"),
        (lambda path: path.parent.chmod(0o500), "no file can be opened in .*there; check its permissions"),
        (lambda path: path.parent.rmdir(), "there is no folder .*there; make it"),
    ],
)
def test_what_is_no_store_is_left_alone(tmp_path: Path, make: Callable[[Path], object], complaint: str) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    make(folder / "rows.db")
    if os.geteuid() == 0 and complaint.startswith("no file"):
        pytest.skip("root may write anywhere")
    with pytest.raises(StoreError, match=complaint):
        open_store(folder / "rows.db")
    if folder.exists():
        folder.chmod(0o700)


def test_no_name_means_a_store_that_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with open_store(":memory:") as store:
            store.claim(row("a"))
            assert [each.key for each in store.iterate()] == ["a"]
    assert (tmp_path / ":memory:").is_file()


def _database(path: Path) -> None:
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()


@pytest.mark.parametrize("make", [io.BytesIO, tempfile.TemporaryFile, object])
def test_no_row_is_known_by_what_another_process_would_not_know(make: Callable[[], Any]) -> None:
    value = make()
    with pytest.raises(TypeError, match="a row cannot be known again by a"):
        Row.of("concat", {"paper": value}, key="a")
    getattr(value, "close", lambda: None)()


def test_the_same_arguments_have_the_same_digest_in_any_order() -> None:
    assert digest_of("app", {"a": 1, "b": [{"c": "字"}]}) == digest_of("app", {"b": [{"c": "字"}], "a": 1})
    assert digest_of("app", {"a": 1}) != digest_of("app", {"a": 1.5})
    assert digest_of("app", {"a": 1}) != digest_of("other", {"a": 1})


def _open_each(folder: str, barrier: Any, problems: Any) -> None:
    for number in range(60):
        barrier.wait()
        try:
            open_store(f"{folder}/{number}.db").close()
        except StoreError as error:
            problems.put(str(error))


def test_processes_that_open_a_new_store_at_the_same_moment_all_get_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, problems = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_open_each, args=(str(tmp_path), barrier, problems)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert problems.empty()
