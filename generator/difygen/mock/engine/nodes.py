"""What the nodes of a run give: a function per node type, and what an error strategy makes of a failure.

Types without a function give what the End nodes ask of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.definition import Definition, JsonObject, rows_of, selector_of
from difygen.mock.engine.values import VariablePool, as_text, fill_references, fill_template, holds
from difygen.mock.errors import Faults
from difygen.parser.dsl.graph import Step, mapping, sequence

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
