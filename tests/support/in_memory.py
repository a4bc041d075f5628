"""Servers without sockets and threads, for tests of many streams: a function answers the HTTP library itself."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from runtime._http import httpx

from support.both_clients import Using, with_sync
from support.servers import DIFY_HEADERS, SSE

URL = "http://dify.example/v1"


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a stream, and how it ends: properly, or with an error of the connection."""

    def __init__(self, pieces: Iterable[bytes], error: Exception | None) -> None:
        self.pieces, self.error = pieces, error

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def streamed(pieces: Iterable[bytes], error: Exception | None = None) -> httpx.Response:
    """An event stream as an answer."""
    return httpx.Response(200, headers={**DIFY_HEADERS, "Content-Type": SSE}, stream=Pieces(pieces, error))


def answered_by(handle: Callable[[httpx.Request], httpx.Response], using: Using) -> Any:
    """An `http_client` whose server is a function."""
    kind = httpx.Client if using is with_sync else httpx.AsyncClient
    return kind(transport=httpx.MockTransport(handle), trust_env=False)
