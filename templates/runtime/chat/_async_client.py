"""The async clients of chat-type apps, their turns, the streams of these, and conversations.

Every method awaits a flow of `_operations`.
"""

import os
from collections.abc import AsyncIterator
from typing import Any, BinaryIO, Generic, Literal, Unpack, cast

from .._async_client import AsyncAppClient, AsyncEventStream, AsyncRunMethods
from .._files import File, FilesInput
from .._models import Inputs, InputsT
from .._operations import ClientOptions
from .._session import StreamSession
from ._conversations import (
    Annotation,
    AnnotationJob,
    Feedback,
    Pages,
    PageT,
    StoredConversation,
    StoredMessage,
    Variables,
    VariablesT,
    VariablesT_co,
)
from ._operations import (
    ChatOperations,
    ConversationFlows,
    ConversationOrder,
    Rating,
    TurnOperations,
    TurnSource,
    follow_turn,
    take_turn,
)
from ._turns import (
    AnswerOutputs,
    ChatInfo,
    CompletionInfo,
    CompletionOptions,
    CompletionStreamOptions,
    ConversationState,
    InfoT,
    TextPieces,
    TurnBase,
    TurnOptions,
    TurnState,
    TurnStreamOptions,
)


async def items_async(pages: Pages[PageT]) -> AsyncIterator[PageT]:
    """Iterate over the items of all pages."""
    while items := await pages.next():
        for item in items:
            yield item


class AsyncAppMethods:
    """What clients of all chat-type apps can do: feedback, speech, files, annotations."""

    _operations: TurnOperations

    @property
    def _chat(self) -> ChatOperations:
        return ChatOperations(self._operations)

    async def feedback(
        self,
        message_id: str,
        rating: Rating | None,
        content: str | None = None,
        *,
        user: str | None = None,
    ) -> None:
        """Say what the user thinks of an answer.

        Args:
            message_id: The answer.
            rating: `like` or `dislike`; None takes an earlier one back, once.
            content: Why, in the user's words.
            user: Who made the turn.

        Raises:
            NotFoundError: There is no such message of this user.
        """
        await self._chat.feedback(message_id, rating, content, user)

    def feedbacks(self) -> AsyncIterator[Feedback]:
        """Iterate over what was said about the answers of the app, newest first (1.4)."""
        return items_async(self._chat.feedbacks())

    async def audio_to_text(
        self,
        file: "str | os.PathLike[str] | tuple[str, bytes] | BinaryIO",
        *,
        user: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Return the words of a recording: MP3, M4A, WAV, AMR or MPGA, of 30 MB at most.

        Raises:
            ConfigurationError: Speech to text is off in the app.
            UnsupportedFileTypeError: It is no such recording.
        """
        return await self._chat.audio_to_text(file, user, timeout)

    async def text_to_audio(
        self,
        *,
        text: str | None = None,
        message_id: str | None = None,
        voice: str | None = None,
        user: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Return speech, mostly as MP3: of a text, or of the answer of a message.

        Args:
            text: What to say.
            message_id: The message whose answer is to be said.
            voice: One of the model's voices; the app's if left out.
            user: On whose behalf.
            timeout: Seconds for the whole call.

        Raises:
            ConfigurationError: Text to speech is off in the app, and no voice is given.
            NotFoundError: There is no such message, or its answer is empty.
        """
        return await self._chat.text_to_audio(text, message_id, voice, user, timeout)

    async def preview(
        self,
        file: File | str,
        *,
        as_attachment: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Return the content of a file that belongs to a message of the app (1.7.2).

        Unlike the URL of a file, this does not expire.

        Args:
            file: A file of a message, or the id that it was uploaded under.
            as_attachment: Ask for it as a download.
            user: Whose file it is.
            timeout: Seconds for the whole call.
        """
        return await self._chat.preview(file, as_attachment, user, timeout)

    def annotations(self, *, keyword: str | None = None) -> AsyncIterator[Annotation]:
        """Iterate over the questions that have answers of people's (1.2)."""
        return items_async(self._chat.annotations(keyword))

    async def create_annotation(self, question: str, answer: str) -> Annotation:
        """Add an answer to a question. Made once, even where no answer comes."""
        return await self._chat.write_annotation(None, question, answer)

    async def update_annotation(
        self, annotation_id: str, question: str, answer: str
    ) -> Annotation:
        """Write an annotation anew."""
        return await self._chat.write_annotation(annotation_id, question, answer)

    async def delete_annotation(self, annotation_id: str) -> None:
        """Delete an annotation."""
        await self._chat.delete_annotation(annotation_id)

    async def annotation_reply(
        self,
        action: Literal["enable", "disable"],
        *,
        score_threshold: float,
        embedding_provider_name: str,
        embedding_model_name: str,
    ) -> AnnotationJob:
        """Switch answers by annotations on or off; the server wants all arguments for both.

        Returns:
            The job that does it: ask `annotation_reply_status` how far it is.
        """
        return await self._chat.annotation_reply(
            action, score_threshold, embedding_provider_name, embedding_model_name
        )

    async def annotation_reply_status(
        self, action: Literal["enable", "disable"], job_id: str
    ) -> AnnotationJob:
        """Return how far the switching of answers by annotations is."""
        return await self._chat.annotation_reply_status(action, job_id)


class AsyncConversationMethods(AsyncAppMethods):
    """What clients of apps with conversations can do as well."""

    def conversations(
        self,
        *,
        sort_by: ConversationOrder = "-updated_at",
        user: str | None = None,
    ) -> AsyncIterator[StoredConversation]:
        """Iterate over the user's conversations that were held through the API.

        Args:
            sort_by: By which time; with a minus, the newest first.
            user: Whose.
        """
        return items_async(self._chat.conversations(sort_by, user))

    async def messages(
        self,
        conversation_id: str,
        *,
        limit: int | None = None,
        user: str | None = None,
    ) -> AsyncIterator[StoredMessage]:
        """Iterate over the turns of a conversation, oldest first.

        Args:
            conversation_id: The conversation.
            limit: So many of the last ones; all if left out.
            user: Whose conversation it is.

        Raises:
            ConversationNotFoundError: There is no such conversation of this user.
        """
        for message in await self._chat.messages(conversation_id, user, limit):
            yield message

    async def suggested_questions(
        self, message_id: str, *, user: str | None = None
    ) -> tuple[str, ...]:
        """Return questions to go on with after an answer. Each call asks a model.

        Raises:
            ConfigurationError: Suggestions are off in the app.
        """
        return await self._chat.suggested_questions(message_id, user)


class AsyncTurn(TurnBase):
    """A turn of a chat-type app: its `answer`, its ids, and what else is known about it."""

    async def suggested_questions(self) -> tuple[str, ...]:
        """Ask what the user may ask next. Each call runs a model.

        Raises:
            ConfigurationError: The app suggests no questions.
        """
        chat = ChatOperations(self._made_by())
        return await chat.suggested_questions(self.message_id, self._user)

    async def like(self, content: str | None = None) -> None:
        """Say that the answer is good, and maybe why."""
        chat = ChatOperations(self._made_by())
        await chat.feedback(self.message_id, "like", content, self._user)

    async def dislike(self, content: str | None = None) -> None:
        """Say that the answer is bad, and maybe why."""
        chat = ChatOperations(self._made_by())
        await chat.feedback(self.message_id, "dislike", content, self._user)

    async def revoke_feedback(self) -> None:
        """Take back what was said of the answer."""
        chat = ChatOperations(self._made_by())
        await chat.feedback(self.message_id, None, None, self._user)


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
        """Iterate over the pieces of the answer, as they come; other events are passed over.

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


class AsyncConversation(Generic[VariablesT_co]):
    """A conversation: its id, its user, and the inputs, which each turn sends again.

    One turn at a time goes on, from any number of tasks and threads: the others wait.
    `id` is None until the first turn has told it, be it one that failed.

        conversation = client.conversation(...)
        turn = await conversation.send("...")
    """

    def __init__(self, flows: ConversationFlows[VariablesT_co]) -> None:
        self._flows = flows

    @property
    def id(self) -> str | None:
        """The conversation, for another client or another day."""
        return self._flows.state.id

    @property
    def user(self) -> str:
        """Whose conversation it is."""
        return self._flows.user

    @property
    def inputs(self) -> Inputs:
        """What every turn sends beside the query."""
        return self._flows.inputs

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, user={self.user!r})"

    async def send(
        self,
        query: str,
        files: FilesInput | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncTurn:
        """Make the next turn, once the ones before have ended.

        Args:
            query: What the user says.
            files: What goes with it, if the app takes files.
            options: As for `chat`.

        Raises:
            ConversationMismatchError: The server answered in another conversation.
            ConversationNotFoundError: It knows this one no more, for this user.
        """
        flows = self._flows
        return await take_turn(
            flows.turns,
            AsyncTurn,
            flows.state,
            flows.inputs,
            query=query,
            user=flows.user,
            files=files,
            **options,
        )

    def stream(
        self,
        query: str,
        files: FilesInput | None = None,
        **options: Unpack[TurnStreamOptions],
    ) -> AsyncTurnStream:
        """Follow the next turn; it waits for the ones before when it is asked for events.

        It keeps others waiting until it has ended or is closed: use `async with`.
        """
        flows = self._flows
        session, state = follow_turn(
            flows.turns,
            AsyncTurn,
            flows.state,
            flows.inputs,
            query=query,
            user=flows.user,
            files=files,
            **options,
        )
        return AsyncTurnStream(session, state)

    async def messages(
        self, *, limit: int | None = None
    ) -> AsyncIterator[StoredMessage]:
        """Iterate over the turns so far, oldest first.

        Args:
            limit: So many of the last ones; all if left out.
        """
        for message in await self._flows.messages(limit):
            yield message

    async def rename(
        self, name: str | None = None, *, auto: bool = False
    ) -> StoredConversation:
        """Give the conversation a name; with `auto=True`, one that a model thinks of."""
        return await self._flows.rename(name, auto)

    async def delete(self) -> None:
        """Delete the conversation, once no turn of it goes on."""
        await self._flows.delete()

    async def variables(self) -> VariablesT_co:
        """Return the conversation variables, as they are after the last turn (1.3.1).

        Before the first turn they have their initial values.
        """
        return await self._flows.variables()

    async def set_variable(self, name: str, value: Any) -> None:
        """Set a conversation variable, once no turn goes on (1.7.2).

        Args:
            name: The attribute of the typed variables, or Dify's own name.
            value: Of the declared type.

        Raises:
            VariableError: There is no such variable, or it is of another type.
            ConfigurationError: There was no turn yet, which would make the variables.
        """
        await self._flows.set_variable(name, value)


class AsyncTurnClient(AsyncAppMethods, AsyncAppClient, Generic[InfoT]):
    """What the clients of all chat-type apps have in common."""

    _app: InfoT
    _operations: TurnOperations

    def _operate(self, options: ClientOptions) -> TurnOperations:
        return TurnOperations(self._app, options, self._transport)


class AsyncChatClient(
    AsyncConversationMethods, AsyncTurnClient[ChatInfo], Generic[InputsT]
):
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

    def conversation_of(
        self,
        inputs: InputsT,
        *,
        conversation_id: str | None = None,
        user: str | None = None,
    ) -> AsyncConversation[Variables]:
        """Hold a conversation with inputs that are a model already, as `conversation` does."""
        return AsyncConversation(
            ConversationFlows(self._chat, inputs, conversation_id, user, None)
        )


class AsyncChatflowClient(
    AsyncRunMethods[AnswerOutputs, AsyncTurnStream],
    AsyncChatClient[InputsT],
    Generic[InputsT, VariablesT],
):
    """What the generated clients of chatflows build on."""

    # Set once, to what does more than its base wants.
    _operations: TurnOperations  # pyright: ignore

    def conversation_of(
        self,
        inputs: InputsT,
        *,
        conversation_id: str | None = None,
        user: str | None = None,
    ) -> AsyncConversation[VariablesT]:
        """Hold a conversation with inputs that are a model already, as `conversation` does."""
        variables = cast("type[VariablesT] | None", self._app.variables)
        return AsyncConversation(
            ConversationFlows(self._chat, inputs, conversation_id, user, variables)
        )

    def _follow(
        self,
        workflow_run_id: str | None,
        user: str | None,
        timeout: float | None,
        stop_on_exit: bool,
    ) -> AsyncTurnStream:
        source = TurnSource(
            self._operations, AsyncTurn, workflow_run_id=workflow_run_id
        )
        session = StreamSession(
            source, user=user, timeout=timeout, stop_on_exit=stop_on_exit
        )
        return AsyncTurnStream(session, source.state)


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
