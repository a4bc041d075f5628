"""Dify 1.14.2's rules for what requests to chat-type apps bring along.

Names of models are part of messages that clients see.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, field_validator, model_validator

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.errors import ApiError, invalid_param, not_found
from difygen.mock.files import FileStore, is_uuid, usable
from difygen.mock.validation import checked, file_limits
from difygen.releases import Release

M = TypeVar("M", bound=BaseModel)

_STOP = "/v1/chat-messages/<string:task_id>/stop"
_MEANT = {
    "/v1/chat-messages": f"/v1/chat-messages or /api/chat-messages or {_STOP}",
    "/v1/messages": "/v1/messages or /v1/chat-messages or /api/messages",
    "/v1/conversations": "/v1/conversations or /v1/conversations/<uuid:c_id>/variables/<uuid:variable_id> or "
    "/api/conversations",
    "/variables": "/v1/conversations/<uuid:c_id>/variables",
}
"""What the server's web framework takes an unknown thing's address for: it says so behind some messages."""


class CompletionRequestPayload(BaseModel):
    """The body of a text generator's call."""

    inputs: dict[str, Any]
    query: str = ""
    files: list[dict[str, Any]] | None = None
    response_mode: Literal["blocking", "streaming"] | None = None


class ChatRequestPayload(BaseModel):
    """The body of a turn."""

    inputs: dict[str, Any]
    query: str
    files: list[dict[str, Any]] | None = None
    response_mode: Literal["blocking", "streaming"] | None = None
    conversation_id: str | None = None
    auto_generate_name: bool = True
    workflow_id: str | None = None

    @field_validator("conversation_id", mode="before")
    @classmethod
    def _uuid_or_nothing(cls, value: object) -> str | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not is_uuid(value):
            raise ValueError("conversation_id must be a valid UUID")
        return str(uuid.UUID(str(value)))


class ConversationListQuery(BaseModel):
    """The query of a list of conversations."""

    last_id: str | None = None
    limit: int = Field(default=20, ge=1, le=100)
    sort_by: Literal["created_at", "-created_at", "updated_at", "-updated_at"] = "-updated_at"


class ConversationRenamePayload(BaseModel):
    """The body of a conversation's new name."""

    name: str | None = None
    auto_generate: bool = False

    @model_validator(mode="after")
    def _named(self) -> ConversationRenamePayload:
        if not self.auto_generate and not (self.name or "").strip():
            raise ValueError("name is required when auto_generate is false")
        return self


class ConversationVariablesQuery(BaseModel):
    """The query of a list of variables."""

    last_id: str | None = None
    limit: int = Field(default=20, ge=1, le=100)
    variable_name: str | None = Field(default=None, min_length=1, max_length=255)


class ConversationVariableUpdatePayload(BaseModel):
    """The body of a variable's new value."""

    value: Any


class MessageListQuery(BaseModel):
    """The query of a list of messages."""

    conversation_id: str
    first_id: str | None = None
    limit: int = Field(default=20, ge=1, le=100)


class MessageFeedbackPayload(BaseModel):
    """The body of a feedback."""

    rating: Literal["like", "dislike"] | None = None
    content: str | None = None


class FeedbackListQuery(BaseModel):
    """The query of a list of feedback."""

    page: int = Field(default=1, ge=1)
    limit: int = Field(default=20, ge=1, le=101)


class AnnotationListQuery(BaseModel):
    """The query of a list of annotations."""

    page: int = Field(default=1, ge=1)
    limit: int = Field(default=20, ge=1)
    keyword: str = ""


class AnnotationCreatePayload(BaseModel):
    """The body of an annotation."""

    question: str
    answer: str


class AnnotationReplyActionPayload(BaseModel):
    """The body that switches replies by annotation on or off: all of it is wanted for both."""

    score_threshold: float
    embedding_provider_name: str
    embedding_model_name: str


class TextToAudioPayload(BaseModel):
    """The body of a text that is to be spoken."""

    message_id: str | None = None
    voice: str | None = None
    text: str | None = None


def checked_chat(model: type[M], data: Mapping[str, Any], release: Release) -> M:
    """Return `data` as `model`, or refuse it in the wording of a release."""
    return checked(model, dict(data), release)


def lost(path: str, message: str) -> ApiError:
    """Return the error for what does not exist, with what the server's web framework adds about an address."""
    meant = _MEANT.get("/variables" if path.endswith("/variables") else path)
    if meant is None:
        return not_found(message)
    return not_found(f"{message} You have requested this URI [{path}] but did you mean {meant} ?")


def form_variables(definition: Definition) -> tuple[JsonObject, ...]:
    """Return the variables by which inputs are checked: apps without a graph apply no defaults."""
    if definition.workflow.kind.terminal_nodes:
        return definition.variables
    return tuple({key: value for key, value in row.items() if key != "default"} for row in definition.variables)


def turn_files(
    definition: Definition, given: list[dict[str, Any]] | None, store: FileStore, user_id: str
) -> list[JsonObject]:
    """Return the files of a turn, or refuse them; where the app takes none they are dropped without a word."""
    rules = definition.workflow.files
    if rules is None:
        return []
    members = [member for member in given or () if usable(member)]
    if rules.max_count is not None and len(members) > rules.max_count:
        raise invalid_param(f"Number of files exceeds the maximum limit {rules.max_count}")
    return [store.resolve(member, file_limits(rules), strict=False, user_id=user_id) for member in members]
