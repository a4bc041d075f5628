"""Changes as a text table, Markdown, JSON or findings. Decides nothing about them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from difygen.diagnostics import Diagnostic, Location, Severity
from difygen.diff.rules import EFFECTS, Change, Effect, advice
from difygen.model import JsonValue
from difygen.wording import visible, width

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
_REFERENCE = re.compile(r"[@#](?=\w)|:(?=//)|(?<=www)\.", re.IGNORECASE)


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
