"""Random workflows, random changes to them, and values that callers may pass: for tests against the generated code."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from difygen.diff.public import max_length
from difygen.model import (
    INPUT_KINDS,
    App,
    ArrayOf,
    Input,
    Node,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Type,
    UnionOf,
)
from difygen.record import replace
from difygen.types import union

NAMES = ["text", "num", "class", "型", "a b", "data", "user", "result", "list"]
OPTIONS = ["a", "b", "cc", "x" * 30, "型"]
FILES = {"file": "https://example.com/a.png", "file-list": ["https://example.com/a.png"]}
SIMPLE = [one for one in Primitive if one != Primitive.NULL]

Change = Callable[[Random, App], App]


def random_workflow(random: Random, name: str) -> App:
    inputs = [random_input(random, wire) for wire in random.sample(NAMES, random.randint(0, 3))]
    outputs = [random_output(random, wire) for wire in random.sample(NAMES, random.randint(0, 3))]
    nodes = [Node(id=str(number), type="llm", title=f"Step {number}") for number in range(random.randint(0, 2))]
    return App(name=name, source=f"{name}.yml", inputs=tuple(inputs), outputs=tuple(outputs), nodes=tuple(nodes))


def random_input(random: Random, name: str) -> Input:
    kind = random.choice(INPUT_KINDS)
    options = tuple(random.sample(OPTIONS, random.randint(1, 3))) if kind == "select" else ()
    variable = Input(
        name=name,
        kind=kind,
        required=random.random() < 0.5,
        options=options,
        max_length=random.choice([None, 2, 48]),
        type=random_object(random, 2) if kind == "json_object" and random.random() < 0.8 else None,
    )
    return (
        replace(variable, default=sample(random, variable)) if random.random() < 0.3 and kind not in FILES else variable
    )


def random_output(random: Random, name: str) -> Output:
    return Output(name=name, type=random_type(random, 2), optional=random.random() < 0.3)


def random_type(random: Random, depth: int) -> Type:
    if depth == 0 or random.random() < 0.5:
        return random.choice([*SIMPLE, OneOf(("a", "b"), closed=random.random() < 0.5), ObjectOf()])
    if random.random() < 0.4:
        return ArrayOf(random_type(random, depth - 1))
    if random.random() < 0.6:
        return random_object(random, depth - 1)
    return union(
        random.choice(SIMPLE), random.choice([Primitive.NULL, Primitive.STRING]), random_type(random, depth - 1)
    )


def random_object(random: Random, depth: int) -> ObjectOf:
    keys = random.sample(["a", "b", "c d"], random.randint(1, 3))
    return ObjectOf(tuple(Property(key, random_type(random, depth), random.random() < 0.7) for key in keys))


def sample(random: Random, variable: Input) -> Any:
    """A value that the input takes."""
    match variable.kind:
        case "text-input" | "paragraph":
            return "型" * random.randint(0, max_length(variable) or 60)
        case "select":
            return random.choice(variable.options) if variable.options else "any"
        case "number":
            return random.choice([0, -7, 1.5, 10**12])
        case "checkbox":
            return random.random() < 0.5
        case "file" | "file-list":
            return FILES[variable.kind]
    return sample_of(random, variable.type or ObjectOf())


def sample_of(random: Random, type_: Type) -> Any:
    """A JSON value of the type."""
    match type_:
        case ArrayOf(item):
            return [sample_of(random, item) for _ in range(random.randint(0, 2))]
        case OneOf(values):
            return random.choice(values)
        case ObjectOf(members):
            kept = [one for one in members if one.required or random.random() < 0.5]
            return {one.name: sample_of(random, one.type) for one in kept}
        case Primitive():
            return {"string": "s", "number": 1.5, "integer": 3, "boolean": True, "null": None}.get(type_.value, "any")
    return sample_of(random, random.choice(type_.members))


def change_somewhere(random: Random, workflow: App) -> App:
    """`workflow` with one random change, great or small."""
    changed = random.choice(CHANGES)(random, workflow)
    return changed if changed != workflow else change_somewhere(random, workflow)


def _change_input(random: Random, workflow: App) -> App:
    if not workflow.inputs:
        return workflow
    index = random.randrange(len(workflow.inputs))
    old = workflow.inputs[index]
    other = random_input(random, old.name)
    new = random.choice(
        [
            other,
            replace(old, required=not old.required),
            replace(old, max_length=random.choice([None, 1, 60])),
            replace(old, label="New label"),
            (
                replace(old, options=tuple(dict.fromkeys((*old.options, random.choice(OPTIONS)))))
                if old.options
                else other
            ),
            replace(old, options=old.options[::-1][:2]) if old.options else other,
            replace(old, kind="paragraph", default=None, options=(), type=None),
            replace(old, type=_change_object(random, old.type)) if old.type else other,
            replace(old, default=None) if old.kind in FILES else replace(old, default=sample(random, old)),
        ]
    )
    if new.kind == "select" and new.default not in (None, *new.options):
        new = replace(new, default=None)
    return replace(workflow, inputs=(*workflow.inputs[:index], new, *workflow.inputs[index + 1 :]))


def _change_output(random: Random, workflow: App) -> App:
    if not workflow.outputs:
        return workflow
    index = random.randrange(len(workflow.outputs))
    old = workflow.outputs[index]
    new = random.choice(
        [
            random_output(random, old.name),
            replace(old, optional=not old.optional),
            replace(old, type=_change_type(random, old.type)),
            replace(old, description="New"),
        ]
    )
    return replace(workflow, outputs=(*workflow.outputs[:index], new, *workflow.outputs[index + 1 :]))


def _change_type(random: Random, type_: Type) -> Type:
    match type_:
        case ArrayOf(item):
            return ArrayOf(_change_type(random, item))
        case ObjectOf(members) if members:
            return _change_object(random, type_)
        case OneOf(values, closed):
            choices: list[Type] = [OneOf(values[:1], closed), OneOf((*values, "c"), closed), Primitive.STRING]
            return random.choice(choices)
        case Primitive.NUMBER:
            return Primitive.INTEGER
        case Primitive.INTEGER:
            return Primitive.NUMBER
        case Primitive.STRING:
            return OneOf(("a",))
        case UnionOf(members):
            return list(members)[random.randrange(len(members))]
    return random_type(random, 1)


def _change_object(random: Random, type_: ObjectOf) -> ObjectOf:
    members = list(type_.properties)
    index = random.randrange(len(members))
    one = members[index]
    action = random.randrange(4)
    if action == 0:
        members[index] = replace(one, type=_change_type(random, one.type))
    elif action == 1:
        members[index] = replace(one, required=not one.required)
    elif action == 2 and len(members) > 1:
        del members[index]
    elif all(member.name != "new" for member in members):
        members.append(Property("new", random_type(random, 1), required=random.random() < 0.5))
    return ObjectOf(tuple(members), type_.description)


def _add_or_remove(random: Random, workflow: App) -> App:
    inputs, outputs = list(workflow.inputs), list(workflow.outputs)
    action = random.randrange(4)
    if action == 0 and all(one.name != "more" for one in inputs):
        inputs.append(random_input(random, "more"))
    elif action == 1 and inputs:
        del inputs[random.randrange(len(inputs))]
    elif action == 2 and all(one.name != "more" for one in outputs):
        outputs.insert(0, random_output(random, "more"))
    elif outputs:
        del outputs[random.randrange(len(outputs))]
    return replace(workflow, inputs=tuple(inputs), outputs=tuple(outputs))


def _change_rest(random: Random, workflow: App) -> App:
    return random.choice(
        [
            replace(workflow, title="New title"),
            replace(workflow, inputs=workflow.inputs[::-1]),
            replace(workflow, outputs=workflow.outputs[::-1]),
            replace(workflow, nodes=(*workflow.nodes, Node(id="new", type="llm", title="New"))),
            replace(workflow, nodes=workflow.nodes[1:]),
            replace(workflow, nodes=tuple(replace(node, title=f"{node.title}!") for node in workflow.nodes)),
        ]
    )


CHANGES: list[Change] = [_change_input, _change_input, _change_output, _change_output, _add_or_remove, _change_rest]
