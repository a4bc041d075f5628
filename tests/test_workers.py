"""Work spread over processes gives what it gives here, whatever happens to a process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from difygen.project.workers import spread
from support import GENERATOR

PROGRAM = """
import os, sys
from difygen.project.workers import spread
parent = os.getpid()

def work(item):
    if item == 13 and os.getpid() != parent:
        {fate}
    return item * 2, os.getpid() == parent, "x" * 100_000

told = []
results = spread(work, range(60), jobs=3, progress=lambda done, total: told.append((done, total)))
assert [result[0] for result in results] == [item * 2 for item in range(60)]
assert told == sorted(told) and told[-1][1] == 60
print(sum(here for _, here, _ in results))
"""

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def test_few_items_are_worked_on_here() -> None:
    told: list[tuple[int, int]] = []
    results = spread(
        lambda item: (item, os.getpid()), range(3), jobs=8, progress=lambda done, total: told.append((done, total))
    )
    assert results == [(item, os.getpid()) for item in range(3)]
    assert told == [(1, 3), (2, 3), (3, 3)]


@forks
@pytest.mark.parametrize(
    ("fate", "done_here"),
    [("pass", {0}), ("os._exit(1)", {52, 60}), ("raise ValueError", {52}), ("os.kill(os.getpid(), 9)", {52, 60})],
)
def test_what_a_lost_process_did_not_do_is_done_here(fate: str, done_here: set[int]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(fate=fate)],
        env={**os.environ, "PYTHONPATH": str(GENERATOR)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) in done_here


@forks
def test_an_exception_of_the_work_arrives() -> None:
    program = (
        "from difygen.project.workers import spread\n"
        "def work(item):\n    return 1 // item\n"
        "spread(work, range(40), jobs=2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env={**os.environ, "PYTHONPATH": str(GENERATOR)},
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1].startswith("ZeroDivisionError")


@forks
def test_processes_end_with_a_parent_that_is_killed() -> None:
    program = """
import os, time
from difygen.project.workers import spread

def work(item):
    os.write(1, b"%d\\n" % os.getpid())  # one write, which no other worker's comes between, however Python buffers
    time.sleep(60)

spread(work, range(40), jobs=2)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(GENERATOR)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        workers = {int(parent.stdout.readline()) for _ in range(2)}
        parent.kill()
        assert parent.pid not in workers
        assert parent.stdout.read() == "", "the pipe ends when no process holds it any more"
