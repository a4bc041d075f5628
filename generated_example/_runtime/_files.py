"""Files of the server: what runs return, how these are downloaded, and what was uploaded.

The URLs of files that runs return are signed and need no key, so none is ever sent: not
to the server, not to a foreign one.
"""

import os
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from time import monotonic
from typing import Any, Self
from urllib.parse import unquote, urljoin, urlsplit

from pydantic import (
    VERSION,
    BaseModel,
    ConfigDict,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from ._answers import error_of
from ._async_transport import AsyncTransport
from ._errors import AnswerTooLargeError, ConfigurationError, ConnectionFailedError
from ._headers import NO_HEADERS, ExtraHeaders
from ._http import Call
from ._responses import Record, read_integer, read_maybe_text, read_moment, read_text
from ._settings import origin_of
from ._transport import (
    Exchange,
    ResultT,
    SyncTransport,
    Transport,
    read_error,
    read_up_to,
    run_now,
)

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

    Only signed links are led there: other URLs are not Dify's own.
    """
    base = os.environ.get(FILES_URL_VARIABLE) if files_url is None else files_url
    parts = urlsplit(url)
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
