"""An app's contract as canonical JSON and back, as `difygen.lock` keeps it and `inspect` prints it.

Holds what callers of the generated code can see. Places in files, the edges of the graph, examples and the origin
of outputs are left out. Knows neither files nor Python names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from difygen.model import (
    FILE_KEYS,
    WORKFLOW,
    AnswerTemplate,
    App,
    ArrayOf,
    Features,
    HumanForm,
    Input,
    JsonValue,
    Node,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    TemplatePiece,
    Tool,
    TurnFiles,
    Type,
    UnionOf,
    UserAction,
    Variable,
)
from difygen.record import Record, defaults

JsonObject = dict[str, Any]
_Loaded = TypeVar("_Loaded")


class ContractError(ValueError):
    """What was to be loaded is not a contract, or one of another version of difygen."""


def dump(workflow: App) -> JsonObject:
    """Return the contract of `workflow` in JSON's types.

    What is empty or usual is left out, so that the text stays short.
    """
    contract: JsonObject = {"name": workflow.name}
    if workflow.kind is not WORKFLOW:
        contract["mode"] = workflow.mode
    contract |= _filled(title=workflow.title, description=workflow.description)
    contract["inputs"] = _dump_all(workflow.inputs)
    if workflow.kind.has_outputs or workflow.outputs:
        contract["outputs"] = _dump_all(workflow.outputs)
    for name in ("variables", "answers", "tools", "forms"):
        contract |= _filled(**{name: _dump_all(getattr(workflow, name))})
    if workflow.files is not None:
        contract["files"] = _dump(workflow.files)
    if workflow.features != Features():
        contract["features"] = _dump(workflow.features)
    if workflow.nodes:
        contract["nodes"] = [
            [node.id, node.type, node.title, *([] if node.parent is None else [node.parent])] for node in workflow.nodes
        ]
    return contract


def load(contract: JsonValue, source: str = "") -> App:
    """Return the workflow that `dump` wrote. Raises `ContractError` for anything else."""
    try:
        dumped = cast(Mapping[str, Any], contract)
        app = App(
            name=_text(dumped["name"]),
            source=source,
            mode=dumped.get("mode", WORKFLOW.modes[0]),
            title=dumped.get("title", ""),
            description=dumped.get("description", ""),
            inputs=_load_all(Input, dumped["inputs"]),
            outputs=_load_all(Output, dumped.get("outputs", ())),
            variables=_load_all(Variable, dumped.get("variables", ())),
            answers=_load_all(AnswerTemplate, dumped.get("answers", ())),
            tools=_load_all(Tool, dumped.get("tools", ())),
            forms=_load_all(HumanForm, dumped.get("forms", ())),
            files=_load(TurnFiles, dumped["files"]) if "files" in dumped else None,
            features=_load(Features, dumped.get("features", {})),
            nodes=tuple(
                Node(id=_text(id_), type=type_, title=title, parent=parent[0] if parent else None)
                for id_, type_, title, *parent in dumped.get("nodes", ())
            ),
        )
        if not {form.node for form in app.forms} <= {node.id for node in app.nodes}:
            raise ValueError("a form is that of no node")
        return app
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ContractError(f"not a workflow's contract: {error!r}") from error


def _filled(**members: object) -> JsonObject:
    """Return the members that say something: neither empty nor None. False and 0 do."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", (), [])}


def dump_type(type_: Type) -> str | JsonObject:
    """Return a type in JSON: a primitive is its name, anything else a mapping with one key that says what it is."""
    match type_:
        case Primitive():
            return type_.value
        case ArrayOf():
            return {"array": dump_type(type_.item)}
        case OneOf():
            return {"one_of" if type_.closed else "expected": list(type_.values)}
        case UnionOf():
            return {"union": [dump_type(member) for member in type_.members]}
        case ObjectOf():
            return {"object": _dump_all(type_.properties)} | _filled(description=type_.description)


def load_type(dumped: str | JsonObject) -> Type:
    """Return the type that `dump_type` wrote."""
    if isinstance(dumped, str):
        return Primitive(dumped)
    match dumped:
        case {"array": item}:
            return ArrayOf(load_type(item))
        case {"one_of": values}:
            return OneOf(tuple(values))
        case {"expected": values}:
            return OneOf(tuple(values), closed=False)
        case {"union": members}:
            return UnionOf(tuple(map(load_type, members)))
        case {"object": properties}:
            return ObjectOf(_load_all(Property, properties), dumped.get("description", ""))
    raise ValueError(f"{dumped!r} is not a type")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


class _Form(Record):
    """How one member of a record is written, and read again."""

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


_AS_IT_IS = _Form(lambda value: value, lambda value: value)
_TEXT = _Form(_text, _text)
_LIST = _Form(list, tuple)
_TYPE = _Form(dump_type, load_type)
_PIECES = _Form(
    lambda pieces: [
        {"selector": list(each.selector), "type": dump_type(each.type)} if each.selector else each.text
        for each in pieces
    ],
    lambda dumped: tuple(
        (
            TemplatePiece(text=each)
            if isinstance(each, str)
            else TemplatePiece(selector=tuple(map(_text, each["selector"])), type=load_type(each["type"]))
        )
        for each in dumped
    ),
)

_FORMS: Mapping[type[Record], Mapping[str, _Form]] = {
    Input: {
        **dict.fromkeys(("name", "label", "description"), _TEXT),
        **dict.fromkeys(("kind", "required", "default", "prefilled", "max_length"), _AS_IT_IS),
        **dict.fromkeys(("options", *FILE_KEYS), _LIST),
        "type": _TYPE,
    },
    Output: {"name": _TEXT, "type": _TYPE, "optional": _AS_IT_IS, "reason": _TEXT, "description": _TEXT},
    Variable: {"name": _TEXT, "type": _TYPE, "initial": _AS_IT_IS, "description": _TEXT},
    AnswerTemplate: {"node": _TEXT, "pieces": _PIECES, "reason": _TEXT},
    Tool: {"name": _TEXT, "label": _TEXT, "provider": _TEXT},
    UserAction: {"id": _TEXT, "title": _TEXT},
    HumanForm: {
        "node": _TEXT,
        "inputs": _Form(lambda inputs: _dump_all(inputs), lambda dumped: _load_all(Input, dumped)),
        "actions": _Form(lambda actions: _dump_all(actions), lambda dumped: _load_all(UserAction, dumped)),
    },
    TurnFiles: {"types": _LIST, "extensions": _LIST, "methods": _LIST, "max_count": _AS_IT_IS},
    Features: {name: _LIST if usual == () else _AS_IT_IS for name, usual in defaults(Features).items()},
    Property: {"name": _TEXT, "type": _TYPE, "required": _AS_IT_IS, "description": _TEXT},
}
"""The members of records that callers can see. One that is as usual is not written."""


def _dump(record: Any) -> JsonObject:
    usual = defaults(type(record))
    members = ((name, form, getattr(record, name)) for name, form in _FORMS[type(record)].items())
    return {name: form.dump(value) for name, form, value in members if value != usual[name]}


def _dump_all(records: Sequence[Any]) -> list[JsonObject]:
    return [_dump(record) for record in records]


def _load(record: type[Any], dumped: Mapping[str, Any]) -> Any:
    return record(**{name: form.load(dumped[name]) for name, form in _FORMS[record].items() if name in dumped})


def _load_all(record: type[_Loaded], dumped: Sequence[Any]) -> tuple[_Loaded, ...]:
    return tuple([_load(record, each) for each in dumped])
