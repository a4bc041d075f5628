"""What an app gives: the outputs of its End nodes, each alone and all together, or what its Answer nodes say.

Knows no other node type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from difygen.diagnostics import Diagnostics
from difygen.model import (
    CHATFLOW,
    AnswerTemplate,
    AppKind,
    ArrayOf,
    JsonValue,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    TemplatePiece,
    Type,
    UnionOf,
)
from difygen.parser.dsl.conditions import ONLY, Producer
from difygen.parser.dsl.dataflow import Resolver
from difygen.parser.dsl.graph import PATH, Step, mapping, sequence, text, texts
from difygen.parser.dsl.node_fields import Value
from difygen.record import Record
from difygen.types import any_if_null, merge, type_of, without_null
from difygen.wording import named, quoted

JOINED = "answer"
"""The key that Dify does not overwrite when several End nodes give it: it joins their texts (since 1.9)."""

MAX_COMPARED = 100


class Item(Record):
    """One output of one End node; `null` says why it may have no value though its producer has all that it requires."""

    end: Step
    number: int
    name: str
    selector: tuple[str, ...]
    type: Type
    producer: Producer
    null: str

    @property
    def is_nothing(self) -> bool:
        """Whether the End node never has a value for it."""
        return any(not each.ports for each in self.producer.requirements)

    @property
    def path(self) -> tuple[str | int, ...]:
        """Where the file says it."""
        return (*PATH, self.end.index, "data", "outputs", self.number)


def read_outputs(resolver: Resolver, kind: AppKind, report: Diagnostics) -> tuple[Output, ...]:
    """Return everything that the End nodes may give, in the order of the file."""
    ends = [step for step in resolver.graph.steps.values() if step.type in kind.terminal_nodes]
    if not ends and resolver.graph.first("start") is not None:  # one that a trigger starts seldom gives anything
        report.warn("no-end-node", "The workflow has no End node, so it gives no outputs.", PATH)
    items: dict[str, list[Item]] = {}
    for end in ends:
        if end.parent is None and not resolver.runs(None).reaches(end.id):
            report.warn(
                "unreachable-end", f"No way leads to the End node {end}, so its outputs never come.", (*PATH, end.index)
            )
        for item in _items(end, resolver, report):
            items.setdefault(item.name, []).append(item)
    return tuple(_output(name, found, resolver) for name, found in items.items())


def _items(end: Step, resolver: Resolver, report: Diagnostics) -> list[Item]:
    """Return the outputs of one End node. Of several with one name, Dify keeps the last."""
    outputs: dict[str, list[int]] = {}
    every = [mapping(each) for each in sequence(end.data.get("outputs"))]
    for index, each in enumerate(every):
        is_blank = each.get("variable") == "" and not texts(each.get("value_selector"))  # a row never filled in
        if "variable" in each and not is_blank:
            outputs.setdefault(text(each.get("variable")), []).append(index)
    items = []
    for name, indexes in outputs.items():
        items.append(_item(end, indexes[-1], every[indexes[-1]], resolver, report))
        if len(indexes) > 1:
            message = f"The End node {end} gives {quoted(name)} {len(indexes)} times; the last one counts."
            report.warn("repeated-output", message, items[-1].path)
    return items


def _item(end: Step, index: int, output: Mapping[str, JsonValue], resolver: Resolver, report: Diagnostics) -> Item:
    name, selector = text(output.get("variable")), texts(output.get("value_selector"))
    value = resolver.resolve(output.get("value_selector"), end.parent)
    producer, null = resolver.producer(value, end), value.null
    if impossible := [each for each in producer.requirements if not each.ports]:
        null = null or impossible[0].words
    elif not resolver.decided(list(selector), end):
        late = f"null when {resolver.graph.steps[selector[0]]} is not done by the time that {end} runs"
        null = f"{late}; {null}" if null else late
    path = (*PATH, end.index, "data", "outputs", index)
    note = output.get("value_type")
    if resolver.is_guessed(selector, value) or (len(selector) > 2 and type_of(note) == ObjectOf()):
        note = None  # the editor notes `object` for whatever stands within one
    type_ = _settled(name, end, value, note, report, path)
    return Item(end, index, name, selector, type_, producer, null)


def _settled(
    name: str, end: Step, value: Value, word: JsonValue, report: Diagnostics, path: tuple[str | int, ...]
) -> Type:
    """Return the type to go by: the one that was found, else the one that the editor noted.

    Warns where that is in doubt.
    """
    noted = type_of(word)
    found, _ = without_null(value.type)
    if value.type is Primitive.NULL:
        reason = _reason(value)
        report.warn(_code(value), f"The output {quoted(name)} of {end} is always null: {reason}.", path)
        return noted or Primitive.ANY
    if value.unknown is not None:
        if noted is not None and noted is not Primitive.ANY and noted != ArrayOf(Primitive.ANY):
            return noted
        whole = found is Primitive.ANY
        kind = "can be of any type" if whole else "has parts that can be of any type"
        report.warn(_code(value), f"The output {quoted(name)} of {end} {kind}: {_reason(value)}.", path)
        return found
    if noted is not None and not _agree(found, noted):
        message = (
            f"The End node {end} notes {quoted(text(word))} for {quoted(name)}, but its source gives another type."
        )
        report.warn(
            "stale-value-type",
            message,
            path,
            "The type of the source is used. Choosing the variable again in Dify updates the note.",
        )
    return found


def _code(value: Value) -> str:
    return value.unknown.code if value.unknown is not None else "unknown"


def _reason(value: Value) -> str:
    return value.unknown.reason if value.unknown is not None else "nothing is known of it"


def _agree(found: Type, noted: Type) -> bool:
    """Return whether the editor's coarse type allows what was found."""
    if found is Primitive.ANY or noted is Primitive.ANY:
        return True
    if isinstance(found, UnionOf):
        return any(_agree(each, noted) for each in found.members)
    if isinstance(noted, ArrayOf):
        return isinstance(found, ArrayOf) and _agree(found.item, noted.item)
    return _coarse(found) == _coarse(noted)


def _coarse(type_: Type) -> object:
    if isinstance(type_, OneOf):
        return Primitive.STRING
    if isinstance(type_, ObjectOf | ArrayOf):
        return type(type_)
    return Primitive.NUMBER if type_ is Primitive.INTEGER else type_


def _output(name: str, items: list[Item], resolver: Resolver) -> Output:
    possible = [item for item in items if item.end.parent is not None or resolver.runs(None).reaches(item.end.id)]
    reasons = _reasons(items, possible, resolver)
    types = [item.type for item in possible or items]
    if name == JOINED and _may_be_joined(possible, resolver):
        types.insert(0, Primitive.STRING)
    return Output(
        name=name,
        type=merge(*types),
        optional=bool(reasons),
        reason="; ".join(dict.fromkeys(reasons)),
        selectors=tuple(dict.fromkeys(item.selector for item in items if item.selector)),
    )


def _reasons(items: list[Item], possible: list[Item], resolver: Resolver) -> list[str]:
    """Return why an output may be missing: first over all End nodes that give it, then what each may lack itself."""
    if possible and all(item.is_nothing for item in possible):
        return [item.null for item in possible]
    missing = _missing(items, resolver)
    if missing.startswith("never"):
        return [missing]
    lacks = ["" if item.is_nothing else _lack(item, resolver) for item in possible]
    if len(set(lacks)) > 1:
        lacks = [f"from {item.end}, {lack}" if lack else "" for item, lack in zip(possible, lacks, strict=True)]
    return [each for each in (missing, *lacks) if each]


def _lack(item: Item, resolver: Resolver) -> str:
    """Return why one End node may give no value although it runs and all is done that the value requires."""
    within = resolver.sentences(item.end.parent).missing([item.producer]) if item.end.parent is not None else ""
    return "; ".join(each for each in (within, item.null) if each)


def _missing(items: list[Item], resolver: Resolver) -> str:
    """Return when no End node gives an output."""
    outer = [item.producer for item in items if item.end.parent is None]
    missing = resolver.sentences(None).missing(outer) if outer else ""
    containers = {str(resolver.graph.steps[item.end.parent]) for item in items if item.end.parent is not None}
    if not containers or (outer and not missing):
        return missing
    rounds = f"{' or '.join(sorted(containers))} goes through a round"
    return f"{missing}, unless {rounds}" if missing and not missing.startswith("never") else f"only when {rounds}"


def _may_be_joined(items: list[Item], resolver: Resolver) -> bool:
    if any(item.end.parent is not None for item in items):
        return True
    runs = resolver.runs(None)
    ids = [item.end.id for item in items]
    return len(ids) > MAX_COMPARED or any(
        runs.together(first, second) for number, first in enumerate(ids) for second in ids[:number]
    )


# What the Answer nodes of a chatflow say


_REFERENCE = r"\{\{#([a-zA-Z0-9_]{1,50}(?:\.[a-zA-Z_][a-zA-Z0-9_]{0,29}){1,10})#\}\}"
"""What the engine takes for a reference; anything else in a template is text."""


def read_answers(resolver: Resolver, report: Diagnostics) -> tuple[AnswerTemplate, ...]:
    """Return what the Answer nodes say, in the order of the file."""
    steps = [step for step in resolver.graph.steps.values() if step.type in CHATFLOW.terminal_nodes]
    if not steps:
        report.warn("no-answer-node", "The chatflow has no Answer node, so it answers nothing.", PATH)
    return tuple(_answer(step, resolver, report) for step in steps)


def _answer(step: Step, resolver: Resolver, report: Diagnostics) -> AnswerTemplate:
    reason = resolver.sentences(step.parent).missing([Producer(step.id)])
    if step.parent is not None:
        rounds = f"only when {resolver.graph.steps[step.parent]} goes through a round"
        within = f" in which {reason[len(ONLY) :]}" if reason.startswith(ONLY) else f"; in each, {reason}"
        reason = rounds + within if reason else rounds
    elif not resolver.runs(None).reaches(step.id):
        message = f"No way leads to the Answer node {step}, so what it says never comes."
        report.warn("unreachable-answer", message, (*PATH, step.index))
    return AnswerTemplate(node=step.id, pieces=tuple(_pieces(step, resolver, report)), reason=reason)


def _pieces(step: Step, resolver: Resolver, report: Diagnostics) -> Iterator[TemplatePiece]:
    """Take a template apart; `split` gives texts and references by turns."""
    for number, each in enumerate(re.split(_REFERENCE, text(step.data.get("answer")))):
        if number % 2 == 0:
            if each:
                yield TemplatePiece(text=each)
            continue
        selector = tuple(each.split("."))
        value = resolver.resolve(list(selector), step.parent)
        if value.type is Primitive.NULL:
            why = value.unknown.reason if value.unknown is not None else "nothing is known of it"
            message = f"The Answer node {step} refers to {named(each)}, which is always empty: {why}."
            report.warn("empty-reference", message, (*PATH, step.index, "data", "answer"))
        yield TemplatePiece(selector=selector, type=any_if_null(without_null(value.type)[0]))
