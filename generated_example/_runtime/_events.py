"""The events of a stream, as typed views of what was sent. Knows nothing of transport.

Match them by class: `case NodeFinished(title=title, elapsed_time=seconds): ...`. Every
event keeps its whole payload in `raw`; members that a release does not send are empty or
None. The table of events is section 4.3 of Dify's streaming protocol, as seen on 1.12.1
and documented up to 1.16.
"""

from typing import Any

from ._responses import (
    Form,
    Record,
    Thought,
    forms_of,
    read_flag,
    read_integer,
    read_maybe_integer,
    read_maybe_object,
    read_maybe_text,
    read_moment,
    read_object,
    read_objects,
    read_real,
    read_text,
    read_texts,
    to_maybe_text,
    to_object,
    to_text,
)


class StreamEvent(Record):
    """What all events have in common.

    `workflow_run_id` is the run, for `get_run()` and `resume()`; `task_id` is the run
    while it goes on, for `stop()`. Either is None where the server leaves it out.
    """

    __slots__ = ()

    @property
    def members(self) -> dict[str, Any]:
        """The event's `data`."""
        return to_object(self.raw.get("data"))

    @property
    def event(self) -> str:
        """Dify's name of the event, e.g. `node_started`."""
        return to_text(self.raw.get("event"))

    @property
    def workflow_run_id(self) -> str | None:
        return to_maybe_text(self.raw.get("workflow_run_id"))

    @property
    def task_id(self) -> str | None:
        return to_maybe_text(self.raw.get("task_id"))


class FlatEvent(StreamEvent):
    """An event without `data`: its members stand beside its name."""

    __slots__ = ()

    @property
    def members(self) -> dict[str, Any]:
        """The event itself."""
        return self.raw


class WorkflowStarted(StreamEvent):
    """The run began, or went on after a pause (`reason` is then `resumption`, 1.13)."""

    __slots__ = ()
    _shown = "workflow_run_id reason"

    id = read_text()
    workflow_id = read_text()
    inputs = read_object()
    reason = read_maybe_text()
    created_at = read_moment()


class WorkflowFinished(StreamEvent):
    """The run ended: `status` says how. The last event of a stream."""

    __slots__ = ()
    _shown = "status outputs error elapsed_time"

    id = read_text()
    workflow_id = read_text()
    status = read_text()
    outputs = read_object()
    error = read_maybe_text()
    elapsed_time = read_real()
    total_tokens = read_integer()
    total_steps = read_integer()
    exceptions_count = read_maybe_integer()
    created_by = read_maybe_object()
    created_at = read_moment()
    finished_at = read_moment()
    files = read_objects()


class WorkflowPaused(StreamEvent):
    """The run waits for people. The last event of a stream; `resume()` gives the next."""

    __slots__ = ()
    _shown = "paused_nodes forms"

    paused_nodes = read_texts()
    reasons = read_objects()
    outputs = read_object()
    status = read_text()
    elapsed_time = read_real()
    total_tokens = read_integer()
    total_steps = read_integer()
    created_at = read_moment()

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that the run waits for."""
        return forms_of(self.raw)


class NodeEvent(StreamEvent):
    """What the events of nodes, iterations and loops have in common.

    `id` is this execution of the node, which pairs start, retry and finish; `node_id` is
    the node in the graph. For iterations and loops both are the same (since 1.9).
    """

    __slots__ = ()
    _shown = "node_id node_type title"

    id = read_text()
    node_id = read_text()
    node_type = read_text()
    title = read_text()
    iteration_id = read_maybe_text()
    loop_id = read_maybe_text()
    created_at = read_moment()


class NodeAttempt(NodeEvent):
    """What is known after a node ran: in full, or before it is tried again."""

    __slots__ = ()
    _shown = "node_id node_type title status elapsed_time"

    index = read_integer()
    predecessor_node_id = read_maybe_text()
    inputs = read_maybe_object()
    process_data = read_maybe_object()
    outputs = read_maybe_object()
    inputs_truncated = read_flag()
    process_data_truncated = read_flag()
    outputs_truncated = read_flag()
    status = read_text()
    error = read_maybe_text()
    elapsed_time = read_real()
    execution_metadata = read_maybe_object()
    parallel_id = read_maybe_text()
    files = read_objects()
    finished_at = read_moment()


class NodeStarted(NodeEvent):
    """A node began. `index` is 1 for every node of 1.12.1."""

    __slots__ = ()

    index = read_integer()
    predecessor_node_id = read_maybe_text()
    inputs = read_maybe_object()
    inputs_truncated = read_flag()
    extras = read_object()
    agent_strategy = read_maybe_object()
    parallel_id = read_maybe_text()


class NodeFinished(NodeAttempt):
    """A node ended: `status` is `succeeded`, `failed` or `exception` (handled)."""

    __slots__ = ()


class NodeRetry(NodeAttempt):
    """An attempt of a node failed and another follows (0.14.2).

    `retry_index` counts from 1 (seen on 1.12.1).
    """

    __slots__ = ()
    _shown = "node_id title retry_index error"

    retry_index = read_integer()


class ContainerStarted(NodeEvent):
    """What the start of an iteration and of a loop have in common."""

    __slots__ = ()

    metadata = read_object()
    inputs = read_object()
    inputs_truncated = read_flag()
    extras = read_object()


class ContainerNext(NodeEvent):
    """What a turn of an iteration and of a loop have in common."""

    __slots__ = ()
    _shown = "node_id title index"

    index = read_integer()
    extras = read_object()


class ContainerCompleted(NodeEvent):
    """What the end of an iteration and of a loop have in common.

    `error` is always None since 1.9: look at `status`.
    """

    __slots__ = ()
    _shown = "node_id title status steps elapsed_time"

    inputs = read_maybe_object()
    outputs = read_maybe_object()
    inputs_truncated = read_flag()
    outputs_truncated = read_flag()
    status = read_text()
    error = read_maybe_text()
    elapsed_time = read_real()
    total_tokens = read_integer()
    steps = read_integer()
    execution_metadata = read_maybe_object()
    finished_at = read_moment()


class IterationStarted(ContainerStarted):
    """An iteration began. An empty list gives no iteration events (seen on 1.12.1)."""

    __slots__ = ()


class IterationNext(ContainerNext):
    """An iteration takes its next item; `index` counts from 0."""

    __slots__ = ()


class IterationCompleted(ContainerCompleted):
    """An iteration ended."""

    __slots__ = ()


class LoopStarted(ContainerStarted):
    """A loop began (1.0.1)."""

    __slots__ = ()


class LoopNext(ContainerNext):
    """A loop takes its next turn; `index` counts from 1 (seen on 1.12.1)."""

    __slots__ = ()


class LoopCompleted(ContainerCompleted):
    """A loop ended."""

    __slots__ = ()


class ParallelBranchStarted(StreamEvent):
    """A parallel branch began (0.8.1 to 1.8)."""

    __slots__ = ()
    _shown = "parallel_branch_id"

    parallel_id = read_text()
    parallel_branch_id = read_text()
    parent_parallel_id = read_maybe_text()
    parent_parallel_start_node_id = read_maybe_text()
    iteration_id = read_maybe_text()
    loop_id = read_maybe_text()
    created_at = read_moment()


class ParallelBranchFinished(StreamEvent):
    """A parallel branch ended (0.8.1 to 1.8)."""

    __slots__ = ()
    _shown = "parallel_branch_id status"

    parallel_id = read_text()
    parallel_branch_id = read_text()
    parent_parallel_id = read_maybe_text()
    parent_parallel_start_node_id = read_maybe_text()
    iteration_id = read_maybe_text()
    loop_id = read_maybe_text()
    status = read_text()
    error = read_maybe_text()
    created_at = read_moment()


class TextChunk(StreamEvent):
    """A piece of display text.

    All pieces joined are *not* an output: every End output is sent as text, with line
    breaks between (seen on 1.12.1). `from_variable_selector` tells the source: the node's
    id and the variable. `RunStream.text()` picks one source.
    """

    __slots__ = ()
    _shown = "text from_variable_selector"

    text = read_text()
    from_variable_selector = read_texts()


class TextReplace(StreamEvent):
    """The display text so far is replaced (0.6 to 0.8.0)."""

    __slots__ = ()
    _shown = "text"

    text = read_text()


class ReasoningChunk(StreamEvent):
    """A piece of an LLM node's separated reasoning (1.15)."""

    __slots__ = ()
    _shown = "reasoning node_id is_final"

    reasoning = read_text()
    node_id = read_maybe_text()
    message_id = read_maybe_text()
    is_final = read_flag()


class MessageEvent(FlatEvent):
    """What the events of a turn of a chat-type app have in common.

    `conversation_id` is "" in a text generator, which has no conversations.
    """

    __slots__ = ()

    conversation_id = read_text()
    message_id = read_text()
    created_at = read_moment()


class Message(MessageEvent):
    """A piece of the answer, to be put behind those before it.

    `from_variable_selector` tells where in a chatflow it comes from: a node's id and a
    variable. It is empty in other apps.
    """

    __slots__ = ()
    _shown = "answer from_variable_selector"

    id = read_text()
    answer = read_text()
    from_variable_selector = read_texts()


class AgentMessage(MessageEvent):
    """A piece of an agent's answer."""

    __slots__ = ()
    _shown = "answer"

    id = read_text()
    answer = read_text()


class AgentThought(MessageEvent, Thought):
    """A step of an agent. The same `id` comes again as the step fills; the last one counts."""

    __slots__ = ()


class MessageFile(MessageEvent):
    """A file that belongs to the answer: a tool or a model made it.

    Its `url` is signed for a short time, and may be relative. After a file, apps other than chatflows
    send pieces of text by this name too (1.7.2): these come as a `Message`.
    """

    __slots__ = ()
    _shown = "type url"

    id = read_text()
    type = read_text()
    belongs_to = read_text()
    url = read_text()


class MessageReplace(MessageEvent):
    """The answer so far is void: `answer` is the whole new one. Moderation does this."""

    __slots__ = ()
    _shown = "answer reason"

    answer = read_text()
    reason = read_text()


class MessageEnd(MessageEvent):
    """The answer is complete: `metadata` has usage and citations.

    In an app that speaks, speech follows; in a chatflow, the end of the run may.
    """

    __slots__ = ()
    _shown = "metadata files"

    id = read_text()
    metadata = read_object()
    files = read_objects()


class AgentLog(StreamEvent):
    """A step of an agent node (1.0). The same `id` comes again as the step goes on."""

    __slots__ = ()
    _shown = "node_id label status"

    id = read_text()
    node_execution_id = read_text()
    node_id = read_text()
    label = read_text()
    parent_id = read_maybe_text()
    status = read_text()
    error = read_maybe_text()
    data = read_object()
    metadata = read_maybe_object()


class TtsMessage(FlatEvent):
    """A piece of speech, base64-encoded audio."""

    __slots__ = ()

    audio = read_text()
    created_at = read_moment()


class TtsMessageEnd(FlatEvent):
    """The speech is over."""

    __slots__ = ()

    audio = read_text()
    created_at = read_moment()


class HumanInputRequired(StreamEvent):
    """A node waits for people; `form` is what it asks. A pause of the run follows."""

    __slots__ = ()
    _shown = "form"

    form_id = read_text()
    form_token = read_maybe_text()
    node_id = read_text()
    node_title = read_text()
    form_content = read_text()
    expiration_time = read_moment()

    @property
    def form(self) -> Form:
        """What is asked, and how it can be answered."""
        return Form(self.members)


class HumanInputFormFilled(StreamEvent):
    """Somebody submitted a form."""

    __slots__ = ()
    _shown = "node_title action_id"

    node_id = read_text()
    node_title = read_text()
    rendered_content = read_text()
    action_id = read_text()
    action_text = read_text()
    submitted_data = read_maybe_object()


class HumanInputFormTimeout(StreamEvent):
    """Nobody submitted a form in time."""

    __slots__ = ()
    _shown = "node_title expiration_time"

    node_id = read_text()
    node_title = read_text()
    expiration_time = read_moment()


class ErrorEvent(FlatEvent):
    """The run could not go on. The stream raises the same as an `APIError` next.

    A failing node is no such event, but a run that finishes with the status `failed`.
    Before a run has started there may be no `code` and no ids (1.15).
    """

    __slots__ = ()
    _shown = "code status message"

    code = read_maybe_text()
    status = read_maybe_integer()
    message = read_text()


class Ping(FlatEvent):
    """The server is alive; it says so about every 10 seconds."""

    __slots__ = ()


class UnknownEvent(StreamEvent):
    """An event that this client does not know, or of another run: look into `raw`."""

    __slots__ = ()
    _shown = "event"


Event = (
    WorkflowStarted
    | WorkflowFinished
    | WorkflowPaused
    | NodeStarted
    | NodeFinished
    | NodeRetry
    | IterationStarted
    | IterationNext
    | IterationCompleted
    | LoopStarted
    | LoopNext
    | LoopCompleted
    | ParallelBranchStarted
    | ParallelBranchFinished
    | TextChunk
    | TextReplace
    | ReasoningChunk
    | Message
    | AgentMessage
    | AgentThought
    | MessageFile
    | MessageReplace
    | MessageEnd
    | AgentLog
    | TtsMessage
    | TtsMessageEnd
    | HumanInputRequired
    | HumanInputFormFilled
    | HumanInputFormTimeout
    | ErrorEvent
    | Ping
    | UnknownEvent
)
"""Everything that a stream yields."""

EVENT_TYPES: dict[str, type[Event]] = {
    "workflow_started": WorkflowStarted,
    "workflow_finished": WorkflowFinished,
    "workflow_paused": WorkflowPaused,
    "node_started": NodeStarted,
    "node_finished": NodeFinished,
    "node_retry": NodeRetry,
    "iteration_started": IterationStarted,
    "iteration_next": IterationNext,
    "iteration_completed": IterationCompleted,
    "loop_started": LoopStarted,
    "loop_next": LoopNext,
    "loop_completed": LoopCompleted,
    "parallel_branch_started": ParallelBranchStarted,
    "parallel_branch_finished": ParallelBranchFinished,
    "text_chunk": TextChunk,
    "text_replace": TextReplace,
    "reasoning_chunk": ReasoningChunk,
    "message": Message,
    "agent_message": AgentMessage,
    "agent_thought": AgentThought,
    "message_file": MessageFile,
    "message_replace": MessageReplace,
    "message_end": MessageEnd,
    "agent_log": AgentLog,
    "tts_message": TtsMessage,
    "tts_message_end": TtsMessageEnd,
    "human_input_required": HumanInputRequired,
    "human_input_form_filled": HumanInputFormFilled,
    "human_input_form_timeout": HumanInputFormTimeout,
    "error": ErrorEvent,
    "ping": Ping,
}


def make_event(payload: dict[str, Any]) -> Event:
    """Return the typed view of a payload."""
    name = payload.get("event")
    kind = EVENT_TYPES.get(name) if isinstance(name, str) else None
    return (kind or UnknownEvent)(payload)
