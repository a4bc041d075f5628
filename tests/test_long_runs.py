"""Runs that last: what stands in a stream and is none of it, answers in another form than was asked for, runs that are
started here and waited for elsewhere, and those that their caller leaves."""

import asyncio
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime import _protocol
from support import ROOT, TESTS
from support.both_clients import Using, both_clients, with_async, with_sync
from support.chat_clients import ASYNC_CLIENTS, CLIENTS, AnyInputs
from support.concat_client import ConcatInputs
from support.driving import DRIVES, KEY, Drive, sessions
from support.fault_events import (
    FINISHED,
    NO_SUCH_RUN,
    NORMAL,
    PAUSED,
    RESULT,
    RUN_ID,
    SECOND_HALF,
    STARTED,
    TASK_ID,
    Ending,
    blocking,
    broken,
    detail,
    fin,
    finished,
    frame,
    last_chunk,
    pings,
    run_data,
    silence,
)
from support.live_run import LiveRun
from support.processes import printed
from support.proxies import Proxy
from support.servers import DETAIL, EVENTS, PING, RUN, STOP, Handler, Server, answer, as_json, by_mode, html, stream
from support.turn_cases import ANSWER, BODY, CHAT, CHAT_TURN, CONVERSATION_ID, FLOW_TURN, MESSAGE_ID, METADATA

KINDS = pytest.mark.parametrize("drive", [pytest.param(DRIVES[kind], id=kind) for kind in DRIVES])
EVERY_STREAM = pytest.mark.parametrize("mode", ["streamed", "collected"])

FOREIGN = [
    b"data: upstream connect error or disconnect/reset before headers\n\n",
    b"data: upstream request timeout\n",
    b"upstream request timeout\n",
    b"data: [DONE]\n\n",
    b"data: null\n\n",
    b"data: 12\n\n",
    b'data: {"event": "node_st\n\n',
    b'data: {"event": "\xff\xfe"}\n\n',
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n",
    b"data: <html><body>502</body></html>\n\n",
    b"event: message\n\n",
    b": a comment\n\n",
]
"""What gateways write into a stream that has begun, and what other servers end one with."""
GATEWAY = FOREIGN[0]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_protocol, "FOREIGN_PATIENCE", 0.2)


def mixed(events: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """The events, with foreign things before, between and behind them."""
    places = st.tuples(st.integers(0, len(events)), st.sampled_from(FOREIGN))
    return st.lists(places, max_size=6).map(
        lambda chosen: [
            piece
            for place in range(len(events) + 1)
            for piece in [*(thing for at, thing in chosen if at == place), *events[place : place + 1]]
        ]
    )


class TestForeignThings:
    @settings(max_examples=60)
    @given(pieces=mixed(NORMAL), kind=st.sampled_from(["sync", "async"]), size=st.sampled_from([0, 1, 7, 100]))
    def test_beside_events_take_none_of_them_away(self, pieces: list[bytes], kind: str, size: int) -> None:
        """However they are cut into pieces."""
        whole = b"".join(pieces)
        chunks = [whole[start : start + size] for start in range(0, len(whole), size)] if size else pieces
        with Server({RUN: stream(chunks)}) as server:
            seen = DRIVES[kind](server.url, "streamed", {})
            assert len(server.requests) == 1
        if seen.error is not None:
            raise seen.error
        assert seen.run is not None and seen.run.outputs.result == RESULT
        assert len([name for name in seen.events if name != "UnknownEvent"]) == len(NORMAL)

    @KINDS
    @EVERY_STREAM
    @pytest.mark.parametrize("ending", [fin, last_chunk, silence])
    @pytest.mark.parametrize("has_events", [True, False], ids=["1.14", "1.12"])
    def test_in_the_place_of_the_rest_the_run_is_attached_to_or_looked_up(
        self, drive: Drive, mode: str, ending: Ending, has_events: bool, impatient: None
    ) -> None:
        for foreign in (GATEWAY, b"data: [DONE]\n\n", b'data: {"event": "workflow_fin\n\n'):
            routes = {
                RUN: broken([STARTED, foreign], ending),
                EVENTS: stream([STARTED, *SECOND_HALF]) if has_events else html(404),
                DETAIL: [as_json(detail("running")), as_json(detail())],
            }
            with Server(routes) as server:
                seen = drive(server.url, mode, {})
                assert server.runs == 1
            assert seen.error is None
            assert seen.run is not None and seen.run.outputs.result == RESULT

    @KINDS
    @EVERY_STREAM
    def test_if_that_fails_too_the_error_says_all_of_it(self, drive: Drive, mode: str) -> None:
        with Server({RUN: stream([STARTED, GATEWAY]), DETAIL: html(502)}) as server:
            seen = drive(server.url, mode, {})
            assert server.runs == 1
        assert isinstance(seen.error, runtime.StreamDecodeError)
        assert seen.error.data.startswith(b"upstream connect error")
        assert (seen.error.workflow_run_id, seen.error.task_id) == (RUN_ID, TASK_ID)
        assert "HTTP 502" in str(seen.error)
        assert "resume() follows it" in str(seen.error)

    @KINDS
    @EVERY_STREAM
    @pytest.mark.parametrize("ending", [fin, silence])
    @pytest.mark.parametrize("foreign", [GATEWAY, FOREIGN[2], FOREIGN[8], b"data: [DONE]\n\n"])
    def test_before_any_event_the_error_says_what_was_there(
        self, drive: Drive, mode: str, ending: Ending, foreign: bytes, impatient: None
    ) -> None:
        with Server({RUN: broken([foreign], ending)}) as server:
            seen = drive(server.url, mode, {"idle_timeout": 1.0})
            assert len(server.requests) == 1
        assert isinstance(seen.error, runtime.StreamDecodeError)
        assert seen.error.data and seen.error.data[:20] in foreign
        assert "a run may have been started" in str(seen.error)

    @KINDS
    def test_of_long_ago_are_not_what_interrupts_a_stream(self, drive: Drive) -> None:
        with Server({RUN: stream([STARTED, GATEWAY, NORMAL[1]])}) as server:
            seen = drive(server.url, "collected", {"max_reconnects": 0})
        assert isinstance(seen.error, runtime.StreamInterruptedError)
        assert seen.error.workflow_run_id == RUN_ID


LABELS = [
    {"Content-Type": "text/html; charset=utf-8"},
    {"Content-Type": "application/json"},
    {"Content-Type": "application/octet-stream"},
    {"Content-Type": "text/plain"},
]


class TestOtherForms:
    @KINDS
    @EVERY_STREAM
    @pytest.mark.parametrize("label", LABELS, ids=lambda label: str(label["Content-Type"]))
    @pytest.mark.parametrize("is_whole", [False, True], ids=["chunks", "with a length"])
    def test_a_stream_under_another_content_type_is_read(
        self, drive: Drive, mode: str, label: dict[str, str], is_whole: bool
    ) -> None:
        reply = (
            answer(b"".join(NORMAL), **label)
            if is_whole
            else stream([b"\n", b"da", *[NORMAL[0][2:]], *NORMAL[1:]], **label)
        )
        with Server({RUN: reply}) as server:
            seen = drive(server.url, mode, {})
            assert len(server.requests) == 1
        if seen.error is not None:
            raise seen.error
        assert seen.run is not None and seen.run.outputs.result == RESULT

    @KINDS
    @EVERY_STREAM
    def test_so_is_one_that_is_attached_to(self, drive: Drive, mode: str) -> None:
        events = stream([STARTED, *SECOND_HALF], **{"Content-Type": "text/html"})
        with Server({RUN: broken([STARTED], fin), EVENTS: events}) as server:
            seen = drive(server.url, mode, {})
            assert (server.runs, server.count(DETAIL)) == (1, 0)
        assert seen.run is not None and seen.run.outputs.result == RESULT

    @KINDS
    @EVERY_STREAM
    @pytest.mark.parametrize(
        ("reply", "error"),
        [
            (as_json(blocking()), None),
            (as_json(blocking("failed", error="no luck")), "RunFailedError"),
            (as_json(blocking("stopped")), "RunStoppedError"),
            (as_json(blocking("paused")), "RunPausedError"),
            (as_json({"workflow_run_id": RUN_ID}, 202), None),
            (as_json({"workflow_run_id": RUN_ID, "task_id": TASK_ID, "data": {"status": "running"}}), None),
            (as_json({"workflow_run_id": RUN_ID, "code": "internal_server_error", "status": 500}), None),
        ],
    )
    def test_one_answer_in_the_place_of_a_stream_is_taken(
        self, drive: Drive, mode: str, reply: Handler, error: str | None
    ) -> None:
        with Server({RUN: reply, DETAIL: [as_json(detail("running")), as_json(detail())]}) as server:
            seen = drive(server.url, mode, {})
            assert server.runs == 1
        if error is None:
            assert seen.error is None
            assert seen.run is not None and seen.run.outputs.result == RESULT
        else:
            assert type(seen.error).__name__ == error
            assert isinstance(seen.error, runtime.DifyError) and seen.error.workflow_run_id == RUN_ID

    @KINDS
    @EVERY_STREAM
    @pytest.mark.parametrize("reply", [html(200), as_json({"data": run_data()}), as_json([]), as_json({"a": 1}, 202)])
    def test_what_tells_no_run_is_no_answer(self, drive: Drive, mode: str, reply: Handler) -> None:
        with Server({RUN: reply}) as server:
            seen = drive(server.url, mode, {})
            assert len(server.requests) == 1
        assert isinstance(seen.error, runtime.UnexpectedResponseError)
        assert KEY not in str(seen.error)


def turn_of(kind: str, url: str, *, use_async: bool, **options: Any) -> Any:
    """The turn that is made in this app."""
    settings = {"base_url": url, "api_key": KEY, "user": "u1", "timeout": 60.0, "idle_timeout": 20.0}

    def arguments() -> list[Any]:
        return [AnyInputs()] if kind == "completion" else ["Who?", AnyInputs()]

    def method(client: Any) -> Callable[..., Any]:
        found: Callable[..., Any] = client.complete_inputs if kind == "completion" else client.chat_inputs
        return found

    async def call() -> Any:
        async with ASYNC_CLIENTS[kind](**settings) as client:
            return await method(client)(*arguments(), **options)

    if use_async:
        return asyncio.run(call())
    with CLIENTS[kind](**settings) as client:
        return method(client)(*arguments(), **options)


class TestTurns:
    @settings(max_examples=40)
    @given(data=st.data(), kind=st.sampled_from(["chat", "chatflow"]), use_async=st.booleans())
    def test_foreign_things_beside_events_take_none_of_them_away(
        self, data: st.DataObject, kind: str, use_async: bool
    ) -> None:
        pieces = data.draw(mixed(FLOW_TURN if kind == "chatflow" else CHAT_TURN))
        with Server({CHAT: stream(pieces), "GET /v1/messages": as_json({"data": []})}) as server:
            turn = turn_of(kind, server.url, use_async=use_async)
            assert server.runs == 1
        assert (turn.answer, turn.message_id) == (ANSWER, MESSAGE_ID)

    @pytest.mark.parametrize("use_async", [False, True])
    @pytest.mark.parametrize("ending", [fin, silence])
    def test_in_the_place_of_the_rest_the_error_carries_the_answer_so_far(
        self, use_async: bool, ending: Ending, impatient: None
    ) -> None:
        with Server({CHAT: broken([*CHAT_TURN[:2], GATEWAY], ending)}) as server:
            with pytest.raises(runtime.StreamDecodeError, match="messages\\(\\) of the conversation") as caught:
                turn_of("chat", server.url, use_async=use_async)
            assert server.runs == 1
        error = caught.value
        assert (error.answer, error.message_id, error.conversation_id) == ("Grüße, 世", MESSAGE_ID, CONVERSATION_ID)

    @pytest.mark.parametrize("use_async", [False, True])
    @pytest.mark.parametrize("kind", ["chat", "chatflow", "completion"])
    def test_one_answer_in_the_place_of_a_stream_is_taken(self, kind: str, use_async: bool) -> None:
        with Server({"POST *": as_json(BODY)}) as server:
            turn = turn_of(kind, server.url, use_async=use_async)
            assert len(server.requests) == 1
        assert (turn.answer, turn.message_id, turn.metadata) == (ANSWER, MESSAGE_ID, METADATA)

    @pytest.mark.parametrize("use_async", [False, True])
    def test_so_is_one_that_pauses(self, use_async: bool) -> None:
        paused = json.loads(PAUSED[-1].removeprefix(b"data: "))["data"]
        body = {**BODY, "event": "workflow_paused", "workflow_run_id": RUN_ID, "data": paused}
        with Server({CHAT: as_json(body)}) as server, pytest.raises(runtime.TurnPausedError) as caught:
            turn_of("chatflow", server.url, use_async=use_async)
        assert (caught.value.workflow_run_id, caught.value.answer) == (RUN_ID, ANSWER)
        assert caught.value.forms


INPUTS = ConcatInputs(string="text", num=1, list="list_a")
LATER = """
import sys
from support.concat_client import ConcatClient
with ConcatClient(base_url=sys.argv[1], api_key="app-x", user="tester", timeout=20) as client:
    run = client.wait(sys.argv[2])
print(run.outputs.result == sys.argv[3], run.workflow_run_id == sys.argv[2])
"""


def a_run(count: int = 6) -> list[bytes]:
    return [*NORMAL[:-1], *[PING] * count, FINISHED]


class TestStartAndWait:
    @both_clients
    @pytest.mark.parametrize("has_events", [True, False], ids=["1.14", "1.12"])
    def test_a_run_goes_on_without_its_caller(self, using: Using, has_events: bool) -> None:
        live = LiveRun(a_run(), every=0.05, has_events=has_events)
        live.goes_on.clear()
        with Server(live.routes) as server:
            started = using(server.url, lambda client: client.start(string="text"))
            assert started == runtime.StartedRun(RUN_ID, TASK_ID)
            assert pickle.loads(pickle.dumps(started)) == started
            live.goes_on.set()
            run = using(server.url, lambda client: client.wait(started))
            again = using(server.url, lambda client: client.wait(started.run_id))
            assert (server.runs, server.count(STOP)) == (1, 0)
        assert (run.outputs.result, run.status, run.task_id) == (RESULT, "succeeded", TASK_ID)
        assert again.outputs == run.outputs

    @pytest.mark.parametrize("has_events", [True, False], ids=["1.14", "1.12"])
    def test_another_process_waits_for_it(self, has_events: bool) -> None:
        live = LiveRun(a_run(), every=0.1, has_events=has_events)
        with Server(live.routes) as server:
            started = with_sync(server.url, lambda client: client.start_inputs(INPUTS))
            said = printed(LATER, server.url, started.run_id, RESULT, folders=(ROOT / "templates", TESTS))
            assert server.runs == 1
        assert said.split() == ["True", "True"]

    @both_clients
    @pytest.mark.parametrize(
        ("status", "error"),
        [("failed", runtime.RunFailedError), ("stopped", runtime.RunStoppedError), ("paused", runtime.RunPausedError)],
    )
    def test_waiting_raises_what_running_does(self, using: Using, status: str, error: type[runtime.RunError]) -> None:
        events = stream(PAUSED) if status == "paused" else stream([finished(status, error="why")])
        for routes in ({EVENTS: events}, {EVENTS: html(404), DETAIL: as_json(detail(status))}):
            with Server(routes) as server, pytest.raises(error) as caught:
                using(server.url, lambda client: client.wait(RUN_ID))
            assert caught.value.workflow_run_id == RUN_ID
            assert caught.value.run.status == status

    @both_clients
    def test_the_record_may_come_late_and_the_server_may_be_away(self, using: Using) -> None:
        details = [as_json(NO_SUCH_RUN), html(502), as_json(detail("running")), as_json(detail())]
        with Server({EVENTS: [html(502), html(404)], DETAIL: details}) as server:
            run = using(server.url, lambda client: client.wait(RUN_ID))
            assert (server.runs, server.count(DETAIL)) == (0, 4)
        assert run.outputs.result == RESULT

    @both_clients
    def test_an_unknown_run_is_not_found(self, using: Using) -> None:
        routes = {EVENTS: html(404), DETAIL: as_json(NO_SUCH_RUN)}
        with Server(routes) as server, pytest.raises(runtime.NotFoundError) as caught:
            using(server.url, lambda client: client.wait(RUN_ID))
        assert caught.value.workflow_run_id == RUN_ID

    @both_clients
    def test_a_wait_that_takes_too_long_can_be_repeated(self, using: Using) -> None:
        live = LiveRun(a_run(), every=0.05)
        live.goes_on.clear()
        with Server(live.routes) as server:
            started = using(server.url, lambda client: client.start())
            with pytest.raises(runtime.DeadlineExceededError) as caught:
                using(server.url, lambda client: client.wait(started, timeout=0.2))
            assert caught.value.workflow_run_id == RUN_ID
            live.goes_on.set()
            assert using(server.url, lambda client: client.wait(started)).outputs.result == RESULT
            assert (server.runs, server.count(STOP)) == (1, 0)

    @both_clients
    def test_without_reconnects_it_is_waited_for_all_the_same(self, using: Using) -> None:
        with Server({EVENTS: html(404), DETAIL: [as_json(detail("running")), as_json(detail())]}) as server:
            run = using(server.url, lambda client: client.wait(RUN_ID), max_reconnects=0)
        assert run.outputs.result == RESULT

    @both_clients
    @pytest.mark.parametrize("ending", [fin, last_chunk])
    def test_a_start_that_learns_no_id_says_so(self, using: Using, ending: Ending) -> None:
        with Server({RUN: broken([PING], ending)}) as server:
            with pytest.raises(runtime.StreamInterruptedError, match="No event told an id"):
                using(server.url, lambda client: client.start())
            assert len(server.requests) == 1

    @both_clients
    def test_a_start_that_takes_too_long_stops_what_it_knows_of(self, using: Using) -> None:
        known = frame({"event": "ping", "task_id": TASK_ID})
        with Server({RUN: broken([known], pings), STOP: as_json({"result": "success"})}) as server:
            with pytest.raises(runtime.DeadlineExceededError) as caught:
                using(server.url, lambda client: client.start(timeout=1.0, stop_on_exit=True))
            assert (server.runs, server.count(STOP)) == (1, 1)
        assert caught.value.task_id == TASK_ID

    @both_clients
    def test_a_refusal_is_raised_by_the_start(self, using: Using) -> None:
        refusal = as_json({"code": "invalid_param", "message": "no", "status": 400}, 400)
        with Server({RUN: refusal}) as server, pytest.raises(runtime.InvalidParamError):
            using(server.url, lambda client: client.start())

    def test_a_stream_can_be_left_in_the_middle(self) -> None:
        live = LiveRun(a_run(), every=0.05)

        def leave(client: Any) -> Any:
            with client.stream(stop_on_exit=True) as events:
                next(events)
                return events.detach()

        with Server(live.routes) as server:
            started = with_sync(server.url, leave)
            assert with_sync(server.url, lambda client: client.wait(started)).outputs.result == RESULT
            assert (server.runs, server.count(STOP)) == (1, 0)


class TestModes:
    @both_clients
    @pytest.mark.parametrize("at_once", [html(504), lambda connection, request: connection.reset()])
    def test_auto_loses_no_run_where_a_proxy_cuts_blocking_ones(self, using: Using, at_once: Handler) -> None:
        live = LiveRun(a_run(), every=0.05)
        live.routes[RUN] = by_mode(streaming=live.routes[RUN], blocking=at_once)
        with Server(live.routes) as server, Proxy(server.port, cut_after=0.2) as proxy:
            run = using(proxy.url, lambda client: client.run_inputs(INPUTS, response_mode="auto"))
            assert server.runs == 1
        assert run.outputs.result == RESULT

    @both_clients
    @pytest.mark.parametrize(
        ("options", "streams"), [({}, False), ({"response_mode": "blocking"}, False), ({"stop_on_exit": True}, True)]
    )
    def test_one_answer_is_waited_for_unless_something_needs_a_stream(
        self, using: Using, options: dict[str, Any], streams: bool
    ) -> None:
        with Server({RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}) as server:
            run = using(server.url, lambda client: client.run_inputs(INPUTS, **options))
            assert [request.streams for request in server.requests] == [streams]
        assert run.outputs.result == RESULT

    @both_clients
    def test_modes_that_do_not_fit_are_refused_before_anything_is_sent(self, using: Using) -> None:
        with Server({}) as server:
            for options in ({"response_mode": "blocking", "stop_on_exit": True}, {"response_mode": "quick"}):
                with pytest.raises(ValueError, match="response_mode"):
                    using(server.url, lambda client, options=options: client.run_inputs(INPUTS, **options))
            assert server.requests == []


class TestLeavingARun:
    @both_clients
    @pytest.mark.parametrize("stops", [True, False])
    def test_by_its_timeout(self, using: Using, stops: bool) -> None:
        routes = {RUN: broken([STARTED], pings), STOP: as_json({"result": "success"})}
        with Server(routes) as server:
            with pytest.raises(runtime.DeadlineExceededError) as caught:
                using(
                    server.url,
                    lambda client: client.run_inputs(INPUTS, response_mode="auto", timeout=1.0, stop_on_exit=stops),
                )
            assert (server.runs, server.count(STOP)) == (1, int(stops))
        assert (caught.value.workflow_run_id, caught.value.task_id) == (RUN_ID, TASK_ID)

    @pytest.mark.parametrize("stops", [True, False])
    def test_by_cancelling(self, stops: bool) -> None:
        async def leave(client: Any) -> None:
            running = asyncio.ensure_future(client.run_inputs(INPUTS, response_mode="auto", stop_on_exit=stops))
            while not (opened and opened[0].state.task_id):
                await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        routes = {RUN: broken([STARTED], silence), STOP: as_json({"result": "success"})}
        with sessions() as opened, Server(routes) as server:
            with_async(server.url, leave)
            assert (server.runs, server.count(STOP)) == (1, int(stops))

    @pytest.mark.parametrize("use_async", [False, True])
    @pytest.mark.parametrize("kind", ["chat", "completion", "chatflow"])
    def test_a_turn_by_its_timeout(self, kind: str, use_async: bool) -> None:
        head = FLOW_TURN[:3] if kind == "chatflow" else CHAT_TURN[:1]
        with Server({"POST */stop": as_json({"result": "success"}), "POST *": broken(head, pings)}) as server:
            with pytest.raises(runtime.DeadlineExceededError) as caught:
                turn_of(kind, server.url, use_async=use_async, timeout=1.0, stop_on_exit=True)
            assert (server.runs, server.count("POST */stop")) == (1, 1)
        assert caught.value.message_id == MESSAGE_ID

    def test_a_turn_in_blocking_mode_cannot_be_stopped(self) -> None:
        with Server({}) as server, pytest.raises(ValueError, match="auto"):
            turn_of("chat", server.url, use_async=False, response_mode="blocking", stop_on_exit=True)
