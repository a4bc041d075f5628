"""The robustness matrix: every row of `support.fault_cases.CASES`, sync and async, streamed, collected and blocking.
Streams begin as Dify up to 1.12 begins them, or as newer servers do.
"""

import copy
import logging
import pickle
from collections.abc import Iterator

import pytest
import runtime
from runtime import _operations, _protocol
from support.driving import DRIVES, KEY, MODES, Logged, Seen, everything_shown, rows
from support.fault_cases import CASES, STREAMS, Case, Outcome, Raises, Succeeds
from support.servers import Server

ROWS = rows(CASES, STREAMS, lambda case: [mode for mode in MODES if case.expected(mode) is not None])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time between attempts."""
    monkeypatch.setattr(_protocol, "FIRST_BACKOFF", 0.02)
    monkeypatch.setattr(_operations, "FIRST_POLL_DELAY", 0.02)


@pytest.fixture
def logged() -> Iterator[Logged]:
    """All log records of the test, from DEBUG on."""
    handler, root = Logged(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize(("case", "mode", "kind", "pings_first"), ROWS)
def test_fault(case: Case, mode: str, kind: str, pings_first: bool | None, logged: Logged) -> None:
    outcome = case.expected(mode)
    assert outcome is not None
    with Server(case.routes, pings_first=pings_first or None) as server:
        seen = DRIVES[kind](server.url, mode, case.client)
    check(outcome, seen, mode, pings_first=bool(pings_first))
    assert server.runs == case.posts, "requests that start a run"
    assert KEY not in everything_shown(seen) + logged.text.getvalue()


def check(outcome: Outcome, seen: Seen, mode: str, *, pings_first: bool) -> None:
    if isinstance(outcome, Succeeds):
        check_success(outcome, seen, mode, pings_first=pings_first)
    else:
        check_error(outcome, seen)


def check_success(outcome: Succeeds, seen: Seen, mode: str, *, pings_first: bool) -> None:
    if seen.error is not None:
        raise seen.error
    assert seen.broke is None
    assert seen.run is not None
    assert (seen.run.outputs.result, seen.run.status) == (outcome.result, outcome.status)
    if mode == "streamed" and outcome.events is not None and pings_first:
        assert seen.events[0] == "Ping"
        assert told(seen.events) == told(outcome.events)
    elif mode == "streamed" and outcome.events is not None:
        assert seen.events == outcome.events


def told(events: list[str]) -> list[str]:
    """What they tell: each connection may bring a ping more."""
    return [name for name in events if name != "Ping"]


def check_error(outcome: Raises, seen: Seen) -> None:
    error = seen.error
    assert error is not None, f"returned {seen.run!r}"
    if not isinstance(error, getattr(runtime, outcome.error)):
        raise error
    assert isinstance(error, runtime.DifyError)
    assert outcome.says in str(error)
    assert {name: getattr(error, name) for name in outcome.attributes} == dict(outcome.attributes)
    assert seen.broke is None or type(seen.broke) is type(error)
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(copied), str(copied)) == (type(error), str(error))
