"""Definitions -> a package on disk, and as little work as can be.

`regenerate` holds the commands; `package` decides, `publish` writes.
"""
