"""The ways out of the nodes that branch, and what a reader of the workflow calls them. Knows nothing of where they lead."""

from __future__ import annotations

from collections.abc import Sequence

from difygen.parser.dsl.graph import Step
from difygen.parser.dsl.shape import mapping, sequence, text
from difygen.parser.dsl.ways import Branch

TIMEOUT = "__timeout"


def cases(step: Step) -> Sequence[Branch]:
    """The ways out of an if-else: one for each case, and `false` where none holds. Old ones have conditions and no cases."""
    found = [mapping(each) for each in sequence(step.data.get("cases"))] or [{"case_id": "true"}]
    ways = []
    for number, case in enumerate(found):
        name = text(case.get("name")) or ("IF" if number == 0 else f"ELIF {number}" if len(found) > 2 else "ELIF")
        ways.append(Branch(text(case.get("case_id") or case.get("id")) or "true", name))
    return [*ways, Branch("false", "ELSE")]


def classes(step: Step) -> Sequence[Branch]:
    """The ways out of a classifier, one for each class."""
    found = [mapping(each) for each in sequence(step.data.get("classes"))]
    return [
        Branch(text(each.get("id")), text(each.get("label") or each.get("name")) or text(each.get("id")))
        for each in found
    ]


def actions(step: Step) -> Sequence[Branch]:
    """The ways out of a form, one for each button, and one for when nobody pressed any. Forms before 1.13 have one way out."""
    found = [mapping(each) for each in sequence(step.data.get("user_actions"))]
    if not found:
        return ()
    buttons = [Branch(text(each.get("id")), text(each.get("title")) or text(each.get("id"))) for each in found]
    return [*buttons, Branch(TIMEOUT, "timeout")]
