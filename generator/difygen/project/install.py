"""Put new files into a folder so that a crash at any point leaves the old package or the new one.

Knows no workflow and no template.

The new folder is built beside the old one, with hard links to whatever stays, and the two are exchanged in one
system call. Where that cannot be done (no such call, a mount point, the current folder, foreign subfolders) the
files are staged and replaced one by one, between two locks that know the old contents and the new ones: what a
crash leaves there is put right by the next run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from errno import EDQUOT, EIO, ENOSPC, EROFS
from stat import S_IMODE

from difygen.definitions.lockfile import LOCK_NAME, locked_files
from difygen.project.other_runs import BETWEEN, CACHE, INSIDE, stage_prefix, tidy, tidy_file
from difygen.record import Record

_FLUSH_EACH = 8
"""Up to so many files are flushed one by one (0.4 to 4 ms each); for more, one call for all is faster.
"""


class Delta(Record):
    """What changes in a folder. Paths are relative, with forward slashes; what is not named stays as it is.

    `write` holds the new lock too. `between` makes the lock that knows the files' old contents and the new ones.
    """

    write: Mapping[str, bytes]
    remove: AbstractSet[str]
    between: Callable[[], bytes]


class _CannotExchangeError(Exception):
    """This folder cannot be replaced as a whole."""


def install(folder: str, delta: Delta) -> None:
    """Apply `delta` to `folder`, all or nothing.

    Raises `OSError` with the folder as it was. The caller holds `exclusive(folder)`.
    """
    folder = os.path.realpath(folder)
    tidy(folder)
    if set(delta.write) == {LOCK_NAME} and not delta.remove:
        _replace_in_place(folder, delta)
        return
    try:
        _exchange_folders(folder, delta)
    except _CannotExchangeError:
        _replace_in_place(folder, delta)


def install_file(path: str, data: bytes) -> None:
    """Write one file, all or nothing. Raises `OSError` with the file as it was. The caller holds `exclusive(path)`."""
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    tidy_file(path, data)
    stage = f"{stage_prefix(path)}1"
    try:
        _write(stage, data, flush=os.path.exists(path))
        os.replace(stage, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(stage)
        raise


def _exchange_folders(folder: str, delta: Delta) -> None:
    if _holds_current_folder(folder) or os.path.ismount(folder):
        raise _CannotExchangeError
    try:
        stage = _new_folder(stage_prefix(folder))
    except PermissionError:
        raise _CannotExchangeError from None
    try:
        exists = os.path.isdir(folder)
        _fill(stage, delta.write, flush=exists)
        if exists:
            _link_what_stays(folder, stage, delta)
            os.chmod(stage, S_IMODE(os.stat(folder).st_mode))
        with _uninterrupted():
            _swap(stage, folder) if exists else os.rename(stage, folder)
            if exists:
                _flush_folder(os.path.dirname(folder))
                with suppress(OSError):  # all is done; the next run tidies up
                    _retire(stage, folder, delta.remove | delta.write.keys())
    except BaseException:
        with suppress(OSError):
            _retire(stage, folder, locked_files(stage) | {LOCK_NAME})
        raise


def _replace_in_place(folder: str, delta: Delta) -> None:
    os.makedirs(folder, exist_ok=True)
    stage = _new_folder(os.path.join(folder, INSIDE))

    def what_imports_is_last(path: str) -> tuple[bool, bool, str]:
        return path == "__init__.py", "/" not in path, path

    try:
        _fill(stage, {**delta.write, BETWEEN: delta.between()}, flush=True)
        for path in delta.write:
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        with _uninterrupted():
            _move(stage, folder, BETWEEN, LOCK_NAME)
            for path in sorted(delta.write.keys() - {LOCK_NAME}, key=what_imports_is_last):
                _move(stage, folder, path, path)
            for path in delta.remove:
                _remove(folder, path)
            _move(stage, folder, LOCK_NAME, LOCK_NAME)  # which says that all is done
            _flush_folder(folder)
    finally:
        _remove_tree(stage)


def _move(stage: str, folder: str, path: str, new_path: str) -> None:
    os.replace(os.path.join(stage, path), os.path.join(folder, new_path))


def _fill(stage: str, files: Mapping[str, bytes], *, flush: bool) -> None:
    """Write the files, the lock first: it tells whoever finds a half-built folder whose it is.

    They are flushed to the disk where they take the place of others. Where there was nothing, a power cut can take
    nothing that another run does not bring back.
    """
    paths = sorted(files, key=lambda path: (path != LOCK_NAME, path))
    each = len(paths) <= _FLUSH_EACH or sys.platform == "win32"
    created = {""}
    for path in paths:
        if (below := os.path.dirname(path)) not in created:
            created.add(below)
            os.makedirs(os.path.join(stage, below), exist_ok=True)
        _write(os.path.join(stage, path), files[path], flush=flush and each)
    if flush and not each and sys.platform != "win32":
        os.sync()


def _write(path: str, data: bytes, *, flush: bool) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if flush:
            os.fsync(handle)
    finally:
        os.close(handle)


def _link_what_stays(folder: str, stage: str, delta: Delta, under: str = "") -> None:
    """Give the new folder every file that stays, by the same inode and so with the same times."""
    ours = {os.path.dirname(path) for path in [*delta.write, *delta.remove]}
    with os.scandir(os.path.join(folder, under)) as entries:
        for entry in entries:
            path = f"{under}/{entry.name}" if under else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name == CACHE:
                    continue
                if path not in ours and not any(one.startswith(f"{path}/") for one in locked_files(folder)):
                    raise _CannotExchangeError  # somebody may be at work in there
                _link_what_stays(folder, stage, delta, path)
            elif path not in delta.write and path not in delta.remove:
                _link(entry.path, os.path.join(stage, path))


def _link(old: str, new: str) -> None:
    try:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        os.link(old, new, follow_symlinks=False)
    except (PermissionError, NotImplementedError, AttributeError):
        raise _CannotExchangeError from None
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT, EROFS, EIO):
            raise
        raise _CannotExchangeError from None


def _swap(one: str, other: str) -> None:
    """Exchange two folders in one step. Python has no name for the system calls that do so."""
    import ctypes

    encoded = os.fsencode(one), os.fsencode(other)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = libc.renamex_np(*encoded, 2)  # RENAME_SWAP
        else:
            failed = libc.renameat2(-100, encoded[0], -100, encoded[1], 2)  # AT_FDCWD, RENAME_EXCHANGE
    except (AttributeError, OSError, TypeError):
        raise _CannotExchangeError from None
    if failed:
        raise _CannotExchangeError(os.strerror(ctypes.get_errno()))


def _retire(tree: str, folder: str, ours: AbstractSet[str], under: str = "") -> None:
    """Take apart a folder that was replaced, or never came to be.

    What is neither ours nor elsewhere goes to `folder`, if there is room.
    """
    with os.scandir(os.path.join(tree, under)) as found:
        entries = sorted(found, key=lambda entry: (entry.name == LOCK_NAME, entry.name))  # it tells whose the rest is
    for entry in entries:
        path = f"{under}/{entry.name}" if under else entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name == CACHE:
                _keep_cache(entry.path, os.path.join(folder, path))
            else:
                _retire(tree, folder, ours, path)
        elif path in ours or entry.stat(follow_symlinks=False).st_nlink > 1:
            os.unlink(entry.path)
        elif not os.path.lexists(os.path.join(folder, path)) and os.path.isdir(os.path.join(folder, under)):
            os.rename(entry.path, os.path.join(folder, path))
    with suppress(OSError):
        os.rmdir(os.path.join(tree, under))


def _keep_cache(cache: str, new: str) -> None:
    try:
        os.rename(cache, new)
    except OSError:
        _remove_tree(cache)


def _new_folder(prefix: str) -> str:
    number = 1
    while True:
        try:
            os.mkdir(f"{prefix}{number}")
            return f"{prefix}{number}"
        except FileExistsError:
            number += 1


def _remove(folder: str, path: str) -> None:
    """Remove a file, and the folders that it leaves empty."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, path))
    while path := os.path.dirname(path):
        try:
            os.rmdir(os.path.join(folder, path))
        except OSError:
            return


def _remove_tree(tree: str) -> None:
    """Remove a folder that holds nothing but files of ours, as far as that goes."""
    with suppress(OSError):
        with os.scandir(tree) as entries:
            for entry in list(entries):
                _remove_tree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        os.rmdir(tree)


def _flush_folder(folder: str) -> None:
    with suppress(OSError):  # Windows cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _holds_current_folder(folder: str) -> bool:
    try:
        current = os.path.realpath(os.getcwd())
    except OSError:
        return True
    return f"{current}{os.sep}".startswith(f"{folder}{os.sep}")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C and a polite kill off until the few milliseconds in which files change places are over."""
    if sys.platform == "win32":  # which has no signals to put off
        yield
        return
    import signal

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
