"""What changes for callers who pass inputs: a wider input is compatible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from difygen.codegen.python.inputs import usable_default
from difygen.diff.public import PublicNames
from difygen.diff.rules import Found, described, renamed, reordered
from difygen.diff.types import accepts, is_model, max_length, plain, properties
from difygen.model import App, ArrayOf, Input, ObjectOf, OneOf, Type
from difygen.types import type_in_words


def compare_inputs(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    before = {variable.name: variable for variable in old.inputs}
    after = {variable.name: variable for variable in new.inputs}
    for name, variable in before.items():
        subject = f"inputs.{name}"
        if name not in after:
            yield "input-removed", subject, f"The input `{name}` is gone."
            continue
        yield from renamed("input", subject, name, old_names.inputs, new_names.inputs)
        yield from _compare_input(subject, variable, after[name])
    for name, variable in after.items():
        if name not in before:
            kind = "input-added" if _may_be_left_out(variable) else "input-added-required"
            how = "optional" if kind == "input-added" else "required"
            yield kind, f"inputs.{name}", f"The input `{name}` is new, and {how}."
    yield from reordered("inputs", list(before), list(after))


def _may_be_left_out(variable: Input) -> bool:
    return not variable.required or usable_default(variable)


def _compare_input(subject: str, old: Input, new: Input) -> Iterator[Found]:
    yield from _compare_presence(subject, old, new)
    yield from _compare_input_type(subject, old, new)
    yield from compare_length(subject, old, new)
    if old.kind == new.kind and old.traits.is_file:
        yield from compare_files(subject, old, new)
    if (old.label, old.description, old.prefilled) != (new.label, new.description, new.prefilled):
        yield "text-changed", subject, f"The label or description of `{new.name}` changed."


def _compare_presence(subject: str, old: Input, new: Input) -> Iterator[Found]:
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
    if before and after and (old.default, usable_default(old)) != (new.default, usable_default(new)):
        yield "input-default-changed", subject, f"`{new.name}` was {_default(old)} by default and is {_default(new)}."


def _default(variable: Input) -> str:
    return repr(variable.default) if usable_default(variable) else "left out"


def _compare_input_type(subject: str, old: Input, new: Input) -> Iterator[Found]:
    before, after = old.value_type, new.value_type
    if old.traits.is_file or new.traits.is_file:
        if before != after:
            yield "input-type-changed", subject, f"`{new.name}` was {_words(old)} and is {_words(new)}."
        return
    if isinstance(before, OneOf) and isinstance(after, OneOf):
        yield from _compare_options(subject, before.values, after.values)
        return
    limit = max_length(new)
    if isinstance(before, OneOf) and limit is not None and any(len(value) > limit for value in before.values):
        message = f"`{new.name}` no longer takes options of more than {limit} characters."
        yield "input-type-changed", subject, message
        return
    yield from _compare_sent(subject, before, after)


def _words(variable: Input) -> str:
    return variable.kind if variable.traits.is_file else type_in_words(variable.value_type)


def _compare_options(subject: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Found]:
    for value in old:
        if value not in new:
            yield "option-removed", subject, f"The option {value!r} is gone."
    for value in new:
        if value not in old:
            yield "option-added", subject, f"The option {value!r} is new."
    yield from reordered(subject, old, new)


def _compare_sent(subject: str, old: Type, new: Type) -> Iterator[Found]:
    """Compare a value that callers pass, or a part of it."""
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
        yield rule, subject, f"It was {type_in_words(old)} and is {type_in_words(new)}."


def _compare_sent_object(subject: str, old: ObjectOf, new: ObjectOf) -> Iterator[Found]:
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
    yield from described(subject, old, new)


def compare_length(subject: str, old: Input, new: Input) -> Iterator[Found]:
    """Compare how long a text, or how many files, may be."""
    before, after = max_length(old), max_length(new)
    if before == after or old.value_type != new.value_type:
        return
    was, is_ = ("any number" if limit is None else f"at most {limit}" for limit in (before, after))
    message = f"`{new.name}` took {was}{' of' if before is None else ''} {new.traits.unit} and takes {is_}."
    yield (
        "length-lowered" if before is None or (after is not None and after < before) else "length-raised"
    ), subject, message


def compare_files(subject: str, old: Input, new: Input) -> Iterator[Found]:
    """Compare which files are taken."""
    for name, before, after in (
        ("types", old.allowed_file_types, new.allowed_file_types),
        ("extensions", _extensions(old), _extensions(new)),
        ("upload methods", old.allowed_file_upload_methods, new.allowed_file_upload_methods),
    ):
        if set(before) != set(after):
            narrowed = bool(after) and not (before and set(before) <= set(after))
            were, are = (", ".join(allowed) or "any" for allowed in (before, after))
            message = f"The allowed file {name} were {were} and are {are}."
            yield "files-narrowed" if narrowed else "files-widened", subject, message


def _extensions(variable: Input) -> tuple[str, ...]:
    """Return the extensions, which count for files of the type "custom" alone, in lower case and without a dot."""
    if "custom" not in variable.allowed_file_types:
        return ()
    return tuple(extension.lower().lstrip(".") for extension in variable.allowed_file_extensions)
