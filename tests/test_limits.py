"""Many calls at once, large answers, long streams, and the limits that end what would never end."""

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import runtime
from concat_client import AsyncConcatClient, ConcatClient
from driving import DRIVES, KEY, QUICK
from fault_events import (
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
from servers import RUN, STOP, Connection, Handler, Request, Server, as_json, by_mode, stream

pytestmark = pytest.mark.timeout(30)

BOTH: list[runtime.ResponseMode] = ["blocking", "streaming"]
HANGS = {
    RUN: by_mode(streaming=broken(FIRST_HALF, silence), blocking=after_request(silence)),
    STOP: as_json({"result": "success"}),
}


def client(server: Server, **options: object) -> ConcatClient:
    return ConcatClient(base_url=server.url, api_key=KEY, **{**QUICK, **options})


def async_client(server: Server, **options: object) -> AsyncConcatClient:
    return AsyncConcatClient(base_url=server.url, api_key=KEY, **{**QUICK, **options})


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
        self.full.wait(15)
        connection.pause(0.01)
        with self.lock:
            # Before the answer: the client may send its next request as soon as it has this one.
            self.inside -= 1
        echo(connection, request)


class TestManyAtOnce:
    def test_hundreds_of_streams_on_one_async_client(self) -> None:
        async def call(concat: AsyncConcatClient, number: int) -> str:
            async with concat.stream(string=f"caller {number}") as events:
                texts = [event.text async for event in events if isinstance(event, runtime.TextChunk)]
                assert texts == [f"caller {number}"]
                return (await events.result()).outputs.result

        async def call_all(server: Server) -> list[str]:
            async with async_client(server) as concat:
                return await asyncio.gather(*(call(concat, number) for number in range(300)))

        gate = Gate(wait_for=300)
        with Server(gate) as server:
            assert asyncio.run(call_all(server)) == [f"caller {number}" for number in range(300)]
            assert (gate.most, server.runs) == (300, 300)

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
        limits = {"max_concurrency": 1, "idle_timeout": 0.2, "max_reconnects": 0}
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
    def test_an_event_of_100_megabytes(self, kind: str) -> None:
        size = 100_000_000
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

    def test_a_head_that_drips_for_ever_ends_at_the_deadline(self) -> None:
        """Of the async client. The blocking one can end no wait of the HTTP library's but by `idle_timeout`."""

        def handle(connection: Connection, request: Request) -> None:
            connection.send(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.pause(0.05)
                connection.send(b"X-Drip: 1\r\n")

        with Server({RUN: handle}) as server:
            seen = DRIVES["async"](server.url, "blocking", {"timeout": 0.5})
            assert isinstance(seen.error, runtime.DeadlineExceededError)
            assert server.runs == 1


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
