"""Where things stand in a file: a second walk through its events, made only when a message needs a position."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent

from difygen.diagnostics import Location
from difygen.parser.document import NextEvent
from difygen.parser.scalars import Event

Repeated = list[tuple[str, int, int]]
"""A key, and the index of its first and of a later occurrence in the same mapping."""


@dataclass(slots=True)
class Place:
    """The indices at which a value and its key start, the places within the value, and the text of a scalar as it was written."""

    value: int
    key: int | None = None
    text: str | None = None
    members: dict[str | int, Place] = field(default_factory=dict)


def places_of(next_event: NextEvent) -> tuple[Place, Repeated]:
    """The places of a document that was read before, and so is known to be well-formed, and its repeated keys."""
    walk = _Walk(next_event)
    next_event()  # the start of the stream
    next_event()  # the start of the document
    return walk.place(next_event()), walk.repeated


def find(place: Place, path: Sequence[str | int]) -> Place | None:
    """The place at `path`."""
    for name in path:
        if name not in place.members:
            return None
        place = place.members[name]
    return place


def index_of(place: Place, path: Sequence[str | int], key: bool) -> int:
    """Where the value at `path` starts, or its key; for a path that leads nowhere, the last key that it leads to."""
    for name in path:
        if name not in place.members:
            key = True
            break
        place = place.members[name]
    return place.key if key and place.key is not None else place.value


class Lines:
    """Lines and columns as editors count them: lines end with LF, CR or both (a YAML parser knows more), columns are characters."""

    def __init__(self, text: bytes | str, file: str) -> None:
        self._file = file
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        self._starts = [0, *(end.end() for end in re.finditer("\r\n?|\n", text))]

    def at(self, index: int) -> Location:
        """The place of the character with that index."""
        line = bisect_right(self._starts, index)
        return Location(self._file, line, index - self._starts[line - 1] + 1)


def location(text: bytes | str, file: str, index: int) -> Location:
    """The place of one character, where no other will be asked for."""
    return Lines(text, file).at(index)


def _written(scalar: Event) -> str:
    """The text of a scalar. Those of a JSON file come with their value, as numbers or booleans, too."""
    return scalar.value if isinstance(scalar.value, str) else json.dumps(scalar.value)


class _Walk:
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
