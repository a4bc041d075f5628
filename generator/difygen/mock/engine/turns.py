"""A turn, event by event: what all kinds of chat-type apps have in common, and apps without a graph.

Order and fields of the events are those of recordings of 1.14.2. A turn is run like a workflow, so that requests can
follow, leave and stop it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.conversations import AnnotationRow, MessageRow
from difygen.mock.definition import JsonObject
from difygen.mock.engine import Simulation
from difygen.mock.engine.nodes import FAILURE, usage_of
from difygen.mock.engine.scheduler import Compute, Delay, Effect, Effects
from difygen.mock.files import file_object
from difygen.model import AGENT
from difygen.parser.dsl.graph import mapping

SPEECH = "//MkxAAAAANIAAAAAExBTUUzLjEwMFVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVV"
"""A frame of MP3 that says nothing, in base64."""

_NOTHING: JsonObject = {"thought": "", "observation": "", "tool": "", "tool_labels": {}, "tool_input": ""}


@dataclass
class ServedTurn(Simulation):
    """One turn: a run that ends with a message, which it fills as it goes."""

    row: MessageRow = field(kw_only=True)
    dialogue_count: int = field(default=1, kw_only=True)
    annotation: AnnotationRow | None = field(default=None, kw_only=True)
    _annotated: AnnotationRow | None = field(default=None, init=False)
    _reasoning: JsonObject = field(default_factory=dict, init=False)

    def envelope(self, name: str, **more: Any) -> JsonObject:
        """Return an event of the turn, keys in the order of the wire."""
        row = self.row
        head = {"message_id": row.id, "created_at": row.created_at, "task_id": self.identity.task_id}
        if row.conversation_id:
            head = {"conversation_id": row.conversation_id} | head
        return {"event": name} | head | more

    def message(self, text: str, selector: list[str] | None = None) -> JsonObject:
        """Return a piece of the answer, and keep it."""
        self.row.answer += text
        return self.envelope("message", id=self.row.id, answer=text, from_variable_selector=selector)

    def message_end(self, *, is_whole: bool = True) -> JsonObject:
        """Return the end of the answer. A stopped turn has used nothing (seen on 1.14.2)."""
        tokens = (len(self.row.query.split()), len(self.row.answer.split())) if is_whole else (0, 0)
        return self.envelope(
            "message_end", id=self.row.id, metadata=self.metadata(*tokens), files=self.answered_files()
        )

    def metadata(self, prompt_tokens: int, completion_tokens: int) -> JsonObject:
        """Return what an answer has beside its text."""
        usage = usage_of(prompt_tokens, completion_tokens) | self._no_times()
        reasoning = {"reasoning": self._reasoning} if self.release.has("reasoning-metadata") else {}
        return {"annotation_reply": self._reply(), "retriever_resources": [], "usage": usage, **reasoning}

    def _reply(self) -> JsonObject | None:
        row = self._annotated
        return None if row is None else {"id": row.id, "account": {"id": self.definition.id("account"), "name": "Mock"}}

    def _no_times(self) -> JsonObject:
        return {"time_to_first_token": None, "time_to_generate": None}

    def answered_files(self) -> list[JsonObject] | None:
        """Return the files that the answer brings along."""
        is_silent = self.release.has("no-answer-files") and not self.definition.workflow.kind.has_runs
        made = [row for row in self.row.files if row["belongs_to"] == "assistant" and not is_silent]
        return [_answered(row) for row in made] or None

    def error_event(self, error: JsonObject) -> JsonObject:
        """Return the event that ends a turn before its time: it has no task id (seen on 1.14.2)."""
        self.row.status, self.row.error = "error", error["message"]
        event = self.envelope("error") | {key: error[key] for key in ("code", "status", "message")}
        return {key: value for key, value in event.items() if key != "task_id"}

    def asked(self) -> JsonObject:
        """Return what a user's function gets to know: the inputs, and the query with what belongs to it."""
        system = {"sys.query": self.row.query, "sys.files": self.system.get("sys.files", [])}
        system |= {"sys.conversation_id": self.row.conversation_id, "sys.dialogue_count": self.dialogue_count}
        return self.inputs | (system if self.row.conversation_id else {})

    # Moderation

    def refusal(self, side: str, *texts: object) -> str | None:
        """Return what moderation by keywords says in place of a text; `side` is `inputs` or `outputs`."""
        settings = mapping(self.definition.features.get("sensitive_word_avoidance"))
        config = mapping(settings.get("config"))
        rule = mapping(config.get(f"{side}_config"))
        if not settings.get("enabled") or settings.get("type") != "keywords" or not rule.get("enabled"):
            return None
        keywords = [word.strip().lower() for word in str(config.get("keywords") or "").split("\n") if word.strip()]
        found = any(word in str(text).lower() for word in keywords for text in texts)
        return str(rule.get("preset_response") or "") if found else None

    def refused_query(self) -> str | None:
        """Return what moderation answers in place of the app."""
        return self.refusal("inputs", self.row.query, *self.inputs.values())

    def annotated(self) -> str | None:
        """Return what an annotation answers in place of the app, and count that it did."""
        self._annotated = self.annotation
        if self.annotation is None:
            return None
        self.annotation.hits += 1
        return self.annotation.answer

    def replaced(self, reason: str) -> Iterator[JsonObject]:
        """Yield the event that takes the place of all that was said, if moderation wants that."""
        text = self.refusal("outputs", self.row.answer)
        if text is not None:
            self.row.answer = text
            yield self.envelope("message_replace", answer=text, reason=reason)


@dataclass
class FormTurn(ServedTurn):
    """A turn of an app without a graph: a chatbot, an agent or a text generator."""

    _made: JsonObject = field(default_factory=dict)

    def prescribe(self, outputs: Mapping[str, Any]) -> None:
        """Let the turn give this answer."""
        self._made = dict(outputs)

    def effects(self) -> Effects:
        """Yield what happens, in order, up to the end of the answer and of its speech."""
        refused = self.refused_query()
        if refused is not None:  # one character at a time (seen on 1.14.2)
            yield from (self.message(character) for character in refused)
            yield self.finish("succeeded", None)
            return
        annotated = self.annotated()
        if annotated is not None:
            yield self.message(annotated)
            yield self.finish("succeeded", None)
            return
        problem = yield from self._ask()
        if "failed" in self.faults or problem:
            yield self.finish("failed", problem or FAILURE)
            return
        speak = self._agent if self.definition.workflow.kind is AGENT else self._plain
        yield from speak(str(self._made.get("answer", self._made_up_answer())))
        yield from self.replaced("")
        yield self.finish("succeeded", None)
        if self.definition.workflow.features.auto_play:
            yield self.envelope("tts_message", audio=SPEECH)
            yield self.envelope("tts_message_end", audio="")

    def _ask(self) -> Generator[Effect, Any, str]:
        """Ask a user's function what to answer; return why it failed, or nothing."""
        answer = yield Compute()
        if isinstance(answer, BaseException):
            return f"{type(answer).__name__}: {answer}"
        self._made = answer if answer is not None else self._made
        return ""

    def _made_up_answer(self) -> str:
        return f"mock answer to: {self.row.query}" if self.row.conversation_id else "mock answer of the app"

    def finish(self, status: str, error: str | None) -> JsonObject:
        """End the turn and return its last event: also a stopped one ends in order (seen on 1.14.2)."""
        self.status, self.error = status, error
        if status == "failed":
            return self.error_event({"code": "completion_request_error", "status": 400, "message": error})
        self.outputs = {"answer": self.row.answer}
        return self.message_end(is_whole=status == "succeeded")

    def _pieces(self, text: str) -> Iterator[Delay | str]:
        """Yield the words of a text and an empty piece, with the time between them."""
        words = text.split(" ")
        pieces = [words[0], *(f" {word}" for word in words[1:]), ""]
        seconds = self._seconds(self.definition.graph.steps["body"])
        for piece in pieces:
            if seconds:
                yield Delay(seconds / len(pieces))
            yield piece

    def _plain(self, text: str) -> Effects:
        """Yield the files that a handler gives, then the text: after a file Dify calls its pieces files, too."""
        files = [self._file(str(name)) for name in self._made.get("files") or ()]
        yield from map(self._file_event, files)
        for piece in self._pieces(text):
            said = self.message(piece) if isinstance(piece, str) else piece
            yield said | {"event": "message_file"} if files and isinstance(said, dict) else said

    # Agents

    def _agent(self, answer: str) -> Effects:
        """Yield the rounds of an agent: one for each use of a tool, and the last one, which answers."""
        position = 0
        for position, use in enumerate(self._uses(), 1):
            yield from self._round_of(position, use, str(use.get("thought", "Let me look.")))
        yield from self._round_of(position + 1, {}, answer)

    def _uses(self) -> list[JsonObject]:
        """Return the uses of tools: what a handler's `thoughts` say, else the app's first tool once."""
        if "thoughts" in self._made or "answer" in self._made:
            return [dict(each) for each in self._made.get("thoughts") or ()]
        return [{"tool": tool.name, "observation": "mock observation"} for tool in self.definition.workflow.tools[:1]]

    def _round_of(self, position: int, use: JsonObject, text: str) -> Effects:
        """Yield one thought, which is sent again as it fills, around the text that the agent says."""
        tool = str(use.get("tool", ""))
        thought: JsonObject = {"id": str(uuid.uuid4()), "position": position} | _NOTHING
        yield self._thought(thought, [])
        for piece in self._pieces(text):
            yield self._agent_message(piece) if isinstance(piece, str) else piece
        thought["thought"] = text
        if not tool:
            yield self._thought(thought, [])
            return
        yield self._agent_message("")
        labels = {each.name: each.label or each.name for each in self.definition.workflow.tools}
        label = labels.get(tool, tool)
        thought["tool"], thought["tool_labels"] = tool, {tool: {"en_US": label, "zh_Hans": label}}
        thought["tool_input"] = json.dumps({tool: use.get("tool_input", {})}, ensure_ascii=False)
        yield self._thought(thought, [])
        files = [self._file(str(name)) for name in use.get("files") or ()]
        yield from map(self._file_event, files)
        thought["observation"] = json.dumps({tool: use.get("observation", "")}, ensure_ascii=False)
        yield self._thought(thought, [file["id"] for file in files])

    def _agent_message(self, text: str) -> JsonObject:
        self.row.answer += text
        return self.envelope("agent_message", id=self.row.id, answer=text)

    def _thought(self, thought: JsonObject, files: list[str]) -> JsonObject:
        stored = {key: value for key, value in thought.items() if key not in ("tool_input", "observation")}
        stored |= {"tool_input": thought["tool_input"], "created_at": self.row.created_at}
        self.row.thoughts[thought["id"]] = stored | {"observation": thought["observation"], "files": files}
        return self.envelope("agent_thought", **thought, message_files=files)

    def _file_event(self, file: JsonObject) -> JsonObject:
        return self.envelope("message_file", **{key: file[key] for key in ("id", "type", "belongs_to", "url")})

    def _file(self, name: str) -> JsonObject:
        """Return the row of a picture that a tool or a model has made."""
        example = self.store.example(name)
        file = file_object("image", "tool_file", name, ".png", "application/octet-stream", 0)
        return self.row.attach(file | {"url": example["url"], "related_id": example["related_id"]}, "assistant")


def _answered(row: JsonObject) -> JsonObject:
    """Return a file of an answer as `message_end` has it (seen on 1.14.2)."""
    _, dot, extension = str(row["filename"]).rpartition(".")
    return {
        "related_id": row["id"],
        "extension": dot + extension,
        "filename": row["filename"],
        "size": row["size"],
        "mime_type": row["mime_type"],
        "transfer_method": row["transfer_method"],
        "type": row["type"],
        "url": row["url"],
        "upload_file_id": row["upload_file_id"],
        "remote_url": "",
    }
