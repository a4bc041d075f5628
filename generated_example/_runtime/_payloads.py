"""Which of a stream's data are events, and which events matter to the stream itself."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from ._events import EVENT_TYPES, TextChunk
from ._exchange import Exchange
from ._models import WorkflowNode

NOTABLE = frozenset(
    (
        "workflow_started",
        "workflow_finished",
        "workflow_paused",
        "node_started",
        "node_finished",
        "node_retry",
        "human_input_required",
        "error",
    )
)
"""Events that end a stream, or that a snapshot repeats."""

PLAIN_EVENTS = {name: kind for name, kind in EVENT_TYPES.items() if name not in NOTABLE}
"""All others, which are nearly all of a long stream."""

read_json = json.JSONDecoder().raw_decode


def payload_of(data: bytes) -> dict[str, Any]:
    """The JSON object of an event.

    Raises:
        ValueError: It is not UTF-8, not JSON, or not an object.
    """
    text = data.decode()
    try:
        payload, end = read_json(text)
    except ValueError:
        payload, end = None, -1
    if end != len(text):  # something stands around it: blanks, or it is no JSON
        payload = json.loads(text)
    if payload.__class__ is not dict:
        raise ValueError("expected an object")
    return cast(dict[str, Any], payload)


def is_stream(exchange: Exchange) -> bool:
    """Whether a response can hold events: it says so, or says nothing against it."""
    kind = exchange.headers.get("content-type", "").lower()
    if "event-stream" in kind:
        return True
    silent = not kind or kind.startswith(("text/plain", "application/octet-stream"))
    return silent and exchange.headers.get("content-length") is None


def text_filter(
    source: str | Sequence[str], sources: Mapping[str, Sequence[Sequence[str]]]
) -> Callable[[TextChunk], bool]:
    """What picks the pieces of one source: an output, a node, or a node and a variable."""
    if not isinstance(source, str):
        wanted = [tuple(source)]
    elif source in sources and not isinstance(source, WorkflowNode):
        wanted = [tuple(selector) for selector in sources[source]]
    else:
        wanted = [(str(source),)]

    def matches(chunk: TextChunk) -> bool:
        selector = chunk.from_variable_selector
        return any(selector[: len(prefix)] == prefix for prefix in wanted)

    return matches
