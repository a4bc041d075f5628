"""Put new files into folders so that a crash at any point leaves each as it was or as it is to be.

Knows no workflow and no template. Whatever fails before the end leaves all of them as they were: everything is written
beside what is there first, then all of it is put into its place: a whole folder at once, files one by one, or a single
file.

A new folder is built beside the old one, with hard links to whatever stays, and the two are exchanged in one
system call. Where that cannot be done (no such call, a mount point, the current folder, foreign subfolders) the
files are replaced one by one, between two locks that know the old contents and the new ones: what a crash leaves there
is put right by the next run.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from errno import EDQUOT, EIO, ENOSPC, EROFS
from stat import S_IMODE

from difygen.definitions.lockfile import LOCK_NAME, locked_files
from difygen.files import read_file
from difygen.publish.other_runs import BETWEEN, CACHE, INSIDE, make_folders, remove_empty, stage_prefix, tidy, tidy_file
from difygen.record import Record, replace

_FLUSH_EACH = 8
"""Up to so many files are flushed one by one (0.4 to 4 ms each); for more, one call for all is faster.
"""


class Delta(Record):
    """What changes at a path, the paths in it being relative, with forward slashes; what is not named stays as it is.

    `write` holds the new lock of a folder, too. `between` makes the lock that knows the files' old contents and the
    new ones. Of a file that stands by itself, which has no lock, `write` holds what it is to hold under an empty name.
    """

    path: str
    write: Mapping[str, bytes]
    remove: AbstractSet[str] = frozenset()
    between: Callable[[], bytes] | None = None


def install(*deltas: Delta) -> None:
    """Apply all deltas, or none of them.

    Raises `OSError` with everything as it was. The caller holds `exclusive` for all paths.
    """
    whole = [replace(each, path=_real_path(each)) for each in deltas]
    for each in whole:
        tidy(each.path) if each.between else tidy_file(each.path, each.write[""])
    stages: list[Stage] = []
    try:
        for each in whole:
            stages.append(_stage(each, whole))
        with _uninterrupted():
            _commit(stages)
            for stage in stages:
                stage.close()
    except BaseException:
        for stage in stages:
            stage.close()
        raise


def _real_path(delta: Delta) -> str:
    if delta.between:
        return os.path.realpath(delta.path)
    return os.path.join(os.path.realpath(os.path.dirname(delta.path)), os.path.basename(delta.path))


def _stage(delta: Delta, others: Iterable[Delta]) -> Stage:
    """Write all that is new beside what is there, which stays as it is."""
    folder = delta.path
    if delta.between is None:
        return SingleFile(delta)
    if set(delta.write) == {LOCK_NAME} and not delta.remove:
        return FilesInPlace(delta)
    if _holds_current_folder(folder) or os.path.ismount(folder) or any(_is_in(each.path, folder) for each in others):
        return FilesInPlace(delta)
    try:
        return WholeFolder(delta)
    except CannotExchangeError:
        return FilesInPlace(delta)


def _commit(stages: list[Stage]) -> None:
    """Put everything into its place. What is done already is undone if something cannot be."""
    done: list[Stage] = []
    try:
        for number, stage in enumerate(stages):
            try:
                done.append(stage)
                stage.commit()
            except CannotExchangeError:
                stage.close()
                stages[number] = done[-1] = FilesInPlace(stage.delta)
                done[-1].commit()
    except BaseException:
        for stage in reversed(done):
            with suppress(OSError):
                stage.undo()
        raise


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip(os.sep)}{os.sep}")


def _holds_current_folder(folder: str) -> bool:
    try:
        current = os.path.realpath(os.getcwd())
    except OSError:
        return True
    return current == folder or _is_in(current, folder)


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


class CannotExchangeError(Exception):
    """This folder cannot be replaced as a whole."""


class Stage(ABC):
    """What is to take the place of something else, ready to do so."""

    def __init__(self, delta: Delta) -> None:
        self.delta = delta
        try:
            self.prepare()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def prepare(self) -> None:
        """Write everything, and change nothing."""

    @abstractmethod
    def commit(self) -> None:
        """Put it into its place, in as few steps as there can be."""

    @abstractmethod
    def undo(self) -> None:
        """Put what was there before back into its place, as far as `commit` has come."""

    @abstractmethod
    def close(self) -> None:
        """Remove what is of no use any more, the new or the old. Called again, it does nothing."""


class WholeFolder(Stage):
    """A whole folder that changes places with the old one in one step."""

    _stage = ""
    _exists = False
    _is_done = False

    def prepare(self) -> None:
        folder = self.delta.path
        try:
            self._stage = _new_folder(stage_prefix(folder))
        except PermissionError:
            raise CannotExchangeError from None
        self._exists = os.path.isdir(folder)
        _fill(self._stage, self.delta.write, flush=self._exists)
        if self._exists:
            _link_what_stays(folder, self._stage, self.delta)
            os.chmod(self._stage, S_IMODE(os.stat(folder).st_mode))

    def commit(self) -> None:
        folder = self.delta.path
        if self._exists:
            _swap(self._stage, folder)
        else:
            os.rename(self._stage, folder)
        self._is_done = True
        if self._exists:
            _flush_folder(os.path.dirname(folder))

    def undo(self) -> None:
        if self._is_done:
            _swap(self._stage, self.delta.path) if self._exists else os.rename(self.delta.path, self._stage)
            self._is_done = False

    def close(self) -> None:
        """Take the other folder apart. What cannot be removed stays for the next run."""
        if not self._stage:
            return
        ours = self.delta.remove | self.delta.write.keys() if self._is_done else locked_files(self._stage) | {LOCK_NAME}
        with suppress(OSError):
            _retire(self._stage, self.delta.path, ours)


class FilesInPlace(Stage):
    """Files that replace the old ones one by one, between two locks."""

    def __init__(self, delta: Delta) -> None:
        self._stage = ""
        self._made: list[str] = []
        self._before: dict[str, bytes | None] = {}
        super().__init__(delta)

    def prepare(self) -> None:
        folder, between = self.delta.path, self.delta.between
        assert between is not None
        for below in sorted({os.path.dirname(os.path.join(folder, path)) for path in self.delta.write}):
            self._made += make_folders(below)
        self._stage = _new_folder(os.path.join(folder, INSIDE))
        _fill(self._stage, {**self.delta.write, BETWEEN: between()}, flush=True)

    def commit(self) -> None:
        def what_imports_is_last(path: str) -> tuple[bool, bool, str]:
            return path == "__init__.py", "/" not in path, path

        self._move(BETWEEN, LOCK_NAME)
        for path in sorted(self.delta.write.keys() - {LOCK_NAME}, key=what_imports_is_last):
            self._move(path, path)
        for path in self.delta.remove:
            self._before[path] = _content(os.path.join(self.delta.path, path))
            _remove(self.delta.path, path)
        self._move(LOCK_NAME, LOCK_NAME)  # which says that all is done
        _flush_folder(self.delta.path)

    def _move(self, path: str, new_path: str) -> None:
        target = os.path.join(self.delta.path, new_path)
        self._before.setdefault(new_path, _content(target))
        os.replace(os.path.join(self._stage, path), target)

    def undo(self) -> None:
        for path, data in reversed(self._before.items()):
            _put_back(os.path.join(self.delta.path, path), os.path.join(self._stage, BETWEEN), data)

    def close(self) -> None:
        if self._stage:
            _remove_tree(self._stage)
        remove_empty(self._made)


class SingleFile(Stage):
    """A file that stands by itself."""

    _stage = ""
    _before: bytes | None = None
    _is_done = False

    def prepare(self) -> None:
        path = self.delta.path
        self._stage = f"{stage_prefix(path)}1"
        _write(self._stage, self.delta.write[""], flush=os.path.exists(path))

    def commit(self) -> None:
        self._before = _content(self.delta.path)
        os.replace(self._stage, self.delta.path)
        self._is_done = True

    def undo(self) -> None:
        if self._is_done:
            _put_back(self.delta.path, self._stage, self._before)

    def close(self) -> None:
        with suppress(OSError):
            os.unlink(self._stage)


def _content(path: str) -> bytes | None:
    """Return what a file holds, so that it can be put back, or None where there is none."""
    try:
        return read_file(path, follow=False)
    except OSError:
        return None


def _put_back(path: str, stage: str, data: bytes | None) -> None:
    if data is None:
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    _write(stage, data, flush=True)
    os.replace(stage, path)


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
                    raise CannotExchangeError  # somebody may be at work in there
                _link_what_stays(folder, stage, delta, path)
            elif path not in delta.write and path not in delta.remove:
                _link(entry.path, os.path.join(stage, path))


def _link(old: str, new: str) -> None:
    try:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        os.link(old, new, follow_symlinks=False)
    except (PermissionError, NotImplementedError, AttributeError):
        raise CannotExchangeError from None
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT, EROFS, EIO):
            raise
        raise CannotExchangeError from None


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
        raise CannotExchangeError from None
    if failed:
        raise CannotExchangeError(os.strerror(ctypes.get_errno()))


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
                try:
                    os.rename(entry.path, os.path.join(folder, path))
                except OSError:
                    _remove_tree(entry.path)
            else:
                _retire(tree, folder, ours, path)
        elif path in ours or entry.stat(follow_symlinks=False).st_nlink > 1:
            os.unlink(entry.path)
        elif not os.path.lexists(os.path.join(folder, path)) and os.path.isdir(os.path.join(folder, under)):
            os.rename(entry.path, os.path.join(folder, path))
    with suppress(OSError):
        os.rmdir(os.path.join(tree, under))


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
