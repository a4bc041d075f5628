"""The Dify chatflow `chat_lab`.

Written by difygen from definition.yml. Change that file and run difygen again.
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
    Number,
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
    "AsyncChatLabClient",
    "ChatLabClient",
    "ChatLabInputs",
    "ChatLabNode",
    "ChatLabVariables",
    "achat_chat_lab",
    "astream_chat_lab",
    "chat_chat_lab",
    "stream_chat_lab",
]


class ChatLabInputs(Inputs):
    """What `chat_lab` takes; `chat` says what each of them is."""

    name: Annotated[Text, Field(max_length=48)]
    tone: Literal["formal", "casual"] | None = None
    count: Number | None = None


class ChatLabVariables(Variables):
    """What a conversation with `chat_lab` remembers."""

    turns: int = 0
    """Conversation variable turns."""

    last_query: str = ""
    """Conversation variable last_query."""

    queries: list[str] = Field(default_factory=list[str])
    """Conversation variable queries."""

    notes: dict[str, Any] = Field(default_factory=lambda: {"a": 1})
    """Conversation variable notes."""


class ChatLabNode(WorkflowNode):
    """The nodes of `chat_lab`: id, type and title. Each equals its id.

    `ANSWER1` says: {START1.name} ({conversation.turns}): {LLM1.text}
    """

    START1 = ("start1", "start", "Start")
    ASSIGN1 = ("assign1", "assigner", "assign1")
    LLM1 = ("llm1", "llm", "llm1")
    ANSWER1 = ("answer1", "answer", "answer1")


_APP = ChatInfo(
    kind="chatflow",
    name="chat_lab",
    inputs=ChatLabInputs,
    variables=ChatLabVariables,
    api_key_variables=("DIFY_CHAT_LAB_API_KEY", "DIFY_API_KEY"),
    files=FileRules(types=("image", "document")),
    max_files=3,
    suggests_questions=True,
)


class ChatLabClient(ChatflowClient[ChatLabInputs, ChatLabVariables]):
    """Talks with `chat_lab`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_CHAT_LAB_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.

    The app opens with: Hello {{name}}, what shall it be?

    It suggests to ask: What can you do? or Who are you?
    """

    _app = _APP

    def chat(
        self,
        query: str,
        *,
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Ask `chat_lab`, and return the turn with its whole answer.

        Args:
            query: What is asked; not empty.
            name: At most 48 characters.
            user: Who asks; `DIFY_USER` if left out.
            conversation_id: The conversation to go on with; a new one if left out.
            files: What goes with the query.
            **options: See `TurnOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnError: The turn failed, was stopped, or waits for a person: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = ChatLabInputs(name=name, tone=tone, count=count)
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
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> TurnStream:
        """Ask `chat_lab` as `chat` does, as a stream for `with` and `for`."""
        inputs = ChatLabInputs(name=name, tone=tone, count=count)
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
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> Conversation[ChatLabVariables]:
        """Return a conversation with `chat_lab`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = ChatLabInputs(name=name, tone=tone, count=count)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncChatLabClient(AsyncChatflowClient[ChatLabInputs, ChatLabVariables]):
    """`ChatLabClient` for asyncio."""

    _app = _APP

    async def chat(
        self,
        query: str,
        *,
        name: str,
        tone: Literal["formal", "casual"] | None = None,
        count: float | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Ask `chat_lab`, like `ChatLabClient.chat`."""
        inputs = ChatLabInputs(name=name, tone=tone, count=count)
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
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Stream an answer of `chat_lab`, like `ChatLabClient.stream`."""
        inputs = ChatLabInputs(name=name, tone=tone, count=count)
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
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> AsyncConversation[ChatLabVariables]:
        """Return a conversation with `chat_lab`, like `ChatLabClient.conversation`."""
        inputs = ChatLabInputs(name=name, tone=tone, count=count)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = ChatLabClient()
chat_chat_lab = as_function(_client.chat, "chat_chat_lab")
stream_chat_lab = as_function(_client.stream, "stream_chat_lab")
_async_client = AsyncChatLabClient()
achat_chat_lab = as_function(_async_client.chat, "achat_chat_lab")
astream_chat_lab = as_function(_async_client.stream, "astream_chat_lab")
