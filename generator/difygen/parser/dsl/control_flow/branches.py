"""The ways out of steps that branch: their handles, what a reader of the workflow calls them, and what they test."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from difygen.model import JsonValue
from difygen.parser.dsl.control_flow.comparisons import Test, in_words, join, negated, read_test
from difygen.parser.dsl.graph import Graph, Step, mapping, sequence, text
from difygen.record import Record
from difygen.wording import listed, quoted

TIMEOUT = "__timeout"
MAX_TEST = 120
"""Characters of what a branch tests that are worth reading."""
MAX_CASES = 12
MAX_NAMED = 3
"""How many branches are told by what they are called."""


class Branch(Record):
    """One way out of a step that branches: its handle, and what a reader of the workflow calls it.

    The ways out of a step that may fail are `outcome`s: their labels are what the step does.
    """

    handle: str
    label: str
    outcome: bool = False


def cases(step: Step) -> Sequence[Branch]:
    """Return the ways out of an if-else: one for each case, and `false` where none holds."""
    found = _cases(step)
    branches = []
    for number, case in enumerate(found):
        name = text(case.get("name")) or ("IF" if number == 0 else f"ELIF {number}" if len(found) > 2 else "ELIF")
        branches.append(Branch(_case_id(case), name))
    return [*branches, Branch("false", "ELSE")]


def classes(step: Step) -> Sequence[Branch]:
    """Return the ways out of a classifier, one for each class."""
    found = [mapping(each) for each in sequence(step.data.get("classes"))]
    return [
        Branch(text(each.get("id")), text(each.get("label") or each.get("name")) or text(each.get("id")))
        for each in found
    ]


def actions(step: Step) -> Sequence[Branch]:
    """Return the ways out of a form, one for each button, and one for when nobody pressed any.

    Forms before 1.13 have one way out.
    """
    found = [mapping(each) for each in sequence(step.data.get("user_actions"))]
    if not found:
        return ()
    buttons = [Branch(text(each.get("id")), text(each.get("title")) or text(each.get("id"))) for each in found]
    return [*buttons, Branch(TIMEOUT, "timeout")]


def routes(step: Step) -> Sequence[Branch]:
    """Return the ways out of an agent that chooses one of them; none where it has but one (all up to 1.17.1)."""
    settings = mapping(step.data.get("agent_output_routes"))
    found = [mapping(each) for each in sequence(settings.get("routes"))] if settings.get("enabled") is True else []
    return [
        Branch(id_, text(each.get("label")) or text(each.get("name")) or id_)
        for each in found
        if (id_ := text(each.get("id")))
    ]


def _cases(step: Step) -> list[Mapping[str, JsonValue]]:
    """Return the cases of an if-else. Old ones have conditions and no cases."""
    found = [mapping(each) for each in sequence(step.data.get("cases"))]
    return found or [{"case_id": "true", **{key: step.data.get(key) for key in ("conditions", "logical_operator")}}]


def _case_id(case: Mapping[str, JsonValue]) -> str:
    return text(case.get("case_id") or case.get("id")) or "true"


# What branches test, without the title of the step


def has_default_title(step: Step) -> bool:
    """Return whether the title of a step is the one that the editor gives, perhaps with a number."""
    title = re.sub(r"[\W_\d]+", "", step.title).casefold()
    return title in _DEFAULT_TITLES.get(step.type, ())


_DEFAULT_TITLES: Mapping[str, tuple[str, ...]] = {
    # of the languages of Dify's editor, without marks, blanks and numbers
    "if-else": (
        *("ifelse", "条件分支", "條件分支", "wennsonst", "sisinon", "sisino", "sesenão", "sealtrimenti"),
        *("еслииначе", "якщоінакше", "jeżeliwinnym", "dacăaltfel", "egerdeğilse", "เงื่อนไข"),
    ),
    "question-classifier": (
        *("questionclassifier", "问题分类器", "問題分類器", "質問分類器", "질문분류기", "fragenklassifizierer"),
        *("classificateurdequestions", "clasificadordepreguntas", "classificadordeperguntas"),
        *("classificatoredomande", "классификаторвопросов", "phânloạicâuhỏi"),
    ),
    "human-input": ("humaninput", "人工介入", "人工輸入"),
}


def tested(step: Step, handles: Sequence[str], graph: Graph) -> str:
    """Return what is so exactly when a run that comes to the step takes one of these ways out; empty if that cannot be
    said in a few words.
    """
    words = _TESTS[step.type](step, handles, graph) if step.type in _TESTS else ""
    return words if len(words) <= MAX_TEST else ""


def _tested_by_cases(step: Step, handles: Sequence[str], graph: Graph) -> str:
    """Cases are tried in order: of those before a case that is taken, none holds."""
    found = _cases(step)
    ids = [_case_id(case) for case in found]
    if len(found) > MAX_CASES or len(set(ids)) < len(ids) or "false" in ids or not {*ids, "false"} >= set(handles):
        return ""
    passed: list[Test] = []
    met: list[tuple[Test, int]] = []
    for id_, case in zip(ids, found, strict=True):
        test = read_test(case, graph)
        if test is None:
            return ""
        if id_ in handles:
            met.append((join([test, *map(negated, passed)], "and"), len(passed)))
        else:
            passed.append(test)
    if "false" in handles:  # of what comes after all that must not hold, it is the same whether it holds
        met = [each for each in met if each[1] < len(passed)]
        met.append((join(map(negated, passed), "and"), len(passed)))
    return in_words(join([test for test, _ in met], "or"))


def _tested_by_classes(step: Step, handles: Sequence[str], graph: Graph) -> str:
    return _chosen(step, handles, graph, classes(step), "the classifier chose")


def _tested_by_actions(step: Step, handles: Sequence[str], graph: Graph) -> str:
    if list(handles) == [TIMEOUT]:
        return "" if _is_one_of_several(step, graph) else "nobody answered in time"
    return "" if TIMEOUT in handles else _chosen(step, handles, graph, actions(step), "somebody chose")


def _chosen(step: Step, handles: Sequence[str], graph: Graph, branches: Sequence[Branch], who: str) -> str:
    labels = [branch.label for branch in branches if branch.handle in handles]
    if len(labels) != len(set(handles)) or len(labels) > MAX_NAMED or _is_one_of_several(step, graph):
        return ""
    return f"{who} {listed(map(quoted, labels), 'or')}"


def _is_one_of_several(step: Step, graph: Graph) -> bool:
    return sum(each.type == step.type for each in graph.steps.values()) > 1


_TESTS: Mapping[str, Callable[[Step, Sequence[str], Graph], str]] = {
    "if-else": _tested_by_cases,
    "question-classifier": _tested_by_classes,
    "human-input": _tested_by_actions,
}
