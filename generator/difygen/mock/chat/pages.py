"""The endpoints of conversations, their messages and their variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from starlette.responses import Response

from difygen.mock.chat.payloads import (
    ConversationListQuery,
    ConversationRenamePayload,
    ConversationVariablesQuery,
    ConversationVariableUpdatePayload,
    MessageListQuery,
    checked_chat,
    lost,
)
from difygen.mock.chat.start import require_chat
from difygen.mock.conversations import ConversationRow, VariableRow
from difygen.mock.definition import JsonObject
from difygen.mock.endpoints import ANONYMOUS, JSON, ApiRequest, json_response
from difygen.mock.errors import bad_request, not_found
from difygen.mock.validation import required_user

R = TypeVar("R", bound="Row")

_LACKING = "Conversation Not Exists."


class Row(Protocol):
    """Something that a list shows."""

    id: str

    def shown(self) -> JsonObject:
        """Return it as the list has it."""
        ...


def user_of(request: ApiRequest) -> str:
    """Return whose things a GET asks for: without a user they are those of nobody (seen on 1.14.2)."""
    return request.http.query_params.get("user") or ANONYMOUS


async def conversations(request: ApiRequest) -> Response:
    """Answer `GET /conversations`."""
    require_chat(request)
    query = checked_chat(ConversationListQuery, request.http.query_params)
    key, is_descending = query.sort_by.removeprefix("-"), query.sort_by.startswith("-")
    rows = list(enumerate(request.state.chats.of(request.definition, user_of(request))))  # of the same second: by age
    rows.sort(key=lambda each: (getattr(each[1], key), each[0]), reverse=is_descending)
    start = 0
    if query.last_id:
        ids = [row.id for _, row in rows]
        if query.last_id not in ids:
            raise lost(request.http.url.path, "Last Conversation Not Exists.")
        start = ids.index(query.last_id) + 1
    return json_response(_page([row for _, row in rows[start:]], query.limit))


def _page(rows: Sequence[R], limit: int) -> JsonObject:
    return {"limit": limit, "has_more": len(rows) > limit, "data": [row.shown() for row in rows[:limit]]}


async def delete_conversation(request: ApiRequest) -> Response:
    """Answer `DELETE /conversations/{conversation_id}`."""
    user = required_user(await request.json())
    require_chat(request)
    request.state.chats.forget(_conversation(request, user))
    return Response(status_code=204, media_type=JSON)


async def rename_conversation(request: ApiRequest) -> Response:
    """Answer `POST /conversations/{conversation_id}/name`."""
    body = await request.json()
    user = required_user(body)
    require_chat(request)
    payload = checked_chat(ConversationRenamePayload, body)
    conversation = _conversation(request, user)
    first = next((message.query for message in conversation.messages), "nothing")
    conversation.rename(f"About: {first[:30]}" if payload.auto_generate else payload.name or "")
    return json_response(conversation.shown())


def _conversation(request: ApiRequest, user: str, *, is_page: bool = False) -> ConversationRow:
    found = request.state.chats.find(request.definition, user, request.parameter("conversation_id"))
    if found is None:
        raise lost(request.http.url.path, _LACKING) if is_page else not_found(_LACKING)
    return found


# Messages


async def messages(request: ApiRequest) -> Response:
    """Answer `GET /messages`: pages go back in time, and within a page the oldest comes first (seen on 1.14.2)."""
    require_chat(request)
    query = checked_chat(MessageListQuery, request.http.query_params)
    if not query.conversation_id:
        return json_response(_page([], query.limit))
    conversation = request.state.chats.find(request.definition, user_of(request), query.conversation_id)
    if conversation is None:
        raise lost(request.http.url.path, _LACKING)
    rows = conversation.messages
    if query.first_id:
        ids = [row.id for row in rows]
        if query.first_id not in ids:
            raise lost(request.http.url.path, "First Message Not Exists.")
        rows = rows[: ids.index(query.first_id)]
    return json_response(_page(rows[-query.limit :], query.limit) | {"has_more": len(rows) > query.limit})


# Variables


async def variables(request: ApiRequest) -> Response:
    """Answer `GET /conversations/{conversation_id}/variables`."""
    require_chat(request)
    query = checked_chat(ConversationVariablesQuery, request.http.query_params)
    rows = list(_conversation(request, user_of(request), is_page=True).variables.values())
    wanted = (query.variable_name or "").lower()
    rows = [row for row in rows if wanted in row.name.lower()]
    if query.last_id:
        ids = [row.id for row in rows]
        if query.last_id not in ids:
            raise not_found("Conversation Variable Not Exists.")
        rows = rows[ids.index(query.last_id) + 1 :]
    return json_response(_page(rows, query.limit))


async def set_variable(request: ApiRequest) -> Response:
    """Answer `PUT /conversations/{conversation_id}/variables/{variable_id}`."""
    body = await request.json()
    user = required_user(body)
    require_chat(request)
    value = checked_chat(ConversationVariableUpdatePayload, body).value
    rows = _conversation(request, user).variables.values()
    row = next((each for each in rows if each.id == request.parameter("variable_id").lower()), None)
    if row is None:
        raise not_found("Conversation Variable Not Exists.")
    _check_type(row, value)
    row.assign(value)
    return json_response(row.shown())


def _check_type(row: VariableRow, value: Any) -> None:
    got = _type_of(value)
    kind, _, item = row.type.partition("[")
    fits = got in (row.type, kind) or (row.type == "secret" and got == "string")
    item = item.rstrip("]")
    if fits and kind == "array" and item not in ("", "any"):
        fits = all(_type_of(each) == item for each in value)
    if not fits:
        message = f"Type mismatch: variable '{row.name}' expects {row.type}, but got {got} type"
        raise bad_request(message)


def _type_of(value: Any) -> str:
    """Return the type of a JSON value in Dify's words."""
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", dict: "object", list: "array", type(None): "none"}
    return names[type(value)]
