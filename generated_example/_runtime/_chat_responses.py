"""What the server stores of conversations, as typed views: messages, variables, feedback."""

from typing import Any

from ._answers import Citation, Thought
from ._files import File
from ._models import files_of
from ._responses import (
    Form,
    Record,
    read_flag,
    read_integer,
    read_maybe_text,
    read_moment,
    read_object,
    read_text,
    to_maybe_object,
    to_maybe_text,
    to_objects,
    to_text,
)
from ._values import decode_value


class StoredConversation(Record):
    """A conversation, as the server keeps it.

    `inputs` are those of its first turn. `introduction` is the opening statement, filled
    in. The first turn names a conversation after its question; if the server is to think
    of a name, it does so a moment later.
    """

    __slots__ = ()
    _shown = "id name"

    id = read_text()
    name = read_text()
    inputs = read_object()
    status = read_text()
    introduction = read_text()
    created_at = read_moment()
    updated_at = read_moment()


class StoredForm(Record):
    """A human-input form of a message: what was asked, and what was answered."""

    __slots__ = ()
    _shown = "workflow_run_id submitted"

    workflow_run_id = read_text()
    submitted = read_flag()
    submission = read_object("form_submission_data")

    @property
    def form(self) -> Form | None:
        """The form, as long as it waits for an answer."""
        definition = to_maybe_object(self.raw.get("form_definition"))
        return None if definition is None else Form(definition)


class StoredMessage(Record):
    """One turn of a conversation, as the server keeps it: a question and its answer.

    `status` is `normal`, `error`, `paused`, or a newer word. The answer of a turn that
    failed is empty, or what there was of it.
    """

    __slots__ = ("_api_url",)
    _shown = "id query answer status"

    id = read_text()
    conversation_id = read_text()
    parent_message_id = read_maybe_text()
    inputs = read_object()
    query = read_text()
    answer = read_text()
    status = read_text()
    error = read_maybe_text()
    created_at = read_moment()

    def __init__(self, raw: dict[str, Any], api_url: str = "") -> None:
        super().__init__(raw)
        self._api_url = api_url

    @property
    def rating(self) -> str | None:
        """`like`, `dislike`, or None for no feedback."""
        feedback = to_maybe_object(self.raw.get("feedback")) or {}
        return to_maybe_text(feedback.get("rating"))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What the answer is based on, where the app shows that."""
        return tuple(map(Citation, to_objects(self.raw.get("retriever_resources"))))

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """The steps of an agent, in their order."""
        steps = map(Thought, to_objects(self.raw.get("agent_thoughts")))
        return tuple(sorted(steps, key=lambda step: step.position))

    @property
    def files(self) -> tuple[File, ...]:
        """The files of question and answer; their `belongs_to` says which.

        Their URLs are signed anew whenever messages are read.
        """
        return files_of(self.raw.get("message_files"), self._api_url)

    @property
    def forms(self) -> tuple[StoredForm, ...]:
        """The human-input forms of the turn (1.13)."""
        contents = to_objects(self.raw.get("extra_contents"))
        forms = (item for item in contents if item.get("type") == "human_input")
        return tuple(map(StoredForm, forms))


class ConversationVariable(Record):
    """A variable of a conversation, as the server keeps it.

    `value_type` is Dify's word: `string`, `number`, `boolean`, `object`, `secret`,
    `array[string]` and the like. `text` is the value as the server wrote it: in Python's
    notation, whatever the type.
    """

    __slots__ = ()
    _shown = "name value_type value"

    id = read_text()
    name = read_text()
    value_type = read_text()
    description = read_text()
    created_at = read_moment()
    updated_at = read_moment()

    @property
    def text(self) -> str:
        """The value as it came, if it came as text."""
        return to_text(self.raw.get("value"))

    @property
    def value(self) -> Any:
        """The value; the text itself where it does not say one of `value_type`."""
        return decode_value(self.raw.get("value"), self.value_type)


class Feedback(Record):
    """What somebody said about an answer."""

    __slots__ = ()
    _shown = "message_id rating content"

    id = read_text()
    app_id = read_text()
    conversation_id = read_text()
    message_id = read_text()
    rating = read_text()
    content = read_maybe_text()
    from_source = read_text()
    from_end_user_id = read_maybe_text()
    from_account_id = read_maybe_text()
    created_at = read_moment()
    updated_at = read_moment()


class Annotation(Record):
    """A question with the answer that people wrote for it."""

    __slots__ = ()
    _shown = "id question answer"

    id = read_text()
    question = read_text()
    answer = read_text()
    hit_count = read_integer()
    created_at = read_moment()


class AnnotationJob(Record):
    """The work of switching answers by annotations on or off.

    `job_status` is `waiting`, `processing`, `completed` or `error`.
    """

    __slots__ = ()
    _shown = "job_id job_status error_msg"

    job_id = read_text()
    job_status = read_text()
    error_msg = read_maybe_text()
