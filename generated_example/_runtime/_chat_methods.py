"""What the blocking clients of chat-type apps do beside turns: every method runs a flow of
`_chat_operations`.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO, Literal

from ._chat_operations import (
    ChatOperations,
    ConversationOrder,
    Rating,
)
from ._chat_responses import (
    Annotation,
    AnnotationJob,
    Feedback,
    StoredConversation,
    StoredMessage,
)
from ._files import File
from ._pages import Pages, PageT
from ._transport import run_now
from ._turn_operations import TurnOperations


def items_blocking(pages: Pages[PageT]) -> Iterator[PageT]:
    """Iterate over the items of all pages."""
    while items := run_now(pages.next()):
        yield from items


class AppMethods:
    """What clients of all chat-type apps can do: feedback, speech, files, annotations."""

    _operations: TurnOperations

    @property
    def _chat(self) -> ChatOperations:
        return ChatOperations(self._operations)

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
        yield from run_now(self._chat.messages(conversation_id, user, limit))

    def suggested_questions(
        self, message_id: str, *, user: str | None = None
    ) -> tuple[str, ...]:
        """Return questions to go on with after an answer. Each call asks a model.

        Raises:
            ConfigurationError: Suggestions are off in the app.
        """
        return run_now(self._chat.suggested_questions(message_id, user))
