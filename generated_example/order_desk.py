"""The Dify chatflow `Order desk`: Answers questions about an order, with the customer's
own photos and documents at hand.

Written by difygen from specs/order_desk.yml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncChatflowClient,
    AsyncConversation,
    AsyncTurn,
    AsyncTurnStream,
    ChatflowClient,
    ChatInfo,
    Conversation,
    FileInput,
    FileRules,
    Inputs,
    Text,
    Turn,
    TurnOptions,
    TurnStream,
    TurnStreamOptions,
    Variables,
    WorkflowNode,
    as_function,
)

__all__ = [
    "AsyncOrderDeskClient",
    "OrderDeskClient",
    "OrderDeskInputs",
    "OrderDeskNode",
    "OrderDeskVariables",
    "achat_order_desk",
    "astream_order_desk",
    "chat_order_desk",
    "stream_order_desk",
]


class OrderDeskInputs(Inputs):
    """What `Order desk` takes; `chat` says what each of them is."""

    order: Annotated[Text | None, Field(max_length=20)] = None
    tone: Literal["friendly", "formal"] | None = "friendly"


class OrderDeskVariables(Variables):
    """What a conversation with `Order desk` remembers."""

    language: str = "en"
    """The language that the customer writes in."""

    turns: int = 0
    """How many questions were asked so far."""

    orders: list[str] = Field(default_factory=list[str])
    """The orders that were talked about."""

    customer: dict[str, Any] = Field(default_factory=dict[str, Any])
    """What is known of the customer."""


class OrderDeskNode(WorkflowNode):
    """The nodes of `Order desk`: id, type and title. Each equals its id.

    `ANSWER` says: {WRITE_THE_ANSWER.text} Order {START.order}, question
    {conversation.turns} (only when the branch 'IF' of 'Is there an order?' is taken
    (`order` is not empty))

    `ASK_FOR_THE_ORDER` says: Which order do you mean? Its number is in the mail that we
    s… (only when the branch 'ELSE' of 'Is there an order?' is taken (`order` is empty))
    """

    START = ("1741000000001", "start", "Start")
    TAKE_NOTE = ("1741000000002", "assigner", "Take note")
    IS_THERE_AN_ORDER = ("1741000000003", "if-else", "Is there an order?")
    WRITE_THE_ANSWER = ("1741000000004", "llm", "Write the answer")
    ANSWER = ("1741000000005", "answer", "Answer")
    ASK_FOR_THE_ORDER = ("1741000000006", "answer", "Ask for the order")


_APP = ChatInfo(
    kind="chatflow",
    name="Order desk",
    inputs=OrderDeskInputs,
    variables=OrderDeskVariables,
    api_key_variables=("DIFY_ORDER_DESK_API_KEY", "DIFY_API_KEY"),
    files=FileRules(types=("image", "document")),
    max_files=3,
    suggests_questions=True,
)


class OrderDeskClient(ChatflowClient[OrderDeskInputs, OrderDeskVariables]):
    """Talks with `Order desk`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_ORDER_DESK_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.

    The app opens with: Hello! Tell me what is wrong with your order.

    It suggests to ask: Where is my order? or How do I send it back?
    """

    _app = _APP

    def chat(
        self,
        query: str,
        *,
        order: str | None = None,
        tone: Literal["friendly", "formal"] | None = "friendly",
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Ask `Order desk`, and return the turn with its whole answer.

        Answers questions about an order, with the customer's own photos and documents
        at hand.

        Args:
            query: What is asked; not empty.
            order: Order number, at most 20 characters.
            user: Who asks; `DIFY_USER` if left out.
            conversation_id: The conversation to go on with; a new one if left out.
            files: What goes with the query.
            **options: See `TurnOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnError: The turn failed, was stopped, or waits for a person: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = OrderDeskInputs(order=order, tone=tone)
        return self.chat_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            files=files,
            **options,
        )

    def stream(
        self,
        query: str,
        *,
        order: str | None = None,
        tone: Literal["friendly", "formal"] | None = "friendly",
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> TurnStream:
        """Ask `Order desk` as `chat` does, as a stream for `with` and `for`."""
        inputs = OrderDeskInputs(order=order, tone=tone)
        return self.stream_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            files=files,
            **options,
        )

    def conversation(
        self,
        *,
        order: str | None = None,
        tone: Literal["friendly", "formal"] | None = "friendly",
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> Conversation[OrderDeskVariables]:
        """Return a conversation with `Order desk`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = OrderDeskInputs(order=order, tone=tone)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncOrderDeskClient(AsyncChatflowClient[OrderDeskInputs, OrderDeskVariables]):
    """`OrderDeskClient` for asyncio."""

    _app = _APP

    async def chat(
        self,
        query: str,
        *,
        order: str | None = None,
        tone: Literal["friendly", "formal"] | None = "friendly",
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Ask `Order desk`, like `OrderDeskClient.chat`."""
        inputs = OrderDeskInputs(order=order, tone=tone)
        return await self.chat_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            files=files,
            **options,
        )

    def stream(
        self,
        query: str,
        *,
        order: str | None = None,
        tone: Literal["friendly", "formal"] | None = "friendly",
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Stream an answer of `Order desk`, like `OrderDeskClient.stream`."""
        inputs = OrderDeskInputs(order=order, tone=tone)
        return self.stream_inputs(
            query,
            inputs,
            user=user,
            conversation_id=conversation_id,
            files=files,
            **options,
        )

    def conversation(
        self,
        *,
        order: str | None = None,
        tone: Literal["friendly", "formal"] | None = "friendly",
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> AsyncConversation[OrderDeskVariables]:
        """Return a conversation with `Order desk`, like
        `OrderDeskClient.conversation`.
        """
        inputs = OrderDeskInputs(order=order, tone=tone)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = OrderDeskClient()
chat_order_desk = as_function(_client.chat, "chat_order_desk")
stream_order_desk = as_function(_client.stream, "stream_order_desk")
_async_client = AsyncOrderDeskClient()
achat_order_desk = as_function(_async_client.chat, "achat_order_desk")
astream_order_desk = as_function(_async_client.stream, "astream_order_desk")
