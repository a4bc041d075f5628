"""Which kind of store a place means."""

from __future__ import annotations

import os

from difygen.bulk.sqlite import SqliteStore
from difygen.bulk.store import Store


def open_store(place: str | os.PathLike[str]) -> Store:
    """Open the store at a place, and make it where there is none.

    Args:
        place: A SQLite file, for the processes of one machine.

    Raises:
        StoreError: There is something else, or it cannot be opened.
    """
    return SqliteStore(place)
