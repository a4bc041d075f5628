"""What a generated client costs, side by side with others, in one interleaved run on loopback.

`python benchmarks/client.py` measures (a) CPU per streamed event, (b) CPU per blocking call on a kept-alive connection,
(c) imports, (d) memory held while events pass, and prints medians, ratios to the floor, and the targets. The floor is
what a careful user would write by hand: bare httpx, a byte splitter, json.loads. The server runs in another process;
every contestant has a process of its own; rounds are interleaved, so that a slow phase of the machine hits all alike.

Other Dify clients are measured when there is an environment for them: `--peers FOLDER` makes one per client in FOLDER
(with pip) or uses what is there. Without it they are left out, with a line that says so.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = {
    "dify-client": "dify-client==0.1.10",
    "dify-python-sdk": "dify-python-sdk==0.1.16",
    "dify-client-python": "dify-client-python==1.0.3",
}
OURS = tuple(f"difygen{kind}{mode}" for kind in ("", "-chat", "-chatflow") for mode in ("", "-async"))
LOCAL = ("floor", "floor-async", *OURS, "httpx-sse")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@dataclass
class Worker:
    """A contestant's process."""

    name: str
    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, name: str, python: str, port: int) -> "Worker":
        command = [python, str(HERE / "contestants.py"), name, str(port)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{name} does not start")
        return cls(name, process)

    def do(self, job: str) -> float:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(job, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@dataclass(frozen=True)
class Row:
    """One line of the table; `target` is the most that the ratio may be."""

    name: str
    value: float
    ratio: float
    target: float | None = None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return f"<= {self.target:g}  {'ok' if self.ratio <= self.target else 'MISSED'}"


def show(title: str, unit: str, rows: Sequence[Row]) -> None:
    print(f"\n{title}\n  {'':28}{unit:>14}{'ratio':>9}   target")
    for row in rows:
        print(f"  {row.name:28}{row.value:14,.2f}{row.ratio:9.2f}   {row.verdict}", flush=True)


def interleave(names: Sequence[str], measure: Callable[[str], float], rounds: int) -> dict[str, list[float]]:
    """Each round measures everybody once, every other round in reverse order."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(measure(name))
    return found


def compare(found: dict[str, list[float]], targets: dict[str, float], scale: float) -> list[Row]:
    """Medians, and medians of the ratios within a round. An async contestant is held against the async floor."""
    rows = []
    for name, values in found.items():
        base = found["floor-async" if name.endswith("-async") else "floor"]
        ratio = statistics.median(value / floor for value, floor in zip(values, base, strict=True))
        rows.append(Row(name, statistics.median(values) * scale, ratio, targets.get(name)))
    return rows


def wire(workers: Sequence[Worker], rounds: int) -> list[Row]:
    """(a) and (b)."""
    jobs = [
        ("(a) CPU per streamed event of 300 B, 20,000 events", "stream 300 20000", 20_000, 1.5, rounds),
        ("(a) CPU per streamed event of 1 MB, 10 events", "stream 1000000 10", 10, 1.5, rounds),
        ("(b) CPU per blocking call on a kept-alive connection", "blocking 150", 150, 1.15, 3 * rounds),
    ]
    every = {worker.name: worker for worker in workers}
    seen: list[Row] = []
    for title, job, count, target, times in jobs:
        found = interleave(list(every), partial(run_job, every, job), times)
        rows = compare(found, dict.fromkeys(OURS, target), 1e6 / count)
        show(title, "µs", rows)
        seen += rows
    return seen


def run_job(workers: dict[str, Worker], job: str, name: str) -> float:
    return workers[name].do(job)


def held(workers: Sequence[Worker]) -> list[Row]:
    """(d): bytes held after 100,000 events beyond those after 5,000. Constant means: a few kB, whatever the count."""
    rows = []
    for worker in workers:
        if worker.name in ("floor", "difygen", "httpx-sse"):
            kilobytes = max(worker.do("memory 100000") / 1000, 0.0)
            rows.append(Row(worker.name, kilobytes, kilobytes / 64, 1.0 if worker.name == "difygen" else None))
    show("(d) memory held while 100,000 events pass, beyond the first 5,000", "kB (of 64)", rows)
    return rows


def package(folder: Path, count: int) -> str:
    """Generate a package of `count` workflows into `folder`, compiled; its name."""
    name = f"client_{count}"
    specs = folder / f"specs_{count}"
    specs.mkdir()
    text = (ROOT / "specs" / "concat.yaml").read_text("utf-8")
    for number in range(count):
        workflow = "concat" if number == 0 else f"concat{number}"
        (specs / f"{workflow}.yaml").write_text(text.replace("name: concat", f"name: {workflow}", 1), "utf-8")
    command = [sys.executable, "-m", "difygen", str(specs), "-o", str(folder / name), "-q"]
    subprocess.run(command, check=True, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT / "generator")})
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder / name)], check=True, env=ENVIRONMENT)
    return name


def imports(rounds: int) -> list[Row]:
    """(c): CPU of fresh processes, less a bare interpreter's. click and rich, which httpx would load, are hidden."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, hundred = package(folder, 1), package(folder, 100)
        snippets = {
            "nothing": "pass",
            "httpx": "import httpx",
            "httpx and pydantic": "import httpx, pydantic; pydantic.BaseModel",
            "import client, 1 workflow": f"import {one}",
            "import client, 100 workflows": f"import {hundred}",
            "reach run_concat, 1": f"from {one} import run_concat",
            "reach run_concat, 100": f"from {hundred} import run_concat",
            "build a client, 1": f"from {one} import ConcatClient; ConcatClient().run",
            "build a client, 100": f"from {hundred} import ConcatClient; ConcatClient().run",
        }
        found = interleave(list(snippets), lambda name: fresh(snippets[name], folder), rounds)
    bare = statistics.median(found.pop("nothing"))
    cost = {name: statistics.median(values) - bare for name, values in found.items()}
    lazy = [
        Row(name, value * 1e3, value / cost["httpx"], 0.2) for name, value in cost.items() if "import client" in name
    ]
    reach = [
        Row(name, value * 1e3, value / cost["httpx and pydantic"], 1.15)
        for name, value in cost.items()
        if name.startswith(("reach", "build"))
    ]
    show("(c) import client, against import httpx", "ms", [Row("httpx", cost["httpx"] * 1e3, 1.0), *lazy])
    both = Row("httpx and pydantic", cost["httpx and pydantic"] * 1e3, 1.0)
    show("(c) reach the function, against import httpx and pydantic", "ms", [both, *reach])
    return [*lazy, *reach]


def fresh(code: str, folder: Path) -> float:
    """CPU seconds of a fresh interpreter that runs `code`."""
    hide = "import sys; sys.modules.update(click=None, rich=None)\n"
    before = children_cpu()
    subprocess.run([sys.executable, "-c", hide + code], check=True, cwd=folder, env=ENVIRONMENT)
    return children_cpu() - before


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peer_pythons(folder: Path | None) -> dict[str, str]:
    """An interpreter for every other client, in an environment of its own."""
    if folder is None:
        print(f"Left out without --peers: {', '.join(PEERS)}")
        return {}
    pythons = {}
    for name, requirement in PEERS.items():
        python = folder / name / "bin" / "python"
        if not python.exists():
            venv.create(folder / name, with_pip=True)
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", requirement], check=False)
        if done.returncode == 0:
            pythons[name] = str(python)
        else:
            print(f"Left out, it cannot be installed: {requirement}")
    return pythons


def measure_workers(pythons: dict[str, str], rounds: int) -> list[Row]:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "load_server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None and server.stdout is not None
    port = int(server.stdout.readline())
    workers = [Worker.start(name, python, port) for name, python in pythons.items()]
    try:
        return [*wire(workers, rounds), *held(workers)]
    finally:
        for worker in workers:
            worker.stop()
        server.stdin.close()
        server.wait()


def main() -> int:
    """Measure and print; the exit code is 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each figure is taken (default 9)")
    parser.add_argument("--peers", type=Path, help="folder with, or for, the environments of other Dify clients")
    parser.add_argument("--only", choices=["wire", "imports"], help="measure only that part")
    arguments = parser.parse_args()
    rows: list[Row] = []
    if arguments.only != "imports":
        pythons = dict.fromkeys(LOCAL, sys.executable) | peer_pythons(arguments.peers)
        rows += measure_workers(pythons, arguments.rounds)
    if arguments.only != "wire":
        rows += imports(max(arguments.rounds, 15))
    return int(any(row.verdict.endswith("MISSED") for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
