"""What the reading of code nodes claims of a value, held against a value that a program really gave."""

from __future__ import annotations

from difygen.parser.dsl.code.values import Shape


def check_shape(value: object, shape: Shape | None, text: str) -> None:
    """What the shape says of a value holds."""
    if shape is None:
        return
    assert value is not None or shape.null, text
    if isinstance(value, list):
        for each in value:
            check_shape(each, shape.item, text)
    if isinstance(value, dict):
        for name, each in value.items():
            check_shape(each, shape.at(name), text)
