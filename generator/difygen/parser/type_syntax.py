"""The words for types: `string`, `array[number]`, `any`, as a spec's outputs and Dify's `value_type` write them.

Knows nothing of the file that a word stands in.
"""

from __future__ import annotations

from difygen.model import ArrayOf, JsonValue, ObjectOf, Primitive, Type

MAX_NESTING = 4
"""How deep `array[array[...]]` may go."""

_SIMPLE: dict[str, Type] = {
    "string": Primitive.STRING,
    "number": Primitive.NUMBER,
    "integer": Primitive.INTEGER,
    "boolean": Primitive.BOOLEAN,
    "object": ObjectOf(),
    "file": Primitive.FILE,
    "any": Primitive.ANY,
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


def array_of(item: Type, times: int = 1) -> Type:
    """Return `item` within that many arrays."""
    for _ in range(times):
        item = ArrayOf(item)
    return item


def type_of(word: JsonValue) -> Type | None:
    """Return the type that a word such as `Array[string]` names, or None where it names none."""
    if not isinstance(word, str):
        return None
    found = type_of_word(word)
    if found is None:
        plain = word.strip().lower()
        found = type_of_word(plain) or _SPELLINGS.get(plain)
    return found
