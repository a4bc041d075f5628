"""What Dify takes though no document says so, and what it breaks on: checks that schemathesis makes of each answer.

Facts are those of its release 1.14.2. Whatever else a server does against its document is a mistake, of either.
This is read by schemathesis, in whose environment there is nothing of ours.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs
import schemathesis

FLAWLESS = (401, 405)
"""Answers to what is no request of the operation: other methods, other keys, none."""


@schemathesis.check
def json_is_taken_as_dify_takes_it(ctx: Any, response: Any, case: Any) -> None:
    """Check that a call with a body is answered with 200 if Dify can make sense of it, and else refused or a known 500.

    Sense is what fits the document once Dify has read it in its own way.
    """
    name = case.operation.definition.raw.get("operationId", "")
    if name not in ("run_concat", "stop_concat_task") or response.status_code in FLAWLESS:
        return
    request = response.request
    if request.method != case.operation.method.upper():
        return
    if not request.headers.get("content-type", "").startswith("application/json"):
        assert response.status_code == 415, "another type of body is to be refused as such"
        return
    try:
        body = json.loads(request.body or b"", parse_constant=_refuse)
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError:
        assert response.status_code == 400, "what is no JSON is to be refused"
        return
    assert response.status_code == _expected(name, body, case.operation.schema.raw_schema), "not what Dify answers"


def _refuse(word: str) -> None:
    raise ValueError(word)


def _expected(name: str, body: Any, document: dict[str, Any]) -> int:
    if not isinstance(body, dict):
        return 500  # Dify asks a list, a text or null for its members
    if body.get("user") and len(str(body["user"])) > 255:
        return 500  # its database keeps no more
    schema = "ConcatRunRequest" if name == "run_concat" else "UserRequest"
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    read = _as_read(body, {"user", "inputs", "response_mode", "trace_id"} if name == "run_concat" else {"user"})
    if jsonschema_rs.validator_for(whole).is_valid(read):
        return 200
    inputs = read.get("inputs")
    if isinstance(inputs, dict) and isinstance(inputs.get("num"), list | dict):
        read["inputs"] = {**inputs, "num": 1}
        if jsonschema_rs.validator_for(whole).is_valid(read):
            return 500  # it makes a number of it without looking
    return 400


def _as_read(body: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Return a body as Dify reads it.

    Members that it does not know are dropped, null is as good as nothing, users are made texts, and numbers are read
    in texts; an id for tracing that cannot be one is not looked at.
    """
    read = {key: value for key, value in body.items() if key in known and value is not None}
    if read.get("user"):
        read["user"] = str(read["user"])
    else:
        read.pop("user", None)
    trace = read.get("trace_id")
    if not (isinstance(trace, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,128}", trace)):
        read.pop("trace_id", None)
    if isinstance(read.get("inputs"), dict):
        inputs = {key: read["inputs"].get(key) for key in ("string", "num", "list")}
        read["inputs"] = {key: value for key, value in inputs.items() if value is not None}
        if isinstance(inputs["num"], bool | str):
            read["inputs"]["num"] = _number(inputs["num"])
    return read


def _number(value: bool | str) -> Any:
    """Return what a text or a truth becomes where a number is asked for: a blank text is taken for none."""
    try:
        return 0 if isinstance(value, bool) or not value.strip() else float(value) if "." in value else int(value)
    except ValueError:
        return value


@schemathesis.check
def a_run_is_looked_up_as_dify_does(ctx: Any, response: Any, case: Any) -> None:
    """Check that looking up a run, or its events, breaks on what is no id, and on nothing else."""
    name = case.operation.definition.raw.get("operationId")
    if name not in ("get_concat_run", "get_concat_events") or response.status_code in FLAWLESS:
        return
    if response.request.method != "GET":
        return
    if response.status_code == 400:
        assert name == "get_concat_events", "there is nothing else to refuse"
        return
    url = urlsplit(response.request.url)
    id_ = unquote(url.path.removesuffix("/events").rpartition("/")[2])
    try:
        uuid.UUID(id_)
    except ValueError:
        assert response.status_code in (404, 500), "what is no id cannot be looked up"
    else:
        assert response.status_code in (200, 404), "what is an id is known or not"


@schemathesis.check
def an_upload_needs_a_type(ctx: Any, response: Any, case: Any) -> None:
    """Check that an upload is refused for what it lacks: a file, a name, or a type of its own."""
    if case.operation.definition.raw.get("operationId") != "upload_file" or response.status_code in FLAWLESS:
        return
    if response.request.method != "POST":
        return
    is_form = response.request.headers.get("content-type", "").startswith("multipart/form-data;")
    body = response.request.body if is_form else None
    file = re.search(rb'name="file"; filename="([^"]*)"\r\n(Content-Type:)?', body or b"")
    if file is None:
        assert (response.status_code, response.json()["code"]) == (400, "no_file_uploaded")
    elif file[2] is None:
        assert (response.status_code, response.json()["code"]) == (415, "unsupported_file_type")
    else:
        assert response.status_code == 201 or file[1] == b""
