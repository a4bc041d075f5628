"""What the values of a program may be, as far as that can be said without running it: one notion for all languages.

An abstract value stands for every value that an expression may have in any run. Whatever is not understood becomes
`UNCERTAIN`, and nothing is ever taken away from a value but by a test of the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

TEXT, SMALL, NUMBER, DATA, FOREIGN, MODULE = 1, 2, 4, 8, 16, 32
"""Kinds: a text; a number below 2**53; any other finite number, or a truth value; what was read from JSON, of any type;
an object of somebody's library; a module or what is in one.
"""
BY_CODE = ""
"""The reason of a null that the code itself makes; other reasons are places in what it was given."""

MAX_PATH = 80
_NEVER: frozenset[str] = frozenset()
_NO_SITES: frozenset[int] = frozenset()
_NO_FUNCTIONS: frozenset[Function] = frozenset()


class Abstract(NamedTuple):
    """What an expression may be: any of the `kinds`, null for one of the reasons `null`, one of the lists and objects
    `sites`, one of the `functions` of the program.

    `path` is where data or a text comes from, and the name of what is a module's.
    """

    kinds: int = 0
    null: frozenset[str] = _NEVER
    sites: frozenset[int] = _NO_SITES
    functions: frozenset[Function] = _NO_FUNCTIONS
    path: str = ""

    def __or__(self, other: Abstract) -> Abstract:
        """Return what may be either."""
        if self == other or other == NOTHING:
            return self
        if self == NOTHING:
            return other
        named = [each.path for each in (self, other) if each.kinds & (TEXT | DATA | MODULE)]
        path = named[0] if named and named.count(named[0]) == len(named) else ""
        return Abstract(
            self.kinds | other.kinds,
            self.null | other.null,
            self.sites | other.sites,
            self.functions | other.functions,
            path,
        )

    def is_only(self, kind: int) -> bool:
        """Check whether it is of that kind, or null."""
        return self.kinds == kind and not self.sites and not self.functions

    @property
    def there(self) -> Abstract:
        """The same without null."""
        return self._replace(null=_NEVER) if self.null else self


NOTHING = Abstract()
"""No value at all: what is computed only in runs that fail."""
NULL = Abstract(null=frozenset((BY_CODE,)))
A_TEXT, A_NUMBER, A_SMALL = Abstract(TEXT), Abstract(NUMBER), Abstract(SMALL)
SOMETHING = Abstract(FOREIGN)
"""Anything but null."""
UNCERTAIN = Abstract(FOREIGN, null=frozenset((BY_CODE,)))


def data(path: str, reason: str | None = None) -> Abstract:
    """Return what stands at a place in data from outside, which may be null there."""
    if len(path) > MAX_PATH:
        path = ""
    return Abstract(DATA, frozenset((path if reason is None else reason,)), path=path)


def any_of(values: Iterable[Abstract]) -> Abstract:
    """Return what may be each of several values."""
    found = NOTHING
    for each in values:
        found |= each
    return found


class Container(NamedTuple):
    """What is in a list, a tuple, a set or an object.

    `members` are those of an object by name, and whether the name is there for sure; `rest` are those by other names.
    `others` are members of which nobody knows where they are: all of a list, and those of an object whose key is not
    written out, such as `keys`. `order` holds the members of a list that has just these.
    """

    is_list: bool
    others: Abstract = NOTHING
    keys: Abstract = NOTHING
    members: Mapping[str, tuple[Abstract, bool]] = {}
    rest: Abstract = NOTHING
    order: tuple[Abstract, ...] | None = None

    def __or__(self, other: Container) -> Container:
        """Return what may be either."""
        if self is other or self == other:
            return self
        members = {}
        for name in self.members.keys() | other.members.keys():
            (mine, sure), (yours, certain) = (each.members.get(name, (each.rest, False)) for each in (self, other))
            members[name] = (mine | yours, sure and certain)
        order = None
        if self.order is not None and other.order is not None and len(self.order) == len(other.order):
            order = tuple([one | another for one, another in zip(self.order, other.order, strict=True)])
        others, keys, rest = self.others | other.others, self.keys | other.keys, self.rest | other.rest
        return Container(self.is_list, others, keys, members, rest, order)

    def at(self, name: str) -> tuple[Abstract, bool]:
        """Return the member of an object and whether it is there for sure."""
        value, sure = self.members.get(name, (self.rest, False))
        return value | self.others, sure

    @property
    def values(self) -> Abstract:
        """Any member."""
        return any_of([self.others, self.rest, *(value for value, _ in self.members.values())])

    @property
    def names(self) -> Abstract:
        """Any key of an object."""
        return self.keys | A_TEXT if self.members or self.rest != NOTHING else self.keys


def put(container: Container, name: str, value: Abstract) -> Container:
    """Return an object after a value was put at a name."""
    if container.is_list:
        return put_anywhere(container, value, NOTHING)
    return container._replace(members={**container.members, name: (value, True)})


def put_anywhere(container: Container, value: Abstract, key: Abstract) -> Container:
    """Return a list or an object after a value was put at a place that is not known."""
    return container._replace(others=container.others | value, keys=container.keys | key, order=None)


def append(container: Container, value: Abstract) -> Container:
    order = None if container.order is None else (*container.order, value)
    return container._replace(others=container.others | value, order=order if order and len(order) < 9 else None)


def loosened(container: Container) -> Container:
    """Return a list or an object after something was taken out, or its order was changed."""
    return container._replace(
        order=None, members={name: (value, False) for name, (value, _) in container.members.items()}
    )


def merged_members(first: Container, second: Container) -> dict[str, tuple[Abstract, bool]]:
    """Return the members of an object after all members of a second one were put into it."""
    members = dict(second.members)
    for name, (value, sure) in second.members.items():
        if not sure:
            own, there = first.members.get(name, (first.rest, False))
            members[name] = (value | own, there)
    for name, (own, there) in first.members.items():
        members.setdefault(name, (own | second.rest, there))
    return members


class Function:
    """A function of the program. `outer` is where it was made; `free` are the names that it uses and does not bind."""

    __slots__ = ("defaults", "free", "local", "node", "outer")

    def __init__(self, node: object, outer: Frame, local: frozenset[str], free: frozenset[str]) -> None:
        self.node, self.outer, self.local, self.free = node, outer, local, free
        self.defaults: dict[str, Abstract] = {}


class Frame:
    """The names of one call. Those that are `exposed` may be used at any time by somebody who is not seen."""

    __slots__ = ("active", "env", "exits", "exposed", "local", "loops", "outer", "result")

    def __init__(self, outer: Frame | None, local: frozenset[str]) -> None:
        self.outer, self.local = outer, local
        self.env: dict[str, Abstract] = {}
        self.exposed: set[str] = set()
        self.loops: list[tuple[list[State], list[State]]] = []
        self.result = NOTHING
        self.exits: list[State] = []
        self.active = True


class State(NamedTuple):
    """What names, lists and objects may be at some place; `live` says whether a run can come there."""

    env: dict[str, Abstract]
    heap: dict[int, Container]
    live: bool


class Shape(NamedTuple):
    """What a program returns: `null` are the reasons for which it may be null, none where it never is.

    `item` is the shape of the members of lists, `members` are those of the members of objects, and `others` that of
    members by other names; None where nothing can be said. `data` is set where it may be an object from outside: the
    place that it comes from, empty where that is not known.
    """

    null: frozenset[str]
    item: Shape | None = None
    members: Mapping[str, Shape] = {}
    others: Shape | None = None
    data: str | None = None

    def at(self, name: str) -> Shape | None:
        """Return the shape of a member."""
        found = self.members.get(name, self.others)
        if found is None or self.data is None or name in self.members:
            return found
        return Shape(found.null | {f"{self.data}.{name}" if self.data else BY_CODE})
