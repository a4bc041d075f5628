"""Plans what a module says about the graph of its workflow: the enumeration of nodes, and where the texts of outputs are written.

Knows nothing of models and methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from difygen.code import Code, Identifier, compose, docstring, literal
from difygen.layout import INDENT, Bracket, Doc, assignment, call, place, prefixed, strings, value
from difygen.model import App, Node, OneOf, Output, Primitive, Type
from difygen.naming import constant_name, numbered
from difygen.plan.hints import Names
from difygen.plan.names import readable_id
from difygen.plan.prose import one_line
from difygen.type_algebra import members_of

if TYPE_CHECKING:
    from difygen.plan.methods import ClientNames


class NodesPlan(NamedTuple):
    """The enumeration of a workflow's nodes. `constants` are its members by node id."""

    name: Identifier
    docstring: Code
    members: tuple[Code, ...]
    constants: Mapping[str, Identifier]


def node_constants(workflow: App) -> dict[str, Identifier]:
    """Return the names of the nodes in their enumeration, by node id.

    A node is called by its id, if somebody chose that, else by its title, else by its type. Of several that would be called
    the same, all but the oldest get a number: ids of Dify's are the times at which the nodes were added, so that adding one
    renames no other.
    """
    oldest_first = sorted(
        workflow.nodes, key=lambda node: (len(node.id), node.id) if node.id.isdecimal() else (inf, "")
    )
    names = numbered({node.id: _node_constant(node) for node in oldest_first})
    return {node.id: names[node.id] for node in workflow.nodes}


def _node_constant(node: Node) -> Identifier:
    return constant_name(*((node.id,) if readable_id(node.id) else (node.title, node.type)), fallback="node")


def plan_nodes(workflow: App, name: Identifier, names: Names) -> NodesPlan:
    """The nodes, in the order of the definition."""
    names.use("._runtime", "WorkflowNode")
    constants = node_constants(workflow)
    members = (
        prefixed(compose("{} = ", constants[node.id]), strings((node.id, node.type, node.title)))
        for node in workflow.nodes
    )
    text = f"The nodes of `{one_line(workflow.name)}`: id, type and title. A member equals its node id."
    return NodesPlan(
        name,
        docstring([text], INDENT),
        tuple(place(member, INDENT, limit=names.limit) for member in members),
        constants,
    )


def plan_info(known: ClientNames, name: Identifier, nodes: NodesPlan | None, names: Names) -> Code:
    """The statement that describes the workflow to its clients."""
    arguments: list[Doc] = [
        prefixed(Code("name="), value(known.workflow.name)),
        compose("outputs={}", known.outputs),
        prefixed(Code("api_key_variables="), strings(known.key_variables)),
    ]
    texts = [output for output in known.workflow.outputs if output.selectors and _is_text(output.type)]
    if texts:
        pairs = (prefixed(compose("{}: ", literal(output.name)), _sources(output, nodes)) for output in texts)
        arguments.append(Bracket(Code("text_sources={"), tuple(pairs), Code("}")))
    return assignment(name, call(names.use("._runtime", known.workflow.kind.info), *arguments), limit=names.limit)


def _sources(output: Output, nodes: NodesPlan | None) -> Doc:
    """Where in the graph the text of an output comes from, for those who follow it while it is written."""
    return Bracket(Code("["), tuple(_selector(selector, nodes) for selector in output.selectors), Code("]"))


def _selector(selector: tuple[str, ...], nodes: NodesPlan | None) -> Doc:
    if nodes is None or not selector or selector[0] not in nodes.constants:
        return strings(selector)
    first = compose("{}.{}", nodes.name, nodes.constants[selector[0]])
    return Bracket(Code("("), (first, *map(literal, selector[1:])), Code(",)" if len(selector) == 1 else ")"))


def _is_text(type_: Type) -> bool:
    return any(member is Primitive.STRING or isinstance(member, OneOf) for member in members_of(type_))
