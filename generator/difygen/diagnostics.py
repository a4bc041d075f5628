"""What is wrong with a definition or a setting: where, how bad, and what to do about it; and the cursor that notes it.

A `Cursor` is a part of a file together with the way to it, so that a check can say where it failed. Specs and settings
are checked with it. Knows no format and no key of one. Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple

from difygen.wording import names_listed, nearest, shown

if TYPE_CHECKING:
    from typing import Protocol

    from difygen.model import JsonValue

    class Locator(Protocol):
        """A file that knows where things stand in it."""

        def locate(self, *path: str | int, key: bool = False) -> Location:
            """Return where the value at a path starts, or its key."""

        def written(self, *path: str | int) -> str | None:
            """Return the scalar at a path as its author wrote it."""


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


Path = tuple[str | int, ...]

MAX_SUGGESTIONS = 100
"""How many findings of one file get a suggestion: looking for the nearest word is slow."""


class Diagnostics:
    """Where the checks of one file put what they find."""

    def __init__(self, document: Locator) -> None:
        self._document = document
        self._found: list[Diagnostic] = []

    def error(self, code: str, message: str, path: Path, hint: str = "", key: bool = False) -> None:
        self._found.append(Diagnostic("error", code, message, self._document.locate(*path, key=key), hint))

    def warn(self, code: str, message: str, path: Path, hint: str = "") -> None:
        self._found.append(Diagnostic("warning", code, message, self._document.locate(*path, key=True), hint))

    def suggestion(self, word: str, known: Collection[str]) -> str:
        """Return a hint for a word that is none of the known ones."""
        near = nearest(word, known) if len(self._found) < MAX_SUGGESTIONS else None
        return f"Did you mean `{near}`?" if near else f"Known are {names_listed(known)}."

    def written(self, path: Path) -> str | None:
        return self._document.written(*path)

    def in_order(self) -> tuple[Diagnostic, ...]:
        """Return all findings, in the order of the file."""
        return tuple(sorted(self._found, key=lambda found: found.location))


class Cursor:
    """A value, the path to it, and how messages call it."""

    __slots__ = ("name", "path", "report", "value")

    def __init__(self, value: JsonValue, path: Path, report: Diagnostics, name: str = "") -> None:
        self.value = value
        self.path = path
        self.report = report
        self.name = name

    def __iter__(self) -> Iterator[Cursor]:
        """Return the items, if the value is a list."""
        if isinstance(self.value, list):
            for number, item in enumerate(self.value):
                yield Cursor(item, (*self.path, number), self.report, self.name)

    def members(self) -> Iterator[tuple[str, Cursor]]:
        """Return the keys and values, if the value is a mapping."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield key, Cursor(value, (*self.path, key), self.report, f"`{shown(key)}`")

    def get(self, key: str) -> Cursor | None:
        """Return the value of a key, if the value is a mapping that has it."""
        if isinstance(self.value, dict) and key in self.value:
            return Cursor(self.value[key], (*self.path, key), self.report, f"`{key}`")
        return None

    def has(self, *keys: str) -> bool:
        return isinstance(self.value, dict) and any(key in self.value for key in keys)

    def error(self, code: str, message: str, hint: str = "", key: bool = False) -> None:
        self.report.error(code, message, self.path, hint, key)

    def expect(self, what: str, hint: str = "", code: str = "wrong-type") -> None:
        """Note that the value is not what it must be."""
        message = f"{self.name} must be {what}, not {self.described()}."
        self.error(code, message, hint or self._quoting_hint(what))

    def described(self) -> str:
        """Return the value in a few words."""
        match self.value:
            case None:
                return "empty"
            case bool() | int() | float():
                return f"`{shown(self.report.written(self.path) or str(self.value).lower())}`"
            case str():
                return f"the text `{shown(self.value)}`" if self.value else "an empty text"
            case list():
                return {0: "an empty list", 1: "a list with one item"}.get(len(self.value), "a list")
        return "a mapping"

    def _quoting_hint(self, what: str) -> str:
        """Return the advice for text that YAML reads as something else (`yes`, `007`, `1.10`), and for numbers
        that it reads as text.
        """
        if isinstance(self.value, str):
            number = self.value.strip().removeprefix("-").replace(".", "", 1).isdecimal()
            unquoted = "number" in what if number else "true" in what and self.value in ("true", "false")
            return "Write it without quotes." if unquoted else ""
        written = self.report.written(self.path)
        if "text" not in what or not isinstance(self.value, bool | int | float) or written is None:
            return ""
        kind = str(self.value).lower() if isinstance(self.value, bool) else "a number"
        return f'YAML reads that as {kind}: write "{shown(written)}" with quotes if it is text.'

    # Values of one kind. What is of another kind is noted, and the caller goes on with the usual value.

    def text(self) -> str:
        if not isinstance(self.value, str):
            self.expect("text")
            return ""
        return self.value

    def flag(self, usual: bool) -> bool:
        if not isinstance(self.value, bool):
            self.expect("true or false")
            return usual
        return self.value

    def limit(self) -> int | None:
        """Return a whole number from 1. None after a mistake."""
        number = self.value
        if isinstance(number, bool) or not isinstance(number, int | float) or not 1 <= number < inf or number % 1:
            self.expect("a whole number from 1", "Leave it out where there is no limit.")
            return None
        return int(number)

    def text_of(self, key: str) -> str:
        """Return the text of a key that may be missing."""
        member = self.get(key)
        return member.text() if member is not None else ""

    def flag_of(self, key: str, usual: bool = False) -> bool:
        """Return what a key says that may be missing."""
        member = self.get(key)
        return member.flag(usual) if member is not None else usual

    def mapping_of(self, key: str, of: str) -> Cursor | None:
        """Return the value of a key, if it is there and a mapping."""
        member = self.get(key)
        if member is None or isinstance(member.value, dict):
            return member
        member.expect(f"a mapping of {of}", f"Write `{key}: {{}}` for none." if member.value is None else "")
        return None

    def texts(self) -> tuple[str, ...]:
        """Return a list of different texts, at least one. Empty after a mistake."""
        if not isinstance(self.value, list) or not self.value:
            self.expect("a list of texts")
            return ()
        found: dict[str, None] = {}
        for item in self:
            if not isinstance(item.value, str):
                Cursor(item.value, item.path, item.report, f"An item of {self.name}").expect("text")
            elif item.value in found:
                item.error("repeated-value", f"{self.name} has `{shown(item.value)}` twice.", "Remove one of them.")
            else:
                found[item.value] = None
        return tuple(found) if len(found) == len(self.value) else ()

    def words(self, known: Collection[str]) -> tuple[str, ...]:
        """Return a list of texts, all of them known."""
        for item in self:
            if isinstance(item.value, str) and item.value not in known:
                hint = self.report.suggestion(item.value, known)
                item.error("unknown-value", f"`{shown(item.value)}` is no value for {self.name}.", hint)
        return self.texts()

    def only(self, known: Collection[str], what: str, foreign: Mapping[str, str] | None = None) -> None:
        """Note every key that is unknown. `foreign` are keys of other formats, with what to write instead."""
        for key, member in self.members():
            if key not in known:
                instead = (foreign or {}).get(key)
                hint = f"Write `{instead}`." if instead else self.report.suggestion(key, known)
                member.error("unknown-key", f"`{shown(key)}` is not a key of {what}.", hint, key=True)
