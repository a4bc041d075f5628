"""The table of node types: what each makes, and the ways out of those that branch.

Knows no graph beyond what a `Lookup` tells. The functions in here follow selectors; those of `node_fields` do not.

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

from difygen.model import ArrayOf, JsonValue, ObjectOf, Primitive, Property, Type
from difygen.parser.dsl import branches as b
from difygen.parser.dsl import node_fields as f
from difygen.parser.dsl.branches import Branch
from difygen.parser.dsl.code import code_output
from difygen.parser.dsl.graph import Graph, Step, mapping, sequence, text
from difygen.parser.dsl.node_fields import (
    BOOLEAN,
    DATA,
    FILES,
    INTEGER,
    OBJECT,
    STRING,
    USAGE,
    Derive,
    Lookup,
    Unknown,
    Value,
    any_of,
    declared,
    nothing,
)
from difygen.record import Record
from difygen.types import items_of, merge, or_null, type_of, without_null

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


# What nodes make of other nodes' values: choose one, go through a list, take one apart


def _aggregated(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return the first of several variables that has a value, alone as `output` or for each group as an object
    with one.
    """
    settings = mapping(step.data.get("advanced_settings"))
    if not settings.get("group_enabled"):
        return _first_of(step, step.data, lookup) if name == "output" else None
    for group in map(mapping, sequence(settings.get("groups"))):
        if text(group.get("group_name")) == name:
            found = _first_of(step, group, lookup)
            # an upstream null counts as a value, so it is null within the object
            member = Property("output", or_null(found.type, found.null))
            return Value(ObjectOf((member,)), "", found.requirements, found.unknown)
    return None


def _first_of(step: Step, group: Mapping[str, JsonValue], lookup: Lookup) -> Value:
    none = "null when none of the variables of {node} has a value"
    selectors = sequence(group.get("variables"))
    found = [(lookup.resolve(each, step.parent), lookup.decided(each, step)) for each in selectors]
    values = [value for value, _ in found if value.type is not Primitive.NULL]
    if not values:
        noted = declared(group.get("output_type"), "output", none)
        return noted if noted.unknown is None else nothing("aggregator-without-sources", none)
    # A variable that may be made later than it is asked for is nothing to count on.
    requirements = any_of([value for value, decided in found if decided and value.type is not Primitive.NULL], none)
    null = next((each.null for each in values if each.null), "")
    why = next((each.unknown for each in values if each.unknown is not None), None)
    return Value(
        merge(*(each.type for each in values)), null or (none if requirements is None else ""), requirements or (), why
    )


def _iterated(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return the results of all rounds in one list; within the iteration also the member and its number."""
    if name == "index":
        return Value(Primitive.INTEGER)
    if name == "item":
        return _member(step, lookup)
    if name != "output":
        return None
    inner = lookup.resolve(step.data.get("output_selector"), step.id)
    if inner.type in (Primitive.ANY, Primitive.NULL):
        # What the editor took the results for. It writes `array[string]` where it does not know.
        cached = items_of(type_of(step.data.get("output_type")) or Primitive.ANY)
        if cached in (None, Primitive.ANY, Primitive.STRING):
            return Value(ArrayOf(Primitive.ANY), unknown=inner.unknown)
        return Value(ArrayOf(or_null(cached or Primitive.ANY)))
    dropped = step.data.get("error_handle_mode") == "continue-on-error" or lookup.may_miss(inner, step)
    item: Type = inner.type
    if step.data.get("flatten_output") is not False:
        item = _flat(item)
    return Value(ArrayOf(or_null(item, dropped)), unknown=inner.unknown)


def _flat(type_: Type) -> Type:
    """Return the members of the rounds' lists, where all rounds give lists: Dify then joins them (all but 1.9.0
    and 1.9.1).
    """
    inner = items_of(type_)
    if isinstance(type_, ArrayOf) or inner is None:
        return type_ if inner is None else inner
    return merge(type_, inner)


def _member(step: Step, lookup: Lookup) -> Value:
    source = lookup.resolve(step.data.get("iterator_selector"), step.parent)
    found = items_of(source.type)
    if found is None or found is Primitive.ANY:
        return Value(
            Primitive.ANY, unknown=source.unknown or Unknown("any-members", "nothing says what {node} goes through")
        )
    item, nullable = without_null(found)
    return Value(item, "null when a member of the list that {node} goes through is null" if nullable else "")


def _looped(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return the loop's variables after its last round."""
    for each in map(mapping, sequence(step.data.get("loop_variables"))):
        if text(each.get("label")) == name:
            return declared(each.get("var_type"), name)
    if name == "loop_round":
        return Value(Primitive.INTEGER, "null when {node} ends before its first round")
    return None


def _extracted(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return the text of a file, or of each of several.

    The newest engine gives an empty list for a file that is not there.
    """
    if name != "text":
        return None
    source = lookup.resolve(step.data.get("variable_selector"), step.parent)
    if source.type in (Primitive.ANY, Primitive.NULL):
        several = step.data.get("is_array_file") is True
    else:
        several = items_of(source.type) is not None
    if several:
        return Value(ArrayOf(Primitive.STRING))
    return Value(merge(Primitive.STRING, ArrayOf(Primitive.STRING)) if source.null else Primitive.STRING)


def _from_list(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return what is left of a list, and its first and last member."""
    if name not in ("result", "first_record", "last_record"):
        return None
    source = lookup.resolve(step.data.get("variable"), step.parent)
    item = items_of(source.type)
    if item is None or item is Primitive.ANY:
        cached = declared(step.data.get("var_type") or f"array[{text(step.data.get('item_var_type'))}]", "result")
        item = items_of(cached.type) or Primitive.ANY
    why = (
        (source.unknown or Unknown("any-members", "nothing says what the members of the list of {node} are"))
        if item is Primitive.ANY
        else None
    )
    if name == "result":
        return Value(ArrayOf(item), unknown=why)
    item, _ = without_null(item)
    return Value(item, "null when {node} leaves no member in its list", unknown=why)


# The table


_AGGREGATOR = NodeType(derive=_aggregated, is_guessed=True)
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
    "iteration": NodeType(derive=_iterated, is_guessed=True, inside=("item", "index"), afterwards=("output",)),
    "loop": NodeType(derive=_looped, afterwards=("loop_round",)),
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
    "document-extractor": NodeType(derive=_extracted, is_guessed=True),
    "list-operator": NodeType(derive=_from_list, is_guessed=True),
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
