"""What callers see of workflows, for comparing: from a lock, or from definitions that were just read."""

from __future__ import annotations

import json
from collections.abc import Mapping

from difygen.code import Identifier
from difygen.contract import load
from difygen.diff.workflows import PublicNames, Surface
from difygen.model import App
from difygen.options import Options
from difygen.plan.names import check_options
from difygen.plan.workflow import node_constants, plan_workflow
from difygen.project.lock import LockedWorkflow


def surfaces(workflows: Mapping[str, LockedWorkflow]) -> dict[str, Surface]:
    """The surfaces of a lock's workflows, by module. Raises `ContractError`."""
    return {module: _locked_surface(module, one) for module, one in workflows.items()}


def surface(workflow: App, module: str) -> Surface:
    """The surface of a workflow that was just read, as it is without any options."""
    planned = plan_workflow(workflow, Options(), Identifier(module))
    exports = planned.plan.exports if planned.plan else ()
    return workflow, _public_names(workflow, module, {}, exports)


def without_exports(found: Mapping[str, Surface]) -> dict[str, Surface]:
    """The surfaces without the names that they export: those depend on options that only a lock was made with."""
    return {module: (workflow, names._replace(exports=())) for module, (workflow, names) in found.items()}


def _locked_surface(module: str, locked: LockedWorkflow) -> Surface:
    workflow = load(json.loads(locked.contract), locked.source)
    return workflow, _public_names(workflow, module, locked.renamed, locked.exports)


def _public_names(
    workflow: App, module: str, renamed: Mapping[str, str], exports: tuple[str, ...] | tuple[Identifier, ...]
) -> PublicNames:
    names = check_options(workflow, Options(rename={module: renamed}), module)
    return PublicNames(names.inputs, names.outputs, node_constants(workflow), exports)
