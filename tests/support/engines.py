"""Rows on a cluster of this machine, by Ray or Dask: in this process, or by drivers of their own, to be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from difygen.bulk import Row

from support import GENERATOR, ROOT
from support.concat_client import AsyncConcatClient, ConcatClient

PATHS = os.pathsep.join(map(str, (GENERATOR, ROOT / "templates", ROOT / "tests")))


def row(string: str) -> Row:
    """The row of a text; its process leaves a file that is called like its number, so that it can be killed."""
    (Path(os.environ["ENGINE_PIDS"]) / str(os.getpid())).touch()
    return Row.of("concat", {"string": string}, key=string, user_prefix="bulk")


def row_of_record(record: Any) -> Row:
    return row(record["string"])


class DaskRows:
    """Rows on Dask."""

    def __init__(self, address: str) -> None:
        from distributed import Client

        self.client = Client(address)

    def run(self, strings: Sequence[str], store: str, *, concurrency: int = 6, **options: Any) -> dict[str, str]:
        from difygen.engines.dask import call_rows

        options.pop("survives", None)
        client = ConcatClient(user="ada", max_retries=0, timeout=20, max_reconnects=0)
        rows = (Row.of("concat", {"string": each}, key=each, user_prefix="bulk") for each in strings)
        results = call_rows(self.client, client, rows, store, concurrency=concurrency, **options)
        return {each.key: each.state for each in results}

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
        from difygen.engines.ray import call_rows

        if options.pop("survives", False):
            options["retries"] = -1
        client = AsyncConcatClient(user="ada", max_retries=0, timeout=20, max_reconnects=0)
        records = self.data.from_items([{"string": each} for each in strings], override_num_blocks=3)
        results = call_rows(records, client, row_of_record, store, concurrency=concurrency, **options)
        return {each["key"]: each["state"] for each in results.take_all()}

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

    leases = {
        "distributed.scheduler.locks.lease-timeout": "2s",
        "distributed.scheduler.locks.lease-validation-interval": "500ms",
    }
    with (
        dask.config.set(leases),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def ray_cluster() -> Iterator[str]:
    import ray

    found = ray.init(num_cpus=2, object_store_memory=100_000_000, include_dashboard=False, log_to_driver=False)
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
