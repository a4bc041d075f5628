"""Where parts lie: a folder, or a place of fsspec. Each process adds to what is its own, and reads what is others'."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from difygen.bulk.stores.base import StoreError

PIECE = 1 << 23
"""Bytes of a part that are read together."""


class Shelf(Protocol):
    """Where parts lie. What `append` has written, and `news` of other shelves finds, are whole lines.

    Once `append` has failed, nobody knows what lies there, and nothing more may be appended.
    """

    def append(self, data: bytes) -> None:
        """Add lines to the part of this process, for good."""
        ...

    def news(self, read: dict[str, int]) -> Iterator[bytes]:
        """Read what was added by anybody, in pieces of whole lines.

        `read` says of each part how far it was read before. A piece counts as read when the next one is asked for: what
        could not be taken in comes again.
        """
        ...

    def beat(self, count: int) -> None:
        """Leave the count of this process's beats."""
        ...

    def beats(self) -> Mapping[str, int]:
        """Read those of all."""
        ...

    def announce(self, text: str) -> None:
        """Leave a text for all, in the place of the last one."""
        ...

    def announced(self) -> str:
        """Read it; empty where there is none."""
        ...


_ANNOUNCEMENT = "announced.txt"


class FolderShelf:
    """A folder of this machine, or of a network file system.

    NFS shows what another machine has written once the file is opened anew, which is done for each look.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder, self._name = folder, owner.replace(":", "-")
        self._owner = owner
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        file = os.open(self._folder / f"{self._name}.jsonl", flags, 0o666)
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        finally:
            os.close(file)

    def news(self, read: dict[str, int]) -> Iterator[bytes]:
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(read.get(path.name, 0))
                while piece := file.read(PIECE):
                    whole = piece[: piece.rfind(b"\n") + 1] or _rest_of_line(piece, file)
                    if not whole:
                        break  # a line that is still written, or was cut off for good
                    yield whole
                    read[path.name] = read.get(path.name, 0) + len(whole)
                    file.seek(read[path.name])

    def beat(self, count: int) -> None:
        path = self._folder / f"{self._name}.beat"
        path.write_text(json.dumps([self._owner, count]), "utf-8")

    def beats(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for path in self._folder.glob("*.beat"):
            try:
                owner, count = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError):  # it is written just now
                continue
            found[owner] = count
        return found

    def announce(self, text: str) -> None:
        scratch = self._folder / f"{self._name}.{_ANNOUNCEMENT}"
        scratch.write_text(text, "utf-8")
        with suppress(PermissionError):  # Windows, where somebody reads it just now
            scratch.replace(self._folder / _ANNOUNCEMENT)

    def announced(self) -> str:
        with suppress(FileNotFoundError):
            return (self._folder / _ANNOUNCEMENT).read_text("utf-8", "replace")
        return ""


def _rest_of_line(piece: bytes, file: Any) -> bytes:
    """Return a line that is longer than a piece; empty where its end is not there."""
    rest: bytes = file.readline()
    return piece + rest if rest.endswith(b"\n") else b""


_WHOLE = b"\n"
"""What ends an object: an empty line."""


class ObjectShelf:
    """A place of fsspec, such as a bucket: what is added is an object of its own, which never changes.

    Each process numbers its objects, in a folder of its own: so the next one of each is asked for, and a place with a
    million objects is never listed.
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

    def append(self, data: bytes) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{self._name}/{self._count:09}.jsonl", data + _WHOLE)
        self._count += 1

    def _writers(self) -> list[str]:
        self._files.invalidate_cache()
        found = (str(path).rstrip("/") for path in self._files.ls(self._root, detail=False))
        return sorted(path for path in found if not path.endswith(f"/{_ANNOUNCEMENT}"))

    def news(self, read: dict[str, int]) -> Iterator[bytes]:
        with _reaching(self._root):
            writers = self._writers()
        for writer in writers:
            while (piece := self._object(f"{writer}/{read.get(writer, 0):09}.jsonl")) is not None:
                if not piece.endswith(b"\n" + _WHOLE):
                    break  # buckets show whole objects alone, but other file systems do not
                yield piece.removesuffix(_WHOLE)
                read[writer] = read.get(writer, 0) + 1

    def _object(self, path: str) -> bytes | None:
        with _reaching(self._root):
            try:
                found: bytes = self._files.cat_file(path)
            except FileNotFoundError:
                return None
            return found

    def beat(self, count: int) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{self._name}/beat.json", json.dumps([self._owner, count]).encode())

    def beats(self) -> Mapping[str, int]:
        with _reaching(self._root):
            found = [self._object(f"{writer}/beat.json") for writer in self._writers()]
        return dict(json.loads(beat) for beat in found if beat)

    def announce(self, text: str) -> None:
        with _reaching(self._root):
            self._files.pipe_file(f"{self._root}/{_ANNOUNCEMENT}", text.encode())

    def announced(self) -> str:
        return (self._object(f"{self._root}/{_ANNOUNCEMENT}") or b"").decode("utf-8", "replace")


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    """Turn what a library of some file system raises into an OSError."""
    try:
        yield
    except (OSError, StoreError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__} at {place}: {error}") from error
