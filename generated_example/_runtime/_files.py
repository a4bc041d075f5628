"""Files of the server, and files as inputs.

What runs return, how these are downloaded, and what was uploaded. The URLs of files that
runs return are signed and need no key, so none is ever sent: not to the server, not to a
foreign one.

What callers give is checked against what the app takes, and becomes what Dify wants. A
`file` input takes a path, `(name, bytes)`, an open binary file, an upload of a web
framework, a URL, an uploaded file, a `File` that another run returned, or the JSON object
that Dify itself takes.

A path counts only where code gives it: `run(doc="report.pdf")`, `XInputs(doc=...)`. Data
that is validated names no file of this machine. From `model_validate_json`,
`model_validate`, a web framework's body or a type adapter come URLs and Dify's own objects
alone; `model_validate(data, context={"local_files": True})` is for data of one's own.
"""

import io
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from mimetypes import guess_type
from pathlib import Path
from stat import S_ISREG
from time import monotonic
from typing import Annotated, Any, BinaryIO, Protocol, Self, cast
from urllib.parse import unquote, urljoin, urlsplit
from weakref import finalize

from pydantic import (
    VERSION,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    SerializationInfo,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from typing_extensions import TypeAliasType

from ._answers import Exchange, error_of, read_error, read_up_to
from ._errors import AnswerTooLargeError, ConfigurationError, ConnectionFailedError
from ._http import PIECE_SIZE, Call, UploadBody
from ._payloads import Record, read_integer, read_maybe_text, read_moment, read_text
from ._settings import NO_HEADERS, ExtraHeaders, origin_of
from ._transport import AsyncTransport, ResultT, SyncTransport, Transport, run_now

MAX_REDIRECTS = 5
MAX_NUMBER = 10_000
NO_NAME = re.compile(r'[<>:"|?*]')
WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", re.IGNORECASE)
DOWNLOAD_TIMEOUT = 1260.0
DOWNLOAD_IDLE_TIMEOUT = 60.0
EXPIRED = (
    "The URLs of files are signed for a short time, 300 seconds unless set otherwise: "
    "download right after the run"
)

FILES_URL_VARIABLE = "DIFY_FILES_URL"
MAX_FILE_SIZE = 256_000_000
"""How many bytes a file may have that is read into memory, unless the caller says."""

Destination = str | os.PathLike[str]


def no_headers(url: str) -> ExtraHeaders:
    """Return what a URL is asked with where no client asks."""
    return NO_HEADERS


async def download(
    transport: Transport,
    link: "Link",
    destination: Destination,
    *,
    filename: str | None = None,
    max_size: int | None = None,
) -> Path:
    """Stream the content of a file to disk, where it appears only when it is complete.

    A `destination` that is a folder gets a file of the name that the server gave, with a
    number where there is one of that name.
    """
    path = Path(destination)
    into_folder = path.is_dir()
    if into_folder:
        path /= safe_name(filename or download_call(link.url).shown)
    else:
        check_destination(destination)
    partial = path.with_name(f".{path.name[:40]}.{os.urandom(4).hex()}.part")
    exchange = await link.open(transport)
    size = 0
    try:
        with await transport.do(partial.open, "xb") as file:
            while (piece := await exchange.read()) is not None:
                size += len(piece)
                check_size(size, max_size)
                await transport.do(file.write, piece)
        if into_folder:
            return await transport.do(place_beside_others, partial, path)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
    finally:
        await exchange.close()
    return path


async def read_content(transport: Transport, link: "Link", max_size: int) -> bytes:
    """Return the content of a file, if it has no more than `max_size` bytes."""
    content = await read_up_to(await link.open(transport), max_size)
    check_size(len(content), max_size)
    return content


def check_size(size: int, max_size: int | None) -> None:
    """Raise an `AnswerTooLargeError` for a file that is larger than the caller takes."""
    if max_size is not None and size > max_size:
        raise AnswerTooLargeError(
            f"The file has more than {max_size:,} bytes. If so much is to be expected, "
            "give a larger max_size=, or take it piece by piece: download(), iter_bytes()"
        )


class Link:
    """Where the content of a file is, and how it is asked for.

    `api_url` is that of the API, where it is known. `headers_for` gives what a URL, the
    first one or one that the server redirects to, is asked with.
    """

    __slots__ = ("_api_url", "_deadline", "_headers_for", "_idle_timeout", "url")

    def __init__(
        self,
        url: str,
        *,
        api_url: str = "",
        timeout: float = DOWNLOAD_TIMEOUT,
        idle_timeout: float = DOWNLOAD_IDLE_TIMEOUT,
        headers_for: Callable[[str], ExtraHeaders] = no_headers,
    ) -> None:
        self.url = url
        self._api_url = api_url
        self._deadline = monotonic() + timeout
        self._idle_timeout = idle_timeout
        self._headers_for = headers_for

    async def open(self, transport: Transport) -> Exchange:
        """Open the response with the content, after a few redirects at most.

        Raises:
            DifyError: It cannot be had; the error says what usually is the reason.
        """
        call, redirects = download_call(self.url), 0
        while True:
            call.extra = self._headers_for(call.url)
            try:
                exchange = await transport.open(
                    call, self._deadline, self._idle_timeout
                )
            except ConnectionFailedError as error:
                error.hint = self._advice() or error.hint
                raise
            if exchange.status == 200:
                return exchange
            location = exchange.headers.get("location")
            redirects += 1
            if not location or redirects > MAX_REDIRECTS:
                refusal = error_of(await read_error(exchange), call)
                if refusal.status in (401, 403, 404, 415):
                    refusal.hint = f"{EXPIRED}. {self._advice()}".rstrip(". ")
                raise refusal
            await exchange.close()
            call = download_call(absolute_url(call.url, location))

    def _advice(self) -> str:
        """Return why a link of Dify's may lead nowhere; "" for one to the API's own host."""
        leads_to = origin_of(self.url)
        if self._api_url and leads_to == origin_of(self._api_url):
            return ""
        api = (
            f", while the API is at {origin_of(self._api_url)}" if self._api_url else ""
        )
        return (
            f"The link leads to {leads_to}{api}. Where links of files lead is Dify's "
            "setting FILES_URL, often a name that only its own containers know: set it on "
            "the server to an address that callers reach, or say that address here, with "
            f"files_url= of the client or {FILES_URL_VARIABLE}"
        )


def reachable_url(url: str, files_url: str | None) -> str:
    """Return a link of Dify's as it is reached from here: at `files_url`, else `DIFY_FILES_URL`.

    Only signed links are led there: other URLs are not Dify's own. One that is malformed
    stays as it is.
    """
    base = os.environ.get(FILES_URL_VARIABLE) if files_url is None else files_url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    _, found, file = parts.path.partition("/files/")
    if not base or not found or "sign=" not in parts.query:
        return url
    return f"{checked_files_url(base)}/files/{file}?{parts.query}"


def checked_files_url(files_url: str) -> str:
    """Return the address of files, without the path that all links have.

    Raises:
        ConfigurationError: It is none.
    """
    parts = urlsplit(files_url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ConfigurationError(
            "files_url (DIFY_FILES_URL) is an address such as http://localhost:5001, not "
            f"{files_url[:200]!r}"
        )
    path = parts.path.rstrip("/").removesuffix("/files").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def check_destination(destination: Destination) -> None:
    """Refuse what must not be replaced by a file: a device, a pipe, a missing folder."""
    if os.fspath(destination).endswith((os.sep, "/")):
        raise ConfigurationError(f"There is no folder {os.fspath(destination)!r}")
    with suppress(FileNotFoundError):
        if not S_ISREG(os.stat(destination).st_mode):
            raise ConfigurationError(
                f"Cannot download to {os.fspath(destination)!r}: it is no regular file"
            )


def place_beside_others(partial: Path, path: Path) -> Path:
    """Give a complete file its name, or that name and a number; replace nothing.

    Whatever has the name stays: a file, a link, even one that leads nowhere.
    """
    for number in range(MAX_NUMBER):
        numbered = f"{path.stem} ({number}){path.suffix}"
        free = path.with_name(numbered) if number else path
        with suppress(FileExistsError):
            name_newly(partial, free)
            return free
    raise FileExistsError(f"{path} is there, and so is every name like it")


def name_newly(partial: Path, free: Path) -> None:
    """Give a file a name that nothing has.

    Raises:
        FileExistsError: Something has it.
    """
    try:
        os.link(partial, free)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links.
        free.open("xb").close()
        os.replace(partial, free)
    else:
        os.unlink(partial)


def safe_name(name: str) -> str:
    """Return a name for a file, of one that came from a server: harmless on every system.

    Nothing but its last part is used.
    """
    last = unquote(name).replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in last if character.isprintable())
    safe = short_name(NO_NAME.sub("_", printable).strip(" .")) or "file"
    return f"_{safe}" if WINDOWS_DEVICE.match(safe) else safe


def short_name(name: str) -> str:
    """Return the name as every file system takes it: it may have 255 bytes."""
    if len(name.encode()) <= 240:
        return name
    stem, extension = os.path.splitext(name)
    parts = stem.encode()[:200], extension.encode()[:40]
    return "".join(part.decode(errors="ignore") for part in parts)


def absolute_url(base: str, url: str) -> str:
    """Return the URL, absolute if it was relative. One that is malformed stays as it is."""
    try:
        return urljoin(base, url)
    except ValueError:
        return url


def download_call(url: str) -> Call:
    """Return a request for a file, without a key. Its signature is for the server alone."""
    try:
        url.encode()
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(f"The file's URL is malformed: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "The file has a relative URL, and it is not known of which server: download "
            "it with the client, client.download(file, path)"
            if not parts.scheme
            else f"Cannot download from {parts.scheme}:// URLs"
        )
    return Call("GET", url, shown=parts.path, repeatable=True)


def run_alone(
    use: Callable[[Transport], Coroutine[Any, Any, ResultT]],
) -> ResultT:
    """Do something with connections of its own."""
    transport = SyncTransport()
    try:
        return run_now(use(transport))
    finally:
        transport.close()


async def await_alone(
    use: Callable[[Transport], Coroutine[Any, Any, ResultT]],
) -> ResultT:
    """Do the same in the running event loop."""
    transport = AsyncTransport()
    try:
        return await use(transport)
    finally:
        await transport.close()


BUILD_LATER = not VERSION.startswith(("2.11.", "2.12.", "2.13."))
"""Whether models are built by whoever uses them first, and not with their module.

These versions of pydantic build one model twice where two threads come at once: valid
inputs are refused then, and outputs lose their type. A module is imported by one thread.
"""


class File(BaseModel):
    """A file that a run returned. All members are optional; unknown ones are kept.

    `url` is signed and expires: 300 seconds after the run, unless the server is set up
    otherwise. Download soon, with `download()` or the client's method of that name.
    """

    model_config = ConfigDict(extra="allow", defer_build=BUILD_LATER)

    type: str | None = None
    transfer_method: str | None = None
    filename: str | None = None
    extension: str | None = None
    mime_type: str | None = None
    size: int | None = None
    url: str | None = None
    remote_url: str | None = None
    related_id: str | None = None
    id: str | None = None
    reference: str | None = None

    _api_url: str = PrivateAttr("")

    @model_validator(mode="after")
    def _remember_server(self, info: ValidationInfo) -> Self:
        if info.context:
            self._api_url = info.context.get("api_url", "")
        return self

    @property
    def download_url(self) -> str | None:
        """Where the content is. Dify may send a relative URL: it is made absolute."""
        url = self.url or self.remote_url
        return absolute_url(self._api_url, url) if url else None

    def download(self, path: Destination, *, timeout: float = DOWNLOAD_TIMEOUT) -> Path:
        """Stream the content to a file, or to a file of its own name in a folder.

        In a folder nothing is replaced: where the name is taken, the file gets a number.

        The file appears only when it is complete. The API key is not needed and not sent.

        Returns:
            The path of the file.
        """
        link, name = self._link(timeout), self.filename
        return run_alone(lambda each: download(each, link, path, filename=name))

    async def adownload(
        self, path: Destination, *, timeout: float = DOWNLOAD_TIMEOUT
    ) -> Path:
        """Download as `download` does, for async code."""
        link, name = self._link(timeout), self.filename
        return await await_alone(lambda each: download(each, link, path, filename=name))

    def read(
        self, *, max_size: int = MAX_FILE_SIZE, timeout: float = DOWNLOAD_TIMEOUT
    ) -> bytes:
        """Return the content.

        Raises:
            AnswerTooLargeError: It has more than `max_size` bytes.
        """
        link = self._link(timeout)
        return run_alone(lambda transport: read_content(transport, link, max_size))

    async def aread(
        self, *, max_size: int = MAX_FILE_SIZE, timeout: float = DOWNLOAD_TIMEOUT
    ) -> bytes:
        """Return the content as `read` does, for async code."""
        link = self._link(timeout)
        return await await_alone(
            lambda transport: read_content(transport, link, max_size)
        )

    def _link(self, timeout: float) -> Link:
        url = reachable_url(url_of(self), None)
        return Link(url, api_url=self._api_url, timeout=timeout)


def url_of(file: File) -> str:
    """Return where a file's content is."""
    url = file.download_url
    if url is None:
        raise ConfigurationError(f"The server gave no URL for {file.filename!r}")
    return url


class UploadedFile(Record):
    """A file on the server, ready to be an input of runs of the same `user`: since Dify 1.14
    it is no other's. A `user` of None is not known, and not checked."""

    __slots__ = ("user",)
    _shown = "id name size mime_type user"

    def __init__(self, raw: dict[str, Any], user: str | None = None) -> None:
        super().__init__(raw)
        self.user = user

    id = read_text()
    name = read_text()
    size = read_integer()
    extension = read_text()
    mime_type = read_maybe_text()
    created_by = read_maybe_text()
    created_at = read_moment()
    source_url = read_maybe_text()
    preview_url = read_maybe_text()
    reference = read_maybe_text()


# Where the bytes of a local file come from: a path, bytes, or an open file. Frameworks for
# the web have objects of their own, with a `.filename` and the open file in `.file`; what
# is read by awaiting is a `WaitingFile`.

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


def upload_body(
    source: FileSource, name: str, user: str, mime_type: str | None = None
) -> UploadBody:
    """Return the multipart body that uploads a file on behalf of `user`."""
    return UploadBody(
        partial(opened, source),
        name=name,
        mime_type=mime_type or mime_type_of(name),
        fields={"user": user},
    )


def opened(source: FileSource) -> tuple[BinaryIO, int, bool]:
    """Return a file to read, how much there is to read, and whether it is ours to close."""
    if isinstance(source, OpenFile):
        return *source.open(), False
    if isinstance(source, WaitingFile):
        raise awaited_in_vain()
    if isinstance(source, bytes):
        return *OpenFile(io.BytesIO(source), 0).open(), True
    file = open(source, "rb")  # noqa: SIM115
    return *OpenFile(file, 0).open(), True


def mime_type_of(name: str) -> str:
    """Return what the name says about the content. Dify refuses a part without a type (1.12.1)."""
    return guess_type(name)[0] or "application/octet-stream"


def awaited_in_vain() -> ConfigurationError:
    """Return the error for a file that only an async client can read."""
    return ConfigurationError(
        "The file is read by awaiting, which this client cannot: give it to the async "
        "client, or give (name, bytes)"
    )


BY_CODE = {"local_files": True}
"""The validation context in which a text may be a path."""

NO_PATHS = (
    "a text that is no http(s) URL is taken for a path, and validated data names no files "
    'of this machine: give a URL, or Dify\'s own object with "type" and "transfer_method". '
    'For data of your own there is context={"local_files": True} in Python'
)
HTTP = ("http://", "https://")
URL_PATTERN = r"^[hH][tT][tT][pP][sS]?://[^/?#\s]"
TYPES = ("image", "document", "audio", "video", "custom")
OBJECT_KEYS = {
    "local_file": ("upload_file_id",),
    "remote_url": ("url", "remote_url"),
    "tool_file": ("tool_file_id",),
    "datasource_file": ("datasource_file_id",),
}
"""What a file object of each `transfer_method` must have: one of these."""
TYPED_METHODS = ("local_file", "remote_url")
"""Where the server wants a `type`."""

FILE_TYPES: dict[str, str] = {
    extension: file_type
    for file_type, extensions in {
        "image": "jpg jpeg png webp gif svg",
        "document": "txt md markdown mdx pdf html htm xlsx xls docx csv vtt properties",
        "audio": "mp3 m4a wav amr mpga",
        "video": "mp4 mov mpeg webm",
    }.items()
    for extension in extensions.split()
}
"""Dify's own table: what a file counts as, by its extension. Anything else is custom."""

MAYBE_DOCUMENTS = frozenset(("doc", "ppt", "pptx", "eml", "msg", "xml", "epub"))
"""Documents where the server has the Unstructured service, custom files elsewhere."""


class PreparedFile:
    """A file input that was checked: what is sent, or what is uploaded before.

    `wire` is the JSON object for the server; a local file's lacks its `upload_file_id`,
    which is another one for each server and user. `source` is where a local file's bytes
    come from. `owner` is the `user` that an uploaded file belongs to, if that is known.
    """

    __slots__ = ("ids", "name", "owner", "source", "wire")

    def __init__(
        self,
        wire: Mapping[str, Any],
        *,
        name: str = "",
        source: FileSource | None = None,
        owner: str | None = None,
    ) -> None:
        self.wire = dict(wire)
        self.name = name
        self.source = source
        self.owner = owner
        self.ids: dict[tuple[str, str], str] = {}

    def wire_with(self, uploads: "Uploads") -> dict[str, Any]:
        """Return the JSON object for the server, once the file is there."""
        if self not in uploads:
            return self.wire
        return {**self.wire, "upload_file_id": uploads[self]}

    def __repr__(self) -> str:
        shown = self.name or self.wire.get("url") or self.wire.get("upload_file_id")
        return f"PreparedFile({shown!r}, type={self.wire.get('type')!r})"


Uploads = Mapping[PreparedFile, str]
"""The ids of local files that were uploaded for a run."""


def dump_file(file: PreparedFile, info: SerializationInfo) -> Any:
    """Return what stands for a file in a dump: what is sent, and in Python a local file itself.

    Raises:
        ValueError: JSON cannot hold a local file.
    """
    if file.source is None:
        return dict(file.wire)
    if info.mode == "python":
        return file
    raise ValueError(
        f"{file.name[:MAX_SHOWN_NAME]!r} is a local file, which JSON cannot hold: give "
        "the inputs what the client's upload() returns, or a URL"
    )


def is_url(text: object) -> bool:
    """Check whether something is a URL that Dify can fetch."""
    return isinstance(text, str) and re.match(URL_PATTERN, text) is not None


def object_schema(method: str, key: str, types: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of a file object of one `transfer_method`."""
    text = {"type": "string", "minLength": 1}
    url = {"type": "string", "pattern": URL_PATTERN}
    required = ["type"] if method in TYPED_METHODS else []
    return {
        "type": "object",
        "properties": {
            "type": {"enum": list(types)},
            "transfer_method": {"const": method},
            key: url if method == "remote_url" else text,
        },
        "required": [*required, "transfer_method", key],
    }


def extension_of(name: str) -> str:
    """Return the extension in lower case, without its dot; "" if there is none."""
    return os.path.splitext(name)[1][1:].lower()


def detected_type(name: str) -> str:
    """Return what Dify takes a file of this name for: by its extension, else by its MIME type."""
    extension = extension_of(name)
    if extension in FILE_TYPES:
        return FILE_TYPES[extension]
    kind = mime_type_of(name).partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "custom"


class FileRules:
    """Which files a variable takes. Stands in the annotation of an input.

    Attributes:
        types: Dify's `allowed_file_types`; empty for all.
        extensions: Dify's `allowed_file_extensions`, which count for custom files.
        methods: Dify's `allowed_file_upload_methods`. The server does not hold URLs
            against it (seen on 1.12.1), so that only uploads are.
    """

    __slots__ = ("extensions", "methods", "types")

    def __init__(
        self,
        *,
        types: tuple[str, ...] = (),
        extensions: tuple[str, ...] = (),
        methods: tuple[str, ...] = (),
    ) -> None:
        self.types = types
        self.extensions = tuple(item.lower().lstrip(".") for item in extensions)
        self.methods = methods

    def __repr__(self) -> str:
        rules = (
            f"{name}={value!r}"
            for name in self.__slots__
            if (value := getattr(self, name))
        )
        return f"FileRules({', '.join(rules)})"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                dump_file, info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        objects = [
            object_schema(method, key, self.types or TYPES)
            for method, keys in OBJECT_KEYS.items()
            for key in keys
        ]
        return {"anyOf": [{"type": "string", "pattern": URL_PATTERN}, *objects]}

    def _validate(self, value: Any, info: ValidationInfo) -> PreparedFile:
        try:
            if isinstance(value, str) and not is_url(value) and not is_by_code(info):
                raise ValueError(NO_PATHS)
            return self.prepare(value)
        except ValueError as error:
            raise PydanticCustomError(
                "file", "{reason}", {"reason": str(error)}
            ) from None

    def prepare(self, value: Any) -> PreparedFile:
        """Return the file to send, if the variable takes it.

        Raises:
            ValueError: It does not; the message says why.
        """
        if isinstance(value, PreparedFile):
            return value
        if isinstance(value, UploadedFile):
            wire = {"transfer_method": "local_file", "upload_file_id": value.id}
            file_type = self.type_for(value.name)
            return PreparedFile(
                {"type": file_type, **wire}, name=value.name, owner=value.user
            )
        if isinstance(value, File):
            return self._from_run(value)
        if isinstance(value, Mapping):
            return self._ready_made(cast(Mapping[str, Any], value))
        if isinstance(value, str) and value.lower().startswith(HTTP):
            return self._from_url(value)
        return self._to_upload(*named_source(value))

    def type_for(self, name: str) -> str:
        """Return the `type` to send for a file of this name."""
        found = detected_type(name)
        extension = extension_of(name)
        if extension in MAYBE_DOCUMENTS:
            custom = "custom" in self.types and extension in self.extensions
            found = "document" if "document" in self.types and not custom else "custom"
        if not self.types or found in self.types and found != "custom":
            return found
        if "custom" in self.types and (
            not self.extensions or extension in self.extensions
        ):
            return "custom"
        raise ValueError(self._refusal(name, found))

    def _refusal(self, name: str, found: str) -> str:
        taken = [item for item in self.types if item != "custom"]
        if "custom" in self.types:
            taken += [f".{extension}" for extension in self.extensions]
        what = f"is {'an' if found[0] in 'aeiou' else 'a'} {found} file"
        if found == "custom":
            what = "is of no kind that Dify knows"
        return f"{name[:MAX_SHOWN_NAME]!r} {what}, which is not taken here (taken: {', '.join(taken)})"

    def _to_upload(self, source: FileSource, name: str) -> PreparedFile:
        if self.methods and "local_file" not in self.methods:
            raise ValueError("local files are not taken here: give a URL")
        wire = {"type": self.type_for(name), "transfer_method": "local_file"}
        return PreparedFile(wire, name=name, source=source)

    def _from_url(self, url: str) -> PreparedFile:
        if not is_url(url):
            raise ValueError("the URL has no host")
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        # Without a known extension, the server asks the URL's own server what it is.
        known = extension_of(name) in FILE_TYPES or len(self.types) != 1
        file_type = self.type_for(name) if known else self.types[0]
        wire = {"type": file_type, "transfer_method": "remote_url", "url": url}
        return PreparedFile(wire)

    def _from_run(self, file: File) -> PreparedFile:
        """Return a file that a run returned, as an input (section 6 of the protocol)."""
        name = file.filename or f"file{file.extension or ''}"
        file_type = file.type or self.type_for(name)
        if self.types and file_type not in self.types:
            raise ValueError(self._refusal(name, file_type))
        if file.transfer_method == "local_file" and file.related_id:
            wire = {"transfer_method": "local_file", "upload_file_id": file.related_id}
        elif (url := file.download_url or "").startswith(("http://", "https://")):
            wire = {"transfer_method": "remote_url", "url": url}
        elif file.related_id:
            wire = {"transfer_method": "tool_file", "tool_file_id": file.related_id}
        else:
            raise ValueError(f"{name!r} has neither a URL nor an id")
        return PreparedFile({"type": file_type, **wire})

    def _ready_made(self, wire: Mapping[str, Any]) -> PreparedFile:
        method = wire.get("transfer_method")
        if not isinstance(method, str) or method not in OBJECT_KEYS:
            raise ValueError(
                'a file object needs "transfer_method": "local_file" or "remote_url"'
            )
        found = [wire[key] for key in OBJECT_KEYS[method] if wire.get(key)]
        if not any(isinstance(value, str) for value in found):
            key = OBJECT_KEYS[method][0]
            raise ValueError(f'a file object of method {method!r} needs "{key}"')
        if method == "remote_url" and not any(map(is_url, found)):
            raise ValueError('"url" must begin with http:// or https:// and a host')
        file_type = wire.get("type")
        if file_type is None and "type" not in wire and method not in TYPED_METHODS:
            return PreparedFile(wire)
        if file_type not in TYPES:
            raise ValueError('a file object needs "type", for example "document"')
        if self.types and file_type not in self.types:
            raise ValueError(f"{file_type!r} files are not taken here")
        return PreparedFile(wire)


def is_by_code(info: ValidationInfo) -> bool:
    """Check whether a text may be a path: code gives it, or says so."""
    context: object = info.context
    if info.mode != "python" or not isinstance(context, Mapping):
        return False
    return cast(Mapping[str, object], context).get("local_files") is True


FileInput = TypeAliasType(
    "FileInput",
    Annotated[
        str
        | os.PathLike[str]
        | tuple[str, bytes | BinaryIO | AwaitedFile]
        | BinaryIO
        | AwaitedFile
        | UploadedByForm
        | UploadedFile
        | File
        | Mapping[str, Any],
        FileRules(),
    ],
)
"""What a file input takes: a path, `(name, bytes)`, an open binary file, an upload of a web
framework, a URL, an uploaded file, a `File` that a run returned, or the JSON object that
Dify itself takes."""

FilesInput = Sequence[FileInput]
"""The files of a run or a turn, beside its inputs."""


def prepare_files(
    app: str,
    files: FilesInput | None,
    rules: FileRules | None,
    max_files: int | None,
    *,
    call: str,
    off: str,
) -> tuple[PreparedFile, ...]:
    """Return the files to send with a turn or a run, if the app takes them.

    Raises:
        ConfigurationError: It does not; the message says why.
    """
    if not files:
        return ()
    if isinstance(files, str | bytes) or not isinstance(cast(object, files), Sequence):
        raise ConfigurationError("files must be a list of files, not one")
    if rules is None:
        raise ConfigurationError(f"{app!r} takes no files with a {call}: {off}")
    if max_files is not None and len(files) > max_files:
        raise ConfigurationError(
            f"{app!r} takes {max_files} files with a {call}, not {len(files)}"
        )
    try:
        return tuple(rules.prepare(file) for file in files)
    except ValueError as error:
        raise ConfigurationError(f"files: {error}") from None
