"""Reading a definition file safely: values as Dify sees them, a clear message with a place for everything that
cannot be read.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from difygen.diagnostics import Diagnostic
from difygen.model import JsonValue
from difygen.parser import read
from difygen.parser.yaml import MAX_DEPTH, Document, load
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import LAB

DSL_LAB = sorted(LAB.glob("*.yml"))


def root_of(text: str | bytes) -> JsonValue:
    document = load(text.encode() if isinstance(text, str) else text, "f.yaml")
    assert isinstance(document, Document), document
    assert document.diagnostics == ()
    return document.root


def refusal_of(data: str | bytes) -> Diagnostic:
    document = load(data.encode() if isinstance(data, str) else data, "f.yaml")
    found = document.diagnostics if isinstance(document, Document) else document
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("path", DSL_LAB, ids=lambda path: path.stem)
def test_exports_have_the_values_that_dify_reads(path: Path) -> None:
    data = path.read_bytes()
    assert repr(root_of(data)) == repr(yaml.load(data, yaml.CSafeLoader))


SCALARS = [
    "yes",
    "No",
    "on",
    "TRUE",
    "~",
    "null",
    "Null",
    "010",
    "0x1F",
    "0b101",
    "1_000",
    "1:30",
    "-1",
    "+1",
    "08",
    "1e5",
    "1.5",
    "1.5e+3",
    ".5",
    "6.8523015e+5",
    "190:20:30.15",
    "0o7",
    "=",
    "y",
    "n",
]


@pytest.mark.parametrize("text", SCALARS)
def test_a_plain_scalar_is_what_pyyaml_makes_of_it(text: str) -> None:
    expected = yaml.load(f"a: {text}", yaml.CSafeLoader) if text != "=" else {"a": "="}  # PyYAML fails on that one
    assert repr(root_of(f"a: {text}")) == repr(expected)


@given(st.from_regex(r"[-+.0-9_:xbeEaf~<=yYnN]{1,8}", fullmatch=True))
@example("0b_")
@example("1.0e+999")
def test_every_plain_scalar_agrees_with_pyyaml_or_stays_text(text: str) -> None:
    try:
        expected = yaml.load(f"a: {text}", yaml.CSafeLoader)["a"]
    except (yaml.YAMLError, ValueError, TypeError):
        return
    if isinstance(expected, int | float | str | None) and not (
        isinstance(expected, float) and not math.isfinite(expected)
    ):
        assert repr(root_of(f"a: {text}")) == repr({"a": expected})
    else:
        assert root_of(f"a: {text}") == {"a": text}


@pytest.mark.parametrize("text", [".nan", "-.inf", "2026-11-22", "2026-11-22 10:00:00", "1.0e+999", "0b_"])
def test_what_json_cannot_say_stays_text(text: str) -> None:
    assert root_of(f"a: {text}") == {"a": text}


def test_keys_are_the_text_that_they_are() -> None:
    assert root_of("yes: 1\n1: 2\nnull: 3\n2026-01-01: 4\n0x10: 5\n'q': 6") == {
        "yes": 1,
        "1": 2,
        "null": 3,
        "2026-01-01": 4,
        "0x10": 5,
        "q": 6,
    }


def test_standard_tags_are_followed() -> None:
    assert root_of('a: !!str 1\nb: !!float 1\nc: !!int "7"\nd: !!null ""\ne: !!bool "no"\nf: !!map {x: !!seq []}') == {
        "a": "1",
        "b": 1.0,
        "c": 7,
        "d": None,
        "e": False,
        "f": {"x": []},
    }


def test_anchors_and_aliases_work() -> None:
    text = """
        base: &base {type: number, required: false}
        text: &text hello
        a: *base
        *text : *text
    """
    base = {"type": "number", "required": False}
    assert root_of(text) == {"base": base, "text": "hello", "a": base, "hello": "hello"}


# What `<<` gives by https://yaml.org/type/merge.html, whatever the installed PyYAML makes of it: the mapping and the
# expected one.
MERGES: list[tuple[str, dict[str, JsonValue]]] = [
    ("{<<: *a}", {"x": 1, "y": 1}),
    ("{<<: *a, x: 9}", {"x": 9, "y": 1}),
    ("{x: 9, <<: *a}", {"x": 9, "y": 1}),
    ("{<<: [*a, *b]}", {"x": 1, "y": 1, "z": 2}),
    ("{<<: [*b, *a]}", {"x": 1, "y": 2, "z": 2}),
    ("{<<: [*a, *b], y: 9}", {"x": 1, "y": 9, "z": 2}),
    ("{<<: [*a, {y: 3, w: 3}, *b]}", {"x": 1, "y": 1, "z": 2, "w": 3}),
    ("{<<: [*c, *b]}", {"x": 1, "y": 9, "z": 2}),
    ("{<<: {<<: *b, z: 9}}", {"y": 2, "z": 9}),
    ("{<<: []}", {}),
    ("{'<<': *a}", {"<<": {"x": 1, "y": 1}}),
    ('{"<<": 1}', {"<<": 1}),
    ("{!!str <<: 1}", {"<<": 1}),
    ("{<<: *a, *k : 9}", {"x": 9, "y": 1}),
]


@pytest.mark.parametrize(("mapping", "expected"), MERGES, ids=[mapping for mapping, _ in MERGES])
def test_merge_keys_follow_the_rule_of_yaml(mapping: str, expected: dict[str, JsonValue]) -> None:
    root = root_of(f"a: &a {{x: 1, y: 1}}\nb: &b {{y: 2, z: 2}}\nc: &c {{<<: *a, y: 9}}\nk: &k x\nd: {mapping}")
    assert isinstance(root, dict)
    assert root["d"] == expected


def test_byte_order_mark_and_line_ends_do_not_matter() -> None:
    assert root_of(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n  y\r\n") == {"a": 1, "b": "x\ny\n"}


def test_json_is_read_as_json() -> None:
    text = (
        '{\n\t"a": 1e5, "b": "\\ud83d\\ude00", "c": [true, null, {"d": "\\/"}], "yes": "no", "e": -0.5, "big": 1e999}'
    )
    assert root_of(text) == {"a": 1e5, "b": "😀", "c": [True, None, {"d": "/"}], "yes": "no", "e": -0.5, "big": "1e999"}


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON_VALUES), st.sampled_from([None, 2, "\t"]), st.booleans())
def test_json_documents_round_trip(root: dict[str, JsonValue], indent: int | str | None, escaped: bool) -> None:
    assert root_of(json.dumps(root, indent=indent, ensure_ascii=escaped)) == root


@given(st.dictionaries(st.text(), JSON_VALUES, min_size=1))
def test_yaml_documents_round_trip(root: dict[str, JsonValue]) -> None:
    text = yaml.safe_dump(root, allow_unicode=True)
    assert root_of(text) == {str(key): value for key, value in yaml.load(text, yaml.CSafeLoader).items()}


@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"{\x00")
@example(b"*a : b")
def test_no_bytes_make_it_raise(data: bytes) -> None:
    check_survives(data)


@given(st.text(alphabet="abc:-{}[]\"'&*!|>#%@`,? \t\n\r~<\\u0é\u2028", max_size=60))
@example("{*a : b}")
@example("? *a\n")
@example("<<: &a [*a]")
@example('{"a": [}')
def test_no_yaml_makes_it_raise(text: str) -> None:
    check_survives(text.encode())


@st.composite
def tangles(draw: st.DrawFn) -> str:
    """A document in flow style whose values are anchored, referred to (before, within and after what they refer to)
    and merged at will.
    """
    names = st.sampled_from("abc")

    def value(depth: int) -> str:
        kind = draw(st.sampled_from(("scalar", "alias", "list", "mapping", "nested") if depth else ("scalar", "alias")))
        anchor = draw(st.sampled_from(("", "", "&a ", "&b ", "&c ", "!!str ", "!!map ", "!!python/name:os.x ")))
        match kind:
            case "alias":
                return f"*{draw(names)} "
            case "scalar":
                return anchor + draw(
                    st.sampled_from(("x", "''", "1", "~", "2026-11-26", "9" * 400, ".inf", "0b_", "<<"))
                )
            case "list":
                return f"{anchor}[{', '.join(value(depth - 1) for _ in range(draw(st.integers(0, 4))))}]"
            case "mapping":
                members = [f"{key(depth - 1)} : {value(depth - 1)}" for _ in range(draw(st.integers(0, 4)))]
                return f"{anchor}{{{', '.join(members)}}}"
        levels = draw(st.sampled_from((1, 45, 95, 1100)))
        return f"{anchor}{'[' * levels}{value(depth - 1)}{']' * levels}"

    def key(depth: int) -> str:
        kind = draw(st.sampled_from(("word", "word", "merge", "merge", "any")))
        word = draw(st.sampled_from(("inputs", "outputs", "type", "x", "items", "properties", "default", "1", "yes")))
        return {"word": word, "merge": "<<"}.get(kind) or f"? {value(depth)}"

    roots = draw(st.lists(st.sampled_from(("inputs", "outputs", "examples", "app", "workflow", "x", "<<")), max_size=8))
    return "".join(f"{name}: {value(3)}\n" for name in roots)


@given(tangles())
@example("inputs: &a {x: *a }")
@example("<<: &a {<<: *a }")
@example("a: &a {x: 1}\nb: &b {<<: [*a , &c {<<: *a }]}\noutputs: {<<: [*b , *c ]}")
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_tangle_of_aliases_and_merge_keys_makes_it_raise_or_swell(text: str) -> None:
    check_survives(text.encode())
    read(text.encode(), "f.yaml")
    document = load(text.encode(), "f.yaml")
    if isinstance(document, Document):
        assert depth_of(document.root) <= MAX_DEPTH


def depth_of(value: JsonValue) -> int:
    if isinstance(value, dict | list):
        members = value.values() if isinstance(value, dict) else value
        return 1 + max((depth_of(each) for each in members), default=0)
    return 0


def check_survives(data: bytes) -> None:
    document = load(data, "f.yaml")
    if isinstance(document, Document):
        assert isinstance(document.root, dict)
        document.locate()
        for key in document.root:
            assert document.locate(key, key=True).line >= 1
    else:
        assert document
        for diagnostic in document:
            assert diagnostic.severity == "error"
            assert str(diagnostic).isprintable() or "\n    hint: " in str(diagnostic)


# Each file that cannot be read: the file, where the message points, and what it says.
REFUSALS: list[tuple[str | bytes, str, str]] = [
    ("", "f.yaml", "error: The file is empty. [empty-file]"),
    ("# nothing\n", "f.yaml", "error: The file is empty. [empty-file]"),
    ("---\n", "f.yaml", "error: The file is empty. [empty-file]"),
    ("- a", "f.yaml:1:1", "The root of a definition must be a mapping, with keys such as `name`. [not-a-mapping]"),
    ("text", "f.yaml:1:1", "The root of a definition must be a mapping, with keys such as `name`. [not-a-mapping]"),
    (
        "a: 1\n---\nb: 2",
        "f.yaml:2:1",
        "A second YAML document starts here, and a file holds one definition. [several-documents]",
    ),
    (
        "a: 1\nb: {x: 1, x: 2}",
        "f.yaml:2:11",
        "The key `x` occurs twice in this mapping: first in line 2, column 5. [repeated-key]",
    ),
    (
        "1: a\n'1': b",
        "f.yaml:2:1",
        "The key `1` occurs twice in this mapping: first in line 1, column 1. [repeated-key]",
    ),
    (
        "<<: {a: 1}\n<<: {b: 1}",
        "f.yaml:2:1",
        "The key `<<` occurs twice in this mapping: first in line 1, column 1. [repeated-key]",
    ),
    ("a: b: c", "f.yaml:1:5", "A `:` is not expected here. [yaml-syntax]"),
    ("a:\n\t- b", "f.yaml:2:1", "A tab cannot indent YAML. [yaml-syntax]"),
    ("a: 'x\nb: 2\n", "f.yaml:3:1", "The file ends within quotes (a quoted scalar began in line 1). [yaml-syntax]"),
    ("a: @x", "f.yaml:1:4", "Text that starts with `@` must be quoted. [yaml-syntax]"),
    ("中: `x", "f.yaml:1:4", "Text that starts with a backtick must be quoted. [yaml-syntax]"),
    ('a: "\\q"', "f.yaml:1:5", "This backslash escape is unknown. [yaml-syntax]"),
    (
        "a: [1, 2\nb: 3\n",
        "f.yaml:2:2",
        "A `,` or the closing `]` is expected here (a flow sequence began in line 1). [yaml-syntax]",
    ),
    ("key: - a", "f.yaml:1:6", "A list item is not expected here. [yaml-syntax]"),
    ('{"a": 1,\n\t"b" 2}', "f.yaml:2:6", "This is not JSON: expecting ':' delimiter. [json-syntax]"),
    (
        "a: !!python/object:os.system x",
        "f.yaml:1:4",
        "The YAML tag `!!python/object:os.system` is not read. [unknown-tag]",
    ),
    ("a: !<tag:x> {b: 1}", "f.yaml:1:4", "The YAML tag `tag:x` is not read. [unknown-tag]"),
    ("a: !!binary aGk=", "f.yaml:1:4", "The YAML tag `!!binary` is not read. [unknown-tag]"),
    ("a: !!int x", "f.yaml:1:4", "`x` is no value of the type that its tag names. [bad-tag]"),
    ("a: *x", "f.yaml:1:4", "The alias `*x` has no anchor before it. [unknown-alias]"),
    ("a: &x [*x]", "f.yaml:1:8", "The alias `*x` stands within what it refers to. [recursive-alias]"),
    ("a: &a 1\n*a : 2", "f.yaml:2:1", "A mapping's key must be text, not a list or a mapping. [key-not-text]"),
    ("[a]: 1", "f.yaml:1:1", "A mapping's key must be text, not a list or a mapping. [key-not-text]"),
    ("<<: 1", "f.yaml:1:5", "The merge key `<<` takes a mapping or a list of mappings. [bad-merge]"),
    ("a: " + "1" * 5000, "f.yaml:1:4", "A number may have at most 1,000 digits. [number-too-long]"),
    ("a: 0x" + "f" * 5000, "f.yaml:1:4", "A number may have at most 1,000 digits. [number-too-long]"),
    ("a: " + "[" * 5000, "f.yaml:1:103", "Values may be nested at most 100 levels deep. [too-deep]"),
    ("a: 中\nb: " + "[" * 5000, "f.yaml:2:103", "Values may be nested at most 100 levels deep. [too-deep]"),
    ("a: " + "[" * 150, "f.yaml:1:103", "Values may be nested at most 100 levels deep. [too-deep]"),
    ('{"a":' * 5000, "f.yaml:1:501", "Values may be nested at most 100 levels deep. [too-deep]"),
    ("a: \x07", "f.yaml:1:4", "The control character U+0007 is not allowed in YAML. [control-character]"),
    (b"a: \xe4\xb8\xad\xff", "f.yaml:1:5", "The byte 0xff is not UTF-8. [not-utf-8]"),
    ("a: 1".encode("utf-16"), "f.yaml", "The file is encoded as UTF-16, and definitions are UTF-8. [not-utf-8]"),
    (
        b"a: " + b"x" * 10 * 1024 * 1024,
        "f.yaml",
        "The file has 10,485,763 bytes; Dify and difygen read definitions of at most 10,485,760.",
    ),
]


@pytest.mark.parametrize(("data", "where", "message"), REFUSALS, ids=range(len(REFUSALS)))
def test_what_cannot_be_read_says_why_and_where(data: str | bytes, where: str, message: str) -> None:
    found = refusal_of(data)
    assert str(found.location) == where
    assert message in str(found)


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]" for i in range(40)]
    assert refusal_of("\n".join(lines)).code == "too-many-aliases"


def nested(levels: int, inner: str) -> str:
    return "[" * levels + inner + "]" * levels


# Values that nest too deep only with their aliases written out: the file, and where the alias stands that is one too
# many.
TOO_DEEP = {
    "an alias in a list": (f"a: &a {nested(60, 'x')}\nb: {nested(40, '*a')}", "f.yaml:2:44"),
    "an alias of an alias": (f"a: &a {nested(40, '')}\nb: &b {nested(40, '*a')}\nc: {nested(20, '*b')}", "f.yaml:3:24"),
    "a chain": ("a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(200)), "f.yaml:100:12"),
    "a chain of merge keys": (
        "a0: &a0 {x: y}\n" + "".join(f"a{i + 1}: &a{i + 1} {{x: {{<<: *a{i}}}}}\n" for i in range(200)),
        "f.yaml:100:20",
    ),
    "an alias after a merge key": (f"a: &a {nested(98, '')}\nb: &b {{x: *a}}\nc: {{y: {{<<: *b}}}}", "f.yaml:3:13"),
}


@pytest.mark.parametrize(("text", "where"), TOO_DEEP.values(), ids=TOO_DEEP)
def test_aliases_nest_no_deeper_than_what_is_written_out(text: str, where: str) -> None:
    found = refusal_of(text)
    assert (found.code, str(found.location)) == ("too-deep", where)


@pytest.mark.parametrize(
    "text",
    [
        f"a: {nested(99, '')}",
        f"a: &a {nested(60, 'x')}\nb: {nested(39, '*a')}",
        f"a: &a {nested(60, '')}\nb: {nested(39, '*a')}",
        f"a: &a {nested(97, '')}\nb: &b {{x: *a}}\nc: {{<<: *b}}",
    ],
)
def test_a_hundred_levels_are_read_with_aliases_or_without(text: str) -> None:
    root_of(text)


def test_every_repeated_key_is_reported_and_the_document_is_still_read() -> None:
    document = load(b"a: 1\na: 2\nb:\n  c: 1\n  c: 2\na: 3\n", "f.yaml")
    assert isinstance(document, Document)
    assert [str(found.location) for found in document.diagnostics] == ["f.yaml:2:1", "f.yaml:5:3", "f.yaml:6:1"]


TEXT = """\
name: 中文
inputs:
  文本: {type: text-input, label: "😀", max_length: 48}
  num:
    type: number
  list:
    - a
    - {b: c}
empty:
"""


@pytest.mark.parametrize(
    ("path", "key", "line", "column"),
    [
        ((), False, 1, 1),
        (("name",), False, 1, 7),
        (("name",), True, 1, 1),
        (("inputs", "文本", "label"), False, 3, 33),
        (("inputs", "文本", "max_length"), True, 3, 38),
        (("inputs", "num", "type"), False, 5, 11),
        (("inputs", "num"), True, 4, 3),
        (("inputs", "list", 1, "b"), False, 8, 11),
        (("inputs", "list", 0), False, 7, 7),
        (("inputs", "num", "missing", "deeper"), False, 4, 3),
        (("missing",), True, 1, 1),
        (("empty", "x"), True, 9, 1),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_places_are_lines_and_columns_in_characters(
    path: tuple[str | int, ...], key: bool, line: int, column: int, line_end: str
) -> None:
    document = load(b"\xef\xbb\xbf" + TEXT.replace("\n", line_end).encode(), "f.yaml")
    assert isinstance(document, Document)
    assert str(document.locate(*path, key=key)) == f"f.yaml:{line}:{column}"


def test_line_separators_that_editors_do_not_count_are_not_counted() -> None:
    document = load("a: 'x\u2028y\u0085z'\nb: 1\n".encode(), "f.yaml")
    assert isinstance(document, Document)
    assert str(document.locate("b")) == "f.yaml:2:4"


def test_places_lead_through_aliases_and_merges() -> None:
    document = load(b"base: &b {type: number}\na: *b\nc: {<<: *b, x: 1}\nd: {<<: [*b]}", "f.yaml")
    assert isinstance(document, Document)
    assert str(document.locate("a", "type")) == "f.yaml:1:17"
    assert str(document.locate("c", "type")) == "f.yaml:1:17"
    assert str(document.locate("d", "type", key=True)) == "f.yaml:1:11"
    assert str(document.locate("a")) == "f.yaml:2:4"


def test_places_in_json() -> None:
    document = load(b'{\n\t"a": [1, {"b": "x"}]\n}', "f.json")
    assert isinstance(document, Document)
    assert str(document.locate("a", 1, "b")) == "f.json:2:17"


@pytest.mark.parametrize("text", [TEXT, "a: &b {c: 1}\nd: [*b, 1]"])
def test_the_parser_without_c_gives_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = root_of(text)
    monkeypatch.setattr("difygen.parser.yaml._Loader", yaml.BaseLoader)
    assert root_of(text) == expected
    document = load(text.encode(), "f.yaml")
    assert isinstance(document, Document)
    assert str(document.locate(list(document.root)[-1])).startswith("f.yaml:")


@pytest.mark.parametrize(("data", "where", "message"), REFUSALS, ids=range(len(REFUSALS)))
def test_the_parser_without_c_refuses_them_too(
    data: str | bytes, where: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(data) > 100_000:
        return  # refused before any parser sees it
    monkeypatch.setattr("difygen.parser.yaml._Loader", yaml.BaseLoader)
    assert refusal_of(data).location.file == "f.yaml"
