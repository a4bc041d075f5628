"""What a blocking client of a chat-type app does beside turns: each method runs a flow of
`_chat_operations`.
"""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Generic, Literal

from ._chat_operations import (
    ChatOperations,
    ConversationOrder,
    Pages,
    PageT,
    Rating,
)
from ._chat_responses import (
    Annotation,
    AnnotationJob,
    Feedback,
    StoredConversation,
    StoredMessage,
)
from ._conversation_flows import ConversationFlows
from ._files import File
from ._models import Inputs
from ._transport import run_now
from ._variables import VariablesT


def items_blocking(pages: Pages[PageT]) -> Iterator[PageT]:
    """The items of all pages."""
    while items := run_now(pages.next()):
        yield from items


class AppMethods:
    """What clients of all chat-type apps can do: feedback, speech, files, annotations."""

    _chat: ChatOperations

    def feedback(
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
        run_now(self._chat.feedback(message_id, rating, content, user))

    def feedbacks(self) -> Iterator[Feedback]:
        """Iterate over what was said about the answers of the app, newest first (1.4)."""
        return items_blocking(self._chat.feedbacks())

    def audio_to_text(
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
        return run_now(self._chat.audio_to_text(file, user, timeout))

    def text_to_audio(
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
        return run_now(self._chat.text_to_audio(text, message_id, voice, user, timeout))

    def preview(
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
        return run_now(self._chat.preview(file, as_attachment, user, timeout))

    def annotations(self, *, keyword: str | None = None) -> Iterator[Annotation]:
        """Iterate over the questions that have answers of people's (1.2)."""
        return items_blocking(self._chat.annotations(keyword))

    def create_annotation(self, question: str, answer: str) -> Annotation:
        """Add an answer to a question. Made once, even where no answer comes."""
        return run_now(self._chat.write_annotation(None, question, answer))

    def update_annotation(
        self, annotation_id: str, question: str, answer: str
    ) -> Annotation:
        """Write an annotation anew."""
        return run_now(self._chat.write_annotation(annotation_id, question, answer))

    def delete_annotation(self, annotation_id: str) -> None:
        """Delete an annotation."""
        run_now(self._chat.delete_annotation(annotation_id))

    def annotation_reply(
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
        return run_now(
            self._chat.annotation_reply(
                action, score_threshold, embedding_provider_name, embedding_model_name
            )
        )

    def annotation_reply_status(
        self, action: Literal["enable", "disable"], job_id: str
    ) -> AnnotationJob:
        """Return how far the switching of answers by annotations is."""
        return run_now(self._chat.annotation_reply_status(action, job_id))


class ConversationMethods(AppMethods):
    """What clients of apps with conversations can do as well."""

    def conversations(
        self,
        *,
        sort_by: ConversationOrder = "-updated_at",
        user: str | None = None,
    ) -> Iterator[StoredConversation]:
        """Iterate over the user's conversations that were held through the API.

        Args:
            sort_by: By which time; with a minus, the newest first.
            user: Whose.
        """
        return items_blocking(self._chat.conversations(sort_by, user))

    def messages(
        self,
        conversation_id: str,
        *,
        limit: int | None = None,
        user: str | None = None,
    ) -> Iterator[StoredMessage]:
        """Iterate over the turns of a conversation, oldest first.

        Args:
            conversation_id: The conversation.
            limit: So many of the last ones; all if left out.
            user: Whose conversation it is.

        Raises:
            ConversationNotFoundError: There is no such conversation of this user.
        """
        for message in run_now(self._chat.messages(conversation_id, user, limit)):
            yield message

    def suggested_questions(
        self, message_id: str, *, user: str | None = None
    ) -> tuple[str, ...]:
        """Return questions to go on with after an answer. Each call asks a model.

        Raises:
            ConfigurationError: Suggestions are off in the app.
        """
        return run_now(self._chat.suggested_questions(message_id, user))


class Conversation(Generic[VariablesT]):
    """A conversation: its id, its user, and the inputs, which each turn sends again.

    One turn at a time goes on, from any number of threads: the others wait.
    `id` is None until the first turn has told it.
    """

    def __init__(self, flows: ConversationFlows[VariablesT]) -> None:
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

    def messages(self, *, limit: int | None = None) -> Iterator[StoredMessage]:
        """Iterate over the turns so far, oldest first.

        Args:
            limit: So many of the last ones; all if left out.
        """
        for message in run_now(self._flows.messages(limit)):
            yield message

    def rename(
        self, name: str | None = None, *, auto: bool = False
    ) -> StoredConversation:
        """Give the conversation a name; with `auto=True`, one that a model thinks of."""
        return run_now(self._flows.rename(name, auto))

    def delete(self) -> None:
        """Delete the conversation, once no turn of it goes on."""
        run_now(self._flows.delete())

    def variables(self) -> VariablesT:
        """Return the conversation variables, as they are after the last turn (1.3.1).

        Before the first turn they have their initial values.
        """
        return run_now(self._flows.variables())

    def set_variable(self, name: str, value: Any) -> None:
        """Set a conversation variable, once no turn goes on (1.7.2).

        Args:
            name: The attribute of the typed variables, or Dify's own name.
            value: Of the declared type.

        Raises:
            VariableError: There is no such variable, or it is of another type.
            ConfigurationError: There was no turn yet, which would make the variables.
        """
        run_now(self._flows.set_variable(name, value))
