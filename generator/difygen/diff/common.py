"""What the parts of a comparison have in common: what they find, and differences that all kinds of things can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from difygen.diff.types import properties
from difygen.model import ObjectOf
from difygen.project.lock import NOTHING

Found = tuple[str, str, str]
"""Rule, subject, message."""


class PublicNames(NamedTuple):
    """The Python names of a generated module: of inputs and outputs by wire name, of node constants by id, and what it exports."""

    inputs: Mapping[str, str] = NOTHING
    outputs: Mapping[str, str] = NOTHING
    nodes: Mapping[str, str] = NOTHING
    exports: Sequence[str] = ()


def renamed(
    what: str, subject: str, wire: str, old_names: Mapping[str, str], new_names: Mapping[str, str]
) -> Iterator[Found]:
    was, is_ = old_names.get(wire, wire), new_names.get(wire, wire)
    if was != is_:
        yield f"{what}-renamed", subject, f"`{was}` is now called `{is_}`."


def reordered(subject: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Found]:
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "order-changed", subject, "The order changed."


def described(subject: str, old: ObjectOf, new: ObjectOf) -> Iterator[Found]:
    texts = [
        (type_.description, {member.name: member.description for member in type_.properties}) for type_ in (old, new)
    ]
    if texts[0][0] != texts[1][0] or any(texts[1][1].get(name, text) != text for name, text in texts[0][1].items()):
        yield "text-changed", subject, "Its description changed."
    yield from reordered(subject, list(properties(old)), list(properties(new)))
