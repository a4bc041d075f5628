"""Where things stand in a file, and why a file could not be read, in words for the person who wrote it.

Positions are found by a second pass through the events of the file, made only when a message needs one.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from yaml import MarkedYAMLError, YAMLError
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent
from yaml.reader import ReaderError

from difygen.cursor import shown
from difygen.diagnostics import Diagnostic, Location

Event: TypeAlias = Any  # of the parser: told apart by class, and the published stubs leave out what most of them hold
NextEvent: TypeAlias = Callable[[], Event]

Repeated = list[tuple[str, int, int]]
"""A key, and the index of its first and of a later occurrence in the same mapping."""


class Unreadable(Exception):
    """A file is not read any further: why, where, and what to do."""

    def __init__(self, code: str, message: str, event: Event | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.index: int | None = event.start_mark.index if event is not None else None
        self.hint = hint


@dataclass(slots=True)
class Place:
    """The indices at which a value and its key start, the places within the value, and the text of a scalar as
    it was written.
    """

    value: int
    key: int | None = None
    text: str | None = None
    members: dict[str | int, Place] = field(default_factory=dict)


def places_of(next_event: NextEvent) -> tuple[Place, Repeated]:
    """Return the places of a document that has been read, and so is well-formed, and its repeated keys."""
    composer = _Composer(next_event)
    next_event()  # the start of the stream
    next_event()  # the start of the document
    return composer.place(next_event()), composer.repeated


def find(place: Place, path: Sequence[str | int]) -> Place | None:
    """Return the place at `path`."""
    for name in path:
        if name not in place.members:
            return None
        place = place.members[name]
    return place


def index_of(place: Place, path: Sequence[str | int], key: bool) -> int:
    """Return where the value at `path` starts, or its key; for a path that leads nowhere, the last key that it
    leads to.
    """
    for name in path:
        if name not in place.members:
            key = True
            break
        place = place.members[name]
    return place.key if key and place.key is not None else place.value


class Lines:
    """Lines and columns as editors count them: lines end with LF, CR or both (a YAML parser knows more),
    columns are characters.
    """

    def __init__(self, text: bytes | str, file: str) -> None:
        self._file = file
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        self._starts = [0, *(end.end() for end in re.finditer("\r\n?|\n", text))]

    def at(self, index: int) -> Location:
        """Return the place of the character with that index."""
        line = bisect_right(self._starts, index)
        return Location(self._file, line, index - self._starts[line - 1] + 1)


def location(text: bytes | str, file: str, index: int) -> Location:
    """Return the place of one character, where no other will be asked for."""
    return Lines(text, file).at(index)


def _written(scalar: Event) -> str:
    """Return the text of a scalar. Those of a JSON file come with their value, as numbers or booleans, too."""
    return scalar.value if isinstance(scalar.value, str) else json.dumps(scalar.value)


class _Composer:
    def __init__(self, next_event: NextEvent) -> None:
        self._next = next_event
        self._anchors: dict[str, Place] = {}
        self._texts: dict[str, str] = {}
        self.repeated: Repeated = []

    def place(self, event: Event, key: int | None = None) -> Place:
        kind = event.__class__
        place = Place(event.start_mark.index, key, _written(event) if kind is ScalarEvent else None)
        if kind is AliasEvent:
            target = self._anchors[event.anchor]
            place.members, place.text = target.members, target.text
            return place
        if kind is MappingStartEvent:
            self._mapping(place)
        elif kind is not ScalarEvent:
            self._sequence(place)
        if event.anchor is not None:
            self._anchors[event.anchor] = place
            self._texts[event.anchor] = place.text or ""
        return place

    def _mapping(self, place: Place) -> None:
        merged: list[Place] = []
        first: dict[str, int] = {}
        while (event := self._next()).__class__ is not MappingEndEvent:
            start = event.start_mark.index
            name = self._key(event)
            value = self.place(self._next(), start)
            if first.setdefault(name, start) != start:
                self.repeated.append((name, first[name], start))
            place.members[name] = value
            if name == "<<":
                merged = [value, *value.members.values()]
        for source in merged:
            for name_, member in source.members.items():
                place.members.setdefault(name_, member)

    def _key(self, event: Event) -> str:
        if event.__class__ is AliasEvent:
            return self._texts[event.anchor or ""]
        self.place(event)  # for its anchor
        return str(event.value)

    def _sequence(self, place: Place) -> None:
        while (event := self._next()).__class__ is not SequenceEndEvent:
            place.members[len(place.members)] = self.place(event)


_LOOKS_LIKE_JSON = re.compile(rb'\s*\{\s*"')
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class _Said(NamedTuple):
    """A sentence and a hint for what a YAML parser says in its own words."""

    message: str
    hint: str = ""


_SENTENCES = {
    "mapping values are not allowed in this context": _Said(
        "A `:` is not expected here.", "Quote the text if the colon belongs to it, and check the indentation."
    ),
    "mapping values are not allowed here": _Said(
        "A `:` is not expected here.", "Quote the text if the colon belongs to it, and check the indentation."
    ),
    "could not find expected ':'": _Said("The key before this place has no `:` after it."),
    "did not find expected key": _Said(
        "A key is expected here.", "Check the indentation, and that quotes and brackets are closed before this place."
    ),
    "did not find expected '-' indicator": _Said("A list item is expected here.", "Check the indentation."),
    "did not find expected ',' or '}'": _Said("A `,` or the closing `}` is expected here."),
    "did not find expected ',' or ']'": _Said("A `,` or the closing `]` is expected here."),
    "did not find expected <document start>": _Said("The definition has ended before this place."),
    "block sequence entries are not allowed in this context": _Said(
        "A list item is not expected here.", "Start a list on a line of its own, below its key."
    ),
    "found unknown escape character": _Said(
        "This backslash escape is unknown.", "Within double quotes write a backslash twice, or use single quotes."
    ),
    "found unexpected end of stream": _Said("The file ends within quotes.", "Close the quotes."),
    "did not find expected node content": _Said("A value is expected here."),
    "did not find expected comment or line break": _Said("Only a comment may follow here, up to the end of the line."),
    "found incompatible YAML document": _Said("The `%YAML` line asks for a version that is not read.", "Remove it."),
    "found unexpected document indicator": _Said("The document ends within quotes.", "Close the quotes."),
}


def explain(error: Unreadable | YAMLError, text: bytes | str, file: str) -> Diagnostic:
    """Return the diagnostic for what stopped the reading of a file."""
    if isinstance(error, Unreadable):
        where = Location(file) if error.index is None else location(text, file, error.index)
        return Diagnostic("error", error.code, str(error), where, error.hint)
    data = text.encode() if isinstance(text, str) else text
    if isinstance(error, ReaderError):
        return _undecodable(error, data, file)
    if _LOOKS_LIKE_JSON.match(data) and (found := _json_error(data, file)) is not None:
        return found
    assert isinstance(error, MarkedYAMLError)
    return _syntax(error, data, file)


def repeated_keys(text: bytes | str, file: str, repeated: Repeated) -> tuple[Diagnostic, ...]:
    """Return the diagnostics for keys that occur twice in one mapping."""
    lines = Lines(text, file)
    return tuple(_repeated_key(key, lines.at(first), lines.at(again)) for key, first, again in repeated)


def _repeated_key(key: str, first: Location, again: Location) -> Diagnostic:
    message = f"The key `{shown(key)}` occurs twice in this mapping: first in line {first.line}, column {first.column}."
    return Diagnostic("error", "repeated-key", message, again, "Remove or rename one of them.")


def _undecodable(error: ReaderError, data: bytes, file: str) -> Diagnostic:
    try:
        text = data.decode()
    except UnicodeDecodeError as invalid:
        before = data[: invalid.start].decode()
        where = location(before, file, len(before))
        message = f"The byte 0x{data[invalid.start]:02x} is not UTF-8."
        return Diagnostic("error", "not-utf-8", message, where, "Save the file as UTF-8.")
    unprintable = _UNPRINTABLE.search(text)
    index = unprintable.start() if unprintable else len(text)
    name = f"U+{ord(text[index]):04X}" if unprintable else f"({error.reason})"
    hint = (
        'Within double quotes, write it as an escape such as "\\u0007".'
        if name != "U+0000"
        else "Save the file as UTF-8."
    )
    message = f"The control character {name} is not allowed in YAML."
    return Diagnostic("error", "control-character", message, location(text, file, index), hint)


def _json_error(data: bytes, file: str) -> Diagnostic | None:
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        message = f"This is not JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        return Diagnostic("error", "json-syntax", message, location(error.doc, file, error.pos))
    except (ValueError, RecursionError):
        pass
    return None


def _syntax(error: MarkedYAMLError, data: bytes, file: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    index = mark.index if mark is not None else 0
    message, hint = _sentence(error, data, index)
    return Diagnostic("error", "yaml-syntax", message, location(data, file, index), hint)


def _sentence(error: MarkedYAMLError, data: bytes, index: int) -> _Said:
    problem = error.problem or "this is not YAML"
    char = data.decode(errors="replace")[index : index + 1]
    if "cannot start any token" in problem:
        return _bad_start(char)
    said = _SENTENCES.get(problem) or _Said(f"This is not YAML: {problem}.")
    if char == "[" and "',' or '}'" in problem:
        said = _Said("A `[` is not expected here.", 'Within braces, quote text with brackets: "array[string]".')
    return _Said(f"{said.message[:-1]}{_begun(error)}.", said.hint)


def _begun(error: MarkedYAMLError) -> str:
    """Return where the construct began that the problem is in, if that is further up."""
    start, place = error.context_mark, error.problem_mark
    if start is None or place is None or start.line == place.line or not error.context:
        return ""
    what = error.context.removeprefix("while ").removeprefix("scanning ").removeprefix("parsing ")
    return f" ({what} began in line {start.line + 1})"


def _bad_start(char: str) -> _Said:
    if char == "\t":
        return _Said("A tab cannot indent YAML.", "Use spaces.")
    return _Said(f"Text that starts with {'a backtick' if char == '`' else f'`{shown(char)}`'} must be quoted.")
