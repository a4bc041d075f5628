"""The findings of one reading, collected while it goes on. Decides nothing about what is a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from difygen.diagnostics import Diagnostic, Location, Severity

if TYPE_CHECKING:
    from difygen.readers.document import Document

MAX_LOCATED = 200
"""How many findings of a file get their line and column: finding a place costs a pass through the file's text."""


class Problems:
    """Where a reader puts what it finds, with the path to the place instead of the place."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: list[tuple[Severity, str, str, tuple[str | int, ...], str]] = []

    def error(self, code: str, message: str, *path: str | int, hint: str = "") -> None:
        """Note a mistake that keeps the definition from being used."""
        self._found.append(("error", code, message, path, hint))

    def warn(self, code: str, message: str, *path: str | int, hint: str = "") -> None:
        """Note what a user should know of, and can live with."""
        self._found.append(("warning", code, message, path, hint))

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything found, in the order of its finding."""
        return tuple(
            Diagnostic(severity, code, message, self._place(path, number), hint)
            for number, (severity, code, message, path, hint) in enumerate(self._found)
        )

    def _place(self, path: tuple[str | int, ...], number: int) -> Location:
        if not path or number >= MAX_LOCATED:
            return Location(self._document.file)
        return self._document.locate(*path)
