"""Lists that the server gives page by page."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from ._responses import MAX_STALE_PAGES, Record, to_text

PAGE_SIZE = 100
"""The most that the server takes."""

PageT = TypeVar("PageT", bound=Record)


class NewItems(Generic[PageT]):
    """The items of each page that no page before had. What lacks an id is passed over.

    A server that repeats a page for ever comes to an end so, and so do items that move
    from page to page while one reads.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def of(self, items: Iterable[PageT]) -> list[PageT]:
        """Return the new items, in their order."""
        new: list[PageT] = []
        for item in items:
            item_id = to_text(item.raw.get("id"))
            if item_id and item_id not in self._seen:
                self._seen.add(item_id)
                new.append(item)
        return new


class Pages(Generic[PageT]):
    """Items that come page by page, each once."""

    def __init__(
        self, read: Callable[[int, str], Awaitable[tuple[list[PageT], bool]]]
    ) -> None:
        self._read = read
        self._news: NewItems[PageT] = NewItems()
        self._number = 0
        self._last_id = ""
        self._has_more = True

    async def next(self) -> Sequence[PageT]:
        """Return the new items of the next page that has some; none at the end.

        What is read goes by the number of a page, counted from 1, or by the id of the last
        item so far, and says whether there are more.
        """
        for _ in range(MAX_STALE_PAGES):
            if not self._has_more:
                break
            self._number += 1
            items, has_more = await self._read(self._number, self._last_id)
            self._has_more = has_more and bool(items)
            if items:
                self._last_id = to_text(items[-1].raw.get("id"))
            if new := self._news.of(items):
                return new
        self._has_more = False
        return ()
