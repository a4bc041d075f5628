r"""Settings for all tests.

`HTTP_LIBRARY=httpx2` runs them as in a project that has httpx2 and no httpx: `import httpx` fails, and the runtime's
one import seam takes the other. All of the runtime is proven so in a minute by

    HTTP_LIBRARY=httpx2 pytest -n 2 tests/test_runtime_*.py \
        tests/test_{faults,connections,leaving,limits,cut_anywhere,sse}.py
"""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

pytest.register_assert_rewrite("support")

if os.environ.get("HTTP_LIBRARY") == "httpx2":
    sys.modules["httpx"] = None  # type: ignore[assignment]

# Under `nohup … &` this process ignores Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test fails because a machine is busy.
hypothesis.settings.register_profile(
    "difygen",
    deadline=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "40")),  # less where the suite runs for the sixth time
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("difygen")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write what comes out now into cases and the README")


@pytest.fixture(scope="module", autouse=True)
def left_by_others() -> None:
    """Let the garbage collector pass over what other modules have left: mypy alone leaves two million objects."""
    gc.freeze()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the command `difygen`: this checkout, with this Python."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "difygen"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m difygen "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that difygen generates from the exports of all apps that were recorded."""
    from support.lab_package import LAB_PACKAGE, write_lab
    from support.packages import imported

    folder = tmp_path_factory.mktemp("lab")
    write_lab(folder)
    with imported(folder, LAB_PACKAGE) as package:
        yield package
