"""Plans a workflow's inputs: the fields of their model, the parameters of the methods, and what is said about each.

Knows the rules for values of Dify's input types; knows nothing of methods and modules.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from difygen.code import Code, Identifier, compose, docstring, has_surrogate, literal
from difygen.layout import (
    INDENT,
    LINE_LENGTH,
    NONE,
    Bar,
    Doc,
    assignment,
    call,
    declaration,
    prefixed,
    strings,
    subscript,
    value,
    width,
)
from difygen.model import App, ArrayOf, Input, JsonValue, ObjectOf, OneOf, Primitive
from difygen.naming import MAX_NAME, nested_name
from difygen.plan.hints import (
    BUILTINS,
    ModelPlan,
    Names,
    annotated,
    class_head,
    fields,
    optional,
    options,
)
from difygen.plan.hints_json import object_hint
from difygen.plan.prose import one_line, sentence
from difygen.wording import listed

MAX_INLINE_DEFAULT = 40
"""The columns that a default may take where it is used; a longer one gets a name of its own."""


class InputPlan(NamedTuple):
    """An input: how a method takes it and what is said about it."""

    wire: str
    name: Identifier
    parameter_hint: Doc
    default: Code | None
    text: str


def plan_inputs(
    workflow: App, owner: Identifier, pythonic: Mapping[str, Identifier], names: Names
) -> tuple[InputPlan, ...]:
    """The inputs, and the model of them among `names.models`."""
    hidden = BUILTINS.intersection(pythonic.values())
    inputs: list[InputPlan] = []
    plans: list[tuple[Code, list[str]]] = []
    for variable in workflow.inputs:
        plan = _plan_input(variable, pythonic[variable.name], owner, names)
        inputs.append(plan)
        plans.append((_input_declaration(variable, plan, names, hidden), []))
    base = names.use("._runtime", "Inputs")
    about = f"What `{one_line(workflow.name)}` takes"
    about += "; `run` says what each of them is." if any(plan.text for plan in inputs) else "."
    names.models.append(
        ModelPlan(owner, class_head(owner, base, limit=names.limit), docstring([about], INDENT), fields(plans))
    )
    return tuple(inputs)


def _plan_input(variable: Input, name: Identifier, owner: Identifier, names: Names) -> InputPlan:
    hint = _parameter_hint(variable, name, owner, names)
    default = _default(variable, name, hint, names)
    if not variable.required:
        hint = optional(hint)
    text = _input_text(variable, name)
    return InputPlan(variable.name, name, hint, default, text)


def usable_default(variable: Input) -> bool:
    """Whether the client sends the default itself. Files have none that a client could send."""
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


def _default(variable: Input, name: Identifier, hint: Doc, names: Names) -> Code | None:
    if not usable_default(variable):
        return None if variable.required else NONE
    data = value(variable.default)
    if isinstance(data, Code) and width(data) <= MAX_INLINE_DEFAULT:
        return data
    kind = _constant_hint(variable, hint, names)
    room = min(MAX_NAME, LINE_LENGTH - len(kind or "") - len(":  = {"))
    constant = names.private(f"{name.rstrip('_').upper()}_DEFAULT", room)
    names.aliases.append(assignment(constant, data, limit=names.limit, hint=kind))
    return constant


def _constant_hint(variable: Input, hint: Doc, names: Names) -> Code | None:
    """What makes the constant fit the parameter: an option by its value, a typed dictionary even with keys of its own."""
    if isinstance(variable.value_type, OneOf):
        return names.use("typing", "Final")
    if isinstance(variable.default, str):
        return None
    anything = names.use("typing", "Any")
    return anything if isinstance(hint, Identifier) else compose("dict[str, {}]", anything)


def _parameter_hint(variable: Input, name: Identifier, owner: Identifier, names: Names) -> Doc:
    """The type of a parameter, in Python's own words."""
    nested = nested_name(owner, name)
    match variable.value_type:
        case OneOf(values):
            return options(values, nested, names)
        case Primitive.NUMBER:
            return Code("float")
        case Primitive.BOOLEAN:
            return Code("bool")
        case Primitive.FILE:
            return names.use("._runtime", "FileInput")
        case ArrayOf():
            return subscript(names.use("collections.abc", "Sequence"), names.use("._runtime", "FileInput"))
        case ObjectOf() as object_:
            return object_hint(object_, nested, f"`{name}` of `{owner}`", names)
    return Code("str")


def _input_declaration(variable: Input, plan: InputPlan, names: Names, hidden: Collection[str]) -> Code:
    hint = _field_hint(variable, plan, names)
    if not variable.required:
        hint = optional(hint)
    settings = {} if plan.name == plan.wire else {"alias": literal(plan.wire)}
    if variable.max_length and variable.traits.unit:
        settings["max_length"] = literal(variable.max_length)
    return declaration(plan.name, annotated(hint, settings, names), plan.default, indent=INDENT, limit=names.limit)


def _field_hint(variable: Input, plan: InputPlan, names: Names) -> Doc:
    """The type of a field, in the runtime's words, which say what Dify takes."""
    match variable.value_type:
        case OneOf():
            return plan.parameter_hint
        case Primitive.NUMBER:
            return names.use("._runtime", "Number")
        case Primitive.BOOLEAN:
            return names.use("._runtime", "Checkbox")
        case Primitive.FILE:
            return _file_hint(variable, names)
        case ArrayOf():
            return subscript(names.use("collections.abc", "Sequence"), _file_hint(variable, names))
        case ObjectOf():
            return _object_hint(plan.parameter_hint, names)
    return names.use("._runtime", "Text")


def _object_hint(parameter: Doc, names: Names) -> Doc:
    """A JSON object: checked against its typed dictionary, if it has one."""
    hint = parameter.members[0] if isinstance(parameter, Bar) else parameter
    if not isinstance(hint, Identifier):
        return names.use("._runtime", "JsonObject")
    return subscript(names.use("typing", "Annotated"), hint, names.use("._runtime", "SchemaChecked"))


def _file_hint(variable: Input, names: Names) -> Doc:
    """What the runtime needs to know to refuse a file before it is sent."""
    hint = names.use("._runtime", "FileInput")
    rules = {"types": variable.allowed_file_types}
    if "custom" in variable.allowed_file_types:
        rules["extensions"] = variable.allowed_file_extensions
    if "local_file" not in variable.allowed_file_upload_methods:
        rules["methods"] = variable.allowed_file_upload_methods
    settings = [prefixed(Code(f"{key}="), strings(values)) for key, values in rules.items() if values]
    if not settings:
        return hint
    return subscript(names.use("typing", "Annotated"), hint, call(names.use("._runtime", "FileRules"), *settings))


def _input_text(variable: Input, name: Identifier) -> str:
    """Label, limits and hint of an input, as sentences."""
    label = one_line(variable.label)
    if _same(label, name):
        label = ""
    texts = [_labelled(label, variable), sentence(variable.description)]
    if variable.name != name:
        texts.append(f"Sent as `{one_line(variable.name)}`.")
    return " ".join(filter(None, texts))


def _labelled(label: str, variable: Input) -> str:
    """Label and limits in one sentence, if the label does not end with a mark of its own."""
    size, kinds = _size(variable), _file_kinds(variable)
    if label and not label[-1].isalnum():
        return " ".join(filter(None, (sentence(label), _labelled("", variable))))
    head = ", ".join(filter(None, (label, size)))
    return sentence(f"{head} ({kinds})" if head and kinds else head or kinds)


def _same(label: str, name: str) -> bool:
    return "".join(filter(str.isalnum, label.casefold())) == name.replace("_", "").casefold()


def _size(variable: Input) -> str:
    unit = variable.traits.unit
    return f"at most {variable.max_length:,} {unit}" if variable.max_length and unit else ""


def _file_kinds(variable: Input) -> str:
    if not variable.traits.is_file:
        return ""
    kinds = [kind for kind in variable.allowed_file_types if kind != "custom"]
    if "custom" in variable.allowed_file_types:
        kinds += variable.allowed_file_extensions
    return listed(map(one_line, kinds), "or") if kinds else ""
