"""The bodies of the endpoints that only tell something: run detail, logs, info, parameters, site. Knows no HTTP library."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.errors import invalid_param
from difygen.mock.runs import Run
from difygen.mock.validation import WorkflowLogQuery

_DETAIL_KEYS = (
    "id",
    "workflow_id",
    "status",
    "inputs",
    "outputs",
    "error",
    "total_steps",
    "total_tokens",
    "created_at",
    "finished_at",
    "elapsed_time",
)
_KEYWORD_LENGTH = 30
_SIZES = {
    "image_file_size_limit": 10,
    "video_file_size_limit": 100,
    "audio_file_size_limit": 50,
    "file_size_limit": 15,
    "workflow_file_upload_limit": 10,
}
_UPLOAD: JsonObject = {
    "allowed_file_extensions": [".JPG", ".JPEG", ".PNG", ".GIF", ".WEBP", ".SVG"],
    "allowed_file_types": ["image"],
    "allowed_file_upload_methods": ["local_file", "remote_url"],
    "enabled": False,
    "fileUploadConfig": dict(sorted(_SIZES.items())) | {"batch_count_limit": 5},
    "image": {"enabled": False, "number_limits": 3, "transfer_methods": ["local_file", "remote_url"]},
    "number_limits": 3,
}
_FEATURES: JsonObject = {
    "opening_statement": "",
    "suggested_questions": [],
    "suggested_questions_after_answer": {"enabled": False},
    "speech_to_text": {"enabled": False},
    "text_to_speech": {"enabled": False, "language": "", "voice": ""},
    "retriever_resource": {"enabled": True},
    "annotation_reply": {"enabled": False},
    "more_like_this": {"enabled": False},
}


def info(definition: Definition) -> JsonObject:
    """`GET /info`."""
    workflow = definition.workflow
    return {
        "name": workflow.title or workflow.name,
        "description": workflow.description,
        "tags": [],
        "mode": workflow.mode,
        "author_name": "difygen mock",
    }


def parameters(definition: Definition) -> JsonObject:
    """`GET /parameters`: the variables of the start node as they are, hidden ones included."""
    features = definition.features
    shown = {key: features.get(key, default) for key, default in _FEATURES.items()}
    return shown | {
        "annotation_reply": {"enabled": False},
        "more_like_this": {"enabled": False},
        "user_input_form": [{str(variable.get("type")): variable} for variable in definition.variables],
        "sensitive_word_avoidance": features.get("sensitive_word_avoidance", {"enabled": False}),
        "file_upload": features.get("file_upload") or _UPLOAD,
        "system_parameters": _SIZES,
    }


def site(definition: Definition) -> JsonObject:
    """`GET /site`."""
    return {
        "title": definition.workflow.title or definition.workflow.name,
        "chat_color_theme": None,
        "chat_color_theme_inverted": False,
        "icon_type": "emoji",
        "icon": "\U0001f916",
        "icon_background": "#FFEAD5",
        "description": None,
        "copyright": None,
        "privacy_policy": None,
        "custom_disclaimer": "",
        "default_language": "en-US",
        "show_workflow_steps": True,
        "use_icon_as_answer_icon": False,
        "icon_url": None,
    }


def blocking_data(run: Run) -> JsonObject:
    """The `data` of a blocking answer. A paused run also says who is asked what (since 1.14)."""
    simulation = run.simulation
    data = {
        "id": run.id,
        "workflow_id": run.definition.id("workflow"),
        "status": run.status,
        "outputs": run.outputs if run.over else {},
        "error": simulation.error,
        "elapsed_time": run.elapsed,
        "total_tokens": simulation.totals.tokens,
        "total_steps": simulation.totals.steps,
        "created_at": simulation.created_at,
        "finished_at": run.finished_at,
    }
    if run.status == "paused":
        paused = run.events[-1]["data"]
        data |= {"paused_nodes": paused["paused_nodes"], "reasons": paused["reasons"]}
    return data


def detail(run: Run | None) -> JsonObject:
    """`GET /workflows/run/{id}`: every field null for an unknown run; inputs and outputs are JSON text (seen on 1.12.1)."""
    if run is None:
        return dict.fromkeys(_DETAIL_KEYS)
    over = _stored_over(run)
    totals = run.simulation.totals
    running = run.stored_status() == "running"
    return {
        "id": run.id,
        "workflow_id": run.definition.id("workflow"),
        "status": run.stored_status(),
        "inputs": run.stored_inputs(),
        "outputs": (json.dumps(run.outputs) if run.outputs else None) if over else "{}",
        "error": run.simulation.error if over else None,
        "total_steps": 0 if running else totals.steps,
        "total_tokens": 0 if running else totals.tokens,
        "created_at": run.simulation.created_at,
        "finished_at": run.finished_at if over else None,
        "elapsed_time": run.elapsed if over else 0.0,
    }


def _stored_over(run: Run) -> bool:
    return run.over and run.stored_status() != "running"


def logs(definition: Definition, runs: Iterable[Run], query: WorkflowLogQuery, user_ids: dict[str, str]) -> JsonObject:
    """`GET /workflows/logs`, newest first."""
    if query.created_by_account:
        raise invalid_param(f"Account not found: {query.created_by_account}")
    before, after = _moment(query.created_at__before), _moment(query.created_at__after)
    found = [run for run in runs if _matches(run, query, before, after)]
    start = (query.page - 1) * query.limit
    return {
        "page": query.page,
        "limit": query.limit,
        "total": len(found),
        "has_more": len(found) > start + query.limit,
        "data": [_log(run, user_ids[run.user]) for run in found[start : start + query.limit]],
    }


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_param(f"Isoformat string {text!r} is not understood") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _matches(run: Run, query: WorkflowLogQuery, before: float | None, after: float | None) -> bool:
    created = run.simulation.created_at
    return (
        (query.status is None or run.stored_status() == query.status)
        and (before is None or created <= before)
        and (after is None or created >= after)
        and query.created_by_end_user_session_id in (None, "", run.user)
        and (not query.keyword or _mentions(run, query.keyword[:_KEYWORD_LENGTH]))
    )


def _mentions(run: Run, keyword: str) -> bool:
    if _is_uuid(keyword) and keyword == run.id:
        return True
    texts = (json.dumps(run.inputs, ensure_ascii=False), json.dumps(run.outputs, ensure_ascii=False), run.user)
    return any(keyword.lower() in text.lower() for text in texts)


def _is_uuid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


def _log(run: Run, user_id: str) -> JsonObject:
    over, totals = _stored_over(run), run.simulation.totals
    workflow_run = {
        "id": run.id,
        "version": datetime.fromtimestamp(0, UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "status": run.stored_status(),
        "triggered_from": "app-run",
        "error": run.simulation.error if over else None,
        "elapsed_time": run.elapsed if over else 0.0,
        "total_tokens": totals.tokens if over else 0,
        "total_steps": totals.steps if over else 0,
        "created_at": run.simulation.created_at,
        "finished_at": run.finished_at if over else None,
        "exceptions_count": totals.exceptions if over else 0,
    }
    return {
        "id": run.log_id,
        "workflow_run": workflow_run,
        "details": None,
        "created_from": "service-api",
        "created_by_role": "end_user",
        "created_by_account": None,
        "created_by_end_user": {
            "id": user_id,
            "type": "service-api",
            "is_anonymous": False,
            "session_id": run.user,
        },
        "created_at": run.simulation.created_at,
    }
