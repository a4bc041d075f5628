"""What `lay_out` makes of source on single lines, black leaves alone. Black is the judge here, and nowhere else."""

import ast

import black
import pytest
from difygen.codegen.syntax import Code, Source, call, code, either, lay_out, literal, subscript
from difygen.naming import Identifier
from difygen.wording import width
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


def _types(inner: st.SearchStrategy[Source]) -> st.SearchStrategy[Source]:
    return st.one_of(
        st.builds(lambda item: subscript(Code("list"), item), inner),
        st.builds(lambda item: subscript(Code("dict"), Code("str"), item), inner),
        st.builds(lambda items: either(*items), st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda texts: subscript(Code("Literal"), *map(literal, texts)),
            st.lists(TEXTS, min_size=1, max_size=4, unique=True),
        ),
        st.builds(
            lambda item, alias: subscript(
                Code("Annotated"), item, call(Code("Field"), code("alias={}", literal(alias)), Code("max_length=3"))
            ),
            inner,
            TEXTS,
        ),
    )


DEFAULTS = st.sampled_from(["", " = None", ' = "blocking"', " = 3.5", " = _SOME_DEFAULT", f' = "{"x" * 90}"'])
ATOMS: st.SearchStrategy[Source] = st.sampled_from([Code("str"), Code("None"), Code("Any")]) | NAMES
HINTS = st.recursive(ATOMS, _types, max_leaves=4)


def laid_out(source: str, limit: int) -> str:
    """The source, laid out as black leaves it, which means the same."""
    found = lay_out(source, limit)
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(source))
    assert black.format_str(found, mode=black.Mode(line_length=limit)) == found
    return found


@given(NAMES, HINTS, DEFAULTS, LIMITS)
def test_a_field_is_as_black_leaves_it(name: Identifier, hint: Source, default: str, limit: int) -> None:
    assert laid_out(f"class Model:\n    {name}: {hint}{default}\n", limit)


@given(NAMES, HINTS, DEFAULTS, LIMITS)
def test_a_parameter_is_as_black_leaves_it(name: Identifier, hint: Source, default: str, limit: int) -> None:
    parameter = f"{name}: {hint}{default}"
    assert laid_out(
        f"class Client:\n    def run(\n        self,\n        *,\n        {parameter},\n    ) -> None:\n        pass\n",
        limit,
    )


@given(NAMES, JSON, LIMITS)
def test_a_constant_is_as_black_leaves_it_and_means_the_data(name: Identifier, data: object, limit: int) -> None:
    statement = ast.parse(laid_out(f"{name} = {literal(data)}\n", limit)).body[0]
    assert isinstance(statement, ast.Assign) and ast.literal_eval(statement.value) == data


@given(NAMES, st.lists(TEXTS, min_size=1, max_size=4), LIMITS)
def test_a_tuple_of_strings_is_as_black_leaves_it(name: Identifier, texts: list[str], limit: int) -> None:
    source = laid_out(f"{name} = Rules(types={literal(tuple(texts))})\n", limit)
    assert ast.literal_eval(ast.parse(source).body[0].value.keywords[0].value) == tuple(texts)  # type: ignore[attr-defined]


@given(NAMES, st.one_of(TEXTS, st.dictionaries(TEXTS, SCALARS)), LIMITS)
def test_a_constant_with_an_annotation_is_as_black_leaves_it(name: Identifier, data: object, limit: int) -> None:
    assert laid_out(f"{name}: Final = {literal(data)}\n", limit)


@given(st.lists(NAMES, min_size=1, max_size=8), LIMITS)
def test_an_import_is_as_black_leaves_it(names: list[Identifier], limit: int) -> None:
    assert laid_out(f"from .module import {', '.join(names)}\n", limit)


@given(NAMES, st.lists(NAMES, max_size=6), LIMITS)
def test_a_call_is_as_black_leaves_it(name: Identifier, arguments: list[Identifier], limit: int) -> None:
    inner = f"{name}({', '.join(f'{argument}={argument}' for argument in dict.fromkeys(arguments))})"
    assert laid_out(f"class Client:\n    def run(self) -> None:\n        inputs = {inner}\n", limit)


@given(NAMES, NAMES, LIMITS)
def test_a_class_is_as_black_leaves_it(name: Identifier, base: Identifier, limit: int) -> None:
    assert laid_out(f"class {name}(Client[{base}, {name}]):\n    pass\n", limit)


@pytest.mark.parametrize(
    "source",
    [
        f"x = f(1)  # {'x' * 90}",
        f'class A:\n    """{"x" * 90}\n\n    y = f({"x" * 90})\n    """',
        f"x = f({'x' * 90}",
        f"x = '{'x' * 90}",
        "x" * 90,
    ],
)
def test_what_it_does_not_understand_stays_as_it_is(source: str) -> None:
    assert lay_out(source) == source


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
    assert either(Code("None"), Code("str"), either(Code("int"), Code("str"))) == "str | int | None"
    assert either(Code("None"), Code("None")) == "None"
    assert either(Code("Literal['a | b']"), Code("None")) == "Literal['a | b'] | None"
