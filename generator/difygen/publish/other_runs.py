"""Other runs of difygen: those at work are waited for, what killed ones left behind is removed.

Waiting is not for ever and not in silence. And a name proves nothing, since anybody may make a file of any name:
what is removed is a real folder of the very form that difygen makes, and in it only what the record there names,
its lock; nothing is reached through a link, and no file that has another name elsewhere is touched, unless that is
its place in the package itself.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager, suppress
from stat import S_ISDIR, S_ISLNK, S_ISREG

from difygen.console import say
from difygen.definitions.lockfile import LOCK_NAME, locked_files
from difygen.files import read_file
from difygen.record import Record

NOTICE = 1.0
"""Seconds after which it is said what is waited for."""

PATIENCE = 60.0
"""Seconds after which waiting is given up. A run holds the lock for milliseconds."""


class BusyError(Exception):
    """Somebody else holds the lock and does not let go."""


@contextmanager
def exclusive(*folders: str) -> Iterator[None]:
    """Wait until no other run writes to any of `folders`. Leaves nothing behind: what is locked are the folders above.

    Raises:
        BusyError: Another program has held the lock for `PATIENCE` seconds.
    """
    by_above = {os.path.dirname(os.path.realpath(folder)): folder for folder in folders}
    made = [each for above in by_above for each in make_folders(above)]
    with ExitStack() as stack:
        stack.callback(remove_empty, made)
        for above in sorted(by_above):  # in one order, so that no two runs wait for each other
            handle = _open(above)
            stack.callback(os.close, handle)
            _acquire(handle, by_above[above], above)
        yield


def make_folders(folder: str) -> list[str]:
    """Make a folder with those above it, and return those that were not there, the innermost last."""
    missing: list[str] = []
    above = folder
    while not os.path.isdir(above):
        missing.insert(0, above)
        above = os.path.dirname(above)
    os.makedirs(folder, exist_ok=True)
    return missing


def remove_empty(folders: list[str]) -> None:
    """Remove those of the folders that hold nothing."""
    for folder in reversed(folders):
        with suppress(OSError):
            os.rmdir(folder)


def _acquire(handle: int, folder: str, above: str) -> None:
    began = time.monotonic()
    noticed = False
    while not _try(handle):
        waited = time.monotonic() - began
        if waited >= PATIENCE:
            raise BusyError(
                f"{folder} is not written: another program has held the lock of the folder {above or os.curdir} for "
                f"{PATIENCE:.0f} s\nnothing was written; end the other difygen, or try again later"
            )
        if waited >= NOTICE and not noticed:
            noticed = True
            say(f"waiting for another program that holds the lock of the folder {above} (at most {PATIENCE:.0f} s)")
        time.sleep(min(0.05, waited / 4 + 0.001))


if sys.platform == "win32":

    def _open(above: str) -> int:
        import tempfile
        from hashlib import sha256

        name = f"difygen-{sha256(above.encode()).hexdigest()[:16]}.lock"
        return os.open(os.path.join(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT)

    def _try(handle: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _open(above: str) -> int:
        return os.open(above, os.O_RDONLY)

    def _try(handle: int) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


# What a run that was killed left behind

CACHE = "__pycache__"
INSIDE = ".difygen-"
BETWEEN = "between"
"""The lock for the time in which files change places, as it is called until then."""

_COMPILED = r"(.+?)\.[A-Za-z0-9_.-]+\.pyc(\.[0-9]+)?"


class NotOursError(Exception):
    """Something is called like a leftover of difygen and is none. The text says what, and that it stays."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"{path} {why}: difygen makes nothing like this under such a name, and does not touch it\n"
            "nothing was written; look at it, and move it away"
        )


class _Found(Record):
    """Something that is proven to be ours: a file, or a folder after all that is in it."""

    path: str
    identity: tuple[int, int]
    is_folder: bool


def stage_prefix(path: str) -> str:
    """Return how what is built beside `path` is called, but for the number at the end."""
    above, name = os.path.split(path)
    return os.path.join(above, f".{name}.difygen-")


def has_leftovers(folder: str) -> bool:
    """Check whether a run that was killed may have left something behind: the first number is the first to be taken."""
    first = f"{stage_prefix(os.path.realpath(folder))}1"
    return os.path.lexists(first) or os.path.lexists(os.path.join(folder, f"{INSIDE}1"))


def tidy(folder: str) -> None:
    """Remove what runs that were killed left behind, beside the folder and in it. The caller holds `exclusive(folder)`.

    Raises:
        NotOursError: Something is called like that and cannot be proven to be ours. Nothing was removed.
    """
    folder = os.path.realpath(folder)
    prefixes = (stage_prefix(folder), os.path.join(folder, INSIDE))
    found = [entry for prefix in prefixes for tree in _numbered(prefix) for entry in _prove(tree, folder)]
    for entry in found:
        with suppress(OSError):  # what cannot be removed stays for the next run
            if _identity(entry.path) == entry.identity:
                os.rmdir(entry.path) if entry.is_folder else os.unlink(entry.path)


def tidy_file(path: str, text: bytes) -> None:
    """Remove what runs that were killed left behind of one file: the beginning of `text`, which they wrote."""
    for draft in _numbered(stage_prefix(path)):
        status = os.lstat(draft)
        if not S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise NotOursError(draft, _kind(status))
        if not text.startswith(read_file(draft, follow=False)):
            raise NotOursError(draft, "was not written by difygen")
        os.unlink(draft)


def _numbered(prefix: str) -> list[str]:
    """Return what lies at a place under a name of ours, which ends in a number."""
    place, start = os.path.split(prefix)
    try:
        names = os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return []
    numbers = {name: name.removeprefix(start) for name in sorted(names) if name.startswith(start)}
    return [
        os.path.join(place, name)
        for name, number in numbers.items()
        if number.isascii() and number.isdigit() and number[0] != "0"
    ]


def _prove(tree: str, folder: str) -> Iterator[_Found]:
    """Yield all of a leftover, what is deepest first. Raises `NotOursError` before anything is touched."""
    status = os.lstat(tree)
    if not S_ISDIR(status.st_mode):
        raise NotOursError(tree, _kind(status))
    record = locked_files(tree) | {LOCK_NAME}
    if os.path.dirname(tree) == folder:
        record |= {BETWEEN}
    yield from _prove_folder(tree, folder, record, "")


def _prove_folder(tree: str, folder: str, record: AbstractSet[str], under: str) -> Iterator[_Found]:
    here = os.path.join(tree, under) if under else tree
    try:
        names = sorted(os.listdir(here))
    except PermissionError:
        raise NotOursError(here, "cannot be read") from None
    for name in names:
        path = f"{under}/{name}" if under else name
        full, in_place = os.path.join(tree, path), os.path.join(folder, path)
        status = os.lstat(full)
        if S_ISDIR(status.st_mode):
            if name == CACHE:
                yield from _prove_cache(full, {os.path.basename(one)[:-3] for one in record if one.endswith(".py")})
            elif any(one.startswith(f"{path}/") for one in record) or (
                os.path.isdir(in_place) and not os.path.islink(in_place)
            ):
                yield from _prove_folder(tree, folder, record, path)
            else:
                raise NotOursError(full, "is a folder that was not made by difygen")
        elif _identity(in_place) == (status.st_dev, status.st_ino):
            yield _Found(full, (status.st_dev, status.st_ino), is_folder=False)  # a second name of what is there
        elif not S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise NotOursError(full, _kind(status))
        elif path not in record:
            raise NotOursError(full, "was not written by difygen")
        else:
            yield _Found(full, (status.st_dev, status.st_ino), is_folder=False)
    yield _Found(here, _identity(here) or (0, 0), is_folder=True)


def _prove_cache(cache: str, modules: AbstractSet[str]) -> Iterator[_Found]:
    """Python's own folder of compiled modules: nothing in it but those of ours."""
    for name in sorted(os.listdir(cache)):
        full = os.path.join(cache, name)
        status = os.lstat(full)
        found = re.fullmatch(_COMPILED, name)
        if not S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise NotOursError(full, _kind(status))
        if found is None or found[1] not in modules:
            raise NotOursError(full, "is no compiled module of the package")
        yield _Found(full, (status.st_dev, status.st_ino), is_folder=False)
    yield _Found(cache, _identity(cache) or (0, 0), is_folder=True)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _kind(status: os.stat_result) -> str:
    if S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if S_ISREG(status.st_mode):
        return "has another name elsewhere (a hard link)" if status.st_nlink > 1 else "is a file"
    return "is a folder" if S_ISDIR(status.st_mode) else "is a pipe, a device or a socket"
