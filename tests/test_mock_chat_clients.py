"""The runtime's clients of chat-type apps, talking to the mock server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from difygen.mock.server import MockServer
from difygen.model import App, Features
from difygen.testing import mock_dify
from runtime import ConversationNotFoundError, TurnFailedError
from support.chat_clients import Agent, AnyInputs, AsyncChat, AsyncFlow, Chat, Completion, Flow
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


# --- what a handler or an annotation makes happen, with the blocking and with the async client ---

Followed = tuple[list[Any], Any]


def followed(client: Any, query: str) -> Followed:
    with client, client.stream_inputs(query, ADA) as stream:
        return list(stream), stream.result()


def followed_async(client: Any, query: str) -> Followed:
    async def follow() -> Followed:
        async with client, client.stream_inputs(query, ADA) as stream:
            return [event async for event in stream], await stream.result()

    return asyncio.run(follow())


Follow = Callable[[Any, str], Followed]
BOTH = pytest.mark.parametrize(
    ("follow", "flow", "chat"),
    [(followed, Flow, Chat), (followed_async, AsyncFlow, AsyncChat)],
    ids=["blocking", "async"],
)


@BOTH
@pytest.mark.parametrize("mode", ["advanced-chat", "chat"])
def test_an_annotation_answers_its_question_while_it_is_switched_on(
    mode: Any, follow: Follow, flow: Any, chat: Any
) -> None:
    app = App(name="support", source="-", mode=mode, features=Features(annotation_reply=True))
    with mock_dify(app, handler=lambda inputs: "The app.", silence=30) as dify:
        options: dict[str, Any] = {"base_url": dify.base_url, "api_key": dify.api_key, "user": "u1", "timeout": 60.0}
        with (Flow if mode == "advanced-chat" else Chat)(**options) as manager:
            manager.create_annotation("Who are you?", "An annotation.")
            events, turn = follow((flow if mode == "advanced-chat" else chat)(**options), "who are you? ")
            names = [type(event).__name__ for event in events]
            assert [name for name in names if name != "Ping"] == ["Message", "MessageEnd"]
            assert (turn.answer, turn.status, turn.workflow_run_id) == ("An annotation.", "succeeded", None)
            assert [row.hit_count for row in manager.annotations()] == [1]
            assert manager.chat_inputs("Who else?", ADA).answer == "The app."
            manager.annotation_reply(
                "disable", score_threshold=0.9, embedding_provider_name="p", embedding_model_name="m"
            )
            assert manager.chat_inputs("Who are you?", ADA).answer == "The app."
            assert [row.hit_count for row in manager.annotations()] == [1]


@BOTH
def test_a_handler_tells_what_nodes_thought_and_logged(follow: Follow, flow: Any, chat: Any) -> None:
    said = {"answer": "It is 4.", "reasoning": {"llm1": "two and two"}, "logs": {"llm1": [{"label": "Round 1"}]}}
    with chat_server("chat_lab", handler=lambda inputs: said) as server:
        events, turn = follow(flow(**settings(server, "chat_lab")), "2 + 2?")
    names = [type(event).__name__ for event in events]
    assert names.count("ReasoningChunk") == 3
    logs = [event for event in events if type(event).__name__ == "AgentLog"]
    assert [(log.label, log.status) for log in logs] == [("Round 1", "start"), ("Round 1", "success")]
    assert len({log.id for log in logs}) == 1
    assert (turn.answer, turn.reasoning) == ("It is 4.", {"llm1": "two and two"})


@BOTH
def test_text_after_a_file_comes_as_a_file_and_is_text_all_the_same(follow: Follow, flow: Any, chat: Any) -> None:
    said = {"answer": "Here it is.", "files": ["fox.png"]}
    with chat_server("chat_basic", handler=lambda inputs: said) as server:
        events, turn = follow(chat(**settings(server, "chat_basic")), "A fox, please")
    assert {event.raw["event"] for event in events[:-1]} == {"message_file"}
    assert (turn.answer, [file.filename for file in turn.files]) == ("Here it is.", ["fox.png"])
