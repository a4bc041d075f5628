"""Definitions -> files on disk, and as little work as can be.

`build` shows the whole way on one page; `documents` holds the commands that write documents alone.
"""
