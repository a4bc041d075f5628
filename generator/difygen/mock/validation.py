"""Dify's rules for a request: the body, the user, every input with its coercions and refusals, files of a turn.

Each rule about runs was probed one value at a time against a real 1.12.1; tests replay all of those probes. Names of
models are part of messages that clients see.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.errors import ApiError, bad_request, internal, invalid_param, not_found, unhandled
from difygen.mock.files import FileStore, is_uuid, usable
from difygen.model import INPUT_TRAITS, ArrayOf, ObjectOf, Primitive, TurnFiles, Type
from difygen.parser.yaml import no_constant
from difygen.servers.releases import Release

M = TypeVar("M", bound=BaseModel)

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_PYDANTIC_LINK = re.compile(r"(errors\.pydantic\.dev/)\d+\.\d+")
_USER_LENGTH = 255


class WorkflowRunPayload(BaseModel):
    """The body of a run."""

    inputs: dict[str, Any]
    files: list[dict[str, Any]] | None = None
    response_mode: Literal["blocking", "streaming"] | None = None


class WorkflowLogQuery(BaseModel):
    """The query of the logs endpoint."""

    keyword: str | None = None
    status: Literal["succeeded", "failed", "stopped"] | None = None
    created_at__before: str | None = None
    created_at__after: str | None = None
    created_by_end_user_session_id: str | None = None
    created_by_account: str | None = None
    page: int = Field(default=1, ge=1, le=99999)
    limit: int = Field(default=20, ge=1, le=100)


class HumanInputFormSubmitPayload(BaseModel):
    """The body of a form's submission."""

    inputs: dict[str, Any]
    action: str


def checked(model: type[M], data: Mapping[str, Any], release: Release) -> M:
    """Return `data` as `model`, or refuse it with pydantic's report in the wording of the server's release."""
    pydantic = "2.11" if release.has("pydantic-2.11") else "2.12"
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise invalid_param(_PYDANTIC_LINK.sub(rf"\g<1>{pydantic}", str(error))) from None


def json_body(content_type: str, body: bytes) -> JsonObject:
    """Return the JSON object of a request, or refuse it: 415 another type, 400 no JSON, 500 no object."""
    mime_type = content_type.partition(";")[0].strip().lower()
    if mime_type != "application/json" and not mime_type.endswith("+json"):
        message = "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
        raise ApiError(415, "unsupported_media_type", message)
    try:
        data = json.loads(body, parse_constant=no_constant, parse_int=_integer_of_64_bits)
        json.dumps(data, ensure_ascii=False).encode()  # refuses lone surrogates, as the real server does
    except (ValueError, RecursionError):
        raise bad_request() from None
    if not isinstance(data, dict):
        raise unhandled()
    return data


def _integer_of_64_bits(text: str) -> int | float:
    """Return an integer, or a float for one beyond 64 bits (seen on 1.12.1)."""
    if len(text) > 20:
        return float(text)
    number = int(text)
    return number if -(2**63) <= number < 2**64 else float(number)


def required_user(values: Mapping[str, Any]) -> str:
    """Return the caller's `user`, made a text whatever it is; too long a one breaks the real server."""
    user = values.get("user")
    if not user:
        raise invalid_param("Arg user must be provided.")
    if len(str(user)) > _USER_LENGTH:
        raise unhandled()
    return str(user)


def checked_inputs(
    variables: tuple[JsonObject, ...], given: Mapping[str, Any], store: FileStore, user_id: str | None
) -> JsonObject:
    """Return what the run gets for every variable, in their order, and nothing else.

    The first variable that does not fit is refused.
    """
    named = {name: variable for variable in variables if (name := _name(variable))}
    values = {name: _value(variable, given.get(name)) for name, variable in named.items()}
    return {name: _files(variable, values[name], store, user_id) for name, variable in named.items()}


def _name(variable: JsonObject) -> str:
    return str(variable.get("variable", ""))


def _value(variable: JsonObject, value: Any) -> Any:
    name, required = _name(variable), bool(variable.get("required"))
    if value is None:
        if required:
            raise invalid_param(f"{name} is required in input form")
        value = variable.get("default")
        if value is None:
            return None
    traits = INPUT_TRAITS.get(str(variable.get("type")))
    if traits is not None:
        if traits.is_file and not required and value == "":
            return None
        value = _of_type(traits.type, variable, name, value)
    return value.replace("\x00", "") if isinstance(value, str) else value


def _of_type(type_: Type, variable: JsonObject, name: str, value: Any) -> Any:
    """Return what the server makes of a value, or refuse it."""
    match type_:
        case Primitive.NUMBER:
            return _number(name, value)
        case Primitive.BOOLEAN:
            return _checkbox(name, value)
        case Primitive.FILE if not isinstance(value, dict):
            raise invalid_param(f"{name} in input form must be a file")
        case ArrayOf():
            if not isinstance(value, list) or not all(isinstance(member, dict) for member in value):
                raise invalid_param(f"{name} in input form must be a list of files")
            _check_length(variable, name, value, "files")
        case ObjectOf() if value and not isinstance(value, dict):
            raise invalid_param(f"{name} in input form must be a dict")
        case Primitive.STRING if not isinstance(value, str):
            raise invalid_param(f"(type '{variable['type']}') {name} in input form must be a string")
        case Primitive.STRING if variable["type"] == "select":
            options = variable.get("options") or []
            if value not in options:
                raise invalid_param(f"{name} in input form must be one of the following: {options}")
        case Primitive.STRING:
            _check_length(variable, name, value, "characters")
    return value


def _check_length(variable: JsonObject, name: str, value: Sequence[object], unit: str) -> None:
    text = str(variable.get("max_length") or 0)
    limit = int(text) if text.isdecimal() else 0
    if limit and len(value) > limit:
        raise invalid_param(f"{name} in input form must be less than {limit} {unit}")


def _number(name: str, value: Any) -> Any:
    if isinstance(value, int | float):  # True is a number to this server
        return value
    if not isinstance(value, str):
        raise internal()
    if not value.strip():
        return None
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        raise invalid_param(f"{name} in input form must be a valid number") from None


def _checkbox(name: str, value: Any) -> Any:
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _TRUE or (word is None and not isinstance(value, bool) and value == 1):
        return True
    if word in _FALSE or (word is None and not isinstance(value, bool) and value == 0):
        return False
    if isinstance(value, dict):
        raise invalid_param(f"Invalid input type for ['{name}']")
    return value


def _files(variable: JsonObject, value: Any, store: FileStore, user_id: str | None) -> Any:
    if variable.get("type") == "file" and isinstance(value, dict):
        return store.resolve(value, variable, strict=True, user_id=user_id)
    if variable.get("type") == "file-list" and isinstance(value, list):
        return [store.resolve(member, variable, strict=False, user_id=user_id) for member in value if usable(member)]
    return value


def system_files(
    files: list[dict[str, Any]] | None, store: FileStore, rules: TurnFiles | None, user_id: str
) -> list[JsonObject]:
    """Return what `sys.files` holds: the request's `files`, file upload switched on or not (seen on 1.12.1)."""
    members = [member for member in files or () if usable(member)]
    if rules is None:
        return [store.resolve(member, {}, strict=True, user_id=user_id) for member in members]
    if rules.max_count is not None and len(members) > rules.max_count:
        raise invalid_param(f"Number of files exceeds the maximum limit {rules.max_count}")
    return [store.resolve(member, file_limits(rules), strict=True, user_id=user_id) for member in members]


def file_limits(rules: TurnFiles) -> JsonObject:
    """Return the rules for files of a run or a turn in the words of a variable."""
    return {
        "allowed_file_types": rules.types,
        "allowed_file_extensions": rules.extensions,
        "allowed_file_upload_methods": rules.methods,
    }


def schema_error(variables: tuple[JsonObject, ...], inputs: Mapping[str, Any]) -> str | None:
    """Return why the start node fails: an object does not match its schema. `{}` is not looked at (seen on 1.12.1)."""
    for variable in variables:
        value, schema = inputs.get(_name(variable)), _schema(variable)
        if variable.get("type") == "json_object" and value and schema:
            problem = schema_problem(schema, value)
            if problem:
                return f"JSON object for '{_name(variable)}' does not match schema: {problem}"
    return None


def _schema(variable: JsonObject) -> JsonObject:
    schema = variable.get("json_schema")
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError:
            return {}
    return schema if isinstance(schema, dict) else {}


def schema_problem(schema: JsonObject, value: object) -> str:
    """Return what a JSON Schema has against a value, in the words of the server's own library; empty for nothing.

    A schema that is broken, or refers to a document elsewhere, is not held against the value.
    """
    jsonschema, referencing = import_module("jsonschema"), import_module("referencing")
    try:
        validator = jsonschema.Draft7Validator(schema, registry=referencing.Registry())
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    except Exception:  # noqa: BLE001 - a schema may be anything
        return ""
    return str(error.message) if error else ""


# What turns and conversations are given, as on 1.14.2


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
