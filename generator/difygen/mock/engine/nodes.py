"""What the nodes of a run give: a function per node type, what an error strategy makes of a failure, forms for people.

Types without a function give what the End nodes ask of them.

Shapes of forms are those that were recorded on the commit that became 1.13 and on 1.14.2. As there, an answer must
name a button and every field, and before 1.15 nothing else of it is looked at before the run goes on: a value of
another type fails the run then, and a text that is no option is what the node gives. What was not recorded (files of
the wrong shape, a form that nobody answered in time, later releases) is as in the sources.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from difygen.mock.definition import Definition, JsonObject, rows_of, selector_of
from difygen.mock.engine.values import VariablePool, as_text, fill_references, fill_template, holds
from difygen.mock.errors import ApiError, Faults
from difygen.mock.files import FileStore
from difygen.parser.dsl.branches import TIMEOUT
from difygen.parser.dsl.graph import Step, mapping, sequence
from difygen.parser.dsl.inputs import WEB_APP, is_delivered_by
from difygen.servers.releases import Release

FAILURE = "RuntimeError: this failure was asked for"
_IDLE = ("start", "if-else", "iteration", "loop", "assigner")


@dataclass(slots=True)
class NodeResult:
    """What a node's `node_finished` says, and the branch by which the run goes on, if it has several.

    `derived` says that the outputs follow from the inputs of the run.
    """

    inputs: JsonObject = field(default_factory=dict)
    outputs: JsonObject = field(default_factory=dict)
    process_data: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)
    derived: bool = False
    branch: str = ""


def result_of(node: Step, pool: VariablePool) -> NodeResult:
    """Return what a node gives, its branch left open where only the caller can choose one."""
    simulate = _SIMULATED.get(node.type)
    if simulate:
        return simulate(node, pool)
    outputs = pool.expected_outputs(node.id)
    if node.type == "question-classifier":
        first = next(iter(rows_of(node.data, "classes")), {})
        outputs = {"class_name": first.get("name"), "class_id": first.get("id"), "usage": usage_of(1, 1)}
        return NodeResult(outputs=outputs, branch=str(first.get("id") or ""))
    if node.type == "document-extractor":
        selector = list(selector_of(node.data.get("variable_selector")))
        documents = pool.get(selector)
        documents = documents if isinstance(documents, list) else [documents]
        return NodeResult({"variable_selector": selector}, {"text": "mock text"} | outputs, {"documents": documents})
    return NodeResult(inputs=_variables(node, pool), outputs=outputs)


def _variables(node: Step, pool: VariablePool) -> JsonObject:
    rows = rows_of(node.data, "variables")
    return {str(row.get("variable")): pool.get(selector_of(row.get("value_selector"))) for row in rows}


def _template(node: Step, pool: VariablePool) -> NodeResult:
    values = _variables(node, pool)
    text = fill_template(str(node.data.get("template") or ""), values)
    if text is None or pool.is_prescribed(node.id):
        return NodeResult(inputs=values, outputs=pool.expected_outputs(node.id) or {"output": "mock output"})
    selectors = [selector_of(row.get("value_selector")) for row in rows_of(node.data, "variables")]
    return NodeResult(inputs=values, outputs={"output": text}, derived=all(map(pool.is_derived, selectors)))


def _if_else(node: Step, pool: VariablePool) -> NodeResult:
    cases = rows_of(node.data, "cases")
    chosen = _case_that_holds(cases, pool)
    conditions = [row for case in cases for row in rows_of(case, "conditions")]
    inputs = {
        "conditions": [
            {
                "actual_value": pool.get(selector_of(row.get("variable_selector"))),
                "expected_value": row.get("value"),
                "comparison_operator": row.get("comparison_operator"),
            }
            for row in conditions
        ]
    }
    results = [_case_result(case, chosen) for case in cases]
    outputs = {"result": chosen != "false", "selected_case_id": chosen}
    return NodeResult(inputs, outputs, {"condition_results": results}, derived=chosen is not None, branch=chosen or "")


def _case_that_holds(cases: list[JsonObject], pool: VariablePool) -> str | None:
    """Return the first case that holds, "false" if none does, None if that does not follow from the inputs."""
    for case in cases:
        results = [_condition(condition, pool) for condition in rows_of(case, "conditions")]
        if None in results:
            return None
        combine = any if case.get("logical_operator") == "or" else all
        if results and combine(bool(result) for result in results):
            return str(case.get("case_id") or case.get("id") or "true")
    return "false"


def _condition(condition: JsonObject, pool: VariablePool) -> bool | None:
    selector = selector_of(condition.get("variable_selector"))
    if not pool.is_derived(selector) or condition.get("sub_variable_condition"):
        return None
    return holds(pool.get(selector), str(condition.get("comparison_operator")), condition.get("value"))


def _case_result(case: JsonObject, chosen: str | None) -> JsonObject:
    is_chosen = str(case.get("case_id") or case.get("id")) == chosen
    keys = ("variable_selector", "comparison_operator", "value", "sub_variable_condition")
    conditions = [{key: row.get(key) for key in keys} for row in rows_of(case, "conditions")]
    group = {
        "case_id": case.get("case_id"),
        "logical_operator": case.get("logical_operator"),
        "conditions": conditions,
    }
    return {"group": group, "results": [is_chosen for _ in conditions], "final_result": is_chosen}


def _model(node: Step, pool: VariablePool) -> NodeResult:
    outputs: JsonObject = {"text": "mock text"} | pool.expected_outputs(node.id)
    templates = node.data.get("prompt_template")
    rows = templates if isinstance(templates, list) else [templates]
    prompts = [
        {"role": row.get("role", "user"), "text": fill_references(str(row.get("text") or ""), pool), "files": []}
        for row in rows
        if isinstance(row, dict)
    ]
    usage = usage_of(sum(len(row["text"].split()) for row in prompts), len(as_text(outputs["text"]).split()))
    outputs = {"text": outputs.pop("text"), "reasoning_content": "", "usage": usage, "finish_reason": "stop", **outputs}
    model = mapping(node.data.get("model"))
    process_data: JsonObject = {
        "model_mode": model.get("mode", "chat"),
        "prompts": prompts,
        "usage": usage,
        "finish_reason": "stop",
        "model_provider": model.get("provider", ""),
        "model_name": model.get("name", ""),
    }
    metadata = {key: usage[key] for key in ("total_tokens", "total_price", "currency")}
    return NodeResult({}, outputs | {"usage": usage}, process_data, metadata)


def usage_of(prompt_tokens: int, completion_tokens: int) -> JsonObject:
    """Return a model's usage: one word is a token, and a token costs nothing."""
    return {
        "prompt_tokens": prompt_tokens,
        "prompt_unit_price": "0.0",
        "prompt_price_unit": "0.0",
        "prompt_price": "0.0",
        "completion_tokens": completion_tokens,
        "completion_unit_price": "0.0",
        "completion_price_unit": "0.0",
        "completion_price": "0.0",
        "total_tokens": prompt_tokens + completion_tokens,
        "total_price": "0.0",
        "currency": "USD",
        "latency": 0.01,
        "time_to_first_token": 0.005,
        "time_to_generate": 0.005,
    }


def _aggregator(node: Step, pool: VariablePool) -> NodeResult:
    selectors = [selector_of(each) for each in sequence(node.data.get("variables")) if isinstance(each, list)]
    found = next((selector for selector in selectors if selector in pool), None)
    if found is None or pool.is_prescribed(node.id):
        return NodeResult(outputs=pool.expected_outputs(node.id))
    value = pool.get(found)
    return NodeResult({".".join(found[1:]): value}, {"output": value}, derived=pool.is_derived(found))


_SIMULATED: Mapping[str, Callable[[Step, VariablePool], NodeResult]] = {
    "template-transform": _template,
    "if-else": _if_else,
    "llm": _model,
    "variable-aggregator": _aggregator,
    "variable-assigner": _aggregator,
}


# Failures that were asked for


def failing_node(definition: Definition, faults: Faults, handler_failed: bool) -> str:
    """Return the id of the node that fails in this run, empty if none does.

    It is the one that the fault names, else for a failure that is handled the first that handles any, else the first
    that does any work, else the last.
    """
    if not (handler_failed or "failed" in faults or "partial" in faults):
        return ""
    if faults.node:
        return faults.node
    nodes = list(definition.graph.level(None)[0].values())
    handling = [node for node in nodes if node.data.get("error_strategy")]
    idle = (*_IDLE, *definition.workflow.kind.terminal_nodes)
    working = [node for node in nodes if node.type not in idle]
    candidates = (handling if "partial" in faults else []) or working or nodes[-1:]
    return candidates[0].id if candidates else ""


def handled_failure(settings: Mapping[str, Any], result: NodeResult, problem: str) -> NodeResult:
    """Return what a node gives whose failure is handled: its default values, and what went wrong (seen on 1.12.1)."""
    strategy = settings.get("error_strategy") or "default-value"
    values = (_default_values(settings) or result.outputs) if strategy == "default-value" else {}
    outputs = values | {"error_message": problem, "error_type": "CodeExecutionError"}
    return NodeResult(result.inputs, outputs, metadata={"error_strategy": strategy}, derived=True)


def _default_values(settings: Mapping[str, Any]) -> JsonObject:
    """Return the values that settings name for a failure. A number becomes a float in any case (seen on 1.12.1)."""
    values: JsonObject = {}
    for row in rows_of(settings, "default_value"):
        value = row.get("value")
        if row.get("type") == "number":
            try:
                value = float(value or 0)
            except (TypeError, ValueError):
                value = 0.0
        values[str(row.get("key"))] = value
    return values


def max_retries(settings: Mapping[str, Any]) -> int:
    """Return how often a node is tried again before it fails."""
    config = settings.get("retry_config")
    if not isinstance(config, dict) or not config.get("retry_enabled"):
        return 0
    return int(config.get("max_retries") or 0)


# Forms of human-input nodes


_UNITS = {"hour": 3600, "day": 24 * 3600}
_USUAL_TIMEOUT, _LONGEST = 36, 10_000
_ONLY_ACTION = {"id": "continue", "title": "Continue", "button_style": "primary"}
_VALUE_TYPES = {"file": "file", "file-list": "array[file]"}


@dataclass(frozen=True, slots=True)
class ServedForm:
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
    def of(cls, node: Step, pool: VariablePool, release: Release, seconds: float | None = None) -> ServedForm:
        """Return the form of a node, which expires in so many seconds, else when the node says.

        One without buttons (an export of 1.12) gets one, so that the run can go on.
        """
        inputs = []
        for row in rows_of(node.data, "inputs"):
            source = mapping(row.get("option_source"))
            options = pool.get(selector_of(source.get("selector"))) if source.get("type") == "variable" else None
            has_options = isinstance(options, list)  # those that a variable holds by now
            inputs.append({**row, "option_source": {**source, "value": options}} if has_options else row)
        defaults = {_field_name(row): mapping(row.get("default")) for row in inputs}
        if seconds is None:
            number, unit = node.data.get("timeout"), str(node.data.get("timeout_unit"))
            count = number if isinstance(number, int) and not isinstance(number, bool) else _USUAL_TIMEOUT
            seconds = min(count, _LONGEST) * _UNITS.get(unit, _UNITS["hour"])
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
            deadline=time.time() + seconds,
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

    def submit(self, action: str, answers: Mapping[str, Any], store: FileStore) -> ServedForm:
        """Return the form with answers, or refuse them: one submission, an action of the form, every input."""
        self.check_open()
        if action not in [each.get("id") for each in self.actions]:
            raise ApiError(400, "invalid_form_data", f"Invalid action: {action}")
        kinds = self._kinds()
        if missing := [name for name in kinds if name not in answers]:
            raise ApiError(400, "invalid_form_data", f"Missing required inputs: {', '.join(missing)}")
        if self.release.has("checked-forms"):
            for row in self.inputs:
                _check_field(row, answers[_field_name(row)], store)
        values: JsonObject = {}
        try:
            for name, value in answers.items():
                values[name] = _restored_field(name, kinds.get(name), value, store)
        except (ValueError, ApiError) as problem:
            return replace(self, branch=action, problem=str(problem))
        return replace(self, branch=action, answers=values)

    def expire(self) -> ServedForm:
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
        return {_field_name(each): str(each.get("type")) for each in self.inputs}

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


def _field_name(row: JsonObject) -> str:
    return str(row.get("output_variable_name"))


def _check_field(row: JsonObject, value: Any, store: FileStore) -> None:
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
            _restored_field(_field_name(row), kind, value, store)
        except ApiError as error:
            problem = error.message
    if problem is not None:
        words = kind.replace("-", " ")
        raise ApiError(400, "invalid_form_data", f"Invalid value for {words} input '{_field_name(row)}': {problem}")


def _restored_field(name: str, kind: str | None, value: Any, store: FileStore) -> Any:
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
