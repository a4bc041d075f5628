"""A stream object starts its run once: however often it is used, by whom, and whatever interrupts it. Counted at the
server.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, product
from typing import Any

import pytest
import runtime
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.concat_client import AsyncConcatClient
from support.driving import KEY, QUICK
from support.fault_events import FIRST_HALF, NORMAL, RESULT, broken, detail, dify_error, silence
from support.interrupting import CHATS, DRIVERS, ERRORS, FLOWS, OPERATIONS, RUNS, Interruption, Subject
from support.processes import eventually
from support.servers import DETAIL, EVENTS, PING, RUN, Connection, Request, Routes, Server, as_json, html, stream
from support.turn_cases import ANSWER, CHAT, CHAT_TURN, END, FLOW_HEAD, FLOW_TURN, SNAPSHOT, TEXT, finished

FLOW_AGAIN = [*SNAPSHOT, *TEXT[3:], END, finished()]
"""What the events endpoint tells of a turn of a chatflow."""


CUT = {RUN: [stream(FIRST_HALF), stream(NORMAL)], EVENTS: stream(NORMAL), DETAIL: as_json(detail())}
SERVERS: dict[str, Callable[[], Routes]] = {
    "whole": lambda: {RUN: stream(NORMAL), EVENTS: stream(NORMAL), DETAIL: as_json(detail())},
    "cut, then taken up": lambda: CUT,
    "cut, then read": lambda: {**CUT, EVENTS: html(404)},
    "cut, then lost": lambda: {**CUT, EVENTS: html(404), DETAIL: dify_error(400, "bad_request", "No")},
    "cut before the first event": lambda: {**CUT, RUN: [stream([PING]), stream(NORMAL)]},
}


def is_fine(outcome: object, interruption: Interruption) -> bool:
    """Whether a use of the stream came out as it may: well, with an error of the client's, or interrupted."""
    if isinstance(outcome, runtime.Run):
        return bool(outcome.outputs.result == RESULT)
    if isinstance(outcome, runtime.TurnBase):
        return outcome.answer == ANSWER
    if isinstance(outcome, interruption.error):
        return interruption.happened
    return isinstance(outcome, runtime.DifyError) or not isinstance(outcome, BaseException)


def posts(server: Server, text: str) -> int:
    """How often a run with this input, or a turn with this query, was asked for."""
    asked = (request.json for request in server.requests if request.starts_run)
    return sum(text in (body.get("query"), body["inputs"].get("string")) for body in asked)


def is_slow(kind: str, name: str, error: type[BaseException], managed: bool) -> bool:
    """Whether a case runs by hand alone: each kind of server, and each kind of interruption, has others."""
    return not managed or (error is ERRORS[1] and (kind == "async" or "taken up" not in name))


CASES = [
    pytest.param(
        kind,
        name,
        error,
        managed,
        id=f"{kind}, {name}, {error.__name__}, managed={managed}",
        marks=[pytest.mark.slow] if is_slow(kind, name, error, managed) else [],
    )
    for kind in DRIVERS
    for name in SERVERS
    for error in ERRORS
    for managed in (True, False)
    if (managed or "taken up" in name) and (kind == "async" or error is not asyncio.CancelledError)
]


POINTS = pytest.mark.parametrize(
    "step", [pytest.param(3, id="each third point"), pytest.param(1, id="each point", marks=pytest.mark.slow)]
)
"""At which points of a use it is interrupted; pairs of uses begin with different ones."""


class TestInterruptedAnywhere:
    subject = RUNS

    @POINTS
    @pytest.mark.parametrize(("kind", "name", "error", "managed"), CASES)
    def test_each_pair_of_uses_posts_once(
        self, kind: str, name: str, error: type[BaseException], managed: bool, step: int
    ) -> None:
        """The first use is interrupted at points of it, the second goes through; the slot comes back."""
        seconds = OPERATIONS if "taken up" in name else OPERATIONS[2:3]
        for offset, (first, second) in enumerate(product(OPERATIONS[:3], seconds)):
            points = count(offset % step, step)
            while self.pair(kind, SERVERS[name](), Interruption(next(points), error), first, second, managed=managed):
                pass
            assert next(points) > 2

    def pair(
        self, kind: str, routes: Routes, interruption: Interruption, first: str, second: str, *, managed: bool
    ) -> bool:
        with Server(routes) as server:
            driver = DRIVERS[kind](server.url, managed=managed, subject=self.subject)
            outcomes = [driver.do(first, interruption), driver.do(second, Interruption())]
            case = (first, second, interruption.left, outcomes)
            assert all(is_fine(outcome, interruption) for outcome in outcomes), case
            driver.do("close", Interruption())
            another = driver.run_another()
            driver.leave()
        assert (posts(server, "text") <= 1, posts(server, "another")) == (True, 1), (case, another)
        return interruption.happened


TURNS: dict[str, tuple[Subject, Routes]] = {
    "a chat, whole": (CHATS, {CHAT: stream(CHAT_TURN)}),
    "a chat, cut": (CHATS, {CHAT: [stream(TEXT[:2]), stream(CHAT_TURN)]}),
    "a chatflow, whole": (FLOWS, {CHAT: stream(FLOW_TURN), EVENTS: stream(FLOW_AGAIN)}),
    "a chatflow, cut, then taken up": (
        FLOWS,
        {CHAT: [stream(FLOW_HEAD), stream(FLOW_TURN)], EVENTS: stream(FLOW_AGAIN)},
    ),
}


TURN_USES = [
    pytest.param(kind, name, error, id=f"{kind}, {name}, {error.__name__}")
    for kind in DRIVERS
    for name in TURNS
    for error in ERRORS
    if kind == "async" or error is not asyncio.CancelledError
]


class TestTurnsInterruptedAnywhere(TestInterruptedAnywhere):
    @POINTS
    @pytest.mark.parametrize(("kind", "name", "error"), TURN_USES)
    def test_each_pair_of_uses_posts_once(  # type: ignore[override]
        self, kind: str, name: str, error: type[BaseException], step: int
    ) -> None:
        self.subject, routes = TURNS[name]
        for offset, first in enumerate(OPERATIONS[:3]):
            points = count(offset % step, step)
            while self.pair(kind, routes, Interruption(next(points), error), first, "result", managed=True):
                pass
            assert next(points) > 2


class StreamUses(RuleBasedStateMachine):
    """Any sequence of uses of one stream, each interrupted somewhere or not."""

    kind = ""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server({RUN: self.run_route, EVENTS: self.events_route, DETAIL: as_json(detail())}).__enter__()
        self.driver = DRIVERS[self.kind](self.server.url, managed=True)
        self.cut_after = self.events_cut_after = len(NORMAL)
        self.result: object = None

    def run_route(self, connection: Connection, request: Request) -> None:
        whole = request.json["inputs"]["string"] == "another"
        stream(NORMAL if whole else NORMAL[: self.cut_after])(connection, request)

    def events_route(self, connection: Connection, request: Request) -> None:
        stream(NORMAL[: self.events_cut_after])(connection, request)

    @rule(size=st.integers(0, len(NORMAL)))
    def cut_the_first_stream(self, size: int) -> None:
        self.cut_after = size

    @rule(size=st.integers(2, len(NORMAL)))
    def cut_the_others(self, size: int) -> None:
        self.events_cut_after = size

    @rule(operation=st.sampled_from(OPERATIONS), at=st.none() | st.integers(0, 12), error=st.sampled_from(ERRORS))
    def use(self, operation: str, at: int | None, error: type[BaseException]) -> None:
        if self.kind == "blocking" and error is asyncio.CancelledError:
            error = KeyboardInterrupt
        interruption = Interruption(at, error)
        outcome = self.driver.do(operation, interruption)
        assert is_fine(outcome, interruption), outcome
        if operation == "result" and isinstance(outcome, runtime.Run):
            self.result = outcome

    @precondition(lambda self: self.result is not None)
    @rule()
    def ask_again(self) -> None:
        assert self.driver.do("result", Interruption()) == self.result

    @invariant()
    def one_run(self) -> None:
        assert posts(self.server, "text") <= 1

    def teardown(self) -> None:
        self.driver.do("close", Interruption())
        another = self.driver.run_another()
        self.driver.leave()
        self.server.__exit__(None)
        assert (posts(self.server, "text") <= 1, posts(self.server, "another")) == (True, 1), another


class BlockingUses(StreamUses):
    kind = "blocking"


class AsyncUses(StreamUses):
    kind = "async"


for machine in (BlockingUses, AsyncUses):
    machine.TestCase.settings = settings(max_examples=40, stateful_step_count=8, deadline=None)
TestBlockingUses = BlockingUses.TestCase
TestAsyncUses = AsyncUses.TestCase


class Held:
    """A stream of which some events have come, and which goes on when it is let."""

    def __init__(self, whole: list[bytes], come: int) -> None:
        self.first, self.rest = whole[:come], whole[come:]
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, connection: Connection, request: Request) -> None:
        connection.stream_head()
        for piece in self.first:
            connection.chunk(piece)
        self.reached.set()
        while not self.released.is_set():
            connection.pause(0.01)
        for piece in self.rest:
            connection.chunk(piece)
        connection.end()


STREAMS: dict[str, tuple[Subject, str, list[bytes]]] = {
    "a run": (RUNS, RUN, NORMAL),
    "a turn of a chat": (CHATS, CHAT, CHAT_TURN),
    "a turn of a chatflow": (FLOWS, CHAT, FLOW_TURN),
}
PAIRS = [(first, second) for first in OPERATIONS[1:3] for second in OPERATIONS[:3]]
STAGES = {"before the first event": 0, "after it": 1}


@pytest.mark.parametrize(("subject", "path", "whole"), STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("come", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
class TestTwoUsersAtOnce:
    """The second is told so; the first one goes on undisturbed."""

    def test_threads(self, first: str, second: str, come: int, subject: Subject, path: str, whole: list[bytes]) -> None:
        held = Held(whole, come)
        uses: dict[str, Callable[[Any], object]] = {
            "next": next,
            "iterate": list,
            "result": lambda events: events.result(),
        }
        with Server({path: held}) as server, subject.blocking(base_url=server.url, api_key=KEY, **QUICK) as client:
            events = subject.open(client)
            with ThreadPoolExecutor(1) as pool:
                user = pool.submit(uses[first], events)
                assert held.reached.wait(60)
                self.wait_in_use(events)
                with pytest.raises(runtime.StreamError, match="in use"):
                    uses[second](events)
                held.released.set()
                assert user.result(60)
            assert server.runs == 1

    def wait_in_use(self, events: Any) -> None:
        """The second use comes when the first has taken all events so far and waits."""
        assert eventually(lambda: events._session.is_in_use and not events._session.pending)

    def test_tasks(self, first: str, second: str, come: int, subject: Subject, path: str, whole: list[bytes]) -> None:
        async def iterate(events: Any) -> list[Any]:
            return [event async for event in events]

        async def ask(events: Any) -> Any:
            return await events.result()

        async def use(server: Server) -> None:
            uses: dict[str, Callable[[Any], Any]] = {"next": anext, "iterate": iterate, "result": ask}
            async with subject.asynchronous(base_url=server.url, api_key=KEY, **QUICK) as client:
                events = subject.open(client)
                user = asyncio.create_task(uses[first](events))
                await asyncio.to_thread(held.reached.wait, 60)
                await asyncio.to_thread(self.wait_in_use, events)
                with pytest.raises(runtime.StreamError, match="in use"):
                    await uses[second](events)
                held.released.set()
                assert await user
            assert server.runs == 1

        held = Held(whole, come)
        with Server({path: held}) as server:
            asyncio.run(use(server))


def test_waiting_for_a_moment_at_a_time() -> None:
    """`asyncio.wait_for(anext(stream), ...)` in a loop: one run, and all of its events or its result."""

    async def wait(server: Server) -> None:
        async with AsyncConcatClient(base_url=server.url, api_key=KEY, **QUICK) as client, client.stream() as events:
            await anext(events)  # before that, an interruption leaves an unknown run
            for _ in range(10):
                with suppress(TimeoutError):
                    await asyncio.wait_for(anext(events, None), 0.05)
            assert (await events.result()).outputs.result == RESULT
        assert server.runs == 1

    with Server({RUN: broken(FIRST_HALF, silence), EVENTS: html(404), DETAIL: as_json(detail())}) as server:
        asyncio.run(wait(server))


def test_an_interrupted_beginning_says_that_a_run_may_have_been_started() -> None:
    async def expire(limit: asyncio.Timeout, server: Server) -> None:
        while server.runs == 0:
            await asyncio.sleep(0.01)
        limit.reschedule(asyncio.get_running_loop().time() + 0.1)

    async def wait(server: Server) -> None:
        async with AsyncConcatClient(base_url=server.url, api_key=KEY, **QUICK) as client, client.stream() as events:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60) as limit:
                    expiring = asyncio.create_task(expire(limit, server))
                    await anext(events)
            await expiring
            for _ in range(3):
                with pytest.raises(runtime.StreamInterruptedError, match="a run may have been started"):
                    await events.result()
        assert server.runs == 1

    with Server({RUN: broken([], silence)}) as server:
        asyncio.run(wait(server))


def test_what_was_interrupted_before_anything_was_sent_begins_again() -> None:
    """Waiting for a slot starts no run, so that it may be repeated."""

    async def wait(server: Server) -> None:
        client = AsyncConcatClient(base_url=server.url, api_key=KEY, max_concurrency=1, **QUICK)
        async with client, client.stream() as first, client.stream() as second:
            await anext(first)
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(second), 0.05)
            assert server.runs == 1
            await first.result()
            assert (await second.result()).outputs.result == RESULT
        assert server.runs == 2

    with Server({RUN: stream(NORMAL)}) as server:
        asyncio.run(wait(server))
