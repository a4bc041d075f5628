"""Import statements and `__all__`, in the order that isort and ruff keep. Each statement is on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from difygen.codegen.python.syntax import Code

_THIRD_PARTY = frozenset({"httpx", "pydantic", "pydantic_core", "typing_extensions"})
_DIGITS = frozenset("0123456789")


def import_block(imports: Mapping[str, Iterable[str]], first_party: str | None = None) -> Code:
    """Return the import statements of a module. A module without names is imported as a whole."""
    sections: tuple[list[str], ...] = ([], [], [], [])
    for module in sorted(imports, key=lambda module: (bool(imports[module]), module)):
        section = 3 if module.startswith(".") else 2 if module == first_party else int(is_third_party(module))
        sections[section].extend(_imports(module, imports[module]))
    return Code("\n\n".join("\n".join(section) for section in sections if section))


def is_third_party(module: str) -> bool:
    """Return whether a module is neither ours nor the standard library's."""
    return module.partition(".")[0] in _THIRD_PARTY


def _imports(module: str, names: Iterable[str]) -> list[str]:
    """Return the statements for what is taken from a module: each `as` is one of its own, before the others."""
    ordered = sorted(set(names), key=import_order)
    plain = [name for name in ordered if " as " not in name]
    if not ordered:
        return [f"import {module}"]
    statements = [f"from {module} import {name}" for name in ordered if " as " in name]
    return [*statements, *([f"from {module} import {', '.join(plain)}"] if plain else [])]


def export_order(name: str) -> tuple[int, list[object]]:
    """Return a key for the order of `__all__`: constants, classes, then the rest; numbers in names count as such."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, natural(name)


def import_order(name: str) -> tuple[int, list[object]]:
    """Return the same for an import, where case does not count."""
    return export_order(name)[0], natural(name.lower())


def natural(name: str) -> list[object]:
    """Return a key to sort names by, with the numbers in them by their values."""
    if not _DIGITS.intersection(name):
        return [name]
    return [_number(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", name)]


def _number(digits: str) -> tuple[int, str | int]:
    """Return a number by its value; after those that begin with a zero, which go by their digits."""
    return (0, digits) if digits.startswith("0") else (1, int(digits))
