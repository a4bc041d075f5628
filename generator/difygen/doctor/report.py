"""What the checks found, and how that is shown: line by line for people, or as findings for machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from difygen.console import one_line
from difygen.diagnostics import Diagnostic, Location
from difygen.model import JsonValue
from difygen.wording import count

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
    """The checks of one server or one workflow, in their order; `file` is the definition that the latter has."""

    title: str
    file: str = ""
    checks: list[Check] = field(default_factory=list)
    found: Callable[[Check], None] = lambda check: None  # told of each check at once

    def ok(self, name: str, message: str, *details: str) -> None:
        """Add a check that came out well."""
        self._add(Check(name, "ok", message, details=details))

    def problem(self, name: str, message: str, fix: str, *details: str) -> None:
        """Add a check that found something wrong, with the way out of it."""
        self._add(Check(name, "problem", message, fix, details))

    def skip(self, name: str, reason: str, fix: str = "") -> None:
        """Add a check that was not made, and why."""
        self._add(Check(name, "skipped", reason, fix))

    def _add(self, check: Check) -> None:
        self.checks.append(check)
        self.found(check)

    @property
    def problems(self) -> int:
        """How many checks found something wrong."""
        return sum(check.outcome == "problem" for check in self.checks)


class Report:
    """All sections. `show` gets each line as soon as it is known, since a check may take its time."""

    def __init__(
        self,
        show: Callable[[str], None] = lambda line: None,
        style: Callable[[str, str], str] = lambda text, style: text,
    ) -> None:
        self.sections: list[Section] = []
        self._show, self._style = show, style

    def section(self, title: str, file: str = "") -> Section:
        """Begin a section, about the app that the file defines."""
        if self.sections:
            self._show("")
        self._show(self._style(one_line(title), "bold"))

        def show(check: Check) -> None:
            for line in _lines(check, self._style):
                self._show(line)

        self.sections.append(Section(title, file, found=show))
        return self.sections[-1]

    def end(self) -> None:
        """Show the verdict."""
        verdict = f"{count(self.problems, 'problem')} found." if self.problems else "No problems found."
        self._show("")
        self._show(self._style(verdict, "red" if self.problems else "green"))

    @property
    def problems(self) -> int:
        """How many checks found something wrong, in all sections."""
        return sum(section.problems for section in self.sections)

    def findings(self) -> list[Diagnostic]:
        """Return the problems as findings, about the definition of the app where they are about an app."""
        return [
            Diagnostic(
                "error", check.name, " ".join((check.message, *check.details)), Location(section.file), check.fix
            )
            for section in self.sections
            for check in section.checks
            if check.outcome == "problem"
        ]

    def as_json(self) -> dict[str, JsonValue]:
        """Return all checks, for programs."""
        sections: list[JsonValue] = [
            {"title": section.title, "checks": [_as_json(check) for check in section.checks]}
            for section in self.sections
        ]
        return {"problems": self.problems, "sections": sections}


def _as_json(check: Check) -> JsonValue:
    return {
        "name": check.name,
        "outcome": check.outcome,
        "message": check.message,
        "fix": check.fix or None,
        "details": list(check.details),
    }


def _lines(check: Check, style: Callable[[str, str], str]) -> list[str]:
    mark = style(MARKS[check.outcome], _COLOURS[check.outcome])
    indent = " " * (_NAME_WIDTH + 5)
    message = one_line(check.message)
    if check.outcome == "skipped":
        message = style(message, _COLOURS["skipped"])
    lines = [f"  {mark} {check.name:<{_NAME_WIDTH}} {message}"]
    lines += [f"{indent}{one_line(detail)}" for detail in check.details]
    return lines + ([f"{indent}{style('→', 'cyan')} {one_line(check.fix)}"] if check.fix else [])
