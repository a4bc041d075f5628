"""What definitions alone cannot show of a comparison, and what is made of changes: advice, order, formats."""

from __future__ import annotations

import re

import pytest
from difygen.diff import compare, compare_all
from difygen.diff.changes import RULES, Change, advice, changes_as_json, format_changes, is_breaking, summary
from difygen.diff.public import PublicApp, PublicNames, public_app
from difygen.model import (
    App,
    Input,
    InputKind,
    JsonValue,
    Node,
    Output,
    Primitive,
)
from difygen.record import replace
from difygen.wording import visible
from hypothesis import example, given
from hypothesis import strategies as st
from support import TESTS
from support.markdown import rendered, rows

NOTHING = App(name="w", source="w.yml")


def takes(kind: InputKind = "text-input", *, default: JsonValue = None, limit: int | None = None) -> App:
    return replace(NOTHING, inputs=(Input(name="x", kind=kind, default=default, max_length=limit),))


def gives(*names: str) -> App:
    return replace(NOTHING, outputs=tuple(Output(name=name, type=Primitive.STRING) for name in names))


def test_every_rule_has_a_case() -> None:
    """In tests/cases/diff/, in the folder of its name, but for those that two definitions alone cannot show."""
    here = {"input-renamed", "output-renamed", "name-removed"}
    in_chats = {"variable-renamed", "answer-changed"}  # see test_diff_chat.py
    come_and_go = {"workflow-added", "workflow-removed"}
    cases = {path.name.replace("_", "-") for path in (TESTS / "cases" / "diff").iterdir()}
    assert RULES.keys() - cases == here | in_chats | come_and_go


def test_another_mode_is_breaking() -> None:
    assert [change.rule for change in compare(NOTHING, replace(NOTHING, mode="chat"))] == ["mode-changed"]


@pytest.mark.parametrize("kind", ["number", "select", "checkbox", "file", "json_object"])
def test_a_limit_that_nothing_heeds_does_not_count(kind: InputKind) -> None:
    assert compare(takes(kind, limit=48), takes(kind)) == ()


def test_files_have_no_default_that_a_client_sends() -> None:
    assert [change.rule for change in compare(takes("file", default={}), takes("file"))] == []
    assert [change.rule for change in compare(NOTHING, takes("file", default={}))] == ["input-added-required"]


@pytest.mark.parametrize("what", ["input", "output"])
def test_another_python_name_is_breaking(what: str) -> None:
    workflow = takes() if what == "input" else gives("x")
    old = PublicNames(**{f"{what}s": {"x": "x"}})  # type: ignore[arg-type]
    new = PublicNames(**{f"{what}s": {"x": "y"}})  # type: ignore[arg-type]
    (change,) = compare(workflow, workflow, old_names=old, new_names=new)
    assert (change.rule, change.message) == (f"{what}-renamed", "`x` is now called `y`.")


def steps(*nodes: Node) -> PublicApp:
    return public_app(replace(NOTHING, nodes=nodes), "w")


A = Node(id="1", type="llm", title="Tidy up")
INNER = [
    pytest.param(steps(A), steps(replace(A, title="Clean up")), "node-renamed", id="renamed"),
    pytest.param(steps(A), steps(replace(A, title="Tidy  up")), "node-changed", id="retitled"),
    pytest.param(steps(A), steps(replace(A, type="code")), "node-changed", id="retyped"),
    pytest.param(steps(A), steps(replace(A, id="2")), "node-changed", id="replaced"),
    pytest.param(steps(A), steps(), "node-removed", id="removed"),
    pytest.param(steps(), steps(A), "node-added", id="added"),
]


@pytest.mark.parametrize(("old", "new", "rule"), INNER)
def test_what_touches_steps_alone_is_internal(old: PublicApp, new: PublicApp, rule: str) -> None:
    """Their class, which comes with the first and goes with the last of them, is no more than they are."""
    changes = compare(old.app, new.app, old_names=old.names, new_names=new.names)
    assert [(change.rule, change.effect) for change in changes] == [(rule, "internal")]
    assert advice(changes) == "minor" and not is_breaking(changes)


def test_a_step_is_called_by_its_title_and_by_its_name_in_python() -> None:
    (change,) = compare_all({"w": steps(A)}, {"w": steps(replace(A, title="Clean up"))})
    assert change.message == "The node 'Tidy up' (`TIDY_UP`) is now 'Clean up' (`CLEAN_UP`)."


def test_a_name_that_is_no_longer_exported_is_breaking() -> None:
    old, new = PublicNames(exports=("A", "B")), PublicNames(exports=("A",))
    (change,) = compare(NOTHING, NOTHING, old_names=old, new_names=new)
    assert (change.rule, change.subject) == ("name-removed", "B")
    assert compare(NOTHING, NOTHING, old_names=new, new_names=old) == ()


def public(**workflows: App) -> dict[str, PublicApp]:
    return {module: PublicApp(workflow, PublicNames()) for module, workflow in workflows.items()}


def test_a_workflow_of_the_same_file_is_the_same_workflow() -> None:
    changes = compare_all(public(a=replace(NOTHING, name="a")), public(b=replace(NOTHING, name="b")))
    assert [(change.rule, change.message) for change in changes] == [("workflow-renamed", "`a` is now called `b`.")]


def make(rule: str) -> Change:
    return Change(rule, "w", "inputs.x", "It | changed <here>.\u202e")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "none"),
        (["text-changed"], "patch"),
        (["text-changed", "input-added"], "minor"),
        (["text-changed", "node-renamed"], "minor"),
        (["input-added", "input-removed", "node-removed", "text-changed"], "major"),
    ],
)
def test_the_worst_change_gives_the_advice(rules: list[str], expected: str) -> None:
    changes = [make(rule) for rule in rules]
    assert advice(changes) == expected
    assert is_breaking(changes) == (expected == "major")


def test_the_worst_comes_first() -> None:
    old = replace(gives("y"), title="Old", inputs=takes().inputs)
    new = replace(gives("y", "z"), title="New", nodes=(A,))
    assert [change.effect for change in compare(old, new)] == ["breaking", "internal", "compatible", "cosmetic"]


def test_the_table_is_plain_and_shows_what_does_not_print() -> None:
    assert format_changes([make("input-removed"), make("text-changed")]) == (
        "breaking    w inputs.x  It | changed <here>.\\u202e Calls that pass it fail.\n"
        "cosmetic    w inputs.x  It | changed <here>.\\u202e Documentation changes, and nothing else.\n"
        "1 breaking change, 1 cosmetic change. Callers have to change: this is a major version."
    )
    assert format_changes([]) == "Nothing changed for callers."


def test_a_summary_says_whom_internal_changes_touch() -> None:
    assert summary([make("node-renamed"), make("input-added")]) == (
        "1 internal change, 1 compatible change. Callers go on working, unless they name steps that changed: "
        "this is a minor version."
    )


def test_markdown_stays_in_its_cells() -> None:
    assert format_changes([make("input-removed")], markdown=True).splitlines() == [
        "| effect | where | what changed | why it matters |",
        "| --- | --- | --- | --- |",
        "| breaking | w inputs.x | It \\| changed &lt;here>.\\u202e | Calls that pass it fail. |",
        "",
        summary([make("input-removed")]),
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("`\\|*_[]()<>&@#:/!~w. "), max_size=30))
@example("`a\\|b` and `c`")
@example("``@ann` #1")
@example("@_ #_")
@example("www.x https://y &lt; \\*a*")
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    change = Change("input-removed", "w", "x", f"`{text}` and {text}")
    _, (effect, where, what, why) = rows(format_changes([change], markdown=True))
    assert [rendered(effect), rendered(where), rendered(why)] == ["breaking", "w x", "Calls that pass it fail."]
    seen, said = (re.sub(r"\s|`", "", each) for each in (rendered(what), visible(change.message)))
    assert seen == said


def test_json_says_everything() -> None:
    assert changes_as_json([make("input-added")]) == {
        "advice": "minor",
        "counts": {"breaking": 0, "internal": 0, "compatible": 1, "cosmetic": 0},
        "changes": [
            {
                "effect": "compatible",
                "rule": "input-added",
                "workflow": "w",
                "subject": "inputs.x",
                "message": "It | changed <here>.\u202e",
                "reason": "Calls that leave it out go on working.",
            }
        ],
    }


def test_reasons_are_sentences() -> None:
    assert all(rule.reason[0].isupper() and rule.reason.endswith(".") for rule in RULES.values())
