"""The runtime that generated packages bring along: its files, and the names that nothing else may have."""

from __future__ import annotations

import os
import re
from functools import cache

from difygen.files import read_file, templates_folder, unix_lines

_EXPORTED = re.compile(r'^    "(\w+)",$', re.MULTILINE)
_LIKE_OURS = re.compile(
    r"\n(?=[a-zA-Z_]| {4}[A-Z]\w+ = )(?:class |def |async def | {4})?"
    r"(a?(?:run|stream|chat|complete)_\w+|[A-Z]\w*(?:Inputs|Outputs|Variables|Client|Node)\w*"
    r"|_\w+_(?:client|DEFAULT|WORKFLOW))"
)
"""Definitions, at the top of a module or in a condition there, of names that could be those of an app."""


@cache
def runtime_files() -> dict[str, str]:
    """Return the files of the runtime, by their paths in a generated package."""
    folder = os.path.join(templates_folder(), "runtime")
    files: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            files[f"_runtime/{name}"] = unix_lines(read_file(os.path.join(folder, name))).decode()
    return files


@cache
def exported_names() -> tuple[str, ...]:
    """Return what the runtime exports: the items of its `__all__`, one a line."""
    return tuple(_EXPORTED.findall(runtime_files()["_runtime/__init__.py"].partition("\n__all__ = [")[2]))


@cache
def runtime_names() -> frozenset[str]:
    """Return the names that an app's module cannot have: exports, and what is at the top of a file with all modules."""
    defined = (name for text in runtime_files().values() for name in _LIKE_OURS.findall(text))
    return frozenset(exported_names()).union(defined)
