"""Rows of `difygen.bulk` on engines for many machines: Ray Data (`difygen[ray]`) and Dask (`difygen[dask]`).

Each engine is a module with its own `call_rows`, which imports no other engine; nothing outside of this package may
import one. Here is what travels to their workers. It holds no key: clients pickle without, and not at all if given one.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from typing import Self

from difygen.bulk.backends import StreamsApp
from difygen.bulk.rows import RowResult
from difygen.bulk.run import Policy


@dataclass(frozen=True, slots=True)
class Work:
    """How each worker is to call: with its own copy of `client`, rows kept in `store`, `concurrency` at a time of all.

    `store` is a URL or an absolute path, since workers may be in another folder.
    """

    client: StreamsApp
    store: str
    concurrency: int
    policy: Policy

    @classmethod
    def of(
        cls,
        client: StreamsApp,
        store: str | os.PathLike[str],
        concurrency: int,
        policy: Policy,
        *,
        is_async: bool,
    ) -> Self:
        """Return the work, if it can travel.

        Raises:
            TypeError: The client is of the other kind, or was given a key or something else that does not travel.
            ValueError: `concurrency` lets nothing go on.
        """
        if hasattr(client, "aclose") is not is_async:
            wanted = "an async client, such as AsyncConcatClient(…)" if is_async else "a client that is not async"
            raise TypeError(f"the engine needs {wanted}; this is {type(client).__name__}")
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        pickle.dumps(client)  # raises here and now, in the place of somewhere within the engine
        place = os.fspath(store)
        if "://" not in place:
            slash = "/" if place.endswith(("/", os.sep)) else ""
            place = os.path.abspath(place) + slash
        return cls(client, place, concurrency, policy)


def is_elsewhere(result: RowResult) -> bool:
    """Check whether somebody else is at work on a row, so that it is to be looked at again."""
    return not result.is_new and result.state in ("claimed", "started")
