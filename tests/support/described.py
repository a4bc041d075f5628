"""What the parser reads in a definition, as text for people: one fact a line, and nothing left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from difygen.model import App, ArrayOf, Edge, Node, ObjectOf, OneOf, Primitive, Property, Type, UnionOf
from difygen.parser import Reading
from difygen.record import defaults


def described(reading: Reading) -> str:
    """Return the diagnostics of a reading, and its app if it gave one."""
    lines = [str(found) for found in reading.diagnostics]
    if reading.workflow is not None:
        lines += _app(reading.workflow)
    return "".join(f"{line}\n" for line in lines)


def _app(app: App) -> Iterator[str]:
    yield f"app {app.name!r} of {app.source!r}"
    yield from _facts(app, "name", "source", "inputs", "outputs", "nodes", "edges", "forms", "examples")
    for input_ in app.inputs:
        yield f"input {input_.name!r}: {input_.kind}"
        yield from _facts(input_, "name", "kind")
    for output in app.outputs:
        yield f"output {output.name!r}: {typed(output.type)}"
        yield from _facts(output, "name", "type", "selectors")
        yield from (f"    from: {'.'.join(selector)}" for selector in output.selectors)
    for node in app.nodes:
        yield _node(node)
    for form in app.forms:
        yield f"form of {form.node!r}: {', '.join(f'{action.id!r} {action.title!r}' for action in form.actions)}"
        for field in form.inputs:
            yield f"    {field.name!r}: {field.kind}"
            yield from (f"    {fact}" for fact in _facts(field, "name", "kind"))
    for edge in app.edges:
        yield _edge(edge)
    for example in app.examples:
        yield "example"
        yield from _facts(example)


def _facts(record: Any, *said: str) -> Iterator[str]:
    """Return the fields of a record that are not as usual, without those that are `said` already."""
    for name, usual in defaults(type(record)).items():
        value = getattr(record, name)
        if name not in said and (value != usual or type(value) is not type(usual)):
            yield f"    {name}: {typed(value, 2) if isinstance(value, ObjectOf) else repr(value)}"


def _node(node: Node) -> str:
    return f"node {node.id!r}: {node.type} {node.title!r}" + (f" in {node.parent!r}" if node.parent is not None else "")


def _edge(edge: Edge) -> str:
    return f"edge {edge.source!r} -> {edge.target!r}" + (f" by {edge.handle!r}" if edge.handle != "source" else "")


def typed(type_: Type, depth: int = 1) -> str:
    """Return a type in words: `array[string | null]`, `{name: string, age?: integer}`, `'a' | 'b' | …` for an open
    choice.

    The properties of a larger object stand on lines of their own, `depth` steps to the right.
    """
    match type_:
        case Primitive():
            return type_.value
        case ArrayOf(item):
            return f"array[{typed(item, depth)}]"
        case OneOf(values, closed):
            return " | ".join([*map(repr, values), *([] if closed else ["…"])])
        case UnionOf(members):
            return " | ".join(typed(member, depth) for member in members)
        case ObjectOf(properties, description):
            said = [_property(each, depth + 1) for each in properties] or ["…"]
            flat = len(said) < 4 and not any("\n" in each for each in said)
            start, between, end = ("", ", ", "") if flat else (_line(depth + 1), _line(depth + 1), _line(depth))
            return f"{{{start}{between.join(said)}{end}}}" + (f" ({description!r})" if description else "")


def _line(depth: int) -> str:
    return "\n" + "    " * depth


def _property(member: Property, depth: int) -> str:
    name = member.name if member.name.isidentifier() else repr(member.name)
    description = f" ({member.description!r})" if member.description else ""
    return f"{name}{'' if member.required else '?'}: {typed(member.type, depth)}{description}"
