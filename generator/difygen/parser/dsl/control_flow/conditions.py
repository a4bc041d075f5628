"""What some runs have in common that others have not: which ways steps take, in as few words as can be.

A condition is true of exactly the runs that it was made for. A step that it names may not run at all: then it takes no
branch. Where a step is spoken of by what it tests alone, nobody sees whether it ran: a condition is true then whatever
it would have found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import reduce
from operator import and_, or_
from typing import NamedTuple, TypeAlias

from difygen.parser.dsl.control_flow.runs import Played
from difygen.record import Record

MAX_HANDLES = 300
"""Of how many branches conditions are made."""
MAX_EFFORT = 1_000_000
"""How many choices may be compared with runs. Beyond that, no condition is found."""
MAX_CASES = 4
MAX_SIZE = 8
"""How many choices a reader can take in. A condition of more is none."""


class Choice(NamedTuple):
    """A step takes one of some branches, by their handles. The empty step stands for what begins a run."""

    step: str
    handles: tuple[str, ...]


Case: TypeAlias = tuple[Choice, ...]
"""Choices that are all made."""


class Condition(Record):
    """One of the cases of `needed` holds, if there are any, and none of `excluded`."""

    needed: tuple[Case, ...] = ()
    excluded: tuple[Case, ...] = ()

    @property
    def size(self) -> int:
        """How much there is to read; long lists of branches are more than short ones."""
        choices = [choice for case in (*self.needed, *self.excluded) for choice in case]
        return len(choices) + sum(len(choice.handles) > 3 for choice in choices)


class Conditions:
    """Finds conditions for the runs that were played.

    `plain` are the steps that are spoken of by what they test alone.
    """

    def __init__(self, played: Played, plain: Collection[str]) -> None:
        self._played = played
        self._plain = plain
        self._steps = {step: handles for step, handles in played.choices.items() if len(handles) > 1}
        self._effort = MAX_EFFORT if sum(map(len, self._steps.values())) <= MAX_HANDLES else 0
        self._strict: dict[Choice, int] = {}
        self._lenient: dict[Choice, int] = {}
        self._found: dict[int, Condition | None] = {}

    def of(self, wanted: int) -> Condition | None:
        """Return what is true of the wanted runs and of no other; None if that is too much to say."""
        if wanted not in self._found:
            self._found[wanted] = min(self._all_of(wanted), key=lambda each: each.size, default=None)
        found = self._found[wanted]
        return found if found is not None and found.size <= MAX_SIZE else None

    def _all_of(self, wanted: int) -> Iterator[Condition]:
        every = self._played.every
        needed = self._cases(wanted, every)
        if needed is not None:
            yield Condition(needed=needed)
        excluded = self._cases(every & ~wanted, every)
        if excluded is not None:
            yield Condition(excluded=excluded)
        if common := self.common(wanted):
            universe = reduce(and_, map(self._making, common), every)
            needed, excluded = self._cases(universe, every), self._cases(universe & ~wanted, universe)
            if needed is not None and excluded is not None and len(needed) == 1:
                yield Condition(needed, excluded)

    def common(self, wanted: int) -> Case:
        """Return the choices that all wanted runs make."""
        common = []
        for step, handles in self._steps.items():
            choice = Choice(step, tuple(each for each in handles if self._making(Choice(step, (each,))) & wanted))
            if 0 < len(choice.handles) < len(handles) and not wanted & ~self._making(choice):
                common.append(choice)
        return tuple(common)

    def _cases(self, wanted: int, universe: int) -> tuple[Case, ...] | None:
        """Return cases of which one holds in exactly the wanted runs of the universe; None if they are too many."""
        found: list[tuple[int, Case]] = []
        left = wanted
        while left:
            if len(found) == MAX_CASES or self._effort <= 0:
                return None
            case = self._widest(left & -left, universe & ~wanted)
            runs = reduce(and_, map(self._making, case), universe)
            found.append((runs, case))
            left &= ~runs
        for each in list(found):  # those that others make superfluous
            others = reduce(or_, [runs for runs, case in found if case != each[1]], 0)
            if not each[0] & ~others:
                found.remove(each)
        return tuple(case for _, case in found)

    def _widest(self, run: int, unwanted: int) -> Case:
        """Return the fewest choices of one run that no unwanted run makes; then each with as many branches as can be.

        The last steps are left out first: what an earlier one decides is said of it.
        """
        case = [
            next(choice for handle in handles if self._making(choice := Choice(step, (handle,))) & run)
            for step, handles in self._steps.items()
            if self._making(Choice(step, handles)) & run
        ]
        for choice in reversed(case):
            without = [each for each in case if each is not choice]
            if not self._seeming(without, unwanted):
                case = without
        for number, choice in enumerate(case):
            others = self._seeming(case[:number] + case[number + 1 :], unwanted)
            for handle in self._steps[choice.step]:
                wider = self._with(case[number], handle)
                if len(wider.handles) < len(self._steps[choice.step]) and not self._seeming([wider], others):
                    case[number] = wider
        return tuple(case)

    def _with(self, choice: Choice, handle: str) -> Choice:
        return Choice(choice.step, tuple(e for e in self._steps[choice.step] if e in choice.handles or e == handle))

    def _making(self, choice: Choice) -> int:
        """Return the runs that make a choice."""
        if choice not in self._strict:
            ports = [(choice.step, handle) if choice.step else (handle, "") for handle in choice.handles]
            self._strict[choice] = self._played.taking(ports)
        return self._strict[choice]

    def _seeming(self, case: Iterable[Choice], among: int) -> int:
        """Return the runs of which a reader may think that they make all of some choices."""
        for choice in case:
            self._effort -= 1
            if choice not in self._lenient:
                is_plain = choice.step in self._plain
                missed = self._played.every & ~self._played.taking([(choice.step, "")]) if is_plain else 0
                self._lenient[choice] = self._making(choice) | missed
            among &= self._lenient[choice]
        return among
