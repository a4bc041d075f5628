"""The ways out of steps that branch: their handles, what a reader of the workflow calls them, and what they test.

Tests are comparisons joined by "and" and "or", negated, made shorter, and put into words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from difygen.model import JsonValue
from difygen.parser.dsl.graph import Graph, Step, mapping, sequence, text, texts
from difygen.parser.secrets import looks_like_secret
from difygen.record import Record, replace
from difygen.wording import listed, named, quoted

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
    "question-classifier": lambda step, handles, graph: _chosen(
        step, handles, graph, classes(step), "the classifier chose"
    ),
    "human-input": _tested_by_actions,
}


# Comparisons


MAX_MEMBERS = 3
"""How many comparisons are told of one branch, once those of one variable are put together."""
MAX_COMPARED = 24
"""How many comparisons are looked at."""

_REFERENCE = r"\{\{#([^{}#]+)#\}\}"
_NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"
_OPERATORS: Mapping[str, tuple[str, str]] = {
    # what holds, and what holds where that does not
    "contains": ("contains", "does not contain"),
    "start with": ("starts with", "does not start with"),
    "end with": ("ends with", "does not end with"),
    "is": ("is", "is not"),
    "in": ("is one of", "is none of"),
    "all of": ("is all of", "is not all of"),
    "=": ("=", "≠"),
    ">": (">", "≤"),
    "<": ("<", "≥"),
    "empty": ("is empty", "is not empty"),
    "exists": ("exists", "does not exist"),
    "null": ("is null", "is not null"),
}
_OPPOSITES: Mapping[str, str] = {
    "not contains": "contains",
    "is not": "is",
    "not in": "in",
    "≠": "=",
    "≤": ">",
    "≥": "<",
    "not empty": "empty",
    "not exists": "exists",
    "not null": "null",
}
_UNARY = ("empty", "exists", "null")
_LISTED = {"contains": "contains", "start with": "starts with", "end with": "ends with", "is": "is", "=": "is"}
"""The verbs of those of which several are said at once: `x` is 'a' or 'b', `x` contains neither 'a' nor 'b'."""


class Comparison(Record):
    """A variable compared with something: `right` in words, and as a `constant` if it is one."""

    left: str
    operator: str
    right: str = ""
    constant: str | float | None = None
    holds: bool = True

    def __str__(self) -> str:
        return f"{self.left} {_OPERATORS[self.operator][not self.holds]} {self.right}".rstrip()

    def at(self, value: str | float) -> bool | None:
        """Return whether a value passes; None if nobody can tell."""
        if self.constant is None or isinstance(value, str) is not isinstance(self.constant, str):
            return None
        found: bool | None = None
        if isinstance(value, str) and isinstance(self.constant, str):
            tests = {"is": value == self.constant, "contains": self.constant in value}
            tests |= {"start with": value.startswith(self.constant), "end with": value.endswith(self.constant)}
            found = tests.get(self.operator)
        elif not isinstance(value, str) and not isinstance(self.constant, str):
            numbers = {"=": value == self.constant, ">": value > self.constant, "<": value < self.constant}
            found = numbers.get(self.operator)
        return found if found is None else found is self.holds


By: TypeAlias = Literal["and", "or"]


class Joined(Record):
    """Tests of which all hold, or one does."""

    by: By
    members: tuple[Test, ...]

    def __str__(self) -> str:
        words: list[str] = []
        before = ""
        for left, each in _put_together(self):  # a variable is named once: `x` > 1 and ≤ 5
            words.append(each.removeprefix(before) if before else each)
            before = left and f"{left} "
        return f" {self.by} ".join(words)


Test: TypeAlias = "Comparison | Joined"


def join(tests: Iterable[Test], by: By) -> Test:
    """Return tests joined, those that follow from others left out."""
    members = list(dict.fromkeys(_flat(tests, by)))
    for each in list(members):
        others = [other for other in members if other is not each]
        if isinstance(each, Comparison) and any(_follows(each, other, by) for other in others):
            members = others
    for one in list(members):
        for other in list(members):
            if one in members and other in members and (both := _as_one(one, other, by)) is not None:
                members[members.index(one)] = both
                members.remove(other)
    return members[0] if len(members) == 1 else Joined(by, tuple(members))


def negated(test: Test) -> Test:
    """Return what holds where a test does not."""
    if isinstance(test, Comparison):
        return replace(test, holds=not test.holds)
    return join(map(negated, test.members), "or" if test.by == "and" else "and")


def in_words(test: Test) -> str:
    """Return a test as text; empty if it is too much to read."""
    if isinstance(test, Comparison):
        return str(test)
    is_long = any(isinstance(each, Joined) and not in_words(each) for each in test.members)
    return "" if is_long or len(list(_put_together(test))) > MAX_MEMBERS else str(test)


def _flat(tests: Iterable[Test], by: By) -> Iterator[Test]:
    for each in tests:
        if isinstance(each, Joined) and each.by == by:
            yield from each.members
        else:
            yield each


def _follows(one: Comparison, other: Test, by: By) -> bool:
    """Return whether one of two tests says nothing beside the other: where both hold, what follows from it; where one
    of them does, what it follows from.
    """
    if not isinstance(other, Comparison) or other.left != one.left or one == other:
        return False
    strong, weak = (other, one) if by == "and" else (one, other)
    if strong.operator in ("is", "=") and strong.holds and strong.constant is not None:
        return weak.at(strong.constant) is True
    points = _points(one, other)
    passed = [(strong.at(point), weak.at(point)) for point in points]
    return bool(points) and all(second is True or first is False for first, second in passed)


def _as_one(one: Test, other: Test, by: By) -> Comparison | None:
    """Return one comparison of a number that says the same as two: `x` > 1 or `x` = 1 is `x` ≥ 1."""
    if one is other or not isinstance(one, Comparison) or not isinstance(other, Comparison) or one.left != other.left:
        return None
    points = _points(one, other)
    join_ = all if by == "and" else any
    wanted = [join_((one.at(point), other.at(point))) for point in points]
    for operator in ("=", ">", "<") if points else ():
        for base in (one, other):
            for holds in (True, False):
                both = replace(base, operator=operator, holds=holds)
                if [both.at(point) for point in points] == wanted:
                    return both
    return None


def _points(one: Comparison, other: Comparison) -> list[float]:
    """Return numbers between which neither of two comparisons changes; none if they compare no numbers."""
    if isinstance(one.constant, str | None) or isinstance(other.constant, str | None):
        return []
    low, high = sorted((one.constant, other.constant))
    return [low - 1, low, (low + high) / 2, high, high + 1]


def _put_together(joined: Joined) -> Iterator[tuple[str, str]]:
    """Yield the members in words, each with its variable; those of one variable and one verb are one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in joined.members:
        if isinstance(each, Comparison) and (key := _key(each, joined.by)):
            groups.setdefault(key, []).append(each.right)
    for each in joined.members:
        if isinstance(each, Joined):
            yield "", f"({each})"
            continue
        key = _key(each, joined.by)
        rights = groups[key] if key else []
        if key is None or len(rights) < 2:
            yield each.left, str(each)
        elif each.right == rights[0]:
            last = listed(rights, "or") if joined.by == "or" else f"neither {listed(rights, 'nor')}"
            yield each.left, f"{each.left} {key[1]} {last}"


def _key(test: Test, by: By) -> tuple[str, str] | None:
    """Return variable and verb of a comparison that may be said together with others of those."""
    if isinstance(test, Joined) or test.holds is not (by == "or") or test.operator not in _LISTED:
        return None
    return test.left, _LISTED[test.operator]


# What the conditions of an if-else compare


def read_test(case: Mapping[str, JsonValue], graph: Graph) -> Test | None:
    """Return what a case of an if-else tests; None if that cannot be said."""
    conditions = [mapping(each) for each in sequence(case.get("conditions"))]
    if not conditions or len(conditions) > MAX_COMPARED:
        return None
    found = [_comparison(each, graph) for each in conditions]
    known = [each for each in found if each is not None]
    return join(known, "or" if text(case.get("logical_operator")) == "or" else "and") if known == found else None


def _comparison(condition: Mapping[str, JsonValue], graph: Graph) -> Comparison | None:
    operator = text(condition.get("comparison_operator"))
    holds = operator not in _OPPOSITES
    operator = _OPPOSITES.get(operator, operator)
    selector = texts(condition.get("variable_selector"))
    left = _variable(selector, graph)
    if operator not in _OPERATORS or not left or condition.get("sub_variable_condition"):
        return None
    if operator in _UNARY:
        return Comparison(left, operator, holds=holds)
    value = condition.get("value")
    if looks_like_secret(value, *selector):
        return None
    if isinstance(value, list):
        right = listed(map(quoted, texts(value)), "or") if texts(value) else ""
        return Comparison(left, operator, right, holds=holds) if right else None
    if isinstance(value, bool):
        return Comparison(left, operator, str(value).lower(), holds=holds)
    plain = text(value).strip()
    if reference := re.fullmatch(_REFERENCE, plain):
        right = _variable(tuple(reference[1].split(".")), graph)
        return Comparison(left, operator, right, holds=holds) if right else None
    if not plain or re.search(_REFERENCE, plain):
        return None
    if operator in ("=", ">", "<") and re.fullmatch(_NUMBER, plain):
        return Comparison(left, operator, plain, float(plain), holds)
    return Comparison(left, operator, quoted(plain), plain, holds)


def _variable(selector: Sequence[str], graph: Graph) -> str:
    """Return what a caller calls a variable: an input by its name, anything else with the step that makes it."""
    if len(selector) < 2:
        return ""
    step = graph.steps.get(selector[0])
    if step is None:
        return named(".".join(selector))
    name = named(".".join(selector[1:]))
    return name if step.type == "start" else f"{name} of {step}"
