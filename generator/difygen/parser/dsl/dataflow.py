"""Where selectors lead: through the graph to the node that makes a value, however many nodes only pass it on.

Never fails, always ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from difygen.model import ArrayOf, JsonValue, Primitive, Type
from difygen.parser.dsl.conditions import Producer, Sentences
from difygen.parser.dsl.graph import Graph, Step, mapping, sequence, text, texts
from difygen.parser.dsl.node_fields import MODEL, Requirement, Unknown, Value, member, nothing, unknown
from difygen.parser.dsl.node_types import FAIL, NODE_TYPES, branches_of
from difygen.parser.dsl.runs import Runs
from difygen.record import replace
from difygen.types import is_small, merge, type_of
from difygen.wording import named, quoted

MAX_CHAIN = 48
"""How many nodes may pass a value on before it counts as unknown."""

_ERRORS = ("error_message", "error_type")
_RESOLVING = unknown("cyclic-selector", "it is made from itself")

_SYSTEM: dict[str, Type] = {
    "files": ArrayOf(Primitive.FILE),
    "user_id": Primitive.STRING,
    "app_id": Primitive.STRING,
    "workflow_id": Primitive.STRING,
    "workflow_run_id": Primitive.STRING,
    "timestamp": Primitive.INTEGER,  # since 1.10.0
}
_CHAT_ONLY: dict[str, Type] = {
    "query": Primitive.STRING,
    "conversation_id": Primitive.STRING,
    "dialogue_count": Primitive.INTEGER,
}


class Resolver:
    """Follows the selectors of one workflow, each field of each step once."""

    def __init__(
        self, graph: Graph, inputs: Mapping[str, Value], workflow: Mapping[str, JsonValue], *, is_chat: bool = False
    ) -> None:
        self.graph = graph
        self.is_chat = is_chat
        self.inputs = inputs
        self._declared = {
            "env": _declarations(workflow.get("environment_variables")),
            "conversation": _declarations(workflow.get("conversation_variables")),
        }
        self._resolved: dict[tuple[str, str], Value] = {}
        self._depth = 0
        self._runs: dict[str | None, Runs] = {}
        self._sentences: dict[str | None, Sentences] = {}
        self._branches_of = partial(branches_of, graph)

    def resolve(self, selector: JsonValue, scope: str | None) -> Value:
        """Return what a selector leads to, seen from within the container `scope` (None for the workflow itself)."""
        parts = texts(selector)
        if len(parts) < 2:
            return nothing("empty-selector", "no variable is chosen for it")
        source, name, *rest = parts
        step = self.graph.steps.get(source)
        if step is None:
            value = self.variable(source, name)
        else:
            value = self._field(step, name)
            if hidden := self._hidden(step, name, scope):
                value = value._replace(null=hidden, requirements=())
        for each in rest:
            value = member(value, each)
        return value

    def variable(self, group: str, name: str) -> Value:
        """Return a variable of `sys`, `env` or `conversation`.

        Of environment variables only types are ever looked at.
        """
        if group == "sys":
            if name in _SYSTEM:
                return Value(_SYSTEM[name])
            if name in _CHAT_ONLY:
                return Value(
                    _CHAT_ONLY[name], "" if self.is_chat else f"null, since only chats have {named('sys.' + name)}"
                )
            return nothing("unknown-system-variable", f"workflows have no variable {quoted('sys.' + name)}")
        if group in self._declared:
            value = self._declared[group].get(name)
            if value is None:
                return nothing("undeclared-variable", f"the workflow declares no variable {quoted(group + '.' + name)}")
            is_missing = group == "conversation" and not self.is_chat
            return value._replace(null="null, since only chats have conversation variables") if is_missing else value
        return nothing("missing-node", f"there is no node {quoted(group)}, which it is taken from")

    def decided(self, selector: JsonValue, by: Step) -> bool:
        """Return whether the step that a selector leads to has run or been skipped for good once `by` runs."""
        source = self.graph.steps.get(next(iter(texts(selector)), ""))
        if source is None or source.parent != by.parent:
            return True
        return self.runs(by.parent).flow.comes_before(source.id, by.id)

    def is_guessed(self, selector: Sequence[str], value: Value) -> bool:
        """Return whether the editor notes a type for `value`, to which the selector leads, that says nothing: where
        nodes make something of other nodes' values, it notes what it cached of them once.
        """
        step = self.graph.steps.get(selector[0]) if selector else None
        type_ = NODE_TYPES.get(step.type) if step is not None else None
        return value.unknown is None and type_ is not None and type_.is_guessed

    def given(self, selector: JsonValue, to: Step) -> Value:
        """Return what a selector leads to when `to` starts: null, with a reason, if it may not be there by then."""
        value = self.resolve(selector, to.parent)
        source = self.graph.steps.get(next(iter(texts(selector)), ""))
        if value.null or source is None:
            return value
        around = self._around(to, source.parent)
        if around is None or not self.runs(source.parent).flow.comes_before(source.id, around):
            return value._replace(null=f"null when {source} is not done by the time that {to} runs")
        for each in value.requirements:
            levels = {self.graph.steps[id_].parent for id_, _ in each.ports}
            level = levels.pop() if len(levels) == 1 else source.parent
            around = self._around(to, level)
            if around is None or not self.runs(level).always(each.ports, around):
                known = self.sentences(level).missing([Producer(around, (each,))]) if around is not None else ""
                return value._replace(null=known or self.sentences(level).only_when(each.ports, around))
        return value

    def words(self, selector: JsonValue) -> str:
        """Return what a selector leads to, in words: `text` of 'Model'."""
        source, *names = texts(selector) or ("",)
        step = self.graph.steps.get(source)
        return f"{named('.'.join(names))} of {step}" if step is not None else named(".".join((source, *names)))

    def _around(self, step: Step, level: str | None) -> str | None:
        """Return the step of a level that a step is or lies in, or None if there is none."""
        while step.parent != level:
            if step.parent is None:
                return None
            step = self.graph.steps[step.parent]
        return step.id

    def may_miss(self, value: Value, container: Step) -> bool:
        """Return whether `value`, made within a container, may be missing after one of its rounds."""
        return bool(value.null) or not all(
            self.runs(container.id).always(each.ports) for each in self._of_level(value, container.id)
        )

    def producer(self, value: Value, step: Step) -> Producer:
        """Return a step as the producer of a value: what its level has to have done for there to be one."""
        if value.type is Primitive.NULL:
            return Producer(step.id, (Requirement((), value.unknown.reason if value.unknown else ""),))
        return Producer(step.id, tuple(self._of_level(value, step.parent)))

    def _of_level(self, value: Value, level: str | None) -> Iterator[Requirement]:
        """Yield what is required within a level. What is made outside of a container is made before it."""
        for each in value.requirements:
            if all(self.graph.steps[id_].parent == level for id_, _ in each.ports):
                yield each

    def sentences(self, level: str | None) -> Sentences:
        """Return what says when a value is there, in runs of the workflow, or of the inside of a container."""
        if level not in self._sentences:
            self._sentences[level] = Sentences(self.graph, self.runs(level))
        return self._sentences[level]

    def runs(self, level: str | None) -> Runs:
        """Return the runs of the workflow, or of the inside of a container."""
        if level not in self._runs:
            self._runs[level] = Runs(self.graph, level, self._branches_of)
        return self._runs[level]

    def _hidden(self, step: Step, name: str, scope: str | None) -> str:
        """Return why a field of a step cannot be seen from within the container `scope`; empty if it can."""
        hidden = "null since Dify 1.9, where nothing outside of {} can see the steps in it"
        if step.parent is not None and not self._encloses(step.parent, scope):
            return hidden.format(self.graph.steps[step.parent])
        type_ = NODE_TYPES.get(step.type)
        if type_ is None:
            return ""
        if name in type_.inside and not self._encloses(step.id, scope):
            return f"{hidden.format(step)} or its {named(name)}"
        if name in type_.afterwards and self._encloses(step.id, scope):
            return f"null, since {step} has no {named(name)} before its last round"
        return ""

    def _encloses(self, container: str, scope: str | None) -> bool:
        while scope is not None:
            if scope == container:
                return True
            scope = self.graph.steps[scope].parent
        return False

    def _field(self, step: Step, name: str) -> Value:
        key = (step.id, name)
        known = self._resolved.get(key)
        if known is not None:
            return known
        if self._depth >= MAX_CHAIN:
            return unknown("selector-chain-too-long", f"more than {MAX_CHAIN} nodes pass it on")
        self._resolved[key] = _RESOLVING
        self._depth += 1
        value = self._derived(step, name)
        self._depth -= 1
        if not is_small(value.type):
            value = value._replace(type=Primitive.ANY, unknown=Unknown("type-too-large", "its type has too many parts"))
        self._resolved[key] = value = _with_title(value, step)
        return value

    def _derived(self, step: Step, name: str) -> Value:
        type_ = NODE_TYPES.get(step.type)
        if type_ is None:
            reason = f"{step} is a node of type {quoted(step.type)}, which difygen does not know"
            null = f"only when {step} gives {named(name)}"
            return Value(Primitive.ANY, null, (Requirement(((step.id, ""),)),), Unknown("unknown-node-type", reason))
        found = type_.fields.get(name)
        value = Value(found) if found is not None and not isinstance(found, Value) else found
        if value is None and type_.derive is not None:
            value = type_.derive(step, name, self)
        strategy = step.data.get("error_strategy")
        if value is None and name in _ERRORS and strategy in (FAIL, "default-value"):
            if strategy == FAIL:
                return Value(Primitive.STRING, requirements=(Requirement(((step.id, FAIL),)),))
            return Value(Primitive.STRING, "only when {node} fails", (Requirement(((step.id, ""),)),))
        if value is None:
            return nothing(
                "unknown-field", f"{step} is a node of type {quoted(step.type)}, which has no {quoted(name)}"
            )
        return self._guarded(step, name, value, strategy)

    def _guarded(self, step: Step, name: str, value: Value, strategy: JsonValue) -> Value:
        """Return the value as it is where the node may fail without ending the run."""
        if strategy == FAIL:
            branches = tuple((step.id, branch.handle) for branch in self._branches_of(step) if branch.handle != FAIL)
            return value._replace(requirements=(Requirement(branches), *value.requirements))
        value = value._replace(requirements=(Requirement(((step.id, ""),)), *value.requirements))
        if strategy != "default-value":
            return value
        for each in map(mapping, sequence(step.data.get("default_value"))):
            if text(each.get("key")) == name:
                default = type_of(each.get("type"))
                return value._replace(type=merge(value.type, default)) if default is not None else value
        return value._replace(
            null=value.null or f"null when {{node}} fails, for which it has no default value {named(name)}"
        )


def _with_title(value: Value, step: Step) -> Value:
    """Return the value with the step's title in its words."""
    why = value.unknown
    if "{node}" in value.null or (why is not None and "{node}" in why.reason):
        value = value._replace(null=value.null.replace("{node}", str(step)))
        if why is not None:
            value = value._replace(unknown=Unknown(why.code, why.reason.replace("{node}", str(step))))
    if any("{node}" in each.words for each in value.requirements):
        titled = [replace(each, words=each.words.replace("{node}", str(step))) for each in value.requirements]
        value = value._replace(requirements=tuple(titled))
    return value


def _declarations(variables: JsonValue) -> dict[str, Value]:
    """Return names and types of environment or conversation variables; never their values."""
    found: dict[str, Value] = {}
    for each in map(mapping, sequence(variables)):
        name, word = text(each.get("name")), each.get("value_type")
        type_ = MODEL if word == "llm" else type_of(word)
        reason = f"the variable {quoted(name)} is of a type that difygen does not know"
        found[name] = Value(type_) if type_ is not None else unknown("unknown-variable-type", reason)
    return found
