"""What nodes make where that depends on their settings: the functions of the node table. Each knows one node type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from difygen.readers.dsl.graph import Step
from difygen.readers.dsl.paths import Branch
from difygen.readers.dsl.shape import mapping, sequence, text, texts
from difygen.readers.dsl.values import (
    Lookup,
    Need,
    Unknown,
    Value,
    any_of,
    items_of,
    merge,
    nothing,
    or_null,
    unknown,
    without_null,
)
from difygen.readers.dsl.words import type_of
from difygen.workflow import ArrayOf, JsonValue, ObjectOf, OneOf, Primitive, Property, Type

Derive = Callable[[Step, str, Lookup], Value | None]

NOT_TRIGGERED = "null when the run was not started by the trigger {node}"
TIMEOUT = "__timeout"


def declared(word: JsonValue, name: str, null: str = "") -> Value:
    """A field of the type that the node itself names."""
    type_ = type_of(word)
    if type_ is None or type_ is Primitive.ANY:
        return Value(
            Primitive.ANY, null, unknown=Unknown("any-declared", f"{{node}} does not say what its `{name}` holds")
        )
    if type_ == ArrayOf(Primitive.ANY):
        return Value(
            type_, null, unknown=Unknown("any-members", f"{{node}} does not say what the members of `{name}` are")
        )
    return Value(type_, null)


def _schema(value: JsonValue) -> JsonValue:
    """A JSON Schema, whether as a mapping or as the text that some editors store."""
    if isinstance(value, str) and value.strip():
        from difygen.readers.dsl.words import json_of

        return json_of(value)
    return value if isinstance(value, dict) and value else None


def _of_schema(schema: JsonValue, name: str) -> tuple[Type, Unknown | None]:
    from difygen.readers.schema import type_of_schema

    type_ = type_of_schema(schema)
    why = Unknown("any-schema", f"the schema of {{node}} does not say what `{name}` holds")
    return type_, why if type_ is Primitive.ANY else None


def start_variable(step: Step, name: str, lookup: Lookup) -> Value | None:
    """A start variable; the start node also holds all `sys` variables."""
    return lookup.inputs.get(name) or system_variable(step, name, lookup)


def system_variable(step: Step, name: str, lookup: Lookup) -> Value | None:
    """The `sys` variables, which the node that begins a run holds as well."""
    return lookup.variable("sys", name.removeprefix("sys.")) if name.startswith("sys.") else None


def structured_output(step: Step, name: str, lookup: Lookup) -> Value | None:
    """What an LLM gives beside its text. Engines before August 2026 leave it out where the answer could not be parsed."""
    enabled = step.data.get("structured_output_enabled") or step.data.get("structured_output_switch_on")
    if name != "structured_output" or not enabled:
        return None
    null = "only when the answer of {node} can be read as its schema asks"
    schema = _schema(mapping(step.data.get("structured_output")).get("schema"))
    if schema is None:
        return Value(ObjectOf(), null)
    type_, why = _of_schema(schema, name)
    return Value(type_, null, unknown=why)


def retrieved(step: Step, name: str, lookup: Lookup) -> Value | None:
    """The texts that a knowledge base gave; without a query there are none."""
    from difygen.readers.dsl.nodes import RETRIEVED

    if name != "result":
        return None
    asked = sequence(step.data.get("query_variable_selector")) or sequence(step.data.get("query_attachment_selector"))
    return Value(ArrayOf(RETRIEVED), "" if asked else "null when {node} is given nothing to look for")


def code_output(step: Step, name: str, lookup: Lookup) -> Value | None:
    """An output that the code declares. Dify takes null for every declared type, and in lists of anything but numbers."""
    outputs = mapping(step.data.get("outputs"))
    if name not in outputs:
        return None
    found = declared(mapping(outputs[name]).get("type"), name)
    type_ = _code_type(mapping(outputs[name]), found.type, 0)
    return Value(type_, f"null when the code of {{node}} gives None for `{name}`", unknown=found.unknown)


def _code_type(output: Mapping[str, JsonValue], type_: Type, depth: int) -> Type:
    children = mapping(output.get("children"))
    if children and depth < 32:
        members = [(key, mapping(child)) for key, child in children.items()]
        shape = ObjectOf(
            tuple(
                Property(key, or_null(_code_type(child, type_of(child.get("type")) or Primitive.ANY, depth + 1), True))
                for key, child in members
            )
        )
        type_ = ArrayOf(shape) if isinstance(type_, ArrayOf) else shape
    if isinstance(type_, ArrayOf) and type_.item is not Primitive.NUMBER:
        return ArrayOf(or_null(type_.item, True))
    return type_


def plugin_output(fields: Mapping[str, Type | Value]) -> Derive:
    """The outputs of a tool or an agent: what all have, and what `output_schema` says, which may take the place of those."""

    def derive(step: Step, name: str, lookup: Lookup) -> Value | None:
        common = fields.get(name)
        schema = mapping(_schema(step.data.get("output_schema")))
        properties = mapping(schema.get("properties"))
        if name not in properties:
            if common is not None:
                return common if isinstance(common, Value) else Value(common)
            return unknown("tool-without-schema", f"{{node}} does not say what its `{name}` holds")
        type_, why = _of_schema(properties[name], name)
        if common is not None:
            return Value(merge(type_, common.type if isinstance(common, Value) else common), unknown=why)
        null = "" if name in sequence(schema.get("required")) else f"only when {{node}} gives a `{name}`"
        return Value(type_, null, unknown=why)

    return derive


_AGENT_DEFAULTS: dict[str, Type] = {
    "text": Primitive.STRING,
    "files": ArrayOf(Primitive.FILE),
    "json": ObjectOf(),  # an object here, where tools and older agents give a list
}


def agent_output(first_version: Derive) -> Derive:
    """The outputs of an agent, which a second version (DSL 0.7.0) declares in `agent_job`."""

    def derive(step: Step, name: str, lookup: Lookup) -> Value | None:
        if "agent_job" not in step.data:
            if "agent_node_kind" not in step.data:
                return first_version(step, name, lookup)
            return unknown("agent-without-outputs", f"the agent {{node}} does not say what its `{name}` holds")
        outputs = sequence(mapping(step.data.get("agent_job")).get("declared_outputs"))
        if not outputs:
            default = _AGENT_DEFAULTS.get(name)
            return Value(default, f"only when {{node}} gives a `{name}`") if default is not None else None
        for each in map(mapping, outputs):
            if text(each.get("name")) == name:
                return _agent_field(each, name)
        return None

    return derive


def _agent_field(output: Mapping[str, JsonValue], name: str) -> Value:
    null = "" if output.get("required") is True else f"only when {{node}} gives a `{name}`"
    if output.get("type") != "array":
        return declared(output.get("type"), name, null)
    item = mapping(output.get("array_item")).get("type")
    return declared(f"array[{text(item) or 'any'}]", name, null)


def aggregated(step: Step, name: str, lookup: Lookup) -> Value | None:
    """The first of several variables that has a value, alone as `output` or for each group as an object with one."""
    settings = mapping(step.data.get("advanced_settings"))
    if not settings.get("group_enabled"):
        return _first_of(step, step.data, lookup) if name == "output" else None
    for group in map(mapping, sequence(settings.get("groups"))):
        if text(group.get("group_name")) == name:
            found = _first_of(step, group, lookup)
            # an upstream null counts as a value, so it is null within the object
            member = Property("output", or_null(found.type, found.null))
            return Value(ObjectOf((member,)), "", found.needs, found.unknown)
    return None


def _first_of(step: Step, group: Mapping[str, JsonValue], lookup: Lookup) -> Value:
    values = [lookup.follow(each, step.parent) for each in sequence(group.get("variables"))]
    values = [each for each in values if each.type is not Primitive.NULL]
    none = "null when none of the variables of {node} has a value"
    if not values:
        found = declared(group.get("output_type"), "output", none)
        return found if found.unknown is None else nothing("aggregator-without-sources", none)
    needs = any_of(values, none)
    null = next((each.null for each in values if each.null), "")
    why = next((each.unknown for each in values if each.type is Primitive.ANY), None)
    return Value(merge(*(each.type for each in values)), null or (none if needs is None else ""), needs or (), why)


def iterated(step: Step, name: str, lookup: Lookup) -> Value | None:
    """The results of all rounds in one list; within the iteration also the member and its number."""
    if name == "index":
        return Value(Primitive.INTEGER)
    if name == "item":
        return _member(step, lookup)
    if name != "output":
        return None
    inner = lookup.follow(step.data.get("output_selector"), step.id)
    if inner.type in (Primitive.ANY, Primitive.NULL):
        return _as_cached(step, inner)
    dropped = step.data.get("error_handle_mode") == "continue-on-error" or lookup.missing(inner, step)
    item: Type = inner.type
    if step.data.get("flatten_output") is not False:
        item = _flat(item)
    return Value(ArrayOf(or_null(item, dropped)), unknown=inner.unknown)


def _as_cached(step: Step, inner: Value) -> Value:
    """What the editor took the results for. It writes `array[string]` where it does not know."""
    cached = items_of(type_of(step.data.get("output_type")) or Primitive.ANY)
    if cached in (None, Primitive.ANY, Primitive.STRING):
        return Value(ArrayOf(Primitive.ANY), unknown=inner.unknown)
    return Value(ArrayOf(or_null(cached or Primitive.ANY, True)))


def _flat(type_: Type) -> Type:
    """The members of the rounds' lists, where all rounds give lists: Dify then joins them (all but 1.9.0 and 1.9.1)."""
    inner = items_of(type_)
    if isinstance(type_, ArrayOf) or inner is None:
        return type_ if inner is None else inner
    return merge(type_, inner)


def _member(step: Step, lookup: Lookup) -> Value:
    source = lookup.follow(step.data.get("iterator_selector"), step.parent)
    found = items_of(source.type)
    if found is None or found is Primitive.ANY:
        return Value(
            Primitive.ANY, unknown=source.unknown or Unknown("any-members", "nothing says what {node} goes through")
        )
    item, nullable = without_null(found)
    return Value(item, "null when a member of the list that {node} goes through is null" if nullable else "")


def looped(step: Step, name: str, lookup: Lookup) -> Value | None:
    """The loop's variables after its last round."""
    for each in map(mapping, sequence(step.data.get("loop_variables"))):
        if text(each.get("label")) == name:
            return declared(each.get("var_type"), name)
    if name == "loop_round":
        return Value(Primitive.INTEGER, "null when {node} ends before its first round")
    return None


def parameter(step: Step, name: str, lookup: Lookup) -> Value | None:
    """A parameter. One that was not found is empty, not null, and one of a choice may then be none of them."""
    for each in map(mapping, sequence(step.data.get("parameters"))):
        if text(each.get("name")) == name:
            options = texts(each.get("options"))
            if each.get("type") == "select":
                return Value(OneOf(options, closed=False) if options else Primitive.STRING)
            return declared(each.get("type"), name)
    return None


def extracted(step: Step, name: str, lookup: Lookup) -> Value | None:
    """The text of a file, or of each of several. The newest engine gives an empty list for a file that is not there."""
    if name != "text":
        return None
    source = lookup.follow(step.data.get("variable_selector"), step.parent)
    if source.type in (Primitive.ANY, Primitive.NULL):
        several = step.data.get("is_array_file") is True
    else:
        several = items_of(source.type) is not None
    if several:
        return Value(ArrayOf(Primitive.STRING))
    return Value(merge(Primitive.STRING, ArrayOf(Primitive.STRING)) if source.null else Primitive.STRING)


def from_list(step: Step, name: str, lookup: Lookup) -> Value | None:
    """What is left of a list, and its first and last member."""
    if name not in ("result", "first_record", "last_record"):
        return None
    source = lookup.follow(step.data.get("variable"), step.parent)
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


def form_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """A field of a form that a person fills in; not there when nobody did in time."""
    for each in map(mapping, sequence(step.data.get("inputs"))):
        if text(each.get("output_variable_name")) == name:
            types: dict[JsonValue, Type] = {"file": Primitive.FILE, "file-list": ArrayOf(Primitive.FILE)}
            ways = tuple((step.id, way.handle) for way in actions(step) if way.handle != TIMEOUT)
            kind = each.get("type")
            return Value(
                types.get(kind, Primitive.STRING) if isinstance(kind, str) else Primitive.STRING, needs=(Need(ways),)
            )
    return None


def webhook_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """What came with the request that triggered the run: headers are text, parameters and body have declared types."""
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
    """A part of the event that triggered the run."""
    found = system_variable(step, name, lookup)
    properties = mapping(mapping(_schema(step.data.get("output_schema"))).get("properties"))
    if found is not None or name not in properties:
        return found or Value(
            Primitive.ANY,
            NOT_TRIGGERED,
            unknown=Unknown("trigger-without-schema", f"{{node}} does not say what its `{name}` holds"),
        )
    type_, why = _of_schema(properties[name], name)
    return Value(type_, NOT_TRIGGERED, unknown=why)


def datasource_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """A field of a knowledge pipeline's source."""
    if name == "file" and step.data.get("provider_type") == "local_file":
        return Value(Primitive.FILE)
    return unknown("datasource-field", f"what the data source {{node}} holds in `{name}` depends on its provider")


def index_field(step: Step, name: str, lookup: Lookup) -> Value | None:
    """A field of a knowledge pipeline's last step."""
    return unknown("knowledge-index-field", f"nothing is known of `{name}` of the knowledge index {{node}}")


def cases(step: Step) -> Sequence[Branch]:
    """The ways out of an if-else: one for each case, and `false` where none holds. Old ones have conditions and no cases."""
    found = [mapping(each) for each in sequence(step.data.get("cases"))] or [{"case_id": "true"}]
    ways = []
    for number, case in enumerate(found):
        name = text(case.get("name")) or ("IF" if number == 0 else f"ELIF {number}" if len(found) > 2 else "ELIF")
        ways.append(Branch(text(case.get("case_id") or case.get("id")) or "true", name))
    return [*ways, Branch("false", "ELSE")]


def classes(step: Step) -> Sequence[Branch]:
    """The ways out of a classifier, one for each class."""
    found = [mapping(each) for each in sequence(step.data.get("classes"))]
    return [
        Branch(text(each.get("id")), text(each.get("label") or each.get("name")) or text(each.get("id")))
        for each in found
    ]


def actions(step: Step) -> Sequence[Branch]:
    """The ways out of a form, one for each button, and one for when nobody pressed any. Forms before 1.13 have one way out."""
    found = [mapping(each) for each in sequence(step.data.get("user_actions"))]
    if not found:
        return ()
    buttons = [Branch(text(each.get("id")), text(each.get("title")) or text(each.get("id"))) for each in found]
    return [*buttons, Branch(TIMEOUT, "timeout")]
