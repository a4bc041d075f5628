"""Python names: readable, deterministic, never failing, never colliding."""

import keyword
import unicodedata

import pytest
from difygen.codegen.names import NameRequest, name_apps, node_constants, public_names
from difygen.codegen.runtime import exported_names
from difygen.model import App, Node
from difygen.naming import (
    ANSWER_ATTRIBUTES,
    MAX_NAME,
    MAX_WORKFLOW_NAME,
    MODEL_ATTRIBUTES,
    PARAMETERS,
    Identifier,
    assign,
    class_name,
    constant_name,
    explicit_name_problem,
    nested_name,
    snake_name,
)
from hypothesis import given
from hypothesis import strategies as st
from support.processes import printed

HOSTILE_NAMES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            "",
            " ",
            "__",
            "class",
            "None",
            "list",
            "self",
            "user",
            "a b",
            "a-b",
            "a.b",
            "../../etc",
            "C:\\con",
            "con",
            "字段",
            "🤖",
        ]
    ),
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True),
)


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("string", "string"),
        ("list", "list"),
        ("match", "match"),
        ("type", "type"),
        ("a__b", "a__b"),
        ("userName", "user_name"),
        ("HTTPServer2Go", "http_server2_go"),
        ("user id", "user_id"),
        ("user-id", "user_id"),
        ("class", "class_"),
        ("async", "async_"),
        ("None", "none"),
        ("__action_id", "action_id"),
        ("_private", "private"),
        ("2024 report", "input_2024_report"),
        ("", "input"),
        ("   ", "input"),
        ("!?", "input"),
        ("字段拼接", "zi_duan_pin_jie"),
        ("用户id", "yong_hu_id"),
        ("café", "cafe"),
        ("Straße", "strasse"),
        ("ＡＢＣ", "abc"),
        ("こんにちは", "konnichiha"),
        ("안녕", "an_nyeong"),
        ("🤖", "robot"),
        ("\ud800", "input"),
    ],
)
def test_a_wire_name_becomes_a_readable_snake_case_name(wire: str, name: str) -> None:
    assert snake_name(wire, "input") == name


@given(HOSTILE_NAMES)
def test_a_derived_name_never_fails_and_is_plain_lower_case_ascii(wire: str) -> None:
    name = snake_name(wire)
    assert name.isidentifier() and name.isascii() and name == name.lower()
    assert not keyword.iskeyword(name) and not name.startswith("_") and len(name) <= MAX_NAME + 1
    assert unicodedata.normalize("NFKC", name) == name


def test_a_long_name_is_cut_and_told_apart_by_a_hash() -> None:
    one, two = snake_name("x" * 90 + "1"), snake_name("x" * 90 + "2")
    assert one != two and len(one) == len(two) == MAX_NAME


def test_of_names_that_fold_into_one_the_exact_one_keeps_it_and_then_the_first() -> None:
    names = assign(["userName", "user_name", "Query", "query?"], snake_name)
    assert names["user_name"] == "user_name"
    assert names["userName"].startswith("user_name_") and len(names["userName"]) == len("user_name_") + 4
    assert names["Query"] == "query" and names["query?"].startswith("query_")


def test_a_name_does_not_change_because_a_later_one_was_added() -> None:
    before = assign(["a b", "c"], snake_name)
    after = assign(["a b", "c", "a-b", "a.b"], snake_name)
    assert {wire: after[wire] for wire in before} == before


def test_a_reserved_name_gets_an_underscore() -> None:
    names = assign(
        ["user", "timeout", "json", "model_config", "copy"], snake_name, reserved=PARAMETERS | MODEL_ATTRIBUTES
    )
    assert list(names.values()) == ["user_", "timeout_", "json_", "model_config_", "copy_"]


def test_whatever_a_model_has_is_reserved() -> None:
    from runtime import FormAnswer, Inputs, Outputs

    for model, reserved in ((Inputs, MODEL_ATTRIBUTES), (Outputs, MODEL_ATTRIBUTES), (FormAnswer, ANSWER_ATTRIBUTES)):
        attributes = {*dir(model), *dir(type(model))}
        assert {name for name in attributes if not name.startswith("_")} <= reserved


def test_an_explicit_name_comes_first_and_is_not_altered() -> None:
    names = assign(["text", "label"], snake_name, explicit={"label": Identifier("text")})
    assert names["label"] == "text" and names["text"].startswith("text_")


@given(st.lists(HOSTILE_NAMES, max_size=20, unique=True))
def test_no_two_variables_share_a_name_whatever_the_case(wires: list[str]) -> None:
    names = assign(wires, snake_name, reserved=PARAMETERS | MODEL_ATTRIBUTES)
    assert list(names) == wires
    assert len({name.casefold() for name in names.values()}) == len(wires)
    assert not (PARAMETERS | MODEL_ATTRIBUTES).intersection(names.values())


@pytest.mark.parametrize("name", ["1a", "a b", "class", "_a", "naïve", "", "user"])
def test_an_explicit_name_that_cannot_be_had_is_refused_with_a_reason(name: str) -> None:
    assert explicit_name_problem(name, PARAMETERS)


def test_class_and_constant_names_follow_from_the_snake_case_name() -> None:
    assert class_name("concat") == "Concat"
    assert class_name("http_server2_go") == "HttpServer2Go"
    assert constant_name("Check length") == "CHECK_LENGTH"
    assert constant_name("!?", "llm") == "LLM"
    assert constant_name("1st", fallback="node") == "NODE_1ST"
    assert constant_name("", fallback="node") == "NODE"


def test_nodes_that_would_be_called_the_same_are_numbered_from_the_oldest_on() -> None:
    def constants(*nodes: tuple[str, str]) -> dict[str, Identifier]:
        return node_constants(
            App(name="w", source="", nodes=tuple(Node(id=id_, type="llm", title=title) for id_, title in nodes))
        )

    before = constants(("1735000000002", "LLM"), ("1735000000001", "?"), ("answer", ""), ("1735000000003", "LLM 2"))
    assert before == {"1735000000002": "LLM_3", "1735000000001": "LLM", "answer": "ANSWER", "1735000000003": "LLM_2"}
    after = constants(("1736000000000", "LLM"), *((id_, "LLM") for id_ in before if id_ != "1735000000003"))
    assert after["1735000000001"] == "LLM" and after["1735000000002"] == "LLM_2" and after["1736000000000"] == "LLM_3"
    long = constants(("1", "x" * 90), ("2", "x" * 90))
    assert set(long.values()) == {"X" * MAX_NAME, "X" * MAX_NAME + "_2"}
    assert nested_name("ConcatOutputs", "person", "address") == "ConcatOutputsPersonAddress"
    assert len(nested_name("ConcatOutputs", "x" * 80, "y" * 80)) == MAX_NAME


RUNTIME = exported_names()


def _workflows(*names: str) -> list[str]:
    named, problems = name_apps([NameRequest(name, f"{number}.yml") for number, name in enumerate(names)])
    assert problems == ()
    return [str(name) for name in named]


@pytest.mark.parametrize(
    "name",
    ["run", "file", "text chunk", "client", "inputs", "_runtime", "__init__", "py", "types", "字段拼接", "1", "../x"],
)
def test_a_workflow_may_have_any_name(name: str) -> None:
    (python,) = _workflows(name)
    assert python.isidentifier() and not python.startswith("_") and len(python) <= MAX_WORKFLOW_NAME


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("workflow", "workflow_app"),
        ("class", "class_app"),
        ("con", "con_app"),
        ("AUX", "aux_app"),
        ("lpt1", "lpt1_app"),
    ],
)
def test_a_workflow_whose_names_the_runtime_the_language_or_windows_has_is_called_an_app(
    name: str, python: str
) -> None:
    assert _workflows(name) == [python]


def test_workflows_of_one_name_are_told_apart_by_a_hash_of_their_source() -> None:
    first, second, third = _workflows("翻译", "翻译", "Fan Yi")
    assert first == "fan_yi" and second.startswith("fan_yi_") and third.startswith("fan_yi_")
    assert len({first, second, third}) == 3


def test_no_public_name_of_one_workflow_is_that_of_another() -> None:
    assert _workflows("report", "run_report")[1] != "run_report"
    assert _workflows("concat", "async_concat")[1] != "async_concat"
    assert _workflows("a_b", "ab")[1] != "ab"


@given(st.lists(HOSTILE_NAMES, max_size=12))
def test_all_public_names_of_a_package_differ(names: list[str]) -> None:
    public = [name.casefold() for python in _workflows(*names) for name in public_names(python)]
    assert len(set(public)) == len(public)
    assert not {name.casefold() for name in RUNTIME}.intersection(public)


@pytest.mark.parametrize("name", ["class", "con", "workflow", "a b", "Übersicht", "_x"])
def test_a_workflow_name_that_the_user_chose_is_refused_and_not_altered(name: str) -> None:
    _, problems = name_apps([NameRequest("a", "a.yml", name)])
    assert [(problem.severity, problem.code, problem.location.file) for problem in problems] == [
        ("error", "bad-workflow-name", "a.yml")
    ]


def test_a_chosen_workflow_name_beats_derived_ones() -> None:
    names, problems = name_apps([NameRequest("translate", "a.yml"), NameRequest("other", "b.yml", "translate")])
    assert problems == () and names[1] == "translate" and names[0] != "translate"


def test_transliteration_is_imported_only_for_names_that_need_it() -> None:
    program = (
        "import sys; from difygen.naming import snake_name;"
        "snake_name('User name'); assert 'anyascii' not in sys.modules;"
        "snake_name('字段'); assert 'anyascii' in sys.modules"
    )
    assert printed(program) == ""
