"""The file that Dify's "Export DSL" gives, to a `App`: inputs from its start node, outputs by following its graph.

The specification of everything in here is Dify's own behaviour; where versions differ, the engine of Dify 1.9 and later counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from difygen.model import App, AppMode, JsonValue
from difygen.parser import Reading
from difygen.parser.dsl.app import check_kind, check_version, mode_of, refuse_mode
from difygen.parser.dsl.graph import PATH, Graph, read_graph
from difygen.parser.dsl.inputs import read_inputs
from difygen.parser.dsl.outputs import read_outputs
from difygen.parser.dsl.resolver import Resolver
from difygen.parser.dsl.shape import mapping, text
from difygen.parts import Report

if TYPE_CHECKING:
    from difygen.parser.document import Document


def read_dsl(document: Document) -> Reading:
    """Read an export. Apps that are no workflows give a `App` with their mode and nothing else, and an error."""
    report = Report(document)
    workflow = _read(document.root, document.file, report)
    return Reading(workflow, report.diagnostics())


def _read(root: Mapping[str, JsonValue], file: str, report: Report) -> App | None:
    if not check_kind(root, report):
        return None
    mode = mode_of(root, report)
    if mode is None:
        return None
    if mode != "workflow":
        refuse_mode(mode, report)
        return _workflow(root, file, mode)
    check_version(root, report)
    canvas = mapping(mapping(root.get("workflow")).get("graph"))
    graph = read_graph(canvas, report)
    if not graph.steps:
        report.error("no-nodes", "The export of this workflow has no nodes.", PATH)
        return None
    return _read_graph(root, file, graph, report)


def _read_graph(root: Mapping[str, JsonValue], file: str, graph: Graph, report: Report) -> App:
    _check_beginning(graph, report)
    inputs, values = read_inputs(graph, report)
    resolver = Resolver(graph, values, mapping(root.get("workflow")))
    outputs = read_outputs(resolver, report)
    common = _workflow(root, file, "workflow")
    return App(
        name=common.name,
        source=common.source,
        title=common.title,
        description=common.description,
        inputs=inputs,
        outputs=outputs,
        nodes=graph.nodes(),
        edges=graph.shown_edges(),
    )


def _workflow(root: Mapping[str, JsonValue], file: str, mode: AppMode) -> App:
    app = mapping(root.get("app"))
    name = text(app.get("name"))
    if not name.strip():
        name = file.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0].strip("-") or "workflow"
    return App(name=name, source=file, mode=mode, title=name, description=text(app.get("description")))


def _check_beginning(graph: Graph, report: Report) -> None:
    """Warn where a run has no inputs, since nothing says which it takes."""
    if graph.first("start") is not None:
        return
    trigger = next((step for step in graph.steps.values() if step.type.startswith("trigger-")), None)
    if trigger is None:
        report.warn("no-start-node", "The workflow has no Start node, so its client takes no inputs.", PATH)
        return
    message = f"The workflow is started by the trigger {trigger}, so its client takes no inputs."
    report.warn(
        "started-by-trigger",
        message,
        (*PATH, trigger.index),
        "Dify runs it through the API all the same, without what the trigger brings.",
    )
