"""A whole conversation with the mock server of `chat_lab`, from the first turn to the delete, by either client."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from runtime import ConversationNotFoundError
from support.lab_clients import OPTIONS, AsyncLabClient, LabClient
from support.mock_chat_player import chat_server, say

UNKNOWN = "8853df43-c541-4f4d-9f08-74a39b19ce3d"


@pytest.fixture
def options() -> Iterator[dict[str, Any]]:
    with chat_server("chat_lab", handler=say) as server:
        yield {**OPTIONS, "base_url": server.origin, "api_key": "app-chat_lab"}


def test_from_the_first_turn_to_the_end(options: dict[str, Any]) -> None:
    with LabClient(**options) as client:
        conversation = client.conversation()
        turn = conversation.send("hello")
        assert (turn.answer, turn.conversation_id) == ("Ada (1): Echo 1: hello", conversation.id)
        assert turn.suggested_questions()
        conversation.set_variable("turns", 40)
        with conversation.stream("more") as stream:
            pieces = list(stream.text())
            assert stream.result().answer == "".join(pieces)
        variables = conversation.variables()
        assert (variables.turns, variables.queries, variables.model_misfits) == (41, ["hello", "more"], {})
        turn.dislike("too short")
        assert [(message.query, message.rating) for message in conversation.messages()] == [
            ("hello", "dislike"),
            ("more", None),
        ]
        assert [feedback.content for feedback in client.feedbacks()] == ["too short"]
        turn.revoke_feedback()
        assert [message.rating for message in client.messages(turn.conversation_id or "", limit=2)] == [None, None]
        assert conversation.rename("mine").name == "mine"
        assert [(each.id, each.name) for each in client.conversations()] == [(conversation.id, "mine")]
        conversation.delete()
        assert list(client.conversations()) == []


def test_many_threads_hold_one_conversation(options: dict[str, Any]) -> None:
    queries = [str(number) for number in range(8)]
    with LabClient(**options) as client:
        conversation = client.conversation()
        with ThreadPoolExecutor(8) as pool:
            turns = list(pool.map(conversation.send, queries))
        assert {turn.conversation_id for turn in turns} == {conversation.id}
        assert sorted(conversation.variables().queries) == queries
        assert sorted(message.query for message in conversation.messages()) == queries


def test_many_tasks_hold_one_conversation_in_their_order(options: dict[str, Any]) -> None:
    async def talk() -> None:
        async with AsyncLabClient(**options) as client:
            conversation = client.conversation()
            await asyncio.gather(*(conversation.send(str(number)) for number in range(8)))
            assert [message.query async for message in conversation.messages(limit=3)] == ["5", "6", "7"]
            assert (await conversation.variables()).turns == 8

    asyncio.run(talk())


def test_one_that_there_is_not(options: dict[str, Any]) -> None:
    with LabClient(**options) as client:
        conversation = client.conversation(UNKNOWN)
        for call in (
            lambda: conversation.send("x", response_mode="blocking"),
            lambda: list(conversation.messages()),
            lambda: conversation.rename("x"),
            conversation.variables,
            conversation.delete,
        ):
            with pytest.raises(ConversationNotFoundError):
                call()
