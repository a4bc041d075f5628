"""Rows of `difygen.bulk` on engines for many machines: Ray Data (`difygen[ray]`) and Dask (`difygen[dask]`).

Nothing outside of this package may import an engine. From below to above:

    work    what travels to workers: a client without its key, where rows are kept, and what about those begun before
    desk    what tasks of Dask share in a process
    actor   the class that Ray's actors are made of
    ray     `call_rows` for a dataset
    dask    `call_rows` for rows, and the task that its workers run
"""
