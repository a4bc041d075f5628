"""The robustness matrix: every row of `support.fault_cases.CASES`, sync and async, streamed, collected and blocking."""

import copy
import logging
import pickle
from collections.abc import Iterator

import pytest
import runtime
from support.driving import DRIVES, KEY, MODES, Logged, Seen, everything_shown
from support.fault_cases import CASES, Case, Outcome, Raises, Succeeds
from support.servers import Server

ROWS = [
    pytest.param(case, mode, kind, id=f"{kind}-{mode}-{case.name}")
    for case in CASES
    for mode in MODES
    for kind in DRIVES
    if case.expected(mode) is not None
]


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


@pytest.mark.parametrize(("case", "mode", "kind"), ROWS)
def test_fault(case: Case, mode: str, kind: str, logged: Logged) -> None:
    outcome = case.expected(mode)
    assert outcome is not None
    with Server(case.routes) as server:
        seen = DRIVES[kind](server.url, mode, case.client)
    check(outcome, seen, mode)
    assert server.runs == case.posts, "requests that start a run"
    assert KEY not in everything_shown(seen) + logged.text.getvalue()


def check(outcome: Outcome, seen: Seen, mode: str) -> None:
    if isinstance(outcome, Succeeds):
        check_success(outcome, seen, mode)
    else:
        check_error(outcome, seen)


def check_success(outcome: Succeeds, seen: Seen, mode: str) -> None:
    if seen.error is not None:
        raise seen.error
    assert seen.broke is None
    assert seen.run is not None
    assert (seen.run.outputs.result, seen.run.status) == (outcome.result, outcome.status)
    if mode == "streamed" and outcome.events is not None:
        assert seen.events == outcome.events


def check_error(outcome: Raises, seen: Seen) -> None:
    error = seen.error
    assert error is not None, f"returned {seen.run!r}"
    if not isinstance(error, getattr(runtime, outcome.error)):
        raise error
    assert isinstance(error, runtime.DifyError)
    assert outcome.says in str(error)
    assert {name: getattr(error, name) for name in outcome.attributes} == dict(outcome.attributes)
    assert seen.broke is None or type(seen.broke) is type(error)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(twin), str(twin)) == (type(error), str(error))
