"""What nodes make of other nodes' values: choose one, go through a list, take one apart.

The functions of the node table that follow selectors.
"""

from __future__ import annotations

from collections.abc import Mapping

from difygen.model import ArrayOf, JsonValue, ObjectOf, Primitive, Property, Type
from difygen.parser.dsl.graph import Step, mapping, sequence, text
from difygen.parser.dsl.node_fields import Lookup, declared
from difygen.parser.dsl.nullability import Unknown, Value, any_of, nothing
from difygen.types import items_of, merge, or_null, type_of, without_null


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
