"""What a command is to do, and all that users may decide about it: records alone, which cost nothing to have."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from difygen.diagnostics import Diagnostic, Diagnostics
from difygen.record import NOTHING, Record, replace
from difygen.wording import shown

if TYPE_CHECKING:
    from difygen.diagnostics import Locator, Path

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


# Definitions that are fetched


class Selection(Record, kw_only=True):
    """Which apps are meant: those named by id or name, and of the others those with one of the tags and modes."""

    apps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()

    def takes(self, mode: str, tags: Collection[str]) -> bool:
        """Check whether an app of this mode, in Dify's word, with these tags is meant though it is not named."""
        if self.apps and not self.tags and not self.modes:
            return False
        from difygen.model import APP_KINDS  # which most runs that read this need not

        kind = APP_KINDS.get(cast(Any, mode))
        has_mode = not self.modes or mode in self.modes or (kind is not None and kind.name in self.modes)
        return kind is not None and has_mode and (not self.tags or not set(self.tags).isdisjoint(tags))


class PullSettings(Record, kw_only=True):
    """What is fetched from where. `folder` is relative to the file; `draft` takes drafts even of published apps.

    `keys` are environment variables with keys of apps, each for a spec of what its key alone tells.
    """

    server: str | None = None
    workspace: str | None = None
    selection: Selection = Selection()
    folder: str | None = None
    draft: bool = False
    keys: tuple[str, ...] = ()


# All of it


OutputFormat = Literal["text", "json", "github", "sarif"]
"""How a command prints what it found: for people, or for machines in one of the ways of `findings`."""


class Settings(Record, kw_only=True):
    """What a file of settings says.

    `sources`, `output`, the names of `options` and the folders of `documents` are relative to `folder`, which it is
    in. `documents` has what is said of each target beside the code that is to be made, by its key.

    `workflows` has the path in the file of each table about one workflow, by the workflow's name.
    """

    file: str
    folder: str
    sources: tuple[str, ...] = ()
    output: str | None = None
    options: Options = Options()
    documents: Mapping[str, DocumentOptions] = NOTHING
    workflows: Mapping[str, Path] = NOTHING
    pull: PullSettings = PullSettings()
    source_file: Locator | None = None

    def unused(self, names: Collection[str]) -> tuple[Diagnostic, ...]:
        """Return the settings for workflows that there are not, `names` being all names of those that there are."""
        if self.source_file is None:
            return ()
        report = Diagnostics(self.source_file)
        for name, path in self.workflows.items():
            if name not in names:
                hint = report.suggestion(name, sorted(names)) if names else ""
                report.error("unknown-workflow", f"No app is called `{shown(name)}`.", path, hint)
        return report.in_order()


class Config(Record, kw_only=True):
    """What the command line and the settings ask for. Paths start at the current folder.

    `folder` is the project's: generated code calls definitions by their path from it. `options` say what the code is
    to be like; their `names` are keyed by paths like `sources`. `documents` says of targets beside the code how they
    are to be, and where, by the keys of the settings; `with_documents` whether they are made along with the code: not
    where the command line names a SOURCE or an output, which is one thing of several then. `settings` are the file
    that names the sources, if one does: they are all that the package holds then. `force` overwrites files that
    difygen did not write, and trusts nothing that an earlier run left; `prune` removes the clients of definitions that
    are there and not among the sources; `strict` brings the warnings of unchanged definitions up again. `verbosity` is
    -1 for errors alone, 1 for every file. `output_format` says for whom findings are printed, and
    `report` is a file that they are written to as JSON, too.
    """

    sources: tuple[str, ...] = ()
    output: str | None = None
    folder: str = "."
    options: Options = Options()
    documents: Mapping[str, DocumentOptions] = NOTHING
    with_documents: bool = False
    settings: Settings | None = None
    force: bool = False
    prune: bool = False
    strict: bool = False
    verbosity: int = 0
    output_format: OutputFormat = "text"
    report: str | None = None

    @property
    def package(self) -> str:
        """The absolute path of the folder that the output is, or is in if it is a single file."""
        output = os.path.abspath(self.output or self.folder)
        return os.path.dirname(output) if self.options.single_file else output

    @classmethod
    def of_settings(cls, settings: Settings, sources: tuple[str, ...], choices: Mapping[str, Any]) -> Config:
        """Return what settings say, with all paths from the current folder; with these sources, if there are any."""

        def from_here(path: str) -> str:
            is_here = settings.folder in ("", ".") or path == "-"
            return path if is_here else os.path.normpath(os.path.join(settings.folder, path))

        names = {from_here(source): name for source, name in settings.options.names.items()}
        return cls(
            sources=sources or tuple(map(from_here, settings.sources)),
            output=from_here(settings.output) if settings.output else None,
            folder="." if sources else settings.folder,
            options=replace(settings.options, names=names),
            documents={key: replace(each, output=from_here(each.output)) for key, each in settings.documents.items()},
            with_documents=not sources,
            settings=None if sources else settings,
            **choices,
        )

    def unused_settings(self, names: Collection[str]) -> tuple[Diagnostic, ...]:
        """Return what the settings say about apps that there are not. `names` are those of all that there are."""
        return self.settings.unused(names) if self.settings else ()
