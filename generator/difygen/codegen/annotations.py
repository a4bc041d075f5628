"""Types of a definition as annotations, with the nested classes, aliases and imports that they need.

Outputs become models whose members are attributes. An object that a caller sends becomes a typed dictionary: it has
the wire names as its keys and is written as a plain `{...}`, so nothing stands between a caller's data and what is
sent, and a type checker sees it. An input becomes a parameter and a field, with Dify's rules for its values. Knows
nothing of clients.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Literal

from difygen.codegen.describe import action_texts, expected_values, input_text, paragraphs, sentence
from difygen.codegen.names import FormNames
from difygen.codegen.runtime import runtime_names
from difygen.codegen.syntax import LINE_LENGTH, NONE, Code, Source, call, code, either, literal, subscript
from difygen.model import ArrayOf, HumanForm, Input, JsonValue, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.naming import (
    MAX_NAME,
    MODEL_ATTRIBUTES,
    Identifier,
    assign,
    distinct,
    nested_name,
    shortened,
    snake_name,
)
from difygen.record import Record, replace
from difygen.types import members_of, merge
from difygen.wording import has_surrogate, width

MAX_INLINE = 48
"""The columns that a list of options may take where it is used; a longer one gets a name of its own."""

BUILTINS = frozenset({"bool", "dict", "float", "int", "list", "str"})
"""What annotations use of the builtins."""

_KEY_HIDING = frozenset({"Any", "Checkbox", "Literal", "NotRequired", "Number", "Sequence", "Text", *BUILTINS})
"""What stands in the annotations of a typed dictionary; a key of that name would hide it."""

RUNTIME = "._runtime"
_HOMES = {
    **dict.fromkeys(("Annotated", "Any", "ClassVar", "Final", "Literal", "NotRequired", "Unpack"), "typing"),
    **dict.fromkeys(("ConfigDict", "Field", "StrictInt", "with_config"), "pydantic"),
    "Sequence": "collections.abc",
    "StrEnum": "enum",
    "TypedDict": "typing_extensions",
}
"""The modules that names come from which are not the runtime's."""

Role = Literal["inputs", "outputs", "variables", "answer", "object"]


class MemberPlan(Record):
    """Where an object stands: a member of a class, and in how many lists of lists within it."""

    name: str
    owner: Identifier
    lists: int = 0

    def item(self) -> MemberPlan:
        """Return where the items of a list stand that stands here."""
        return MemberPlan(self.name, self.owner, self.lists + 1)


class FieldPlan(Record):
    """A member of a class: `about` is what is said about it, if anything."""

    name: Identifier
    annotation: Code
    default: Source | None
    about: str


class ModelPlan(Record):
    """A class of fields, and what a template needs to say what it is.

    `role` is what the class is to the app: its `inputs`, `outputs` or `variables`, an `answer` to a form, of the node
    whose title is `title`, or an `object` in one of these, which stands at `member`. `about` are the lines that the
    definition has about it.

    A typed dictionary that a caller sends is `is_sent`; if there are keys in it that are no identifiers, `keys` are all
    of them, with their annotations, and there are no fields.
    """

    name: Identifier
    base: Source
    role: Role
    fields: Sequence[FieldPlan]
    about: Sequence[str] = ()
    title: str = ""
    member: MemberPlan | None = None
    is_sent: bool = False
    keys: Code | None = None


class Constant(Record):
    """An assignment at the top of a module: a long list of options, or a long default, with its annotation."""

    name: Identifier
    value: Code
    annotation: Code | None = None


class Scope:
    """What a module imports and defines so far. In a single file, `prefix` keeps the private names of apps apart."""

    def __init__(self, reserved: set[str], prefix: str = "") -> None:
        self.reserved = reserved
        self.prefix = prefix
        self.imports: dict[str, set[str]] = {}
        self.constants: list[Constant] = []
        self.models: list[ModelPlan] = []
        self.public: list[Identifier] = []

    def use(self, name: str) -> Code:
        """Return `name`, imported from the runtime, from pydantic or from the standard library."""
        self.imports.setdefault(_HOMES.get(name, RUNTIME), set()).add(name)
        return Code(name)

    def builtin(self, name: str, hidden: Collection[str] = ()) -> Code:
        """Return a builtin type, by way of its module where a field of the same class hides it."""
        if name not in hidden:
            return Code(name)
        self.imports.setdefault("builtins", set())
        return Code(f"builtins.{name}")

    def private(self, name: str, limit: int = MAX_NAME) -> Identifier:
        """Return a name for the module's own use."""
        prefix = self.prefix.upper() if name.isupper() else self.prefix
        return distinct(shortened(f"_{prefix}{name}", limit), name, runtime_names().__contains__)

    def reserve(self, name: Identifier) -> Identifier:
        """Return a class name that nothing else in the module has."""
        free = distinct(name, name, self.reserved.__contains__)
        self.reserved.add(free)
        self.public.append(free)
        return free


def options_annotation(values: Sequence[str], name: Identifier, scope: Scope) -> Source:
    """Return `Literal["a", "b"]`, or the name of an alias for it where that is long."""
    annotation = subscript(scope.use("Literal"), *map(literal, dict.fromkeys(values)))
    if width(annotation) <= MAX_INLINE:
        return annotation
    name = scope.reserve(name)
    scope.constants.append(Constant(name, annotation))
    return name


def output_annotation(
    type_: Type, name: Identifier, where: MemberPlan, scope: Scope, hidden: Collection[str] = ()
) -> Source:
    """Return the annotation of something that a run gives.

    `name` is for the class of an object in it, `where` says where it stands, `hidden` are builtins that fields hide.
    """
    match type_:
        case ArrayOf(item):
            inner = output_annotation(item, nested_name(name, "item"), where.item(), scope, hidden)
            return subscript(scope.builtin("list", hidden), inner)
        case ObjectOf(properties=()):
            return subscript(scope.builtin("dict", hidden), scope.builtin("str", hidden), scope.use("Any"))
        case ObjectOf():
            return _output_model(type_, scope.reserve(name), where, scope)
        case OneOf(values, closed=True) if values:
            return options_annotation(values, name, scope)
        case UnionOf(members):
            merged = members_of(merge(*members))
            return either(*(output_annotation(member, name, where, scope, hidden) for member in merged))
        case Primitive.NUMBER:
            return either(scope.builtin("int", hidden), scope.builtin("float", hidden))
        case Primitive.FILE:
            return scope.use("File")
        case Primitive.ANY:
            return scope.use("Any")
        case Primitive.NULL:
            return NONE
        case Primitive.INTEGER:
            return scope.builtin("int", hidden)
        case Primitive.BOOLEAN:
            return scope.builtin("bool", hidden)
    return scope.builtin("str", hidden)


def _output_model(type_: ObjectOf, name: Identifier, where: MemberPlan, scope: Scope) -> Identifier:
    """Plan the class of an object that a run gives, after those of the objects in it."""
    names = assign(
        (member.name for member in type_.properties),
        lambda wire: snake_name(wire, "output"),
        reserved=MODEL_ATTRIBUTES,
    )
    hidden = BUILTINS.intersection(names.values())
    fields = []
    for member in type_.properties:
        about = f"{sentence(member.description)} {expected_values(member.type)}".strip()
        fields.append(output_field(member, names[member.name], name, scope, hidden, about))
    scope.models.append(_object_model(type_, name, scope.use("Outputs"), where, fields))
    return name


def output_field(
    member: Property, name: Identifier, owner: Identifier, scope: Scope, hidden: Collection[str], about: str
) -> FieldPlan:
    """Return the field of an output, or of a member of one."""
    annotation = output_annotation(member.type, nested_name(owner, name), MemberPlan(name, owner), scope, hidden)
    annotation = annotation if member.required else optional(annotation)
    settings = {} if member.name == name else {"alias": literal(member.name)}
    return FieldPlan(name, annotated(annotation, settings, scope), None if member.required else NONE, about)


def optional(annotation: Source) -> Source:
    """Return `annotation`, or None."""
    return annotation if annotation == "Any" else either(annotation, NONE)


def annotated(annotation: Source, settings: Mapping[str, Code], scope: Scope) -> Code:
    """Return `Annotated[annotation, Field(...)]`.

    The settings stand in the annotation, so that type checkers see the Python name and the default as they are.
    """
    if not settings:
        return Code(annotation)
    arguments = (code("{}={}", Code(key), setting) for key, setting in settings.items())
    return subscript(scope.use("Annotated"), annotation, call(scope.use("Field"), *arguments))


def object_annotation(type_: ObjectOf | None, name: Identifier, where: MemberPlan, scope: Scope) -> Source:
    """Return the annotation of an object that a caller sends: a typed dictionary, open where nothing is known."""
    members = [member for member in type_.properties if member.name] if type_ else []  # no key without a name
    if type_ is None or not members:
        return subscript(Code("dict"), Code("str"), scope.use("Any"))
    name = scope.reserve(name)
    annotations = []
    for member in members:
        hint = _sent_annotation(member.type, nested_name(name, member.name), MemberPlan(member.name, name), scope)
        annotations.append(Code(hint) if member.required else subscript(scope.use("NotRequired"), hint))
    pairs = list(zip(members, annotations, strict=True))
    for used in ("TypedDict", "with_config", "ConfigDict"):
        scope.use(used)
    if all(_is_plain_key(member.name) for member in members):
        fields = [FieldPlan(Identifier(each.name), hint, None, sentence(each.description)) for each, hint in pairs]
        model = _object_model(type_, name, Code("TypedDict"), where, fields)
    else:
        keys = Code(", ".join(f"{literal(member.name)}: {annotation}" for member, annotation in pairs))
        model = replace(_object_model(type_, name, Identifier(f"_{name}Keys"), where, ()), keys=keys)
    scope.models.append(replace(model, is_sent=True))
    return name


def _is_plain_key(key: str) -> bool:
    try:
        Identifier(key)
    except ValueError:
        return False
    return key.isascii() and not key.startswith("_") and key not in _KEY_HIDING


def _sent_annotation(type_: Type, name: Identifier, where: MemberPlan, scope: Scope) -> Source:
    """Return the annotation of something in an object that a caller sends."""
    match type_:
        case ArrayOf(item):
            inner = _sent_annotation(item, nested_name(name, "item"), where.item(), scope)
            return subscript(scope.use("Sequence"), inner)
        case ObjectOf():
            return object_annotation(type_, name, where, scope)
        case OneOf(values) if values:  # the server holds the schema against the object, whoever wrote it
            return options_annotation(values, name, scope)
        case UnionOf(members):
            merged = members_of(merge(*members))
            return either(*(_sent_annotation(member, name, where, scope) for member in merged))
        case Primitive.NUMBER:
            return scope.use("Number")
        case Primitive.INTEGER:
            return scope.use("StrictInt")
        case Primitive.BOOLEAN:
            return scope.use("Checkbox")
        case Primitive.NULL:
            return NONE
        case Primitive.ANY | Primitive.FILE:
            return scope.use("Any")
    return scope.use("Text")


def _object_model(
    type_: ObjectOf, name: Identifier, base: Source, where: MemberPlan, fields: Sequence[FieldPlan]
) -> ModelPlan:
    return ModelPlan(name, base, "object", fields, paragraphs(type_.description), member=where)


# Inputs: the fields of their model, and the parameters of the methods


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
            return object_annotation(object_, nested, MemberPlan(name, owner), scope)
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
