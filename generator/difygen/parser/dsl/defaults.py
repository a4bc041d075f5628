"""Defaults of start variables, judged as a server would that puts them in for an input that is left out (Dify 1.10.1 and later)."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

from difygen.model import ArrayOf, InputKind, JsonValue, Primitive, Type
from difygen.parser.dsl.shape import quoted, text, texts
from difygen.parts import Report

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Default(NamedTuple):
    """`value` is what a caller may send, in its JSON type; None if there is nothing of use.

    `refused` means that the server refuses a run that leaves the input out, since it refuses the default itself. `instead` is the type
    of a default that the server passes on although it does not belong there (`''` for a checkbox).
    """

    value: JsonValue = None
    refused: bool = False
    instead: Type | None = None


NONE = Default()


def default_of(
    variable: Mapping[str, JsonValue], kind: InputKind, report: Report, path: tuple[str | int, ...]
) -> Default:
    """The default of an optional input. A required one must be sent whatever its default is."""
    raw = variable.get("default")
    if raw is None or variable.get("required") is True:
        return NONE
    found, why = _judged(raw, kind, variable)
    if why:
        name = quoted(text(variable.get("variable")))
        if found.refused:
            hint = "Dify refuses runs that leave it out, so it is a required argument. Remove the default in Dify, or correct it."
        else:
            hint = "The client does not send it. Remove the default in Dify, or correct it."
        report.warn(
            "default-not-usable", f"The default of the input {name} is not used: {why}.", (*path, "default"), hint
        )
    return found


def _judged(raw: JsonValue, kind: InputKind, variable: Mapping[str, JsonValue]) -> tuple[Default, str]:
    """What comes of a default, and what is wrong with it."""
    if kind == "number":
        return _number(raw)
    if kind == "checkbox":
        return _checkbox(raw)
    if kind == "json_object":
        return _object(raw)
    if kind in ("file", "file-list"):
        return NONE, "" if raw in ("", [], {}) else "a file cannot be written into a definition"
    if not isinstance(raw, str):
        return Default(refused=True), "it is not text"
    if kind == "select":
        good = raw in texts(variable.get("options"))
        return (Default(raw), "") if good else (Default(refused=True), "it is none of the options")
    return _text(raw, variable.get("max_length"))


def _text(raw: str, max_length: JsonValue) -> tuple[Default, str]:
    limit = int(max_length) if isinstance(max_length, str) and max_length.isdecimal() else max_length
    if isinstance(limit, int) and 0 < limit < len(raw):
        return Default(refused=True), "it is longer than the input may be"
    return Default(raw), ""


def _number(raw: JsonValue) -> tuple[Default, str]:
    """Editors write numbers as text, which Dify reads as float with a point in it, else as int."""
    if isinstance(raw, bool):
        return NONE, "it is not a number"
    if isinstance(raw, int | float):
        return Default(raw), ""
    if not isinstance(raw, str):
        return Default(refused=True), "it is not a number"
    if not raw.strip():
        return NONE, ""
    try:
        number = float(raw) if "." in raw else int(raw)
    except ValueError:
        return Default(refused=True), "it is not a number"
    if not isfinite(number):
        return NONE, "it is not a number"
    return Default(number), ""


def _checkbox(raw: JsonValue) -> tuple[Default, str]:
    if isinstance(raw, bool):
        return Default(raw), ""
    word = text(raw).strip().lower()
    if word in _TRUE or word in _FALSE:
        return Default(word in _TRUE), ""
    if isinstance(raw, str | int | float):
        instead = Primitive.STRING if isinstance(raw, str) else Primitive.NUMBER
        return Default(instead=instead), "it is neither true nor false, and Dify passes it on as it is"
    return Default(refused=True), "it is neither true nor false"


def _object(raw: JsonValue) -> tuple[Default, str]:
    if isinstance(raw, dict):
        return Default(raw), ""
    if raw:
        return Default(refused=True), "it is not an object"
    instead: Type = ArrayOf(Primitive.ANY) if isinstance(raw, list) else Primitive.BOOLEAN
    if not isinstance(raw, list | bool):
        instead = Primitive.STRING if isinstance(raw, str) else Primitive.NUMBER
    return Default(instead=instead), "it is not an object, and Dify passes it on as it is"
