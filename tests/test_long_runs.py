"""Runs that last: what stands in a stream and is none of it, and answers in another form than was asked for."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime import _event_stream
from support.chat_clients import ASYNC_CLIENTS, CLIENTS, AnyInputs
from support.driving import DRIVES, KEY, Drive
from support.fault_events import (
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
    last_chunk,
    run_data,
    silence,
)
from support.servers import DETAIL, EVENTS, RUN, Handler, Server, answer, as_json, html, stream
from support.turn_cases import ANSWER, BODY, CHAT, CHAT_TURN, CONVERSATION_ID, FLOW_TURN, MESSAGE_ID, METADATA

KINDS = pytest.mark.parametrize("drive", [pytest.param(DRIVES[kind], id=kind) for kind in DRIVES])
EVERY_STREAM = pytest.mark.parametrize("mode", ["streamed", "collected"])
pytestmark = pytest.mark.timeout(60)

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
    monkeypatch.setattr(_event_stream, "FOREIGN_PATIENCE", 0.2)


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
            seen = drive(server.url, mode, {"idle_timeout": 0.5})
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


def turn_of(kind: str, url: str, *, use_async: bool) -> Any:
    """The turn that is made in this app."""
    import asyncio

    settings = {"base_url": url, "api_key": KEY, "user": "u1", "timeout": 10.0, "idle_timeout": 5.0}

    def arguments() -> list[Any]:
        return [AnyInputs()] if kind == "completion" else ["Who?", AnyInputs()]

    def method(client: Any) -> Callable[..., Any]:
        found: Callable[..., Any] = client.complete_inputs if kind == "completion" else client.chat_inputs
        return found

    async def call() -> Any:
        async with ASYNC_CLIENTS[kind](**settings) as client:
            return await method(client)(*arguments())

    if use_async:
        return asyncio.run(call())
    with CLIENTS[kind](**settings) as client:
        return method(client)(*arguments())


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
