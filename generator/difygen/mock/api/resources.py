"""The endpoints of what surrounds runs and turns: conversations, messages, variables, annotations, speech, files."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from difygen.mock.api import ANONYMOUS, CORS, JSON, ApiRequest, ServerState, json_response
from difygen.mock.conversations import AnnotationRow, ConversationRow, FeedbackRow, VariableRow
from difygen.mock.definition import JsonObject
from difygen.mock.engine.turns import SPEECH
from difygen.mock.errors import (
    ApiError,
    bad_request,
    invalid_param,
    not_found,
)
from difygen.mock.validation import (
    AnnotationCreatePayload,
    AnnotationListQuery,
    AnnotationReplyActionPayload,
    ConversationListQuery,
    ConversationRenamePayload,
    ConversationVariablesQuery,
    ConversationVariableUpdatePayload,
    FeedbackListQuery,
    MessageFeedbackPayload,
    MessageListQuery,
    TextToAudioPayload,
    checked,
    lost,
    required_user,
)

R = TypeVar("R", bound="Listed")

_LACKING = "Conversation Not Exists."


class Listed(Protocol):
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
    request.require_chat()
    query = checked(ConversationListQuery, request.http.query_params, request.state.release)
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
    request.require_chat()
    request.state.chats.forget(_conversation(request, user))
    return Response(status_code=204, media_type=JSON)


async def rename_conversation(request: ApiRequest) -> Response:
    """Answer `POST /conversations/{conversation_id}/name`."""
    body = await request.json()
    user = required_user(body)
    request.require_chat()
    payload = checked(ConversationRenamePayload, body, request.state.release)
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
    request.require_chat()
    query = checked(MessageListQuery, request.http.query_params, request.state.release)
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
    shown = _page(rows[-query.limit :], query.limit) | {"has_more": len(rows) > query.limit}
    for row in shown["data"] if request.state.release.has("no-extra-contents") else ():
        del row["extra_contents"]
    return json_response(shown)


# Variables


async def variables(request: ApiRequest) -> Response:
    """Answer `GET /conversations/{conversation_id}/variables`."""
    request.require_chat()
    query = checked(ConversationVariablesQuery, request.http.query_params, request.state.release)
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
    request.require_chat()
    value = checked(ConversationVariableUpdatePayload, body, request.state.release).value
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


_AUDIO = ("audio/mp3", "audio/m4a", "audio/wav", "audio/amr", "audio/mpga")
_QUESTIONS = ["What comes next?", "Why is that?", "Is there more?"]
_HEARD = "mock transcript"
_DONE = {"result": "success"}


# What users think of messages


async def feedback(request: ApiRequest) -> Response:
    """Answer `POST /messages/{message_id}/feedbacks`."""
    body = await request.json()
    user = required_user(body)
    payload = checked(MessageFeedbackPayload, body, request.state.release)
    state, definition = request.state, request.definition
    message = state.chats.message(definition, user, request.parameter("message_id"))
    if message is None:
        raise not_found("Message Not Exists.")
    if payload.rating is None and message.feedback is None:
        raise invalid_param("rating cannot be None when feedback not exists")
    user_id = state.runs.user_id(definition, user)
    message.feedback = FeedbackRow(payload.rating, payload.content, user_id) if payload.rating else None
    return json_response(_DONE)


async def feedbacks(request: ApiRequest) -> Response:
    """Answer `GET /app/feedbacks`, newest first."""
    query = checked(FeedbackListQuery, request.http.query_params, request.state.release)
    messages = [row for row in request.state.chats.messages.values() if row.definition is request.definition]
    app_id = request.definition.id("app")
    rated = [(row.feedback, row) for row in messages if row.feedback is not None]
    rated.sort(key=lambda each: each[0].at, reverse=True)
    start = (query.page - 1) * query.limit
    return json_response({"data": [one.shown(row, app_id) for one, row in rated[start : start + query.limit]]})


async def suggested_questions(request: ApiRequest) -> Response:
    """Answer `GET /messages/{message_id}/suggested`."""
    user = required_user(request.http.query_params)
    request.require_chat()
    if request.state.chats.message(request.definition, user, request.parameter("message_id")) is None:
        raise not_found("Message Not Exists.")
    if not request.definition.workflow.features.suggested_questions_after_answer:
        raise bad_request("Suggested Questions Is Disabled.")
    return json_response(_DONE | {"data": _QUESTIONS})


# Annotations


async def list_annotations(request: ApiRequest) -> Response:
    """Answer `GET /apps/annotations`, newest first."""
    query = checked(AnnotationListQuery, request.http.query_params, request.state.release)
    rows = [row for row in reversed(_annotations(request).values()) if query.keyword in f"{row.question} {row.answer}"]
    start = (query.page - 1) * query.limit
    shown = [row.shown() for row in rows[start : start + query.limit]]
    more = {"has_more": len(shown) == query.limit, "limit": query.limit, "total": len(rows), "page": query.page}
    return json_response({"data": shown} | more)


async def create_annotation(request: ApiRequest) -> Response:
    """Answer `POST /apps/annotations`."""
    payload = checked(AnnotationCreatePayload, await request.json(), request.state.release)
    row = AnnotationRow(payload.question, payload.answer)
    _annotations(request)[row.id] = row
    return json_response(row.shown(), 201)


async def change_annotation(request: ApiRequest) -> Response:
    """Answer `PUT` and `DELETE /apps/annotations/{annotation_id}`."""
    rows, id_ = _annotations(request), request.parameter("annotation_id")
    if id_ not in rows:
        raise not_found("Annotation not found")
    if request.http.method == "DELETE":
        del rows[id_]
        return Response(status_code=204, media_type=JSON)
    payload = checked(AnnotationCreatePayload, await request.json(), request.state.release)
    rows[id_].question, rows[id_].answer = payload.question, payload.answer
    return json_response(rows[id_].shown())


def _annotations(request: ApiRequest) -> dict[str, AnnotationRow]:
    return request.state.chats.annotations.setdefault(request.definition.workflow.name, {})


async def annotation_reply(request: ApiRequest) -> Response:
    """Answer `POST /apps/annotation-reply/{action}`: the job is done as soon as somebody looks."""
    if request.parameter("action") not in ("enable", "disable"):
        raise invalid_param("action must be enable or disable")
    checked(AnnotationReplyActionPayload, await request.json(), request.state.release)
    job_id = str(uuid.uuid4())
    request.state.chats.jobs[job_id] = request.parameter("action")
    request.state.chats.replies[request.definition.workflow.name] = request.parameter("action") == "enable"
    return json_response({"job_id": job_id, "job_status": "waiting"})


async def annotation_reply_status(request: ApiRequest) -> Response:
    """Answer `GET /apps/annotation-reply/{action}/status/{job_id}`."""
    job_id = request.parameter("job_id")
    if request.state.chats.jobs.get(job_id) != request.parameter("action"):
        raise invalid_param("The job does not exist.")
    return json_response({"job_id": job_id, "job_status": "completed", "error_msg": ""})


# Speech


async def audio_to_text(request: ApiRequest) -> Response:
    """Answer `POST /audio-to-text`: nobody listens."""
    async with request.form() as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ApiError(400, "no_audio_uploaded", "Please upload your audio.")
        if not request.definition.workflow.features.speech_to_text:
            if request.state.release.has("speech-to-text-disabled"):
                raise ApiError(400, "speech_to_text_disabled", "Speech to text is disabled.")
            raise invalid_param("Speech to text is not enabled")
        if (file.content_type or "") not in _AUDIO:
            raise ApiError(415, "unsupported_audio_type", "Audio type not allowed.")
    return json_response({"text": _HEARD})


async def text_to_audio(request: ApiRequest) -> Response:
    """Answer `POST /text-to-audio`: a message without a text is `null` (as in the sources)."""
    body = await request.json()
    required_user(body)
    payload = checked(TextToAudioPayload, body, request.state.release)
    if payload.message_id:
        row = request.state.chats.messages.get(payload.message_id.lower())
        if row is None or row.definition is not request.definition or not row.answer:
            return json_response(None)
    elif not payload.text:
        raise invalid_param("Text is required")
    if not request.definition.workflow.features.text_to_speech and not payload.voice:
        raise invalid_param("TTS is not enabled")
    return Response(base64.b64decode(SPEECH), media_type="audio/mpeg")


# Files


async def upload(request: ApiRequest) -> Response:
    """Answer `POST /files/upload`."""
    async with request.form() as form:
        files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
        if not files:
            raise ApiError(400, "no_file_uploaded", "Please upload your file.")
        if any(isinstance(value, UploadFile) for name, value in form.multi_items() if name != "file"):
            raise ApiError(400, "too_many_files", "Only one file is allowed.")
        file = files[0]  # a second file of that name is not looked at (seen on 1.12.1)
        if not file.content_type:
            raise ApiError(415, "unsupported_file_type", "File type not allowed.")
        if not file.filename:
            raise ApiError(400, "filename_not_exists_error", "The specified filename does not exist.")
        user_id = request.state.runs.user_id(request.definition, str(form.get("user") or ANONYMOUS))
        mime_type = file.content_type.partition(";")[0].strip()
        stored = request.state.files.add(file.filename, await file.read(), mime_type, user_id)
    return json_response(request.state.files.uploaded(stored), 201)


async def signed_file(http: Request) -> Response:
    """Answer `GET /files/{file_id}/file-preview`: the bytes behind a signed link, without a key."""
    state: ServerState = http.app.state.mock
    file = state.files.open(http.path_params["file_id"], http.query_params)
    if file is None:
        return json_response(not_found("File not found or signature is invalid").body(), 404)
    headers = dict(CORS)
    if http.query_params.get("as_attachment") == "true":
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return Response(file.content, media_type=file.mime_type, headers=headers)


async def preview(request: ApiRequest) -> Response:
    """Answer `GET /files/{file_id}/preview`: the bytes of a file that a message of the app refers to."""
    state = request.state
    file = state.files.files.get(request.parameter("file_id").lower())
    chats = state.chats
    if request.definition.workflow.kind.has_outputs or file is None or not chats.refers_to(request.definition, file):
        raise ApiError(404, "file_not_found", "File not found in message context")  # a workflow's never is
    headers = {"cache-control": "public, max-age=3600"}
    if request.http.query_params.get("as_attachment") != "true":
        return Response(file.content, media_type=file.mime_type, headers=headers)
    headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return Response(file.content, media_type="application/octet-stream", headers=headers)
