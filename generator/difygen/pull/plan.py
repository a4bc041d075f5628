"""What is to be pulled, from where, and where it goes: the command line before the settings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from difygen.config import Config, PullSettings, Selection
from difygen.findings import OutputFormat
from difygen.pull.auth.access import WORKSPACE, Asked, AuthMethod
from difygen.settings import PULL_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """What the command line asks for; the settings of `config` say the rest.

    `check` and `diff` write nothing: the one tells whether the server has something else, the other what that changes
    for callers.
    """

    config: Config
    apps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    output: str | None = None
    server: str | None = None
    workspace: str | None = None
    auth: AuthMethod | None = None
    email: str | None = None
    token_file: str | None = None
    api_key_file: str | None = None
    draft: bool = False
    check: bool = False
    diff: bool = False
    sample_runs: int = 0
    keep_token: str | None = None

    @property
    def output_format(self) -> OutputFormat:
        """For whom findings are printed."""
        return self.config.output_format


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be fetched, and where it goes. `is_whole` says that the folder holds nothing else."""

    options: PullOptions
    settings: PullSettings
    selection: Selection
    folder: str
    workspace: str | None
    is_whole: bool

    @classmethod
    def of(cls, options: PullOptions) -> Plan:
        """Put the command line before the settings."""
        found = options.config.settings
        settings = found.pull if found is not None else PullSettings()
        named = Selection(apps=options.apps, tags=options.tags, modes=options.modes)
        is_narrowed = named != Selection()
        folder = options.output
        if folder is None:
            home = found.folder if found is not None else "."
            folder = os.path.normpath(os.path.join(home, settings.folder or PULL_FOLDER))
        return cls(
            options=options,
            settings=settings,
            selection=named if is_narrowed else settings.selection,
            folder=folder,
            workspace=options.workspace or os.environ.get(WORKSPACE) or settings.workspace,
            is_whole=not is_narrowed,
        )

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be written."""
        return self.options.check or self.options.diff

    @property
    def asked(self) -> Asked:
        """What is said of the way into the server."""
        options = self.options
        return Asked(
            server=options.server or self.settings.server,
            auth=options.auth,
            email=options.email,
            token_file=options.token_file,
            api_key_file=options.api_key_file,
            keys=self.settings.keys,
            sample_runs=options.sample_runs,
            keep_token=options.keep_token,
        )
