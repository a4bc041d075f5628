"""What a comparison says of chat-type apps: every rule that only they have, and how bad it is."""

from __future__ import annotations

from typing import Any

import pytest
from difygen.diff import compare
from difygen.diff.changes import RULES
from difygen.diff.public import PublicNames
from difygen.model import (
    AnswerTemplate,
    App,
    Features,
    ObjectOf,
    Primitive,
    Property,
    TemplatePiece,
    Tool,
    TurnFiles,
    Variable,
)
from difygen.record import replace

NAME = Variable(name="name", type=Primitive.STRING, initial="")
APP = App(
    name="support",
    source="support.yml",
    mode="advanced-chat",
    variables=(NAME,),
    tools=(Tool(name="weather"),),
    files=TurnFiles(types=("image",), max_count=3),
    features=Features(suggested_questions_after_answer=True, citations=True, opening_statement="Hello"),
    answers=(AnswerTemplate(node="a", pieces=(TemplatePiece(text="Hi"),)),),
)
OBJECT = ObjectOf((Property("a", Primitive.STRING),))

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"variables": ()}, ["breaking variable-removed variables.name"]),
    ({"variables": (NAME, replace(NAME, name="more"))}, ["compatible variable-added variables.more"]),
    (
        {"variables": (replace(NAME, type=OBJECT, initial=None),)},
        ["breaking variable-type-changed variables.name", "compatible variable-initial-changed variables.name"],
    ),
    ({"variables": (replace(NAME, initial="Ada"),)}, ["compatible variable-initial-changed variables.name"]),
    ({"variables": (replace(NAME, description="Who"),)}, ["cosmetic text-changed variables.name"]),
    ({"tools": (Tool(name="draw"),)}, ["internal tool-removed tools.weather", "internal tool-added tools.draw"]),
    ({"files": None}, ["breaking files-removed files"]),
    ({"files": TurnFiles(types=("image", "audio"), max_count=3)}, ["compatible files-widened files"]),
    ({"files": TurnFiles(types=("audio",), max_count=3)}, ["breaking files-narrowed files"]),
    ({"files": TurnFiles(types=("image",), max_count=2)}, ["breaking length-lowered files"]),
    ({"files": TurnFiles(types=("image",))}, ["compatible length-raised files"]),
    (
        {"features": replace(APP.features, suggested_questions_after_answer=False)},
        ["breaking feature-removed features.suggested_questions_after_answer"],
    ),
    ({"features": replace(APP.features, speech_to_text=True)}, ["compatible feature-added features.speech_to_text"]),
    ({"features": replace(APP.features, citations=False)}, ["cosmetic feature-changed features.citations"]),
    ({"features": replace(APP.features, opening_statement="Hi")}, ["cosmetic text-changed features.opening_statement"]),
    ({"answers": (AnswerTemplate(node="a"),)}, ["cosmetic answer-changed answers.a"]),
    ({"mode": "chat"}, ["breaking mode-changed mode"]),
]


@pytest.mark.parametrize(("changed", "expected"), CASES, ids=lambda value: ", ".join(value) if value else "nothing")
def test_what_changes(changed: dict[str, Any], expected: list[str]) -> None:
    found = compare(APP, replace(APP, **changed))
    assert [f"{change.effect} {change.rule} {change.subject}" for change in found] == expected


def test_files_that_come_are_compatible() -> None:
    (change,) = compare(replace(APP, files=None), APP)
    assert (change.effect, change.rule, change.message) == ("compatible", "files-added", "A turn takes files now.")


def test_another_python_name_breaks() -> None:
    (change,) = compare(
        APP, APP, old_names=PublicNames(variables={"name": "name"}), new_names=PublicNames(variables={"name": "who"})
    )
    assert (change.rule, change.message) == ("variable-renamed", "`name` is now called `who`.")


def test_each_rule_of_chats_is_shown_here() -> None:
    shown = {line.split()[1] for _, lines in CASES for line in lines} | {"files-added", "variable-renamed"}
    words = ("variable", "tool", "feature", "answer")
    assert {id_ for id_ in RULES if id_.startswith(words)} | {"files-added", "files-removed"} <= shown
