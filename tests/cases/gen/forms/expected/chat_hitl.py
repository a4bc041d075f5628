"""The Dify chatflow `chat_hitl`.

Written by difygen from chat_hitl.yml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Unpack

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
    FormAnswer,
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
    "AsyncChatHitlClient",
    "ChatHitlClient",
    "ChatHitlHuman1Answer",
    "ChatHitlInputs",
    "ChatHitlNode",
    "ChatHitlVariables",
    "achat_chat_hitl",
    "astream_chat_hitl",
    "chat_chat_hitl",
    "stream_chat_hitl",
]


class ChatHitlInputs(Inputs):
    """What `chat_hitl` takes; `chat` says what each of them is."""

    topic: Annotated[Text, Field(max_length=48)]


class ChatHitlVariables(Variables):
    """What a conversation with `chat_hitl` remembers."""


class ChatHitlHuman1Answer(FormAnswer):
    """An answer to the form of `Review`, for `submit_form`."""

    node_id: ClassVar[str] = "human1"
    action: Literal["approve", "reject"]

    comment: Text
    """Prefilled with 'as it is' in Dify."""


class ChatHitlNode(WorkflowNode):
    """The nodes of `chat_hitl`: id, type and title. Each equals its id.

    `ANSWER0` says: Wait a moment.

    `ANSWER1` says: Approved with: {HUMAN1.comment} (only when the branch 'Approve' of
    'Review' is taken)

    `ANSWER2` says: Rejected with: {HUMAN1.comment} (only when the branch 'Reject' of
    'Review' is taken)
    """

    START1 = ("start1", "start", "Start")
    ANSWER0 = ("answer0", "answer", "answer0")
    HUMAN1 = ("human1", "human-input", "Review")
    ANSWER1 = ("answer1", "answer", "answer1")
    ANSWER2 = ("answer2", "answer", "answer2")


_APP = ChatInfo(
    kind="chatflow",
    name="chat_hitl",
    inputs=ChatHitlInputs,
    variables=ChatHitlVariables,
    api_key_variables=("DIFY_CHAT_HITL_API_KEY", "DIFY_API_KEY"),
    files=FileRules(types=("image", "document")),
    max_files=3,
)


class ChatHitlClient(ChatflowClient[ChatHitlInputs, ChatHitlVariables]):
    """Talks with `chat_hitl`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_CHAT_HITL_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _app = _APP

    def chat(
        self,
        query: str,
        *,
        topic: str,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Ask `chat_hitl`, and return the turn with its whole answer.

        Args:
            query: What is asked; not empty.
            topic: At most 48 characters.
            user: Who asks; `DIFY_USER` if left out.
            conversation_id: The conversation to go on with; a new one if left out.
            files: What goes with the query.
            **options: See `TurnOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnPausedError: A person is asked: pass its `.forms` and a
                `ChatHitlHuman1Answer` to `submit_form`, then `resume` the run.
            TurnError: The turn failed, was stopped, or waits for a person: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = ChatHitlInputs(topic=topic)
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
        topic: str,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> TurnStream:
        """Ask `chat_hitl` as `chat` does, as a stream for `with` and `for`."""
        inputs = ChatHitlInputs(topic=topic)
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
        topic: str,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> Conversation[ChatHitlVariables]:
        """Return a conversation with `chat_hitl`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = ChatHitlInputs(topic=topic)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncChatHitlClient(AsyncChatflowClient[ChatHitlInputs, ChatHitlVariables]):
    """`ChatHitlClient` for asyncio."""

    _app = _APP

    async def chat(
        self,
        query: str,
        *,
        topic: str,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Ask `chat_hitl`, like `ChatHitlClient.chat`."""
        inputs = ChatHitlInputs(topic=topic)
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
        topic: str,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Stream an answer of `chat_hitl`, like `ChatHitlClient.stream`."""
        inputs = ChatHitlInputs(topic=topic)
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
        topic: str,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> AsyncConversation[ChatHitlVariables]:
        """Return a conversation with `chat_hitl`, like
        `ChatHitlClient.conversation`.
        """
        inputs = ChatHitlInputs(topic=topic)
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = ChatHitlClient()
chat_chat_hitl = as_function(_client.chat, "chat_chat_hitl")
stream_chat_hitl = as_function(_client.stream, "stream_chat_hitl")
_async_client = AsyncChatHitlClient()
achat_chat_hitl = as_function(_async_client.chat, "achat_chat_hitl")
astream_chat_hitl = as_function(_async_client.stream, "astream_chat_hitl")
