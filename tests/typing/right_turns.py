"""Turns and conversations that type checkers must find nothing wrong with."""

from typing import assert_type

from client import (
    AsyncConversation,
    AsyncTurn,
    AsyncTurnStream,
    Conversation,
    DeskClient,
    Message,
    MessageEnd,
    Turn,
    TurnFailedError,
    TurnStream,
    achat_desk,
    astream_desk,
    chat_desk,
    stream_desk,
)
from client.desk import AsyncDeskClient, DeskInputs, DeskVariables


def one_turn() -> str:
    turn = chat_desk("Where is it?", order="A-17", tone="formal", files=["scan.png"], headers={"X-A": "1"})
    assert_type(turn, Turn)
    assert_type(turn.answer, str)
    turn.like()
    assert_type(turn.suggested_questions(), tuple[str, ...])
    return turn.answer


def streamed() -> None:
    with stream_desk("Where is it?", order="A-17", stop_on_exit=True) as stream:
        assert_type(stream, TurnStream)
        for event in stream:
            match event:
                case Message(answer=answer):
                    assert_type(answer, str)
                case MessageEnd(message_id=message):
                    print(message)
                case _:
                    pass
        assert_type(stream.result(), Turn)


def conversation(client: DeskClient) -> None:
    talk = client.conversation(order="A-17", user="ada")
    assert_type(talk, Conversation[DeskVariables])
    try:
        talk.send("Where is it?", files=[("scan.png", b"")])
    except TurnFailedError as error:
        print(error.turn)
    variables = talk.variables()
    assert_type(variables.language, str)
    assert_type(variables.turns, int)
    assert_type(variables.orders, list[str])
    assert_type(variables.class_, bool)
    assert_type(variables.model_rows_, str)
    assert_type(variables.schema_, str)
    talk.set_variable("language", "de")
    for message in talk.messages(limit=3):
        assert_type(message.query, str)


async def from_asyncio(client: AsyncDeskClient) -> None:
    assert_type(await achat_desk("Where is it?", order="A-17"), AsyncTurn)
    talk = client.conversation(order="A-17")
    assert_type(talk, AsyncConversation[DeskVariables])
    assert_type((await talk.variables()).turns, int)
    async with astream_desk("Where is it?", order="A-17") as stream:
        assert_type(stream, AsyncTurnStream)
        async for piece in stream.text():
            assert_type(piece, str)


def checked_once(client: DeskClient, inputs: DeskInputs) -> Turn:
    return client.chat_inputs("Where is it?", inputs, conversation_id="c")
