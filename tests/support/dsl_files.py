"""Exports for tests, put together from Python, and what difygen reads in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from difygen.model import App, Output
from difygen.parser import Reading, read

Json = dict[str, Any]


def node(id_: str, type_: str, /, parent: str | None = None, **data: Any) -> Json:
    """A node as the canvas stores it. Its title is its id in capitals unless `title` is given."""
    wrapper: Json = {"id": id_, "type": "custom", "data": {"type": type_, "title": id_.upper(), **data}}
    return wrapper if parent is None else {**wrapper, "parentId": parent}


def start(*variables: Json) -> Json:
    return node("start", "start", variables=list(variables))


def variable(name: str, type_: str = "text-input", /, **keys: Any) -> Json:
    return {"variable": name, "type": type_, "label": name, "required": True, **keys}


def template(id_: str, /, parent: str | None = None, **data: Any) -> Json:
    return node(id_, "template-transform", parent, template="x", **data)


def code(id_: str, /, parent: str | None = None, text: str = "", **data: Any) -> Json:
    """A code node whose declared outputs are `x`, a text, unless others are given."""
    outputs = data.pop("outputs", {"x": {"type": "string", "children": None}})
    return node(id_, "code", parent, code=text, code_language="python3", outputs=outputs, **data)


def end(id_: str = "end", /, **selectors: Sequence[Any] | Json) -> Json:
    """An End node: output names with their selectors, or with all that the file says of them."""
    outputs = [
        {"variable": name, **(each if isinstance(each, dict) else {"value_selector": list(each)})}
        for name, each in selectors.items()
    ]
    return node(id_, "end", outputs=outputs)


def if_else(id_: str, /, *cases: str, **data: Any) -> Json:
    return node(id_, "if-else", cases=[{"case_id": case, "conditions": []} for case in cases or ("true",)], **data)


def edges(*paths: str) -> list[Json]:
    """Edges from texts such as `start > check`, `check:true > long > end`."""
    found = []
    for path in paths:
        steps = [each.strip() for each in path.split(">")]
        for source, target in pairwise(steps):
            name, _, handle = source.partition(":")
            edge = {"source": name, "target": target.partition(":")[0], "sourceHandle": handle or "source"}
            found.append({**edge, "targetHandle": "target", "type": "custom"})
    return found


def export(nodes: Sequence[Json], connections: Sequence[Json] = (), **changes: Any) -> Json:
    """A whole export; `changes` replace keys of `workflow`, of `app` or of the root."""
    app = {"name": "demo", "mode": "workflow", "description": "", "icon": "🤖"}
    workflow: Json = {"graph": {"nodes": list(nodes), "edges": list(connections)}, "environment_variables": []}
    root: Json = {"app": app, "kind": "app", "version": "0.5.0", "workflow": workflow}
    for key, value in changes.items():
        next((part for part in (app, workflow) if key in part), root)[key] = value
    return root


def reading(definition: Mapping[str, Any]) -> Reading:
    return read(json.dumps(definition).encode(), "demo.json")


def workflow(definition: Mapping[str, Any]) -> App:
    found = reading(definition)
    assert found.workflow is not None, found.diagnostics
    return found.workflow


def outputs(definition: Mapping[str, Any]) -> dict[str, Output]:
    return {each.name: each for each in workflow(definition).outputs}


def codes(definition: Mapping[str, Any]) -> list[str]:
    return [each.code for each in reading(definition).diagnostics]


def chain(*nodes: Json) -> Json:
    """An export of nodes that follow one upon the other; those in a container are left to themselves."""
    ids = [each["id"] for each in nodes if "parentId" not in each]
    return export(nodes, edges(" > ".join(ids)))
