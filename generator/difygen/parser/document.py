"""A definition file to plain objects, read safely, with the place of everything in it. Knows YAML and JSON, and no format made of them.

Events come straight from PyYAML's C parser: the values are those of its SafeLoader, with which Dify reads, for a third of the time.
What JSON cannot say (dates, `.nan`, `.inf`) stays the text that it was, and so do all keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from difygen.diagnostics import Diagnostic, Location
from difygen.model import JsonValue
from difygen.parser.scalars import STRING_TAGS, TAG, Event, Refusal, resolved, tagged, unknown_tag

if TYPE_CHECKING:
    from difygen.parser.places import Lines, Place, Repeated

MAX_BYTES = 10 * 1024 * 1024  # Dify's own limit for an import
MAX_DEPTH = 100
MAX_ALIASED = 100_000

NextEvent: TypeAlias = Callable[[], Event]

_Loader: type = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_COLLECTION_TAGS = ("!", f"{TAG}map", f"{TAG}seq")
_UNSEEN = object()


class Document:
    """A file that was read: `root` is its mapping, and `diagnostics` are mistakes that did not keep it from being read."""

    def __init__(self, file: str, root: dict[str, JsonValue], text: bytes | str) -> None:
        self.file = file
        self.root = root
        self.diagnostics: tuple[Diagnostic, ...] = ()
        self._text = text
        self._places: Place | None = None
        self._repeated: Repeated = []
        self._lines: Lines | None = None

    def locate(self, *path: str | int, key: bool = False) -> Location:
        """Where the value at `path` starts, or its key. What is missing is where the nearest thing around it is.

        Positions cost a second walk through the file, once: asking is for when something is wrong.
        """
        from difygen.parser.places import Lines, index_of

        if self._lines is None:
            self._lines = Lines(self._text, self.file)
        return self._lines.at(index_of(self._place(), path, key))

    def written(self, *path: str | int) -> str | None:
        """The scalar at `path` as its author wrote it (`yes`, where its value is true), without quotes."""
        from difygen.parser.places import find

        place = find(self._place(), path)
        return place.text if place is not None else None

    def note_repeated_keys(self) -> None:
        """Find the keys that occur twice in one mapping, once it is known that there are any."""
        from difygen.parser.syntax import repeated_keys

        self._place()
        self.diagnostics = repeated_keys(self._text, self.file, self._repeated)

    def _place(self) -> Place:
        from difygen.parser.places import places_of

        if self._places is None:
            self._places, self._repeated = places_of(_events(self._text))
        return self._places


def load(data: bytes, file: str) -> Document | tuple[Diagnostic, ...]:
    """Read a file whose root is a mapping, or say why it cannot be read. Never raises, whatever the bytes."""
    if len(data) > MAX_BYTES:
        message = f"The file has {len(data):,} bytes; Dify and difygen read definitions of at most {MAX_BYTES:,}."
        return (Diagnostic("error", "file-too-large", message, Location(file)),)
    text = _text_of(data.removeprefix(b"\xef\xbb\xbf"))
    try:
        return _load(text, file)
    except (Refusal, yaml.YAMLError) as error:
        from difygen.parser.syntax import explain

        return (explain(error, text, file),)


def _text_of(data: bytes) -> bytes | str:
    """JSON as text, and YAML as the bytes it came in: decoding those is the C parser's work."""
    if not data.lstrip().startswith(b"{"):
        return data
    from difygen.parser.json_events import as_json

    json = as_json(data)
    return data if json is None else json


def _events(text: bytes | str) -> NextEvent:
    if isinstance(text, str):
        from difygen.parser.json_events import json_events

        return json_events(text).__next__
    return cast(NextEvent, _Loader(text).get_event)


def _load(text: bytes | str, file: str) -> Document:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Refusal(
            "not-utf-8", "The file is encoded as UTF-16, and definitions are UTF-8.", hint="Save it as UTF-8."
        )
    builder = _Builder(_events(text))
    try:
        root = builder.document()
    except yaml.MarkedYAMLError as error:
        # libyaml 0.2.6 looks ahead, and fails at its own 1,000th level before it tells of our 101st: cut off, it tells.
        if "maximum nesting depth" in str(error.problem) and error.problem_mark and isinstance(text, bytes):
            _Builder(_events(text.decode()[: error.problem_mark.index].encode())).document()
        raise
    document = Document(file, root, text)
    if builder.repeated:
        document.note_repeated_keys()
    return document


class _Builder:
    """Parser events to objects. The loops are written out, since every scalar of a file goes through them."""

    def __init__(self, next_event: NextEvent) -> None:
        self._next = next_event
        self._plain: dict[str, JsonValue] = {}
        self._anchors: dict[str, JsonValue] = {}
        self._aliased = 0
        self.repeated = False

    def document(self) -> dict[str, JsonValue]:
        self._next()  # the start of the stream
        first = None if self._next().__class__ is StreamEndEvent else self._next()
        root = None if first is None else self._value(first, 0)
        if root is None:
            raise Refusal(
                "empty-file", "The file is empty.", hint="A definition is a mapping with keys such as `name`."
            )
        self._next()  # the end of the document
        if (following := self._next()).__class__ is DocumentStartEvent:
            message = "A second YAML document starts here, and a file holds one definition."
            raise Refusal("several-documents", message, following, "Put every definition into a file of its own.")
        if not isinstance(root, dict):
            message = "The root of a definition must be a mapping, with keys such as `name`."
            raise Refusal("not-a-mapping", message, first)
        return root

    def _value(self, event: Event, depth: int) -> JsonValue:
        kind = event.__class__
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event, depth)
        if depth >= MAX_DEPTH:
            raise Refusal("too-deep", f"Values may be nested at most {MAX_DEPTH} levels deep.", event)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            raise unknown_tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = cast(JsonValue, _UNSEEN)  # until it is complete
        value = self._mapping(depth + 1) if kind is MappingStartEvent else self._sequence(depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, depth: int) -> dict[str, JsonValue]:
        next_event, plain = self._next, self._plain
        mapping: dict[str, JsonValue] = {}
        merged: dict[str, JsonValue] | None = None
        while True:
            event = next_event()
            if event.__class__ is MappingEndEvent:
                return mapping if merged is None else {**merged, **mapping}
            usual = event.__class__ is ScalarEvent and event.anchor is None
            key = event.value if usual else self._unusual_key(event)
            if key == "<<" and usual and event.implicit[0]:
                if merged is not None:
                    self.repeated = True
                merged = self._merged(next_event(), depth - 1)
                continue
            if key in mapping:
                self.repeated = True
            event = next_event()
            if event.__class__ is ScalarEvent and event.implicit[0] and event.value in plain and event.anchor is None:
                mapping[key] = plain[event.value]
            else:
                mapping[key] = self._value(event, depth)

    def _sequence(self, depth: int) -> list[JsonValue]:
        next_event = self._next
        items: list[JsonValue] = []
        while (event := next_event()).__class__ is not SequenceEndEvent:
            items.append(self._value(event, depth))
        return items

    def _scalar(self, event: Event) -> JsonValue:
        value: JsonValue = event.value
        if event.implicit[0]:
            value = self._plain.get(event.value, cast(JsonValue, _UNSEEN))
            if value is _UNSEEN:
                value = self._plain[event.value] = resolved(event)
        elif event.tag is not None and event.tag not in STRING_TAGS:
            value = tagged(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: Event, depth: int) -> JsonValue:
        """Return what an alias refers to, if the document stays within its limits with that written out in its place."""
        if event.anchor is None or event.anchor not in self._anchors:
            raise Refusal("unknown-alias", f"The alias `*{event.anchor}` has no anchor before it.", event)
        value = self._anchors[event.anchor]
        if value is _UNSEEN:
            raise Refusal("recursive-alias", f"The alias `*{event.anchor}` stands within what it refers to.", event)
        size, height = _extent(value, MAX_ALIASED - self._aliased)
        self._aliased += size
        if self._aliased >= MAX_ALIASED:
            raise Refusal("too-many-aliases", f"Aliases may repeat at most {MAX_ALIASED:,} values in all.", event)
        if depth + height > MAX_DEPTH:
            raise Refusal("too-deep", f"Values may be nested at most {MAX_DEPTH} levels deep.", event)
        return value

    def _unusual_key(self, event: Event) -> str:
        """A key that has an anchor or is an alias. Plain ones stay the text that they are: `1:` is the key "1"."""
        if event.__class__ is ScalarEvent:
            self._scalar(event)
            return event.value
        key = self._alias(event, 0) if event.__class__ is AliasEvent else None
        if not isinstance(key, str):
            raise Refusal("key-not-text", "A mapping's key must be text, not a list or a mapping.", event)
        return key

    def _merged(self, event: Event, depth: int) -> dict[str, JsonValue]:
        """What the merge key `<<` brings in. Of several mappings the earlier ones win: yaml.org/type/merge.html."""
        value = self._value(event, depth)
        merged: dict[str, JsonValue] = {}
        for source in reversed(value) if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise Refusal("bad-merge", "The merge key `<<` takes a mapping or a list of mappings.", event)
            merged.update(source)
        return merged


def _extent(value: JsonValue, limit: int) -> tuple[int, int]:
    """Return how many values there are in a value, itself included, and how many collections deep they nest.

    At most about `limit` values are looked at.
    """
    count, height, level = 0, 0, [value]
    while level and count < limit:
        count += len(level)
        collections = [each for each in level if isinstance(each, dict | list)]
        height += bool(collections)
        level = [inner for each in collections for inner in (each.values() if isinstance(each, dict) else each)]
    return count, height
