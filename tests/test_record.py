"""Records behave as frozen data classes do."""

from __future__ import annotations

import copy
import pickle

import pytest
from difygen.model import ArrayOf, Edge, Node, OneOf, Primitive, UnionOf
from difygen.record import defaults, replace


def test_members_are_given_by_name_or_in_their_order() -> None:
    assert OneOf(("a",)) == OneOf(values=("a",), closed=True) == OneOf(("a",), True)
    assert repr(OneOf(("a",))) == "OneOf(values=('a',), closed=True)"
    assert vars(Edge(target="b", source="a")) == {"source": "a", "target": "b", "handle": "source"}


@pytest.mark.parametrize(
    ("values", "members"),
    [
        ((), {}),  # nothing for a member that has no default
        ((), {"value": ("a",)}),
        ((("a",),), {"close": False}),
        ((("a",),), {"values": ("a",)}),  # the same one twice
        ((("a",), True, 1), {}),
    ],
)
def test_wrong_members_are_refused(values: tuple[object, ...], members: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="OneOf takes values, closed; not"):
        OneOf(*values, **members)  # type: ignore[arg-type]


def test_members_that_have_to_be_named_are_not_taken_by_their_order() -> None:
    with pytest.raises(TypeError, match="Edge takes source, target, handle; not 2 values"):
        Edge("a", "b")  # type: ignore[call-arg]


def test_records_are_equal_within_one_class_alone() -> None:
    assert ArrayOf(Primitive.ANY) == ArrayOf(Primitive.ANY) != ArrayOf(Primitive.STRING)
    assert OneOf(("a",)) != UnionOf(("a",)) != ("a",)  # type: ignore[arg-type]
    assert len({ArrayOf(Primitive.ANY), ArrayOf(item=Primitive.ANY), OneOf(("a",)), OneOf(("a",), True)}) == 2


def test_nothing_changes_a_record() -> None:
    node = Node(id="1", type="llm", title="Answer")
    with pytest.raises(AttributeError, match=r"Node\.title cannot be set"):
        node.title = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"Node\.title cannot be removed"):
        del node.title
    assert replace(node, title="x", parent="2") == Node(id="1", type="llm", title="x", parent="2")
    assert node.title == "Answer"
    with pytest.raises(TypeError, match="Node takes"):
        replace(node, name="x")


def test_records_are_matched_copied_and_pickled() -> None:
    type_ = UnionOf((ArrayOf(Primitive.STRING), Primitive.NULL))
    match type_:
        case UnionOf((ArrayOf(item), null)):
            assert (item, null) == (Primitive.STRING, Primitive.NULL)
        case _:
            pytest.fail("not matched")
    assert pickle.loads(pickle.dumps(type_)) == copy.deepcopy(type_) == copy.copy(type_) == type_


def test_a_class_of_records_tells_its_defaults() -> None:
    assert dict(defaults(Edge)) == {"source": ..., "target": ..., "handle": "source"}
