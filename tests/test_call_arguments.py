"""`name=value` on the command line becomes the value that the workflow takes, or one sentence that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from difygen.console import UsageProblem
from difygen.model import App, Input
from difygen.servers.arguments import parse_arguments, value_from_json, value_from_text

INPUTS = (
    Input(name="text", kind="text-input"),
    Input(name="long", kind="paragraph", required=False),
    Input(name="choice", kind="select", options=("list_a", "list_b")),
    Input(name="num", kind="number"),
    Input(name="on", kind="checkbox"),
    Input(name="doc", kind="file"),
    Input(name="docs", kind="file-list"),
    Input(name="config", kind="json_object"),
    Input(name="a=b", kind="text-input"),
    Input(name="字段", kind="text-input"),
)
WORKFLOW = App(name="demo", source="demo.yaml", inputs=INPUTS)


def values(*arguments: str) -> dict[str, object]:
    return parse_arguments(WORKFLOW, arguments, {"field": "字段"})


def sentence(*arguments: str) -> str:
    with pytest.raises(UsageProblem) as caught:
        values(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("text=hello", "hello"),
        ("text=", ""),
        ("text=a=b=c", "a=b=c"),
        ("text=@@home", "@home"),
        ("text=@@@", "@@"),
        ("choice=list_b", "list_b"),
        ("choice=nothing like it", "nothing like it"),  # the client refuses it, with the options
        ("num=10000", 10000),
        ("num=-3", -3),
        ("num= 7 ", 7),
        ("num=1.50", 1.5),
        ("num=.5", 0.5),
        ("num=1e3", 1000.0),
        ("num=12345678901234567890", 12345678901234567890),
        ("on=true", True),
        ("on=No", False),
        ("on=1", True),
        ('config={"a": [1, "二"]}', {"a": [1, "二"]}),
        ("doc=https://example.org/a.pdf", "https://example.org/a.pdf"),
        ("a=b=c", "c"),
        ("字段=值", "值"),
        ("field=值", "值"),
    ],
)
def test_a_value_is_read_by_the_kind_of_its_input(argument: str, expected: object) -> None:
    (value,) = values(argument).values()
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("hello", "'hello' is not of the form name=value."),
        ("txet=1", "demo has no input called 'txet'; did you mean 'text'?"),
        (
            "zzz=1",
            "demo has no input called 'zzz'; it takes text, long, choice, num, on, doc, docs, config, a=b, 字段.",
        ),
        ("num=ten", "num must be a number, not 'ten'."),
        ("num=", "num must be a number, not ''."),
        ("num=nan", "num must be a number, not 'nan'."),
        ("num=1e999", "num must be a number, not '1e999'."),
        ("num=1_000", "num must be a number, not '1_000'."),
        ("num=٣", "num must be a number, not '٣'."),
        ("on=maybe", "on must be true or false, not 'maybe'."),
        ("choice=list_aa", "choice has no option 'list_aa'; did you mean 'list_a'?"),
        ("config=[1]", "config must be a JSON object, not '[1]'."),
        (
            "config={",
            "config must be a JSON object: "
            + "Expecting property name enclosed in double quotes: line 1 column 2 (char 1).",
        ),
        ('config={"a": NaN}', "config must be a JSON object: NaN is not JSON."),
        ("doc=/no/such.pdf", "doc: the file '/no/such.pdf' does not exist."),
        ("doc=.", "doc: the file '.' is a folder."),
        ("doc=", "doc takes a path or an http(s) URL, not an empty text."),
        (
            "text=@/no/such",
            "text: cannot read '/no/such': no such file or directory. Write @@/no/such for a text that begins with @.",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(argument: str, expected: str) -> None:
    assert sentence(argument) == expected


def test_all_mistakes_are_shown_at_once() -> None:
    assert sentence("num=x", "on=y", "nope").splitlines() == [
        "'nope' is not of the form name=value.",
        "num must be a number, not 'x'.",
        "on must be true or false, not 'y'.",
    ]


def test_an_input_is_given_once_and_a_file_list_as_often_as_it_has_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    assert values(f"docs={tmp_path}/a.txt", f"docs=@{tmp_path}/b.txt") == {
        "docs": [tmp_path / "a.txt", tmp_path / "b.txt"]
    }
    assert sentence("text=a", "text=b") == "text is given 2 times; it takes one value."


def test_a_text_can_come_from_a_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "long.md"
    file.write_bytes("\ufeff第一行\r\nsecond\n".encode())
    assert values(f"long=@{file}") == {"long": "第一行\r\nsecond\n"}
    file.write_bytes(b"\xff\xfe")
    assert sentence(f"long=@{file}") == f"long: {str(file)!r} is not UTF-8 text (byte 0)."


def test_a_number_and_an_object_can_come_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"k": 1}\n')
    (tmp_path / "n").write_text("42\n")
    assert values(f"config=@{tmp_path}/c.json", f"num=@{tmp_path}/n") == {"config": {"k": 1}, "num": 42}


def test_a_cell_of_a_table_has_no_special_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    inputs = {input_.name: input_ for input_ in INPUTS}
    assert value_from_text(inputs["text"], "@home") == "@home"
    assert value_from_text(inputs["doc"], f"{tmp_path}/a.txt") == tmp_path / "a.txt"
    assert value_from_text(inputs["docs"], f'["{tmp_path}/a.txt", "http://h/x.png"]') == [
        tmp_path / "a.txt",
        "http://h/x.png",
    ]


def test_json_values_stay_what_they_are_but_for_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    inputs = {input_.name: input_ for input_ in INPUTS}
    assert value_from_json(inputs["num"], "10") == "10"
    assert value_from_json(inputs["text"], "@x") == "@x"
    assert value_from_json(inputs["doc"], f"{tmp_path}/a.txt") == tmp_path / "a.txt"
    assert value_from_json(inputs["docs"], "http://h/x.png") == ["http://h/x.png"]
