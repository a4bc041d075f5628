"""Jobs that are killed, cut off, refused, or alone no more: whatever happens, the server sees no row started twice, but
where a row was unknown and its re-run was asked for.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from difygen.bulk import open_store
from support.bulk_server import SPEC, BulkServer, bulk_server
from support.processes import eventually
from support.servers import Server
from support.terminal import Ended, command, environment, piped


class Job:
    """A command over a table, run in processes that may be killed."""

    def __init__(self, folder: Path, bulk: BulkServer, server: Server) -> None:
        self.folder, self.bulk, self.env = folder, bulk, bulk.environment(server)
        self.spec = folder / "concat.yaml"
        self.spec.write_text(SPEC)
        self.table = folder / "rows.jsonl"
        self.output = folder / "out.jsonl"
        self.store: str | None = None
        self.processes: list[subprocess.Popen[str]] = []

    def rows(self, *strings: str) -> None:
        self.table.write_text("".join(json.dumps({"string": string}) + "\n" for string in strings))

    def arguments(self, *more: str) -> list[str]:
        place = ["--output", str(self.output)] if self.store is None else ["--store", self.store]
        return ["call", str(self.spec), "--inputs", str(self.table), *place, "--timeout", "60", *more]

    def run(self, *more: str) -> Ended:
        return piped(*self.arguments(*more), env=self.env)

    def start(self, *more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command(*self.arguments(*more)), env=environment(self.env), stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Kill what a test that has failed has left."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def kill_at(self, row: str, *more: str) -> None:
        """Kill a process once the request for a row has arrived, and what was said until then was kept."""
        process = self.start(*more)
        try:
            self.bulk.wait_for(row)
            self.wait_until_kept()
        finally:
            process.kill()
            process.communicate()

    def kill_after(self, starts: int, *more: str) -> None:
        """Kill a process once so many rows were started, wherever it is with others."""
        process = self.start(*more)
        until = time.monotonic() + 60
        while self.bulk.starts.total() < starts and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.002)
        process.kill()
        process.communicate()

    def wait_until_kept(self) -> None:
        """Wait until the process has written what it has heard: ends, and ids of runs that hang."""
        asked = {row: self.bulk.faults.get(row, "") for row in self.bulk.arrived}
        told = {"": "done", "hang": "started"}
        expected = Counter(told.get(fault, "claimed") for fault in asked.values())
        with open_store(f"{self.output}.db") as store:
            assert eventually(lambda: Counter(stored.state for stored in store.iterate()) == expected)

    def results(self) -> dict[str, str]:
        lines = [json.loads(line) for line in self.output.read_text().splitlines()]
        return {line["inputs"]["string"]: line["status"] for line in lines}


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with bulk_server() as (bulk, server):
        job = Job(tmp_path, bulk, server)
        yield job
        job.end()


def test_a_run_that_was_started_is_read_after_a_kill(job: Job) -> None:
    job.rows("a", "b", "c")
    job.bulk.faults["b"] = "hang"
    job.kill_at("b", "--concurrency", "1")
    ended = job.run()
    assert (ended.code, job.results()) == (0, {"a": "succeeded", "b": "succeeded", "c": "succeeded"})
    assert (job.bulk.starts, job.bulk.twice) == ({"a": 1, "b": 1, "c": 1}, [])


def test_a_run_that_told_no_id_is_found_in_the_logs(job: Job) -> None:
    job.rows("a", "b", "c")
    job.bulk.faults["b"] = "silent"
    job.kill_at("b", "--concurrency", "1", "--user-per-row")
    ended = job.run("--user-per-row")
    assert (ended.code, job.results()["b"], job.bulk.twice) == (0, "succeeded", [])


def test_a_claim_that_nobody_can_tell_of_is_unknown_until_its_re_run_is_asked_for(job: Job) -> None:
    job.rows("a", "b")
    job.bulk.faults["b"] = "lost"
    job.kill_at("b", "--concurrency", "1", "--user-per-row")
    job.bulk.faults.clear()
    for _ in range(2):
        ended = job.run("--user-per-row")
        assert (ended.code, job.bulk.starts["b"]) == (1, 0)
        assert "1 of 2 rows succeeded (1 before), 1 unknown." in ended.err
        assert "--rerun-unknown" in ended.err
    again = job.run("--user-per-row", "--rerun-unknown")
    assert (again.code, job.results(), job.bulk.starts["b"]) == (0, {"a": "succeeded", "b": "succeeded"}, 1)


def test_without_users_of_their_own_a_silent_run_may_run_twice_only_if_that_is_asked_for(job: Job) -> None:
    job.rows("b")
    job.bulk.faults["b"] = "silent"
    job.kill_at("b")
    job.bulk.faults.clear()
    assert "1 unknown" in job.run().err
    assert job.bulk.starts["b"] == 1
    assert job.run("--rerun-unknown").code == 0
    assert job.bulk.starts["b"] == 2
    assert job.run("--rerun-unknown").code == 0
    assert job.bulk.starts["b"] == 2


STORES = ["runs.db", pytest.param("runs/", marks=pytest.mark.slow), pytest.param("objects", marks=pytest.mark.slow)]
"""A file, a folder of parts, and a place of fsspec."""


def store_of(job: Job, store: str) -> str:
    return f"local://{job.folder}/objects" if store == "objects" else f"{job.folder}/{store}"


@pytest.mark.parametrize("store", STORES)
def test_a_job_that_is_killed_again_and_again_starts_no_row_twice(job: Job, store: str) -> None:
    job.store = store_of(job, store)
    names = [f"row {number}" for number in range(60)]
    job.rows(*names)
    job.bulk.latency = 0.05
    for starts in (1, 14, 15, 31, 44):
        job.kill_after(starts, "--concurrency", "6", "--user-per-row")
    job.run("--user-per-row", "--concurrency", "6")
    assert (job.bulk.twice, len(job.bulk.starts) >= 36) == ([], True)  # 6 at most were only claimed at each kill
    ended = job.run("--user-per-row", "--rerun-unknown")
    assert (ended.code, set(job.bulk.starts), job.bulk.twice) == (0, set(names), [])


def test_streams_that_are_cut_are_read_to_their_end(job: Job) -> None:
    job.rows(*"abcdef")
    job.bulk.faults |= dict.fromkeys("ace", "cut")
    ended = job.run()
    assert (ended.code, set(job.results().values()), job.bulk.twice) == (0, {"succeeded"}, [])


def test_a_storm_of_refusals_slows_all_down_and_loses_nothing(job: Job) -> None:
    names = [f"row {number}" for number in range(40)]
    job.rows(*names)
    job.bulk.refusals, job.bulk.capacity, job.bulk.latency = 16, 4, 0.05
    ended = job.run("--concurrency", "16")
    assert (ended.code, job.bulk.starts.total(), job.bulk.twice) == (0, 40, [])
    assert 16 < job.bulk.refused < 120
    assert ended.err.startswith("40 of 40 rows succeeded.")


@pytest.mark.parametrize("store", STORES)
def test_a_refusal_that_one_process_meets_is_heard_by_all(job: Job, store: str) -> None:
    job.store = store_of(job, store)
    job.rows(*(f"row {number}" for number in range(250)))
    job.bulk.latency, job.bulk.faults["refused"] = 0.03, "busy"
    quick = job.start("--concurrency", "4")
    try:
        until = time.monotonic() + 60
        while job.bulk.starts.total() < 40:  # it has asked once by then what others say
            assert time.monotonic() < until and quick.poll() is None
            time.sleep(0.01)
        job.bulk.latency = 0.3  # so that it is still at work when the other one has begun, however slow this machine is
        job.table = job.folder / "other.jsonl"
        job.rows("refused")
        other = job.start("--concurrency", "4")
        while not job.bulk.refused:
            assert time.monotonic() < until and other.poll() is None
            time.sleep(0.01)
        job.bulk.faults.clear()
        job.bulk.latency = 0.03
        errors = [process.communicate(timeout=120)[1] for process in (quick, other)]
    finally:
        quick.kill()
    assert [quick.returncode, other.returncode] == [0, 0], errors
    moments = [moment for row, moment in job.bulk.began if row != "refused"]
    pauses = [after - before for before, after in pairwise(moments)]
    assert (max(pauses) > 1.2, job.bulk.refused, job.bulk.twice) == (True, 1, [])


@pytest.mark.parametrize("store", STORES)
def test_two_drivers_share_one_table(job: Job, store: str) -> None:
    names = [f"row {number}" for number in range(40)]
    job.rows(*names)
    job.store = store_of(job, store)
    job.bulk.latency = 0.05
    drivers = [job.start("--concurrency", "4") for _ in range(2)]
    errors = [driver.communicate(timeout=120)[1] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], errors
    assert (job.bulk.starts.total(), job.bulk.twice) == (40, [])


KINDS = ["runs.db", "runs/", "objects"]


def all_eight(job: Job, *more: str) -> list[subprocess.Popen[str]]:
    return [job.start("--shard", f"{number}/8", "--user-per-row", *more) for number in range(1, 9)]


def codes_of(processes: list[subprocess.Popen[str]]) -> tuple[list[int], list[str]]:
    errors = [process.communicate(timeout=120)[1] for process in processes]
    return [process.returncode for process in processes], errors


def kill_all_after(starts: int, job: Job, shards: list[subprocess.Popen[str]]) -> None:
    """Kill all once so many rows were started, wherever they are with others."""
    until = time.monotonic() + 60
    while job.bulk.starts.total() < starts and any(shard.poll() is None for shard in shards):
        assert time.monotonic() < until  # those that have ended left rows of killed ones unknown
        time.sleep(0.002)
    for shard in shards:
        shard.kill()
        shard.communicate()
    assert job.bulk.twice == []


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", KINDS)
def test_eight_shards_on_one_store_are_killed_in_every_state_of_a_row(job: Job, store: str) -> None:
    """Rows that are claimed, started without a word, started with an id, cut, refused, not begun, done."""
    names = [f"row {number}" for number in range(64)]
    job.rows(*names)
    job.store = store_of(job, store)
    job.bulk.latency, job.bulk.refusals = 0.05, 4
    states = ["hang", "silent", "lost", "cut", "cut early"]
    struck = {name: states[number % 5] for number, name in enumerate(names[::4])}
    job.bulk.faults |= struck
    shards = all_eight(job, "--concurrency", "80")
    for name in struck:
        job.bulk.wait_for(name)
    time.sleep(0.4)  # in which most of what was heard is kept
    for shard in shards:
        shard.kill()
        shard.communicate()
    job.bulk.faults.clear()
    lost = [name for name, state in struck.items() if state == "lost"]
    codes, errors = codes_of(all_eight(job))
    assert set(codes) <= {0, 1} and "Traceback" not in "".join(errors), errors
    assert (set(names) - set(job.bulk.starts), job.bulk.twice) == (set(lost), []), errors
    codes, errors = codes_of(all_eight(job, "--rerun-unknown"))
    assert (codes, set(job.bulk.starts), job.bulk.twice) == ([0] * 8, set(names), []), errors
    merged = piped(*job.arguments("--user-per-row", "--output", str(job.output)), env=job.env)
    assert merged.err.startswith("64 of 64 rows succeeded (64 before).")
    assert set(job.results().values()) == {"succeeded"}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", KINDS)
def test_eight_shards_are_killed_again_and_again(job: Job, store: str) -> None:
    names = [f"row {number}" for number in range(96)]
    job.rows(*names)
    job.store = store_of(job, store)
    job.bulk.latency, job.bulk.capacity = 0.05, 12
    for starts in (1, 20, 45, 70):
        kill_all_after(starts, job, all_eight(job, "--concurrency", "24"))
    codes, errors = codes_of(all_eight(job))
    assert job.bulk.twice == [], errors
    codes, errors = codes_of(all_eight(job, "--rerun-unknown"))
    assert (codes, set(job.bulk.starts), job.bulk.twice) == ([0] * 8, set(names), []), errors


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", KINDS)
def test_a_storm_over_eight_shards_ends_none_of_them(job: Job, store: str) -> None:
    names = [f"row {number}" for number in range(96)]
    job.rows(*names)
    job.store = store_of(job, store)
    job.bulk.latency, job.bulk.capacity, job.bulk.refusals = 0.05, 4, 40
    codes, errors = codes_of(all_eight(job, "--concurrency", "64"))
    assert (codes, set(job.bulk.starts), job.bulk.twice) == ([0] * 8, set(names), []), errors


@pytest.mark.parametrize("store", STORES[:2])
def test_a_store_that_cannot_grow_ends_the_job_and_stays_whole(job: Job, store: str) -> None:
    job.store = store_of(job, store)
    names = [f"row {number} {'x' * 20}" for number in range(400)]
    job.rows(*names)
    script = 'ulimit -f 60; exec "$@"'  # blocks of 1024 bytes: the write-ahead log reaches that first
    full = subprocess.run(
        ["bash", "-c", script, "bash", *command(*job.arguments())],
        env=environment(job.env),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert full.returncode == 1, full.stderr
    assert "Error: Cannot" in full.stderr and "Traceback" not in full.stderr
    ended = job.run("--rerun-unknown")
    assert ended.code == 0, ended.err
    once = [row for row in names if job.bulk.starts[row] == 1]
    assert len(once) >= len(names) - 4  # what was at work when the disk was full is unknown


ON_A_FULL_DISK = """
disk=$1 store=$2 shards=$3; shift 3
mkdir -p "$disk" && mount -t tmpfs -o size=8m none "$disk" || exit 77
head -c 7900k /dev/zero > "$disk/ballast"
each() {
    for shard in $(seq "$shards"); do "$@" --store "$disk/$store" --shard "$shard/$shards" & done
    for job in $(jobs -p); do wait "$job"; echo -n " $?"; done
    echo
}
each "$@"
rm "$disk/ballast"
each "$@" --rerun-unknown
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("shards", [1, 8])
@pytest.mark.parametrize("store", ["runs.db", "runs/"])
def test_a_disk_that_is_full_ends_all_jobs_and_the_next_ones_go_on(job: Job, store: str, shards: int) -> None:
    """On a small disk of its own, in a name space that may mount one, where the system allows that."""
    names = [f"row {number} {'x' * 30}" for number in range(500 if shards == 1 else 1500)]
    job.rows(*names)
    job.store = "unused"
    call = [each for each in job.arguments() if each not in ("--store", "unused")]
    ended = subprocess.run(
        [
            *("unshare", "-Urm", "bash", "-c", ON_A_FULL_DISK, "bash"),
            f"{job.folder}/disk",
            store,
            f"{shards}",
            *command(*call),
        ],
        env=environment(job.env),
        capture_output=True,
        text=True,
        check=False,
        timeout=360,
    )
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("no file system may be mounted here")
    assert (ended.stdout, "Traceback" in ended.stderr) == (f"{' 1' * shards}\n{' 0' * shards}\n", False), ended.stderr
    assert "Error: Cannot" in ended.stderr and "What was kept before stays" in ended.stderr
    assert set(job.bulk.starts) == set(names)
    assert len(job.bulk.twice) <= 4 * shards, job.bulk.twice  # what was at work when the disk was full was unknown


JUMPS = ("0", "1e9", "-1e9", "wild")


def let_clocks_jump(job: Job, folder: Path) -> None:
    """Let the wall clock of each process be off by the seconds of `JUMP`, or by others with every look."""
    (folder / "sitecustomize.py").write_text(
        "import os, random, time\nreal, jump = time.time, os.environ.get('JUMP', '0')\n"
        "time.time = lambda: real() + (random.uniform(-1e9, 1e9) if jump == 'wild' else float(jump))\n"
    )
    job.env["PYTHONPATH"] = os.pathsep.join((str(folder), environment({})["PYTHONPATH"]))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", KINDS)
def test_eight_shards_whose_clocks_jump_apart_start_no_row_twice(job: Job, tmp_path: Path, store: str) -> None:
    names = [f"row {number}" for number in range(96)]
    job.rows(*names)
    job.store = store_of(job, store)
    let_clocks_jump(job, tmp_path)
    job.bulk.latency, job.bulk.capacity = 0.05, 12

    def all_apart(first: int, *more: str) -> list[subprocess.Popen[str]]:
        shards = []
        for number in range(8):
            job.env["JUMP"] = JUMPS[(first + number) % len(JUMPS)]
            shards.append(job.start("--shard", f"{number + 1}/8", "--user-per-row", *more))
        return shards

    for round_, starts in enumerate((1, 25, 60)):
        kill_all_after(starts, job, all_apart(round_))
    codes, errors = codes_of(all_apart(3, "--rerun-unknown"))
    assert (codes, set(job.bulk.starts), job.bulk.twice) == ([0] * 8, set(names), []), errors


@pytest.mark.slow
@pytest.mark.parametrize("store", KINDS)
def test_clocks_that_jump_change_nothing(job: Job, tmp_path: Path, store: str) -> None:
    """The wall clock is years off, forward, back, and with every look; what lives is told without it."""
    names = [f"row {number}" for number in range(24)]
    job.rows(*names)
    job.store = store_of(job, store)
    let_clocks_jump(job, tmp_path)
    job.bulk.latency = 0.05
    for jump, starts in zip(JUMPS, (3, 8, 12, 16), strict=True):
        job.env["JUMP"] = jump
        job.kill_after(starts, "--concurrency", "3", "--user-per-row")
    drivers = []
    for jump in ("1e9", "wild", "-1e9"):
        job.env["JUMP"] = jump
        drivers.append(job.start("--user-per-row", "--rerun-unknown", "--concurrency", "3"))
    codes, errors = codes_of(drivers)
    assert (codes, set(job.bulk.starts), job.bulk.twice) == ([0, 0, 0], set(names), []), errors


def test_a_wrong_key_ends_the_job_at_once_and_keeps_everything(job: Job) -> None:
    job.rows(*"abcdefgh")
    job.run("--shard", "1/2")
    before = job.bulk.starts.total()
    job.bulk.key = "app-ANOTHER"
    ended = job.run("--concurrency", "1")
    assert ended.code == 1
    assert "Access token is invalid" in ended.err and "app-SECRET" not in ended.err
    assert job.bulk.starts.total() == before
    assert len(job.results()) == before
    job.bulk.key = ""
    assert job.run().code == 0
    assert (job.bulk.starts.total(), job.bulk.twice) == (8, [])


def test_an_address_where_nobody_is_ends_the_job_at_once(job: Job) -> None:
    job.rows(*"abc")
    ended = piped(*job.arguments(), "--base-url", "http://127.0.0.1:9/v1", env=job.env)
    assert ended.code == 1
    assert job.run().code == 0
    assert (job.bulk.starts.total(), job.bulk.twice) == (3, [])


def test_rows_that_fail_are_results(job: Job) -> None:
    job.rows(*"abcd")
    job.bulk.faults |= {"b": "fail", "c": "refuse"}
    ended = job.run()
    assert ended.code == 1
    assert "2 of 4 rows succeeded, 2 failed (1 InvalidParamError and 1 RunFailedError)." in ended.err
    assert job.results() == {"a": "succeeded", "b": "failed", "c": "error", "d": "succeeded"}
    job.bulk.faults.clear()
    assert job.run().code == 1
    assert job.bulk.starts.total() == 3
    assert job.run("--retry-failed").code == 0
    assert (job.bulk.starts["b"], job.bulk.starts["c"]) == (2, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_leaves_its_runs_to_the_next(job: Job, number: int) -> None:
    job.rows(*"abcd")
    job.bulk.faults["b"] = "hang"
    process = job.start("--concurrency", "1")
    job.bulk.wait_for("b")
    job.wait_until_kept()
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (
        130,
        "Interrupted after 1 row. The same command goes on where it stopped.\n",
    )
    assert job.results() == {"a": "succeeded", "b": "running"}
    job.bulk.faults.clear()
    assert (job.run().code, job.bulk.twice) == (0, [])


def test_no_key_is_in_the_store(job: Job) -> None:
    job.rows(*"abc")
    job.bulk.faults["b"] = "fail"
    job.run()
    kept: list[Any] = [path.read_bytes() for path in job.folder.glob("out*")]
    assert all(b"app-SECRET" not in data for data in kept) and len(kept) >= 2
