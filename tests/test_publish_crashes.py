"""A crash, a full disk or Ctrl-C at any point leaves the old package or the new one, and so for documents beside it;
what fails leaves both as they were. Two runs at once do no harm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from difygen.definitions.lockfile import read_lock
from difygen.files import hash_bytes
from support import GENERATOR, TESTS
from support.processes import importing

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the faults are injected into forked processes")


def reports(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(TESTS / "support" / "publish_faults.py"), str(folder), *arguments]
    done = subprocess.run(command, env=importing(), check=True, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert found[-1]["ended"] == "untouched", "the last attempt got through without a fault"
    assert len(found) > 5
    return found


@pytest.mark.parametrize("failure", ["kill", "full", "interrupt", "limit"])
@pytest.mark.parametrize("before", ["nothing", "old"])
def test_any_failure_leaves_the_old_package_or_the_new_one(tmp_path: Path, failure: str, before: str) -> None:
    new = "first" if before == "nothing" else "new"
    for report in reports(tmp_path, failure, "at once", before):
        assert report["left"] in (before, new)
        assert report["left pages"] in (before, new)
        assert report["importable"]
        assert (report["healed"], report["healed pages"], report["healed litter"]) == (new, new, [])
        if report["ended"] == "error":
            assert (report["left"], report["left pages"], report["litter"]) == (before, before, [])


@pytest.mark.parametrize("failure", ["kill", "full", "interrupt", "limit"])
def test_where_folders_cannot_be_exchanged_only_a_kill_can_leave_a_mixture(tmp_path: Path, failure: str) -> None:
    """And even that can be imported, is known to be ours, and is put right by the next run."""
    for report in reports(tmp_path, failure, "one by one", "old"):
        for left in ("left", "left pages"):
            assert report[left] in ("old", "new", *(["mixed"] if failure == "kill" else []))
        assert report["importable"]
        assert (report["healed"], report["healed pages"], report["healed litter"]) == ("new", "new", [])
        if report["ended"] == "error":
            assert (report["left"], report["left pages"], report["litter"]) == ("old", "old", [])


RUN = """
import sys
from pathlib import Path
from support.publish_faults import NEW, OLD, put
from difygen.publish import RefusedError, SupersededError
for turn in range(30):
    try:
        put(Path(sys.argv[1]), NEW if turn % 2 else OLD)
    except SupersededError:
        pass
"""


def test_runs_at_once_do_not_corrupt_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "client"
    runs = [subprocess.Popen([sys.executable, "-c", RUN, folder], env=importing(TESTS, GENERATOR)) for _ in range(4)]
    assert [run.wait() for run in runs] == [0, 0, 0, 0]
    lock, _ = read_lock(str(folder))
    assert lock is not None
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert found == set(lock.files)
    for path, digest in lock.files.items():
        assert hash_bytes((folder / path).read_bytes()) == digest
    assert os.listdir(tmp_path) == ["client"]
