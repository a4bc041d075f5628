"""The form of a human-input node: what a person is asked, and what becomes of the answer.

Shapes are those that were recorded on the commit that became 1.13 and on 1.14.2. As there, an answer must name a button
and every field, and before 1.15 nothing else of it is looked at before the run goes on: a value of another type fails
the run then, and a text that is no option is what the node gives. What was not recorded (files of the wrong shape, a
form that nobody answered in time, later releases) is as in the sources.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from difygen.mock.definition import JsonObject, rows_of, selector_of
from difygen.mock.engine.values import VariablePool, as_text, fill_references
from difygen.mock.errors import ApiError
from difygen.mock.files import FileStore
from difygen.parser.dsl.branches import TIMEOUT
from difygen.parser.dsl.graph import Step, mapping, sequence
from difygen.parser.dsl.inputs import WEB_APP, is_delivered_by
from difygen.servers.releases import Release

_UNITS = {"hour": 3600, "day": 24 * 3600}
_USUAL_TIMEOUT, _LONGEST = 36, 10_000
_ONLY_ACTION = {"id": "continue", "title": "Continue", "button_style": "primary"}
_VALUE_TYPES = {"file": "file", "file-list": "array[file]"}


@dataclass(frozen=True, slots=True)
class Form:
    """What a person is asked at a human-input node, and what they answered, if they did.

    `is_delivered` says that it goes to the web app: no endpoint knows the token of another one. `channels` are the
    other ways to answer it, in Dify's words. `deadline` is when it expires, in Unix seconds. `branch` is the handle by
    which the run goes on, empty while it waits, and `problem` why the answers make it fail.
    """

    node_id: str
    node_title: str
    content: str
    inputs: tuple[JsonObject, ...]
    actions: tuple[JsonObject, ...]
    defaults: Mapping[str, str]
    is_delivered: bool
    channels: tuple[str, ...]
    release: Release
    deadline: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    branch: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def of(cls, node: Step, pool: VariablePool, release: Release, seconds: float | None = None) -> Form:
        """Return the form of a node, which expires in so many seconds, else when the node says.

        One without buttons (an export of 1.12) gets one, so that the run can go on.
        """
        inputs = []
        for row in rows_of(node.data, "inputs"):
            source = mapping(row.get("option_source"))
            options = pool.get(selector_of(source.get("selector"))) if source.get("type") == "variable" else None
            has_options = isinstance(options, list)  # those that a variable holds by now
            inputs.append({**row, "option_source": {**source, "value": options}} if has_options else row)
        defaults = {_name(row): mapping(row.get("default")) for row in inputs}
        return cls(
            node_id=node.id,
            node_title=node.title,
            content=fill_references(str(node.data.get("form_content") or ""), pool),
            inputs=tuple(inputs),
            actions=tuple(rows_of(node.data, "user_actions") or [_ONLY_ACTION]),
            defaults={
                name: as_text(pool.get(selector_of(default.get("selector"))))
                for name, default in defaults.items()
                if default.get("type") == "variable"
            },
            is_delivered=is_delivered_by(node, WEB_APP),
            channels=("console", "email") if is_delivered_by(node, "email") else ("console",),
            release=release,
            deadline=time.time() + (_timeout(node) if seconds is None else seconds),
        )

    def _shared(self) -> JsonObject:
        return {
            "form_content": self.content,
            "inputs": list(self.inputs),
            "actions": list(self.actions),
            "display_in_ui": self.is_delivered,
        }

    def _delivery(self) -> JsonObject:
        if not self.release.has("approval-channels"):
            return {"form_token": self.token}
        return {"form_token": self.token if self.is_delivered else None, "approval_channels": list(self.channels)}

    def required(self) -> JsonObject:
        """Return the data of `human_input_required`."""
        return {
            "form_id": self.id,
            "node_id": self.node_id,
            "node_title": self.node_title,
            **self._shared(),
            **self._delivery(),
            "resolved_default_values": dict(self.defaults),
            "expiration_time": int(self.deadline),
        }

    def reason(self) -> JsonObject:
        """Return the member of `workflow_paused.reasons`."""
        return {
            "TYPE": "human_input_required",
            "form_id": self.id,
            **self._shared(),
            "node_id": self.node_id,
            "node_title": self.node_title,
            "resolved_default_values": dict(self.defaults),
            **self._delivery(),
            "expiration_time": int(self.deadline),
        }

    def shown(self) -> JsonObject:
        """Return the answer of `GET /form/human_input/{form_token}`."""
        return {
            "form_content": self.content,
            "inputs": list(self.inputs),
            "resolved_default_values": dict(self.defaults),
            "user_actions": list(self.actions),
            "expiration_time": int(self.deadline),
        }

    # Answers

    def check_open(self) -> None:
        """Refuse a form that has its answer, or was not answered in time."""
        if self.branch not in ("", TIMEOUT):
            message = f"This form has already been submitted by another user, form_id={self.id}"
            raise ApiError(412, "human_input_form_submitted", message)
        if self.branch or time.time() >= self.deadline:
            raise ApiError(412, "human_input_form_expired", f"This form has expired, form_id={self.id}")

    def submit(self, action: str, answers: Mapping[str, Any], store: FileStore) -> Form:
        """Return the form with answers, or refuse them: one submission, an action of the form, every input."""
        self.check_open()
        if action not in [each.get("id") for each in self.actions]:
            raise ApiError(400, "invalid_form_data", f"Invalid action: {action}")
        kinds = self._kinds()
        if missing := [name for name in kinds if name not in answers]:
            raise ApiError(400, "invalid_form_data", f"Missing required inputs: {', '.join(missing)}")
        if self.release.has("checked-forms"):
            for row in self.inputs:
                _check(row, answers[_name(row)], store)
        values: JsonObject = {}
        try:
            for name, value in answers.items():
                values[name] = _restored(name, kinds.get(name), value, store)
        except (ValueError, ApiError) as problem:
            return replace(self, branch=action, problem=str(problem))
        return replace(self, branch=action, answers=values)

    def expire(self) -> Form:
        """Return the form as nobody answered it."""
        return replace(self, branch=TIMEOUT)

    def ended(self) -> tuple[str, JsonObject]:
        """Return the event by which a run says what came of the form: its name and its data."""
        head = {"node_id": self.node_id, "node_title": self.node_title}
        if self.branch == TIMEOUT:
            return "human_input_form_timeout", head | {"expiration_time": int(self.deadline)}
        filled = {"rendered_content": self._rendered(), "action_id": self.branch, "action_text": self._title()}
        submitted = {"submitted_data": dict(self.answers)} if self.release.has("submitted-data") else {}
        return "human_input_form_filled", head | filled | submitted

    def given(self) -> JsonObject:
        """Return what the node says of its inputs (seen on 1.14.2)."""
        kinds = self._kinds()
        types = {name: _VALUE_TYPES.get(kinds.get(name, ""), "string") for name in self.answers}
        return {name: {"value_type": types[name], "value": value} for name, value in self.answers.items()}

    def outputs(self) -> JsonObject:
        """Return what the node gives: of a form that nobody answered in time, no fields."""
        return {
            **self.answers,
            "__action_id": "" if self.branch == TIMEOUT else self.branch,
            "__rendered_content": self._rendered(),
            "__action_value": self._title(),
        }

    def _kinds(self) -> dict[str, str]:
        return {_name(each): str(each.get("type")) for each in self.inputs}

    def _title(self) -> str:
        return next((str(each.get("title", "")) for each in self.actions if each.get("id") == self.branch), "")

    def _rendered(self) -> str:
        """Return the content with the answers in it; of files it tells how many they are."""
        kinds = self._kinds()
        content = self.content
        for name, value in self.answers.items():
            files = {"file": "[file]", "file-list": f"[{len(value) if isinstance(value, list) else 0} files]"}
            shown = files.get(kinds.get(name, "")) or as_text(value)
            content = content.replace("{{#$output." + name + "#}}", shown)
        return content


def _name(row: JsonObject) -> str:
    return str(row.get("output_variable_name"))


def _timeout(node: Step) -> float:
    """Return the seconds after which a node's form expires."""
    number, unit = node.data.get("timeout"), str(node.data.get("timeout_unit"))
    count = number if isinstance(number, int) and not isinstance(number, bool) else _USUAL_TIMEOUT
    return min(count, _LONGEST) * _UNITS.get(unit, _UNITS["hour"])


def _check(row: JsonObject, value: Any, store: FileStore) -> None:
    """Refuse what a field of a form does not take, as later releases do: texts of other fields are not looked at."""
    kind, source = str(row.get("type")), mapping(row.get("option_source"))
    problem = None
    if kind == "select" and not isinstance(value, str):
        problem = "expected string"
    elif kind == "select" and source.get("type") == "constant" and value not in sequence(source.get("value")):
        problem = value
    elif kind == "file" and not isinstance(value, dict):
        problem = "expected mapping"
    elif kind == "file-list" and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
        problem = "expected list of mappings"
    elif kind in _VALUE_TYPES:
        try:
            _restored(_name(row), kind, value, store)
        except ApiError as error:
            problem = error.message
    if problem is not None:
        words = kind.replace("-", " ")
        raise ApiError(400, "invalid_form_data", f"Invalid value for {words} input '{_name(row)}': {problem}")


def _restored(name: str, kind: str | None, value: Any, store: FileStore) -> Any:
    """Return what a run makes of the answer to one field.

    Raises:
        ValueError: It is of another type: the run fails with these words, wrong ones for texts (seen on 1.14.2).
        ApiError: There is no such file.
    """
    got = f"output_variable_name={name}, got={type(value).__name__}"
    if kind == "file":
        if not isinstance(value, dict):
            raise ValueError(f"HumanInput file input expects a mapping payload, {got}")
        return store.resolve(value, {}, strict=True)
    if kind == "file-list":
        if not isinstance(value, list):
            raise ValueError(f"HumanInput file list input expects a list payload, {got}")
        if not all(isinstance(each, dict) for each in value):
            items = "list items to be mapping payloads"
            raise ValueError(f"HumanInput file list input expects {items}, output_variable_name={name}")
        return [store.resolve(each, {}, strict=False) for each in value]
    if kind is not None and not isinstance(value, str):
        raise ValueError(f"HumanInput file list input expects a string, {got}")
    return value
