"""Reads back what is said of an output: is it there in a run of these choices, with inputs of these values?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

TITLE = r"'((?:[^'\\]|\\.)*)'"
LIST = rf"{TITLE}(?:, {TITLE})*(?: (?:or|nor) {TITLE})?"
OPERAND = r"(?:'[^']*'|-?\d+(?:\.\d+)?|true|false)"
OPERANDS = rf"{OPERAND}(?:, {OPERAND})*(?: (?:or|nor) {OPERAND})?"
VERBS: dict[str, Callable[[Any, Any], bool]] = {
    "does not contain": lambda value, other: other not in value,
    "does not start with": lambda value, other: not value.startswith(other),
    "does not end with": lambda value, other: not value.endswith(other),
    "contains": lambda value, other: other in value,
    "starts with": lambda value, other: value.startswith(other),
    "ends with": lambda value, other: value.endswith(other),
    "is not": lambda value, other: value != other,
    "is": lambda value, other: value == other,
    "=": lambda value, other: value == other,
    "≠": lambda value, other: value != other,
    ">": lambda value, other: value > other,
    "<": lambda value, other: value < other,
    "≥": lambda value, other: value >= other,
    "≤": lambda value, other: value <= other,
}
COMPARISON = re.compile(
    r"(?:`(?P<left>[^`]+)` )?(?:is (?P<state>not )?empty|"
    rf"(?P<verb>{'|'.join(VERBS)}) (?P<neither>neither )?(?P<right>{OPERANDS}))"
)
BRANCH = re.compile(rf"the branch (?P<labels>{LIST}) of '(?P<step>[^']*)' is taken")
OTHER = re.compile(rf"another branch than (?P<labels>{LIST}) of '(?P<step>[^']*)' is taken")
OUTCOME = re.compile(r"'(?P<step>[^']*)' (?P<what>succeeds|fails|does not fail)")
CHOSEN = re.compile(rf"(?P<who>the classifier|somebody) chose (?P<labels>{LIST})")
UNANSWERED = re.compile("nobody answered in time")


@dataclass(frozen=True)
class World:
    """A run: which way each step took that ran, by its title and by the label of the way, and the values of inputs.

    `steps` are the titles of the steps that say what they chose without being named.
    """

    taken: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)


Atom = Callable[[World], bool]


@dataclass(frozen=True)
class Statement:
    """Cases of atoms: one of `needed` holds, if there are any, and none of `excluded`."""

    needed: tuple[tuple[Atom, ...], ...] = ()
    excluded: tuple[tuple[Atom, ...], ...] = ()

    def __call__(self, world: World) -> bool:
        return (not self.needed or _any(self.needed, world)) and not _any(self.excluded, world)

    def shortened(self) -> Iterator[Statement]:
        """The statement without each of its atoms, and without each of its cases."""
        for name in ("needed", "excluded"):
            cases = getattr(self, name)
            for number, case in enumerate(cases):
                if len(cases) > 1:
                    yield replace(self, **{name: cases[:number] + cases[number + 1 :]})
                for place in range(len(case) if len(case) > 1 else 0):
                    less = case[:place] + case[place + 1 :]
                    yield replace(self, **{name: (*cases[:number], less, *cases[number + 1 :])})


def _any(cases: Sequence[Sequence[Atom]], world: World) -> bool:
    return any(all(atom(world) for atom in case) for case in cases)


def statement(sentence: str) -> Statement | None:
    """What a sentence says; None if it only says what it depends on."""
    if "depends on" in sentence:
        return None
    if sentence.startswith(("never", "may be missing in any run")):
        return Statement(excluded=((),))
    sentence = re.sub("^(sure|may be) ", "", sentence)
    if sentence.startswith("missing when "):
        return Statement(excluded=_Reader(sentence.removeprefix("missing when ")).whole())
    assert sentence.startswith("only when "), sentence
    needed, _, excluded = sentence.removeprefix("only when ").partition(", but not when ")
    return Statement(_Reader(needed).whole(), _Reader(excluded).whole() if excluded else ())


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.left = ""

    def whole(self) -> tuple[tuple[Atom, ...], ...]:
        cases = self._cases()
        assert self.at == len(self.text), (self.text, self.text[self.at :])
        return cases

    def _cases(self) -> tuple[tuple[Atom, ...], ...]:
        cases = [self._case()]
        while self._word(", or ") or self._word(" or "):
            cases.append(self._case())
        return tuple(cases)

    def _case(self) -> tuple[Atom, ...]:
        atoms = [self._atom()]
        while self._word(" and "):
            atoms.append(self._atom())
        return tuple(atoms)

    def _word(self, word: str) -> bool:
        found = self.text.startswith(word, self.at)
        self.at += len(word) * found
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found

    def _bracket(self) -> Atom:
        cases = self._cases()
        assert self._word(")"), (self.text, self.at)
        return lambda world: _any(cases, world)

    def _atom(self) -> Atom:
        if self._word("("):
            return self._bracket()
        if found := self._match(BRANCH):
            return self._branch(found["step"], _titles(found["labels"]))
        if found := self._match(OTHER):
            step, labels = found["step"], _titles(found["labels"])
            return lambda world: world.taken.get(step, labels[0]) not in labels
        if found := self._match(OUTCOME):
            step, what = found["step"], found["what"]
            if what == "does not fail":
                return lambda world: world.taken.get(step, "fails") != "fails"
            return lambda world: world.taken.get(step) == what
        if found := self._match(CHOSEN):
            who, labels = found["who"], _titles(found["labels"])
            return lambda world: world.taken.get(world.steps[who], labels[0]) in labels
        if self._match(UNANSWERED):
            return lambda world: world.taken.get(world.steps["somebody"], "timeout") == "timeout"
        found = self._match(COMPARISON)
        assert found, (self.text, self.text[self.at :])
        self.left = found["left"] or self.left
        return _comparison(self.left, found)

    def _branch(self, step: str, labels: Sequence[str]) -> Atom:
        """A branch, and behind it, in brackets, what it tests: both must be the same where the step runs."""
        aside = self._bracket() if self._word(" (") else None

        def holds(world: World) -> bool:
            taken = world.taken.get(step) in labels
            assert aside is None or step not in world.taken or aside(world) is taken
            return taken

        return holds


def _titles(text: str) -> list[str]:
    return re.findall(TITLE, text)


def _comparison(left: str, found: re.Match[str]) -> Atom:
    if found["verb"] is None:
        return lambda world: bool(world.values[left]) is bool(found["state"])
    others = [each[1:-1] if each[0] == "'" else float(each) for each in re.findall(OPERAND, found["right"])]
    compare = VERBS[found["verb"]]
    if found["neither"]:
        return lambda world: not any(compare(world.values[left], other) for other in others)
    return lambda world: any(compare(world.values[left], other) for other in others)
