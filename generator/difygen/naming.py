"""Wire names to Python names: deterministic, readable, never failing and never colliding.

A derived name depends on its own wire name alone, unless two fold into one. A name that the user chose is validated and
never altered. Knows nothing of workflows and templates.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from typing import Self
from zlib import crc32


class Identifier(str):
    """A name that Python accepts as it stands."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """Raise ValueError for anything else."""
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"not a Python identifier: {name!a}")
        return super().__new__(cls, name)


MAX_NAME = 60
"""Characters of a name, so that a line that holds one can still be laid out."""

MAX_WORKFLOW_NAME = 40
"""Characters of a workflow's name, from which class names are built."""

PARAMETERS = frozenset(
    {"self", "user", "response_mode", "timeout", "stop_on_exit", "workflow_id", "trace_id", "options"}
)
"""What `run` and `stream` take beside the inputs."""

MODEL_ATTRIBUTES = frozenset(
    {
        "builtins",
        "construct",
        "copy",
        "dict",
        "from_orm",
        "json",
        "local_files",
        "model_computed_fields",
        "model_config",
        "model_construct",
        "model_copy",
        "model_dump",
        "model_dump_json",
        "model_extra",
        "model_fields",
        "model_fields_set",
        "model_json_schema",
        "model_parametrized_name",
        "model_post_init",
        "model_rebuild",
        "model_validate",
        "model_validate_json",
        "model_validate_strings",
        "mro",
        "parse_file",
        "parse_obj",
        "parse_raw",
        "register",
        "schema",
        "schema_json",
        "to_wire",
        "update_forward_refs",
        "validate",
    }
)
"""What a pydantic model has already, and the module `builtins`, by which an annotation reaches what a field hides."""

VARIABLES_ATTRIBUTES = MODEL_ATTRIBUTES | {"model_keep", "model_misfits", "model_rows"}
"""What the model of conversation variables has already."""

ANSWER_ATTRIBUTES = MODEL_ATTRIBUTES | {"for_form", "node_id"}
"""What the model of an answer to a form has already."""

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789")}
)
_WORD_STARTS = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
_NO_WORD = r"[^a-zA-Z0-9]+"


def snake_name(wire: str, fallback: str = "value", limit: int = MAX_NAME) -> Identifier:
    """Return the snake_case name of `wire`; a lower-case identifier is its own.

    `fallback` stands for a name without letters or digits, and before one that starts with a digit. A keyword gets a
    trailing underscore.
    """
    name: str = wire
    if not (wire.isascii() and wire.isidentifier() and wire.islower()) or wire.startswith("_"):
        name = _leading(_words(wire), fallback)
    if len(name) > limit:
        name = f"{name[:limit - 5].rstrip('_')}_{_digest(wire)}"
    return Identifier(name + "_" if keyword.iskeyword(name) else name)


def shortened(name: str, limit: int, wire: str = "") -> str:
    """Return a name, cut if it is too long, and with a hash that tells it from others that begin alike."""
    return name if len(name) <= limit else f"{name[: limit - 5].rstrip('_')}_{_digest(wire or name)}"


def class_name(snake: str) -> str:
    """Return the PascalCase form of a snake_case name. That is not yet a class name: that of `none` is `None`."""
    return "".join(word[:1].upper() + word[1:] for word in snake.split("_"))


def constant_name(*wires: str, fallback: str = "value") -> Identifier:
    """Return the UPPER_CASE name of the first text that has letters or digits, cut if it is too long."""
    name = next(filter(None, map(_words, wires)), "")
    return Identifier(_leading(name, fallback)[:MAX_NAME].rstrip("_").upper())


def nested_name(owner: str, *path: str) -> Identifier:
    """Return the name of a type within another one: `ConcatOutputs` and `person` give `ConcatOutputsPerson`."""
    name = owner + "".join(class_name(snake_name(step)) for step in path)
    return Identifier(name if len(name) <= MAX_NAME else f"{name[:MAX_NAME - 4]}{_digest(name)}")


def file_name_problem(name: str) -> str:
    """Return why a name cannot be that of a module, or nothing."""
    if keyword.iskeyword(name):
        return "a Python keyword"
    if name.lower() in _DEVICES:
        return "the name of a device on Windows"
    return ""


def explicit_name_problem(name: str, reserved: Collection[str] = ()) -> str:
    """Return why a name that the user chose cannot be used, or nothing."""
    if not name.isidentifier():
        return "is not a Python identifier"
    if keyword.iskeyword(name):
        return "is a Python keyword"
    if not name.isascii():
        return "is not plain ASCII"
    if name.startswith("_"):
        return "starts with an underscore"
    return "is taken by the generated code itself" if name in reserved else ""


def assign(
    wires: Iterable[str],
    derive: Callable[[str], Identifier],
    *,
    reserved: Collection[str] = (),
    explicit: Mapping[str, Identifier] | None = None,
) -> dict[str, Identifier]:
    """Return a Python name for every wire name, all different even where case and Unicode forms do not count.

    Explicit names come first, then names that are their own, then the others in their order: the first of several that
    fold into one keeps the name, and the later ones get a short hash of their wire name. A reserved name gets an
    underscore.
    """
    wires = tuple(dict.fromkeys(wires))
    names: dict[str, Identifier] = {wire: name for wire, name in (explicit or {}).items() if wire in wires}
    taken = {name.casefold() for name in names.values()}
    derived = {wire: derive(wire) for wire in wires if wire not in names}
    derived |= {wire: Identifier(f"{name}_") for wire, name in derived.items() if name in reserved}
    for wire in sorted(derived, key=lambda wire: derived[wire] != wire):
        names[wire] = distinct(derived[wire], wire, lambda candidate: candidate.casefold() in taken)
        taken.add(names[wire].casefold())
    return {wire: names[wire] for wire in wires}


def numbered(wanted: Mapping[str, Identifier]) -> dict[str, Identifier]:
    """Return the wanted names, each once: of several that are the same, all but the first get a number that is free."""
    taken: set[str] = set()
    names: dict[str, Identifier] = {}
    for wire, name in wanted.items():
        free, number = name, 2
        while free in taken or (free != name and free in wanted.values()):
            free, number = Identifier(f"{name}_{number}"), number + 1
        taken.add(free)
        names[wire] = free
    return names


def distinct(name: str, wire: str, is_taken: Callable[[Identifier], bool]) -> Identifier:
    """Return `name`, or `name` and as much of a hash of `wire` as makes it free."""
    candidate = Identifier(name)
    for digits in (4, 8):
        if not is_taken(candidate):
            return candidate
        candidate = Identifier(f"{name.rstrip('_')}_{_digest(wire, digits)}")
    number = 2
    while is_taken(candidate):
        candidate = Identifier(f"{name.rstrip('_')}_{_digest(wire, 8)}_{number}")
        number += 1
    return candidate


def _words(wire: str) -> str:
    """Return the words of a text in lower case, joined by underscores."""
    words = re.sub(_WORD_STARTS, "_", wire if wire.isascii() else _transliterated(wire))
    return re.sub(_NO_WORD, "_", words).strip("_").lower()


def _leading(name: str, fallback: str) -> str:
    """`name` as one that may begin an identifier."""
    if not name:
        return fallback
    return f"{fallback}_{name}" if name[0].isdigit() else name


def _transliterated(wire: str) -> str:
    """ASCII for any script. Letters with case join their neighbours ("café"); others stand apart ("用户id")."""
    from anyascii import anyascii  # only for names that need it

    runs = groupby(wire, lambda character: character.isascii() or character.lower() != character.upper())
    return "_".join(anyascii("".join(characters)) for _, characters in runs)


def _digest(wire: str, digits: int = 4) -> str:
    return f"{crc32(wire.encode('utf-8', 'surrogatepass')):08x}"[:digits]
