"""App x App -> what changes for callers of the generated code. Knows no files, no formats and no locks.

Callers are taken to be type-checked code that passes inputs by name and reads outputs. A change is compatible when
such code still type-checks against the new client and whatever it passes is still taken. It is internal when only
code that names inner steps may not.

changes  the table of rules: which kinds of change there are, how bad each is, and why; how changes are shown
public   what callers see of an app: names, and types, of which one may stand in for another
values   what is passed and read: inputs, forms and outputs, compared one by one

This module compares the rest of an app, one app with another, and one set of apps with another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from difygen.diff.changes import RULES, Change, Found, by_effect, renamed, reordered
from difygen.diff.public import PublicApp, PublicNames, plain
from difygen.diff.values import compare_files, compare_forms, compare_inputs, compare_length, compare_outputs
from difygen.model import App, Input, Node, TurnFiles
from difygen.types import type_in_words

NO_NAMES = PublicNames()


def compare(
    old: App, new: App, *, old_names: PublicNames = NO_NAMES, new_names: PublicNames = NO_NAMES
) -> tuple[Change, ...]:
    """Return what changes for callers from `old` to `new`, the worst first.

    Without names, Python names are taken to be the same.
    """
    found = [
        *_compare_app(old, new),
        *compare_inputs(old, new, old_names, new_names),
        *compare_outputs(old, new, old_names, new_names),
        *compare_chat(old, new, old_names, new_names),
        *compare_forms(old, new, old_names, new_names),
        *_compare_nodes(old, new, old_names, new_names),
    ]
    # Classes and aliases of nested types come and go with them; not where another change explains them.
    if new_names.exports and not any(RULES[rule].effect == "breaking" for rule, _, _ in found):
        gone = [name for name in old_names.exports if name not in new_names.exports]
        found += [("name-removed", name, f"`{name}` is gone.") for name in gone]
    return by_effect(Change(rule, new.name, subject, message) for rule, subject, message in found)


def compare_all(old: Mapping[str, PublicApp], new: Mapping[str, PublicApp]) -> tuple[Change, ...]:
    """Return what changes from one set of workflows, keyed by module name, to another."""
    found: list[Change] = []
    for before, after in _pairs(old, new):
        if before and after:
            found += compare(before.app, after.app, old_names=before.names, new_names=after.names)
        elif before:
            found.append(
                Change(
                    "workflow-removed", before.app.name, "", f"The {before.app.kind.word} `{before.app.name}` is gone."
                )
            )
        elif after:
            found.append(
                Change("workflow-added", after.app.name, "", f"The {after.app.kind.word} `{after.app.name}` is new.")
            )
    return by_effect(found)


def _pairs(
    old: Mapping[str, PublicApp], new: Mapping[str, PublicApp]
) -> Iterator[tuple[PublicApp | None, PublicApp | None]]:
    """Workflows that are the same one: of the same module, or else from the same file."""
    gone = {old[module].app.source: module for module in old.keys() - new.keys() if old[module].app.source}
    moved = {module: gone.pop(new[module].app.source, "") for module in sorted(new.keys() - old.keys())}
    for module in sorted(old.keys() | new.keys()):
        if module in new:
            yield old.get(moved.get(module) or module), new[module]
        elif module not in moved.values():
            yield old[module], None


def _compare_app(old: App, new: App) -> Iterator[Found]:
    if old.name != new.name:
        yield "workflow-renamed", "name", f"`{old.name}` is now called `{new.name}`."
    if old.mode != new.mode:
        rule = "mode-renamed" if old.kind is new.kind else "mode-changed"
        yield rule, "mode", f"The mode was `{old.mode}` and is `{new.mode}`."
    for name in ("title", "description"):
        if getattr(old, name) != getattr(new, name):
            yield "text-changed", name, f"The {name} changed."


def _compare_nodes(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    """Nodes are the same by their id, or else by the name that code knows them by: one may take another's place."""
    before, after = {node.id: node for node in old.nodes}, {node.id: node for node in new.nodes}
    gone = {old_names.nodes.get(id_): id_ for id_ in before if id_ not in after}
    replaced = {gone[name]: id_ for id_, name in new_names.nodes.items() if id_ not in before and name in gone}
    for id_, node in before.items():
        subject, was = f"nodes.{id_}", _node_in_words(node, old_names)
        if id_ in replaced:
            yield "node-changed", subject, f"Another node takes the place of {was}. Its id is `{replaced[id_]}`."
        elif id_ not in after:
            yield "node-removed", subject, f"The node {was} is gone."
        elif old_names.nodes.get(id_) != new_names.nodes.get(id_):
            yield "node-renamed", subject, f"The node {was} is now {_node_in_words(after[id_], new_names)}."
        elif (node.title, node.type) != (after[id_].title, after[id_].type):
            message = f"The node {was} is now {after[id_].title!r} ({after[id_].type})."
            yield "node-changed", subject, message
    for id_, node in after.items():
        if id_ not in before and id_ not in replaced.values():
            yield "node-added", f"nodes.{id_}", f"The node {_node_in_words(node, new_names)} is new."


def _node_in_words(node: Node, names: PublicNames) -> str:
    """Return a node by its title and, where there is one, the name that code knows it by."""
    name = names.nodes.get(node.id)
    return f"{node.title!r} (`{name}`)" if name else repr(node.title)


_CALLED = {
    "suggested_questions_after_answer": "suggests questions after an answer",
    "speech_to_text": "turns speech into text",
    "text_to_speech": "turns text into speech",
}
"""What callers can ask for where it is switched on."""
_BROUGHT = {
    "auto_play": "brings speech with its stream",
    "citations": "brings citations",
    "moderation": "may replace what it answered",
    "annotation_reply": "may answer from annotations",
}
"""What comes, or not, without a caller asking for it."""


def compare_chat(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    """Return what changes beside inputs and nodes."""
    yield from _compare_variables(old, new, old_names, new_names)
    yield from _compare_tools(old, new)
    yield from _compare_turn_files(old.files, new.files, new.kind.call)
    yield from _compare_features(old, new)
    says = {answer.node: answer for answer in old.answers}
    for answer in new.answers:
        if says.get(answer.node, answer) != answer:
            yield "answer-changed", f"answers.{answer.node}", "What it says, or when, changed."


def _compare_variables(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    before = {variable.name: variable for variable in old.variables}
    after = {variable.name: variable for variable in new.variables}
    for name, variable in before.items():
        subject = f"variables.{name}"
        if name not in after:
            yield "variable-removed", subject, f"The conversation variable `{name}` is gone."
            continue
        yield from renamed("variable", subject, name, old_names.variables, new_names.variables)
        now = after[name]
        if plain(variable.type) != plain(now.type):
            message = f"It was {type_in_words(variable.type)} and is {type_in_words(now.type)}."
            yield "variable-type-changed", subject, message
        if variable.initial != now.initial:
            message = f"It began as {variable.initial!r} and begins as {now.initial!r}."
            yield "variable-initial-changed", subject, message
        if variable.description != now.description:
            yield "text-changed", subject, f"The description of `{name}` changed."
    for name in after:
        if name not in before:
            yield "variable-added", f"variables.{name}", f"The conversation variable `{name}` is new."
    yield from reordered("variables", list(before), list(after))


def _compare_tools(old: App, new: App) -> Iterator[Found]:
    before, after = ([tool.name for tool in app.tools] for app in (old, new))
    for name in before:
        if name not in after:
            yield "tool-removed", f"tools.{name}", f"The tool `{name}` is gone."
    for name in after:
        if name not in before:
            yield "tool-added", f"tools.{name}", f"The tool `{name}` is new."


def _compare_turn_files(old: TurnFiles | None, new: TurnFiles | None, call: str) -> Iterator[Found]:
    if old is None or new is None:
        if old is not None:
            yield "files-removed", "files", f"A {call} takes no files any more."
        elif new is not None:
            yield "files-added", "files", f"A {call} takes files now."
        return
    yield from compare_files("files", _as_input(old), _as_input(new))
    yield from compare_length("files", _as_input(old), _as_input(new))


def _as_input(files: TurnFiles) -> Input:
    """Return an input that takes the same files."""
    return Input(
        name="files",
        kind="file-list",
        max_length=files.max_count,
        allowed_file_types=files.types,
        allowed_file_extensions=files.extensions,
        allowed_file_upload_methods=files.methods,
    )


def _compare_features(old: App, new: App) -> Iterator[Found]:
    for name, does in _CALLED.items():
        if getattr(old.features, name) and not getattr(new.features, name):
            yield "feature-removed", f"features.{name}", f"The app no longer {does}."
        elif getattr(new.features, name) and not getattr(old.features, name):
            yield "feature-added", f"features.{name}", f"The app {does} now."
    for name, does in _BROUGHT.items():
        if getattr(old.features, name) != getattr(new.features, name):
            now = "now" if getattr(new.features, name) else "no longer"
            yield "feature-changed", f"features.{name}", f"The app {now} {does}."
    for name in ("opening_statement", "suggested_questions"):
        if getattr(old.features, name) != getattr(new.features, name):
            yield "text-changed", f"features.{name}", f"The {name.replace('_', ' ')} changed."
