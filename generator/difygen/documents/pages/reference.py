"""What holds for every call of an app: events, statuses, errors and limits, and the steps that a run goes through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from difygen.documents.facts import error_classes, event_shapes
from difygen.documents.pages.flow import draw
from difygen.documents.pages.page import (
    Block,
    Bullets,
    Flow,
    PageSection,
    Paragraph,
    PlainSpan,
    Prose,
    TableBlock,
    TableRow,
    code,
    foreign,
)
from difygen.documents.pages.subject import Subject, dashed, names_as_code, takes_files

STATUSES = ("succeeded", "partial-succeeded", "failed", "stopped", "paused", "running")
_STATUS_CLASSES = {"failed": "FailedError", "stopped": "StoppedError", "paused": "PausedError"}


class ErrorRow(NamedTuple):
    """An error: the key of what is said about it, its HTTP status, Dify's code, and the kinds of app that have it.

    One without a code does not come from Dify, or not in its words.
    """

    key: str
    status: str
    code: str = ""
    kinds: tuple[str, ...] = ()


_CHATS = ("chatflow", "chat", "agent", "completion")
ERRORS = (
    ErrorRow("invalid_param", "400", "invalid_param"),
    ErrorRow("invalid_param_busy", "400", "invalid_param"),
    ErrorRow("bad_request", "400", "bad_request"),
    ErrorRow("not_workflow_app", "400", "not_workflow_app", ("workflow",)),
    ErrorRow("not_chat_app", "400", "not_chat_app", ("chatflow", "chat", "agent")),
    ErrorRow("app_unavailable", "400", "app_unavailable"),
    ErrorRow("agent_not_published", "400", "agent_not_published", ("agent",)),
    ErrorRow("provider_not_initialize", "400", "provider_not_initialize"),
    ErrorRow("provider_quota_exceeded", "400", "provider_quota_exceeded"),
    ErrorRow("model_currently_not_support", "400", "model_currently_not_support"),
    ErrorRow("completion_request_error", "400", "completion_request_error"),
    ErrorRow("unauthorized", "401", "unauthorized"),
    ErrorRow("forbidden", "403", "forbidden"),
    ErrorRow("not_found", "404", "not_found", ("workflow",)),
    ErrorRow("not_found_conversation", "404", "not_found", _CHATS),
    ErrorRow("human_input_form_submitted", "412", "human_input_form_submitted", ("workflow", "chatflow")),
    ErrorRow("human_input_form_expired", "412", "human_input_form_expired", ("workflow", "chatflow")),
    ErrorRow("file_too_large", "413", "file_too_large"),
    ErrorRow("unsupported_file_type", "415", "unsupported_file_type"),
    ErrorRow("too_many_requests", "429", "too_many_requests"),
    ErrorRow("rate_limit_error", "429", "rate_limit_error"),
    ErrorRow("internal_server_error", "500", "internal_server_error"),
    ErrorRow("html_404", "404"),
    ErrorRow("html_413", "413"),
    ErrorRow("html_5xx", "502 – 524"),
)
"""The statuses are those that come with the codes; which exception each is, the runtime's own tables say."""

_FILES_ONLY = ("file_too_large", "unsupported_file_type", "html_413")
_FORMS_ONLY = ("human_input_form_submitted", "human_input_form_expired")


def events(subject: Subject) -> PageSection:
    """List the events of a stream."""
    words, kind = subject.words, subject.app.kind
    ids = ["task_id"] + ["workflow_run_id"] * kind.has_runs + ["conversation_id"] * kind.has_conversations
    if not kind.has_outputs:
        ids.append("message_id")
    rows = [
        TableRow(
            f"event-{shape.name}",
            (
                (*code(shape.name), *([PlainSpan(" *")] if shape.flat and shape.name != "ping" else [])),
                words.prose(f"events.about.{shape.name}"),
                dashed(names_as_code([name for name in shape.members if name not in ids], words)),
            ),
        )
        for shape in event_shapes(kind)
    ]
    heads = tuple(words.text(f"events.{head}") for head in ("name", "when", "members"))
    notes = (
        words.prose("events.ping"),
        words.prose("events.split"),
        words.prose("events.ends", events=names_as_code(kind.terminal_events, words)),
    )
    return PageSection(
        "events",
        words.text("events.title"),
        (
            Paragraph("events-envelope", words.prose("events.envelope", ids=names_as_code(ids, words))),
            TableBlock("events-table", heads, tuple(rows)),
            Bullets("events-notes", notes),
        ),
    )


def statuses(subject: Subject) -> PageSection:
    """List the ways in which a run may end."""
    words, is_run = subject.words, subject.app.kind.has_outputs
    rows = [
        TableRow(
            f"status-{status}",
            (
                code(status),
                words.prose(f"statuses.about.{status}"),
                words.prose(f"statuses.do_about.{status}"),
                dashed(
                    code(f"{'Run' if is_run else 'Turn'}{_STATUS_CLASSES[status]}") if status in _STATUS_CLASSES else ()
                ),
            ),
        )
        for status in STATUSES
    ]
    heads = tuple(words.text(f"statuses.{head}") for head in ("status", "meaning", "do", "python"))
    return PageSection("statuses", words.text("statuses.title"), (TableBlock("statuses-table", heads, tuple(rows)),))


def errors(subject: Subject) -> PageSection:
    """List the errors that the app may answer with, and what to do about each."""
    words = subject.words
    rows = tuple(
        TableRow(
            f"error-{row.key}",
            (
                (PlainSpan(row.status),),
                code(row.code) if row.code else words.prose("errors.without"),
                words.prose(f"errors.about.{row.key}"),
                words.prose(f"errors.do_about.{row.key}"),
                code(exception_of(row)),
            ),
        )
        for row in _errors_of(subject)
    )
    heads = tuple(words.text(f"errors.{head}") for head in ("http", "code", "meaning", "do", "python"))
    return PageSection(
        "errors",
        words.text("errors.title"),
        (
            Paragraph("errors-envelope", words.prose("errors.envelope")),
            TableBlock("errors-table", heads, rows),
            Paragraph("errors-repeat", words.prose("errors.repeat"), "warning"),
        ),
    )


def _errors_of(subject: Subject) -> Iterator[ErrorRow]:
    asks = any(node.type == "human-input" for node in subject.app.nodes)
    for row in ERRORS:
        is_others = row.kinds and subject.app.kind.name not in row.kinds
        is_of_files = row.key in _FILES_ONLY and not takes_files(subject.app)
        if not (is_others or is_of_files or (row.key in _FORMS_ONLY and not asks)):
            yield row


def exception_of(row: ErrorRow) -> str:
    """Return the exception of the generated client that an error becomes."""
    classes = error_classes()
    if row.key == "invalid_param_busy":
        return classes.by_message["invalid_param", "Too many requests"]
    if row.key == "html_404":
        return "UnexpectedResponseError"
    status = int(row.status[:3])
    if row.key == "not_found_conversation":
        return classes.by_message["not_found", "Conversation Not Exists"]
    return classes.by_code.get(row.code) or classes.by_status.get(status) or "ServerError"


def limits(subject: Subject) -> PageSection:
    """List what the server sets limits to."""
    words, app = subject.words, subject.app
    rows: list[tuple[str, Prose, Prose]] = []
    if takes_files(app):
        for kind, size in (("image", 10), ("document", 15), ("audio", 50), ("video", 100)):
            shown = words.prose("limits.size", size=(PlainSpan(str(size)),))
            rows.append((kind, words.prose(f"limits.{kind}"), shown))
    if app.files is not None and app.files.max_count:
        count = (PlainSpan(str(app.files.max_count)),)
        rows.append(("count", words.prose("limits.count"), words.prose("limits.turn_files", count=count)))
    rows.append(("body", words.prose("limits.body"), words.prose("limits.size", size=(PlainSpan("100"),))))
    if app.kind.terminal_nodes:
        rows.append(("time", words.prose("limits.time"), words.prose("limits.time_limit")))
    rows += [
        (name, words.prose(f"limits.{name}"), words.prose(f"limits.{name}_limit"))
        for name in ("parallel", "user", "link")
    ]
    table = TableBlock(
        "limits-table",
        (words.text("limits.what"), words.text("limits.limit")),
        tuple(TableRow(f"limit-{name}", (what, limit)) for name, what, limit in rows),
    )
    return PageSection(
        "limits", words.text("limits.title"), (Paragraph("limits-about", words.prose("limits.about")), table)
    )


def steps(subject: Subject) -> PageSection | None:
    """Draw the steps of a run, and name them; nothing for an app that has none, or that does not tell."""
    words, app = subject.words, subject.app
    if not app.nodes:
        return None
    drawing = draw(subject.definition.graph)
    blocks: list[Block] = [Paragraph("steps-about", words.prose("steps.about"))]
    if drawing is None:
        blocks.append(Paragraph("steps-too-many", words.prose("steps.too_many")))
    else:
        blocks.append(Flow("flow", words.text("steps.picture", count=str(len(app.nodes))), drawing))
    titles = {node.id: node.title for node in app.nodes}
    is_nested = any(node.parent for node in app.nodes)
    rows = []
    for number, node in enumerate(app.nodes, 1):
        cells = [foreign(node.title) or code(node.id), code(node.type), code(node.id)]
        if is_nested:
            cells.append(dashed(foreign(titles.get(node.parent or "", ""))))
        cells.append(code(f"{subject.plan.nodes_class}.{subject.names.nodes[node.id]}"))
        rows.append(TableRow(f"step-{number}", tuple(cells)))
    heads = ["step", "type", "id", *["within"] * is_nested, "constant"]
    blocks.append(TableBlock("steps-table", tuple(words.text(f"steps.{head}") for head in heads), tuple(rows)))
    return PageSection("steps", words.text("steps.title"), tuple(blocks))


def reference(subject: Subject) -> Iterator[PageSection]:
    """Yield the sections that are looked up rather than read."""
    yield events(subject)
    if subject.app.kind.has_runs:
        yield statuses(subject)
    yield errors(subject)
    yield limits(subject)
    if (found := steps(subject)) is not None:
        yield found
