"""What a server remembers of chat-type apps: conversations, their messages and variables, feedback, annotations.

The records hold what the endpoints show, in the shapes of recordings of 1.14.2.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.files import StoredFile

NO_PARENT = "00000000-0000-0000-0000-000000000000"
_NAME_LENGTH = 20
_NUMBERS = ("integer", "float", "number")


def _new_id() -> str:
    return str(uuid.uuid4())


def _now() -> int:
    return int(time.time())


@dataclass(slots=True)
class VariableRow:
    """A conversation variable with its value in one conversation."""

    id: str
    name: str
    declared: str
    value: Any
    description: str
    created_at: int = field(default_factory=_now)
    updated_at: int = field(default_factory=_now)

    @property
    def type(self) -> str:
        """The type as the API has it, which tells no integers."""
        return "number" if self.declared in _NUMBERS else self.declared

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> VariableRow:
        """Return the variable that a row of an export declares, with its initial value."""
        id_, value = str(row.get("id") or _new_id()), row.get("value")
        return cls(id_, str(row["name"]), str(row.get("value_type")), value, str(row.get("description") or ""))

    def assign(self, value: Any) -> None:
        """Give it another value."""
        self.value, self.updated_at = value, _now()

    def shown(self) -> JsonObject:
        """Return the row of the list: the value is always text, in Python's notation (seen on 1.14.2)."""
        return {
            "id": self.id,
            "name": self.name,
            "value_type": self.type,
            "value": str(self.value),
            "description": self.description,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


@dataclass(slots=True)
class FeedbackRow:
    """What a user thinks of a message."""

    rating: str
    content: str | None
    user_id: str
    id: str = field(default_factory=_new_id)
    at: float = field(default_factory=time.time)

    def shown(self, message: MessageRow, app_id: str) -> JsonObject:
        """Return the row of `GET /app/feedbacks`, whose times are ISO text (seen on 1.14.2)."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.at))
        return {
            "id": self.id,
            "app_id": app_id,
            "conversation_id": message.conversation_id,
            "message_id": message.id,
            "rating": self.rating,
            "content": self.content,
            "from_source": "user",
            "from_end_user_id": self.user_id,
            "from_account_id": None,
            "created_at": moment,
            "updated_at": moment,
        }


@dataclass(slots=True)
class MessageRow:
    """One turn as it is stored: the query, and what became of it. `thoughts` are an agent's."""

    definition: Definition
    conversation_id: str
    user: str
    query: str
    inputs: JsonObject
    id: str = field(default_factory=_new_id)
    answer: str = ""
    status: str = "normal"
    error: str | None = None
    created_at: int = field(default_factory=_now)
    thoughts: dict[str, JsonObject] = field(default_factory=dict)
    files: list[JsonObject] = field(default_factory=list)
    file_ids: set[str] = field(default_factory=set)
    extra_contents: list[JsonObject] = field(default_factory=list)
    feedback: FeedbackRow | None = None

    def attach(self, file: JsonObject, belongs_to: str) -> JsonObject:
        """Keep a file that the user sent along, or an agent made, and return its row."""
        row = {
            "id": _new_id(),
            "filename": file["filename"],
            "type": file["type"],
            "url": file["url"],
            "mime_type": file["mime_type"],
            "size": file["size"],
            "transfer_method": file["transfer_method"],
            "belongs_to": belongs_to,
            "upload_file_id": file["related_id"],
        }
        self.files.append(row)
        if file["related_id"]:
            self.file_ids.add(file["related_id"])
        return row

    def shown(self) -> JsonObject:
        """Return the row of `GET /messages`."""
        thoughts = [{"chain_id": None, "message_id": self.id, **thought} for thought in self.thoughts.values()]
        return {
            "id": self.id,
            "conversation_id": self.conversation_id,
            "parent_message_id": NO_PARENT,
            "inputs": self.inputs,
            "query": self.query,
            "answer": self.answer,
            "feedback": {"rating": self.feedback.rating} if self.feedback else None,
            "retriever_resources": [],
            "created_at": self.created_at,
            "agent_thoughts": thoughts,
            "message_files": self.files,
            "status": self.status,
            "error": self.error,
            "extra_contents": self.extra_contents,
        }


@dataclass(slots=True)
class ConversationRow:
    """One conversation. `inputs` stay those of the first turn."""

    definition: Definition
    user: str
    inputs: JsonObject
    name: str
    id: str = field(default_factory=_new_id)
    created_at: int = field(default_factory=_now)
    updated_at: int = field(default_factory=_now)
    messages: list[MessageRow] = field(default_factory=list)
    variables: dict[str, VariableRow] = field(default_factory=dict)

    def rename(self, name: str) -> None:
        """Give it another name."""
        self.name, self.updated_at = name, _now()

    def shown(self) -> JsonObject:
        """Return the row of the list: the opening statement has the first turn's inputs filled in."""
        introduction = str(self.definition.features.get("opening_statement") or "")
        for name, value in self.inputs.items():
            introduction = introduction.replace("{{" + name + "}}", "" if value is None else str(value))
        return {
            "id": self.id,
            "name": self.name,
            "inputs": self.inputs,
            "status": "normal",
            "introduction": introduction,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


@dataclass(slots=True)
class AnnotationRow:
    """A question with the answer that the app is to give it."""

    question: str
    answer: str
    id: str = field(default_factory=_new_id)
    created_at: int = field(default_factory=_now)
    hits: int = 0

    def shown(self) -> JsonObject:
        """Return the annotation as its endpoints show it."""
        return {
            "id": self.id,
            "question": self.question,
            "answer": self.answer,
            "hit_count": self.hits,
            "created_at": self.created_at,
        }


@dataclass(slots=True)
class ConversationStore:
    """All conversations and messages of a server, oldest first. A text generator's messages have no conversation."""

    conversations: dict[str, ConversationRow] = field(default_factory=dict)
    messages: dict[str, MessageRow] = field(default_factory=dict)
    annotations: dict[str, dict[str, AnnotationRow]] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    replies: dict[str, bool] = field(default_factory=dict)

    def of(self, definition: Definition, user: str) -> Iterator[ConversationRow]:
        """Return the conversations of an app's user."""
        return (row for row in self.conversations.values() if row.definition is definition and row.user == user)

    def find(self, definition: Definition, user: str, id_: str) -> ConversationRow | None:
        """Return the user's conversation of that id."""
        return next((row for row in self.of(definition, user) if row.id == id_.lower()), None)

    def message(self, definition: Definition, user: str, id_: str) -> MessageRow | None:
        """Return the user's message of that id."""
        row = self.messages.get(id_.lower())
        return row if row is not None and row.definition is definition and row.user == user else None

    def begin(
        self, definition: Definition, user: str, query: str, inputs: JsonObject, conversation: ConversationRow | None
    ) -> MessageRow:
        """Store a new turn, in a conversation of its own unless it goes on with one, and return it."""
        if conversation is None and definition.workflow.kind.start == "chat-messages":
            name = query if len(query) <= _NAME_LENGTH else f"{query[:_NAME_LENGTH]}…"
            conversation = ConversationRow(definition, user, inputs, name)
            self.conversations[conversation.id] = conversation
        message = MessageRow(definition, conversation.id if conversation else "", user, query, inputs)
        if conversation is not None:
            conversation.messages.append(message)
            conversation.updated_at = message.created_at
            for row in definition.remembered:  # those that the app got since then come with the next turn
                conversation.variables.setdefault(str(row["name"]), VariableRow.of(row))
        self.messages[message.id] = message
        return message

    def annotation(self, definition: Definition, query: str) -> AnnotationRow | None:
        """Return the annotation that answers a query, if the app replies by annotations: here to the very question."""
        app = definition.workflow
        if app.kind.start != "chat-messages" or not self.replies.get(app.name, app.features.annotation_reply):
            return None
        asked = query.strip().lower()
        rows = self.annotations.get(app.name, {}).values()
        return next((row for row in rows if row.question.strip().lower() == asked), None)

    def forget(self, conversation: ConversationRow) -> None:
        """Delete a conversation with its messages."""
        del self.conversations[conversation.id]
        for message in conversation.messages:
            self.messages.pop(message.id, None)

    def refers_to(self, definition: Definition, file: StoredFile) -> bool:
        """Return whether a message of the app has the file, so that it can be downloaded."""
        return any(file.id in row.file_ids for row in self.messages.values() if row.definition is definition)
