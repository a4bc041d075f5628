"""Local files on their way to the server: where the bytes come from, and the multipart body.

A path, bytes, or an open file. Frameworks for the web have objects of their own, with a
`.filename` and the open file in `.file`; what is read by awaiting is a `WaitingFile`.
"""

import io
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from inspect import isawaitable, iscoroutinefunction
from mimetypes import guess_type
from typing import Any, BinaryIO, Protocol, cast
from weakref import finalize

from ._errors import ConfigurationError

PIECE_SIZE = 1 << 17
SPOOLED = 1 << 22
MAX_SHOWN_NAME = 100
WHAT_IS_TAKEN = (
    "a path, (name, bytes), an open binary file, a URL, a file that was uploaded or "
    "returned by a run"
)
FOREIGN_URL = re.compile(r"(data:|[a-z][a-z0-9+.-]+://)", re.IGNORECASE)
"""How a URL begins that is none of http; a drive of Windows has one letter."""


class AwaitedFile(Protocol):
    """An open file that is read by awaiting: of aiofiles, anyio, or a web framework."""

    def read(self, size: int = ..., /) -> Awaitable[bytes]:
        """Return the next bytes; none at the end."""
        ...


class UploadedByForm(Protocol):
    """An upload of a web framework: Starlette's, FastAPI's, Litestar's, aiohttp's, Django's."""

    @property
    def filename(self) -> str | None:
        """The name that the browser gave."""
        ...

    @property
    def file(self) -> Any:
        """The open file."""
        ...


class OpenFile:
    """An open binary file of the caller's. It is sent from where it was when it was given,
    as often as that is asked for, and stays open."""

    __slots__ = ("_file", "_start")

    def __init__(self, file: BinaryIO, start: int | None) -> None:
        self._file = file
        self._start = start

    def open(self) -> tuple[BinaryIO, int]:
        """Return the file, and how much there is to read. A pipe is read at once."""
        if self._start is None:
            self._file = io.BytesIO(self._file.read())
            self._start = 0
        self._file.seek(0, os.SEEK_END)
        size = self._file.tell() - self._start
        self._file.seek(self._start)
        return self._file, size


class WaitingFile:
    """A file that is read by awaiting, once, by a client that can: into a temporary file,
    since its size must be known before the first byte is sent."""

    __slots__ = ("__weakref__", "_file", "_read")

    def __init__(self, file: AwaitedFile) -> None:
        self._file = file
        self._read: OpenFile | None = None

    async def read(self, do: Callable[..., Awaitable[Any]]) -> OpenFile:
        """Return what was read. `do` calls what may block for a moment."""
        from tempfile import SpooledTemporaryFile

        if self._read is None:
            spool = SpooledTemporaryFile(SPOOLED)  # noqa: SIM115
            finalize(self, spool.close)
            while piece := await self._file.read(PIECE_SIZE):
                if not isinstance(cast(object, piece), bytes):
                    raise ConfigurationError(TEXTUAL)
                await do(spool.write, piece)
            self._read = OpenFile(cast(BinaryIO, spool), 0)
        return self._read


TEXTUAL = 'the file is open as text: open it with mode "rb"'

FileSource = str | bytes | OpenFile | WaitingFile
"""Where the bytes of an upload come from."""


def named_source(value: Any) -> tuple[FileSource, str]:
    """Return where the bytes of a local file are, and the name to upload it by.

    Raises:
        ValueError: It is no file, has no name, or cannot be read.
    """
    if isinstance(value, tuple):
        return source_with_name(cast(tuple[object, ...], value))
    if isinstance(value, str | os.PathLike):
        return source_at(os.fspath(cast("str | os.PathLike[str]", value)))
    if isinstance(value, bytes | bytearray):
        nameless = ValueError('bytes need a name: give ("report.pdf", data)')
        raise nameless
    name = name_of(value)
    if name is None and not is_open_file(value):
        kind = type(cast(object, value)).__name__
        raise ValueError(f"expected {WHAT_IS_TAKEN}, not {kind}")
    if not name:
        raise ValueError('the open file has no name: give ("report.pdf", file)')
    return source_in(value), name


def source_at(path: object) -> tuple[FileSource, str]:
    """Return the source and the name of a file on disk."""
    if not isinstance(path, str):
        of_bytes = ValueError("a path is a str, or an os.PathLike of str, not of bytes")
        raise of_bytes
    if url := FOREIGN_URL.match(path):
        raise ValueError(
            f"{url[0]} URLs are not taken: a local file is given by its path, or as "
            '("report.pdf", data)'
        )
    if not os.path.isfile(path):
        raise ValueError(f"there is no file {path[:MAX_SHOWN_NAME]!r}")
    return path, os.path.basename(path)


def source_with_name(pair: tuple[object, ...]) -> tuple[FileSource, str]:
    """Return the source and the name of a `(name, bytes)` pair."""
    name, content = pair if len(pair) == 2 else (None, None)
    if not isinstance(name, str) or not name:
        raise ValueError('a file as a tuple is ("report.pdf", data)')
    if isinstance(content, bytes | bytearray):
        return bytes(content), name
    if is_open_file(content):
        return source_in(content), name
    kind = type(content).__name__
    raise ValueError(f"{name[:MAX_SHOWN_NAME]!r} needs bytes, not {kind}")


def is_open_file(value: object) -> bool:
    """Check whether something is read like a file, or holds a file that is."""
    return hasattr(value, "read") or hasattr(getattr(value, "file", None), "read")


def name_of(file: object) -> str | None:
    """Return the name of an open file, without its folder; None if it has none.

    `.filename` is what browsers send, and in some frameworks `.name` is the form's field.
    """
    if not is_open_file(file):
        return None
    for attribute in ("filename", "name"):
        name = getattr(file, attribute, None)
        if isinstance(name, str):
            return name.replace("\\", "/").rpartition("/")[2]
    return None


def source_in(file: Any) -> FileSource:
    """Return an open file, or the one in an upload of a web framework, as it can be read."""
    inner = getattr(file, "file", None)
    if inner is not None and not is_blocking_file(file) and is_blocking_file(inner):
        file = inner
    if not is_blocking_file(file):
        return WaitingFile(cast(AwaitedFile, file))
    if getattr(file, "closed", False) is True:
        raise ValueError("the file is closed")
    try:
        nothing = file.read(0)
    except Exception as error:  # noqa: BLE001
        kind = type(error).__name__
        raise ValueError(f"the open file cannot be read ({kind}: {error})") from None
    if isawaitable(nothing):
        close = getattr(nothing, "close", None)
        if close is not None:
            close()
        return WaitingFile(cast(AwaitedFile, file))
    if not isinstance(nothing, bytes):
        textual = ValueError(TEXTUAL)
        raise textual
    return OpenFile(file, start_of(file))


def is_blocking_file(file: object) -> bool:
    """Check whether a file is read without awaiting."""
    read = getattr(file, "read", None)
    return read is not None and not iscoroutinefunction(read)


def start_of(file: BinaryIO) -> int | None:
    """Return where an open file is; None for a pipe, or whatever cannot go back.

    Raises:
        ValueError: It was read to its end before.
    """
    try:
        here = file.tell()
        file.seek(0, os.SEEK_END)
        end = file.tell()
        file.seek(here)
    except (OSError, AttributeError):
        return None
    if 0 < end <= here:
        raise ValueError("the open file was read to its end: call its seek(0) before")
    return here


def upload_body(source: FileSource, name: str, user: str) -> "UploadBody":
    """Return the multipart body that uploads a file on behalf of `user`."""
    return UploadBody(
        source, name=name, mime_type=mime_type_of(name), fields={"user": user}
    )


def mime_type_of(name: str) -> str:
    """Return what the name says about the content. Dify refuses a part without a type (1.12.1)."""
    return guess_type(name)[0] or "application/octet-stream"


class UploadBody:
    """A multipart body with one file, read from its source piece by piece.

    httpx's `files=` would rewind it, read it in the thread of the event loop, send what
    cannot be measured in chunks, and fail at names of files that are not Unicode.
    """

    __slots__ = ("_end", "_source", "_start", "content_type")

    def __init__(
        self,
        source: FileSource,
        *,
        name: str,
        mime_type: str,
        fields: Mapping[str, str],
    ) -> None:
        self._source = source
        boundary = os.urandom(16).hex()
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        head = "".join(
            f'{part}{field}"\r\n\r\n{value}\r\n' for field, value in fields.items()
        )
        head += f'{part}file"; filename="{quote_name(name)}"\r\n'
        head += f"Content-Type: {mime_type}\r\n\r\n"
        self._start = head.encode()
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"

    def open(self) -> "OpenUpload":
        """Return the body, ready to be sent once."""
        source = self._source
        owned = not isinstance(source, OpenFile)
        if isinstance(source, bytes):
            source = OpenFile(io.BytesIO(source), 0)
        elif isinstance(source, str):
            opened = open(source, "rb")  # noqa: SIM115
            source = OpenFile(opened, 0)
        elif not isinstance(source, OpenFile):
            raise awaited_in_vain()
        file, size = source.open()
        return OpenUpload(self._start, file, size, self._end, owned=owned)


def awaited_in_vain() -> ConfigurationError:
    """Return the error for a file that only an async client can read."""
    return ConfigurationError(
        "The file is read by awaiting, which this client cannot: give it to the async "
        "client, or give (name, bytes)"
    )


def quote_name(name: str) -> str:
    """Return a file name inside of a multipart header, quoted as browsers do.

    The name of a file on disk need not be Unicode.
    """
    name = name.encode(errors="surrogatepass").decode(errors="replace")
    return name.translate({34: "%22", 13: "%0D", 10: "%0A"})


class OpenUpload:
    """One sending of an `UploadBody`. `size` is known before the first byte is sent."""

    __slots__ = ("_end", "_file", "_owned", "_start", "size")

    def __init__(
        self, start: bytes, file: BinaryIO, file_size: int, end: bytes, *, owned: bool
    ) -> None:
        self._start = start
        self._file = file
        self._end = end
        self._owned = owned
        self.size = len(start) + file_size + len(end)

    def pieces(self) -> Iterator[bytes]:
        """Iterate over the whole body."""
        yield self._start
        while piece := self._file.read(PIECE_SIZE):
            yield piece
        yield self._end

    def close(self) -> None:
        """Let go of the file, unless it is the caller's."""
        if self._owned:
            self._file.close()
