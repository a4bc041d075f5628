"""Types of a definition as annotations, with the nested classes, aliases and imports that they need.

Outputs become models whose members are attributes. An object that a caller sends becomes a typed dictionary: it has
the wire names as its keys and is written as a plain `{...}`, so nothing stands between a caller's data and what is
sent, and a type checker sees it. Knows nothing of clients.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from difygen.codegen.describe import expected_values, paragraphs, sentence
from difygen.codegen.python.runtime import runtime_names
from difygen.codegen.python.syntax import NONE, Code, Source, call, code, either, literal, subscript
from difygen.model import ArrayOf, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
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
from difygen.wording import width

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


class Member(Record):
    """Where an object stands: a member of a class, and in how many lists of lists within it."""

    name: str
    owner: Identifier
    lists: int = 0

    def item(self) -> Member:
        """Return where the items of a list stand that stands here."""
        return Member(self.name, self.owner, self.lists + 1)


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
    member: Member | None = None
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
    type_: Type, name: Identifier, where: Member, scope: Scope, hidden: Collection[str] = ()
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


def _output_model(type_: ObjectOf, name: Identifier, where: Member, scope: Scope) -> Identifier:
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
    annotation = output_annotation(member.type, nested_name(owner, name), Member(name, owner), scope, hidden)
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


def object_annotation(type_: ObjectOf | None, name: Identifier, where: Member, scope: Scope) -> Source:
    """Return the annotation of an object that a caller sends: a typed dictionary, open where nothing is known."""
    members = [member for member in type_.properties if member.name] if type_ else []  # no key without a name
    if type_ is None or not members:
        return subscript(Code("dict"), Code("str"), scope.use("Any"))
    name = scope.reserve(name)
    annotations = []
    for member in members:
        hint = _sent_annotation(member.type, nested_name(name, member.name), Member(member.name, name), scope)
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


def _sent_annotation(type_: Type, name: Identifier, where: Member, scope: Scope) -> Source:
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
    type_: ObjectOf, name: Identifier, base: Source, where: Member, fields: Sequence[FieldPlan]
) -> ModelPlan:
    return ModelPlan(name, base, "object", fields, paragraphs(type_.description), member=where)
