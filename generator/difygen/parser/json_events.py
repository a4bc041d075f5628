"""JSON text as the events of a YAML parser, so that the same code reads both.

JSON is nearly YAML: tabs for indentation, `1e5` and surrogate pairs are what YAML parsers trip over. Used for text that is JSON only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import cast

from yaml import Mark
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

_TOKEN = re.compile(r'[{}\[\]]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+')


def as_json(data: bytes) -> str | None:
    """The text, if it is JSON as the standard has it, and not nested so deep that Python gives up on it."""
    try:
        text = data.decode()
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def json_events(text: str) -> Iterator[Event]:
    """The events of a text that `as_json` let through."""
    yield StreamStartEvent()
    yield DocumentStartEvent()
    for token in _TOKEN.finditer(text):
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
    """What a token says. A number beyond a float stays text, and half a surrogate pair becomes U+FFFD: no file could hold it."""
    value = json.loads(token)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if "\\u" in token else value
    return value if not isinstance(value, float) or math.isfinite(value) else token
