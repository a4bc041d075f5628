"""Changes as a text table, JSON or Markdown. Decides nothing about them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from difygen.diff.rules import EFFECTS, Effect
from difygen.diff.workflows import Change, advice
from difygen.wording import visible, width

Format = Literal["text", "json", "markdown"]

FORMATS: tuple[Format, ...] = get_args(Format)

_ADVICE: dict[Effect, str] = {
    "breaking": "Callers have to change: this is a major version.",
    "internal": "Callers go on working, unless they name steps that changed: this is a minor version.",
    "compatible": "Callers go on working: this is a minor version.",
    "cosmetic": "Callers do not notice: this is a patch version.",
}


def format_changes(changes: Sequence[Change], format_: Format = "text") -> str:
    """Return the changes and the advice that follows from them, without a line break at the end."""
    if format_ == "json":
        return _as_json(changes)
    return _as_markdown(changes) if format_ == "markdown" else _as_text(changes)


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


def _as_json(changes: Sequence[Change]) -> str:
    counts = _counts(changes)
    answer = {
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
    return json.dumps(answer, indent=2)


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


def _cell(text: str) -> str:
    """Return text that cannot leave its cell."""
    return visible(text).replace("|", "\\|").replace("<", "&lt;")
