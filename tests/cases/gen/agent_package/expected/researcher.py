"""The Dify agent `Researcher`: Looks things up.

Written by difygen from researcher.yml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal, Unpack

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
    JsonObject,
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
    "AsyncResearcherClient",
    "ResearcherClient",
    "ResearcherInputs",
    "ResearcherTool",
    "achat_researcher",
    "astream_researcher",
    "chat_researcher",
    "stream_researcher",
]


class ResearcherInputs(Inputs):
    """What `Researcher` takes."""

    topic: Text
    notes: Text | None = None
    depth: Number | None = 2
    quick: Checkbox | None = True
    tone: Literal["formal", "casual"] | None = "casual"
    settings: JsonObject | None = None


class ResearcherTool(StrEnum):
    """The tools of `Researcher`, as `Thought.tools` names them."""

    CURRENT_TIME = "current_time"
    WEB_SEARCH = "web_search"


_APP = ChatInfo(
    kind="agent",
    name="Researcher",
    inputs=ResearcherInputs,
    api_key_variables=("DIFY_RESEARCHER_API_KEY", "DIFY_API_KEY"),
    files=FileRules(types=("document", "image")),
    max_files=3,
    suggests_questions=True,
    speaks=True,
    auto_play=True,
)


class ResearcherClient(ChatClient[ResearcherInputs]):
    """Talks with `Researcher`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_RESEARCHER_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.

    The app opens with: What do you want to know?

    It suggests to ask: Who are you?
    """

    _app = _APP

    def chat(
        self,
        query: str,
        *,
        topic: str,
        notes: str | None = None,
        depth: float | None = 2,
        quick: bool | None = True,
        tone: Literal["formal", "casual"] | None = "casual",
        settings: dict[str, Any] | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Ask `Researcher`, and return the turn with its whole answer.

        Looks things up.

        Args:
            query: What is asked; not empty.
            user: Who asks; `DIFY_USER` if left out.
            conversation_id: The conversation to go on with; a new one if left out.
            files: What goes with the query.
            **options: See `TurnOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnError: The turn failed or was stopped: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = ResearcherInputs(
            topic=topic,
            notes=notes,
            depth=depth,
            quick=quick,
            tone=tone,
            settings=settings,
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
        topic: str,
        notes: str | None = None,
        depth: float | None = 2,
        quick: bool | None = True,
        tone: Literal["formal", "casual"] | None = "casual",
        settings: dict[str, Any] | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> TurnStream:
        """Ask `Researcher` as `chat` does, as a stream for `with` and `for`."""
        inputs = ResearcherInputs(
            topic=topic,
            notes=notes,
            depth=depth,
            quick=quick,
            tone=tone,
            settings=settings,
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
        topic: str,
        notes: str | None = None,
        depth: float | None = 2,
        quick: bool | None = True,
        tone: Literal["formal", "casual"] | None = "casual",
        settings: dict[str, Any] | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> Conversation[Variables]:
        """Return a conversation with `Researcher`: a new one, or one to go on with.

        It sends the inputs on every turn, as Dify wants it. Takes what `chat` takes.
        """
        inputs = ResearcherInputs(
            topic=topic,
            notes=notes,
            depth=depth,
            quick=quick,
            tone=tone,
            settings=settings,
        )
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


class AsyncResearcherClient(AsyncChatClient[ResearcherInputs]):
    """`ResearcherClient` for asyncio."""

    _app = _APP

    async def chat(
        self,
        query: str,
        *,
        topic: str,
        notes: str | None = None,
        depth: float | None = 2,
        quick: bool | None = True,
        tone: Literal["formal", "casual"] | None = "casual",
        settings: dict[str, Any] | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Ask `Researcher`, like `ResearcherClient.chat`."""
        inputs = ResearcherInputs(
            topic=topic,
            notes=notes,
            depth=depth,
            quick=quick,
            tone=tone,
            settings=settings,
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
        topic: str,
        notes: str | None = None,
        depth: float | None = 2,
        quick: bool | None = True,
        tone: Literal["formal", "casual"] | None = "casual",
        settings: dict[str, Any] | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Stream an answer of `Researcher`, like `ResearcherClient.stream`."""
        inputs = ResearcherInputs(
            topic=topic,
            notes=notes,
            depth=depth,
            quick=quick,
            tone=tone,
            settings=settings,
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
        topic: str,
        notes: str | None = None,
        depth: float | None = 2,
        quick: bool | None = True,
        tone: Literal["formal", "casual"] | None = "casual",
        settings: dict[str, Any] | None = None,
        user: str | None = None,
        conversation_id: str | None = None,
    ) -> AsyncConversation[Variables]:
        """Return a conversation with `Researcher`, like
        `ResearcherClient.conversation`.
        """
        inputs = ResearcherInputs(
            topic=topic,
            notes=notes,
            depth=depth,
            quick=quick,
            tone=tone,
            settings=settings,
        )
        return self.conversation_of(inputs, user=user, conversation_id=conversation_id)


_client = ResearcherClient()
chat_researcher = as_function(_client.chat, "chat_researcher")
stream_researcher = as_function(_client.stream, "stream_researcher")
_async_client = AsyncResearcherClient()
achat_researcher = as_function(_async_client.chat, "achat_researcher")
astream_researcher = as_function(_async_client.stream, "astream_researcher")
