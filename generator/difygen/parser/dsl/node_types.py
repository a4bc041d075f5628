"""The table of node types: what each makes, and the ways out of those that branch.

Knows no graph beyond what a `Lookup` tells.

To add a node type, add one row to `NODE_TYPES` and one folder to `tests/cases/dsl/`:

* `fields` are the outputs that every such node has, as types, or as a `Value` where one can be null in its own words;
* `derive` gives the outputs that depend on the node's settings or on other nodes, and None for names it does not know;
* `branches` lists the handles of a node that takes one way of several;
* `inside` and `afterwards` name those fields of a container that only the steps in it see, and that they do not see;
* `is_guessed` says that the editor has no surer type for such a node's outputs than what it cached at some time.

What all nodes share (error strategies, selectors that go deeper, skipped steps) happens elsewhere and needs no word
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from difygen.model import Type
from difygen.parser.dsl import branches as b
from difygen.parser.dsl import node_fields as f
from difygen.parser.dsl.branches import Branch
from difygen.parser.dsl.code import code_output
from difygen.parser.dsl.graph import Graph, Step
from difygen.parser.dsl.node_fields import BOOLEAN, DATA, FILES, INTEGER, OBJECT, STRING, USAGE, Derive
from difygen.parser.dsl.nullability import Value
from difygen.record import Record

FAIL, SUCCESS = "fail-branch", "source"
"""The handles of a node whose failure has a branch of its own."""

_PLUGIN: dict[str, Type | Value] = {"text": STRING, "files": FILES, "json": DATA}


class NodeType(Record):
    """One row: see the head of this module."""

    fields: Mapping[str, Type | Value] = MappingProxyType({})
    derive: Derive | None = None
    branches: Callable[[Step], Sequence[Branch]] | None = None
    inside: Sequence[str] = ()
    afterwards: Sequence[str] = ()
    is_guessed: bool = False


_AGGREGATOR = NodeType(derive=f.aggregated, is_guessed=True)
_AGENT = NodeType(derive=f.agent_output(f.plugin_output({**_PLUGIN, "usage": USAGE})), branches=b.routes)

NODE_TYPES: dict[str, NodeType] = {
    "start": NodeType(derive=f.start_variable),
    "end": NodeType(),
    "answer": NodeType({"answer": STRING, "files": FILES}),
    "llm": NodeType(
        {
            "text": STRING,
            "usage": USAGE,
            "reasoning_content": STRING,
            "finish_reason": Value(STRING, "null when the model of {node} does not say why it stopped"),
            "files": Value(FILES, "only when the model of {node} produces files"),
        },
        f.structured_output,
    ),
    "knowledge-retrieval": NodeType(derive=f.retrieved),
    "question-classifier": NodeType(
        {"class_name": STRING, "class_id": STRING, "class_label": STRING, "usage": USAGE}, branches=b.classes
    ),
    "if-else": NodeType({"result": BOOLEAN, "selected_case_id": STRING}, branches=b.cases),
    "code": NodeType(derive=code_output),
    "template-transform": NodeType({"output": STRING}),
    "http-request": NodeType({"body": STRING, "status_code": INTEGER, "headers": OBJECT, "files": FILES}),
    "tool": NodeType(derive=f.plugin_output(_PLUGIN)),
    "agent": _AGENT,
    "agent-v2": _AGENT,  # the editor's own name for one of the second version; exports have `agent` for both
    "variable-aggregator": _AGGREGATOR,
    "variable-assigner": _AGGREGATOR,  # its name before 0.6.14; `assigner` is another node
    "assigner": NodeType(),
    "iteration": NodeType(derive=f.iterated, is_guessed=True, inside=("item", "index"), afterwards=("output",)),
    "loop": NodeType(derive=f.looped, afterwards=("loop_round",)),
    "iteration-start": NodeType(),
    "loop-start": NodeType(),
    "loop-end": NodeType(),
    "parameter-extractor": NodeType(
        {
            "__is_success": INTEGER,
            "__reason": Value(STRING, "null when {node} finds its parameters"),
            "__usage": USAGE,
        },
        f.parameter,
    ),
    "document-extractor": NodeType(derive=f.extracted, is_guessed=True),
    "list-operator": NodeType(derive=f.from_list, is_guessed=True),
    "human-input": NodeType(
        {"__action_id": STRING, "__rendered_content": STRING, "__action_value": STRING},
        f.form_field,
        b.actions,
    ),
    "trigger-webhook": NodeType({"_webhook_raw": Value(OBJECT, f.NOT_TRIGGERED)}, f.webhook_field),
    "trigger-schedule": NodeType(derive=f.system_variable),
    "trigger-plugin": NodeType(derive=f.event_field),
    "datasource": NodeType({"datasource_type": STRING}, f.datasource_field),
    "knowledge-index": NodeType(derive=f.index_field),
}


def branches_of(graph: Graph, step: Step) -> Sequence[Branch]:
    """Return the ways out of a step, of which a run takes one; none where it takes all."""
    type_ = NODE_TYPES.get(step.type)
    if type_ is None:
        handles = dict.fromkeys(edge.handle for edge in graph.edges_of(step.id))
        return [Branch(each, each) for each in handles] if len(handles) > 1 else ()
    branches = list(type_.branches(step)) if type_.branches is not None else []
    if step.data.get("error_strategy") == FAIL:
        branches = [*(branches or [Branch(SUCCESS, "succeeds", True)]), Branch(FAIL, "fails", True)]
    return branches
