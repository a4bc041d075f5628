"""What human-input nodes ask of people: their fields and buttons, and whether the API takes an answer at all."""

from __future__ import annotations

from collections.abc import Mapping

from difygen.cursor import Diagnostics, Path
from difygen.model import HumanForm, Input, InputKind, JsonValue, UserAction
from difygen.parser.dsl.graph import PATH, Graph, Step, mapping, sequence, text, texts
from difygen.parser.dsl.inputs import length_of
from difygen.parser.secrets import looks_like_secret
from difygen.wording import quoted

WEB_APP = "webapp"
"""The one delivery whose tokens Dify's API knows, too (seen on 1.14.2)."""

FIELD_KINDS: Mapping[str, InputKind] = {
    "text-input": "text-input",  # of 1.13, in both spellings
    "text_input": "text-input",
    "paragraph": "paragraph",
    "select": "select",
    "file": "file",
    "file-list": "file-list",
}


def read_forms(graph: Graph, report: Diagnostics) -> tuple[HumanForm, ...]:
    """Return the forms that callers can answer, and warn of the others, in the order of the file."""
    steps = (step for step in graph.steps.values() if step.type == "human-input")
    return tuple([form for step in steps if (form := _form(step, report)) is not None])


def is_delivered_by(step: Step, method: str) -> bool:
    """Check whether people are asked by a method, such as the web app: then callers of the API may answer, too."""
    methods = map(mapping, sequence(step.data.get("delivery_methods")))
    return any(text(each.get("type")) == method and each.get("enabled") is not False for each in methods)


def _form(step: Step, report: Diagnostics) -> HumanForm | None:
    path: Path = (*PATH, step.index, "data")
    if not is_delivered_by(step, WEB_APP):
        message = (
            f"The form of {step} is not delivered to the web app, so no client can answer it: Dify gives it a token "
            "that its API does not know (seen on 1.14.2), and a run waits there for an answer in Dify's own ways."
        )
        hint = (
            "Switch on the web app among its delivery methods, publish and export again; or leave it to Dify's e-mail."
        )
        report.warn("form-not-delivered", message, (*path, "delivery_methods"), hint)
        return None
    buttons = {
        text(each.get("id")): text(each.get("title")) for each in map(mapping, sequence(step.data.get("user_actions")))
    }
    actions = [UserAction(id_, title) for id_, title in buttons.items() if id_]
    if not actions:
        message = (
            f"The form of {step} has no buttons, so nobody can answer it, and a run that comes there stays paused."
        )
        report.warn("form-without-buttons", message, (*path, "user_actions"), "Give it one in Dify and export again.")
        return None
    fields: dict[str, Input] = {}
    for index, each in enumerate(map(mapping, sequence(step.data.get("inputs")))):
        name, type_ = text(each.get("output_variable_name")), text(each.get("type"))
        if not name:
            continue
        if type_ not in FIELD_KINDS:
            message = f"The form of {step} has no class of its own: difygen does not know {quoted(type_)}, the type of "
            hint = "Answer it by `submit_form(form, action=..., inputs={...})`."
            report.warn("unknown-field-type", f"{message}{quoted(name)}.", (*path, "inputs", index, "type"), hint)
            return None
        fields.setdefault(name, _field(name, FIELD_KINDS[type_], each))
    return HumanForm(node=step.id, inputs=tuple(fields.values()), actions=tuple(actions))


def _field(name: str, kind: InputKind, data: Mapping[str, JsonValue]) -> Input:
    """Return a field. A text that it is prefilled with is the person's to change, and an answer must have one."""
    default, options = mapping(data.get("default")), mapping(data.get("option_source"))
    prefilled = text(default.get("value")) if default.get("type") == "constant" else ""
    is_constant = kind == "select" and options.get("type") != "variable"
    return Input(
        name=name,
        kind=kind,
        prefilled=None if not prefilled or looks_like_secret(prefilled, name) else prefilled,
        options=tuple(dict.fromkeys(texts(options.get("value")))) if is_constant else (),
        max_length=length_of(data.get("number_limits")) if kind == "file-list" else None,
        allowed_file_types=texts(data.get("allowed_file_types")),
        allowed_file_extensions=texts(data.get("allowed_file_extensions")),
        allowed_file_upload_methods=texts(data.get("allowed_file_upload_methods")),
    )
