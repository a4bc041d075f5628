"""Many calls at once, large answers, long streams, and the limits that end what would never end."""

import asyncio
import gc
import gzip
import json
import socket
import sys
import threading
import time
import tracemalloc
import warnings
import zlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import runtime
from runtime._http import httpx
from support.concat_client import AsyncConcatClient, ConcatClient
from support.driving import DRIVES, KEY, QUICK
from support.fault_events import (
    FIRST_HALF,
    NORMAL,
    RESULT,
    SECOND_HALF,
    STARTED,
    TASK_ID,
    TOO_MANY,
    after_request,
    blocking,
    broken,
    finished,
    silence,
    text_chunk,
)
from support.servers import (
    RUN,
    SSE,
    STOP,
    Connection,
    Handler,
    Request,
    Server,
    answer,
    as_json,
    authority,
    by_mode,
    http_chunk,
    response_head,
    stream,
)

BOTH: list[runtime.ResponseMode] = ["blocking", "streaming"]
HANGS = {
    RUN: by_mode(streaming=broken(FIRST_HALF, silence), blocking=after_request(silence)),
    STOP: as_json({"result": "success"}),
}


def client(server: Server, **options: object) -> ConcatClient:
    return ConcatClient(base_url=server.url, api_key=KEY, **{**QUICK, **options})


def async_client(server: Server, **options: object) -> AsyncConcatClient:
    return AsyncConcatClient(base_url=server.url, api_key=KEY, **{**QUICK, **options})


def http_client(kind: str, **arguments: Any) -> Any:
    """A client of the HTTP library's, as a caller gives it."""
    return (httpx.Client if kind == "sync" else httpx.AsyncClient)(**arguments)


every_kind = pytest.mark.parametrize("kind", DRIVES)
TIMEOUT, TOO_LONG = 0.5, 60.0


def drip_forever(start: bytes, drop: bytes) -> Handler:
    def handle(connection: Connection, request: Request) -> None:
        connection.send(start)
        while True:
            connection.pause(0.05)
            connection.send(drop)

    return handle


def late(start: bytes, more: bytes) -> Handler:
    """One byte shortly before the deadline, then silence."""

    def handle(connection: Connection, request: Request) -> None:
        connection.send(start)
        connection.pause(TIMEOUT * 0.8)
        connection.send(more)
        connection.hold()

    return handle


CHUNKED = response_head(200, {"Content-Type": SSE, "Transfer-Encoding": "chunked"})
SLOW = {
    "silence": after_request(silence),
    "a head in drips": drip_forever(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
    "interim answers for ever": drip_forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body in drips": drip_forever(CHUNKED + http_chunk(b"data: "), http_chunk(b" ")),
    "a chunk in drips": drip_forever(CHUNKED + b"FFFF\r\ndata: ", b" "),
    "comments for ever": drip_forever(CHUNKED, http_chunk(b": still here\n\n")),
    "a late byte of the head": late(b"HTTP/1.1 200", b" OK\r\n"),
    "a late byte of the body": late(CHUNKED, http_chunk(b"data: ")),
}


@contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue is full, so that connecting to it hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


class Endless:
    """Sends a beginning, and then the same bytes for as long as somebody takes them, or 100 MB."""

    def __init__(self, start: bytes, more: bytes, status: int = 200) -> None:
        self.start, self.more, self.status = start, more * (100_000 // len(more)), status
        self.size = 0

    def __call__(self, connection: Connection, request: Request) -> None:
        connection.head(self.status, {"Content-Type": SSE, "Transfer-Encoding": "chunked"})
        connection.chunk(self.start)
        while self.size < 100_000_000:
            connection.chunk(self.more)
            self.size += len(self.more)
        connection.end()


ENDLESS = {
    "one line": (STARTED + b"data: ", b"x"),
    "lines of one event": (STARTED, b"data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"),
    "lines that end with CR": (STARTED, b"data:\r"),
}


def echo(connection: Connection, request: Request) -> None:
    """A run whose result is the `string` that came in."""
    text = request.json["inputs"]["string"]
    if not request.streams:
        return as_json(blocking(outputs={"result": text}))(connection, request)
    return stream([STARTED, text_chunk(text), finished(outputs={"result": text})])(connection, request)


class Gate:
    """Passes on to `echo`, counting how many requests are inside at once; with `wait_for`, not before so many are."""

    def __init__(self, wait_for: int = 1) -> None:
        self.inside = self.most = 0
        self.full = threading.Event()
        self.wait_for = wait_for
        self.lock = threading.Lock()

    def __call__(self, connection: Connection, request: Request) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == self.wait_for:
                self.full.set()
        self.full.wait(60)
        connection.pause(0.01)
        with self.lock:
            # Before the answer: the client may send its next request as soon as it has this one.
            self.inside -= 1
        echo(connection, request)


class TestManyAtOnce:
    def test_a_hundred_streams_on_one_async_client(self) -> None:
        async def call(concat: AsyncConcatClient, number: int) -> str:
            async with concat.stream(string=f"caller {number}") as events:
                texts = [event.text async for event in events if isinstance(event, runtime.TextChunk)]
                assert texts == [f"caller {number}"]
                return (await events.result()).outputs.result

        async def call_all(server: Server) -> list[str]:
            async with async_client(server) as concat:
                return await asyncio.gather(*(call(concat, number) for number in range(100)))

        gate = Gate(wait_for=100)
        with Server(gate) as server:
            assert asyncio.run(call_all(server)) == [f"caller {number}" for number in range(100)]
            assert (gate.most, server.runs) == (100, 100)

    def test_threads_share_a_client(self) -> None:
        gate = Gate(wait_for=32)
        with Server(gate) as server, client(server) as concat, ThreadPoolExecutor(32) as pool:
            modes = BOTH * 50
            runs = [
                pool.submit(concat.run, string=str(number), response_mode=mode) for number, mode in enumerate(modes)
            ]
            assert [run.result().outputs.result for run in runs] == [str(number) for number in range(100)]
            assert server.runs == 100

    def test_threads_wait_for_a_slot(self) -> None:
        gate = Gate()
        with Server(gate) as server, client(server, max_concurrency=3) as concat, ThreadPoolExecutor(16) as pool:
            modes = BOTH * 16
            for run in [pool.submit(concat.run, response_mode=mode) for mode in modes]:
                run.result()
            assert server.runs == 32
        assert gate.most <= 3

    def test_tasks_wait_for_a_slot(self) -> None:
        async def call_all(server: Server) -> None:
            async with async_client(server, max_concurrency=3) as concat:
                modes = BOTH * 16
                await asyncio.gather(*(concat.run(response_mode=mode) for mode in modes))

        gate = Gate()
        with Server(gate) as server:
            asyncio.run(call_all(server))
            assert server.runs == 32
        assert gate.most <= 3

    def test_stopping_needs_no_slot(self) -> None:
        with Server(HANGS) as server, client(server, max_concurrency=1) as concat:
            with concat.stream() as events:
                next(iter(events))
                concat.stop(TASK_ID, user="tester")
            assert server.count(STOP) == 1

    def test_a_slot_is_given_back_whatever_happened(self) -> None:
        routes = {RUN: [*[broken(FIRST_HALF, silence)] * 2, stream(NORMAL)]}
        limits = {"max_concurrency": 1, "idle_timeout": 1.0, "max_reconnects": 0}
        with Server(routes) as server, client(server, **limits) as concat:
            with concat.stream() as events:
                next(iter(events))
            with pytest.raises(runtime.DifyError):
                concat.run(response_mode="streaming")
            assert concat.run(response_mode="streaming").outputs.result == RESULT

    def test_waiting_for_a_slot_counts_towards_the_deadline(self) -> None:
        with Server(HANGS) as server, client(server, max_concurrency=1) as concat:
            with concat.stream() as events:
                next(iter(events))
                with pytest.raises(runtime.DifyError):
                    concat.run(timeout=0.2)
            assert server.runs == 1

    def test_one_async_client_in_several_event_loops(self) -> None:
        async def call(concat: AsyncConcatClient) -> list[str]:
            blocking_run = await concat.run()
            streamed = await concat.run(response_mode="streaming")
            return [blocking_run.outputs.result, streamed.outputs.result]

        with Server({RUN: echo}) as server:
            concat = async_client(server)
            for _ in range(3):
                assert asyncio.run(call(concat)) == ["text", "text"]
            with ThreadPoolExecutor(4) as pool:
                for results in pool.map(lambda _: asyncio.run(call(concat)), range(4)):
                    assert results == ["text", "text"]
            asyncio.run(concat.aclose())
        gc.collect()


class TestLimits:
    """Large and long answers, and the deadlines that end what would never end."""

    @pytest.mark.parametrize("kind", DRIVES)
    def test_an_event_of_30_megabytes(self, kind: str) -> None:
        size = 30_000_000
        body = STARTED + finished(outputs={"result": "x" * size})
        pieces = [body[start : start + 1_000_000] for start in range(0, len(body), 1_000_000)]
        with Server({RUN: stream(pieces)}) as server:
            seen = DRIVES[kind](server.url, "streamed", {})
        assert seen.error is None
        assert seen.run is not None and len(seen.run.outputs.result) == size

    def test_a_hundred_thousand_events_are_not_kept(self) -> None:
        def blocks(events: Iterator[object]) -> Iterator[int]:
            for number, _ in enumerate(events):
                if number in (5_000, 100_000):
                    gc.collect()
                    yield sys.getallocatedblocks()

        with Server({RUN: stream(many(100_000))}) as server, client(server) as concat, concat.stream() as events:
            early, late = blocks(iter(events))
            assert late - early < 2_000
            assert events.result().outputs.result == RESULT

    def test_nor_by_an_async_stream(self) -> None:
        async def blocks(events: AsyncIterator[object]) -> AsyncIterator[int]:
            number = 0
            async for _ in events:
                if number in (5_000, 100_000):
                    gc.collect()
                    yield sys.getallocatedblocks()
                number += 1

        async def measure(server: Server) -> None:
            async with async_client(server) as concat, concat.stream() as events:
                early, late = [count async for count in blocks(aiter(events))]
                assert late - early < 2_000

        with Server({RUN: stream(many(100_000))}) as server:
            asyncio.run(measure(server))

    @pytest.mark.parametrize("kind", DRIVES)
    @pytest.mark.parametrize("mode", ["collected", "blocking"])
    def test_a_refusal_for_ever_ends_at_the_deadline(self, kind: str, mode: str) -> None:
        with Server({RUN: TOO_MANY}) as server:
            seen = DRIVES[kind](server.url, mode, {"timeout": 1.0, "max_retries": 1000})
            assert isinstance(seen.error, runtime.DifyError)
            assert server.runs < 50

    @pytest.mark.parametrize("kind", DRIVES)
    @pytest.mark.parametrize("mode", ["collected", "blocking"])
    def test_an_answer_that_drips_for_ever_ends_at_the_deadline(self, kind: str, mode: str) -> None:
        with Server({RUN: by_mode(streaming=drip(b"data: "), blocking=drip(b"{"))}) as server:
            seen = DRIVES[kind](server.url, mode, {"timeout": 0.6, "idle_timeout": 0.5})
            assert isinstance(seen.error, runtime.DifyError)
            assert server.runs == 1


class TestDeadline:
    """`timeout=` is for the call as a whole: no step of it, and no pace of the server, makes it longer.

    The limit for a silence is longer than the test lasts: it is not what ends the call.
    """

    @every_kind
    @pytest.mark.parametrize("case", SLOW)
    def test_a_server_that_takes_its_time(self, kind: str, case: str) -> None:
        with Server({RUN: SLOW[case]}) as server:
            self.ends(server, kind)

    @every_kind
    @pytest.mark.parametrize("case", SLOW)
    def test_with_an_http_client_of_the_callers(self, kind: str, case: str) -> None:
        with Server({RUN: SLOW[case]}) as server:
            self.ends(server, kind, http_client=http_client(kind))

    @every_kind
    @pytest.mark.parametrize("case", SLOW)
    def test_over_tls(self, kind: str, case: str) -> None:
        trust = authority()
        with Server({RUN: SLOW[case]}, tls=trust.server) as server:
            self.ends(server, kind, http_client=http_client(kind, verify=trust.client))

    @pytest.mark.parametrize("case", SLOW)
    def test_on_a_connection_used_before(self, case: str) -> None:
        """Whether the client made it, or its caller did before the client had a look at it."""
        with Server({RUN: [as_json(blocking()), as_json(blocking()), SLOW[case]]}) as server:
            with httpx.Client() as given, client(server, http_client=given) as concat:
                given.post(f"{server.url}/workflows/run", json={"response_mode": "blocking"})
                concat.run()
                began = time.monotonic()
                with pytest.raises(runtime.DeadlineExceededError):
                    concat.run(timeout=TIMEOUT)
            assert time.monotonic() - began < TOO_LONG
            assert server.accepted == 1

    @every_kind
    def test_a_handshake_that_drips(self, kind: str) -> None:
        def drip_alert(connection: Connection) -> None:
            connection.send(b"\x16\x03\x03\x40\x00")
            while True:
                connection.pause(0.05)
                connection.send(b"x")

        with Server({}, on_accept=drip_alert) as server:
            url = server.url.replace("http:", "https:")
            self.ends(server, kind, url=url, error=runtime.DifyTimeoutError)
        with warnings.catch_warnings():  # the HTTP library leaves the socket of a cancelled handshake to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def test_a_server_that_reads_in_sips(self) -> None:
        def sip(connection: Connection) -> None:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            while connection.sock.recv(2000):
                connection.pause(0.05)

        with Server({}, on_accept=sip) as server, client(server) as concat:
            began = time.monotonic()
            with pytest.raises(runtime.DeadlineExceededError):
                concat.run(string="x" * 3_000_000, timeout=TIMEOUT)
            assert time.monotonic() - began < TOO_LONG

    @pytest.mark.parametrize("kind", DRIVES)
    def test_an_address_where_nobody_answers(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A host of three addresses, none of which answers: they share the time that there is."""
        with full_listener() as port:
            address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 3)
            began = time.monotonic()
            seen = DRIVES[kind](f"http://dify.invalid:{port}/v1", "blocking", {"timeout": TIMEOUT, "max_retries": 0})
        assert isinstance(seen.error, runtime.DifyTimeoutError), repr(seen.error)
        assert time.monotonic() - began < TOO_LONG

    def ends(
        self,
        server: Server,
        kind: str,
        *,
        url: str = "",
        error: type[runtime.DifyError] = runtime.DeadlineExceededError,
        **options: Any,
    ) -> None:
        """A call ends in time, with an error that says why."""
        limits = {"timeout": TIMEOUT, "idle_timeout": 100.0, "max_retries": 0}
        began = time.monotonic()
        seen = DRIVES[kind](url or server.url, "collected", {**limits, **options})
        assert isinstance(seen.error, error)
        assert time.monotonic() - began < TOO_LONG


class TestMemory:
    """What a server sends is taken up to a size, and no further."""

    LIMIT = 3_000_000

    @every_kind
    @pytest.mark.parametrize("mode", ["streamed", "blocking"])
    @pytest.mark.parametrize("case", ENDLESS)
    def test_an_answer_without_an_end(self, kind: str, mode: str, case: str) -> None:
        sent = Endless(*ENDLESS[case])
        with Server({RUN: sent}) as server:
            seen = DRIVES[kind](server.url, mode, {"max_answer_size": self.LIMIT})
            assert server.runs == 1
        assert isinstance(seen.error, runtime.AnswerTooLargeError)
        assert "3,000,000 bytes" in str(seen.error) and "max_answer_size=" in str(seen.error)
        assert sent.size < self.LIMIT * 10

    @every_kind
    @pytest.mark.parametrize("case", ENDLESS)
    def test_an_error_without_an_end_is_that_error(self, kind: str, case: str) -> None:
        sent = Endless(*ENDLESS[case], status=401)
        with Server({RUN: sent}) as server:
            seen = DRIVES[kind](server.url, "blocking", {})
        assert isinstance(seen.error, runtime.AuthenticationError)
        assert sent.size < self.LIMIT * 10

    @every_kind
    @pytest.mark.parametrize("mode", ["streamed", "blocking"])
    @pytest.mark.parametrize("layers", [1, 2])
    def test_a_gzip_bomb(self, kind: str, mode: str, layers: int) -> None:
        """Two layers make fifty megabytes of less than a kilobyte."""
        body = gzip.compress(b"data: " + bytes(50_000_000))
        headers = {"Content-Encoding": ", ".join(["gzip"] * layers), "Content-Type": SSE}
        for _ in range(1, layers):
            body = gzip.compress(body)
        tracemalloc.start()
        try:
            with Server({RUN: answer(body, **headers)}) as server:
                seen = DRIVES[kind](server.url, mode, {"max_answer_size": self.LIMIT})
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert isinstance(seen.error, runtime.AnswerTooLargeError)
        assert most < 12 * self.LIMIT

    @every_kind
    def test_events_that_are_small_enough_may_be_many(self, kind: str) -> None:
        with Server({RUN: stream(many(1_000))}) as server:
            seen = DRIVES[kind](server.url, "streamed", {"max_answer_size": 1_000})
        assert seen.error is None

    @every_kind
    def test_one_event_is_too_large(self, kind: str) -> None:
        with Server({RUN: stream([STARTED, finished(outputs={"result": "x" * 2_000})])}) as server:
            seen = DRIVES[kind](server.url, "streamed", {"max_answer_size": 1_000})
        assert isinstance(seen.error, runtime.AnswerTooLargeError)
        assert seen.error.workflow_run_id

    @every_kind
    @pytest.mark.parametrize("mode", ["streamed", "blocking"])
    @pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, brotli", ", ".join(["gzip"] * 99)])
    def test_an_encoding_that_nobody_asked_for_is_named(self, kind: str, mode: str, encoding: str) -> None:
        headers = {"Content-Encoding": encoding, "Content-Type": SSE}
        with Server({RUN: answer(b"\x1b\x0b\x00", **headers)}) as server:
            seen = DRIVES[kind](server.url, mode, {"http_client": http_client(kind)})
            assert {request.headers["accept-encoding"] for request in server.requests} == {"gzip, deflate"}
        assert isinstance(seen.error, runtime.UnexpectedResponseError)
        assert encoding.partition(",")[0] in str(seen.error)

    @every_kind
    def test_an_error_in_an_unknown_encoding_is_still_that_error(self, kind: str) -> None:
        with Server({RUN: answer(b"\x1b\x0b", 401, **{"Content-Encoding": "br"})}) as server:
            seen = DRIVES[kind](server.url, "blocking", {})
        assert isinstance(seen.error, runtime.AuthenticationError)

    @every_kind
    @pytest.mark.parametrize("mode", ["streamed", "blocking"])
    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate", "members", "gzip, deflate"])
    def test_encodings_as_they_come(self, kind: str, mode: str, encoding: str) -> None:
        def compressed(body: bytes) -> bytes:
            if encoding == "members":
                return b"".join(gzip.compress(body[start : start + 50]) for start in range(0, len(body), 50))
            if encoding == "raw deflate":
                return zlib.compress(body, wbits=-15)
            inner = gzip.compress(body) if "gzip" in encoding else body
            return zlib.compress(inner) if "deflate" in encoding else inner

        name = {"raw deflate": "deflate", "members": "x-gzip"}.get(encoding, encoding)
        texts = {"Content-Encoding": name, "Content-Type": "application/json"}
        events = {"Content-Encoding": name, "Content-Type": SSE}
        at_once = answer(compressed(json.dumps(blocking()).encode()), **texts)
        streaming = answer(compressed(b"".join(NORMAL)), **events)
        with Server({RUN: by_mode(streaming=streaming, blocking=at_once)}) as server:
            seen = DRIVES[kind](server.url, mode, {})
        assert seen.error is None and seen.run is not None
        assert seen.run.outputs.result == RESULT

    @every_kind
    @pytest.mark.parametrize("mode", ["collected", "blocking"])
    def test_half_of_a_compressed_answer_is_a_broken_connection(self, kind: str, mode: str) -> None:
        body = gzip.compress(b"".join(NORMAL[:3]))
        headers = {"Content-Encoding": "gzip", "Content-Type": SSE}
        with Server({RUN: answer(body[:-9], **headers)}) as server:
            seen = DRIVES[kind](server.url, mode, {"max_reconnects": 0})
        assert isinstance(seen.error, runtime.ConnectionLostError | runtime.StreamInterruptedError)
        assert "middle of its compressed body" in str(seen.error)


def many(count: int) -> list[bytes]:
    body = STARTED + text_chunk("tick") * count + SECOND_HALF[-1]
    return [body[start : start + 32_768] for start in range(0, len(body), 32_768)]


def drip(first: bytes) -> Handler:
    """An event or JSON text that grows by a byte for ever."""

    def handle(connection: Connection, request: Request) -> None:
        kind = "text/event-stream" if request.streams else "application/json"
        connection.head(200, {"Content-Type": kind, "Transfer-Encoding": "chunked"})
        connection.chunk(first)
        while True:
            connection.pause(0.05)
            connection.chunk(b" ")

    return handle
