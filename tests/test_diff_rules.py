"""The rules of a comparison, one test each, and what is made of changes: advice, order, formats."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from difygen.diff.public import PublicApp, PublicNames
from difygen.diff.report import format_changes, summary
from difygen.diff.rules import RULES
from difygen.diff.workflows import Change, advice, compare, compare_all, is_breaking
from difygen.model import (
    App,
    ArrayOf,
    Input,
    InputKind,
    JsonValue,
    Node,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Type,
)
from difygen.type_algebra import union

STRING, NUMBER, INTEGER, ANY, NULL, FILE, BOOLEAN = (
    Primitive.STRING,
    Primitive.NUMBER,
    Primitive.INTEGER,
    Primitive.ANY,
    Primitive.NULL,
    Primitive.FILE,
    Primitive.BOOLEAN,
)


def takes(
    kind: InputKind = "text-input",
    *,
    name: str = "x",
    required: bool = True,
    default: JsonValue = None,
    options: tuple[str, ...] = (),
    limit: int | None = None,
    type_: ObjectOf | None = None,
    types: tuple[str, ...] = (),
    extensions: tuple[str, ...] = (),
    label: str = "",
) -> App:
    variable = Input(
        name=name,
        kind=kind,
        required=required,
        default=default,
        options=options,
        max_length=limit,
        type=type_,
        allowed_file_types=types,
        allowed_file_extensions=extensions,
        label=label,
    )
    return App(name="w", source="w.yml", inputs=(variable,))


def gives(type_: Type = STRING, *, name: str = "x", optional: bool = False, description: str = "") -> App:
    output = Output(name=name, type=type_, optional=optional, description=description)
    return App(name="w", source="w.yml", outputs=(output,))


def obj(*members: Property, description: str = "") -> ObjectOf:
    return ObjectOf(members, description)


def key(name: str, type_: Type = STRING, *, required: bool = True, description: str = "") -> Property:
    return Property(name, type_, required, description)


def has(*nodes: Node) -> App:
    return App(name="w", source="w.yml", nodes=nodes)


NOTHING = App(name="w", source="w.yml")
JSON: InputKind = "json_object"

CASES: list[tuple[str, App, App]] = [
    # The workflow itself.
    ("workflow-renamed", NOTHING, replace(NOTHING, name="v")),
    ("mode-changed", NOTHING, replace(NOTHING, mode="chat")),
    ("text-changed", NOTHING, replace(NOTHING, title="New")),
    ("text-changed", NOTHING, replace(NOTHING, description="New")),
    # Which inputs there are, and whether they can be left out.
    ("input-added-required", NOTHING, takes()),
    ("input-added", NOTHING, takes(required=False)),
    ("input-added", NOTHING, takes(default="a")),
    ("input-removed", takes(), NOTHING),
    ("input-now-required", takes(required=False), takes()),
    ("input-now-required", takes(default="a"), takes()),
    ("input-now-optional", takes(), takes(required=False)),
    ("input-now-optional", takes(), takes(default="a")),
    ("input-refuses-none", takes(required=False, default="a"), takes(default="a")),
    ("input-takes-none", takes(default="a"), takes(required=False, default="a")),
    ("input-default-changed", takes(default="a"), takes(default="b")),
    ("input-default-changed", takes(required=False), takes(required=False, default="b")),
    ("input-default-changed", takes("checkbox", default=False), takes("checkbox", default=True)),
    # What an input takes.
    ("input-type-changed", takes(), takes("number")),
    ("input-type-changed", takes("checkbox"), takes("number")),
    ("input-type-changed", takes("file"), takes("file-list")),
    ("input-type-changed", takes("file"), takes()),
    ("input-type-changed", takes(), takes("select", options=("a", "b"))),
    ("input-type-widened", takes("select", options=("a", "b")), takes("paragraph")),
    ("input-type-widened", takes("select", options=("a", "b")), takes(limit=1)),
    ("input-type-changed", takes("select", options=("a", "bb")), takes(limit=1)),
    ("option-removed", takes("select", options=("a", "b")), takes("select", options=("a",))),
    ("option-added", takes("select", options=("a",)), takes("select", options=("a", "b"))),
    ("order-changed", takes("select", options=("a", "b")), takes("select", options=("b", "a"))),
    ("length-lowered", takes(limit=9), takes(limit=8)),
    ("length-lowered", takes(), takes("paragraph", limit=8)),
    ("length-raised", takes(limit=8), takes(limit=9)),
    ("length-raised", takes("paragraph", limit=8), takes()),
    ("length-lowered", takes("file-list", limit=3), takes("file-list", limit=2)),
    ("files-narrowed", takes("file"), takes("file", types=("image",))),
    ("files-narrowed", takes("file", types=("image", "audio")), takes("file", types=("image",))),
    ("files-narrowed", takes("file", types=("audio",)), takes("file", types=("image",))),
    ("files-widened", takes("file", types=("image",)), takes("file", types=("image", "audio"))),
    ("files-widened", takes("file", types=("image",)), takes("file")),
    (
        "files-narrowed",
        takes("file", types=("custom",), extensions=(".a", ".b")),
        takes("file", types=("custom",), extensions=("A",)),
    ),
    (
        "files-widened",
        takes("file", types=("custom",), extensions=(".a",)),
        takes("file", types=("custom",), extensions=(".a", ".b")),
    ),
    # The keys of an object that is sent: wider is compatible.
    ("input-type-changed", takes(JSON), takes(JSON, type_=obj(key("a")))),
    ("input-type-changed", takes(JSON, type_=obj(key("a"))), takes(JSON)),
    ("input-added-required", takes(JSON, type_=obj(key("a"))), takes(JSON, type_=obj(key("a"), key("b")))),
    ("input-added", takes(JSON, type_=obj(key("a"))), takes(JSON, type_=obj(key("a"), key("b", required=False)))),
    ("input-removed", takes(JSON, type_=obj(key("a"), key("b"))), takes(JSON, type_=obj(key("a")))),
    ("input-now-required", takes(JSON, type_=obj(key("a", required=False))), takes(JSON, type_=obj(key("a")))),
    ("input-now-optional", takes(JSON, type_=obj(key("a"))), takes(JSON, type_=obj(key("a", required=False)))),
    ("input-type-widened", takes(JSON, type_=obj(key("a", INTEGER))), takes(JSON, type_=obj(key("a", NUMBER)))),
    ("input-type-changed", takes(JSON, type_=obj(key("a", NUMBER))), takes(JSON, type_=obj(key("a", INTEGER)))),
    (
        "input-type-widened",
        takes(JSON, type_=obj(key("a", ArrayOf(INTEGER)))),
        takes(JSON, type_=obj(key("a", ArrayOf(union(NUMBER, NULL))))),
    ),
    (
        "input-added-required",
        takes(JSON, type_=obj(key("a", ArrayOf(obj(key("b")))))),
        takes(JSON, type_=obj(key("a", ArrayOf(obj(key("b"), key("c")))))),
    ),
    ("text-changed", takes(JSON, type_=obj(key("a"))), takes(JSON, type_=obj(key("a", description="New")))),
    ("text-changed", takes(), takes(label="New")),
    # Which outputs there are, and whether they are always there.
    ("output-added", NOTHING, gives()),
    ("output-removed", gives(), NOTHING),
    ("output-now-optional", gives(), gives(optional=True)),
    ("output-now-optional", gives(), gives(union(STRING, NULL))),
    ("output-now-certain", gives(optional=True), gives()),
    ("text-changed", gives(), gives(description="New")),
    # What an output gives: narrower is compatible.
    ("output-type-changed", gives(), gives(NUMBER)),
    ("output-type-changed", gives(), gives(ANY)),
    ("output-type-changed", gives(INTEGER), gives(NUMBER)),
    ("output-type-changed", gives(), gives(union(STRING, NUMBER))),
    ("output-type-changed", gives(OneOf(("a",))), gives(OneOf(("a", "b")))),
    ("output-type-changed", gives(ANY), gives(FILE)),
    ("output-type-changed", gives(ANY), gives(obj(key("a")))),
    ("output-type-changed", gives(obj()), gives(obj(key("a")))),
    ("output-type-changed", gives(ArrayOf(NUMBER)), gives(ArrayOf(INTEGER))),
    ("output-type-changed", gives(ArrayOf(STRING)), gives(ArrayOf(ANY))),
    ("output-type-changed", gives(union(FILE, STRING)), gives(STRING)),
    ("output-type-narrowed", gives(NUMBER), gives(INTEGER)),
    ("output-type-narrowed", gives(ANY), gives(STRING)),
    ("output-type-narrowed", gives(union(STRING, NUMBER)), gives(STRING)),
    ("output-type-narrowed", gives(OneOf(("a", "b"))), gives(OneOf(("a",)))),
    ("output-type-narrowed", gives(STRING), gives(OneOf(("a",)))),
    ("output-type-narrowed", gives(ArrayOf(ANY)), gives(ArrayOf(STRING))),
    ("text-changed", gives(OneOf(("a",), closed=False)), gives(STRING)),
    ("output-removed", gives(obj(key("a"), key("b"))), gives(obj(key("a")))),
    ("output-added", gives(obj(key("a"))), gives(obj(key("a"), key("b")))),
    ("output-now-optional", gives(obj(key("a"))), gives(obj(key("a", required=False)))),
    ("output-now-certain", gives(obj(key("a", required=False))), gives(obj(key("a")))),
    ("output-type-narrowed", gives(ArrayOf(obj(key("a", NUMBER)))), gives(ArrayOf(obj(key("a", INTEGER))))),
    ("output-type-changed", gives(ArrayOf(obj(key("a", INTEGER)))), gives(ArrayOf(obj(key("a", NUMBER))))),
    ("text-changed", gives(obj(key("a"))), gives(obj(key("a"), description="New"))),
    ("order-changed", gives(obj(key("a"), key("b"))), gives(obj(key("b"), key("a")))),
    # Nodes.
    ("node-added", has(), has(Node(id="a", type="llm", title="A"))),
    ("node-removed", has(Node(id="a", type="llm", title="A")), has()),
    ("node-changed", has(Node(id="a", type="llm", title="A")), has(Node(id="a", type="llm", title="B"))),
]


@pytest.mark.parametrize(
    ("rule", "old", "new"), CASES, ids=[f"{rule}-{number}" for number, (rule, _, _) in enumerate(CASES)]
)
def test_each_rule_says_what_it_is_for(rule: str, old: App, new: App) -> None:
    changes = compare(old, new)
    assert [change.rule for change in changes] == [rule]
    assert compare(old, old) == compare(new, new) == ()


def test_every_rule_has_a_test() -> None:
    elsewhere = {"workflow-added", "workflow-removed", "input-renamed", "output-renamed", "name-removed"}
    assert {rule for rule, _, _ in CASES} | elsewhere == set(RULES)


@pytest.mark.parametrize("kind", ["number", "select", "checkbox", "file", "json_object"])
def test_a_limit_that_nothing_heeds_does_not_count(kind: InputKind) -> None:
    assert compare(takes(kind, limit=48), takes(kind)) == ()


def test_a_text_may_become_a_paragraph() -> None:
    assert compare(takes(limit=8), takes("paragraph", limit=8)) == ()


def test_files_have_no_default_that_a_client_sends() -> None:
    assert [change.rule for change in compare(takes("file", default={}), takes("file"))] == []
    assert [change.rule for change in compare(NOTHING, takes("file", default={}))] == ["input-added-required"]


@pytest.mark.parametrize("what", ["input", "output"])
def test_another_python_name_is_breaking(what: str) -> None:
    workflow = takes() if what == "input" else gives()
    old = PublicNames(**{f"{what}s": {"x": "x"}})  # type: ignore[arg-type]
    new = PublicNames(**{f"{what}s": {"x": "y"}})  # type: ignore[arg-type]
    (change,) = compare(workflow, workflow, old_names=old, new_names=new)
    assert (change.rule, change.message) == (f"{what}-renamed", "`x` is now called `y`.")


def test_another_name_of_a_node_is_breaking() -> None:
    workflow = has(Node(id="1", type="llm", title="A"))
    (change,) = compare(
        workflow, workflow, old_names=PublicNames(nodes={"1": "A"}), new_names=PublicNames(nodes={"1": "B"})
    )
    assert (change.rule, change.message) == ("node-removed", "The node `A` is now called `B`.")


def test_a_name_that_is_no_longer_exported_is_breaking() -> None:
    old, new = PublicNames(exports=("A", "B")), PublicNames(exports=("A",))
    (change,) = compare(NOTHING, NOTHING, old_names=old, new_names=new)
    assert (change.rule, change.subject) == ("name-removed", "B")
    assert compare(NOTHING, NOTHING, old_names=new, new_names=old) == ()


def public(**workflows: App) -> dict[str, PublicApp]:
    return {module: PublicApp(workflow, PublicNames()) for module, workflow in workflows.items()}


def test_workflows_come_and_go() -> None:
    old = public(a=replace(NOTHING, name="a", source="a.yml"), b=NOTHING)
    new = public(b=NOTHING, c=replace(NOTHING, name="c", source="c.yml"))
    assert [(change.rule, change.workflow) for change in compare_all(old, new)] == [
        ("workflow-removed", "a"),
        ("workflow-added", "c"),
    ]


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
        (["input-added", "input-removed", "text-changed"], "major"),
    ],
)
def test_the_worst_change_gives_the_advice(rules: list[str], expected: str) -> None:
    changes = [make(rule) for rule in rules]
    assert advice(changes) == expected
    assert is_breaking(changes) == (expected == "major")


def test_the_worst_comes_first() -> None:
    old = replace(takes(), title="Old", outputs=(Output(name="y", type=STRING),))
    new = replace(NOTHING, title="New", outputs=(Output(name="y", type=STRING), Output(name="z", type=STRING)))
    assert [change.effect for change in compare(old, new)] == ["breaking", "compatible", "cosmetic"]


def test_the_table_is_plain_and_shows_what_does_not_print() -> None:
    assert format_changes([make("input-removed"), make("text-changed")]) == (
        "breaking    w inputs.x  It | changed <here>.\\u202e Calls that pass it fail.\n"
        "cosmetic    w inputs.x  It | changed <here>.\\u202e Documentation changes, and nothing else.\n"
        "1 breaking change, 1 cosmetic change. Callers have to change: this is a major version."
    )
    assert format_changes([]) == "Nothing changed for callers."


def test_markdown_stays_in_its_cells() -> None:
    assert format_changes([make("input-removed")], "markdown").splitlines() == [
        "| effect | where | what changed | why it matters |",
        "| --- | --- | --- | --- |",
        "| breaking | w inputs.x | It \\| changed &lt;here>.\\u202e | Calls that pass it fail. |",
        "",
        summary([make("input-removed")]),
    ]


def test_json_says_everything() -> None:
    assert json.loads(format_changes([make("input-added")], "json")) == {
        "advice": "minor",
        "counts": {"breaking": 0, "compatible": 1, "cosmetic": 0},
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
