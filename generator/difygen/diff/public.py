"""What callers see of an app: the Python names of its generated module, and types as type checkers see them.

Inputs may become wider, outputs narrower. Lists of outputs can be changed by whoever reads them, so that type
checkers accept no other item type; the items of an input are only read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from difygen.codegen.module import plan_module
from difygen.codegen.names import FormNames, name_variables
from difygen.config import Options
from difygen.model import App, ArrayOf, Input, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.naming import Identifier, class_name
from difygen.types import union

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_FORMS: Mapping[str, FormNames] = MappingProxyType({})


class PublicNames(NamedTuple):
    """The Python names of a module: of inputs, outputs and variables by wire name, of nodes and forms by id, exports.

    The classes of nodes and tools, which come and go with these, are not among the exports.
    """

    inputs: Mapping[str, str] = _NOTHING
    outputs: Mapping[str, str] = _NOTHING
    variables: Mapping[str, str] = _NOTHING
    nodes: Mapping[str, str] = _NOTHING
    exports: Sequence[str] = ()
    forms: Mapping[str, FormNames] = _NO_FORMS


class PublicApp(NamedTuple):
    """All that callers see of an app."""

    app: App
    names: PublicNames


def public_app(
    app: App,
    module: str,
    renamed: Mapping[str, str] = _NOTHING,
    exports: Sequence[str] | None = None,
    nodes: Mapping[str, str] = _NOTHING,
) -> PublicApp:
    """Return what callers see of an app that is called `module` in Python.

    Args:
        app: The app, from a definition or a lock.
        module: Its name.
        renamed: The Python names that the user chose for variables.
        exports: The public names of its module; by default, those that it has without any options.
        nodes: The constants that the user chose for nodes.
    """
    names = name_variables(app, Options(rename={module: renamed}, nodes={module: nodes}), module)
    if exports is None:
        plan = plan_module(app, Options(), Identifier(module)).plan
        exports = plan.exports if plan else ()
    steps = {f"{class_name(module)}{what}" for what in ("Node", "Tool")}
    exports = [name for name in exports if name not in steps]
    return PublicApp(app, PublicNames(names.inputs, names.outputs, names.variables, names.nodes, exports, names.forms))


def max_length(variable: Input) -> int | None:
    """Return the limit of a text or a list of files; other kinds have none."""
    return variable.max_length or None if variable.traits.unit else None


def is_model(type_: Type) -> bool:
    """Check whether the type is a class of its own in the generated code."""
    return isinstance(type_, ObjectOf) and bool(type_.properties)


def properties(type_: ObjectOf) -> Mapping[str, Property]:
    return {member.name: member for member in type_.properties}


def plain(type_: Type) -> Type:
    """Return the type as annotations show it: without descriptions, hints about values and any order."""
    match type_:
        case ArrayOf(item):
            return ArrayOf(plain(item))
        case OneOf(values, closed):
            return OneOf(tuple(sorted(set(values)))) if closed and values else Primitive.STRING
        case UnionOf(members):
            return union(*sorted(map(plain, members), key=repr))
        case ObjectOf(members):
            return ObjectOf(tuple(Property(one.name, plain(one.type), one.required) for one in members))
    return type_


def accepts(wide: Type, narrow: Type) -> bool:
    """Check whether every value that a caller passes as `narrow` is taken where `wide` is asked for.

    The types are plain.
    """
    if wide == narrow or wide == Primitive.ANY:
        return True
    match wide, narrow:
        case _, UnionOf(members):
            return all(accepts(wide, member) for member in members)
        case UnionOf(members), _:
            return any(accepts(member, narrow) for member in members)
        case ArrayOf(item), ArrayOf(other):
            return accepts(item, other)
        case ObjectOf(), ObjectOf() if is_model(wide) and is_model(narrow):
            return _accepts_object(wide, narrow)
    return _holds(wide, narrow)


def _accepts_object(wide: ObjectOf, narrow: ObjectOf) -> bool:
    """Check that a typed dictionary takes all keys of the old one, and needs no others."""
    new, old = properties(wide), properties(narrow)
    needed = all(name in old and old[name].required for name, member in new.items() if member.required)
    return needed and all(name in new and accepts(new[name].type, member.type) for name, member in old.items())


def fits(old: Type, new: Type) -> bool:
    """Check whether code that reads an output as `old` can read it as `new`. The types are plain."""
    if old == new:
        return True
    match old, new:
        case Primitive.ANY, _:
            return not _has_class(new)
        case _, UnionOf(members):
            return _keeps_classes(old, new) and all(fits(old, member) for member in members)
        case UnionOf(members), _:
            return _keeps_classes(old, new) and any(fits(member, new) for member in members)
        case ArrayOf(item), ArrayOf(other):
            return _same_items(item, other)
        case ObjectOf(), ObjectOf() if is_model(old) and is_model(new):
            return _fits_object(old, new)
    return _holds(old, new)


def _holds(wide: Type, narrow: Type) -> bool:
    """Check whether all values of a type, which is composed of no others, are among those of another one."""
    match wide, narrow:
        case OneOf(values), OneOf(others):
            return set(others) <= set(values)
        case (Primitive.STRING, OneOf()) | (Primitive.NUMBER, Primitive.INTEGER):
            return True
    return False


def _same_items(old: Type, new: Type) -> bool:
    """Check the items of two lists: a model keeps its class, and Any stands for anything; others must be the same."""
    if old == Primitive.ANY or (is_model(old) and is_model(new)):
        return fits(old, new)
    return old == new or (isinstance(old, ArrayOf) and isinstance(new, ArrayOf) and _same_items(old.item, new.item))


def _fits_object(old: ObjectOf, new: ObjectOf) -> bool:
    after = properties(new)
    return all(
        name in after and (after[name].required or not member.required) and fits(member.type, after[name].type)
        for name, member in properties(old).items()
    )


def _has_class(type_: Type) -> bool:
    """Check whether values of the type are objects of a class, where they used to be plain JSON."""
    match type_:
        case ArrayOf(item):
            return _has_class(item)
        case UnionOf(members):
            return any(map(_has_class, members))
    return type_ == Primitive.FILE or is_model(type_)


def _keeps_classes(old: Type, new: Type) -> bool:
    """Check whether no class that code may name is gone from a union."""
    return not _has_class(old) or _has_class(new)
