"""What changes for callers who pass inputs, answer forms and read outputs.

A wider input is compatible, and so is a narrower output. A form is inputs and the buttons that send them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from difygen.codegen.annotations import usable_default
from difygen.diff.changes import Found, renamed, reordered
from difygen.diff.public import PublicNames, accepts, fits, is_model, max_length, plain, properties
from difygen.model import App, ArrayOf, HumanForm, Input, ObjectOf, OneOf, Primitive, Property, Type
from difygen.record import replace
from difygen.types import or_null, type_in_words, without_null


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
    yield from _compare_texts(subject, old, new)


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
    yield from _compare_texts(subject, old, new)


def _member(member: Property) -> Type:
    return or_null(member.type, not member.required)


def _compare_texts(subject: str, old: ObjectOf, new: ObjectOf) -> Iterator[Found]:
    texts = [
        (type_.description, {member.name: member.description for member in type_.properties}) for type_ in (old, new)
    ]
    if texts[0][0] != texts[1][0] or any(texts[1][1].get(name, text) != text for name, text in texts[0][1].items()):
        yield "text-changed", subject, "Its description changed."
    yield from reordered(subject, list(properties(old)), list(properties(new)))


def compare_forms(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    """Compare forms, which are the same by their nodes, or else by the class that code answers them with."""
    before, after = {form.node: form for form in old.forms}, {form.node: form for form in new.forms}
    gone = {_class(old_names, node): node for node in before if node not in after and node in old_names.forms}
    moved = {gone[name]: node for node in after if node not in before and (name := _class(new_names, node)) in gone}
    for node, form in before.items():
        subject, heir = f"forms.{node}", moved.get(node, node)
        if heir not in after:
            yield "form-removed", subject, f"Callers cannot answer the form of {_node_title(old, node)} any more."
            continue
        was, is_ = _class(old_names, node), _class(new_names, heir)
        if was != is_:
            yield "form-renamed", subject, f"`{was}` is now called `{is_}`."
        yield from _compare_buttons(subject, form, after[heir])
        was_asked, is_asked = replace(old, inputs=form.inputs), replace(new, inputs=after[heir].inputs)
        names = [
            PublicNames(inputs=each.inputs) if each is not None else PublicNames()
            for each in (old_names.forms.get(node), new_names.forms.get(heir))
        ]
        for rule, where, message in compare_inputs(was_asked, is_asked, *names):
            yield rule, f"{subject}{where.removeprefix('inputs')}", message
    for node in after:
        if node not in before and node not in moved.values():
            yield "form-added", f"forms.{node}", f"Callers can answer the form of {_node_title(new, node)}."


def _class(names: PublicNames, node: str) -> str:
    return names.forms[node].answer if node in names.forms else ""


def _node_title(app: App, node: str) -> str:
    return next((repr(each.title) for each in app.nodes if each.id == node and each.title), f"`{node}`")


def _compare_buttons(subject: str, old: HumanForm, new: HumanForm) -> Iterator[Found]:
    before, after = ({action.id: action.title for action in form.actions} for form in (old, new))
    for id_, title in before.items():
        if id_ not in after:
            yield "action-removed", subject, f"The action {id_!r} is gone."
        elif after[id_] != title:
            yield "text-changed", subject, f"The button of {id_!r} was called {title!r} and is {after[id_]!r}."
    for id_ in after:
        if id_ not in before:
            yield "action-added", subject, f"The action {id_!r} is new."
    yield from reordered(subject, list(before), list(after))
