"""What a user may decide about the generated code. A record alone, so that it costs nothing to have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

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


# Documents that go along with the code


OpenApiVersion = Literal["3.1", "3.2", "3.0"]
OpenApiFormat = Literal["yaml", "json"]
DocsLanguage = Literal["en", "zh"]
DocsFormat = Literal["markdown", "html"]
ToolForm = Literal["openai", "openai-chat", "anthropic", "mcp", "json-schema"]

CLOUD = "https://api.dify.ai/v1"


class OpenApiOptions(Record, kw_only=True):
    """OpenAPI documents: the folder that they go to, the version, how they are written, the server that is named."""

    output: str = ""
    version: OpenApiVersion = "3.1"
    format: OpenApiFormat = "yaml"
    base_url: str = CLOUD


class ToolsOptions(Record, kw_only=True):
    """Tools for models: the folder that they go to, whose tools, and whether the API is to hold models to them."""

    output: str = ""
    forms: tuple[ToolForm, ...] = get_args(ToolForm)
    strict: bool = False


class DocsOptions(Record, kw_only=True):
    """Pages for people: the folder that they go to, the language of what is ours in them, how they are written, the
    server that is named; the package that code is imported from, and how that was made.
    """

    output: str = ""
    language: DocsLanguage = "en"
    formats: tuple[DocsFormat, ...] = get_args(DocsFormat)
    base_url: str = CLOUD
    package: str = "client"
    client: Options = Options()


DocumentOptions = DocsOptions | OpenApiOptions | ToolsOptions
