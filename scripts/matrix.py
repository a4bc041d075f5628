"""Runs a telling part of the suite with the oldest and the newest of everything that difygen and its clients need.

Each environment is made anew in build/matrix/. The rest of the suite runs on the locked versions (`scripts/test.py`).
Arguments choose environments by name. Without a network nothing is made, and that is said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from environment import ROOT, ensure
from suite import run_tests

FOLDER = ROOT / "build" / "matrix"
TOOLS = ("pytest>=8.2", "pytest-timeout>=2.3", "pytest-xdist>=3.6", "hypothesis>=6.100", "trustme>=1.1", "httpx2>=2")
CLIENTS = ("front_door", "generated_example", "runtime_models", "runtime_clients", "runtime_files")
HTTP = (*CLIENTS, "connections", "faults", "runtime_errors")
ALL = (*HTTP, "cases", "document", "http_library", "layout", "mock_server", "spec", "testing")
# The sentence is click's own, and the oldest click has another one.
OPTION = "tests/test_cases.py::test_case[cli/unknown_option]"
# What is deselected goes by how its name begins. These start many processes, and tell of versions what others do.
PROCESSES = (
    *(f"tests/test_cases.py::test_case[cli/{name}" for name in ("documents_", "docs_folder", "names_of")),
    *(
        f"tests/test_mcp.py::test_{name}"
        for name in ("a_client_that", "a_log", "a_page_from", "a_run_whose", "a_server")
    ),
    *(f"tests/test_mcp.py::test_{name}" for name in ("halves", "it_ends", "only_this", "silence", "what_")),
    "tests/test_faults.py::test_fault[async",
)
# Clients do without httpx; difygen itself, which looks at base URLs for documents, does not.
EXAMPLE = "tests/test_generated_example.py::test_the_example_is_what_the_specs_give"
HTTPX = "tests/test_runtime_clients.py::TestImports::test_either_library_will_do[httpx]"
NO_NETWORK = (
    *("error sending request", "dns error", "failed to lookup address"),
    *("Network connectivity is disabled", "network was disabled"),
)


@dataclass(frozen=True)
class Environment:
    """What is installed, for which Python (if it is there), and which tests it is held to."""

    name: str
    python: str
    tests: tuple[str, ...]
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    is_slow: bool = False
    """Whether it is made only if it is asked for by name, and runs its slow tests."""


ENVIRONMENTS = (
    Environment("oldest", "3.11", ALL, options=("--resolution", "lowest-direct"), deselected=(OPTION, *PROCESSES)),
    Environment("pydantic-2.11.0", "3.12", CLIENTS, packages=("pydantic==2.11.0",)),
    Environment("pydantic-2.11.4", "3.12", CLIENTS, packages=("pydantic==2.11.4",)),
    Environment("pydantic-2.12", "3.13", CLIENTS, packages=("pydantic==2.12.*",)),
    # Faults are what httpx2 is held to. The SDK of MCP needs a newer pydantic than the other environments have.
    Environment(
        "newest",
        "3.14",
        tuple(sorted({*ALL, "mcp"} - {"cases", "faults"})),
        packages=("mcp>=2,<3",),
        deselected=PROCESSES,
    ),
    Environment("httpx2", "3.13", HTTP, removed=("httpx", "httpcore"), deselected=(EXAMPLE, HTTPX)),
    Environment(
        "engines",
        "3.12",
        ("engines",),
        packages=("ray[data,default]<2.64", "distributed", "bokeh", "celery", "fsspec", "markdown-it-py"),
        is_slow=True,
    ),
    Environment(
        "engines-oldest",
        "3.11",
        ("engines",),
        packages=("ray[data]==2.54.0", "distributed==2024.8.0", "fsspec"),  # its dashboard is not for the newest bokeh
        is_slow=True,
    ),
)


def main() -> int:
    uv = (str(ensure("test")), "-m", "uv")
    asked = sys.argv[1:] or [each.name for each in ENVIRONMENTS if not each.is_slow]
    chosen = [each for each in ENVIRONMENTS if each.name in asked]
    failed = []
    with ThreadPoolExecutor(max_workers=1) as installing:  # the next one, while the tests of this one run
        for environment, made in [(each, installing.submit(make, each, uv)) for each in chosen]:
            python = made.result()
            if python is None:
                installing.shutdown(cancel_futures=True)
                print(f"skipped: no package registry can be reached, so that {', '.join(asked)} cannot be installed")
                return 0
            if run(environment, python):
                failed.append(environment.name)
    print(f"failed: {', '.join(failed)}" if failed else f"passed: {', '.join(asked)}")
    return 1 if failed else 0


def make(environment: Environment, uv: tuple[str, ...]) -> Path | None:
    """Make an environment, and return its Python; None where there is no network."""
    folder = FOLDER / environment.name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    base = next(interpreters(environment.python), "")
    if not base:
        print(
            f"{environment.name}: Python {environment.python} is not installed here; this one takes its place",
            flush=True,
        )
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", base or sys.executable, str(folder)], check=True)
    pip = (*uv, "pip")
    target = ("--quiet", "--python", str(python))
    wanted = ("--editable", ".[mock,watch]", *TOOLS, *environment.packages, *environment.options)
    done = subprocess.run(
        [*pip, "install", *target, *wanted], check=False, cwd=ROOT, stderr=subprocess.PIPE, encoding="utf-8"
    )
    if done.returncode:
        if any(sign in done.stderr for sign in NO_NETWORK):
            return None
        sys.exit(f"{environment.name}: {done.stderr}")
    if environment.removed:
        subprocess.run([*pip, "uninstall", *target, *environment.removed], check=True)
    return python


def interpreters(version: str) -> Iterator[str]:
    """Find the installed Pythons of a version: on the path, and among those of pyenv."""
    found = [shutil.which(f"python{version}")]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += map(str, versions.glob(f"{version}.*/bin/python"))
    for python in filter(None, found):
        if not subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode:
            yield python


def run(environment: Environment, python: Path) -> int:
    """Run the tests of an environment, and return pytest's exit code."""
    names = ("pydantic", "httpx", "httpx2", "PyYAML", "click", "black", "ray", "distributed")
    program = """if True:
        import importlib.metadata, platform, sys
        found = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
        versions = (f"· {name} {found.get(name.lower(), '–')}" for name in sys.argv[1:])
        print("Python", platform.python_version(), *versions)"""
    versions = subprocess.run([python, "-c", program, *names], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    print(f"\n$ {environment.name}: {versions.stdout.strip()}", flush=True)
    tests = [f"tests/test_{name}.py" for name in environment.tests]
    arguments = ["-q", *tests, *(f"--deselect={test}" for test in environment.deselected)]
    if environment.is_slow:  # one cluster at a time, and the page about engines
        arguments += ["-n", "0", "-m", "slow", "tests/test_readme.py", "-k", "engine"]
    settings = {"HYPOTHESIS_EXAMPLES": "10"} | ({"HTTP_LIBRARY": "httpx2"} if "httpx" in environment.removed else {})
    cache = FOLDER / f"{environment.name}.cache"
    return run_tests(python, arguments, cache=cache, env={**os.environ, **settings})


if __name__ == "__main__":
    sys.exit(main())
