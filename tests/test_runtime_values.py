"""The values of conversation variables: whatever Python writes of JSON is read back, and nothing else does any harm."""

import json
import time
import tracemalloc
from math import isnan
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from runtime.chat._conversations import MAX_VALUE_ITEMS, NO_VALUE, decode_value, parse_value

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)
CONTAINERS = st.lists(VALUES) | st.dictionaries(st.text(), VALUES)


def same(left: object, right: object) -> bool:
    """Whether two values are equal, and of the same types: 1 is not True, and not 1.0."""
    return repr(left) == repr(right)


@given(CONTAINERS)
@example([{"it's": 'say "no"', "\\": "\x07\n\u2028\U0001f600", "'": [True, None, -1, 1e22]}])
@example({"a": [[], {}, "", -0.0, 10**40]})
def test_what_python_writes_is_read_back(value: Any) -> None:
    assert same(decode_value(str(value), "object"), value)


@given(CONTAINERS)
def test_so_is_json(value: Any) -> None:
    assert same(decode_value(json.dumps(value), "array[any]"), value)
    assert same(decode_value(json.dumps(value, ensure_ascii=False), "array[any]"), value)


@given(st.text())
def test_a_string_is_itself_whatever_it_looks_like(text: str) -> None:
    assert decode_value(text, "string") == text
    assert decode_value(text, "secret") == text


@given(st.text() | st.text("[]{}()'\",:\\ue0d1-+.TrueNone _#\n "), st.sampled_from(["number", "object", "", "new"]))
def test_any_text_is_a_json_value_or_stays_what_it_is(text: str, value_type: str) -> None:
    value = decode_value(text, value_type)
    assert value is None or isinstance(value, str | int | float | bool | list | dict)


@given(VALUES.filter(lambda value: not isinstance(value, str)))
def test_a_value_that_is_no_text_is_itself(value: Any) -> None:
    assert decode_value(value, "number") is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("2.0", 2.0),
        ("1e+16", 1e16),
        ("-3", -3),
        ("True", True),
        ("false", False),
        ("None", None),
        ("null", None),
        ("inf", float("inf")),
    ],
)
def test_scalars(text: str, value: object) -> None:
    assert same(parse_value(text), value)


def test_not_a_number() -> None:
    assert isnan(parse_value("nan"))


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').abort()",
        "1+1j",
        "{1, 2}",
        "(1,)",
        "b'x'",
        r"['\d']",
        "[1for x in y]",
        "[0x10]",
        "{[]: 1}",
        "{1: 2}",
        "['a'",
        "[nan]",
        "[1e999]",
        "['\\ud800']",
        "\x00",
        "",
        "# ",
        "f'{x}'",
        "9" * 10_000,
        "[" * 100_000,
        "[" * 70 + "]" * 70 + "'",
        "{'a':" * 100_000,
        "-" * 100_000,
        "'" + "\\" * 100_001,
        "'" + "a" * 900_000,
        "['" + "a" * 900_000 + "', b]",
        "[" + "'',1," * (MAX_VALUE_ITEMS // 2 + 1) + "'']",
        "1" * 2_000_000,
        "(" * 300_000,
        "not " * 100_000,
        "a." * 300_000,
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_hostile_texts_are_left_alone(text: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        assert parse_value(text) is NO_VALUE
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 20


def test_the_largest_value_that_is_read_costs_little() -> None:
    value = ["it's", 1] * (MAX_VALUE_ITEMS // 2)
    tracemalloc.start()
    assert parse_value(str(value)) == value
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000
