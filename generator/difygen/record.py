"""Frozen records with named members: what a frozen data class is to its callers, and to type checkers.

A data class compiles five methods of its own, which takes half a millisecond; a named tuple takes a fifth of that.
Records share their methods. What every run that generates imports is one; only what is compared in order, taken apart,
or made by the thousand is a named tuple.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

RecordT = TypeVar("RecordT", bound="Record")

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""A mapping without members, as a default that nobody can fill."""


@dataclass_transform(frozen_default=True)
class Record:
    """Something with the members that the annotations of its class name.

    Two are equal if they are of one class and all their members are. With `kw_only`, members are given by name alone.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _members: ClassVar[Mapping[str, object]] = NOTHING
    _defaults: ClassVar[Mapping[str, object]] = NOTHING

    def __init_subclass__(cls, *, kw_only: bool = False) -> None:
        cls._members = {name: cls.__dict__.get(name, ...) for name in cls.__annotations__}
        cls._defaults = {name: cls.__dict__[name] for name in cls._members if name in cls.__dict__}
        positional = () if kw_only else tuple(cls._members)
        setattr(cls, "__match_args__", positional)  # noqa: B010 - mypy lets nobody assign it

    def __init__(self, *values: Any, **members: Any) -> None:
        count = len(values) + len(members)
        if values:
            members = {**dict(zip(self.__match_args__, values, strict=False)), **members}
        found = self.__dict__
        found.update(self._defaults)
        found.update(members)
        if found.keys() != self._members.keys() or len(members) != count:
            given = f"{len(values)} values and {', '.join(members) or 'no names'}"
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._members)}; not {given}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: records do not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be removed: records do not change")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *map(self.__dict__.__getitem__, self._members)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._members)})"


def replace(record: RecordT, **changes: Any) -> RecordT:
    """Return a record with other values for some members."""
    return type(record)(**{**vars(record), **changes})


def defaults(record: type[Record]) -> Mapping[str, object]:
    """Return the members of a class of records with their defaults, `...` for those that have none."""
    return record._members
