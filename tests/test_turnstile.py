"""One turn of a conversation at a time: threads, tasks and event loops wait for each other in the order they came."""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from runtime._errors import ClosedError, ConfigurationError, ConversationMismatchError, DeadlineExceededError
from runtime._transport import AsyncTransport, SyncTransport, run_now
from runtime.chat._turns import ConversationState

SOON = 30.0


class Watched:
    """Counts how many are inside at a time."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.order: list[object] = []

    @contextmanager
    def entered(self, name: object) -> Iterator[None]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(name)
        yield
        self.inside -= 1


def deadline(seconds: float = SOON) -> float:
    return time.monotonic() + seconds


def test_threads_go_one_by_one() -> None:
    state, transport, watched = ConversationState(), SyncTransport(), Watched()

    def turn(number: int) -> None:
        for _ in range(5):
            slot = run_now(state.acquire(transport, deadline()))
            with watched.entered(number):
                time.sleep(0.001)
            slot.release()

    threads = [threading.Thread(target=turn, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert (watched.most, len(watched.order)) == (1, 40)


def test_tasks_go_one_by_one_in_the_order_they_came() -> None:
    state, watched = ConversationState(), Watched()

    async def turn(transport: AsyncTransport, number: int) -> None:
        slot = await state.acquire(transport, deadline())
        with watched.entered(number):
            await asyncio.sleep(0.001)
        slot.release()

    async def main() -> None:
        transport = AsyncTransport()
        await asyncio.gather(*(turn(transport, number) for number in range(20)))
        await transport.close()

    asyncio.run(main())
    assert (watched.most, watched.order) == (1, list(range(20)))


def test_event_loops_of_several_threads_wait_for_each_other() -> None:
    state, watched, transport = ConversationState(), Watched(), AsyncTransport()

    async def turns(number: int) -> None:
        for _ in range(10):
            slot = await state.acquire(transport, deadline())
            with watched.entered(number):
                await asyncio.sleep(0.001)
            slot.release()

    threads = [threading.Thread(target=asyncio.run, args=(turns(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert (watched.most, len(watched.order)) == (1, 40)


def test_a_turn_waits_no_longer_than_its_timeout() -> None:
    state, transport = ConversationState(), SyncTransport()
    slot = run_now(state.acquire(transport, deadline()))
    with pytest.raises(DeadlineExceededError, match="one at a time"):
        run_now(state.acquire(transport, deadline(0.05)))
    slot.release()
    slot.release()
    run_now(state.acquire(transport, deadline())).release()


def test_a_task_that_is_cancelled_stands_in_nobodys_way() -> None:
    async def main() -> None:
        state, transport = ConversationState(), AsyncTransport()
        first = await state.acquire(transport, deadline())
        waiting = [asyncio.ensure_future(state.acquire(transport, deadline())) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        first.release()
        waiting[1].cancel()  # it may have been let in already
        slot = await waiting[2]
        slot.release()
        with pytest.raises(DeadlineExceededError):
            held = await state.acquire(transport, deadline())
            await state.acquire(transport, deadline(0.05))
        held.release()
        await transport.close()

    asyncio.run(main())


def test_a_slot_that_is_dropped_is_given_back() -> None:
    state, transport = ConversationState(), SyncTransport()
    slot = run_now(state.acquire(transport, deadline()))
    cycle: list[object] = [slot]
    cycle.append(cycle)
    del slot, cycle
    gc.collect()
    run_now(state.acquire(transport, deadline())).release()


def test_one_that_waits_in_a_closed_loop_is_passed_over() -> None:
    state, transport = ConversationState(), AsyncTransport()
    slot = run_now(state.acquire(SyncTransport(), deadline()))

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await state.acquire(transport, deadline())

    asyncio.run(give_up())
    slot.release()
    run_now(state.acquire(SyncTransport(), deadline())).release()


def test_closing_the_client_ends_the_wait() -> None:
    state, transport = ConversationState(), SyncTransport()
    slot = run_now(state.acquire(transport, deadline()))
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            run_now(state.acquire(transport, deadline()))
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not state._turnstile._waiting:
        time.sleep(0.001)
    transport.close()
    slot.release()  # as a turn does whose connection was closed
    thread.join(SOON)
    assert isinstance(raised[0], ClosedError)


class TestId:
    def test_the_first_answer_tells_it(self) -> None:
        state = ConversationState()
        state.see(None)
        state.see("8853df43-c541-4f4d-9f08-74a39b19ce3d")
        state.see("8853DF43C5414F4D9F0874A39B19CE3D")
        assert state.id == "8853df43-c541-4f4d-9f08-74a39b19ce3d"

    def test_another_conversation_is_an_error_and_not_taken(self) -> None:
        state = ConversationState("one")
        with pytest.raises(ConversationMismatchError, match="two, not in one") as caught:
            state.see("two")
        assert (caught.value.conversation_id, state.id) == ("two", "one")

    def test_of_no_text_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="must be a str, not int"):
            ConversationState(7)  # type: ignore[arg-type]
        assert ConversationState("").id is None
