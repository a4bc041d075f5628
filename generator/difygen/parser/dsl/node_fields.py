"""What stands at a selector: a type, and what has to happen in a run for there to be a value; and what nodes give.

The functions of the node table in here know a node's own settings. Those that follow selectors stand beside the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from difygen.model import (
    INPUT_TRAITS,
    ArrayOf,
    InputKind,
    JsonValue,
    ObjectOf,
    OneOf,
    Primitive,
    Property,
    Type,
    UnionOf,
)
from difygen.parser.dsl.branches import TIMEOUT, actions, routes
from difygen.parser.dsl.graph import Port, Step, mapping, sequence, text, texts
from difygen.record import Record
from difygen.types import json_of, merge, type_of, type_of_schema, union, without_null
from difygen.wording import named, quoted

MAX_CLAUSES = 16
_ATTRIBUTES: dict[str, tuple[Type, bool]] = {
    # name: type, and whether it can be null (what a file of that origin lacks)
    "type": (Primitive.STRING, False),
    "size": (Primitive.INTEGER, False),
    "name": (Primitive.STRING, True),
    "mime_type": (Primitive.STRING, True),
    "transfer_method": (Primitive.STRING, False),
    "url": (Primitive.STRING, True),
    "extension": (Primitive.STRING, True),
    "related_id": (Primitive.STRING, True),
}


class Requirement(Record):
    """Ports of which a run must have taken at least one for a value to be there.

    `words` say when that is not so, if it is not obvious.
    """

    ports: tuple[Port, ...]
    words: str = ""


class Unknown(Record):
    """Why a type cannot be told: a stable code, and the reason in words that go on after a colon."""

    code: str
    reason: str


class Value(NamedTuple):
    """What stands at a selector.

    `type` is NULL where no run ever has a value there, and ANY where nothing is known; `unknown` then says why. All
    of `requirements` must be met for the value to be there; `null` says in words why it may be null or missing even
    then. In both, `{node}` stands for the title of the step that makes the value.
    """

    type: Type
    null: str = ""
    requirements: tuple[Requirement, ...] = ()
    unknown: Unknown | None = None


def unknown(code: str, reason: str) -> Value:
    """Return a value of which nothing is known."""
    return Value(Primitive.ANY, unknown=Unknown(code, reason))


def nothing(code: str, reason: str) -> Value:
    """Return a value that is null in every run."""
    return Value(Primitive.NULL, null=reason, unknown=Unknown(code, reason))


def any_of(values: Iterable[Value], words: str) -> tuple[Requirement, ...] | None:
    """Return what is needed for at least one of several values to be there, or None if that is too much."""
    clauses: list[tuple[Port, ...]] = [()]
    for value in values:
        clauses = [clause + each.ports for clause in clauses for each in value.requirements]
        if len(clauses) > MAX_CLAUSES:
            return None
    return tuple(Requirement(clause, words) for clause in clauses)


def member(value: Value, name: str) -> Value:
    """Return what stands at `name` within a value.

    Dify walks objects and the attributes of files; lists cannot be indexed.
    """
    type_, _ = without_null(value.type)
    if isinstance(type_, UnionOf):
        found = [member(value._replace(type=each), name) for each in type_.members]
        known = [each for each in found if each.type is not Primitive.NULL]
        if not known:
            return found[0]
        null = next((each.null for each in found if each.null), "")
        return value._replace(type=merge(*(each.type for each in known)), null=null, unknown=known[0].unknown)
    if isinstance(type_, ObjectOf):
        return _property(value, type_, name)
    if type_ is Primitive.FILE:
        if name not in _ATTRIBUTES:
            return nothing("unknown-attribute", f"files have no attribute {named(name)}")
        type_, nullable = _ATTRIBUTES[name]
        missing = f"null when the file has no {named(name)}" if nullable else ""
        return value._replace(type=type_, null=value.null or missing)
    if type_ is Primitive.ANY or type_ is Primitive.NULL:
        return value
    if isinstance(type_, ArrayOf):
        return nothing("selector-into-list", f"a selector cannot reach {named(name)} in a list")
    return nothing("selector-into-scalar", f"there is no {named(name)} in a value that is neither an object nor a file")


def _property(value: Value, object_: ObjectOf, name: str) -> Value:
    missing = value.null or f"null when the object has no {named(name)}"
    for each in object_.properties:
        if each.name == name:
            type_, nullable = without_null(each.type)
            null = missing if nullable or not each.required else value.null
            why = Unknown("any-property", f"the schema does not say what {named(name)} holds")
            return value._replace(type=type_, null=null, unknown=why if type_ is Primitive.ANY else None)
    why = Unknown("unknown-property", f"the schema of the object does not name {named(name)}")
    if not object_.properties:
        reason = f"nothing says what is in the object whose {named(name)} is asked for"
        why = Unknown("object-without-schema", reason)
    return Value(Primitive.ANY, missing, value.requirements, why)


# What nodes give by their own settings


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

FIELD_KINDS: Mapping[str, InputKind] = {
    "text-input": "text-input",  # of 1.13, in both spellings
    "text_input": "text-input",
    "paragraph": "paragraph",
    "select": "select",
    "file": "file",
    "file-list": "file-list",
}
"""The kinds of fields that the form of a human-input node has, by Dify's words."""

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
