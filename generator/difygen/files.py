"""Reading files that others made: regular ones alone, never more than a stated size, and never for ever.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from stat import S_ISDIR, S_ISFIFO, S_ISREG

STDIN = "-"
"""What a user names standard input by."""

MAX_BYTES = 64 * 1024 * 1024
"""More than any definition, lock or generated module has."""

FIRST_BYTE = 10.0
"""Seconds that a pipe may take to bring something."""

_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_PIECE = 1 << 20

_USUAL_SIZE = 1 << 15
"""Bytes that hold nearly every file, so that one call reads it."""


def read_file(path: str, *, limit: int = MAX_BYTES, follow: bool = True, special: bool = False) -> bytes:
    """Return what a file holds.

    Args:
        path: The file.
        limit: The most bytes that it may have.
        follow: Whether it may be a symbolic link.
        special: Whether it may be a pipe or a terminal, as one that the user named may.

    Raises:
        OSError: It cannot be read, is no regular file (EINVAL), is a link (ELOOP), or is too large (EFBIG).
    """
    handle = os.open(path, _READING | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    try:
        status = os.fstat(handle)
        mode = status.st_mode
        if S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not S_ISREG(mode):
            if not special:
                raise OSError(errno.EINVAL, "it is a pipe, a device or a socket, not a file", path)
            _wait_for_data(handle, path, is_pipe=S_ISFIFO(mode))
        return _read(handle, path, limit, status.st_size)
    finally:
        os.close(handle)


def content(name: str, limit: int = MAX_BYTES, *, special: bool = True) -> bytes:
    """Return what a file holds, or standard input for `-`. Raises OSError."""
    if name != STDIN:
        return read_file(name, limit=limit, special=special)
    if sys.stdin is None:  # closed before the start (`<&-`)
        raise OSError("standard input is closed")
    return sys.stdin.buffer.read()


def _wait_for_data(handle: int, path: str, *, is_pipe: bool) -> None:
    """Give a pipe time to bring something, then read it to its end as any program does."""
    if is_pipe:
        import select

        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(FIRST_BYTE * 1000):
            raise OSError(errno.ETIMEDOUT, f"nobody wrote to the pipe within {FIRST_BYTE:g} s", path)
    os.set_blocking(handle, True)


def _read(handle: int, path: str, limit: int, expected: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := os.read(handle, min(max(expected, _PIECE), limit + 1 - size)):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", path)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def hash_bytes(data: bytes) -> str:
    """Return the hash that locks use: the same whether git checked a text out with Unix or with Windows line ends."""
    return hashlib.sha256(unix_lines(data)).hexdigest()


def unix_lines(data: bytes) -> bytes:
    """Return a text with Unix line ends."""
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def hash_file(path: str) -> str:
    """Return the hash of a file's contents, or nothing if it cannot be read."""
    try:
        handle = os.open(path, _READING)
    except OSError:
        return ""
    try:
        data = os.read(handle, _USUAL_SIZE)
        if len(data) < _USUAL_SIZE:
            return hash_bytes(data)
    except OSError:
        return ""
    finally:
        os.close(handle)
    try:
        return hash_bytes(read_file(path))
    except OSError:
        return ""


def is_same_place(first: str, second: str) -> bool:
    """Check whether two names mean one file or folder, through links, too."""
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):  # one is not there: `-`, a bucket, a new file
        return os.path.realpath(first) == os.path.realpath(second)


def templates_folder() -> str:
    """Return the folder of what ends up in generated files: beside the code, or at the top of a checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(package, "templates")
    checkout = os.path.join(os.path.dirname(os.path.dirname(package)), "templates")
    return installed if os.path.isdir(installed) else checkout
