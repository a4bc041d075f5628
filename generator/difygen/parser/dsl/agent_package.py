"""The package of an agent (mode `agent`, DSL 0.7.0), as the configuration that it amounts to.

What becomes what is Dify's own projection, by which its API shows such an app to callers (1.16).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from difygen.cursor import Path
from difygen.model import InputKind, JsonValue
from difygen.parser.dsl.graph import mapping, sequence, text

_KINDS: Mapping[str, InputKind] = {
    "number": "number",
    "integer": "number",
    "float": "number",
    "boolean": "checkbox",
    "bool": "checkbox",
    "paragraph": "paragraph",
    "long_text": "paragraph",
    "multiline": "paragraph",
    "select": "select",
    "json": "json_object",
    "json_object": "json_object",
}
"""The form's word for the type of a variable; any other is a line of text."""


class AgentPackage(NamedTuple):
    """What an agent is called, its configuration in the keys of a `model_config`, and where its variables stand."""

    name: str
    description: str
    configuration: Mapping[str, JsonValue]
    variables: Path


def read_package(root: Mapping[str, JsonValue]) -> AgentPackage | None:
    """Return the package that the agent refers to, or None where the export has none."""
    ref = text(mapping(root.get("agent")).get("package_ref"))
    package = mapping(mapping(root.get("agent_packages")).get(ref))
    soul, metadata = mapping(package.get("soul")), mapping(package.get("metadata"))
    if not soul:
        return None
    features = {key: value for key, value in mapping(soul.get("app_features")).items() if value is not None}
    configuration: dict[str, JsonValue] = {
        **mapping(root.get("model_config")),
        **features,
        "user_input_form": list(_form(soul)),
        "agent_mode": {"tools": mapping(soul.get("tools")).get("dify_tools")},
    }
    path = ("agent_packages", ref, "soul", "app_variables")
    return AgentPackage(text(metadata.get("name")), text(metadata.get("description")), configuration, path)


def _form(soul: Mapping[str, JsonValue]) -> Iterator[JsonValue]:
    """Yield the items of the form, one for each variable: its name is its label, too."""
    for variable in map(mapping, sequence(soul.get("app_variables"))):
        kind = _KINDS.get(text(variable.get("type")).strip().lower(), "text-input")
        name = variable.get("name")
        yield {kind: {**variable, "variable": name, "label": name} if name else variable}
