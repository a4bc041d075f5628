"""A turn of a chatflow: a run of its graph, whose text is what Answer nodes say, and which remembers variables.

Order and fields of the events are those of recordings of 1.14.2.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.conversations import VariableRow
from difygen.mock.definition import Definition, JsonObject, rows_of, selector_of
from difygen.mock.engine.nodes import NodeResult
from difygen.mock.engine.scheduler import Effects, EndText, NodeEffects, Round, Scheduler
from difygen.mock.engine.turns import ServedTurn
from difygen.mock.engine.values import VariablePool, as_text
from difygen.model import TemplatePiece
from difygen.parser.dsl.graph import Step, mapping, sequence

CONVERSATION = "conversation"


class AnswerText(EndText):
    """Which text of which Answer node is due: its template, up to the first value that is not there yet.

    `held` is a start node at work: what it gives is said while the next one works (seen on 1.14.2).
    """

    def __init__(self, definition: Definition, pool: VariablePool, scheduler: Scheduler) -> None:
        super().__init__(definition, pool, scheduler)
        self._templates = dict(definition.templates)
        self._said_by = self._templates
        self.held = ""

    def say(self, text: str) -> None:
        """Let the first Answer node that speaks say this text alone, as if the first value of its template were it."""
        for node, pieces in self._templates.items():
            reference = next((each.selector for each in pieces if self._is_computed(each.selector)), (node, "answer"))
            self._templates[node] = (TemplatePiece(text=text, selector=reference),)

    def _is_computed(self, selector: Sequence[str]) -> bool:
        step = self._definition.graph.steps.get(selector[0]) if selector else None
        return step is not None and step.type not in ("start", "human-input")

    def text_of(self, node: str) -> str:
        """Return the whole text of an Answer node, in Dify's Markdown."""
        return "".join(each.text or as_text(self._pool.get(each.selector)) for each in self._templates[node])

    def _text_of(self, end: str, *, everything: bool) -> Iterator[JsonObject]:
        pieces = self._templates[end]
        for position in range(self._sent.get(end, 0), len(pieces)):
            piece = pieces[position]
            waits = piece.selector and piece.selector not in self._pool and piece.selector[0] != end
            waits = waits and piece.selector[0] not in self._scheduler.skipped
            if not everything and (waits or piece.selector[:1] == (self.held,)):
                return
            self._sent[end] = position + 1
            if piece.text:
                words = piece.text.split(" ") if piece.selector else [piece.text]
                parts = [words[0], *(f" {word}" for word in words[1:])]
                yield from ({"text": part, "from_variable_selector": self._source(end, piece)} for part in parts)
            else:
                yield from self._chunks(piece.selector)

    def _source(self, end: str, piece: TemplatePiece) -> list[str]:
        return list(piece.selector) or [end, "answer"]


@dataclass
class ChatflowTurn(ServedTurn):
    """A turn of a chatflow. `variables` are those of its conversation, by name."""

    _asks_after = ()  # the start node itself may speak
    variables: Mapping[str, VariableRow] = field(default_factory=dict, kw_only=True)
    _speech: AnswerText = field(init=False)

    def __post_init__(self) -> None:
        ServedTurn.__post_init__(self)
        self._pool.put(CONVERSATION, {name: row.value for name, row in self.variables.items()}, derived=True)
        self._pool.put("sys", {"conversation_id": self.row.conversation_id}, derived=True)
        self._text = self._speech = AnswerText(self.definition, self._pool, self._scheduler)

    def prescribe(self, outputs: Mapping[str, Any]) -> None:
        """Let the turn answer this, or its nodes give values: `answer`, or `node.field` as templates refer to it."""
        ServedTurn.prescribe(self, outputs)
        if "answer" in outputs:
            self._speech.say(str(outputs["answer"]))

    def effects(self) -> Effects:
        """Yield what happens, in order: where moderation (seen on 1.14.2) or an annotation answers there is no run."""
        refused = self.refused_query()
        answered = self.annotated() if refused is None else refused
        if answered is not None:
            self.outputs = {"answer": answered}
            yield self.message(answered)
            yield self.message_end()
            self.status = "succeeded"
            return
        yield from ServedTurn.effects(self)

    def ends(self, status: str, error: str | None) -> Iterator[JsonObject]:
        """End the run and yield what tells so; of one that failed or was stopped that is one event since 1.13.1."""
        finished, is_first = self.finish(status, error), self.release.has("run-ends-before-message")
        if is_first:
            yield finished
        if status == "failed" and is_first:
            yield self.error_event({"code": "invalid_param", "status": 400, "message": f"Run failed: {error}"})
        elif status == "stopped" and is_first:
            yield self.message_end(is_whole=False)
        elif status not in ("failed", "stopped"):
            yield from self.replaced("output_moderation")  # the run's outputs stay what they were (seen on 1.14.2)
            yield self.message_end()
        if not is_first:
            yield finished

    def event(self, name: str, data: JsonObject) -> JsonObject:
        """Return an event of the run in its envelope."""
        return self.envelope(name, workflow_run_id=self.identity.run_id, data=data)

    def finish(self, status: str, error: str | None) -> JsonObject:
        """End the run. What a failed one has said is lost (seen on 1.14.2)."""
        self.outputs = {"answer": self.row.answer, "files": []}
        if status == "failed":
            self.row.status, self.row.answer, self.row.error = "error", "", f"Run failed: {error}"
        return ServedTurn.finish(self, status, error)

    def metadata(self, prompt_tokens: int, completion_tokens: int) -> JsonObject:
        """Return what an answer has beside its text: of the annotation that answered there is no word."""
        metadata = ServedTurn.metadata(self, prompt_tokens, completion_tokens)
        return {key: value for key, value in metadata.items() if key != "annotation_reply" or value is None}

    def _no_times(self) -> JsonObject:
        return {}

    def answered_files(self) -> list[JsonObject] | None:
        """Return the files that the answer brings along: a list, other than in apps without a graph."""
        return ServedTurn.answered_files(self) or []

    def _chunks(self, reached: str = "") -> Iterator[JsonObject]:
        for data in self._speech.due(reached=reached):
            yield self.message(data["text"], data["from_variable_selector"])

    # Nodes

    def _run_node(self, node: Step, scheduler: Scheduler, round_: Round | None) -> NodeEffects:
        self._speech.held = node.id if node.type == "start" else ""
        running, answer, execution = ServedTurn._run_node(self, node, scheduler, round_), None, ""
        while True:
            try:
                effect = running.send(answer)
            except StopIteration as done:
                branch: str | None = done.value
                return branch
            if isinstance(effect, dict) and effect["event"] == "node_started":
                execution = str(effect["data"]["id"])
            elif isinstance(effect, dict) and execution:  # a text or the end: what the node thought comes before
                yield from self._inner_life(node.id, execution)
                execution = ""
            answer = yield effect

    def _inner_life(self, node: str, execution: str) -> Iterator[JsonObject]:
        """Yield what a handler's `reasoning` and `logs` say of a node: a model's thinking, the steps of an agent."""
        reasoning = mapping(self._pool.prescribed.get("reasoning")).get(node)
        if reasoning is not None:
            self._reasoning[node] = str(reasoning)
            words = str(reasoning).split(" ")
            for number, word in enumerate(words):
                data = {"message_id": self.row.id, "reasoning": f" {word}" if number else word, "node_id": node}
                yield self.event("reasoning_chunk", data | {"is_final": number == len(words) - 1})
        for entry in map(mapping, sequence(mapping(self._pool.prescribed.get("logs")).get(node))):
            id_, label = str(uuid.uuid4()), str(entry.get("label", ""))
            head: JsonObject = {"node_execution_id": execution, "id": id_, "label": label, "parent_id": None}
            tail: JsonObject = {"data": dict(mapping(entry.get("data"))), "metadata": {}, "node_id": node}
            for status in ("start", "success"):  # the same id again as the step goes on
                yield self.envelope("agent_log", data=head | {"error": None, "status": status} | tail)

    def _result(self, node: Step) -> NodeResult:
        if node.type in self.definition.workflow.kind.terminal_nodes:
            return NodeResult(outputs={"answer": self._speech.text_of(node.id), "files": []}, derived=True)
        if node.type == "assigner":
            return self._assign(node)
        return ServedTurn._result(self, node)

    def _system_in_start(self) -> JsonObject:
        return self.system | {"sys.conversation_id": self.row.conversation_id}

    def _assign(self, node: Step) -> NodeResult:
        """Change conversation variables, as the node's rows say."""
        items = rows_of(node.data, "items") or [_as_item(node.data)]
        updated: dict[str, JsonObject] = {}
        for item in items:
            selector = selector_of(item.get("variable_selector"))
            variable = self.variables.get(selector[1]) if len(selector) == 2 and selector[0] == CONVERSATION else None
            if variable is None:
                continue
            value = item.get("value")
            if item.get("input_type") == "variable":
                value = self._pool.get(selector_of(value))
            variable.assign(changed(variable.value, str(item.get("operation")), value))
            self._pool.put(CONVERSATION, {variable.name: variable.value}, derived=True)
            changes = {"name": variable.name, "selector": list(selector), "value_type": variable.declared}
            updated[variable.name] = changes | {"new_value": variable.value}
        values = {name: row["new_value"] for name, row in updated.items()}
        process_data = values | {"__updated_variables": list(updated.values())}
        return NodeResult(_settings(node), {}, process_data, derived=True)

    # People

    def _ask_human(self, node: Step) -> NodeEffects:
        """Pause, and keep in the message what a person is asked, and what they answered."""
        asking, answer = ServedTurn._ask_human(self, node), None
        while True:
            try:
                effect = asking.send(answer)
            except StopIteration as done:
                branch: str | None = done.value
                return branch
            event: JsonObject = effect if isinstance(effect, dict) else {"event": ""}
            if event["event"] == "human_input_required":
                self._keep_form(event["data"])
            elif event["event"] == "human_input_form_filled":
                self._keep_submission(event["data"])
            elif event["event"] == "human_input_form_timeout":
                self.row.status = "normal"
            answer = yield effect

    def _keep_form(self, form: JsonObject) -> None:
        self.row.status = "paused"
        content = {"workflow_run_id": self.identity.run_id, "submitted": False, "form_definition": form}
        self.row.extra_contents.append(content | {"form_submission_data": None, "type": "human_input"})

    def _keep_submission(self, filled: JsonObject) -> None:
        self.row.status = "normal"
        self.row.extra_contents[-1] |= {"submitted": True, "form_definition": None, "form_submission_data": filled}

    def _shown_late(self, event: JsonObject) -> list[JsonObject]:
        """Return what was said so far in one event, behind the run's start (seen on 1.14.2)."""
        data = event["data"]
        if event["event"] == "workflow_paused":
            data = data | {"outputs": {"answer": self.row.answer, "files": {"value_type": "array[file]", "value": []}}}
        shown = [event | {"data": data}]
        if event["event"] == "workflow_started" and data.get("reason") != "resumption":
            shown.append(self.envelope("message_replace", answer=self.row.answer, reason=""))
        return shown


def changed(old: Any, operation: str, value: Any) -> Any:
    """Return what an operation of an assigner node makes of a variable; what cannot be done leaves it as it is."""
    match operation:
        case "over-write" | "set":
            return value
        case "clear":
            return type(old)() if old is not None else None
        case "append" if isinstance(old, list):
            return [*old, value]
        case "extend" if isinstance(old, list) and isinstance(value, list):
            return [*old, *value]
        case "remove-first" if isinstance(old, list):
            return old[1:]
        case "remove-last" if isinstance(old, list):
            return old[:-1]
        case "/=" if isinstance(old, int | float) and isinstance(value, int | float):
            return old / value if value else old
        case "+=" | "-=" | "*=" if isinstance(old, int | float) and isinstance(value, int | float):
            return {"+=": old + value, "-=": old - value, "*=": old * value}[operation]
    return old


def _as_item(settings: Mapping[str, Any]) -> JsonObject:
    """Return an assigner of the first version in the words of the second."""
    return {
        "variable_selector": settings.get("assigned_variable_selector"),
        "input_type": "variable",
        "operation": settings.get("write_mode"),
        "value": settings.get("input_variable_selector"),
    }


def _settings(node: Step) -> JsonObject:
    """Return the settings of an assigner, which are what it shows for its inputs (seen on 1.14.2)."""
    keys = ("variable_selector", "input_type", "operation", "value")
    items = [{key: mapping(item).get(key) for key in keys} for item in sequence(node.data.get("items"))]
    return {
        "type": node.type,
        "title": node.title,
        "desc": node.data.get("desc", ""),
        "version": node.data.get("version", "1"),
        "error_strategy": node.data.get("error_strategy"),
        "default_value": node.data.get("default_value"),
        "retry_config": {"max_retries": 0, "retry_interval": 0, "retry_enabled": False},
        "items": items,
        "selected": node.data.get("selected", False),
    }
