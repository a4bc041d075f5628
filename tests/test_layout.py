"""What `difygen.layout` lays out, black leaves alone. Black is the judge here, and nowhere else."""

import ast

import black
import pytest
from difygen.code import Code, Identifier, literal
from difygen.layout import (
    Bracket,
    Doc,
    assignment,
    bar,
    call,
    declaration,
    from_import,
    place,
    prefixed,
    strings,
    subscript,
    value,
    width,
)
from hypothesis import given
from hypothesis import strategies as st

LIMITS = st.sampled_from([88, 100, 120])
NAMES = st.builds(
    lambda length, tail: Identifier(("name_of_something_" * 4)[:length] + tail),
    st.integers(1, 58),
    st.sampled_from(["x", "y"]),
)
TEXTS = st.text(max_size=40) | st.sampled_from(
    ["字段" * 8, "🤖" * 6, "it's", 'say "hi"', "\\", "\n", "\u202e", "a" * 100, "é" * 30]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8
)


def _types(inner: st.SearchStrategy[Doc]) -> st.SearchStrategy[Doc]:
    return st.one_of(
        st.builds(lambda item: subscript(Code("list"), item), inner),
        st.builds(lambda item: subscript(Code("dict"), Code("str"), item), inner),
        st.builds(lambda items: bar(*items), st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda texts: subscript(Code("Literal"), *map(literal, texts)),
            st.lists(TEXTS, min_size=1, max_size=4, unique=True),
        ),
        st.builds(
            lambda item, alias: subscript(
                Code("Annotated"), item, call(Code("Field"), Code(f"alias={literal(alias)}"), Code("max_length=3"))
            ),
            inner,
            TEXTS,
        ),
    )


DEFAULTS = st.none() | st.sampled_from(
    [Code("None"), Code('"blocking"'), Code("3.5"), Code("_SOME_DEFAULT"), Code(f'"{"x" * 90}"')]
)
ATOMS: st.SearchStrategy[Doc] = st.sampled_from([Code("str"), Code("None"), Code("Any")]) | NAMES.map(Code)
HINTS = st.recursive(ATOMS, _types, max_leaves=4)


def black_leaves_alone(source: str, limit: int) -> bool:
    ast.parse(source)
    formatted = black.format_str(source, mode=black.Mode(line_length=limit))
    assert formatted == source
    return True


@given(
    NAMES,
    HINTS,
    DEFAULTS,
    LIMITS,
)
def test_a_field_is_as_black_leaves_it(name: Identifier, hint: Doc, default: Code | None, limit: int) -> None:
    field = declaration(name, hint, default, indent=4, limit=limit)
    assert black_leaves_alone(f"class Model:\n    {field}\n", limit)


@given(
    NAMES,
    HINTS,
    DEFAULTS,
    LIMITS,
)
def test_a_parameter_is_as_black_leaves_it(name: Identifier, hint: Doc, default: Code | None, limit: int) -> None:
    parameter = declaration(name, hint, default, indent=8, comma=True, limit=limit)
    source = (
        f"class Client:\n    def run(\n        self,\n        *,\n        {parameter}\n    ) -> None:\n        pass\n"
    )
    assert black_leaves_alone(source, limit)


@given(NAMES, JSON, LIMITS)
def test_a_constant_is_as_black_leaves_it_and_means_the_data(name: Identifier, data: object, limit: int) -> None:
    source = f"{assignment(name, value(data), limit=limit)}\n"
    statement = ast.parse(source).body[0]
    assert isinstance(statement, ast.Assign) and ast.literal_eval(statement.value) == data
    assert black_leaves_alone(source, limit)


@given(NAMES, st.lists(TEXTS, min_size=1, max_size=4), LIMITS)
def test_a_tuple_of_strings_is_as_black_leaves_it(name: Identifier, texts: list[str], limit: int) -> None:
    source = f"{assignment(name, call(Code('Rules'), prefixed(Code('types='), strings(texts))), limit=limit)}\n"
    assert ast.literal_eval(ast.parse(source).body[0].value.keywords[0].value) == tuple(texts)  # type: ignore[attr-defined]
    assert black_leaves_alone(source, limit)


@given(NAMES, TEXTS, LIMITS)
def test_a_constant_with_an_annotation_is_as_black_leaves_it(name: Identifier, text: str, limit: int) -> None:
    assert black_leaves_alone(f"{assignment(name, literal(text), limit=limit, hint=Code('Final'))}\n", limit)


@given(st.lists(NAMES, min_size=1, max_size=8), LIMITS)
def test_an_import_is_as_black_leaves_it(names: list[Identifier], limit: int) -> None:
    assert black_leaves_alone(f"{from_import(Code('.module'), names, limit=limit)}\n", limit)


@given(NAMES, st.lists(NAMES, max_size=6), LIMITS)
def test_a_call_is_as_black_leaves_it(name: Identifier, arguments: list[Identifier], limit: int) -> None:
    inner = call(name, *(Code(f"{argument}={argument}") for argument in arguments))
    code = place(Bracket(Code("return self._run("), (inner, Code("user=user")), Code(")")), 8, limit=limit)
    assert black_leaves_alone(f"class Client:\n    def run(self) -> None:\n        {code}\n", limit)


@given(NAMES, NAMES, LIMITS)
def test_a_class_is_as_black_leaves_it(name: Identifier, base: Identifier, limit: int) -> None:
    head = place(Bracket(Code(f"class {name}("), (subscript(Code("Client"), base),), Code("):")), limit=limit)
    assert black_leaves_alone(f"{head}\n    pass\n", limit)


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("字段", 4), ("🤖", 2), ("é", 1), ("ａ", 2), ("䷀", 2)])
def test_width_counts_wide_characters_twice(text: str, columns: int) -> None:
    assert width(text) == columns


def test_no_printable_character_is_narrower_than_black_takes_it() -> None:
    from black.strings import str_width

    characters = (chr(point) for point in range(0x110000))
    assert [
        character for character in characters if character.isprintable() and width(character) < str_width(character)
    ] == []


def test_a_union_has_each_type_once_and_none_last() -> None:
    assert place(bar(Code("None"), Code("str"), bar(Code("int"), Code("str")))) == "str | int | None"
    assert place(bar(Code("None"), Code("None"))) == "None"
