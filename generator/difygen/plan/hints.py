"""Types of a definition as annotations, with the nested classes, aliases and imports that they need.

Outputs become models whose members are attributes; objects that a caller sends become typed dictionaries, so that a plain
`{...}` is checked by a type checker. Knows nothing of clients, docstrings of methods and files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from difygen.code import NOTHING, Code, Identifier, compose, docstring, literal
from difygen.layout import (
    INDENT,
    NONE,
    Bracket,
    Doc,
    assignment,
    bar,
    call,
    declaration,
    flat,
    place,
    subscript,
    width,
)
from difygen.model import ArrayOf, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.naming import MAX_NAME, MODEL_ATTRIBUTES, assign, distinct, nested_name, shortened, snake_name
from difygen.plan.prose import paragraphs, sentence, wrap
from difygen.render.compiled import TAKEN_NAMES
from difygen.type_algebra import members_of, merge
from difygen.wording import listed

ANY = Code("Any")

MAX_INLINE = 48
"""The columns that a list of options may take where it is used; a longer one gets a name of its own."""

BUILTINS = frozenset({"bool", "dict", "float", "int", "list", "str"})
"""What annotations use of the builtins."""


class FieldPlan(NamedTuple):
    """A member of a model. `gap` says whether a blank line sets it off from the one before."""

    declaration: Code
    docstring: Code
    gap: bool


class ModelPlan(NamedTuple):
    """A class of fields. `head` is all that stands before its docstring."""

    name: Identifier
    head: Code
    docstring: Code
    fields: tuple[FieldPlan, ...]


class Names:
    """What a module imports and defines so far. `classes` are the names that it cannot give to classes."""

    __slots__ = ("aliases", "classes", "imports", "limit", "models", "prefix", "public")

    def __init__(self, limit: int, classes: set[str], prefix: str = "") -> None:
        self.limit = limit
        self.classes = classes
        self.prefix = prefix
        self.imports: dict[str, set[Code]] = {}
        self.aliases: list[Code] = []
        self.models: list[ModelPlan] = []
        self.public: list[Identifier] = []

    def use(self, module: str, name: str) -> Code:
        """`name`, imported from a module of ours, of pydantic or of the standard library."""
        self.imports.setdefault(module, set()).add(Code(name))
        return Code(name)

    def builtin(self, name: str, hidden: Collection[str] = ()) -> Code:
        """A builtin type, by way of its module where a field of the same class hides it."""
        if name not in hidden:
            return Code(name)
        self.imports.setdefault("builtins", set())
        return Code(f"builtins.{name}")

    def private(self, name: str, limit: int = MAX_NAME) -> Identifier:
        """A name for the module's own use. In a single file, `prefix` keeps those of the workflows apart."""
        prefix = self.prefix.upper() if name.isupper() else self.prefix
        return distinct(shortened(f"_{prefix}{name}", limit), name, TAKEN_NAMES.__contains__)

    def reserve(self, name: Identifier) -> Identifier:
        """A class name that nothing else in the module has."""
        free = distinct(name, name, self.classes.__contains__)
        self.classes.add(free)
        self.public.append(free)
        return free


def fields(plans: list[tuple[Code, list[str]]]) -> tuple[FieldPlan, ...]:
    """Declarations with the lines of their docstrings: documented ones are set off by blank lines."""
    result: list[FieldPlan] = []
    spaced = True
    for code, lines in plans:
        result.append(FieldPlan(code, docstring(lines, INDENT) if lines else NOTHING, spaced or bool(lines)))
        spaced = bool(lines)
    return tuple(result)


def options(values: tuple[str, ...], name: Identifier, names: Names) -> Doc:
    """`Literal["a", "b"]`, or the name of an alias for it where that is long."""
    options_ = tuple(dict.fromkeys(values))
    hint = subscript(names.use("typing", "Literal"), *map(literal, options_))
    if width(flat(hint)) <= MAX_INLINE:
        return hint
    name = names.reserve(name)
    names.aliases.append(assignment(name, hint, limit=names.limit))
    return name


def output_hint(type_: Type, name: Identifier, where: str, names: Names, hidden: Collection[str] = ()) -> Doc:
    """The annotation of something that a run gives. `name` is for the class of an object in it, `where` says where it stands."""
    match type_:
        case ArrayOf(item):
            inner = output_hint(item, nested_name(name, "item"), f"An item of {where}", names, hidden)
            return subscript(names.builtin("list", hidden), inner)
        case ObjectOf(properties=()):
            return subscript(names.builtin("dict", hidden), names.builtin("str", hidden), names.use("typing", "Any"))
        case ObjectOf():
            return output_model(type_, names.reserve(name), where, names)
        case OneOf(values, closed=True) if values:
            return options(values, name, names)
        case UnionOf(members):
            return bar(*(output_hint(member, name, where, names, hidden) for member in members_of(merge(*members))))
        case Primitive():
            return _output_primitive(type_, names, hidden)
    return names.builtin("str", hidden)


def _output_primitive(type_: Primitive, names: Names, hidden: Collection[str]) -> Doc:
    match type_:
        case Primitive.NUMBER:
            return bar(names.builtin("int", hidden), names.builtin("float", hidden))
        case Primitive.FILE:
            return names.use("._runtime", "File")
        case Primitive.ANY:
            return names.use("typing", "Any")
        case Primitive.NULL:
            return NONE
    return names.builtin({"string": "str", "integer": "int", "boolean": "bool"}[type_.value], hidden)


def optional(hint: Doc) -> Doc:
    """`hint`, or None."""
    return hint if hint == ANY else bar(hint, NONE)


def output_model(type_: ObjectOf, name: Identifier, where: str, names: Names) -> Identifier:
    """The class of an object that a run gives, after those of the objects in it."""
    pythonic = assign((member.name for member in type_.properties), output_name, reserved=MODEL_ATTRIBUTES)
    hidden = BUILTINS.intersection(pythonic.values())
    plans = [
        output_field(member.name, pythonic[member.name], member, name, names, hidden) for member in type_.properties
    ]
    base = names.use("._runtime", "Outputs")
    names.models.append(
        ModelPlan(name, class_head(name, base, limit=names.limit), model_docstring(type_, where, names), fields(plans))
    )
    return name


def output_name(wire: str) -> Identifier:
    """The attribute for a key of an output."""
    return snake_name(wire, "output")


def output_field(
    wire: str, name: Identifier, member: Property, owner: Identifier, names: Names, hidden: Collection[str]
) -> tuple[Code, list[str]]:
    """The declaration of an output and the lines of its docstring."""
    hint = output_hint(member.type, nested_name(owner, name), f"`{name}` of `{owner}`", names, hidden)
    if not member.required:
        hint = optional(hint)
    if wire != name:
        hint = annotated(hint, {"alias": literal(wire)}, names)
    default = None if member.required else NONE
    code = declaration(name, hint, default, indent=INDENT, limit=names.limit)
    return code, doc_lines(sentence(member.description), hinted_values(member.type), names=names)


def annotated(hint: Doc, settings: Mapping[str, Code], names: Names) -> Doc:
    """`Annotated[hint, Field(...)]`: in the annotation, so that type checkers see the Python name and the default as they are."""
    if not settings:
        return hint
    arguments = (compose("{}={}", Code(key), setting) for key, setting in settings.items())
    return subscript(names.use("typing", "Annotated"), hint, call(names.use("pydantic", "Field"), *arguments))


def class_head(name: Identifier, base: Doc, *, limit: int) -> Code:
    """`class Name(base):`."""
    return place(Bracket(compose("class {}(", name), (base,), Code("):")), limit=limit)


def hinted_values(type_: Type) -> str:
    """The values that a text is expected, but not bound, to have."""
    values = [
        value
        for member in members_of(type_)
        if isinstance(member, OneOf) and not member.closed
        for value in member.values
    ]
    return f"Expected to be {listed(map(literal, values), 'or')}." if values else ""


def doc_lines(*sentences: str, names: Names) -> list[str]:
    """Sentences as the lines of a field's docstring."""
    text = " ".join(filter(None, sentences))
    return wrap(text, names.limit - INDENT - 6) if text else []


def model_docstring(type_: ObjectOf, where: str, names: Names) -> Code:
    """What the definition says about an object, else where it stands."""
    about = paragraphs(type_.description) or [sentence(where)]
    return docstring([line for text in about for line in wrap(text, names.limit - INDENT - 6)], INDENT)
