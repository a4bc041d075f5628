"""Rows on Ray Data and on Dask, on a cluster of this machine, whose workers and drivers are killed: the server sees no
row started twice, but where a row was unknown and its re-run was asked for.

Needs the extras, and is slow: `python3 scripts/matrix.py engines`, or `pytest -m slow tests/test_engines.py` where ray
and distributed are installed.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from difygen.bulk import JobEndedError, open_store
from support import ROOT
from support.bulk_server import BulkServer, bulk_server
from support.concat_client import AsyncConcatClient, ConcatClient
from support.engines import CLUSTERS, ENGINES, PATHS, driver, fill_disk, kill, move_away
from support.processes import eventually
from support.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
KEY = b"app-SECRET"
MODULES = {"dask": "distributed", "ray": "ray.data"}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[BulkServer, Server]]:
    with bulk_server() as found:
        yield found


@pytest.fixture(scope="module", params=["dask", "ray"])
def cluster(
    request: pytest.FixtureRequest, served: tuple[BulkServer, Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Which engine, and where its cluster is. Its workers have the key in their environment."""
    pytest.importorskip(MODULES[request.param], reason=f"pip install 'difygen[{request.param}]'")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in served[0].environment(served[1]).items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", PATHS)
        patch.setenv("ENGINE_PIDS", str(tmp_path_factory.mktemp("pids")))
        with CLUSTERS[request.param]() as address:
            yield request.param, address


class Rows:
    """A table on a cluster, with a store and a server of its own."""

    def __init__(self, cluster: tuple[str, str], bulk: BulkServer, folder: Path) -> None:
        self.kind, self.address = cluster
        self.engine = ENGINES[self.kind](self.address)
        self.bulk, self.folder = bulk, folder
        self.keep_in("runs.db")
        for path in Path(os.environ["ENGINE_PIDS"]).iterdir():
            path.unlink()

    def keep_in(self, store: str) -> None:
        """Choose the store: a file, a folder of parts, or a place of fsspec."""
        self.store = f"local://{self.folder}/objects" if store == "objects" else f"{self.folder}/{store}"

    def run(self, strings: list[str], **options: Any) -> dict[str, str]:
        return self.engine.run(strings, self.store, **options)

    def settle(self, strings: list[str], found: dict[str, str]) -> None:
        """Check that rows are done, but those that were only claimed when their worker was killed; and end these."""
        assert set(found) == set(strings) and set(found.values()) <= {"done", "unknown"}, found
        assert [row for row, state in found.items() if self.bulk.starts[row] != (state == "done")] == []
        assert self.run(strings, rerun_unknown=True) == dict.fromkeys(strings, "done")
        assert (self.bulk.starts.total(), self.bulk.twice) == (len(strings), [])

    def killed_once(self, told: Callable[[], bool]) -> threading.Thread:
        """Kill all workers once that is so, and what was said before it was kept."""

        def work() -> None:
            assert eventually(told, 40)
            time.sleep(0.5)
            kill(self.engine)

        thread = threading.Thread(target=work)
        thread.start()
        return thread


@pytest.fixture
def rows(cluster: tuple[str, str], served: tuple[BulkServer, Server], tmp_path: Path) -> Iterator[Rows]:
    bulk = served[0]
    bulk.forget()
    found = Rows(cluster, bulk, tmp_path)
    yield found
    if cluster[0] == "dask":
        found.engine.client.close()


def names(count: int) -> list[str]:
    return [f"row {number}" for number in range(count)]


def test_each_row_is_run_once_and_no_more_at_a_time_than_was_asked_for(rows: Rows) -> None:
    rows.bulk.latency = 0.1
    for _ in range(2):
        assert rows.run(names(40), concurrency=6) == dict.fromkeys(names(40), "done")
    assert (rows.bulk.starts.total(), rows.bulk.twice) == (40, [])
    assert 3 <= rows.bulk.most_at_once <= 6


@pytest.mark.parametrize(
    ("fault", "state", "store"),
    [
        ("hang", "done", "runs/"),
        ("silent", "done", "runs.db"),
        ("cut", "done", "objects"),
        ("cut early", "done", "runs/"),
        ("lost", "unknown", "runs.db"),
    ],
)
def test_workers_that_are_killed_leave_rows_to_others(rows: Rows, fault: str, state: str, store: str) -> None:
    """At each state of a row: claimed, started, and ended; the stream cut, or not."""
    rows.keep_in(store)
    rows.bulk.faults["row 3"] = fault
    rows.bulk.latency = 0.2
    killing = rows.killed_once(lambda: rows.bulk.arrived["row 3"] > 0)
    found = rows.run(names(12), survives=True)
    killing.join()
    if fault in ("cut", "cut early") and found["row 3"] in ("started", "unknown"):
        found = rows.run(names(12))  # its run went on, and is read now
    assert found["row 3"] == state
    rows.bulk.faults.clear()
    rows.settle(names(12), found)


def test_without_retries_a_dead_actor_ends_the_job_and_the_next_goes_on(rows: Rows) -> None:
    if rows.kind == "dask":
        pytest.skip("Dask gives the tasks of a dead worker to others, whatever is asked for")
    rows.bulk.faults["row 3"] = "hang"
    killing = rows.killed_once(lambda: rows.bulk.arrived["row 3"] > 0)
    with pytest.raises(Exception, match="ActorDied|died unexpectedly"):
        rows.run(names(12))
    killing.join()
    rows.settle(names(12), rows.run(names(12)))


def test_a_storm_of_refusals_loses_nothing(rows: Rows) -> None:
    rows.bulk.refusals, rows.bulk.capacity, rows.bulk.latency = 8, 4, 0.05
    assert rows.run(names(40), concurrency=12) == dict.fromkeys(names(40), "done")
    assert (rows.bulk.starts.total(), rows.bulk.twice) == (40, [])
    assert 8 <= rows.bulk.refused < 200


def test_a_driver_that_is_killed_is_followed_by_another(rows: Rows) -> None:
    rows.keep_in("runs/")
    rows.bulk.latency = 0.3
    first = driver(rows.kind, rows.address, names(30), rows.store)
    assert eventually(lambda: rows.bulk.starts.total() >= 8, 40)
    first.kill()
    first.communicate()
    rows.settle(names(30), rows.run(names(30)))


@pytest.mark.parametrize("store", ["runs.db", "runs/"])
def test_two_drivers_share_one_store(rows: Rows, store: str) -> None:
    rows.keep_in(store)
    rows.bulk.latency = 0.1
    drivers = [driver(rows.kind, rows.address, names(30), rows.store) for _ in range(2)]
    ended = [each.communicate(timeout=120) for each in drivers]
    assert [each.returncode for each in drivers] == [0, 0], ended
    assert all(json.loads(out) == dict.fromkeys(names(30), "done") for out, _ in ended)
    assert (rows.bulk.starts.total(), rows.bulk.twice) == (30, [])


@pytest.mark.parametrize(("store", "size"), [("runs.db", 400 << 10), ("runs/", 80 << 10)])
def test_a_full_disk_ends_the_job_and_the_next_goes_on(rows: Rows, store: str, size: int) -> None:
    rows.keep_in(store)
    with rows.engine.changed(partial(fill_disk, size)) as options, pytest.raises(Exception, match=f"Cannot .*{store}"):
        rows.run(names(300), **options)
    assert 0 < len(rows.bulk.starts) < 300
    assert rows.run(names(300), rerun_unknown=True) == dict.fromkeys(names(300), "done")
    assert len(rows.bulk.starts) == 300
    assert len(rows.bulk.twice) <= 6  # those that were at work when the disk was full were unknown


def test_machines_that_die_are_told_by_their_beats_whatever_the_clocks_say(rows: Rows) -> None:
    rows.keep_in("runs/")
    rows.bulk.faults["row 3"] = "hang"
    rows.bulk.latency = 0.05
    killing = rows.killed_once(lambda: rows.bulk.arrived["row 3"] > 0)
    with rows.engine.changed(move_away) as options:
        found = rows.run(names(30), survives=True, **options)
    killing.join()
    rows.settle(names(30), found)


def test_checkpoints_of_ray_and_the_store_go_along(rows: Rows, tmp_path: Path) -> None:
    """A job whose actors are killed, the one after it, and one more for what was unknown: each row is written once."""
    if rows.kind != "ray":
        pytest.skip("Dask has no checkpoints")
    from ray.data.checkpoint import CheckpointConfig

    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "in").mkdir()
    for number in range(4):
        lines = ["string", *names(24)[number::4]]
        (tmp_path / "in" / f"{number}.csv").write_text("\n".join(lines) + "\n")
    context = rows.engine.data.DataContext.get_current()
    context.checkpoint_config = CheckpointConfig(
        id_column="string", checkpoint_path=str(tmp_path / "checkpoints"), delete_checkpoint_on_success=False
    )

    def job(**options: Any) -> list[str]:
        """Run it, and return the keys that stand in all that was written."""
        records = rows.engine.data.read_csv(str(tmp_path / "in"), override_num_blocks=4)
        rows.engine.results(records, rows.store, concurrency=2, **options).write_parquet(str(tmp_path / "out"))
        files = (tmp_path / "out").rglob("*.parquet")
        return sorted(key for file in files for key in parquet.read_table(file)["key"].to_pylist())

    try:
        rows.bulk.faults |= {"row 13": "hang", "row 5": "broken"}
        killing = rows.killed_once(lambda: rows.bulk.arrived["row 13"] > 0)
        with pytest.raises(Exception, match="ActorDied|died unexpectedly"):
            job()
        killing.join()
        found = job()
        assert "row 5" not in found and len(found) >= 24 - 4
        rows.bulk.faults.clear()
        assert job(rerun_unknown=True) == sorted(names(24))
    finally:
        context.checkpoint_config = None
    assert (rows.bulk.starts.total(), rows.bulk.twice) == (24, [])


def test_a_wrong_key_ends_the_job_at_once(rows: Rows) -> None:
    rows.bulk.key = "app-ANOTHER"
    with pytest.raises(Exception, match="Access token is invalid") as caught:
        rows.run(names(200))
    assert rows.kind == "ray" or isinstance(caught.value, JobEndedError)
    assert rows.bulk.starts.total() == 0
    rows.bulk.key = ""
    assert rows.run(names(6)) == dict.fromkeys(names(6), "done")


def test_nothing_that_travels_is_shown_or_is_logged_holds_the_key(rows: Rows) -> None:
    from difygen.bulk.run import Policy
    from difygen.engines import Work

    if rows.kind == "dask":
        pytest.importorskip("bokeh", reason="Dask has no dashboard without: pip install bokeh")
    rows.bulk.faults["row 1"] = "fail"
    rows.run(names(6))
    rows.bulk.key = "app-ANOTHER"
    with pytest.raises(Exception, match="Access token is invalid"):
        rows.run(["one more"])
    kind = ConcatClient if rows.kind == "dask" else AsyncConcatClient
    is_async = rows.kind == "ray"
    work = Work.of(kind(user="ada"), rows.store, 3, Policy(), is_async=is_async)
    assert KEY not in pickle.dumps(work) and KEY.decode() not in repr(work)
    with pytest.raises(TypeError, match="API key does not pickle"):
        Work.of(kind(user="ada", api_key="app-OWN"), rows.store, 3, Policy(), is_async=is_async)
    with pytest.raises(TypeError, match="is async|is not async|async client"):
        Work.of(kind(user="ada"), rows.store, 3, Policy(), is_async=not is_async)
    shown = list(rows.engine.shown())
    assert any(("call_row" if rows.kind == "dask" else "Caller") in text for text in shown)
    assert [text for text in shown if KEY.decode() in text] == []
    with open_store(rows.store) as store:
        assert KEY.decode() not in repr(list(store.iterate()))


def test_a_celery_task_whose_process_is_killed_is_delivered_again_and_starts_nothing(
    served: tuple[BulkServer, Server], tmp_path: Path
) -> None:
    """By the program of docs/engines.md, in a real worker with a broker of files."""
    pytest.importorskip("celery", reason="pip install celery")
    bulk, server = served
    bulk.forget()
    page = (ROOT / "docs" / "engines.md").read_text("utf-8")
    program = page.partition("<!-- file: tasks.py -->\n```python\n")[2].partition("```")[0]
    program = program.replace("from client import", "from support.concat_client import")
    (tmp_path / "tasks.py").write_text(program.replace("key=key)", 'key=key, user_prefix="bulk")'))
    for folder in ("queue", "results"):
        (tmp_path / folder).mkdir()
    env = {**os.environ, **bulk.environment(server), "PYTHONPATH": os.pathsep.join((str(tmp_path), PATHS))}
    bulk.faults |= {"row 1": "hang", "row 2": "silent"}
    celery = [sys.executable, "-m", "celery", "-A", "tasks"]
    with (tmp_path / "log").open("w") as log:
        worker = subprocess.Popen(
            [*celery, "worker", "--pool", "prefork", "--concurrency", "2"],
            cwd=tmp_path,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        send = "import json; from tasks import call\n"
        send += "sent = [call.delay(name, {'string': name}) for name in ('row 0', 'row 1', 'row 2')]\n"
        waiting = subprocess.Popen(
            [sys.executable, "-c", send + "print(json.dumps([each.get(timeout=60)['status'] for each in sent]))"],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert eventually(lambda: bulk.arrived["row 1"] and bulk.arrived["row 2"], 40)
        time.sleep(0.5)
        # Both are at work: one that is killed while it waits for work would leave the pool locked.
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        out, _ = waiting.communicate(timeout=90)
        assert json.loads(out) == ["succeeded"] * 3, (tmp_path / "log").read_text()
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # its warm shutdown waits for the processes that were killed
        worker.wait(30)
    assert (bulk.starts, bulk.twice) == ({"row 0": 1, "row 1": 1, "row 2": 1}, [])
    assert "WorkerLostError" in (tmp_path / "log").read_text()
    assert KEY not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
