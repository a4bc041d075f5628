"""What generating costs, in a unit that every machine has: `u` is `python -c pass` of the same environment and round.

`python benchmarks/generator.py` installs the checkout into an environment of its own (or takes one that is there:
`--environment FOLDER`) and measures whole processes, interleaved, so that a slow phase of the machine hits all alike:

  (a) a first run over one export of 20 kB                                  at most 10 u
  (b) 1,000 exports, all changed, against one process that only parses them at most 1.0
  (c) 1,000 exports, nothing changed, after a fresh checkout                at most 8 u
  (d) --help                                                                at most 5.5 u

What importing click, PyYAML and jinja2 alone takes, which (a) cannot do without, stands beside them.

Every round writes to folders of its own and nothing is deleted before the end: after deletions, creating files is slow
for minutes. With `--callgrind` (a), (c) and (d) are counted in instructions as well, which no other process can
disturb.
`--peers FOLDER` measures the generators of other projects, in environments that are made there; without it they are
left out, with a line that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from exports import export, write_exports

ROOT = Path(__file__).parents[1]
MANY = 1000
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {
    "PYTHONHASHSEED": "0"
}
PARSE_ALL = """
import os, sys, yaml
folder = sys.argv[1]
for name in sorted(os.listdir(folder)):
    with open(os.path.join(folder, name), "rb") as file:
        yaml.load(file, Loader=yaml.CSafeLoader)
"""
PEERS = {
    "datamodel-codegen": "datamodel-code-generator",
    "ariadne-codegen": "ariadne-codegen",
    "openapi-python-client": "openapi-python-client",
}
OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "concat", "version": "1"},
    "paths": {
        "/run": {
            "post": {
                "operationId": "run_concat",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ConcatInputs"}}},
                },
                "responses": {
                    "200": {
                        "description": "The run.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ConcatOutputs"}}},
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "ConcatInputs": {
                "type": "object",
                "required": ["string", "num", "list"],
                "properties": {
                    "string": {"type": "string", "maxLength": 48},
                    "num": {"type": "number"},
                    "list": {"type": "string", "enum": ["list_a", "list_b", "list_c"]},
                },
            },
            "ConcatOutputs": {"type": "object", "required": ["result"], "properties": {"result": {"type": "string"}}},
        }
    },
}
GRAPHQL_SCHEMA = """
enum Choice { list_a list_b list_c }
input ConcatInputs { string: String! num: Float! list: Choice! }
type ConcatOutputs { result: String! }
type Query { status: String! }
type Mutation { concat(inputs: ConcatInputs!): ConcatOutputs! }
"""
GRAPHQL_QUERY = "mutation Concat($inputs: ConcatInputs!) { concat(inputs: $inputs) { result } }\n"


@dataclass(frozen=True)
class Case:
    """A process to measure, against the case `unit`. `command` gets a folder that no run before it has had."""

    name: str
    command: Callable[[Path], Sequence[str]]
    unit: str = "u"
    target: float | None = None
    prepare: Callable[[Path], None] = lambda folder: None


@dataclass
class Bench:
    """Where things are: the environment, the exports, and a folder for every run."""

    python: Path
    folder: Path
    runs: count[int] = field(default_factory=count)

    @property
    def difygen(self) -> str:
        return str(self.python.parent / "difygen")

    def fresh(self) -> Path:
        folder = self.folder / "runs" / str(next(self.runs))
        folder.mkdir(parents=True)
        return folder


def ours(bench: Bench) -> list[Case]:
    """The floor and the cases (a), (c), (d)."""
    one = bench.folder / "one.yml"
    one.write_text(export(0))
    checkout = bench.folder / "checkout"
    subprocess.run([bench.difygen, "exports", "-o", "client", "-q"], check=True, cwd=checkout, env=ENVIRONMENT)
    return [
        Case("u", lambda folder: [str(bench.python), "-c", "pass"]),
        Case("click, PyYAML, jinja2 alone", lambda folder: [str(bench.python), "-c", "import click, jinja2, yaml"]),
        Case("(a) one export, first run", lambda folder: [bench.difygen, str(one), "-o", "out"], target=10),
        Case(
            "(c) 1,000 exports, nothing changed",
            lambda folder: [bench.difygen, "exports", "-o", "client"],
            target=8,
            prepare=lambda folder: check_out(checkout, folder),
        ),
        Case("(d) --help", lambda folder: [bench.difygen, "--help"], target=5.5),
    ]


def check_out(checkout: Path, folder: Path) -> None:
    """A copy, as git makes it: same contents, other times and inodes."""
    shutil.copytree(checkout, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)


def all_changed(bench: Bench) -> list[Case]:
    """(b) and what it is held against."""
    exports = bench.folder / "checkout" / "exports"
    return [
        Case("parse", lambda folder: [str(bench.python), "-c", PARSE_ALL, str(exports)], unit="parse"),
        Case(
            "(b) 1,000 exports, all changed",
            lambda folder: [bench.difygen, str(exports), "-o", "out", "-q"],
            unit="parse",
            target=1.0,
        ),
    ]


def peers(folder: Path | None, bench: Bench) -> list[Case]:
    """Other generators over a contract of the same size."""
    if folder is None:
        print(f"Left out without --peers: {', '.join(PEERS)}")
        return []
    schema, spec = bench.folder / "schema.graphql", bench.folder / "openapi.json"
    spec.write_text(json.dumps(OPENAPI))
    schema.write_text(GRAPHQL_SCHEMA)
    (bench.folder / "queries.graphql").write_text(GRAPHQL_QUERY)
    arguments = {
        "datamodel-codegen": [
            "--input",
            str(spec),
            "--output",
            "out.py",
            "--output-model-type",
            "pydantic_v2.BaseModel",
        ],
        "ariadne-codegen": [],
        "openapi-python-client": ["generate", "--path", str(spec), "--meta", "none"],
    }
    tools = {name: tool for name in PEERS if (tool := install_peer(folder, name))}
    return [peer(name, [str(tool), *arguments[name]], bench) for name, tool in tools.items()]


def peer(name: str, command: list[str], bench: Bench) -> Case:
    return Case(name, lambda folder: command, prepare=configure_ariadne(bench))


def install_peer(folder: Path, name: str) -> Path | None:
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", PEERS[name]], check=False)
    tool = python.parent / name
    if not tool.exists():
        print(f"Left out, it cannot be installed: {name}")
        return None
    return tool


def configure_ariadne(bench: Bench) -> Callable[[Path], None]:
    def configure(folder: Path) -> None:
        settings = f'schema_path = "{bench.folder}/schema.graphql"\nqueries_path = "{bench.folder}/queries.graphql"\n'
        (folder / "pyproject.toml").write_text(f"[tool.ariadne-codegen]\n{settings}")

    return configure


def measure(bench: Bench, cases: Sequence[Case], rounds: int) -> dict[str, list[float]]:
    """Seconds of each case in each round, every other round in reverse order. The first one warms the caches only."""
    found: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(rounds + 1):
        for case in cases if number % 2 == 0 else reversed(cases):
            folder = bench.fresh()
            case.prepare(folder)
            command = case.command(folder)
            start = time.perf_counter()
            subprocess.run(
                command, cwd=folder, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            found[case.name].append(time.perf_counter() - start)
    return {name: seconds[1:] for name, seconds in found.items()}


def instructions(bench: Bench, case: Case) -> int:
    """Instructions of a case, by callgrind, children included."""
    folder = bench.fresh()
    case.prepare(folder)
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    subprocess.run(case.command(folder), cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
    folder = bench.fresh()
    case.prepare(folder)
    command = list(case.command(folder))
    if not command[0].endswith("python"):
        command = [str(bench.python), *command]
    done = subprocess.run([*tool, *command], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if counted is None:
        raise SystemExit(f"callgrind counted nothing: {done.stderr}")
    return int(counted[1])


def show(cases: Sequence[Case], found: Mapping[str, Sequence[float]]) -> bool:
    """Print medians, and medians of the ratios within a round. Tells whether all targets are met."""
    met = True
    print(f"\n  {'':38}{'ms':>9}{'ratio':>9}   target")
    for case in cases:
        ratio = statistics.median(a / b for a, b in zip(found[case.name], found[case.unit], strict=True))
        verdict = ""
        if case.target is not None:
            met &= ratio <= case.target
            verdict = f"<= {case.target:g}  {'ok' if ratio <= case.target else 'MISSED'}"
        print(f"  {case.name:38}{statistics.median(found[case.name]) * 1e3:9.1f}{ratio:9.2f}   {verdict}", flush=True)
    return met


def environment(folder: Path | None, scratch: Path) -> Path:
    """The Python of an environment with the checkout installed as a user would, compiled."""
    folder = folder or scratch / "environment"
    python = folder / "bin" / "python"
    if not python.exists():
        print("Installing the checkout ...", flush=True)
        venv.create(folder, with_pip=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", str(ROOT)],
        check=True,
        env=ENVIRONMENT,
    )
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(ROOT)], check=True, env=ENVIRONMENT)
    return python


def main() -> int:
    """Measure and print; the exit code is 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=15, help="how often each figure is taken (default 15; (b) a third of it)"
    )
    parser.add_argument(
        "--environment", type=Path, help="folder with, or for, the environment that the checkout is installed into"
    )
    parser.add_argument("--peers", type=Path, help="folder with, or for, the environments of other generators")
    parser.add_argument("--callgrind", action="store_true", help="count instructions, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        bench = Bench(environment(arguments.environment, scratch), scratch)
        size = write_exports(scratch / "checkout" / "exports", MANY)
        print(f"{MANY:,} exports, {size / 1e6:.1f} MB")
        met = True
        small = [*ours(bench), *peers(arguments.peers, bench)]
        met &= show(small, measure(bench, small, arguments.rounds))
        large = all_changed(bench)
        met &= show(large, measure(bench, large, max(3, arguments.rounds // 3)))
        if arguments.callgrind:
            count_instructions(bench, small[:5])
    return 0 if met else 1


def count_instructions(bench: Bench, cases: Sequence[Case]) -> None:
    if shutil.which("valgrind") is None:
        print("Left out, as valgrind is not installed: --callgrind")
        return
    print(f"\n  {'':38}{'M instr':>9}{'ratio':>9}")
    counts = {case.name: instructions(bench, case) for case in cases}
    for name, number in counts.items():
        print(f"  {name:38}{number / 1e6:9.1f}{number / counts['u']:9.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
