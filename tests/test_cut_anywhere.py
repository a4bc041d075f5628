"""A stream cut after any number of bytes, by a FIN, a reset or a proper end: from the run id on, nothing is lost or
doubled.
"""

import pytest
import runtime
from support.driving import DRIVES
from support.fault_events import NORMAL, RESULT, SECOND_HALF, STARTED, Ending, broken, fin, last_chunk, reset
from support.servers import DETAIL, EVENTS, RUN, Connection, Request, Server, stream

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
    for size in range(len(STARTED), len(ALL) + 1, 67):
        case = Interrupted(size, ending)
        with Server(case.routes) as server:
            seen = DRIVES[kind](server.url, "streamed", {})
            assert (server.runs, server.count(DETAIL)) == (1, 0)
        assert seen.error is None, size
        assert seen.run is not None and seen.run.outputs.result == RESULT
        # A reset may take what the client had not read yet along, text chunks too, which no snapshot repeats.
        lost = {"TextChunk"} if ending is reset else set()
        assert [name for name in seen.events if name not in lost] == [name for name in NAMES if name not in lost], size


@pytest.mark.parametrize("ending", ENDINGS, ids=[ending.__name__ for ending in ENDINGS])
@pytest.mark.parametrize("kind", DRIVES)
def test_before_the_run_id_it_is_an_interruption(kind: str, ending: Ending) -> None:
    for size in range(0, len(STARTED) - 2, 67):
        case = Interrupted(size, ending)
        with Server(case.routes) as server:
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
