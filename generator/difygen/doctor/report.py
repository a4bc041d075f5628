"""What a check found, and how the findings are shown: as lines for people or as JSON. Knows nothing of what is checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from difygen.call.text import one_line

Outcome = Literal["ok", "problem", "skipped"]
MARKS = {"ok": "✓", "problem": "✗", "skipped": "–"}
_COLOURS = {"ok": "green", "problem": "red", "skipped": "bright_black"}
_NAME_WIDTH = 9


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it came out, what to do about it, and what else is worth knowing."""

    name: str
    outcome: Outcome
    message: str
    fix: str = ""
    details: tuple[str, ...] = ()


@dataclass(slots=True)
class Section:
    """The checks of one server or one workflow, in their order."""

    title: str
    checks: list[Check] = field(default_factory=list)

    def ok(self, name: str, message: str, *details: str) -> None:
        """Add a check that came out well."""
        self.checks.append(Check(name, "ok", message, details=details))

    def problem(self, name: str, message: str, fix: str, *details: str) -> None:
        """Add a check that found something wrong, with the way out of it."""
        self.checks.append(Check(name, "problem", message, fix, details))

    def skip(self, name: str, reason: str, fix: str = "") -> None:
        """Add a check that was not made, and why."""
        self.checks.append(Check(name, "skipped", reason, fix))

    @property
    def problems(self) -> int:
        """How many checks found something wrong."""
        return sum(check.outcome == "problem" for check in self.checks)


def problems(sections: Iterable[Section]) -> int:
    """How many checks found something wrong, in all sections."""
    return sum(section.problems for section in sections)


def as_json(sections: Sequence[Section]) -> str:
    """The findings for programs."""
    shown = [
        {
            "title": section.title,
            "checks": [
                {
                    "name": check.name,
                    "outcome": check.outcome,
                    "message": check.message,
                    "fix": check.fix or None,
                    "details": list(check.details),
                }
                for check in section.checks
            ],
        }
        for section in sections
    ]
    return json.dumps({"ok": not problems(sections), "problems": problems(sections), "sections": shown}, indent=2)


def as_lines(sections: Sequence[Section], style: Callable[[str, str], str]) -> list[str]:
    """The findings for people. `style` puts a text into a colour, or leaves it as it is."""
    lines: list[str] = []
    for section in sections:
        lines += [*([""] if lines else []), style(one_line(section.title), "bold")]
        for check in section.checks:
            lines += _lines(check, style)
    number = problems(sections)
    verdict = f"{number} problem{'s' if number > 1 else ''} found." if number else "No problems found."
    return [*lines, "", style(verdict, "red" if number else "green")]


def _lines(check: Check, style: Callable[[str, str], str]) -> list[str]:
    mark = style(MARKS[check.outcome], _COLOURS[check.outcome])
    indent = " " * (_NAME_WIDTH + 5)
    message = one_line(check.message)
    lines = [
        f"  {mark} {check.name:<{_NAME_WIDTH}} {style(message, _COLOURS['skipped']) if check.outcome == 'skipped' else message}"
    ]
    lines += [f"{indent}{one_line(detail)}" for detail in check.details]
    return lines + ([f"{indent}{style('→', 'cyan')} {one_line(check.fix)}"] if check.fix else [])
