"""What a bulk job costs, on loopback: `python benchmarks/bulk.py` prints all, `… bulk.py cpu memory` some.

cpu      CPU per row at a concurrency of 200, the store on, beside bare httpx with a semaphore and json, without one;
         interleaved rounds, each in a process of its own
memory   what a process holds after many rows, beyond what it held after 10,000: all done by a client that answers at
         once, so that it is the table, the store and the job that are measured; for a file, and for a folder of parts
restart  how long the command takes over rows that are all done and one that is not, from its start to its end; and the
         same where the table has a new first row besides
shards   eight processes on one store: rows that were started twice

`--rows N` are those of `cpu` (20,000), `--many N` those of `memory` and `restart` (1,000,000).
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
SPEC = "name: concat\ninputs:\n  string: {type: text-input}\n  num: number\noutputs:\n  result: string\n"
CONCURRENCY = 200


@contextmanager
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """Start the server; its address, and what it has counted, once it has stopped."""
    command = [sys.executable, str(HERE / "bulk_server.py")]
    counted: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", counted
        process.stdin.close()
        counted.update(json.loads(process.stdout.readline()))


def write_table(path: Path, count: int, extra: int = 0) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("string,num\n")
        file.writelines(f"text of row {number},{number}\n" for number in range(count + extra))


def in_process(*arguments: object) -> dict[str, Any]:
    """Do one measurement in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--job", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# What is measured, each in its own process


async def floor(url: str, count: int, mode: str) -> None:
    """What a careful user would write by hand, for one answer or reading a stream."""
    import httpx

    slots = asyncio.Semaphore(CONCURRENCY)
    limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
    results: list[Any] = []

    async def call(client: httpx.AsyncClient, number: int) -> None:
        inputs = {"string": f"text of row {number}", "num": number}
        body = {"inputs": inputs, "response_mode": mode, "user": "bench"}
        async with slots:
            if mode == "blocking":
                answer = await client.post("/workflows/run", json=body)
                answer.raise_for_status()
                results.append(answer.json()["data"]["outputs"])
                return
            async with client.stream("POST", "/workflows/run", json=body) as response:
                response.raise_for_status()
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        event = json.loads(line[6:])
                        if event["event"] == "workflow_finished":
                            results.append(event["data"]["outputs"])

    headers = {"Authorization": "Bearer app-x"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60, trust_env=False) as client:
        for start in range(0, count, 2000):  # not a million tasks at once
            async with asyncio.TaskGroup() as group:
                for number in range(start, min(start + 2000, count)):
                    group.create_task(call(client, number))
    assert len(results) == count


class DryStream:
    """A run that ends at once."""

    workflow_run_id: str | None = None
    task_id = message_id = conversation_id = None

    def __init__(self, string: str) -> None:
        self._string = string

    async def __anext__(self) -> Self:
        await asyncio.sleep(0)
        self.workflow_run_id = f"run of {self._string}"
        return self

    async def result(self) -> Any:
        return DryRun(self._string)

    async def aclose(self) -> None: ...


class DryRun:
    status, error, elapsed_time, total_tokens, total_steps = "succeeded", None, 0.1, 9, 2

    def __init__(self, string: str) -> None:
        self.raw_outputs = {"result": string}
        self.workflow_run_id = f"run of {string}"


class DryClient:
    """A client without a server."""

    def stream(self, *, string: str, num: float, user: str | None = None) -> DryStream:
        return DryStream(string)


def reader_of(folder: Path, table: Path) -> Any:
    """Return the rows of a table, as `difygen call --inputs` reads them."""
    from difygen import parse
    from difygen.call.tables import Table
    from difygen.call.tables.rows import Columns, RowReader

    spec = folder / "concat.yaml"
    spec.write_text(SPEC)
    app = parse(spec.read_bytes(), "concat.yaml").workflow
    assert app is not None
    return RowReader(app, Table(table.name, table), {}, {"string": "string", "num": "num"}, Columns(), {})


def job_of(client: Any, store: Any, reader: Any) -> tuple[Any, Any]:
    """Return a job over a table, and what gives it its rows, as the command has them."""
    from difygen.bulk import AsyncJob
    from difygen.bulk.pages import Pages
    from difygen.call.tables.rows import paged_rows

    pages = Pages(store, reader.topic(), retry_failed=False)
    job = AsyncJob(client, store, concurrency=CONCURRENCY, pages=pages)
    return job, lambda: (getattr(found, "row", found) for found in paged_rows(reader, pages))


async def ours(url: str, folder: Path, table: Path, store: Path) -> None:
    """A job over a table with a store, as the command does it."""
    sys.path.insert(0, str(folder))
    from client import AsyncConcatClient  # type: ignore[import-not-found]
    from difygen.bulk import open_store

    reader = reader_of(folder, table)
    with open_store(store) as kept:
        async with AsyncConcatClient(base_url=url, api_key="app-x", user="bench", max_retries=0) as client:
            job, rows = job_of(client, kept, reader)
            tally = await job.run(rows)
    assert tally.error is None and not tally.failed, (tally.error, tally.failed)


async def dry(folder: Path, table: Path, store: str) -> dict[str, float]:
    from difygen.bulk import open_store

    held: list[float] = []

    async def watch(job: Any) -> None:
        while not held:
            await asyncio.sleep(0.01)
            if job.tally.done >= 10_000:
                held.append(resident())

    began = time.perf_counter()
    with open_store(store) as kept:
        job, rows = job_of(DryClient(), kept, reader_of(folder, table))
        watcher = asyncio.create_task(watch(job))
        await job.run(rows)
        watcher.cancel()
    return {"early": held[0] if held else 0.0, "late": resident(), "seconds": time.perf_counter() - began}


def resident() -> float:
    """Return the memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def do_job(name: str, arguments: list[str]) -> dict[str, float]:
    if name == "dry":
        folder, table, store = arguments
        return asyncio.run(dry(Path(folder), Path(table), store))
    began, wall = time.process_time(), time.perf_counter()
    if name == "ours":
        url, *paths = arguments
        asyncio.run(ours(url, *map(Path, paths)))
    else:
        asyncio.run(floor(arguments[0], int(arguments[1]), name))
    return {"cpu": time.process_time() - began, "wall": time.perf_counter() - wall}


# What is asked for


def cpu(folder: Path, count: int, rounds: int) -> None:
    table = folder / "rows.csv"
    write_table(table, count)
    names = ("blocking", "streaming", "ours")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with server() as (url, counted):
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                arguments = (url, folder, table, folder / f"{number}.db") if name == "ours" else (url, count)
                found[name].append(in_process(name, *arguments))
    print(f"CPU per row, {count:,} rows at a concurrency of {CONCURRENCY}; rounds: {rounds}")
    for name, said in zip(
        names, ("bare httpx, one answer", "bare httpx, a stream", "difygen, with its store"), strict=True
    ):
        each = statistics.median(round_["cpu"] for round_ in found[name]) / count * 1e6
        rate = count / statistics.median(round_["wall"] for round_ in found[name])
        ratios = [a["cpu"] / b["cpu"] for a, b in zip(found[name], found["streaming"], strict=True)]
        print(f"  {said:26}{each:10,.0f} µs{statistics.median(ratios):8.2f} ×{rate:10,.0f} rows/s")
    print(f"  the server has answered {counted['starts']:,} runs")


STORES = ("many.db", "parts/")


def memory(folder: Path, many: int) -> None:
    table = folder / "many.csv"
    write_table(table, many)
    for store in STORES:
        found = in_process("dry", folder, table, f"{folder}/{store}")
        early, late = found["early"], found["late"]
        print(f"Memory, {store}: {early:.1f} MB after 10,000 rows, {late:.1f} MB after {many:,}")
        print(f"  {late - early:.1f} MB more, {many / found['seconds']:,.0f} rows/s without a server")


def restart(folder: Path, many: int) -> None:
    table = folder / "many.csv"
    write_table(table, many)
    for store in STORES:
        if not (folder / store).exists():
            in_process("dry", folder, table, f"{folder}/{store}")
    with server() as (url, counted):
        for new, said in ((1, "one more"), (2, "changed at its beginning")):
            write_table(table, many, extra=new)
            if new == 2:
                header, _, rest = table.read_text("utf-8").partition("\n")
                table.write_text(f"{header}\nnew first row,1\n{rest}", "utf-8")
            for store in STORES:
                seconds = command_over(folder, table, f"{folder}/{store}", url)
                print(f"Restart, {store}: the command over {many:,} rows that are done, {said}: {seconds:.1f} s")
    print(f"  rows that were run: {counted['starts']}")


def command_over(folder: Path, table: Path, store: str, url: str) -> float:
    """Return the seconds that the command takes, from its start to its end."""
    spec = folder / "concat.yaml"
    spec.write_text(SPEC)
    environment = {**os.environ, "DIFY_BASE_URL": url, "DIFY_API_KEY": "app-x"}
    command = [sys.executable, "-m", "difygen", "call", str(spec), "--inputs", str(table), "--store", store]
    began = time.perf_counter()
    subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def shards(folder: Path, count: int) -> None:
    table, store, spec = folder / "rows.csv", folder / "shared.db", folder / "concat.yaml"
    write_table(table, count)
    spec.write_text(SPEC)
    with server() as (url, counted):
        environment = {**os.environ, "DIFY_BASE_URL": url, "DIFY_API_KEY": "app-x"}
        command = [sys.executable, "-m", "difygen", "call", str(spec), "--inputs", str(table), "--store", str(store)]
        processes = [
            subprocess.Popen(
                [*command, "--concurrency", "64", "--shard", f"{shard}/4"], env=environment, stderr=subprocess.DEVNULL
            )
            for shard in (1, 2, 3, 4, 1, 2, 3, 4)  # each part twice, so that they contend
        ]
        codes = [process.wait() for process in processes]
    print(f"Shards: eight processes ended with {codes}; {counted['rows']:,} rows, {counted['twice']} started twice")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["cpu", "memory", "restart", "shards"])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--job", nargs="+")
    chosen = parser.parse_args()
    if chosen.job:
        print(json.dumps(do_job(chosen.job[0], chosen.job[1:])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "concat.yaml").write_text(SPEC)
        subprocess.run(
            [sys.executable, "-m", "difygen", str(folder / "concat.yaml"), "-o", str(folder / "client")], check=True
        )
        for part in chosen.parts:
            match part:
                case "cpu":
                    cpu(folder, chosen.rows, chosen.rounds)
                case "memory":
                    memory(folder, chosen.many)
                case "restart":
                    restart(folder, chosen.many)
                case "shards":
                    shards(folder, 4_000)


if __name__ == "__main__":
    main()
