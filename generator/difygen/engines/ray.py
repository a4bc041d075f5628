"""Ray Data: the records of a dataset, called by a pool of actors.

    results = call_rows(dataset, AsyncConcatClient(user="ada"), row_of, "/shared/runs/", concurrency=40)

Ray's own retries are off. With `retries` Ray gives the block of an actor that has died to another one, which looks into
the store first, as a second execution of the dataset does: neither starts what was started before.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from ray.data import ActorPoolStrategy, Dataset

from difygen.bulk.hands import StreamsApp
from difygen.bulk.rows import Row
from difygen.bulk.run import Policy
from difygen.engines.actor import COLUMNS, Caller
from difygen.engines.work import Work

__all__ = ["COLUMNS", "Caller", "call_rows"]


def call_rows(
    dataset: Dataset,
    client: StreamsApp,
    row_of: Callable[[Mapping[str, Any]], Row],
    store: str | os.PathLike[str],
    *,
    concurrency: int,
    actors: int = 2,
    retries: int = 0,
    retry_failed: bool = False,
    rerun_unknown: bool = False,
    num_cpus: float = 0,
) -> Dataset:
    """Return the dataset with what comes of a call for each record, in `COLUMNS`, once it is executed.

    With checkpoints, rows that have not ended are left out, so that the next run takes them up.

    Args:
        dataset: The records. A block of it is the work of one actor.
        client: An async client of the app, of which each actor gets a copy; the key comes from its environment.
        row_of: Makes the row of a record, in the actors.
        store: Where rows are kept: a folder that all machines share, or a URL; a file where there is one machine.
        concurrency: How many calls may go on at a time, of all actors and all drivers that share the store.
        actors: How many actors there are.
        retries: How often Ray may give a block to another actor when one dies; -1 for any number.
        retry_failed: Run those again that ended badly before.
        rerun_unknown: Run those again of which nobody can tell whether they were run. They may run twice then.
        num_cpus: What Ray sets aside for an actor, which waits most of the time; reading and writing need the rest.

    Raises:
        TypeError: The client is not async, or was given a key, or something else that does not travel.
    """
    work = Work.of(client, store, concurrency, Policy(retry_failed, rerun_unknown), is_async=True)
    with warnings.catch_warnings():  # what Ray 2.64 has in the place of options of actors is not said yet
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        return dataset.map_batches(
            Caller,
            batch_size=max(1, concurrency // actors),
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=actors),
            fn_constructor_args=(work, row_of, actors, dataset.context.checkpoint_config is not None),
            num_cpus=num_cpus,
            max_concurrency=4,
            max_restarts=-1 if retries else 0,
            max_task_retries=retries,
        )
