"""The live app's inputs against the definition's, with the judgement that every command makes. Reads no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from difygen.call.words import count
from difygen.doctor.report import Section
from difygen.model import App


def check_drift(section: Section, definition: App, parameters: Mapping[str, Any]) -> bool:
    """Compare variable by variable; whether callers of the definition's client still fit the live app."""
    live = live_workflow(definition, parameters)
    if live is None:
        section.skip("inputs", "not compared: the live app does not tell its variables.")
        return True
    return _report(section, definition, live)


def live_workflow(definition: App, parameters: Mapping[str, Any]) -> App | None:
    """The definition with the live app's inputs in the place of its own.

    An item of `user_input_form` is the start node's variable as it is in an export (seen on 1.12.1), so the reader of exports reads it.
    """
    from difygen.parser import read

    form = parameters.get("user_input_form")
    if not isinstance(form, list):
        return None
    variables = [
        {"type": kind, **value}
        for item in form
        if isinstance(item, dict)
        for kind, value in item.items()
        if isinstance(value, dict)
    ]
    nodes = [{"id": "start", "data": {"type": "start", "title": "Start", "variables": variables}}]
    export = {
        "kind": "app",
        "app": {"name": definition.name, "mode": "workflow"},
        "workflow": {"graph": {"nodes": nodes, "edges": []}},
    }
    reading = read(json.dumps(export).encode(), "/parameters")
    return reading.workflow and replace(definition, inputs=reading.workflow.inputs)


def _without_own_names(workflow: App) -> App:
    """The workflow without labels that are the inputs' names: Dify asks for a label, a spec can do without."""
    inputs = (replace(each, label="") if each.label == each.name else each for each in workflow.inputs)
    return replace(workflow, inputs=tuple(inputs))


def _report(section: Section, definition: App, live: App) -> bool:
    from difygen.diff.workflows import compare, is_breaking

    changes = compare(_without_own_names(definition), _without_own_names(live))
    details = [
        f"{change.effect}: {change.message} {change.reason}" for change in changes if change.effect != "cosmetic"
    ]
    cosmetic = len(changes) - len(details)
    if cosmetic:
        details.append(f"cosmetic: {count(cosmetic, 'difference')} of labels, descriptions or order.")
    if is_breaking(changes):
        fix = "Export the workflow again (or correct the spec) and generate anew; or this is the key of another app."
        section.problem("inputs", "The live app takes other inputs than the definition says.", fix, *details)
        return False
    same = count(len(definition.inputs), "input") if definition.inputs else "no inputs"
    if details:
        section.ok(
            "inputs", f"The live app and the definition agree on {same}, but for what breaks no caller:", *details
        )
    else:
        section.ok("inputs", f"The live app and the definition agree on {same}.")
    return True
