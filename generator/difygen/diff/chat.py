"""What changes for callers of chat-type apps: variables, tools, files of a turn, and what is switched on."""

from __future__ import annotations

from collections.abc import Iterator

from difygen.diff.inputs import compare_files, compare_length
from difygen.diff.public import PublicNames
from difygen.diff.rules import Found, renamed, reordered
from difygen.diff.types import plain
from difygen.model import WORKFLOW, App, Input, TurnFiles
from difygen.types import type_in_words

_CALLED = {
    "suggested_questions_after_answer": "suggests questions after an answer",
    "speech_to_text": "turns speech into text",
    "text_to_speech": "turns text into speech",
}
"""What callers can ask for where it is switched on."""
_BROUGHT = {
    "auto_play": "brings speech with its stream",
    "citations": "brings citations",
    "moderation": "may replace what it answered",
    "annotation_reply": "may answer from annotations",
}
"""What comes, or not, without a caller asking for it."""


def compare_chat(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    """Return what changes beside inputs and nodes."""
    yield from _compare_variables(old, new, old_names, new_names)
    yield from _compare_tools(old, new)
    yield from _compare_turn_files(old.files, new.files, "run" if new.kind is WORKFLOW else "turn")
    yield from _compare_features(old, new)
    says = {answer.node: answer for answer in old.answers}
    for answer in new.answers:
        if says.get(answer.node, answer) != answer:
            yield "answer-changed", f"answers.{answer.node}", "What it says, or when, changed."


def _compare_variables(old: App, new: App, old_names: PublicNames, new_names: PublicNames) -> Iterator[Found]:
    before = {variable.name: variable for variable in old.variables}
    after = {variable.name: variable for variable in new.variables}
    for name, variable in before.items():
        subject = f"variables.{name}"
        if name not in after:
            yield "variable-removed", subject, f"The conversation variable `{name}` is gone."
            continue
        yield from renamed("variable", subject, name, old_names.variables, new_names.variables)
        now = after[name]
        if plain(variable.type) != plain(now.type):
            message = f"It was {type_in_words(variable.type)} and is {type_in_words(now.type)}."
            yield "variable-type-changed", subject, message
        if variable.initial != now.initial:
            message = f"It began as {variable.initial!r} and begins as {now.initial!r}."
            yield "variable-initial-changed", subject, message
        if variable.description != now.description:
            yield "text-changed", subject, f"The description of `{name}` changed."
    for name in after:
        if name not in before:
            yield "variable-added", f"variables.{name}", f"The conversation variable `{name}` is new."
    yield from reordered("variables", list(before), list(after))


def _compare_tools(old: App, new: App) -> Iterator[Found]:
    before, after = ([tool.name for tool in app.tools] for app in (old, new))
    for name in before:
        if name not in after:
            yield "tool-removed", f"tools.{name}", f"The tool `{name}` is gone."
    for name in after:
        if name not in before:
            yield "tool-added", f"tools.{name}", f"The tool `{name}` is new."


def _compare_turn_files(old: TurnFiles | None, new: TurnFiles | None, call: str) -> Iterator[Found]:
    if old is None or new is None:
        if old is not None:
            yield "files-removed", "files", f"A {call} takes no files any more."
        elif new is not None:
            yield "files-added", "files", f"A {call} takes files now."
        return
    yield from compare_files("files", _as_input(old), _as_input(new))
    yield from compare_length("files", _as_input(old), _as_input(new))


def _as_input(files: TurnFiles) -> Input:
    """Return an input that takes the same files."""
    return Input(
        name="files",
        kind="file-list",
        max_length=files.max_count,
        allowed_file_types=files.types,
        allowed_file_extensions=files.extensions,
        allowed_file_upload_methods=files.methods,
    )


def _compare_features(old: App, new: App) -> Iterator[Found]:
    for name, does in _CALLED.items():
        if getattr(old.features, name) and not getattr(new.features, name):
            yield "feature-removed", f"features.{name}", f"The app no longer {does}."
        elif getattr(new.features, name) and not getattr(old.features, name):
            yield "feature-added", f"features.{name}", f"The app {does} now."
    for name, does in _BROUGHT.items():
        if getattr(old.features, name) != getattr(new.features, name):
            now = "now" if getattr(new.features, name) else "no longer"
            yield "feature-changed", f"features.{name}", f"The app {now} {does}."
    for name in ("opening_statement", "suggested_questions"):
        if getattr(old.features, name) != getattr(new.features, name):
            yield "text-changed", f"features.{name}", f"The {name.replace('_', ' ')} changed."
