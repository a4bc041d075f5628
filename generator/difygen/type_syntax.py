"""Types in writing: words such as `array[number]`, as in a spec's outputs and Dify's `value_type`, and JSON Schema.

Knows nothing of the file that a word stands in.
"""

from __future__ import annotations

from typing import Any

from difygen.model import ArrayOf, JsonValue, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.type_algebra import array_of

MAX_NESTING = 4
"""How deep `array[array[...]]` may go."""

_SIMPLE: dict[str, Type] = {
    **{each.value: each for each in (Primitive.STRING, Primitive.NUMBER, Primitive.INTEGER, Primitive.BOOLEAN)},
    "object": ObjectOf(),
    **{each.value: each for each in (Primitive.FILE, Primitive.ANY)},
}

SIMPLE_WORDS: tuple[str, ...] = tuple(_SIMPLE)
"""The words without brackets."""

ARRAY_WORDS: tuple[str, ...] = tuple(f"array[{word}]" for word in SIMPLE_WORDS)
"""The arrays of those, for suggestions; arrays nest further."""
_SPELLINGS: dict[str, Type] = {
    "secret": Primitive.STRING,
    "select": Primitive.STRING,
    "float": Primitive.NUMBER,
    "bool": Primitive.BOOLEAN,
    "int": Primitive.INTEGER,
}


def type_of_word(word: str) -> Type | None:
    """Return the type that a word names, or None if it names none.

    Words are lower case, and a bare `array` holds anything.
    """
    arrays = 0
    while word.startswith("array[") and word.endswith("]") and arrays < MAX_NESTING:
        word = word[len("array[") : -1]
        arrays += 1
    type_ = ArrayOf(Primitive.ANY) if word == "array" else _SIMPLE.get(word)
    return array_of(type_, arrays) if type_ is not None else None


def type_of(word: JsonValue) -> Type | None:
    """Return the type that a word such as `Array[string]` names, or None where it names none."""
    if not isinstance(word, str):
        return None
    found = type_of_word(word)
    if found is None:
        plain = word.strip().lower()
        found = type_of_word(plain) or _SPELLINGS.get(plain)
    return found


def word_of(type_: Type) -> str | None:
    """Return the word for a type, if there is one that says all about it."""
    arrays = 0
    while isinstance(type_, ArrayOf):
        type_, arrays = type_.item, arrays + 1
    if type_ == ObjectOf():
        word = "object"
    elif isinstance(type_, Primitive) and type_ is not Primitive.NULL:
        word = type_.value
    else:
        return None
    return f"{'array[' * arrays}{word}{']' * arrays}" if arrays <= MAX_NESTING else None


def type_in_words(type_: Type) -> str:
    """Return a phrase for a type in a sentence, whatever the type is."""
    match type_:
        case Primitive():
            return type_.value
        case ArrayOf(item):
            return f"array[{type_in_words(item)}]"
        case OneOf(values, closed=True) if values:
            return f"one of {', '.join(map(repr, values))}" if len(values) < 5 else f"one of {len(values)} options"
        case UnionOf(members):
            return " or ".join(map(type_in_words, members))
        case ObjectOf(members) if members:
            names = ", ".join(member.name for member in members[:4])
            return f"object with {names}{', …' if len(members) > 4 else ''}"
        case ObjectOf():
            return "object"
    return "string"


def schema_of_type(type_: Type) -> dict[str, Any]:
    """Return the JSON Schema of a type. A file is whatever a server makes of one."""
    match type_:
        case ArrayOf(item):
            return {"type": "array", "items": schema_of_type(item)}
        case ObjectOf(properties):
            members = {each.name: schema_of_type(each.type) for each in properties}
            required = [each.name for each in properties if each.required]
            return {"type": "object", "properties": members, "required": required}
        case OneOf(values, closed):
            return {"type": "string", "enum": list(values)} if closed else {"type": "string"}
        case UnionOf(members=alternatives):
            return {"anyOf": [schema_of_type(member) for member in alternatives]}
        case Primitive.FILE | Primitive.ANY:
            return {}
    return {"type": type_.value}
