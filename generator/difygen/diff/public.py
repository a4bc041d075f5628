"""What callers see of an app: its contract, and the Python names that generated code gives to it and its variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from difygen.codegen.python.module import plan_module
from difygen.codegen.python.names import FormNames, name_variables
from difygen.model import App
from difygen.naming import Identifier, class_name
from difygen.options import Options

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_FORMS: Mapping[str, FormNames] = MappingProxyType({})


class PublicNames(NamedTuple):
    """The Python names of a module: of inputs, outputs and variables by wire name, of nodes and forms by id, exports.

    The classes of nodes and tools, which come and go with these, are not among the exports.
    """

    inputs: Mapping[str, str] = _NOTHING
    outputs: Mapping[str, str] = _NOTHING
    variables: Mapping[str, str] = _NOTHING
    nodes: Mapping[str, str] = _NOTHING
    exports: Sequence[str] = ()
    forms: Mapping[str, FormNames] = _NO_FORMS


class PublicApp(NamedTuple):
    """All that callers see of an app."""

    app: App
    names: PublicNames


def public_app(
    app: App,
    module: str,
    renamed: Mapping[str, str] = _NOTHING,
    exports: Sequence[str] | None = None,
    nodes: Mapping[str, str] = _NOTHING,
) -> PublicApp:
    """Return what callers see of an app that is called `module` in Python.

    Args:
        app: The app, from a definition or a lock.
        module: Its name.
        renamed: The Python names that the user chose for variables.
        exports: The public names of its module; by default, those that it has without any options.
        nodes: The constants that the user chose for nodes.
    """
    names = name_variables(app, Options(rename={module: renamed}, nodes={module: nodes}), module)
    if exports is None:
        plan = plan_module(app, Options(), Identifier(module)).plan
        exports = plan.exports if plan else ()
    steps = {f"{class_name(module)}{what}" for what in ("Node", "Tool")}
    exports = [name for name in exports if name not in steps]
    return PublicApp(app, PublicNames(names.inputs, names.outputs, names.variables, names.nodes, exports, names.forms))
