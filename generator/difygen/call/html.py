"""The timeline of a run or a turn as one page that needs nothing else: `templates/timeline.html` with the data put in.

The page's own script and style are allowed by their hashes, so that nothing that the data holds can run, be styled
or be fetched.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from difygen.call.text import repetitions
from difygen.call.timeline import NodeExecution, NodeRow, Timeline
from difygen.console import pretty_json
from difygen.files import templates_folder
from difygen.model import App

_PLACEHOLDER = re.compile(r"\{\{(policy|title|data)\}\}")
_SYSTEM = "sys."
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def render_page(timeline: Timeline, workflow: App) -> str:
    """Return the page of a run that is over (or was given up)."""
    template = Path(templates_folder(), "timeline.html").read_text(encoding="utf-8")
    # Nothing may be loaded, and of scripts and styles only the template's own may take effect.
    own = f"script-src {_hash(template, 'script')}; style-src {_hash(template, 'style')}"
    texts = {
        "policy": html.escape(f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"),
        "title": html.escape(f"{_title(workflow)} · {timeline.status}"),
        "data": _script_json(page_data(timeline, workflow)),
    }
    return _PLACEHOLDER.sub(lambda found: texts[found[1]], template)


def page_data(timeline: Timeline, workflow: App) -> dict[str, Any]:
    """Return what the page's script draws. Values go in as texts, since a browser's numbers would lose digits."""
    rows = list(timeline.rows())
    if timeline.answer is not None and not timeline.workflow_id:  # an app without nodes, or an agent's last words
        rows.append((0, NodeRow("answer", "answer", "Answer", executions=[timeline.answer])))
    parents = {row.parent for _, row in rows}
    inputs = {name: value for name, value in timeline.inputs.items() if not str(name).startswith(_SYSTEM)}
    return {
        "title": _title(workflow),
        "description": workflow.description,
        "events": timeline.events,
        "run": {
            "id": timeline.run_id,
            "status": timeline.status,
            "error": timeline.error,
            "elapsed": timeline.extent if timeline.elapsed is None else timeline.elapsed,
            "extent": timeline.extent,
            "tokens": timeline.tokens,
            "steps": timeline.steps,
            "exceptions": timeline.exceptions if timeline.status == "partial-succeeded" else 0,
            "created_at": timeline.created_at,
        },
        "turn": None if workflow.kind.has_outputs else _turn(timeline),
        "inputs": _fields(inputs),
        "outputs": _fields(timeline.outputs),
        "text": timeline.text,
        "rows": [_row(row, depth, row.node_id in parents, timeline.extent) for depth, row in rows],
    }


def _turn(timeline: Timeline) -> dict[str, Any]:
    """Return what a turn has beside a run: what was asked and answered, and what the answer brought along."""
    files = ((file.get("filename") or file.get("type") or key, file) for key, file in timeline.files.items())
    citations = (
        (f"{number}. {each.get('document_name') or each.get('title') or ''}".strip(), each)
        for number, each in enumerate(timeline.citations, 1)
    )
    return {
        "query": timeline.query,
        "conversation": timeline.conversation_id,
        "message": timeline.message_id,
        "files": [_field(str(name), file) for name, file in files],
        "citations": [_field(name, each) for name, each in citations],
        "annotation": _fields(timeline.annotation),
    }


def _row(row: NodeRow, depth: int, has_children: bool, end: float) -> dict[str, Any]:
    return {
        "id": row.node_id,
        "type": row.type,
        "title": row.title,
        "parent": row.parent,
        "depth": depth,
        "children": has_children,
        "group": has_children or bool(row.rounds) or row.expected is not None,
        "times": repetitions(row),
        "status": row.status,
        "seconds": row.seconds(end),
        "tokens": row.tokens,
        "executions": [_execution(execution, end) for execution in row.executions],
    }


def _execution(execution: NodeExecution, end: float) -> dict[str, Any]:
    return {
        "item": execution.item,
        "start": round(execution.started, 6),
        "end": round(end if execution.finished is None else execution.finished, 6),
        "elapsed": execution.elapsed,
        "status": execution.status,
        "tokens": execution.tokens,
        "price": execution.price,
        "error": execution.error,
        "attempts": [{"number": attempt.number, "error": attempt.error} for attempt in execution.attempts],
        "inputs": _fields(execution.inputs),
        "process_data": _fields(execution.process_data),
        "outputs": _fields(execution.outputs),
        "reasoning": execution.reasoning,
        "logs": [
            _field(str(log.get("label") or log.get("id") or ""), log.get("data")) for log in execution.logs.values()
        ],
    }


def _fields(value: object) -> list[dict[str, Any]]:
    """Return the members of an object, each as a text; anything else as one nameless field; nothing for nothing."""
    if value is None or value == {}:
        return []
    if isinstance(value, Mapping):
        return [_field(str(name), member) for name, member in value.items()]
    return [_field("", value)]


def _field(name: str, value: Any) -> dict[str, Any]:
    is_text = isinstance(value, str)
    return {"name": name, "text": value if is_text else pretty_json(value), "json": not is_text}


def _title(workflow: App) -> str:
    return workflow.title or workflow.name


def _script_json(value: object) -> str:
    """Return JSON that is inert inside a script element: it holds no character that HTML could take for markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot say
        text = json.dumps(value, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _hash(template: str, tag: str) -> str:
    content = template.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
