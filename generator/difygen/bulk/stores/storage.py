"""Where parts lie: a folder, or a place of fsspec. Each process adds to what is its own, and reads what is others'."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from difygen.bulk.stores.base import RETIRED, StoreError, is_running

PIECE = 1 << 23
"""Bytes of a part that are read together."""


class Piece(NamedTuple):
    """Whole lines of a part, and where in it they begin."""

    part: str
    start: int
    data: bytes


class PartStorage(Protocol):
    """Where parts lie. What `append` has written, and `news` of another process finds, are whole lines.

    Once `append` has failed, nobody knows what lies there, and nothing more may be appended.
    """

    def append(self, data: bytes) -> None:
        """Add lines to the part of this process, for good."""
        ...

    def news(self) -> Iterator[Piece]:
        """Read what was added by anybody since the last time.

        A piece counts as read when the next one is asked for: what could not be taken in comes again.
        """
        ...

    def lines(self, part: str, starts: Iterable[int]) -> Iterator[bytes]:
        """Read lines again, by where they begin in a part."""
        ...

    def heartbeat(self, count: int) -> None:
        """Leave the count of this process's heartbeats."""
        ...

    def heartbeats(self) -> Mapping[str, int]:
        """Read those of all."""
        ...

    def announce(self, text: str) -> None:
        """Leave a text for all, in the place of the last one."""
        ...

    def announced(self) -> str:
        """Read it; empty where there is none."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


_ANNOUNCEMENT = "announced.txt"
INDEX = "index.db"


class FolderStorage:
    """A folder of this machine, or of a network file system.

    NFS shows what another machine has written once the file is opened anew, which is done for each look: the sizes that
    a listing tells may be old there. Parts of those who have left are final, and are not looked at again.

    `read` says how far each part was read, and `final` which ones are.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self.folder, self.name = folder, owner.replace(":", "-")
        self._owner = owner
        self.read: dict[str, int] = {}
        self.final: set[str] = set()
        self._left: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._check()

    def _check(self) -> None:
        """Raise StoreError where a folder that never was a store holds other things."""
        ours = (".jsonl", ".beat", _ANNOUNCEMENT, INDEX)
        names = sorted(name for name in os.listdir(self.folder) if not name.startswith("."))
        others = [name for name in names if not name.endswith(ours)]
        if others and not any(name.endswith(".beat") for name in names):
            raise StoreError(
                f"{self.folder} holds other things, such as {others[0]}: give the store a folder of its own, "
                f"such as {self.folder / 'runs'}{os.sep}."
            )

    def path_of(self, part: str) -> str:
        """Return where a part is."""
        return f"{self.folder}/{part}.jsonl"

    def names(self, ending: str) -> list[str]:
        """Return the names of the files with an ending, without that."""
        return sorted(name.removesuffix(ending) for name in os.listdir(self.folder) if name.endswith(ending))

    def append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        file = os.open(self.path_of(self.name), flags, 0o666)
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        finally:
            os.close(file)

    def news(self) -> Iterator[Piece]:
        left = set(self._left)  # before their parts are read: nothing is added to these afterwards
        for part in self.names(".jsonl"):
            if part not in self.final:
                yield from self._added(part)
                if part in left:
                    self.final.add(part)

    def _added(self, part: str) -> Iterator[Piece]:
        start = self.read.get(part, 0)
        with open(self.path_of(part), "rb") as file:
            if os.fstat(file.fileno()).st_size <= start:
                return
            file.seek(start)
            while data := file.read(PIECE):
                whole = data[: data.rfind(b"\n") + 1] or _rest_of_line(data, file)
                if not whole:
                    return  # a line that is still written, or was cut off for good
                yield Piece(part, start, whole)
                start = self.read[part] = start + len(whole)
                file.seek(start)

    def lines(self, part: str, starts: Iterable[int]) -> Iterator[bytes]:
        with open(self.path_of(part), "rb") as file:
            for start in starts:
                file.seek(start)
                yield file.readline()

    def heartbeat(self, count: int) -> None:
        (self.folder / f"{self.name}.beat").write_text(json.dumps([self._owner, count]), "utf-8")

    def heartbeats(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for name in self.names(".beat"):
            owner, count = name.replace("-", ":"), RETIRED
            if name not in self._left and name not in self.final:
                try:
                    _, count = json.loads((self.folder / f"{name}.beat").read_text("utf-8"))
                except (OSError, ValueError, TypeError):  # it is written just now
                    continue
                if count == RETIRED or is_running(owner) is False:
                    self._left.add(name)
            found[owner] = count
        return found

    def announce(self, text: str) -> None:
        scratch = self.folder / f"{self.name}.{_ANNOUNCEMENT}"
        scratch.write_text(text, "utf-8")
        with suppress(PermissionError):  # Windows, where somebody reads it just now
            scratch.replace(self.folder / _ANNOUNCEMENT)

    def announced(self) -> str:
        with suppress(FileNotFoundError):
            return (self.folder / _ANNOUNCEMENT).read_text("utf-8", "replace")
        return ""

    def close(self) -> None:
        """Nothing is open between two calls."""


def _rest_of_line(piece: bytes, file: Any) -> bytes:
    """Return a line that is longer than a piece; empty where its end is not there."""
    rest: bytes = file.readline()
    return piece + rest if rest.endswith(b"\n") else b""


_WHOLE = b"\n"
"""What ends an object: an empty line."""


class ObjectStorage:
    """A place of fsspec, such as a bucket: what is added is an object of its own, which never changes.

    Each process numbers its objects, in a folder of its own: so the next one of each is asked for, and a place with a
    million objects is never listed. What was read stays in a file that is deleted with the process.
    """

    def __init__(self, url: str, owner: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise StoreError(f"{url} needs fsspec: pip install 'difygen[shared]'.") from error
        with _reaching(url):
            self._files, root = url_to_fs(url, use_listings_cache=False)
            self._root, self._owner, self._name = root.rstrip("/"), owner, owner.replace(":", "-")
            self._files.makedirs(f"{self._root}/{self._name}", exist_ok=True)
        self._count = 0
        self._read: dict[str, int] = {}
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the storage

    def append(self, data: bytes) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{self._name}/{self._count:09}.jsonl", data + _WHOLE)
        self._count += 1

    def _writers(self) -> list[str]:
        self._files.invalidate_cache()
        found = (str(path).rstrip("/") for path in self._files.ls(self._root, detail=False))
        return sorted(path for path in found if not path.endswith(f"/{_ANNOUNCEMENT}"))

    def news(self) -> Iterator[Piece]:
        with _reaching(self._root):
            writers = self._writers()
        for writer in writers:
            while (data := self._object(f"{writer}/{self._read.get(writer, 0):09}.jsonl")) is not None:
                if not data.endswith(b"\n" + _WHOLE):
                    break  # buckets show whole objects alone, but other file systems do not
                start = self._spool.seek(0, os.SEEK_END)
                self._spool.write(data)
                yield Piece("", start, data.removesuffix(_WHOLE))
                self._read[writer] = self._read.get(writer, 0) + 1

    def lines(self, part: str, starts: Iterable[int]) -> Iterator[bytes]:
        for start in starts:
            self._spool.seek(start)
            yield self._spool.readline()

    def _object(self, path: str) -> bytes | None:
        with _reaching(self._root):
            try:
                found: bytes = self._files.cat_file(path)
            except FileNotFoundError:
                return None
            return found

    def heartbeat(self, count: int) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{self._name}/beat.json", json.dumps([self._owner, count]).encode())

    def heartbeats(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        with _reaching(self._root):
            for writer in self._writers():
                with suppress(ValueError, TypeError):  # there is none yet, or it is written just now
                    owner, count = json.loads(self._object(f"{writer}/beat.json") or b"")
                    found[owner] = count
        return found

    def announce(self, text: str) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{_ANNOUNCEMENT}", text.encode())

    def announced(self) -> str:
        return (self._object(f"{self._root}/{_ANNOUNCEMENT}") or b"").decode("utf-8", "replace")

    def close(self) -> None:
        """Close what was read, which deletes it."""
        self._spool.close()


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    """Turn what a library of some file system raises into an OSError."""
    try:
        yield
    except (OSError, StoreError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__} at {place}: {error}") from error
