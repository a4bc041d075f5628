"""The Dify chatbot `product-guide` (Product guide): Talks about the products of a shop,
and finds the one that fits.

Written by difygen from specs/product_guide.yaml. Change that file and run difygen
again.
"""

from typing import Literal, Unpack

from ._runtime import (
    AsyncChatClient,
    AsyncConversation,
    AsyncTurn,
    AsyncTurnStream,
    ChatClient,
    ChatInfo,
    Conversation,
    Inputs,
    Number,
    Turn,
    TurnOptions,
    TurnStream,
    TurnStreamOptions,
    Variables,
    as_function,
)

__all__ = [
    "AsyncProductGuideClient",
    "ProductGuideClient",
    "ProductGuideInputs",
    "achat_product_guide",
    "astream_product_guide",
    "chat_product_guide",
    "stream_product_guide",
]


class ProductGuideInputs(Inputs):
    """What `product-guide` takes; `chat` says what each of them is."""

    category: Literal["lamps", "chairs", "tables"]
    budget: Number | None = None


_APP = ChatInfo(
    kind="chat",
    name="product-guide",
    inputs=ProductGuideInputs,
    api_key_variables=("DIFY_PRODUCT_GUIDE_API_KEY", "DIFY_API_KEY"),
)


class ProductGuideClient(ChatClient[ProductGuideInputs]):
    """Talks with `product-guide`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_PRODUCT_GUIDE_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _app = _APP

    def chat(
        self,
        query: str,
        *,
        category: Literal["lamps", "chairs", "tables"],
        budget: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Ask `product-guide`, and return the turn with its whole answer.

        Talks about the products of a shop, and finds the one that fits.

        Args:
            query: What is asked; not empty.
            budget: At most.
            user: Who asks; `DIFY_USER` if left out.
            conversation_id: The conversation to go on with; a new one if left out.
            **options: See `TurnOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnError: The turn failed or was stopped: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = ProductGuideInputs(category=category, budget=budget)
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
        category: Literal["lamps", "chairs", "tables"],
        budget: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> TurnStream:
        """Ask `product-guide` as `chat` does, as a stream for `with` and `for`."""
        inputs = ProductGuideInputs(category=category, budget=budget)
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
        category: Literal["lamps", "chairs", "tables"],
        budget: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> Conversation[Variables]:
        """Return a conversation with `product-guide`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = ProductGuideInputs(category=category, budget=budget)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncProductGuideClient(AsyncChatClient[ProductGuideInputs]):
    """`ProductGuideClient` for asyncio."""

    _app = _APP

    async def chat(
        self,
        query: str,
        *,
        category: Literal["lamps", "chairs", "tables"],
        budget: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Ask `product-guide`, like `ProductGuideClient.chat`."""
        inputs = ProductGuideInputs(category=category, budget=budget)
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
        category: Literal["lamps", "chairs", "tables"],
        budget: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Stream an answer of `product-guide`, like `ProductGuideClient.stream`."""
        inputs = ProductGuideInputs(category=category, budget=budget)
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
        category: Literal["lamps", "chairs", "tables"],
        budget: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> AsyncConversation[Variables]:
        """Return a conversation with `product-guide`, like
        `ProductGuideClient.conversation`.
        """
        inputs = ProductGuideInputs(category=category, budget=budget)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = ProductGuideClient()
chat_product_guide = as_function(_client.chat, "chat_product_guide")
stream_product_guide = as_function(_client.stream, "stream_product_guide")
_async_client = AsyncProductGuideClient()
achat_product_guide = as_function(_async_client.chat, "achat_product_guide")
astream_product_guide = as_function(_async_client.stream, "astream_product_guide")
