"""Decides everything about a generated module: names, annotations, defaults, docstrings, imports and findings.

Turns a `App` into records of `Code` that templates print without thinking. Knows nothing of templates and files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from difygen.code import Code, Identifier, compose, literal
from difygen.diagnostics import Diagnostic
from difygen.layout import assignment, call
from difygen.model import App
from difygen.naming import class_name
from difygen.options import Emit, Options
from difygen.plan.graph import NodesPlan, node_constants, plan_info, plan_nodes
from difygen.plan.hints import ModelPlan, Names
from difygen.plan.inputs import InputPlan, plan_inputs
from difygen.plan.methods import ClientNames, ClientPlan, module_docstring, plan_async_client, plan_client
from difygen.plan.names import IMPORTED_CLASSES, Checked, check_options, class_names
from difygen.plan.outputs import plan_outputs
from difygen.render.compiled import RUNTIME_NAMES, TAKEN_NAMES


class WorkflowPlan(NamedTuple):
    """A generated module, all decisions made: what the templates print.

    `imports` tells module by module what the body needs; `exports` are the public names, in the order of the module.
    """

    name: Identifier
    docstring: Code
    imports: Mapping[str, tuple[Code, ...]]
    exports: tuple[Identifier, ...]
    constants: tuple[Code, ...]
    models: tuple[ModelPlan, ...]
    nodes: NodesPlan | None
    info: Code
    info_name: Identifier
    clients: tuple[ClientPlan, ...]
    functions: tuple[Code, ...]


class Planned(NamedTuple):
    """A plan, if there is one, and what is to be said about it."""

    plan: WorkflowPlan | None
    diagnostics: tuple[Diagnostic, ...]


def plan_workflow(workflow: App, options: Options, name: Identifier) -> Planned:
    """The plan of the module of a workflow that is called `name` in Python."""
    checked = check_options(workflow, options, name)
    if checked.problems:
        return Planned(None, checked.problems)
    return Planned(_plan(workflow, options, name, checked), ())


def _plan(workflow: App, options: Options, name: Identifier, checked: Checked) -> WorkflowPlan:
    stem = class_name(name)
    known = ClientNames(
        workflow=workflow,
        stem=name.rstrip("_"),
        inputs=Identifier(f"{stem}Inputs"),
        outputs=Identifier(f"{stem}Outputs"),
        client=Identifier(f"{stem}Client"),
        async_client=Identifier(f"Async{stem}Client"),
        key_variables=(checked.key_variable, "DIFY_API_KEY"),
    )
    names = Names(
        options.line_length,
        {*RUNTIME_NAMES, *TAKEN_NAMES, *IMPORTED_CLASSES, *class_names(name)},
        f"{known.stem}_" if options.single_file else "",
    )
    inputs = plan_inputs(workflow, known.inputs, checked.inputs, names)
    plan_outputs(workflow, checked.types, known.outputs, checked.outputs, names)
    nodes = plan_nodes(workflow, Identifier(f"{stem}Node"), names) if workflow.nodes else None
    info_name = names.private("WORKFLOW")
    info = plan_info(known, info_name, nodes, names)
    clients = _plan_clients(known, inputs, options.emit, names)
    functions = _plan_functions(known, options.emit, names)
    return WorkflowPlan(
        name=name,
        docstring=module_docstring(workflow, options),
        imports={module: tuple(sorted(used)) for module, used in sorted(names.imports.items())},
        exports=_exports(known, nodes, clients, names),
        constants=tuple(names.aliases),
        models=tuple(names.models),
        nodes=nodes,
        info=info,
        info_name=info_name,
        clients=clients,
        functions=functions,
    )


def _plan_clients(known: ClientNames, inputs: Sequence[InputPlan], emit: Emit, names: Names) -> tuple[ClientPlan, ...]:
    clients: list[ClientPlan] = []
    if emit != "async":
        clients.append(plan_client(known, inputs, names))
    if emit != "sync":
        clients.append(plan_async_client(known, inputs, names, alone=emit == "async"))
    return tuple(clients)


def _plan_functions(known: ClientNames, emit: Emit, names: Names) -> tuple[Code, ...]:
    """The module's own clients and the functions that are their methods."""
    lines: list[Code] = []
    for kind, prefix, cls in (("sync", "", known.client), ("async", "a", known.async_client)):
        if emit in ("both", kind):
            client = names.private("async_client" if prefix else "client")
            lines.append(compose("{} = {}()", client, cls))
            for verb in ("run", "stream"):
                name = Identifier(f"{prefix}{verb}_{known.stem}")
                method = compose("{}.{}", client, Code(verb))
                function = call(names.use("._runtime", "as_function"), method, literal(str(name)))
                lines.append(assignment(name, function, limit=names.limit))
    return tuple(lines)


def _exports(
    known: ClientNames, nodes: NodesPlan | None, clients: tuple[ClientPlan, ...], names: Names
) -> tuple[Identifier, ...]:
    """The names that every workflow has, then the types that this one adds."""
    functions = [
        Identifier(f"{prefix}{verb}_{known.stem}")
        for prefix, client in (("", known.client), ("a", known.async_client))
        for verb in ("run", "stream")
        if client in {plan.name for plan in clients}
    ]
    classes = [known.inputs, known.outputs, *(client.name for client in clients), *([nodes.name] if nodes else [])]
    return (*classes, *functions, *names.public)


__all__ = ["NodesPlan", "Options", "Planned", "WorkflowPlan", "node_constants", "plan_workflow"]
