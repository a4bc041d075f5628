"""What a program may compute, found by going through it once with abstract values: what all languages share.

A reader of a language walks its own syntax tree and calls these methods, each of which stands for something that
programs do: read and bind a name, make and change lists and objects, branch, repeat, catch, call. The machine keeps,
for where the walk is, what each name and each list or object may be. Ways that meet again are joined, repetitions are
gone through until nothing new comes of them, functions of the program are gone through at every call.

Whatever leaves the program (an argument of a function that is not known here, a member of an unknown object) may be
changed by anybody from then on, and counts as unknown forever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from difygen.model import ArrayOf, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_TEXT,
    BY_CODE,
    DATA,
    FOREIGN,
    MODULE,
    NOTHING,
    SOMETHING,
    TEXT,
    UNCERTAIN,
    Abstract,
    Container,
    Frame,
    Function,
    Shape,
    State,
    any_of,
    data,
    merged_members,
)
from difygen.record import Record

MAX_STEPS = 30_000
MAX_CALLS = 6
MAX_NESTING = 60
MAX_SHAPE = 6
MAX_GIVEN = 6
MAX_ROUNDS = 12


class UnfitError(Exception):
    """The program does something after which nothing can be said of it."""


class _Watch(Record):
    """Everything that was so at some time while something that may fail was done."""

    frame: Frame
    env: dict[str, Abstract]
    heap: dict[int, Container]


class Machine:
    """The state, and what can be done to it. See the head of this module."""

    def __init__(self) -> None:
        self.frame = Frame(None, frozenset())
        self.heap: dict[int, Container] = {}
        self.live = True
        self.shared: frozenset[str] = frozenset()
        """Names that functions bind for those around them: they may be anything at any time."""
        self.has_changed_data = False
        self._escaped: set[int] = set()
        self._repeated: set[int] = set()
        self._sites: dict[tuple[object, ...], int] = {}
        self._calls: list[tuple[Function, object]] = []
        self._watches: list[_Watch] = []
        self._shapes: dict[tuple[Abstract, int], Shape] = {}
        self._steps = 0

    def step(self) -> None:
        """Count a step: hostile programs are given up."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise UnfitError

    # -- places ---------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Return a copy of what is so here."""
        return State(dict(self.frame.env), dict(self.heap), self.live)

    def go_to(self, state: State) -> None:
        """Go on from another place."""
        self.frame.env, self.heap, self.live = dict(state.env), dict(state.heap), state.live

    def join(self, state: State) -> None:
        """Go on from here or from another place."""
        if not state.live:
            return
        if not self.live:
            self.go_to(state)
            return
        _join_into(self.frame.env, state.env)
        _join_into(self.heap, state.heap)

    def leave(self) -> None:
        """Let no run go on from here."""
        self.live = False

    # -- names ----------------------------------------------------------------------------------------------------

    def read(self, name: str) -> Abstract | None:
        """Return what a name may be, or None where no function of the program binds it."""
        if name in self.shared:
            return UNCERTAIN
        frame: Frame | None = self.frame
        while frame is not None:
            if name in frame.local or (frame.outer is None and name in frame.env):
                return frame.env.get(name, NOTHING) if frame.active else UNCERTAIN
            frame = frame.outer
        return None

    def bind(self, name: str, value: Abstract) -> None:
        """Give a name a value."""
        if name in self.shared or name in self.frame.exposed:
            self.give_away(value)
        self.frame.env[name] = value
        for watch in self._watches:
            if watch.frame is self.frame:
                watch.env[name] = watch.env.get(name, NOTHING) | value

    def narrow(self, name: str, keep: Callable[[Abstract], Abstract]) -> None:
        """Take from a name of this function what a test has ruled out."""
        if name in self.frame.env and name not in self.shared:
            self.frame.env[name] = keep(self.frame.env[name])

    def unbind(self, name: str) -> None:
        """Take a name away."""
        self.frame.env.pop(name, None)

    # -- lists and objects ----------------------------------------------------------------------------------------

    def make(self, node: object, container: Container) -> Abstract:
        """Make a list or an object at some place of the program."""
        key = (*[call for _, call in self._calls], node, container.is_list)
        site = self._sites.setdefault(key, len(self._sites))
        kept = container._replace(
            others=self.plain(container.others),
            members={name: (self.plain(value), sure) for name, (value, sure) in container.members.items()},
            order=None if container.order is None else tuple([self.plain(each) for each in container.order]),
        )
        if site in self.heap:
            self._repeated.add(site)
        self._put(site, kept)
        return Abstract(sites=frozenset((site,)))

    def make_list(self, node: object, members: Abstract) -> Abstract:
        """Make a list of any number of members."""
        return self.make(node, Container(True, members))

    def make_tuple(self, node: object, members: Iterable[Abstract]) -> Abstract:
        """Make a list of just these members."""
        order = tuple(members)
        return self.make(node, Container(True, any_of(order), order=order))

    def containers(self, value: Abstract) -> list[Container]:
        """Return the lists and objects that a value may be, but for those that anybody may have changed."""
        return [self.heap[site] for site in value.sites if site not in self._escaped and site in self.heap]

    def is_private(self, value: Abstract) -> bool:
        """Check whether nobody else can have changed the lists and objects that a value may be."""
        return not value.sites & self._escaped

    def change(self, value: Abstract, by: Callable[[Container], Container], *stored: Abstract) -> None:
        """Change the lists and objects that a value may be; `stored` comes to be in them."""
        if value.kinds & (DATA | FOREIGN | MODULE) or not self.is_private(value):
            for each in (value._replace(sites=frozenset()), *stored):
                self.give_away(each)
        is_one = len(value.sites) == 1 and not value.kinds
        for site in value.sites:
            if site in self.heap and site not in self._escaped:
                before = self.heap[site]
                after = by(before)
                self._put(site, after, replace=is_one and site not in self._repeated)

    def plain(self, value: Abstract) -> Abstract:
        """Return a value as it is kept where functions are not followed."""
        if not value.functions:
            return value
        self.give_away(value)
        return value._replace(functions=frozenset(), kinds=value.kinds | FOREIGN)

    def give_away(self, value: Abstract) -> None:
        """Let somebody have a value who may do anything with it, now and later."""
        waiting = [value]
        while waiting:
            each = waiting.pop()
            self.has_changed_data |= bool(each.kinds & DATA)
            for function in each.functions:
                frame: Frame | None = function.outer
                while frame is not None:
                    exposed = function.free - frame.exposed
                    frame.exposed |= exposed
                    waiting.extend(frame.env[name] for name in exposed if name in frame.env)
                    frame = frame.outer
            for site in each.sites - self._escaped:
                self._escaped.add(site)
                if site in self.heap:
                    container = self.heap[site]
                    waiting += [container.values, container.keys, *(container.order or ())]

    def _put(self, site: int, container: Container, *, replace: bool = False) -> None:
        if not replace and site in self.heap:
            container = self.heap[site] | container
        self.heap[site] = container
        for watch in self._watches:
            watch.heap[site] = watch.heap[site] | container if site in watch.heap else container
        if site in self._escaped:
            self.give_away(container.values | container.keys)

    # -- members --------------------------------------------------------------------------------------------------

    def member(self, value: Abstract, name: str, missing: Abstract = NOTHING) -> Abstract:
        """Return the member of that name; `missing` is what comes of a look for one that is not there."""
        found = NOTHING
        for container in self.containers(value):
            if not container.is_list:
                each, sure = container.at(name)
                found |= each if sure else each | missing
            else:
                found |= missing
        if value.kinds & DATA:
            found |= data(f"{value.path}.{name}" if value.path else "") | missing
        return found | self._unknown(value, FOREIGN | MODULE)

    def element(self, value: Abstract, index: int | None = None, missing: Abstract = NOTHING) -> Abstract:
        """Return the member of a list at a place, or any one of a list or an object; the part of a text."""
        found = missing
        for container in self.containers(value):
            order = container.order
            if index is not None and order is not None and -len(order) <= index < len(order):
                found |= order[index]
            else:
                found |= container.values
        if value.kinds & TEXT:
            found |= A_TEXT
        if value.kinds & DATA:
            found |= data(f"{value.path}[{'' if index is None else index}]" if value.path else "")
        return found | self._unknown(value, FOREIGN | MODULE)

    def elements(self, value: Abstract) -> Abstract:
        """Return what going through a value gives: members of lists, keys of objects, letters of texts."""
        found = NOTHING
        for container in self.containers(value):
            found |= container.others if container.is_list else container.names
        if value.kinds & TEXT:
            found |= A_TEXT
        if value.kinds & DATA:
            found |= data(f"{value.path}[]" if value.path else "")
        return found | self._unknown(value, FOREIGN | MODULE)

    def merged(self, container: Container, value: Abstract) -> Container:
        """Return an object after all members of a value were put into it."""
        results = [
            container._replace(
                members=merged_members(container, each),
                others=container.others | each.others,
                keys=container.keys | each.keys,
                rest=container.rest | each.rest,
            )
            for each in self.containers(value)
            if not each.is_list
        ]
        if value.kinds & (DATA | FOREIGN | MODULE) or len(results) < len(value.sites):
            anything = data(f"{value.path}[]") if value.is_only(DATA) and value.path else UNCERTAIN
            members = {name: (own | self.member(value, name), sure) for name, (own, sure) in container.members.items()}
            results.append(
                container._replace(members=members, others=container.others | anything, keys=container.keys | SOMETHING)
            )
        found = results[0] if results else container
        for each in results[1:]:
            found |= each
        return found

    def _unknown(self, value: Abstract, kinds: int) -> Abstract:
        """Return what is in a value of which nothing is known."""
        return UNCERTAIN if value.kinds & kinds or value.functions or not self.is_private(value) else NOTHING

    # -- ways -----------------------------------------------------------------------------------------------------

    def branch(self, assume: Callable[[bool], None], then: Callable[[], object], other: Callable[[], object]) -> None:
        """Go one of two ways."""
        before = self.state()
        assume(True)
        if self.live:
            then()
        after = self.state()
        self.go_to(before)
        assume(False)
        if self.live:
            other()
        self.join(after)

    def choose(
        self, assume: Callable[[bool], None], then: Callable[[], Abstract], other: Callable[[], Abstract]
    ) -> Abstract:
        """Return one of two values."""
        found: list[Abstract] = []
        self.branch(assume, lambda: found.append(then()), lambda: found.append(other()))
        return any_of(found)

    def repeat(self, begin: Callable[[], object], body: Callable[[], object], end: Callable[[], object]) -> None:
        """Do something any number of times: each time `begin`, then `body`; then `end`, unless it breaks off."""
        head = self.state()
        for _ in range(MAX_ROUNDS):
            self.step()
            self.go_to(head)
            before = (len(self._escaped), len(self._repeated), self._exposures())
            breaks, continues = self._loop(begin, body)
            for each in continues:
                self.join(each)
            self.join(head)
            after = self.state()
            if after == head and before == (len(self._escaped), len(self._repeated), self._exposures()):
                break
            head = after
        else:
            raise UnfitError
        self.go_to(head)
        end()
        for each in breaks:
            self.join(each)

    def _loop(self, begin: Callable[[], object], body: Callable[[], object]) -> tuple[list[State], list[State]]:
        ways: tuple[list[State], list[State]] = ([], [])
        begin()
        self.frame.loops.append(ways)
        if self.live:
            body()
        self.frame.loops.pop()
        return ways

    def _exposures(self) -> int:
        found, frame = 0, self.frame
        while True:
            found += len(frame.exposed)
            if frame.outer is None:
                return found
            frame = frame.outer

    def break_off(self) -> None:
        """Leave the innermost loop."""
        self._jump(0)

    def go_on(self) -> None:
        """Begin the next round of the innermost loop."""
        self._jump(1)

    def _jump(self, way: int) -> None:
        if self.live and self.frame.loops:
            self.frame.loops[-1][way].append(self.state())
        self.leave()

    def attempt(
        self,
        body: Callable[[], object],
        handlers: Iterable[Callable[[], object]],
        otherwise: Callable[[], object],
        last: Callable[[], object] | None = None,
    ) -> None:
        """Do something that may fail at any place: then one of the handlers, if there are any; `last` in any case."""
        if last is not None:
            begun = len(self.frame.loops[-1][0]) if self.frame.loops else 0, len(self.frame.exits)
            everything = self._watched(lambda: self.attempt(body, handlers, otherwise))
            normal = self.state()
            self.go_to(everything)
            for each in self.frame.exits[begun[1] :]:
                self.join(each)
            last()
            for each in self.frame.loops[-1][0] + self.frame.loops[-1][1] if self.frame.loops else ():
                _join_into(each.env, self.frame.env)
                _join_into(each.heap, self.heap)
            for each in self.frame.exits:
                _join_into(each.heap, self.heap)
            self.go_to(normal)
            last()
            return
        failed = self._watched(body)
        otherwise()
        after = [self.state()]
        for handler in handlers:
            self.go_to(failed)
            handler()
            after.append(self.state())
        self.leave()
        for each in after:
            self.join(each)

    def _watched(self, body: Callable[[], object]) -> State:
        """Return all that was so at some time while the body was done."""
        watch = _Watch(self.frame, dict(self.frame.env), dict(self.heap))
        live = self.live
        self._watches.append(watch)
        body()
        self._watches.pop()
        return State(watch.env, watch.heap, live)

    # -- functions ------------------------------------------------------------------------------------------------

    def finish(self, value: Abstract) -> None:
        """Return from the function."""
        if self.live:
            self.frame.result |= self.plain(value)
            self.frame.exits.append(self.state())
        self.leave()

    def call(
        self, function: Function, node: object, arguments: dict[str, Abstract], body: Callable[[], object]
    ) -> Abstract:
        """Return what a function of the program gives for these arguments. Recursion is not followed."""
        entered = [each for each, _ in self._calls]
        if function in entered or len(entered) >= MAX_CALLS or not function.outer.active:
            self.give_away(any_of(arguments.values()) | Abstract(functions=frozenset((function,))))
            return UNCERTAIN
        caller, self.frame = self.frame, Frame(function.outer, function.local)
        self._calls.append((function, node))
        for name, value in arguments.items():
            self.bind(name, value)
        body()
        frame = self.frame
        frame.active = False
        self._calls.pop()
        self.frame, env = caller, caller.env
        if self.live:
            frame.exits.append(State({}, self.heap, True))
        self.live, self.heap = False, {}
        for each in frame.exits:
            self.join(each._replace(env=env))
        return frame.result

    # -- what it is given -----------------------------------------------------------------------------------------

    def given(self, name: str, type_: Type, nullable: bool) -> Abstract:
        """Return a parameter of a type, which may be null."""
        value = self._of_type(name, type_, 0)
        return value._replace(null=frozenset((name,))) if nullable else value

    def _of_type(self, path: str, type_: Type, depth: int) -> Abstract:
        """Return a value of a type, at some place of what the program is given."""
        if depth > MAX_GIVEN:
            return data(path)
        match type_:
            case ArrayOf(item):
                return self.make_list(path, self._of_type(f"{path}[]", item, depth + 1))
            case ObjectOf(properties) if properties:
                members = {
                    each.name: (self._of_type(f"{path}.{each.name}", each.type, depth + 1), each.required)
                    for each in properties
                }
                return self.make(path, Container(False, members=members, rest=data(f"{path}[]")))
            case UnionOf(members):
                return any_of([self._of_type(path, each, depth + 1) for each in members])
            case Primitive.STRING | OneOf():
                return Abstract(TEXT, path=path)
            case Primitive.NUMBER | Primitive.INTEGER | Primitive.BOOLEAN:
                return A_NUMBER
            case Primitive.NULL:
                return Abstract(null=frozenset((path,)))
            case Primitive.ANY:
                return data(path)
        return data(path).there

    # -- results --------------------------------------------------------------------------------------------------

    def shape(self, value: Abstract, depth: int = 0) -> Shape:
        """Return what is known of a value once the program is done."""
        if (value, depth) not in self._shapes:  # most places hold one of a few values, each with two places inside
            self._shapes[value, depth] = self._shape(value, depth)
        return self._shapes[value, depth]

    def _shape(self, value: Abstract, depth: int) -> Shape:
        null = frozenset((BY_CODE,)) if self.has_changed_data and value.null else value.null
        if depth > MAX_SHAPE or value.kinds & (FOREIGN | MODULE) or not self.is_private(value):
            return Shape(null)
        containers = self.containers(value)
        inner = any_of([each.others for each in containers if each.is_list])
        objects = [each for each in containers if not each.is_list]
        names = {name for each in objects for name in each.members}
        rest = any_of([each.others | each.rest for each in objects])
        if value.kinds & DATA:
            inner |= data(f"{value.path}[]" if value.path else "")
        members = {name: self.shape(self.member(value, name), depth + 1) for name in sorted(names)}
        source = None
        if value.kinds & DATA:
            source = "" if self.has_changed_data else value.path
        return Shape(null, self.shape(inner, depth + 1), members, self.shape(rest, depth + 1), source)


def _join_into(target: dict, source: dict) -> None:  # type: ignore[type-arg]
    for key, value in source.items():
        if key not in target:
            target[key] = value
        elif target[key] is not value:
            target[key] = target[key] | value
