"""What nodes give, type by type: the functions of the node table.

Those of the first half know a node's own settings. Those of the second follow selectors: what such nodes give is made
of other nodes' values, of which they choose one, go through a list, or take one apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from difygen.model import INPUT_TRAITS, ArrayOf, JsonValue, ObjectOf, OneOf, Primitive, Property, Type
from difygen.parser.dsl.branches import TIMEOUT, actions, routes
from difygen.parser.dsl.graph import Step, mapping, sequence, text, texts
from difygen.parser.dsl.inputs import FIELD_KINDS
from difygen.parser.dsl.nullability import Requirement, Unknown, Value, any_of, nothing
from difygen.types import items_of, json_of, merge, or_null, type_of, type_of_schema, union, without_null
from difygen.wording import named, quoted

STRING, NUMBER, INTEGER, BOOLEAN = Primitive.STRING, Primitive.NUMBER, Primitive.INTEGER, Primitive.BOOLEAN
OBJECT = ObjectOf()
FILES = ArrayOf(Primitive.FILE)
DATA = ArrayOf(union(OBJECT, ArrayOf(Primitive.ANY)))
"""What a plugin calls `json`: whatever it sent as such, one member each."""

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_PRICES = (
    "prompt_unit_price",
    "prompt_price_unit",
    "prompt_price",
    "completion_unit_price",
    "completion_price_unit",
    "completion_price",
    "total_price",
)
USAGE = ObjectOf(
    (
        *(Property(name, INTEGER) for name in _COUNTS),
        *(Property(name, STRING, description="A decimal number as text.") for name in _PRICES),
        Property("currency", STRING),
        Property("latency", NUMBER, description="In seconds."),
        # since 1.10.0, and only where the model streams
        Property("time_to_first_token", union(NUMBER, Primitive.NULL), required=False),
        Property("time_to_generate", union(NUMBER, Primitive.NULL), required=False),
    )
)
RETRIEVED = ObjectOf(
    (
        Property("title", STRING),
        Property("content", STRING),
        Property("metadata", OBJECT, description="Where the text comes from; external sources say less."),
        Property("files", union(FILES, Primitive.NULL), required=False),  # since 1.11.0
        Property("summary", union(STRING, Primitive.NULL), required=False),  # since 1.12.0
        Property("url", union(STRING, Primitive.NULL), required=False),
        Property("icon", union(STRING, Primitive.NULL), required=False),
    )
)
NOT_TRIGGERED = "null when the run was not started by the trigger {node}"
MODEL = ObjectOf(
    (
        Property("provider", STRING),
        Property("name", STRING),
        Property("mode", OneOf(("chat", "completion"), closed=False)),
        Property("completion_params", OBJECT, required=False),
    )
)
"""What an environment variable of type `llm` holds (1.17): the choice of a model, for nodes to share."""

_AGENT_DEFAULTS: dict[str, Type] = {
    "text": STRING,
    "files": FILES,
    "json": OBJECT,  # an object here, where tools and older agents give a list
}
_ROUTE = "switch"
"""The output of an agent that chooses the way on: the id of its route."""


class Lookup(Protocol):
    """What the functions of the node table may ask."""

    @property
    def inputs(self) -> Mapping[str, Value]:
        """The start node's variables."""

    def resolve(self, selector: JsonValue, scope: str | None) -> Value:
        """Return what a selector leads to, seen from within the container `scope` (None for the workflow itself)."""

    def variable(self, group: str, name: str) -> Value:
        """Return a variable of `sys`, `env` or `conversation`."""

    def decided(self, selector: JsonValue, by: Step) -> bool:
        """Return whether the step that a selector leads to has run or been skipped for good once `by` runs."""

    def given(self, selector: JsonValue, to: Step) -> Value:
        """Return what a selector leads to when `to` starts: null, with a reason, if it may not be there by then."""

    def words(self, selector: JsonValue) -> str:
        """Return what a selector leads to, in words: `text` of 'Model'."""

    def may_miss(self, value: Value, container: Step) -> bool:
        """Return whether `value`, made within a container, may be missing after one of its rounds."""


Derive: TypeAlias = Callable[[Step, str, Lookup], Value | None]
"""A function of the table: the field of that name of a step, or None if it has none."""


def declared(word: JsonValue, name: str, null: str = "") -> Value:
    """Return a field of the type that the node itself names."""
    type_ = type_of(word)
    if type_ is None or type_ is Primitive.ANY:
        return Value(
            Primitive.ANY, null, unknown=Unknown("any-declared", f"{{node}} does not say what its {named(name)} holds")
        )
    if type_ == ArrayOf(Primitive.ANY):
        return Value(
            type_, null, unknown=Unknown("any-members", f"{{node}} does not say what the members of {named(name)} are")
        )
    return Value(type_, null)


def _schema(value: JsonValue) -> JsonValue:
    """Return a JSON Schema, whether as a mapping or as the text that some editors store."""
    if isinstance(value, str) and value.strip():
        return json_of(value)
    return value if isinstance(value, dict) and value else None


def _of_schema(schema: JsonValue, name: str, null: str) -> Value:
    type_, nullable = without_null(type_of_schema(schema))
    why = Unknown("any-schema", f"the schema of {{node}} does not say what {named(name)} holds")
    null = null or ("null where the schema of {node} allows it" if nullable else "")
    return Value(type_, null, unknown=why if type_ is Primitive.ANY else None)


def start_variable(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return a start variable; the start node also holds all `sys` variables."""
    return lookup.inputs.get(name) or system_variable(step, name, lookup)


def system_variable(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return the `sys` variables, which the node that begins a run holds as well."""
    return lookup.variable("sys", name.removeprefix("sys.")) if name.startswith("sys.") else None


def structured_output(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return what an LLM gives beside its text.

    Engines before August 2026 leave it out where the answer could not be parsed.
    """
    enabled = step.data.get("structured_output_enabled") or step.data.get("structured_output_switch_on")
    if name != "structured_output" or not enabled:
        return None
    null = "only when the answer of {node} can be read as its schema asks"
    schema = _schema(mapping(step.data.get("structured_output")).get("schema"))
    return Value(ObjectOf(), null) if schema is None else _of_schema(schema, name, null)


def retrieved(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return the texts that a knowledge base gave; without a query there are none."""
    if name != "result":
        return None
    asked = sequence(step.data.get("query_variable_selector")) or sequence(step.data.get("query_attachment_selector"))
    return Value(ArrayOf(RETRIEVED), "" if asked else "null when {node} is given nothing to look for")


def _given(name: str) -> str:
    return f"only when {{node}} gives {named(name)}"


def _undeclared(code: str, name: str) -> Value:
    reason = f"{{node}} does not say what its {named(name)} holds"
    return Value(Primitive.ANY, _given(name), unknown=Unknown(code, reason))


def plugin_output(fields: Mapping[str, Type | Value]) -> Derive:
    """Return the outputs of a tool or an agent: what all have, and what `output_schema` says, which may take
    the place of those.
    """

    def derive(step: Step, name: str, lookup: Lookup) -> Value | None:
        common = fields.get(name)
        schema = mapping(_schema(step.data.get("output_schema")))
        properties = mapping(schema.get("properties"))
        if name not in properties:
            if common is not None:
                return common if isinstance(common, Value) else Value(common)
            return _undeclared("tool-without-schema", name)
        if common is None:
            return _of_schema(properties[name], name, "" if name in sequence(schema.get("required")) else _given(name))
        found = _of_schema(properties[name], name, "")
        return found._replace(type=merge(found.type, common.type if isinstance(common, Value) else common))

    return derive


def agent_output(first_version: Derive) -> Derive:
    """Return the outputs of an agent, which one of the second version declares.

    Exports have its declarations in `agent_job` since DSL 0.7.0; the editor itself keeps them in the node.
    """

    def derive(step: Step, name: str, lookup: Lookup) -> Value | None:
        if "agent_node_kind" not in step.data and "agent_job" not in step.data:
            return first_version(step, name, lookup)
        job = mapping(step.data.get("agent_job"))
        declarations = job.get("declared_outputs", step.data.get("agent_declared_outputs"))
        if name == _ROUTE and (chosen := [branch.handle for branch in routes(step)]):
            return Value(OneOf(tuple(chosen), closed=False))
        if declarations is None and "agent_job" not in step.data:
            return _undeclared("agent-without-outputs", name)
        for each in map(mapping, sequence(declarations)):
            if text(each.get("name")) == name:
                null = _given(name) if each.get("required") is False else ""
                type_ = _declared_type(each)
                return declared(each.get("type"), name, null) if type_ is None else Value(type_, null)
        default = _AGENT_DEFAULTS.get(name)  # releases after 1.17 give `text` beside what is declared
        if default is None or (declarations and name != "text"):
            return None
        return Value(default, _given(name))

    return derive


def _declared_type(declaration: Mapping[str, JsonValue]) -> Type | None:
    """Return the type of an output, or of a part of one, as an agent declares it; None for a word that is not known.

    A list whose members are not declared is one of objects.
    """
    word = declaration.get("type")
    if word == "array":
        item = mapping(declaration.get("array_item")) or {"type": "object"}
        return ArrayOf(_declared_type(item) or Primitive.ANY)
    children = [mapping(each) for each in sequence(declaration.get("children"))] if word == "object" else []
    parts = {name: each for each in children if (name := text(each.get("name")))}
    if not parts:
        return type_of(word)
    return ObjectOf(
        tuple(
            Property(
                name,
                _declared_type(each) or Primitive.ANY,
                required=each.get("required") is not False,
                description=text(each.get("description")),
            )
            for name, each in parts.items()
        )
    )


def parameter(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return a parameter. One that was not found is empty, not null, and one of a choice may then be none of them."""
    for each in map(mapping, sequence(step.data.get("parameters"))):
        if text(each.get("name")) == name:
            options = texts(each.get("options"))
            if each.get("type") == "select":
                return Value(OneOf(options, closed=False) if options else Primitive.STRING)
            return declared(each.get("type"), name)
    return None


def form_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return a field of a form that a person fills in; not there when nobody did in time."""
    for each in map(mapping, sequence(step.data.get("inputs"))):
        if text(each.get("output_variable_name")) == name:
            ports = tuple((step.id, branch.handle) for branch in actions(step) if branch.handle != TIMEOUT)
            word, why = text(each.get("type")) or "paragraph", None
            kind = FIELD_KINDS.get(word)
            type_: Type = INPUT_TRAITS[kind].type if kind is not None else Primitive.ANY
            if kind is None:
                reason = f"difygen does not know {quoted(word)}, the type of {quoted(name)} in the form of {{node}}"
                why = Unknown("unknown-field-type", reason)
            return Value(type_, "", (Requirement(ports),) if ports else (), why)
    return None


def webhook_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return what came with the request that triggered the run: headers are text, parameters and body have
    declared types.
    """
    for each in map(mapping, sequence(step.data.get("headers"))):
        if text(each.get("name")).replace("-", "_") == name:
            return Value(Primitive.STRING, NOT_TRIGGERED)
    body = step.data.get("body")
    members = [*sequence(step.data.get("params")), *sequence(body)]
    members += [{"name": key, **mapping(each)} for key, each in mapping(body).items()]
    for each in map(mapping, members):
        if text(each.get("name")) == name:
            return declared(each.get("type"), name, NOT_TRIGGERED)
    return system_variable(step, name, lookup)


def event_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return a part of the event that triggered the run."""
    found = system_variable(step, name, lookup)
    properties = mapping(mapping(_schema(step.data.get("output_schema"))).get("properties"))
    if found is None and name in properties:
        return _of_schema(properties[name], name, NOT_TRIGGERED)
    return found or _undeclared("trigger-without-schema", name)._replace(null=NOT_TRIGGERED)


def datasource_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return a field of a knowledge pipeline's source."""
    if name == "file" and step.data.get("provider_type") == "local_file":
        return Value(Primitive.FILE)
    reason = f"what the data source {{node}} holds in {named(name)} depends on its provider"
    return Value(Primitive.ANY, _given(name), unknown=Unknown("datasource-field", reason))


def index_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return a field of a knowledge pipeline's last step."""
    return _undeclared("knowledge-index-field", name)


# Of other nodes' values


def aggregated(step: Step, name: str, lookup: Lookup) -> Value | None:
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


def iterated(step: Step, name: str, lookup: Lookup) -> Value | None:
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


def looped(step: Step, name: str, lookup: Lookup) -> Value | None:
    """Return the loop's variables after its last round."""
    for each in map(mapping, sequence(step.data.get("loop_variables"))):
        if text(each.get("label")) == name:
            return declared(each.get("var_type"), name)
    if name == "loop_round":
        return Value(Primitive.INTEGER, "null when {node} ends before its first round")
    return None


def extracted(step: Step, name: str, lookup: Lookup) -> Value | None:
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


def from_list(step: Step, name: str, lookup: Lookup) -> Value | None:
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
