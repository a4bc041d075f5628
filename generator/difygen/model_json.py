"""An app's contract as canonical JSON and back, as `difygen.lock` keeps it and `inspect` prints it.

Holds what callers of the generated code can see. Places in files, the edges of the graph, examples and the origin
of outputs are left out. Knows neither files nor Python names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast

from difygen.model import (
    WORKFLOW,
    AnswerTemplate,
    App,
    ArrayOf,
    Features,
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
    Variable,
)

JsonObject = dict[str, Any]
_Loaded = TypeVar("_Loaded")

_TEXTS = ("label", "description")
_FILE_RULES = ("types", "extensions", "methods", "max_count")
_LISTS = ("options", "allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods")


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
    contract["inputs"] = [_dump_input(input_) for input_ in workflow.inputs]
    if workflow.kind is WORKFLOW or workflow.outputs:
        contract["outputs"] = [_dump_output(output) for output in workflow.outputs]
    contract |= _filled(
        variables=[_dump_variable(variable) for variable in workflow.variables],
        answers=[_dump_answer(answer) for answer in workflow.answers],
        tools=[_filled(name=tool.name, label=tool.label, provider=tool.provider) for tool in workflow.tools],
    )
    if workflow.files is not None:
        contract["files"] = _filled(**{name: _listed(getattr(workflow.files, name)) for name in _FILE_RULES})
    if workflow.features != Features():
        members = {field.name: getattr(workflow.features, field.name) for field in fields(Features)}
        contract["features"] = {name: _listed(value) for name, value in members.items() if value}
    if workflow.nodes:
        contract["nodes"] = [
            [node.id, node.type, node.title, *([] if node.parent is None else [node.parent])] for node in workflow.nodes
        ]
    return contract


def load(contract: JsonValue, source: str = "") -> App:
    """Return the workflow that `dump` wrote. Raises `ContractError` for anything else."""
    try:
        return _load_workflow(cast(Mapping[str, Any], contract), source)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ContractError(f"not a workflow's contract: {error!r}") from error


def _filled(**members: object) -> JsonObject:
    """Return the members that say something: neither empty nor None. False and 0 do."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", (), [])}


def _dump_input(input_: Input) -> JsonObject:
    dumped: JsonObject = {"name": input_.name, "kind": input_.kind}
    if not input_.required:
        dumped["required"] = False
    if input_.default is not None:
        dumped["default"] = input_.default
    dumped |= _filled(label=input_.label, description=input_.description, max_length=input_.max_length)
    dumped |= _filled(**{name: list(getattr(input_, name)) for name in _LISTS})
    if input_.type is not None:
        dumped["type"] = dump_type(input_.type)
    return dumped


def _dump_output(output: Output) -> JsonObject:
    dumped: JsonObject = {"name": output.name, "type": dump_type(output.type)}
    if output.optional:
        dumped["optional"] = True
    return dumped | _filled(reason=output.reason, description=output.description)


def _dump_variable(variable: Variable) -> JsonObject:
    dumped: JsonObject = {"name": variable.name, "type": dump_type(variable.type)}
    if variable.initial is not None:
        dumped["initial"] = variable.initial
    return dumped | _filled(description=variable.description)


def _dump_answer(answer: AnswerTemplate) -> JsonObject:
    pieces = [
        {"selector": list(piece.selector), "type": dump_type(piece.type)} if piece.selector else piece.text
        for piece in answer.pieces
    ]
    return {"node": answer.node, "pieces": pieces} | _filled(reason=answer.reason)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


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
            return {"object": [_dump_property(one) for one in type_.properties]} | _filled(
                description=type_.description
            )


def _dump_property(member: Property) -> JsonObject:
    dumped: JsonObject = {"name": member.name, "type": dump_type(member.type)}
    if not member.required:
        dumped["required"] = False
    return dumped | _filled(description=member.description)


def _load_workflow(contract: Mapping[str, Any], source: str) -> App:
    return App(
        name=_text(contract["name"]),
        source=source,
        mode=contract.get("mode", WORKFLOW.modes[0]),
        title=contract.get("title", ""),
        description=contract.get("description", ""),
        inputs=_all(contract["inputs"], _load_input),
        outputs=_all(contract.get("outputs", ()), _load_output),
        variables=_all(contract.get("variables", ()), _load_variable),
        answers=_all(contract.get("answers", ()), _load_answer),
        tools=tuple(
            Tool(**{name: _text(value) for name, value in dumped.items()}) for dumped in contract.get("tools", ())
        ),
        files=TurnFiles(**_tuples(contract["files"])) if "files" in contract else None,
        features=Features(**_tuples(contract.get("features", {}))),
        nodes=tuple(
            Node(id=_text(id_), type=type_, title=title, parent=parent[0] if parent else None)
            for id_, type_, title, *parent in contract.get("nodes", ())
        ),
    )


def _all(values: Sequence[Any], load_one: Callable[[Any], _Loaded]) -> tuple[_Loaded, ...]:
    return tuple([load_one(value) for value in values])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _load_input(dumped: Mapping[str, Any]) -> Input:
    lists: JsonObject = {name: tuple(dumped[name]) for name in _LISTS if name in dumped}
    texts: JsonObject = {name: _text(dumped[name]) for name in _TEXTS if name in dumped}
    return Input(
        name=_text(dumped["name"]),
        kind=dumped["kind"],
        required=dumped.get("required", True),
        default=dumped.get("default"),
        max_length=dumped.get("max_length"),
        type=cast(ObjectOf, load_type(dumped["type"])) if "type" in dumped else None,
        **texts,
        **lists,
    )


def _load_output(dumped: Mapping[str, Any]) -> Output:
    return Output(
        name=_text(dumped["name"]),
        type=load_type(dumped["type"]),
        optional=dumped.get("optional", False),
        reason=dumped.get("reason", ""),
        description=dumped.get("description", ""),
    )


def _load_variable(dumped: Mapping[str, Any]) -> Variable:
    return Variable(
        name=_text(dumped["name"]),
        type=load_type(dumped["type"]),
        initial=dumped.get("initial"),
        description=dumped.get("description", ""),
    )


def _load_answer(dumped: Mapping[str, Any]) -> AnswerTemplate:
    return AnswerTemplate(
        node=_text(dumped["node"]), pieces=_all(dumped["pieces"], _load_piece), reason=dumped.get("reason", "")
    )


def _load_piece(dumped: str | Mapping[str, Any]) -> TemplatePiece:
    if isinstance(dumped, str):
        return TemplatePiece(text=dumped)
    return TemplatePiece(selector=tuple(map(_text, dumped["selector"])), type=load_type(dumped["type"]))


def _tuples(members: Mapping[str, Any]) -> JsonObject:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in members.items()}


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
            return UnionOf(_all(members, load_type))
        case {"object": properties}:
            return ObjectOf(_all(properties, _load_property), dumped.get("description", ""))
    raise ValueError(f"{dumped!r} is not a type")


def _load_property(dumped: JsonObject) -> Property:
    return Property(
        _text(dumped["name"]), load_type(dumped["type"]), dumped.get("required", True), dumped.get("description", "")
    )
