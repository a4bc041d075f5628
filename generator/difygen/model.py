"""The model that everything else speaks: a workflow's contract, whatever file it was read from.

Frozen records without behaviour or I/O. Texts in here come from a definition and are not trusted: they reach generated code only
through the literal and docstring doors of `difygen.code`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, get_args

JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
"""What JSON can say. Readers hand out plain `dict`, `list` and scalars."""

InputKind = Literal["text-input", "paragraph", "select", "number", "checkbox", "file", "file-list", "json_object"]
"""Dify's own names for the types of a start-node variable."""

INPUT_KINDS: tuple[InputKind, ...] = get_args(InputKind)

AppMode = Literal["workflow", "advanced-chat", "chat", "agent-chat", "completion", "agent"]
"""Dify's own names for the modes of an app."""

APP_MODES: tuple[AppMode, ...] = get_args(AppMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppKind:
    """How one kind of app differs from the others. Whoever needs to know asks the row, and keeps no table of its own.

    `name` is a spec's word for it and `modes` are Dify's; `noun` is how messages call it. `verbs` are the methods of a
    client that start it, waiting and streaming, by whose names the functions of a module are called. `start` and `stop`
    are endpoints below the API's root. An app ends at a node of `terminal_nodes` (none where it has no graph), and its
    stream with one of `terminal_events`. `client` is the runtime's class that a generated client extends, in its
    blocking form, `info` the record that tells it about the app, `options` that of the arguments which all calls share.
    """

    name: str
    modes: tuple[AppMode, ...]
    noun: str
    verbs: tuple[str, str]
    start: str
    stop: str
    terminal_nodes: tuple[str, ...] = ()
    terminal_events: tuple[str, ...]
    client: str
    info: str
    options: str
    is_supported: bool = False
    """Whether a client can be generated."""


_TURN_EVENTS = ("message_end", "error")

WORKFLOW = AppKind(
    name="workflow",
    modes=("workflow",),
    noun="a workflow",
    verbs=("run", "stream"),
    start="workflows/run",
    stop="workflows/tasks/{task_id}/stop",
    terminal_nodes=("end",),
    terminal_events=("workflow_finished", "workflow_paused", "error"),
    client="WorkflowClient",
    info="WorkflowInfo",
    options="RunOptions",
    is_supported=True,
)
CHATFLOW = AppKind(
    name="chatflow",
    modes=("advanced-chat",),
    noun="a chatflow",
    verbs=("chat", "stream"),
    start="chat-messages",
    stop="chat-messages/{task_id}/stop",
    terminal_nodes=("answer",),
    terminal_events=("workflow_finished", "workflow_paused", "error"),  # since 1.13.1 after message_end
    client="ChatflowClient",
    info="ChatInfo",
    options="TurnOptions",
)
CHAT = AppKind(
    name="chat",
    modes=("chat",),
    noun="a chatbot",
    verbs=("chat", "stream"),
    start="chat-messages",
    stop="chat-messages/{task_id}/stop",
    terminal_events=_TURN_EVENTS,
    client="ChatClient",
    info="ChatInfo",
    options="TurnOptions",
)
AGENT = AppKind(
    name="agent",
    modes=("agent-chat", "agent"),
    noun="an agent",
    verbs=("chat", "stream"),
    start="chat-messages",
    stop="chat-messages/{task_id}/stop",
    terminal_events=_TURN_EVENTS,
    client="ChatClient",
    info="ChatInfo",
    options="TurnOptions",
)
COMPLETION = AppKind(
    name="completion",
    modes=("completion",),
    noun="a text generator",
    verbs=("complete", "stream"),
    start="completion-messages",
    stop="completion-messages/{task_id}/stop",
    terminal_events=_TURN_EVENTS,
    client="CompletionClient",
    info="CompletionInfo",
    options="TurnOptions",
)

APP_KINDS: Mapping[AppMode, AppKind] = {
    mode: kind for kind in (WORKFLOW, CHATFLOW, CHAT, AGENT, COMPLETION) for mode in kind.modes
}
"""The kind of app that each of Dify's modes is."""


class Primitive(Enum):
    """A type without parts. The values are Dify's names, as in a spec's `outputs`."""

    STRING = "string"
    NUMBER = "number"  # int or float in any run, whatever was declared
    INTEGER = "integer"
    BOOLEAN = "boolean"
    FILE = "file"
    ANY = "any"
    NULL = "null"  # only ever a member of a `UnionOf`


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """A JSON array whose elements have one type."""

    item: Type


@dataclass(frozen=True, slots=True)
class Property:
    """A member of an object. `required` says whether the key is always there; a value that may be null is a union with NULL."""

    name: str
    type: Type
    required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """A JSON object. Without properties it is an open mapping; with them, unknown keys are kept all the same."""

    properties: tuple[Property, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A string that is expected to be one of some values.

    `closed` means that nothing else can occur (a select input); an open one is a hint (the enum of an LLM's structured output).
    """

    values: tuple[str, ...]
    closed: bool = True


@dataclass(frozen=True, slots=True)
class UnionOf:
    """Any of several types: at least two, distinct and not unions themselves. `union` builds one."""

    members: tuple[Type, ...]


Type = Primitive | ArrayOf | ObjectOf | OneOf | UnionOf


def union(*types: Type) -> Type:
    """The smallest type that holds all of `types`: flattened, without repetitions, ANY if any of them is ANY."""
    members: dict[Type, None] = {}
    for type_ in types:
        members.update(dict.fromkeys(type_.members if isinstance(type_, UnionOf) else (type_,)))
    if Primitive.ANY in members:
        return Primitive.ANY
    return next(iter(members)) if len(members) == 1 else UnionOf(tuple(members))


MAX_TYPE_SIZE = 5_000


def merge(*types: Type) -> Type:
    """The union as one would write it: no `integer` beside `number`, no list of choices beside `string`."""
    found = union(*types)
    if not isinstance(found, UnionOf):
        return found
    members = [each for each in found.members if not (each is Primitive.INTEGER and Primitive.NUMBER in found.members)]
    choices = [each for each in members if isinstance(each, OneOf)]
    if choices:
        members = [each for each in members if not isinstance(each, OneOf)]
        if Primitive.STRING not in members:
            members.append(_all_choices(choices))
    return union(*members)


def _all_choices(choices: list[OneOf]) -> OneOf:
    values = dict.fromkeys(value for each in choices for value in each.values)
    return OneOf(tuple(values), all(each.closed for each in choices))


def without_null(type_: Type) -> tuple[Type, bool]:
    """The type of the values that are not null, and whether there was a null among them."""
    if not isinstance(type_, UnionOf) or Primitive.NULL not in type_.members:
        return type_, False
    return union(*(each for each in type_.members if each is not Primitive.NULL)), True


def or_null(type_: Type, null: object) -> Type:
    """The type with null among its values, if there is a reason for it."""
    return union(type_, Primitive.NULL) if null and type_ is not Primitive.ANY else type_


def items_of(type_: Type) -> Type | None:
    """The type of the members of a list, or None if no value of the type is a list."""
    if isinstance(type_, ArrayOf):
        return type_.item
    if isinstance(type_, UnionOf):
        items = [each.item for each in type_.members if isinstance(each, ArrayOf)]
        return merge(*items) if items else None
    return Primitive.ANY if type_ is Primitive.ANY else None


def is_small(type_: Type) -> bool:
    """Whether a type has few enough parts to be written down: hostile graphs can double a type with every step."""
    waiting: list[Type] = [type_]
    for _ in range(MAX_TYPE_SIZE):
        if not waiting:
            return True
        each = waiting.pop()
        if isinstance(each, ArrayOf):
            waiting.append(each.item)
        elif isinstance(each, ObjectOf):
            waiting.extend(member.type for member in each.properties)
        elif isinstance(each, UnionOf):
            waiting.extend(each.members)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A variable of the start node: what a caller sends.

    `default` is a usable default in its JSON type, or None for none: readers drop defaults that the server itself would refuse, with a
    diagnostic. `max_length` counts code points of a text and members of a file list. `type` is set for `json_object` alone.
    """

    name: str
    kind: InputKind
    required: bool = True
    default: JsonValue = None
    label: str = ""
    description: str = ""
    max_length: int | None = None
    options: tuple[str, ...] = ()
    allowed_file_types: tuple[str, ...] = ()
    allowed_file_extensions: tuple[str, ...] = ()
    allowed_file_upload_methods: tuple[str, ...] = ()
    type: ObjectOf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A key of the run's `outputs`: what a caller gets.

    `optional` means that the key may be absent or null, and `reason` says when, in words a reader of the workflow understands.
    `selectors` are the places in the graph that the value comes from ((node id, field, ...)); empty where the definition does not tell.
    """

    name: str
    type: Type
    optional: bool = False
    reason: str = ""
    description: str = ""
    selectors: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step of the workflow, in the order of the definition. `parent` is the iteration or loop that holds it."""

    id: str
    type: str
    title: str
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A connection of two nodes. `handle` is the branch it leaves by ("source" for nodes that do not branch)."""

    source: str
    target: str
    handle: str = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A sample call of a spec's `examples`: what is sent and what comes back."""

    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The contract of one app, and as much of its graph as its callers can use.

    `name` is the definition's own name for it, not yet a Python name; `source` is how messages and docstrings call the definition
    (a relative path with forward slashes, or "-").
    """

    name: str
    source: str
    mode: AppMode = "workflow"
    title: str = ""
    description: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def kind(self) -> AppKind:
        """The row of everything that depends on the kind of app."""
        return APP_KINDS[self.mode]
