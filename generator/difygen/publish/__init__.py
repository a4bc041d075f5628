"""Texts -> files on disk: all of them or none, and nothing that is not ours is written over or removed.

`survey` looks, `publish` acts. A file is ours when the lock knows its very contents, or when it bears a mark that was
made of them; a file that differs was written or edited by somebody else, and is neither overwritten nor removed unless
that is forced. Knows no workflow. Below it:

stages       new files beside the old ones, which take their place so that a crash leaves each as it was or is to be
other_runs   those at work are waited for, what killed ones left behind is removed
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from errno import EFBIG
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, TypeVar

from difygen.definitions.lockfile import LOCK_NAME, Lock, LockError, format_lock, is_inside, read_lock
from difygen.files import hash_bytes, read_file, unix_lines
from difygen.publish.other_runs import BusyError, NotOursError, exclusive, has_leftovers, tidy
from difygen.record import NOTHING, Record, replace

if TYPE_CHECKING:
    from difygen.publish.stages import Delta

ResultT = TypeVar("ResultT")

EDITED = "was edited by hand"
FOREIGN = "was not written by difygen"
OUTSIDE = "leads out of the folder through a symbolic link"
FOLDER = "is a folder"
SPECIAL = "is a pipe, a device or a socket"
SHADOWED = "is a package that would be imported instead of the generated module"
DAMAGED = "cannot be read"


class _Mark(Record):
    """How a file that stands by itself says that it is ours: what comes before and behind our words.

    `end` is how the text ends without them.
    """

    before: str
    behind: str
    end: str


_COMMENT = _Mark("\n# difygen ", "\n", "\n")
_MARKS = {
    ".json": _Mark(',\n  "x-difygen": "difygen ', '"\n}\n', "\n}\n"),
    ".md": _Mark("\n\n[//]: # (difygen ", ")\n", "\n"),  # a link that nothing uses: Markdown without HTML
    ".html": _Mark("\n<!-- difygen ", " -->\n", "\n"),
}
"""The marks of kinds of files, by how their names end. Others have a comment as in Python."""

_NEVER_FORCED = (OUTSIDE, FOLDER, SHADOWED, SPECIAL)


class Refusal(Record):
    """A file that stands in the way, and why."""

    path: str
    why: str


class Survey(Record):
    """What a folder holds, measured against what it should hold. All paths are relative to it and sorted.

    `missing` and `changed` would be written, `stale` removed; `refused` are those of them, and others, that are not
    ours; `lock` says whether the lock was written, too.
    """

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    lock: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether the folder holds just what it should."""
        return not (self.missing or self.changed or self.stale or self.refused)


class Destination(Record):
    """What is to stand at a path: the files of a folder with their lock, or one file, which has none.

    `texts` are written where they differ; `kept` are files that are known to be as the lock says. `old` is the lock
    that all this was decided from, and `seen` what its file held. The text of the one file has an empty name.
    """

    path: str
    texts: Mapping[str, str] = NOTHING
    kept: Collection[str] = ()
    lock: Lock | None = None
    old: Lock | None = None
    seen: bytes = b""

    @property
    def is_current(self) -> bool:
        """Whether it is known that there is nothing to write, and nothing that a killed run left."""
        return self.lock is not None and self.lock is self.old and not has_leftovers(self.path)


class PublishError(Exception):
    """The files could not be written. Everything is as it was; the text says why, in words for the user."""


class RefusedError(PublishError):
    """Files that difygen did not write stand in the way; `refusals` names them, with their whole paths."""

    def __init__(self, refusals: Collection[Refusal]) -> None:
        super().__init__(refusals)
        self.refusals = tuple(refusals)

    def __str__(self) -> str:
        lines = [f"{one.path} {one.why}" for one in self.refusals]
        forced = all(one.why not in _NEVER_FORCED for one in self.refusals)
        hint = "use --force to overwrite" if forced else "move it away, or choose another output"
        return "\n".join([*lines, f"nothing was written; {hint}"])


def path_in(output: str, path: str) -> str:
    """Return a path in the output, or the output itself if that is a file."""
    return os.path.join(output, path) if path else output


class SupersededError(PublishError):
    """Another run has changed the folder since it was looked at: look again."""


def read_own_lock(folder: str, *, force: bool) -> tuple[Lock | None, bytes]:
    """Return the lock of a folder that is to be written, and what the file holds.

    One that cannot be used stands in the way, unless that is forced. Raises `PublishError`.
    """
    try:
        return read_lock(folder)
    except LockError as error:
        if force:
            return None, b""
        path = os.path.join(folder, "difygen.lock")
        hint = "restore it from version control, or use --force to write it anew"
        raise PublishError(f"{path} cannot be used: {error}\nnothing was written; {hint}") from error
    except OSError as error:
        raise PublishError(f"cannot read {folder}: {error.strerror}") from error


def until_settled(attempt: Callable[[], ResultT]) -> ResultT:
    """Return what comes of an attempt to look at outputs and to publish them.

    Where another run came in between, it is made again and looks at what that left.
    """
    while True:
        try:
            return attempt()
        except SupersededError:
            continue


def survey(folder: str, texts: Mapping[str, str], kept: Collection[str], lock: Lock | None) -> Survey:
    """Compare `folder` with the files it should hold:

    `texts`, and those in `kept`, which are known to be as the lock says.
    """
    lock = lock or Lock("", "")
    refused = list(_blocked(folder, {*texts, *lock.files}))
    blocked = tuple(f"{one.path}/" for one in refused if one.why == OUTSIDE)
    looked = {
        path: _look(folder, path, lock, texts[path].encode() if path in texts else None)
        for path in sorted({*texts, *lock.files}.difference(kept))
        if not path.startswith(blocked)
    }
    refused += [Refusal(path, found) for path, found in looked.items() if found not in (_MISSING, _SAME, _OURS)]
    return Survey(
        missing=tuple(path for path, found in looked.items() if found == _MISSING and path in texts),
        changed=tuple(path for path, found in looked.items() if found not in (_MISSING, _SAME) and path in texts),
        stale=tuple(path for path, found in looked.items() if found != _MISSING and path not in texts),
        refused=tuple(sorted(refused, key=lambda one: one.path)),
    )


def survey_output(output: Destination) -> Survey:
    """Compare what stands at a path with what should."""
    if output.lock is None:
        return survey_file(output.path, output.texts[""])
    return survey(output.path, output.texts, output.kept, output.old)


def publish(*outputs: Destination, force: bool = False) -> tuple[Survey, ...]:
    """Make all outputs hold what they should and nothing else of ours, and tell what was done to each.

    All are written or none; nothing at all where nothing differs.
    Raises `RefusedError`, `SupersededError`, or `PublishError`, each with everything as it was.
    """
    if outside := [path for each in outputs if each.lock for path in each.texts if not is_inside(path)]:
        raise PublishError(f"refused to write outside of the folder: {', '.join(map(repr, outside))}")
    try:
        with exclusive(*(each.path for each in outputs)):
            return _publish(outputs, force)
    except (BusyError, NotOursError) as error:
        raise PublishError(str(error)) from error
    except OSError as error:
        raise PublishError(_explain(outputs, error)) from error


def _publish(outputs: Sequence[Destination], force: bool) -> tuple[Survey, ...]:
    from difygen.publish.stages import install  # most runs of a project write nothing

    outputs = [_as_it_is_now(each, force) for each in outputs]
    surveys = [survey_output(each) for each in outputs]
    in_the_way = [
        replace(one, path=path_in(output.path, one.path))
        for output, found in zip(outputs, surveys, strict=True)
        for one in found.refused
        if not force or one.why in _NEVER_FORCED
    ]
    if in_the_way:
        raise RefusedError(in_the_way)
    deltas = [_delta(each, found) for each, found in zip(outputs, surveys, strict=True)]
    if changing := [each for each in deltas if each.write]:
        install(*changing)
    for each in deltas:
        if not each.write and each.between and has_leftovers(each.path):
            tidy(each.path)
    return tuple(
        replace(found, refused=(), lock=LOCK_NAME in each.write) for each, found in zip(deltas, surveys, strict=True)
    )


def _delta(output: Destination, found: Survey) -> Delta:
    """Return what has to change at a path."""
    from difygen.publish.stages import Delta

    old, new = output.old, output.lock
    write = {path: output.texts[path].encode() for path in (*found.missing, *found.changed)}
    if new is None:
        return Delta(output.path, write)
    data = format_lock(new)
    if write or found.stale or data != unix_lines(output.seen):
        write[LOCK_NAME] = data
    return Delta(output.path, write, frozenset(found.stale), lambda: format_lock(_between(old, new)))


def _as_it_is_now(output: Destination, force: bool) -> Destination:
    """Return the output with the lock that is there now that no other run can change it."""
    if output.lock is None:
        return output
    try:
        lock, found = read_lock(output.path)
    except LockError:
        where = os.path.join(output.path, LOCK_NAME)
        if _contents(where) == SPECIAL:
            raise RefusedError([Refusal(where, SPECIAL)]) from None
        if force:
            return replace(output, old=None, seen=b"")
        raise RefusedError([Refusal(where, DAMAGED)]) from None
    if found != output.seen:
        raise SupersededError(output.path)
    return replace(output, old=lock)


def _between(old: Lock | None, new: Lock) -> Lock:
    """Return the lock for the time in which files change places: it knows old contents and new ones."""
    files = dict(old.files) if old else {}
    for path, digest in new.files.items():
        files[path] = " ".join(dict.fromkeys([*files.get(path, "").split(), digest]))
    return replace(old or new, files=files, options="")


def signed(text: str, generator: str, path: str = "") -> str:
    """Return a text, which ends with a line break, with a mark by which it is known to be ours if nobody edits it.

    A list of JSON has no place for one.
    """
    mark = _mark_of(path)
    if not text.endswith(mark.end):
        return text
    head = text.removesuffix(mark.end)
    return f"{head}{mark.before}{generator} wrote all of the above: {_signature(text.encode())}{mark.behind}"


def _mark_of(path: str) -> _Mark:
    return _MARKS.get(os.path.splitext(path)[1], _COMMENT)


def survey_file(path: str, text: str) -> Survey:
    """Compare a file with what it should hold, a text that is signed.

    The path in the survey is empty, for the file itself.
    """
    found = _contents(path)
    if found is None:
        return Survey(missing=("",))
    if isinstance(found, str):
        return Survey(changed=("",) if found == FOREIGN else (), refused=(Refusal("", found),))
    if _reads_as(found, text.encode()):
        return Survey()
    if _is_signed(found, path):
        return Survey(changed=("",))
    had_mark = _mark_of(path).before.encode() in unix_lines(found)
    return Survey(changed=("",), refused=(Refusal("", EDITED if had_mark else FOREIGN),))


def _is_signed(data: bytes, path: str) -> bool:
    mark = _mark_of(path)
    head, _, last = unix_lines(data).rpartition(mark.before.encode())
    expected = f": {_signature(head + mark.end.encode())}{mark.behind}".encode()
    return last.endswith(expected) and b"\n" not in last.removesuffix(expected)


def _signature(data: bytes) -> str:
    return hash_bytes(data)[:32]


_MISSING, _SAME, _OURS = "missing", "same", "ours"


def _look(folder: str, path: str, lock: Lock, expected: bytes | None) -> str:
    """Return what stands at a path: nothing, the expected contents, contents we wrote, or else why it is not ours."""
    found = _contents(os.path.join(folder, path))
    if found is None:
        return _MISSING
    if isinstance(found, str):
        return found
    data = found
    if _reads_as(data, expected):
        return _SAME
    if lock.wrote(path, hash_bytes(data)) or _is_signed(data, path):
        return _OURS
    return EDITED if path in lock.files else FOREIGN


def _contents(path: str) -> bytes | str | None:
    """Return what a file holds, or why it cannot be a file of ours, or None where there is nothing.

    Opens nothing but files.
    """
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if S_ISLNK(mode):
        return FOREIGN
    if S_ISDIR(mode):
        return FOLDER
    if not S_ISREG(mode):
        return SPECIAL
    try:
        return read_file(path, follow=False)
    except OSError as error:
        if error.errno == EFBIG:
            return FOREIGN
        raise


def _reads_as(data: bytes, expected: bytes | None) -> bool:
    """Check whether the file need not be written.

    Git may have checked it out with Windows line ends, which is no change of ours or anybody's.
    """
    return unix_lines(data) == expected


def _blocked(folder: str, paths: Collection[str]) -> Iterator[Refusal]:
    """Yield what must not even be looked through: folders that are links, and packages that hide a module of ours."""
    folders = {path[:end] for path in paths for end, character in enumerate(path) if character == "/"}
    for below in sorted(folders):
        if os.path.islink(os.path.join(folder, below)):
            yield Refusal(below, OUTSIDE)
    for name in _packages(folder):
        if f"{name}.py" in paths:
            yield Refusal(name, SHADOWED)


def _packages(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return
    yield from (name for name in names if os.path.exists(os.path.join(folder, name, "__init__.py")))


def _explain(outputs: Sequence[Destination], error: OSError) -> str:
    failed = os.path.realpath(str(error.filename or ""))
    where = next((each.path for each in outputs if failed.startswith(os.path.realpath(each.path))), outputs[0].path)
    return f"cannot write {where}: {error.strerror or error}; nothing was changed"
