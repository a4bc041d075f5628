"""The annotation of a JSON object that a caller sends: a typed dictionary for each object of its schema.

A typed dictionary has the wire names as its keys and is written as a plain `{...}`, so nothing stands between a caller's
data and what is sent. Keys that the schema does not name are kept, as the server takes them.
"""

from __future__ import annotations

from difygen.code import Code, Identifier, compose, literal
from difygen.layout import INDENT, NONE, Bracket, Doc, assignment, bar, call, declaration, prefixed, subscript
from difygen.model import ArrayOf, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.naming import nested_name
from difygen.plan.hints import (
    BUILTINS,
    ModelPlan,
    Names,
    class_head,
    doc_lines,
    fields,
    model_docstring,
    options,
)
from difygen.plan.prose import one_line, sentence
from difygen.type_algebra import members_of, merge

_ANNOTATIONS = frozenset({"Any", "Checkbox", "Literal", "NotRequired", "Number", "Sequence", "Text", *BUILTINS})
"""What stands in the annotations of a typed dictionary; a key of that name would hide it."""


def object_hint(type_: ObjectOf | None, name: Identifier, where: str, names: Names) -> Doc:
    """The annotation of an object: its typed dictionary, or an open one where nothing is known of it."""
    if type_ is None or not any(member.name for member in type_.properties):
        return subscript(Code("dict"), Code("str"), names.use("typing", "Any"))
    return _typed_dictionary(type_, names.reserve(name), where, names)


def _typed_dictionary(type_: ObjectOf, name: Identifier, where: str, names: Names) -> Identifier:
    members = [member for member in type_.properties if member.name]  # type checkers know no key without a name
    hints = [(member, _member_hint(member, name, names)) for member in members]
    base = names.use("typing_extensions", "TypedDict")
    decorator = compose(
        '@{}({}(extra="allow"))', names.use("pydantic", "with_config"), names.use("pydantic", "ConfigDict")
    )
    about = model_docstring(type_, where, names)
    if all(map(_is_plain_key, (member.name for member in members))):
        head = Code(f"{decorator}\n{class_head(name, base, limit=names.limit)}")
        names.models.append(
            ModelPlan(name, head, about, fields([_field(member, hint, names) for member, hint in hints]))
        )
        return name
    keys = Identifier(f"_{name}Keys")
    pairs = tuple(prefixed(compose("{}: ", literal(member.name)), hint) for member, hint in hints)
    statement = assignment(
        keys, call(base, literal(str(keys)), Bracket(Code("{"), pairs, Code("}"))), limit=names.limit
    )
    head = Code(f"{statement}\n\n\n{decorator}\n{class_head(name, keys, limit=names.limit)}")
    names.models.append(ModelPlan(name, head, about, ()))
    return name


def _is_plain_key(key: str) -> bool:
    try:
        Identifier(key)
    except ValueError:
        return False
    return key.isascii() and not key.startswith("_") and key not in _ANNOTATIONS


def _field(member: Property, hint: Doc, names: Names) -> tuple[Code, list[str]]:
    code = declaration(Identifier(member.name), hint, indent=INDENT, limit=names.limit)
    return code, doc_lines(sentence(member.description), names=names)


def _member_hint(member: Property, owner: Identifier, names: Names) -> Doc:
    hint = _json_hint(member.type, nested_name(owner, member.name), f"`{one_line(member.name)}` of `{owner}`", names)
    return hint if member.required else subscript(names.use("typing", "NotRequired"), hint)


def _json_hint(type_: Type, name: Identifier, where: str, names: Names) -> Doc:
    match type_:
        case ArrayOf(item):
            inner = _json_hint(item, nested_name(name, "item"), f"An item of {where}", names)
            return subscript(names.use("collections.abc", "Sequence"), inner)
        case ObjectOf():
            return object_hint(type_, name, where, names)
        case OneOf(values) if values:  # the server holds the schema against the object, whoever wrote it
            return options(values, name, names)
        case UnionOf(members):
            return bar(*(_json_hint(member, name, where, names) for member in members_of(merge(*members))))
        case Primitive.NUMBER:
            return names.use("._runtime", "Number")
        case Primitive.INTEGER:
            return names.use("pydantic", "StrictInt")
        case Primitive.BOOLEAN:
            return names.use("._runtime", "Checkbox")
        case Primitive.NULL:
            return NONE
        case Primitive.ANY | Primitive.FILE:
            return names.use("typing", "Any")
    return names.use("._runtime", "Text")
