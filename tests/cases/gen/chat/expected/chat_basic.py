"""The Dify chatbot `chat_basic`: Chat of the lab.

Written by difygen from definition.yml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncChatClient,
    AsyncConversation,
    AsyncTurn,
    AsyncTurnStream,
    ChatClient,
    ChatInfo,
    Checkbox,
    Conversation,
    FileInput,
    FileRules,
    Inputs,
    Number,
    Text,
    Turn,
    TurnOptions,
    TurnStream,
    TurnStreamOptions,
    Variables,
    as_function,
)

__all__ = [
    "AsyncChatBasicClient",
    "ChatBasicClient",
    "ChatBasicInputs",
    "achat_chat_basic",
    "astream_chat_basic",
    "chat_chat_basic",
    "stream_chat_basic",
]


class ChatBasicInputs(Inputs):
    """What `chat_basic` takes; `chat` says what each of them is."""

    name: Annotated[Text, Field(max_length=20)]
    tone: Literal["formal", "casual"] | None = None
    count: Number | None = None
    about: Text | None = None
    brief: Checkbox | None = False


_APP = ChatInfo(
    kind="chat",
    name="chat_basic",
    inputs=ChatBasicInputs,
    api_key_variables=("DIFY_CHAT_BASIC_API_KEY", "DIFY_API_KEY"),
    files=FileRules(types=("image", "document")),
    max_files=3,
    suggests_questions=True,
    hears=True,
    speaks=True,
)


class ChatBasicClient(ChatClient[ChatBasicInputs]):
    """Talks with `chat_basic`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_CHAT_BASIC_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.

    The app opens with: Hello {{name}}!

    It suggests to ask: What can you do?
    """

    _app = _APP

    def chat(
        self,
        query: str,
        *,
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        about: str | None = None,
        brief: bool | None = False,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Ask `chat_basic`, and return the turn with its whole answer.

        Chat of the lab.

        Args:
            query: What is asked; not empty.
            name: At most 20 characters.
            user: Who asks; `DIFY_USER` if left out.
            conversation_id: The conversation to go on with; a new one if left out.
            files: What goes with the query.
            **options: See `TurnOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnError: The turn failed or was stopped: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = ChatBasicInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
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
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        about: str | None = None,
        brief: bool | None = False,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> TurnStream:
        """Ask `chat_basic` as `chat` does, as a stream for `with` and `for`."""
        inputs = ChatBasicInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
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
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        about: str | None = None,
        brief: bool | None = False,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> Conversation[Variables]:
        """Return a conversation with `chat_basic`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = ChatBasicInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncChatBasicClient(AsyncChatClient[ChatBasicInputs]):
    """`ChatBasicClient` for asyncio."""

    _app = _APP

    async def chat(
        self,
        query: str,
        *,
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        about: str | None = None,
        brief: bool | None = False,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Ask `chat_basic`, like `ChatBasicClient.chat`."""
        inputs = ChatBasicInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
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
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        about: str | None = None,
        brief: bool | None = False,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Stream an answer of `chat_basic`, like `ChatBasicClient.stream`."""
        inputs = ChatBasicInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
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
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        about: str | None = None,
        brief: bool | None = False,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> AsyncConversation[Variables]:
        """Return a conversation with `chat_basic`, like
        `ChatBasicClient.conversation`.
        """
        inputs = ChatBasicInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = ChatBasicClient()
chat_chat_basic = as_function(_client.chat, "chat_chat_basic")
stream_chat_basic = as_function(_client.stream, "stream_chat_basic")
_async_client = AsyncChatBasicClient()
achat_chat_basic = as_function(_async_client.chat, "achat_chat_basic")
astream_chat_basic = as_function(_async_client.stream, "astream_chat_basic")
