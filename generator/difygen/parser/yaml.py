"""A definition file to plain objects, read safely, with the place of everything in it.

Knows YAML and JSON, and no format made of them.

Events come straight from PyYAML's C parser: the values are those of its SafeLoader, with which Dify reads, for a
third of the time. What JSON cannot say (dates, `.nan`, `.inf`) stays the text that it was, and so do all keys. JSON
is nearly YAML, but tabs for indentation, `1e5` and surrogate pairs are what YAML parsers trip over: its text
becomes the same events in another way.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import cast

import yaml
from yaml import Mark
from yaml.constructor import SafeConstructor
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from difygen.diagnostics import Diagnostic, Location
from difygen.model import JsonValue
from difygen.parser.source_map import Event, NextEvent, SourceMap, Unreadable, explain
from difygen.wording import shown

MAX_BYTES = 10 * 1024 * 1024  # Dify's own limit for an import
MAX_DEPTH = 100
MAX_ALIASED = 100_000
MAX_DIGITS = 1_000

TAG = "tag:yaml.org,2002:"
STRING_TAGS = ("!", f"{TAG}str", f"{TAG}timestamp")

_Loader: type = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PATTERNS = yaml.SafeLoader.yaml_implicit_resolvers
_COLLECTION_TAGS = ("!", f"{TAG}map", f"{TAG}seq")
_UNSEEN = object()
_JSON_TOKEN = r'[{}\[\]]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+'


class Document:
    """A file that was read: `root` is its mapping, `diagnostics` are mistakes that did not stop the reading."""

    def __init__(self, file: str, root: dict[str, JsonValue], text: bytes | str, repeated_keys: bool) -> None:
        self.file = file
        self.root = root
        self._text = text
        self.diagnostics = self._map.repeated_keys() if repeated_keys else ()

    def locate(self, *path: str | int, key: bool = False) -> Location:
        """Return where the value at `path` starts, or its key.

        What is missing is where the nearest thing around it is.
        """
        return self._map.locate(*path, key=key)

    def written(self, *path: str | int) -> str | None:
        """Return the scalar at `path` as its author wrote it (`yes`, where its value is true), without quotes."""
        return self._map.written(*path)

    @cached_property
    def _map(self) -> SourceMap:
        """Positions cost a second pass through the file: they are asked for when something is wrong."""
        return SourceMap(self._text, self.file, _events(self._text))


def load(data: bytes, file: str) -> Document | tuple[Diagnostic, ...]:
    """Read a file whose root is a mapping, or say why it cannot be read. Never raises, whatever the bytes."""
    if len(data) > MAX_BYTES:
        message = f"The file has {len(data):,} bytes; Dify and difygen read definitions of at most {MAX_BYTES:,}."
        return (Diagnostic("error", "file-too-large", message, Location(file)),)
    data = data.removeprefix(b"\xef\xbb\xbf")
    # JSON is read as text, and YAML as the bytes it came in: decoding those is the C parser's work.
    text = (as_json(data) if data.lstrip().startswith(b"{") else None) or data
    try:
        return _load(text, file)
    except (Unreadable, yaml.YAMLError) as error:
        return (explain(error, text, file),)


def _events(text: bytes | str) -> NextEvent:
    if isinstance(text, str):
        return json_events(text).__next__
    return cast(NextEvent, _Loader(text).get_event)


def _load(text: bytes | str, file: str) -> Document:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable(
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
    return Document(file, root, text, builder.repeated)


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
            raise Unreadable(
                "empty-file", "The file is empty.", hint="A definition is a mapping with keys such as `name`."
            )
        self._next()  # the end of the document
        if (following := self._next()).__class__ is DocumentStartEvent:
            message = "A second YAML document starts here, and a file holds one definition."
            raise Unreadable("several-documents", message, following, "Put every definition into a file of its own.")
        if not isinstance(root, dict):
            message = "The root of a definition must be a mapping, with keys such as `name`."
            raise Unreadable("not-a-mapping", message, first)
        return root

    def _value(self, event: Event, depth: int) -> JsonValue:
        kind = event.__class__
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event, depth)
        if depth >= MAX_DEPTH:
            raise Unreadable("too-deep", f"Values may be nested at most {MAX_DEPTH} levels deep.", event)
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
        """Return what an alias refers to, if the document keeps its limits with that written out in its place."""
        if event.anchor is None or event.anchor not in self._anchors:
            raise Unreadable("unknown-alias", f"The alias `*{event.anchor}` has no anchor before it.", event)
        value = self._anchors[event.anchor]
        if value is _UNSEEN:
            raise Unreadable("recursive-alias", f"The alias `*{event.anchor}` stands within what it refers to.", event)
        size, height = _extent(value, MAX_ALIASED - self._aliased)
        self._aliased += size
        if self._aliased >= MAX_ALIASED:
            raise Unreadable("too-many-aliases", f"Aliases may repeat at most {MAX_ALIASED:,} values in all.", event)
        if depth + height > MAX_DEPTH:
            raise Unreadable("too-deep", f"Values may be nested at most {MAX_DEPTH} levels deep.", event)
        return value

    def _unusual_key(self, event: Event) -> str:
        """Return a key that has an anchor or is an alias.

        Plain ones stay the text that they are: `1:` is the key "1".
        """
        if event.__class__ is ScalarEvent:
            self._scalar(event)
            return event.value
        key = self._alias(event, 0) if event.__class__ is AliasEvent else None
        if not isinstance(key, str):
            raise Unreadable("key-not-text", "A mapping's key must be text, not a list or a mapping.", event)
        return key

    def _merged(self, event: Event, depth: int) -> dict[str, JsonValue]:
        """Return what the merge key `<<` brings in.

        Of several mappings the earlier ones win: yaml.org/type/merge.html.
        """
        value = self._value(event, depth)
        merged: dict[str, JsonValue] = {}
        for source in reversed(value) if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise Unreadable("bad-merge", "The merge key `<<` takes a mapping or a list of mappings.", event)
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


def resolved(event: Event) -> JsonValue:
    """Return what a plain scalar means to PyYAML: `yes` is true, `010` is eight, `1:30` is ninety."""
    text: str = event.value
    for tag, pattern in _PATTERNS.get(text[:1], ()):
        if pattern.match(text):
            return _constructed(tag, event)
    return text


def tagged(event: Event) -> JsonValue:
    """Return a scalar with a tag of its own, such as `!!int "1"`."""
    tag = event.tag or ""
    if tag.removeprefix(TAG) not in ("null", "bool", "int", "float"):
        raise unknown_tag(event)
    try:
        value = _constructed(tag, event)
    except (KeyError, IndexError):
        value = ""
    if isinstance(value, str):
        raise Unreadable("bad-tag", f"`{shown(event.value)}` is no value of the type that its tag names.", event)
    return value


def _constructed(tag: str, event: Event) -> JsonValue:
    text: str = event.value
    match tag.removeprefix(TAG):
        case "null":
            return None
        case "bool":
            return SafeConstructor.bool_values[text.lower()]
        case "int" | "float" if len(text) > MAX_DIGITS:
            raise Unreadable("number-too-long", f"A number may have at most {MAX_DIGITS:,} digits.", event)
        case "int":
            return _number(SafeConstructor.construct_yaml_int, event)
        case "float":
            return _number(SafeConstructor.construct_yaml_float, event)
    return text


def _number(construct: Callable[..., int | float], event: Event) -> JsonValue:
    """Return the number that PyYAML makes of a text, or the text where that is none: `0b_` matches its pattern
    and fails.
    """
    try:
        number = construct(SafeConstructor(), yaml.ScalarNode("", event.value))
    except (ValueError, OverflowError):
        return str(event.value)
    return number if isinstance(number, int) or math.isfinite(number) else str(event.value)


def unknown_tag(event: Event) -> Unreadable:
    hint = "Remove it; quote a text that starts with an exclamation mark."
    return Unreadable(
        "unknown-tag", f"The YAML tag `{shown((event.tag or '').replace(TAG, '!!'))}` is not read.", event, hint
    )


def is_text(plain: str) -> bool:
    """Return whether a plain scalar is text, and not what YAML reads as a number, a boolean or the like."""
    return not any(pattern.match(plain) for _, pattern in _PATTERNS.get(plain[:1], ()))


def as_json(data: bytes) -> str | None:
    """Return the text, if it is JSON as the standard has it, and not nested so deep that Python gives up on it."""
    try:
        text = data.decode()
        json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
    return text


def no_constant(name: str) -> None:
    """Refuse what Python reads as JSON and the standard does not know: `NaN` and the infinities."""
    raise ValueError(f"{name} is not JSON")


def json_events(text: str) -> Iterator[Event]:
    """Return the events of a text that `as_json` let through."""
    yield StreamStartEvent()
    yield DocumentStartEvent()
    for token in re.finditer(_JSON_TOKEN, text):
        mark = Mark("", token.start(), 0, 0, None, 0)
        yield _event(token.group(), mark)
    yield DocumentEndEvent()
    yield StreamEndEvent()


def _event(token: str, mark: Mark) -> Event:
    match token:
        case "{":
            return MappingStartEvent(None, None, True, mark)
        case "[":
            return SequenceStartEvent(None, None, True, mark)
        case "}":
            return MappingEndEvent(mark)
        case "]":
            return SequenceEndEvent(mark)
    # Not implicit: the value is final, whatever its type, and no YAML rule applies to it.
    return ScalarEvent(None, None, (False, True), cast(str, _value(token)), mark)


def _value(token: str) -> object:
    """Return what a token says.

    A number beyond a float stays text, and half a surrogate pair becomes U+FFFD: no file could hold it.
    """
    value = json.loads(token)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if "\\u" in token else value
    return value if not isinstance(value, float) or math.isfinite(value) else token
