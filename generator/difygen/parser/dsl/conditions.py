"""When a value is there, over all the places that give it and over all runs: as a condition, and in words.

A condition says what some runs have in common that others have not: which ways steps take, in as few choices as can be.
It is true of exactly the runs that it was made for. A step that it names may not run at all: then it takes no branch.
Where a step is spoken of by what it tests alone, nobody sees whether it ran: a condition is true then whatever it would
have found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property, reduce
from itertools import chain
from operator import and_, or_
from typing import NamedTuple, TypeAlias

from difygen.parser.dsl.branches import Branch, has_default_title, tested
from difygen.parser.dsl.graph import Graph, Port
from difygen.parser.dsl.node_fields import Requirement
from difygen.parser.dsl.runs import Played, Runs
from difygen.record import Record
from difygen.wording import listed, quoted

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


# In words


ONLY = "only when "
"""What most sentences begin with."""
MAX_NAMED = 4
MAX_ASIDE = 80
"""Characters of a test that stand behind the title of the step that tests it."""
_LABEL_OF_A_CASE = r"IF|ELIF( \d+)?|ELSE"


class Producer(Record):
    """A step that gives a value when it runs, and what has to have happened for there to be one."""

    step: str
    requirements: Sequence[Requirement] = ()

    def ports(self) -> list[Port]:
        """Return all ports that decide of the value."""
        return [(self.step, ""), *chain.from_iterable(each.ports for each in self.requirements)]


class Sentences:
    """What is said of the runs of one level."""

    def __init__(self, graph: Graph, runs: Runs) -> None:
        self.graph = graph
        self.runs = runs
        self._conditions: dict[int, Conditions] = {}

    def missing(self, producers: Sequence[Producer]) -> str:
        """Return when a value is there that some steps give, or when it is not; empty if it always is.

        Where several give it in one run, one that has none may be the last.
        """
        reached = [producer for producer in producers if self.runs.reaches(producer.step)]
        if not reached:
            return f"never, since no way leads to {self._titles([producer.step for producer in producers])}"
        ports = [port for producer in reached for port in producer.ports()]
        played = self.runs.played(id_ for id_, _ in ports)
        if played is None or any(self.runs.reaches(id_) and id_ not in self.runs.flow.timely for id_, _ in ports):
            return self._loosely(reached)
        given = spoiled = 0
        spoiling = []
        for producer in reached:
            coming = there = played.taking([(producer.step, "")])
            for requirement in producer.requirements:
                there &= played.taking(requirement.ports)
            given |= there
            spoiled |= coming & ~there
            if coming & ~there:
                spoiling.append(producer.step)
        if not given:
            return self._never(reached[0], played)
        sure = given & ~spoiled
        if sure == played.every:
            return ""
        if not sure:
            return f"may be missing in any run, since {self._titles(spoiling)} may have none of it"
        condition = self._conditions_of(played).of(sure)
        if condition is None:
            return self._vaguely(sure, ports, played)
        return self._in_words(condition, is_disputed=bool(given & spoiled))

    def _never(self, producer: Producer, played: Played) -> str:
        coming = played.taking([(producer.step, "")])
        for requirement in producer.requirements:
            ids = [id_ for id_, _ in requirement.ports]
            if ids and not any(map(self.runs.reaches, ids)):
                return f"never, since no way leads to {self._titles(ids)}"
            if ids and not coming & played.taking(requirement.ports):
                return (
                    f"never, since no run that comes to {self.graph.steps[producer.step]} has it of {self._titles(ids)}"
                )
        return "never, since no run gives it a value"

    def _in_words(self, condition: Condition, *, is_disputed: bool) -> str:
        excluded = self._cases(condition.excluded)
        if not condition.needed:
            return f"{'may be ' if is_disputed else ''}missing when {excluded}"
        needed = f"{'sure ' if is_disputed else ''}only when {self._cases(condition.needed)}"
        return f"{needed}, but not when {excluded}" if excluded else needed

    def _cases(self, cases: Sequence[Case]) -> str:
        is_single = all(len(case) == 1 for case in cases)
        is_alone = is_single and len(cases) == 1
        words = [" and ".join([self._choice(choice, is_alone) for choice in case]) for case in cases]
        return (" or " if is_single else ", or ").join(words)

    def _choice(self, choice: Choice, is_alone: bool = True) -> str:
        if not choice.step:
            return f"{self._titles(choice.handles)} starts the run"
        words = tested(self.graph.steps[choice.step], choice.handles, self.graph)
        if words and choice.step in self._plain:
            return words if is_alone or " or " not in re.sub("'[^']*'|`[^`]*`", "", words) else f"({words})"
        branches = self.runs.flow.branches[choice.step]
        taken = self._taken(choice.step, [branch for branch in branches if branch.handle in choice.handles])
        has_bare_label = any(
            re.fullmatch(_LABEL_OF_A_CASE, each.label) for each in branches if each.handle in choice.handles
        )
        return f"{taken} ({words})" if words and has_bare_label and len(words) <= MAX_ASIDE else taken

    def _taken(self, id_: str, branches: Sequence[Branch]) -> str:
        """Return that a step takes one of some branches, by their names."""
        name = self._name(id_)
        outcomes = [f"{name} {branch.label}" for branch in branches if branch.outcome]
        named = [quoted(branch.label) for branch in branches if not branch.outcome]
        others = [branch for branch in self.runs.flow.branches[id_] if branch not in branches]
        if not named:
            return " or ".join(outcomes)
        if all(other.outcome for other in others) and others:
            return f"{name} does not fail"
        if len(named) > MAX_NAMED and len(others) < MAX_NAMED and not outcomes:
            refused = listed([f"{name} {each.label}" if each.outcome else quoted(each.label) for each in others], "or")
            return f"another branch than {refused} of {name} is taken"
        return " or ".join([f"the branch {_some(named, 'or')} of {name} is taken", *outcomes])

    def _name(self, id_: str) -> str:
        """Return the title of a step that branches, with its id where another one has the same."""
        title = str(self.graph.steps[id_])
        return f"{title} ({quoted(id_)[1:-1]})" if self._titles_that_branch[title] > 1 else title

    def _titles(self, ids: Sequence[str], last: str = "or") -> str:
        return _some([str(self.graph.steps[id_]) for id_ in ids], last)

    @cached_property
    def _titles_that_branch(self) -> Counter[str]:
        return Counter(str(self.graph.steps[id_]) for id_ in self.runs.flow.branches)

    @cached_property
    def _plain(self) -> frozenset[str]:
        """The steps that are spoken of by what they test, since their titles say nothing."""
        found = []
        for id_, branches in self.runs.flow.branches.items():
            step = self.graph.steps[id_]
            if has_default_title(step) and all(tested(step, [each.handle], self.graph) for each in branches):
                found.append(id_)
        return frozenset(found)

    def _conditions_of(self, played: Played) -> Conditions:
        if id(played) not in self._conditions:
            self._conditions[id(played)] = Conditions(played, self._plain)
        return self._conditions[id(played)]

    # Where there is too much to say, or too much to play through

    def _vaguely(self, sure: int, ports: Sequence[Port], played: Played) -> str:
        """Return the choices that all wanted runs make, and which steps decide the rest."""
        common = self._conditions_of(played).common(sure)
        named = {choice.step for choice in common}
        leading = chain.from_iterable(self.runs.flow.choices([port], None) for port in ports)
        others = [id_ for id_ in dict.fromkeys(each.step for each in leading) if id_ not in named]
        words = f"only when {' and '.join([self._choice(each, False) for each in common])}" if common else ""
        depends = self._depends(others) if others else "depends on the branches that are taken"
        return f"{words}, and then {depends}" if words else depends

    def _loosely(self, producers: Sequence[Producer]) -> str:
        """Return what no choice can make sure, place by place."""
        words = []
        places = [(producer.step, "") for producer in producers]
        if not self.runs.always(places):
            words.append(self.only_when(places, None))
        for producer in producers:
            where = f"from {self.graph.steps[producer.step]}, " if len(producers) > 1 else ""
            for requirement in producer.requirements:
                if not self.runs.always(requirement.ports, producer.step):
                    words.append(where + (requirement.words or self.only_when(requirement.ports, producer.step)))
                    break
        return "; ".join(dict.fromkeys(words))

    def only_when(self, ports: Sequence[Port], given: str | None) -> str:
        """Return when a run takes one of the ports, beyond coming to `given`, as far as that shows without playing."""
        reachable = [port for port in ports if self.runs.reaches(port[0])]
        if not reachable:
            return f"never, since no way leads to {self._titles([id_ for id_, _ in ports])}" if ports else "never there"
        choices = self.runs.flow.choices(reachable, given)
        words = " and ".join([self._taken(each.step, each.branches) for each in choices if each.necessary])
        others = [each.step for each in choices if not each.necessary]
        if not others:
            return f"only when {words or self._titles([id_ for id_, _ in reachable]) + ' runs'}"
        return f"only when {words}, and then {self._depends(others)}" if words else self._depends(others)

    def _depends(self, ids: Sequence[str]) -> str:
        if len(ids) == 1:
            return f"depends on the branch that {self._name(ids[0])} takes"
        return f"depends on the branches that {self._titles(ids, 'and')} take"


def _some(words: Sequence[str], last: str) -> str:
    """List words, of many the first ones and how many more."""
    shown = list(dict.fromkeys(words))
    if len(shown) > MAX_NAMED:
        shown = [*shown[:MAX_NAMED], f"{len(shown) - MAX_NAMED} more"]
    return listed(shown, last)
