"""Downloads of the files that runs return: streamed to disk, whole or not at all.

The URLs are signed and need no key, so none is ever sent: not to the server, not to a
foreign one.
"""

import os
from contextlib import suppress
from pathlib import Path
from time import monotonic
from urllib.parse import unquote, urljoin, urlsplit

from ._answers import error_of
from ._async_transport import AsyncTransport
from ._errors import APIError, ConfigurationError
from ._exchange import Exchange, read_error
from ._http import Call
from ._transport import SyncTransport, Transport, run_now

MAX_REDIRECTS = 5
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

    A `destination` that is a folder gets a file of the name that the server gave.
    """
    call = download_call(url)
    path = target_path(destination, filename or call.shown)
    partial = path.with_name(f".{path.name[:40]}.{os.urandom(4).hex()}.part")
    exchange = await follow(transport, call, monotonic() + timeout, idle_timeout)
    try:
        with await transport.do(partial.open, "xb") as file:
            while (piece := await exchange.read()) is not None:
                await transport.do(file.write, piece)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
    finally:
        await exchange.close()
    return path


def target_path(destination: Destination, name: str) -> Path:
    """Where to write: `destination`, or a file in it if it is a folder.

    Of a name that came from a server, nothing but its last part is used.
    """
    path = Path(destination)
    if not path.is_dir():
        return path
    last = unquote(name).replace("\\", "/").rpartition("/")[2]
    safe = "".join(character for character in last if character.isprintable())
    return path / (short_name(safe.strip(" .")) or "file")


def short_name(name: str) -> str:
    """The name as every file system takes it: it may have 255 bytes."""
    if len(name.encode()) <= 240:
        return name
    stem, extension = os.path.splitext(name)
    parts = stem.encode()[:200], extension.encode()[:40]
    return "".join(part.decode(errors="ignore") for part in parts)


def absolute_url(base: str, url: str) -> str:
    """The URL, absolute if it was relative. One that is malformed stays as it is."""
    try:
        return urljoin(base, url)
    except ValueError:
        return url


async def follow(
    transport: Transport, call: Call, deadline: float, idle: float
) -> Exchange:
    """The response with the content, after a few redirects at most."""
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
    """A request for a file, without a key. Its signature is for the server alone."""
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
    """The same error, with what usually is the reason."""
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
