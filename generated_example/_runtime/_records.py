"""Typed views of JSON objects: one slot for the payload, members read when asked for.

A view costs next to nothing to make, keeps everything that the server sent, and takes a
null or a wrong type for "not there". Knows nothing of what the payloads mean.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Generic, Self, TypeVar, cast, overload

T = TypeVar("T")


class Record:
    """A JSON object from the server. `raw` is all of it, as it came."""

    __slots__ = ("raw",)
    _shown = ""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    @property
    def members(self) -> dict[str, Any]:
        """The object that the attributes are read from."""
        return self.raw

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.raw == self.raw

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={getattr(self, name)!r}" for name in self._shown.split()
        )
        return f"{type(self).__name__}({shown})"


class Member(Generic[T]):
    """An attribute of a `Record`: the payload's member of the same name, converted."""

    __slots__ = ("_convert", "_name")

    def __init__(self, convert: Callable[[Any], T], name: str = "") -> None:
        self._convert = convert
        self._name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = self._name or name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> T: ...
    def __get__(self, record: Record | None, owner: type) -> Self | T:
        if record is None:
            return self
        return self._convert(record.members.get(self._name))


def to_text(value: Any) -> str:
    """The text, or "" where there is none."""
    return value if isinstance(value, str) else ""


def to_maybe_text(value: Any) -> str | None:
    """The text, or None where there is none."""
    return value if isinstance(value, str) else None


def to_integer(value: Any) -> int:
    """The whole number, or 0 where there is none."""
    return to_maybe_integer(value) or 0


def to_maybe_integer(value: Any) -> int | None:
    """The whole number, or None where there is none."""
    if isinstance(value, float) and not isfinite(value):  # Python reads NaN, Infinity
        return None
    return int(value) if isinstance(value, int | float) else None


def to_real(value: Any) -> float:
    """The number, or 0.0 where there is none."""
    try:
        return float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:
        return 0.0


def to_flag(value: Any) -> bool:
    """Whether the value is true."""
    return value is True


def to_object(value: Any) -> dict[str, Any]:
    """The JSON object, or an empty one where there is none."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def to_maybe_object(value: Any) -> dict[str, Any] | None:
    """The JSON object, or None where there is none."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def to_objects(value: Any) -> tuple[dict[str, Any], ...]:
    """The JSON objects of an array."""
    items = cast(list[object], value) if isinstance(value, list) else []
    objects = (to_maybe_object(item) for item in items)
    return tuple(item for item in objects if item is not None)


def to_texts(value: Any) -> tuple[str, ...]:
    """The strings of an array."""
    items = cast(list[object], value) if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str))


def to_moment(value: Any) -> datetime | None:
    """The moment in time, in UTC; None where there is none.

    Dify sends whole unix seconds; run details had RFC 822 dates before 1.2.0, and a few
    endpoints have ISO 8601.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and value:
            return _parse_moment(value)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _parse_moment(text: str) -> datetime:
    if text[0].isdigit():
        moment = datetime.fromisoformat(text)
    else:
        from email.utils import parsedate_to_datetime

        moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_text(name: str = "") -> Member[str]:
    """A member that is a text, or an empty one."""
    return Member(to_text, name)


def read_maybe_text(name: str = "") -> Member[str | None]:
    """A member that is a text, if there is one."""
    return Member(to_maybe_text, name)


def read_integer(name: str = "") -> Member[int]:
    """A member that is a whole number, or 0."""
    return Member(to_integer, name)


def read_maybe_integer(name: str = "") -> Member[int | None]:
    """A member that is a whole number, if there is one."""
    return Member(to_maybe_integer, name)


def read_real(name: str = "") -> Member[float]:
    """A member that is a number, or 0.0."""
    return Member(to_real, name)


def read_flag(name: str = "") -> Member[bool]:
    """A member that is whether something is so."""
    return Member(to_flag, name)


def read_object(name: str = "") -> Member[dict[str, Any]]:
    """A member that is an object, or an empty one."""
    return Member(to_object, name)


def read_maybe_object(name: str = "") -> Member[dict[str, Any] | None]:
    """A member that is an object, if there is one."""
    return Member(to_maybe_object, name)


def read_objects(name: str = "") -> Member[tuple[dict[str, Any], ...]]:
    """A member that is the objects of an array."""
    return Member(to_objects, name)


def read_texts(name: str = "") -> Member[tuple[str, ...]]:
    """A member that is the strings of an array."""
    return Member(to_texts, name)


def read_moment(name: str = "") -> Member[datetime | None]:
    """A member that is a moment in time, if there is one."""
    return Member(to_moment, name)
