"""Definitions -> files on disk, and as little work as can be.

`build` shows the whole way on one page; `check` and `watch` go it, too. `documents`, `inspection` and `init` hold the
commands that write or tell something else of definitions.
"""
