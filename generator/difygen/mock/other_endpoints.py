"""The endpoints that run nothing: run detail, logs, the app's pages, files, forms, and those that are for other apps."""

from __future__ import annotations

import json
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from difygen.mock import pages
from difygen.mock.definition import JsonObject
from difygen.mock.errors import WRONG_MODE, RefusedError, not_found, unhandled
from difygen.mock.files import is_uuid
from difygen.mock.request import CORS, JSON, Call, MockState, answer
from difygen.mock.runs import Run
from difygen.mock.validation import HumanInputFormSubmitPayload, WorkflowLogQuery, checked, json_body, required_user

_ANONYMOUS = "DEFAULT-USER"


async def run_detail(call: Call) -> Response:
    """`GET /workflows/run/{workflow_run_id}`: 500 for what is no UUID (seen on 1.12.1)."""
    call.workflow_only("advanced-chat")
    run_id = call.request.path_params["workflow_run_id"]
    if not is_uuid(run_id):
        raise unhandled()
    return answer(pages.detail(call.state.runs.find(call.definition, run_id.lower())))


async def logs(call: Call) -> Response:
    """`GET /workflows/logs`."""
    query = checked(WorkflowLogQuery, dict(call.request.query_params))
    runs = list(call.state.runs.of(call.definition))
    users = {run.user: call.state.runs.user_id(call.definition, run.user) for run in runs}
    return answer(pages.logs(call.definition, runs, query, users))


async def info(call: Call) -> Response:
    """`GET /info`."""
    return answer(pages.info(call.definition))


async def parameters(call: Call) -> Response:
    """`GET /parameters`."""
    return answer(pages.parameters(call.definition))


async def site(call: Call) -> Response:
    """`GET /site`."""
    return answer(pages.site(call.definition))


async def meta(call: Call) -> Response:
    """`GET /meta`."""
    return answer({"tool_icons": {}})


# Files


async def upload(call: Call) -> Response:
    """`POST /files/upload`."""
    async with call.request.form() as form:
        return await _uploaded(call, form)


async def _uploaded(call: Call, form: FormData) -> Response:
    files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
    if not files:
        raise RefusedError(400, "no_file_uploaded", "Please upload your file.")
    if any(isinstance(value, UploadFile) for name, value in form.multi_items() if name != "file"):
        raise RefusedError(400, "too_many_files", "Only one file is allowed.")
    file = files[0]  # a second part of that name is not looked at (seen on 1.12.1)
    if not file.content_type:
        raise RefusedError(415, "unsupported_file_type", "File type not allowed.")
    if not file.filename:
        raise RefusedError(400, "filename_not_exists_error", "The specified filename does not exist.")
    user_id = call.state.runs.user_id(call.definition, str(form.get("user") or _ANONYMOUS))
    mime_type = file.content_type.partition(";")[0].strip()
    stored = call.state.files.add(file.filename, await file.read(), mime_type, user_id)
    return answer(call.state.files.uploaded(stored), 201)


async def no_preview(call: Call) -> Response:
    """`GET /files/{file_id}/preview`: not for the files of workflows (seen on 1.12.1)."""
    raise RefusedError(404, "file_not_found", "File not found in message context")


# Forms


async def form(call: Call) -> Response:
    """`GET` and `POST /form/human_input/{form_token}`, as the sources of 1.14 have them."""
    token = call.request.path_params["form_token"]
    body = None
    if call.request.method == "POST":
        body = await call.json()
        required_user(body)
    return _form(call.state.runs.by_token(call.definition, token), token, body)


def _form(run: Run | None, token: str, body: JsonObject | None) -> Response:
    if run is None:
        raise not_found("Form not found")
    if body is not None:
        payload = checked(HumanInputFormSubmitPayload, body)
        run.submit(token, payload.action, payload.inputs)
        return answer({})
    run.forms[token].check_open()
    return Response(json.dumps(run.forms[token].shown(), ensure_ascii=False), media_type=JSON)


async def web_form(request: Request) -> Response:
    """`/api/form/human_input/{form_token}`: the web app's own form, without a key (recorded before 1.13)."""
    state: MockState = request.app.state.mock
    token = request.path_params["form_token"]
    definitions = {id(each): each for each in state.keys.values()}.values()
    run = next((found for each in definitions if (found := state.runs.by_token(each, token))), None)
    try:
        body = (
            json_body(request.headers.get("content-type", ""), await request.body())
            if request.method == "POST"
            else None
        )
        return _form(run, token, body)
    except RefusedError as refused:
        return answer(refused.body(), refused.status)


# Other apps' endpoints


async def chat_only(call: Call) -> Response:
    """Endpoints of chat apps, asked with a workflow's key."""
    if call.request.method == "POST":
        required_user(await call.json())
    raise RefusedError(400, "not_chat_app", WRONG_MODE)


async def completion_only(call: Call) -> Response:
    """Endpoints of text generators, asked with a workflow's key."""
    required_user(await call.json())
    raise RefusedError(400, "app_unavailable", "App unavailable, please check your app configurations.")


async def signed_file(request: Request) -> Response:
    """`GET /files/{file_id}/file-preview`: the bytes behind a signed link, without a key."""
    state: MockState = request.app.state.mock
    file = state.files.open(request.path_params["file_id"], request.query_params)
    if file is None:
        return answer(not_found("File not found or signature is invalid").body(), 404)
    headers = dict(CORS)
    if request.query_params.get("as_attachment") == "true":
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{_quoted(file.name)}"
    return Response(file.content, media_type=file.mime_type, headers=headers)


def _quoted(name: str) -> str:
    return quote(name, safe="")
