"""How a job comes out, in a few numbers that do not grow with it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from difygen.bulk.rows import CHANGED, RowResult

_STEP = math.log(1.01)
_LEAST = 1e-6


class Spread:
    """Numbers as a histogram of logarithms: any quantile to one percent, in constant memory."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0
        self._buckets: Counter[int] = Counter()

    def add(self, value: float) -> None:
        """Take in a number that is not negative."""
        self.total += value
        self.count += 1
        self._buckets[round(math.log(max(value, _LEAST)) / _STEP)] += 1

    def quantile(self, share: float) -> float:
        """Return the number that this share of all is not above."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                value = math.exp(bucket * _STEP)
                return 0.0 if value < 2 * _LEAST else value
        return 0.0


@dataclass(slots=True)
class Tally:
    """How the rows of a job have come out so far.

    `done` and `failed` (by the kind of error) are of this job, `before` and `failed_before` of earlier ones. `unknown`
    are rows of which nobody can tell whether they were run, `unfinished` those whose run goes on or waits for people,
    `elsewhere` those that somebody else is at work on, `invalid` those that cannot be sent. `error` is what ended the
    job early.
    """

    seen: int = 0
    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    before: int = 0
    failed_before: int = 0
    unknown: int = 0
    unfinished: int = 0
    elsewhere: int = 0
    invalid: int = 0
    error: Exception | None = None
    seconds: Spread = field(default_factory=Spread)
    tokens: Spread = field(default_factory=Spread)

    @property
    def ended(self) -> int:
        """Rows that need nothing more."""
        return self.done + self.failed.total() + self.before + self.failed_before

    @property
    def repeated(self) -> int:
        """Rows that are the same as others of this job, and share their results; right once the job has ended."""
        return max(0, self.seen - self.ended - self.unknown - self.unfinished - self.invalid)

    def begin_pass(self) -> None:
        """Forget what another look at all rows tells anew."""
        self.seen = self.before = self.failed_before = self.unknown = self.unfinished = self.elsewhere = (
            self.invalid
        ) = 0

    def count(self, result: RowResult) -> None:
        """Take in what came of a row."""
        match result.state:
            case "done" if result.is_new:
                self.done += 1
                self._measure(result)
            case "failed" if result.is_new:
                self.failed[result.error_kind or result.status] += 1
                self._measure(result)
            case "failed" if result.error_kind == CHANGED:
                self.invalid += 1
            case "done":
                self.before += 1
            case "failed":
                self.failed_before += 1
            case "started" if result.is_new:
                self.unfinished += 1
            case "unknown":
                self.unknown += 1
            case _:
                self.elsewhere += 1

    def _measure(self, result: RowResult) -> None:
        for spread, number in ((self.seconds, result.seconds), (self.tokens, result.tokens)):
            if number is not None:
                spread.add(number)
