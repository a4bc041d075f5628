"""The Dify agent `agent_lab`: agent-chat of the lab.

Written by difygen from definition.yml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from enum import StrEnum
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
    "AgentLabClient",
    "AgentLabInputs",
    "AgentLabTool",
    "AsyncAgentLabClient",
    "achat_agent_lab",
    "astream_agent_lab",
    "chat_agent_lab",
    "stream_agent_lab",
]


class AgentLabInputs(Inputs):
    """What `agent_lab` takes; `chat` says what each of them is."""

    name: Annotated[Text, Field(max_length=20)]
    tone: Literal["formal", "casual"] | None = None
    count: Number | None = None
    about: Text | None = None
    brief: Checkbox | None = False


class AgentLabTool(StrEnum):
    """The tools of `agent_lab`, as `Thought.tools` names them."""

    WEATHER = "weather"
    DRAW = "draw"
    BROKEN = "broken"


_APP = ChatInfo(
    kind="agent",
    name="agent_lab",
    inputs=AgentLabInputs,
    api_key_variables=("DIFY_AGENT_LAB_API_KEY", "DIFY_API_KEY"),
    files=FileRules(types=("image", "document")),
    max_files=3,
)


class AgentLabClient(ChatClient[AgentLabInputs]):
    """Talks with `agent_lab`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_AGENT_LAB_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.

    The app opens with: I have tools.
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
        """Ask `agent_lab`, and return the turn with its whole answer.

        agent-chat of the lab.

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
        inputs = AgentLabInputs(
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
        """Ask `agent_lab` as `chat` does, as a stream for `with` and `for`."""
        inputs = AgentLabInputs(
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
        """Return a conversation with `agent_lab`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = AgentLabInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncAgentLabClient(AsyncChatClient[AgentLabInputs]):
    """`AgentLabClient` for asyncio."""

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
        """Ask `agent_lab`, like `AgentLabClient.chat`."""
        inputs = AgentLabInputs(
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
        """Stream an answer of `agent_lab`, like `AgentLabClient.stream`."""
        inputs = AgentLabInputs(
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
        """Return a conversation with `agent_lab`, like
        `AgentLabClient.conversation`.
        """
        inputs = AgentLabInputs(
            name=name,
            tone=tone,
            count=count,
            about=about,
            brief=brief,
        )
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = AgentLabClient()
chat_agent_lab = as_function(_client.chat, "chat_agent_lab")
stream_agent_lab = as_function(_client.stream, "stream_agent_lab")
_async_client = AsyncAgentLabClient()
achat_agent_lab = as_function(_async_client.chat, "achat_agent_lab")
astream_agent_lab = as_function(_async_client.stream, "astream_agent_lab")
