"""The requests that were recorded against a real Dify server, sent to the mock: the same status, the same shape of
the answer.

What differs on purpose stands in the table of docs/mock.md, and nothing else may differ; a row that is not needed
fails too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from difygen.testing import mock_dify
from support.mock_player import (
    CLIENT_LEFT,
    DEVIATIONS,
    FOLLOW_UPS,
    NOT_SERVED,
    PAUSES,
    REPLAYED,
    SOURCES,
    STOPPED,
    UNANSWERED,
    Player,
    base_of,
    check,
    events_of,
    told,
)
from support.replay import cases, recording


@contextmanager
def playing(release: str) -> Iterator[Player]:
    player = Player()
    options: dict[str, Any] = {"ping_interval": 0.1, "silence": 0.1, "dify": release}
    with mock_dify(*SOURCES, handler=player.handler, **options) as player.dify:
        origin = player.dify.base_url.removesuffix("/v1")
        with httpx.Client(base_url=origin, timeout=60, trust_env=False) as player.client:
            yield player


@pytest.fixture(scope="module")
def players() -> Iterator[Callable[[str], Player]]:
    """A mock of the release that a case was recorded on; `hitl_*` are of the commit that became 1.13."""
    with playing("1.12") as older, playing("1.13") as newer:
        yield lambda case: newer if case.startswith("hitl_") else older


@pytest.mark.parametrize("case", REPLAYED)
def test_the_mock_answers_as_the_server_did(case: str, players: Callable[[str], Player]) -> None:
    check(case, players(case).play(case))


@pytest.mark.parametrize("case", sorted(STOPPED))
def test_a_stopped_run_is_seen_as_on_the_server(case: str, players: Callable[[str], Player]) -> None:
    player = players(case)
    first = events_of(player.play(case).content)[0]
    answers = player.follow(case, "after", first)
    for end in FOLLOW_UPS:
        if f"{case}{end}" in cases():
            check(f"{case}{end}", answers[end])


@pytest.mark.parametrize("case", sorted(CLIENT_LEFT))
def test_a_run_goes_on_when_its_client_has_left(case: str, players: Callable[[str], Player]) -> None:
    player = players(case)
    first = events_of(player.play(case).content)[0]
    headers = {"Authorization": "Bearer app-slow2"}
    detail = f"/v1/workflows/run/{first['workflow_run_id']}"
    while player.client.get(detail, headers=headers).json()["status"] == "running":
        time.sleep(0.02)
    check(f"{case}_detail", player.client.get(detail, headers=headers))


def test_a_human_input_node_is_never_answered_on_1_12(players: Callable[[str], Player]) -> None:
    player = players("human_input_blocking")
    with pytest.raises(httpx.ReadTimeout):  # as recorded: no answer in 30 seconds
        player.client.send(player.request("human_input_blocking", timeout=0.5))
    assert not recording("human_input_blocking").head


def test_every_recording_is_replayed_or_named() -> None:
    for case in cases():
        played = case in REPLAYED or base_of(case) is not None or case in PAUSES or case in UNANSWERED
        assert played != bool(told(NOT_SERVED, case)), case


def test_every_row_of_the_tables_is_about_a_recording() -> None:
    for pattern in {**DEVIATIONS, **NOT_SERVED}:
        assert cases(pattern), pattern
