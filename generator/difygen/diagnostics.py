"""What is wrong with a definition or a setting: where, how bad, and what to do about it.

Knows nothing of any format.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
"""A note says what is not wrong: a hint for people, or to machines what people read in a table or a summary."""


class Location(NamedTuple):
    """A place in a definition. Lines and columns count from 1; 0 means that the place is the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Diagnostic(NamedTuple):
    """One finding: `code` is a stable kebab-case word, `message` one sentence, `hint` what to do next."""

    severity: Severity
    code: str
    message: str
    location: Location
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.location}: {self.severity}: {self.message} [{self.code}]"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Return whether any of the findings is an error, so that nothing may be written."""
    return any(diagnostic.severity == "error" for diagnostic in diagnostics)
