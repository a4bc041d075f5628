"""What must not reach a run from outside: other runs' events, slots of others, forked processes, the end of a loop."""

import asyncio
import gc
import json
import logging
import time
from typing import Any

import pytest
import runtime
from support import ROOT, TESTS
from support.concat_client import AsyncConcatClient, ConcatClient
from support.driving import DRIVES, KEY, QUICK
from support.fault_events import (
    FIRST_HALF,
    NORMAL,
    RESULT,
    RUN_ID,
    STARTED,
    blocking,
    broken,
    detail,
    fin,
    finished,
    silence,
)
from support.live_run import LiveRun
from support.processes import printed
from support.servers import DETAIL, EVENTS, PING, RUN, STOP, Connection, Request, Server, as_json, by_mode, html, stream

OTHER_ID = "99999999-f983-4d80-8f09-83538e37351a"
OTHERS_END = finished(outputs={"result": "of another run"}).replace(RUN_ID.encode(), OTHER_ID.encode())
HANGS = {RUN: broken(FIRST_HALF, silence), STOP: as_json({"result": "success"})}
every_kind = pytest.mark.parametrize("kind", DRIVES)


class TestOtherRuns:
    @every_kind
    def test_the_end_of_another_run_is_not_ours(self, kind: str) -> None:
        with Server({RUN: stream([*FIRST_HALF, OTHERS_END, *NORMAL[4:]])}) as server:
            seen = DRIVES[kind](server.url, "streamed", {})
        assert seen.run is not None and seen.run.outputs.result == RESULT
        assert seen.events[4] == "UnknownEvent"

    @every_kind
    def test_nor_when_a_stream_is_taken_up_again(self, kind: str) -> None:
        routes = {RUN: stream(FIRST_HALF), EVENTS: stream([STARTED, OTHERS_END]), DETAIL: as_json(detail())}
        with Server(routes) as server:
            seen = DRIVES[kind](server.url, "streamed", {"max_reconnects": 1})
        assert seen.run is not None and seen.run.outputs.result == RESULT

    @every_kind
    def test_a_stored_run_of_another_id_is_none_of_ours(self, kind: str) -> None:
        routes = {RUN: stream(FIRST_HALF), EVENTS: html(404), DETAIL: as_json(detail() | {"id": OTHER_ID})}
        with Server(routes) as server:
            seen = DRIVES[kind](server.url, "streamed", {})
            assert isinstance(seen.error, runtime.StreamInterruptedError)
            assert seen.error.workflow_run_id == RUN_ID
            with ConcatClient(base_url=server.url, api_key=KEY) as client:
                with pytest.raises(runtime.UnexpectedResponseError, match="another run"):
                    client.get_run(RUN_ID)
                assert client.get_run(OTHER_ID.upper()).workflow_run_id == OTHER_ID

    @every_kind
    def test_an_end_that_names_its_run_in_its_data_alone(self, kind: str) -> None:
        end = json.loads(OTHERS_END[6:])
        del end["workflow_run_id"]
        pieces = [STARTED, b"data: " + json.dumps(end).encode() + b"\n\n", *NORMAL[4:]]
        with Server({RUN: stream(pieces)}) as server:
            seen = DRIVES[kind](server.url, "collected", {})
        assert seen.run is not None and seen.run.outputs.result == RESULT

    @every_kind
    @pytest.mark.parametrize("strange", ["..", ".", "x" * 200_000])
    def test_an_id_that_leads_nowhere_is_an_interrupted_stream(self, kind: str, strange: str) -> None:
        pieces = [piece.replace(RUN_ID.encode(), strange.encode()) for piece in FIRST_HALF]
        with Server({RUN: stream(pieces)}) as server:
            seen = DRIVES[kind](server.url, "streamed", {})
            assert (server.runs, len(server.requests)) == (1, 1)
        assert isinstance(seen.error, runtime.StreamInterruptedError)


class TestReconnecting:
    @every_kind
    @pytest.mark.parametrize("first", [PING, STARTED], ids=["a ping", "an event that is repeated"])
    def test_what_is_nothing_new_is_no_reason_to_go_on(self, kind: str, first: bytes) -> None:
        """A server that sends a ping and cuts saw 600 connections a second."""
        routes = {RUN: stream([STARTED]), EVENTS: stream([first]), DETAIL: as_json(detail())}
        with Server(routes) as server:
            seen = DRIVES[kind](server.url, "collected", {"max_reconnects": 3})
            assert server.count(EVENTS) == 3
        assert seen.error is None

    def test_what_is_new_lets_it_go_on_but_not_at_any_rate(self) -> None:
        def one_more(connection: Connection, request: Request) -> None:
            fresh = NORMAL[1].replace(b"execution-start1", f"execution-{time.monotonic()}".encode())
            stream([STARTED, fresh])(connection, request)

        with Server({RUN: stream([STARTED]), EVENTS: one_more}) as server:
            seen = DRIVES["sync"](server.url, "collected", {"max_reconnects": 2, "timeout": 2.0})
            assert 2 < server.count(EVENTS) < 20
        assert isinstance(seen.error, runtime.DeadlineExceededError)


def limited(server: Server, **options: Any) -> AsyncConcatClient:
    return AsyncConcatClient(base_url=server.url, api_key=KEY, max_concurrency=1, **{**QUICK, **options})


class TestSlots:
    def test_a_dropped_stream_gives_its_slot_back(self) -> None:
        async def drop(server: Server) -> None:
            async with limited(server) as client:
                for _ in range(3):
                    await anext(client.stream())
                gc.collect()
                assert (await client.run()).outputs.result == RESULT

        routes = {RUN: by_mode(streaming=broken(FIRST_HALF, silence), blocking=as_json(blocking()))}
        with Server(routes) as server:
            asyncio.run(drop(server))
            assert server.wait_left(3)

    def test_closing_the_client_gives_no_slot_away(self) -> None:
        """A run that goes on keeps its slot, and gives back that very one."""

        async def close(server: Server) -> None:
            client = limited(server)
            async with client.stream() as first:
                await anext(first)
                await client.aclose()
                with pytest.raises(runtime.DeadlineExceededError, match="max_concurrency"):
                    await client.run(timeout=0.2)
            others = [client.stream() for _ in range(2)]
            await anext(others[0])
            with pytest.raises(runtime.DeadlineExceededError, match="max_concurrency"):
                await client.run(timeout=0.2)
            await others[0].aclose()
            await client.aclose()
            assert server.runs == 2

        with Server(HANGS) as server:
            asyncio.run(close(server))

    def test_a_stream_that_outlives_its_loop(self) -> None:
        async def begin() -> runtime.AsyncRunStream[Any]:
            events = client.stream()
            await anext(events)
            return events

        with Server(HANGS) as server:
            client = limited(server)
            events: object = asyncio.run(begin())
            del events
            gc.collect()
            asyncio.run(client.aclose())


class TestLeftBehind:
    def test_a_forked_process_does_not_stop_its_parents_run(self) -> None:
        """It drops its copies of the parent's streams, and may not use them."""
        code = """
import os, sys
import runtime
from support.concat_client import ConcatClient

client = ConcatClient(base_url=sys.argv[1], api_key="app-x", idle_timeout=5.0)
events = client.stream(stop_on_exit=True)
next(events)
child = os.fork()
if not child:
    try:
        next(events)
    except runtime.StreamError as error:
        print(error, flush=True)
    events.close()
    del events
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(events.result().outputs.result)
"""
        live = LiveRun(NORMAL, every=0.1)
        with Server(live.routes) as server:
            said = python(code, server.url)
            assert (server.runs, server.count(STOP)) == (1, 0)
        assert "belongs to the process" in said and RESULT in said

    # The HTTP library's own generators, which the request to stop begins then, and ends.
    @pytest.mark.filterwarnings("ignore:asynchronous generator:ResourceWarning")
    @pytest.mark.parametrize("how", ["anext", "iterating"])
    def test_the_end_of_the_loop_stops_what_is_to_be_stopped(self, how: str) -> None:
        async def leave(server: Server) -> None:
            client = AsyncConcatClient(base_url=server.url, api_key=KEY, **QUICK)
            events = kept.setdefault("events", client.stream(stop_on_exit=True))
            if how == "anext":
                await anext(events)
            else:
                kept["iterator"] = aiter(events)
                await anext(kept["iterator"])

        kept: dict[str, Any] = {}
        with Server(HANGS) as server:
            asyncio.run(leave(server))
            assert (server.runs, server.count(STOP)) == (1, 1)

    def test_a_run_that_cannot_be_stopped_is_told_of(self, caplog: pytest.LogCaptureFixture) -> None:
        with (
            Server({RUN: broken([PING], silence)}) as server,
            ConcatClient(base_url=server.url, api_key=KEY, **QUICK) as client,
            caplog.at_level(logging.WARNING),
            client.stream(stop_on_exit=True) as events,
        ):
            next(events)
        assert "was not stopped: no event told its task" in caplog.text

    def test_cancelling_while_a_cut_stream_closes_leaves_no_connection_open(self) -> None:
        async def call(client: AsyncConcatClient, after: float) -> None:
            events = client.stream()
            await anext(events)
            task = asyncio.create_task(events.result())
            await asyncio.sleep(after)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        async def call_all(server: Server) -> None:
            client = AsyncConcatClient(base_url=server.url, api_key=KEY, max_reconnects=0, **QUICK)
            await asyncio.gather(*(call(client, number / 2000) for number in range(200)))
            for _ in range(2000):
                if not [one for one in connections(client) if not one.is_idle()]:
                    break
                await asyncio.sleep(0.01)
            assert [one.info() for one in connections(client) if not one.is_idle()] == []
            await client.aclose()

        with Server({RUN: broken(FIRST_HALF, fin)}) as server:
            asyncio.run(call_all(server))


def connections(client: AsyncConcatClient) -> list[Any]:
    """The connections of the one pool of the HTTP library."""
    (state,) = client._transport._states.values()
    (pool,) = state.pools.values()
    return list(pool._transport._pool.connections)


def python(code: str, *arguments: str) -> str:
    return printed(code, *arguments, folders=(ROOT / "templates", TESTS))
