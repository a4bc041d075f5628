"""The Dify chatflow `returns-desk` (Returns desk).

Answers what customers ask about sending something back.

A conversation is about the order that it was begun with.

Written by difygen from specs/returns_desk.yml. Change that file and run difygen again.
"""

from typing import Annotated, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncChatflowClient,
    AsyncConversation,
    AsyncTurn,
    AsyncTurnStream,
    ChatflowClient,
    ChatInfo,
    Conversation,
    Inputs,
    Text,
    Turn,
    TurnOptions,
    TurnStream,
    TurnStreamOptions,
    Variables,
    as_function,
)

__all__ = [
    "AsyncReturnsDeskClient",
    "ReturnsDeskClient",
    "ReturnsDeskInputs",
    "ReturnsDeskVariables",
    "achat_returns_desk",
    "astream_returns_desk",
    "chat_returns_desk",
    "stream_returns_desk",
]


class ReturnsDeskInputs(Inputs):
    """What `returns-desk` takes; `chat` says what each of them is."""

    order: Annotated[Text, Field(max_length=20)]
    channel: Literal["web", "mail", "phone"] | None = "web"


class ReturnsDeskVariables(Variables):
    """What a conversation with `returns-desk` remembers."""

    language: str = "en"
    """What the customer writes in."""

    open_questions: list[str]
    """What the desk has still to find out."""


_APP = ChatInfo(
    kind="chatflow",
    name="returns-desk",
    inputs=ReturnsDeskInputs,
    variables=ReturnsDeskVariables,
    api_key_variables=("DIFY_RETURNS_DESK_API_KEY", "DIFY_API_KEY"),
    suggests_questions=True,
)


class ReturnsDeskClient(ChatflowClient[ReturnsDeskInputs, ReturnsDeskVariables]):
    """Talks with `returns-desk`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_RETURNS_DESK_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.

    The app opens with: What would you like to send back?

    It suggests to ask: How do I send it back? or When do I get my money?
    """

    _app = _APP

    def chat(
        self,
        query: str,
        *,
        order: str,
        channel: Literal["web", "mail", "phone"] | None = "web",
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Ask `returns-desk`, and return the turn with its whole answer.

        Answers what customers ask about sending something back.

        Args:
            query: What is asked; not empty.
            order: Order number, at most 20 characters.
            channel: Where the customer writes.
            user: Who asks; `DIFY_USER` if left out.
            conversation_id: The conversation to go on with; a new one if left out.
            **options: See `TurnOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnError: The turn failed, was stopped, or waits for a person: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = ReturnsDeskInputs(order=order, channel=channel)
        return self.chat_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            **options,
        )

    def stream(
        self,
        query: str,
        *,
        order: str,
        channel: Literal["web", "mail", "phone"] | None = "web",
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> TurnStream:
        """Ask `returns-desk` as `chat` does, as a stream for `with` and `for`."""
        inputs = ReturnsDeskInputs(order=order, channel=channel)
        return self.stream_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            **options,
        )

    def conversation(
        self,
        *,
        order: str,
        channel: Literal["web", "mail", "phone"] | None = "web",
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> Conversation[ReturnsDeskVariables]:
        """Return a conversation with `returns-desk`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = ReturnsDeskInputs(order=order, channel=channel)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncReturnsDeskClient(
    AsyncChatflowClient[ReturnsDeskInputs, ReturnsDeskVariables],
):
    """`ReturnsDeskClient` for asyncio."""

    _app = _APP

    async def chat(
        self,
        query: str,
        *,
        order: str,
        channel: Literal["web", "mail", "phone"] | None = "web",
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Ask `returns-desk`, like `ReturnsDeskClient.chat`."""
        inputs = ReturnsDeskInputs(order=order, channel=channel)
        return await self.chat_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            **options,
        )

    def stream(
        self,
        query: str,
        *,
        order: str,
        channel: Literal["web", "mail", "phone"] | None = "web",
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Stream an answer of `returns-desk`, like `ReturnsDeskClient.stream`."""
        inputs = ReturnsDeskInputs(order=order, channel=channel)
        return self.stream_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            **options,
        )

    def conversation(
        self,
        *,
        order: str,
        channel: Literal["web", "mail", "phone"] | None = "web",
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> AsyncConversation[ReturnsDeskVariables]:
        """Return a conversation with `returns-desk`, like
        `ReturnsDeskClient.conversation`.
        """
        inputs = ReturnsDeskInputs(order=order, channel=channel)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = ReturnsDeskClient()
chat_returns_desk = as_function(_client.chat, "chat_returns_desk")
stream_returns_desk = as_function(_client.stream, "stream_returns_desk")
_async_client = AsyncReturnsDeskClient()
achat_returns_desk = as_function(_async_client.chat, "achat_returns_desk")
astream_returns_desk = as_function(_async_client.stream, "astream_returns_desk")
