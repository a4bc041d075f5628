"""Stretches of a table all of whose rows have ended, so that the next job need not read them row by row.

Whoever reads the table cuts it into pages, and says after the rows of each where it was (`PageEnd`). Once these have
ended, that is kept in the store; the next time the reader finds it there, sees that the page is still the same, and
gives the job the `EndedPage` in the place of its rows.

What is kept stays true: rows that are done stay so. Of those that failed the keys are kept, as another job may have
run them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from difygen.bulk.rows import Row
from difygen.bulk.stores.base import Store, StoreError

_AT_ONCE = 1000


class PageEnd(NamedTuple):
    """What a reader says after the last row of a page: its name, and what else it wants to find there again.

    `invalid` are rows that it could not make anything of.
    """

    name: str
    text: str
    invalid: int = 0


class EndedPage(NamedTuple):
    """A page of which nothing is left to do. `before` and `failed_before` were not done by this very job."""

    text: str
    done: int
    failed: tuple[str, ...]
    invalid: int
    before: int
    failed_before: int


@dataclass(slots=True)
class OpenPage:
    """A page whose rows are at work."""

    rows: int = 0
    done: int = 0
    before: int = 0
    failed: list[str] = field(default_factory=list)
    failed_before: int = 0
    end: PageEnd | None = None

    def count(self, row: Row, *, is_done: bool, is_new: bool) -> None:
        """Take note of a row that has ended."""
        if is_done:
            self.done += 1
            self.before += not is_new
        else:
            self.failed.append(row.key)
            self.failed_before += not is_new

    @property
    def is_ended(self) -> bool:
        """Whether all of it was read, and all of its rows have ended."""
        return self.end is not None and self.done + len(self.failed) == self.rows


class Pages:
    """The pages of a table that have ended. `topic` says which table, and all that makes rows of what stands there."""

    def __init__(self, store: Store, topic: str, *, retry_failed: bool) -> None:
        self.store, self.topic = store, topic
        found: list[tuple[str, EndedPage]] = []
        for name, kept in store.remembered(topic):
            text, done, failed, invalid = json.loads(kept)
            if not (failed and retry_failed):
                found.append((name, EndedPage(text, done, tuple(failed), invalid, done, len(failed))))
        still_failed = self._still_failed(key for _, page in found for key in page.failed)
        self._ended: dict[str, list[EndedPage]] = {}
        for name, page in found:
            if still_failed.issuperset(page.failed):
                self._ended.setdefault(name, []).append(page)

    def _still_failed(self, keys: Iterator[str]) -> set[str]:
        """Return those of rows that had failed which nobody has begun again since."""
        still = set[str]()
        while batch := list(islice(keys, _AT_ONCE)):
            known = self.store.read(batch, results=False)
            still.update(key for key, row in known.items() if row.state == "failed")
        return still

    def find(self, name: str) -> Sequence[EndedPage]:
        """Return what is known of a page that has ended; whether that is the page as it stands there, its text says."""
        return self._ended.get(name, ())

    def keep(self, page: OpenPage) -> None:
        """Keep a page that has ended, in the store, too, if that can be written."""
        assert page.end is not None
        name, text, invalid = page.end
        failed = tuple(page.failed)
        known = self._ended.get(name, [])
        kept = (text, page.done, failed, invalid)
        if all(each[:4] != kept for each in known):
            with suppress(StoreError):  # whoever writes a row says so
                self.store.remember(self.topic, name, json.dumps(kept))
        others = [each for each in known if each.text != text]
        self._ended[name] = [*others, EndedPage(*kept, page.before, page.failed_before)]
