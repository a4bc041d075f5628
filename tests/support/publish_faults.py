"""A program for the tests: publishes over and over, each time failing one step later, and prints what each failure
left behind.

The steps are the audit events that Python raises before it opens, links, renames or removes a file, so that no code
of ours has to know about the tests. Each attempt happens in a child process of its own, in a folder of its own.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from difygen.definitions.lockfile import LOCK_NAME, Lock
from difygen.files import hash_bytes
from difygen.publish import Destination, PublishError, publish, stages

GROWING = {"open", "os.link", "os.mkdir"}
EVENTS = GROWING | {"os.rename", "os.remove", "os.rmdir", "os.chmod", "ctypes.dlopen", "ctypes.dlsym"}
OLD = {
    "__init__.py": "from .a import R, A\n",
    "a.py": "from ._r import R\nA = 1\n",
    "b.py": "",
    "_r/__init__.py": "R = 1\n",
}
NEW = {
    "__init__.py": "from .a import R, A\n",
    "a.py": "from ._r import R\nA = 2\n",
    "c.py": "",
    "_r/__init__.py": "R = 2\n",
}
OLD_PAGES = {"a.md": "# A\n", "b.md": "# B\n"}
NEW_PAGES = {"a.md": "# A, again\n", "c.md": "# C\n"}
MANY_STEPS = 99
DONE, FAILED, INTERRUPTED, KILLED, UNTOUCHED = 0, 3, 4, 9, 5


def put(folder: Path, texts: dict[str, str]) -> None:
    publish(output(folder, texts))


def put_both(base: Path, texts: dict[str, str], pages: dict[str, str]) -> None:
    publish(output(base / "client", texts), output(base / "pages", pages))


def output(folder: Path, texts: dict[str, str]) -> Destination:
    lock = Lock("1", "0", {path: hash_bytes(text.encode()) for path, text in texts.items()})
    seen = (folder / LOCK_NAME).read_bytes() if folder.exists() else b""
    return Destination(str(folder), texts, lock=lock, seen=seen)


def kill() -> None:
    os._exit(KILLED)


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def fail_at(step: int, fail: Callable[[], None]) -> Callable[[], bool]:
    """Run `fail` before the given step, and return what tells whether it was reached."""
    left = step
    events = GROWING if fail is fill_disk else EVENTS

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in events and not (event == "open" and is_reading(*arguments)):
            left -= 1
            if left == -1:
                fail()

    sys.addaudithook(watch)
    return lambda: left < 0


def is_reading(path: object, mode: object, flags: object) -> bool:
    return isinstance(flags, int) and not flags & os.O_CREAT


def limit_files(step: int, fail: Callable[[], None]) -> Callable[[], bool]:
    """Let no file grow beyond `step` times 32 bytes: the write itself fails, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 * step, resource.RLIM_INFINITY))
    return lambda: 32 * step < 1024


def contents(folder: Path) -> dict[str, str] | None:
    if not folder.exists():
        return None
    paths = [path for path in folder.rglob("*") if path.is_file() and not any(part[0] == "." for part in path.parts)]
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in paths
        if path.name != LOCK_NAME and "__pycache__" not in path.parts
    }


def describe(folder: Path, old: dict[str, str] = OLD, new: dict[str, str] = NEW) -> str:
    found = contents(folder)
    names = {"nothing": None, "old": {**old, "mine.md": "mine"}, "new": {**new, "mine.md": "mine"}, "first": new}
    return next((name for name, texts in names.items() if texts == found), "mixed")


def attempt(
    base: Path, step: int, prepare: Callable[[int, Callable[[], None]], Callable[[], bool]], fail: Callable[[], None]
) -> str:
    """Publish in a child process, and tell how it ended."""
    child = os.fork()
    if not child:
        os.chdir(base)
        reached = prepare(step, fail)
        status = DONE
        try:
            put_both(Path(), NEW, NEW_PAGES)
        except PublishError:
            status = FAILED
        except KeyboardInterrupt:
            status = INTERRUPTED
        os._exit(status if reached() else UNTOUCHED)
    ends = {DONE: "done", FAILED: "error", INTERRUPTED: "interrupted", KILLED: "killed", UNTOUCHED: "untouched"}
    return ends[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]


def imports(base: Path) -> bool:
    child = os.fork()
    if not child:
        sys.path.insert(0, str(base))
        os._exit(not hasattr(importlib.import_module("client"), "A"))
    return os.waitpid(child, 0)[1] == 0


def names_in(base: Path) -> set[str]:
    folders = [base, base / "client", base / "pages"]
    return {name for folder in folders if folder.exists() for name in os.listdir(folder)}


def report(base: Path, ended: str) -> dict[str, object]:
    left, left_pages = describe(base / "client"), describe(base / "pages", OLD_PAGES, NEW_PAGES)
    litter = names_in(base)
    importable = left == "nothing" or imports(base)
    put_both(base, NEW, NEW_PAGES)
    healed = names_in(base)
    return {
        "ended": ended,
        "left": left,
        "left pages": left_pages,
        "importable": importable,
        "litter": [name for name in sorted(litter) if name[0] == "."],
        "healed": describe(base / "client"),
        "healed pages": describe(base / "pages", OLD_PAGES, NEW_PAGES),
        "healed litter": sorted(name for name in healed if name[0] == "."),
    }


def main(root: str, failure: str, way: str, before: str) -> None:
    if way == "one by one":
        stages._swap = lambda one, other: stages._link("", "")
    prepare = limit_files if failure == "limit" else fail_at
    fail = {"kill": kill, "full": fill_disk, "interrupt": interrupt, "limit": interrupt}[failure]
    reports = []
    for step in range(MANY_STEPS):
        base = Path(root) / str(step)
        base.mkdir()
        if before == "old":
            put_both(base, OLD, OLD_PAGES)
            for folder in ("client", "pages"):
                (base / folder / "mine.md").write_text("mine")
        reports.append(report(base, attempt(base, step, prepare, fail)))
        if reports[-1]["ended"] == "untouched":
            break
    print(json.dumps(reports))


if __name__ == "__main__":
    main(*sys.argv[1:])
