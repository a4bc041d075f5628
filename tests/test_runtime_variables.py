"""Typed conversation variables: decoded by what the app declares, with everything kept that does not fit."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError
from runtime._errors import VariableError
from runtime.chat._conversations import ConversationVariable, Variables, check_variable, read_variables


class LabVariables(Variables):
    """The variables of `chat_lab`, and one whose name is no identifier's."""

    turns: int | float = 0
    last_query: str = ""
    queries: list[str] = Field(default_factory=list)
    notes: dict[str, Any] = Field(default_factory=dict)
    is_new: bool = True
    class_: str = Field("none", alias="class")


def row(name: str, value: object, value_type: str = "object") -> ConversationVariable:
    return ConversationVariable({"id": f"id-{name}", "name": name, "value": value, "value_type": value_type})


def read(**values: tuple[object, str]) -> LabVariables:
    return read_variables(LabVariables, [row(name, *value) for name, value in values.items()])


def test_values_have_their_declared_types() -> None:
    variables = read(
        turns=("2", "number"),
        last_query=("['no list']", "string"),
        queries=("['hello there', '次の質問']", "array[string]"),
        notes=("{'a': [1, None, True]}", "object"),
        is_new=("False", "boolean"),
        **{"class": ("x", "string")},
    )
    assert dict(variables) == dict(
        LabVariables(
            turns=2,
            last_query="['no list']",
            queries=["hello there", "次の質問"],
            notes={"a": [1, None, True]},
            is_new=False,
            **{"class": "x"},
        )
    )
    assert type(variables.turns) is int


def test_what_the_server_does_not_have_yet_has_its_initial_value() -> None:
    assert read(turns=("7", "number")).last_query == ""


class Customer(BaseModel):
    name: str


class DeskVariables(Variables):
    """Variables without an initial value."""

    turns: int = 0
    customer: Customer
    orders: list[str] = Field(alias="open orders")


def test_one_without_an_initial_value_raises_where_it_is_asked_for_until_it_has_one() -> None:
    before = read_variables(DeskVariables, [])
    for variables in (before, pickle.loads(pickle.dumps(before))):
        assert (type(variables), variables.turns) == (DeskVariables, 0)
        with pytest.raises(VariableError, match="'customer' has no value .* DeskVariables knows no initial one"):
            _ = variables.customer
    rows = [row("customer", "{'name': 'Ada'}"), row("open orders", None, "array[string]")]
    variables = read_variables(DeskVariables, rows)
    assert variables.customer == Customer(name="Ada")
    with pytest.raises(VariableError, match="'open orders' is not what DeskVariables says .*: None"):
        _ = variables.orders


def test_one_is_set_without_the_others() -> None:
    assert check_variable(DeskVariables, "orders", ["A-17"]) == ("open orders", ["A-17"])
    assert check_variable(DeskVariables, "turns", 3) == ("turns", 3)
    with pytest.raises(VariableError, match="'orders' does not take 7"):
        check_variable(DeskVariables, "orders", 7)


def test_what_does_not_fit_raises_where_it_is_asked_for_and_nowhere_else() -> None:
    variables = read(turns=("many", "string"), last_query=("x", "string"), queries=("['a', 1", "array[string]"))
    assert variables.last_query == "x"
    with pytest.raises(VariableError, match=r"'turns' is not what LabVariables says .*: 'many', a string") as caught:
        _ = variables.turns
    assert (caught.value.name, caught.value.value) == ("turns", "many")
    assert variables.model_rows["queries"].text == "['a', 1"
    assert list(variables.model_misfits) == ["turns", "queries"]
    assert "turns" not in variables.model_dump()


def test_a_text_that_looks_like_something_else_is_a_text_where_one_is_declared() -> None:
    assert read(last_query=("{'a': 1}", "object")).last_query == "{'a': 1}"


def test_values_that_are_json_already_are_taken() -> None:
    variables = read(turns=(2.5, "number"), queries=(["a"], "array[string]"), notes=('{"a": null}', "object"))
    assert (variables.turns, variables.queries, variables.notes) == (2.5, ["a"], {"a": None})


def test_what_the_app_did_not_declare_is_kept() -> None:
    variables = read_variables(LabVariables, [row("new", "[1]"), row("model_dump", "1"), row("__class__", "1")])
    assert variables.model_extra == {"new": [1], "model_dump": 1, "__class__": 1}
    assert type(variables) is LabVariables


def test_they_are_a_view_of_a_moment() -> None:
    variables = read(turns=("1", "number"), last_query=(None, "string"))
    with pytest.raises(ValidationError, match="frozen"):
        variables.turns = 3
    for other in (copy.deepcopy(variables), pickle.loads(pickle.dumps(variables))):
        assert other.turns == 1
        with pytest.raises(VariableError):
            _ = other.last_query
    with pytest.raises(AttributeError, match="no_such"):
        _ = variables.no_such


@given(
    st.dictionaries(
        st.sampled_from([*LabVariables.model_fields, "class", "more"]),
        st.tuples(st.text() | st.none() | st.lists(st.integers()), st.sampled_from(["string", "number", "object", ""])),
    )
)
def test_any_values_give_variables(values: dict[str, tuple[object, str]]) -> None:
    variables = read(**values)
    assert set(variables.model_rows) == set(values)
    for name in LabVariables.model_fields:
        assert name in variables.model_misfits or hasattr(variables, name)


class TestSetting:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("turns", 40, ("turns", 40)),
            ("queries", ["a"], ("queries", ["a"])),
            ("class_", "x", ("class", "x")),
            ("class", "x", ("class", "x")),
        ],
    )
    def test_a_name_is_an_attribute_or_difys_own(self, name: str, value: object, expected: object) -> None:
        assert check_variable(LabVariables, name, value) == expected

    @pytest.mark.parametrize(("name", "value"), [("turns", "40"), ("queries", [1]), ("is_new", 1), ("notes", None)])
    def test_a_value_of_another_type_is_refused(self, name: str, value: object) -> None:
        with pytest.raises(VariableError, match=f"'{name}' does not take"):
            check_variable(LabVariables, name, value)

    def test_an_unknown_name_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(VariableError, match="no conversation variable 'turn' .it has: turns, last_query"):
            check_variable(LabVariables, "turn", 1)
