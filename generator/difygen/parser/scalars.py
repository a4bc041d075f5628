"""What a scalar of YAML 1.1 means, by PyYAML's own rules. Knows nothing of what a scalar is part of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import yaml
from yaml.constructor import SafeConstructor

from difygen.model import JsonValue
from difygen.parts import shown

MAX_DIGITS = 1_000

Event: TypeAlias = Any  # of the parser: told apart by class, and the published stubs leave out what most of them hold

TAG = "tag:yaml.org,2002:"
STRING_TAGS = ("!", f"{TAG}str", f"{TAG}timestamp")
_PATTERNS = yaml.SafeLoader.yaml_implicit_resolvers


class Refusal(Exception):
    """A file is not read any further: why, where, and what to do."""

    def __init__(self, code: str, message: str, event: Event | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.index: int | None = event.start_mark.index if event is not None else None
        self.hint = hint


def resolved(event: Event) -> JsonValue:
    """What a plain scalar means to PyYAML: `yes` is true, `010` is eight, `1:30` is ninety."""
    text: str = event.value
    for tag, pattern in _PATTERNS.get(text[:1], ()):
        if pattern.match(text):
            return _constructed(tag, event)
    return text


def tagged(event: Event) -> JsonValue:
    """A scalar with a tag of its own, such as `!!int "1"`."""
    tag = event.tag or ""
    if tag.removeprefix(TAG) not in ("null", "bool", "int", "float"):
        raise unknown_tag(event)
    try:
        value = _constructed(tag, event)
    except (KeyError, IndexError):
        value = ""
    if isinstance(value, str):
        raise Refusal("bad-tag", f"`{shown(event.value)}` is no value of the type that its tag names.", event)
    return value


def _constructed(tag: str, event: Event) -> JsonValue:
    text: str = event.value
    match tag.removeprefix(TAG):
        case "null":
            return None
        case "bool":
            return SafeConstructor.bool_values[text.lower()]
        case "int" | "float" if len(text) > MAX_DIGITS:
            raise Refusal("number-too-long", f"A number may have at most {MAX_DIGITS:,} digits.", event)
        case "int":
            return _number(SafeConstructor.construct_yaml_int, event)
        case "float":
            return _number(SafeConstructor.construct_yaml_float, event)
    return text


def _number(construct: Callable[..., int | float], event: Event) -> JsonValue:
    """The number that PyYAML makes of a text, or the text where that is none: `0b_` matches its pattern and fails."""
    try:
        number = construct(SafeConstructor(), yaml.ScalarNode("", event.value))
    except (ValueError, OverflowError):
        return str(event.value)
    return number if isinstance(number, int) or math.isfinite(number) else str(event.value)


def unknown_tag(event: Event) -> Refusal:
    hint = "Remove it; quote a text that starts with an exclamation mark."
    return Refusal(
        "unknown-tag", f"The YAML tag `{shown((event.tag or '').replace(TAG, '!!'))}` is not read.", event, hint
    )


def is_text(plain: str) -> bool:
    """Whether a plain scalar is text, and not what YAML reads as a number, a boolean or the like."""
    return not any(pattern.match(plain) for _, pattern in _PATTERNS.get(plain[:1], ()))
