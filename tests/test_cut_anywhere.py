"""A stream of either style cut after any number of bytes, by FIN, a reset or a good end: from the run id on, nothing
is lost or doubled.
"""

from itertools import accumulate

import pytest
import runtime
from runtime._http import httpx
from support.both_clients import Using, both_clients
from support.driving import DRIVES
from support.fault_events import NORMAL, RESULT, SECOND_HALF, STARTED, Ending, broken, fin, last_chunk, reset
from support.in_memory import URL, answered_by, streamed
from support.recorded import Came, followed
from support.replay import recording
from support.servers import DETAIL, EVENTS, PING, RUN, Connection, Request, Server, stream

ALL = b"".join(NORMAL)
NAMES = [
    "WorkflowStarted",
    "NodeStarted",
    "NodeFinished",
    "NodeStarted",
    "TextChunk",
    "NodeFinished",
    "WorkflowFinished",
]
ENDINGS = [fin, reset, last_chunk]


def whole_events(size: int) -> int:
    """How many events are complete in the first `size` bytes."""
    ends = [len(b"".join(NORMAL[: number + 1])) for number in range(len(NORMAL))]
    return sum(end <= size for end in ends)


class Interrupted:
    """A run whose stream ends after `size` bytes, and whose events endpoint tells the rest after a snapshot."""

    def __init__(self, size: int, ending: Ending) -> None:
        self.size = size
        self.routes = {RUN: broken([ALL[:size]] if size else [], ending), EVENTS: self.reattach}

    def reattach(self, connection: Connection, request: Request) -> None:
        happened = whole_events(self.size)
        snapshot = [event for event in NORMAL[:happened] if b'"text_chunk"' not in event]
        stream([*snapshot, *NORMAL[happened:]])(connection, request)


@pytest.mark.parametrize("ending", ENDINGS, ids=[ending.__name__ for ending in ENDINGS])
@pytest.mark.parametrize("kind", DRIVES)
def test_from_the_run_id_on_nothing_is_lost_or_doubled(kind: str, ending: Ending) -> None:
    for number, size in enumerate(range(len(STARTED), len(ALL) + 1, 67)):
        case = Interrupted(size, ending)
        with Server(case.routes, pings_first=number % 2 == 0) as server:
            seen = DRIVES[kind](server.url, "streamed", {})
            assert (server.runs, server.count(DETAIL)) == (1, 0)
        assert seen.error is None, size
        assert seen.run is not None and seen.run.outputs.result == RESULT
        # A reset may take what the client had not read yet along, text chunks too, which no snapshot repeats.
        lost = {"Ping", "TextChunk"} if ending is reset else {"Ping"}
        assert [name for name in seen.events if name not in lost] == [name for name in NAMES if name not in lost], size


@pytest.mark.parametrize("ending", ENDINGS, ids=[ending.__name__ for ending in ENDINGS])
@pytest.mark.parametrize("kind", DRIVES)
def test_before_the_run_id_it_is_an_interruption(kind: str, ending: Ending) -> None:
    for number, size in enumerate(range(0, len(STARTED) - 2, 67)):
        case = Interrupted(size, ending)
        with Server(case.routes, pings_first=number % 2 == 0) as server:
            seen = DRIVES[kind](server.url, "collected", {})
            assert (server.runs, len(server.requests)) == (1, 1)
        assert isinstance(seen.error, runtime.StreamInterruptedError), size


def test_the_last_event_needs_no_line_end() -> None:
    """Cut within the blank line after the last event: its JSON is whole, and it counts."""
    assert SECOND_HALF[-1].endswith(b"}\n\n")
    for size in (len(ALL) - 2, len(ALL) - 1):
        with Server({RUN: broken([ALL[:size]], fin)}) as server:
            seen = DRIVES["sync"](server.url, "streamed", {})
        assert (seen.error, seen.events) == (None, NAMES)


RECORDED = recording("v1_14_concat_streaming")
SENT = RECORDED.body
PIECES = [piece + b"\n\n" for piece in SENT.split(b"\n\n")[:-1]]
WHOLE = [end - len(b"\n\n") for end in accumulate(map(len, PIECES))]
"""Where each event has all of its data."""
BREAKS = {"fin": "RemoteProtocolError", "reset": "ReadError", "last_chunk": ""}


@pytest.mark.parametrize(
    "step", [pytest.param(17, id="a third of the points"), pytest.param(1, id="each point", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("ending", BREAKS)
@both_clients
def test_a_stream_of_a_worker_that_was_recorded(using: Using, ending: str, step: int) -> None:
    """All six ways together see a third of the points."""
    assert PIECES[0] == PING
    first = 3 * (2 * list(BREAKS).index(ending) + (using.__name__ == "with_sync"))
    for size in range(first % step, len(SENT) + 1, step):
        posts, (events, outcome) = cut_at(size, using, BREAKS[ending])
        assert posts == 1, size
        if size < WHOLE[1]:
            assert isinstance(outcome, runtime.StreamInterruptedError), size
            assert outcome.workflow_run_id is None
        else:
            assert [event.raw for event in events if event.event != "ping"] == RECORDED.events, size
            assert outcome.outputs.result == RECORDED.events[-1]["data"]["outputs"]["result"]


def cut_at(size: int, using: Using, error: str) -> tuple[int, Came]:
    """How many runs were asked for, and what came of the one whose stream is cut after so many bytes."""
    posts, happened = 0, sum(end <= size for end in WHOLE)
    snapshot = [piece for piece in PIECES[1:happened] if b'"text_chunk"' not in piece]

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal posts
        posts += request.method == "POST"
        if request.method == "POST":
            return streamed([SENT[:size]], getattr(httpx, error)("cut") if error else None)
        return streamed([PING, *snapshot, *PIECES[max(happened, 1) :]])

    came = using(URL, lambda client: followed(client.stream()), http_client=answered_by(handle, using))
    return posts, came
