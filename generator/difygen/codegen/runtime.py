"""The runtime that generated packages bring along: its files, and the names that nothing else may have.

It is a core and parts, folders of it that clients of some kinds of app need (`AppKind.runtime_part`). A package gets
those of its apps; names are reserved whatever it gets, so that none changes because another app was added.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from difygen.files import read_file, templates_folder, unix_lines
from difygen.model import APP_KINDS

FACE = "_runtime/__init__.py"
"""What exports the names of the core, and those of the parts that a package has."""

ALL_PARTS = frozenset(kind.runtime_part for kind in APP_KINDS.values() if kind.runtime_part)

_SECTION = re.compile(r"\n(?=# The part `(\w+)`)")
"""How a section of `__init__.py` begins that is about a part."""

_EXPORTED = re.compile(r'^    "(\w+)",$', re.MULTILINE)
_LIKE_OURS = re.compile(
    r"\n(?=[a-zA-Z_]| {4}[A-Z]\w+ = )(?:class |def |async def | {4})?"
    r"(a?(?:run|stream|chat|complete)_\w+|[A-Z]\w*(?:Inputs|Outputs|Variables|Client|Node)\w*"
    r"|_\w+_(?:client|DEFAULT|WORKFLOW))"
)
"""Definitions, at the top of a module or in a condition there, of names that could be those of an app."""


def parts_for(modes: Iterable[str]) -> frozenset[str]:
    """Return the parts of the runtime that clients of apps of these modes need beside the core."""
    kinds = (APP_KINDS.get(cast(Any, mode)) for mode in modes)
    return frozenset(kind.runtime_part for kind in kinds if kind and kind.runtime_part)


@cache
def runtime_files(parts: frozenset[str] = ALL_PARTS) -> dict[str, str]:
    """Return the files of the runtime's core and of some parts, by their paths in a generated package."""
    files = dict(_files_below(""))
    for part in sorted(parts):
        files |= _files_below(f"{part}/")
    core, *sections = _SECTION.split(files[FACE])
    kept = [text for part, text in zip(sections[::2], sections[1::2], strict=True) if part in parts]
    files[FACE] = "\n".join([core, *kept])
    return files


@cache
def _files_below(prefix: str) -> dict[str, str]:
    folder = os.path.join(templates_folder(), "runtime", prefix)
    names = [name for name in sorted(os.listdir(folder)) if name.endswith(".py")]
    return {f"_runtime/{prefix}{name}": unix_lines(read_file(os.path.join(folder, name))).decode() for name in names}


@cache
def exported_names(parts: frozenset[str] = ALL_PARTS) -> tuple[str, ...]:
    """Return what the runtime exports with some parts: the items of its `__all__`, one a line."""
    return tuple(_EXPORTED.findall(runtime_files(parts)[FACE].partition("\n__all__ = [")[2]))


@cache
def runtime_names() -> frozenset[str]:
    """Return the names that an app's module cannot have: exports, and what is at the top of a file with all modules."""
    defined = (name for text in runtime_files().values() for name in _LIKE_OURS.findall(text))
    return frozenset(exported_names()).union(defined)
