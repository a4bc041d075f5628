"""Requests that were recorded against chat-type apps of a real server, sent to the mock: the same status and shape.

What differs on purpose stands in a table of docs/mock.md, and nothing else may; a row that is not needed fails too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.mock_chat_player import APPS, DEVIATIONS, ChatPlayer, chat_difference, chat_server, replayed, say
from support.mock_player import told


@pytest.fixture(scope="module")
def player() -> Iterator[ChatPlayer]:
    with chat_server(*APPS, "concat", handler=say, ping_interval=5.0, silence=0.1) as server:
        player = ChatPlayer(server)
        with player.client:
            yield player


@pytest.mark.parametrize("case", replayed())
def test_the_mock_answers_as_the_server_did(case: str, player: ChatPlayer) -> None:
    differs, deviation = chat_difference(case, player.story(case)), told(DEVIATIONS, case)
    if deviation:
        assert differs, f"{case} answers as recorded: the table need not say {deviation!r}"
    else:
        assert not differs, differs


def test_every_row_of_the_table_is_about_a_recording() -> None:
    for pattern in DEVIATIONS:
        assert any(told({pattern: "told"}, case) for case in replayed()), pattern
