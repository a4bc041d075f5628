"""What changes for callers who read outputs: a narrower output is compatible."""

from __future__ import annotations

from collections.abc import Iterator

from difygen.diff.public import PublicNames
from difygen.diff.rules import Found, described, renamed, reordered
from difygen.diff.types import fits, is_model, plain, properties
from difygen.model import App, ArrayOf, ObjectOf, Primitive, Property, Type
from difygen.types import or_null, type_in_words, without_null


def compare_outputs(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    before = {output.name: output for output in old.outputs}
    after = {output.name: output for output in new.outputs}
    for name, output in before.items():
        subject = f"outputs.{name}"
        if name not in after:
            yield "output-removed", subject, f"The output `{name}` is gone."
            continue
        yield from renamed("output", subject, name, old_names.outputs, new_names.outputs)
        now = after[name]
        yield from _compare_read(subject, or_null(output.type, output.optional), or_null(now.type, now.optional))
        if (output.description, output.reason) != (now.description, now.reason):
            yield "text-changed", subject, f"The description of `{name}` changed."
    for name in after:
        if name not in before:
            yield "output-added", f"outputs.{name}", f"The output `{name}` is new."
    yield from reordered("outputs", list(before), list(after))


def _compare_read(subject: str, old: Type, new: Type) -> Iterator[Found]:
    """Compare a value that callers read, or a part of it. A value that may be absent is a union with NULL."""
    (before, was_optional), (after, is_optional) = without_null(old), without_null(new)
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
        yield rule, subject, f"It was {type_in_words(before)} and is {type_in_words(after)}."


def _compare_read_object(subject: str, old: ObjectOf, new: ObjectOf) -> Iterator[Found]:
    before, after = properties(old), properties(new)
    for name, member in before.items():
        if name not in after:
            yield "output-removed", f"{subject}.{name}", f"The key `{name}` is gone."
        else:
            yield from _compare_read(f"{subject}.{name}", _member(member), _member(after[name]))
    for name in after:
        if name not in before:
            yield "output-added", f"{subject}.{name}", f"The key `{name}` is new."
    yield from described(subject, old, new)


def _member(member: Property) -> Type:
    return or_null(member.type, not member.required)
