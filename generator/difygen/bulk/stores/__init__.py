"""Where rows are kept, by any number of processes.

base      what a store does, what all of them do alike, and whether those who write into one still live
sqlite    a file, for one machine
storage   a folder or a bucket, where parts lie; parts is the store that they make, for many machines
index     where each row stands in the parts
"""

from __future__ import annotations

import os

from difygen.bulk.stores.base import Store
from difygen.bulk.stores.parts import PartsStore
from difygen.bulk.stores.sqlite import SqliteStore


def open_store(place: str | os.PathLike[str]) -> Store:
    """Open the store at a place, and make it where there is none.

    Args:
        place: A file, for the processes of one machine; a folder that is there, or a name with a slash at its end, or a
            URL that fsspec knows, for those of many.

    Raises:
        StoreError: There is something else, or it cannot be opened.
    """
    text = os.fspath(place)
    is_folder = "://" in text or text.endswith(("/", os.sep)) or os.path.isdir(text)
    return PartsStore(text) if is_folder else SqliteStore(text)
