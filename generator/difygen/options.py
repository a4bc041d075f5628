"""What a user may decide about the generated code. A record alone, so that it costs nothing to have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from difygen.record import NOTHING, Record

Emit = Literal["both", "sync", "async"]


class Options(Record, kw_only=True):
    """What the user decided about the generated code.

    `names` gives a workflow's Python name by the source of its definition; the other mappings are keyed by that
    Python name (or by the name in the definition). `rename` gives Python names for inputs and outputs, `outputs`
    type words for outputs, `nodes` constants for nodes by their ids or titles, `env` the environment variable of the
    API key. `runtime` is the package that generated code imports its runtime from, where it does not bring its own.
    """

    names: Mapping[str, str] = NOTHING
    rename: Mapping[str, Mapping[str, str]] = NOTHING
    outputs: Mapping[str, Mapping[str, str]] = NOTHING
    nodes: Mapping[str, Mapping[str, str]] = NOTHING
    env: Mapping[str, str] = NOTHING
    line_length: int = 88
    emit: Emit = "both"
    templates: str | None = None
    single_file: bool = False
    runtime: str | None = None
