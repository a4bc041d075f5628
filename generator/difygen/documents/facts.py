"""What documents are made of: apps with their names and what the mock knows of them, and Dify's protocol.

Events and errors are those that the runtime knows: they are read from its own source, which is the one table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from difygen.codegen.names import VariableNames, name_variables
from difygen.codegen.runtime import runtime_files
from difygen.config import Options
from difygen.definitions.reading import NamedApp
from difygen.files import hash_bytes
from difygen.mock.definition import Definition, definition_of
from difygen.model import AppKind

_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "read_text": {"type": "string"},
    "read_maybe_text": {"type": ["string", "null"]},
    "read_integer": {"type": "integer"},
    "read_maybe_integer": {"type": ["integer", "null"]},
    "read_real": {"type": "number"},
    "read_maybe_real": {"type": ["number", "null"]},
    "read_flag": {"type": "boolean"},
    "read_object": {"type": "object", "additionalProperties": True},
    "read_maybe_object": {"type": ["object", "null"], "additionalProperties": True},
    "read_objects": {"type": ["array", "null"], "items": {"type": "object", "additionalProperties": True}},
    "read_texts": {"type": ["array", "null"], "items": {"type": "string"}},
    "read_moment": {"type": ["integer", "null"], "description": "Unix seconds."},
}
"""What the runtime's readers of members take, as JSON Schemas."""


class NamedDefinition(NamedTuple):
    """An app with its names in Python, what the mock knows of it, and a hash of what it was read from."""

    definition: Definition
    name: str
    names: VariableNames
    source_hash: str = ""


def named_definition(app: NamedApp, options: Options) -> NamedDefinition:
    """Return an app that was read as documents tell of it. What is wrong with its names is in `names.problems`."""
    names = name_variables(app.app, options, app.name)
    return NamedDefinition(definition_of(app, options), app.name, names, hash_bytes(app.data or b""))


# The protocol


class EventShape(NamedTuple):
    """An event: Dify's word for it, a sentence about it, and its members by name, as JSON Schemas.

    The members of one that is `flat` stand beside its name, those of others in its `data`.
    """

    name: str
    about: str
    flat: bool
    members: Mapping[str, Mapping[str, Any]]


class _Record(NamedTuple):
    bases: tuple[str, ...]
    about: str
    members: Mapping[str, Mapping[str, Any]]


def event_shapes(kind: AppKind) -> list[EventShape]:
    """Return the events of a kind of app."""
    return [_event_shapes()[name] for name in kind.events]


@cache
def _event_shapes() -> Mapping[str, EventShape]:
    payloads = ast.parse(runtime_files()["_runtime/_payloads.py"])
    records = {each.name: _record(each) for each in payloads.body if isinstance(each, ast.ClassDef)}
    shapes = {}
    for name, kind in _event_types(payloads):
        lineage = [*_lineage(kind, records)]
        members = {key: value for each in reversed(lineage) for key, value in records[each].members.items()}
        shapes[name] = EventShape(name, records[kind].about, "FlatEvent" in lineage, members)
    return shapes


def _event_types(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of events and of their classes, from the table `EVENT_TYPES`."""
    for each in tree.body:
        if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == "EVENT_TYPES":
            assert isinstance(each.value, ast.Dict)
            for key, value in zip(each.value.keys, each.value.values, strict=True):
                assert isinstance(key, ast.Constant) and isinstance(value, ast.Name)
                yield str(key.value), value.id


def _record(class_: ast.ClassDef) -> _Record:
    members = {}
    for each in class_.body:
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call):
            reader = ast.unparse(each.value.func)
            given = [argument.value for argument in each.value.args if isinstance(argument, ast.Constant)]
            if reader in _SCHEMAS:
                members[str(given[0]) if given else ast.unparse(each.targets[0])] = _SCHEMAS[reader]
    bases = tuple(map(ast.unparse, class_.bases))
    about, _, _ = " ".join((ast.get_docstring(class_) or "").split()).partition(". ")
    return _Record(bases, f"{about.removesuffix('.')}.", members)


def _lineage(kind: str, records: Mapping[str, _Record]) -> Iterator[str]:
    """Yield a class and all that it extends, itself first."""
    if kind in records:
        yield kind
        for base in records[kind].bases:
            yield from _lineage(base, records)


# Errors and statuses


class ErrorClasses(NamedTuple):
    """The exceptions that errors become: by Dify's code, by code and beginning of the message, by HTTP status."""

    by_code: Mapping[str, str]
    by_message: Mapping[tuple[str, str], str]
    by_status: Mapping[int, str]


@cache
def error_classes() -> ErrorClasses:
    """Return the runtime's tables of errors."""
    tree = ast.parse(runtime_files()["_runtime/_answers.py"])
    tables = {
        ast.unparse(each.target): {
            ast.literal_eval(key): ast.unparse(value)
            for key, value in zip(each.value.keys, each.value.values, strict=True)
            if key is not None
        }
        for each in tree.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Dict)
    }
    return ErrorClasses(tables["ERRORS_BY_CODE"], tables["ERRORS_BY_MESSAGE"], tables["ERRORS_BY_STATUS"])
