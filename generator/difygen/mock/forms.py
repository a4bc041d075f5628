"""Human input: the form of a paused run, as its events, its endpoint and the node's outputs show it.

Shapes as recorded on the commit that became 1.13, and as the sources of 1.14 have them.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.errors import RefusedError
from difygen.mock.nodes import rendered
from difygen.mock.pool import Pool, as_text
from difygen.model import Node

OPEN_SECONDS = 36 * 3600
_ONLY_ACTION = {"id": "continue", "title": "Continue", "button_style": "primary"}


@dataclass(frozen=True, slots=True)
class Form:
    """What a person is asked, and, once submitted, what they answered."""

    node_id: str
    node_title: str
    content: str
    inputs: tuple[JsonObject, ...]
    actions: tuple[JsonObject, ...]
    defaults: Mapping[str, str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    expires_at: int = field(default_factory=lambda: int(time.time()) + OPEN_SECONDS)
    action: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)

    def _shared(self) -> JsonObject:
        return {
            "form_content": self.content,
            "inputs": list(self.inputs),
            "actions": list(self.actions),
            "display_in_ui": True,
        }

    def required(self) -> JsonObject:
        """The data of `human_input_required`."""
        return {
            "form_id": self.id,
            "node_id": self.node_id,
            "node_title": self.node_title,
            **self._shared(),
            "form_token": self.token,
            "resolved_default_values": dict(self.defaults),
            "expiration_time": self.expires_at,
        }

    def reason(self) -> JsonObject:
        """The member of `workflow_paused.reasons`."""
        return {
            "TYPE": "human_input_required",
            "form_id": self.id,
            **self._shared(),
            "node_id": self.node_id,
            "node_title": self.node_title,
            "resolved_default_values": dict(self.defaults),
            "form_token": self.token,
            "expiration_time": self.expires_at,
        }

    def shown(self) -> JsonObject:
        """The answer of `GET /form/human_input/{form_token}`."""
        return {
            "form_content": self.content,
            "inputs": list(self.inputs),
            "resolved_default_values": dict(self.defaults),
            "user_actions": list(self.actions),
            "expiration_time": self.expires_at,
        }

    def submitted(self, action: str, answers: Mapping[str, Any]) -> Form:
        """The form with somebody's answers, or the refusal: one submission, a known action, every input."""
        self.still_open()
        if action not in [each.get("id") for each in self.actions]:
            raise RefusedError(400, "invalid_form_data", f"Invalid action: {action}")
        names = [str(each.get("output_variable_name")) for each in self.inputs]
        if missing := [name for name in names if name not in answers]:
            raise RefusedError(400, "invalid_form_data", f"Missing required inputs: {', '.join(missing)}")
        return replace(self, action=action, answers={name: answers[name] for name in names})

    def still_open(self) -> None:
        """Refuse a form that has its answer."""
        if self.action:
            message = f"This form has already been submitted by another user, form_id={self.id}"
            raise RefusedError(412, "human_input_form_submitted", message)

    def filled(self) -> JsonObject:
        """The data of `human_input_form_filled`."""
        return {
            "node_id": self.node_id,
            "node_title": self.node_title,
            "rendered_content": self._filled_content(),
            "action_id": self.action,
            "action_text": self._action_title(),
        }

    def outputs(self) -> JsonObject:
        """What the node gives once the form is submitted."""
        return {
            **self.answers,
            "__action_id": self.action,
            "__action_value": self._action_title(),
            "__rendered_content": self._filled_content(),
        }

    def _action_title(self) -> str:
        return next((str(each.get("title", "")) for each in self.actions if each.get("id") == self.action), "")

    def _filled_content(self) -> str:
        content = self.content
        for name, value in self.answers.items():
            content = content.replace("{{#$output." + name + "#}}", as_text(value))
        return content


def form_of(node: Node, definition: Definition, pool: Pool) -> Form:
    """The form of a human-input node. One without buttons (an export of 1.12) gets a button, so that the run can go on."""
    settings = definition.settings.get(node.id, {})
    inputs = [row for row in settings.get("inputs") or () if isinstance(row, dict)]
    actions = [row for row in settings.get("user_actions") or () if isinstance(row, dict)]
    return Form(
        node_id=node.id,
        node_title=node.title,
        content=rendered(str(settings.get("form_content") or ""), pool),
        inputs=tuple(inputs),
        actions=tuple(actions or [_ONLY_ACTION]),
        defaults=_defaults(inputs, pool),
    )


def _defaults(inputs: list[JsonObject], pool: Pool) -> dict[str, str]:
    defaults = {str(row.get("output_variable_name")): row.get("default") for row in inputs}
    return {
        name: as_text(pool.get(tuple(map(str, default.get("selector") or ()))))
        for name, default in defaults.items()
        if isinstance(default, dict) and default.get("type") == "variable"
    }
