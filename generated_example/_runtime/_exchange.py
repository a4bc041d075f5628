"""A response whose body is still to be read: uncompressed, and never more than is wanted.

A few bytes of gzip can stand for gigabytes, so that whoever reads has to be able to stop;
the HTTP libraries' own decoders give all that a piece of a body holds at once.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from ._errors import AnswerTooLargeError, ConnectionLostError, UnexpectedResponseError
from ._http import Answer, Call

MAX_ERROR_SIZE = 1 << 20
MAX_LAYERS = 4
INFLATED_SIZE = 1 << 18
GZIP = 16 + zlib.MAX_WBITS
ZLIB = zlib.MAX_WBITS
RAW_DEFLATE = -zlib.MAX_WBITS


class Exchange(Protocol):
    """A response whose body is still to be read. Header names are lower case."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Any:
        """The headers, a mapping."""

    async def read(self) -> bytes | None:
        """The next piece of the body; None at its end."""

    async def close(self) -> None:
        """Let go of the connection. May be called more than once."""


async def read_all(exchange: Exchange, call: Call, max_size: int) -> Answer:
    """The whole response. Closes it, whatever happens.

    Raises:
        AnswerTooLargeError: Its body has more than `max_size` bytes.
    """
    body = await read_up_to(exchange, max_size)
    if len(body) > max_size:
        raise too_large(f"The answer to {call.method} {call.shown}", max_size)
    return Answer(exchange.status, exchange.headers, body)


async def read_error(exchange: Exchange) -> Answer:
    """The response that says what is wrong: its beginning will do, and its status."""
    try:
        body = await read_up_to(exchange, MAX_ERROR_SIZE)
    except UnexpectedResponseError:
        body = b""
    return Answer(exchange.status, exchange.headers, body)


async def read_up_to(exchange: Exchange, max_size: int) -> bytes:
    """The body; of one that is larger, a little more than `max_size` bytes. Closes it."""
    pieces: list[bytes] = []
    size = 0
    try:
        while size <= max_size and (piece := await exchange.read()) is not None:
            pieces.append(piece)
            size += len(piece)
    finally:
        await exchange.close()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(what: str, max_size: int) -> AnswerTooLargeError:
    """The error for something that has more bytes than the client takes."""
    return AnswerTooLargeError(
        f"{what} has more than {max_size:,} bytes. If so much is to be expected, give the "
        "client a larger max_answer_size="
    )


def decoded(exchange: Exchange, call: Call) -> Exchange:
    """The exchange, with the compression of its body undone, if there is any."""
    encoding = exchange.headers.get("content-encoding")
    return Decoded(exchange, call, encoding) if encoding else exchange


class Decoded:
    """An exchange whose body is compressed, read as if it were not."""

    __slots__ = ("_call", "_encoding", "_exchange", "_layers", "_pieces")

    def __init__(self, exchange: Exchange, call: Call, encoding: str) -> None:
        self._exchange = exchange
        self._call = call
        self._encoding = encoding
        self._layers: list[Inflater] | None = None
        self._pieces: Iterator[bytes] = iter(())

    @property
    def status(self) -> int:
        return self._exchange.status

    @property
    def headers(self) -> Any:
        return self._exchange.headers

    async def read(self) -> bytes | None:
        if self._layers is None:
            self._layers = layers_of(self._encoding, self._call)
        while True:
            try:
                if piece := next(self._pieces, None):
                    return piece
            except zlib.error as error:
                raise UnexpectedResponseError(
                    f"The answer to {self._call.method} {self._call.shown} cannot be "
                    f"decompressed ({error})",
                    status=self.status,
                ) from error
            compressed = await self._exchange.read()
            if compressed is None:
                break
            self._pieces = inflate(self._layers, compressed)
        if not all(layer.is_complete for layer in self._layers):
            raise ConnectionLostError(
                f"The answer to {self._call.method} {self._call.shown} ended in the "
                "middle of its compressed body"
            )
        return None

    async def close(self) -> None:
        await self._exchange.close()


def layers_of(encoding: str, call: Call) -> list["Inflater"]:
    """What undoes a Content-Encoding, in the order of its use."""
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    known = all(name in ("gzip", "x-gzip", "deflate") for name in names)
    if not known or len(names) > MAX_LAYERS:
        raise UnexpectedResponseError(
            f"The answer to {call.method} {call.shown} has the content encoding "
            f"{encoding[:100]!r}. This client undoes gzip and deflate, and asks for them",
            hint="Something between here and Dify compresses what it should not",
        )
    return [Inflater(name) for name in reversed(names)]


class Inflater:
    """Undoes one layer of gzip or deflate."""

    __slots__ = ("_inner", "_is_gzip", "_is_new")

    def __init__(self, name: str) -> None:
        self._is_gzip = name != "deflate"
        self._is_new = True
        self._inner = zlib.decompressobj(GZIP if self._is_gzip else ZLIB)

    @property
    def is_complete(self) -> bool:
        """Whether what was fed so far has an end, or nothing was fed."""
        return self._is_new or self._inner.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a piece of the body stands for, in pieces of bounded size.

        Raises:
            zlib.error: It is not compressed as was said.
        """
        if self._is_new and data and not self._is_gzip and not _has_zlib_head(data):
            self._inner = zlib.decompressobj(RAW_DEFLATE)
        self._is_new = self._is_new and not data
        while data:
            if self._inner.eof:
                if not (self._is_gzip and data.startswith(b"\x1f\x8b")):
                    return  # what follows the end is of no account
                self._inner = zlib.decompressobj(GZIP)
            piece = self._inner.decompress(data, INFLATED_SIZE)
            while piece:
                yield piece
                rest = self._inner.unconsumed_tail
                piece = self._inner.decompress(rest, INFLATED_SIZE)
            data = self._inner.unused_data


def _has_zlib_head(data: bytes) -> bool:
    """Whether deflate has the head that the standard asks for, and some servers leave out."""
    second = data[1] if len(data) > 1 else None
    return data[0] & 15 == 8 and (second is None or (data[0] * 256 + second) % 31 == 0)


def inflate(layers: list[Inflater], data: bytes) -> Iterator[bytes]:
    """What a piece of the body stands for, with all layers undone."""
    pieces = iter([data])
    for layer in layers:
        pieces = _through(layer, pieces)
    return pieces


def _through(layer: Inflater, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from layer.feed(piece)
