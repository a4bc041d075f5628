"""Where things stand in a file, and why a file could not be read, in words for the person who wrote it.

Positions are found by a second pass through the events of the file, made only when a message needs one.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from yaml import MarkedYAMLError, YAMLError
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent
from yaml.reader import ReaderError

from difygen.diagnostics import Diagnostic, Location
from difygen.wording import shown

Event: TypeAlias = Any  # of the parser: told apart by class, and the published stubs leave out what most of them hold
NextEvent: TypeAlias = Callable[[], Event]
# Patterns are compiled where they are used: most files have nothing wrong with them.
_LOOKS_LIKE_JSON = rb'\s*\{\s*"'
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"


class Unreadable(Exception):
    """A file is not read any further: why, where, and what to do."""

    def __init__(self, code: str, message: str, event: Event | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.index: int | None = event.start_mark.index if event is not None else None
        self.hint = hint


class Place:
    """The indices at which a value and its key start, the places within the value, and the text of a scalar as
    it was written.
    """

    __slots__ = ("key", "members", "text", "value")

    def __init__(self, value: int, key: int | None) -> None:
        self.value = value
        self.key = key
        self.text: str | None = None
        self.members: dict[str | int, Place] = {}


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


class SourceMap:
    """The places of everything in a file that has been read, and so is well-formed."""

    def __init__(self, text: bytes | str, file: str, next_event: NextEvent) -> None:
        self._lines = Lines(text, file)
        self._next = next_event
        self._anchors: dict[str, Place] = {}
        self._repeated: list[tuple[str, int, int]] = []
        next_event()  # the start of the stream
        next_event()  # the start of the document
        self._root = self._place(next_event())

    def locate(self, *path: str | int, key: bool = False) -> Location:
        """Return where the value at `path` starts, or its key; of a path that leads nowhere, the last key on it."""
        place = self._root
        for name in path:
            if name not in place.members:
                key = True
                break
            place = place.members[name]
        return self._lines.at(place.key if key and place.key is not None else place.value)

    def written(self, *path: str | int) -> str | None:
        """Return the scalar at `path` as its author wrote it, without quotes."""
        place: Place | None = self._root
        for name in path:
            place = place.members.get(name) if place is not None else None
        return place.text if place is not None else None

    def repeated_keys(self) -> tuple[Diagnostic, ...]:
        """Return the diagnostics for keys that occur twice in one mapping."""
        found = []
        for key, first_index, index in self._repeated:
            first, hint = self._lines.at(first_index), "Remove or rename one of them."
            message = f"The key `{shown(key)}` occurs twice in this mapping"
            message = f"{message}: first in line {first.line}, column {first.column}."
            found.append(Diagnostic("error", "repeated-key", message, self._lines.at(index), hint))
        return tuple(found)

    def _place(self, event: Event, key: int | None = None) -> Place:
        kind = event.__class__
        place = Place(event.start_mark.index, key)
        if kind is AliasEvent:
            target = self._anchors[event.anchor]
            place.members, place.text = target.members, target.text
            return place
        if kind is ScalarEvent:  # those of a JSON file come with their value, as numbers or booleans, too
            place.text = event.value if isinstance(event.value, str) else json.dumps(event.value)
        elif kind is MappingStartEvent:
            self._mapping(place)
        else:
            while (item := self._next()).__class__ is not SequenceEndEvent:
                place.members[len(place.members)] = self._place(item)
        if event.anchor is not None:
            self._anchors[event.anchor] = place
        return place

    def _mapping(self, place: Place) -> None:
        merged: list[Place] = []
        first: dict[str, int] = {}
        while (event := self._next()).__class__ is not MappingEndEvent:
            start = event.start_mark.index
            name = self._place(event).text or ""
            value = self._place(self._next(), start)
            if first.setdefault(name, start) != start:
                self._repeated.append((name, first[name], start))
            place.members[name] = value
            if name == "<<":
                merged = [value, *value.members.values()]
        for source in merged:
            for member_name, member in source.members.items():
                place.members.setdefault(member_name, member)


class _Sentence(NamedTuple):
    """A sentence and a hint for what a YAML parser says in its own words."""

    message: str
    hint: str = ""


_SENTENCES = {
    "mapping values are not allowed in this context": _Sentence(
        "A `:` is not expected here.", "Quote the text if the colon belongs to it, and check the indentation."
    ),
    "mapping values are not allowed here": _Sentence(
        "A `:` is not expected here.", "Quote the text if the colon belongs to it, and check the indentation."
    ),
    "could not find expected ':'": _Sentence("The key before this place has no `:` after it."),
    "did not find expected key": _Sentence(
        "A key is expected here.", "Check the indentation, and that quotes and brackets are closed before this place."
    ),
    "did not find expected '-' indicator": _Sentence("A list item is expected here.", "Check the indentation."),
    "did not find expected ',' or '}'": _Sentence("A `,` or the closing `}` is expected here."),
    "did not find expected ',' or ']'": _Sentence("A `,` or the closing `]` is expected here."),
    "did not find expected <document start>": _Sentence("The definition has ended before this place."),
    "block sequence entries are not allowed in this context": _Sentence(
        "A list item is not expected here.", "Start a list on a line of its own, below its key."
    ),
    "found unknown escape character": _Sentence(
        "This backslash escape is unknown.", "Within double quotes write a backslash twice, or use single quotes."
    ),
    "found unexpected end of stream": _Sentence("The file ends within quotes.", "Close the quotes."),
    "did not find expected node content": _Sentence("A value is expected here."),
    "did not find expected comment or line break": _Sentence(
        "Only a comment may follow here, up to the end of the line."
    ),
    "found incompatible YAML document": _Sentence(
        "The `%YAML` line asks for a version that is not read.", "Remove it."
    ),
    "found unexpected document indicator": _Sentence("The document ends within quotes.", "Close the quotes."),
}


def explain(error: Unreadable | YAMLError, text: bytes | str, file: str) -> Diagnostic:
    """Return the diagnostic for what stopped the reading of a file."""
    if isinstance(error, Unreadable):
        where = Location(file) if error.index is None else location(text, file, error.index)
        return Diagnostic("error", error.code, str(error), where, error.hint)
    data = text.encode() if isinstance(text, str) else text
    if isinstance(error, ReaderError):
        return _undecodable(error, data, file)
    if re.match(_LOOKS_LIKE_JSON, data) and (found := _json_error(data, file)) is not None:
        return found
    assert isinstance(error, MarkedYAMLError)
    mark = error.problem_mark or error.context_mark
    index = mark.index if mark is not None else 0
    message, hint = _sentence(error, data, index)
    return Diagnostic("error", "yaml-syntax", message, location(data, file, index), hint)


def _undecodable(error: ReaderError, data: bytes, file: str) -> Diagnostic:
    try:
        text = data.decode()
    except UnicodeDecodeError as invalid:
        before = data[: invalid.start].decode()
        where = location(before, file, len(before))
        message = f"The byte 0x{data[invalid.start]:02x} is not UTF-8."
        return Diagnostic("error", "not-utf-8", message, where, "Save the file as UTF-8.")
    unprintable = re.search(_UNPRINTABLE, text)
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


def _sentence(error: MarkedYAMLError, data: bytes, index: int) -> _Sentence:
    problem = error.problem or "this is not YAML"
    char = data.decode(errors="replace")[index : index + 1]
    if "cannot start any token" in problem:
        if char == "\t":
            return _Sentence("A tab cannot indent YAML.", "Use spaces.")
        return _Sentence(f"Text that starts with {'a backtick' if char == '`' else f'`{shown(char)}`'} must be quoted.")
    said = _SENTENCES.get(problem) or _Sentence(f"This is not YAML: {problem}.")
    if char == "[" and "',' or '}'" in problem:
        said = _Sentence("A `[` is not expected here.", 'Within braces, quote text with brackets: "array[string]".')
    start, place = error.context_mark, error.problem_mark
    if start is None or place is None or start.line == place.line or not error.context:
        return said
    what = error.context.removeprefix("while ").removeprefix("scanning ").removeprefix("parsing ")
    return _Sentence(f"{said.message[:-1]} ({what} began in line {start.line + 1}).", said.hint)
