"""The async clients of chat-type apps, their turns and the streams of these."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Generic, Unpack

from ._async_client import AsyncAppClient, AsyncEventStream
from ._conversation_state import ConversationState
from ._models import InputsT, Run
from ._operations import ClientOptions
from ._responses import Form
from ._session import StreamSession
from ._turn_operations import TurnOperations, TurnSource, follow_turn, take_turn
from ._turn_state import TextPieces, TurnState
from ._turns import (
    AnswerOutputs,
    ChatInfo,
    CompletionInfo,
    CompletionOptions,
    CompletionStreamOptions,
    FilesInput,
    InfoT,
    TurnBase,
    TurnOptions,
    TurnStreamOptions,
)
from ._variables import VariablesT


class AsyncTurn(TurnBase):
    """A turn of a chat-type app: its `answer`, its ids, and what else is known about it."""

    async def suggested_questions(self) -> tuple[str, ...]:
        """Ask what the user may ask next. Each call runs a model.

        Raises:
            ConfigurationError: The app suggests no questions.
        """
        operations: TurnOperations = self._made_by()
        return await operations.suggest_questions(self.message_id, self._user)

    async def like(self, content: str | None = None) -> None:
        """Say that the answer is good, and maybe why."""
        operations = self._made_by()
        await operations.rate(self.message_id, "like", content, self._user)

    async def dislike(self, content: str | None = None) -> None:
        """Say that the answer is bad, and maybe why."""
        operations = self._made_by()
        await operations.rate(self.message_id, "dislike", content, self._user)

    async def revoke_feedback(self) -> None:
        """Take back what was said of the answer."""
        operations = self._made_by()
        await operations.rate(self.message_id, None, None, self._user)


class AsyncTurnStream(AsyncEventStream[AsyncTurn]):
    """The events of a turn, as they happen, and the turn.

        async with astream_x("...") as stream:
            async for piece in stream.text():
                print(piece, end="")
            turn = await stream.result()

    The turn starts with the first event that is asked for, and is asked for once, whatever
    is done with this object. Leaving the `async with` block closes the connection, and so
    does cancelling the task; the turn may go on at the server, unless `stop_on_exit` was
    set. An ErrorEvent and a broken stream raise after the events before them. A chatflow
    whose connection breaks is taken up again; other apps cannot be. One task at a time may
    wait for events.
    """

    def __init__(self, session: StreamSession[AsyncTurn], state: TurnState) -> None:
        super().__init__(session)
        self._state = state

    @property
    def conversation_id(self) -> str | None:
        """Where to go on. None before the first event, and in a text generator."""
        return self._state.conversation_id

    @property
    def message_id(self) -> str | None:
        """The turn, for feedback and the like. None before the first event."""
        return self._state.message_id

    @property
    def answer(self) -> str:
        """What was answered so far. Moderation may replace all of it."""
        return self._state.answer

    async def text(self, *nodes: str) -> AsyncIterator[str]:
        """The pieces of the answer, as they come; other events are passed over.

        Text that moderation puts in the place of all so far is not among them: look at
        `answer`, or for a `MessageReplace`.

        Args:
            nodes: The ids of nodes of a chatflow (or members of the generated enum):
                their text alone. Constant text of an Answer node has the id of that.
        """
        pieces = TextPieces(nodes)
        async for event in self:
            if piece := pieces.of(event):
                yield piece


class AsyncTurnClient(AsyncAppClient, Generic[InfoT]):
    """What the clients of all chat-type apps have in common."""

    _app: InfoT
    _operations: TurnOperations

    def _operate(self, options: ClientOptions) -> TurnOperations:
        return TurnOperations(self._app, options, self._transport)

    async def stop(self, task_id: str, *, user: str | None = None) -> None:
        """Ask the server to stop a turn; it must be the `user` that began it.

        The server agrees to anything, even to a task that it does not know.
        """
        await self._operations.stop(task_id, user)


class AsyncChatClient(AsyncTurnClient[ChatInfo], Generic[InputsT]):
    """What the generated clients of chatbots and agents build on."""

    async def chat_inputs(
        self,
        query: str,
        inputs: InputsT,
        *,
        user: str | None = None,
        conversation_id: str | None = None,
        files: FilesInput | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Make a turn with inputs that are a model already, as `chat` does."""
        return await take_turn(
            self._operations,
            AsyncTurn,
            ConversationState(conversation_id),
            inputs,
            query=query,
            user=user,
            files=files,
            **options,
        )

    def stream_inputs(
        self,
        query: str,
        inputs: InputsT,
        *,
        user: str | None = None,
        conversation_id: str | None = None,
        files: FilesInput | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Follow a turn with inputs that are a model already, as `stream` does."""
        session, state = follow_turn(
            self._operations,
            AsyncTurn,
            ConversationState(conversation_id),
            inputs,
            query=query,
            user=user,
            files=files,
            **options,
        )
        return AsyncTurnStream(session, state)


class AsyncChatflowClient(AsyncChatClient[InputsT], Generic[InputsT, VariablesT]):
    """What the generated clients of chatflows build on."""

    def resume(
        self,
        workflow_run_id: str,
        *,
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
    ) -> AsyncTurnStream:
        """Follow a turn that was started before: after a pause, or by another process.

        The server replays what has happened so far; of a finished run it sends the last
        event alone. Needs Dify 1.14, and the `user` of the turn. A pause whose forms this
        client has submitted does not end the stream.
        """
        source = TurnSource(
            self._operations, AsyncTurn, workflow_run_id=workflow_run_id
        )
        session = StreamSession(
            source, user=user, timeout=timeout, stop_on_exit=stop_on_exit
        )
        return AsyncTurnStream(session, source.state)

    async def get_run(self, workflow_run_id: str) -> Run[AnswerOutputs]:
        """Read the stored run of a turn, however it ended. Nothing is raised for how.

        Raises:
            NotFoundError: The app has no such run.
        """
        return await self._operations.get_run(workflow_run_id)

    async def get_form(self, form_token: str) -> Form:
        """Read a human-input form. Needs Dify 1.14."""
        return await self._operations.get_form(form_token)

    async def submit_form(
        self,
        form: Form | str,
        *,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        user: str | None = None,
    ) -> None:
        """Answer a human-input form, once; then `resume()` the turn. Needs Dify 1.14.

        Args:
            form: A form of a `TurnPausedError` or an event, or its token.
            action: The id of one of the form's `actions`.
            inputs: A value for each of the form's `inputs`, by name.

        Raises:
            FormClosedError: It was submitted before, or has expired.
        """
        await self._operations.submit_form(form, action, inputs, user)


class AsyncCompletionClient(AsyncTurnClient[CompletionInfo], Generic[InputsT]):
    """What the generated clients of text generators build on."""

    async def complete_inputs(
        self,
        inputs: InputsT,
        *,
        user: str | None = None,
        files: FilesInput | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncTurn:
        """Generate a text with inputs that are a model already, as `complete` does."""
        return await take_turn(
            self._operations,
            AsyncTurn,
            ConversationState(),
            inputs,
            user=user,
            files=files,
            **options,
        )

    def stream_inputs(
        self,
        inputs: InputsT,
        *,
        user: str | None = None,
        files: FilesInput | None = None,
        **options: Unpack[CompletionStreamOptions],
    ) -> AsyncTurnStream:
        """Follow a text as it is generated, as `stream` does."""
        session, state = follow_turn(
            self._operations,
            AsyncTurn,
            ConversationState(),
            inputs,
            user=user,
            files=files,
            **options,
        )
        return AsyncTurnStream(session, state)
