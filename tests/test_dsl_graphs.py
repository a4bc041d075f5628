"""Which outputs may be missing, and which Answer nodes may say nothing: what the reader says of random graphs, against
all their runs played through one by one.

Single graphs, with what is said of their outputs, are in tests/cases/dsl/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from difygen.parser.dsl import runs as played
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dsl_files import code, end, export, if_else, node, outputs, reading, start, template, variable, workflow
from support.examples import examples
from support.sentences import Statement, World, statement

SURE = 'def main():\n    return {"x": "a"}\n'
Json = dict[str, Any]


@dataclass
class Plan:
    """A random graph: for each step its kind, its edges into it as (step, handle), and what it reads."""

    kinds: list[str]
    into: list[list[tuple[int, str]]]
    reads: list[list[tuple[str, int]]] = field(default_factory=list)


HANDLES = {
    "if": ["true", "second", "false"],
    "class": ["1", "2"],
    "fail": ["source", "fail-branch"],
    "human": ["ok", "no", "__timeout"],
}
FIELDS = {
    "start": "name",
    "template": "output",
    "default": "x",
    "fail": "x",
    "human": "comment",
    "class": "class_name",
    "if": "result",
    "aggregator": "output",
}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    kinds = ["start"]
    into: list[list[tuple[int, str]]] = [[]]
    reads: list[list[tuple[str, int]]] = [[]]
    branching = 0
    for number in range(1, draw(st.integers(2, 9))):
        kind = draw(
            st.sampled_from(["template", "end", "if", "class", "fail", "human", "default", "aggregator", "end"])
        )
        if kind in HANDLES:
            branching += 1
            if branching > 4:
                kind = "template"
        sources = draw(st.lists(st.integers(0, number - 1), min_size=0 if number > 2 else 1, max_size=3, unique=True))
        kinds.append(kind)
        into.append([(each, draw(st.sampled_from(HANDLES.get(kinds[each], ["source"])))) for each in sources])
        reads.append([])
        if kind in ("end", "aggregator"):
            for name in draw(st.lists(st.sampled_from(["a", "b", "answer"]), min_size=1, max_size=2, unique=True)):
                readable = [each for each in range(number) if kinds[each] != "end"]
                reads[-1].append((name, draw(st.sampled_from(readable))))
    return Plan(kinds, into, reads)


def selector(plan: Plan, step: int) -> list[str]:
    return [name_of(plan, step), FIELDS[plan.kinds[step]]]


def name_of(plan: Plan, step: int) -> str:
    return "start" if plan.kinds[step] == "start" else f"n{step}"


def definition(plan: Plan) -> Json:
    nodes, connections = [], []
    for step, kind in enumerate(plan.kinds):
        nodes.append(_node(plan, step, kind))
        for source, handle in plan.into[step]:
            connections.append({"source": name_of(plan, source), "target": name_of(plan, step), "sourceHandle": handle})
    return export(nodes, connections)


def _node(plan: Plan, step: int, kind: str) -> Json:
    id_ = name_of(plan, step)
    read = {name: selector(plan, source) for name, source in plan.reads[step]}
    default = [{"key": "x", "type": "string", "value": "d"}]
    match kind:
        case "start":
            return start(variable("name"))
        case "end":
            return end(id_, **read)
        case "if":
            return if_else(id_, "true", "second")
        case "class":
            return node(id_, "question-classifier", classes=[{"id": "1", "name": "A"}, {"id": "2", "name": "B"}])
        case "fail":
            return code(id_, text=SURE, error_strategy="fail-branch")
        case "default":
            return code(id_, text=SURE, error_strategy="default-value", default_value=default)
        case "human":
            actions = [{"id": "ok", "title": "Fine"}, {"id": "no", "title": "No"}]
            return node(id_, "human-input", inputs=[{"output_variable_name": "comment"}], user_actions=actions)
        case "aggregator":
            return node(id_, "variable-aggregator", variables=list(read.values()))
    return template(id_)


# --- the runs, by a simulation that shares nothing with the reader ---


def runs(plan: Plan) -> Iterator[tuple[dict[int, str], dict[str, object]]]:
    """Choices and outputs of every run: each combination of choices, each step after all edges into it are decided."""
    branching = [step for step, kind in enumerate(plan.kinds) if kind in HANDLES]
    for choice in product(*(HANDLES[plan.kinds[step]] for step in branching)):
        chosen = dict(zip(branching, choice, strict=True))
        came, result = _run(plan, chosen)
        yield {step: handle for step, handle in chosen.items() if step in came}, result


def _run(plan: Plan, choice: dict[int, str]) -> tuple[set[int], dict[str, object]]:
    values: dict[int, object] = {}
    result: dict[str, object] = {}
    for step, kind in enumerate(plan.kinds):  # steps are numbered so that edges lead upwards
        taken = [
            source in values and (plan.kinds[source] not in HANDLES or choice[source] == handle)
            for source, handle in plan.into[step]
        ]
        if kind != "start" and not any(taken):
            continue
        values[step] = "value"
        if kind == "fail" and choice[step] == "fail-branch":
            values[step] = None
        if kind == "human" and choice[step] == "__timeout":
            values[step] = None
        seen = {
            name: values.get(source) if source in _before(plan, step) else None for name, source in plan.reads[step]
        }
        if kind == "aggregator":
            values[step] = next((value for value in seen.values() if value is not None), None)
        if kind == "end":
            result.update(
                {name: value if result.get(name, value) is not None else None for name, value in seen.items()}
            )
    return set(values), result


def _before(plan: Plan, step: int) -> set[int]:
    """All steps from which a way leads here. Others may run later, and what they make counts as not there."""
    found: set[int] = set()
    waiting = [step]
    while waiting:
        for source, _ in plan.into[waiting.pop()]:
            if source not in found and _reachable(plan, source):
                found.add(source)
                waiting.append(source)
    return found


def _reachable(plan: Plan, step: int) -> bool:
    return plan.kinds[step] == "start" or any(_reachable(plan, source) for source, _ in plan.into[step])


def missing(plan: Plan) -> dict[str, bool]:
    """For every output, whether there is a run without it."""
    every = [result for _, result in runs(plan)]
    names = {name for step, kind in enumerate(plan.kinds) if kind == "end" for name, _ in plan.reads[step]}
    return {name: any(run.get(name) is None for run in every) for name in names}


@settings(max_examples=examples(250), deadline=None)
@given(plans())
def test_outputs_are_optional_exactly_if_a_run_misses_them(plan: Plan) -> None:
    read = outputs(definition(plan))
    assert {name: each.optional for name, each in read.items()} == missing(plan)
    assert all(bool(each.reason) == each.optional for each in read.values())


LABELS = {
    "true": "IF",
    "second": "ELIF",
    "false": "ELSE",
    "1": "A",
    "2": "B",
    "ok": "Fine",
    "no": "No",
    "__timeout": "timeout",
    "source": "succeeds",
    "fail-branch": "fails",
}


def world(choices: dict[int, str]) -> World:
    """A run as a reader of its graph sees it."""
    return World({f"N{step}": LABELS[handle] for step, handle in choices.items()})


def said(reason: str) -> tuple[Statement | None, bool]:
    """What a reason says of all End nodes together, and whether it says more of single ones."""
    first, *more = reason.split("; ")
    is_whole = not more
    if re.match(r"from 'N\d+', |null when ", first):
        return Statement(), False
    return statement(first), is_whole


@settings(max_examples=examples(400), deadline=None)
@given(plans())
def test_reasons_are_true_of_exactly_the_runs_that_miss_the_output(plan: Plan) -> None:
    every = list(runs(plan))
    for name, output in outputs(definition(plan)).items():
        if not output.optional:
            continue
        found, is_whole = said(output.reason)
        assert found is not None, output.reason
        for choices, result in every:
            there = result.get(name) is not None
            assert found(world(choices)) is there or (not is_whole and not there), (output.reason, choices)


@settings(max_examples=examples(400), deadline=None)
@given(plans())
def test_reasons_say_nothing_that_could_be_left_out(plan: Plan) -> None:
    every = [world(choices) for choices, _ in runs(plan)]
    for output in outputs(definition(plan)).values():
        found, _ = said(output.reason) if output.reason else (None, True)
        for shorter in found.shortened() if found else ():
            assert any(shorter(each) is not found(each) for each in every), output.reason


@settings(max_examples=examples(150), deadline=None)
@given(plans(), st.sampled_from([1, 3]))
def test_too_many_runs_make_outputs_less_certain_and_never_more(plan: Plan, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(played, "MAX_RUNS", limit)
        read = outputs(definition(plan))
    expected = missing(plan)
    assert all(each.optional for name, each in read.items() if expected[name])


def test_without_branches_limits_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps side by side that all run are certain without any run played through."""
    monkeypatch.setattr(played, "MAX_RUNS", 0)
    plan = Plan(
        ["start", "template", "template", "template", "end"],
        [[], [(0, "source")], [(0, "source")], [(1, "source"), (2, "source")], [(3, "source")]],
        [[], [], [], [], [("a", 1), ("b", 2)]],
    )
    assert missing(plan) == {"a": False, "b": False}
    assert not any(each.optional for each in outputs(definition(plan)).values())


# --- the same graphs as chatflows: an Answer node in the place of each End node ---

BETWEEN = ("{{#broken}}", "{{ name }}", "a\n", "#}} {{#", "型")
"""Texts that stand between the references of a template; none of them is a reference."""


def chatflow(plan: Plan) -> Json:
    """The plan as a chatflow. What an End node reads is what its Answer node refers to, between texts."""
    read = definition(plan)
    for each in read["workflow"]["graph"]["nodes"]:
        if each["data"]["type"] == "end":
            rows = each["data"].pop("outputs")
            texts = "".join(
                BETWEEN[position % len(BETWEEN)] + "{{#" + ".".join(row["value_selector"]) + "#}}"
                for position, row in enumerate(rows)
            )
            each["data"] |= {"type": "answer", "answer": texts}
    read["app"]["mode"] = "advanced-chat"
    return read


def answered(plan: Plan) -> list[tuple[dict[int, str], set[int]]]:
    """For every run, its choices and the Answer nodes that it comes to."""
    branching = [step for step, kind in enumerate(plan.kinds) if kind in HANDLES]
    found = []
    for choice in product(*(HANDLES[plan.kinds[step]] for step in branching)):
        chosen = dict(zip(branching, choice, strict=True))
        came, _ = _run(plan, chosen)
        choices = {step: handle for step, handle in chosen.items() if step in came}
        found.append((choices, {step for step in came if plan.kinds[step] == "end"}))
    return found


@settings(max_examples=examples(250), deadline=None)
@given(plans())
def test_answers_have_a_reason_exactly_if_a_turn_does_not_come_to_them(plan: Plan) -> None:
    answers = {each.node: each for each in workflow(chatflow(plan)).answers}
    every = answered(plan)
    ends = [step for step, kind in enumerate(plan.kinds) if kind == "end"]
    assert list(answers) == [name_of(plan, step) for step in ends]
    for step in ends:
        answer = answers[name_of(plan, step)]
        assert bool(answer.reason) == any(step not in came for _, came in every)
        assert answer.reason.startswith("never") == all(step not in came for _, came in every)
    silent = [each for each in reading(chatflow(plan)).diagnostics if each.code == "unreachable-answer"]
    assert len(silent) == sum(all(step not in came for _, came in every) for step in ends)


@settings(max_examples=examples(250), deadline=None)
@given(plans())
def test_reasons_of_answers_are_true(plan: Plan) -> None:
    every = answered(plan)
    for answer in workflow(chatflow(plan)).answers:
        found = statement(answer.reason) if answer.reason else Statement()
        assert found is not None
        for choices, came in every:
            assert found(world(choices)) is (int(answer.node[1:]) in came), (answer.reason, choices)


@settings(max_examples=examples(100), deadline=None)
@given(plans())
def test_answers_say_their_pieces_in_order(plan: Plan) -> None:
    for answer in workflow(chatflow(plan)).answers:
        expected = []
        for position, (_, source) in enumerate(plan.reads[int(answer.node[1:])]):
            expected += [(BETWEEN[position], ()), ("", tuple(selector(plan, source)))]
        assert [(each.text, each.selector) for each in answer.pieces] == expected
