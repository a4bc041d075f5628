"""Members of an event's data, whatever a server makes of them: a value of the wrong type is as good as none."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any


def to_text(value: object) -> str:
    """The text, or an empty one."""
    return value if isinstance(value, str) else ""


def to_mapping(value: object) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def to_number(value: object) -> float | None:
    """The number, if it is a finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def to_integer(value: object) -> int | None:
    """The number without its fraction."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = to_number(value)
    return None if number is None else int(number)


def to_price(metadata: Mapping[str, Any]) -> str:
    """What an execution cost, with its currency; empty for nothing. The amount is a text or a number, by version."""
    price = metadata.get("total_price")
    if not isinstance(price, str | int | float) or not any(digit in "123456789" for digit in str(price)):
        return ""
    return f"{price} {to_text(metadata.get('currency'))}".strip()
