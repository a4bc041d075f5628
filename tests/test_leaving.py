"""Leaving early, stopping, cancelling, Ctrl-C: nothing is left running or open by accident."""

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import runtime
from runtime._http import httpx
from support.concat_client import AsyncConcatClient, ConcatClient
from support.driving import KEY, QUICK, sessions
from support.fault_events import (
    FIRST_HALF,
    NORMAL,
    RESULT,
    after_request,
    blocking,
    broken,
    node_started,
    silence,
)
from support.live_run import LiveRun
from support.servers import DETAIL, RUN, STOP, Connection, Routes, Server, answer, as_json, authority, by_mode, stream

BOTH: list[runtime.ResponseMode] = ["blocking", "streaming"]
HANGS = {
    RUN: by_mode(streaming=broken(FIRST_HALF, silence), blocking=after_request(silence)),
    STOP: as_json({"result": "success"}),
}


def client(server: Server, **options: object) -> ConcatClient:
    return ConcatClient(base_url=server.url, api_key=KEY, **{**QUICK, **options})


def async_client(server: Server, **options: object) -> AsyncConcatClient:
    return AsyncConcatClient(base_url=server.url, api_key=KEY, **{**QUICK, **options})


class TestLeaving:
    """Whichever way the caller leaves, the server sees the connection close; the client stays usable."""

    def test_breaking_out_of_the_loop(self) -> None:
        with Server(HANGS) as server, client(server) as concat:
            with concat.stream() as events:
                for _ in events:
                    break
            assert server.wait_left()

    def test_an_exception_in_the_loop(self) -> None:
        with Server(HANGS) as server, client(server) as concat:
            with suppress(KeyboardInterrupt), concat.stream() as events:
                for _ in events:
                    raise KeyboardInterrupt
            assert server.wait_left()

    def test_dropping_a_stream_that_was_never_closed(self) -> None:
        with Server(HANGS) as server, client(server) as concat:
            for _ in concat.stream():
                break
            gc.collect()
            assert server.wait_left()

    def test_a_stream_closed_before_its_start_says_so(self) -> None:
        with Server(HANGS) as server, client(server) as concat:
            with concat.stream() as events:
                pass
            for use in (events.result, lambda: list(events)):
                with pytest.raises(runtime.StreamInterruptedError, match="before it started a run"):
                    use()
            assert server.runs == 0

    def test_closing_the_client(self) -> None:
        with Server(HANGS) as server:
            concat = client(server)
            events = concat.stream()
            next(iter(events))
            concat.close()
            assert server.wait_left()
            events.close()

    def test_breaking_out_of_an_async_loop(self) -> None:
        async def leave(server: Server) -> None:
            async with async_client(server) as concat:
                async with concat.stream() as events:
                    async for _ in events:
                        break
                assert await asyncio.to_thread(server.wait_left)

        with Server(HANGS) as server:
            asyncio.run(leave(server))

    @pytest.mark.parametrize("way", ["stream", "collected", "blocking"])
    def test_cancelling_the_task(self, way: str) -> None:
        async def call(concat: AsyncConcatClient) -> None:
            if way == "stream":
                async with concat.stream() as events:
                    async for _ in events:
                        pass
            else:
                await concat.run(response_mode="streaming" if way == "collected" else "blocking")

        async def cancel(server: Server) -> None:
            async with async_client(server) as concat:
                task = asyncio.create_task(call(concat))
                while server.runs == 0:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await asyncio.to_thread(server.wait_left)
                assert server.runs == 1

        with Server(HANGS) as server:
            asyncio.run(cancel(server))

    def test_a_timeout_around_the_call(self) -> None:
        async def expire(limit: asyncio.Timeout, server: Server) -> None:
            while server.runs == 0:
                await asyncio.sleep(0.01)
            limit.reschedule(asyncio.get_running_loop().time() + 0.1)

        async def call(server: Server) -> None:
            async with async_client(server) as concat:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(60) as limit:
                        expiring = asyncio.create_task(expire(limit, server))
                        await concat.run(response_mode="streaming")
                await expiring
                assert await asyncio.to_thread(server.wait_left)

        with Server(HANGS) as server:
            asyncio.run(call(server))


class TestInterrupting:
    """Somebody presses Ctrl-C while the client waits."""

    @pytest.fixture
    def routes(self) -> Iterator[Routes]:
        """A server that hangs, and has the client interrupted then."""

        def interrupting(connection: Connection) -> None:
            connection.pause(0.1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            connection.hold()

        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        streaming, at_once = broken(FIRST_HALF, interrupting), after_request(interrupting)
        yield {**HANGS, RUN: by_mode(streaming=streaming, blocking=at_once)}
        signal.signal(signal.SIGUSR1, before)

    @pytest.mark.parametrize("response_mode", BOTH)
    def test_a_run(self, response_mode: runtime.ResponseMode, routes: Routes) -> None:
        with Server(routes) as server, client(server) as concat:
            with pytest.raises(KeyboardInterrupt):
                concat.run(response_mode=response_mode)
            assert server.wait_left()
            assert server.runs == 1

    def test_a_stream_that_is_to_be_stopped(self, routes: Routes) -> None:
        with Server(routes) as server, client(server) as concat:
            with pytest.raises(KeyboardInterrupt), concat.stream(stop_on_exit=True) as events:
                list(events)
            assert server.wait_left()
            assert (server.runs, server.count(STOP)) == (1, 1)


class TestStopping:
    def test_a_run_stopped_while_it_streams_is_not_polled_afterwards(self) -> None:
        live = LiveRun([*FIRST_HALF, *[node_started("code1")] * 2000], every=0.03)
        with Server(live.routes) as server, client(server) as concat:
            with concat.stream() as events:
                for event in events:
                    if isinstance(event, runtime.NodeFinished) and (task_id := events.task_id):
                        concat.stop(task_id, user="tester")
                with pytest.raises(runtime.RunStoppedError, match="Stopped by user"):
                    events.result()
            assert (server.runs, server.count(STOP), server.count(DETAIL)) == (1, 1, 0)

    def test_leaving_early_stops_the_run_when_asked_to(self) -> None:
        live = LiveRun(FIRST_HALF * 500, every=0.02)
        with Server(live.routes) as server, client(server) as concat:
            with concat.stream(stop_on_exit=True) as events:
                next(iter(events))
            assert live.stopped.wait(60)
            assert server.count(STOP) == 1

    def test_an_async_caller_that_leaves_early(self) -> None:
        async def leave(server: Server) -> None:
            async with async_client(server) as concat, concat.stream(stop_on_exit=True) as events:
                async for _ in events:
                    break

        live = LiveRun(FIRST_HALF * 500, every=0.02)
        with Server(live.routes) as server:
            asyncio.run(leave(server))
            assert live.stopped.wait(60)
            assert server.count(STOP) == 1

    def test_cancelling_stops_the_run_too(self) -> None:
        async def call(concat: AsyncConcatClient) -> None:
            async with concat.stream(stop_on_exit=True) as events:
                async for _ in events:
                    pass

        async def cancel(server: Server) -> None:
            async with async_client(server) as concat:
                task = asyncio.create_task(call(concat))
                while not (opened and opened[0].state.task_id):
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        live = LiveRun(FIRST_HALF * 500, every=0.02)
        with sessions() as opened, Server(live.routes) as server:
            asyncio.run(cancel(server))
            assert live.stopped.wait(60)

    def test_a_run_that_has_ended_is_not_stopped(self) -> None:
        with Server({RUN: stream(NORMAL)}) as server, client(server) as concat:
            with concat.stream(stop_on_exit=True) as events:
                assert events.result().outputs.result == RESULT
            assert server.count(STOP) == 0

    def test_a_stop_that_fails_does_not_hide_the_callers_error(self) -> None:
        routes = {**HANGS, STOP: answer(b"", 500)}
        with Server(routes) as server, client(server) as concat:
            with pytest.raises(ZeroDivisionError), concat.stream(stop_on_exit=True) as events:
                for _ in events:
                    raise ZeroDivisionError
            assert server.count(STOP) >= 1


def use(concat: ConcatClient, way: str) -> object:
    return list(concat.stream()) if way == "streamed" else concat.run(response_mode=MODES[way])


async def ause(concat: AsyncConcatClient, way: str) -> object:
    if way == "streamed":
        return [event async for event in concat.stream()]
    return await concat.run(response_mode=MODES[way])


MODES: dict[str, runtime.ResponseMode] = {"collected": "streaming", "blocking": "blocking"}
WAYS = ["streamed", *MODES]
PATIENT = {"timeout": 120.0, "idle_timeout": 120.0}
every_way = pytest.mark.parametrize("way", WAYS)


class TestClosingMeanwhile:
    """`close()` by another thread or task: whoever waits learns of it at once, and nothing is sent again."""

    def wait_and_close(
        self, server: Server, concat: ConcatClient, way: str, *, until: int = 1, is_told: bool = False
    ) -> BaseException | None:
        """The error of a call whose client is closed once the requests were sent, and an event has told the run."""
        with sessions() as opened, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(use, concat, way)
            while len(server.requests) < until or is_told and not opened[0].state.workflow_run_id:
                time.sleep(0.01)
            time.sleep(0.1)
            concat.close()
            return waiting.exception(PATIENT["timeout"] / 2)

    @every_way
    def test_the_client(self, way: str) -> None:
        with Server(HANGS) as server:
            error = self.wait_and_close(server, client(server, **PATIENT), way, is_told=way != "blocking")
            assert isinstance(error, runtime.ClosedError)
            assert server.wait_left()
            assert len(server.requests) == 1
        if way != "blocking":
            assert error.workflow_run_id

    @every_way
    def test_the_client_over_tls_of_the_callers(self, way: str) -> None:
        trust = authority()
        with Server(HANGS, tls=trust.server) as server, httpx.Client(verify=trust.client) as given:
            error = self.wait_and_close(server, client(server, http_client=given, **PATIENT), way)
            assert isinstance(error, runtime.ClosedError)
            assert server.runs == 1

    @every_way
    def test_on_a_connection_used_before(self, way: str) -> None:
        with Server({RUN: [as_json(blocking()), HANGS[RUN]]}) as server:
            concat = client(server, **PATIENT)
            concat.run()
            error = self.wait_and_close(server, concat, way, until=2)
            assert isinstance(error, runtime.ClosedError)
            assert (server.runs, server.accepted) == (2, 1)

    @every_way
    def test_before_a_byte_of_the_answer(self, way: str) -> None:
        with Server({RUN: after_request(silence)}) as server:
            error = self.wait_and_close(server, client(server, **PATIENT), way)
            assert isinstance(error, runtime.ClosedError)
            assert server.runs == 1

    @every_way
    def test_while_a_request_waits_to_be_repeated(self, way: str) -> None:
        refusal = as_json({"code": "too_many_requests", "message": "Too many requests"}, 429, **{"Retry-After": "30"})
        with Server({RUN: refusal}) as server:
            error = self.wait_and_close(server, client(server, **PATIENT), way)
            assert isinstance(error, runtime.ClosedError)
            assert server.runs == 1

    def test_while_a_call_waits_for_its_turn(self) -> None:
        with Server(HANGS) as server, ThreadPoolExecutor(3) as pool:
            concat = client(server, max_concurrency=1, **PATIENT)
            waiting = [pool.submit(use, concat, way) for way in WAYS]
            while server.runs == 0:
                time.sleep(0.01)
            time.sleep(0.1)
            concat.close()
            assert [type(call.exception(60)) for call in waiting] == [runtime.ClosedError] * 3
            assert server.runs == 1

    def test_the_stream_itself(self) -> None:
        with Server(HANGS) as server, client(server, **PATIENT) as concat, ThreadPoolExecutor(1) as pool:
            stream = concat.stream()
            taken = threading.Event()
            waiting = pool.submit(lambda: [taken.set() for _ in stream])
            assert taken.wait(60)
            time.sleep(0.1)
            stream.close()
            assert isinstance(waiting.exception(PATIENT["timeout"] / 2), runtime.StreamInterruptedError)
            assert server.wait_left()
            assert server.runs == 1

    def test_between_two_events(self) -> None:
        """Who does not wait learns of it with the next event."""
        with Server(HANGS) as server:
            concat = client(server, **PATIENT)
            stream = concat.stream()
            first = next(stream)
            concat.close()
            with pytest.raises(runtime.ClosedError):
                list(stream)
            assert first.workflow_run_id == stream.workflow_run_id
            assert server.runs == 1

    def test_the_client_may_be_used_again(self) -> None:
        with Server({RUN: [after_request(silence), as_json(blocking())]}) as server:
            concat = client(server, **PATIENT)
            self.wait_and_close(server, concat, "blocking")
            assert concat.run().outputs.result == RESULT
            concat.close()

    @every_way
    @pytest.mark.parametrize("given", [False, True], ids=["own", "of the caller's"])
    def test_an_async_client(self, way: str, given: bool) -> None:
        async def close(server: Server) -> None:
            options = {"http_client": httpx.AsyncClient()} if given else {}
            concat = async_client(server, **PATIENT, **options)
            waiting = asyncio.ensure_future(ause(concat, way))
            while server.runs == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            await concat.aclose()
            with pytest.raises(runtime.ClosedError):
                await asyncio.wait_for(waiting, 60)
            for client in options.values():
                await client.aclose()

        with Server(HANGS) as server:
            asyncio.run(close(server))
            assert server.wait_left()
            assert len(server.requests) == 1

    def test_async_calls_that_wait_for_their_turn(self) -> None:
        async def close(server: Server) -> None:
            concat = async_client(server, max_concurrency=1, **PATIENT)
            waiting = [asyncio.ensure_future(ause(concat, way)) for way in WAYS]
            while server.runs == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            await concat.aclose()
            done = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60)
            assert [type(error) for error in done] == [runtime.ClosedError] * 3

        with Server(HANGS) as server:
            asyncio.run(close(server))
            assert server.runs == 1

    def test_an_async_stream_by_another_task(self) -> None:
        async def close(server: Server) -> None:
            async with async_client(server, **PATIENT) as concat:
                stream = concat.stream()
                waiting = asyncio.ensure_future(stream.result())
                while stream.workflow_run_id is None:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                await stream.aclose()
                with pytest.raises(runtime.StreamInterruptedError):
                    await asyncio.wait_for(waiting, 60)

        with Server(HANGS) as server:
            asyncio.run(close(server))
            assert server.wait_left()
            assert server.runs == 1
