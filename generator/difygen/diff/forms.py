"""What changes for callers who answer the forms of human-input nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from difygen.codegen.python.names import FormNames
from difygen.diff.inputs import compare_inputs
from difygen.diff.public import PublicNames
from difygen.diff.rules import Found, reordered
from difygen.model import App, HumanForm
from difygen.record import replace


def compare_forms(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    """Compare forms, which are the same by their nodes, or else by the class that code answers them with."""
    before, after = {form.node: form for form in old.forms}, {form.node: form for form in new.forms}
    gone = {_class(old_names, node): node for node in before if node not in after and node in old_names.forms}
    moved = {gone[name]: node for node in after if node not in before and (name := _class(new_names, node)) in gone}
    for node, form in before.items():
        subject, heir = f"forms.{node}", moved.get(node, node)
        if heir not in after:
            yield "form-removed", subject, f"Callers cannot answer the form of {_words(old, node)} any more."
            continue
        was, is_ = _class(old_names, node), _class(new_names, heir)
        if was != is_:
            yield "form-renamed", subject, f"`{was}` is now called `{is_}`."
        yield from _compare_buttons(subject, form, after[heir])
        names = [PublicNames(inputs=_inputs(each)) for each in (old_names.forms.get(node), new_names.forms.get(heir))]
        for rule, where, message in compare_inputs(_asking(old, form), _asking(new, after[heir]), *names):
            yield rule, f"{subject}{where.removeprefix('inputs')}", message
    for node in after:
        if node not in before and node not in moved.values():
            yield "form-added", f"forms.{node}", f"Callers can answer the form of {_words(new, node)}."


def _class(names: PublicNames, node: str) -> str:
    return names.forms[node].answer if node in names.forms else ""


def _inputs(names: FormNames | None) -> Mapping[str, str]:
    return names.inputs if names is not None else {}


def _asking(app: App, form: HumanForm) -> App:
    """Return an app that takes what a form does."""
    return replace(app, inputs=form.inputs)


def _words(app: App, node: str) -> str:
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
