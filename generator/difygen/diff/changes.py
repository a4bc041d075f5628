"""Changes: the table of rules, which says how bad each kind is for callers and why, and how changes are shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from difygen.diagnostics import Diagnostic, Location, Severity
from difygen.model import JsonValue
from difygen.wording import visible, width

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


# How changes are shown


_SEVERITIES: dict[Effect, Severity] = {
    "breaking": "error",
    "internal": "warning",
    "compatible": "note",
    "cosmetic": "note",
}
_ADVICE: dict[Effect, str] = {
    "breaking": "Callers have to change: this is a major version.",
    "internal": "Callers go on working, unless they name steps that changed: this is a minor version.",
    "compatible": "Callers go on working: this is a minor version.",
    "cosmetic": "Callers do not notice: this is a patch version.",
}


def format_changes(changes: Sequence[Change], *, markdown: bool = False) -> str:
    """Return the changes and the advice that follows from them, without a line break at the end."""
    return _as_markdown(changes) if markdown else _as_text(changes)


def summary(changes: Sequence[Change]) -> str:
    """Return how many changes there are of each kind, and which part of a version number goes up."""
    if not changes:
        return "Nothing changed for callers."
    counts = _counts(changes)
    counted = {
        effect: f"{count} {effect} change{'s' if count > 1 else ''}" for effect in EFFECTS if (count := counts[effect])
    }
    return f"{', '.join(counted.values())}. {_ADVICE[next(iter(counted))]}"


def _counts(changes: Sequence[Change]) -> Counter[Effect]:
    return Counter(change.effect for change in changes)


def _as_text(changes: Sequence[Change]) -> str:
    """Return a table: effect, workflow and subject, what happened and why it matters."""
    subjects = [visible(_subject(change)) for change in changes]
    columns = min(max(map(width, subjects), default=0), 40)
    rows = [
        f"{change.effect:<10}  {subject}{' ' * (columns - width(subject))}  {visible(change.message)} {change.reason}"
        for change, subject in zip(changes, subjects, strict=True)
    ]
    return "\n".join([*rows, summary(changes)])


def _subject(change: Change) -> str:
    return f"{change.workflow} {change.subject}".strip()


def changes_as_json(changes: Sequence[Change]) -> dict[str, JsonValue]:
    """Return the changes and the advice that follows from them, for other programs."""
    counts = _counts(changes)
    return {
        "advice": advice(changes),
        "counts": {effect: counts[effect] for effect in EFFECTS},
        "changes": [
            {
                "effect": change.effect,
                "rule": change.rule,
                "workflow": change.workflow,
                "subject": change.subject,
                "message": change.message,
                "reason": change.reason,
            }
            for change in changes
        ],
    }


def changes_as_findings(changes: Iterable[Change], files: Mapping[str, str]) -> list[Diagnostic]:
    """Return the changes as findings about the files of their apps: errors where they break callers."""
    return [
        Diagnostic(
            _SEVERITIES[change.effect],
            change.rule,
            f"{change.effect}: {_subject(change)}: {change.message} {change.reason}",
            Location(files.get(change.workflow, "")),
        )
        for change in changes
    ]


def _as_markdown(changes: Sequence[Change]) -> str:
    if not changes:
        return summary(changes)
    rows = [
        f"| {change.effect} | {_cell(_subject(change))} | {_cell(change.message)} | {change.reason} |"
        for change in changes
    ]
    return "\n".join(
        ["| effect | where | what changed | why it matters |", "| --- | --- | --- | --- |", *rows, "", summary(changes)]
    )


_CODE = re.compile(r"(?<!`)`(?!`)([^`]+)`(?!`)")
_MARKUP = re.compile(r"\\(?=[^\w\s])|[`*_~\[\]]|&(?=#?\w+;)")
_REFERENCE = re.compile(r"[@#](?=\\?\w)|:(?=//)|(?<=www)\.", re.IGNORECASE)


def _cell(text: str) -> str:
    """Return text that cannot leave its cell, marks nothing up and calls nobody: foreign texts are in it."""
    plain = visible(text)
    pieces = _CODE.split(plain)  # every second one is code
    if "`" in "".join(pieces) or "\\|" in plain:  # code that ends elsewhere than it seems, or a cell that does
        pieces = [plain]
    cells = (f"`{piece}`" if number % 2 else _plain(piece) for number, piece in enumerate(pieces))
    return "".join(cells).replace("|", "\\|")


def _plain(text: str) -> str:
    """Return text for Markdown as it is. A comment within a name, an issue or an address keeps it from being a link."""
    escaped = _MARKUP.sub(r"\\\g<0>", text).replace("<", "&lt;")
    return _REFERENCE.sub(r"\g<0><!-- -->", escaped)
