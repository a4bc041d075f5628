"""Rows on a cluster of this machine, by Ray or Dask: in this process, or by drivers of their own, to be killed."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen

from difygen.bulk import Row
from difygen.bulk.stores import base

from support import GENERATOR, ROOT
from support.concat_client import AsyncConcatClient, ConcatClient

HAS_RAY_DASHBOARD = find_spec("aiohttp_cors") is not None  # ray[default]

PATHS = os.pathsep.join(map(str, (GENERATOR, ROOT / "templates", ROOT / "tests")))

BEFORE = base.place, base.HEARTBEAT, base.SILENCE, time.time


def row(string: str) -> Row:
    return Row.of("concat", {"string": string}, key=string, user_prefix="bulk")


def row_of_record(record: Any) -> Row:
    """The row of a record; its process leaves a file that is called like its number, so that it can be killed."""
    (Path(os.environ["ENGINE_PIDS"]) / str(os.getpid())).touch()
    return row(record["string"])


def row_after(change: Callable[[], None], mark: str, record: Any) -> Row:
    """The row of a record in a process that is changed until the file `mark` is gone: Ray may keep it after a job."""

    def come_back_later() -> None:
        while os.path.exists(mark):
            time.sleep(0.05)
        come_back()

    if not any(thread.name == mark for thread in threading.enumerate()):
        change()
        threading.Thread(target=come_back_later, name=mark, daemon=True).start()
    return row_of_record(record)


def fill_disk(size: int) -> None:
    """Let no file of this process grow beyond so many bytes, as on a disk that is nearly full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def move_away() -> None:
    """Be on a machine of one's own, whose wall clock jumps forward by years. (Back, and Dask's own timers stop.)"""
    base.place = lambda: f"machine{os.getpid()}"
    base.HEARTBEAT, base.SILENCE = 0.5, 8.0
    years = random.uniform(0, 1e9)
    time.time = lambda: BEFORE[-1]() + years  # type: ignore[method-assign]


def come_back() -> None:
    fill_disk(resource.RLIM_INFINITY)
    base.place, base.HEARTBEAT, base.SILENCE, time.time = BEFORE


class DaskRows:
    """Rows on Dask."""

    def __init__(self, address: str) -> None:
        from distributed import Client

        self.client = Client(address)

    def run(self, strings: Sequence[str], store: str, *, concurrency: int = 6, **options: Any) -> dict[str, str]:
        from difygen.engines.dask import call_rows

        options.pop("survives", None)
        client = ConcatClient(user="ada", max_retries=0, timeout=20, max_reconnects=0)
        results = call_rows(self.client, client, map(row, strings), store, concurrency=concurrency, **options)
        return {each.key: each.state for each in results}

    @contextmanager
    def changed(self, change: Callable[[], None]) -> Iterator[dict[str, Any]]:
        """Do something in each process of a worker, also in those that come; gives options of `run`."""
        from distributed import WorkerPlugin

        class Changing(WorkerPlugin):  # type: ignore[misc]
            name = "changing"

            def setup(self, worker: Any) -> None:
                change()

        self.client.register_plugin(Changing())
        try:
            yield {}
        finally:
            self.client.unregister_worker_plugin("changing")
            self.client.run(come_back)

    def shown(self) -> Iterator[str]:
        """All that the cluster tells of itself: its state, its logs, and the pages of its dashboard."""
        from bokeh.client import pull_session
        from distributed.dashboard.scheduler import applications

        with tempfile.TemporaryDirectory() as folder:
            self.client.dump_cluster_state(f"{folder}/state", format="yaml")
            yield from (path.read_text() for path in Path(folder).glob("state*"))
        yield repr(self.client.get_worker_logs())
        pages = {path: urljoin(self.client.dashboard_link, path) for path in applications}
        for path in ("/status", "/tasks", "/graph", "/exceptions", "/profile", "/individual-memory-by-key"):
            session = pull_session(url=pages[path])
            yield json.dumps(session.document.to_json(), default=str)
            session.close()
        left, seen = [*pages.values(), urljoin(self.client.dashboard_link, "/info/main/workers.html")], set[str]()
        while left:
            page = left.pop()
            if page in seen or urlsplit(page).netloc != urlsplit(self.client.dashboard_link).netloc:
                continue
            seen.add(page)
            with suppress(HTTPError), urlopen(page, timeout=20) as answer:
                text = answer.read().decode(errors="replace")
                yield text
                left += [urljoin(page, link) for link in re.findall('(?:href|src)="([^"#]+)', text)]

    def pids(self) -> list[int]:
        return list(self.client.run(os.getpid).values())


class RayRows:
    """Rows on Ray Data."""

    def __init__(self, address: str) -> None:
        import ray

        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False)
        self.data = ray.data
        self.data.DataContext.get_current().enable_progress_bars = False

    def run(self, strings: Sequence[str], store: str, *, concurrency: int = 6, **options: Any) -> dict[str, str]:
        results = self.results(self.records(strings), store, concurrency=concurrency, **options)
        return {each["key"]: each["state"] for each in results.take_all()}

    def records(self, strings: Sequence[str]) -> Any:
        return self.data.from_items([{"string": each} for each in strings], override_num_blocks=3)

    def results(self, records: Any, store: str, *, row_of: Any = row_of_record, **options: Any) -> Any:
        from difygen.engines.ray import call_rows

        if options.pop("survives", False):
            options["retries"] = -1
        client = AsyncConcatClient(user="ada", max_retries=0, timeout=20, max_reconnects=0)
        return call_rows(records, client, row_of, store, **options)

    @contextmanager
    def changed(self, change: Callable[[], None]) -> Iterator[dict[str, Any]]:
        with tempfile.NamedTemporaryFile() as mark:
            yield {"row_of": partial(row_after, change, mark.name)}

    def shown(self) -> Iterator[str]:
        """All that the cluster tells of itself: its logs, and what its dashboard shows, where it has one."""
        logs = Path("/tmp/ray/session_latest/logs").resolve()
        yield from (path.read_text(errors="replace") for path in logs.rglob("*") if path.is_file())
        if HAS_RAY_DASHBOARD:
            from ray.util import state

            listings = (state.list_actors, state.list_tasks, state.list_workers, state.list_jobs, state.list_objects)
            yield from (repr(listing(detail=True, limit=1000, raise_on_missing_output=False)) for listing in listings)

    def pids(self) -> list[int]:
        return [int(path.name) for path in Path(os.environ["ENGINE_PIDS"]).iterdir()]


ENGINES = {"dask": DaskRows, "ray": RayRows}


def kill(engine: DaskRows | RayRows) -> None:
    """Kill whatever processes run rows."""
    for pid in engine.pids():
        with_command = Path(f"/proc/{pid}/cmdline")
        if with_command.exists() and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)


@contextmanager
def dask_cluster() -> Iterator[str]:
    import dask
    from distributed import LocalCluster

    settings = {
        "distributed.scheduler.locks.lease-timeout": "2s",
        "distributed.scheduler.locks.lease-validation-interval": "500ms",
        # This long after a worker has died its place is given up, unless one is there at that very moment.
        "distributed.deploy.lost-worker-timeout": "1 hour",
    }
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def ray_cluster() -> Iterator[str]:
    import ray

    found = ray.init(
        num_cpus=2, object_store_memory=100_000_000, include_dashboard=HAS_RAY_DASHBOARD, log_to_driver=False
    )
    try:
        yield found.address_info["gcs_address"]
    finally:
        ray.shutdown()


CLUSTERS = {"dask": dask_cluster, "ray": ray_cluster}


def driver(kind: str, address: str, strings: Sequence[str], store: str) -> subprocess.Popen[str]:
    """A driver in a process of its own, which prints the states of rows as JSON."""
    arguments = [kind, address, store, json.dumps(strings)]
    return subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    kind, address, store, strings = sys.argv[1:]
    print(json.dumps(ENGINES[kind](address).run(json.loads(strings), store)))
