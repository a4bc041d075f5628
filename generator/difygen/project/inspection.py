"""The target "the names of the app as JSON": what apps take and give, and how clients call all of it.

For other tools: the JSON has a version, `format`, which goes up when a member changes its meaning or goes away.
Members may be added, so readers leave out what they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from difygen.codegen.module import plan_module
from difygen.codegen.names import VariableNames, name_variables
from difygen.config import Config, Options
from difygen.console import WRONG, echo, one_line, say, table
from difygen.definitions.reading import load_definitions
from difygen.diagnostics import has_errors
from difygen.model import App
from difygen.model_json import dump, load_type
from difygen.naming import Identifier
from difygen.types import type_in_words
from difygen.wording import count, listed

FORMAT = 1


def run_inspect(config: Config, *, as_json: bool) -> int:
    """Print the names and contracts of apps. Returns 0, or 2 if a definition or a setting is wrong."""
    options = config.options
    named, problems = load_definitions(config)
    findings = list(problems)
    described = []
    for app, name, _ in named:
        planned = plan_module(app, options, Identifier(name))
        findings += planned.diagnostics
        if planned.plan:
            described.append(describe(app, name, options, planned.plan.exports))
    for finding in findings:
        say(str(finding))
    if has_errors(findings) or not described:
        return WRONG
    if as_json:
        echo(json.dumps({"format": FORMAT, "apps": described}, indent=2))
    else:
        echo("\n\n".join(map(_summary, described)))
    return 0


def describe(app: App, name: str, options: Options, exports: Sequence[str]) -> dict[str, Any]:
    """Return an app, called `name` in Python, in JSON's types: its contract, and for each wire name the Python name."""
    checked, kind = name_variables(app, options, name), app.kind
    contract = dump(checked.app)
    constants = checked.nodes
    return {
        "name": app.name,
        "source": app.source,
        "kind": kind.name,
        "mode": app.mode,
        "title": app.title,
        "description": app.description,
        "endpoint": kind.start,
        "key_variables": [checked.key_variable, "DIFY_API_KEY"],
        "python": {"module": name, "exports": list(exports)},
        "inputs": [
            {**dumped, "required": input_.required, "python": checked.inputs[input_.name]}
            for dumped, input_ in zip(contract["inputs"], app.inputs, strict=True)
        ],
        "outputs": [
            {**dumped, "optional": output.optional, "python": checked.outputs[output.name]}
            for dumped, output in zip(contract.get("outputs", ()), app.outputs, strict=True)
        ],
        **{name: contract[name] for name in ("answers", "files", "features") if name in contract},
        **({"tools": _with_names(contract["tools"], checked.tools)} if app.tools else {}),
        **({"forms": _forms(contract["forms"], checked)} if app.forms else {}),
        **({"variables": _with_names(contract["variables"], checked.variables)} if app.variables else {}),
        "nodes": [
            {"id": node.id, "type": node.type, "title": node.title, "parent": node.parent, "python": constants[node.id]}
            for node in app.nodes
        ],
    }


def _forms(dumped: Sequence[dict[str, Any]], names: VariableNames) -> list[dict[str, Any]]:
    """Return the forms with the class of an answer, the name of its button and the names of the other fields."""
    return [
        {
            **form,
            "inputs": [
                {**each, "python": names.forms[form["node"]].inputs[each["name"]]} for each in form.get("inputs", ())
            ],
            "python": {"answer": names.forms[form["node"]].answer, "action": names.forms[form["node"]].action},
        }
        for form in dumped
    ]


def _with_names(dumped: Sequence[dict[str, Any]], names: Mapping[str, Identifier]) -> list[dict[str, Any]]:
    return [{**each, "python": names[each["name"]]} for each in dumped]


def _summary(app: dict[str, Any]) -> str:
    """Return an app in lines for people."""
    rows = [("input", each["python"], each["kind"], "" if each["required"] else "optional") for each in app["inputs"]]
    rows += [
        (
            "output",
            each["python"],
            each["type"] if isinstance(each["type"], str) else next(iter(each["type"])),
            "optional" if each["optional"] else "",
        )
        for each in app["outputs"]
    ]
    rows += [
        ("variable", each["python"], type_in_words(load_type(each["type"])), "") for each in app.get("variables", ())
    ]
    rows += [("tool", each["name"], "", "") for each in app.get("tools", ())]
    rows += [
        ("form", each["python"]["answer"], listed([action["id"] for action in each["actions"]], "or"), "")
        for each in app.get("forms", ())
    ]
    head = f"{app['python']['module']}: {app['kind']} {one_line(app['name'])!r} of {app['source']}"
    lines = [head, f"  key     {listed(app['key_variables'], 'or')}", *(f"  {row}" for row in table(rows))]
    return "\n".join([*lines, f"  {count(len(app['nodes']), 'node')}"])
