"""Requests that were recorded on Dify 1.14.2 and on a commit that became 1.15, sent to a mock of that release: the same
status and shape.

What differs on purpose stands in a table of docs/mock.md, and nothing else may; a row that is not needed fails too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.mock_new_player import DEVIATIONS, LEFT_OUT, NewPlayer, new_difference, new_player, replayed
from support.mock_player import told
from support.replay import cases


@pytest.fixture(scope="module")
def players() -> Iterator[Callable[[str], NewPlayer]]:
    with new_player("v1_14") as seen, new_player("dev2606") as later:
        yield lambda case: later if case.startswith("dev2606") else seen


@pytest.mark.parametrize("case", replayed())
def test_the_mock_answers_as_the_server_did(case: str, players: Callable[[str], NewPlayer]) -> None:
    differs, deviation = new_difference(case, players(case).story(case)), told(DEVIATIONS, case)
    if deviation:
        assert differs, f"{case} answers as recorded: the table need not say {deviation!r}"
    else:
        assert not differs, differs


def test_every_recording_is_replayed_or_named() -> None:
    left_out = {case for case in cases("*", "recordings_new") if told(LEFT_OUT, case)}
    assert left_out.isdisjoint(replayed())
    assert left_out.union(replayed()) == set(cases("*", "recordings_new"))
    assert len(replayed()) >= 190
    for pattern in {**DEVIATIONS, **LEFT_OUT}:
        assert cases(pattern, "recordings_new"), pattern
