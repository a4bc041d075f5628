"""Workflow x Workflow -> what changes for callers of the generated code. Pure: knows no files, no formats and no locks.

Callers are taken to be type-checked code that passes inputs by name and reads outputs. A change is compatible when
such code still type-checks against the new client and whatever it passes is still taken. It is internal when only
code that names inner steps may not. The rules are the table in `rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from difygen.diff.chat import compare_chat
from difygen.diff.forms import compare_forms
from difygen.diff.inputs import compare_inputs
from difygen.diff.outputs import compare_outputs
from difygen.diff.public import PublicApp, PublicNames
from difygen.diff.rules import EFFECTS, RULES, Effect, Found
from difygen.model import App, Node

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


def by_effect(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes, the breaking ones first, otherwise in their order."""
    return tuple(sorted(changes, key=lambda change: EFFECTS.index(change.effect)))


def is_breaking(changes: Iterable[Change]) -> bool:
    """Check whether any of the changes breaks callers."""
    return any(change.effect == "breaking" for change in changes)


def advice(changes: Iterable[Change]) -> Advice:
    """Return which part of a semantic version number has to go up."""
    effects = {change.effect for change in changes}
    if "breaking" in effects:
        return "major"
    return "minor" if effects & {"internal", "compatible"} else "patch" if effects else "none"


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


__all__ = [
    "Advice",
    "Change",
    "PublicApp",
    "PublicNames",
    "advice",
    "by_effect",
    "compare",
    "compare_all",
    "is_breaking",
]
