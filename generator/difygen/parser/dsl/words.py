"""Words of the DSL for types, and JSON within texts. Knows no node."""

from __future__ import annotations

from difygen.model import JsonValue, Primitive, Type
from difygen.parser.types import type_of_word

_SPELLINGS: dict[str, Type] = {
    "secret": Primitive.STRING,
    "select": Primitive.STRING,
    "float": Primitive.NUMBER,
    "bool": Primitive.BOOLEAN,
    "int": Primitive.INTEGER,
}


def type_of(word: JsonValue) -> Type | None:
    """The type that a word such as `Array[string]` names, or None where it names none."""
    if not isinstance(word, str):
        return None
    found = type_of_word(word)
    if found is None:
        plain = word.strip().lower()
        found = type_of_word(plain) or _SPELLINGS.get(plain)
    return found


def json_of(text: str) -> JsonValue:
    """The value of a JSON text, or None if it is none."""
    import json  # few files have any

    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value
