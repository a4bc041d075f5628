"""Why outputs may be missing, in words; several End nodes; steps that fail. The rules themselves are in test_dsl_graphs.py."""

from __future__ import annotations

from typing import Any

import pytest
from difygen.model import ArrayOf, ObjectOf, Primitive, UnionOf
from difygen.type_algebra import union
from support.dsl_files import chain, code, codes, edges, end, export, if_else, node, outputs, start, template, variable

SURE = 'def main():\n    return {"x": "a"}\n'
STRING, NUMBER = Primitive.STRING, Primitive.NUMBER


def reason(definition: dict[str, Any], name: str = "out") -> str:
    return outputs(definition)[name].reason


def check(title: str = "Check length", **cases: str) -> dict[str, Any]:
    found = [{"case_id": id_, **({"name": name} if name else {})} for id_, name in cases.items()]
    return node("check", "if-else", title=title, cases=found)


# --- branches, by their names ---


def test_a_named_case() -> None:
    nodes = [start(), check(true="long text"), template("long"), end(out=["long", "output"])]
    definition = export(nodes, edges("start > check", "check:true > long > end"))
    assert reason(definition) == "only when the branch 'long text' of 'Check length' is taken"


@pytest.mark.parametrize(
    ("handle", "label"), [("true", "IF"), ("two", "ELIF 1"), ("three", "ELIF 2"), ("false", "ELSE")]
)
def test_cases_without_a_name(handle: str, label: str) -> None:
    nodes = [start(), check(true="", two="", three=""), template("t"), end(out=["t", "output"])]
    definition = export(nodes, edges("start > check", f"check:{handle} > t > end"))
    assert reason(definition) == f"only when the branch '{label}' of 'Check length' is taken"


def test_old_conditions_without_cases() -> None:
    nodes = [start(), node("check", "if-else", conditions=[{}], logical_operator="and"), end(out=["sys", "user_id"])]
    assert reason(export(nodes, edges("start > check", "check:false > end"))) == (
        "only when the branch 'ELSE' of 'CHECK' is taken"
    )


def test_classes_and_several_ways() -> None:
    classes = [{"id": "1", "name": "Praise"}, {"id": "2", "name": "Complaint"}, {"id": "3", "name": "Other"}]
    nodes = [start(), node("sort", "question-classifier", classes=classes), template("t"), end(out=["t", "output"])]
    definition = export(nodes, edges("start > sort", "sort:1 > t > end", "sort:2 > t"))
    assert reason(definition) == "only when the branch 'Praise' or 'Complaint' of 'SORT' is taken"


def test_branches_one_after_the_other() -> None:
    nodes = [start(), if_else("a"), if_else("b"), template("t"), end(out=["t", "output"])]
    definition = export(nodes, edges("start > a", "a:true > b", "b:false > t > end"))
    assert reason(definition) == "only when the branch 'IF' of 'A' is taken and the branch 'ELSE' of 'B' is taken"


def test_ways_that_meet_again_leave_out_what_does_not_matter() -> None:
    nodes = [start(), if_else("a"), if_else("b"), template("s"), template("t"), end(out=["sys", "user_id"])]
    definition = export(nodes, edges("start > a", "a:true > b", "b:true > s > end", "b:false > t > end"))
    assert reason(definition) == "only when the branch 'IF' of 'A' is taken"


def test_all_ways_but_one() -> None:
    nodes = [
        start(),
        if_else("a"),
        if_else("b"),
        end("x", out=["sys", "user_id"]),
        end("y"),
        end("z", out=["sys", "app_id"]),
    ]
    definition = export(nodes, edges("start > a", "a:true > b", "b:true > x", "b:false > y", "a:false > z"))
    assert reason(definition) == "missing when the branch 'ELSE' of 'B' is taken"


def test_a_way_beside_the_branch() -> None:
    nodes = [start(), if_else("a"), if_else("b"), template("t"), end(out=["t", "output"])]
    definition = export(nodes, edges("start > a", "start > b", "a:true > t > end", "b:true > t"))
    assert reason(definition) == "depends on the branches that 'A' and 'B' take"


def test_forms_that_nobody_fills_in() -> None:
    actions = [{"id": "ok", "title": "Approve"}, {"id": "no", "title": "Reject"}]
    form = node("form", "human-input", inputs=[{"output_variable_name": "why"}], user_actions=actions)
    ways = edges("start > form", "form:ok > end", "form:no > end", "form:__timeout > end")
    found = outputs(export([start(), form, end(why=["form", "why"], id=["form", "__action_id"])], ways))
    assert found["why"].reason == "only when the branch 'Approve' or 'Reject' of 'FORM' is taken"
    assert not found["id"].optional


def test_a_source_that_only_some_runs_come_to() -> None:
    nodes = [start(), if_else("a"), template("t"), end(out=["t", "output"])]
    definition = export(nodes, edges("start > a", "a:true > t > end", "a:false > end"))
    assert reason(definition) == "only when the branch 'IF' of 'A' is taken"


def test_a_source_that_may_be_late() -> None:
    nodes = [start(), template("t"), end(out=["t", "output"])]
    assert (
        reason(export(nodes, edges("start > t", "start > end")))
        == "null when 'T' is not done by the time that 'END' runs"
    )


def test_an_end_that_no_run_comes_to() -> None:
    definition = export([start(), template("t"), end(out=["t", "output"])], edges("start > t"))
    assert reason(definition) == "never, since no way leads to 'END'"
    assert codes(definition) == ["unreachable-end"]


def test_a_handle_without_an_edge_ends_the_way() -> None:
    nodes = [start(), if_else("a"), end(out=["sys", "user_id"])]
    assert outputs(export(nodes, edges("start > a", "a:true > end")))["out"].optional


def test_long_titles_are_shortened_and_stay_on_one_line() -> None:
    title = "Is it\nreally " + "very " * 40 + "\x1b[31mlong?"
    nodes = [start(), check(title, true=""), end(out=["sys", "user_id"])]
    found = reason(export(nodes, edges("start > check", "check:true > end")))
    assert "\n" not in found and "\x1b" not in found and len(found) < 130
    assert "'Is it really very very" in found


# --- steps that fail ---


def test_failures_without_a_strategy_end_the_run() -> None:
    retry = {"max_retries": 3, "retry_enabled": True, "retry_interval": 100}
    assert not outputs(chain(start(), code("c", text=SURE, retry_config=retry), end(out=["c", "x"])))["out"].optional


def test_stray_strategies_count_as_none() -> None:
    assert not outputs(chain(start(), code("c", text=SURE, error_strategy="none"), end(out=["c", "x"])))["out"].optional


def test_default_values_take_the_place_of_what_failed() -> None:
    default = [{"key": "n", "type": "number", "value": "7"}]
    failing = code("c", text=SURE, error_strategy="default-value", default_value=default)
    failing["data"]["outputs"]["n"] = {"type": "string"}
    definition = chain(start(), failing, end(n=["c", "n"], x=["c", "x"], error=["c", "error_message"]))
    found = outputs(definition)
    assert (found["n"].type, found["n"].optional) == (union(STRING, NUMBER), False)
    assert found["x"].reason == "null when 'C' fails, for which it has no default value `x`"
    assert (found["error"].type, found["error"].reason) == (STRING, "only when 'C' fails")


def test_defaults_of_a_model_cover_its_text_alone() -> None:
    default = [{"key": "text", "type": "string", "value": "sorry"}]
    model = node("m", "llm", error_strategy="default-value", default_value=default)
    found = outputs(chain(start(), model, end(text=["m", "text"], usage=["m", "usage"])))
    assert (found["text"].optional, found["usage"].optional) == (False, True)


def test_fail_branches_give_either_the_outputs_or_the_error() -> None:
    failing = node("web", "http-request", error_strategy="fail-branch", title="Fetch")
    nodes = [start(), failing, end("good", body=["web", "body"]), end("bad", error=["web", "error_type"])]
    definition = export(nodes, edges("start > web", "web:source > good", "web:fail-branch > bad"))
    found = outputs(definition)
    assert found["body"].reason == "only when 'Fetch' succeeds"
    assert found["error"].reason == "only when 'Fetch' fails"


def test_a_fail_branch_that_joins_again_loses_the_outputs() -> None:
    failing = node("web", "http-request", error_strategy="fail-branch")
    nodes = [start(), failing, template("t"), end(body=["web", "body"], text=["t", "output"])]
    definition = export(nodes, edges("start > web", "web:source > t > end", "web:fail-branch > t"))
    assert outputs(definition)["body"].reason == "only when 'WEB' succeeds"
    assert not outputs(definition)["text"].optional


def test_left_over_fail_edges_without_strategy_are_ordinary() -> None:
    """The engine lets a step without strategy take all of its edges."""
    nodes = [start(), node("web", "http-request"), end(body=["web", "body"])]
    assert not outputs(export(nodes, edges("start > web", "web:fail-branch > end")))["body"].optional


# --- aggregators ---


def test_an_aggregator_over_all_branches_always_has_a_value() -> None:
    nodes = [start(), if_else("a"), template("s"), template("t")]
    nodes += [
        node("any", "variable-aggregator", variables=[["s", "output"], ["t", "output"]]),
        end(out=["any", "output"]),
    ]
    definition = export(nodes, edges("start > a", "a:true > s > any > end", "a:false > t > any"))
    assert not outputs(definition)["out"].optional


def test_an_aggregator_that_forgets_a_branch_may_have_none() -> None:
    nodes = [start(), if_else("a"), template("s")]
    nodes += [node("any", "variable-aggregator", variables=[["s", "output"]]), end(out=["any", "output"])]
    definition = export(nodes, edges("start > a", "a:true > s > any > end", "a:false > any"))
    assert reason(definition) == "null when none of the variables of 'ANY' has a value"


def test_an_aggregator_over_success_and_failure() -> None:
    failing = code("c", text=SURE, error_strategy="fail-branch")
    variables = [["c", "x"], ["c", "error_message"]]
    nodes = [start(), failing, node("any", "variable-aggregator", variables=variables), end(out=["any", "output"])]
    definition = export(nodes, edges("start > c", "c:source > any > end", "c:fail-branch > any"))
    assert not outputs(definition)["out"].optional


# --- several End nodes ---


def two_ends(first: dict[str, Any], second: dict[str, Any], *ways: str) -> dict[str, Any]:
    nodes = [start(variable("n", "number")), if_else("a"), template("s"), template("t")]
    nodes += [end("one", **first), end("two", **second)]
    return export(nodes, edges("start > a", *ways))


APART = ("a:true > s > one", "a:false > t > two")
TOGETHER = ("start > s > one", "start > t > two")


def test_what_all_ends_give_is_always_there() -> None:
    found = outputs(two_ends({"x": ["s", "output"]}, {"x": ["start", "n"], "y": ["t", "output"]}, *APART))
    assert (found["x"].type, found["x"].optional) == (union(STRING, NUMBER), False)
    assert found["x"].selectors == (("s", "output"), ("start", "n"))
    assert found["y"].reason == "only when the branch 'ELSE' of 'A' is taken"


def test_ends_that_run_together_are_merged() -> None:
    found = outputs(two_ends({"x": ["s", "output"]}, {"y": ["t", "output"]}, *TOGETHER))
    assert not found["x"].optional and not found["y"].optional


def test_answers_of_ends_that_run_together_are_joined_to_text() -> None:
    first, second = {"answer": ["start", "n"]}, {"answer": ["start", "n"]}
    assert outputs(two_ends(first, second, *TOGETHER))["answer"].type == union(STRING, NUMBER)
    assert outputs(two_ends(first, second, *APART))["answer"].type is NUMBER


def test_ends_may_have_followers() -> None:
    nodes = [start(), end("first", a=["sys", "user_id"]), template("t"), end("last", b=["t", "output"])]
    found = outputs(chain(*nodes))
    assert not found["a"].optional and not found["b"].optional


def test_an_unreachable_end_adds_nothing_to_the_type() -> None:
    found = outputs(two_ends({"x": ["s", "output"]}, {"x": ["start", "n"]}, "start > s > one"))
    assert (found["x"].type, found["x"].optional) == (STRING, False)


def test_no_end_no_outputs() -> None:
    definition = chain(start(), template("t"))
    assert outputs(definition) == {}
    assert codes(definition) == ["no-end-node"]


def test_the_last_of_outputs_with_one_name_counts() -> None:
    last = end()
    selectors = [["sys", "user_id"], ["start", "n"], ["sys", "files"]]
    last["data"]["outputs"] = [{"variable": "text", "value_selector": each} for each in selectors]
    definition = chain(start(variable("n", "number")), last)
    assert outputs(definition)["text"].type == ArrayOf(Primitive.FILE)
    assert codes(definition) == ["repeated-output"]


@pytest.mark.parametrize("name", ["结果", "1", "a b", "json", "", "class", "__x"])
def test_output_names_are_kept_as_they_are(name: str) -> None:
    last = end()
    last["data"]["outputs"] = [{"variable": name, "value_selector": ["sys", "user_id"]}]
    assert list(outputs(chain(start(), last))) == [name]


# --- the editor's note of an output's type ---


@pytest.mark.parametrize("noted", ["string", "String", "any", "", None, "array", "nonsense"])
def test_notes_that_agree_or_say_nothing(noted: str | None) -> None:
    definition = chain(start(), end(out={"value_selector": ["sys", "user_id"], "value_type": noted}))
    assert outputs(definition)["out"].type is STRING
    assert codes(definition) in ([], ["stale-value-type"]) and (noted == "array") is bool(codes(definition))


def test_stale_notes_do_not_count() -> None:
    definition = chain(start(), end(out={"value_selector": ["sys", "files"], "value_type": "string"}))
    assert outputs(definition)["out"].type == ArrayOf(Primitive.FILE)
    assert codes(definition) == ["stale-value-type"]


@pytest.mark.parametrize(
    ("noted", "type_"),
    [
        ("Array[string]", ArrayOf(STRING)),
        ("number", NUMBER),
        ("object", ObjectOf()),
        ("array[file]", ArrayOf(Primitive.FILE)),
    ],
)
def test_where_nothing_else_is_known_the_note_counts(noted: str, type_: Any) -> None:
    definition = chain(start(), node("t", "tool"), end(out={"value_selector": ["t", "score"], "value_type": noted}))
    assert outputs(definition)["out"].type == type_
    assert reason(definition) == "only when 'T' gives `score`"
    assert codes(definition) == []


def test_constants_left_behind_are_null() -> None:
    constant = {"variable_type": "constant", "value": "x", "value_selector": []}
    definition = chain(start(), end(out=constant))
    assert outputs(definition)["out"].optional
    assert codes(definition) == ["empty-selector"]


def test_types_are_written_once() -> None:
    found = outputs(two_ends({"x": ["s", "output"]}, {"x": ["start", "n"]}, *APART))["x"].type
    assert isinstance(found, UnionOf) and len(found.members) == 2
