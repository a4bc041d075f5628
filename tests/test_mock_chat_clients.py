"""The runtime's clients of chat-type apps, talking to the mock server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from difygen.mock.server import MockServer
from runtime import ConversationNotFoundError, TurnFailedError
from support.chat_clients import Agent, AnyInputs, Chat, Completion, Flow
from support.mock_chat_player import chat_server, say

ADA = AnyInputs.model_validate({"name": "Ada"})


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with chat_server("chat_lab", "chat_basic", "agent_lab", "completion_lab", handler=say, silence=0.1) as started:
        yield started


def settings(server: MockServer, name: str) -> dict[str, str]:
    return {"base_url": f"{server.origin}/v1", "api_key": f"app-{name}", "user": "u1"}


def test_a_chatflow_is_asked_and_asked_again(server: MockServer) -> None:
    with Flow(**settings(server, "chat_lab")) as client:
        first = client.chat_inputs("hello there", ADA)
        assert (first.answer, first.status) == ("Ada (1): Echo 1: hello there", "succeeded")
        again = client.chat_inputs("and now", ADA, conversation_id=first.conversation_id)
        assert again.conversation_id == first.conversation_id
        assert again.answer == "Ada (2): Echo 1: and now"
        with client.stream_inputs("once more", ADA) as stream:
            assert "".join(stream.text("llm1")) == "Echo 1: once more"
        with pytest.raises(TurnFailedError):
            client.chat_inputs("[[error]]", ADA)


def test_conversations_are_listed_renamed_and_deleted(server: MockServer) -> None:
    with Chat(**settings(server, "chat_basic")) as client:
        conversation = client.conversation_of(ADA)
        turn = conversation.send("hello there")
        conversation.send("and again")
        assert [message.query for message in conversation.messages()] == ["hello there", "and again"]
        conversation.rename("About nothing")
        found = next(each for each in client.conversations() if each.id == turn.conversation_id)
        assert found.name == "About nothing"
        turn.like()
        assert turn.suggested_questions()
        conversation.delete()
        with pytest.raises(ConversationNotFoundError):
            client.chat_inputs("hello", ADA, conversation_id=turn.conversation_id)


def test_an_agent_tells_what_its_tools_did(server: MockServer) -> None:
    with Agent(**settings(server, "agent_lab")) as client:
        turn = client.chat_inputs('[[tool draw {"what": "a fox"}]]', ADA)
    assert [thought.tool for thought in turn.thoughts] == ["draw", ""]
    assert [file.filename for file in turn.files] == ["fox.png"]


def test_a_text_generator_completes(server: MockServer) -> None:
    inputs = AnyInputs.model_validate({"name": "Ada", "query": "snow"})
    with Completion(**settings(server, "completion_lab")) as client:
        assert client.complete_inputs(inputs).answer.strip() == "Echo 1: Write for Ada: snow"
