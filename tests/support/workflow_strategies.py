"""Hypothesis strategies for workflows: every field of the model, hostile texts included."""

from __future__ import annotations

from typing import TypeVar

from difygen.model import (
    INPUT_KINDS,
    AnswerTemplate,
    App,
    ArrayOf,
    Edge,
    Example,
    Features,
    Input,
    JsonValue,
    Node,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    TemplatePiece,
    Tool,
    TurnFiles,
    Type,
    UnionOf,
    Variable,
)
from hypothesis import strategies as st

texts = st.text(max_size=12)
names = st.one_of(
    st.sampled_from(["result", "text", "n", "class", "结果", "a b", "A"]), st.text(min_size=1, max_size=8)
)
numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)


T = TypeVar("T")


def tuples_of(values: st.SearchStrategy[T], *, least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(values, min_size=least, max_size=most).map(tuple)


def _objects(types: st.SearchStrategy[Type]) -> st.SearchStrategy[ObjectOf]:
    properties = st.builds(Property, names, types, st.booleans(), texts)
    unique = st.lists(properties, max_size=3, unique_by=lambda one: one.name).map(tuple)
    return st.builds(ObjectOf, unique, texts)


def _compound(types: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    unions = st.lists(types.filter(lambda one: not isinstance(one, UnionOf)), min_size=2, max_size=3, unique=True)
    return st.one_of(st.builds(ArrayOf, types), _objects(types), unions.map(lambda members: UnionOf(tuple(members))))


one_of = st.builds(OneOf, tuples_of(texts, least=1), st.booleans())
types: st.SearchStrategy[Type] = st.recursive(st.one_of(st.sampled_from(Primitive), one_of), _compound, max_leaves=6)

inputs = st.builds(
    Input,
    name=names,
    kind=st.sampled_from(INPUT_KINDS),
    required=st.booleans(),
    default=json_values,
    label=texts,
    description=texts,
    max_length=st.none() | st.integers(0, 9999),
    options=tuples_of(texts),
    allowed_file_types=tuples_of(texts),
    allowed_file_extensions=tuples_of(texts),
    allowed_file_upload_methods=tuples_of(texts),
    type=st.none() | _objects(types),
)
outputs = st.builds(
    Output,
    name=names,
    type=types,
    optional=st.booleans(),
    reason=texts,
    description=texts,
    selectors=tuples_of(tuples_of(texts)),
)
nodes = st.builds(Node, id=names, type=texts, title=texts, parent=st.none() | names)
objects = st.dictionaries(texts, json_values, max_size=2)

pieces = st.builds(TemplatePiece, text=texts) | st.builds(TemplatePiece, selector=tuples_of(names, least=1), type=types)

workflows = st.builds(
    App,
    name=names,
    source=texts,
    mode=st.sampled_from(["workflow", "chat"]),
    title=texts,
    description=texts,
    inputs=tuples_of(inputs),
    outputs=tuples_of(outputs),
    nodes=tuples_of(nodes),
    variables=tuples_of(st.builds(Variable, name=names, type=types, initial=json_values, description=texts)),
    answers=tuples_of(st.builds(AnswerTemplate, node=names, pieces=tuples_of(pieces), reason=texts)),
    tools=tuples_of(st.builds(Tool, name=names, label=texts, provider=texts)),
    files=st.none()
    | st.builds(
        TurnFiles,
        types=tuples_of(texts),
        extensions=tuples_of(texts),
        methods=tuples_of(texts),
        max_count=st.none() | st.integers(1, 9),
    ),
    features=st.builds(
        Features,
        opening_statement=texts,
        suggested_questions=tuples_of(texts),
        suggested_questions_after_answer=st.booleans(),
        speech_to_text=st.booleans(),
        text_to_speech=st.booleans(),
        auto_play=st.booleans(),
        citations=st.booleans(),
        moderation=st.booleans(),
        annotation_reply=st.booleans(),
    ),
    edges=tuples_of(st.builds(Edge, source=names, target=names, handle=texts)),
    examples=tuples_of(st.builds(Example, inputs=objects, outputs=objects), most=1),
)
