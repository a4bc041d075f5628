"""The endpoints of feedback, suggested questions, annotations, speech, and files of messages."""

from __future__ import annotations

import base64
import uuid
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.responses import Response

from difygen.mock.chat.payloads import (
    AnnotationCreatePayload,
    AnnotationListQuery,
    AnnotationReplyActionPayload,
    FeedbackListQuery,
    MessageFeedbackPayload,
    TextToAudioPayload,
    checked_chat,
)
from difygen.mock.chat.start import require_chat
from difygen.mock.chat.turns import SPEECH
from difygen.mock.conversations import AnnotationRow, FeedbackRow
from difygen.mock.endpoints import JSON, ApiRequest, json_response, no_preview
from difygen.mock.errors import ApiError, bad_request, invalid_param, not_found
from difygen.mock.validation import required_user
from difygen.model import WORKFLOW

_AUDIO = ("audio/mp3", "audio/m4a", "audio/wav", "audio/amr", "audio/mpga")
_QUESTIONS = ["What comes next?", "Why is that?", "Is there more?"]
_HEARD = "mock transcript"
_DONE = {"result": "success"}


# What users think of messages


async def feedback(request: ApiRequest) -> Response:
    """Answer `POST /messages/{message_id}/feedbacks`."""
    body = await request.json()
    user = required_user(body)
    payload = checked_chat(MessageFeedbackPayload, body)
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
    query = checked_chat(FeedbackListQuery, request.http.query_params)
    messages = [row for row in request.state.chats.messages.values() if row.definition is request.definition]
    app_id = request.definition.id("app")
    rated = [(row.feedback, row) for row in messages if row.feedback is not None]
    rated.sort(key=lambda each: each[0].at, reverse=True)
    start = (query.page - 1) * query.limit
    return json_response({"data": [one.shown(row, app_id) for one, row in rated[start : start + query.limit]]})


async def suggested_questions(request: ApiRequest) -> Response:
    """Answer `GET /messages/{message_id}/suggested`."""
    user = required_user(request.http.query_params)
    require_chat(request)
    if request.state.chats.message(request.definition, user, request.parameter("message_id")) is None:
        raise not_found("Message Not Exists.")
    if not request.definition.workflow.features.suggested_questions_after_answer:
        raise bad_request("Suggested Questions Is Disabled.")
    return json_response(_DONE | {"data": _QUESTIONS})


# Annotations


async def list_annotations(request: ApiRequest) -> Response:
    """Answer `GET /apps/annotations`, newest first."""
    query = checked_chat(AnnotationListQuery, request.http.query_params)
    rows = [row for row in reversed(_annotations(request).values()) if query.keyword in f"{row.question} {row.answer}"]
    start = (query.page - 1) * query.limit
    shown = [row.shown() for row in rows[start : start + query.limit]]
    more = {"has_more": len(shown) == query.limit, "limit": query.limit, "total": len(rows), "page": query.page}
    return json_response({"data": shown} | more)


async def create_annotation(request: ApiRequest) -> Response:
    """Answer `POST /apps/annotations`."""
    payload = checked_chat(AnnotationCreatePayload, await request.json())
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
    payload = checked_chat(AnnotationCreatePayload, await request.json())
    rows[id_].question, rows[id_].answer = payload.question, payload.answer
    return json_response(rows[id_].shown())


def _annotations(request: ApiRequest) -> dict[str, AnnotationRow]:
    return request.state.chats.annotations.setdefault(request.definition.workflow.name, {})


async def annotation_reply(request: ApiRequest) -> Response:
    """Answer `POST /apps/annotation-reply/{action}`: the job is done as soon as somebody looks."""
    if request.parameter("action") not in ("enable", "disable"):
        raise invalid_param("action must be enable or disable")
    checked_chat(AnnotationReplyActionPayload, await request.json())
    job_id = str(uuid.uuid4())
    request.state.chats.jobs[job_id] = request.parameter("action")
    return json_response({"job_id": job_id, "job_status": "waiting"})


async def annotation_reply_status(request: ApiRequest) -> Response:
    """Answer `GET /apps/annotation-reply/{action}/status/{job_id}`."""
    job_id = request.parameter("job_id")
    if request.state.chats.jobs.get(job_id) != request.parameter("action"):
        raise invalid_param("The job does not exist.")
    return json_response({"job_id": job_id, "job_status": "completed", "error_msg": ""})


# Speech and files


async def audio_to_text(request: ApiRequest) -> Response:
    """Answer `POST /audio-to-text`: nobody listens."""
    async with request.http.form() as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ApiError(400, "no_audio_uploaded", "Please upload your audio.")
        if not request.definition.workflow.features.speech_to_text:
            raise invalid_param("Speech to text is not enabled")
        if (file.content_type or "") not in _AUDIO:
            raise ApiError(415, "unsupported_audio_type", "Audio type not allowed.")
    return json_response({"text": _HEARD})


async def text_to_audio(request: ApiRequest) -> Response:
    """Answer `POST /text-to-audio`: a message without a text is `null` (as in the sources)."""
    body = await request.json()
    required_user(body)
    payload = checked_chat(TextToAudioPayload, body)
    if payload.message_id:
        row = request.state.chats.messages.get(payload.message_id.lower())
        if row is None or row.definition is not request.definition or not row.answer:
            return json_response(None)
    elif not payload.text:
        raise invalid_param("Text is required")
    if not request.definition.workflow.features.text_to_speech and not payload.voice:
        raise invalid_param("TTS is not enabled")
    return Response(base64.b64decode(SPEECH), media_type="audio/mpeg")


async def preview(request: ApiRequest) -> Response:
    """Answer `GET /files/{file_id}/preview`: the bytes of a file that a message of the app refers to."""
    state = request.state
    file = state.files.files.get(request.parameter("file_id").lower())
    chats = state.chats
    if request.definition.workflow.kind is WORKFLOW or file is None or not chats.refers_to(request.definition, file):
        return await no_preview(request)
    headers = {"cache-control": "public, max-age=3600"}
    if request.http.query_params.get("as_attachment") != "true":
        return Response(file.content, media_type=file.mime_type, headers=headers)
    headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return Response(file.content, media_type="application/octet-stream", headers=headers)
