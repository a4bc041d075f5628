"""What kind of file and app an export is, before anything of its graph is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from difygen.diagnostics import nearest
from difygen.model import AppMode, JsonValue
from difygen.parser.dsl.shape import mapping, quoted, sequence, text
from difygen.parts import Report

NEWEST = (0, 7, 0)
"""The newest version of the DSL that this reader was written for (Dify 1.16)."""

MODES: tuple[AppMode, ...] = get_args(AppMode)

_OTHER_KINDS = {
    "rag_pipeline": "a knowledge pipeline, which fills a knowledge base and has no workflow API",
    "snippet": "a snippet, a piece of a workflow that cannot be run by itself",
}
_OTHER_MODES: dict[str, str] = {
    "advanced-chat": "a chatflow",
    "chat": "a chatbot",
    "agent-chat": "an agent",
    "agent": "an agent",
    "completion": "a text generator",
}


def check_kind(root: Mapping[str, JsonValue], report: Report) -> bool:
    """Whether the file is the export of an app. A missing `kind` or an unknown one is taken for `app`, as Dify does."""
    kind = text(root.get("kind"))
    if kind not in _OTHER_KINDS and "rag_pipeline" in root and "app" not in root:
        kind = "rag_pipeline"
    if kind in _OTHER_KINDS:
        report.error(
            "unsupported-kind",
            f"This is the export of {_OTHER_KINDS[kind]}.",
            ("kind",),
            "difygen makes clients for workflow apps.",
        )
        return False
    if not mapping(root.get("app")):
        report.error("no-app", "The export has no `app` block, so it is the export of no app.", ("app",))
        return False
    return True


def check_version(root: Mapping[str, JsonValue], report: Report) -> None:
    """Warn of a version newer than this reader. Older ones are all read alike: files mix the forms of several."""
    numbers = []
    for part in text(root.get("version")).split(".")[:3]:
        if not (part.isascii() and part.isdecimal() and len(part) < 7):
            return
        numbers.append(int(part))
    if tuple(numbers) > NEWEST:
        newest = ".".join(map(str, NEWEST))
        message = f"The file is of DSL version {text(root.get('version'))}, and difygen knows versions up to {newest}."
        report.warn(
            "newer-version",
            message,
            ("version",),
            "It is read as far as it is understood. A newer difygen may understand more.",
        )


def mode_of(root: Mapping[str, JsonValue], report: Report) -> AppMode | None:
    """The app's mode, if there is one that Dify knows."""
    app = mapping(root.get("app"))
    word = text(app.get("mode"))
    for mode in MODES:
        if mode == word:
            return mode
    if not word and _looks_like_workflow(root):
        report.warn(
            "no-mode", "The app has no `mode`; it is read as a workflow.", ("app",), "Dify writes `mode: workflow`."
        )
        return "workflow"
    if not word:
        report.error("no-mode", "The app has no `mode`, and nothing else says what kind of app it is.", ("app",))
        return None
    known = nearest(word, MODES)
    hint = f"Did you mean `{known}`?" if known else "difygen makes clients for apps of the mode `workflow`."
    report.error("unknown-mode", f"{quoted(word)} is no mode of an app that difygen knows.", ("app", "mode"), hint)
    return None


def refuse_mode(mode: AppMode, report: Report) -> None:
    """Say that apps of this mode get no client."""
    message = f"This app is {_OTHER_MODES[mode]} (mode `{mode}`), and difygen makes clients for workflow apps only."
    report.error("unsupported-mode", message, ("app", "mode"))


def _looks_like_workflow(root: Mapping[str, JsonValue]) -> bool:
    nodes = sequence(mapping(mapping(root.get("workflow")).get("graph")).get("nodes"))
    types = {text(mapping(mapping(node).get("data")).get("type")) for node in nodes}
    return "end" in types and "answer" not in types
