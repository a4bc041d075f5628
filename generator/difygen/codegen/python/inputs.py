"""An app's inputs: the fields of their model and the parameters of the methods, with Dify's rules for their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from difygen.codegen.describe import action_texts, input_text
from difygen.codegen.python.layout import LINE_LENGTH
from difygen.codegen.python.names import FormNames
from difygen.codegen.python.syntax import NONE, Code, Source, call, code, literal, subscript
from difygen.codegen.python.types import (
    BUILTINS,
    Constant,
    FieldPlan,
    Member,
    ModelPlan,
    Scope,
    annotated,
    object_annotation,
    optional,
    options_annotation,
)
from difygen.model import ArrayOf, HumanForm, Input, JsonValue, ObjectOf, OneOf, Primitive
from difygen.naming import MAX_NAME, Identifier, nested_name
from difygen.record import Record, replace
from difygen.wording import has_surrogate, width

MAX_INLINE_DEFAULT = 40
"""The columns that a default may take where it is used; a longer one gets a name of its own."""


class InputPlan(Record):
    """An input: the parameter of a method, what is said about it, and the field of the model."""

    name: Identifier
    annotation: Source
    default: Source | None
    about: str
    field: FieldPlan


def plan_inputs(
    inputs: Sequence[Input], owner: Identifier, names: Mapping[str, Identifier], scope: Scope
) -> tuple[InputPlan, ...]:
    """Return the inputs of an app, or of a form, by their Python names; `owner` is their model."""
    return tuple(_planned(variable, names[variable.name], owner, scope) for variable in inputs)


def plan_answer(form: HumanForm, title: str, names: FormNames, scope: Scope) -> ModelPlan:
    """Return the class of the answers to a form: its node, the button that is pressed, and a value for each field."""
    ids = [action.id for action in form.actions]
    buttons = options_annotation(ids, nested_name(names.answer, names.action), scope)
    text = scope.builtin("str", BUILTINS.intersection(names.inputs.values()))
    fields = [
        FieldPlan(Identifier("node_id"), subscript(scope.use("ClassVar"), text), literal(form.node), ""),
        FieldPlan(names.action, Code(buttons), None, action_texts(form)),
    ]
    for each in plan_inputs(form.inputs, names.answer, names.inputs, scope):
        fields.append(replace(each.field, about=each.about))
    return ModelPlan(names.answer, scope.use("FormAnswer"), "answer", fields, title=title)


def _planned(variable: Input, name: Identifier, owner: Identifier, scope: Scope) -> InputPlan:
    parameter = _parameter_annotation(variable, name, owner, scope)
    default = _default(variable, name, parameter, scope)
    field = _field_annotation(variable, parameter, scope)
    if not variable.required:
        parameter, field = optional(parameter), optional(field)
    settings = {} if name == variable.name else {"alias": literal(variable.name)}
    if variable.max_length and variable.traits.unit:
        settings["max_length"] = literal(variable.max_length)
    about = input_text(variable, name)
    return InputPlan(name, parameter, default, about, FieldPlan(name, annotated(field, settings, scope), default, ""))


def usable_default(variable: Input) -> bool:
    """Return whether the client sends the default itself. Files have none that a client could send."""
    return variable.default is not None and not variable.traits.is_file and _is_json(variable.default)


def _is_json(data: JsonValue) -> bool:
    """Whether JSON in UTF-8 can say the data: no NaN, no infinity, no half of a character."""
    if isinstance(data, Mapping):
        return all(map(_is_json, data)) and all(map(_is_json, data.values()))
    if isinstance(data, str):
        return not has_surrogate(data)
    if isinstance(data, Sequence):
        return all(map(_is_json, data))
    return not isinstance(data, float) or isfinite(data)


def _default(variable: Input, name: Identifier, annotation: Source, scope: Scope) -> Source | None:
    """Return the default of a parameter; a long one is a constant of the module."""
    if not usable_default(variable):
        return None if variable.required else NONE
    value = literal(variable.default)
    if not isinstance(variable.default, Mapping | list | tuple) and width(value) <= MAX_INLINE_DEFAULT:
        return value
    kind: Code | None = None  # what makes the constant fit the parameter
    if isinstance(variable.value_type, OneOf):
        kind = scope.use("Final")
    elif not isinstance(variable.default, str):  # fits a typed dictionary even with keys of its own
        kind = scope.use("Any")
        kind = kind if isinstance(annotation, Identifier) else code("dict[str, {}]", kind)
    room = min(MAX_NAME, LINE_LENGTH - len(kind or "") - len(":  = {"))
    constant = scope.private(f"{name.rstrip('_').upper()}_DEFAULT", room)
    scope.constants.append(Constant(constant, value, kind))
    return constant


def _parameter_annotation(variable: Input, name: Identifier, owner: Identifier, scope: Scope) -> Source:
    """Return the type of a parameter, in Python's own words."""
    nested = nested_name(owner, name)
    match variable.value_type:
        case OneOf(values):
            return options_annotation(values, nested, scope)
        case Primitive.NUMBER:
            return Code("float")
        case Primitive.BOOLEAN:
            return Code("bool")
        case Primitive.ANY:
            return scope.use("Any")
        case Primitive.FILE:
            return scope.use("FileInput")
        case ArrayOf():
            return subscript(scope.use("Sequence"), scope.use("FileInput"))
        case ObjectOf() as object_:
            return object_annotation(object_, nested, Member(name, owner), scope)
    return Code("str")


def _field_annotation(variable: Input, parameter: Source, scope: Scope) -> Source:
    """Return the type of a field, in the runtime's words, which say what Dify takes."""
    match variable.value_type:
        case OneOf():
            return parameter
        case Primitive.NUMBER:
            return scope.use("Number")
        case Primitive.BOOLEAN:
            return scope.use("Checkbox")
        case Primitive.ANY:
            return scope.use("JsonValue")
        case Primitive.FILE:
            return _file_annotation(variable, scope)
        case ArrayOf():
            return subscript(scope.use("Sequence"), _file_annotation(variable, scope))
        case ObjectOf() if isinstance(parameter, Identifier):  # checked against its typed dictionary
            checked = "SchemaChecked" if variable.required else "SchemaCheckedOrEmpty"
            return subscript(scope.use("Annotated"), parameter, scope.use(checked))
        case ObjectOf():
            return scope.use("JsonObject")
    return scope.use("Text")


def _file_annotation(variable: Input, scope: Scope) -> Code:
    """Return the type of a file, with what the runtime must know to refuse one before it is sent."""
    annotation = scope.use("FileInput")
    settings = file_settings(
        variable.allowed_file_types, variable.allowed_file_extensions, variable.allowed_file_upload_methods
    )
    if not settings:
        return annotation
    return subscript(scope.use("Annotated"), annotation, call(scope.use("FileRules"), *settings))


def file_settings(types: Sequence[str], extensions: Sequence[str], methods: Sequence[str]) -> list[Code]:
    """Return the arguments of the runtime's `FileRules`; none where any file will do."""
    rules = {"types": types}
    if "custom" in types:
        rules["extensions"] = extensions
    if "local_file" not in methods:
        rules["methods"] = methods
    return [code("{}={}", Code(key), literal(tuple(values))) for key, values in rules.items() if values]
