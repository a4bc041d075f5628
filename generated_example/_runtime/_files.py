"""Files: what callers give, what runs return, how these are downloaded.

A `file` input takes a path, `(name, bytes)`, an open binary file, a URL, an uploaded file,
a `File` that another run returned, or the JSON object that Dify itself takes.

The URLs of files that runs return are signed and need no key, so none is ever sent: not
to the server, not to a foreign one.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from mimetypes import guess_type
from pathlib import Path
from stat import S_ISREG
from time import monotonic
from typing import Annotated, Any, BinaryIO, Self, cast
from urllib.parse import unquote, urljoin, urlsplit

from pydantic import (
    VERSION,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypeAliasType

from ._answers import error_of
from ._async_transport import AsyncTransport
from ._errors import APIError, ConfigurationError
from ._http import Call, UploadBody
from ._responses import Record, read_integer, read_maybe_text, read_moment, read_text
from ._transport import Exchange, SyncTransport, Transport, read_error, run_now

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

Destination = str | os.PathLike[str]


async def download(
    transport: Transport,
    url: str,
    destination: Destination,
    *,
    filename: str | None = None,
    timeout: float = DOWNLOAD_TIMEOUT,
    idle_timeout: float = DOWNLOAD_IDLE_TIMEOUT,
) -> Path:
    """Stream the content of `url` to a file, which appears only when it is complete.

    A `destination` that is a folder gets a file of the name that the server gave, with a
    number where there is one of that name.
    """
    call = download_call(url)
    path = Path(destination)
    into_folder = path.is_dir()
    if into_folder:
        path /= safe_name(filename or call.shown)
    else:
        check_destination(destination)
    partial = path.with_name(f".{path.name[:40]}.{os.urandom(4).hex()}.part")
    exchange = await follow(transport, call, monotonic() + timeout, idle_timeout)
    try:
        with await transport.do(partial.open, "xb") as file:
            while (piece := await exchange.read()) is not None:
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


async def follow(
    transport: Transport, call: Call, deadline: float, idle: float
) -> Exchange:
    """Open the response with the content, after a few redirects at most."""
    redirects = 0
    while True:
        exchange = await transport.open(call, deadline, idle)
        if exchange.status == 200:
            return exchange
        location = exchange.headers.get("location")
        redirects += 1
        if not location or redirects > MAX_REDIRECTS:
            raise download_error(error_of(await read_error(exchange), call))
        await exchange.close()
        call = download_call(absolute_url(call.url, location))


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


def download_error(error: APIError) -> APIError:
    """Return the same error, with what usually is the reason."""
    if error.status in (401, 403, 404, 415):
        error.hint = EXPIRED
    return error


def download_now(
    url: str, destination: Destination, filename: str | None, timeout: float
) -> Path:
    """Download with connections of its own."""
    transport = SyncTransport()
    try:
        return run_now(
            download(transport, url, destination, filename=filename, timeout=timeout)
        )
    finally:
        transport.close()


async def download_async(
    url: str, destination: Destination, filename: str | None, timeout: float
) -> Path:
    """Download with connections of its own, in the running event loop."""
    transport = AsyncTransport()
    try:
        return await download(
            transport, url, destination, filename=filename, timeout=timeout
        )
    finally:
        await transport.close()


BUILD_LATER = not VERSION.startswith(("2.11.", "2.12.", "2.13."))
"""Whether models are built by whoever uses them first, and not with their module.

These versions of pydantic build one model twice where two threads come at once: valid
inputs are refused then, and outputs lose their type. A module is imported by one thread.
"""

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
        return download_now(url_of(self), path, self.filename, timeout)

    async def adownload(
        self, path: Destination, *, timeout: float = DOWNLOAD_TIMEOUT
    ) -> Path:
        """Download as `download` does, for async code."""
        return await download_async(url_of(self), path, self.filename, timeout)


def url_of(file: File) -> str:
    """Return where a file's content is."""
    url = file.download_url
    if url is None:
        raise ConfigurationError(f"The server gave no URL for {file.filename!r}")
    return url


class UploadedFile(Record):
    """A file on the server, ready to be an input of a run of the same `user`."""

    __slots__ = ()
    _shown = "id name size mime_type"

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


class PreparedFile:
    """A file input that was checked: what is sent, or what is uploaded before.

    `wire` is the JSON object for the server; a local file's lacks its `upload_file_id`
    until it was uploaded. `source` is where a local file's bytes come from.
    """

    __slots__ = ("name", "source", "wire")

    def __init__(
        self,
        wire: Mapping[str, Any],
        *,
        name: str = "",
        source: "FileSource | None" = None,
    ) -> None:
        self.wire = dict(wire)
        self.name = name
        self.source = source

    def __repr__(self) -> str:
        shown = self.name or self.wire.get("url") or self.wire.get("upload_file_id")
        return f"PreparedFile({shown!r}, type={self.wire.get('type')!r})"


def wire_of(file: PreparedFile) -> dict[str, Any]:
    """Return the JSON object for the server."""
    return file.wire


FileSource = str | os.PathLike[str] | bytes | BinaryIO
"""Where the bytes of an upload come from."""


def upload_body(source: FileSource, name: str, user: str) -> UploadBody:
    """Return the multipart body that uploads a file on behalf of `user`."""
    return UploadBody(
        source, name=name, mime_type=mime_type_of(name), fields={"user": user}
    )


def mime_type_of(name: str) -> str:
    """Return what the name says about the content. Dify refuses a part without a type (1.12.1)."""
    return guess_type(name)[0] or "application/octet-stream"


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
        return core_schema.no_info_plain_validator_function(
            self.prepare,
            serialization=core_schema.plain_serializer_function_ser_schema(wire_of),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "object", "title": "A file object, as Dify takes it"}

    def prepare(self, value: Any) -> PreparedFile:
        """Return the file to send, if the variable takes it.

        Raises:
            ValueError: It does not; the message says why.
        """
        if isinstance(value, PreparedFile):
            return value
        if isinstance(value, UploadedFile):
            wire = {"transfer_method": "local_file", "upload_file_id": value.id}
            return PreparedFile({"type": self.type_for(value.name), **wire})
        if isinstance(value, File):
            return self._from_run(value)
        if isinstance(value, Mapping):
            return self._ready_made(cast(Mapping[str, Any], value))
        if isinstance(value, str) and value.lower().startswith(("http://", "https://")):
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
        return f"{name!r} {what}, which is not taken here (taken: {', '.join(taken)})"

    def _to_upload(self, source: FileSource, name: str) -> PreparedFile:
        if self.methods and "local_file" not in self.methods:
            raise ValueError("local files are not taken here: give a URL")
        wire = {"type": self.type_for(name), "transfer_method": "local_file"}
        return PreparedFile(wire, name=name, source=source)

    def _from_url(self, url: str) -> PreparedFile:
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
        keys = {
            "local_file": "upload_file_id",
            "remote_url": "url",
            "tool_file": "tool_file_id",
            "datasource_file": "datasource_file_id",
        }
        if not isinstance(method, str) or method not in keys:
            raise ValueError(
                'a file object needs "transfer_method": "local_file" or "remote_url"'
            )
        key = keys[method]
        if not (isinstance(wire.get(key), str) and wire[key]):
            raise ValueError(f'a file object of method {method!r} needs "{key}"')
        file_type = wire.get("type")
        if method in ("local_file", "remote_url") and not isinstance(file_type, str):
            raise ValueError('a file object needs "type", for example "document"')
        if self.types and file_type is not None and file_type not in self.types:
            raise ValueError(f"{file_type!r} files are not taken here")
        return PreparedFile(wire)


def named_source(value: Any) -> tuple[FileSource, str]:
    """Return where the bytes of a local file are, and the name to upload it by.

    Raises:
        ValueError: It is no file, or has no name.
    """
    if isinstance(value, tuple):
        return source_with_name(cast(tuple[object, ...], value))
    if isinstance(value, str | os.PathLike):
        path = os.fspath(cast("str | os.PathLike[str]", value))
        if not os.path.isfile(path):
            raise ValueError(f"there is no file {path!r}")
        return path, os.path.basename(path)
    if isinstance(value, bytes | bytearray):
        nameless = ValueError('bytes need a name: give ("report.pdf", data)')
        raise nameless
    if not hasattr(value, "read"):
        raise ValueError(
            "expected a path, (name, bytes), an open binary file, a URL, a file that was "
            f"uploaded or returned by a run, not {type(value).__name__}"
        )
    name = getattr(value, "name", None)
    if not isinstance(name, str) or not name:
        raise ValueError('the open file has no name: give ("report.pdf", file)')
    return binary(value), os.path.basename(name)


def source_with_name(pair: tuple[object, ...]) -> tuple[FileSource, str]:
    """Return the source and the name of a `(name, bytes)` pair."""
    name, content = pair if len(pair) == 2 else (None, None)
    if not isinstance(name, str) or not name:
        raise ValueError('a file as a tuple is ("report.pdf", data)')
    if isinstance(content, bytes | bytearray):
        return bytes(content), name
    if hasattr(content, "read"):
        return binary(content), name
    raise ValueError(f"{name!r} needs bytes, not {type(content).__name__}")


def binary(file: Any) -> BinaryIO:
    """Return the open file, if it gives bytes."""
    if isinstance(file.read(0), str):
        textual = ValueError('the file is open as text: open it with mode "rb"')
        raise textual
    return cast(BinaryIO, file)


FileInput = TypeAliasType(
    "FileInput",
    Annotated[
        str
        | os.PathLike[str]
        | tuple[str, bytes]
        | BinaryIO
        | UploadedFile
        | File
        | Mapping[str, Any],
        FileRules(),
    ],
)
"""What a file input takes: a path, `(name, bytes)`, an open binary file, a URL, an
uploaded file, a `File` that a run returned, or the JSON object that Dify itself takes."""
