"""The model that everything else speaks: an app's contract, whatever file it was read from.

Frozen records without I/O, and the two tables of what they are made of: the kinds of app and the kinds of input.
Texts in here come from a definition and are not trusted: they reach generated code only through the literal and
docstring doors of `difygen.codegen.syntax`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Literal, get_args

from difygen.record import NOTHING, Record, replace

JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
"""What JSON can say. Readers hand out plain `dict`, `list` and scalars."""

InputKind = Literal[
    "text-input", "paragraph", "select", "number", "checkbox", "file", "file-list", "json_object", "any"
]
"""Dify's own names for the types of a start-node variable; `any` is one of a type that is not known."""

INPUT_KINDS: tuple[InputKind, ...] = get_args(InputKind)

AppMode = Literal["workflow", "advanced-chat", "chat", "agent-chat", "completion", "agent"]
"""Dify's own names for the modes of an app."""

APP_MODES: tuple[AppMode, ...] = get_args(AppMode)


class AppKind(Record, kw_only=True):
    """How one kind of app differs from the others. Whoever needs to know asks the row, and keeps no table of its own.

    `name` is a spec's word for it and `modes` are Dify's; `noun` is how messages call it. `keys` are those of a spec
    that are not for all kinds: what apps of this one have beside inputs and files. `verbs` are the methods of a
    client by whose names the functions of a module are called: first those that start it, waiting and streaming, then
    those for what goes on without a caller. `start` and `stop` are endpoints below the API's root; `has_blocking` says
    whether one can wait there for the whole answer. An app ends at a node of `terminal_nodes` (none where it has no
    graph). `events` are those of its stream, as releases since 1.12 send them, of which one of `terminal_events` is the
    last. `client` is the runtime's class that a generated client extends, in its blocking form, `info` the record that
    tells it about the app, `options` those of the arguments which all calls share, waiting and streaming. `template`
    prints its module. `runtime_part` is the folder of the runtime that its client needs beside the core, if it does.
    `parameters` are what its calls take beside the inputs and what a workflow's calls take.
    """

    name: str
    modes: tuple[AppMode, ...]
    noun: str
    keys: tuple[str, ...]
    verbs: tuple[str, ...]
    start: str
    stop: str
    events: tuple[str, ...]
    terminal_events: tuple[str, ...]
    client: str
    info: str
    options: tuple[str, str]
    template: str
    runtime_part: str = ""
    has_blocking: bool = True
    terminal_nodes: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    @property
    def has_runs(self) -> bool:
        """Check whether it is a graph that runs: its events tell the id of the run, by which that can be looked up."""
        return bool(self.terminal_nodes)

    @property
    def word(self) -> str:
        """The noun without its article."""
        return self.noun.partition(" ")[2]

    @property
    def call(self) -> Literal["run", "turn"]:
        """What one call of it is: a run, which gives outputs, or a turn, which gives an answer."""
        return "run" if self.has_outputs else "turn"

    @property
    def has_outputs(self) -> bool:
        """Check whether it gives outputs by their names, and not an answer."""
        return "outputs" in self.keys

    @property
    def has_conversations(self) -> bool:
        """Check whether what it is asked belongs to a conversation."""
        return "conversation_id" in self.parameters

    @property
    def has_variables(self) -> bool:
        """Check whether its conversations remember variables."""
        return "variables" in self.keys


_SPEECH_KEYS = ("speech_to_text", "text_to_speech")
_CHAT_KEYS = (
    *("opening_statement", "suggested_questions", "suggested_questions_after_answer"),
    *_SPEECH_KEYS,
)
_ENDS_OF_RUNS = ("workflow_finished", "workflow_paused", "error")
_ENDS_OF_TURNS = ("message_end", "error")
_RUN_EVENTS = (
    *("workflow_started", "workflow_finished", "workflow_paused", "node_started", "node_finished", "node_retry"),
    *("iteration_started", "iteration_next", "iteration_completed", "loop_started", "loop_next", "loop_completed"),
    *("reasoning_chunk", "agent_log"),
    *("human_input_required", "human_input_form_filled", "human_input_form_timeout"),
)
_TURN_EVENTS = ("message", "message_file", "message_replace", "message_end")
_EVENTS_OF_ALL = ("tts_message", "tts_message_end", "error", "ping")

WORKFLOW = AppKind(
    name="workflow",
    modes=("workflow",),
    noun="a workflow",
    keys=("outputs",),
    verbs=("run", "stream", "start", "wait"),
    start="workflows/run",
    stop="workflows/tasks/{task_id}/stop",
    terminal_nodes=("end",),
    events=(*_RUN_EVENTS, "text_chunk", *_EVENTS_OF_ALL),
    terminal_events=_ENDS_OF_RUNS,
    client="WorkflowClient",
    info="WorkflowInfo",
    options=("RunOptions", "StreamOptions"),
    template="workflow",
)
CHAT = AppKind(
    name="chat",
    modes=("chat",),
    noun="a chatbot",
    keys=_CHAT_KEYS,
    verbs=("chat", "stream"),
    start="chat-messages",
    stop="chat-messages/{task_id}/stop",
    events=(*_TURN_EVENTS, *_EVENTS_OF_ALL),
    terminal_events=_ENDS_OF_TURNS,
    client="ChatClient",
    info="ChatInfo",
    options=("TurnOptions", "TurnStreamOptions"),
    template="chat",
    runtime_part="chat",
    parameters=("query", "conversation_id", "files", "parent_message_id", "auto_generate_name"),
)
CHATFLOW = replace(
    CHAT,
    name="chatflow",
    modes=("advanced-chat",),
    noun="a chatflow",
    keys=("variables", *_CHAT_KEYS),
    terminal_nodes=("answer",),
    events=(*_TURN_EVENTS, *_RUN_EVENTS, *_EVENTS_OF_ALL),
    terminal_events=_ENDS_OF_RUNS,  # since 1.13.1 after message_end
    client="ChatflowClient",
)
AGENT = replace(
    CHAT,
    name="agent",
    modes=("agent-chat", "agent"),
    noun="an agent",
    keys=("tools", *_CHAT_KEYS),
    has_blocking=False,
    events=(*_TURN_EVENTS, "agent_message", "agent_thought", *_EVENTS_OF_ALL),
)
COMPLETION = AppKind(
    name="completion",
    modes=("completion",),
    noun="a text generator",
    keys=_SPEECH_KEYS,
    verbs=("complete", "stream"),
    start="completion-messages",
    stop="completion-messages/{task_id}/stop",
    events=(*_TURN_EVENTS, *_EVENTS_OF_ALL),
    terminal_events=_ENDS_OF_TURNS,
    client="CompletionClient",
    info="CompletionInfo",
    options=("CompletionOptions", "CompletionStreamOptions"),
    template="completion",
    runtime_part="chat",
    parameters=("files",),
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


class ArrayOf(Record):
    """A JSON array whose elements have one type."""

    item: Type


class Property(Record):
    """A member of an object.

    `required` says whether the key is always there; a value that may be null is a union with NULL.
    """

    name: str
    type: Type
    required: bool = True
    description: str = ""


class ObjectOf(Record):
    """A JSON object. Without properties it is an open mapping; with them, unknown keys are kept all the same."""

    properties: tuple[Property, ...] = ()
    description: str = ""


class OneOf(Record):
    """A string that is expected to be one of some values.

    `closed` means that nothing else can occur (a select input); an open one is what is likely (the enum of an LLM's
    structured output).
    """

    values: tuple[str, ...]
    closed: bool = True


class UnionOf(Record):
    """Any of several types: at least two, distinct and not unions themselves. `union` of `types` builds one."""

    members: tuple[Type, ...]


Type = Primitive | ArrayOf | ObjectOf | OneOf | UnionOf


_FILES = ArrayOf(Primitive.FILE)
FILE_KEYS = ("allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods")


class InputTraits(Record, kw_only=True):
    """How one kind of input differs from the others.

    Whoever needs to know asks the row, and keeps no table of its own.

    `type` is that of its values, of which `Input.value_type` may say more. `unit` is what its `max_length` counts,
    empty where it means nothing. `keys` are what a spec may say about it, beside what it may say about all, and
    `spellings` what other languages, and the outputs of a spec, call it. `placeholder` stands for its value in a line
    of usage, and `sample` is a value to try it with.
    """

    type: Type
    keys: tuple[str, ...]
    placeholder: str
    unit: Literal["", "characters", "files"] = ""
    spellings: tuple[str, ...] = ()
    sample: JsonValue = None

    @property
    def is_file(self) -> bool:
        """Check whether its values are files, so that no definition can hold one."""
        return self.type in (Primitive.FILE, _FILES)


INPUT_TRAITS: Mapping[str, InputTraits] = {
    "text-input": InputTraits(
        type=Primitive.STRING,
        unit="characters",
        keys=("default", "max_length"),
        spellings=("text", "string", "str", "input"),
        placeholder="TEXT",
        sample="hello",
    ),
    "paragraph": InputTraits(
        type=Primitive.STRING,
        unit="characters",
        keys=("default", "max_length"),
        spellings=("textarea",),
        placeholder="TEXT|@FILE",
        sample="hello",
    ),
    "select": InputTraits(
        type=Primitive.STRING,
        keys=("default", "options"),
        spellings=("enum", "dropdown"),
        placeholder="OPTION",
        sample="hello",
    ),
    "number": InputTraits(
        type=Primitive.NUMBER,
        keys=("default",),
        spellings=("int", "integer", "float"),
        placeholder="NUMBER",
        sample=1,
    ),
    "checkbox": InputTraits(
        type=Primitive.BOOLEAN,
        keys=("default",),
        spellings=("bool", "boolean"),
        placeholder="true|false",
        sample=True,
    ),
    "file": InputTraits(type=Primitive.FILE, keys=FILE_KEYS, placeholder="PATH|URL"),
    "file-list": InputTraits(
        type=_FILES,
        unit="files",
        keys=("max_length", *FILE_KEYS),
        spellings=("files", "array[file]"),
        placeholder="PATH|URL",
    ),
    "json_object": InputTraits(
        type=ObjectOf(),
        keys=("default", "json_schema", "properties"),
        spellings=("object", "json", "dict"),
        placeholder="JSON|@FILE",
        sample={},
    ),
    "any": InputTraits(type=Primitive.ANY, keys=(), placeholder="TEXT|JSON|@FILE", sample="hello"),
}


class Input(Record, kw_only=True):
    """A variable of the start node: what a caller sends.

    `default` is a usable default in its JSON type, or None for none: readers drop defaults that the server itself would
    refuse, with a diagnostic. `prefilled` is what stands in Dify's own form for a required input, which a caller has to
    send all the same. Neither holds what looks like a secret. `max_length` counts code points of a text and members of
    a file list. `type` is set for `json_object` alone.
    """

    name: str
    kind: InputKind
    required: bool = True
    default: JsonValue = None
    prefilled: JsonValue = None
    label: str = ""
    description: str = ""
    max_length: int | None = None
    options: tuple[str, ...] = ()
    allowed_file_types: tuple[str, ...] = ()
    allowed_file_extensions: tuple[str, ...] = ()
    allowed_file_upload_methods: tuple[str, ...] = ()
    type: ObjectOf | None = None

    @property
    def traits(self) -> InputTraits:
        """The row of everything that depends on the kind of input."""
        return INPUT_TRAITS[self.kind]

    @property
    def value_type(self) -> Type:
        """The type of what a caller passes. A select without options takes any text, as far as anybody can say."""
        if self.kind == "select" and self.options:
            return OneOf(tuple(dict.fromkeys(self.options)))
        return self.type or self.traits.type


class Output(Record, kw_only=True):
    """A key of the run's `outputs`: what a caller gets.

    `optional` means that the key may be absent or null, and `reason` says when, in words a reader of the workflow
    understands. `selectors` are the places in the graph that the value comes from ((node id, field, ...)); empty where
    the definition does not tell.
    """

    name: str
    type: Type
    optional: bool = False
    reason: str = ""
    description: str = ""
    selectors: tuple[tuple[str, ...], ...] = ()


class Node(Record, kw_only=True):
    """A step of the workflow, in the order of the definition. `parent` is the iteration or loop that holds it."""

    id: str
    type: str
    title: str
    parent: str | None = None


class Edge(Record, kw_only=True):
    """A connection of two nodes. `handle` is the branch it leaves by ("source" for nodes that do not branch)."""

    source: str
    target: str
    handle: str = "source"


class Variable(Record, kw_only=True):
    """A conversation variable: what a chatflow remembers from turn to turn.

    `initial` is its value before the first turn, in its JSON type; None where the definition gives none of use.
    """

    name: str
    type: Type
    initial: JsonValue = None
    description: str = ""


class TemplatePiece(Record, kw_only=True):
    """A part of an answer's template: a fixed `text`, or the value that `selector` leads to, of the type `type`."""

    text: str = ""
    selector: tuple[str, ...] = ()
    type: Type = Primitive.STRING


class AnswerTemplate(Record, kw_only=True):
    """What an Answer node says, in the order in which it says it. `reason` says which turns do not reach it, if any."""

    node: str
    pieces: tuple[TemplatePiece, ...] = ()
    reason: str = ""


class Tool(Record, kw_only=True):
    """A tool that an agent may use. `name` is what thoughts call it."""

    name: str
    label: str = ""
    provider: str = ""


class TurnFiles(Record, kw_only=True):
    """The files of a turn, beside its query, or of a run, beside its inputs: Dify\'s own words, empty for any."""

    types: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    max_count: int | None = None


class UserAction(Record):
    """A button of a form: what an answer calls it, and what stands on it."""

    id: str
    title: str = ""


class HumanForm(Record, kw_only=True):
    """What a human-input node asks of people, where the API takes their answers.

    An answer has a value for each of `inputs`, which are all required, and the id of one of `actions`.
    """

    node: str
    inputs: tuple[Input, ...] = ()
    actions: tuple[UserAction, ...] = ()


class Features(Record, kw_only=True):
    """What an app's owner has switched on beside the answer itself, and what its users see before the first turn."""

    opening_statement: str = ""
    suggested_questions: tuple[str, ...] = ()
    suggested_questions_after_answer: bool = False
    speech_to_text: bool = False
    text_to_speech: bool = False
    auto_play: bool = False
    """Whether the stream brings speech, too."""
    citations: bool = False
    moderation: bool = False
    annotation_reply: bool = False


class Example(Record, kw_only=True):
    """A sample call of a spec's `examples`: what is sent and what comes back."""

    query: str = ""
    answer: str = ""
    inputs: Mapping[str, JsonValue] = NOTHING
    outputs: Mapping[str, JsonValue] = NOTHING


class App(Record, kw_only=True):
    """The contract of one app, and as much of its graph as its callers can use.

    `name` is the definition's own name for it, not yet a Python name; `source` is how messages and docstrings call the
    definition (a relative path with forward slashes, or "-").
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
    variables: tuple[Variable, ...] = ()
    answers: tuple[AnswerTemplate, ...] = ()
    tools: tuple[Tool, ...] = ()
    forms: tuple[HumanForm, ...] = ()
    files: TurnFiles | None = None
    features: Features = Features()
    examples: tuple[Example, ...] = ()

    @property
    def kind(self) -> AppKind:
        """The row of everything that depends on the kind of app."""
        return APP_KINDS[self.mode]
