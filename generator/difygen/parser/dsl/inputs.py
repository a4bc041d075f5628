"""What is sent: the start node's variables, and what nodes see of them; a form of an app without one; people's answers.

Knows no nodes but those that ask: start nodes callers, human-input nodes people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite

from difygen.diagnostics import Diagnostics, Path
from difygen.model import (
    INPUT_KINDS,
    INPUT_TRAITS,
    ArrayOf,
    HumanForm,
    Input,
    InputKind,
    JsonValue,
    ObjectOf,
    OneOf,
    Primitive,
    Type,
    UserAction,
)
from difygen.parser.dsl.graph import PATH, Graph, Step, mapping, sequence, text, texts
from difygen.parser.dsl.node_fields import FIELD_KINDS, Value
from difygen.parser.secrets import looks_like_secret
from difygen.record import Record, replace
from difygen.types import json_of, merge, type_of_schema
from difygen.wording import quoted

FORM_KINDS: tuple[InputKind, ...] = ("text-input", "paragraph", "select", "number", "checkbox", "json_object", "any")
"""What a form of an app without a graph can hold; objects only that of an agent of 1.16."""

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def read_inputs(graph: Graph, report: Diagnostics) -> tuple[tuple[Input, ...], dict[str, Value]]:
    """Return the inputs in the order of the file, and what their variables hold in a run."""
    start = graph.first("start")
    if start is None:
        return (), {}
    path = (*PATH, start.index, "data", "variables")
    variables = [(mapping(each), (*path, index)) for index, each in enumerate(sequence(start.data.get("variables")))]
    return _read(variables, report)


def read_form(form: JsonValue, path: Path, report: Diagnostics, *, has_graph: bool) -> tuple[Input, ...]:
    """Return the inputs of a form, whose items are `{kind: {variable, …}}`.

    Dify reads no default of an app without a graph (1.14): the client sends it, and one that cannot be sent does no
    other harm.
    """
    variables: list[tuple[Mapping[str, JsonValue], Path]] = []
    for index, item in enumerate(sequence(form)):
        for kind, body in mapping(item).items():
            variables.append(({**mapping(body), "type": kind}, (*path, index, kind)))
    inputs, _ = _read(variables, report, has_graph=has_graph)
    return inputs


def _read(
    variables: Sequence[tuple[Mapping[str, JsonValue], Path]],
    report: Diagnostics,
    *,
    has_graph: bool = True,
) -> tuple[tuple[Input, ...], dict[str, Value]]:
    kinds = INPUT_KINDS if has_graph else FORM_KINDS
    inputs: dict[str, Input] = {}
    values: dict[str, Value] = {}
    for variable, path in variables:
        kind = _kind(variable, kinds, report, path)
        if kind is None:
            continue
        name = text(variable.get("variable"))
        if name in inputs:
            report.warn("repeated-input", f"Two inputs are called {quoted(name)}; the last one counts.", path)
        default = default_of(variable, kind, report, path, is_applied=has_graph)
        values[name] = _value(_input(name, kind, variable, default), default)
        if looks_like_secret(default.value, name, text(variable.get("label"))):
            message = f"The default of the input {quoted(name)} looks like a secret and is kept out of the client."
            who = "Dify fills it in itself (since 1.10.1)" if has_graph else "Callers have to send it"
            hint = f"{who}; a secret of the app is better kept in Dify's own settings."
            report.warn("secret-default", message, (*path, "default"), hint)
            default = replace(default, value=None)
        inputs[name] = _input(name, kind, variable, default)
    return tuple(inputs.values()), values


def _kind(
    variable: Mapping[str, JsonValue], kinds: Collection[InputKind], report: Diagnostics, path: Path
) -> InputKind | None:
    kind = variable.get("type")
    if "variable" not in variable:
        report.warn("input-without-name", "A variable of the start node has no name and is left out.", path)
        return None
    name = quoted(text(variable.get("variable")))
    if kind == "external_data_tool":
        report.warn(
            "input-not-sent", f"The input {name} is filled in by an external tool and is not part of the API.", path
        )
        return None
    known = next((each for each in INPUT_KINDS if each == kind), None)
    if known is None:
        message = f"The input {name} has the type {quoted(text(kind))}, which difygen does not know."
        report.warn("unknown-input-type", message, (*path, "type"), "It takes any value, which Dify alone checks.")
        return "any"
    if known not in kinds:
        message = (
            f"The input {name} is of the type {quoted(known)}, which Dify does not read in a form: it is left out."
        )
        report.warn("unread-input-type", message, (*path, "type"))
        return None
    if known == "select" and not texts(variable.get("options")):
        report.warn("select-without-options", f"The select {name} has no options, so Dify takes no value for it.", path)
    return known


def _input(name: str, kind: InputKind, variable: Mapping[str, JsonValue], default: Default) -> Input:
    traits = INPUT_TRAITS[kind]
    return Input(
        name=name,
        kind=kind,
        required=variable.get("required") is True or default.refused,
        default=default.value,
        prefilled=_prefilled(variable, kind),
        label=text(variable.get("label")),
        description=_description(variable),
        max_length=length_of(variable.get("max_length")) if traits.unit else None,
        options=tuple(dict.fromkeys(texts(variable.get("options")))) if kind == "select" else (),
        allowed_file_types=texts(variable.get("allowed_file_types")) if traits.is_file else (),
        allowed_file_extensions=texts(variable.get("allowed_file_extensions")) if traits.is_file else (),
        allowed_file_upload_methods=texts(variable.get("allowed_file_upload_methods")) if traits.is_file else (),
        type=_shape(variable) if kind == "json_object" else None,
    )


def _prefilled(variable: Mapping[str, JsonValue], kind: InputKind) -> JsonValue:
    """Return what the form of a required input is filled with, if that can be sent and is nobody's secret."""
    raw = variable.get("default")
    if variable.get("required") is not True or raw in (None, "", {}):
        return None
    value = _judged(raw, kind, variable)[0].value
    names = text(variable.get("variable")), text(variable.get("label"))
    return None if looks_like_secret(value, *names) else value


def _description(variable: Mapping[str, JsonValue]) -> str:
    """Return what the form tells the person who fills it in."""
    sentences = {"description": "{}", "hint": "{}", "unit": "In {}.", "placeholder": "For example: {}"}
    shown = {key: text(variable.get(key)).strip() for key in sentences}
    return "\n".join(dict.fromkeys(sentences[key].replace("{}", each) for key, each in shown.items() if each))


def length_of(value: JsonValue) -> int | None:
    """Return a limit, which may be a number as text. Old files have one at every variable, and 0 is none."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _shape(variable: Mapping[str, JsonValue]) -> ObjectOf | None:
    """Return the type of a JSON object with a schema, which may be a mapping or text."""
    schema = variable.get("json_schema")
    if isinstance(schema, str):
        schema = json_of(schema) if schema.strip() else None
    if not isinstance(schema, dict) or not schema:
        return None
    type_ = type_of_schema(schema)
    return type_ if isinstance(type_, ObjectOf) else None


def _value(input_: Input, default: Default) -> Value:
    """Return what nodes see of an input: also what Dify puts in its place when it is left out."""
    type_ = input_.value_type
    if isinstance(type_, OneOf):
        type_ = replace(type_, closed=False)  # outputs that pass it on are expected, not bound
    if default.instead is not None:
        type_ = merge(type_, default.instead)
    given = input_.required or input_.default is not None
    return Value(type_, "" if given else f"null when the input {quoted(input_.name)} is left out")


class Default(Record):
    """`value` is what a caller may send, in its JSON type; None if there is nothing of use.

    `refused` means that the server refuses a run that leaves the input out, since it refuses the default itself.
    `instead` is the type of a default that the server passes on although it does not belong there (`''` for a
    checkbox).
    """

    value: JsonValue = None
    refused: bool = False
    instead: Type | None = None


NONE = Default()


def default_of(
    variable: Mapping[str, JsonValue], kind: InputKind, report: Diagnostics, path: Path, *, is_applied: bool
) -> Default:
    """Return the default of an optional input. A required one must be sent whatever its default is.

    `is_applied` says whether the server itself puts the default in the place of what is left out.
    """
    raw = variable.get("default")
    if raw is None or variable.get("required") is True or (raw == "" and not is_applied):
        return NONE
    found, why = _judged(raw, kind, variable)
    if not is_applied:
        found = Default(found.value)
    if why and (found.refused or raw != ""):  # Dify's editor leaves empty texts behind, whatever the kind
        name = quoted(text(variable.get("variable")))
        if found.refused:
            hint = "Dify refuses runs that leave it out, so it is a required argument."
        else:
            hint = "The client does not send it."
        hint += " Remove the default in Dify, or correct it."
        report.warn(
            "default-not-usable", f"The default of the input {name} is not used: {why}.", (*path, "default"), hint
        )
    return found


def _judged(raw: JsonValue, kind: InputKind, variable: Mapping[str, JsonValue]) -> tuple[Default, str]:
    """Return what comes of a default, and what is wrong with it."""
    match INPUT_TRAITS[kind].type:
        case Primitive.ANY:
            return NONE, ""  # what is not understood is Dify's own to fill in
        case Primitive.NUMBER:
            return _number(raw)
        case Primitive.BOOLEAN:
            return _checkbox(raw)
        case ObjectOf():
            return _object(raw)
        case Primitive.FILE | ArrayOf():
            return NONE, "" if raw in ("", [], {}) else "a file cannot be written into a definition"
    if not isinstance(raw, str):
        return Default(refused=True), "it is not text"
    if kind == "select":
        good = raw in texts(variable.get("options"))
        return (Default(raw), "") if good else (Default(refused=True), "it is none of the options")
    limit = variable.get("max_length")
    limit = int(limit) if isinstance(limit, str) and limit.isdecimal() else limit
    if isinstance(limit, int) and 0 < limit < len(raw):
        return Default(refused=True), "it is longer than the input may be"
    return Default(raw), ""


def _number(raw: JsonValue) -> tuple[Default, str]:
    """Editors write numbers as text, which Dify reads as float with a point in it, else as int."""
    if isinstance(raw, bool):
        return NONE, "it is not a number"
    if isinstance(raw, int | float):
        return Default(raw), ""
    if not isinstance(raw, str):
        return Default(refused=True), "it is not a number"
    if not raw.strip():
        return NONE, ""
    try:
        number = float(raw) if "." in raw else int(raw)
    except ValueError:
        return Default(refused=True), "it is not a number"
    if not isfinite(number):
        return NONE, "it is not a number"
    return Default(number), ""


def _checkbox(raw: JsonValue) -> tuple[Default, str]:
    if isinstance(raw, bool):
        return Default(raw), ""
    word = text(raw).strip().lower()
    if word in _TRUE or word in _FALSE:
        return Default(word in _TRUE), ""
    if isinstance(raw, str | int | float):
        instead = Primitive.STRING if isinstance(raw, str) else Primitive.NUMBER
        return Default(instead=instead), "it is neither true nor false, and Dify passes it on as it is"
    return Default(refused=True), "it is neither true nor false"


def _object(raw: JsonValue) -> tuple[Default, str]:
    if isinstance(raw, dict):
        return Default(raw), ""
    if raw:
        return Default(refused=True), "it is not an object"
    instead: Type = ArrayOf(Primitive.ANY) if isinstance(raw, list) else Primitive.BOOLEAN
    if not isinstance(raw, list | bool):
        instead = Primitive.STRING if isinstance(raw, str) else Primitive.NUMBER
    return Default(instead=instead), "it is not an object, and Dify passes it on as it is"


# What human-input nodes ask of people, and whether the API takes an answer at all


WEB_APP = "webapp"
"""The one delivery whose tokens Dify's API knows, too (seen on 1.14.2)."""


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
