"""What an answer of a chat-type app brings beside its text: usage, citations, the steps of an
agent. Views like those of `_responses`.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from ._responses import (
    Member,
    Record,
    read_integer,
    read_maybe_integer,
    read_maybe_object,
    read_maybe_text,
    read_moment,
    read_object,
    read_text,
    to_maybe_real,
    to_texts,
)


def to_price(value: Any) -> Decimal | None:
    """The amount of money, which comes as text and maybe with an exponent ("9E-7")."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


class Usage(Record):
    """What the model calls of a turn took. Prices are in `currency`.

    `latency`, `time_to_first_token` and `time_to_generate` are seconds (the last two since
    1.10).
    """

    __slots__ = ()
    _shown = "total_tokens total_price currency latency"

    prompt_tokens = read_integer()
    completion_tokens = read_integer()
    total_tokens = read_integer()
    prompt_unit_price = Member(to_price)
    prompt_price_unit = Member(to_price)
    prompt_price = Member(to_price)
    completion_unit_price = Member(to_price)
    completion_price_unit = Member(to_price)
    completion_price = Member(to_price)
    total_price = Member(to_price)
    currency = read_text()
    latency = Member(to_maybe_real)
    time_to_first_token = Member(to_maybe_real)
    time_to_generate = Member(to_maybe_real)


class Citation(Record):
    """A piece of a document that an answer is based on.

    The server sends citations where the app shows them ("Citations and Attributions").
    """

    __slots__ = ()
    _shown = "position document_name score"

    position = read_maybe_integer()
    dataset_id = read_maybe_text()
    dataset_name = read_maybe_text()
    document_id = read_maybe_text()
    document_name = read_maybe_text()
    data_source_type = read_maybe_text()
    segment_id = read_maybe_text()
    retriever_from = read_maybe_text()
    score = Member(to_maybe_real)
    hit_count = read_maybe_integer()
    word_count = read_maybe_integer()
    segment_position = read_maybe_integer()
    index_node_hash = read_maybe_text()
    content = read_maybe_text()
    summary = read_maybe_text()
    page = read_maybe_integer()
    title = read_maybe_text()
    doc_metadata = read_maybe_object()


class Thought(Record):
    """A step of an agent: what it thought, which tools it used, what these gave.

    `tool` holds the names of tools, separated by `;`. `tool_input` and `observation` are
    JSON texts that go by these names. `message_files` are the ids of files that the tools
    made.
    """

    __slots__ = ()
    _shown = "position thought tool"

    id = read_text()
    position = read_integer()
    thought = read_text()
    observation = read_text()
    tool = read_text()
    tool_labels = read_object()
    tool_input = read_text()
    created_at = read_moment()

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools."""
        return tuple(name for name in self.tool.split(";") if name)

    @property
    def message_files(self) -> tuple[str, ...]:
        """The ids of files; stored messages call them `files`."""
        return to_texts(self.raw.get("message_files") or self.raw.get("files"))
