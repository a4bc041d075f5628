"""Workflow x Workflow -> what changes for callers of the generated code. Pure: knows no files, no formats and no locks.

Callers are taken to be type-checked code that passes inputs by name and reads outputs. A change is compatible when such code still
type-checks against the new client and whatever it passes is still taken. The rules are the table in `compare_rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from difygen.compare_rules import EFFECTS, RULES, Effect
from difygen.compare_types import accepts, fits, input_type, is_model, max_length, plain, properties, words
from difygen.lock import NOTHING
from difygen.workflow import (
    ArrayOf,
    Input,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Type,
    UnionOf,
    Workflow,
    union,
)

Advice = Literal["major", "minor", "patch", "none"]


class Change(NamedTuple):
    """One difference: the rule it falls under, what it is about ("inputs.num"), what happened, and why that matters."""

    rule: str
    workflow: str
    subject: str
    message: str

    @property
    def effect(self) -> Effect:
        """What it does to callers."""
        return RULES[self.rule].effect

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        return RULES[self.rule].reason


class PublicNames(NamedTuple):
    """The Python names of a generated module: of inputs and outputs by wire name, of node constants by id, and what it exports."""

    inputs: Mapping[str, str] = NOTHING
    outputs: Mapping[str, str] = NOTHING
    nodes: Mapping[str, str] = NOTHING
    exports: Sequence[str] = ()


NO_NAMES = PublicNames()


def compare(
    old: Workflow, new: Workflow, *, old_names: PublicNames = NO_NAMES, new_names: PublicNames = NO_NAMES
) -> tuple[Change, ...]:
    """What changes for callers from `old` to `new`, the worst first. Without names, Python names are taken to be the same."""
    found = [
        *_compare_app(old, new),
        *_compare_inputs(old, new, old_names, new_names),
        *_compare_outputs(old, new, old_names, new_names),
        *_compare_nodes(old, new, old_names, new_names),
    ]
    if not any(RULES[rule].effect == "breaking" for rule, _, _ in found):
        found += _compare_exports(old_names, new_names)
    return by_effect(Change(rule, new.name, subject, message) for rule, subject, message in found)


Surface = tuple[Workflow, PublicNames]
"""All that callers see of a workflow."""


def compare_all(old: Mapping[str, Surface], new: Mapping[str, Surface]) -> tuple[Change, ...]:
    """What changes from one set of workflows, keyed by module name, to another."""
    found: list[Change] = []
    for before, after in _pairs(old, new):
        if before and after:
            found += compare(before[0], after[0], old_names=before[1], new_names=after[1])
        elif before:
            found.append(Change("workflow-removed", before[0].name, "", f"The workflow `{before[0].name}` is gone."))
        elif after:
            found.append(Change("workflow-added", after[0].name, "", f"The workflow `{after[0].name}` is new."))
    return by_effect(found)


def _pairs(old: Mapping[str, Surface], new: Mapping[str, Surface]) -> Iterator[tuple[Surface | None, Surface | None]]:
    """Workflows that are the same one: of the same module, or else from the same file."""
    gone = {old[module][0].source: module for module in old.keys() - new.keys() if old[module][0].source}
    moved = {module: gone.pop(new[module][0].source, "") for module in sorted(new.keys() - old.keys())}
    for module in sorted(old.keys() | new.keys()):
        if module in new:
            yield old.get(moved.get(module) or module), new[module]
        elif module not in moved.values():
            yield old[module], None


def by_effect(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes, the breaking ones first, otherwise in their order."""
    return tuple(sorted(changes, key=lambda change: EFFECTS.index(change.effect)))


def is_breaking(changes: Iterable[Change]) -> bool:
    """Whether any of the changes breaks callers."""
    return any(change.effect == "breaking" for change in changes)


def advice(changes: Iterable[Change]) -> Advice:
    """Which part of a semantic version number has to go up."""
    effects = {change.effect for change in changes}
    if "breaking" in effects:
        return "major"
    return "minor" if "compatible" in effects else "patch" if effects else "none"


_Found = tuple[str, str, str]
"""Rule, subject, message."""


def _compare_app(old: Workflow, new: Workflow) -> Iterator[_Found]:
    if old.name != new.name:
        yield "workflow-renamed", "name", f"`{old.name}` is now called `{new.name}`."
    if old.mode != new.mode:
        yield "mode-changed", "mode", f"The mode was `{old.mode}` and is `{new.mode}`."
    for name in ("title", "description"):
        if getattr(old, name) != getattr(new, name):
            yield "text-changed", name, f"The {name} changed."


def _compare_inputs(old: Workflow, new: Workflow, old_names: PublicNames, new_names: PublicNames) -> Iterator[_Found]:
    before = {variable.name: variable for variable in old.inputs}
    after = {variable.name: variable for variable in new.inputs}
    for name, variable in before.items():
        subject = f"inputs.{name}"
        if name not in after:
            yield "input-removed", subject, f"The input `{name}` is gone."
            continue
        yield from _renamed("input", subject, name, old_names.inputs, new_names.inputs)
        yield from _compare_input(subject, variable, after[name])
    for name, variable in after.items():
        if name not in before:
            kind = "input-added" if _may_be_left_out(variable) else "input-added-required"
            how = "optional" if kind == "input-added" else "required"
            yield kind, f"inputs.{name}", f"The input `{name}` is new, and {how}."
    yield from _reordered("inputs", list(before), list(after))


def _may_be_left_out(variable: Input) -> bool:
    return not variable.required or has_default(variable)


def has_default(variable: Input) -> bool:
    """Whether the client sends a value of its own for an input that is left out. It has no files to send."""
    return variable.default is not None and variable.kind not in ("file", "file-list")


def _compare_input(subject: str, old: Input, new: Input) -> Iterator[_Found]:
    yield from _compare_presence(subject, old, new)
    yield from _compare_input_type(subject, old, new)
    yield from _compare_length(subject, old, new)
    if old.kind == new.kind and old.kind in ("file", "file-list"):
        yield from _compare_files(subject, old, new)
    if (old.label, old.description) != (new.label, new.description):
        yield "text-changed", subject, f"The label or description of `{new.name}` changed."


def _compare_presence(subject: str, old: Input, new: Input) -> Iterator[_Found]:
    before, after = _may_be_left_out(old), _may_be_left_out(new)
    if before and not after:
        yield "input-now-required", subject, f"`{new.name}` was optional and is required."
        return
    if after and not before:
        yield "input-now-optional", subject, f"`{new.name}` was required and is optional."
    elif new.required and not old.required:
        yield "input-refuses-none", subject, f"`{new.name}` took None and takes its default instead."
    elif old.required and not new.required:
        yield "input-takes-none", subject, f"`{new.name}` takes None, too."
    if before and after and (old.default, has_default(old)) != (new.default, has_default(new)):
        yield "input-default-changed", subject, f"`{new.name}` was {_default(old)} by default and is {_default(new)}."


def _default(variable: Input) -> str:
    return repr(variable.default) if has_default(variable) else "left out"


def _compare_input_type(subject: str, old: Input, new: Input) -> Iterator[_Found]:
    before, after = input_type(old), input_type(new)
    if isinstance(before, str) or isinstance(after, str):
        if before != after:
            yield "input-type-changed", subject, f"`{new.name}` was {words(before)} and is {words(after)}."
        return
    if isinstance(before, OneOf) and isinstance(after, OneOf):
        yield from _compare_options(subject, before.values, after.values)
        return
    if isinstance(before, OneOf) and not _all_fit(before.values, max_length(new)):
        yield "input-type-changed", subject, f"`{new.name}` no longer takes options of more than {max_length(new)} characters."
        return
    yield from _compare_sent(subject, before, after)


def _all_fit(values: Iterable[str], limit: int | None) -> bool:
    return limit is None or all(len(value) <= limit for value in values)


def _compare_options(subject: str, old: Sequence[str], new: Sequence[str]) -> Iterator[_Found]:
    for value in old:
        if value not in new:
            yield "option-removed", subject, f"The option {value!r} is gone."
    for value in new:
        if value not in old:
            yield "option-added", subject, f"The option {value!r} is new."
    yield from _reordered(subject, old, new)


def _compare_sent(subject: str, old: Type, new: Type) -> Iterator[_Found]:
    """A value that callers pass, or a part of it."""
    before, after = plain(old), plain(new)
    if before == after:
        if old != new:
            yield "text-changed", subject, "Its description changed."
    elif isinstance(old, ArrayOf) and isinstance(new, ArrayOf) and is_model(old.item) and is_model(new.item):
        yield from _compare_sent(f"{subject}[]", old.item, new.item)
    elif isinstance(old, ObjectOf) and isinstance(new, ObjectOf) and is_model(old) and is_model(new):
        yield from _compare_sent_object(subject, old, new)
    else:
        rule = "input-type-widened" if accepts(after, before) else "input-type-changed"
        yield rule, subject, f"It was {words(old)} and is {words(new)}."


def _compare_sent_object(subject: str, old: ObjectOf, new: ObjectOf) -> Iterator[_Found]:
    before, after = properties(old), properties(new)
    for name, member in before.items():
        if name not in after:
            yield "input-removed", f"{subject}.{name}", f"The key `{name}` is gone."
        elif after[name].required and not member.required:
            yield "input-now-required", f"{subject}.{name}", f"The key `{name}` was optional and is required."
        elif member.required and not after[name].required:
            yield "input-now-optional", f"{subject}.{name}", f"The key `{name}` was required and is optional."
        if name in after:
            yield from _compare_sent(f"{subject}.{name}", member.type, after[name].type)
    for name, member in after.items():
        if name not in before:
            rule = "input-added-required" if member.required else "input-added"
            yield rule, f"{subject}.{name}", f"The key `{name}` is new."
    yield from _described(subject, old, new)


def _compare_length(subject: str, old: Input, new: Input) -> Iterator[_Found]:
    before, after = max_length(old), max_length(new)
    if before == after or input_type(old) != input_type(new):
        return
    unit = "files" if new.kind == "file-list" else "characters"
    message = f"`{new.name}` took {_limit(before)} {unit} and takes {_limit(after)}."
    yield (
        "length-lowered" if before is None or (after is not None and after < before) else "length-raised"
    ), subject, message


def _limit(limit: int | None) -> str:
    return "any number of" if limit is None else f"at most {limit}"


def _compare_files(subject: str, old: Input, new: Input) -> Iterator[_Found]:
    for name, before, after in (
        ("types", old.allowed_file_types, new.allowed_file_types),
        ("extensions", _extensions(old), _extensions(new)),
        ("upload methods", old.allowed_file_upload_methods, new.allowed_file_upload_methods),
    ):
        if set(before) != set(after):
            narrowed = bool(after) and not (before and set(before) <= set(after))
            message = f"The allowed file {name} were {_listed(before)} and are {_listed(after)}."
            yield "files-narrowed" if narrowed else "files-widened", subject, message


def _extensions(variable: Input) -> tuple[str, ...]:
    """The extensions count for files of the type "custom" alone, whatever their case and with or without a dot."""
    if "custom" not in variable.allowed_file_types:
        return ()
    return tuple(extension.lower().lstrip(".") for extension in variable.allowed_file_extensions)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values) or "any"


def _compare_outputs(old: Workflow, new: Workflow, old_names: PublicNames, new_names: PublicNames) -> Iterator[_Found]:
    before = {output.name: output for output in old.outputs}
    after = {output.name: output for output in new.outputs}
    for name, output in before.items():
        subject = f"outputs.{name}"
        if name not in after:
            yield "output-removed", subject, f"The output `{name}` is gone."
            continue
        yield from _renamed("output", subject, name, old_names.outputs, new_names.outputs)
        yield from _compare_output(subject, output, after[name])
    for name in after:
        if name not in before:
            yield "output-added", f"outputs.{name}", f"The output `{name}` is new."
    yield from _reordered("outputs", list(before), list(after))


def _compare_output(subject: str, old: Output, new: Output) -> Iterator[_Found]:
    yield from _compare_read(subject, _nullable(old.type, old.optional), _nullable(new.type, new.optional))
    if (old.description, old.reason) != (new.description, new.reason):
        yield "text-changed", subject, f"The description of `{new.name}` changed."


def _nullable(type_: Type, optional: bool) -> Type:
    return union(type_, Primitive.NULL) if optional else type_


def _compare_read(subject: str, old: Type, new: Type) -> Iterator[_Found]:
    """A value that callers read, or a part of it. A value that may be absent is a union with NULL."""
    (before, was_optional), (after, is_optional) = _without_null(old), _without_null(new)
    if is_optional and not was_optional and before != Primitive.ANY:
        yield "output-now-optional", subject, "It was always there and may be missing or null."
    elif was_optional and not is_optional and after != Primitive.ANY:
        yield "output-now-certain", subject, "It may have been missing or null and is always there."
    if plain(before) == plain(after):
        if before != after:
            yield "text-changed", subject, "Its description or the values to expect changed."
    elif isinstance(before, ArrayOf) and isinstance(after, ArrayOf) and is_model(before.item) and is_model(after.item):
        yield from _compare_read(f"{subject}[]", before.item, after.item)
    elif isinstance(before, ObjectOf) and isinstance(after, ObjectOf) and is_model(before) and is_model(after):
        yield from _compare_read_object(subject, before, after)
    else:
        rule = "output-type-narrowed" if fits(plain(before), plain(after)) else "output-type-changed"
        yield rule, subject, f"It was {words(before)} and is {words(after)}."


def _without_null(type_: Type) -> tuple[Type, bool]:
    if isinstance(type_, UnionOf) and Primitive.NULL in type_.members:
        return union(*(member for member in type_.members if member != Primitive.NULL)), True
    return type_, False


def _compare_read_object(subject: str, old: ObjectOf, new: ObjectOf) -> Iterator[_Found]:
    before, after = properties(old), properties(new)
    for name, member in before.items():
        if name not in after:
            yield "output-removed", f"{subject}.{name}", f"The key `{name}` is gone."
        else:
            yield from _compare_read(f"{subject}.{name}", _member(member), _member(after[name]))
    for name in after:
        if name not in before:
            yield "output-added", f"{subject}.{name}", f"The key `{name}` is new."
    yield from _described(subject, old, new)


def _member(member: Property) -> Type:
    return _nullable(member.type, not member.required)


def _described(subject: str, old: ObjectOf, new: ObjectOf) -> Iterator[_Found]:
    texts = [
        (type_.description, {member.name: member.description for member in type_.properties}) for type_ in (old, new)
    ]
    if texts[0][0] != texts[1][0] or any(texts[1][1].get(name, text) != text for name, text in texts[0][1].items()):
        yield "text-changed", subject, "Its description changed."
    yield from _reordered(subject, list(properties(old)), list(properties(new)))


def _compare_nodes(old: Workflow, new: Workflow, old_names: PublicNames, new_names: PublicNames) -> Iterator[_Found]:
    before, after = {node.id: node for node in old.nodes}, {node.id: node for node in new.nodes}
    for id_, node in before.items():
        was, is_ = old_names.nodes.get(id_), new_names.nodes.get(id_)
        if id_ not in after:
            yield "node-removed", f"nodes.{id_}", f"The node {node.title!r} is gone."
        elif was != is_ and was and is_:
            yield "node-removed", f"nodes.{id_}", f"The node `{was}` is now called `{is_}`."
        elif (node.title, node.type) != (after[id_].title, after[id_].type):
            yield "node-changed", f"nodes.{id_}", f"The node {node.title!r} is now {after[id_].title!r} ({after[id_].type})."
    for id_, node in after.items():
        if id_ not in before:
            yield "node-added", f"nodes.{id_}", f"The node {node.title!r} is new."


def _compare_exports(old_names: PublicNames, new_names: PublicNames) -> Iterator[_Found]:
    """Classes and aliases of nested types come and go with them; what else explains it has been told."""
    if new_names.exports:
        for name in old_names.exports:
            if name not in new_names.exports:
                yield "name-removed", name, f"`{name}` is gone."


def _renamed(
    what: str, subject: str, wire: str, old_names: Mapping[str, str], new_names: Mapping[str, str]
) -> Iterator[_Found]:
    was, is_ = old_names.get(wire, wire), new_names.get(wire, wire)
    if was != is_:
        yield f"{what}-renamed", subject, f"`{was}` is now called `{is_}`."


def _reordered(subject: str, old: Sequence[str], new: Sequence[str]) -> Iterator[_Found]:
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "order-changed", subject, "The order changed."


__all__ = [
    "Advice",
    "Change",
    "PublicNames",
    "Surface",
    "advice",
    "by_effect",
    "compare",
    "compare_all",
    "has_default",
    "is_breaking",
]
