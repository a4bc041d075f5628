"""What the nodes of a run give, one function per node type. Types without one give what the End nodes ask of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.definition import JsonObject
from difygen.mock.outputs import ITEMS
from difygen.mock.pool import Pool, as_text, case_that_holds, template_text
from difygen.model import Node

_REFERENCE = re.compile(r"\{\{#([^#{}]+)#\}\}")


@dataclass(slots=True)
class Result:
    """A node's run: what its `node_finished` says, and the branch by which the run goes on, if it has several."""

    inputs: JsonObject = field(default_factory=dict)
    outputs: JsonObject = field(default_factory=dict)
    process_data: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)
    known: bool = False
    handle: str = ""


def result_of(node: Node, settings: JsonObject, pool: Pool) -> Result:
    """What a node gives, its branch left open where only the caller can choose one."""
    simulate = _SIMULATED.get(node.type)
    if simulate:
        return simulate(node, settings, pool)
    return Result(inputs=_variables(settings, pool), outputs=pool.wanted(node.id))


def rendered(text: str, pool: Pool) -> str:
    """A text with `{{#node.field#}}` references, as prompts and forms have them."""
    return _REFERENCE.sub(lambda found: as_text(pool.get(tuple(found[1].split(".")))) or found[0], text)


def _rows(settings: JsonObject, key: str) -> list[JsonObject]:
    return [row for row in settings.get(key) or () if isinstance(row, dict)]


def _variables(settings: JsonObject, pool: Pool) -> JsonObject:
    rows = _rows(settings, "variables")
    return {str(row.get("variable")): pool.get(tuple(map(str, row.get("value_selector") or ()))) for row in rows}


def _template(node: Node, settings: JsonObject, pool: Pool) -> Result:
    values = _variables(settings, pool)
    selectors = [tuple(map(str, row.get("value_selector") or ())) for row in _rows(settings, "variables")]
    text = template_text(str(settings.get("template") or ""), values)
    wanted = pool.wanted(node.id)
    prescribed = any(name in pool.prescribed for name in pool.names_from(node.id))
    if text is None or prescribed:
        return Result(inputs=values, outputs=wanted or {"output": "mock output"})
    return Result(inputs=values, outputs={"output": text}, known=all(map(pool.knows, selectors)))


def _if_else(node: Node, settings: JsonObject, pool: Pool) -> Result:
    cases = _rows(settings, "cases")
    chosen = case_that_holds(cases, pool)
    conditions = [row for case in cases for row in _rows(case, "conditions")]
    inputs = {
        "conditions": [
            {
                "actual_value": pool.get(tuple(map(str, row.get("variable_selector") or ()))),
                "expected_value": row.get("value"),
                "comparison_operator": row.get("comparison_operator"),
            }
            for row in conditions
        ]
    }
    results = [_case_result(case, chosen) for case in cases]
    outputs = {"result": chosen != "false", "selected_case_id": chosen}
    return Result(inputs, outputs, {"condition_results": results}, known=chosen is not None, handle=chosen or "")


def _case_result(case: JsonObject, chosen: str | None) -> JsonObject:
    holds = str(case.get("case_id") or case.get("id")) == chosen
    conditions = [
        {
            "variable_selector": row.get("variable_selector"),
            "comparison_operator": row.get("comparison_operator"),
            "value": row.get("value"),
            "sub_variable_condition": row.get("sub_variable_condition"),
        }
        for row in _rows(case, "conditions")
    ]
    group = {
        "case_id": case.get("case_id"),
        "logical_operator": case.get("logical_operator"),
        "conditions": conditions,
    }
    return {"group": group, "results": [holds for _ in conditions], "final_result": holds}


def _classifier(node: Node, settings: JsonObject, pool: Pool) -> Result:
    first = next(iter(_rows(settings, "classes")), {})
    outputs = {"class_name": first.get("name"), "class_id": first.get("id"), "usage": usage(1, 1)}
    return Result(outputs=outputs, handle=str(first.get("id") or ""))


def _model(node: Node, settings: JsonObject, pool: Pool) -> Result:
    outputs: JsonObject = {"text": "mock text"} | pool.wanted(node.id)
    templates = settings.get("prompt_template")
    rows = templates if isinstance(templates, list) else [templates]
    prompts: list[JsonObject] = [_prompt(row, pool) for row in rows if isinstance(row, dict)]
    used = usage(sum(len(row["text"].split()) for row in prompts), len(as_text(outputs["text"]).split()))
    outputs = {"text": outputs.pop("text"), "reasoning_content": "", "usage": used, "finish_reason": "stop", **outputs}
    model = settings["model"] if isinstance(settings.get("model"), dict) else {}
    process_data: JsonObject = {
        "model_mode": model.get("mode", "chat"),
        "prompts": prompts,
        "usage": used,
        "finish_reason": "stop",
        "model_provider": model.get("provider", ""),
        "model_name": model.get("name", ""),
    }
    metadata = {key: used[key] for key in ("total_tokens", "total_price", "currency")}
    return Result({}, outputs | {"usage": used}, process_data, metadata)


def _prompt(row: JsonObject, pool: Pool) -> JsonObject:
    return {"role": row.get("role", "user"), "text": rendered(str(row.get("text") or ""), pool), "files": []}


def usage(prompt_tokens: int, completion_tokens: int) -> JsonObject:
    """A model's usage: one word is a token, and a token costs nothing."""
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


def _aggregator(node: Node, settings: JsonObject, pool: Pool) -> Result:
    selectors = [tuple(map(str, each)) for each in settings.get("variables") or () if isinstance(each, list)]
    found = next((selector for selector in selectors if selector in pool), None)
    wanted = pool.wanted(node.id)
    if found is None or any(name in pool.prescribed for name in pool.names_from(node.id)):
        return Result(outputs=wanted)
    inputs = {".".join(found[1:]): pool.get(found)}
    return Result(inputs, {"output": pool.get(found)}, known=pool.knows(found))


def _extractor(node: Node, settings: JsonObject, pool: Pool) -> Result:
    selector = [str(each) for each in settings.get("variable_selector") or ()]
    documents = pool.get(selector)
    documents = documents if isinstance(documents, list) else [documents]
    outputs = {"text": "mock text"} | pool.wanted(node.id)
    return Result({"variable_selector": selector}, outputs, {"documents": documents})


_SIMULATED: Mapping[str, Callable[[Node, JsonObject, Pool], Result]] = {
    "template-transform": _template,
    "if-else": _if_else,
    "question-classifier": _classifier,
    "llm": _model,
    "variable-aggregator": _aggregator,
    "variable-assigner": _aggregator,
    "document-extractor": _extractor,
}


def container_items(settings: JsonObject, pool: Pool, node: Node) -> list[Any]:
    """What an iteration goes over: as many items as the outputs that are prescribed for it, else its list, else two."""
    items = pool.get(tuple(map(str, settings.get("iterator_selector") or ())))
    prescribed = (
        pool.wanted(node.id).get("output") if any(n in pool.prescribed for n in pool.names_from(node.id)) else None
    )
    items = items if isinstance(items, list) else list(range(ITEMS))
    if isinstance(prescribed, list):
        items = [items[min(i, len(items) - 1)] if items else i for i in range(len(prescribed))]
    return items
