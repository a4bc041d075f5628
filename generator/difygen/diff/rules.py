"""The rules of a comparison: what kinds of change there are, how bad each is for callers, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

Effect = Literal["breaking", "internal", "compatible", "cosmetic"]

EFFECTS: tuple[Effect, ...] = get_args(Effect)
"""The worst first. What is internal touches inner steps alone, the nodes of a run and the tools of an agent: inputs and
outputs are what they were, and only code that names such a step notices."""

Advice = Literal["major", "minor", "patch", "none"]


class Rule(NamedTuple):
    """One kind of change: its stable name, what it does to callers of the old client, and why in one sentence."""

    id: str
    effect: Effect
    reason: str


RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("workflow-added", "compatible", "Nobody calls it yet."),
        Rule("workflow-removed", "breaking", "Its module, functions and classes are gone."),
        Rule("workflow-renamed", "breaking", "Its module, functions and classes have other names."),
        Rule("mode-changed", "breaking", "Apps of another mode are called in another way."),
        Rule("mode-renamed", "cosmetic", "Apps of both modes are called in the same way."),
        Rule("name-removed", "breaking", "Imports of it fail."),
        Rule("input-added", "compatible", "Calls that leave it out go on working."),
        Rule("input-added-required", "breaking", "Calls that do not pass it fail."),
        Rule("input-removed", "breaking", "Calls that pass it fail."),
        Rule("input-renamed", "breaking", "Calls pass it by its old Python name."),
        Rule("input-now-required", "breaking", "Calls that leave it out fail."),
        Rule("input-now-optional", "compatible", "Calls that pass it go on working."),
        Rule("input-refuses-none", "breaking", "Calls that pass None fail."),
        Rule("input-takes-none", "compatible", "Calls that pass a value go on working."),
        Rule("input-type-changed", "breaking", "Values of the old type are refused."),
        Rule("input-type-widened", "compatible", "Values of the old type are still taken."),
        Rule("input-default-changed", "compatible", "Calls that leave it out go on working, with another value."),
        Rule("option-added", "compatible", "No call passes it yet."),
        Rule("option-removed", "breaking", "Calls that pass it are refused."),
        Rule("length-lowered", "breaking", "Values that are longer are refused."),
        Rule("length-raised", "compatible", "Values of any length that was allowed are still taken."),
        Rule("files-narrowed", "breaking", "Files that were taken are refused."),
        Rule("files-widened", "compatible", "Files that were taken are still taken."),
        Rule("output-added", "compatible", "Code that does not read it does not notice."),
        Rule("output-removed", "breaking", "Code that reads it fails."),
        Rule("output-renamed", "breaking", "Code reads it by its old Python name."),
        Rule("output-now-optional", "breaking", "Code that reads it must expect None."),
        Rule("output-now-certain", "compatible", "Code that expects None as well goes on working."),
        Rule("output-type-changed", "breaking", "Code that reads it expects the old type."),
        Rule("output-type-narrowed", "compatible", "Every value of it is of the old type, too."),
        Rule("form-added", "compatible", "No code answers it yet."),
        Rule("form-removed", "breaking", "Code that answers it fails."),
        Rule("form-renamed", "breaking", "Code answers it by its old Python name."),
        Rule("action-added", "compatible", "No answer gives it yet."),
        Rule("action-removed", "breaking", "Answers that give it are refused."),
        Rule("variable-added", "compatible", "Code that does not read it does not notice."),
        Rule("variable-removed", "breaking", "Code that reads or sets it fails."),
        Rule("variable-renamed", "breaking", "Code reads and sets it by its old Python name."),
        Rule("variable-type-changed", "breaking", "Code that reads or sets it expects the old type."),
        Rule("variable-initial-changed", "compatible", "New conversations begin with another value."),
        Rule("tool-added", "internal", "No code names it yet."),
        Rule("tool-removed", "internal", "Only code that names it fails."),
        Rule("files-added", "compatible", "No turn passes files yet."),
        Rule("files-removed", "breaking", "Turns that pass files fail."),
        Rule("feature-added", "compatible", "Nobody asks for it yet."),
        Rule("feature-removed", "breaking", "Code that asks for it fails."),
        Rule("feature-changed", "cosmetic", "Turns are made in the same way and bring something more or less."),
        Rule("answer-changed", "cosmetic", "An answer is text all the same."),
        Rule("node-added", "internal", "No code names it yet."),
        Rule("node-removed", "internal", "Only code that names it fails."),
        Rule("node-renamed", "internal", "Only code that names it by its old Python name fails."),
        Rule("node-changed", "internal", "What is shown while a run goes on changes."),
        Rule("text-changed", "cosmetic", "Documentation changes, and nothing else."),
        Rule("order-changed", "cosmetic", "Values are passed and read by name."),
    )
}

Found = tuple[str, str, str]
"""Rule, subject, message."""


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


def renamed(
    what: str, subject: str, wire: str, old_names: Mapping[str, str], new_names: Mapping[str, str]
) -> Iterator[Found]:
    was, is_ = old_names.get(wire, wire), new_names.get(wire, wire)
    if was != is_:
        yield f"{what}-renamed", subject, f"`{was}` is now called `{is_}`."


def reordered(subject: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Found]:
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "order-changed", subject, "The order changed."
