"""Put new files into folders so that a crash at any point leaves each as it was or as it is to be.

Knows no workflow and no template. Whatever fails before the end leaves all of them as they were: everything is written
beside what is there first (`stages`), then all of it is put into its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from difygen.definitions.lockfile import LOCK_NAME
from difygen.publish.other_runs import tidy, tidy_file
from difygen.publish.stages import CannotExchangeError, Delta, FilesInPlace, SingleFile, Stage, WholeFolder
from difygen.record import replace


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
