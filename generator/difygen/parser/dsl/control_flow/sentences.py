"""When a value is there, in the words of the workflow: over all the places that give it, and over all runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import chain

from difygen.parser.dsl.control_flow.branches import Branch, has_default_title, tested
from difygen.parser.dsl.control_flow.conditions import Case, Choice, Condition, Conditions
from difygen.parser.dsl.control_flow.runs import Played, Runs
from difygen.parser.dsl.graph import Graph, Port
from difygen.parser.dsl.nullability import Requirement
from difygen.record import Record
from difygen.wording import listed, quoted

ONLY = "only when "
"""What most sentences begin with."""
MAX_NAMED = 4
MAX_ASIDE = 80
"""Characters of a test that stand behind the title of the step that tests it."""
_LABEL_OF_A_CASE = r"IF|ELIF( \d+)?|ELSE"


class Giver(Record):
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

    def missing(self, givers: Sequence[Giver]) -> str:
        """Return when a value is there that some steps give, or when it is not; empty if it always is.

        Where several give it in one run, one that has none may be the last.
        """
        reached = [giver for giver in givers if self.runs.reaches(giver.step)]
        if not reached:
            return f"never, since no way leads to {self._titles([giver.step for giver in givers])}"
        ports = [port for giver in reached for port in giver.ports()]
        played = self.runs.played(id_ for id_, _ in ports)
        if played is None or any(self.runs.reaches(id_) and id_ not in self.runs.flow.timely for id_, _ in ports):
            return self._loosely(reached)
        given = spoiled = 0
        spoiling = []
        for giver in reached:
            coming = there = played.taking([(giver.step, "")])
            for requirement in giver.requirements:
                there &= played.taking(requirement.ports)
            given |= there
            spoiled |= coming & ~there
            if coming & ~there:
                spoiling.append(giver.step)
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

    def _never(self, giver: Giver, played: Played) -> str:
        coming = played.taking([(giver.step, "")])
        for requirement in giver.requirements:
            ids = [id_ for id_, _ in requirement.ports]
            if ids and not any(map(self.runs.reaches, ids)):
                return f"never, since no way leads to {self._titles(ids)}"
            if ids and not coming & played.taking(requirement.ports):
                return f"never, since no run that comes to {self.graph.steps[giver.step]} has it of {self._titles(ids)}"
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

    def _loosely(self, givers: Sequence[Giver]) -> str:
        """Return what no choice can make sure, place by place."""
        words = []
        places = [(giver.step, "") for giver in givers]
        if not self.runs.always(places):
            words.append(self.only_when(places, None))
        for giver in givers:
            where = f"from {self.graph.steps[giver.step]}, " if len(givers) > 1 else ""
            for requirement in giver.requirements:
                if not self.runs.always(requirement.ports, giver.step):
                    words.append(where + (requirement.words or self.only_when(requirement.ports, giver.step)))
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
