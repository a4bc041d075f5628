"""Apps as documents tell of them: with their names in Python, and with what the mock knows, for examples."""

from __future__ import annotations

from typing import NamedTuple

from difygen.codegen.names import VariableNames, name_variables
from difygen.config import Options
from difygen.definitions.reading import NamedApp
from difygen.files import hash_bytes
from difygen.mock.definition import Definition, definition_of


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
